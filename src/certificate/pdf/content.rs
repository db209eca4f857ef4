//! What stands on the pages, out of the documents alone.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::table;
use super::words::Words;
use super::{Look, Shown, ident};
use crate::certificate::Mark;
use crate::certificate::document::{Destruction, DestructionTechnique, Document, GatheredUnit, Gathering, Signatory};
use crate::certificate::payload::{CertificatePayload, DocumentKind};
use crate::media::{AreaOutcome, HiddenArea, MediumClass};
use crate::policy::Method;
use crate::sanitize::record::{HiddenAreas, LedgerFacts, Proven, RunFacts};
use crate::signed::Jws;
use crate::units::human_bytes;

/// A heading with labelled lines.
pub struct Section {
    title: String,
    rows: Vec<(String, String)>,
}

/// `/data.json` of the template.
pub fn data(shown: &[Shown], look: &Look) -> Value {
    let words = &look.words;
    let brand = &look.brand;
    let id = ident(shown);
    let (title, subtitle, verdict, sections, table, statement) = match shown {
        [one] => match &one.document {
            Document::Run(run) => {
                let title = match run.kind {
                    DocumentKind::Certificate => "title_certificate",
                    DocumentKind::FailureReport => "title_failure",
                };
                (
                    title,
                    one.id.clone(),
                    verdict_of_run(run, words),
                    run_sections(run, words),
                    Value::Null,
                    run.statement.clone(),
                )
            }
            Document::Destruction(d) => {
                let verdict = verdict(words, method_name(d.attained), "good", "passed");
                ("title_destruction", one.id.clone(), verdict, destruction_sections(d, words), Value::Null, Vec::new())
            }
            Document::Gathering(g) => {
                let title = match g.of {
                    GatheredUnit::Computer { .. } => "title_computer",
                    GatheredUnit::Lot { .. } => "title_lot",
                };
                let (tone, line) = if g.complete { ("good", "complete") } else { ("bad", "incomplete") };
                let proven = g.counts.media - g.counts.without_proof;
                let verdict = verdict(words, &format!("{proven} / {}", g.counts.media), tone, line);
                (
                    title,
                    one.id.clone(),
                    verdict,
                    gathering_sections(g, words),
                    table::of_gathering(g, words),
                    Vec::new(),
                )
            }
            // `read` lets nothing else through.
            _ => (
                "title_several",
                one.id.clone(),
                verdict(words, "?", "plain", "nothing"),
                Vec::new(),
                Value::Null,
                Vec::new(),
            ),
        },
        many => {
            let good = many.iter().filter(|s| is_proof(&s.document)).count();
            let (tone, line) = if good == many.len() { ("good", "passed") } else { ("bad", "failed") };
            let verdict = verdict(words, &format!("{good} / {}", many.len()), tone, line);
            ("title_several", id.clone(), verdict, Vec::new(), table::of_documents(many, words), Vec::new())
        }
    };
    let sections: Vec<Value> = sections
        .into_iter()
        .filter(|s: &Section| !s.rows.is_empty())
        .map(|s| json!({ "title": s.title, "rows": s.rows }))
        .collect();
    json!({
        "paper": look.paper.typst(),
        "words": words.all(),
        "brand": {
            "organization": brand.organization, "address": brand.address, "footer": brand.footer,
            "colour": brand.colour, "logo": brand.logo.as_ref().map(|l| l.name.as_str()),
        },
        "id": id, "title": words.get(title), "subtitle": subtitle, "verdict": verdict,
        "sections": sections, "table": table, "statement": statement,
        "signatures": signatures(shown, words),
    })
}

/// When what a document tells came to its end.
pub fn dated(document: &Document) -> DateTime<Utc> {
    match document {
        Document::Run(run) => run.facts.ended,
        other => other.payload().map(crate::certificate::document::Payload::dated).unwrap_or_default(),
    }
}

/// `2026-11-25 04:44:23 UTC`.
pub fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

pub fn method_name(method: Method) -> &'static str {
    method.name()
}

