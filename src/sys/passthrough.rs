//! Requests that carry a drive's own commands (`scsi/sg.h`, `linux/nvme_ioctl.h`,
//! `linux/mmc/ioctl.h`, `linux/sed-opal.h`) and those the block layer translates (`linux/fs.h`,
//! `linux/blkzoned.h`).
//!
//! All of them block until the drive answers or the kernel's timeout is over, and some of them erase.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// The data phase. The kernel only ever writes into `In`.
#[derive(Debug)]
pub enum Phase<'a> {
    /// None.
    None,
    /// From the drive.
    In(&'a mut [u8]),
    /// To the drive.
    Out(&'a [u8]),
}

impl Phase<'_> {
    fn raw(&mut self) -> io::Result<(usize, u32)> {
        let (address, length) = match self {
            Phase::None => (0, 0),
            Phase::In(bytes) => (bytes.as_mut_ptr() as usize, bytes.len()),
            Phase::Out(bytes) => (bytes.as_ptr() as usize, bytes.len()),
        };
        let length = u32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok((address, length))
    }
}

/// What `SG_IO` gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SgReply {
    /// SCSI status byte.
    pub status: u8,
    /// The host adapter's code (`DID_*`); 0 when the command reached the drive.
    pub host_status: u16,
    /// The middle layer's code without its suggestions; 6 is a timeout.
    pub driver_status: u16,
    /// Sense data.
    pub sense: Vec<u8>,
    /// Bytes of the data phase that were not transferred.
    pub left: usize,
}

/// Sends a CDB (`SG_IO`). Needs `CAP_SYS_RAWIO` for most commands.
pub fn scsi(fd: impl AsFd, cdb: &[u8], mut data: Phase<'_>, timeout: Duration) -> io::Result<SgReply> {
    const DIRECTION_NONE: i32 = -1;
    const DIRECTION_OUT: i32 = -2;
    const DIRECTION_IN: i32 = -3;
    let mut cdb = cdb.to_vec();
    let mut sense = [0_u8; 252];
    let (address, length) = data.raw()?;
    let mut header = SgIoHdr {
        interface_id: i32::from(b'S'),
        direction: match data {
            Phase::None => DIRECTION_NONE,
            Phase::In(_) => DIRECTION_IN,
            Phase::Out(_) => DIRECTION_OUT,
        },
        cdb_length: u8::try_from(cdb.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        sense_room: 252,
        length,
        data: address,
        cdb: cdb.as_mut_ptr() as usize,
        sense: sense.as_mut_ptr() as usize,
        timeout: millis(timeout),
        ..SgIoHdr::default()
    };
    // SAFETY: open descriptor; the header is `struct sg_io_hdr` (its size is asserted below); CDB,
    // sense buffer and data live until the call returns, and the kernel stays within the lengths
    // given. It writes into the data only for `In`, which is a unique borrow.
    unsafe { request::sg_io(fd.as_fd().as_raw_fd(), &mut header) }?;
    Ok(SgReply {
        status: header.status,
        host_status: header.host_status,
        driver_status: header.driver_status & 0x0F,
        sense: sense[..usize::from(header.sense_written).min(sense.len())].to_vec(),
        left: usize::try_from(header.residual).unwrap_or(0),
    })
}

/// An NVMe admin command (`struct nvme_passthru_cmd` without what is never used here).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NvmeAdmin {
    /// OPC.
    pub opcode: u8,
    /// NSID.
    pub nsid: u32,
    /// CDW10 to CDW15.
    pub dwords: [u32; 6],
}

