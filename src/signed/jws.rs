//! JWS in JSON general serialization (RFC 7515 section 7.2.1).

use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::base64url;
use super::header::{Header, HeaderError, Role};
use super::json::{JsonError, parse_strict};
use super::public::{Claim, verify_together};
use super::{KeyError, PublicKey, StationKey, TrustStore};

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
    judged: Judged,
}

/// One signature on a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    protected: String,
    header: Header,
    signature: [u8; 64],
}

/// Of signatures that were verified together with those of other documents: by which key, and whether it made them.
/// They are never changed afterwards. No part of the document.
#[derive(Clone, Debug, Default)]
struct Judged(Vec<Option<(PublicKey, bool)>>);

impl PartialEq for Judged {
    fn eq(&self, _: &Judged) -> bool {
        true
    }
}

impl Eq for Judged {}

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    payload: String,
    signatures: Vec<Object<EnvelopeSignature>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    protected: String,
    signature: String,
}

/// A JSON object; serde by itself takes an array for one as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Object<T>, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        d.deserialize_map(Members(PhantomData)).map(Object)
    }
}

/// Signs `payload` as a document of type `typ`. Deterministic: the same input gives the same bytes.
pub fn sign(payload: &[u8], typ: &str, signer: &StationKey, role: Role, iat: DateTime<Utc>) -> Result<Jws, KeyError> {
    let mut jws = Jws::new(base64url::encode(payload), payload.to_vec(), Vec::with_capacity(1));
    jws.push_signature(typ, signer, role, iat)?;
    Ok(jws)
}

/// Verifies the signatures of many documents, which takes less than each by itself; [`Jws::verifies`] knows the result.
/// Keys that the store does not know are left alone.
pub fn verify_signatures(documents: &mut [&mut Jws], trust: &TrustStore) {
    let (mut places, mut claims) = (Vec::new(), Vec::new());
    for (document, jws) in documents.iter().enumerate() {
        for (index, s) in jws.signatures.iter().enumerate() {
            let Some(known) = s.header.kid.as_deref().and_then(|kid| trust.find(kid)) else { continue };
            let message = pieces(&s.protected, &jws.payload_text);
            places.push((document, index, known.key.clone()));
            claims.push(Claim { key: &known.key, message, signature: &s.signature });
        }
    }
    let found = verify_together(&claims);
    for ((document, index, key), good) in places.into_iter().zip(found) {
        if let Some(jws) = documents.get_mut(document) {
            jws.judged.0.resize(jws.signatures.len(), None);
            jws.judged.0[index] = Some((key, good));
        }
    }
}

impl Jws {
    fn new(payload_text: String, payload: Vec<u8>, signatures: Vec<Signature>) -> Jws {
        Jws { payload_text, payload, signatures, judged: Judged::default() }
    }

    /// Reads a JWS strictly. Says nothing yet about whether any signature is good.
    pub fn parse(bytes: &[u8]) -> Result<Jws, JwsError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(JwsError::TooLarge { size: bytes.len() });
        }
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if text.first() != Some(&b'{') || text.last() != Some(&b'}') {
            return Err(JwsError::Surroundings);
        }
        match Jws::parse_own(text) {
            Some(jws) => Ok(jws),
            None => Jws::parse_any(text),
        }
    }

    fn parse_any(text: &[u8]) -> Result<Jws, JwsError> {
        let envelope: Envelope = parse_strict(text)?;
        let count = envelope.signatures.len();
        if count == 0 || count > MAX_SIGNATURES {
            return Err(JwsError::SignatureCount { count });
        }
        let payload = base64url::decode(&envelope.payload).map_err(JwsError::Payload)?;
        let signatures = envelope
            .signatures
            .into_iter()
            .zip(1..)
            .map(|(Object(raw), number)| Signature::read(raw.protected, &raw.signature, number))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Jws::new(envelope.payload, payload, signatures))
    }

    /// The short way for a document as [`Jws::to_bytes`] writes it. All its texts are base64url, in which nothing
    /// is escaped, so that it has one reading. `None` says nothing.
    fn parse_own(text: &[u8]) -> Option<Jws> {
        let text = std::str::from_utf8(text).ok()?;
        let (payload_text, mut rest) = text.strip_prefix("{\"payload\":\"")?.split_once('"')?;
        rest = rest.strip_prefix(",\"signatures\":[")?;
        let mut signatures = Vec::with_capacity(1);
        for number in 1..=MAX_SIGNATURES {
            let (protected, after) = rest.strip_prefix("{\"protected\":\"")?.split_once('"')?;
            let (signature, after) = after.strip_prefix(",\"signature\":\"")?.split_once('"')?;
            signatures.push(Signature::read(protected.to_owned(), signature, number).ok()?);
            match after.strip_prefix("},") {
                Some(next) => rest = next,
                None if after == "}]}" => {
                    let payload = base64url::decode(payload_text).ok()?;
                    return Some(Jws::new(payload_text.to_owned(), payload, signatures));
                }
                None => return None,
            }
        }
        None
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
        if let Some(Some((judged_by, good))) = self.judged.0.get(index)
            && judged_by == key
        {
            return *good;
        }
        self.signatures
            .get(index)
            .is_some_and(|s| key.verifies_pieces(&pieces(&s.protected, &self.payload_text), &s.signature))
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

    fn read(protected: String, signature: &str, number: usize) -> Result<Signature, JwsError> {
        let header = Header::decode(&protected).map_err(|source| JwsError::Header { number, source })?;
        let signature = base64url::decode(signature)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(JwsError::SignatureValue { number })?;
        Ok(Signature { protected, header, signature })
    }
}

fn signing_input(protected: &str, payload: &str) -> Vec<u8> {
    pieces(protected, payload).concat()
}

fn pieces<'a>(protected: &'a str, payload: &'a str) -> [&'a [u8]; 3] {
    [protected.as_bytes(), b".", payload.as_bytes()]
}

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
