//! Identify (NVM Express base 2.1 5.1.13, NVM command set 1.1 4.1.5).

use super::AdminCommand;
use crate::device::command::{hex, le16, le32, le64, le128, text};
use crate::units::Bytes;

/// Identify Controller (CNS 01h): 4,096 bytes.
pub fn identify_controller() -> AdminCommand {
    identify("Identify Controller", 0x01, 0)
}

/// Identify Namespace (CNS 00h): 4,096 bytes.
pub fn identify_namespace(nsid: u32) -> AdminCommand {
    identify("Identify Namespace", 0x00, nsid)
}

/// Active Namespace ID list (CNS 02h): namespaces above `after`, 1,024 at most.
pub fn active_namespaces(after: u32) -> AdminCommand {
    identify("Identify (Active Namespace ID list)", 0x02, after)
}

/// Allocated Namespace ID list (CNS 10h): also those that no controller is attached to.
pub fn allocated_namespaces(after: u32) -> AdminCommand {
    identify("Identify (Allocated Namespace ID list)", 0x10, after)
}

/// Identify Namespace of one that need not be attached (CNS 11h): 4,096 bytes.
pub fn identify_allocated(nsid: u32) -> AdminCommand {
    identify("Identify Namespace (allocated)", 0x11, nsid)
}

fn identify(name: &'static str, cns: u32, nsid: u32) -> AdminCommand {
    AdminCommand { name, opcode: 0x06, nsid, cdw10: cns, ..AdminCommand::default() }
}

/// What a controller says of itself and of its subsystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// SN; `None` when empty or not ASCII.
    pub serial: Option<String>,
    /// MN.
    pub model: Option<String>,
    /// FR.
    pub firmware: Option<String>,
    /// VER: major, minor, tertiary.
    pub version: (u16, u8, u8),
    /// OACS bit 0: Security Send and Receive.
    pub has_security: bool,
    /// OACS bit 1: Format NVM.
    pub has_format: bool,
    /// OACS bit 3: namespaces can be made and deleted.
    pub has_namespace_management: bool,
    /// TNVMCAP: bytes in all; 0 when it does not say.
    pub total_capacity: u128,
    /// UNVMCAP: bytes of no namespace: no host write reaches them.
    pub unallocated_capacity: u128,
    /// SANICAP.
    pub sanitize: SanitizeCapabilities,
    /// NN: the highest namespace id.
    pub namespaces: u32,
    /// ONCS bit 7: Verify.
    pub has_verify: bool,
    /// FNA.
    pub format: FormatAttributes,
    /// VWC bit 0: there is a volatile write cache.
    pub volatile_write_cache: bool,
    /// CMIC bit 1: the subsystem may have more than this controller.
    pub multi_controller: bool,
    /// SUBNQN.
    pub subsystem: Option<String>,
}

/// SANICAP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SanitizeCapabilities {
    /// Bit 0.
    pub crypto_erase: bool,
    /// Bit 1.
    pub block_erase: bool,
    /// Bit 2.
    pub overwrite: bool,
    /// Bit 3: media verification after it.
    pub verification: bool,
    /// Bit 4: of a namespace.
    pub namespace: bool,
    /// Bit 5: Purge Required can be asked for.
    pub purge_required: bool,
    /// Bit 29: No-Deallocate After Sanitize is inhibited.
    pub no_deallocate_inhibited: bool,
    /// Bits 31:30.
    pub no_deallocate: NoDeallocate,
}

/// NODMMAS: what No-Deallocate does to the media after a sanitize.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoDeallocate {
    /// 0: not defined (older than 1.4), or 3: reserved.
    #[default]
    NotSaid,
    /// 1: nothing more is written.
    DoesNotModify,
    /// 2: the media are modified.
    Modifies,
}

/// FNA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatAttributes {
    /// Bit 0: a format is one of all namespaces.
    pub format_reaches_all: bool,
    /// Bit 1: so is a secure erase by Format NVM.
    pub erase_reaches_all: bool,
    /// Bit 2: SES 2.
    pub crypto_erase: bool,
    /// Bit 3, which says the opposite: NSID FFFFFFFFh may be used.
    pub broadcast_allowed: bool,
}

