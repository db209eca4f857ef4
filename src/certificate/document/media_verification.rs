//! Second-person verification: somebody else read the medium back from its certificate alone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Payload;
use super::found::{Found, in_order, is_hex, named, person, reference, require, schema, text};
use super::kind::DocumentType;
use super::part::{DocumentRef, Signatory};
use super::signers::Demand;
use crate::certificate::CertificatePayload;
use crate::media::{Difference, Identity, MediumClass, may_be_one};
use crate::policy::VerificationLevel;
use crate::sanitize::record::{ClockQuality, LedgerFacts, ToolFacts};
use crate::signed::{Check, Role};
use crate::units::Bytes;

/// `schema` of a media verification.
pub const MEDIA_VERIFICATION_SCHEMA: &str = "lastwrite-media-verification";

/// What a medium held when it was read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaVerification {
    /// `lastwrite-media-verification`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// The organization that runs the reading station.
    pub organization: String,
    /// The reading station's name.
    pub station: String,
    /// Thumbprint of its key.
    pub station_kid: String,
    /// The certificate it was compared with.
    pub certificate: DocumentRef,
    /// The run that the certificate is about.
    pub run_id: String,
    /// Thumbprints of the keys that signed the certificate.
    pub certificate_signers: Vec<String>,
    /// The medium as it was found here.
    pub medium: ReadMedium,
    /// What came out.
    pub result: VerificationResult,
    /// How much was read.
    pub level: VerificationLevel,
    /// Hex seed of the sample positions; `null` when everything was read.
    pub seed: Option<String>,
    /// Bytes that had to be compared.
    pub wanted: Bytes,
    /// Bytes that were read back and are what the last pass wrote.
    pub matched: Bytes,
    /// Blocks that could not be read, differ, or were not reached.
    pub ledger: LedgerFacts,
    /// Why the reading did not come to its end.
    pub cut: Option<String>,
    /// Reads came from the medium, not from the host's cache.
    pub direct: bool,
    /// When the reading began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// Whether the clock can be believed.
    pub clock: ClockQuality,
    /// Who did it; signs as verifier. `null`: the station alone speaks.
    pub by: Option<Signatory>,
    /// The program that read.
    pub tool: ToolFacts,
}

/// The medium as the reading station saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadMedium {
    /// Its identity here.
    pub identity: Identity,
    /// SHA-256 of it.
    pub identity_digest: String,
    /// Physical, virtual, image.
    pub class: MediumClass,
    /// Logical block size in bytes.
    pub logical_block: u32,
    /// How it differs from the certificate's: only with virtual media, which are other files on
    /// other machines, and tell more of themselves on one than on another.
    pub differences: Vec<Difference>,
}

/// How a reading came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationResult {
    /// Everything that had to be compared is what the certificate says.
    Matched,
    /// Something differs or could not be read.
    Mismatched,
    /// The reading did not come to its end; nothing is said.
    Incomplete,
}

impl VerificationResult {
    /// For a sentence.
    pub fn words(self) -> &'static str {
        match self {
            VerificationResult::Matched => "the medium is what the certificate says",
            VerificationResult::Mismatched => "THE MEDIUM IS NOT WHAT THE CERTIFICATE SAYS",
            VerificationResult::Incomplete => "the reading did not come to its end",
        }
    }
}

impl MediaVerification {
    /// What the facts of a reading come to.
    pub fn judge(cut: bool, ledger: &LedgerFacts, matched: Bytes, wanted: Bytes) -> VerificationResult {
        match (cut, ledger.is_clean() && matched == wanted && wanted.0 > 0) {
            (true, _) => VerificationResult::Incomplete,
            (false, true) => VerificationResult::Matched,
            (false, false) => VerificationResult::Mismatched,
        }
    }

    /// Neither the station's key nor that of the person who read had signed the certificate, as it was then. Whether
    /// they are other persons, the certificate has to say.
    pub fn shares_no_key(&self) -> bool {
        self.shares_no_key_with(&self.certificate_signers)
    }

    /// Neither of them is among these signers of the certificate.
    pub fn shares_no_key_with(&self, signers: &[String]) -> bool {
        let signed = |kid: &str| signers.iter().any(|s| s == kid);
        !signed(&self.station_kid) && !self.by.as_ref().is_some_and(|by| signed(&by.kid))
    }

    /// What contradicts the certificate it names. That may have gained signatures since it was read.
    pub fn against(&self, certificate: &CertificatePayload, signers: &[String]) -> Result<(), String> {
        let facts = &certificate.facts;
        require(self.run_id == facts.run_id, || "it names another run".to_owned())?;
        let listed = &self.certificate_signers;
        let signed = listed.iter().all(|kid| signers.contains(kid)) && listed.is_empty() == signers.is_empty();
        require(signed, || "it names other signers of the certificate".to_owned())?;
        let differences = facts.medium.identity.differences(&self.medium.identity);
        require(self.medium.differences == differences, || "it tells other differences of identity".to_owned())?;
        let one = may_be_one(&differences, [facts.medium.class, self.medium.class]);
        require(one, || "it is about another medium".to_owned())?;
        require(self.medium.identity.size == facts.medium.identity.size, || "the media differ in size".to_owned())
    }

