//! Holding what was seen against the record.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Finding, FindingKind, Resolution, Source};
use crate::register::Register;
use crate::register::act::Act;
use crate::register::error::RegisterError;
use crate::register::packed::Column;
use crate::register::store::Value;
use crate::register::work::Work;
use crate::signed::StationKey;

/// Rows read at a time.
const PAGE: i64 = 5000;
/// Findings stored at a time, inside the one transaction.
const CHUNK: usize = 500;

/// What is held against the record.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Sightings since then count; who was not seen since then is a ghost.
    pub since: DateTime<Utc>,
    /// Only assets of that place and below it; `None`: all.
    pub place: Option<String>,
    /// Only look, change nothing.
    pub dry_run: bool,
}

/// What a reconciliation found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Sightings that were held against the record.
    pub sightings: u64,
    /// Assets that should have been seen.
    pub expected: u64,
    /// What does not agree and was not known before.
    pub new: Vec<(FindingKind, Option<String>, String)>,
    /// Findings that were open already and still hold.
    pub known: u64,
    /// Ghosts that were seen again; their findings are resolved.
    pub seen_again: Vec<String>,
}

/// A finding that is open or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenFinding {
    /// Its stream, which is its name on the command line without `finding/`.
    pub id: String,
    /// What does not agree.
    pub kind: String,
    /// Tag.
    pub tag: Option<String>,
    /// In plain words.
    pub detail: String,
    /// Since when.
    pub opened: String,
    /// What it was.
    pub resolution: Option<String>,
}

/// Stream and asset of open findings, by their names.
type Open = HashMap<String, (String, Option<String>)>;

/// The last time an asset was seen.
struct Last {
    at: i64,
    location: Option<String>,
    custodian: Option<String>,
}

/// What is found against the record. A register in which nothing was ever seen has a finding an asset, so a dry
/// run keeps of each no more than it tells.
struct Against {
    open: Open,
    dry_run: bool,
    /// Found, and open already.
    known: u64,
    findings: Vec<Finding>,
    told: Vec<Told>,
}

/// Kind, tag and words of a finding.
type Told = (FindingKind, Option<String>, String);

fn told(finding: Finding) -> Told {
    (finding.kind, finding.tag, finding.detail)
}

impl Against {
    fn push(&mut self, finding: Finding) {
        match (self.open.contains_key(&finding.name), self.dry_run) {
            (true, _) => self.known += 1,
            (false, true) => self.told.push(told(finding)),
            (false, false) => self.findings.push(finding),
        }
    }
}

