//! Sticks of one batch share their serial number: each is a medium of its own all the same.
#![cfg(feature = "erase")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;

use common::station::Station;
use common::sysfs_tree::FixtureTree;
use lastwrite::policy::{InForce, Method, StepDown, VerificationLevel, Wanted};
use lastwrite::sanitize::journal::Journal;
use lastwrite::sanitize::state::JournalEntry;
use lastwrite::scheme;
use lastwrite::station::{self, BootPartitions, Order, Preparation, Psids, Refused, TargetRule, Wish};
use lastwrite::units::now;

fn prepare(tree: &FixtureTree, station: &Station, targets: &[&str]) -> Vec<Result<Preparation, Refused>> {
    let wish = Wish {
        also_unattached: Vec::new(),
        policy: InForce::builtin().unwrap(),
        wanted: Wanted::Method(Method::Clear),
        route: None,
        step_down: StepDown::Never,
        before_destruction: false,
        scheme: scheme::find("zero").unwrap(),
        verification: VerificationLevel::Full,
        operator: None,
        targets: TargetRule::WholeDiskOnly,
        psids: Psids::default(),
        restore_hidden: None,
        unfreeze: false,
        boot_partitions: BootPartitions::Erase,
    };
    let orders: Vec<Order> =
        targets.iter().map(|target| Order { target: target.into(), asset_tag: None, category: None }).collect();
    let station = station::Station::open(&station.state()).unwrap();
    station::prepare(&tree.roots(), Some(&station), &orders, &wish, now()).unwrap()
}

#[test]
fn both_are_wiped_in_one_call_and_only_a_name_of_the_same_one_is_refused() {
    let (tree, station) = (FixtureTree::machine("two-drives-one-serial"), Station::new());
    let prepared = prepare(&tree, &station, &["/dev/sda", "/dev/sdb", "/dev/sda"]);
    let [Ok(first), Ok(second), Err(third)] = &prepared[..] else { panic!("{prepared:?}") };
    let (first, second) = (&first.run.plan().medium, &second.run.plan().medium);
    assert_eq!((first.path.as_path(), second.path.as_path()), (Path::new("/dev/sda"), Path::new("/dev/sdb")));
    assert_eq!(first.identity.digest(), second.identity.digest());
    assert_ne!(first.confirm_token, second.confirm_token);
    assert!(matches!(third, Refused::Twice { .. }) && third.to_string() == "/dev/sda is the same medium as /dev/sda");
}

/// Two paths to one drive are still one.
#[test]
fn a_second_path_is_no_second_medium() {
    let (tree, station) = (FixtureTree::machine("server-sas-multipath"), Station::new());
    let prepared = prepare(&tree, &station, &["/dev/sdb", "/dev/sdc"]);
    assert!(matches!(&prepared[1], Err(Refused::Twice { .. })), "{:?}", prepared[1]);
}

#[test]
fn of_an_open_run_it_is_told_that_it_may_be_on_the_other_one() {
    let (tree, station) = (FixtureTree::machine("two-drives-one-serial"), Station::new());
    let plan = prepare(&tree, &station, &["/dev/sda"]).pop().unwrap().unwrap().run.plan().clone();
    let mut journal = Journal::create(&station.state().join("journal"), &plan.run_id).unwrap();
    journal.append(&JournalEntry::Opened { version: 1, plan: Box::new(plan.clone()) }).unwrap();
    let told = |path: &str| prepare(&tree, &station, &[path]).pop().unwrap().unwrap_err().to_string();
    let run_id = &plan.run_id;
    assert_eq!(
        told("/dev/sdb"),
        format!(
            "/dev/sdb: run {run_id} on a medium of the same identity (this one or /dev/sda) is at 0 % and is not finished"
        )
    );
    drop(journal);
    assert_eq!(
        told("/dev/sda"),
        format!(
            "/dev/sda: run {run_id} on a medium of the same identity (this one or /dev/sdb) was interrupted at 0 % and is \
             not finished"
        )
    );
}
