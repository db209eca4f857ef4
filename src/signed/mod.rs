//! One envelope for everything signed: JWS (RFC 7515) with Ed25519 (RFC 9864), keys, trust store.
//!
//! What was signed is never re-encoded: payload and protected headers are kept as the text they
//! were signed as. Reading is strict. A signature proves that its key said so, nothing more.

mod base64url;
mod bundle;
mod card;
mod check;
mod cosign;
mod countersign;
mod delegation;
mod durable;
mod evidence;
mod header;
mod json;
mod jws;
mod key;
mod multiples;
mod person;
mod public;
mod time;
mod timestamp;
#[cfg(feature = "pkcs11")]
mod token;
mod token_uri;
mod trust;

pub use crate::units::printable;
pub use base64url::{decode as decode_base64url, encode as encode_base64url};
pub use bundle::{BundleError, append_to_bundle, authorities_beside, bundle_beside, is_trust_store};
pub use card::{CardError, PublicCard, check_person_name};
pub use check::{Check, Outcome, TIME_EVIDENCE, verify, verify_with};
pub use cosign::{CosignError, cosign_file};
pub use countersign::{COUNTERSIGNATURE_TYP, CountersignError, countersign, read_countersignature};
pub use delegation::{
    DELEGATION_TYP, Delegation, REVOCATION_LIST_TYP, Reason, Revocation, RevocationList, StatementError,
};
pub use durable::{DurableError, Part, atomic_write, hold_folder, make_folder, remove_drafts, sync_folder, write_new};
pub use evidence::{EvidenceKind, Existed, TimeEvidence, sha256};
pub use header::{Algorithm, Header, HeaderError, Role};
pub use json::{JsonError, parse_exact as parse_json_exact, parse_strict as parse_json_strict};
pub use jws::{
    Jws, JwsError, MAX_DOCUMENT, MAX_SIGNATURES, SignError, Signature, read_signing_input, sign, verify_signatures,
};
pub use key::{KeyError, RemoteKey, StationKey};
pub use person::{check_person, same_name};
pub use public::{PublicKey, PublicKeyError};
pub use time::{format as format_time, parse as parse_time};
pub use timestamp::{Authorities, MAX_TOKEN, TimestampError, TimestampQuery, time_stamped};
pub use token_uri::{KeyPlace, TokenUri, TokenUriError};
pub use trust::{Standing, TrustError, TrustStore, TrustedKey, check_roles};

/// A passphrase; wiped from memory when dropped.
pub type Passphrase = zeroize::Zeroizing<String>;
