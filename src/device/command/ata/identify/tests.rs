use proptest::prelude::*;

use super::*;

/// A drive with everything, in words.
fn drive() -> Vec<u16> {
    let mut words = vec![0; 256];
    write(&mut words, 10, 10, "  SER-123");
    write(&mut words, 23, 4, "FW1.0");
    write(&mut words, 27, 20, "A Model");
    words[49] = 1 << 9;
    words[59] = 0xF400;
    words[60..62].copy_from_slice(&[0xFFFF, 0x0FFF]);
    words[69] = 1 << 4 | 1 << 5 | 1 << 14;
    words[76] = 0x000E;
    words[78] = 1 << 6;
    words[79] = 1 << 6;
    words[82] = 1 | 1 << 1 | 1 << 10;
    words[83] = 0x4000 | 1 << 8 | 1 << 10 | 1 << 11;
    words[84] = 0x4000 | 1 << 5 | 1 << 8;
    words[85] = 1 | 1 << 10;
    words[86] = 0x8000 | 1 << 10;
    words[87] = 0x4000 | 1 << 5 | 1 << 8;
    words[89] = 0x0032;
    words[90] = 0x8100;
    words[92] = 0xFFFE;
    words[100..104].copy_from_slice(&[0x6DB0, 0x7470, 0, 0]);
    words[106] = 0x4000 | 1 << 13 | 3;
    words[108..112].copy_from_slice(&[0x5000, 0xC500, 0x1234, 0x5678]);
    words[119] = 0x4000 | 1 << 8;
    words[120] = 0x4000 | 1 << 8;
    words[128] = 1 | 1 << 5;
    words[169] = 1;
    words[206] = 1 | 1 << 2;
    words[209] = 0x4001;
    words[217] = 7200;
    words
}

fn write(words: &mut [u16], at: usize, length: usize, text: &str) {
    let padded = format!("{text:<width$}", width = length * 2);
    for (word, pair) in words[at..at + length].iter_mut().zip(padded.as_bytes().chunks(2)) {
        *word = u16::from_be_bytes([pair[0], pair[1]]);
    }
}

/// As bytes, with a checksum.
fn bytes(words: &[u16]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes[510] = 0xA5;
    let sum = bytes[..511].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[511] = sum.wrapping_neg();
    bytes
}

fn parse(change: impl FnOnce(&mut Vec<u16>)) -> Identify {
    let mut words = drive();
    change(&mut words);
    Identify::parse(&bytes(&words)).unwrap()
}

#[test]
fn the_command() {
    let command = identify_device();
    assert_eq!((command.command, command.count, command.protocol, command.extended), (0xEC, 1, Protocol::PioIn, false));
}

#[test]
fn a_whole_drive() {
    let found = parse(|_| ());
    assert_eq!(found.serial, Text::Printable("SER-123".into()));
    assert_eq!(found.firmware.as_str(), Some("FW1.0"));
    assert_eq!(found.model.as_str(), Some("A Model"));
    assert_eq!(found.wwn, Some(0x5000_C500_1234_5678));
    assert_eq!((found.sectors, found.logical_sector, found.physical_sector), (0x7470_6DB0, 512, 4096));
    assert_eq!(found.size(), Some(Bytes(0x7470_6DB0 * 512)));
    assert_eq!(found.rotation, Rotation::Rpm(7200));
    assert_eq!(found.alignment, 1);
    assert!(
        found.has_checksum
            && found.has_lba
            && found.has_48_bit
            && found.has_dco
            && found.has_logs
            && found.smart_enabled
    );
    assert!(found.encrypts_all && found.trim_reads_zeros && found.has_sct && found.has_sct_write_same);
    assert_eq!(found.hpa, Some(HostProtectedArea { enabled: true, has_security: true }));
    assert_eq!(found.amac, Some(AccessibleMax { enabled: true }));
    assert_eq!(found.sata, SataFeatures { is_sata: true, generations: 7, ssp_supported: true, ssp_enabled: true });
    let security = found.security.unwrap();
    assert_eq!(security.erase_time, Some(EraseTime::Minutes(100)));
    assert_eq!(security.enhanced_erase_time, Some(EraseTime::Minutes(512)));
    assert_eq!(security.master_password_id, Some(0xFFFE));
    assert_eq!(found.security_erase_time(true), Some(Duration::from_secs(512 * 60)));
}

#[test]
fn sanitize_bits_one_by_one() {
    let none = SanitizeSupport { supported: true, ..SanitizeSupport::default() };
    for (bit, expected) in [
        (13, SanitizeSupport { crypto_scramble: true, ..none }),
        (14, SanitizeSupport { overwrite: true, ..none }),
        (15, SanitizeSupport { block_erase: true, ..none }),
        (10, SanitizeSupport { antifreeze: true, ..none }),
        (12, none),
    ] {
        assert_eq!(parse(|w| w[59] = 1 << 12 | 1 << bit).sanitize, expected, "bit {bit}");
    }
    // Without bit 12 none of them counts.
    assert_eq!(parse(|w| w[59] = 0xE400).sanitize, SanitizeSupport::default());
}

#[test]
fn security_bits_one_by_one() {
    let state = |word: u16| parse(|w| w[128] = word).security.unwrap();
    let none = state(1);
    assert_eq!((none.enabled, none.locked, none.frozen, none.count_expired, none.enhanced_erase), Default::default());
    assert!(state(1 << 1).enabled);
    assert!(state(1 << 2).locked);
    assert!(state(1 << 3).frozen);
    assert!(state(1 << 4).count_expired);
    assert!(state(1 << 5).enhanced_erase);
    assert_eq!((none.level, state(1 << 8).level), (SecurityLevel::High, SecurityLevel::Maximum));
    // Either place tells that a password is set.
    assert!(parse(|w| w[85] |= 1 << 1).security.unwrap().enabled);
    assert_eq!(parse(|w| w[82] &= !(1 << 1)).security, None);
    for id in [0, 0xFFFF] {
        assert_eq!(parse(|w| w[92] = id).security.unwrap().master_password_id, None);
    }
}

