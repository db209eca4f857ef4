//! Points 13 to 16: upgrade or refresh.

use crate::org::Org;

/// Under review, with two years of costs that grow by half.
fn under_review(org: &Org) {
    org.catalogue();
    org.in_use("L-1");
    let ago = |days: u64| (chrono::Utc::now().date_naive() - chrono::Days::new(days)).to_string();
    for (days, amount) in [(500, "200 EUR"), (100, "250 EUR"), (50, "50 EUR")] {
        org.by("Fin", 0, &["cost", "book", "L-1", "maintenance", amount, "--on", &ago(days)]);
    }
    org.by("Mia", 0, &["asset", "move", "L-1", "upgrade", "--reason", "it is slow"]);
}

const REFRESH: [&str; 16] = [
    "asset",
    "decide",
    "L-1",
    "refresh",
    "--rationale",
    "dearer to keep",
    "--replace",
    "1200 EUR",
    "--life",
    "48",
    "--running",
    "100 EUR",
    "--performance",
    "waits for its disk",
    "--security",
    "no fixes soon",
];

#[test]
fn point_13_upgrade_or_replace() {
    let org = Org::new();
    under_review(&org);
    org.refused("Mia", "nothing is decided", &["asset", "move", "L-1", "utilization", "--reason", "r"]);
    org.refused("Mia", "nothing is decided", &["asset", "move", "L-1", "decommissioning"]);
    let mut upgrade = REFRESH;
    upgrade[3] = "upgrade";
    org.mia(&upgrade);
    org.refused("Mia", "proposed it and may not approve it (four eyes)", &["asset", "approve", "L-1"]);
    org.refused("Tom", "may not approve", &["asset", "approve", "L-1"]);
    org.by("Fin", 0, &["asset", "refuse", "L-1", "--reason", "too dear"]);
    org.mia(&upgrade);
    org.by("Fin", 0, &["asset", "approve", "L-1", "--note", "fine"]);
    org.refused(
        "Mia",
        "upgrade was decided, so it does not go to decommissioning",
        &["asset", "move", "L-1", "decommissioning"],
    );
    org.refused("Mia", "the upgrade is not done", &["asset", "move", "L-1", "utilization"]);
    org.by("Tom", 0, &["work", "open", "L-1", "upgrade", "32 GiB", "--number", "W-1"]);
    org.by("Tom", 0, &["work", "done", "W-1", "memory is in"]);
    org.mia(&["asset", "move", "L-1", "utilization"]);
    org.sound();
}

#[test]
fn point_14_by_cost_performance_and_security_risk() {
    let org = Org::new();
    under_review(&org);
    let made = &org.json("Mia", 0, &REFRESH)[0]["decision"]["facts"];
    let inputs = &made["inputs"];
    // From the books: 300 in the last year, 200 in the year before.
    assert_eq!(
        (&inputs["keep_per_year"]["minor"], &inputs["keep_growth_bp"]),
        (&"30000".into(), &5000.into()),
        "{inputs}"
    );
    assert_eq!((&inputs["performance"], &inputs["security"]), (&"waits for its disk".into(), &"no fixes soon".into()));
    // A risk weighs as much as money: the end of support comes first.
    let soon = (chrono::Utc::now().date_naive() + chrono::Days::new(20)).to_string();
    let made = &org.json("Mia", 0, &[&REFRESH[..], &["--end-of-support", &soon]].concat())[0]["decision"]["facts"];
    assert_eq!(
        (&made["crossing"]["reason"], &made["crossing"]["months"]),
        (&"end_of_support".into(), &1.into()),
        "{made}"
    );
    org.sound();
}

#[test]
fn point_15_the_moment_when_replacing_is_cheaper() {
    let org = Org::new();
    under_review(&org);
    // 300 a year growing by half against 1200 over four years and 100 a year: 400 after eight months.
    let made = &org.json("Mia", 0, &REFRESH)[0]["decision"]["facts"]["crossing"];
    assert_eq!((&made["months"], &made["reason"]), (&8.into(), &"cost".into()), "{made}");
    let told = org.mia(&[&REFRESH[..], &["--growth", "0"]].concat());
    assert!(told.contains("keeping does not become dearer"), "{told}");
    let told = org.mia(&[&REFRESH[..], &["--keep", "401 EUR"]].concat());
    assert!(told.contains("(0 months): keeping costs more"), "{told}");
    org.sound();
}

#[test]
fn point_16_no_disruption() {
    let org = Org::new();
    under_review(&org);
    org.mia(&REFRESH);
    org.refused("Mia", "cannot replace itself", &["asset", "replaced", "L-1", "--by", "L-1"]);
    org.by("Fin", 0, &["asset", "approve", "L-1"]);
    org.refused("Mia", "its replacement is not in use yet", &["asset", "move", "L-1", "decommissioning"]);
    org.mia(&["asset", "add", "L-2", "--stage", "deployment"]);
    org.refused("Mia", "it is in deployment, handed to nobody", &["asset", "replaced", "L-1", "--by", "L-2"]);
    org.refused("Mia", "may not comply", &["asset", "replaced", "L-1", "--waive", "nobody needs it"]);
    org.by("Tom", 0, &["asset", "check", "L-2", "tagged"]);
    org.by("Tom", 0, &["asset", "assign", "L-2", "--to", "Anna"]);
    org.mia(&["asset", "move", "L-2", "utilization"]);
    org.mia(&["asset", "replaced", "L-1", "--by", "L-2"]);
    org.mia(&["asset", "move", "L-1", "decommissioning"]);
    assert_eq!(org.asset("L-1")["life"]["replacement"], "L-2");
    org.sound();
}
