//! Runs of many sorts, each a good one.

use lastwrite::sanitize::record::RunFacts;
use lastwrite::units::Bytes;
use serde_json::json;

use crate::samples::facts;

/// Under the built-in policy, with blocks that the policy allows to be bad, by samples, by an operator with a key.
pub fn sampled() -> RunFacts {
    let mut facts = serde_json::to_value(facts()).unwrap();
    facts["policy"] = json!({
        "id": "nist-800-88r2", "version": "1", "digest": lastwrite::policy::READY[0].digest(), "signed_by": null,
        "category": "low", "route": "internal_reuse", "assumed": [], "minimum": "clear",
        "least_verification": "sample", "validation": false, "second_person_percent": 0, "bad_blocks_allowed": 0,
        "hidden_areas": "recorded", "operator": "anybody", "step_down": "lower-method",
        "ladder": [{"technique": "ata-sanitize-block", "method": "purge"}, {"technique": "overwrite", "method": "clear"}],
        "before_destruction": false, "retention_years": 3,
    });
    facts["verification"]["level"] = json!("sample");
    facts["verification"]["seed"] = json!("ab".repeat(32));
    facts["verification"]["matched"] = json!("100020488704");
    facts["verification"]["wanted"] = json!("100020488704");
    facts["proven"] = json!("sampled_readback");
    facts["passes"][0]["pattern"] = json!({"kind": "bytes", "bytes": "92492449"});
    serde_json::from_value(facts).unwrap()
}

/// An NVMe drive that erased itself, after another technique had failed.
pub fn erased() -> RunFacts {
    let mut facts = serde_json::to_value(facts()).unwrap();
    let at = facts["started"].clone();
    let exchange = |name: &str, command: &str, data: Option<&str>| {
        let mut exchange = json!({
            "set": "nvme", "name": name, "command": command,
            "reply": {"kind": "nvme", "status": "0", "result": "00000000"}, "sent": at, "answered": at,
        });
        data.into_iter().for_each(|data| exchange["data_in"] = json!(data));
        exchange
    };
    let sanitize = format!("84{}02{}", "00".repeat(7), "00".repeat(21));
    let mut other = crate::samples::facts().medium.identity;
    (other.unit, other.size) = (Some("another".to_owned()), Bytes(4096));
    let along = json!({
        "identity": other, "identity_digest": other.digest(), "path": "/dev/other", "read": {
            "canaries": {"known": 2, "gone": 2}, "samples": {"known": 1, "gone": 1},
            "found": {"zeros": "7", "ones": "1", "other": "0"},
        },
    });
    facts["force_ro"] = json!([
        {"node": "/dev/other", "identity_digest": "d", "cleared": at, "set_back": at},
        {"node": "/dev/another", "identity_digest": "d", "cleared": at, "failed": "EROFS"},
    ]);
    facts["firmware"] = json!({
        "path": {"set": "nvme", "identity_agrees": true, "returns_status": true, "notes": ["n"]}, "reach": "subsystem",
        "also": [along], "unattached": [2, 3], "sent": facts["started"], "ended": facts["ended"], "estimate_seconds": 60, "status": "SSTAT 0101h",
        "exchanges": [
            exchange("Sanitize", &sanitize, None),
            exchange("Get Log Page (Sanitize Status)", "02ffffffff007f0081", Some("ffff010102")),
        ],
        "canaries": {"known": 256, "gone": 256}, "samples": {"known": 100, "gone": 100}, "blank_samples": 156,
        "found": {"zeros": "1953525168", "ones": "0", "other": "0"}, "cleaned_up": null,
    });
    facts["steps_down"] = json!([{
        "from": "nvme-sanitize-crypto", "to": "nvme-sanitize-block", "at": at, "exchanges": [],
        "failure": {"code": "c", "message": "m", "advice": "a"},
    }]);
    facts["technique"] = json!("nvme-sanitize-block");
    facts["scheme"]["name"] = json!("nvme-sanitize-block");
    facts["requested"] = json!("purge");
    facts["attained"] = json!("purge");
    facts["proven"] = json!("erased_full_read");
    facts["passes"] = json!([]);
    facts["hidden_areas"] = json!({"state": "reached_by_command", "why": "its standard", "areas": [
        {"kind": "unallocated_capacity", "size": "4096", "note": "n", "outcome": "reached"},
        {"kind": "unattached_namespaces", "size": null, "note": "n", "outcome": "unknown"},
    ]});
    serde_json::from_value(facts).unwrap()
}

