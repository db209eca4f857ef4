//! A certificate or failure report as text for a person, at most 80 columns where words allow it.

use std::fmt::Write as _;

use super::form::{BackedUp, Destination, DestinationKind, kind_name};
use super::payload::{CertificatePayload, DocumentKind, ReadError, id_of, read};
use super::statement::method_name;
use super::verify::{Verdict, Verification};
use super::{drive, hidden};
use crate::media::{Exchange, Reply, namespace_words};
use crate::sanitize::record::{
    ClockQuality, FirmwareFacts, FoundFacts, HiddenAreas, KnownContent, PassFacts, Proven, VerificationFacts,
};
use crate::scheme::Pattern;
use crate::signed::{Jws, Outcome, format_time, printable};
use crate::units::{LbaRange, human_bytes};

const WIDTH: usize = 80;
const LABEL: usize = 20;
/// Ranges that are listed before the rest is only counted.
const RANGES: usize = 20;

/// The document as text. It is shown as it claims to be; nothing is verified.
pub fn show(bytes: &[u8]) -> Result<String, ReadError> {
    let (jws, document) = read(bytes)?;
    let mut page = Page(String::new());
    page.head(&document, &id_of(jws.payload()));
    page.result(&document);
    page.medium(&document);
    page.passes(&document);
    page.ledger(&document);
    page.people(&document);
    page.run(&document);
    page.section("What this document says");
    document.statement.iter().for_each(|sentence| page.wrapped("  - ", sentence));
    page.signatures(&jws);
    Ok(page.0)
}

/// The checks of a verification, one a line, failed ones with their reason.
pub fn show_verification(verification: &Verification) -> String {
    let mut page = Page(String::new());
    for check in &verification.checks {
        let mark = match check.outcome {
            Outcome::Passed => "passed ",
            Outcome::Failed => "FAILED ",
            Outcome::Unknown => "unknown",
        };
        let of = check.signature.map(|n| format!(" {n}")).unwrap_or_default();
        let name = format!("{}{of}", check.name);
        page.wrapped(&format!("  {mark}  {name:<17} "), &check.detail);
    }
    let name = verification.kind.name();
    let verdict = match verification.verdict {
        Verdict::Valid => format!("VALID: this {name} was signed by a key you know, and nothing contradicts it."),
        Verdict::ConsistentSignerUnknown => {
            format!(
                "CONSISTENT; THE SIGNER IS NOT ESTABLISHED: nothing speaks against this {name}, but whether its \
                     signature is genuine can only be told with the signer's key from a trust store."
            )
        }
        Verdict::Invalid => format!("INVALID: do not rely on this {name}."),
    };
    page.0.push('\n');
    page.wrapped("", &verdict);
    page.0
}

pub(super) struct Page(pub(super) String);

impl Page {
    fn head(&mut self, document: &CertificatePayload, id: &str) {
        let title = match document.kind {
            DocumentKind::Certificate => "CERTIFICATE OF SANITIZATION",
            DocumentKind::FailureReport => "SANITIZATION FAILURE REPORT",
        };
        self.line(title);
        self.line(&"=".repeat(title.len()));
        self.field("Document", id);
        self.field("Organization", &document.organization);
        self.field("Station", &document.station);
        let facts = &document.facts;
        self.field("Run", &facts.run_id);
        self.field("Started", &format_time(facts.started));
        let clock = match facts.clock {
            ClockQuality::Synchronized => "clock synchronized",
            ClockQuality::Unsynchronized => "clock NOT synchronized",
            ClockQuality::Unknown => "clock quality unknown",
        };
        self.field("Ended", &format!("{} ({clock})", format_time(facts.ended)));
    }

