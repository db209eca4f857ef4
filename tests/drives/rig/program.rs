//! The program inside the guest's first file system. The emulator puts that into memory at once; brought in over
//! a shared folder, every byte of the program travels through an emulated processor.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

/// An initramfs that holds what `base` holds and the program that cargo built, as `/usr/bin/lastwrite`. Made once
/// for each program, and kept in the build folder.
pub fn initramfs_with_program(base: &Path) -> PathBuf {
    let program = std::env::var("LASTWRITE_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_lastwrite").into());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = folder.join(format!("{PREFIX}{}-{}.cpio", version_of(base), version_of(Path::new(&program))));
    if made.exists() {
        return made;
    }
    forget_others(folder);
    let stripped = tempfile::NamedTempFile::new_in(folder).unwrap();
    // What is only for a debugger stays here.
    let done = Command::new("strip").arg("-o").arg(stripped.path()).arg(&program).status();
    let program = if done.is_ok_and(|status| status.success()) { stripped.path() } else { Path::new(&program) };
    let mut out = tempfile::NamedTempFile::new_in(folder).unwrap();
    // The kernel unpacks one archive after the other.
    io::copy(&mut File::open(base).unwrap(), &mut out).unwrap();
    member(&mut out, "usr/bin/lastwrite", 0o100_755, &fs::read(program).unwrap());
    member(&mut out, "TRAILER!!!", 0, &[]);
    // Made by root, and used by whoever runs the drives alone afterwards.
    out.as_file().set_permissions(fs::Permissions::from_mode(0o644)).unwrap();
    // Two tests may make it at once: the last one's is as good.
    out.persist(&made).unwrap();
    made
}

const PREFIX: &str = "guest-";

/// Size and time of a file.
fn version_of(path: &Path) -> String {
    let is = fs::metadata(path).unwrap();
    let changed = is.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
    format!("{:x}.{:x}", is.len(), changed.as_nanos())
}

/// Of programs that were built before.
fn forget_others(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && name.ends_with(".cpio") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A member of an archive in the `newc` format (the kernel's early-userspace/buffer-format.rst).
fn member(out: &mut impl Write, name: &str, mode: u32, content: &[u8]) {
    let length = content.len() as u32;
    // Inode, mode, links, user, group, time, length, four device numbers, length of the name, checksum.
    let fields = [1, mode, 1, 0, 0, 0, length, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    let mut head = b"070701".to_vec();
    fields.iter().for_each(|field| write!(head, "{field:08x}").unwrap());
    head.extend(name.as_bytes());
    head.push(0);
    head.resize(head.len().next_multiple_of(4), 0);
    out.write_all(&head).unwrap();
    out.write_all(content).unwrap();
    out.write_all(&vec![0; content.len().next_multiple_of(4) - content.len()]).unwrap();
}
