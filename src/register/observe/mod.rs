//! Ghosts and strangers: what was seen, where, and what that says about the record.

mod finding;
mod nmap;
mod reconcile;
mod source;

pub use finding::{Finding, FindingKind, Resolution, Resolved};
pub use nmap::read_nmap;
pub use reconcile::{Found, OpenFinding, Scope};
pub use source::{instant, read_barcodes, read_csv};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::Act;
use super::error::{Refusal, RegisterError};
use super::work::Work;
use crate::units::Bytes;

/// The most sightings of one event.
const MOST_AT_ONCE: usize = 500;

/// Where a sighting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A person went round.
    StockTake,
    /// A scan of the network.
    NetworkScan,
    /// A program on the asset.
    Agent,
    /// The books of finance: a claim that it exists, no sighting.
    Ledger,
}

/// One thing that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// Asset tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Serial number of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Address of its network interface, `00:11:22:aa:bb:cc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Network address or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Who had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custodian: Option<String>,
    /// When, where it differs from the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

/// What a run saw, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sightings {
    /// Where they come from.
    pub source: Source,
    /// When.
    pub at: DateTime<Utc>,
    /// The place that was looked at, and everything below it; `None`: everywhere.
    pub place: Option<String>,
    /// SHA-256 of the file it was read from.
    pub file: Option<String>,
    /// What was seen.
    pub seen: Vec<Sighting>,
}

/// The state of one run of observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Where its sightings come from.
    pub source: Source,
    /// When.
    pub at: DateTime<Utc>,
    /// The place that was looked at.
    pub place: Option<String>,
    /// The file.
    pub file: Option<String>,
    /// How many things were seen.
    pub count: Bytes,
}

impl Source {
    /// All of them.
    pub const ALL: [Source; 4] = [Source::StockTake, Source::NetworkScan, Source::Agent, Source::Ledger];

    /// As in events, tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Source::StockTake => "stock_take",
            Source::NetworkScan => "network_scan",
            Source::Agent => "agent",
            Source::Ledger => "ledger",
        }
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|source| source.name() == name)
    }
}

impl Run {
    /// The state after the first event.
    pub(super) fn begin(act: &Act) -> Result<Run, Refusal> {
        let Act::Sighted(sightings) = act else { return Err(Refusal::rule("an observation begins with sighted")) };
        sightings.check()?;
        let Sightings { source, at, place, file, seen } = sightings;
        let count = Bytes(seen.len() as u64);
        Ok(Run { source: *source, at: *at, place: place.clone(), file: file.clone(), count })
    }

    /// Whether the act may happen.
    pub(super) fn check(&self, act: &Act) -> Result<(), Refusal> {
        let Act::Sighted(sightings) = act else { return Err(Refusal::rule("that is no observation")) };
        let same = (self.source, self.at, &self.place, &self.file)
            == (sightings.source, sightings.at, &sightings.place, &sightings.file);
        match same {
            true => sightings.check(),
            false => Err(Refusal::rule("a run of observation has one source, one time and one place")),
        }
    }

    /// The state after a checked act.
    pub(super) fn apply(&mut self, act: &Act) {
        if let Act::Sighted(sightings) = act {
            self.count = Bytes(self.count.0 + sightings.seen.len() as u64);
        }
    }
}

impl Sightings {
    fn check(&self) -> Result<(), Refusal> {
        if self.seen.is_empty() || self.seen.len() > MOST_AT_ONCE {
            return Err(Refusal::rule(format!("{} sightings at once: 1 to {MOST_AT_ONCE}", self.seen.len())));
        }
        match self.seen.iter().find(|s| s.tag.is_none() && s.serial.is_none() && s.mac.is_none() && s.host.is_none()) {
            Some(_) => Err(Refusal::rule("a sighting names nothing: tag, serial number, MAC or host")),
            None => Ok(()),
        }
    }
}

impl Work<'_> {
    /// Records a run of observation; its stream.
    pub async fn observe(&mut self, sightings: &Sightings) -> Result<String, RegisterError> {
        let stream = format!("observation/{}", uuid::Uuid::now_v7());
        if sightings.seen.is_empty() {
            return Err(Refusal::rule("nothing was seen: there is nothing to record").into());
        }
        for part in sightings.seen.chunks(MOST_AT_ONCE) {
            let part = Sightings { seen: part.to_vec(), ..sightings.clone() };
            self.append(&stream, Act::Sighted(part)).await?;
        }
        Ok(stream)
    }
}

/// Letters of one case, no blanks around: how serial numbers are compared.
pub(super) fn serial_key(serial: &str) -> Option<String> {
    let key = serial.trim().to_lowercase();
    // What makers leave in the firmware when nobody gave a number names nothing.
    let empty = [
        "",
        "0",
        "none",
        "n/a",
        "na",
        "unknown",
        "default string",
        "to be filled by o.e.m.",
        "system serial number",
        "not specified",
        "123456789",
    ];
    (!empty.contains(&key.as_str()) && !key.bytes().all(|b| matches!(b, b'0' | b'-' | b'.'))).then_some(key)
}

/// `00-11-22-AA-BB-CC`, `0011.22aa.bbcc` and `001122aabbcc` as `00:11:22:aa:bb:cc`.
pub(super) fn mac_key(text: &str) -> Option<String> {
    let text = text.split([',', ';', ' ']).find(|t| !t.is_empty())?;
    let hex: Vec<char> = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    let fine = hex.len() == 12 && hex.iter().all(char::is_ascii_hexdigit) && !hex.iter().all(|c| *c == '0');
    let pairs: Vec<String> = hex.chunks(2).map(|pair| pair.iter().collect::<String>().to_lowercase()).collect();
    fine.then(|| pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_in_every_spelling_and_no_serial_number_that_names_nothing() {
        for text in ["00-11-22-AA-BB-CC", "0011.22aa.bbcc", "001122aabbcc", " 00:11:22:aa:bb:cc, 00:11:22:aa:bb:cd"] {
            assert_eq!(mac_key(text).as_deref(), Some("00:11:22:aa:bb:cc"), "{text}");
        }
        for text in ["", "00:11", "00:00:00:00:00:00", "gg:11:22:aa:bb:cc"] {
            assert_eq!(mac_key(text), None, "{text}");
        }
        assert_eq!(serial_key(" SER-1 ").as_deref(), Some("ser-1"));
        for text in ["", "0000-000", "To be filled by O.E.M.", "N/A"] {
            assert_eq!(serial_key(text), None, "{text}");
        }
    }
}
