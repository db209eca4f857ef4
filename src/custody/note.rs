//! Signed notes (C2SP signed-note) with Ed25519: plain signatures and timestamped cosignatures
//! (C2SP tlog-cosignature). Strict: one spelling for every note, `verify_strict` signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::signed::{PublicKey, StationKey};

/// The most bytes a note may have.
const MAX_NOTE: usize = 1 << 20;
/// The most signatures; at least 16 must be accepted.
const MAX_SIGNATURES: usize = 64;
const DASH: &str = "\u{2014} ";

/// Text and the signature lines below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Key name.
    pub name: String,
    /// First four bytes of a hash of name, type and key.
    pub key_id: [u8; 4],
    /// What the signature type says: 64 bytes, or 8 bytes of time and 64.
    pub value: Vec<u8>,
}

/// Signature type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureKind {
    /// 0x01: the text, signed.
    Ed25519 = 1,
    /// 0x04: a witness saw this checkpoint at that time.
    Cosignature = 4,
}

/// A key as notes know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    /// Key name: no white space, no plus sign.
    pub name: String,
    /// How it signs.
    pub kind: SignatureKind,
    /// The key.
    pub key: PublicKey,
}

/// A known key that signed, and when, if its signature says so (cosignatures do).
pub type Signer = (NoteKey, Option<DateTime<Utc>>);

/// A note that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Too large, no UTF-8, control characters, no blank line.
    #[error("not a signed note: {0}")]
    Format(&'static str),
    /// A signature line is malformed.
    #[error("not a signed note: signature line {0} is malformed")]
    SignatureLine(usize),
    /// A key name that notes cannot carry.
    #[error("{0:?} cannot be a key name: it must not be empty nor contain white space or a plus sign")]
    KeyName(String),
    /// A verifier key that cannot be used.
    #[error("{0:?} is not a verifier key (name+hash+key) with an Ed25519 key")]
    VerifierKey(String),
    /// A signature that claims to be by a known key and is not.
    #[error("the signature of {0} does not verify")]
    Bad(String),
    /// No known key signed.
    #[error("no known key has signed the note")]
    Unsigned,
    /// The key could not sign.
    #[error("{0}")]
    Key(String),
    /// The text is no checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
}

impl NoteKey {
    /// A key under a name.
    pub fn new(name: &str, kind: SignatureKind, key: PublicKey) -> Result<NoteKey, NoteError> {
        match is_key_name(name) {
            true => Ok(NoteKey { name: name.to_owned(), kind, key }),
            false => Err(NoteError::KeyName(name.to_owned())),
        }
    }

    /// Reads `name+hash+base64(type || key)`.
    pub fn parse(text: &str) -> Result<NoteKey, NoteError> {
        let bad = || NoteError::VerifierKey(text.to_owned());
        let mut parts = text.splitn(3, '+');
        let (name, hash, key) =
            (parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?);
        let bytes = STANDARD.decode(key).map_err(|_| bad())?;
        let kind = match bytes.first() {
            Some(1) => SignatureKind::Ed25519,
            Some(4) => SignatureKind::Cosignature,
            _ => return Err(bad()),
        };
        let key = NoteKey::new(name, kind, PublicKey::from_bytes(&bytes[1..]).map_err(|_| bad())?)?;
        if key.to_string() == text && hash.len() == 8 { Ok(key) } else { Err(bad()) }
    }

    /// First four bytes of SHA-256(name || LF || type || key).
    pub fn id(&self) -> [u8; 4] {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', self.kind as u8])
            .chain_update(self.key.to_bytes())
            .finalize()
            .into();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl std::fmt::Display for NoteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let material = [&[self.kind as u8][..], &self.key.to_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(material))
    }
}

impl Note {
    /// A note without signatures; `text` must end in a newline and hold no control character.
    pub fn new(text: String) -> Result<Note, NoteError> {
        check_text(&text)?;
        Ok(Note { text, signatures: Vec::new() })
    }

