//! Points 17 to 19, 50, 58: decommissioning and retirement.

use crate::org::Org;

fn retired(org: &Org, tag: &str, category: &str) {
    org.mia(&["asset", "add", tag, "--stage", "utilization", "--data-class", "internal", "--category", category]);
    org.mia(&["asset", "move", tag, "decommissioning"]);
}

#[test]
fn point_17_data_backup() {
    let org = Org::new();
    retired(&org, "L-1", "laptop");
    org.refused("Ida", "checklist item open: data_backup", &["asset", "move", "L-1", "disposition"]);
    org.refused("Tom", "may not comply", &["asset", "check", "L-1", "data_backup", "--waive", "empty"]);
    org.by("Tom", 0, &["asset", "check", "L-1", "data_backup", "--note", "restored from it, 3 files compared"]);
    org.refused("Ida", "checklist item open: licence_removal", &["asset", "move", "L-1", "disposition"]);
    let told = org.by("Mia", 3, &["asset", "blockers", "L-1"]);
    assert!(told.contains("checklist item open: mdm_release") && !told.contains("data_backup"), "{told}");
}

#[test]
fn point_18_licences_released_for_use_elsewhere() {
    let org = Org::new();
    org.mia(&["licence", "set", "CAD", "--seats", "1"]);
    org.mia(&["asset", "add", "L-1", "--stage", "utilization"]);
    org.mia(&["asset", "add", "L-2", "--stage", "utilization"]);
    org.by("Tom", 0, &["licence", "assign", "CAD", "L-1"]);
    org.refused("Tom", "all 1 seats", &["licence", "assign", "CAD", "L-2"]);
    org.mia(&["asset", "move", "L-1", "decommissioning"]);
    org.ticked("L-1");
    org.refused("Ida", "licence still assigned: CAD", &["asset", "move", "L-1", "disposition"]);
    org.by("Tom", 0, &["licence", "release", "CAD", "L-1"]);
    org.by("Ida", 0, &["asset", "move", "L-1", "disposition"]);
    org.by("Tom", 0, &["licence", "assign", "CAD", "L-2"]);
    org.sound();
}

#[test]
fn point_19_access_credentials_and_network_cut() {
    let org = Org::new();
    retired(&org, "L-1", "laptop");
    org.by(
        "Tom",
        0,
        &["asset", "check", "L-1", "data_backup", "licence_removal", "mdm_release", "asset_label_removed"],
    );
    for step in ["network_disconnect", "credential_revoke"] {
        org.refused("Ida", &format!("checklist item open: {step}"), &["asset", "move", "L-1", "disposition"]);
        org.by("Tom", 0, &["asset", "check", "L-1", step]);
    }
    org.by("Ida", 0, &["asset", "move", "L-1", "disposition"]);
    // Back in service, all of it is to be done again next time.
    org.by("Ida", 3, &["asset", "check", "L-1", "tagged"]);
}

#[test]
fn point_50_retirement_process() {
    let org = Org::new();
    let image = org.on_lot("A-1", "none", "resale", "LOT-1");
    org.refused("Mia", "is closed by evidence, not by a move", &["asset", "move", "A-1", "closed"]);
    org.refused("Mia", "cannot be closed", &["asset", "close", "A-1"]);
    org.by("Fin", 0, &["cost", "book", "A-1", "recovery", "90 EUR"]);
    org.by("Ida", 0, &["asset", "outcome", "A-1", "sold"]);
    let told = org.wiped(&image);
    assert_eq!((&told["verdict"], &told["closed"]), (&"accepted".into(), &true.into()), "{told}");
    assert_eq!(org.asset("A-1")["stage"], "closed");
    org.refused("Tom", "closed; nothing changes any more", &["asset", "condition", "A-1", "ok"]);
    org.sound();
}

#[test]
fn point_58_decommissioning_a_server() {
    let org = Org::new();
    retired(&org, "S-1", "rack server");
    let steps = org.json("Mia", 0, &["asset", "checklist", "S-1"]);
    assert_eq!((&steps[0]["template"], steps.len()), (&"server".into(), 15));
    org.ticked("S-1");
    let more = [
        "dependencies_checked",
        "services_migrated",
        "monitoring_removed",
        "backup_jobs_removed",
        "dns_removed",
        "firewall_rules_removed",
        "storage_unmapped",
        "controller_reset",
        "rack_removed",
    ];
    for step in &more[..8] {
        org.refused("Ida", &format!("checklist item open: {step}"), &["asset", "move", "S-1", "disposition"]);
        org.by("Tom", 0, &["asset", "check", "S-1", step]);
    }
    // The close rule asks for them too, and compliance alone can waive one.
    assert!(org.by("Mia", 3, &["asset", "blockers", "S-1"]).contains("checklist item open: rack_removed"));
    org.by("Cora", 0, &["asset", "check", "S-1", "rack_removed", "--waive", "it stands on a table"]);
    org.by("Ida", 0, &["asset", "move", "S-1", "disposition"]);
    let told = org.mia(&["asset", "checklist", "S-1"]);
    assert!(told.contains("waived") && told.contains("it stands on a table"), "{told}");
    org.sound();
}
