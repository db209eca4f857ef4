//! Random commands as random people, and documents that a bench really signed: no path closes an asset
//! without its evidence, on a certificate from before a use or a failure, or by a drive that was let go.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/evidence.rs"]
mod evidence;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use evidence::{certificate, failure, trust};
use lastwrite::media::MediumClass;
use lastwrite::register::{
    Act, AssetClass, Certification, Choice, ClosedOn, CostCategory, DataClass, Database, DecisionInputs, Details,
    Grant, Item, LineOutcome, LotState, MediumIdentity, MediumState, Minimum, Money, Opening, PolicyRules, PolicyText,
    PoolFacts, REGISTER_STREAM, Receipt, Register, RegisterError, Role, Route, Stage, VendorFacts, VendorKind, Work,
    WorkKind, WorkResult,
};
use lastwrite::sanitize::record::ClockQuality::{Synchronized, Unsynchronized};
use lastwrite::signed::StationKey;
use lastwrite::units::{Bytes, now};
use proptest::prelude::*;

const TAGS: [&str; 3] = ["A", "B", "C"];

#[derive(Clone, Debug)]
struct Step {
    actor: usize,
    tag: usize,
    what: u8,
    pick: usize,
}

fn step() -> impl Strategy<Value = Step> {
    // Half of them are those that make a life of it: into service, out of it, evidence, all that closing asks for.
    let what = prop_oneof![0..30u8, 30..37u8];
    let actor = prop_oneof![Just(0usize), 0..4usize]; // who may everything gets furthest
    (actor, 0..3usize, what, 0..7usize).prop_map(|(actor, tag, what, pick)| Step { actor, tag, what, pick })
}

