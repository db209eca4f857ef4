//! Points 20, 21, 23, 29, 36, 51: disposition.

use crate::common::station::text;
use crate::org::Org;

pub fn vendor(org: &Org, name: &str, until: &str) {
    org.mia(&["vendor", "set", name, "--kind", "recycler", "itad"]);
    let certificate = org.file("r2.pdf", "R2v3 certificate");
    org.by(
        "Cora",
        0,
        &[
            "vendor",
            "certify",
            name,
            "R2v3",
            "--number",
            "C-9",
            "--from",
            "2020-01-01",
            "--until",
            until,
            "--certificate",
            text(&certificate),
        ],
    );
}

#[test]
fn point_20_resale_recoups_cost() {
    let org = Org::new();
    let image = org.on_lot("A-1", "none", "resale", "LOT-1");
    org.by("Fin", 0, &["cost", "value", "A-1", "quote", "80 EUR", "--source", "Buyer & Sons"]);
    org.by("Ida", 0, &["asset", "outcome", "A-1", "sold"]);
    assert_eq!(org.wiped(&image)["closed"], false);
    org.refused("Mia", "no recovery entry for the sale", &["asset", "close", "A-1"]);
    org.by("Fin", 0, &["cost", "book", "A-1", "recovery", "85 EUR", "--reference", "invoice 12"]);
    org.mia(&["asset", "close", "A-1"]);
    let booked = org.json("Fin", 0, &["cost", "list", "A-1"]);
    assert!(booked.iter().any(|b| b["what"] == "recovery" && b["money"]["minor"] == "8500"), "{booked:?}");
    org.sound();
}

#[test]
fn point_21_certified_recycler() {
    let org = Org::new();
    let image = org.station.image("disk.img", 1 << 16);
    org.mia(&["asset", "add", "A-1", "--class", "virtual", "--data-class", "none", "--stage", "decommissioning"]);
    org.by("Tom", 0, &["media", "add", "A-1", "--drive", text(&image)]);
    let told = org.by("Ida", 2, &["asset", "route", "A-1", "recycling", "--order", "LOT-1", "--vendor", "Nobody"]);
    assert!(told.contains("no vendor \"Nobody\""), "{told}");
    org.mia(&["vendor", "set", "Backyard", "--kind", "recycler"]);
    org.refused(
        "Ida",
        "Backyard holds no certification",
        &["asset", "route", "A-1", "recycling", "--order", "LOT-1", "--vendor", "Backyard"],
    );
    vendor(&org, "OldCo", "2021-12-31");
    org.refused(
        "Ida",
        "certification of OldCo expired on 2021-12-31",
        &["dispose", "open", "LOT-1", "recycling", "--vendor", "OldCo"],
    );
    vendor(&org, "GreenCo", "2090-12-31");
    org.by("Ida", 0, &["dispose", "open", "LOT-1", "recycling", "--vendor", "greenco"]);
    org.by("Ida", 0, &["dispose", "add", "LOT-1", "A-1", "--weight", "1.4kg"]);
    assert_eq!(org.asset("A-1")["line"]["vendor"], "GreenCo");
    org.by("Cora", 0, &["vendor", "bar", "GreenCo", "--reason", "audit failed"]);
    org.ticked("A-1");
    org.by("Ida", 0, &["asset", "move", "A-1", "disposition"]);
    org.refused("Ida", "GreenCo is barred: audit failed", &["dispose", "dispatch", "LOT-1"]);
    org.sound();
}

#[test]
fn point_23_out_of_landfill() {
    let org = Org::new();
    vendor(&org, "GreenCo", "2090-12-31");
    org.by("Ida", 0, &["dispose", "open", "LOT-1", "recycling", "--vendor", "GreenCo"]);
    let first = org.on_lot("A-1", "none", "recycling", "LOT-1");
    let second = org.on_lot("A-2", "none", "recycling", "LOT-1");
    for step in [["schedule", "LOT-1", "2090-01-01"].as_slice(), &["dispatch", "LOT-1", "--seal", "S-1"]] {
        org.by("Ida", 0, &[&["dispose"], step].concat());
    }
    org.refused("Ida", "lot LOT-1 is in_transit", &["dispose", "weigh", "LOT-1", "--recycled", "1kg"]);
    org.refused(
        "Ida",
        "2 left on lot LOT-1, 1 arrived",
        &["dispose", "receive", "LOT-1", "--count", "1", "--by", "R. Cycler"],
    );
    org.by("Ida", 0, &["dispose", "receive", "LOT-1", "--count", "2", "--by", "R. Cycler", "--reference", "GC-88"]);
    let told = org.by(
        "Ida",
        0,
        &["dispose", "weigh", "LOT-1", "--recycled", "2.4kg", "--energy", "0.3kg", "--landfill", "0.3kg"],
    );
    assert!(told.contains("90.00 % out of landfill"), "{told}");
    let document = org.file("final.pdf", "recycled");
    org.by("Ida", 0, &["dispose", "document", "LOT-1", text(&document)]);
    let told = org.by("Mia", 3, &["dispose", "close", "LOT-1"]);
    assert!(told.contains("A-1: medium") && told.contains("2 assets cannot be closed"), "{told}");
    assert_eq!(org.wiped(&first)["closed"], true);
    assert_eq!(org.wiped(&second)["closed"], true);
    org.mia(&["dispose", "close", "LOT-1"]);
    let lot = &org.record("lot", "LOT-1");
    assert_eq!((&lot["status"], lot["lot"]["lines"].as_array().unwrap().len()), (&"closed".into(), 2));
    org.sound();
}