    fn result(&mut self, document: &CertificatePayload) {
        let facts = &document.facts;
        self.section("Result");
        if let Some(failure) = &document.failure {
            self.field("Outcome", &format!("FAILED ({})", failure.code));
            self.field("What happened", &failure.message);
            self.field("What to do", &failure.advice);
            self.optional("Next step", document.next_step.map(|step| step.words()));
        } else {
            self.field("Outcome", "passed");
        }
        self.field("Requested", method_name(facts.requested));
        self.field("Attained", facts.attained.map_or("nothing", method_name));
        let proven = match facts.proven {
            Proven::FullReadback => "every addressable byte was read back and matched",
            Proven::SampledReadback => "representative samples were read back and matched",
            Proven::QuickReadback => "a few hundred places were read back and matched; no representative sampling",
            Proven::ReadbackWithExceptions => "what was read back matched, with the exceptions listed below",
            Proven::CompletionOnly => "completion only; nothing was read back",
            Proven::Nothing => "nothing",
            erased => drive::proven_briefly(erased),
        };
        self.field("Proven", proven);
        self.field("Grade", document.grade.mark.title());
        document.grade.reasons.iter().for_each(|reason| self.field("", reason));
        self.field("Technique", &facts.technique);
        if let Some(policy) = &facts.policy {
            self.field("Policy", &format!("{}, SHA-256 {}", policy.label(), policy.digest));
            let said = |word: Option<&str>| word.unwrap_or("not said").to_owned();
            let category = said(policy.category.map(|category| category.name()));
            let route = said(policy.route.map(|route| route.name()));
            let demands = policy.minimum.map_or("no minimum decided", method_name);
            self.field("Policy demands", &format!("{demands} (category {category}, route {route})"));
        }
        self.field("Scheme", &format!("{} ({})", facts.scheme.title, facts.scheme.name));
        self.field("Definition", &facts.scheme.definition);
        self.field("Source", &facts.scheme.source);
    }

    fn medium(&mut self, document: &CertificatePayload) {
        let medium = &document.facts.medium;
        let identity = &medium.identity;
        self.section("Medium");
        self.optional("Vendor", identity.vendor.as_deref());
        self.optional("Model", identity.model.as_deref());
        self.optional("Serial number", identity.serial.as_deref());
        self.optional("WWN", identity.wwn.as_deref());
        self.optional("EUI-64", identity.eui64.as_deref());
        self.optional("NGUID", identity.nguid.as_deref());
        self.optional("Firmware", identity.firmware.as_deref());
        if let Some(backing) = &identity.backing {
            self.field("Backing file", &format!("{} (inode {})", backing.path.display(), backing.inode));
        }
        self.field("Type", &format!("{} ({})", kind_name(medium.kind), word(&medium.class)));
        self.field("Transport", &word(&medium.transport));
        let size = medium.geometry.size.0;
        self.field("Capacity", &format!("{} bytes ({})", grouped(size), human_bytes(size)));
        let blocks = (medium.geometry.logical_block, medium.geometry.physical_block);
        self.field("Block size", &format!("{} logical, {} physical", blocks.0, blocks.1));
        if let Some(partition) = &medium.partition {
            let disk = partition.disk.display();
            self.field("Part of", &format!("partition {} of {disk}, from byte {}", partition.number, partition.start));
        }
        self.field("Found as", &medium.path.display().to_string());
        let form = &document.form.media;
        self.optional("Property number", form.property_number.as_deref());
        self.optional("Source of medium", form.source.as_deref());
        self.optional("Classification", form.classification.as_deref());
        self.optional("Data backed up", form.data_backed_up.map(backed_up));
        self.optional("Backup location", form.backup_location.as_deref());
        match &document.facts.hidden_areas {
            HiddenAreas::Impossible => self.field("Hidden areas", "none possible on this medium"),
            HiddenAreas::ReachedByCommand { why, .. } => {
                self.field("Hidden areas", &format!("reached by the command: {why}"));
            }
            HiddenAreas::Examined { by, areas, .. } if areas.is_empty() => {
                self.field("Hidden areas", &format!("none, the drive says ({by})"));
            }
            HiddenAreas::Examined { by, .. } => self.field("Hidden areas", &format!("asked by {by}")),
            HiddenAreas::NotExamined { why } => self.field("Hidden areas", &format!("not examined: {why}")),
        }
        for area in document.facts.hidden_areas.areas() {
            let size = area.size.map_or("size unknown".to_owned(), |size| format!("{} bytes", grouped(size.0)));
            let became = area.outcome.map(|_| format!("{}; ", hidden::outcome(area))).unwrap_or_default();
            self.field("", &format!("{}: {size}, {became}{}", area.kind.replace('_', " "), area.note));
        }
        if let Some(restored) = document.facts.hidden_areas.restored() {
            let (before, now) = (restored.before.size.0, document.facts.medium.geometry.size.0);
            self.field("Size before", &format!("{} bytes; now {} bytes", grouped(before), grouped(now)));
        }
        self.exchanges(document.facts.hidden_areas.exchanges());
    }