    /// Whether it found something else on the very medium of that run.
    pub(super) fn differs_from(&self, certificate: &CertificatePayload, signers: &[String]) -> bool {
        self.result == VerificationResult::Mismatched && self.against(certificate, signers).is_ok()
    }

    fn check_coverage(&self) -> Found {
        let size = self.medium.identity.size.0;
        let result = Self::judge(self.cut.is_some(), &self.ledger, self.matched, self.wanted);
        require(self.result == result, || format!("the numbers say: {}", result.words()))?;
        require(self.matched <= self.wanted && self.wanted.0 <= size, || "more was read than there is".to_owned())?;
        match self.level {
            VerificationLevel::Full => {
                require(self.wanted.0 == size, || format!("a full reading of {} of {size} bytes", self.wanted))?;
                require(self.seed.is_none(), || "a full reading has no sample seed".to_owned())?;
            }
            VerificationLevel::Sample => {
                let sampled = u128::from(self.wanted.0) + u128::from(self.medium.logical_block);
                require(sampled * 10 >= u128::from(size), || "the samples are less than a tenth".to_owned())?;
                let seeded = self.seed.as_deref().is_some_and(|seed| is_hex(seed, 64));
                require(seeded, || "the samples' seed is not 64 hex digits".to_owned())?;
            }
            VerificationLevel::Quick => {
                let seeded = self.seed.as_deref().is_some_and(|seed| is_hex(seed, 64));
                require(seeded, || "the seed of the places is not 64 hex digits".to_owned())?;
            }
            VerificationLevel::None => return Err("a verification reads something".to_owned()),
        }
        let ranges = [&self.ledger.unread, &self.ledger.mismatched, &self.ledger.unreached];
        let blocks = size.div_ceil(u64::from(self.medium.logical_block.max(1)));
        let inside = ranges
            .into_iter()
            .flatten()
            .all(|r| r.count.0 > 0 && r.first.0.checked_add(r.count.0).is_some_and(|end| end <= blocks));
        require(inside, || "a listed block lies outside the medium".to_owned())?;
        require(self.ledger.unwritten.is_empty(), || "a reading lists blocks that were not written".to_owned())?;
        let from_medium = self.direct || self.medium.class == MediumClass::Image;
        require(from_medium || self.result != VerificationResult::Matched, || {
            "the reading went through the host's cache (no O_DIRECT), so it shows nothing about the medium".to_owned()
        })?;
        Ok(format!("{} of {} bytes matched: {}", self.matched, self.wanted, self.result.words()))
    }
}

impl Payload for MediaVerification {
    fn kind(&self) -> DocumentType {
        DocumentType::MediaVerification
    }

    fn check(&self) -> Vec<Check> {
        let digest = self.medium.identity.digest();
        vec![
            named("schema", schema((&self.schema, self.version), MEDIA_VERIFICATION_SCHEMA)),
            named(
                "certificate",
                reference("the certificate", &self.certificate).and_then(|()| {
                    let fits = self.certificate.kind == DocumentType::Certificate;
                    require(fits, || format!("a {} names no bytes to compare with", self.certificate.kind))?;
                    require(is_hex(&self.run_id, 32), || "run_id is not 32 hex digits".to_owned())?;
                    Ok(format!("certificate {}", self.certificate.id))
                }),
            ),
            named(
                "identity",
                require(digest == self.medium.identity_digest, || {
                    format!("the identity's digest is {digest}, but {} is written", self.medium.identity_digest)
                })
                .map(|()| self.medium.identity.label()),
            ),
            named("coverage", self.check_coverage()),
            named(
                "people",
                text("the organization", &self.organization)
                    .and_then(|()| text("the station", &self.station))
                    .and_then(|()| self.by.as_ref().map_or(Ok(()), |by| person("the verifier", by)))
                    .map(|()| match self.shares_no_key() {
                        true => "no key in common with the certificate".to_owned(),
                        false => "NOT independent: the certificate is signed with the same key".to_owned(),
                    }),
            ),
            named(
                "reading time",
                in_order(("the beginning", self.started), ("the end", self.ended)).map(|()| "in order".to_owned()),
            ),
        ]
    }

    fn demands(&self) -> Vec<Demand<'_>> {
        let mut demands = vec![Demand::must("reading station", &self.station_kid, &[Role::Station])];
        if let Some(by) = &self.by {
            demands.push(Demand::must("verifier", &by.kid, &[Role::Verifier]).of(&by.name));
        }
        demands
    }

    fn dated(&self) -> DateTime<Utc> {
        self.ended
    }
}
