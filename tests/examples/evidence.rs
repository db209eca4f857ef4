//! Makes evidence in bulk for `scripts/bench-verify`: certificates, and a custody log.
//!
//! ```text
//! evidence certificates STATE FACTS.json COUNT FOLDER
//! evidence log STATE COUNT
//! ```
//!
//! `STATE` is a state folder whose key has no passphrase. Its custody log is replaced by one of
//! `COUNT` entries, half of them intents and half outcomes.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use lastwrite::certificate::{CertificatePayload, DocumentKind, IssueContext, id_of};
use lastwrite::custody::{ENTRY_TYP, Entry, Hash, leaf_hash};
use lastwrite::sanitize::record::RunFacts;
use lastwrite::signed::{Role, sign};
use lastwrite::station::Station;
use lastwrite::units::Bytes;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["certificates", state, facts, count, folder] => {
            certificates(Path::new(state), Path::new(facts), count.parse()?, Path::new(folder))
        }
        ["log", state, count] => log(Path::new(state), count.parse()?),
        _ => Err("evidence certificates STATE FACTS.json COUNT FOLDER | evidence log STATE COUNT".into()),
    }
}

fn certificates(state: &Path, facts: &Path, count: u32, folder: &Path) -> Result<(), Box<dyn Error>> {
    let station = Station::open(state)?;
    let key = station.key(None)?;
    let mut facts: RunFacts = serde_json::from_slice(&std::fs::read(facts)?)?;
    let config = station.config();
    let context = IssueContext {
        organization: config.organization.clone(),
        station: config.station.clone(),
        ..IssueContext::default()
    };
    std::fs::create_dir_all(folder)?;
    for n in 0..count {
        facts.run_id = format!("{n:032x}");
        facts.medium.identity.serial = Some(format!("S{n:014}"));
        facts.medium.identity.wwn = None;
        facts.medium.identity_digest = facts.medium.identity.digest();
        let payload = serde_json::to_vec(&CertificatePayload::from_facts(&facts, None, &context))?;
        let jws = sign(&payload, DocumentKind::Certificate.typ(), &key, Role::Station, Utc::now())?;
        std::fs::write(folder.join(format!("{}.json", id_of(&payload))), [jws.to_bytes(), b"\n".to_vec()].concat())?;
    }
    Ok(())
}

fn log(state: &Path, count: u64) -> Result<(), Box<dyn Error>> {
    let station = Station::open(state)?;
    let key = station.key(None)?;
    let folder = station.custody_folder();
    let id = station.log()?.id().to_owned();
    for hint in ["frontier.json", "index.bin"] {
        let _ = std::fs::remove_file(folder.join(hint)); // belongs to the log that is replaced
    }
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join("log.jsonl"))?);
    // Nothing is dated before the key became valid.
    let start = station.config().created;
    let mut previous: Option<Hash> = None;
    for index in 0..count {
        let (run, outcome) = (index / 2, index % 2 == 1);
        let run_id = format!("{run:032x}");
        let medium = format!("{:064x}", run);
        let data = match outcome {
            false => serde_json::json!({
                "run_id": run_id,
                "medium": { "vendor": "ATA", "model": "Samsung SSD 860 EVO 500GB", "serial": format!("S{run:014}"), "size": "500107862016" },
                "class": "physical", "path": "/dev/sdb", "requested": "clear", "scheme": "random",
                "verification": "full", "operator": "Kim Lee", "asset_tag": format!("A-{run}"),
            }),
            true => serde_json::json!({ "run_id": run_id, "document": medium, "asset_tag": format!("A-{run}") }),
        };
        let entry = Entry {
            specversion: "1.0".to_owned(),
            id: format!("{index:032x}"),
            source: format!("urn:lastwrite:station:{}", key.kid()),
            typ: if outcome { "run.passed" } else { "run.intended" }.to_owned(),
            subject: medium,
            time: start + TimeDelta::seconds(index.try_into()?),
            logid: id.clone(),
            index: Bytes(index),
            previous,
            data,
        };
        let line = sign(&serde_json::to_vec(&entry)?, ENTRY_TYP, &key, Role::Station, entry.time)?.to_bytes();
        previous = Some(leaf_hash(&line));
        file.write_all(&line)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(())
}