    fn passes(&mut self, document: &CertificatePayload) {
        for suspension in &document.facts.suspensions {
            self.section("Suspend to RAM");
            self.field("To unfreeze", &suspension.words());
            self.exchanges(&suspension.exchanges);
        }
        for switch in &document.facts.force_ro {
            self.section("Write protection by the kernel");
            self.field("Cleared", &switch.words());
        }
        if let Some(firmware) = &document.facts.firmware {
            self.drive(firmware);
        }
        for step in &document.facts.steps_down {
            self.section("Step down");
            self.field("From", &format!("{} to {}", step.from, step.to));
            self.field("Because", &step.failure.message);
            self.exchanges(&step.exchanges);
        }
        self.section(if document.facts.firmware.is_some() { "Reading afterwards" } else { "Passes" });
        for pass in &document.facts.passes {
            self.pass(pass);
        }
        let done = if document.facts.proven.is_erased() { "read" } else { "matched" };
        self.field("Verification", &readback(&document.facts.verification, done));
        self.optional("Sample seed", document.facts.verification.seed.as_deref());
        let io = &document.facts.io;
        let direct = if io.direct { "direct (host cache bypassed)" } else { "through the host's cache" };
        self.field("Input/output", &format!("{}, {direct}", io.engine));
    }

    fn drive(&mut self, firmware: &FirmwareFacts) {
        self.section("The drive's own command");
        let agrees = match firmware.path.identity_agrees {
            Some(true) => "the drive names the serial number that the kernel shows",
            Some(false) => "the drive names ANOTHER serial number than the kernel shows",
            None => "no serial number to compare",
        };
        let returns = if firmware.path.returns_status { "returns the drive's status" } else { "returns NO status" };
        self.field("Path", &format!("{}, {returns}; {agrees}", word(&firmware.path.set)));
        firmware.path.notes.iter().for_each(|note| self.field("", note));
        for other in &firmware.also {
            self.field("Erased as well", &format!("{} ({})", other.identity.label(), other.path.display()));
            match &other.read {
                None => self.field("", "not read afterwards"),
                Some(read) => self.field(
                    "",
                    &format!(
                        "read afterwards: {} of {} blocks of known content and {} of {} samples gone; blocks of {}",
                        read.canaries.gone,
                        read.canaries.known,
                        read.samples.gone,
                        read.samples.known,
                        counts(&read.found)
                    ),
                ),
            }
        }
        if !firmware.unattached.is_empty() {
            let which = namespace_words(&firmware.unattached);
            self.field("Erased as well", &format!("{which}, which no device of the host showed; not read afterwards"));
        }
        self.exchanges(&firmware.exchanges);
        self.optional("Drive's last word", firmware.status.as_deref());
        let of = |known: &KnownContent| format!("{} of {} gone", known.gone, known.known);
        self.field("Known content", &format!("{} (blocks written and read back before)", of(&firmware.canaries)));
        let blank = firmware.blank_samples;
        self.field(
            "Earlier content",
            &format!("{} (sampled before; {blank} places were blank)", of(&firmware.samples)),
        );
        if let Some(found) = &firmware.found {
            self.field("Found afterwards", &format!("blocks of {}", counts(found)));
        }
        self.optional("Taken off again", firmware.cleaned_up.as_deref());
    }

