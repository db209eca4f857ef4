//! The FUSE side of a [`super::CrashFs`]: nothing is cached by the kernel, so that every change
//! arrives when it is made.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::Disk;
use super::model::{Body, Change, Meta, Model};

const NOT_CACHED: Duration = Duration::ZERO;
const BLOCK: u32 = 4096;
/// 4 GiB.
const BLOCKS: u64 = 1 << 20;

pub struct Server {
    disk: Arc<Disk>,
    /// What an open folder lists, so that names removed meanwhile do not shift the others.
    listings: Mutex<HashMap<u64, Listing>>,
}

type Listing = Vec<(u64, FileType, OsString)>;

impl Server {
    pub fn new(disk: Arc<Disk>) -> Server {
        Server { disk, listings: Mutex::default() }
    }

    fn created(
        &self,
        op: &'static str,
        parent: INodeNo,
        name: &OsStr,
        meta: Meta,
        body: Body,
    ) -> Result<FileAttr, Errno> {
        self.disk.step(op, child(parent, name), |model| {
            let ino = model.create(parent.0, name, meta, body)?;
            attributes(model, ino)
        })
    }
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.disk.look(|model| attributes(model, model.lookup(parent.0, name)?));
        entry(found, reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.disk.look(|model| attributes(model, ino.0)) {
            Ok(found) => reply.attr(&NOT_CACHED, &found),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let modified = mtime.map(|time| match time {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => SystemTime::now(),
        });
        let op = match (size, mode, uid.or(gid)) {
            (Some(_), _, _) => "truncate",
            (_, Some(_), _) => "chmod",
            (_, _, Some(_)) => "chown",
            _ => "utimens",
        };
        let change = Change { mode, uid, gid, size, modified };
        let done = self.disk.step(op, itself(ino), |model| {
            model.change(ino.0, &change)?;
            attributes(model, ino.0)
        });
        match done {
            Ok(changed) => reply.attr(&NOT_CACHED, &changed),
            Err(errno) => reply.error(errno),
        }
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let meta = Meta::new(mode & !umask, request.uid(), request.gid());
        entry(self.created("mkdir", parent, name, meta, Body::folder()), reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let meta = Meta::new(mode & !umask, request.uid(), request.gid());
        match self.created("create", parent, name, meta, Body::file()) {
            Ok(made) => {
                reply.created(&NOT_CACHED, &made, Generation(0), FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(self.disk.step("unlink", child(parent, name), |model| model.unlink(parent.0, name)), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(self.disk.step("rmdir", child(parent, name), |model| model.rmdir(parent.0, name)), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let rename = |model: &mut Model| model.rename((parent.0, name), (newparent.0, newname), flags);
        empty(self.disk.step("rename", child(newparent, newname), rename), reply);
    }

    fn link(&self, _: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        let done = self.disk.step("link", child(newparent, newname), |model| {
            model.link(ino.0, newparent.0, newname)?;
            attributes(model, ino.0)
        });
        entry(done, reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.disk.look(|model| model.node(ino.0).map(drop)) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk.look(|model| model.read(ino.0, offset, size as usize)) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let synced = flags.0 & libc::O_DSYNC != 0;
        let op = if synced { "write O_DSYNC" } else { "write" };
        let done = self.disk.step(op, itself(ino), |model| {
            model.write(ino.0, offset, data)?;
            if synced { model.sync(ino.0, flags.0 & libc::O_SYNC == libc::O_SYNC) } else { Ok(()) }
        });
        match done {
            Ok(()) => reply.written(data.len() as u32),
            Err(errno) => reply.error(errno),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let done = self.disk.step("fallocate", itself(ino), |model| {
            let size = attributes(model, ino.0)?.size.max(offset + length);
            model.change(ino.0, &Change { size: Some(size), ..Change::default() })
        });
        empty(done, reply);
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        let op = if datasync { "fdatasync" } else { "fsync" };
        empty(self.disk.step(op, itself(ino), |model| model.sync(ino.0, !datasync)), reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        empty(self.disk.step("fsyncdir", itself(ino), |model| model.sync(ino.0, !datasync)), reply);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let listed = self.disk.look(|model| {
            let dots = [".", ".."].map(|name| Ok((ino.0, FileType::Directory, OsString::from(name))));
            let children = model.names(ino.0)?.iter().map(|(name, child)| {
                let kind = attributes(model, *child)?.kind;
                Ok((*child, kind, name.clone()))
            });
            dots.into_iter().chain(children).collect::<Result<Listing, Errno>>()
        });
        match listed {
            Ok(listing) => {
                let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
                let handle = listings.keys().max().map_or(1, |last| last + 1);
                listings.insert(handle, listing);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        if let Err(errno) = self.disk.look(|_| Ok(())) {
            return reply.error(errno);
        }
        let listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = listings.get(&fh.0).map_or(&[][..], Vec::as_slice);
        for (number, (ino, kind, name)) in (1..).zip(listing).skip(offset as usize) {
            if reply.add(INodeNo(*ino), number, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner).remove(&fh.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS / 2, BLOCKS / 2, BLOCKS, BLOCKS / 2, BLOCK, 255, BLOCK);
    }
}

fn attributes(model: &Model, ino: u64) -> Result<FileAttr, Errno> {
    let node = model.node(ino)?;
    let (kind, size, nlink) = match &node.body {
        Body::File(bytes) => (FileType::RegularFile, bytes.len() as u64, node.links),
        Body::Folder(names) => (FileType::Directory, names.len() as u64, 2),
    };
    Ok(FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: size.div_ceil(512),
        atime: node.meta.modified,
        mtime: node.meta.modified,
        ctime: node.meta.modified,
        crtime: node.meta.modified,
        kind,
        perm: model.mode(node) as u16,
        nlink,
        uid: node.meta.uid,
        gid: node.meta.gid,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    })
}

fn child(parent: INodeNo, name: &OsStr) -> impl FnOnce(&Model) -> PathBuf {
    let name = Path::new(name).to_owned();
    move |model| model.path(parent.0).join(name)
}

fn itself(ino: INodeNo) -> impl FnOnce(&Model) -> PathBuf {
    move |model| model.path(ino.0)
}

fn entry(result: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match result {
        Ok(found) => reply.entry(&NOT_CACHED, &found, Generation(0)),
        Err(errno) => reply.error(errno),
    }
}

fn empty(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}