    /// Reads a note strictly. Nothing is verified yet.
    pub fn parse(bytes: &[u8]) -> Result<Note, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::Format("too large"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Format("not UTF-8"))?;
        check_text(whole)?;
        let blank = whole.rfind("\n\n").ok_or(NoteError::Format("no blank line before the signatures"))?;
        let (text, lines) = (&whole[..blank + 1], &whole[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Format("no signatures"))?;
        let signatures =
            lines.split('\n').zip(1..).map(|(line, n)| read_signature(line, n)).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Format("too many signatures"));
        }
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// The signed text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a plain Ed25519 signature.
    pub fn sign(&mut self, name: &str, signer: &StationKey) -> Result<(), NoteError> {
        let key = NoteKey::new(name, SignatureKind::Ed25519, signer.public().clone())?;
        let value = signer.sign_bytes(self.text.as_bytes()).map_err(|e| NoteError::Key(e.to_string()))?.to_vec();
        self.signatures.push(NoteSignature { key_id: key.id(), name: key.name, value });
        Ok(())
    }

    /// Adds a timestamped cosignature: the signer saw this checkpoint and checked that it grew
    /// from the last one they saw.
    pub fn cosign(&mut self, name: &str, signer: &StationKey, at: DateTime<Utc>) -> Result<(), NoteError> {
        let key = NoteKey::new(name, SignatureKind::Cosignature, signer.public().clone())?;
        let seconds = u64::try_from(at.timestamp()).map_err(|_| NoteError::Format("a time before 1970"))?;
        let signature = signer.sign_bytes(&cosigned(seconds, &self.text)).map_err(|e| NoteError::Key(e.to_string()))?;
        let value = [&seconds.to_be_bytes()[..], &signature].concat();
        self.signatures.push(NoteSignature { key_id: key.id(), name: key.name, value });
        Ok(())
    }

    /// Verifies every signature line that names a known key. Unknown keys are ignored; a bad
    /// signature by a known key refuses the note, and so does having none at all.
    /// Gives the known signers, each with the time of a cosignature.
    pub fn verify(&self, keys: &[NoteKey]) -> Result<Vec<Signer>, NoteError> {
        let mut signers = Vec::new();
        for signature in &self.signatures {
            for key in keys.iter().filter(|k| k.name == signature.name && k.id() == signature.key_id) {
                let time = self.check(signature, key).ok_or_else(|| NoteError::Bad(key.name.clone()))?;
                if !signers.iter().any(|(known, _)| known == key) {
                    signers.push((key.clone(), time));
                }
            }
        }
        if signers.is_empty() { Err(NoteError::Unsigned) } else { Ok(signers) }
    }

    /// `None`: bad. `Some(time)`: good.
    fn check(&self, signature: &NoteSignature, key: &NoteKey) -> Option<Option<DateTime<Utc>>> {
        match key.kind {
            SignatureKind::Ed25519 => {
                let value = signature.value.as_slice().try_into().ok()?;
                key.key.verifies(self.text.as_bytes(), value).then_some(None)
            }
            SignatureKind::Cosignature => {
                let (time, value) = signature.value.split_first_chunk::<8>()?;
                let seconds = u64::from_be_bytes(*time);
                let at = DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
                let value = value.try_into().ok()?;
                key.key.verifies(&cosigned(seconds, &self.text), value).then_some(Some(at))
            }
        }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|s| {
            let value = [&s.key_id[..], &s.value].concat();
            writeln!(f, "{DASH}{} {}", s.name, STANDARD.encode(value))
        })
    }
}

fn cosigned(seconds: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes()
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Format("it does not end in a newline"));
    }
    match text.bytes().any(|b| b < 0x20 && b != b'\n') {
        true => Err(NoteError::Format("control characters")),
        false => Ok(()),
    }
}

fn read_signature(line: &str, number: usize) -> Result<NoteSignature, NoteError> {
    let bad = || NoteError::SignatureLine(number);
    let (name, value) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or_else(bad)?;
    let bytes = STANDARD.decode(value).map_err(|_| bad())?;
    let (key_id, value) = bytes.split_first_chunk::<4>().ok_or_else(bad)?;
    if !is_key_name(name) || value.is_empty() {
        return Err(bad());
    }
    Ok(NoteSignature { name: name.to_owned(), key_id: *key_id, value: value.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of golang.org/x/mod/sumdb/note, the format's first implementation.
    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_published_note_verifies_and_is_written_alike() {
        let key = NoteKey::parse(VKEY).unwrap();
        assert_eq!(key.to_string(), VKEY);
        let note = Note::parse(NOTE.as_bytes()).unwrap();
        assert_eq!(note.verify(std::slice::from_ref(&key)).unwrap(), [(key.clone(), None)]);
        assert_eq!(note.to_string(), NOTE);
        let other = Note::parse(NOTE.replace("answer", "answr").as_bytes()).unwrap();
        assert_eq!(other.verify(&[key]), Err(NoteError::Bad("PeterNeumann".into())));
    }

    /// C2SP signed-note.md, "verifier keys".
    #[test]
    fn the_published_verifier_key_reads() {
        let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        assert_eq!(NoteKey::parse(text).unwrap().to_string(), text);
        for bad in [
            "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "example.com/foo+530d903a",
            "",
        ] {
            assert!(NoteKey::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn malformed_notes_are_refused() {
        for bad in [
            NOTE.trim_end().to_owned(),
            NOTE.replace("\n\n", "\n"),
            NOTE.replace('\u{2014}', "-"),
            NOTE.replace("PeterNeumann ", "PeterNeumann  "),
            NOTE.replace("PeterNeumann", "Peter+Neumann"),
            NOTE.replace("JnAM=", "JnAM"),
            NOTE.replace("JnAM=", "JnAN="),
            NOTE.replace("crypto", "cry\tpto"),
            format!("{NOTE}x"),
            format!("{NOTE}\n"),
            String::new(),
            "\n\n".to_owned(),
        ] {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Note::parse(b"\xff\n\n").is_err());
    }

    #[test]
    fn several_cosignatures_and_strangers() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (log, witness, stranger) =
            (StationKey::from_seed(&[1; 32]), StationKey::from_seed(&[2; 32]), StationKey::from_seed(&[3; 32]));
        let mut note = Note::new("a.example/log\n0\nAAAA\n".to_owned()).unwrap();
        note.sign("a.example/log", &log).unwrap();
        note.cosign("w.example/1", &witness, at).unwrap();
        note.cosign("s.example", &stranger, at).unwrap();
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        let log_key = NoteKey::new("a.example/log", SignatureKind::Ed25519, log.public().clone()).unwrap();
        let witness_key = NoteKey::new("w.example/1", SignatureKind::Cosignature, witness.public().clone()).unwrap();
        let signers = note.verify(&[log_key.clone(), witness_key.clone()]).unwrap();
        assert_eq!(signers, [(log_key, None), (witness_key.clone(), Some(at))]);
        // Another time in the cosignature is another message.
        let mut backdated = note.clone();
        backdated.signatures[1].value[7] ^= 1;
        assert!(matches!(backdated.verify(&[witness_key]), Err(NoteError::Bad(_))));
        let nobody = NoteKey::new("n.example", SignatureKind::Ed25519, log.public().clone()).unwrap();
        assert_eq!(note.verify(&[nobody]), Err(NoteError::Unsigned));
    }
}
