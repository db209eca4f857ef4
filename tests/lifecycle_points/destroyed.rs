//! What ends in pieces: the record that two people sign, and what it closes.

use crate::common::station::{both, text};
use crate::disposition::vendor;
use crate::org::Org;

/// Who works at the shredder: the station trusts each in one role.
const HALL: [(&str, &str); 3] = [("Otto", "operator"), ("Wim", "witness"), ("Vera", "validator")];

fn hall() -> Org {
    let org = Org::new();
    for (name, role) in HALL {
        let key = text(&org.key(name)).to_owned();
        org.station.ok(&["key", "generate", "--name", name, "--unprotected", "--out", &key]);
        org.station.ok(&["key", "trust", &key.replace(".pem", ".pub.json"), "--role", role]);
    }
    org
}

/// A laptop with one SSD, on its way to the shredder.
fn condemned(org: &Org, tag: &str, data_class: &str, serial: &str) {
    org.mia(&["asset", "add", tag, "--data-class", data_class, "--stage", "decommissioning"]);
    org.by("Tom", 0, &["media", "add", tag, "--serial", serial, "--model", "SSD 9"]);
    org.by("Tom", 0, &["asset", "count", tag, "1"]);
    org.ticked(tag);
    org.by("Ida", 0, &["asset", "route", tag, "destruction", "--order", "LOT-9"]);
    org.by("Ida", 0, &["asset", "move", tag, "disposition"]);
}

/// The record is named as the line's final certificate, and brought in.
fn brought_in(org: &Org, tag: &str, record: &str) -> serde_json::Value {
    org.by("Ida", 0, &["asset", "outcome", tag, "destroyed", "--certificate", record]);
    org.json("Ida", 0, &["register", "ingest", record])[0].clone()
}

/// What is said of the destruction of one SSD.
fn words<'a>(serial: &'a str, witness: &'a str, key: &'a str) -> Vec<&'a str> {
    let medium = ["certificate", "record-destruction", "--serial", serial, "--model", "SSD 9", "--material", "flash"];
    let how = ["--place", "Hall 3", "--equipment-maker", "Mill", "--equipment-model", "HD-900", "--key", key];
    [&medium[..], &how, &["--witness", witness]].concat()
}

const FINE: [&str; 6] = ["--technique", "disintegrate", "--class", "E-4", "--particle", "25"];

/// Otto destroys it, Wim looks on and signs; the record's file.
fn destroyed(org: &Org, serial: &str) -> String {
    let (wim, otto) = (org.kid("Wim"), org.key("Otto"));
    let told = org.station.json(0, &[&words(serial, &wim, text(&otto))[..], &FINE].concat());
    let file = told[0]["files"][0].as_str().unwrap().to_owned();
    org.station.ok(&["certificate", "sign", &file, "--role", "witness", "--key", text(&org.key("Wim"))]);
    file
}

#[test]
fn point_22_physical_destruction() {
    let org = hall();
    condemned(&org, "A-1", "internal", "S-77");
    assert!(org.by("Mia", 3, &["asset", "blockers", "A-1"]).contains("no certificate"));
    // What leaves data readable is no destruction, whoever signs it.
    let (wim, otto) = (org.kid("Wim"), org.key("Otto"));
    let drilled = [&words("S-77", &wim, text(&otto))[..], &["--technique", "drill"]].concat();
    assert!(both(&org.station.expect(3, &drilled)).contains("data can be read"));
    let record = destroyed(&org, "S-77");
    org.refused("Ida", "needs its final certificate", &["asset", "outcome", "A-1", "destroyed"]);
    let taken = brought_in(&org, "A-1", &record);
    assert_eq!(taken["closed"], true, "{taken}");
    assert_eq!(org.asset("A-1")["stage"], "closed");
    assert!(org.mia(&["media", "show", "S-77"]).contains("destroyed"));
    org.sound();
}

#[test]
fn point_33_certified_destruction_records() {
    let org = hall();
    condemned(&org, "A-1", "none", "S-1");
    // Another drive's record, one that no witness signed, and one that was edited close nothing.
    let other = destroyed(&org, "S-2");
    org.by("Ida", 5, &["register", "ingest", &other]);
    let (wim, otto) = (org.kid("Wim"), org.key("Otto"));
    let alone = org.station.json(0, &[&words("S-1", &wim, text(&otto))[..], &FINE].concat());
    let alone = alone[0]["files"][0].as_str().unwrap();
    org.by("Ida", 5, &["register", "ingest", alone]);
    let record = destroyed(&org, "S-1");
    let signed = std::fs::read_to_string(&record).unwrap();
    let at = signed.find("\"payload\":\"").unwrap() + 300;
    let letter = if signed.as_bytes()[at] == b'A' { "B" } else { "A" };
    let edited = org.file("edited.json", &format!("{}{letter}{}", &signed[..at], &signed[at + 1..]));
    org.by("Ida", 5, &["register", "ingest", text(&edited)]);
    assert_eq!(org.asset("A-1")["stage"], "disposition");

    assert_eq!(brought_in(&org, "A-1", &record)["closed"], true);
    let id = std::path::Path::new(&record).file_stem().unwrap().to_str().unwrap().to_owned();
    assert!(org.mia(&["asset", "show", "A-1", "--history"]).contains(&id), "the card names its record");
    org.sound();
}

#[test]
fn point_47_certificate_of_destruction() {
    let org = hall();
    condemned(&org, "A-1", "regulated", "S-3");
    let record = destroyed(&org, "S-3");
    org.station.ok(&["certificate", "verify", &record]);
    let shown = org.station.ok(&["certificate", "show", &record]);
    for word in ["S-3", "disintegrate", "E-4", "Hall 3", "HD-900"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    #[cfg(feature = "pdf")]
    {
        let pdf = org.station.path("destruction.pdf");
        org.station.ok(&["certificate", "pdf", &record, "--out", text(&pdf)]);
        org.station.ok(&["certificate", "verify", text(&pdf)]);
    }
    // Regulated data: somebody else has to accept it.
    let taken = brought_in(&org, "A-1", &record);
    assert_eq!(taken["closed"], false);
    assert!(taken["blockers"].to_string().contains("validation"), "{taken}");
    let vera = org.key("Vera");
    let accept = ["certificate", "validate", &record, "--accept", "--reason", "photos seen", "--key", text(&vera)];
    let validation = org.station.json(0, &accept)[0]["files"][0].as_str().unwrap().to_owned();
    assert_eq!(org.json("Ida", 0, &["register", "ingest", &validation])[0]["closed"], true);
    org.sound();
}

#[test]
fn point_54_certified_destruction_policies() {
    let org = hall();
    org.policy("disposition", &["--certified-vendor"]);
    org.mia(&["vendor", "set", "Backyard", "--kind", "recycler"]);
    vendor(&org, "OldCo", "2021-12-31");
    vendor(&org, "GreenCo", "2090-12-31");
    for (name, why) in [("Backyard", "holds no certification"), ("OldCo", "expired on 2021-12-31")] {
        org.refused("Ida", why, &["dispose", "open", "LOT-9", "destruction", "--vendor", name]);
    }
    org.by("Ida", 0, &["dispose", "open", "LOT-9", "destruction", "--vendor", "GreenCo"]);
    // Nor does the policy let shreds pass that are too large for what was on the drive.
    let (wim, otto) = (org.kid("Wim"), org.key("Otto"));
    let coarse = ["--technique", "disintegrate", "--class", "E-4", "--particle", "31"];
    org.station.expect(3, &[&words("S-4", &wim, text(&otto))[..], &coarse].concat());
    org.sound();
}
