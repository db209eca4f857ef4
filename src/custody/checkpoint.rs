//! The log's size and root as a C2SP tlog-checkpoint that others can keep and cosign.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use super::audit::KnownState;
use super::error::LogError;
use super::log::Log;
use super::merkle::Hash;
use super::note::{Note, NoteError, NoteKey, Signer};
use crate::signed::StationKey;

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: `organization/station/log-id`.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

/// The origin line and key name of a log: `organization/station/log-id`, the names reduced to
/// `a-z`, `0-9` and single dashes, because a key name holds neither spaces nor plus signs. The
/// random log id makes it unique.
pub fn origin(organization: &str, station: &str, log_id: &str) -> String {
    format!("{}/{}/{log_id}", slug(organization), slug(station))
}

/// The log as it stands now, signed under its origin as key name.
pub fn checkpoint(log: &Log, origin: &str, signer: &StationKey) -> Result<String, LogError> {
    let (size, root) = log.head()?;
    let state = Checkpoint { origin: origin.to_owned(), size, root };
    let mut note = Note::new(state.text()).map_err(LogError::Note)?;
    note.sign(origin, signer).map_err(LogError::Note)?;
    Ok(note.to_string())
}

/// Reads a checkpoint and verifies it: at least one of `keys` must have signed, and no signature
/// by one of them may be bad. Gives the signers, each with the time of a cosignature.
pub fn read_checkpoint(bytes: &[u8], keys: &[NoteKey]) -> Result<(Checkpoint, Vec<Signer>), NoteError> {
    let note = Note::parse(bytes)?;
    let signers = note.verify(keys)?;
    Ok((Checkpoint::parse(note.text())?, signers))
}

/// Adds a witness's timestamped cosignature to a checkpoint. The witness must have compared it
/// with the last one they saw.
pub fn cosign(bytes: &[u8], name: &str, signer: &StationKey, at: DateTime<Utc>) -> Result<String, NoteError> {
    let mut note = Note::parse(bytes)?;
    Checkpoint::parse(note.text())?;
    note.cosign(name, signer, at)?;
    Ok(note.to_string())
}

impl Checkpoint {
    /// The note's text.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads a note's text. Extension lines are refused: nothing would check them.
    pub fn parse(text: &str) -> Result<Checkpoint, NoteError> {
        let mut lines = text.strip_suffix('\n').ok_or(NoteError::Checkpoint("no final newline"))?.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(NoteError::Checkpoint("it must have three lines: origin, size, root"));
        };
        if origin.is_empty() {
            return Err(NoteError::Checkpoint("the origin is empty"));
        }
        let canonical = size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| canonical).ok_or(NoteError::Checkpoint("the size is not a number"))?;
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok()).map(Hash);
        let root = root.ok_or(NoteError::Checkpoint("the root is not 32 bytes in base64"))?;
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }

    /// The log id at the end of the origin, where it is one of ours.
    pub fn log_id(&self) -> Option<&str> {
        self.origin.rsplit('/').next().filter(|id| id.len() == 32)
    }

    /// For an audit against it. `from` says where the checkpoint was kept.
    pub fn known_state(&self, from: &str) -> Option<KnownState> {
        Some(KnownState { log_id: self.log_id()?.to_owned(), size: self.size, root: self.root, from: from.to_owned() })
    }
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "unnamed".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C2SP tlog-checkpoint.md.
    #[test]
    fn the_published_text_reads() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.text(), text);
        assert_eq!(checkpoint.log_id(), None);
        for bad in [
            "a\n1\n",
            "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n99999999999999999999\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
            "a\n1\nAAAA\n",
            "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nextension\n",
        ] {
            assert!(Checkpoint::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn origins_are_key_names() {
        assert_eq!(origin("Müller & Söhne GmbH", "Bench 1+", "ab"), "m-ller-s-hne-gmbh/bench-1/ab");
        assert_eq!(origin("日本", "", "ab"), "unnamed/unnamed/ab");
    }
}
