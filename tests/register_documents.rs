//! The register reads records of destruction, validations, revocations and second readings: what is
//! regulated, and what is destroyed, can be closed, and a rejection keeps an asset open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "documents/samples.rs"]
mod samples;

use lastwrite::certificate::document::*;
use lastwrite::media::MediumClass;
use lastwrite::register::{
    Act, AssetClass, DataClass, Database, Details, Ingested, Item, LineOutcome, MediumIdentity, MediumState, Received,
    Register, RegisterError, Role, Route, Stage, Verdict, Work,
};
use lastwrite::signed::{Role as SignerRole, StationKey};
use samples::*;

struct Bench {
    register: Register,
    key: StationKey,
    _dir: tempfile::TempDir,
}

async fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let at = Database::File(dir.path().join("register.db"));
    let key = StationKey::from_seed(&[90; 32]);
    let roles = [Role::AssetManager, Role::Finance, Role::Compliance];
    let register = Register::init(&at, "Example Org", "Mia", &roles, &key).await.unwrap();
    Bench { register, key, _dir: dir }
}

/// Everything but the evidence.
async fn prepare(
    work: &mut Work<'_>,
    data_class: DataClass,
    route: Route,
    outcome: LineOutcome,
) -> Result<(), RegisterError> {
    let stream = work
        .add_asset(Act::AssetAdded {
            tag: "A".into(),
            class: AssetClass::Physical,
            data_class,
            stage: Stage::Decommissioning,
            location: None,
            custodian: None,
            details: Details::default(),
        })
        .await?;
    let identity = facts().medium.identity;
    let drive = MediumIdentity { serial: identity.serial, model: identity.model, ..MediumIdentity::default() };
    work.install("A", drive, MediumClass::Physical).await?;
    work.act(&stream, Act::MediaCounted { count: 1 }).await?;
    for item in Item::DECOMMISSIONING {
        work.act(&stream, Act::ChecklistDone { item: *item, note: None }).await?;
    }
    work.act(&stream, Act::RouteChosen { route, order: "LOT".into(), vendor: None }).await?;
    work.move_stage("A", Stage::Disposition, None).await?;
    work.set_outcome("A", outcome, Some(b"receipt")).await
}

impl Bench {
    async fn take(&mut self, files: &[Vec<u8>]) -> Vec<Ingested> {
        let files: Vec<_> =
            files.iter().map(|bytes| Received { name: format!("{}.json", id(bytes)), bytes: bytes.clone() }).collect();
        self.register.ingest(&self.key, &files, &trust()).await.unwrap()
    }

    async fn medium(&mut self) -> (MediumState, usize) {
        let (_, _, asset) = self.register.asset("A").await.unwrap();
        let stream = asset.media[0].clone();
        let media = self.register.media_of(&asset).await.unwrap();
        let medium = &media.iter().find(|m| m.stream == stream).unwrap().medium;
        (medium.state, medium.judgements.len())
    }

    async fn audited(&mut self) {
        let report = self.register.audit(Some(&trust())).await.unwrap();
        assert_eq!(report.findings, []);
        let before = self.register.asset("A").await.unwrap();
        assert_eq!(self.register.rebuild().await.unwrap(), report.events);
        assert_eq!(before, self.register.asset("A").await.unwrap());
        assert_eq!(self.register.audit(Some(&trust())).await.unwrap().findings, []);
    }
}

fn run(story: impl AsyncFn(Bench)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { story(bench().await).await });
}

fn record() -> Vec<u8> {
    record_of(|_| {})
}

fn record_of(change: impl FnOnce(&mut Destruction)) -> Vec<u8> {
    let mut record = destruction();
    change(&mut record);
    let signers = [(OPERATOR, SignerRole::Operator), (WITNESS, SignerRole::Witness)];
    signed(&serde_json::to_vec(&record).unwrap(), DocumentType::Destruction.typ(), &signers)
}

fn revoked(of: &[u8], change: impl FnOnce(&mut Revocation)) -> Vec<u8> {
    let mut revocation = revocation();
    revocation.document = reference(of);
    change(&mut revocation);
    signed(
        &serde_json::to_vec(&revocation).unwrap(),
        DocumentType::Revocation.typ(),
        &[(seed_of(&revocation.by.kid), SignerRole::Validator)],
    )
}

fn judged(of: &[u8], decision: Decision, change: impl FnOnce(&mut Validation)) -> Vec<u8> {
    let mut validation = validation(decision);
    validation.document = reference(of);
    change(&mut validation);
    signed(
        &serde_json::to_vec(&validation).unwrap(),
        DocumentType::Validation.typ(),
        &[(seed_of(&validation.by.kid), SignerRole::Validator)],
    )
}

