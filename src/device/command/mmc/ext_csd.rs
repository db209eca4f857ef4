//! EXT_CSD (JESD84-B51 7.4): what an eMMC says of itself.

use std::time::Duration;

use super::{Addressing, Command, Response};
use crate::device::command::le32;
use crate::media::Health;
use crate::units::{Bytes, Lba};

/// SEND_EXT_CSD (CMD8): 512 bytes.
pub fn send_ext_csd() -> Command {
    Command { name: "SEND_EXT_CSD", opcode: 8, argument: 0, response: Response::R1, has_data: true }
}

/// The registers that decide something here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtCsd {
    /// EXT_CSD_REV \[192\].
    pub revision: u8,
    /// SEC_COUNT \[215:212\]: sectors of 512 bytes of the user data area.
    pub sectors: u64,
    /// SEC_FEATURE_SUPPORT \[231\] bit 0: secure erase.
    pub secure_erase: bool,
    /// Bit 4: trim and secure trim.
    pub secure_trim: bool,
    /// Bit 6: sanitize.
    pub sanitize: bool,
    /// ERASED_MEM_CONT \[181\]: what an erased byte reads as.
    pub erased_byte: u8,
    /// HC_ERASE_GRP_SIZE \[224\]; `None` when 0.
    pub erase_group: Option<Bytes>,
    /// ERASE_TIMEOUT_MULT \[223\]: for one high-capacity erase group.
    pub erase_timeout: Option<Duration>,
    /// SEC_ERASE_MULT \[230\] and SEC_TRIM_MULT \[229\]: secure erase and trim take so many times that.
    pub secure_multiples: (u8, u8),
    /// SECURE_REMOVAL_TYPE \[16\].
    pub removal: SecureRemoval,
    /// BOOT_SIZE_MULT \[226\]: each of the two boot partitions.
    pub boot_size: Bytes,
    /// GP_SIZE_MULT \[154:143\], HC_WP_GRP_SIZE \[221\]: the general purpose partitions; 0 where not made.
    pub general_purpose: [Bytes; 4],
    /// RPMB_SIZE_MULT \[168\]: the replay-protected memory block.
    pub rpmb_size: Bytes,
    /// USER_WP \[171\].
    pub user_protection: UserProtection,
    /// BOOT_WP_STATUS \[174\], and BOOT_WP \[173\] of cards that have no status: boot partitions 1 and 2.
    pub boot_protection: [WriteProtection; 2],
    /// What wears.
    pub health: Health,
    /// PRE_EOL_INFO \[267\].
    pub pre_end_of_life: PreEndOfLife,
}

/// How SECURE_REMOVAL_TYPE says that data are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecureRemoval {
    /// Bits 3:0, one for each type.
    pub supported: u8,
    /// Bits 5:4: 0 erase, 1 overwrite and erase, 2 character, complement and random, 3 the vendor's.
    pub configured: u8,
}

impl SecureRemoval {
    /// The configured type in words.
    pub fn meaning(self) -> &'static str {
        match self.configured {
            0 => "erase of the physical memory",
            1 => "overwrite with a character, then erase",
            2 => "overwrite with a character, its complement, and random data",
            _ => "a way of the vendor's",
        }
    }
}

/// USER_WP: what SET_WRITE_PROT (CMD28) does to a group of the user data area. None of its bits protects anything
/// by itself, and which groups are protected it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserProtection(pub u8);

impl UserProtection {
    /// US_PWR_WP_EN, bit 0: until the power is cut.
    pub fn until_power_cycle(self) -> bool {
        self.0 & 1 != 0
    }

    /// US_PERM_WP_EN, bit 2: for good.
    pub fn permanent(self) -> bool {
        self.0 >> 2 & 1 != 0
    }
}

/// State of a boot partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteProtection {
    /// 0.
    None,
    /// 1: until the next power cycle.
    UntilPowerCycle,
    /// 2: for good.
    Permanent,
    /// 3: reserved.
    Reserved,
}

