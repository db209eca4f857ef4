//! One good document of each sort, by keys of persons made for the tests.

use chrono::{DateTime, Utc};
use lastwrite::certificate::document::*;
use lastwrite::certificate::{CertificatePayload, DocumentKind, IssueContext, id_of};
use lastwrite::media::{Backing, Identity, Kind, MediumClass, Transport};
use lastwrite::policy::{Method, VerificationLevel};
use lastwrite::sanitize::record::{ClockQuality, LedgerFacts, Operator, Proven, RunFacts, ToolFacts};
use lastwrite::signed::{Jws, Role, StationKey, TrustStore, TrustedKey, sign};
use lastwrite::units::Bytes;

pub fn key(seed: u8) -> StationKey {
    StationKey::from_seed(&[seed; 32])
}

pub const STATION: u8 = 1;
pub const VALIDATOR: u8 = 2;
pub const OPERATOR: u8 = 3;
pub const WITNESS: u8 = 4;
pub const OTHER_STATION: u8 = 5;
pub const VERIFIER: u8 = 6;
pub const SENDER: u8 = 7;
pub const RECEIVER: u8 = 8;
/// The operator of the sample run, and the one of the record of destruction, each with a second key as validator.
pub const ADA: u8 = 9;
pub const OTTO: u8 = 10;

pub fn at(hour: u32) -> DateTime<Utc> {
    format!("2026-11-25T{hour:02}:00:00Z").parse().unwrap()
}

pub fn trust() -> TrustStore {
    let mut trust = TrustStore::default();
    for (seed, name, role) in [
        (STATION, "Bench 1", Role::Station),
        (OTHER_STATION, "Bench 2", Role::Station),
        (VALIDATOR, "Vera Vogt", Role::Validator),
        (OPERATOR, "Otto Ort", Role::Operator),
        (WITNESS, "Wim Weit", Role::Witness),
        (VERIFIER, "Eva Egal", Role::Verifier),
        (SENDER, "Sam Send", Role::Transferor),
        (RECEIVER, "Rita Recht", Role::Receiver),
        (ADA, "Ada Lovelace", Role::Validator),
        (OTTO, "Otto Ort", Role::Validator),
    ] {
        trust.add(TrustedKey::new(key(seed).public().clone(), name, role, None)).unwrap();
    }
    trust
}

pub fn person(seed: u8, name: &str) -> Signatory {
    Signatory {
        kid: key(seed).kid().to_owned(),
        name: name.to_owned(),
        title: Some("Technician".to_owned()),
        organization: Some("Example GmbH".to_owned()),
        location: None,
        contact: None,
    }
}

/// Whose key has that name.
pub fn seed_of(kid: &str) -> u8 {
    (0..=u8::MAX).find(|seed| key(*seed).kid() == kid).unwrap()
}

pub fn facts() -> RunFacts {
    let mut facts: RunFacts = serde_json::from_str(include_str!("../data/facts.json")).unwrap();
    facts.medium.identity_digest = facts.medium.identity.digest();
    facts
}

/// The run, so many hours later.
pub fn later(mut facts: RunFacts, hours: i64) -> RunFacts {
    let by = chrono::TimeDelta::hours(hours);
    let RunFacts { started, ended, passes, verification, .. } = &mut facts;
    let of_passes = passes.iter_mut().flat_map(|pass| std::iter::once(&mut pass.started).chain(&mut pass.ended));
    let of_reading = verification.started.iter_mut().chain(&mut verification.ended);
    for time in of_passes.chain(of_reading).chain([started, ended]) {
        *time += by;
    }
    facts
}

/// A run that its policy let go before the medium is destroyed.
pub fn before_destruction() -> RunFacts {
    let mut facts = facts();
    let policy = serde_json::json!({
        "id": "example", "version": "1", "digest": "ab".repeat(32), "signed_by": null, "category": "moderate",
        "route": "recycling", "assumed": [], "minimum": "destroy", "least_verification": "none", "validation": false,
        "second_person_percent": 0, "bad_blocks_allowed": 0, "hidden_areas": "recorded", "operator": "anybody",
        "step_down": "never", "ladder": [{"technique": "overwrite", "method": "clear"}], "before_destruction": true,
        "retention_years": 3,
    });
    facts.policy = Some(serde_json::from_value(policy).unwrap());
    facts
}

/// The disk of a virtual machine.
pub fn virtual_disk() -> RunFacts {
    let mut facts = facts();
    let medium = &mut facts.medium;
    (medium.class, medium.kind, medium.transport) = (MediumClass::Virtual, Kind::Virtual, Transport::Virtio);
    facts
}

