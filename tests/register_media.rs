//! What media go through between a certificate and a closure: use, removal, redeployment, wrong clocks.
//! By documents that a bench really signed.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/evidence.rs"]
mod evidence;

use chrono::{DateTime, TimeDelta, Utc};
use evidence::{certificate, failure, trust};
use lastwrite::media::MediumClass;
use lastwrite::register::{
    Act, Asset, AssetClass, Closer, CostCategory, DataClass, Database, Details, Grant, Ingested, Item, LineOutcome,
    Medium, MediumIdentity, MediumState, Money, PlacedMedium, PolicyRules, REGISTER_STREAM, Received, Register,
    RegisterError, Role, Route, Stage, Verdict, Work, examine, judge,
};
use lastwrite::sanitize::record::ClockQuality::{Synchronized, Unsynchronized};
use lastwrite::signed::StationKey;
use lastwrite::units::now;

/// Mia manages, Cora is compliance.
struct Bench {
    register: Register,
    mia: StationKey,
    cora: StationKey,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let (mia, cora) = (StationKey::from_seed(&[1; 32]), StationKey::from_seed(&[2; 32]));
        let at = Database::File(dir.path().join("register.db"));
        let roles = [Role::AssetManager, Role::Finance];
        let mut register = Register::init(&at, "Example Org", "Mia", &roles, &mia).await.unwrap();
        let enrol = register.run(&mia, async |work| {
            let (kid, x) = (cora.kid().to_owned(), cora.public().x());
            work.act(REGISTER_STREAM, Act::PersonEnrolled { kid: kid.clone(), x, name: "Cora".into() }).await?;
            let grant = Grant { role: Role::Compliance, location: None };
            work.act(REGISTER_STREAM, Act::RoleGranted { kid, grant }).await
        });
        enrol.await.unwrap();
        Bench { register, mia, cora, _dir: dir }
    }

    async fn run<T>(&mut self, job: impl AsyncFn(&mut Work<'_>) -> Result<T, RegisterError>) -> T {
        // The times of what happens before and after it differ, as they do where people act.
        std::thread::sleep(std::time::Duration::from_millis(3));
        let done = self.register.run(&self.mia, job).await.unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3));
        done
    }

    async fn take(&mut self, file: Received) -> Ingested {
        let taken = self.register.ingest(&self.mia, &[file], &trust()).await.unwrap().remove(0);
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert_eq!(taken.verdict, Verdict::Accepted, "{taken:?}");
        taken
    }

    async fn refused(
        &mut self,
        who: &StationKey,
        job: impl AsyncFn(&mut Work<'_>) -> Result<(), RegisterError>,
    ) -> String {
        match self.register.run(who, job).await {
            Err(RegisterError::Refused(refused)) => refused.to_string(),
            other => panic!("it was not refused: {other:?}"),
        }
    }

    async fn state(&mut self, medium: &str) -> MediumState {
        self.register.medium(medium).await.unwrap().unwrap().state
    }

    async fn sound(&mut self) {
        let report = self.register.audit(Some(&trust())).await.unwrap();
        assert_eq!(report.findings, []);
        assert_eq!(self.register.rebuild().await.unwrap(), report.events);
        assert_eq!(self.register.audit(Some(&trust())).await.unwrap(), report);
    }
}

fn run(story: impl AsyncFn(Bench)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { story(Bench::new().await).await });
}

fn added(tag: &str, stage: Stage, data_class: DataClass) -> Act {
    Act::AssetAdded {
        tag: tag.to_owned(),
        class: AssetClass::Physical,
        data_class,
        stage,
        location: None,
        custodian: None,
        details: Details::default(),
    }
}

fn drive(serial: &str) -> MediumIdentity {
    MediumIdentity { serial: Some(serial.to_owned()), ..MediumIdentity::default() }
}

async fn add(work: &mut Work<'_>, tag: &str, stage: Stage) -> Result<(), RegisterError> {
    work.add_asset(added(tag, stage, DataClass::None)).await.map(|_| ())
}

async fn install(work: &mut Work<'_>, tag: &str) -> Result<String, RegisterError> {
    work.install(tag, drive("S1"), MediumClass::Physical).await
}