/// PRE_EOL_INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreEndOfLife {
    /// 0, or a reserved value.
    NotDefined,
    /// 1.
    Normal,
    /// 2: 80 % of the reserved blocks are consumed.
    Warning,
    /// 3: 90 %.
    Urgent,
}

impl ExtCsd {
    /// Reads the 512 bytes; `None` when there are fewer, or every byte is the same.
    pub fn parse(data: &[u8]) -> Option<ExtCsd> {
        let d: &[u8; 512] = data.first_chunk()?;
        if d.iter().all(|byte| *byte == d[0]) {
            return None;
        }
        let group = u64::from(d[224]) * 512 * 1024;
        let timeout = u64::from(d[223]) * 300;
        let general = |at: usize| {
            let units = u64::from(u32::from_le_bytes([d[at], d[at + 1], d[at + 2], 0]));
            Bytes(units * u64::from(d[221]) * group)
        };
        let pre_end_of_life = match d[267] {
            1 => PreEndOfLife::Normal,
            2 => PreEndOfLife::Warning,
            3 => PreEndOfLife::Urgent,
            _ => PreEndOfLife::NotDefined,
        };
        Some(ExtCsd {
            revision: d[192],
            sectors: u64::from(le32(d, 212)?),
            secure_erase: d[231] & 1 != 0,
            secure_trim: d[231] >> 4 & 1 != 0,
            sanitize: d[231] >> 6 & 1 != 0,
            erased_byte: if d[181] & 1 == 0 { 0x00 } else { 0xFF },
            erase_group: (group > 0).then_some(Bytes(group)),
            erase_timeout: (timeout > 0).then(|| Duration::from_millis(timeout)),
            secure_multiples: (d[230], d[229]),
            removal: SecureRemoval { supported: d[16] & 0xF, configured: d[16] >> 4 & 3 },
            boot_size: Bytes(u64::from(d[226]) * 128 * 1024),
            general_purpose: [general(143), general(146), general(149), general(152)],
            rpmb_size: Bytes(u64::from(d[168]) * 128 * 1024),
            user_protection: UserProtection(d[171]),
            boot_protection: [protection(d[173], d[174] & 3, 0), protection(d[173], d[174] >> 2 & 3, 1)],
            health: Health { failing: failing(pre_end_of_life), wear: wear(d[268], d[269]), ..Health::default() },
            pre_end_of_life,
        })
    }

    /// Bytes of the user data area.
    pub fn size(&self) -> Bytes {
        Bytes(self.sectors * 512)
    }

    /// What its addresses count. OCR says it, and the kernel goes by the size as well.
    pub fn addressing(&self) -> Addressing {
        if self.sectors > (2 << 30) / 512 { Addressing::Sectors } else { Addressing::Bytes }
    }

    /// The last sector of the user data area.
    pub fn last(&self) -> Option<Lba> {
        self.sectors.checked_sub(1).map(Lba)
    }
}

/// BOOT_WP: bit 0 enables protection until the power is cut, bit 2 for good; where bit 7 says that partitions are
/// chosen one by one, bits 1 and 3 name the one. BOOT_WP_STATUS came later (5.1), and says what is in force.
fn protection(enabled: u8, status: u8, partition: u8) -> WriteProtection {
    let of = |enable: u8, which: u8| {
        let one_alone = enabled >> 7 == 1;
        enabled >> enable & 1 == 1 && (!one_alone || enabled >> which & 1 == partition)
    };
    match status {
        0 if of(2, 3) => WriteProtection::Permanent,
        0 if of(0, 1) => WriteProtection::UntilPowerCycle,
        0 => WriteProtection::None,
        1 => WriteProtection::UntilPowerCycle,
        2 => WriteProtection::Permanent,
        _ => WriteProtection::Reserved,
    }
}

fn failing(state: PreEndOfLife) -> Option<bool> {
    match state {
        PreEndOfLife::NotDefined => None,
        PreEndOfLife::Normal | PreEndOfLife::Warning => Some(false),
        PreEndOfLife::Urgent => Some(true),
    }
}

