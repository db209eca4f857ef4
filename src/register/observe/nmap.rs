//! Results of a network scan: the XML that nmap writes (`nmap -oX`).

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Sighting, mac_key};

/// The longest file that is read, in bytes.
const MOST_BYTES: usize = 256 << 20;

/// The hosts that are up, each with its MAC, its name or address. Entities and document types that
/// define any are refused by the parser, which knows none.
pub fn read_nmap(bytes: &[u8]) -> Result<Vec<Sighting>, String> {
    if bytes.len() > MOST_BYTES {
        return Err(format!("the file has {} bytes, more than {MOST_BYTES}", bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| format!("the file is not UTF-8: {e}"))?;
    let mut reader = Reader::from_str(text);
    let (mut seen, mut host): (Vec<Sighting>, Option<Host>) = (Vec::new(), None);
    let (mut is_nmap, mut finished) = (false, false);
    loop {
        let place = reader.buffer_position();
        let wrong = |why: String| format!("at byte {place}: {why}");
        match reader.read_event().map_err(|e| wrong(e.to_string()))? {
            Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                "nmaprun" => is_nmap = true,
                "host" => host = Some(Host::default()),
                "finished" => finished = true,
                name @ ("status" | "address" | "hostname") => {
                    if let Some(host) = &mut host {
                        host.take(name, &tag).map_err(wrong)?;
                    }
                }
                _ => {}
            },
            Event::End(tag) if tag.local_name().as_ref() == "host" => seen.extend(host.take().and_then(Host::sighting)),
            Event::Eof => break,
            _ => {}
        }
    }
    match (is_nmap, finished) {
        (false, _) => Err("it is no result of nmap; scan with nmap -oX FILE".to_owned()),
        // What a broken scan did not reach would be taken for not there.
        (true, false) => Err("the scan did not come to its end: the file has no <finished>".to_owned()),
        (true, true) => Ok(seen),
    }
}

#[derive(Default)]
struct Host {
    up: bool,
    mac: Option<String>,
    address: Option<String>,
    name: Option<String>,
}

impl Host {
    fn take(&mut self, name: &str, tag: &BytesStart<'_>) -> Result<(), String> {
        let attribute = |key: &str| -> Result<Option<String>, String> {
            let found = tag.try_get_attribute(key).map_err(|e| e.to_string())?;
            found
                .map(|a| {
                    a.normalized_value(quick_xml::XmlVersion::Implicit1_0)
                        .map(|v| v.into_owned())
                        .map_err(|e| e.to_string())
                })
                .transpose()
        };
        match name {
            "status" => self.up = attribute("state")?.as_deref() == Some("up"),
            "address" => {
                let address = attribute("addr")?;
                match attribute("addrtype")?.as_deref() {
                    Some("mac") => self.mac = address.as_deref().and_then(mac_key),
                    _ => self.address = self.address.take().or(address),
                }
            }
            _ => self.name = self.name.take().or(attribute("name")?),
        }
        Ok(())
    }

    fn sighting(self) -> Option<Sighting> {
        let host = self.name.or(self.address);
        let there = self.up && (self.mac.is_some() || host.is_some());
        there.then(|| Sighting { mac: self.mac, host, ..Sighting::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -sn -oX - 10.0.0.0/29" start="1764000000" version="7.93">
<host><status state="up" reason="arp-response"/><address addr="10.0.0.2" addrtype="ipv4"/>
<address addr="00:11:22:AA:BB:CC" addrtype="mac" vendor="Maker &amp; Sons"/>
<hostnames><hostname name="laptop-7.example" type="PTR"/></hostnames></host>
<host><status state="down" reason="no-response"/><address addr="10.0.0.3" addrtype="ipv4"/></host>
<host><status state="up" reason="syn-ack"/><address addr="10.0.0.4" addrtype="ipv4"/><hostnames></hostnames></host>
<runstats><finished time="1764000009" exit="success"/><hosts up="2" down="1" total="3"/></runstats>
</nmaprun>"#;

    #[test]
    fn hosts_that_are_up_are_read() {
        let seen = read_nmap(SCAN.as_bytes()).unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].mac.as_deref(), Some("00:11:22:aa:bb:cc"));
        assert_eq!(seen[0].host.as_deref(), Some("laptop-7.example"));
        assert_eq!((seen[1].mac.as_deref(), seen[1].host.as_deref()), (None, Some("10.0.0.4")));
    }

    #[test]
    fn what_is_no_whole_scan_is_refused() {
        let cut = &SCAN[..SCAN.find("<runstats>").unwrap()];
        assert!(read_nmap(cut.as_bytes()).unwrap_err().contains("did not come to its end"));
        assert!(read_nmap(b"<html></html>").is_err());
        assert!(read_nmap(b"not xml < at all").is_err());
        assert!(read_nmap(&SCAN.as_bytes()[..SCAN.len() - 30]).is_err(), "torn in the middle of an element");
        assert!(read_nmap(b"\xff\xfe").is_err());
        let bomb =
            SCAN.replace("<!DOCTYPE nmaprun>", "<!DOCTYPE nmaprun [<!ENTITY a \"aaaa\">]>").replace("10.0.0.2", "&a;");
        assert!(read_nmap(bomb.as_bytes()).is_err());
    }
}
