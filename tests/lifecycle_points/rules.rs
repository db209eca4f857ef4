//! Points 30, 32, 34, 44 to 46, 48, 55, 56: policies, roles, places, and the record itself.

use sqlx::Connection as _;

use crate::common::station::text;
use crate::disposition::vendor;
use crate::org::Org;

#[test]
fn point_30_clean_chain_of_custody() {
    let org = Org::new();
    vendor(&org, "GreenCo", "2090-12-31");
    org.by("Ida", 0, &["dispose", "open", "LOT-1", "resale", "--vendor", "GreenCo"]);
    let image = org.on_lot("A-1", "none", "resale", "LOT-1");
    let to =
        |who: &'static str, more: &[&'static str]| [&["asset", "hand-over", "A-1", "--to", who][..], more].concat();
    org.refused("Anna", "may not dispose", &to("Anna", &[]));
    org.refused("Tom", "may not dispose", &to("Tom", &[]));
    org.by("Ida", 0, &to("Driver", &["--seal", "S-1", "--reason", "to the depot"]));
    org.by("Ida", 0, &to("Depot", &["--seal", "S-1", "--reason", "overnight"]));
    org.by("Fin", 0, &["cost", "book", "A-1", "recovery", "1 EUR"]);
    org.by("Ida", 0, &["asset", "outcome", "A-1", "sold"]);
    // A link is missing: whoever had it is known, and the vendor did not.
    assert_eq!(org.wiped(&image)["blockers"], serde_json::json!(["no signed hand-over to GreenCo"]));
    org.refused("Mia", "no signed hand-over to GreenCo", &["asset", "close", "A-1"]);
    org.by("Ida", 0, &["dispose", "dispatch", "LOT-1", "--seal", "S-2"]);
    let short = ["dispose", "receive", "LOT-1", "--count", "0", "--by", "R. Cycler"];
    org.refused("Ida", "1 left on lot LOT-1, 0 arrived", &short);
    org.mia(&["asset", "close", "A-1"]);
    let shown = &org.json("Mia", 0, &["asset", "show", "A-1", "--history"])[0];
    let links: Vec<(&str, Option<&str>)> = shown["asset"]["handed_over"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| (link["to"].as_str().unwrap(), link["seal"].as_str()))
        .collect();
    assert_eq!(links, [("Driver", Some("S-1")), ("Depot", Some("S-1")), ("GreenCo", Some("S-2"))]);
    assert_eq!(shown["asset"]["stage"], "closed");
    org.refused("Ida", "closed; nothing changes any more", &to("Somebody", &[]));
    // Every event names who signed it, and the one before it.
    let (ida, mut hands) = (org.kid("Ida"), 0);
    for (n, event) in shown["events"].as_array().unwrap().iter().enumerate() {
        assert_eq!((event["revision"].as_str(), event["previous"].is_string()), (Some(&*(n + 1).to_string()), n > 0));
        assert_eq!(event["actor"].as_str().unwrap().len(), 43);
        if event["act"]["type"] == "handed_over" {
            assert_eq!(event["actor"], ida.as_str());
            hands += 1;
        }
    }
    assert_eq!(hands, 3);
    org.sound();

    // A link that is taken out of the chain is missed, and its place is told.
    let copy = org.station.path("copy.db");
    std::fs::copy(org.station.state().join("register/register.db"), &copy).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let mut hands = sqlx::AnyConnection::connect(&format!("sqlite://{}", text(&copy))).await.unwrap();
        let gone = sqlx::query("DELETE FROM event WHERE type='handed_over'").execute(&mut hands).await.unwrap();
        assert_eq!(gone.rows_affected(), 3);
        hands.close().await.unwrap();
    });
    let told = &org.json("Mia", 5, &["register", "audit", "--database", text(&copy)])[0];
    let findings = told["report"]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["code"] == "chain"), "{told}");
}