async fn play(work: &mut Work<'_>, step: &Step) -> Result<(), RegisterError> {
    let tag = TAGS[step.tag];
    let serial = |n: usize| MediumIdentity { serial: Some(format!("S{n}")), ..MediumIdentity::default() };
    if step.what == 0 {
        return work.install(tag, serial(step.pick), MediumClass::Physical).await.map(|_| ());
    }
    let (stream, asset) = work.asset(tag).await?;
    let pick = step.pick;
    let act = match step.what {
        1 | 2 => return work.move_stage(tag, Stage::ALL[pick], Some("r".into())).await,
        3 => return work.close(tag).await.map(|_| ()),
        4 => Act::MediaCounted { count: u32::try_from(asset.media.len()).unwrap() + u32::from(pick == 6) },
        5..=7 => Act::ChecklistDone { item: Item::ALL[pick + 4], note: None },
        8 => Act::ChecklistWaived { item: Item::ALL[pick + 4], reason: "w".into() },
        9 => {
            let vendor = (pick > 3).then(|| "V".to_owned());
            return work.choose_route(tag, Route::ALL[pick % 2], &format!("L{pick}"), vendor).await;
        }
        10 => return work.set_outcome(tag, LineOutcome::ALL[pick % 2], (pick > 3).then_some(b"receipt")).await,
        11 => Act::Classified { data_class: DataClass::ALL[pick % 4], reason: "r".into() },
        12 => Act::CostBooked {
            category: CostCategory::Recovery,
            money: Money::parse("1 EUR", "EUR").unwrap(),
            on: "2026-01-01T00:00:00Z".parse().unwrap(),
            reference: None,
        },
        13 => Act::OrderCancelled { reason: "r".into() },
        14 => {
            // A made-up closure, and a made-up medium state.
            let media = asset.media.iter().map(|m| ClosedOn {
                medium: m.clone(),
                revision: Bytes(1),
                document: "00".repeat(32),
            });
            let minimum = Minimum::of(DataClass::None, Route::Resale);
            Act::AssetClosed { media: media.collect(), minimum }
        }
        18 => return lot(work, &format!("L{pick}")).await,
        19 => return work.add_to_lot(&format!("L{pick}"), tag, None).await,
        20 => return work.hand_over(tag, if pick > 3 { "V" } else { "W" }, None, None).await,
        21 => {
            let (kind, number) = (WorkKind::ALL[pick], Some(format!("{tag}{pick}")));
            let title = "t".to_owned();
            let opening = Opening {
                tag: tag.into(),
                kind,
                title,
                number,
                due: None,
                schedule: None,
                reporter: None,
                assignee: None,
            };
            return work.open_work(opening).await.map(|_| ());
        }
        22 => {
            let result = WorkResult { at: "2026-01-01T00:00:00Z".parse().unwrap(), result: "r".into(), cost: None };
            return work.finish_work(&format!("{tag}{pick}"), result, Vec::new()).await;
        }
        23 => return work.assign_licence(tag, "P", None, pick == 6).await,
        24 => return work.release_licence(tag, "P").await,
        25 => return work.decide(tag, Choice::ALL[pick % 4], "r".into(), inputs()).await,
        26 => match pick {
            0..4 => Act::DecisionApproved { note: None },
            4 => Act::DisruptionWaived { reason: "r".into() },
            _ => return work.replaced(tag, TAGS[(step.tag + 1) % 3]).await,
        },
        27 => Act::Assigned { custodian: Some("Anna".into()), location: None },
        28 => {
            // Halves of what belongs together, and a hand-over under a made-up certification.
            let certification = Certification {
                scheme: "R2v3".into(),
                number: "1".into(),
                from: "2020-01-01".into(),
                until: "2090-01-01".into(),
                document: None,
            };
            match pick {
                0 => Act::HandedOver { to: "V".into(), seal: None, reason: None, certification: Some(certification) },
                1 => Act::LicenceReleased { product: "P".into() },
                2 => Act::StageMoved { to: Stage::ALL[pick + 2], reason: None, policies: Default::default() },
                3 => Act::RequestLinked { request: "request/1".into(), number: "1".into() },
                _ => Act::ReplacementReady { replacement: stream.clone(), tag: tag.into(), revision: Bytes(1) },
            }
        }
        29 => {
            if pick > 2 {
                return match asset.media.first() {
                    Some(medium) => work.move_medium(medium, TAGS[pick % 3]).await,
                    None => Ok(()),
                };
            }
            let policy = PolicyText {
                stage: [Stage::Decommissioning, Stage::Disposition][pick % 2],
                version: u32::try_from(pick).unwrap() + 1,
                title: "t".into(),
                text: "t".into(),
                rules: PolicyRules { second_person: true, ..PolicyRules::default() },
                effective: "2026-01-01".into(),
            };
            let (stage, version) = (policy.stage, policy.version);
            let act = if step.tag == 0 { Act::PolicyApproved { stage, version } } else { Act::PolicyProposed(policy) };
            return work.act(REGISTER_STREAM, act).await;
        }
        30 | 31 => return prepare(work, tag).await,
        32 | 33 => return turn(work, tag).await,
        _ => {
            let Some(medium) = asset.media.first() else { return Ok(()) };
            let act = match step.what {
                15 => Act::MediumStateSet { state: MediumState::ALL[pick % 6], note: Some("n".into()) },
                16 => Act::MediumRetired { asset: stream.clone(), document: "00".repeat(32) },
                _ => return work.remove(medium, (pick > 3).then(|| "r".to_owned())).await,
            };
            return work.act(medium, act).await;
        }
    };
    work.act(&stream, act).await
}

/// Everything that closing asks for, but evidence.
async fn prepare(work: &mut Work<'_>, tag: &str) -> Result<(), RegisterError> {
    let (stream, asset) = work.asset(tag).await?;
    for item in asset.open_items() {
        work.act(&stream, Act::ChecklistDone { item, note: None }).await?;
    }
    for product in asset.licences.keys() {
        work.release_licence(tag, product).await?;
    }
    let media = work.media_of(&asset).await?;
    let count = media.iter().filter(|m| m.medium.state != MediumState::Absent).count();
    work.act(&stream, Act::MediaCounted { count: u32::try_from(count).unwrap() }).await?;
    work.choose_route(tag, Route::Resale, "L", None).await?;
    if asset.stage == Stage::Decommissioning {
        work.move_stage(tag, Stage::Disposition, None).await?;
    }
    let money = Money::parse("1 EUR", "EUR").unwrap();
    let cost = Act::CostBooked { category: CostCategory::Recovery, money, on: now(), reference: None };
    work.act(&stream, cost).await?;
    work.set_outcome(tag, LineOutcome::Sold, None).await
}