#[test]
fn regulated_media_that_are_destroyed_close_on_the_record_and_its_validation() {
    run(async |mut bench: Bench| {
        let key = bench.key.clone();
        let made = async |work: &mut Work<'_>| {
            prepare(work, DataClass::Regulated, Route::Destruction, LineOutcome::Destroyed).await
        };
        bench.register.run(&key, made).await.unwrap();
        // A certificate of sanitization destroys nothing.
        let sanitized = bench.take(&[certificate()]).await.remove(0);
        assert_eq!((sanitized.verdict, sanitized.closed), (Verdict::Accepted, false));
        assert!(sanitized.blockers.join(" ").contains("Destroy is needed"), "{:?}", sanitized.blockers);
        // A judgement of what is not here waits for it.
        let record = record();
        let accepted = judged(&record, Decision::Accepted, |_| {});
        let early = bench.take(std::slice::from_ref(&accepted)).await.remove(0);
        assert_eq!(early.verdict, Verdict::Unmatched);
        let closed = bench.take(std::slice::from_ref(&record)).await.remove(0);
        assert_eq!((closed.verdict, closed.closed), (Verdict::Accepted, true), "{:?}", closed.blockers);
        assert_eq!(bench.medium().await, (MediumState::Destroyed, 1));
        assert_eq!(bench.take(&[record, accepted]).await[1].verdict, Verdict::Known);
        bench.audited().await;
    });
}

#[test]
fn who_wiped_does_not_validate_and_a_stranger_says_nothing() {
    run(async |mut bench: Bench| {
        let key = bench.key.clone();
        let made = async |work: &mut Work<'_>| {
            prepare(work, DataClass::Regulated, Route::Destruction, LineOutcome::Destroyed).await
        };
        bench.register.run(&key, made).await.unwrap();
        let record = record();
        let own = judged(&record, Decision::Accepted, |v| v.by = person(OTTO, "otto ort"));
        let taken = bench.take(&[own, record.clone()]).await;
        assert_eq!((taken[0].verdict, taken[1].verdict), (Verdict::Accepted, Verdict::Accepted), "order is no matter");
        assert!(taken[0].blockers.join(" ").contains("by the one who wiped it"), "{:?}", taken[0].blockers);
        let mut stranger = validation(Decision::Accepted);
        stranger.document = reference(&record);
        stranger.by.kid = samples::key(77).kid().to_owned();
        let payload = serde_json::to_vec(&stranger).unwrap();
        let stranger = signed(&payload, DocumentType::Validation.typ(), &[(77, SignerRole::Validator)]);
        assert_eq!(bench.take(&[stranger]).await[0].verdict, Verdict::Refused);
        // A lot certificate is a list, and no proof.
        let lot = signed(
            &serde_json::to_vec(&lot()).unwrap(),
            DocumentType::LotCertificate.typ(),
            &[(STATION, SignerRole::Station)],
        );
        assert_eq!(bench.take(&[lot]).await[0].verdict, Verdict::Refused);
        bench.audited().await;
    });
}

#[test]
fn a_rejection_keeps_an_asset_open_until_it_is_lifted() {
    run(async |mut bench: Bench| {
        let key = bench.key.clone();
        let made =
            async |work: &mut Work<'_>| prepare(work, DataClass::None, Route::Donation, LineOutcome::Donated).await;
        bench.register.run(&key, made).await.unwrap();
        let certificate = certificate();
        let rejected = judged(&certificate, Decision::Rejected, |_| {});
        // Both in one delivery: the certificate must not close it before the rejection is read.
        let taken = bench.take(&[certificate.clone(), rejected.clone()]).await;
        assert_eq!((taken[0].verdict, taken[1].verdict), (Verdict::Accepted, Verdict::Accepted));
        assert!(taken.iter().all(|t| !t.closed && t.blockers.join(" ").contains("rejected by Vera Vogt")), "{taken:?}");
        assert_eq!(bench.medium().await, (MediumState::Awaiting, 1));
        // A second acceptance beside the rejection is not enough; one that names it is.
        let beside = judged(&certificate, Decision::Accepted, |_| {});
        assert!(!bench.take(&[beside]).await[0].closed);
        let lifted = judged(&certificate, Decision::Accepted, |v| {
            v.replaces = Some(id(&rejected));
            v.reason = "read again".into();
        });
        let closed = bench.take(&[lifted]).await.remove(0);
        assert!(closed.closed, "{:?}", closed.blockers);
        bench.audited().await;
    });
}