fn context() -> IssueContext {
    IssueContext { organization: "Example GmbH".into(), station: "Bench 1".into(), ..IssueContext::default() }
}

/// A certificate, signed by hand: in production only a run gives one.
pub fn certificate() -> Vec<u8> {
    certificate_of(&facts())
}

pub fn certificate_of(facts: &RunFacts) -> Vec<u8> {
    let payload = serde_json::to_vec(&CertificatePayload::from_facts(facts, None, &context())).unwrap();
    signed(&payload, DocumentKind::Certificate.typ(), &[(STATION, Role::Station)])
}

/// A run by an operator with a key, to whom the document gives this name; signed by the station and by these.
pub fn certificate_by(operator: u8, name: &str, others: &[(u8, Role)]) -> Vec<u8> {
    let mut facts = facts();
    facts.operator = Some(Operator::signed(name, key(operator).kid()));
    let payload = serde_json::to_vec(&CertificatePayload::from_facts(&facts, None, &context())).unwrap();
    let signers = [&[(STATION, Role::Station), (operator, Role::Operator)], others].concat();
    signed(&payload, DocumentKind::Certificate.typ(), &signers)
}

/// A later run on the same medium that failed.
pub fn failure_report() -> Vec<u8> {
    let mut facts = facts();
    facts.ended += chrono::TimeDelta::hours(1);
    failure_report_of(facts)
}

pub fn failure_report_of(mut facts: RunFacts) -> Vec<u8> {
    facts.attained = None;
    facts.proven = Proven::Nothing;
    facts.passes[0].written = Bytes(512);
    let text = |t: &str| t.to_owned();
    let failure = lastwrite::sanitize::record::Failure {
        code: text("write_errors"),
        message: text("2 blocks could not be written"),
        advice: text("destroy it"),
    };
    let payload = CertificatePayload::from_facts(&facts, Some(&failure), &context());
    signed(&serde_json::to_vec(&payload).unwrap(), DocumentKind::FailureReport.typ(), &[(STATION, Role::Station)])
}

/// Signs any payload: what the honest program would refuse to sign, a liar can.
pub fn signed(payload: &[u8], typ: &str, signers: &[(u8, Role)]) -> Vec<u8> {
    let (first, others) = signers.split_first().unwrap();
    let mut jws = sign(payload, typ, &key(first.0), first.1, at(20)).unwrap();
    for (seed, role) in others {
        jws.add_signature(&key(*seed), *role, at(20)).unwrap();
    }
    jws.to_bytes()
}

pub fn id(bytes: &[u8]) -> String {
    id_of(Jws::parse(bytes).unwrap().payload())
}

pub fn reference(bytes: &[u8]) -> DocumentRef {
    let (jws, kind, _) = Document::read(bytes).unwrap();
    DocumentRef { id: id_of(jws.payload()), kind }
}

pub fn medium() -> MediumName {
    MediumName::of(&facts().medium.identity, Some("A-17"))
}

pub fn validation(decision: Decision) -> Validation {
    Validation {
        schema: VALIDATION_SCHEMA.into(),
        version: 1,
        organization: "Example GmbH".into(),
        document: reference(&certificate()),
        medium: Some(medium()),
        decision,
        reason: "checked against the policy".into(),
        next_step: Some(NextStep::Destroy),
        policy: Some("Example policy 3".into()),
        replaces: None,
        by: person(VALIDATOR, "Vera Vogt"),
        decided: at(12),
    }
}

pub fn revocation() -> Revocation {
    Revocation {
        schema: REVOCATION_SCHEMA.into(),
        version: 1,
        organization: "Example GmbH".into(),
        document: reference(&certificate()),
        medium: Some(medium()),
        cause: RevocationCause::MediumDiffers,
        reason: "data were found on it".into(),
        replaced_by: None,
        next_step: Some(NextStep::Destroy),
        by: person(VALIDATOR, "Vera Vogt"),
        revoked: at(13),
    }
}