impl Register {
    /// Holds the sightings since a time against the record, opens findings for what does not agree,
    /// and resolves ghosts that were seen again. Doing it twice changes nothing.
    pub async fn reconcile(&mut self, key: &StationKey, scope: &Scope) -> Result<Found, RegisterError> {
        let mut found = Found::default();
        self.store.begin_reading().await?;
        let looked = self.look(scope, &mut found).await;
        self.store.end_reading().await;
        let (seen, against) = looked?;
        let again: Vec<(String, String, i64)> = against
            .open
            .iter()
            .filter(|(name, _)| name.starts_with(FindingKind::GhostOnBooks.name()))
            .filter_map(|(_, (stream, asset))| {
                let last = seen.get(asset.as_deref()?)?;
                Some((stream.clone(), asset.clone()?, last.at))
            })
            .collect();
        found.known += against.known;
        found.seen_again = again.iter().map(|(_, asset, _)| asset.clone()).collect();
        if scope.dry_run || (against.findings.is_empty() && again.is_empty()) {
            found.new = against.told;
            return Ok(found);
        }
        let findings = against.findings;
        self.run(key, async |work: &mut Work<'_>| {
            for chunk in findings.chunks(CHUNK) {
                for finding in chunk {
                    let stream = format!("finding/{}", uuid::Uuid::now_v7());
                    work.append(&stream, Act::FindingOpened(finding.clone())).await?;
                }
                work.flush().await?;
            }
            for (stream, _, at) in &again {
                let day = DateTime::from_timestamp(*at, 0).map(|at| at.date_naive().to_string()).unwrap_or_default();
                work.resolve(stream, Resolution::Found, format!("seen on {day}")).await?;
            }
            Ok(())
        })
        .await?;
        found.new = findings.into_iter().map(told).collect();
        Ok(found)
    }

    /// Reads all that is held against the record: when assets were last seen, and the findings that are open.
    async fn look(
        &mut self,
        scope: &Scope,
        found: &mut Found,
    ) -> Result<(HashMap<String, Last>, Against), RegisterError> {
        let open = self.open_names().await?;
        let mut against = Against { open, dry_run: scope.dry_run, known: 0, findings: Vec::new(), told: Vec::new() };
        let seen = self.take_sightings(scope, found, &mut against).await?;
        self.hold_against(scope, &seen, found, &mut against).await?;
        self.look_for_twins(scope, &mut against).await?;
        Ok((seen, against))
    }

    /// Findings, the open ones or all, after the one of that id; at most `limit`.
    pub async fn findings(&mut self, all: bool, after: &str, limit: u32) -> Result<Vec<OpenFinding>, RegisterError> {
        let sql = "SELECT stream, kind, tag, detail, opened_day, resolution FROM finding \
                   WHERE stream>$1 AND (resolution IS NULL OR $2=1) ORDER BY stream LIMIT $3";
        let after = if after.is_empty() { String::new() } else { format!("finding/{after}") };
        let values = [Value::Text(Some(after)), Value::Whole(i64::from(all)), Value::Whole(i64::from(limit))];
        let rows = self.store.texts(sql, &values, 6).await?;
        let read = |row: Vec<Option<String>>| {
            let [id, kind, tag, detail, opened, resolution] = <[Option<String>; 6]>::try_from(row).ok()?;
            let id = id?.trim_start_matches("finding/").to_owned();
            Some(OpenFinding { id, kind: kind?, tag, detail: detail?, opened: opened?, resolution })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Every sighting since then, with the asset it is of. Returns when each was last seen.
    async fn take_sightings(
        &mut self,
        scope: &Scope,
        found: &mut Found,
        findings: &mut Against,
    ) -> Result<HashMap<String, Last>, RegisterError> {
        // By tag, or by serial number, or by MAC; of several the first, which the twins tell of.
        let sql = "SELECT s.stream, CAST(s.revision AS TEXT), CAST(s.n AS TEXT), s.source, CAST(s.at AS TEXT), s.tag, s.serial, s.mac, s.host, \
                   s.location, s.custodian, COALESCE((SELECT a.stream FROM asset a WHERE a.tag=s.tag), \
                   (SELECT MIN(a.stream) FROM asset a WHERE a.serial_key=s.serial_key), \
                   (SELECT MIN(a.stream) FROM asset a WHERE a.mac=s.mac)) FROM sighting s \
                   WHERE (s.stream,s.revision,s.n)>($1,$2,$3) AND s.at>=$4 \
                   ORDER BY s.stream, s.revision, s.n LIMIT $5";
        let mut seen: HashMap<String, Last> = HashMap::new();
        let mut strangers: BTreeSet<String> = BTreeSet::new();
        let mut after = (String::new(), 0_i64, 0_i64);
        loop {
            let values = [
                Value::Text(Some(after.0.clone())),
                Value::Whole(after.1),
                Value::Whole(after.2),
                Value::Whole(scope.since.timestamp()),
                Value::Whole(PAGE),
            ];
            let page = self.store.texts(sql, &values, 12).await?;
            let Some(last) = page.last() else { break };
            let number = |i: usize| last.get(i).cloned().flatten().and_then(|t| t.parse().ok()).unwrap_or(i64::MAX);
            after = (last[0].clone().unwrap_or_default(), number(1), number(2));
            for row in page {
                found.sightings += 1;
                let Ok([_, _, _, source, at, tag, serial, mac, host, location, custodian, asset]) =
                    <[Option<String>; 12]>::try_from(row)
                else {
                    continue;
                };
                let at = at.and_then(|t| t.parse().ok()).unwrap_or(0);
                let ledger = source.as_deref() == Some(Source::Ledger.name());
                let Some(asset) = asset else {
                    let named = tag.as_ref().or(serial.as_ref()).or(mac.as_ref()).or(host.as_ref());
                    let named = named.cloned().unwrap_or_default();
                    if reaches(scope, location.as_deref()) && strangers.insert(format!("{ledger} {named}")) {
                        findings.push(stranger(ledger, &named, tag, [serial, mac, host], location, source));
                    }
                    continue;
                };
                if ledger {
                    // No sighting; whether the asset is closed by now is asked below.
                    seen.entry(format!("ledger {asset}")).or_insert(Last { at, location: None, custodian: None });
                    continue;
                }
                let newer = seen.get(&asset).is_none_or(|last| last.at <= at);
                if newer {
                    seen.insert(asset, Last { at, location, custodian });
                }
            }
        }
        Ok(seen)
    }

    /// Every asset: was it seen, where, with whom, and after its end?
    async fn hold_against(
        &mut self,
        scope: &Scope,
        seen: &HashMap<String, Last>,
        found: &mut Found,
        findings: &mut Against,
    ) -> Result<(), RegisterError> {
        let text = |sql: &str| Column::Text(sql.to_owned());
        let columns = [
            text("a.stream"),
            text("a.tag"),
            text("a.stage"),
            text("a.class"),
            text("a.location"),
            text("a.custodian"),
            Column::Whole("a.closed_at".to_owned()),
            text("a.condition"),
        ];
        let take = |[stream, tag, stage, class, location, custodian, closed, condition]: [Option<&str>; 8]| {
            if !reaches(scope, location) {
                return Ok(());
            }
            let stream = stream.unwrap_or_default();
            let last = seen.get(stream);
            let about = About { stream, tag: tag.unwrap_or_default(), place: location };
            let closed: Option<i64> = closed.and_then(|t| t.parse().ok());
            if stage == Some("closed") {
                if let (Some(last), Some(closed)) = (last, closed)
                    && last.at > closed
                {
                    let place = last.location.as_deref().map(|p| format!(" at {p}")).unwrap_or_default();
                    findings.push(about.finding(
                        FindingKind::SeenAfterClose,
                        format!("seen on {}{place}, closed on {}", day(last.at), day(closed)),
                    ));
                }
                if seen.contains_key(&format!("ledger {stream}")) {
                    let told = "closed, and still on the ledger of finance".to_owned();
                    findings.push(about.finding(FindingKind::GhostOnBooks, told));
                }
                return Ok(());
            }
            let due = matches!(stage, Some("deployment" | "utilization" | "upgrade" | "decommissioning"))
                && class == Some("physical")
                // Known to be gone: that needs no finding more.
                && !matches!(condition, Some("missing" | "stolen"));
            found.expected += u64::from(due);
            let Some(last) = last else {
                if due {
                    let stage = stage.unwrap_or_default();
                    let told = format!("{stage} by the record, not seen since {}", scope.since.date_naive());
                    findings.push(about.finding(FindingKind::GhostOnBooks, told));
                }
                return Ok(());
            };
            if let (Some(there), Some(here)) = (&last.location, location)
                && !same_place(there, here)
            {
                let told = format!("the record says {here}; seen at {there} on {}", day(last.at));
                findings.push(about.finding(FindingKind::LocationMismatch, told));
            }
            if let (Some(there), Some(here)) = (&last.custodian, custodian)
                && there.trim().to_lowercase() != here.trim().to_lowercase()
            {
                let told = format!("the record says {here}; seen with {there} on {}", day(last.at));
                findings.push(about.finding(FindingKind::CustodianMismatch, told));
            }
            Ok(())
        };
        self.store.each_packed(&columns, "1=1", &[], take).await
    }

    /// Records that share a serial number, maker and model.
    async fn look_for_twins(&mut self, scope: &Scope, findings: &mut Against) -> Result<(), RegisterError> {
        // The index alone tells which numbers stand twice at all.
        let sql = "SELECT serial_key, COALESCE(manufacturer,''), COALESCE(model,''), CAST(COUNT(*) AS TEXT), MIN(tag), MAX(tag), MIN(location), MIN(stream) \
                   FROM asset WHERE serial_key IN (SELECT serial_key FROM asset WHERE serial_key IS NOT NULL GROUP BY serial_key HAVING COUNT(*)>1) \
                   AND stage<>'closed' \
                   GROUP BY serial_key, COALESCE(manufacturer,''), COALESCE(model,'') HAVING COUNT(*)>1 ORDER BY 1, 2, 3";
        for row in self.store.texts(sql, &[], 8).await? {
            let Ok([Some(serial), _, model, Some(count), Some(first), Some(last), place, stream]) =
                <[Option<String>; 8]>::try_from(row)
            else {
                continue;
            };
            if !reaches(scope, place.as_deref()) {
                continue;
            }
            let kind = FindingKind::DuplicateSerial;
            let name = format!("{} {serial} {}", kind.name(), model.unwrap_or_default());
            let detail = format!("{count} records have the serial number {serial}: {first}, {last}");
            let opened = crate::units::now();
            findings.push(Finding {
                kind,
                name,
                asset: stream,
                tag: Some(first),
                place,
                detail,
                opened,
                resolved: None,
            });
        }
        Ok(())
    }

    /// Stream and asset of the open findings by their names.
    async fn open_names(&mut self) -> Result<Open, RegisterError> {
        let sql = "SELECT open_name, stream, asset FROM finding WHERE open_name IS NOT NULL";
        let rows = self.store.texts(sql, &[], 3).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((row.first()?.clone()?, (row.get(1)?.clone()?, row.get(2)?.clone()))))
            .collect())
    }
}

