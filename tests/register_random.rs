//! Random commands as random people: no path closes an asset without its evidence.
#![allow(clippy::unwrap_used, clippy::panic)]

use lastwrite::media::MediumClass;
use lastwrite::register::{
    Act, AssetClass, ClosedOn, CostCategory, DataClass, Database, Details, Grant, Item, LineOutcome, MediumIdentity,
    MediumState, Minimum, Money, REGISTER_STREAM, Register, RegisterError, Role, Route, Stage, Work,
};
use lastwrite::signed::StationKey;
use lastwrite::units::Bytes;
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
    (0..4usize, 0..3usize, 0..18u8, 0..7usize).prop_map(|(actor, tag, what, pick)| Step { actor, tag, what, pick })
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
        9 => Act::RouteChosen { route: Route::ALL[pick % 2], order: "L".into(), vendor: None },
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
        _ => {
            let Some(medium) = asset.media.first() else { return Ok(()) };
            let act = match step.what {
                15 => Act::MediumStateSet { state: MediumState::ALL[pick % 6], note: Some("n".into()) },
                16 => Act::MediumRetired { asset: stream.clone(), document: "00".repeat(32) },
                _ => return work.remove(medium, None).await,
            };
            return work.act(medium, act).await;
        }
    };
    work.act(&stream, act).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_path_closes_an_asset_that_still_has_a_medium(steps in proptest::collection::vec(step(), 150)) {
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
                for tag in TAGS {
                    let stage = if tag == "C" { Stage::Procurement } else { Stage::Decommissioning };
                    let added = Act::AssetAdded {
                        tag: tag.into(), class: AssetClass::Physical, data_class: DataClass::Internal, stage,
                        location: None, custodian: None, details: Details::default(),
                    };
                    work.add_asset(added).await?;
                    let serial = Some(format!("S{tag}"));
                    work.install(tag, MediumIdentity { serial, ..MediumIdentity::default() }, MediumClass::Physical).await?;
                }
                Ok(())
            }).await.unwrap();
            for step in &steps {
                match register.run(&keys[step.actor], async |work| play(work, step).await).await {
                    Ok(()) | Err(RegisterError::Refused(_) | RegisterError::NotFound { .. }) => {}
                    Err(error) => panic!("{step:?}: {error:?}"),
                }
                let (_, _, asset) = register.asset(TAGS[step.tag]).await.unwrap();
                if asset.stage == Stage::Closed {
                    // No evidence ever came in, so only an asset without a present medium may be closed.
                    for placed in register.media_of(&asset).await.unwrap() {
                        assert_eq!(placed.medium.state, MediumState::Absent, "{step:?}");
                    }
                }
            }
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