pub fn media_verification() -> MediaVerification {
    let facts = facts();
    let size = facts.medium.identity.size;
    MediaVerification {
        schema: MEDIA_VERIFICATION_SCHEMA.into(),
        version: 1,
        organization: "Example GmbH".into(),
        station: "Bench 2".into(),
        station_kid: key(OTHER_STATION).kid().to_owned(),
        certificate: reference(&certificate()),
        run_id: facts.run_id.clone(),
        certificate_signers: vec![key(STATION).kid().to_owned()],
        medium: ReadMedium {
            identity_digest: facts.medium.identity.digest(),
            identity: facts.medium.identity,
            class: facts.medium.class,
            logical_block: 512,
            differences: Vec::new(),
        },
        result: VerificationResult::Matched,
        level: VerificationLevel::Full,
        seed: None,
        wanted: size,
        matched: size,
        ledger: LedgerFacts::default(),
        cut: None,
        direct: true,
        started: at(13),
        ended: at(14),
        clock: ClockQuality::Synchronized,
        by: Some(person(VERIFIER, "Eva Egal")),
        tool: ToolFacts { name: "lastwrite".into(), version: "0.1.0".into(), build_digest: "ab".repeat(32) },
    }
}

pub fn destruction() -> Destruction {
    Destruction {
        schema: DESTRUCTION_SCHEMA.into(),
        version: 1,
        organization: "Shred AG".into(),
        place: "Hall 3, Cologne".into(),
        medium: medium(),
        material: Material::Flash,
        category: Some(Confidentiality::High),
        technique: DestructionTechnique::Disintegrate {
            particle: Particle { class: "E-4".parse().unwrap(), largest_mm2: "28.5".parse().unwrap() },
        },
        standard: None,
        attained: Method::Destroy,
        equipment: Equipment {
            maker: "Mill".into(),
            model: "HD-900".into(),
            serial: Some("77".into()),
            listed: None,
            calibrated: Some(at(1)),
            calibration_ends: Some(at(23)),
        },
        because: Some(reference(&failure_report())),
        batch: Some("B-9".into()),
        weight_kg: Some("0.62".parse().unwrap()),
        attachments: vec![Attachment {
            kind: AttachmentKind::Video,
            name: "mill.mp4".into(),
            size: Bytes(10_000_000_000),
            sha256: "cd".repeat(32),
        }],
        destroyed: at(15),
        operator: person(OPERATOR, "Otto Ort"),
        witness: Some(person(WITNESS, "Wim Weit")),
        notes: None,
    }
}

/// The record, by another time, signed at 20:00 of the day by operator and witness.
pub fn destroyed(at: DateTime<Utc>) -> Vec<u8> {
    let mut record = Destruction { destroyed: at, ..destruction() };
    record.equipment.calibration_ends = None;
    let signers = [(OPERATOR, Role::Operator), (WITNESS, Role::Witness)];
    signed(&serde_json::to_vec(&record).unwrap(), DocumentType::Destruction.typ(), &signers)
}

fn gathered(of: GatheredUnit) -> Gathering {
    let facts = facts();
    let media = vec![GatheredMedium {
        medium: medium(),
        standing: Standing::Sanitized,
        document: Some(reference(&certificate())),
        attained: Some(Method::Clear),
        verification: Some(VerificationLevel::Full),
        ended: Some(facts.ended),
        against: None,
    }];
    Gathering {
        schema: GATHERING_SCHEMA.into(),
        version: 1,
        of,
        organization: "Example GmbH".into(),
        station: "Bench 1".into(),
        station_kid: key(STATION).kid().to_owned(),
        expected: Some(1),
        counts: GatheredCounts::of(&media),
        complete: Gathering::judge(&media, Some(1)),
        media,
        gathered: at(16),
    }
}

pub fn computer() -> Gathering {
    gathered(GatheredUnit::Computer {
        asset_tag: "A-17".into(),
        maker: Some("Maker".into()),
        model: None,
        serial: Some("PC1".into()),
    })
}

pub fn lot() -> Gathering {
    gathered(GatheredUnit::Lot { number: "L-5".into(), customer: Some("Hospital".into()) })
}

pub fn transfer() -> Transfer {
    let other = MediumName { serial: Some("S2".into()), model: Some("M".into()), ..MediumName::default() };
    let listed = |medium, container: Option<&str>| HandedOver {
        medium,
        container: container.map(str::to_owned),
        document: None,
    };
    Transfer {
        schema: TRANSFER_SCHEMA.into(),
        version: 1,
        transfer_id: "12".repeat(16),
        from: person(SENDER, "Sam Send"),
        to: Recipient {
            name: "Rita Recht".into(),
            organization: Some("Shred AG".into()),
            kid: Some(key(RECEIVER).kid().to_owned()),
        },
        place: "Gate 2".into(),
        reason: "destruction".into(),
        carrier: Some("van K-EX 1".into()),
        containers: vec![Container { id: "BOX-1".into(), seals: vec!["4711".into(), "4712".into()] }],
        media: vec![listed(medium(), Some("BOX-1")), listed(other, None)],
        attachments: Vec::new(),
        released: at(17),
        notes: None,
    }
}