/// From decommissioning to everything but the evidence.
async fn on_its_way_out(work: &mut Work<'_>, tag: &str) -> Result<(), RegisterError> {
    let (stream, asset) = work.asset(tag).await?;
    work.act(&stream, Act::MediaCounted { count: u32::try_from(asset.media.len()).unwrap() }).await?;
    for item in Item::DECOMMISSIONING {
        work.act(&stream, Act::ChecklistDone { item: *item, note: None }).await?;
    }
    work.act(&stream, Act::RouteChosen { route: Route::Resale, order: "LOT".into(), vendor: None }).await?;
    work.move_stage(tag, Stage::Disposition, None).await?;
    let money = Money::parse("10.00 EUR", "EUR").unwrap();
    let cost = Act::CostBooked { category: CostCategory::Recovery, money, on: now(), reference: None };
    work.act(&stream, cost).await?;
    work.set_outcome(tag, LineOutcome::Sold, None).await
}

fn long_ago() -> DateTime<Utc> {
    "2024-05-01T10:00:00Z".parse().unwrap()
}

/// How an old certificate and a use after it come together.
#[derive(Clone, Copy, Debug)]
enum History {
    /// Out of stock into an asset in service.
    Moved,
    /// Imported in mid-life; the certificate of its intake comes in at the end.
    Imported,
    /// Wiped and brought in while it was in service.
    WipedInService,
    /// The same, pulled, and put back after its asset was decommissioned.
    Pulled,
    /// The same, moved to an asset that is out of service.
    MovedAway,
}

#[test]
fn a_certificate_from_before_the_last_use_closes_nothing() {
    use History::{Imported, Moved, MovedAway, Pulled, WipedInService};
    for history in [Moved, Imported, WipedInService, Pulled, MovedAway] {
        run(async |mut bench: Bench| {
            let old = certificate("S1", long_ago(), Synchronized);
            let mut medium = None;
            if let Moved = history {
                let stream = bench.run(async |work| {
                    add(work, "A", Stage::Decommissioning).await?;
                    install(work, "A").await
                });
                let stream = stream.await;
                bench.take(old.clone()).await;
                // Sanitized, it may lie in stock by anybody's word.
                bench.run(async |work| work.remove(&stream, None).await).await;
                assert_eq!(bench.state(&stream).await, MediumState::Sanitized);
                medium = Some(stream);
            }
            let medium = bench.run(async |work| {
                add(work, "B", Stage::Utilization).await?;
                match &medium {
                    Some(medium) => work.move_medium(medium, "B").await.map(|()| medium.clone()),
                    None => install(work, "B").await,
                }
            });
            let medium = medium.await;
            assert_eq!(bench.state(&medium).await, MediumState::InUse);
            let mut leaves = "B";
            if let WipedInService | Pulled | MovedAway = history {
                bench.take(certificate("S1", now(), Synchronized)).await;
                assert_eq!(bench.state(&medium).await, MediumState::Sanitized, "nobody knows better yet");
                bench
                    .run(async |work| match history {
                        Pulled => work.remove(&medium, None).await,
                        MovedAway => {
                            add(work, "C", Stage::Decommissioning).await?;
                            work.move_medium(&medium, "C").await
                        }
                        _ => Ok(()),
                    })
                    .await;
            }
            bench.run(async |work| work.move_stage("B", Stage::Decommissioning, None).await).await;
            match history {
                Pulled => bench.run(async |work| work.move_medium(&medium, "B").await).await,
                MovedAway => leaves = "C",
                Imported => assert!(!bench.take(old.clone()).await.closed),
                _ => {}
            }
            assert_eq!(bench.state(&medium).await, MediumState::Awaiting, "{history:?}");
            bench.run(async |work| on_its_way_out(work, leaves).await).await;
            let blockers = bench.run(async |work| work.blockers(leaves).await).await;
            assert_eq!(blockers.len(), 2, "{history:?}: {blockers:?}");
            assert!(blockers[0].contains("awaiting") && blockers[1].contains("in use after it"), "{blockers:?}");
            let closed = bench.take(certificate("S1", now(), Synchronized)).await;
            assert!(closed.closed, "{history:?}: {closed:?}");
            bench.sound().await;
        });
    }
}

