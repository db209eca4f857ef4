//! SCSI vital product data (SPC-5 clause 7.7) and the ATA IDENTIFY DEVICE data inside page 89h
//! (SAT-5, ACS-5 7.13.6). Pure functions over what sysfs hands out; hostile bytes give `None`.

/// What the device identification page (83h) says of the logical unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceIds {
    /// NAA designator, `0x` and lower-case hex.
    pub wwn: Option<String>,
    /// EUI-64 designator (8, 12 or 16 bytes), lower-case hex.
    pub eui64: Option<String>,
    /// T10 vendor identification: vendor (8 bytes) and what the vendor put after it.
    pub t10: Option<(String, String)>,
}

/// What an ATA drive says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtaIdentity {
    /// Words 27-46.
    pub model: Option<String>,
    /// Words 10-19.
    pub serial: Option<String>,
    /// Words 23-26.
    pub firmware: Option<String>,
    /// Words 108-111, where word 87 says that they are valid; `0x` and lower-case hex.
    pub wwn: Option<String>,
}

/// The serial number of the unit serial number page (80h).
pub fn unit_serial(page: &[u8]) -> Option<String> {
    serial(&text(body(page, 0x80)?)?)
}

/// The designators of the device identification page (83h) that belong to the logical unit.
pub fn device_ids(page: &[u8]) -> Option<DeviceIds> {
    let mut rest = body(page, 0x83)?;
    let mut ids = DeviceIds::default();
    while let [code_set, kind, _, length, tail @ ..] = rest {
        let length = usize::from(*length);
        let Some(designator) = tail.get(..length) else { break };
        rest = &tail[length..];
        // Association 0 is the logical unit; 1 is the target port, 2 the target device.
        if (kind >> 4) & 3 != 0 {
            continue;
        }
        match (kind & 0xf, code_set & 0xf) {
            (3, 1) if matches!(length, 8 | 16) && ids.wwn.is_none() => ids.wwn = wwn(designator),
            (2, 1) if matches!(length, 8 | 12 | 16) && ids.eui64.is_none() => ids.eui64 = hex_id(designator),
            (1, 2 | 3) if length > 8 && ids.t10.is_none() => {
                ids.t10 = text(&designator[..8]).zip(text(&designator[8..]));
            }
            _ => {}
        }
    }
    Some(ids)
}

/// The ATA information page (89h): IDENTIFY DEVICE data starts at byte 60.
pub fn ata_information(page: &[u8]) -> Option<AtaIdentity> {
    body(page, 0x89)?;
    identify_device(page.get(60..572)?)
}

/// IDENTIFY DEVICE data, 512 bytes.
pub fn identify_device(data: &[u8]) -> Option<AtaIdentity> {
    if data.len() != 512 || data.iter().all(|b| *b == 0) {
        return None;
    }
    let word = |n: usize| u16::from_le_bytes([data[2 * n], data[2 * n + 1]]);
    // ATA strings have their bytes swapped within each word.
    let string = |from: usize, to: usize| {
        let bytes: Vec<u8> = (from..=to).flat_map(|n| word(n).to_be_bytes()).collect();
        text(&bytes)
    };
    // Word 87: bits 15:14 are 01 when it is valid, bit 8 when the World Wide Name is supported.
    let has_wwn = word(87) & 0xC100 == 0x4100;
    let name: Vec<u8> = (108..=111).flat_map(|n| word(n).to_be_bytes()).collect();
    Some(AtaIdentity {
        model: string(27, 46),
        serial: string(10, 19).and_then(|s| serial(&s)),
        firmware: string(23, 26),
        wwn: if has_wwn { wwn(&name) } else { None },
    })
}

/// A serial number that can tell two drives apart: printable ASCII, not empty, not all zeros and
/// not one character throughout. Everything else is `None`.
pub fn serial(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let printable = text.bytes().all(|b| (0x20..0x7f).contains(&b));
    let zero = text.chars().all(|c| matches!(c, '0' | ' ' | '-' | '.' | '_' | 'x' | 'X'));
    let mut chars = text.chars();
    let first = chars.next()?;
    let monotone = text.len() >= 4 && chars.all(|c| c == first);
    (printable && !zero && !monotone).then(|| text.to_owned())
}

