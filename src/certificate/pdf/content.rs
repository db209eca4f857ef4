//! What stands on the pages, out of the documents alone.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::words::Words;
use super::{Look, Shown, destroyed, ident, judged, table};
use crate::certificate::Mark;
use crate::certificate::document::{Document, DocumentRef, GatheredUnit, Gathering, Signatory};
use crate::certificate::payload::{CertificatePayload, DocumentKind};
use crate::media::{AreaOutcome, HiddenArea, MediumClass};
use crate::policy::Method;
use crate::sanitize::record::{HiddenAreas, LedgerFacts, Proven, RunFacts};
use crate::signed::Jws;
use crate::units::human_bytes;

/// A heading with labelled lines.
pub struct Section {
    title: String,
    /// Small, below the title.
    note: String,
    rows: Vec<(String, String)>,
}

/// What stands below the letterhead. `title` is a word.
pub struct Page {
    pub title: &'static str,
    pub verdict: Value,
    pub sections: Vec<Section>,
    pub table: Value,
    pub statement: Vec<String>,
}

impl Page {
    pub fn new(title: &'static str, verdict: Value, sections: Vec<Section>) -> Page {
        Page { title, verdict, sections, table: Value::Null, statement: Vec::new() }
    }
}

/// `/data.json` of the template.
pub fn data(shown: &[Shown], look: &Look) -> Value {
    let words = &look.words;
    let brand = &look.brand;
    let id = ident(shown);
    let page = match shown {
        [one] => page_of(&one.document, words),
        many => {
            let good = many.iter().filter(|s| is_proof(&s.document)).count();
            let before = many.iter().filter(|s| is_before_destruction(&s.document)).count();
            let (tone, line) = match (good == many.len(), good + before == many.len()) {
                (true, _) => ("good", "passed"),
                (false, true) => ("plain", "before_destruction"),
                (false, false) => ("bad", "failed"),
            };
            let verdict = verdict(words, &format!("{good} / {}", many.len()), tone, line);
            Page { table: table::of_documents(many, words), ..Page::new("title_several", verdict, Vec::new()) }
        }
    };
    let sections: Vec<Value> = page
        .sections
        .into_iter()
        .filter(|s: &Section| !s.rows.is_empty())
        .map(|s| json!({ "title": s.title, "note": s.note, "rows": s.rows }))
        .collect();
    json!({
        "paper": look.paper.typst(),
        "words": words.all(),
        "brand": {
            "organization": brand.organization, "address": brand.address, "footer": brand.footer,
            "colour": brand.colour, "logo": brand.logo.as_ref().map(|l| l.name.as_str()),
        },
        "id": id, "title": words.get(page.title), "subtitle": id, "verdict": page.verdict,
        "sections": sections, "table": page.table, "statement": page.statement,
        "signatures": signatures(shown, words),
    })
}

fn page_of(document: &Document, words: &Words) -> Page {
    match document {
        Document::Run(run) => {
            let title = match run.kind {
                DocumentKind::Certificate => "title_certificate",
                DocumentKind::FailureReport => "title_failure",
            };
            let page = Page::new(title, verdict_of_run(run, words), run_sections(run, words));
            Page { statement: run.statement.clone(), ..page }
        }
        Document::Destruction(d) => destroyed::page(d, words),
        Document::Validation(d) => judged::validation(d, words),
        Document::Revocation(d) => judged::revocation(d, words),
        Document::MediaVerification(d) => judged::reading(d, words),
        Document::Gathering(g) => {
            let title = match g.of {
                GatheredUnit::Computer { .. } => "title_computer",
                GatheredUnit::Lot { .. } => "title_lot",
            };
            let (tone, line) = if g.complete { ("good", "complete") } else { ("bad", "incomplete") };
            let proven = g.counts.media - g.counts.without_proof;
            let verdict = verdict(words, &format!("{proven} / {}", g.counts.media), tone, line);
            Page { table: table::of_gathering(g, words), ..Page::new(title, verdict, gathering_sections(g, words)) }
        }
        // `read` lets nothing else through.
        Document::Transfer(_) | Document::Discrepancy(_) => {
            Page::new("title_several", verdict(words, "?", "plain", "nothing"), Vec::new())
        }
    }
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
        Document::Run(run) => run.kind == DocumentKind::Certificate && !run.facts.precedes_destruction(),
        Document::Destruction(_) => true,
        _ => false,
    }
}

