//! Files and folders twice: as the process sees them, and as they were last synced.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{Errno, RenameFlags};

use super::{Crash, Data, Names};

pub const ROOT: u64 = 1;

/// Cheap to clone: bytes and names are shared until they change.
#[derive(Clone)]
pub struct Model {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    /// As on FAT: everything has this mode whatever it is given, and nothing has a second name.
    one_mode: Option<u32>,
}

#[derive(Clone)]
pub struct Node {
    pub meta: Meta,
    pub links: u32,
    pub body: Body,
    /// As of the last sync; for one that was never synced, how it was made, and empty.
    synced: (Meta, Body),
}

#[derive(Clone, Copy)]
pub struct Meta {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub modified: SystemTime,
}

#[derive(Clone)]
pub enum Body {
    File(Arc<Vec<u8>>),
    Folder(Arc<BTreeMap<OsString, u64>>),
}

/// What `chmod`, `chown`, `truncate` and `utimensat` change.
#[derive(Default)]
pub struct Change {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub modified: Option<SystemTime>,
}

impl Meta {
    pub fn new(mode: u32, uid: u32, gid: u32) -> Meta {
        Meta { mode: mode & 0o7777, uid, gid, modified: SystemTime::now() }
    }
}

impl Body {
    pub fn file() -> Body {
        Body::File(Arc::default())
    }

    pub fn folder() -> Body {
        Body::Folder(Arc::default())
    }
}

impl Model {
    pub fn new() -> Model {
        let node = Node::new(Meta::new(0o755, 0, 0), Body::folder());
        Model { nodes: BTreeMap::from([(ROOT, node)]), next: ROOT + 1, one_mode: None }
    }

    /// As FAT is, mounted with this umask.
    pub fn without_permissions(umask: u32) -> Model {
        Model { one_mode: Some(0o777 & !umask), ..Model::new() }
    }

    /// The mode that a node has for whoever asks.
    pub fn mode(&self, node: &Node) -> u32 {
        self.one_mode.unwrap_or(node.meta.mode)
    }

    /// A copy of a folder, all durable.
    pub fn load(folder: &Path) -> io::Result<Model> {
        let mut model = Model::new();
        model.load_into(ROOT, folder, &mut HashMap::new())?;
        for node in model.nodes.values_mut() {
            node.synced = (node.meta, node.body.clone());
        }
        Ok(model)
    }

    pub fn node(&self, ino: u64) -> Result<&Node, Errno> {
        self.nodes.get(&ino).ok_or(Errno::ENOENT)
    }

    pub fn names(&self, ino: u64) -> Result<&BTreeMap<OsString, u64>, Errno> {
        match &self.node(ino)?.body {
            Body::Folder(names) => Ok(names),
            Body::File(_) => Err(Errno::ENOTDIR),
        }
    }