fn grade_word(mark: Mark) -> &'static str {
    match mark {
        Mark::A => "grade_a",
        Mark::B => "grade_b",
        Mark::C => "grade_c",
        Mark::D => "grade_d",
        Mark::F => "grade_f",
    }
}

pub fn proven_word(proven: Proven) -> &'static str {
    match proven {
        Proven::FullReadback => "full_readback",
        Proven::SampledReadback => "sampled_readback",
        Proven::QuickReadback => "quick_readback",
        Proven::ReadbackWithExceptions => "readback_with_exceptions",
        Proven::ErasedFullRead => "erased_full_read",
        Proven::ErasedSampled => "erased_sampled",
        Proven::ErasedKnownContent => "erased_known_content",
        Proven::CompletionOnly => "completion_only",
        Proven::Nothing => "nothing",
    }
}

/// Whether it says that a medium is empty or gone.
pub fn is_proof(document: &Document) -> bool {
    match document {
        Document::Run(run) => run.kind == DocumentKind::Certificate,
        Document::Destruction(_) => true,
        _ => false,
    }
}

fn verdict(words: &Words, word: &str, tone: &str, line: &str) -> Value {
    json!({ "word": word, "tone": tone, "line": words.get(line) })
}

fn verdict_of_run(run: &CertificatePayload, words: &Words) -> Value {
    match run.kind {
        DocumentKind::FailureReport => verdict(words, words.get("failed"), "bad", "nothing"),
        DocumentKind::Certificate => {
            let attained = run.facts.attained.map_or("?", method_name);
            verdict(words, attained, "good", proven_word(run.facts.proven))
        }
    }
}

struct Rows<'a>(&'a Words, Vec<(String, String)>);

impl Rows<'_> {
    fn row(&mut self, label: &str, value: impl Into<String>) -> &mut Self {
        self.1.push((self.0.get(label).to_owned(), value.into()));
        self
    }

    fn optional(&mut self, label: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.row(label, value);
        }
        self
    }

    fn section(self, title: &str) -> Section {
        Section { title: self.0.get(title).to_owned(), rows: self.1 }
    }
}

fn run_sections(run: &CertificatePayload, words: &Words) -> Vec<Section> {
    let facts = &run.facts;
    let mut sections = Vec::new();
    if let Some(failure) = &run.failure {
        let mut rows = Rows(words, Vec::new());
        rows.row("happened", &failure.message).row("advice", &failure.advice);
        sections.push(rows.section("failure"));
    }
    sections.extend([
        medium_section(run, words),
        done_section(run, words),
        read_section(facts, run.grade.mark, words),
        record_section(run, words),
    ]);
    sections
}

fn medium_section(run: &CertificatePayload, words: &Words) -> Section {
    let medium = &run.facts.medium;
    let identity = &medium.identity;
    let mut rows = Rows(words, Vec::new());
    rows.optional("vendor", identity.vendor.as_deref())
        .optional("model", identity.model.as_deref())
        .optional("serial", identity.serial.as_deref())
        .optional("wwn", identity.wwn.as_deref().or(identity.nguid.as_deref()).or(identity.eui64.as_deref()))
        .optional("firmware", identity.firmware.as_deref());
    let kind = of_kind("kind", &medium.kind, words);
    match medium.class {
        MediumClass::Physical => rows.row("type", kind),
        MediumClass::Virtual | MediumClass::Image => rows.row("type", format!("{kind}, {}", words.get("virtual"))),
    };
    let size = medium.geometry.size;
    rows.row("capacity", format!("{} ({size} {})", human_bytes(size.0), words.get("bytes")))
        .optional("asset", run.form.media.property_number.as_deref())
        .optional("source", run.form.media.source.as_deref())
        .optional("classification", run.form.media.classification.as_deref());
    rows.section("medium")
}