/// The same under a policy that assumes the category and does nothing without a route.
pub fn governed() -> RunFacts {
    let mut facts = serde_json::to_value(erased()).unwrap();
    let pci = lastwrite::policy::Ready::find("pci-dss").unwrap();
    facts["policy"] = json!({
        "id": "pci-dss", "version": "1", "digest": pci.digest(), "signed_by": null, "category": "moderate",
        "route": "internal_reuse", "assumed": ["category"], "minimum": "purge", "least_verification": "sample",
        "validation": false, "second_person_percent": 0, "bad_blocks_allowed": 0, "hidden_areas": "recorded",
        "operator": "named", "step_down": "same-method",
        "ladder": [
            {"technique": "nvme-sanitize-crypto", "method": "purge"}, {"technique": "nvme-sanitize-block", "method": "purge"},
        ],
        "before_destruction": false, "retention_years": 1,
    });
    serde_json::from_value(facts).unwrap()
}

/// A disk whose host protected area was given back before the run.
pub fn given_back() -> RunFacts {
    let mut facts = serde_json::to_value(facts()).unwrap();
    let mut before = facts["medium"]["identity"].clone();
    before["size"] = json!("1000204881920");
    facts["hidden_areas"] = json!({
        "state": "examined", "by": "READ NATIVE MAX ADDRESS EXT",
        "areas": [{"kind": "host_protected_area", "size": "4096", "note": "n", "outcome": "given_back"},
            {"kind": "accessible_max_address", "size": null, "note": "n", "outcome": "unknown"}],
        "exchanges": [{
            "set": "ata", "name": "SET MAX ADDRESS EXT", "command": "00", "reply": {"kind": "no_registers"},
            "sent": facts["started"], "answered": facts["started"],
        }],
        "restored": {"before": before, "otherwise": "refuse", "at": facts["started"]},
    });
    serde_json::from_value(facts).unwrap()
}

/// The same of a SCSI disk whose block descriptor had taken capacity away.
pub fn lengthened() -> RunFacts {
    let mut facts = serde_json::to_value(given_back()).unwrap();
    facts["hidden_areas"]["by"] = json!("MODE SENSE (block descriptor)");
    facts["hidden_areas"]["areas"] =
        json!([{"kind": "short_capacity", "size": "4096", "note": "n", "outcome": "given_back"}]);
    let exchange = &mut facts["hidden_areas"]["exchanges"][0];
    exchange["set"] = json!("scsi");
    exchange["name"] = json!("MODE SELECT (10)");
    exchange["reply"] = json!({"kind": "scsi", "status": "00", "sense": ""});
    serde_json::from_value(facts).unwrap()
}

/// A drive that was reverted by its PSID.
pub fn reverted() -> RunFacts {
    let mut facts = serde_json::to_value(erased()).unwrap();
    let at = facts["started"].clone();
    let exchange = |name: &str, code: &str| {
        json!({
            "set": "opal", "name": name, "command": "", "reply": {"kind": "opal", "code": code},
            "sent": at, "answered": at,
        })
    };
    let mut revert = exchange("IOC_OPAL_PSID_REVERT_TPR", "0");
    revert["data_out"] = json!("redacted");
    let status = |code| exchange("IOC_OPAL_GET_STATUS", code);
    facts["firmware"]["exchanges"] = json!([status("7"), revert, status("3")]);
    facts["firmware"]["path"]["set"] = json!("opal");
    facts["steps_down"] = json!([]);
    facts["technique"] = json!("opal-psid-revert");
    facts["scheme"]["name"] = json!("opal-psid-revert");
    serde_json::from_value(facts).unwrap()
}

/// An ATA drive that was frozen: a suspend that failed, then one that cut its power.
pub fn suspended() -> RunFacts {
    let mut facts = serde_json::to_value(erased()).unwrap();
    let at = facts["started"].clone();
    let exchange = |name: &str, feature: &str| {
        json!({
            "set": "ata", "name": name, "command": format!("00{feature}{}b4", "00".repeat(9)),
            "reply": {
                "kind": "ata_registers", "registers": format!("008000{}5000", "00".repeat(7)), "count_high": true,
                "lba_high": true,
            },
            "sent": at, "answered": at,
        })
    };
    let asked = exchange("SANITIZE STATUS EXT", "00");
    facts["suspensions"] = json!([
        {"frozen": ["security", "sanitize"], "noted": at, "failed": "EBUSY", "after": ["sanitize"]},
        {"frozen": ["sanitize"], "noted": at, "woke": at, "slept_seconds": 20, "after": ["security"], "exchanges": [asked]},
    ]);
    let firmware = &mut facts["firmware"];
    firmware["path"]["set"] = json!("ata");
    firmware["reach"] = json!("unit");
    firmware.as_object_mut().unwrap().shift_remove("unattached");
    firmware["exchanges"] = json!([exchange("SANITIZE DEVICE (BLOCK ERASE EXT)", "12"), asked]);
    facts["technique"] = json!("ata-sanitize-block");
    facts["scheme"]["name"] = json!("ata-sanitize-block");
    facts["hidden_areas"]["areas"] = json!([]);
    facts.as_object_mut().unwrap().shift_remove("steps_down");
    serde_json::from_value(facts).unwrap()
}
