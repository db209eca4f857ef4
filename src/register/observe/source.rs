//! Lists of what was seen: barcodes, and CSV with a header.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Sighting, mac_key};

/// The longest line that is taken for a barcode, in characters.
const LONGEST: usize = 200;

/// One tag a line, as a barcode scanner types them. A tag that was scanned twice counts once.
pub fn read_barcodes(bytes: &[u8]) -> Result<Vec<Sighting>, String> {
    let text = std::str::from_utf8(without_mark(bytes)).map_err(|_| "the list is not UTF-8".to_owned())?;
    let mut seen = std::collections::BTreeSet::new();
    let mut sightings = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let tag = text.trim();
        if tag.is_empty() {
            continue;
        }
        if tag.chars().count() > LONGEST || tag.chars().any(char::is_control) {
            return Err(format!("line {}: that is no asset tag", line + 1));
        }
        if seen.insert(tag.to_owned()) {
            sightings.push(Sighting { tag: Some(tag.to_owned()), ..Sighting::default() });
        }
    }
    Ok(sightings)
}

/// CSV with some of the columns `asset_tag`, `serial`, `mac`, `host` (or `ip`), `location`,
/// `custodian` (or `full_name`), `at`; others are ignored.
pub fn read_csv(bytes: &[u8]) -> Result<Vec<Sighting>, String> {
    let bytes = without_mark(bytes);
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let semicolons = first.contains(&b';') && !first.contains(&b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(if semicolons { b';' } else { b',' }).from_reader(bytes);
    let headers: Vec<String> = reader.headers().map_err(|e| e.to_string())?.iter().map(key_of).collect();
    if !headers.iter().any(|h| matches!(h.as_str(), "tag" | "serial" | "mac" | "host")) {
        return Err("the sheet has none of the columns asset_tag, serial, mac, host".to_owned());
    }
    let mut sightings = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut seen = Sighting::default();
        for (name, cell) in headers.iter().zip(record.iter()) {
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            if cell.len() > 1000 || cell.chars().any(char::is_control) {
                return Err(format!("line {line}, {name}: the cell is too long or holds control characters"));
            }
            let text = Some(cell.to_owned());
            match name.as_str() {
                "tag" => seen.tag = text,
                "serial" => seen.serial = text,
                "mac" => {
                    let mac = mac_key(cell);
                    seen.mac = Some(mac.ok_or_else(|| format!("line {line}, mac: {cell:?} is no MAC address"))?);
                }
                "host" => seen.host = text,
                "location" => seen.location = text,
                "custodian" => seen.custodian = text,
                "at" => seen.at = Some(instant(cell).ok_or_else(|| format!("line {line}, at: {cell:?} is no time"))?),
                _ => {}
            }
        }
        let named = seen.tag.is_some() || seen.serial.is_some() || seen.mac.is_some() || seen.host.is_some();
        if !named {
            return Err(format!("line {line}: it names nothing: no tag, serial number, MAC or host"));
        }
        sightings.push(seen);
    }
    Ok(sightings)
}

/// `2026-03-01T12:00:00Z`, or a day.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let day = || text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)).or_else(day)
}

fn key_of(header: &str) -> String {
    let key = header.trim().to_lowercase().replace([' ', '-'], "_");
    match key.as_str() {
        "asset_tag" | "barcode" => "tag".to_owned(),
        "serial_number" => "serial".to_owned(),
        "mac_address" => "mac".to_owned(),
        "ip" | "ip_address" | "hostname" | "name" => "host".to_owned(),
        "full_name" | "user" | "assigned_to" | "username" => "custodian".to_owned(),
        "seen_at" | "last_seen" | "time" | "date" => "at".to_owned(),
        _ => key,
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barcodes_count_once_and_csv_names_its_line() {
        let tags: Vec<_> =
            read_barcodes(b"\xef\xbb\xbfA-1\r\n\r\n A-2 \nA-1\n").unwrap().into_iter().filter_map(|s| s.tag).collect();
        assert_eq!(tags, ["A-1", "A-2"]);
        assert!(read_barcodes(b"A\x001").is_err() && read_barcodes(b"\xff").is_err());

        let seen = read_csv(b"Asset Tag;MAC Address;Location;at\nA-1;00-11-22-aa-bb-cc;Berlin/2;2026-03-01\n").unwrap();
        assert_eq!(seen[0].mac.as_deref(), Some("00:11:22:aa:bb:cc"));
        assert_eq!(seen[0].at.unwrap().timestamp(), 1_772_323_200);
        assert!(read_csv(b"colour\nred\n").unwrap_err().contains("none of the columns"));
        assert!(read_csv(b"asset_tag,mac\nA,zz\n").unwrap_err().starts_with("line 2, mac"));
        assert!(read_csv(b"asset_tag,location\n,Berlin\n").unwrap_err().starts_with("line 2"));
        assert!(read_csv(b"asset_tag,at\nA,yesterday\n").unwrap_err().starts_with("line 2, at"));
    }
}