fn done_section(run: &CertificatePayload, words: &Words) -> Section {
    let facts = &run.facts;
    let mut rows = Rows(words, Vec::new());
    rows.row("requested", method_name(facts.requested))
        .row("attained", facts.attained.map_or_else(|| words.get("nothing").to_owned(), |m| method_name(m).to_owned()))
        .row("technique", &facts.technique);
    if !facts.passes.is_empty() {
        rows.row("scheme", format!("{} ({})", facts.scheme.title, facts.scheme.definition))
            .row("passes", facts.passes.len().to_string());
    }
    rows.row("started", time(facts.started)).row("ended", time(facts.ended));
    if let Some(operator) = &facts.operator {
        let standing = if operator.standing == "claimed" { "claimed" } else { "proven_by_key" };
        rows.row("operator", format!("{} ({})", operator.name, words.get(standing)));
    }
    rows.optional("policy", facts.policy.as_ref().map(|p| p.label()).as_deref());
    rows.section("sanitization")
}

fn read_section(facts: &RunFacts, mark: Mark, words: &Words) -> Section {
    let v = &facts.verification;
    let mut rows = Rows(words, Vec::new());
    rows.row("proven", words.get(proven_word(facts.proven)));
    rows.row("grade", words.get(grade_word(mark)));
    if v.wanted.0 > 0 {
        rows.row("coverage", format!("{} / {} {}", v.matched, v.wanted, words.get("bytes")));
    }
    let gone = blocks(&facts.ledger);
    rows.row("blocks", if gone == 0 { words.get("none").to_owned() } else { gone.to_string() });
    match &facts.hidden_areas {
        HiddenAreas::Impossible => rows.row("hidden", words.get("hidden_impossible")),
        HiddenAreas::NotExamined { why } => rows.row("hidden", format!("{}: {why}", words.get("hidden_not_examined"))),
        HiddenAreas::ReachedByCommand { why, .. } => {
            rows.row("hidden", format!("{}: {why}", words.get("hidden_reached")))
        }
        HiddenAreas::Examined { by, areas, .. } if areas.is_empty() => {
            rows.row("hidden", format!("{} ({by})", words.get("hidden_none")))
        }
        HiddenAreas::Examined { areas, .. } => {
            let became = |area: &HiddenArea| format!("{}: {}", area.label(), words.get(area_word(area)));
            rows.row("hidden", areas.iter().map(became).collect::<Vec<_>>().join("; "))
        }
    };
    rows.section("verification")
}

/// The word for a value that has one in every language: `kind_nvme`, `role_station`.
fn of_kind<T: serde::Serialize>(of: &str, value: &T, words: &Words) -> String {
    let word = serde_json::to_value(value).ok();
    words.get(&format!("{of}_{}", word.as_ref().and_then(Value::as_str).unwrap_or_default())).to_owned()
}

fn area_word(area: &HiddenArea) -> &'static str {
    match area.outcome {
        Some(AreaOutcome::GivenBack) => "hidden_given_back",
        Some(AreaOutcome::Reached) => "hidden_reached",
        Some(AreaOutcome::Unknown) => "hidden_unknown",
        Some(AreaOutcome::Excluded) | None => "hidden_excluded",
    }
}

fn blocks(ledger: &LedgerFacts) -> u64 {
    let lists = [&ledger.unwritten, &ledger.unread, &ledger.mismatched, &ledger.unreached];
    lists.into_iter().flatten().map(|range| range.count.0).sum()
}

fn record_section(run: &CertificatePayload, words: &Words) -> Section {
    let facts = &run.facts;
    let mut rows = Rows(words, Vec::new());
    rows.row("organization", &run.organization)
        .row("station", &run.station)
        .row("log_entry", format!("{} / {}", facts.intent.index, facts.intent.log_id))
        .row("tool", format!("{} {}", facts.tool.name, facts.tool.version));
    let earlier = facts.earlier_attempts.len();
    rows.row("earlier", if earlier == 0 { words.get("none").to_owned() } else { earlier.to_string() });
    if let Some(destination) = &run.form.destination {
        let kind = of_kind("destination", &destination.kind, words);
        let details = destination.details.as_deref().map(|d| format!(", {d}")).unwrap_or_default();
        rows.row("destination", format!("{kind}{details}"));
    }
    rows.section("record")
}