/// Its events tell nothing of the medium's use, and its asset's do.
#[test]
fn an_older_registers_events_tell_until_when_a_medium_was_in_service() {
    let file = certificate("S1", long_ago(), Synchronized);
    let evidence = examine(&file.bytes, None, &trust()).unwrap();
    let at = |day: &str| format!("2025-01-{day}T00:00:00Z").parse::<DateTime<Utc>>().unwrap();
    let mut medium = Medium::begin(&Act::MediumAdded { identity: drive("S1"), class: MediumClass::Physical }).unwrap();
    medium.apply(&Act::MediumMoved { asset: Some("asset/B".into()), unproven: false }, at("01"));
    medium.apply(&Act::EvidenceAccepted { evidence }, at("02"));
    assert_eq!(medium.state, MediumState::Sanitized);
    let told = |stage, pulled: bool| {
        let mut asset = Asset::begin(&added("B", stage, DataClass::None)).unwrap();
        let (name, mut acts) = ("medium/1".to_owned(), Vec::new());
        acts.push(Act::MediumInstalled { medium: name.clone() });
        if pulled {
            acts.push(Act::MediumRemoved { medium: name.clone(), reason: None, unproven: false });
        }
        let to = Stage::Decommissioning;
        acts.push(Act::StageMoved { to, reason: None, policies: Default::default() });
        if pulled {
            acts.push(Act::MediumInstalled { medium: name.clone() });
        }
        acts.push(Act::RouteChosen { route: Route::Resale, order: "L".into(), vendor: None });
        for act in &acts {
            asset.check(act).unwrap();
            asset.apply(act, "somebody", at("09"));
        }
        let placed = PlacedMedium { stream: name, revision: 3, medium: medium.clone() };
        let closer = Closer { kid: "k", name: "n" };
        judge(&asset, &[placed], closer, &PolicyRules::default()).unwrap_err().join("; ")
    };
    for pulled in [false, true] {
        assert!(told(Stage::Utilization, pulled).contains("in use after it"), "{pulled}");
        assert!(!told(Stage::Deployment, pulled).contains("in use after it"), "{pulled}");
    }
}

#[test]
fn out_of_an_asset_on_its_way_out_compliance_alone_lets_a_drive_go() {
    run(async |mut bench: Bench| {
        let (mia, cora) = (bench.mia.clone(), bench.cora.clone());
        let medium = bench.run(async |work| {
            add(work, "A", Stage::Utilization).await?;
            let medium = install(work, "A").await?;
            let (stream, _) = work.asset("A").await?;
            work.act(&stream, Act::MediaCounted { count: 1 }).await?;
            work.move_stage("A", Stage::Decommissioning, None).await.map(|()| medium)
        });
        let medium = medium.await;
        let (stream, _, asset) = bench.register.asset("A").await.unwrap();
        assert_eq!(asset.counted, None, "a count of its service is none of its end");
        let reason = |given: bool| given.then(|| "broken in two".to_owned());
        let told = bench.refused(&mia, async |work| work.remove(&medium, reason(true)).await).await;
        assert!(told.contains("S1 is not proven to be empty (awaiting, not sanitized): Mia may not comply"), "{told}");
        let told = bench.refused(&cora, async |work| work.remove(&medium, reason(false)).await).await;
        assert!(told.contains("needs a reason"), "{told}");
        // Nor by the way of an asset that stays, out of which drives are pulled every day.
        let told = bench
            .refused(&mia, async |work| {
                add(work, "D", Stage::Utilization).await?;
                work.move_medium(&medium, "D").await
            })
            .await;
        assert!(told.contains("A: medium S1: awaiting, not sanitized"), "{told}");
        let half = Act::MediumRemoved { medium: medium.clone(), reason: None, unproven: false };
        let told = bench.refused(&mia, async |work| work.act(&stream, half.clone()).await).await;
        assert!(told.contains("together with other changes"), "{told}");
        assert!(bench.register.loose_media("", 9).await.unwrap().is_empty());
        bench.register.run(&cora, async |work| work.remove(&medium, reason(true)).await).await.unwrap();
        let loose = bench.register.loose_media("", 9).await.unwrap();
        assert_eq!((loose.len(), loose[0].medium.state), (1, MediumState::Awaiting));
        // What is proven goes by anybody's word; of regulated data a Clear proves too little for that.
        bench.run(async |work| work.move_medium(&medium, "A").await).await;
        bench.take(certificate("S1", now(), Synchronized)).await;
        let classify = |data_class| Act::Classified { data_class, reason: "r".into() };
        let regulated = async |work: &mut Work<'_>| work.act(&stream, classify(DataClass::Regulated)).await;
        bench.register.run(&cora, regulated).await.unwrap();
        let told = bench.refused(&mia, async |work| work.remove(&medium, reason(true)).await).await;
        assert!(told.contains("attained Clear, Purge is needed"), "{told}");
        // Nor does the asset go back to stock on it.
        let told = bench.refused(&mia, async |work| work.move_stage("A", Stage::Deployment, None).await).await;
        assert!(told.contains("attained Clear, Purge is needed"), "{told}");
        let internal = async |work: &mut Work<'_>| work.act(&stream, classify(DataClass::Internal)).await;
        bench.register.run(&cora, internal).await.unwrap();
        bench.run(async |work| work.remove(&medium, None).await).await;
        assert!(bench.register.loose_media("", 9).await.unwrap().is_empty());
        // In service drives fail and are pulled every day: by anybody's word, and they are listed.
        bench
            .run(async |work| {
                add(work, "B", Stage::Utilization).await?;
                work.move_medium(&medium, "B").await?;
                work.remove(&medium, None).await
            })
            .await;
        let loose = bench.register.loose_media("", 9).await.unwrap();
        assert_eq!((loose.len(), loose[0].medium.state), (1, MediumState::Awaiting));
        bench.sound().await;
    });
}

