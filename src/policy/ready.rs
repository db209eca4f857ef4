//! The policies that come along.

use std::sync::OnceLock;

use super::organization::{Policy, PolicyError, digest};

/// A ready-made policy.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Its id.
    pub id: &'static str,
    /// Its text.
    pub toml: &'static str,
}

/// The id of the one that holds when nothing else is said.
pub const DEFAULT: &str = "nist-800-88r2";

/// Every ready-made policy, the default first.
pub const READY: &[Ready] = &[
    Ready { id: DEFAULT, toml: include_str!("ready/nist-800-88r2.toml") },
    Ready { id: "r2v3", toml: include_str!("ready/r2v3.toml") },
    Ready { id: "hipaa", toml: include_str!("ready/hipaa.toml") },
    Ready { id: "gdpr", toml: include_str!("ready/gdpr.toml") },
    Ready { id: "pci-dss", toml: include_str!("ready/pci-dss.toml") },
    Ready { id: "government-high", toml: include_str!("ready/government-high.toml") },
];

impl Ready {
    /// The one with that id.
    pub fn find(id: &str) -> Option<&'static Ready> {
        READY.iter().find(|ready| ready.id == id)
    }

    /// Digest and policy of the one with that id, read once: every certificate names one.
    pub(super) fn known(id: &str) -> Option<&'static (String, Policy)> {
        static KNOWN: [OnceLock<Option<(String, Policy)>>; READY.len()] = [const { OnceLock::new() }; READY.len()];
        let (ready, known) = READY.iter().zip(&KNOWN).find(|(ready, _)| ready.id == id)?;
        known.get_or_init(|| Some((ready.digest(), ready.policy().ok()?))).as_ref()
    }

    /// The policy.
    pub fn policy(&self) -> Result<Policy, PolicyError> {
        Policy::parse(self.toml)
    }

    /// SHA-256 of its text, hex.
    pub fn digest(&self) -> String {
        digest(self.toml.as_bytes())
    }
}
