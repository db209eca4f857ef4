//! Points 1 to 6: procurement.

use crate::org::Org;

#[test]
fn point_01_business_need_and_need_against_want() {
    let org = Org::new();
    org.catalogue();
    let request = |number: &'static str, kind: &'static str| {
        [
            "procure",
            "request",
            number,
            "--kind",
            kind,
            "--need",
            "X-rays are read on it",
            "--what",
            "lenovo t14",
            "--price",
            "1200 EUR",
        ]
    };
    org.by("Tom", 2, &["procure", "request", "R-0", "--kind", "need", "--what", "Lenovo T14", "--price", "1 EUR"]);
    org.by("Tom", 0, &request("R-1", "need"));
    org.by("Tom", 0, &request("R-2", "want"));
    org.by("Fin", 0, &["procure", "approve", "R-1"]);
    org.refused("Fin", "it is a want, not a need", &["procure", "approve", "R-2"]);
    org.by("Fin", 0, &["procure", "refuse", "R-2", "--reason", "the old one does"]);
    assert_eq!(org.record("request", "R-1")["request"]["facts"]["need"], "X-rays are read on it");
    assert_eq!(org.record("request", "R-2")["status"], "refused");
    org.sound();
}

#[test]
fn point_02_total_cost_and_not_just_the_price() {
    let org = Org::new();
    org.catalogue();
    org.ordered("R-1", "1");
    org.mia(&["asset", "add", "L-1", "--request", "R-1"]);
    let booked = org.json("Fin", 0, &["cost", "list", "L-1"]);
    let amounts: Vec<&str> = booked.iter().map(|b| b["money"]["minor"].as_str().unwrap()).collect();
    assert_eq!(amounts, ["115000", "2000", "8000", "15000"]);
    assert!(booked.iter().all(|b| b["what"] == "acquisition"));
    // An order that costs more than what was granted needs a new grant.
    org.by(
        "Tom",
        0,
        &["procure", "request", "R-2", "--kind", "need", "--need", "n", "--what", "Lenovo T14", "--price", "1200 EUR"],
    );
    org.by("Fin", 0, &["procure", "approve", "R-2"]);
    let order = [
        "procure",
        "order",
        "R-2",
        "--vendor",
        "Kaufhaus IT",
        "--order",
        "P",
        "--price",
        "1200 EUR",
        "--setup",
        "1 EUR",
    ];
    org.refused("Mia", "1201.00 EUR, 1200.00 EUR was granted", &order);
    org.sound();
}

#[test]
fn point_03_standard_models() {
    let org = Org::new();
    org.catalogue();
    org.mia(&["model", "set", "Acme", "Luxo", "--category", "laptop", "--price", "4000 EUR"]);
    let rows = org.json("Mia", 0, &["model", "list", "--status", "standard"]);
    assert_eq!((rows.len(), &rows[0]["model"]["facts"]["model"]), (1, &"T14".into()));
    for (number, what) in [("R-1", "Lenovo T14"), ("R-2", "Acme Luxo"), ("R-3", "something else")] {
        org.by(
            "Tom",
            0,
            &["procure", "request", number, "--kind", "need", "--need", "n", "--what", what, "--price", "1 EUR"],
        );
    }
    org.by("Fin", 0, &["procure", "approve", "R-1"]);
    for number in ["R-2", "R-3"] {
        org.refused("Fin", "its model is no standard", &["procure", "approve", number]);
        org.by("Fin", 0, &["procure", "approve", number, "--note", "the scanner needs it"]);
    }
    // What the model says stands on the asset.
    org.ordered("R-4", "1");
    org.mia(&["asset", "add", "L-1", "--request", "R-4", "--serial", "SN1"]);
    let details = &org.asset("L-1")["details"];
    assert_eq!((&details["category"], &details["eol_date"]), (&"laptop".into(), &"2031-06-30".into()), "{details}");
    let told =
        org.by("Mia", 3, &["model", "set", "Acme", "X", "--category", "laptop", "--depreciation", "declining_balance"]);
    assert!(told.contains("yearly rate"), "{told}");
    org.sound();
}