impl Controller {
    /// Reads the 4,096 bytes; `None` when there are fewer.
    pub fn parse(data: &[u8]) -> Option<Controller> {
        let data: &[u8; 4096] = data.first_chunk()?;
        let version = le32(data, 80)?;
        let [tertiary, minor, major_low, major_high] = version.to_le_bytes();
        let oacs = le16(data, 256)?;
        Some(Controller {
            serial: text(&data[4..24]),
            model: text(&data[24..64]),
            firmware: text(&data[64..72]),
            version: (u16::from_le_bytes([major_low, major_high]), minor, tertiary),
            has_security: oacs & 1 != 0,
            has_format: oacs >> 1 & 1 != 0,
            has_namespace_management: oacs >> 3 & 1 != 0,
            total_capacity: le128(data, 280)?,
            unallocated_capacity: le128(data, 296)?,
            sanitize: SanitizeCapabilities::of(le32(data, 328)?),
            namespaces: le32(data, 516)?,
            has_verify: le16(data, 520)? >> 7 & 1 != 0,
            format: FormatAttributes::of(data[524]),
            volatile_write_cache: data[525] & 1 != 0,
            multi_controller: data[76] >> 1 & 1 != 0,
            subsystem: text(&data[768..1024]),
        })
    }
}

impl SanitizeCapabilities {
    fn of(word: u32) -> SanitizeCapabilities {
        let bit = |at: u8| word >> at & 1 != 0;
        SanitizeCapabilities {
            crypto_erase: bit(0),
            block_erase: bit(1),
            overwrite: bit(2),
            verification: bit(3),
            namespace: bit(4),
            purge_required: bit(5),
            no_deallocate_inhibited: bit(29),
            no_deallocate: match word >> 30 {
                1 => NoDeallocate::DoesNotModify,
                2 => NoDeallocate::Modifies,
                _ => NoDeallocate::NotSaid,
            },
        }
    }
}

impl FormatAttributes {
    fn of(byte: u8) -> FormatAttributes {
        FormatAttributes {
            format_reaches_all: byte & 1 != 0,
            erase_reaches_all: byte >> 1 & 1 != 0,
            crypto_erase: byte >> 2 & 1 != 0,
            broadcast_allowed: byte >> 3 & 1 == 0,
        }
    }
}

/// What a namespace says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// NSZE: logical blocks.
    pub blocks: u64,
    /// NCAP: of which so many can be allocated.
    pub capacity: u64,
    /// NUSE: of which so many are.
    pub used: u64,
    /// FLBAS: the LBA format in use.
    pub format: u8,
    /// FLBAS bit 4: metadata travel at the end of each block.
    pub extended_metadata: bool,
    /// DPS bits 2:0: type of protection information, 0 for none.
    pub protection: u8,
    /// DPS bit 3: it stands first in the metadata.
    pub protection_first: bool,
    /// Bytes in a logical block, by the format in use.
    pub block: u64,
    /// Metadata bytes with each.
    pub metadata: u16,
    /// NMIC bit 0: other controllers can reach it too.
    pub shared: bool,
    /// FPI bits 6:0, where bit 7 says that they count: per cent of a format that are left.
    pub format_left: Option<u8>,
    /// DLFEAT bits 2:0: what each byte of a deallocated block reads as; `None` where it does not say.
    pub deallocated: Option<u8>,
    /// NVMCAP: bytes.
    pub bytes: u128,
    /// NGUID, hex; `None` when all zeros.
    pub nguid: Option<String>,
    /// EUI64, hex.
    pub eui64: Option<String>,
}

impl Namespace {
    /// Reads the 4,096 bytes; `None` when there are fewer, or the namespace is inactive (all zeros),
    /// or its format is one that it does not list.
    pub fn parse(data: &[u8]) -> Option<Namespace> {
        let data: &[u8; 4096] = data.first_chunk()?;
        let flbas = data[26];
        let formats = usize::from(data[25]) + 1;
        // Up to 16 formats have no upper bits.
        let upper = if formats > 16 { flbas >> 1 & 0x30 } else { 0 };
        let format = flbas & 0xF | upper;
        if usize::from(format) >= formats.min(64) {
            return None;
        }
        let entry = le32(data, 128 + 4 * usize::from(format))?;
        let exponent = entry >> 16 & 0xFF;
        let blocks = le64(data, 0).filter(|blocks| *blocks > 0)?;
        Some(Namespace {
            blocks,
            capacity: le64(data, 8)?,
            used: le64(data, 16)?,
            format,
            extended_metadata: flbas >> 4 & 1 != 0,
            protection: data[29] & 7,
            protection_first: data[29] >> 3 & 1 != 0,
            // 9 is the smallest that there is; nothing beyond 2 GiB.
            block: (9..=31).contains(&exponent).then(|| 1 << exponent)?,
            metadata: le16(data, 128 + 4 * usize::from(format))?,
            shared: data[30] & 1 != 0,
            format_left: (data[32] & 0x80 != 0).then_some(data[32] & 0x7F),
            deallocated: match data[33] & 7 {
                1 => Some(0x00),
                2 => Some(0xFF),
                _ => None,
            },
            bytes: le128(data, 48)?,
            nguid: named(&data[104..120]),
            eui64: named(&data[120..128]),
        })
    }

