//! The register through the real binary: from an asset on its way out to one closed by evidence.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;

use common::station::{Station, both, text};

const STEPS: [&str; 6] =
    ["data_backup", "licence_removal", "network_disconnect", "credential_revoke", "mdm_release", "asset_label_removed"];

fn register(station: &Station) {
    let args = ["register", "init", "--organization", "Example Org", "--name", "Mia Manager", "--role"];
    station.ok(&[&args[..], &["asset_manager", "technician", "finance", "compliance"]].concat());
}

/// A practice asset in disposition with one image file in it; only the evidence is missing.
fn on_its_way_out(station: &Station, tag: &str, image: &Path) {
    let add = ["asset", "add", tag, "--class", "virtual", "--data-class", "none", "--stage", "decommissioning"];
    station.ok(&add);
    station.ok(&["media", "add", tag, "--drive", text(image)]);
    station.ok(&["asset", "count", tag, "1"]);
    station.ok(&[&["asset", "check", tag][..], &STEPS].concat());
    station.ok(&["asset", "route", tag, "resale", "--order", "LOT-1"]);
    station.ok(&["asset", "move", tag, "disposition"]);
    station.ok(&["asset", "cost", tag, "recovery", "120.00 EUR"]);
    station.ok(&["asset", "outcome", tag, "sold"]);
}

fn stage(station: &Station, tag: &str) -> String {
    station.json(0, &["asset", "show", tag])[0]["asset"]["stage"].as_str().unwrap().to_owned()
}

