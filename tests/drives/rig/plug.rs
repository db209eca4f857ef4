//! What a guest is told of a drive.

use std::path::{Path, PathBuf};

/// A place for sockets and files of one guest's life.
pub struct Socket {
    folder: PathBuf,
    next: usize,
}

impl Socket {
    pub fn new(folder: &Path) -> Socket {
        Socket { folder: folder.to_owned(), next: 0 }
    }

    /// A name that nothing has yet.
    pub fn path(&mut self) -> PathBuf {
        self.next += 1;
        self.folder.join(format!("drive-{}", self.next))
    }
}

/// A drive that can be plugged into a guest, and later into the next one: its state outlives them.
pub trait Plug {
    /// Starts to serve (where a thread serves it) and says how qemu is to attach it.
    fn plug(&self, sockets: &mut Socket) -> Vec<String>;
}

/// What the drives have in common for a qemu argument.
pub fn vfio_user(socket: &Path) -> Vec<String> {
    let device = format!(r#"{{"driver":"vfio-user-pci","socket":{{"type":"unix","path":"{}"}}}}"#, socket.display());
    vec!["-device".into(), device]
}