#[test]
fn point_04_warranties_and_support() {
    let org = Org::new();
    org.catalogue();
    org.ordered("R-1", "1");
    org.mia(&["asset", "add", "L-1", "--request", "R-1"]);
    let card = org.mia(&["asset", "show", "L-1"]);
    assert!(card.contains("Warranty ends  2029-02-01"), "{card}");
    let feed = org.mia(&["work", "calendar"]);
    for words in [
        "SUMMARY:L-1: warranty ends",
        "DTSTART;VALUE=DATE:20290201",
        "Lenovo T14: the maker's support ends",
        "20310630",
    ] {
        assert!(feed.contains(words), "{words}: {feed}");
    }
}

#[test]
fn point_05_shadow_it_is_flagged() {
    let org = Org::new();
    org.catalogue();
    org.ordered("R-1", "2");
    org.mia(&["asset", "add", "L-1", "--request", "R-1"]);
    org.mia(&["asset", "add", "X-1", "--stage", "utilization"]);
    let shadow = || {
        org.json("Mia", 0, &["procure", "shadow"])
            .iter()
            .map(|r| r["tag"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(shadow(), ["X-1"]);
    assert!(org.mia(&["asset", "show", "X-1"]).contains("shadow IT"));
    org.refused("Mia", "may not comply", &["asset", "accept-origin", "X-1", "--reason", "a gift"]);
    org.by("Cora", 0, &["asset", "accept-origin", "X-1", "--reason", "a gift of the university"]);
    assert!(shadow().is_empty());
    // Where the policy says so, nothing is deployed without a granted request.
    org.policy("procurement", &["--request"]);
    org.mia(&["asset", "add", "X-2"]);
    org.refused(
        "Mia",
        "no granted request stands behind it (policy of procurement, version 1)",
        &["asset", "move", "X-2", "deployment"],
    );
    org.mia(&["asset", "add", "L-2", "--request", "R-1"]);
    org.mia(&["asset", "move", "L-2", "deployment"]);
    org.refused("Mia", "request R-1 is received, not ordered", &["asset", "add", "L-3", "--request", "R-1"]);
    org.sound();
}

#[test]
fn point_06_who_may_buy_and_approval() {
    let org = Org::new();
    org.catalogue();
    let request = |number: &'static str, price: &'static str| {
        ["procure", "request", number, "--kind", "need", "--need", "n", "--what", "Lenovo T14", "--price", price]
    };
    org.by("Fin", 0, &request("R-1", "100 EUR"));
    org.refused("Fin", "asked for it and may not grant it (four eyes)", &["procure", "approve", "R-1"]);
    org.refused("Tom", "may not approve", &["procure", "approve", "R-1"]);
    org.refused("Anna", "may not ask for purchases", &request("R-9", "1 EUR"));
    org.policy("procurement", &["--limit", "asset_manager=1000 EUR", "finance=5000 EUR"]);
    for (number, price) in [("R-2", "1000 EUR"), ("R-3", "1000.01 EUR"), ("R-4", "5000.01 EUR"), ("R-5", "10 USD")] {
        org.by("Tom", 0, &request(number, price));
    }
    org.by("Mia", 0, &["procure", "approve", "R-2"]);
    org.refused("Mia", "1000.01 EUR is above what Mia may grant", &["procure", "approve", "R-3"]);
    org.by("Fin", 0, &["procure", "approve", "R-3"]);
    org.refused("Fin", "no role may grant that much", &["procure", "approve", "R-4"]);
    org.refused("Fin", "10.00 USD is above", &["procure", "approve", "R-5"]);
    org.refused(
        "Mia",
        "is open, not approved",
        &["procure", "order", "R-4", "--vendor", "Kaufhaus IT", "--order", "P", "--price", "1 EUR"],
    );
    org.sound();
}