    /// Addressable bytes.
    pub fn size(&self) -> Option<Bytes> {
        self.blocks.checked_mul(self.block).map(Bytes)
    }
}

fn named(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|b| *b != 0).then(|| hex(bytes))
}

/// A namespace ID list: ids in ascending order, ended by a zero. What is out of order ends it.
pub fn namespace_list(data: &[u8]) -> Vec<u32> {
    let mut ids = Vec::new();
    for id in data.chunks_exact(4).take(1024).filter_map(|chunk| le32(chunk, 0)) {
        if id == 0 || ids.last().is_some_and(|last| *last >= id) {
            break;
        }
        ids.push(id);
    }
    ids
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut data = vec![0; 4096];
        for (at, bytes) in fields {
            data[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        data
    }

    #[test]
    fn commands() {
        let of = |command: AdminCommand| (command.opcode, command.nsid, command.cdw10);
        assert_eq!(of(identify_controller()), (6, 0, 1));
        assert_eq!(of(identify_namespace(3)), (6, 3, 0));
        assert_eq!(of(active_namespaces(0)), (6, 0, 2));
        assert_eq!(of(allocated_namespaces(7)), (6, 7, 0x10));
        assert_eq!(of(identify_allocated(7)), (6, 7, 0x11));
    }

    #[test]
    fn a_controller_field_by_field() {
        let data = with(&[
            (4, b"SN1                 "),
            (24, b"Model"),
            (64, b"FW1     "),
            (76, &[2]),
            (80, &[0, 1, 2, 0]),
            (256, &[0b1011, 0]),
            (280, &[1, 2]),
            (296, &[3]),
            (328, &[0b0011_1111, 0, 0, 0b1010_0000]),
            (516, &[4, 0, 0, 0]),
            (520, &[0x80, 0]),
            (524, &[0b0111]),
            (525, &[1]),
            (768, b"nqn.x"),
        ]);
        let found = Controller::parse(&data).unwrap();
        assert_eq!((found.serial.as_deref(), found.model.as_deref()), (Some("SN1"), Some("Model")));
        assert_eq!((found.firmware.as_deref(), found.subsystem.as_deref()), (Some("FW1"), Some("nqn.x")));
        assert_eq!((found.version, found.namespaces), ((2, 1, 0), 4));
        assert_eq!((found.total_capacity, found.unallocated_capacity), (513, 3));
        assert!(found.has_security && found.has_format && found.has_namespace_management);
        assert!(found.has_verify && found.volatile_write_cache && found.multi_controller);
        assert_eq!(
            found.sanitize,
            SanitizeCapabilities {
                crypto_erase: true,
                block_erase: true,
                overwrite: true,
                verification: true,
                namespace: true,
                purge_required: true,
                no_deallocate_inhibited: true,
                no_deallocate: NoDeallocate::Modifies,
            }
        );
        let odd = with(&[(4, b"SN\xFF"), (524, &[0b1000])]);
        let odd = Controller::parse(&odd).unwrap();
        assert_eq!((odd.serial, odd.sanitize), (None, SanitizeCapabilities::default()));
        assert!(!odd.format.broadcast_allowed && found.format.broadcast_allowed);
        assert_eq!(Controller::parse(&data[..4095]), None);
    }

    #[test]
    fn sanitize_and_format_bits_one_by_one() {
        let none = SanitizeCapabilities::default();
        for (bit, expected) in [
            (0, SanitizeCapabilities { crypto_erase: true, ..none }),
            (1, SanitizeCapabilities { block_erase: true, ..none }),
            (2, SanitizeCapabilities { overwrite: true, ..none }),
            (3, SanitizeCapabilities { verification: true, ..none }),
            (4, SanitizeCapabilities { namespace: true, ..none }),
            (5, SanitizeCapabilities { purge_required: true, ..none }),
            (29, SanitizeCapabilities { no_deallocate_inhibited: true, ..none }),
            (30, SanitizeCapabilities { no_deallocate: NoDeallocate::DoesNotModify, ..none }),
            (31, SanitizeCapabilities { no_deallocate: NoDeallocate::Modifies, ..none }),
            (6, none),
        ] {
            assert_eq!(SanitizeCapabilities::of(1 << bit), expected, "bit {bit}");
        }
        let free = FormatAttributes { broadcast_allowed: true, ..FormatAttributes::default() };
        assert_eq!(FormatAttributes::of(0), free);
        assert_eq!(FormatAttributes::of(1), FormatAttributes { format_reaches_all: true, ..free });
        assert_eq!(FormatAttributes::of(2), FormatAttributes { erase_reaches_all: true, ..free });
        assert_eq!(FormatAttributes::of(4), FormatAttributes { crypto_erase: true, ..free });
        assert_eq!(FormatAttributes::of(8), FormatAttributes::default());
    }

    #[test]
    fn a_namespace_field_by_field() {
        let base: &[(usize, &[u8])] = &[
            (0, &[0, 1]),
            (8, &[0, 1]),
            (16, &[9]),
            (25, &[2]),
            (26, &[0x11]),
            (29, &[0b1010]),
            (30, &[1]),
            (48, &[0, 0, 2]),
            (104, &[0xAB; 16]),
            (120, &[0xCD; 8]),
            (132, &[8, 0, 12, 0]),
        ];
        let found = Namespace::parse(&with(base)).unwrap();
        assert_eq!((found.blocks, found.capacity, found.used, found.format), (256, 256, 9, 1));
        assert_eq!((found.block, found.metadata, found.size()), (4096, 8, Some(Bytes(1 << 20))));
        assert_eq!((found.protection, found.protection_first, found.extended_metadata), (2, true, true));
        assert!(found.shared);
        assert_eq!((found.bytes, found.format_left), (0x2_0000, None));
        assert_eq!(found.nguid, Some("ab".repeat(16)));
        assert_eq!(found.eui64, Some("cd".repeat(8)));
        let changed = |at: usize, bytes: &[u8]| Namespace::parse(&with(&[base, &[(at, bytes)]].concat()));
        assert_eq!(changed(32, &[0x80 | 42]).unwrap().format_left, Some(42));
        for (dlfeat, byte) in [(0, None), (1, Some(0x00)), (2, Some(0xFF)), (3, None), (0xF9, Some(0x00)), (0xF8, None)]
        {
            assert_eq!(changed(33, &[dlfeat]).unwrap().deallocated, byte, "DLFEAT {dlfeat:02x}h");
        }
        // A format beyond the list, a block size that is none, an inactive namespace.
        assert_eq!(changed(26, &[3]), None);
        assert_eq!(changed(134, &[8]), None);
        assert_eq!(changed(134, &[40]), None);
        assert_eq!(changed(0, &[0, 0]), None);
        assert_eq!(changed(26, &[0x71]).unwrap().format, 1, "a short list has no upper bits");
        // Bits 6:5 of FLBAS are the upper bits of the format.
        let many = changed(25, &[63]).unwrap();
        assert_eq!(many.format, 1);
        let upper =
            Namespace::parse(&with(&[base, &[(25, &[63][..]), (26, &[0x21]), (128 + 4 * 17, &[0, 0, 9, 0])]].concat()));
        assert_eq!((upper.clone().unwrap().format, upper.unwrap().block), (17, 512));
        assert_eq!(changed(120, &[0; 8]).unwrap().eui64, None);
    }

    #[test]
    fn lists_end_with_a_zero_or_disorder() {
        let list = |ids: &[u32]| namespace_list(&ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
        assert_eq!(list(&[1, 2, 9, 0, 5]), [1, 2, 9]);
        assert_eq!(list(&[1, 3, 2]), [1, 3]);
        assert_eq!(list(&[7, 7, 7]), [7]);
        assert_eq!(namespace_list(&[1, 0, 0]), [0; 0]);
        assert_eq!(list(&(1..=2000).collect::<Vec<u32>>()).len(), 1024);
    }

    proptest! {
        #[test]
        fn hostile_data_never_panic(data in proptest::collection::vec(any::<u8>(), 4090..4100)) {
            let _ = (Controller::parse(&data), Namespace::parse(&data).map(|n| n.size()), namespace_list(&data));
        }
    }
}
