//! Block layer and loop driver requests (`linux/fs.h`, `linux/blkzoned.h`, `linux/loop.h`).
//!
//! All of them only read or drop caches. They can block for as long as the driver does.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

mod request {
    use super::LoopInfo64;

    // BLKGETSIZE64 is declared with size_t but writes 64 bits on every architecture.
    nix::ioctl_read_bad!(blkgetsize64, nix::request_code_read!(0x12, 114, size_of::<usize>()), u64);
    nix::ioctl_read_bad!(blksszget, nix::request_code_none!(0x12, 104), nix::libc::c_int);
    nix::ioctl_read_bad!(blkpbszget, nix::request_code_none!(0x12, 123), nix::libc::c_uint);
    nix::ioctl_read_bad!(blkroget, nix::request_code_none!(0x12, 94), nix::libc::c_int);
    nix::ioctl_none!(blkflsbuf, 0x12, 97);
    nix::ioctl_read!(blkgetdiskseq, 0x12, 128, u64);
    nix::ioctl_read!(blkgetzonesz, 0x12, 132, u32);
    nix::ioctl_read_bad!(loop_get_status64, 0x4C05, LoopInfo64);
}

/// What a loop device stands on, from `LOOP_GET_STATUS64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopStatus {
    /// `st_dev` of the backing file.
    pub device: u64,
    /// `st_ino` of the backing file.
    pub inode: u64,
    /// `st_rdev` of the backing file, 0 unless it is a device node.
    pub node: u64,
    /// Where the loop device starts in the file, in bytes.
    pub offset: u64,
    /// Its length in bytes, 0 for "to the end of the file".
    pub size_limit: u64,
}

/// Capacity in bytes (`BLKGETSIZE64`).
pub fn size(fd: impl AsFd) -> io::Result<u64> {
    let mut value = 0_u64;
    // SAFETY: the descriptor is open for as long as `fd` lives, and the kernel writes exactly the
    // 64 bits `value` has room for.
    unsafe { request::blkgetsize64(fd.as_fd().as_raw_fd(), &mut value) }?;
    Ok(value)
}

/// Logical block size in bytes (`BLKSSZGET`).
pub fn logical_block(fd: impl AsFd) -> io::Result<u32> {
    let mut value: libc::c_int = 0;
    // SAFETY: open descriptor; the kernel writes one int.
    unsafe { request::blksszget(fd.as_fd().as_raw_fd(), &mut value) }?;
    u32::try_from(value).map_err(|_| io::Error::other(format!("the kernel reports a block size of {value}")))
}

/// Physical block size in bytes (`BLKPBSZGET`).
pub fn physical_block(fd: impl AsFd) -> io::Result<u32> {
    let mut value: libc::c_uint = 0;
    // SAFETY: open descriptor; the kernel writes one unsigned int.
    unsafe { request::blkpbszget(fd.as_fd().as_raw_fd(), &mut value) }?;
    Ok(value)
}

/// Whether the block device is write-protected (`BLKROGET`).
pub fn is_read_only(fd: impl AsFd) -> io::Result<bool> {
    let mut value: libc::c_int = 0;
    // SAFETY: open descriptor; the kernel writes one int.
    unsafe { request::blkroget(fd.as_fd().as_raw_fd(), &mut value) }?;
    Ok(value != 0)
}

/// The disk sequence number (`BLKGETDISKSEQ`, Linux 5.15): another value means another medium.
pub fn disk_sequence(fd: impl AsFd) -> io::Result<u64> {
    let mut value = 0_u64;
    // SAFETY: open descriptor; the kernel writes 64 bits.
    unsafe { request::blkgetdiskseq(fd.as_fd().as_raw_fd(), &mut value) }?;
    Ok(value)
}

/// Zone size in 512-byte sectors, 0 where the device has no zones (`BLKGETZONESZ`).
pub fn zone_sectors(fd: impl AsFd) -> io::Result<u32> {
    let mut value = 0_u32;
    // SAFETY: open descriptor; the kernel writes 32 bits.
    unsafe { request::blkgetzonesz(fd.as_fd().as_raw_fd(), &mut value) }?;
    Ok(value)
}

/// Writes back and drops the block device's page cache (`BLKFLSBUF`); needs `CAP_SYS_ADMIN`.
pub fn flush_buffers(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: open descriptor; the request takes no argument.
    unsafe { request::blkflsbuf(fd.as_fd().as_raw_fd()) }?;
    Ok(())
}

/// What the loop device stands on (`LOOP_GET_STATUS64`); `ENXIO` where it stands on nothing.
pub fn loop_status(fd: impl AsFd) -> io::Result<LoopStatus> {
    let mut info = LoopInfo64::default();
    // SAFETY: open descriptor; `LoopInfo64` is `struct loop_info64` field by field (its size is
    // asserted below), plain integers that any bytes are valid for.
    unsafe { request::loop_get_status64(fd.as_fd().as_raw_fd(), &mut info) }?;
    Ok(LoopStatus {
        device: info.device,
        inode: info.inode,
        node: info.rdevice,
        offset: info.offset,
        size_limit: info.size_limit,
    })
}

/// The alignment of file offsets that `O_DIRECT` needs here (`STATX_DIOALIGN`, Linux 6.1). `None`
/// where the kernel does not say, `Some(0)` where the file takes no direct I/O.
pub fn direct_alignment(fd: impl AsFd) -> io::Result<Option<u32>> {
    const STATX_DIOALIGN: u32 = 0x2000;
    // `struct statx` is 256 bytes by definition; `stx_mask` is at 0, `stx_dio_offset_align` at 156.
    let mut buffer = [0_u32; 64];
    // SAFETY: the path is an empty NUL-terminated string, used with AT_EMPTY_PATH on an open
    // descriptor; the kernel writes at most the 256 bytes of `struct statx`, and u32 is aligned
    // for the copy the kernel makes.
    let status = unsafe {
        libc::syscall(
            libc::SYS_statx,
            fd.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            STATX_DIOALIGN,
            buffer.as_mut_ptr(),
        )
    };
    if status < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOSYS) => Ok(None),
            _ => Err(error),
        };
    }
    Ok((buffer[0] & STATX_DIOALIGN != 0).then_some(buffer[39]))
}

#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

const _: () = assert!(size_of::<LoopInfo64>() == 232);

impl Default for LoopInfo64 {
    fn default() -> LoopInfo64 {
        LoopInfo64 {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: 0,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        }
    }
}