/// Sends an admin command (`NVME_IOCTL_ADMIN_CMD`): status field (code type and code, retry bits) and
/// dword 0. Needs `CAP_SYS_ADMIN`.
pub fn nvme_admin(
    fd: impl AsFd,
    command: &NvmeAdmin,
    mut data: Phase<'_>,
    timeout: Duration,
) -> io::Result<(u16, u32)> {
    // Bits 1:0 of the opcode say which way the data go (NVM Express base 2.1, figure 89): the kernel
    // goes by them, so they must agree with the borrow.
    let way_agrees = match data {
        Phase::None => true,
        Phase::In(_) => command.opcode & 3 == 2,
        Phase::Out(_) => command.opcode & 3 == 1,
    };
    if !way_agrees {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "opcode and data phase disagree"));
    }
    let (address, length) = data.raw()?;
    let mut raw = NvmePassthru {
        opcode: command.opcode,
        nsid: command.nsid,
        address: address as u64,
        data_length: length,
        dwords: command.dwords,
        timeout_ms: millis(timeout),
        ..NvmePassthru::default()
    };
    // SAFETY: open descriptor; `NvmePassthru` is `struct nvme_passthru_cmd` (size asserted below); the
    // data live until the call returns, and the way they go was checked against the opcode.
    let status = unsafe { request::nvme_admin(fd.as_fd().as_raw_fd(), &mut raw) }?;
    Ok((u16::try_from(status).unwrap_or(u16::MAX), raw.result))
}

/// The namespace id behind a namespace's node (`NVME_IOCTL_ID`).
pub fn nvme_namespace(fd: impl AsFd) -> io::Result<u32> {
    // SAFETY: open descriptor; the request takes no argument and returns the id.
    let id = unsafe { request::nvme_id(fd.as_fd().as_raw_fd()) }?;
    u32::try_from(id).map_err(|_| io::Error::other("the kernel gives a negative namespace id"))
}

/// One MMC command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MmcCommand {
    /// Command index.
    pub opcode: u32,
    /// Argument.
    pub argument: u32,
    /// The card stays busy after its answer (R1b).
    pub busy: bool,
    /// The data phase of the sequence belongs to this one; blocks of 512 bytes.
    pub has_data: bool,
}

/// At most so many commands in a row (`MMC_IOC_MAX_CMDS`).
const MMC_MOST: usize = 255;

