//! Points 7 to 9: deployment.

use crate::common::station::text;
use crate::org::Org;

#[test]
fn point_07_unique_id_and_asset_tag() {
    let org = Org::new();
    org.mia(&["asset", "add", "L-1"]);
    org.refused("Mia", "stands in the register already", &["asset", "add", "L-1"]);
    org.refused("Mia", "is no asset tag", &["asset", "add", " L 1"]);
    let sheet = org.file("sheet.csv", "asset_tag\nL-2\nL-1\n");
    assert!(org.by("Mia", 3, &["asset", "import", text(&sheet)]).contains("nothing was added"));
    assert_eq!(org.json("Mia", 0, &["asset", "list"]).len(), 1);
}

#[test]
fn point_08_software_security_policies_and_network() {
    let org = Org::new();
    org.mia(&["asset", "add", "L-1", "--stage", "deployment"]);
    org.by("Tom", 2, &["asset", "configure", "L-1", "--mac", "nonsense"]);
    let configured = [
        "asset",
        "configure",
        "L-1",
        "--software",
        "Office 2024",
        "PACS viewer",
        "--security",
        "disk encryption",
        "--hostname",
        "l-1",
        "--mac",
        "00-1B-44-11-3A-B7",
        "--network",
        "VLAN 12",
    ];
    org.by("Tom", 0, &configured);
    let asset = org.asset("L-1");
    let configuration = &asset["life"]["configuration"];
    assert_eq!(configuration["mac"][0], "00:1b:44:11:3a:b7");
    assert_eq!(configuration["software"][1], "PACS viewer");
    for step in ["software_installed", "security_policy_applied", "network_joined"] {
        assert_eq!(asset["checklist"][step]["note"], "configured", "{step}");
    }
    assert!(org.mia(&["asset", "show", "L-1"]).contains("VLAN 12, 00:1b:44:11:3a:b7"));
    // Demanded by the policy, a step that is open keeps it from use.
    org.policy("deployment", &["--step", "software_installed", "user_trained"]);
    org.by("Tom", 0, &["asset", "check", "L-1", "tagged"]);
    org.by("Tom", 0, &["asset", "assign", "L-1", "--to", "Anna"]);
    org.refused(
        "Mia",
        "checklist item open: user_trained (policy of deployment",
        &["asset", "move", "L-1", "utilization"],
    );
    org.by("Tom", 0, &["asset", "check", "L-1", "user_trained"]);
    org.mia(&["asset", "move", "L-1", "utilization"]);
    org.sound();
}

#[test]
fn point_09_handed_over_to_a_person_and_training() {
    let org = Org::new();
    org.mia(&["asset", "add", "L-1", "--stage", "deployment"]);
    org.refused("Mia", "must be tagged and handed to somebody first", &["asset", "move", "L-1", "utilization"]);
    org.by("Tom", 0, &["asset", "check", "L-1", "tagged", "user_trained", "--note", "2 hours, safe use"]);
    org.refused("Anna", "nobody has it", &["asset", "acknowledge", "L-1"]);
    org.by("Tom", 0, &["asset", "assign", "L-1", "--to", "Anna"]);
    org.policy("deployment", &["--acknowledgement"]);
    org.refused("Mia", "has not acknowledged", &["asset", "move", "L-1", "utilization"]);
    // Nobody signs for her; she does, without any role. Somebody may record her paper.
    org.refused("Tom", "Tom cannot sign for Anna", &["asset", "acknowledge", "L-1"]);
    org.by("Anna", 0, &["asset", "acknowledge", "L-1"]);
    org.mia(&["asset", "move", "L-1", "utilization"]);
    assert_eq!(org.asset("L-1")["life"]["acknowledged"][1]["signed"], true);
    // In other hands it must be acknowledged again.
    org.by("Tom", 0, &["asset", "assign", "L-1", "--to", "Bert"]);
    assert!(org.asset("L-1")["life"]["acknowledged"].is_null());
    let paper = org.file("paper.pdf", "signed: Bert");
    org.by("Tom", 0, &["asset", "acknowledge", "L-1", "--paper", text(&paper)]);
    let said = org.asset("L-1")["life"]["acknowledged"][1].clone();
    assert_eq!((&said["name"], &said["signed"]), (&"Bert".into(), &false.into()));
    assert_eq!(said["document"].as_str().unwrap().len(), 64);
    org.sound();
}
