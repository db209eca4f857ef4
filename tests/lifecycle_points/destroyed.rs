//! What ends in pieces: the record that two people sign, and what it closes.

use lastwrite::signed::StationKey;

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

/// What still stands against closing it.
fn blockers(org: &Org, tag: &str) -> Vec<String> {
    let told = org.json("Mia", 3, &["asset", "blockers", tag])[0]["blockers"].clone();
    told.as_array().unwrap().iter().map(|blocker| blocker.as_str().unwrap().to_owned()).collect()
}

#[test]
fn point_22_physical_destruction() {
    let org = hall();
    condemned(&org, "A-1", "internal", "S-77");
    let open = blockers(&org, "A-1");
    assert_eq!(open.len(), 3, "{open:?}");
    for (blocker, part) in open.iter().zip(["S-77: in use", "S-77: no certificate", "its outcome is not set"]) {
        assert!(blocker.contains(part), "{part}: {open:?}");
    }
    // What leaves data readable is no destruction, whoever signs it; nor is a field that flash does not feel.
    let (wim, otto) = (org.kid("Wim"), org.key("Otto"));
    let by = |how: &[&str]| both(&org.station.expect(3, &[&words("S-77", &wim, text(&otto))[..], how].concat()));
    for technique in ["drill", "bend", "hammer"] {
        let told = by(&["--technique", technique]);
        assert!(told.contains(&format!("after {technique} data can be read from what is left")), "{told}");
    }
    let told = by(&["--technique", "degauss", "--field", "20000"]);
    assert!(told.contains("degaussing leaves data on flash"), "{told}");
    // Without their measure, neither shreds nor heat are recorded.
    for (technique, needs) in [("shred", "--class and --particle"), ("melt", "--celsius")] {
        let args = [&words("S-77", &wim, text(&otto))[..], &["--technique", technique]].concat();
        let told = both(&org.station.expect(2, &args));
        assert!(told.contains(&format!("{technique} needs {needs}")), "{told}");
    }
    let record = destroyed(&org, "S-77");
    org.refused("Ida", "needs its final certificate", &["asset", "outcome", "A-1", "destroyed"]);
    org.refused("Ida", "the route destruction ends as destroyed, not as sold", &["asset", "outcome", "A-1", "sold"]);
    org.refused("Ida", "by evidence, not by word", &["media", "state", "S-77", "destroyed", "--note", "really"]);
    let taken = brought_in(&org, "A-1", &record);
    assert_eq!(taken["closed"], true, "{taken}");
    assert_eq!(org.asset("A-1")["stage"], "closed");
    assert!(org.mia(&["media", "show", "S-77"]).contains("destroyed"));
    let reported = org.json("Mia", 0, &["report", "disposal"])[1]["row"].clone();
    assert_eq!((&reported["route"], &reported["assets"]), (&"destruction".into(), &1.into()), "{reported}");
    org.sound();
}

