//! Memory that is not written to a swap device.

use std::io;
use std::ops::Range;

/// Keeps the pages of these addresses in memory until the process ends (`mlock(2)`).
pub fn lock(addresses: Range<usize>) -> io::Result<()> {
    let start = std::ptr::without_provenance::<libc::c_void>(addresses.start);
    // SAFETY: nothing is read or written through the pointer. The kernel marks pages of this process, and
    // refuses addresses at which nothing is mapped.
    match unsafe { libc::mlock(start, addresses.len()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_is_locked_and_nothing_else() {
        let bytes = [1u8; 64];
        let start = bytes.as_ptr().addr();
        lock(start..start + bytes.len()).unwrap();
        assert!(lock(0..1).is_err());
    }
}