/// Into service, or out of it.
async fn turn(work: &mut Work<'_>, tag: &str) -> Result<(), RegisterError> {
    let (stream, asset) = work.asset(tag).await?;
    match asset.stage {
        Stage::Utilization | Stage::Upgrade | Stage::Disposition => {
            work.move_stage(tag, Stage::Decommissioning, None).await
        }
        Stage::Procurement | Stage::Decommissioning => work.move_stage(tag, Stage::Deployment, None).await,
        _ => {
            work.act(&stream, Act::ChecklistDone { item: Item::Tagged, note: None }).await?;
            work.act(&stream, Act::Assigned { custodian: Some("Anna".into()), location: None }).await?;
            work.move_stage(tag, Stage::Utilization, None).await
        }
    }
}

/// What really was, by the number of the step, whatever clocks and records say of it. Step 0: long ago.
#[derive(Default)]
struct Truth {
    /// When each document's run was.
    made: BTreeMap<String, usize>,
    /// After which step each medium was last in an asset in service.
    used: BTreeMap<String, usize>,
    /// When a run on each medium last failed.
    failed: BTreeMap<String, usize>,
}

/// Stage, media and count of each asset.
type Snapshot = Vec<(Stage, Vec<String>, Option<u32>)>;

async fn snapshot(register: &mut Register) -> Snapshot {
    let mut all = Vec::new();
    for tag in TAGS {
        let (_, _, asset) = register.asset(tag).await.unwrap();
        all.push((asset.stage, asset.media, asset.counted));
    }
    all
}

/// A bench's document about a medium of the asset: honest, stale, or by a clock that is wrong.
async fn bring(register: &mut Register, key: &StationKey, step: &Step, number: usize, truth: &mut Truth) {
    let (_, _, asset) = register.asset(TAGS[step.tag]).await.unwrap();
    let Some(stream) = asset.media.get(step.pick % asset.media.len().max(1)) else { return };
    let serial = register.medium(stream).await.unwrap().unwrap().identity.serial.unwrap();
    let day = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let (file, made) = match (step.what, step.pick) {
        (34, _) => (certificate(&serial, now(), Synchronized), number),
        (35, 0..4) => (failure(&serial, now(), Synchronized), number),
        (35, _) => (failure(&serial, day("2025-01-01T10:00:00Z"), Unsynchronized), number),
        (_, 0..4) => (certificate(&serial, day("2024-05-01T10:00:00Z"), Synchronized), 0),
        _ => (certificate(&serial, now() + TimeDelta::days(365), Synchronized), 0),
    };
    let taken = register.ingest(key, &[file], &trust()).await.unwrap().remove(0);
    if step.what == 35 {
        truth.failed.insert(stream.clone(), number);
    }
    truth.made.insert(taken.document.unwrap(), made);
}

/// What must hold of a step, whoever did what.
async fn judge(register: &mut Register, step: &Step, before: &Snapshot, truth: &Truth) -> u32 {
    let after = snapshot(register).await;
    let mut closed = 0;
    for ((tag, was), is) in TAGS.iter().zip(before).zip(&after) {
        if is.0 == Stage::Closed && was.0 != Stage::Closed {
            let (stream, ..) = register.asset(tag).await.unwrap();
            let acts = register.history(&stream).await.unwrap().into_iter().map(|event| event.act);
            let on = acts.filter_map(|act| if let Act::AssetClosed { media, .. } = act { Some(media) } else { None });
            let on: Vec<ClosedOn> = on.flatten().collect();
            for medium in &is.1 {
                if register.medium(medium).await.unwrap().unwrap().state == MediumState::Absent {
                    continue;
                }
                let document = &on.iter().find(|on| on.medium == *medium).unwrap().document;
                let made = truth.made.get(document);
                assert!(made.is_some(), "{step:?}: closed on no document of the bench");
                assert!(made > truth.used.get(medium), "{step:?}: it was used after that");
                assert!(made > truth.failed.get(medium), "{step:?}: it failed after that");
                closed += 1;
            }
        }
        if is.0 == Stage::Decommissioning && was.0 != Stage::Decommissioning {
            assert_eq!(is.2, None, "{step:?}");
        }
        let on_its_way_out = matches!(was.0, Stage::Decommissioning | Stage::Disposition);
        for medium in was.1.iter().filter(|_| on_its_way_out && [1, 3].contains(&step.actor)) {
            if !after.iter().any(|(_, media, _)| media.contains(medium)) {
                let state = register.medium(medium).await.unwrap().unwrap().state;
                assert!(matches!(state, MediumState::Sanitized | MediumState::Destroyed), "{step:?}: let go");
            }
        }
    }
    closed
}

