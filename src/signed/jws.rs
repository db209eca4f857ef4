//! JWS in JSON general serialization (RFC 7515 section 7.2.1).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::base64url;
use super::header::{Header, HeaderError, Role};
use super::json::{JsonError, parse_strict};
use super::{KeyError, PublicKey, StationKey};

/// The largest document that is read, in bytes.
pub const MAX_DOCUMENT: usize = 16 * 1024 * 1024;
/// The most signatures on one document.
pub const MAX_SIGNATURES: usize = 16;

/// A signed document: payload and headers are kept as the very text that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jws {
    payload_text: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// One signature on a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    protected: String,
    header: Header,
    signature: [u8; 64],
}

/// Bytes that are no acceptable JWS.
#[derive(Debug, thiserror::Error)]
pub enum JwsError {
    /// Larger than any document of ours.
    #[error("{size} bytes are more than the {MAX_DOCUMENT} a document may have")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Something before the first or after the last brace (one final newline is allowed).
    #[error("it does not begin with {{ and end with }}; there are foreign bytes around the document, or it was cut")]
    Surroundings,
    /// Not strict JSON of the general serialization, or with members that do not belong there.
    #[error("not a JWS in JSON general serialization: {0}")]
    Json(#[from] JsonError),
    /// What is to be signed is no header and payload with a dot between.
    #[error("it is no header and payload with a dot between them")]
    SigningInput,
    /// The payload is not canonical base64url.
    #[error("the payload is not canonical base64url")]
    Payload(#[source] base64::DecodeError),
    /// No signature, or too many.
    #[error("it has {count} signatures; 1 to {MAX_SIGNATURES} are allowed")]
    SignatureCount {
        /// How many.
        count: usize,
    },
    /// A protected header is refused.
    #[error("protected header of signature {number}: {source}")]
    Header {
        /// Which signature, from 1.
        number: usize,
        /// Why.
        #[source]
        source: HeaderError,
    },
    /// A signature value is not 64 bytes of canonical base64url.
    #[error("signature {number} is not 64 bytes in canonical base64url")]
    SignatureValue {
        /// Which signature, from 1.
        number: usize,
    },
}

/// A signature that could not be added.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// No room left.
    #[error("the document has {MAX_SIGNATURES} signatures already")]
    Full,
    /// This key signed in this role already.
    #[error("key {kid} has signed this document as {role} already")]
    Twice {
        /// The key.
        kid: String,
        /// The role.
        role: Role,
    },
    /// The first signature says not what the document is.
    #[error("the document has no typ, so it is not one of ours")]
    NoTyp,
    /// The key could not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    protected: String,
    signature: String,
}

/// Signs `payload` as a document of type `typ`. Deterministic: the same input gives the same bytes.
pub fn sign(payload: &[u8], typ: &str, signer: &StationKey, role: Role, iat: DateTime<Utc>) -> Result<Jws, KeyError> {
    let mut jws =
        Jws { payload_text: base64url::encode(payload), payload: payload.to_vec(), signatures: Vec::with_capacity(1) };
    jws.push_signature(typ, signer, role, iat)?;
    Ok(jws)
}

impl Jws {
    /// Reads a JWS strictly. Says nothing yet about whether any signature is good.
    pub fn parse(bytes: &[u8]) -> Result<Jws, JwsError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(JwsError::TooLarge { size: bytes.len() });
        }
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if text.first() != Some(&b'{') || text.last() != Some(&b'}') {
            return Err(JwsError::Surroundings);
        }
        // The members are all named here, so that serde itself refuses one that stands twice or is
        // unknown; the strict reader then says what is wrong.
        let envelope: Envelope = serde_json::from_slice(text).or_else(|_| parse_strict(text))?;
        let count = envelope.signatures.len();
        if count == 0 || count > MAX_SIGNATURES {
            return Err(JwsError::SignatureCount { count });
        }
        let payload = base64url::decode(&envelope.payload).map_err(JwsError::Payload)?;
        let signatures = envelope
            .signatures
            .into_iter()
            .zip(1..)
            .map(|(raw, number)| Signature::read(raw, number))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Jws { payload_text: envelope.payload, payload, signatures })
    }

    /// The signed bytes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signatures, at least one, in the order they were added.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// `typ` when all signatures agree on it.
    pub fn typ(&self) -> Option<&str> {
        let typ = self.signatures.first()?.header.typ.as_deref()?;
        self.signatures.iter().all(|s| s.header.typ.as_deref() == Some(typ)).then_some(typ)
    }

    /// Adds a signature that agrees with the document; payload and other signatures stay as they are.
    pub fn add_signature(&mut self, signer: &StationKey, role: Role, iat: DateTime<Utc>) -> Result<(), SignError> {
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(SignError::Full);
        }
        let same = |s: &Signature| s.header.kid.as_deref() == Some(signer.kid()) && s.header.role == Some(role);
        if self.signatures.iter().any(same) {
            return Err(SignError::Twice { kid: signer.kid().to_owned(), role });
        }
        let typ = self.typ().ok_or(SignError::NoTyp)?.to_owned();
        Ok(self.push_signature(&typ, signer, role, iat)?)
    }

    /// The document on one line, without a final newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::with_capacity(self.payload_text.len() + self.signatures.len() * 400 + 40);
        // base64url needs no escaping.
        text.push_str("{\"payload\":\"");
        text.push_str(&self.payload_text);
        text.push_str("\",\"signatures\":[");
        for (i, s) in self.signatures.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            text.push_str("{\"protected\":\"");
            text.push_str(&s.protected);
            text.push_str("\",\"signature\":\"");
            text.push_str(&base64url::encode(&s.signature));
            text.push_str("\"}");
        }
        text.push_str("]}");
        text.into_bytes()
    }

    /// Whether signature `index` (from 0) over these bytes was made by `key`. Strict Ed25519.
    pub fn verifies(&self, index: usize, key: &PublicKey) -> bool {
        self.signatures
            .get(index)
            .is_some_and(|s| key.verifies(&signing_input(&s.protected, &self.payload_text), &s.signature))
    }

    /// The bytes that signature `index` (from 0) signs: `BASE64URL(header) . BASE64URL(payload)`.
    pub fn signing_input(&self, index: usize) -> Option<Vec<u8>> {
        self.signatures.get(index).map(|s| signing_input(&s.protected, &self.payload_text))
    }

    fn push_signature(
        &mut self,
        typ: &str,
        signer: &StationKey,
        role: Role,
        iat: DateTime<Utc>,
    ) -> Result<(), KeyError> {
        let protected = Header::encode(signer.kid(), typ, role, iat);
        let signature = signer.sign_bytes(&signing_input(&protected, &self.payload_text))?;
        let header = Header {
            alg: super::Algorithm::Ed25519,
            kid: Some(signer.kid().to_owned()),
            typ: Some(typ.to_owned()),
            role: Some(role),
            iat: DateTime::from_timestamp(iat.timestamp(), 0),
        };
        self.signatures.push(Signature { protected, header, signature });
        Ok(())
    }
}

