//! Several drives in one guest, wiped in one call, and judged one by one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::table::{self, Row, Truth};
use crate::common;
use crate::rig::plug::{Drive, Plug};
use crate::rig::{Guest, guest::Ran};

const FAILS_ONCE: &str = "fails one sanitize, and takes nothing but another one until that succeeds";

/// One drive of a bench.
pub struct Case<'a> {
    pub drive: &'a dyn Drive,
    /// The serial number by which it is found; empty: by having none, and by its size, which also
    /// tells two with one serial number apart.
    pub serial: &'a str,
    /// What it is, in the table.
    pub kind: &'a str,
    /// What it does, in the table.
    pub behaviour: &'a str,
    pub truth: Truth,
}

impl Case<'_> {
    /// Its entry in the list of drives.
    pub fn find<'d>(&self, drives: &'d [Value]) -> Option<&'d Value> {
        let serial = |d: &&Value| d["identity"]["serial"].as_str().unwrap_or_default() == self.serial;
        let size = (self.drive.left().1 * 512).to_string();
        let named: Vec<&Value> = drives.iter().filter(serial).collect();
        match named[..] {
            [drive] if !self.serial.is_empty() => Some(drive),
            _ => named.into_iter().find(|d| d["identity"]["size"].as_str() == Some(&size)),
        }
    }
}

/// A case in one line.
pub fn case<'a>(drive: &'a dyn Drive, serial: &'a str, kind: &'a str, truth: Truth, behaviour: &'a str) -> Case<'a> {
    Case { drive, serial, kind, behaviour, truth }
}

pub struct Bench {
    pub guest: Guest,
    pub share: tempfile::TempDir,
    /// All that `lastwrite` said in `wipe` and `resume`.
    pub said: String,
    scene: &'static str,
    rows: Vec<Row>,
}

impl Bench {
    /// Boots; `None` where there is no rig.
    pub fn start(scene: &'static str, drives: &[&dyn Plug]) -> Option<Bench> {
        let share = tempfile::tempdir().unwrap();
        let guest = Guest::boot(share.path(), drives)?;
        Some(Bench { guest, share, said: String::new(), scene, rows: Vec::new() })
    }

    /// The power goes, and comes back: the same station, the same drives.
    pub fn boot_again(&mut self, drives: &[&dyn Plug]) {
        self.guest.cut();
        self.guest = Guest::boot(self.share.path(), drives).unwrap();
    }

