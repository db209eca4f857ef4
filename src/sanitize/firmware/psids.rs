//! The PSIDs of a call: which drive each is for. They are in no journal, record, plan or error.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::device::command::opal::{Psid, PsidError};
use crate::media::Medium;

/// PSIDs as a person gave them. Leave memory when dropped.
#[derive(Clone, Debug, Default)]
pub struct Psids {
    /// For the only drive of a call.
    only: Option<Psid>,
    /// By the drive's serial number.
    by_serial: HashMap<String, Psid>,
}

/// What was given holds no PSIDs. Says nothing of what it held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PsidsError {
    /// No line with anything on it.
    #[error("there is no PSID in it")]
    Empty,
    /// A line is none.
    #[error("line {line}: {error}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with its form.
        error: PsidError,
    },
    /// Two lines for one drive.
    #[error("line {line}: the same serial number a second time")]
    Twice {
        /// Counted from 1.
        line: usize,
    },
}

impl Psids {
    /// One PSID, for the only drive of a call; or one line a drive, `SERIAL PSID`. Empty lines and those
    /// that begin with `#` do not count.
    pub fn parse(text: &str) -> Result<Psids, PsidsError> {
        let lines: Vec<(usize, &str)> = (1..)
            .zip(text.lines().map(str::trim))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .collect();
        if let [(line, only)] = lines[..] {
            let parsed = Psid::parse(only);
            if parsed.is_ok() || only.split_whitespace().count() < 2 {
                let only = parsed.map_err(|error| PsidsError::Line { line, error })?;
                return Ok(Psids::only(only));
            }
        }
        let mut psids = Psids::default();
        for (line, text) in lines {
            let (serial, psid) = text.split_once(char::is_whitespace).unwrap_or(("", text));
            let psid = Psid::parse(psid).map_err(|error| PsidsError::Line { line, error })?;
            if psids.by_serial.insert(serial.to_owned(), psid).is_some() {
                return Err(PsidsError::Twice { line });
            }
        }
        if psids.by_serial.is_empty() { Err(PsidsError::Empty) } else { Ok(psids) }
    }

    /// Of the only drive of a call, as somebody typed or scanned it.
    pub fn typed(text: &str) -> Result<Psids, PsidError> {
        Psid::parse(text).map(Psids::only)
    }

    fn only(psid: Psid) -> Psids {
        Psids { only: Some(psid), by_serial: HashMap::new() }
    }

    /// Reads a file of them.
    pub fn read(path: &std::path::Path) -> Result<Result<Psids, PsidsError>, std::io::Error> {
        let text = Zeroizing::new(std::fs::read_to_string(path)?);
        Ok(Psids::parse(&text))
    }

    /// One is for whatever drive is meant: then only one may be.
    pub fn is_for_one_drive(&self) -> bool {
        self.only.is_some()
    }

    /// That of a drive.
    pub fn of(&self, medium: &Medium) -> Option<&Psid> {
        let serial = medium.identity.serial.as_deref().map(str::trim);
        self.only.as_ref().or_else(|| self.by_serial.get(serial?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "ABCDEFGH12345678IJKLMNOP90123456";
    const OTHER: &str = "ZZZZEFGH12345678IJKLMNOP90123456";

    #[test]
    fn one_for_the_only_drive_or_one_a_line() {
        let medium = |serial: &str| {
            let mut medium = crate::sanitize::samples::plan(&[], crate::policy::VerificationLevel::None).medium;
            medium.identity.serial = Some(serial.to_owned());
            medium
        };
        for text in [ONE.to_owned(), format!("# label\n\n {ONE} \n"), "ABCD-EFGH 1234-5678 IJKL-MNOP 9012-3456".into()]
        {
            let psids = Psids::parse(&text).unwrap();
            assert!(psids.is_for_one_drive());
            assert_eq!(psids.of(&medium("S1")), Some(&Psid::parse(ONE).unwrap()));
        }
        for text in [format!("S1 {ONE}\nS2\t{OTHER}\n"), format!("S2 {OTHER}\n# x\nS1 {}", ONE.to_lowercase())] {
            let psids = Psids::parse(&text).unwrap();
            assert!(!psids.is_for_one_drive());
            assert_eq!(psids.of(&medium("S1")), Some(&Psid::parse(ONE).unwrap()));
            assert_eq!(psids.of(&medium("S2")), Some(&Psid::parse(OTHER).unwrap()));
            assert_eq!(psids.of(&medium("S3")), None);
        }
        // One line with a serial number is for that drive alone.
        let psids = Psids::parse(&format!("S1 {ONE}")).unwrap();
        assert_eq!((psids.of(&medium("S1")).is_some(), psids.of(&medium("S2")).is_some()), (true, false));
    }

    #[test]
    fn what_is_none_is_refused_and_not_repeated() {
        assert_eq!(Psids::parse(" \n# nothing\n").unwrap_err(), PsidsError::Empty);
        assert_eq!(Psids::parse(&format!("S1 {ONE}\nS1 {OTHER}")).unwrap_err(), PsidsError::Twice { line: 2 });
        for text in [ONE[1..].to_owned(), format!("S1 {}", &ONE[1..]), format!("S1 {ONE}\nS2 {}", &ONE[1..])] {
            let error = Psids::parse(&text).unwrap_err();
            let shown = format!("{error} {error:?} {:?}", Psids::parse(&format!("S1 {ONE}")).unwrap());
            assert!(!shown.contains(&ONE[1..9]), "{shown}");
        }
    }
}