/// The next step of a lot, whichever it is.
async fn lot(work: &mut Work<'_>, number: &str) -> Result<(), RegisterError> {
    let (stream, lot) = work.lot(number).await?;
    match lot.state {
        LotState::Draft => work.act(&stream, Act::LotScheduled { day: "2026-01-01".into() }).await,
        LotState::Scheduled => work.dispatch_lot(number, None).await,
        LotState::InTransit => {
            let count = u32::try_from(lot.lines.len()).unwrap();
            work.receive_lot(number, Receipt { by: "b".into(), count, reference: None, note: None }).await
        }
        LotState::Received => work.document_lot(number, b"final").await,
        _ => work.close_lot(number).await.map(|_| ()),
    }
}

fn inputs() -> DecisionInputs {
    let money = |text| Money::parse(text, "EUR").unwrap();
    DecisionInputs {
        as_of: "2026-01-01".into(),
        keep_per_year: money("300"),
        keep_growth_bp: 5000,
        replace_cost: money("1200"),
        replace_life_months: 48,
        replace_per_year: money("100"),
        performance: None,
        security: None,
        end_of_support: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_path_closes_an_asset_but_on_what_was_proven_last(steps in proptest::collection::vec(step(), 150)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let keys: Vec<StationKey> = (1..5).map(|n| StationKey::from_seed(&[n; 32])).collect();
            let at = Database::File(dir.path().join("r.db"));
            let mut register = Register::init(&at, "O", "Admin", &Role::ALL, &keys[0]).await.unwrap();
            register.run(&keys[0], async |work| {
                for (key, role) in keys[1..].iter().zip([Role::AssetManager, Role::Compliance, Role::Technician]) {
                    let (kid, x) = (key.kid().to_owned(), key.public().x());
                    work.act(REGISTER_STREAM, Act::PersonEnrolled { kid: kid.clone(), x, name: role.name().into() }).await?;
                    work.act(REGISTER_STREAM, Act::RoleGranted { kid, grant: Grant { role, location: None } }).await?;
                }
                work.set_vendor(VendorFacts { name: "V".into(), kinds: vec![VendorKind::Recycler], contact: None }).await?;
                let certification = Certification {
                    scheme: "R2v3".into(), number: "1".into(), from: "2020-01-01".into(), until: "2090-01-01".into(), document: None,
                };
                work.certify_vendor("V", certification, None).await?;
                let pool = PoolFacts {
                    product: "P".into(), publisher: None, seats: 1, key_ref: None, expires: None, cost_per_year: None,
                };
                work.set_pool(pool).await?;
                for tag in TAGS {
                    let stage = if tag == "C" { Stage::Procurement } else { Stage::Decommissioning };
                    let added = Act::AssetAdded {
                        tag: tag.into(), class: AssetClass::Physical, data_class: DataClass::None, stage,
                        location: None, custodian: None, details: Details::default(),
                    };
                    work.add_asset(added).await?;
                    let serial = Some(format!("S{tag}"));
                    work.install(tag, MediumIdentity { serial, ..MediumIdentity::default() }, MediumClass::Physical).await?;
                }
                Ok(())
            }).await.unwrap();
            let mut truth = Truth::default();
            let mut closed = 0;
            for (step, number) in steps.iter().zip(1..) {
                let before = snapshot(&mut register).await;
                let key = &keys[step.actor];
                if step.what > 33 {
                    bring(&mut register, key, step, number, &mut truth).await;
                } else {
                    match register.run(key, async |work| play(work, step).await).await {
                        Ok(()) | Err(RegisterError::Refused(_) | RegisterError::NotFound { .. }) => {}
                        Err(error) => panic!("{step:?}: {error:?}"),
                    }
                }
                closed += judge(&mut register, step, &before, &truth).await;
                let in_service = snapshot(&mut register).await.into_iter().filter(|(stage, ..)| stage.in_service());
                truth.used.extend(in_service.flat_map(|(_, media, _)| media).map(|medium| (medium, number)));
            }
            eprintln!("media of assets that were closed on evidence: {closed}");
            let report = register.audit(None).await.unwrap();
            assert_eq!(report.findings, []);
            let mut before = Vec::new();
            for tag in TAGS {
                before.push(register.asset(tag).await.unwrap());
            }
            register.rebuild().await.unwrap();
            for (tag, before) in TAGS.iter().zip(before) {
                assert_eq!(register.asset(tag).await.unwrap(), before);
            }
        });
    }
}