    /// Wipes all of them in one call and puts each down. Gives the results in the order of the cases.
    pub fn wipe(&mut self, cases: &[Case<'_>], asked: &str, words: &[&str]) -> Vec<Value> {
        let drives = self.guest.drives_with(|drives| cases.iter().all(|case| case.find(drives).is_some()));
        let mut all = vec!["--json".to_owned(), "wipe".to_owned()];
        let mut paths = Vec::new();
        for case in cases {
            let drive = case
                .find(&drives)
                .unwrap_or_else(|| panic!("no drive {:?}: {drives:#?}\n{}", case.serial, self.guest.console()));
            let path = drive["path"].as_str().unwrap().to_owned();
            all.extend([path.clone(), "--confirm".into(), drive["confirm_token"].as_str().unwrap().into()]);
            paths.push(path);
        }
        all.extend(words.iter().map(|w| (*w).to_owned()));
        let ran = self.guest.lastwrite(&all.iter().map(String::as_str).collect::<Vec<_>>());
        self.said += &(ran.stdout.clone() + &ran.stderr);
        let lines = ran.json();
        let result = |path: &String| {
            let found = lines.iter().rfind(|line| line["target"] == **path && line["outcome"].is_string());
            found.cloned().unwrap_or_else(|| {
                panic!("nothing of {path}: {}\n{}\n{}", ran.stdout, ran.stderr, self.guest.console())
            })
        };
        let results: Vec<Value> = paths.iter().map(result).collect();
        for (case, result) in cases.iter().zip(&results) {
            self.judge(case, asked, result);
        }
        results
    }

    /// The first sanitize of the drive fails, which shuts it: the run steps down to the next.
    #[track_caller]
    pub fn steps_down_once(&mut self, drive: &dyn Drive, serial: &str, kind: &str, technique: &str) {
        let words = ["--method", "purge", "--step-down", "same-method"];
        let case = case(drive, serial, kind, Truth::Honest, FAILS_ONCE);
        let result = self.wipe(&[case], &format!("`{technique}`, `--step-down same-method`"), &words);
        let document = payload(&self.on_host(&result[0]["certificate"]));
        let facts = &document["facts"];
        assert_eq!(facts["steps_down"][0]["failure"]["code"], "drive_failed", "{facts:#}");
        assert_eq!(
            (&facts["steps_down"][0]["from"], facts["steps_down"].as_array().unwrap().len()),
            (&technique.into(), 1)
        );
        assert!(facts["technique"].as_str().unwrap().ends_with("-crypto"), "{facts:#}");
        let known = &facts["firmware"]["canaries"];
        assert!(known["known"].as_u64().unwrap() > 10 && known["known"] == known["gone"], "{known}");
        assert!(facts["firmware"]["path"]["notes"].to_string().contains("was written before"), "{facts:#}");
    }

    /// The same; a run is begun anew on the drive that is shut, and one more on the drive that is open again.
    #[track_caller]
    pub fn begins_anew(&mut self, drive: &dyn Drive, serial: &str, kind: &str, technique: &str) {
        let (asked, words) = (format!("`{technique}`"), ["--technique", technique]);
        self.wipe(&[case(drive, serial, kind, Truth::Faulty, FAILS_ONCE)], &asked, &words);
        let again = [case(drive, serial, kind, Truth::Honest, "has failed a sanitize of the run before")];
        let result = self.wipe(&again, &asked, &words);
        let document = payload(&self.on_host(&result[0]["certificate"]));
        assert_eq!(document["grade"]["mark"], "D", "{document:#}");
        let again = [case(drive, serial, kind, Truth::Honest, "is honest, and has had a sanitize that failed")];
        let result = self.wipe(&again, &asked, &words);
        assert_ne!(payload(&self.on_host(&result[0]["certificate"]))["grade"]["mark"], "D");
    }

    /// What was reported against what is on the medium, and against the documents.
    #[track_caller]
    pub fn judge(&mut self, case: &Case<'_>, asked: &str, result: &Value) {
        let left = case.drive.left();
        let passed = result["outcome"] == "pass";
        let name = format!("{} that {}: {result:#}", case.kind, case.behaviour);
        assert!(passed || case.truth == Truth::Faulty, "FALSE FAILURE of {name}\n{}", self.guest.console());
        assert!(!passed || left.0 == 0 || case.truth == Truth::BeyondAnyHost, "FALSE PASS ({left:?} left) of {name}");
        let reported = self.documents_agree(case, result);
        if case.truth == Truth::BeyondAnyHost {
            let says = self.documents("certificates").into_iter().find(|d| d["facts"]["run_id"] == result["run_id"]);
            assert!(says.is_some_and(|d| d["statement"].to_string().contains(table::BEYOND_ANY_HOST)), "{result:#}");
        }
        // How far an open run came differs from one time to the next.
        let left = if reported == "interrupted" { "as far as it came".into() } else { table::words(left) };
        self.rows.push(Row {
            truth: case.truth,
            drive: case.kind.into(),
            behaviour: case.behaviour.into(),
            asked: asked.into(),
            reported,
            left,
        });
    }

    /// A pass has one certificate, which a tool that is not ours believes; nothing else has one.
    #[track_caller]
    fn documents_agree(&self, case: &Case<'_>, result: &Value) -> String {
        let run = &result["run_id"];
        let of_run = |folder: &str| self.documents(folder).into_iter().filter(|d| d["facts"]["run_id"] == *run).count();
        let (certificates, failures) =
            if run.is_null() { (0, 0) } else { (of_run("certificates"), of_run("failures")) };
        let outcome = result["outcome"].as_str().unwrap();
        match outcome {
            "pass" => {
                assert_eq!((certificates, failures), (1, 0), "{result:#}");
                let path = self.on_host(&result["certificate"]);
                let payload = payload(&path);
                let identity = &payload["facts"]["medium"]["identity"];
                assert_eq!(*identity, result["medium"]["identity"], "{result:#}");
                assert_eq!(identity["serial"].as_str().unwrap_or_default(), case.serial);
                verified_elsewhere(&self.share.path().join("state/trust.jwks.json"), &path, case.serial);
                match payload["grade"]["mark"].as_str() {
                    Some("D") => "pass, certificate: not proven, grade D".into(),
                    _ => "pass, certificate".into(),
                }
            }
            "fail" => {
                assert_eq!((certificates, failures), (0, 1), "{result:#}");
                let code = payload(&self.on_host(&result["failure_report"]))["failure"]["code"].clone();
                format!("fail, report: `{}`", code.as_str().unwrap())
            }
            "refused" => {
                assert_eq!((certificates, failures), (0, 0), "{result:#}");
                let reasons = result["medium"]["protections"].as_array().cloned().unwrap_or_default();
                let reasons: Vec<&str> = reasons.iter().filter_map(|r| r["reason"].as_str()).collect();
                match reasons.is_empty() {
                    true => "refused".into(),
                    false => format!("refused: `{}`", reasons.join("`, `")),
                }
            }
            other => {
                assert_eq!(certificates, 0, "{result:#}");
                other.into()
            }
        }
    }

    /// Payloads of the station's documents.
    pub fn documents(&self, folder: &str) -> Vec<Value> {
        let Ok(entries) = fs::read_dir(self.share.path().join("state").join(folder)) else { return Vec::new() };
        let paths = entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|x| x == "json"));
        paths.map(|path| payload(&path)).collect()
    }

    fn on_host(&self, path: &Value) -> PathBuf {
        let path = path.as_str().unwrap_or_else(|| panic!("no document: {path}"));
        self.share.path().join(path.trim_start_matches("/share/"))
    }

    /// Takes up a run; its result.
    pub fn resume(&mut self, run: &str, words: &[&str]) -> (Ran, Value) {
        let mut all = vec!["--json", "resume", run];
        all.extend(words);
        let ran = self.guest.lastwrite(&all);
        self.said += &(ran.stdout.clone() + &ran.stderr);
        let last = ran.json().pop().unwrap_or(Value::Null);
        (ran, last)
    }

    /// A line of the table that no single result stands for.
    pub fn put_down(&mut self, case: &Case<'_>, asked: &str, reported: &str) {
        self.rows.push(Row {
            truth: case.truth,
            drive: case.kind.into(),
            behaviour: case.behaviour.into(),
            asked: asked.into(),
            reported: reported.into(),
            left: table::words(case.drive.left()),
        });
    }

    /// Compares with the page.
    #[track_caller]
    pub fn end(self) {
        table::settle(self.scene, &self.rows);
    }
}