/// Sends MMC commands with nothing between them (`MMC_IOC_MULTI_CMD`); four response words each.
/// Needs `CAP_SYS_RAWIO` and the node of the whole card.
pub fn mmc(
    fd: impl AsFd,
    commands: &[MmcCommand],
    mut data: Phase<'_>,
    timeout: Duration,
) -> io::Result<Vec<[u32; 4]>> {
    const R1: u32 = 0x15;
    const BUSY: u32 = 0x08;
    const WITH_DATA: u32 = 1 << 5;
    let (address, length) = data.raw()?;
    let with_data = commands.iter().filter(|command| command.has_data).count();
    let fits = if length == 0 { with_data == 0 } else { with_data == 1 && length.is_multiple_of(512) };
    if commands.is_empty() || commands.len() > MMC_MOST || !fits {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let writes = matches!(data, Phase::Out(_));
    let raw = commands.iter().map(|command| {
        let mut raw = MmcIocCmd {
            opcode: command.opcode,
            argument: command.argument,
            flags: R1 | if command.busy { BUSY } else { 0 },
            cmd_timeout_ms: millis(timeout),
            ..MmcIocCmd::default()
        };
        if command.has_data {
            raw.write_flag = i32::from(writes);
            raw.flags |= WITH_DATA;
            raw.block_size = 512;
            raw.blocks = length / 512;
            raw.data = address as u64;
        }
        raw
    });
    let mut message = MmcMulti { count: commands.len() as u64, commands: [MmcIocCmd::default(); MMC_MOST] };
    for (place, raw) in message.commands.iter_mut().zip(raw) {
        *place = raw;
    }
    // SAFETY: open descriptor; `MmcMulti` is `struct mmc_ioc_multi_cmd` with room for as many commands
    // as the kernel takes, of which it uses `count`; the data live until the call returns, and the
    // kernel writes into them only when `write_flag` is 0, which is `In`.
    unsafe { request::mmc_multi(fd.as_fd().as_raw_fd(), &mut message) }?;
    Ok(message.commands.iter().take(commands.len()).map(|raw| raw.response).collect())
}

/// The status flags of the kernel's Opal driver (`IOC_OPAL_GET_STATUS`).
pub fn opal_status(fd: impl AsFd) -> io::Result<u32> {
    let mut status = [0_u32; 2];
    // SAFETY: open descriptor; the kernel writes `struct opal_status`, two 32-bit numbers.
    unsafe { request::opal_get_status(fd.as_fd().as_raw_fd(), &mut status) }?;
    Ok(status[0])
}

/// Reverts the drive by its PSID (`IOC_OPAL_PSID_REVERT_TPR`); the TCG method's status code, 0 is
/// success. The copy of the PSID is wiped from memory.
pub fn opal_psid_revert(fd: impl AsFd, psid: &[u8; 32]) -> io::Result<u32> {
    let mut key = OpalKey { locking_range: 0, length: 32, align: [0; 6], key: [0; 256] };
    key.key[..32].copy_from_slice(psid);
    // SAFETY: open descriptor; the kernel reads `struct opal_key` (size asserted below) and keeps no
    // pointer to it.
    let answer = unsafe { request::opal_psid_revert(fd.as_fd().as_raw_fd(), &key) };
    zeroize::Zeroize::zeroize(&mut key.key);
    Ok(u32::try_from(answer?).unwrap_or(u32::MAX))
}

/// Resets the write pointers of whole zones (`BLKRESETZONE`); in 512-byte sectors.
pub fn reset_zones(fd: impl AsFd, sector: u64, count: u64) -> io::Result<()> {
    // SAFETY: open descriptor; the kernel reads `struct blk_zone_range`, two 64-bit numbers.
    unsafe { request::blkresetzone(fd.as_fd().as_raw_fd(), &[sector, count]) }?;
    Ok(())
}

/// One zone as the kernel describes it (`struct blk_zone`); numbers in 512-byte sectors.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawZone {
    /// First sector.
    pub start: u64,
    /// Length.
    pub length: u64,
    /// Write pointer.
    pub write_pointer: u64,
    /// `enum blk_zone_type`.
    pub kind: u8,
    /// `enum blk_zone_cond`.
    pub condition: u8,
    non_sequential: u8,
    reset: u8,
    reserved: [u8; 4],
    /// Sectors that can be written; only where the kernel says so.
    pub capacity: u64,
    more_reserved: [u8; 24],
}

/// At most so many zones in one answer.
const ZONES: usize = 256;

/// The zones from a sector on, at most 256 of them (`BLKREPORTZONE`); and whether their capacity is
/// filled in.
pub fn report_zones(fd: impl AsFd, sector: u64, limit: u32) -> io::Result<(Vec<RawZone>, bool)> {
    let count = limit.min(ZONES as u32);
    let mut report = ZoneReport { sector, count, flags: 0, zones: [RawZone::default(); ZONES] };
    // SAFETY: open descriptor; `ZoneReport` is `struct blk_zone_report` with room for `ZONES` zones, and
    // the kernel fills at most the `count` it is told, which is no more.
    unsafe { request::blkreportzone(fd.as_fd().as_raw_fd(), &mut report) }?;
    let filled = usize::try_from(report.count).unwrap_or(0).min(ZONES);
    Ok((report.zones[..filled].to_vec(), report.flags & 1 != 0))
}

/// Never 0: that would mean the kernel's own, much shorter, default.
fn millis(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1)
}

mod request {
    use super::{MmcMulti, NvmePassthru, OpalKey, SgIoHdr, ZoneReport};

    nix::ioctl_readwrite_bad!(sg_io, 0x2285, SgIoHdr);
    nix::ioctl_readwrite!(nvme_admin, b'N', 0x41, NvmePassthru);
    nix::ioctl_none!(nvme_id, b'N', 0x40);
    // The flexible array behind the count is not part of the encoded size.
    nix::ioctl_readwrite_bad!(mmc_multi, nix::request_code_readwrite!(0xB3, 1, 8), MmcMulti);
    nix::ioctl_read!(opal_get_status, b'p', 236, [u32; 2]);
    nix::ioctl_write_ptr!(opal_psid_revert, b'p', 232, OpalKey);
    nix::ioctl_write_ptr!(blkresetzone, 0x12, 131, [u64; 2]);
    nix::ioctl_readwrite_bad!(blkreportzone, nix::request_code_readwrite!(0x12, 130, 16), ZoneReport);
}