    pub fn lookup(&self, parent: u64, name: &OsStr) -> Result<u64, Errno> {
        self.names(parent)?.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub fn read(&self, ino: u64, offset: u64, size: usize) -> Result<Vec<u8>, Errno> {
        let Body::File(bytes) = &self.node(ino)?.body else { return Err(Errno::EISDIR) };
        let start = (offset as usize).min(bytes.len());
        let end = start.saturating_add(size).min(bytes.len());
        Ok(bytes[start..end].to_vec())
    }

    pub fn create(&mut self, parent: u64, name: &OsStr, meta: Meta, body: Body) -> Result<u64, Errno> {
        if self.names(parent)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let ino = self.next;
        self.next += 1;
        self.nodes.insert(ino, Node::new(meta, body));
        self.enter(parent, name, ino)?;
        Ok(ino)
    }

    pub fn link(&mut self, ino: u64, parent: u64, name: &OsStr) -> Result<(), Errno> {
        if self.one_mode.is_some() || matches!(self.node(ino)?.body, Body::Folder(_)) {
            return Err(Errno::EPERM);
        }
        if self.names(parent)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.enter(parent, name, ino)
    }

    pub fn unlink(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let ino = self.lookup(parent, name)?;
        match self.node(ino)?.body {
            Body::File(_) => self.leave(parent, name),
            Body::Folder(_) => Err(Errno::EISDIR),
        }
    }

    pub fn rmdir(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        match self.names(self.lookup(parent, name)?)?.is_empty() {
            true => self.leave(parent, name),
            false => Err(Errno::ENOTEMPTY),
        }
    }

    pub fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr), flags: RenameFlags) -> Result<(), Errno> {
        let moved = self.lookup(from.0, from.1)?;
        let replaced = self.lookup(to.0, to.1).ok();
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            let other = replaced.ok_or(Errno::ENOENT)?;
            self.names_mut(from.0)?.insert(from.1.to_owned(), other);
            self.names_mut(to.0)?.insert(to.1.to_owned(), moved);
            return Ok(());
        }
        if replaced == Some(moved) {
            return Ok(());
        }
        if replaced.is_some() && flags.contains(RenameFlags::RENAME_NOREPLACE) {
            return Err(Errno::EEXIST);
        }
        if let Some(replaced) = replaced {
            match self.node(replaced)?.body {
                Body::File(_) => self.unlink(to.0, to.1)?,
                Body::Folder(_) => self.rmdir(to.0, to.1)?,
            }
        }
        self.enter(to.0, to.1, moved)?;
        self.leave(from.0, from.1)
    }

    pub fn write(&mut self, ino: u64, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let bytes = self.bytes_mut(ino)?;
        let end = offset as usize + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(data);
        self.touch(ino)
    }

    pub fn change(&mut self, ino: u64, change: &Change) -> Result<(), Errno> {
        if let Some(size) = change.size {
            self.bytes_mut(ino)?.resize(size as usize, 0);
            self.touch(ino)?;
        }
        let meta = &mut self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?.meta;
        meta.mode = change.mode.map_or(meta.mode, |mode| mode & 0o7777);
        meta.uid = change.uid.unwrap_or(meta.uid);
        meta.gid = change.gid.unwrap_or(meta.gid);
        meta.modified = change.modified.unwrap_or(meta.modified);
        Ok(())
    }

    /// Makes a file's bytes or a folder's names durable, and with `meta` mode and owner too.
    pub fn sync(&mut self, ino: u64, meta: bool) -> Result<(), Errno> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?;
        node.synced.1 = node.body.clone();
        if meta {
            node.synced.0 = node.meta;
        }
        Ok(())
    }

    /// Where a node is, as the process sees it.
    pub fn path(&self, ino: u64) -> PathBuf {
        if ino == ROOT {
            return PathBuf::new();
        }
        for (parent, node) in &self.nodes {
            if let Body::Folder(names) = &node.body
                && let Some((name, _)) = names.iter().find(|(_, child)| **child == ino)
            {
                return self.path(*parent).join(name);
            }
        }
        PathBuf::from(format!("(unlinked {ino})"))
    }

    /// Writes into an empty folder what a crash leaves.
    pub fn materialise(&self, crash: Crash, folder: &Path) -> io::Result<()> {
        self.materialise_folder(ROOT, crash, folder, &mut HashMap::new())
    }

    fn materialise_folder(
        &self,
        ino: u64,
        crash: Crash,
        folder: &Path,
        made: &mut HashMap<u64, PathBuf>,
    ) -> io::Result<()> {
        for (name, child) in self.nodes[&ino].names_after(crash.names) {
            let path = folder.join(name);
            let node = &self.nodes[child];
            match (&node.body, made.get(child)) {
                (Body::File(_), Some(other)) => fs::hard_link(other, &path)?,
                (Body::File(_), None) => fs::write(&path, node.bytes_after(crash.data))?,
                // A folder that was moved, with only one of its parents synced, is found once.
                (Body::Folder(_), Some(_)) => continue,
                (Body::Folder(_), None) => {
                    fs::create_dir(&path)?;
                    made.insert(*child, path.clone());
                    self.materialise_folder(*child, crash, &path, made)?;
                }
            }
            made.insert(*child, path.clone());
            let meta = node.meta_after(crash.data);
            chown(&path, Some(meta.uid), Some(meta.gid))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(meta.mode))?;
        }
        Ok(())
    }

    fn load_into(&mut self, ino: u64, folder: &Path, known: &mut HashMap<(u64, u64), u64>) -> io::Result<()> {
        let failed = |errno: Errno| io::Error::from_raw_os_error(errno.code());
        let found = fs::metadata(folder)?;
        let node = self.nodes.get_mut(&ino).ok_or(io::ErrorKind::NotFound)?;
        node.meta = Meta::new(found.mode(), found.uid(), found.gid());
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (name, found) = (entry.file_name(), entry.metadata()?);
            let meta = Meta::new(found.mode(), found.uid(), found.gid());
            if found.is_dir() {
                let child = self.create(ino, &name, meta, Body::folder()).map_err(failed)?;
                self.load_into(child, &entry.path(), known)?;
            } else if !found.is_file() {
                return Err(io::Error::other(format!("{} is neither file nor folder", entry.path().display())));
            } else if let Some(child) = known.get(&(found.dev(), found.ino())) {
                self.link(*child, ino, &name).map_err(failed)?;
            } else {
                let body = Body::File(Arc::new(fs::read(entry.path())?));
                let child = self.create(ino, &name, meta, body).map_err(failed)?;
                known.insert((found.dev(), found.ino()), child);
            }
        }
        Ok(())
    }

    fn enter(&mut self, parent: u64, name: &OsStr, ino: u64) -> Result<(), Errno> {
        self.names_mut(parent)?.insert(name.to_owned(), ino);
        self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?.links += 1;
        self.touch(parent)
    }

    /// The node stays: a descriptor may be open, and the disk may still have the name.
    fn leave(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let ino = self.names_mut(parent)?.remove(name).ok_or(Errno::ENOENT)?;
        self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?.links -= 1;
        self.touch(parent)
    }

    fn touch(&mut self, ino: u64) -> Result<(), Errno> {
        self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?.meta.modified = SystemTime::now();
        Ok(())
    }

    fn names_mut(&mut self, ino: u64) -> Result<&mut BTreeMap<OsString, u64>, Errno> {
        match &mut self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?.body {
            Body::Folder(names) => Ok(Arc::make_mut(names)),
            Body::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn bytes_mut(&mut self, ino: u64) -> Result<&mut Vec<u8>, Errno> {
        match &mut self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)?.body {
            Body::File(bytes) => Ok(Arc::make_mut(bytes)),
            Body::Folder(_) => Err(Errno::EISDIR),
        }
    }
}

