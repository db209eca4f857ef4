//! The signed record of a reading by somebody who did not sanitize.

use super::folder::Station;
use super::program::tool_facts;
use super::verify_media::MediaCheck;
use crate::certificate::document::{
    DocumentRef, DocumentType, MEDIA_VERIFICATION_SCHEMA, MediaVerification, ReadMedium, SealError, Signatory, seal,
};
use crate::certificate::{CertificatePayload, Issued, id_of};
use crate::sanitize::record::LedgerFacts;
use crate::signed::{Jws, Role, StationKey};
use crate::sys::clock;
use crate::units::now;

/// Who reads: the station, and the person at it.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The reading station.
    pub station: &'a Station,
    /// Its key.
    pub key: &'a StationKey,
    /// The person's name and key; without them the station alone speaks.
    pub person: Option<(&'a str, &'a StationKey)>,
}

/// Signs what a reading found, as a document of its own that names the certificate.
pub fn record_reading(
    check: &MediaCheck,
    certificate: &Jws,
    payload: &CertificatePayload,
    reader: Reader<'_>,
) -> Result<Issued, SealError> {
    let config = reader.station.config();
    let ledger = LedgerFacts {
        unwritten: Vec::new(),
        unread: check.ledger.unread.clone(),
        mismatched: check.ledger.mismatched.clone(),
        unreached: check.ledger.unreached.clone(),
    };
    let record = MediaVerification {
        schema: MEDIA_VERIFICATION_SCHEMA.to_owned(),
        version: 1,
        organization: config.organization.clone(),
        station: config.station.clone(),
        station_kid: reader.key.kid().to_owned(),
        certificate: DocumentRef { id: id_of(certificate.payload()), kind: DocumentType::Certificate },
        run_id: payload.facts.run_id.clone(),
        certificate_signers: certificate.signatures().iter().filter_map(|s| s.header().kid.clone()).collect(),
        medium: ReadMedium {
            identity: check.medium.identity.clone(),
            identity_digest: check.medium.identity.digest(),
            class: check.medium.class,
            logical_block: check.medium.geometry.logical_block,
            differences: check.identity_notes.clone(),
        },
        result: MediaVerification::judge(check.cut.is_some(), &ledger, check.matched, check.wanted),
        level: check.level,
        seed: check.seed.clone(),
        wanted: check.wanted,
        matched: check.matched,
        ledger,
        cut: check.cut.as_ref().map(ToString::to_string),
        direct: check.direct,
        started: check.started,
        ended: check.ended,
        clock: clock::quality().into(),
        by: reader.person.map(|(name, key)| Signatory {
            kid: key.kid().to_owned(),
            name: name.to_owned(),
            title: None,
            organization: Some(config.organization.clone()),
            location: None,
            contact: None,
        }),
        tool: tool_facts(reader.station),
    };
    let mut signers = vec![(reader.key, Role::Station)];
    signers.extend(reader.person.map(|(_, key)| (key, Role::Verifier)));
    seal(&record, &signers, now())
}