/// DEVICE_LIFE_TIME_EST_TYP_A and _B: tenths, rounded up; 0Bh is beyond the rated life. The worse
/// one, as its upper end.
fn wear(a: u8, b: u8) -> Option<u8> {
    [a, b].into_iter().filter(|value| (1..=0x0B).contains(value)).max().map(|value| value * 10)
}

/// SWITCH (CMD6) that writes one byte of EXT_CSD.
pub fn switch(name: &'static str, index: u8, value: u8) -> Command {
    let argument = 0b11 << 24 | u32::from(index) << 16 | u32::from(value) << 8;
    Command { name, opcode: 6, argument, response: Response::R1b, has_data: false }
}

/// SEND_STATUS (CMD13) to the card with relative address `rca` (the kernel gives an eMMC 1).
pub fn send_status(rca: u16) -> Command {
    let argument = u32::from(rca) << 16;
    Command { name: "SEND_STATUS", opcode: 13, argument, response: Response::R1, has_data: false }
}

/// R1 says that the card is in the transfer state and ready for data.
pub fn is_idle(r1: u32) -> bool {
    r1 & 0x1F00 == 0x0900
}

/// R1 says that the card is programming (or erasing).
pub fn is_programming(r1: u32) -> bool {
    r1 & 0x1E00 == 7 << 9
}