struct About<'a> {
    stream: &'a str,
    tag: &'a str,
    place: Option<&'a str>,
}

impl About<'_> {
    fn finding(&self, kind: FindingKind, detail: String) -> Finding {
        Finding {
            kind,
            name: format!("{} {}", kind.name(), self.stream),
            asset: Some(self.stream.to_owned()),
            tag: Some(self.tag.to_owned()),
            place: self.place.map(str::to_owned),
            detail,
            opened: crate::units::now(),
            resolved: None,
        }
    }
}

fn stranger(
    ledger: bool,
    named: &str,
    tag: Option<String>,
    also: [Option<String>; 3],
    place: Option<String>,
    source: Option<String>,
) -> Finding {
    let kind = if ledger { FindingKind::GhostOnBooks } else { FindingKind::UnknownDevice };
    let words: Vec<String> = ["serial", "MAC", "host"]
        .iter()
        .zip(&also)
        .filter_map(|(word, value)| value.as_ref().map(|value| format!("{word} {value}")))
        .collect();
    let told = match ledger {
        true => "on the ledger of finance, in no record".to_owned(),
        false => format!("seen by {}, in no record", source.unwrap_or_default().replace('_', " ")),
    };
    let detail = if words.is_empty() { told } else { format!("{told}: {}", words.join(", ")) };
    let name = format!("{} ? {named}", kind.name());
    Finding { kind, name, asset: None, tag, place, detail, opened: crate::units::now(), resolved: None }
}

fn reaches(scope: &Scope, location: Option<&str>) -> bool {
    let Some(place) = &scope.place else { return true };
    location.and_then(|l| l.strip_prefix(place.as_str())).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// One place is the other, or lies in it.
fn same_place(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (a, b) = (a.trim().to_lowercase(), b.trim().to_lowercase());
    within(&a, &b) || within(&b, &a)
}

fn day(at: i64) -> String {
    DateTime::from_timestamp(at, 0).map(|at| at.date_naive().to_string()).unwrap_or_default()
}