#[test]
fn point_32_everything_on_one_card() {
    let org = Org::new();
    org.catalogue();
    org.ordered("R-1", "1");
    org.mia(&["asset", "add", "L-1", "--request", "R-1", "--serial", "SN-1"]);
    org.mia(&["asset", "move", "L-1", "deployment"]);
    org.by("Tom", 0, &["asset", "configure", "L-1", "--software", "Office"]);
    org.by("Tom", 0, &["asset", "assign", "L-1", "--to", "Anna", "--location", "Berlin/2"]);
    org.by("Tom", 0, &["work", "open", "L-1", "repair", "hinge", "--number", "W-1"]);
    org.by("Tom", 0, &["media", "add", "L-1", "--serial", "D-1", "--model", "SSD"]);
    let card = org.mia(&["asset", "show", "L-1", "--history"]);
    for words in [
        "L-1",
        "deployment",
        "laptop Lenovo T14",
        "SN-1",
        "Berlin/2",
        "Anna",
        "2026-02-01",
        "1150.00 EUR",
        "Warranty ends",
        "request R-1",
        "Office",
        "W-1 (repair)",
        "SSD D-1: in use",
        "work begun: ",
        "request linked: request request/",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
}

#[test]
fn point_34_policy_enforcement() {
    let org = Org::new();
    org.policy("decommissioning", &["--second-person", "--step", "data_backup"]);
    org.policy("disposition", &["--second-person"]);
    org.second_compliance();
    let image = org.station.image("a.img", 1 << 16);
    org.mia(&["asset", "add", "A-1", "--class", "virtual", "--data-class", "none", "--stage", "decommissioning"]);
    org.by("Tom", 0, &["media", "add", "A-1", "--drive", text(&image)]);
    org.by("Tom", 0, &["asset", "count", "A-1", "1"]);
    org.by("Mia", 0, &["asset", "check", "A-1", "data_backup"]);
    org.by(
        "Tom",
        0,
        &[
            "asset",
            "check",
            "A-1",
            "licence_removal",
            "network_disconnect",
            "credential_revoke",
            "mdm_release",
            "asset_label_removed",
        ],
    );
    org.by("Ida", 0, &["asset", "route", "A-1", "resale", "--order", "LOT-1"]);
    org.refused("Mia", "ticked its steps and may not move it on (four eyes)", &["asset", "move", "A-1", "disposition"]);
    org.by("Ida", 0, &["asset", "move", "A-1", "disposition"]);
    org.by("Fin", 0, &["cost", "book", "A-1", "recovery", "1 EUR"]);
    org.by("Ida", 0, &["asset", "outcome", "A-1", "sold"]);
    // Whoever set the outcome brings the certificate in, and it does not close by their hand.
    let told = org.wiped(&image);
    assert_eq!(told["blockers"][0], "Ida set its outcome and may not close it (four eyes)", "{told}");
    org.refused("Ida", "four eyes", &["asset", "close", "A-1"]);
    org.mia(&["asset", "close", "A-1"]);
    org.sound();
}

#[test]
fn point_44_a_policy_for_every_stage() {
    let org = Org::new();
    let words = org.file("words.txt", "What we do.");
    org.second_compliance();
    let stages = ["procurement", "deployment", "utilization", "upgrade", "decommissioning", "disposition"];
    for stage in stages {
        org.by("Cora", 0, &["stage-policy", "propose", stage, "--title", stage, "--text", text(&words)]);
        org.by("Mia", 2, &["stage-policy", "show", stage]);
        org.refused(
            "Cora",
            "proposed the policy and may not approve it (four eyes)",
            &["stage-policy", "approve", stage, "1"],
        );
        org.refused("Tom", "may not comply", &["stage-policy", "approve", stage, "1"]);
        org.mia(&["stage-policy", "approve", stage, "1"]);
        assert!(org.mia(&["stage-policy", "show", stage]).contains("What we do."));
    }
    org.refused(
        "Cora",
        "the rule limits means nothing in upgrade",
        &["stage-policy", "propose", "upgrade", "--title", "t", "--text", text(&words), "--limit", "finance=1 EUR"],
    );
    // The next version holds from its day on; a move names the versions that were in force.
    org.by(
        "Cora",
        0,
        &[
            "stage-policy",
            "propose",
            "deployment",
            "--title",
            "next",
            "--text",
            text(&words),
            "--effective",
            "2090-01-01",
        ],
    );
    org.mia(&["stage-policy", "approve", "deployment", "2"]);
    assert_eq!(org.json("Mia", 0, &["stage-policy", "show", "deployment"])[0]["policy"]["version"], 1);
    assert_eq!(
        org.json("Mia", 0, &["stage-policy", "show", "deployment", "--at", "2090-01-02"])[0]["policy"]["version"],
        2
    );
    assert_eq!(org.json("Mia", 0, &["stage-policy", "list"]).len(), 7);
    org.mia(&["asset", "add", "L-1"]);
    org.mia(&["asset", "move", "L-1", "deployment"]);
    let shown = org.json("Mia", 0, &["asset", "show", "L-1", "--history"]);
    let moved = &shown[0]["events"][1]["act"];
    assert_eq!(moved["policies"], serde_json::json!({ "procurement": 1, "deployment": 1 }), "{moved}");
    org.sound();
}

#[test]
fn point_45_a_responsible_role() {
    let org = Org::new();
    let rows = org.json("Mia", 0, &["role", "list"]);
    let holders = |role: &str| rows.iter().find(|r| r["role"] == role).unwrap()["holders"].clone();
    assert_eq!(
        (holders("compliance"), holders("itad_operator")),
        (serde_json::json!(["Cora"]), serde_json::json!(["Ida"]))
    );
    org.refused("Tom", "roles that may: asset_manager", &["asset", "add", "L-1"]);
    org.refused("Mia", "may not administer", &["role", "grant", "x", "finance"]);
    org.refused("Ada", "may not manage", &["asset", "add", "L-1"]);
}

#[test]
fn point_46_the_policy_dictates_how_data_is_sanitized() {
    let org = Org::new();
    for (tag, data_class, needed) in
        [("A-1", "internal", "Purge"), ("A-2", "confidential", "Purge"), ("A-3", "regulated", "Destroy")]
    {
        let image = org.on_lot(tag, data_class, "resale", &format!("LOT-{tag}"));
        assert!(org.by("Mia", 3, &["asset", "blockers", tag]).contains("no certificate"));
        let blocker = org.wiped(&image)["blockers"][0].as_str().unwrap().to_owned();
        assert!(blocker.contains(&format!("attained Clear, {needed} is needed")), "{blocker}");
    }
    // A lower class asks for less: that is a decision of compliance, with its reason.
    org.refused("Mia", "may not comply", &["asset", "classify", "A-2", "none", "--note", "nothing on it"]);
    org.by("Cora", 0, &["asset", "classify", "A-2", "none", "--note", "only the practice image was on it"]);
    assert!(!org.by("Mia", 3, &["asset", "blockers", "A-2"]).contains("Purge"));
}

/// The organization's own policy of sanitization, approved by two, is what closes.
#[test]
fn point_46_the_organizations_own_policy_dictates_it() {
    let org = Org::new();
    let image = org.on_lot("A-1", "internal", "resale", "LOT-1");
    let blocker = org.wiped(&image)["blockers"][0].as_str().unwrap().to_owned();
    assert!(blocker.contains("attained Clear, Purge is needed"), "{blocker}");
    let built_in = lastwrite::policy::READY[0].toml;
    let ours = built_in.replace("id = \"nist-800-88r2\"", "id = \"ours\"").replace(
        "low      = { reused_inside = \"clear\", reused_outside = \"purge\"",
        "low = { reused_inside = \"clear\", reused_outside = \"clear\"",
    );
    assert!(ours.matches("ours").count() == 1 && ours.contains("low = {"), "{ours}");
    let broken = org.file("broken.toml", &ours.replace("format = 1", "format = 7"));
    let words = org.file("words.txt", "Ours.");
    let propose =
        ["stage-policy", "propose", "disposition", "--title", "Ours", "--text", text(&words), "--sanitization"];
    assert!(org.by("Cora", 2, &[&propose[..], &[text(&broken)]].concat()).contains("nothing was proposed"));
    let ours = org.file("ours.toml", &ours);
    let elsewhere =
        ["stage-policy", "propose", "deployment", "--title", "Ours", "--text", text(&words), "--sanitization"];
    org.refused("Cora", "means nothing in deployment", &[&elsewhere[..], &[text(&ours)]].concat());
    // Proposed is not in force.
    org.by("Cora", 0, &[&propose[..], &[text(&ours)]].concat());
    assert!(org.by("Mia", 3, &["asset", "blockers", "A-1"]).contains("Purge"));
    org.policy("disposition", &["--sanitization", text(&ours)]);
    assert!(org.mia(&["stage-policy", "show", "disposition"]).contains("ours version 1"));
    assert!(!org.by("Mia", 3, &["asset", "blockers", "A-1"]).contains("Purge"));
    org.by("Fin", 0, &["cost", "book", "A-1", "recovery", "90 EUR"]);
    org.by("Ida", 0, &["asset", "outcome", "A-1", "sold"]);
    org.by("Mia", 0, &["asset", "close", "A-1"]);
    assert_eq!(org.asset("A-1")["stage"], "closed");
    org.sound();
}

#[test]
fn point_48_central_register_in_and_out_as_csv() {
    let org = Org::new();
    let sheet = org.file("sheet.csv", "asset_tag,serial,status,location,purchase_date,warranty_months,full_name\nL-1,S1,Deployed,Berlin,2026-01-31,13,Anna\n");
    org.mia(&["asset", "import", text(&sheet)]);
    let exported = org.mia(&["asset", "export"]);
    assert!(exported.contains("L-1,S1") && exported.contains("Berlin") && exported.contains("Anna"), "{exported}");
    assert!(org.mia(&["asset", "show", "L-1"]).contains("Warranty ends  2027-02-28"));
    // What came by a sheet came without a request, until somebody accepts it.
    assert_eq!(org.json("Mia", 0, &["procure", "shadow"])[0]["tag"], "L-1");
    org.sound();
}

#[test]
fn point_55_who_may_see_change_or_retire_assets() {
    let org = Org::new();
    org.mia(&["asset", "add", "B-1", "--location", "Berlin/2", "--stage", "utilization"]);
    org.mia(&["asset", "add", "M-1", "--location", "Munich", "--stage", "utilization"]);
    org.by("Tom", 0, &["work", "open", "M-1", "repair", "hinge", "--number", "W-1"]);
    // Anna has no role and sees nothing; with one for Berlin she sees Berlin.
    org.refused("Anna", "has no role, so nothing is shown", &["asset", "list"]);
    let kid = org.kid("Anna");
    org.by("Ada", 0, &["role", "grant", &kid, "technician", "--location", "Berlin"]);
    let seen = org.json("Anna", 0, &["asset", "list"]);
    assert_eq!((seen.len(), &seen[0]["tag"]), (1, &"B-1".into()));
    org.by("Anna", 0, &["asset", "show", "B-1"]);
    org.by("Anna", 2, &["asset", "show", "M-1"]);
    org.by("Anna", 2, &["work", "show", "W-1"]);
    assert!(!org.by("Anna", 0, &["asset", "export"]).contains("Munich"));
    assert!(org.json("Anna", 0, &["work", "list"]).is_empty());
    // Change and retire.
    org.by("Anna", 0, &["asset", "condition", "B-1", "degraded"]);
    org.refused("Anna", "at Munich", &["asset", "condition", "M-1", "degraded"]);
    org.refused("Anna", "may not move", &["asset", "move", "B-1", "decommissioning"]);
    org.refused("Fin", "may not move", &["asset", "move", "B-1", "decommissioning"]);
}

#[test]
fn point_56_many_locations() {
    let org = Org::new();
    for (tag, place) in [("B-1", "Berlin/Building 2"), ("B-2", "Berlin"), ("X-1", "Berlinale"), ("M-1", "Munich")] {
        org.mia(&["asset", "add", tag, "--location", place, "--stage", "utilization"]);
    }
    let kid = org.kid("Anna");
    org.by("Ada", 0, &["role", "grant", &kid, "technician", "--location", "Berlin"]);
    for (tag, code) in [("B-1", 0), ("B-2", 0), ("X-1", 3), ("M-1", 3)] {
        org.by("Anna", code, &["asset", "condition", tag, "degraded"]);
    }
    // Out of one's own place, nothing is sent; into it, neither.
    org.refused("Anna", "at Munich", &["asset", "assign", "B-1", "--to", "Bert", "--location", "Munich"]);
    org.by("Anna", 0, &["asset", "assign", "B-1", "--to", "Bert", "--location", "Berlin/Cellar"]);
    org.refused("Anna", "at Munich", &["work", "open", "M-1", "repair", "x"]);
    org.sound();
}