/// The id of the run whose medium has this serial number, anywhere in the list.
pub fn run_of(list: &[Value], serial: &str) -> Option<String> {
    fn find(value: &Value, serial: &str) -> Option<String> {
        match value {
            Value::Object(members) => {
                let own = members.get("run_id").and_then(Value::as_str);
                let fits = value.to_string().contains(&format!("\"{serial}\""));
                own.filter(|_| fits).map(str::to_owned).or_else(|| members.values().find_map(|v| find(v, serial)))
            }
            Value::Array(items) => items.iter().find_map(|v| find(v, serial)),
            _ => None,
        }
    }
    list.iter().find_map(|v| find(v, serial))
}

/// What a signed document says.
pub fn payload(path: &Path) -> Value {
    let document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(document["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Python's joserfc, with the few lines that our page gives to whoever trusts nobody.
fn verified_elsewhere(trust: &Path, certificate: &Path, serial: &str) {
    let Some(python) = common::python_with_joserfc() else { return };
    let script = certificate.with_extension("py");
    fs::write(&script, common::block_of_page("# verify.py")).unwrap();
    let ran = Command::new(python).args([&script, certificate, trust]).output().unwrap();
    fs::remove_file(&script).unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains(serial), "{said}{}", String::from_utf8_lossy(&ran.stderr));
}