/// A certificate that releases nothing: its medium goes to be destroyed.
pub fn is_before_destruction(document: &Document) -> bool {
    match document {
        Document::Run(run) => run.kind == DocumentKind::Certificate && run.facts.precedes_destruction(),
        _ => false,
    }
}

pub fn verdict(words: &Words, word: &str, tone: &str, line: &str) -> Value {
    json!({ "word": word, "tone": tone, "line": words.get(line) })
}

fn verdict_of_run(run: &CertificatePayload, words: &Words) -> Value {
    match run.kind {
        DocumentKind::FailureReport => verdict(words, words.get("failed"), "bad", "nothing"),
        DocumentKind::Certificate => {
            let attained = run.facts.attained.map_or("?", method_name);
            match run.facts.precedes_destruction() {
                true => verdict(words, attained, "plain", "before_destruction"),
                false => verdict(words, attained, "good", proven_word(run.facts.proven)),
            }
        }
    }
}

/// Labelled lines of a section; a label is a word.
pub struct Rows<'a>(&'a Words, Vec<(String, String)>);

impl<'a> Rows<'a> {
    pub fn new(words: &'a Words) -> Rows<'a> {
        Rows(words, Vec::new())
    }

    pub fn row(&mut self, label: &str, value: impl Into<String>) -> &mut Self {
        self.1.push((self.0.get(label).to_owned(), value.into()));
        self
    }

    pub fn optional(&mut self, label: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.row(label, value);
        }
        self
    }

    pub fn section(self, title: &str) -> Section {
        Section { title: self.0.get(title).to_owned(), note: String::new(), rows: self.1 }
    }
}

fn run_sections(run: &CertificatePayload, words: &Words) -> Vec<Section> {
    let facts = &run.facts;
    let mut sections = Vec::new();
    if let Some(failure) = &run.failure {
        let mut rows = Rows::new(words);
        rows.row("happened", &failure.message).row("advice", &failure.advice);
        rows.optional("next_step", run.next_step.map(|step| of_kind("next_step", &step, words)).as_deref());
        sections.push(Section { note: words.get("statement_note").to_owned(), ..rows.section("failure") });
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
    let mut rows = Rows::new(words);
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
    let classification = run.form.media.classification.as_deref().map(|c| known_or_as_is("category", c, words));
    rows.row("capacity", format!("{} ({size} {})", human_bytes(size.0), words.get("bytes")))
        .optional("asset", run.form.media.property_number.as_deref())
        .optional("source", run.form.media.source.as_deref())
        .optional("classification", classification.as_deref());
    rows.section("medium")
}

fn done_section(run: &CertificatePayload, words: &Words) -> Section {
    let facts = &run.facts;
    let mut rows = Rows::new(words);
    rows.row("requested", method_name(facts.requested))
        .row("attained", facts.attained.map_or_else(|| words.get("none").to_owned(), |m| method_name(m).to_owned()))
        .row("technique", known_or_as_is("technique", &facts.technique, words));
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
    if facts.precedes_destruction() {
        rows.row("release", words.get("before_destruction"));
    }
    rows.section("sanitization")
}

fn read_section(facts: &RunFacts, mark: Mark, words: &Words) -> Section {
    let v = &facts.verification;
    let mut rows = Rows::new(words);
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
            let became = |area: &HiddenArea| format!("{}: {}", area_label(area, words), words.get(area_word(area)));
            rows.row("hidden", areas.iter().map(became).collect::<Vec<_>>().join("; "))
        }
    };
    rows.section("verification")
}

