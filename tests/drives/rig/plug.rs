//! What a guest is told of a drive.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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

    /// A name for qemu, likewise.
    pub fn id(&mut self) -> String {
        self.next += 1;
        format!("rig{}", self.next)
    }
}

/// A drive that can be plugged into a guest, and later into the next one: its state outlives them.
pub trait Plug {
    /// Starts to serve (where a thread serves it) and says how qemu is to attach it.
    fn plug(&self, sockets: &mut Socket) -> Vec<String>;
}

/// A drive whose cells the host can look into.
pub trait Drive: Plug {
    /// How many of the sectors in the cells still hold the old content, and how many did at first.
    /// (One lock: two in one expression would wait for each other for ever.)
    fn left(&self) -> (usize, usize);
}

/// A drive whose power a test can take away.
pub trait Powered: Drive {
    /// The drive's own power: without it, commands that were queued are lost.
    fn power(&self, on: bool);
    /// Power fails by itself when so many sectors were written.
    fn cut_after(&self, sectors: u64);
    fn is_off(&self) -> bool;
    /// In the middle of an erase.
    fn busy(&self) -> bool;
    /// How long an erase takes from now on, and 64 KiB of a write.
    fn pace(&self, erase: Duration, write: Duration);
}

/// Power, and what was counted, outside the drive's lock: a busy drive seldom lets it go.
#[derive(Default)]
pub struct Supply {
    off: AtomicBool,
    writes: AtomicU64,
}

impl Supply {
    pub fn set(&self, on: bool) {
        self.off.store(!on, Ordering::SeqCst);
    }

    pub fn is_off(&self) -> bool {
        self.off.load(Ordering::SeqCst)
    }

    pub fn count_write(&self) {
        self.writes.fetch_add(1, Ordering::SeqCst);
    }

    /// Write commands taken up so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }
}

/// What the drives have in common for a qemu argument.
pub fn vfio_user(socket: &Path) -> Vec<String> {
    let device = format!(r#"{{"driver":"vfio-user-pci","socket":{{"type":"unix","path":"{}"}}}}"#, socket.display());
    vec!["-device".into(), device]
}