/// Reads what a signature is made over (RFC 7515 section 5.1), as strictly as a document: its header and its
/// payload.
pub fn read_signing_input(message: &[u8]) -> Result<(Header, Vec<u8>), JwsError> {
    if message.len() > MAX_DOCUMENT {
        return Err(JwsError::TooLarge { size: message.len() });
    }
    let text = std::str::from_utf8(message).map_err(|_| JwsError::SigningInput)?;
    let (protected, payload) = text.split_once('.').ok_or(JwsError::SigningInput)?;
    let header = Header::decode(protected).map_err(|source| JwsError::Header { number: 1, source })?;
    Ok((header, base64url::decode(payload).map_err(JwsError::Payload)?))
}

impl Signature {
    /// What the signature says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The 64 bytes of RFC 8032.
    pub fn value(&self) -> &[u8; 64] {
        &self.signature
    }

    fn read(raw: EnvelopeSignature, number: usize) -> Result<Signature, JwsError> {
        let header = Header::decode(&raw.protected).map_err(|source| JwsError::Header { number, source })?;
        let signature = base64url::decode(&raw.signature)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(JwsError::SignatureValue { number })?;
        Ok(Signature { protected: raw.protected, header, signature })
    }
}

fn signing_input(protected: &str, payload: &str) -> Vec<u8> {
    [protected.as_bytes(), b".", payload.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn document() -> (StationKey, Jws) {
        let key = StationKey::from_seed(&[7; 32]);
        let jws = sign(br#"{"a":1}"#, "test+json", &key, Role::Station, at(1_800_000_000)).unwrap();
        (key, jws)
    }

    fn with_header(header: &str) -> Vec<u8> {
        let (key, jws) = document();
        let protected = base64url::encode(header.as_bytes());
        let signature = key.sign_bytes(&signing_input(&protected, &jws.payload_text)).unwrap();
        json!({"payload": jws.payload_text, "signatures": [{"protected": protected, "signature": base64url::encode(&signature)}]})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn what_was_signed_comes_back_and_verifies() {
        let (key, jws) = document();
        let read = Jws::parse(&jws.to_bytes()).unwrap();
        assert_eq!(read, jws);
        assert_eq!(read.payload(), br#"{"a":1}"#);
        assert_eq!(read.typ(), Some("test+json"));
        assert!(read.verifies(0, key.public()));
        assert!(!read.verifies(1, key.public()));
        assert!(!read.verifies(0, StationKey::from_seed(&[8; 32]).public()));
        assert_eq!(document().1.to_bytes(), jws.to_bytes(), "signing is deterministic");
    }

    #[test]
    fn an_added_signature_leaves_the_rest_alone() {
        let (key, mut jws) = document();
        let before: Value = serde_json::from_slice(&jws.to_bytes()).unwrap();
        let witness = StationKey::from_seed(&[9; 32]);
        jws.add_signature(&witness, Role::Witness, at(1_800_000_001)).unwrap();
        assert!(matches!(jws.add_signature(&witness, Role::Witness, at(2)), Err(SignError::Twice { .. })));
        let after: Value = serde_json::from_slice(&jws.to_bytes()).unwrap();
        assert_eq!(after["payload"], before["payload"]);
        assert_eq!(after["signatures"][0], before["signatures"][0]);
        let read = Jws::parse(&jws.to_bytes()).unwrap();
        assert!(read.verifies(0, key.public()) && read.verifies(1, witness.public()));
        for i in 0..14 {
            jws.add_signature(&StationKey::from_seed(&[100 + i; 32]), Role::Witness, at(3)).unwrap();
        }
        assert!(matches!(
            jws.add_signature(&StationKey::from_seed(&[99; 32]), Role::Witness, at(3)),
            Err(SignError::Full)
        ));
    }

    #[test]
    fn one_final_newline_is_all_that_may_follow() {
        let (_, jws) = document();
        let bytes = jws.to_bytes();
        assert!(Jws::parse(&[bytes.as_slice(), b"\n"].concat()).is_ok());
        for tail in ["\n\n", " ", "x", "\0", "{}", "\r\n", "}"] {
            assert!(Jws::parse(&[bytes.as_slice(), tail.as_bytes()].concat()).is_err(), "{tail:?}");
        }
        assert!(matches!(Jws::parse(&[b" ", bytes.as_slice()].concat()), Err(JwsError::Surroundings)));
        for cut in 0..bytes.len() {
            assert!(Jws::parse(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn headers_that_demand_or_bring_something_are_refused() {
        for (header, part) in [
            (r#"{"alg":"Ed25519","crit":["exp"],"exp":1}"#, "extension"),
            (r#"{"alg":"Ed25519","crit":[]}"#, "extension"),
            (r#"{"alg":"Ed25519","jwk":{"kty":"OKP"}}"#, "own key (jwk)"),
            (r#"{"alg":"Ed25519","x5c":[]}"#, "own key (x5c)"),
            (r#"{"alg":"Ed25519","jku":"https://a"}"#, "own key (jku)"),
            (r#"{"alg":"Ed25519","x5u":"https://a"}"#, "own key (x5u)"),
            (r#"{"alg":"none"}"#, "not accepted"),
            (r#"{"alg":"HS256"}"#, "not accepted"),
            (r#"{"alg":"ed25519"}"#, "not accepted"),
            (r#"{"kid":"x"}"#, "not accepted"),
            (r#"{"alg":"Ed25519","alg":"Ed25519"}"#, "stands twice"),
            (r#"{"alg":"Ed25519","b64":false}"#, "unknown member"),
            (r#"{"alg":"Ed25519","iat":1.5}"#, "iat"),
            (r#"{"alg":"Ed25519","iat":-1}"#, "iat"),
            (r#"{"alg":"Ed25519","role":"king"}"#, "role"),
            (r#"{"alg":"Ed25519","typ":""}"#, "typ"),
            (r#"{"alg":"Ed25519"} "#, ""),
            (r#"[]"#, "not acceptable JSON"),
        ] {
            let result = Jws::parse(&with_header(header));
            if part.is_empty() {
                assert!(result.is_ok(), "{header}");
                continue;
            }
            let error = result.unwrap_err().to_string();
            assert!(error.contains(part), "{header}: {error}");
        }
        let old_name = Jws::parse(&with_header(r#"{"alg":"EdDSA"}"#)).unwrap();
        assert_eq!(old_name.signatures()[0].header().alg, super::super::Algorithm::EdDsa);
        assert!(old_name.verifies(0, document().0.public()));
    }

    #[test]
    fn envelopes_that_are_not_the_general_serialization_are_refused() {
        let (_, jws) = document();
        let good: Value = serde_json::from_slice(&jws.to_bytes()).unwrap();
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut changed = good.clone();
            change(&mut changed);
            assert!(Jws::parse(changed.to_string().as_bytes()).is_err(), "{changed}");
        };
        refused(&|v| v["signatures"][0]["header"] = json!({"kid": "x"}));
        refused(&|v| v["extra"] = json!(1));
        refused(&|v| v["signatures"] = json!([]));
        refused(&|v| v["signatures"] = Value::Array(vec![good["signatures"][0].clone(); 17]));
        refused(&|v| v["payload"] = json!(1));
        refused(&|v| v["payload"] = json!(format!("{}=", good["payload"].as_str().unwrap())));
        refused(&|v| v["signatures"][0]["signature"] = json!("AAAA"));
        refused(
            &|v| *v = json!({"payload": good["payload"], "protected": good["signatures"][0]["protected"], "signature": good["signatures"][0]["signature"]}),
        );
        // The 86th character of 64 bytes carries four unused bits; `B` sets one.
        refused(&|v| {
            let text = v["signatures"][0]["signature"].as_str().unwrap().to_owned();
            let last = text.as_bytes()[85];
            let other = if last == b'A' { 'B' } else { (last + 1) as char };
            v["signatures"][0]["signature"] = json!(format!("{}{other}", &text[..85]));
        });
        let twice =
            String::from_utf8(jws.to_bytes()).unwrap().replacen("{\"payload\"", "{\"payload\":\"\",\"payload\"", 1);
        assert!(Jws::parse(twice.as_bytes()).unwrap_err().to_string().contains("stands twice"));
        assert!(matches!(Jws::parse(&vec![b'{'; MAX_DOCUMENT + 1]), Err(JwsError::TooLarge { .. })));
    }

    /// RFC 8037 appendix A.4, in general serialization.
    #[test]
    fn verifies_the_example_of_rfc_8037() {
        let key = PublicKey::from_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let document = br#"{"payload":"RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc","signatures":[{"protected":"eyJhbGciOiJFZERTQSJ9","signature":"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"}]}"#;
        let jws = Jws::parse(document).unwrap();
        assert_eq!(jws.payload(), b"Example of Ed25519 signing");
        assert!(jws.verifies(0, &key));
        assert_eq!(jws.to_bytes(), document);
    }
}