#[test]
fn an_asset_closes_on_its_certificate_and_on_nothing_else() {
    let station = Station::new();
    register(&station);
    let image = station.image("disk.img", 1 << 20);
    on_its_way_out(&station, "A-1", &image);
    let told = both(&station.expect(3, &["asset", "close", "A-1"]));
    assert!(told.contains("no certificate"), "{told}");
    let told = both(&station.expect(3, &["asset", "move", "A-1", "closed"]));
    assert!(told.contains("by evidence"), "{told}");

    // The certificate of another medium closes nothing.
    let other = station.image("other.img", 1 << 20);
    station.ok(&["wipe", text(&other), "--yes", "--asset", "A-1"]);
    let result = &station.json(5, &["register", "ingest", text(&station.state())])[0];
    assert_eq!(result["verdict"], "unmatched", "{result}");
    assert_eq!(stage(&station, "A-1"), "disposition");

    let certificate = station.json(0, &["wipe", text(&image), "--yes"])[0]["certificate"].as_str().unwrap().to_owned();
    // A changed one is refused and kept.
    let forged = station.path("forged.json");
    std::fs::write(
        &forged,
        std::fs::read_to_string(&certificate).unwrap().replacen("payload\":\"eyJ", "payload\":\"eyX", 1),
    )
    .unwrap();
    assert_eq!(station.json(5, &["register", "ingest", text(&forged)])[0]["verdict"], "refused");
    assert_eq!(stage(&station, "A-1"), "disposition");

    let result = &station.json(0, &["register", "ingest", &certificate])[0];
    assert_eq!((&result["verdict"], &result["closed"]), (&"accepted".into(), &true.into()), "{result}");
    assert_eq!(stage(&station, "A-1"), "closed");
    assert_eq!(station.json(0, &["register", "ingest", &certificate])[0]["verdict"], "known");
    let told = both(&station.expect(3, &["asset", "assign", "A-1", "--to", "Somebody"]));
    assert!(told.contains("closed"), "{told}");
    let report = &station.json(0, &["register", "audit"])[0];
    assert_eq!((&report["good"], &report["report"]["closed"]), (&true.into(), &1.into()), "{report}");
    let before = station.json(0, &["asset", "show", "A-1", "--history"]);
    station.ok(&["register", "rebuild"]);
    assert_eq!(station.json(0, &["asset", "show", "A-1", "--history"]), before);
    station.ok(&["register", "audit"]);
    let told = both(&station.expect(0, &["asset", "show", "A-1", "--history"]));
    for part in ["WHO", "Mia Manager", "stage moved: to disposition", "asset closed"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_virtual_medium_never_closes_a_physical_asset() {
    let station = Station::new();
    register(&station);
    let image = station.image("disk.img", 1 << 20);
    station.ok(&["asset", "add", "P-1", "--data-class", "internal", "--stage", "decommissioning"]);
    station.ok(&["media", "add", "P-1", "--drive", text(&image)]);
    station.ok(&["wipe", text(&image), "--yes"]);
    station.ok(&["register", "ingest", text(&station.state())]);
    station.ok(&["asset", "route", "P-1", "resale", "--order", "LOT-1"]);
    let told = both(&station.expect(3, &["asset", "blockers", "P-1"]));
    assert!(told.contains("a virtual medium never closes a physical one"), "{told}");
    for blocker in ["nobody has counted", "checklist item open: data_backup", "outcome is not set"] {
        assert!(told.contains(blocker), "{told}");
    }
}

#[test]
fn nobody_acts_without_a_role_or_at_another_place() {
    let station = Station::new();
    register(&station);
    station.ok(&["asset", "add", "B-1", "--location", "Berlin/2"]);
    station.ok(&["asset", "add", "M-1", "--location", "Munich"]);
    // A second person: their own register folder makes a key.
    let elsewhere = station.path("tom");
    let key = station.path("tom.pem");
    let made = station.json(
        0,
        &[
            "register",
            "init",
            "--organization",
            "X",
            "--name",
            "Tom",
            "--database",
            text(&elsewhere),
            "--key",
            text(&key),
        ],
    );
    let (kid, x) = (made[0]["kid"].as_str().unwrap(), made[0]["public_key"].as_str().unwrap());
    let as_tom = |code: i32, tag: &str| {
        both(&station.expect(code, &["asset", "condition", tag, "degraded", "--key", text(&key)]))
    };
    assert!(as_tom(3, "B-1").contains("not enrolled"));
    station.ok(&["register", "person", "enrol", "Tom", &format!("--public-key={x}")]);
    assert!(as_tom(3, "B-1").contains("may not work"));
    station.ok(&["register", "person", "grant", kid, "technician", "--location", "Berlin"]);
    as_tom(0, "B-1");
    assert!(as_tom(3, "M-1").contains("at Munich"));
    station.ok(&["register", "person", "bar", kid, "--reason", "left"]);
    assert!(as_tom(3, "B-1").contains("barred"));
    station.ok(&["register", "audit"]);
    let people = station.ok(&["register", "person", "list"]);
    assert!(people.contains("Mia Manager") && people.contains("barred: left"), "{people}");
}

#[test]
fn who_wiped_may_not_close_and_a_revoked_certificate_closes_nothing() {
    let station = Station::new();
    register(&station);
    let image = station.image("disk.img", 1 << 16);
    on_its_way_out(&station, "A-1", &image);
    station.ok(&["wipe", text(&image), "--yes", "--operator", "mia manager"]);
    let result = &station.json(0, &["register", "ingest", text(&station.state())])[0];
    assert_eq!((&result["verdict"], &result["closed"]), (&"accepted".into(), &false.into()), "{result}");
    assert!(result["blockers"][0].as_str().unwrap().contains("four eyes"), "{result}");
    // Somebody else's wipe, then revoked before it could close.
    let document = result["document"].as_str().unwrap().to_owned();
    let medium = station.json(0, &["asset", "show", "A-1"])[0]["media"][0]["stream"].as_str().unwrap().to_owned();
    let told = both(&station.expect(2, &["media", "revoke", &medium, &document]));
    assert!(told.contains("reason"), "{told}");
    station.ok(&["media", "revoke", &medium, &document, "--note", "wrong bench"]);
    let told = both(&station.expect(3, &["asset", "close", "A-1"]));
    assert!(told.contains("revoked (wrong bench)") && told.contains("awaiting"), "{told}");
    station.ok(&["wipe", text(&image), "--yes", "--operator", "Tom"]);
    station.ok(&["register", "ingest", text(&station.state())]);
    assert_eq!(stage(&station, "A-1"), "closed");
    station.ok(&["register", "audit"]);
}