/// The word for a value that has one in every language: `kind_nvme`, `role_station`.
pub fn of_kind<T: serde::Serialize>(of: &str, value: &T, words: &Words) -> String {
    let word = serde_json::to_value(value).ok();
    words.get(&format!("{of}_{}", word.as_ref().and_then(Value::as_str).unwrap_or_default())).to_owned()
}

/// The word for a value that has one, or the value: a name, a person's own text, something of a later version.
fn known_or_as_is(of: &str, value: &str, words: &Words) -> String {
    let key = format!("{of}_{value}");
    match words.get(&key) {
        unknown if unknown == key => value.to_owned(),
        word => word.to_owned(),
    }
}

fn area_label(area: &HiddenArea, words: &Words) -> String {
    let kind = known_or_as_is("area", &area.kind, words).replace('_', " ");
    match area.size {
        Some(size) => format!("{kind}, {size} {}", words.get("bytes")),
        None => format!("{kind}, {}", words.get("size_unknown")),
    }
}

fn area_word(area: &HiddenArea) -> &'static str {
    match area.outcome {
        Some(AreaOutcome::GivenBack) => "hidden_given_back",
        Some(AreaOutcome::Reached) => "hidden_reached",
        Some(AreaOutcome::Unknown) => "hidden_unknown",
        Some(AreaOutcome::Excluded) | None => "hidden_excluded",
    }
}

pub fn blocks(ledger: &LedgerFacts) -> u64 {
    let lists = [&ledger.unwritten, &ledger.unread, &ledger.mismatched, &ledger.unreached];
    lists.into_iter().flatten().map(|range| range.count.0).sum()
}

fn record_section(run: &CertificatePayload, words: &Words) -> Section {
    let facts = &run.facts;
    let mut rows = Rows::new(words);
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

pub fn person(person: &Signatory) -> String {
    let rest = [&person.title, &person.organization, &person.location];
    let rest = rest.into_iter().flatten().map(|part| format!(", {part}")).collect::<String>();
    format!("{}{rest}", person.name)
}

/// Another document, by its kind and the beginning of its id.
pub fn named(reference: &DocumentRef, words: &Words) -> String {
    format!("{} {}", of_kind("document", &reference.kind, words), short(&reference.id))
}

/// The beginning of an id or a hash.
pub fn short(id: &str) -> String {
    format!("{}…", id.get(..16).unwrap_or(id))
}

fn gathering_sections(g: &Gathering, words: &Words) -> Vec<Section> {
    let mut rows = Rows::new(words);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::IssueContext;

    /// Green is for what releases a medium.
    #[test]
    fn only_what_releases_a_medium_is_shown_as_good() {
        let mut facts: RunFacts = serde_json::from_str(include_str!("../../../tests/data/facts.json")).unwrap();
        let words = Words::of("en").unwrap();
        let tone = |facts: &RunFacts| {
            let run = CertificatePayload::from_facts(facts, None, &IssueContext::default());
            let proof = is_proof(&Document::Run(run.clone()));
            (verdict_of_run(&run, &words)["tone"].as_str().map(str::to_owned), proof)
        };
        assert_eq!(tone(&facts), (Some("good".into()), true));
        let policy = json!({
            "id": "example", "version": "1", "digest": "ab".repeat(32), "signed_by": null, "category": "high",
            "route": "resale", "assumed": [], "minimum": "destroy", "least_verification": "none", "validation": false,
            "second_person_percent": 0, "bad_blocks_allowed": 0, "hidden_areas": "recorded", "operator": "anybody",
            "step_down": "never", "ladder": [], "before_destruction": true, "retention_years": 3,
        });
        facts.policy = Some(serde_json::from_value(policy).unwrap());
        assert_eq!(tone(&facts), (Some("plain".into()), false));
    }
}
