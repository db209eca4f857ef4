//! A second program that holds a file or device: the test binary again. One that uses it has a test `holder` that
//! calls [`hold`].

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc;

/// Holds until it is dropped.
pub struct Holder(Child);

impl Holder {
    /// `how`: `exclusively`, `flock`, `range`, `writing`, `reading`.
    pub fn start(path: &Path, how: &str) -> Holder {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "holder", "--nocapture"])
            .env("HOLD_PATH", path)
            .env("HOLD_HOW", how)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        assert!(output.lines().any(|line| line.unwrap().ends_with("holding")), "the holder failed");
        Holder(child)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As qemu locks its image.
pub fn lock_a_byte(file: &File) {
    let l_type = i16::try_from(libc::F_RDLCK).unwrap();
    let byte = libc::flock { l_type, l_whence: 0, l_start: 100, l_len: 1, l_pid: 0 };
    fcntl(file, FcntlArg::F_OFD_SETLK(&byte)).unwrap();
}

/// What the other program does.
pub fn hold() {
    let Some(path) = std::env::var_os("HOLD_PATH") else { return };
    let how = std::env::var("HOLD_HOW").unwrap();
    let flags = if how == "exclusively" { libc::O_EXCL } else { 0 };
    let file = OpenOptions::new().read(true).write(how != "reading").custom_flags(flags).open(path).unwrap();
    if how == "range" {
        lock_a_byte(&file);
    } else if how == "flock" {
        let lock = Flock::lock(file, FlockArg::LockShared).unwrap();
        println!("holding");
        let _ = std::io::stdin().read_line(&mut String::new());
        return drop(lock);
    }
    println!("holding");
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(file);
}
