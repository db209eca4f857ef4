//! Whether the kernel's clock is synchronized.

/// The kernel's word on its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// A time service disciplines it.
    Synchronized,
    /// `STA_UNSYNC` is set.
    Unsynchronized,
    /// The kernel does not say.
    Unknown,
}

/// Asks the kernel (`adjtimex(2)`), changing nothing.
pub fn quality() -> Quality {
    // SAFETY: `timex` is plain data for which all zeroes is a valid value; `modes` = 0 reads only.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, writable `timex` for the duration of the call.
    let state = unsafe { libc::adjtimex(&mut timex) };
    if state < 0 {
        Quality::Unknown
    } else if state == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0 {
        Quality::Unsynchronized
    } else {
        Quality::Synchronized
    }
}
