//! Makes evidence in bulk for `scripts/bench-verify`: certificates, and a custody log.
//!
//! ```text
//! evidence certificates STATE FACTS.json COUNT FOLDER
//! evidence log STATE COUNT
//! evidence floor STATE FOLDER
//! ```
//!
//! `STATE` is a state folder whose key has no passphrase. Its custody log is replaced by one of
//! `COUNT` entries, half of them intents and half outcomes. `floor` tells how many of the signatures in `FOLDER` a core
//! verifies in a second when that is all it does: by the library's strict verification, and by ours, which keeps
//! multiples of the key.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use ed25519_dalek::{Signature, VerifyingKey};
use lastwrite::certificate::{CertificatePayload, DocumentKind, IssueContext, id_of};
use lastwrite::custody::{ENTRY_TYP, Entry, Hash, leaf_hash};
use lastwrite::sanitize::record::RunFacts;
use lastwrite::signed::{Jws, Role, sign};
use lastwrite::station::Station;
use lastwrite::units::Bytes;
use nix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["certificates", state, facts, count, folder] => {
            certificates(Path::new(state), Path::new(facts), count.parse()?, Path::new(folder))
        }
        ["log", state, count] => log(Path::new(state), count.parse()?),
        ["floor", state, folder] => floor(Path::new(state), Path::new(folder)),
        _ => Err("evidence certificates STATE FACTS.json COUNT FOLDER | log STATE COUNT | floor STATE FOLDER".into()),
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

/// Whether a signature over a message is good.
type Judge<'a> = dyn Fn(&[u8], &[u8; 64]) -> bool + 'a;

fn floor(state: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let key = Station::open(state)?.key(None)?.public().clone();
    let strict = VerifyingKey::from_bytes(&key.to_bytes())?;
    let mut signed = Vec::new();
    for entry in std::fs::read_dir(folder)?.take(2000) {
        let jws = Jws::parse(&std::fs::read(entry?.path())?)?;
        let message = jws.signing_input(0).ok_or("a document without a signature")?;
        let signature = *jws.signatures().first().ok_or("a document without a signature")?.value();
        signed.push((message, signature));
    }
    key.prepare();
    let by_library =
        |message: &[u8], signature: &[u8; 64]| strict.verify_strict(message, &Signature::from_bytes(signature)).is_ok();
    let by_multiples = |message: &[u8], signature: &[u8; 64]| key.verifies(message, signature);
    let judges: [(&str, &Judge<'_>); 2] = [("strict", &by_library), ("multiples", &by_multiples)];
    for (name, verifies) in judges {
        let (start, mut count) = (cpu_time()?, 0);
        while cpu_time()? - start < Duration::from_secs(2) {
            if !signed.iter().all(|(message, signature)| verifies(message, signature)) {
                return Err(format!("{name}: a signature does not verify").into());
            }
            count += signed.len();
        }
        println!("{name} {:.0}", count as f64 / (cpu_time()? - start).as_secs_f64());
    }
    Ok(())
}

/// What this process has used of a core.
fn cpu_time() -> nix::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
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
            source: Entry::source_of(key.kid()),
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
