//! udev's properties of a block device: the second route to an identity, the first to signatures.

use std::collections::BTreeMap;
use std::fs;

use super::Roots;
use super::blocks::Node;
use super::roots::UdevSource;

/// Properties (`ID_SERIAL_SHORT`, `ID_FS_TYPE`, ...). Empty where udev knows nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties(BTreeMap<String, String>);

impl Properties {
    pub fn of(roots: &Roots, node: &Node) -> Properties {
        match &roots.udev {
            UdevSource::Off => Properties::default(),
            UdevSource::Recorded(folder) => {
                let file = folder.join(format!("b{}", node.number));
                Properties::parse(&fs::read_to_string(file).unwrap_or_default())
            }
            UdevSource::Live => live(node),
        }
    }

    /// A property that is there and not blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A property in udev's `\x20` encoding, decoded.
    pub fn decoded(&self, name: &str) -> Option<String> {
        let text = decode(self.get(name)?);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether udev has looked at the contents of the device.
    pub fn probed(&self) -> bool {
        !self.0.is_empty()
    }

    /// The database format: `E:KEY=value` lines, others are ignored.
    fn parse(text: &str) -> Properties {
        let pairs = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
        Properties(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}

#[cfg(feature = "udev")]
fn live(node: &Node) -> Properties {
    // Without a running udevd there is no database entry, only the uevent's own keys.
    if !std::path::Path::new("/run/udev/control").exists() {
        return Properties::default();
    }
    let Ok(device) = udev::Device::from_syspath(&node.dir) else { return Properties::default() };
    if !device.is_initialized() {
        return Properties::default();
    }
    let text = |s: &std::ffi::OsStr| s.to_str().map(str::to_owned);
    Properties(device.properties().filter_map(|p| text(p.name()).zip(text(p.value()))).collect())
}

#[cfg(not(feature = "udev"))]
fn live(_: &Node) -> Properties {
    Properties::default()
}

/// `\x20` and the like as the characters they stand for.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        match rest.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[at + 4..];
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = &rest[at + 2..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_lines() {
        let properties =
            Properties::parse("S:disk/by-id/x\nE:ID_MODEL_ENC=Ultra\\x20Fit\\x20\\x20\nE:ID_SERIAL_SHORT= \nI:1\n");
        assert_eq!(properties.decoded("ID_MODEL_ENC").as_deref(), Some("Ultra Fit"));
        assert_eq!(properties.get("ID_SERIAL_SHORT"), None);
        assert_eq!(decode("a\\xzz\\x4"), "a\\xzz\\x4");
    }
}