#[test]
fn erase_times_in_both_forms() {
    for (word, expected) in [
        (0x0000, None),
        (0x0001, Some(EraseTime::Minutes(2))),
        (0x00FE, Some(EraseTime::Minutes(508))),
        (0x00FF, Some(EraseTime::MoreThan(508))),
        // Bits 14:8 mean nothing in the short form.
        (0x7F01, Some(EraseTime::Minutes(2))),
        (0x8000, None),
        (0x80FF, Some(EraseTime::Minutes(510))),
        (0xFFFE, Some(EraseTime::Minutes(65_532))),
        (0xFFFF, Some(EraseTime::MoreThan(65_532))),
    ] {
        assert_eq!(erase_time(word), expected, "{word:04x}");
    }
}

#[test]
fn capacity_and_block_sizes() {
    let short = parse(|w| w[83] &= !(1 << 10));
    assert_eq!((short.sectors, short.has_48_bit), (0x0FFF_FFFF, false));
    let four_kn = parse(|w| {
        w[106] = 0x4000 | 1 << 12;
        w[117] = 2048;
    });
    assert_eq!((four_kn.logical_sector, four_kn.physical_sector), (4096, 4096));
    // Word 106 not valid, or a size that is none.
    let unsaid = parse(|w| w[106] = 0x8000 | 1 << 12 | 1 << 13 | 3);
    assert_eq!((unsaid.logical_sector, unsaid.physical_sector), (512, 512));
    assert_eq!(parse(|w| w[106] = 0x4000 | 1 << 12).logical_sector, 512);
    let huge = parse(|w| {
        w[100..104].copy_from_slice(&[0xFFFF; 4]);
    });
    assert_eq!(huge.size(), None);
    assert_eq!(parse(|w| w[209] = 0x8005).alignment, 0);
}

#[test]
fn marks_of_validity_are_honoured() {
    assert_eq!(parse(|w| w[87] = 1 << 8).wwn, None);
    assert_eq!(parse(|w| w[108..112].fill(0)).wwn, None);
    assert!(!parse(|w| w[83] = 1 << 11).has_dco);
    assert_eq!(parse(|w| w[83] = 0xC000 | 1 << 10).hpa, None);
    assert_eq!(parse(|w| w[86] &= !0x8000).amac, None);
    assert_eq!(parse(|w| w[119] = 1 << 8).amac, None);
    assert_eq!(parse(|w| w[120] = 0x4000).amac, Some(AccessibleMax { enabled: false }));
    assert_eq!(parse(|w| w[76] = 0xFFFF).sata, SataFeatures::default());
    assert!(!parse(|w| w[85] &= !1).smart_enabled);
    for (word, expected) in [
        (0, Rotation::NotReported),
        (1, Rotation::SolidState),
        (2, Rotation::NotReported),
        (0x400, Rotation::NotReported),
        (0x401, Rotation::Rpm(0x401)),
        (0xFFFF, Rotation::NotReported),
    ] {
        assert_eq!(parse(|w| w[217] = word).rotation, expected, "{word:04x}");
    }
}

#[test]
fn a_wrong_checksum_is_refused_and_a_missing_one_is_told() {
    let mut data = bytes(&drive());
    assert!(Identify::parse(&data).unwrap().has_checksum);
    data[40] ^= 1;
    assert!(matches!(Identify::parse(&data), Err(IdentifyError::Checksum { sum }) if sum != 0));
    data[510] = 0;
    assert!(!Identify::parse(&data).unwrap().has_checksum);
}

#[test]
fn texts_are_swapped_trimmed_and_never_made_up() {
    let serial = |text: &str| parse(|w| write(w, 10, 10, text)).serial;
    assert_eq!(serial(""), Text::Empty);
    assert_eq!(parse(|w| w[10..20].fill(0)).serial, Text::Empty);
    assert_eq!(serial("0123456789ABCDEFGHIJ").as_str(), Some("0123456789ABCDEFGHIJ"));
    let garbled = parse(|w| w[10..20].fill(0xFF41)).serial;
    assert_eq!(garbled, Text::Garbled("ff41".repeat(10)));
    assert_eq!(garbled.as_str(), None);
    assert!(matches!(parse(|w| w[10] = 0x4107).serial, Text::Garbled(_)));
}

#[test]
fn what_is_no_identify_data() {
    let data = bytes(&drive());
    assert_eq!(Identify::parse(&data[..511]), Err(IdentifyError::Short(511)));
    assert_eq!(Identify::parse(&[0; 512]), Err(IdentifyError::Unfilled(0)));
    assert_eq!(Identify::parse(&[0xFF; 512]), Err(IdentifyError::Unfilled(0xFF)));
    let mut atapi = drive();
    atapi[0] = 0x85C0;
    assert_eq!(Identify::parse(&bytes(&atapi)), Err(IdentifyError::NotAnAtaDevice { word_0: 0x85C0 }));
}

proptest! {
    #[test]
    fn hostile_data_never_panic(mut data in proptest::collection::vec(any::<u8>(), 0..600), clean: bool) {
        if clean && data.len() > 511 {
            data[1] &= 0x7F;
            data[510] = 0xA5;
            let sum = data[..511].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            data[511] = sum.wrapping_neg();
        }
        let found = Identify::parse(&data);
        if clean && data.len() > 511 {
            let found = found.unwrap();
            prop_assert!(found.logical_sector >= 512 && found.physical_sector >= found.logical_sector);
        }
    }
}
