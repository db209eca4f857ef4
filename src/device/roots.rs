//! Where the host's facts are read from: the running system, or a recording of another one.

use std::path::{Path, PathBuf};

/// The folders everything is read from, so that a recorded machine can stand in for this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// `/sys`.
    pub sys: PathBuf,
    /// `/proc`.
    pub proc: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    /// The second route to identities and signatures.
    pub udev: UdevSource,
    /// What stands under `dev`.
    pub nodes: Nodes,
}

/// Where udev's properties come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UdevSource {
    /// The running udevd, through libudev (cargo feature `udev`; nothing without it).
    Live,
    /// A folder like `/run/udev/data`.
    Recorded(PathBuf),
    /// sysfs only.
    Off,
}

/// What stands under [`Roots::dev`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// Real device nodes. They may be opened to find out what only opening tells.
    Live,
    /// Stand-ins (regular files or nothing). They are read for signatures, where they have content.
    Recorded,
}

impl Roots {
    /// The running system.
    pub fn live() -> Roots {
        Roots {
            sys: PathBuf::from("/sys"),
            proc: PathBuf::from("/proc"),
            dev: PathBuf::from("/dev"),
            udev: UdevSource::Live,
            nodes: Nodes::Live,
        }
    }

    /// A recorded machine: `sys`, `proc`, `dev` and `udev` below `folder`.
    pub fn recorded(folder: &Path) -> Roots {
        let udev = folder.join("udev");
        Roots {
            sys: folder.join("sys"),
            proc: folder.join("proc"),
            dev: folder.join("dev"),
            udev: if udev.is_dir() { UdevSource::Recorded(udev) } else { UdevSource::Off },
            nodes: Nodes::Recorded,
        }
    }

    /// The kernel's random name of this boot.
    pub fn boot(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.proc.join("sys/kernel/random/boot_id")).ok()?;
        Some(text.trim().to_owned()).filter(|id| !id.is_empty())
    }

    /// Where a path as the machine names it (`/dev/sda`, `/sys/block`) is found on this host.
    pub(crate) fn on_host(&self, path: &Path) -> PathBuf {
        for (prefix, root) in [("/dev", &self.dev), ("/sys", &self.sys), ("/proc", &self.proc)] {
            if let Ok(rest) = path.strip_prefix(prefix) {
                return if rest.as_os_str().is_empty() { root.clone() } else { root.join(rest) };
            }
        }
        match self.nodes {
            Nodes::Live => path.to_owned(),
            // A recorded machine's other paths exist nowhere here.
            Nodes::Recorded => self.dev.join(".nowhere").join(path.strip_prefix("/").unwrap_or(path)),
        }
    }
}

impl Default for Roots {
    fn default() -> Roots {
        Roots::live()
    }
}