pub fn discrepancy() -> Discrepancy {
    let transfer = transfer();
    let bytes = seal(&transfer, &[(&key(SENDER), Role::Transferor)], at(18)).unwrap().bytes;
    Discrepancy {
        schema: DISCREPANCY_SCHEMA.into(),
        version: 1,
        transfer: reference(&bytes),
        by: person(RECEIVER, "Rita Recht"),
        place: "Yard".into(),
        seals: vec![SealDiscrepancy { container: "BOX-1".into(), seal: Some("4711".into()), state: SealState::Broken }],
        missing: vec![medium()],
        extra: Vec::new(),
        received: 1,
        remarks: None,
        attachments: Vec::new(),
        found: at(19),
    }
}

/// Seeds of keys, and their roles.
pub type Signers = Vec<(u8, Role)>;

/// Sort, payload and signers of one good document of each sort of this room.
pub fn all() -> Vec<(DocumentType, Vec<u8>, Signers)> {
    let json = |v: serde_json::Result<Vec<u8>>| v.unwrap();
    use DocumentType as T;
    vec![
        (T::Validation, json(serde_json::to_vec(&validation(Decision::Rejected))), vec![(VALIDATOR, Role::Validator)]),
        (T::Revocation, json(serde_json::to_vec(&revocation())), vec![(VALIDATOR, Role::Validator)]),
        (
            T::MediaVerification,
            json(serde_json::to_vec(&media_verification())),
            vec![(OTHER_STATION, Role::Station), (VERIFIER, Role::Verifier)],
        ),
        (
            T::Destruction,
            json(serde_json::to_vec(&destruction())),
            vec![(OPERATOR, Role::Operator), (WITNESS, Role::Witness)],
        ),
        (T::ComputerCertificate, json(serde_json::to_vec(&computer())), vec![(STATION, Role::Station)]),
        (T::LotCertificate, json(serde_json::to_vec(&lot())), vec![(STATION, Role::Station)]),
        (
            T::Transfer,
            json(serde_json::to_vec(&transfer())),
            vec![(SENDER, Role::Transferor), (RECEIVER, Role::Receiver)],
        ),
        (T::Discrepancy, json(serde_json::to_vec(&discrepancy())), vec![(RECEIVER, Role::Receiver)]),
    ]
}

/// An acceptance, changed, and signed by whom it names.
pub fn validated(change: impl FnOnce(&mut Validation)) -> Vec<u8> {
    let mut validation = validation(Decision::Accepted);
    change(&mut validation);
    let signers = [(seed_of(&validation.by.kid), Role::Validator)];
    signed(&serde_json::to_vec(&validation).unwrap(), DocumentType::Validation.typ(), &signers)
}

/// A revocation, changed, and signed by whom it names.
pub fn revoked(change: impl FnOnce(&mut Revocation)) -> Vec<u8> {
    let mut revocation = revocation();
    change(&mut revocation);
    let signers = [(seed_of(&revocation.by.kid), Role::Validator)];
    signed(&serde_json::to_vec(&revocation).unwrap(), DocumentType::Revocation.typ(), &signers)
}

/// A second person's reading of the medium, changed and signed.
pub fn read_again(change: impl FnOnce(&mut MediaVerification)) -> Vec<u8> {
    let mut reading = media_verification();
    change(&mut reading);
    let signers = [(OTHER_STATION, Role::Station), (VERIFIER, Role::Verifier)];
    signed(&serde_json::to_vec(&reading).unwrap(), DocumentType::MediaVerification.typ(), &signers)
}

/// The certificate of the disk of a virtual machine, and a second person's reading of it as it is called by then.
pub fn virtual_read_again(change: impl FnOnce(&mut Identity)) -> [Vec<u8>; 2] {
    let of_virtual = certificate_of(&virtual_disk());
    let reading = read_again(|v| {
        let identity = virtual_disk().medium.identity;
        (v.certificate, v.medium.class) = (reference(&of_virtual), MediumClass::Virtual);
        v.medium.identity = identity.clone();
        change(&mut v.medium.identity);
        v.medium.differences = identity.differences(&v.medium.identity);
        v.medium.identity_digest = v.medium.identity.digest();
    });
    [of_virtual, reading]
}

/// As an image in another file, on another machine.
pub fn elsewhere(identity: &mut Identity) {
    let (device, inode) = (Bytes(1), Bytes(2));
    identity.backing = Some(Backing { device, inode, offset: Bytes(0), path: "/a".into() });
}
