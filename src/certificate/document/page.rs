//! A document as text for a person.

use super::destruction::{Destruction, DestructionTechnique};
use super::gathering::{GatheredUnit, Gathering};
use super::handover::{Discrepancy, Transfer};
use super::judgement::{Revocation, Validation};
use super::media_verification::MediaVerification;
use super::part::{Attachment, DocumentRef, MediumName, Signatory};
use super::verified::Verified;
use super::{Document, DocumentError, DocumentType};
use crate::certificate::payload::id_of;
use crate::certificate::show::{Page, grouped, show, word};
use crate::certificate::verify::Verdict;
use crate::signed::{Jws, Outcome, format_time};

/// The document as text. It is shown as it claims to be; nothing is verified.
pub fn show_document(bytes: &[u8]) -> Result<String, DocumentError> {
    let (jws, kind, document) = Document::read(bytes)?;
    let mut page = Page(String::new());
    let title = kind.name().to_uppercase();
    match &document {
        Document::Run(_) => return show(bytes).map_err(|e| DocumentError::Typ(e.to_string())),
        Document::Validation(d) => page.validation(d, &title, &jws),
        Document::MediaVerification(d) => page.media_verification(d, &title, &jws),
        Document::Revocation(d) => page.revocation(d, &title, &jws),
        Document::Destruction(d) => page.destruction(d, &title, &jws),
        Document::Gathering(d) => page.gathering(d, &title, &jws),
        Document::Transfer(d) => page.transfer(d, &title, &jws),
        Document::Discrepancy(d) => page.discrepancy(d, &title, &jws),
    }
    page.section("What this document says");
    page.wrapped("  - ", sentence(kind));
    page.wrapped(
        "  - ",
        "A signature proves that its key said so, and nothing more. Names, titles and places are as given.",
    );
    page.signatures(&jws);
    Ok(page.0)
}

/// The checks of a verification, one a line, failed ones with their reason.
pub fn show_verified(verified: &Verified) -> String {
    let mut page = Page(String::new());
    for check in &verified.checks {
        let mark = match check.outcome {
            Outcome::Passed => "passed ",
            Outcome::Failed => "FAILED ",
            Outcome::Unknown => "unknown",
        };
        let of = check.signature.map(|n| format!(" {n}")).unwrap_or_default();
        let name = format!("{}{of}", check.name);
        page.wrapped(&format!("  {mark}  {name:<17} "), &check.detail);
    }
    let name = verified.kind.map_or("file", DocumentType::name);
    let waits = |c: &&crate::signed::Check| c.outcome == Outcome::Unknown && matches!(c.name, "signed by" | "received");
    let verdict = match verified.verdict {
        Verdict::Valid => format!("VALID: this {name} was signed by a key you know, and nothing contradicts it."),
        Verdict::ConsistentSignerUnknown if verified.checks.iter().any(|c| waits(&c)) => {
            format!("NOT COMPLETE: a signature that belongs on this {name} is not there yet.")
        }
        Verdict::ConsistentSignerUnknown => format!(
            "CONSISTENT; NOT ESTABLISHED: nothing speaks against this {name}, but what is marked unknown cannot be \
             told from what is here. Signatures can only be told with the signer's key from a trust store."
        ),
        Verdict::Invalid => format!("INVALID: do not rely on this {name}."),
    };
    page.0.push('\n');
    page.wrapped("", &verdict);
    page.0
}

fn sentence(kind: DocumentType) -> &'static str {
    match kind {
        DocumentType::Certificate => "A run passed.",
        DocumentType::FailureReport => "A run failed; data may still be on the medium.",
        DocumentType::Validation => {
            "The organization's decision about another document (SP 800-88r2 section 4.5.2). It says nothing about the \
             medium that the other document does not say."
        }
        DocumentType::MediaVerification => {
            "What the medium held when it was read, compared with the bytes that the certificate names. It says \
             nothing about places that were not read."
        }
        DocumentType::Revocation => "The other document counts no longer. This does not bring any data back.",
        DocumentType::Destruction => {
            "What the operator says was done to the medium. No machine has seen it: what speaks for it are the \
             operator's and the witness's signatures, and the files whose hashes are named."
        }
        DocumentType::ComputerCertificate | DocumentType::LotCertificate => {
            "A list. What it says of a medium is as good as the document it names there, and no better."
        }
        DocumentType::Transfer => {
            "The sender says that these media left; once the receiver has signed the same bytes, both say so."
        }
        DocumentType::Discrepancy => "What arrived is not what was handed over. The transfer is not complete.",
    }
}

impl Page {
    fn title(&mut self, title: &str, jws: &Jws) {
        self.line(title);
        self.line(&"=".repeat(title.chars().count()));
        self.field("Document", &id_of(jws.payload()));
    }