#[test]
fn a_revocation_and_a_contradicting_reading_take_the_proof_away() {
    let revoked = signed(
        &serde_json::to_vec(&revocation()).unwrap(),
        DocumentType::Revocation.typ(),
        &[(VALIDATOR, SignerRole::Validator)],
    );
    let mut reading = media_verification();
    reading.matched.0 -= 512;
    reading.result = VerificationResult::Mismatched;
    let contradicted = signed(
        &serde_json::to_vec(&reading).unwrap(),
        DocumentType::MediaVerification.typ(),
        &[(OTHER_STATION, SignerRole::Station), (VERIFIER, SignerRole::Verifier)],
    );
    for (document, word) in [(revoked, "revoked by Vera Vogt"), (contradicted, "contradicted by a second reading")] {
        run(async |mut bench: Bench| {
            let key = bench.key.clone();
            let made =
                async |work: &mut Work<'_>| prepare(work, DataClass::None, Route::Donation, LineOutcome::Donated).await;
            bench.register.run(&key, made).await.unwrap();
            let taken = bench.take(&[certificate(), document.clone()]).await;
            assert!(taken.iter().all(|t| !t.closed && t.blockers.join(" ").contains(word)), "{taken:?}");
            bench.audited().await;
        });
    }
}

/// Data of no class, given away: a certificate of any method closes it.
async fn given_away(bench: &mut Bench) {
    let key = bench.key.clone();
    let made = async |work: &mut Work<'_>| prepare(work, DataClass::None, Route::Donation, LineOutcome::Donated).await;
    bench.register.run(&key, made).await.unwrap();
}

#[test]
fn a_revocation_is_final_whatever_names_it() {
    run(async |mut bench: Bench| {
        given_away(&mut bench).await;
        let certificate = certificate();
        let revocation = revoked(&certificate, |_| {});
        let instead = judged(&certificate, Decision::Accepted, |v| v.replaces = Some(id(&revocation)));
        let undone = revoked(&revocation, |r| r.document.kind = DocumentType::Validation);
        let taken = bench.take(&[certificate.clone(), revocation, instead, undone]).await;
        assert!(taken.iter().all(|t| t.verdict == Verdict::Accepted), "{taken:?}");
        assert!(taken.iter().all(|t| !t.closed && t.blockers.join(" ").contains("revoked by Vera Vogt")), "{taken:?}");
        bench.audited().await;
    });
}

#[test]
fn a_rejection_is_lifted_by_somebody_else_and_for_that_very_document() {
    run(async |mut bench: Bench| {
        given_away(&mut bench).await;
        let certificate = certificate();
        let rejected = judged(&certificate, Decision::Rejected, |_| {});
        let lifting = |v: &mut Validation| v.replaces = Some(id(&rejected));
        // The operator of the run, as validator.
        let own = judged(&certificate, Decision::Accepted, |v| {
            lifting(v);
            v.by = person(ADA, "ada lovelace");
        });
        // And another document about the medium, which proves nothing.
        let before = certificate_of(&before_destruction());
        let other = judged(&before, Decision::Accepted, lifting);
        let taken = bench.take(&[certificate.clone(), rejected.clone(), own, before, other]).await;
        assert!(taken.iter().all(|t| t.verdict == Verdict::Accepted), "{taken:?}");
        assert!(taken.iter().all(|t| !t.closed), "{taken:?}");
        assert!(taken[0].blockers.join(" ").contains("rejected by Vera Vogt"), "{taken:?}");
        assert!(bench.take(&[judged(&certificate, Decision::Accepted, lifting)]).await[0].closed);
        bench.audited().await;
    });
}

#[test]
fn what_is_said_of_a_certificate_before_it_comes_counts_when_it_comes() {
    run(async |mut bench: Bench| {
        given_away(&mut bench).await;
        let certificate = certificate();
        let rejected = judged(&certificate, Decision::Rejected, |_| {});
        let lifted = judged(&certificate, Decision::Accepted, |v| {
            v.replaces = Some(id(&rejected));
            // Who judges it need not name the medium.
            v.medium = None;
        });
        let undone = revoked(&lifted, |r| r.medium = None);
        for early in [&undone, &lifted, &rejected] {
            let waits = bench.take(std::slice::from_ref(early)).await.remove(0);
            assert_eq!((waits.verdict, waits.asset), (Verdict::Unmatched, None));
        }
        let came = bench.take(std::slice::from_ref(&certificate)).await.remove(0);
        assert_eq!((came.verdict, came.closed), (Verdict::Accepted, false));
        assert!(came.blockers.join(" ").contains("rejected by Vera Vogt"), "{:?}", came.blockers);
        assert_eq!(bench.medium().await, (MediumState::Awaiting, 3));
        let again = bench.take(&[undone, lifted, rejected.clone()]).await;
        assert!(again.iter().all(|t| t.verdict == Verdict::Known), "{again:?}");
        bench.audited().await;
        let lifted = judged(&certificate, Decision::Accepted, |v| {
            (v.replaces, v.reason) = (Some(id(&rejected)), "read again".into());
        });
        assert!(bench.take(&[lifted]).await[0].closed);
        bench.audited().await;
    });
}