/// R1 has the bit of an error. Some of them (ERROR, WP_ERASE_SKIP, CARD_ECC_FAILED) come only with the first answer
/// after the card was busy, and are cleared by it (JESD84-B51 6.13, detection mode X).
pub fn has_error(r1: u32) -> bool {
    r1 & super::R1_ERRORS != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut data = vec![0; 512];
        data[192] = 8;
        for (at, bytes) in fields {
            data[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        data
    }

    fn parse(at: usize, value: u8) -> ExtCsd {
        ExtCsd::parse(&with(&[(at, &[value])])).unwrap()
    }

    #[test]
    fn commands() {
        assert_eq!(send_ext_csd().bytes(), [8, 0, 0, 0, 0]);
        assert_eq!(switch("SWITCH", 165, 1).bytes(), [6, 0x03, 0xA5, 0x01, 0x00]);
        assert_eq!(send_status(1).bytes(), [13, 0, 1, 0, 0]);
        assert!(send_ext_csd().has_data && !send_status(1).has_data);
    }

    #[test]
    fn erase_features_bit_by_bit() {
        for (bit, expected) in [
            (0, (true, false, false)),
            (4, (false, true, false)),
            (6, (false, false, true)),
            (1, (false, false, false)),
        ] {
            let found = parse(231, 1 << bit);
            assert_eq!((found.secure_erase, found.secure_trim, found.sanitize), expected, "bit {bit}");
        }
        assert_eq!((parse(181, 0).erased_byte, parse(181, 1).erased_byte), (0x00, 0xFF));
        let removal = parse(16, 0x2F).removal;
        assert_eq!((removal.supported, removal.configured), (0xF, 2));
        assert_eq!(removal.meaning(), "overwrite with a character, its complement, and random data");
    }

    #[test]
    fn sizes_and_times() {
        let found = ExtCsd::parse(&with(&[
            (143, &[1, 2, 3]),
            (152, &[9, 0, 0]),
            (212, &[0, 0, 0xE9, 0]),
            (223, &[2]),
            (168, &[4]),
            (221, &[2]),
            (224, &[1]),
            (226, &[32]),
            (229, &[17, 18]),
        ]))
        .unwrap();
        assert_eq!((found.sectors, found.size()), (0xE9_0000, Bytes(0xE9_0000 * 512)));
        assert_eq!(found.last(), Some(Lba(0xE8_FFFF)));
        assert_eq!(found.erase_group, Some(Bytes(512 * 1024)));
        assert_eq!(found.erase_timeout, Some(Duration::from_millis(600)));
        assert_eq!(found.secure_multiples, (18, 17));
        assert_eq!(found.boot_size, Bytes(4 << 20));
        assert_eq!(found.general_purpose, [0x03_0201, 0, 0, 9].map(|units: u64| Bytes(units * 2 * 512 * 1024)));
        assert_eq!(found.rpmb_size, Bytes(512 * 1024));
        let sized = |sectors: u32| ExtCsd::parse(&with(&[(212, &sectors.to_le_bytes())])).unwrap().addressing();
        assert_eq!((sized(0x40_0000), sized(0x40_0001)), (Addressing::Bytes, Addressing::Sectors));
        let empty = parse(192, 7);
        assert_eq!((empty.last(), empty.erase_group, empty.erase_timeout), (None, None, None));
    }

    #[test]
    fn protection_of_the_boot_partitions() {
        use WriteProtection::{None, Permanent, Reserved, UntilPowerCycle};
        for (byte, expected) in
            [(0, [None, None]), (0b0001, [UntilPowerCycle, None]), (0b1000, [None, Permanent]), (0b1111, [Reserved; 2])]
        {
            assert_eq!(parse(174, byte).boot_protection, expected);
        }
        // Cards without a status say only what was enabled: for both, or for the one that is chosen.
        for (byte, expected) in [
            (0b0000_0001, [UntilPowerCycle; 2]),
            (0b0000_0101, [Permanent; 2]),
            (0b0101_0000, [None; 2]),
            (0b1000_0001, [UntilPowerCycle, None]),
            (0b1000_0011, [None, UntilPowerCycle]),
            (0b1000_1101, [UntilPowerCycle, Permanent]),
        ] {
            assert_eq!(parse(173, byte).boot_protection, expected, "{byte:08b}");
        }
        let both = ExtCsd::parse(&with(&[(173, &[0b100, 0b0101])])).unwrap();
        assert_eq!(both.boot_protection, [UntilPowerCycle; 2], "the status says what is in force");
    }

    #[test]
    fn wear() {
        let of = |a: u8, b: u8| ExtCsd::parse(&with(&[(268, &[a, b])])).unwrap().health.wear;
        assert_eq!((of(0, 0), of(1, 3), of(0xB, 1), of(0xC, 0)), (None, Some(30), Some(110), None));
        assert_eq!(parse(267, 1).health.failing, Some(false));
        assert_eq!(parse(267, 3).health.failing, Some(true));
        assert_eq!((parse(267, 0).health.failing, parse(267, 9).pre_end_of_life), (None, PreEndOfLife::NotDefined));
    }

    #[test]
    fn idle_is_the_transfer_state_and_an_error_is_another_thing() {
        assert!(is_idle(0x0900) && is_idle(0x0008_0900));
        // Programming, not ready, another state, no answer at all.
        for r1 in [0x0E00, 0x0800, 0x0F00, 0x0B00, 0] {
            assert!(!is_idle(r1) && !has_error(r1), "{r1:08x}");
        }
        assert!(is_programming(0x0E00) && is_programming(0x8000_0F00));
        assert!(!is_programming(0x0900) && !is_programming(0x0C00));
        for bit in [7, 15, 19, 21, 31] {
            assert!(has_error(0x0900 | 1 << bit), "{bit}");
        }
    }

    #[test]
    fn user_protection_bit_by_bit() {
        for (byte, until_power_cycle, permanent) in
            [(0, false, false), (1, true, false), (4, false, true), (5, true, true), (0b1101_1010, false, false)]
        {
            let found = parse(171, byte).user_protection;
            assert_eq!((found.until_power_cycle(), found.permanent()), (until_power_cycle, permanent), "{byte:08b}");
        }
    }

    #[test]
    fn what_is_no_ext_csd() {
        assert_eq!(ExtCsd::parse(&[0; 512]), Option::None);
        assert_eq!(ExtCsd::parse(&[0xFF; 512]), Option::None);
        assert_eq!(ExtCsd::parse(&with(&[])[..511]), Option::None);
    }

    proptest! {
        #[test]
        fn hostile_data_never_panic(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = ExtCsd::parse(&data).map(|found| (found.size(), found.last()));
        }
    }
}