    fn validation(&mut self, d: &Validation, title: &str, jws: &Jws) {
        self.title(title, jws);
        self.field("Organization", &d.organization);
        self.field("About", &reference(&d.document));
        self.field("Decision", d.decision.words());
        self.field("Reason", &d.reason);
        self.optional("Next step", d.next_step.map(|s| s.words()));
        self.optional("Policy", d.policy.as_deref());
        self.optional("Takes the place of", d.replaces.as_deref());
        self.field("Decided", &format_time(d.decided));
        self.medium_name(d.medium.as_ref());
        self.person("Validator", &d.by);
    }

    fn revocation(&mut self, d: &Revocation, title: &str, jws: &Jws) {
        self.title(title, jws);
        self.field("Organization", &d.organization);
        self.field("Revokes", &reference(&d.document));
        self.field("Cause", d.cause.words());
        self.field("Reason", &d.reason);
        self.optional("Replaced by", d.replaced_by.as_ref().map(reference).as_deref());
        self.optional("Next step", d.next_step.map(|s| s.words()));
        self.field("Revoked", &format_time(d.revoked));
        self.medium_name(d.medium.as_ref());
        self.person("Validator", &d.by);
    }

    fn media_verification(&mut self, d: &MediaVerification, title: &str, jws: &Jws) {
        self.title(title, jws);
        self.field("Organization", &d.organization);
        self.field("Station", &d.station);
        self.field("Certificate", &d.certificate.id);
        self.field("Run", &d.run_id);
        self.field("Result", d.result.words());
        self.field("Level", &word(&d.level));
        self.optional("Seed", d.seed.as_deref());
        self.field("Matched", &format!("{} of {} bytes", grouped(d.matched.0), grouped(d.wanted.0)));
        for (what, ranges) in
            [("Differs", &d.ledger.mismatched), ("Unreadable", &d.ledger.unread), ("Not reached", &d.ledger.unreached)]
        {
            let shown: Vec<_> = ranges.iter().take(20).map(ToString::to_string).collect();
            let more = ranges.len().saturating_sub(20);
            let tail = if more > 0 { format!(" and {more} more ranges") } else { String::new() };
            self.optional(what, Some(format!("{}{tail}", shown.join(", "))).filter(|_| !ranges.is_empty()).as_deref());
        }
        self.optional("Cut short", d.cut.as_deref());
        self.field("Read from", if d.direct { "the medium (O_DIRECT)" } else { "the host's cache, dropped before" });
        // Whether they are other persons, only the certificate tells.
        let keys = match d.shares_no_key() {
            true => "none in common with the certificate",
            false => "NOT independent: the certificate has the same key",
        };
        self.field("Keys", keys);
        self.field("Time", &format!("{} to {}", format_time(d.started), format_time(d.ended)));
        self.medium_name(Some(&MediumName::of(&d.medium.identity, None)));
        if let Some(by) = &d.by {
            self.person("Verifier", by);
        }
    }

    fn destruction(&mut self, d: &Destruction, title: &str, jws: &Jws) {
        self.title(title, jws);
        self.field("Organization", &d.organization);
        self.field("Place", &d.place);
        self.field("Technique", d.technique.words());
        match &d.technique {
            DestructionTechnique::Degauss { field_oersted, coercivity_oersted } => {
                let medium = coercivity_oersted.map_or("unknown".to_owned(), |c| format!("{c} Oe"));
                self.field("Field", &format!("{field_oersted} Oe; coercivity of the medium {medium}"));
            }
            DestructionTechnique::Incinerate { celsius } | DestructionTechnique::Melt { celsius } => {
                self.field("Temperature", &format!("{celsius} °C"));
            }
            DestructionTechnique::Shred { particle } | DestructionTechnique::Disintegrate { particle } => {
                let text = format!("{} (ISO/IEC 21964), largest {} mm2", particle.class, particle.largest_mm2);
                self.field("Particles", &text);
            }
        }
        self.field("Attained", d.attained.name());
        self.optional("Standard", d.standard.as_deref());
        self.field("Destroyed", &format_time(d.destroyed));
        self.optional("Because of", d.because.as_ref().map(reference).as_deref());
        self.optional("Batch", d.batch.as_deref());
        self.optional("Weight", d.weight_kg.map(|w| format!("{w} kg")).as_deref());
        self.optional("Notes", d.notes.as_deref());
        self.section("Equipment");
        self.field("Machine", &format!("{} {}", d.equipment.maker, d.equipment.model));
        self.optional("Serial number", d.equipment.serial.as_deref());
        self.optional("Products list", d.equipment.listed.as_deref());
        self.field("Calibrated", &d.equipment.calibrated.map_or("not told".to_owned(), format_time));
        self.optional("Until", d.equipment.calibration_ends.map(format_time).as_deref());
        self.medium_name(Some(&d.medium));
        self.field("Material", d.material.words());
        self.optional("Category", d.category.map(|c| word(&c)).as_deref());
        self.attachments(&d.attachments);
        self.person("Operator", &d.operator);
        if let Some(witness) = &d.witness {
            self.person("Witness", witness);
        }
    }