    fn exchanges(&mut self, exchanges: &[Exchange]) {
        for exchange in exchanges {
            let reply = match &exchange.reply {
                Reply::AtaRegisters { registers, .. } => format!("registers {registers}"),
                Reply::NoRegisters => "NO registers".to_owned(),
                Reply::Scsi { status, sense } if sense.is_empty() => format!("status {status}"),
                Reply::Scsi { status, sense } => format!("status {status}, sense {sense}"),
                Reply::Nvme { status, result } => format!("status {status}, dword 0 {result}"),
                Reply::Mmc { responses } => format!("responses {responses}"),
                Reply::Opal { code } => format!("code {code}"),
                Reply::Done => "done".to_owned(),
                Reply::Failed { error } => format!("NO answer: {error}"),
            };
            self.field("Sent", &format!("{}: {}", exchange.name, exchange.command));
            self.field("", &format!("{reply}, {}", format_time(exchange.answered)));
        }
    }

    fn pass(&mut self, pass: &PassFacts) {
        let bytes = match &pass.pattern {
            Pattern::Byte { byte } => format!("byte {byte:02x} everywhere"),
            Pattern::Bytes { bytes } => {
                format!("{} repeated from byte 0", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
            }
            Pattern::Random { key } => format!("AES-128-CTR stream, key {key}"),
        };
        let flushed = if pass.flushed { "flushed" } else { "NOT flushed" };
        let ended = pass.ended.map_or_else(|| "not ended".to_owned(), format_time);
        self.field(&format!("{}.", pass.number), &bytes);
        self.field("", &format!("{} bytes written, {flushed}", grouped(pass.written.0)));
        self.field("", &format!("{} to {ended}", format_time(pass.started)));
        if let Some(verified) = &pass.verified {
            self.field("", &format!("read back: {}", readback(verified, "matched")));
        }
    }

    fn ledger(&mut self, document: &CertificatePayload) {
        let ledger = &document.facts.ledger;
        if ledger.is_clean() {
            self.field("Bad blocks", "none");
            return;
        }
        self.section("Blocks that went wrong");
        self.ranges("Not written", &ledger.unwritten);
        self.ranges("Not readable", &ledger.unread);
        self.ranges("Not matching", &ledger.mismatched);
        self.ranges("Not reached", &ledger.unreached);
    }

    fn ranges(&mut self, label: &str, ranges: &[LbaRange]) {
        if ranges.is_empty() {
            return;
        }
        let blocks = ranges.iter().fold(0u64, |sum, r| sum.saturating_add(r.count.0));
        let listed: Vec<_> = ranges.iter().take(RANGES).map(LbaRange::to_string).collect();
        let more = match ranges.len().saturating_sub(RANGES) {
            0 => String::new(),
            n => format!(" and {n} more ranges"),
        };
        self.field(label, &format!("{} blocks: {}{more}", grouped(blocks), listed.join(", ")));
    }

    fn people(&mut self, document: &CertificatePayload) {
        let person = &document.form.performed_by;
        self.section("Person performing sanitization");
        match &document.facts.operator {
            Some(operator) => self.field("Operator", &format!("{} ({})", operator.name, operator.standing)),
            None => self.field("Operator", "not given"),
        }
        let given = person.name.as_deref().filter(|n| document.facts.operator.as_ref().is_none_or(|o| o.name != *n));
        self.optional("Name", given);
        self.optional("Title", person.title.as_deref());
        self.optional("Organization", person.organization.as_deref());
        self.optional("Location", person.location.as_deref());
        self.optional("Phone", person.phone.as_deref());
        let done = &document.form.sanitization;
        self.optional("Category afterwards", done.post_category.as_deref());
        self.optional("Notes", done.notes.as_deref());
        if let Some(destination) = &document.form.destination {
            self.field("Destination", &destination_text(destination));
        }
    }

    fn run(&mut self, document: &CertificatePayload) {
        let facts = &document.facts;
        self.section("Custody");
        self.field("Log", &facts.intent.log_id);
        self.field("Intent", &format!("entry {}, before the first write", facts.intent.index));
        self.field("Leaf hash", &facts.intent.leaf_hash);
        self.field("Root then", &format!("{} over {} entries", facts.intent.root, facts.intent.size));
        match facts.earlier_attempts.as_slice() {
            [] => self.field("Earlier attempts", "none in this log"),
            attempts => attempts.iter().for_each(|a| {
                let outcome = if a.outcome == "none" { "no outcome" } else { a.outcome.as_str() };
                self.field("Earlier attempt", &format!("{} on {}: {outcome}", a.run_id, format_time(a.intended)));
            }),
        }
        for resumed in &facts.resumed {
            let place = format!("pass {} ({}), byte {}", resumed.pass, resumed.stage, resumed.offset);
            self.field("Resumed", &format!("{} on {} in {place}", format_time(resumed.at), resumed.path.display()));
        }
        self.field("Tool", &format!("{} {}", facts.tool.name, facts.tool.version));
        let digest = Some(facts.tool.build_digest.as_str()).filter(|d| !d.is_empty());
        self.field("Executable", &digest.map_or("could not be read".to_owned(), |d| format!("SHA-256 {d}")));
    }

    pub(super) fn signatures(&mut self, jws: &Jws) {
        self.section("Signatures (as claimed; verify them with `lastwrite certificate verify`)");
        for signature in jws.signatures() {
            let header = signature.header();
            let role = header.role.map_or("(no role)", |role| role.as_str());
            let at = header.iat.map_or_else(|| "(no date)".to_owned(), format_time);
            self.field(role, &format!("{at} by key {}", header.kid.as_deref().unwrap_or("(none named)")));
        }
    }

    pub(super) fn section(&mut self, title: &str) {
        let _ = write!(self.0, "\n{title}\n{}\n", "-".repeat(title.chars().count()));
    }

    pub(super) fn optional(&mut self, label: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.field(label, value);
        }
    }