impl Node {
    fn new(meta: Meta, body: Body) -> Node {
        let empty = match body {
            Body::File(_) => Body::file(),
            Body::Folder(_) => Body::folder(),
        };
        Node { meta, links: 0, body, synced: (meta, empty) }
    }

    fn names_after(&self, names: Names) -> &BTreeMap<OsString, u64> {
        let body = match names {
            Names::Synced => &self.synced.1,
            Names::All => &self.body,
        };
        match body {
            Body::Folder(names) => names,
            Body::File(_) => panic!("a file was asked for its names"),
        }
    }

    fn bytes_after(&self, data: Data) -> Vec<u8> {
        let (Body::File(now), Body::File(synced)) = (&self.body, &self.synced.1) else {
            panic!("a folder was asked for its bytes")
        };
        let mut bytes = synced.to_vec();
        let tail = now.get(synced.len()..).unwrap_or_default();
        match data {
            Data::Synced => {}
            Data::TornTails { permille } => bytes.extend(&tail[..tail.len() * usize::from(permille) / 1000]),
            Data::ZeroTails => bytes.resize(bytes.len() + tail.len(), 0),
            Data::All => bytes = now.to_vec(),
        }
        bytes
    }

    fn meta_after(&self, data: Data) -> Meta {
        if data == Data::All { self.meta } else { self.synced.0 }
    }
}