#[test]
fn point_29_wiped_before_resold_recycled_or_destroyed() {
    let org = Org::new();
    let image = org.on_lot("A-1", "confidential", "resale", "LOT-1");
    org.by("Fin", 0, &["cost", "book", "A-1", "recovery", "90 EUR"]);
    org.by("Ida", 0, &["asset", "outcome", "A-1", "sold"]);
    org.refused("Mia", "no certificate", &["asset", "close", "A-1"]);
    // An overwrite is a Clear; confidential data ask for more, and nothing closes on less.
    let told = org.wiped(&image);
    assert_eq!((&told["verdict"], &told["closed"]), (&"accepted".into(), &false.into()), "{told}");
    assert!(told["blockers"][0].as_str().unwrap().contains("Purge is needed"), "{told}");
    for state in ["sanitized", "destroyed"] {
        let medium =
            org.json("Mia", 0, &["asset", "show", "A-1"])[0]["media"][0]["stream"].as_str().unwrap().to_owned();
        org.refused("Tom", "by evidence, not by word", &["media", "state", &medium, state, "--note", "really"]);
    }
    org.sound();
}

#[test]
fn point_36_valuation() {
    let org = Org::new();
    org.in_use("L-1");
    let value = |basis: &'static str, amount: &'static str| ["cost", "value", "L-1", basis, amount, "--source", "S"];
    org.by("Fin", 0, &["cost", "value", "L-1", "market", "300 EUR", "--source", "price list", "--on", "2026-01-01"]);
    org.by("Fin", 0, &["cost", "value", "L-1", "appraisal", "250 EUR", "--source", "Expert Ltd"]);
    for (args, words) in [
        (value("guess", "1 EUR"), "\"guess\" is not known here"),
        (value("book", "1.234 EUR"), "at most two decimals"),
        (value("book", "some EUR"), "no amount of money"),
    ] {
        let told = org.by("Fin", 2, &args);
        assert!(told.contains(words), "{words}: {told}");
    }
    org.by("Fin", 2, &["cost", "value", "L-1", "book", "-1 EUR", "--source", "x"]);
    org.refused("Fin", "source", &["cost", "value", "L-1", "book", "1 EUR", "--source", " "]);
    org.refused("Tom", "may not book", &value("market", "1 EUR"));
    // Nothing of what was refused stands there; what stands, stands with who said it and when.
    let valuations = org.asset("L-1")["life"]["valuations"].clone();
    assert_eq!(valuations.as_array().unwrap().len(), 2, "{valuations}");
    for (at, expected) in [("300.00 EUR", "price list"), ("250.00 EUR", "Expert Ltd")].iter().enumerate() {
        let said = &valuations[at];
        let minor = expected.0.replace(['.', ' '], "").replace("EUR", "");
        assert_eq!((&said["money"]["minor"], &said["source"]), (&minor.into(), &expected.1.into()), "{valuations}");
    }
    assert_eq!((&valuations[0]["on"], &valuations[1]["basis"]), (&"2026-01-01".into(), &"appraisal".into()));
    assert!(org.mia(&["asset", "show", "L-1"]).contains("250.00 EUR (appraisal"));
    let listed = org.json("Fin", 0, &["cost", "list", "L-1"]);
    let worth: Vec<&str> = listed.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(worth, ["worth (market)", "worth (appraisal)"]);
    // A value is an opinion and no cost: TCO and book value know nothing of it.
    let lines = org.json("Mia", 0, &["report", "tco", "--by", "asset"]);
    assert_eq!((&lines[1]["row"]["asset"], &lines[1]["row"]["tco"]), (&"L-1".into(), &serde_json::Value::Null));
    org.sound();
}

#[test]
fn point_51_certified_itad_vendor() {
    let org = Org::new();
    vendor(&org, "GreenCo", "2090-12-31");
    let shown = &org.record("vendor", "GreenCo")["vendor"]["certifications"][0];
    assert_eq!((&shown["scheme"], shown["document"].as_str().unwrap().len()), (&"R2v3".into(), 64));
    // Where the policy says so, also whoever buys must be certified.
    org.policy("disposition", &["--certified-vendor"]);
    org.mia(&["vendor", "set", "Buyer", "--kind", "buyer"]);
    org.refused("Ida", "Buyer holds no certification", &["dispose", "open", "LOT-2", "resale", "--vendor", "Buyer"]);
    org.by("Ida", 0, &["dispose", "open", "LOT-2", "resale", "--vendor", "GreenCo"]);
    let image = org.on_lot("A-1", "none", "resale", "LOT-2");
    org.by("Fin", 0, &["cost", "book", "A-1", "recovery", "90 EUR"]);
    org.by("Ida", 0, &["asset", "outcome", "A-1", "sold"]);
    let told = org.wiped(&image);
    assert_eq!(told["blockers"][0], "no signed hand-over to GreenCo", "{told}");
    org.by("Ida", 0, &["dispose", "dispatch", "LOT-2", "--seal", "S-7"]);
    let left = &org.record("lot", "LOT-2")["lot"]["dispatched"][1];
    assert_eq!((&left["certification"]["number"], &left["lines"][0]["tag"]), (&"C-9".into(), &"A-1".into()), "{left}");
    assert!(left["lines"][0]["media"][0].as_str().unwrap().contains("sanitized"), "{left}");
    org.mia(&["asset", "close", "A-1"]);
    org.sound();
}