#[repr(C)]
#[derive(Default)]
struct SgIoHdr {
    interface_id: i32,
    direction: i32,
    cdb_length: u8,
    sense_room: u8,
    iovec_count: u16,
    length: u32,
    data: usize,
    cdb: usize,
    sense: usize,
    timeout: u32,
    flags: u32,
    pack_id: i32,
    user: usize,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_written: u8,
    host_status: u16,
    driver_status: u16,
    residual: i32,
    duration: u32,
    info: u32,
}

#[repr(C)]
#[derive(Default)]
struct NvmePassthru {
    opcode: u8,
    flags: u8,
    reserved: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    address: u64,
    metadata_length: u32,
    data_length: u32,
    dwords: [u32; 6],
    timeout_ms: u32,
    result: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct MmcIocCmd {
    write_flag: i32,
    is_acmd: i32,
    opcode: u32,
    argument: u32,
    response: [u32; 4],
    flags: u32,
    block_size: u32,
    blocks: u32,
    postsleep_min_us: u32,
    postsleep_max_us: u32,
    data_timeout_ns: u32,
    cmd_timeout_ms: u32,
    pad: u32,
    data: u64,
}

#[repr(C)]
struct MmcMulti {
    count: u64,
    commands: [MmcIocCmd; MMC_MOST],
}

#[repr(C)]
struct OpalKey {
    locking_range: u8,
    length: u8,
    align: [u8; 6],
    key: [u8; 256],
}

#[repr(C)]
struct ZoneReport {
    sector: u64,
    count: u32,
    flags: u32,
    zones: [RawZone; ZONES],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<SgIoHdr>() == 88);
const _: () = assert!(size_of::<NvmePassthru>() == 72);
const _: () = assert!(size_of::<MmcIocCmd>() == 72);
const _: () = assert!(size_of::<OpalKey>() == 264);
const _: () = assert!(size_of::<RawZone>() == 64);

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel's headers give them on x86-64 and arm64.
    #[test]
    fn request_numbers_are_the_kernels() {
        assert_eq!(nix::request_code_readwrite!(b'N', 0x41, size_of::<NvmePassthru>()), 0xC048_4E41);
        assert_eq!(nix::request_code_none!(b'N', 0x40), 0x4E40);
        assert_eq!(nix::request_code_readwrite!(0xB3, 1, 8), 0xC008_B301);
        assert_eq!(nix::request_code_write!(b'p', 232, size_of::<OpalKey>()), 0x4108_70E8);
        assert_eq!(nix::request_code_read!(b'p', 236, size_of::<[u32; 2]>()), 0x8008_70EC);
        assert_eq!(nix::request_code_none!(0x12, 125), 0x127D);
        assert_eq!(nix::request_code_write!(0x12, 131, 16), 0x4010_1283);
        assert_eq!(nix::request_code_readwrite!(0x12, 130, 16), 0xC010_1282);
    }

    #[test]
    fn data_that_would_go_the_other_way_are_refused_before_the_kernel_sees_them() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let out = NvmeAdmin { opcode: 0x06, ..NvmeAdmin::default() };
        let refused = nvme_admin(&file, &out, Phase::Out(&[0; 8]), Duration::from_secs(1)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        let command = MmcCommand { opcode: 8, ..MmcCommand::default() };
        let refused = mmc(&file, &[command], Phase::In(&mut [0; 512]), Duration::from_secs(1)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_is_no_drive_answers_with_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let second = Duration::from_secs(1);
        assert!(scsi(&file, &[0; 6], Phase::None, second).is_err());
        assert!(nvme_admin(&file, &NvmeAdmin::default(), Phase::None, second).is_err());
        assert!(nvme_namespace(&file).is_err());
        assert!(opal_status(&file).is_err());
        assert!(report_zones(&file, 0, 1).is_err());
    }
}