    pub(super) fn field(&mut self, label: &str, value: &str) {
        self.wrapped(&format!("  {label:<LABEL$}"), value);
    }

    /// Words after `first`, further lines indented below it.
    pub(super) fn wrapped(&mut self, first: &str, text: &str) {
        let indent = first.chars().count();
        let mut line = first.to_owned();
        let mut empty = true;
        let printable = printable(text);
        for word in printable.split(' ').filter(|w| !w.is_empty()) {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(line.trim_end());
                line = " ".repeat(indent);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.line(line.trim_end());
    }

    pub(super) fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }
}

fn counts(found: &FoundFacts) -> String {
    let counts = [("00", found.zeros), ("FF", found.ones), ("other", found.other)];
    counts.iter().map(|(what, n)| format!("{} {what}", grouped(n.0))).collect::<Vec<_>>().join(", ")
}

fn readback(v: &VerificationFacts, done: &str) -> String {
    use crate::policy::VerificationLevel::{Full, None, Quick, Sample};
    let of = format!("{} of {} bytes {done}", grouped(v.matched.0), grouped(v.wanted.0));
    match v.level {
        Full => format!("full, {of}"),
        Quick => format!("quick check, {of}"),
        Sample => format!("representative sampling, {of}"),
        None => "none".to_owned(),
    }
}

fn backed_up(backed_up: BackedUp) -> &'static str {
    match backed_up {
        BackedUp::Yes => "yes",
        BackedUp::No => "no",
        BackedUp::Unknown => "unknown",
    }
}

fn destination_text(destination: &Destination) -> String {
    let kind = match destination.kind {
        DestinationKind::InternalReuse => "internal reuse",
        DestinationKind::ExternalReuse => "external reuse",
        DestinationKind::RecyclingFacility => "recycling facility",
        DestinationKind::Manufacturer => "manufacturer",
        DestinationKind::Other => "other",
    };
    match &destination.details {
        None => kind.to_owned(),
        Some(details) => format!("{kind}: {details}"),
    }
}

/// The word a unit enum has in JSON, with spaces.
pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word.replace(['_', '-'], " "),
        _ => "unknown".to_owned(),
    }
}

/// `8001563222016` as `8,001,563,222,016`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