fn destruction_sections(d: &Destruction, words: &Words) -> Vec<Section> {
    let mut medium = Rows(words, Vec::new());
    medium
        .optional("vendor", d.medium.vendor.as_deref())
        .optional("model", d.medium.model.as_deref())
        .optional("serial", d.medium.serial.as_deref())
        .optional("wwn", d.medium.wwn.as_deref())
        .optional("asset", d.medium.asset_tag.as_deref())
        .optional("capacity", d.medium.size.map(|s| human_bytes(s.0)).as_deref())
        .optional("weight", d.weight_kg.map(|w| format!("{w} kg")).as_deref());
    let mut done = Rows(words, Vec::new());
    let technique = serde_json::to_value(&d.technique).unwrap_or_default();
    done.row("technique", technique["name"].as_str().unwrap_or_default())
        .row("attained", method_name(d.attained))
        .row("equipment", equipment(d));
    if let DestructionTechnique::Shred { .. } | DestructionTechnique::Disintegrate { .. } = &d.technique {
        done.row("particle", plain(&technique["particle"]));
    }
    done.row("place", &d.place).row("destroyed_on", time(d.destroyed)).optional("batch", d.batch.as_deref());
    let mut record = Rows(words, Vec::new());
    record.row("organization", &d.organization).row("operator", person(&d.operator));
    if let Some(witness) = &d.witness {
        record.row("witness", person(witness));
    }
    vec![medium.section("medium"), done.section("destruction"), record.section("record")]
}

fn equipment(d: &Destruction) -> String {
    plain(&serde_json::to_value(&d.equipment).unwrap_or_default())
}

/// The values of a small structure, in their order, without what is not known.
fn plain(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let known = members.values().filter(|v| !v.is_null()).map(plain).filter(|text| !text.is_empty());
            known.collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => text.replace('_', " "),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn person(person: &Signatory) -> String {
    let rest = [&person.title, &person.organization, &person.location];
    let rest = rest.into_iter().flatten().map(|part| format!(", {part}")).collect::<String>();
    format!("{}{rest}", person.name)
}

fn gathering_sections(g: &Gathering, words: &Words) -> Vec<Section> {
    let mut rows = Rows(words, Vec::new());
    match &g.of {
        GatheredUnit::Computer { asset_tag, maker, model, serial } => {
            rows.row("computer", asset_tag)
                .optional("vendor", maker.as_deref())
                .optional("model", model.as_deref())
                .optional("serial", serial.as_deref());
        }
        GatheredUnit::Lot { number, customer } => {
            rows.row("lot", number).optional("customer", customer.as_deref());
        }
    }
    let expected = g.expected.map(|n| format!(" ({})", words.get("of_expected").replacen("{}", &n.to_string(), 1)));
    rows.row("media", format!("{}{}", g.counts.media, expected.unwrap_or_default()))
        .row("without_proof", g.counts.without_proof.to_string())
        .row("organization", format!("{}, {}", g.organization, g.station))
        .row("date", time(g.gathered));
    vec![rows.section("unit")]
}

fn signatures(shown: &[Shown], words: &Words) -> Vec<String> {
    let mut lines: Vec<String> = shown.iter().flat_map(|s| signed(&s.jws, words)).collect();
    if shown.len() > 1 {
        // Many documents of one station: each signer once.
        lines.iter_mut().for_each(|line| *line = line.split(", 20").next().unwrap_or_default().to_owned());
        lines.sort();
        lines.dedup();
    }
    lines
}

fn signed(jws: &Jws, words: &Words) -> Vec<String> {
    let line = |s: &crate::signed::Signature| {
        let header = s.header();
        let role = header.role.map_or_else(|| "?".to_owned(), |role| of_kind("role", &role, words));
        let kid = header.kid.as_deref().unwrap_or("?");
        let at = header.iat.map(|at| format!(", {}", time(at))).unwrap_or_default();
        format!("{role}: {} {kid}{at}", words.get("key"))
    };
    jws.signatures().iter().map(line).collect()
}