#[test]
fn point_33_certified_destruction_records() {
    let org = hall();
    condemned(&org, "A-1", "none", "S-1");
    let taken = |file: &str| org.json("Ida", 5, &["register", "ingest", file])[0].clone();
    let refused = |file: &str, verdict: &str, why: &str| {
        let told = taken(file);
        let reason = told["reason"].as_str().unwrap();
        assert!(told["verdict"] == verdict && reason.contains(why), "{verdict}, {why}: {told}");
        assert_eq!((&told["closed"], &org.asset("A-1")["stage"]), (&false.into(), &"disposition".into()));
    };
    // Another drive's record, one that no witness signed, and one that was edited close nothing.
    refused(&destroyed(&org, "S-2"), "unmatched", "no medium of the register is");
    let (wim, otto) = (org.kid("Wim"), org.key("Otto"));
    let alone = org.station.json(0, &[&words("S-1", &wim, text(&otto))[..], &FINE].concat());
    refused(alone[0]["files"][0].as_str().unwrap(), "refused", "witness");
    let record = destroyed(&org, "S-1");
    let signed = std::fs::read_to_string(&record).unwrap();
    let at = signed.find("\"payload\":\"").unwrap() + 300;
    let letter = if signed.as_bytes()[at] == b'A' { "B" } else { "A" };
    let edited = org.file("edited.json", &format!("{}{letter}{}", &signed[..at], &signed[at + 1..]));
    refused(text(&edited), "refused", "signature");
    // Whom the station trusts with nothing signs no record, and who looks on is not who destroys.
    let stranger = org.station.path("stranger.pem");
    org.station.ok(&["key", "generate", "--name", "Sam", "--unprotected", "--out", text(&stranger)]);
    let own = StationKey::load(&otto, None).unwrap().kid().to_owned();
    for (witness, key, why) in [(&wim, &stranger, "is not in the trust store"), (&own, &otto, "witness")] {
        let told = both(&org.station.expect(3, &[&words("S-1", witness, text(key))[..], &FINE].concat()));
        assert!(told.contains(why), "{why}: {told}");
    }
    org.refused("Ida", "needs its final certificate", &["asset", "outcome", "A-1", "destroyed"]);

    assert_eq!(brought_in(&org, "A-1", &record)["closed"], true);
    let id = std::path::Path::new(&record).file_stem().unwrap().to_str().unwrap().to_owned();
    let shown = org.json("Mia", 0, &["asset", "show", "A-1", "--history"])[0].clone();
    let closing = shown["events"].as_array().unwrap().iter().find(|e| e["act"]["type"] == "asset_closed").unwrap();
    assert_eq!(closing["act"]["media"][0]["document"], id.as_str(), "what closed it is named: {closing}");
    // Twice changes nothing.
    let again = org.json("Ida", 0, &["register", "ingest", &record])[0].clone();
    assert_eq!((&again["verdict"], &again["closed"]), (&"known".into(), &false.into()), "{again}");
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
    // Nor does the standard let shreds pass that are too large for what was on the drive, or that are of a
    // class for something else.
    let (wim, otto) = (org.kid("Wim"), org.key("Otto"));
    for (class, particle, why) in [
        ("E-4", "31", "E-4 allows 30 mm2, the largest particle has 31 mm2"),
        ("E-5", "25", "E-5 allows 10 mm2, the largest particle has 25 mm2"),
        ("H-5", "25", "H-5 is not about flash"),
        ("E-4", "0", "no area"),
    ] {
        let how = ["--technique", "disintegrate", "--class", class, "--particle", particle];
        let told = both(&org.station.expect(3, &[&words("S-4", &wim, text(&otto))[..], &how].concat()));
        assert!(told.contains(why), "{why}: {told}");
    }
    // The record alone does not close: what the policy asks of the vendor holds for every line of the lot.
    org.mia(&["asset", "add", "A-4", "--data-class", "internal", "--stage", "decommissioning"]);
    org.by("Tom", 0, &["media", "add", "A-4", "--serial", "S-4", "--model", "SSD 9"]);
    org.by("Tom", 0, &["asset", "count", "A-4", "1"]);
    org.ticked("A-4");
    org.by("Ida", 0, &["dispose", "add", "LOT-9", "A-4"]);
    org.by("Ida", 0, &["asset", "move", "A-4", "disposition"]);
    let record = destroyed(&org, "S-4");
    let taken = brought_in(&org, "A-4", &record);
    assert_eq!(taken["blockers"], serde_json::json!(["no signed hand-over to GreenCo"]), "{taken}");
    org.by("Cora", 0, &["vendor", "bar", "GreenCo", "--reason", "audit failed"]);
    org.by("Ida", 0, &["dispose", "schedule", "LOT-9", "2090-01-01"]);
    org.refused("Ida", "GreenCo is barred: audit failed", &["dispose", "dispatch", "LOT-9"]);
    assert_eq!(blockers(&org, "A-4"), ["no signed hand-over to GreenCo"]);
    org.sound();
}