    fn gathering(&mut self, d: &Gathering, title: &str, jws: &Jws) {
        self.title(title, jws);
        self.field("Organization", &d.organization);
        self.field("Station", &d.station);
        match &d.of {
            GatheredUnit::Computer { asset_tag, maker, model, serial } => {
                self.field("Asset tag", asset_tag);
                self.optional("Maker", maker.as_deref());
                self.optional("Model", model.as_deref());
                self.optional("Serial number", serial.as_deref());
            }
            GatheredUnit::Lot { number, customer } => {
                self.field("Lot", number);
                self.optional("Customer", customer.as_deref());
            }
        }
        self.field("Gathered", &format_time(d.gathered));
        let c = d.counts;
        self.field("Media", &format!("{} ({} sanitized, {} destroyed)", c.media, c.sanitized, c.destroyed));
        self.field("Without proof", &c.without_proof.to_string());
        self.field("Counted", &d.expected.map_or("by nobody".to_owned(), |n| n.to_string()));
        self.field("Complete", if d.complete { "yes" } else { "NO" });
        // What is open comes first.
        for proven in [false, true] {
            let media: Vec<_> = d.media.iter().filter(|m| m.standing.is_proof() == proven).collect();
            if media.is_empty() {
                continue;
            }
            self.section(if proven { "Media with proof" } else { "Media WITHOUT proof" });
            for entry in media {
                let proof = entry.document.as_ref().map_or(String::new(), |r| format!(", {}", reference(r)));
                let against =
                    entry.against.as_ref().map_or(String::new(), |r| format!(", against it {}", reference(r)));
                let attained = entry.attained.map_or(String::new(), |m| format!(" ({})", m.name()));
                let text = format!("{}: {}{attained}{proof}{against}", entry.medium.label(), entry.standing.words());
                self.wrapped("  - ", &text);
            }
        }
    }

    fn transfer(&mut self, d: &Transfer, title: &str, jws: &Jws) {
        self.title(title, jws);
        self.field("Reason", &d.reason);
        self.field("Place", &d.place);
        self.field("Released", &format_time(d.released));
        self.field("To", &d.to.name);
        self.optional("Organization", d.to.organization.as_deref());
        self.optional("Key", d.to.kid.as_deref());
        self.field("Received", d.receiver(jws).unwrap_or("not signed yet"));
        self.optional("Carrier", d.carrier.as_deref());
        self.optional("Notes", d.notes.as_deref());
        self.section("Containers and seals");
        for container in &d.containers {
            let seals = if container.seals.is_empty() { "not sealed".to_owned() } else { container.seals.join(", ") };
            self.field(&container.id, &seals);
        }
        self.section("Media");
        for entry in &d.media {
            let container = entry.container.as_ref().map_or(String::new(), |c| format!(", in {c}"));
            let document = entry.document.as_ref().map_or(String::new(), |r| format!(", {}", reference(r)));
            self.wrapped("  - ", &format!("{}{container}{document}", entry.medium.label()));
        }
        self.attachments(&d.attachments);
        self.person("Sender", &d.from);
    }

    fn discrepancy(&mut self, d: &Discrepancy, title: &str, jws: &Jws) {
        self.title(title, jws);
        self.field("Transfer", &d.transfer.id);
        self.field("Place", &d.place);
        self.field("Found", &format_time(d.found));
        self.field("Media as listed", &d.received.to_string());
        for seal in &d.seals {
            let number = seal.seal.as_deref().unwrap_or("without number");
            self.field("Seal", &format!("{number} on {}: {}", seal.container, seal.state.words()));
        }
        d.missing.iter().for_each(|m| self.field("Missing", &m.label()));
        d.extra.iter().for_each(|m| self.field("Not on the list", &m.label()));
        self.optional("Remarks", d.remarks.as_deref());
        self.attachments(&d.attachments);
        self.person("Receiver", &d.by);
    }

    fn medium_name(&mut self, medium: Option<&MediumName>) {
        let Some(medium) = medium else { return };
        self.section("Medium");
        self.optional("Vendor", medium.vendor.as_deref());
        self.optional("Model", medium.model.as_deref());
        self.optional("Serial number", medium.serial.as_deref());
        self.optional("WWN", medium.wwn.as_deref());
        self.optional("Capacity", medium.size.map(|s| format!("{} bytes", grouped(s.0))).as_deref());
        self.optional("Identity", medium.digest.as_deref());
        self.optional("Asset tag", medium.asset_tag.as_deref());
    }

    fn person(&mut self, what: &str, person: &Signatory) {
        self.section(what);
        self.field("Name", &person.name);
        self.optional("Title", person.title.as_deref());
        self.optional("Organization", person.organization.as_deref());
        self.optional("Location", person.location.as_deref());
        self.optional("Contact", person.contact.as_deref());
        self.field("Key", &person.kid);
    }

    fn attachments(&mut self, files: &[Attachment]) {
        if files.is_empty() {
            return;
        }
        self.section("Files that belong to it");
        for file in files {
            let text = format!("{} ({}, {} bytes), SHA-256 {}", file.name, word(&file.kind), file.size, file.sha256);
            self.wrapped("  - ", &text);
        }
    }
}

fn reference(document: &DocumentRef) -> String {
    format!("{} {}", document.kind, document.id)
}
