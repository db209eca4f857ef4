//! Memory that is not written to a swap device, and memory that is wanted soon.

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

/// Asks for the cache lines that lie `ahead` bytes beyond those of `data`, as far as the processor has a
/// word for it. Nothing is read: where nothing is mapped, nothing happens.
#[inline(always)]
pub fn prefetch<T>(data: &T, ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(data).cast::<i8>();
        for line in (0..size_of::<T>()).step_by(64) {
            // SAFETY: a hint. It never faults and changes no memory, whatever the address, which is made by
            // arithmetic that may leave the object.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(ahead + line)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (data, ahead);
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

    #[test]
    fn what_is_not_mapped_may_be_asked_for() {
        let bytes = [7u8; 1000];
        prefetch(&bytes, usize::MAX / 2);
        prefetch(&(), 0);
        assert_eq!(bytes, [7; 1000]);
    }
}