#[test]
fn an_asset_goes_back_to_stock_on_what_the_policy_demands_of_reuse_inside() {
    run(async |mut bench: Bench| {
        let mia = bench.mia.clone();
        let back = async |work: &mut Work<'_>| work.move_stage("A", Stage::Deployment, None).await;
        let medium = bench.run(async |work| {
            add(work, "A", Stage::Decommissioning).await?;
            install(work, "A").await
        });
        let medium = medium.await;
        let told = bench.refused(&mia, back).await;
        assert!(told.contains("medium S1: in use, not sanitized"), "{told}");
        bench.take(certificate("S1", now(), Synchronized)).await;
        bench.run(back).await;
        // It is used, wiped, and the failure of a later run speaks against it.
        bench.run(async |work| work.move_stage("A", Stage::Decommissioning, None).await).await;
        assert_eq!(bench.state(&medium).await, MediumState::Sanitized, "it was never in service");
        bench.take(failure("S1", now(), Synchronized)).await;
        let told = bench.refused(&mia, back).await;
        assert!(told.contains("medium") && told.contains("failed, not sanitized"), "{told}");
        bench.sound().await;
    });
}

#[test]
fn a_clock_that_was_wrong_closes_nothing() {
    run(async |mut bench: Bench| {
        bench
            .run(async |work| {
                add(work, "A", Stage::Decommissioning).await?;
                install(work, "A").await?;
                on_its_way_out(work, "A").await
            })
            .await;
        let ahead = bench.take(certificate("S1", now() + TimeDelta::days(365), Synchronized)).await;
        assert!(!ahead.closed && ahead.blockers.join(" ").contains("that clock is wrong"), "{ahead:?}");
        bench.take(failure("S1", now(), Synchronized)).await;
        let file = certificate("S1", now(), Synchronized);
        let mut taken = bench
            .register
            .ingest(&bench.cora, &[file, failure("S1", long_ago(), Unsynchronized)], &trust())
            .await
            .unwrap();
        let (late, passed) = (taken.remove(1), taken.remove(0));
        assert_eq!((passed.verdict, late.verdict), (Verdict::Accepted, Verdict::Accepted));
        // One delivery: its own dates tell that it was tried again. Compliance may not close, so that it is open.
        assert!(passed.blockers.iter().all(|blocker| blocker.contains("Cora may not")), "{passed:?}");
        let late = bench.take(failure("S1", long_ago() + TimeDelta::days(1), Unsynchronized)).await;
        assert!(!late.closed && late.blockers.join(" ").contains("a later run on the medium failed"), "{late:?}");
        assert!(bench.take(certificate("S1", now(), Unsynchronized)).await.closed);
        bench.sound().await;
    });
}
