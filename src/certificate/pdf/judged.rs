//! The pages of what is said of another document: a validation, a revocation, a second reading.

use super::content::{Page, Rows, blocks, named, of_kind, person, short, time, verdict};
use super::destroyed::medium;
use super::words::Words;
use crate::certificate::document::{
    Decision, MediaVerification, MediumName, Revocation, Signatory, Validation, VerificationResult,
};

pub fn validation(d: &Validation, words: &Words) -> Page {
    let (tone, line) = match d.decision {
        Decision::Accepted => ("good", "line_accepted"),
        Decision::Rejected => ("bad", "line_rejected"),
    };
    let decision = of_kind("decision", &d.decision, words);
    let mut rows = Rows::new(words);
    rows.row("about", named(&d.document, words)).row("decision", &decision).row("reason", &d.reason);
    rows.optional("policy", d.policy.as_deref())
        .optional("next_step", d.next_step.map(|step| of_kind("next_step", &step, words)).as_deref())
        .optional("replaces", d.replaces.as_deref().map(short).as_deref())
        .row("decided", time(d.decided));
    let mut sections: Vec<_> = d.medium.iter().map(|name| medium(name, words).section("medium")).collect();
    sections.extend([rows.section("validation"), by(&d.organization, &d.by, words).section("record")]);
    Page::new("title_validation", verdict(words, &decision, tone, line), sections)
}

pub fn revocation(d: &Revocation, words: &Words) -> Page {
    let mut rows = Rows::new(words);
    rows.row("about", named(&d.document, words))
        .row("cause", of_kind("cause", &d.cause, words))
        .row("reason", &d.reason)
        .optional("replaced_by", d.replaced_by.as_ref().map(|other| named(other, words)).as_deref())
        .optional("next_step", d.next_step.map(|step| of_kind("next_step", &step, words)).as_deref())
        .row("revoked_on", time(d.revoked));
    let mut sections: Vec<_> = d.medium.iter().map(|name| medium(name, words).section("medium")).collect();
    sections.extend([rows.section("revocation"), by(&d.organization, &d.by, words).section("record")]);
    Page::new("title_revocation", verdict(words, words.get("revoked"), "bad", "line_revoked"), sections)
}

pub fn reading(d: &MediaVerification, words: &Words) -> Page {
    let (tone, line) = match d.result {
        VerificationResult::Matched => ("good", "line_matched"),
        VerificationResult::Mismatched => ("bad", "line_mismatched"),
        VerificationResult::Incomplete => ("plain", "line_incomplete"),
    };
    let result = of_kind("result", &d.result, words);
    let mut rows = Rows::new(words);
    let gone = blocks(&d.ledger);
    rows.row("about", named(&d.certificate, words))
        .row("proven", &result)
        .row("level", of_kind("level", &d.level, words))
        .row("coverage", format!("{} / {} {}", d.matched, d.wanted, words.get("bytes")))
        .row("blocks", if gone == 0 { words.get("none").to_owned() } else { gone.to_string() })
        .optional("cut", d.cut.as_deref())
        .row("independent", words.get(if d.shares_no_key() { "yes" } else { "no" }))
        .row("started", time(d.started))
        .row("ended", time(d.ended));
    let mut record = Rows::new(words);
    record
        .row("organization", &d.organization)
        .row("station", &d.station)
        .optional("read_by", d.by.as_ref().map(person).as_deref())
        .row("tool", format!("{} {}", d.tool.name, d.tool.version));
    let name = MediumName::of(&d.medium.identity, None);
    let sections = vec![medium(&name, words).section("medium"), rows.section("reading"), record.section("record")];
    Page::new("title_reading", verdict(words, &result, tone, line), sections)
}

fn by<'a>(organization: &str, who: &Signatory, words: &'a Words) -> Rows<'a> {
    let mut rows = Rows::new(words);
    rows.row("organization", organization).row("by", person(who));
    rows
}