/// A unique identifier as lower-case hex; all zeros or all ones name nothing.
pub fn hex_id(bytes: &[u8]) -> Option<String> {
    let named = !bytes.is_empty() && bytes.iter().any(|b| *b != 0) && bytes.iter().any(|b| *b != 0xff);
    named.then(|| bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// Any spelling of a hex identifier (`00 25 38`, UUID dashes, `0x`) as lower-case hex.
pub fn hex_text(text: &str) -> Option<String> {
    let text = text.trim();
    let digits: String = text.strip_prefix("0x").unwrap_or(text).chars().filter(|c| !" -:".contains(*c)).collect();
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let named = digits.bytes().any(|b| b != b'0') && digits.bytes().any(|b| !matches!(b, b'f' | b'F'));
    (valid && named).then(|| digits.to_ascii_lowercase())
}

fn wwn(designator: &[u8]) -> Option<String> {
    // NAA 2, 3, 5 and 6 are the assigned formats (SPC-5 7.7.6.6).
    let naa = designator.first()? >> 4;
    let length = designator.len();
    let known = matches!((naa, length), (2 | 3 | 5, 8) | (6, 16));
    if known { hex_id(designator).map(|hex| format!("0x{hex}")) } else { None }
}

fn body(page: &[u8], code: u8) -> Option<&[u8]> {
    let [_, found, high, low, rest @ ..] = page else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    (*found == code).then(|| &rest[..length.min(rest.len())])
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty() && text.bytes().all(|b| (0x20..0x7f).contains(&b))).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(code: u8, body: &[u8]) -> Vec<u8> {
        let mut page = vec![0, code];
        page.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        page.extend_from_slice(body);
        page
    }

    fn designator(code_set: u8, kind: u8, id: &[u8]) -> Vec<u8> {
        let mut bytes = vec![code_set, kind, 0, u8::try_from(id.len()).unwrap()];
        bytes.extend_from_slice(id);
        bytes
    }

    #[test]
    fn page_83_takes_the_logical_units_names_not_the_ports() {
        let mut body = designator(1, 0x13, &[0x50, 0, 0, 0, 0, 0, 0, 1]);
        body.extend(designator(2, 1, b"ATA     Samsung SSD 870"));
        body.extend(designator(1, 3, &[0x50, 0x02, 0x53, 0x8f, 0x42, 0x11, 0x22, 0x33]));
        body.extend(designator(1, 2, &[0x00, 0x25, 0x38, 0, 0, 0, 0, 9]));
        let ids = device_ids(&page(0x83, &body)).unwrap();
        assert_eq!(ids.wwn.as_deref(), Some("0x5002538f42112233"));
        assert_eq!(ids.eui64.as_deref(), Some("0025380000000009"));
        assert_eq!(ids.t10, Some(("ATA".into(), "Samsung SSD 870".into())));
    }

    #[test]
    fn a_designator_longer_than_the_page_ends_it() {
        let mut body = designator(1, 3, &[0x50, 0x02, 0x53, 0x8f, 0x42, 0x11, 0x22, 0x33]);
        body.extend([1, 2, 0, 200, 1, 2, 3]);
        assert!(device_ids(&page(0x83, &body)).unwrap().wwn.is_some());
        assert_eq!(device_ids(&page(0x80, &body)), None);
    }

    #[test]
    fn page_80_with_junk_names_nothing() {
        assert_eq!(unit_serial(&page(0x80, b"  WD-WX11D  ")).as_deref(), Some("WD-WX11D"));
        for junk in [&b""[..], b"        ", b"0000000000", b"\0\0\0", b"\xff\xff\xff", b"FFFFFFFF", b"ab\x01cd"] {
            assert_eq!(unit_serial(&page(0x80, junk)), None, "{junk:?}");
        }
    }

    #[test]
    fn identify_device_swaps_bytes_and_honours_word_87() {
        let mut data = [0_u8; 512];
        let mut put = |word: usize, text: &str| {
            for (i, pair) in text.as_bytes().chunks(2).enumerate() {
                data[2 * (word + i)] = pair[1];
                data[2 * (word + i) + 1] = pair[0];
            }
        };
        put(27, "ST4000NM0035-1V4107                     ");
        put(10, "            ZC1ABCDE");
        put(23, "TN03    ");
        data[216..224].copy_from_slice(&[0x00, 0x50, 0x00, 0xc5, 0x34, 0x12, 0x78, 0x56]);
        assert_eq!(identify_device(&data).unwrap().wwn, None);
        data[174..176].copy_from_slice(&0x4100_u16.to_le_bytes());
        let ata = identify_device(&data).unwrap();
        assert_eq!(ata.model.as_deref(), Some("ST4000NM0035-1V4107"));
        assert_eq!(ata.serial.as_deref(), Some("ZC1ABCDE"));
        assert_eq!(ata.firmware.as_deref(), Some("TN03"));
        assert_eq!(ata.wwn.as_deref(), Some("0x5000c50012345678"));
    }

    #[test]
    fn hex_spellings() {
        assert_eq!(hex_text("00 25 38 5b 91 00 00 01").as_deref(), Some("0025385b91000001"));
        assert_eq!(
            hex_text("36344730-4e30-0123-0025-384300000001").as_deref(),
            Some("363447304e3001230025384300000001")
        );
        assert_eq!(hex_text("00000000-0000-0000-0000-000000000000"), None);
        assert_eq!(hex_text("ieee"), None);
    }

    proptest! {
        #[test]
        fn hostile_pages_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            for code in [0x80, 0x83, 0x89] {
                let mut page = bytes.clone();
                if let Some(byte) = page.get_mut(1) {
                    *byte = code;
                }
                let _ = (unit_serial(&page), device_ids(&page), ata_information(&page));
            }
        }
    }
}