/// In one delivery too: a revocation that is dated before what it revokes is looked at first.
#[test]
fn what_waits_for_another_file_of_its_delivery_is_told_as_taken_in() {
    run(async |mut bench: Bench| {
        given_away(&mut bench).await;
        let certificate = certificate();
        let accepted = judged(&certificate, Decision::Accepted, |_| {});
        let undone = revoked(&accepted, |r| r.revoked = at(1));
        let taken = bench.take(&[accepted, undone, certificate]).await;
        assert!(taken.iter().all(|t| t.verdict == Verdict::Accepted && t.reason.is_none()), "{taken:?}");
        assert_eq!(bench.medium().await, (MediumState::Sanitized, 2));
        bench.audited().await;
    });
}

/// What an earlier version kept waiting does not say for what; it is learned when the tables are made anew.
#[test]
fn what_waited_before_the_tables_had_a_place_for_it_is_found_as_well() {
    run(async |mut bench: Bench| {
        given_away(&mut bench).await;
        let certificate = certificate();
        let rejected = judged(&certificate, Decision::Rejected, |_| {});
        assert_eq!(bench.take(&[rejected]).await[0].verdict, Verdict::Unmatched);
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}", bench._dir.path().join("register.db").display());
        let mut hands = <sqlx::AnyConnection as sqlx::Connection>::connect(&url).await.unwrap();
        sqlx::query("UPDATE document SET about=NULL").execute(&mut hands).await.unwrap();
        drop(hands);
        bench.register.rebuild().await.unwrap();
        let came = bench.take(&[certificate]).await.remove(0);
        assert!(!came.closed && came.blockers.join(" ").contains("rejected by Vera Vogt"), "{:?}", came.blockers);
        bench.audited().await;
    });
}

#[test]
fn a_run_that_precedes_destruction_closes_nothing() {
    run(async |mut bench: Bench| {
        given_away(&mut bench).await;
        let taken = bench.take(&[certificate_of(&before_destruction())]).await.remove(0);
        assert_eq!((taken.verdict, taken.closed), (Verdict::Accepted, false), "{:?}", taken.reason);
        assert!(taken.blockers.join(" ").contains("precedes destruction and releases nothing"), "{:?}", taken.blockers);
        assert_eq!(bench.medium().await, (MediumState::InUse, 0));
        assert!(bench.take(&[record()]).await[0].closed, "and then it is destroyed");
        bench.audited().await;
    });
}

#[test]
fn a_record_of_destruction_closes_data_of_the_category_that_it_tells_of_and_below() {
    let shredded = |category, standard: Option<&str>| {
        record_of(|d| {
            let DestructionTechnique::Disintegrate { particle } = d.technique else { panic!() };
            d.technique = DestructionTechnique::Shred { particle };
            (d.category, d.standard) = (category, standard.map(str::to_owned));
        })
    };
    use Confidentiality::{High, Low, Moderate};
    let standard = Some("Example standard 7, clause 3");
    let milled = |category| record_of(|d| d.category = category);
    for (data_class, record, expected) in [
        (DataClass::Internal, shredded(Some(Low), None), ""),
        (DataClass::Confidential, shredded(Some(Low), None), "data of the category low, and these are of moderate"),
        (DataClass::Confidential, shredded(Some(Low), standard), "data of the category low, and these are of moderate"),
        (DataClass::Confidential, shredded(Some(Moderate), standard), ""),
        (DataClass::Confidential, shredded(None, standard), ""),
        (DataClass::Regulated, shredded(Some(Low), None), "data of the category low, and these are of high"),
        (DataClass::Regulated, shredded(Some(Moderate), standard), "and these are of high"),
        (DataClass::Regulated, shredded(Some(High), standard), ""),
        (DataClass::Regulated, milled(Some(Moderate)), "and these are of high"),
        (DataClass::Regulated, milled(None), ""),
    ] {
        run(async |mut bench: Bench| {
            let key = bench.key.clone();
            let made =
                async |work: &mut Work<'_>| prepare(work, data_class, Route::Destruction, LineOutcome::Destroyed).await;
            bench.register.run(&key, made).await.unwrap();
            let accepted = judged(&record, Decision::Accepted, |_| {});
            let taken = bench.take(&[record.clone(), accepted]).await;
            assert_eq!(taken[0].verdict, Verdict::Accepted, "{:?}", taken[0].reason);
            let (closed, why) = (taken.iter().any(|t| t.closed), taken[0].blockers.join(" "));
            assert_eq!(closed, expected.is_empty(), "{data_class:?}: {why}");
            assert!(why.contains(expected), "{data_class:?}: {why}");
            bench.audited().await;
        });
    }
}
