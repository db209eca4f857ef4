//! Whether what a document says can be true: its facts against each other.

use super::governed::{check_policy, excused, may_attain_less};
use super::grade::Mark;
use super::payload::{CertificatePayload, DocumentKind, SCHEMA, VERSION};
use super::{drive, hidden, suspend};
use crate::media::{Kind, MediumClass};
use crate::policy::{Method, Technique, VerificationLevel};
use crate::sanitize::record::{Proven, RunFacts, VerificationFacts};
use crate::scheme::Pattern;
use crate::signed::{Check, Jws, Outcome, format_time};
use crate::units::{LbaRange, human_bytes};

pub(super) const TIMES: &str = "times";
pub(super) const SIGNING_TIME: &str = "signing time";

/// All checks of the content. A certificate must show success everywhere; a failure report must
/// not claim any.
pub(super) fn check(payload: &CertificatePayload) -> Vec<Check> {
    let facts = &payload.facts;
    let mut checks = vec![
        named("schema", check_schema(payload)),
        named("identity", check_identity(facts)),
        named("form", check_form(payload)),
        named("custody receipt", check_receipt(facts)),
        named("ledger ranges", check_ranges(facts)),
        named("grade", check_grade(payload)),
    ];
    match payload.kind {
        DocumentKind::Certificate => checks.extend([
            named("result", check_no_failure(payload)),
            named("method", check_method(facts)),
            named("passes", check_passes(facts)),
            named("drive", drive::check(facts)),
            named("verification", check_verification(facts)),
            named("ledger", check_ledger(facts)),
            named("policy", check_policy(facts)),
        ]),
        DocumentKind::FailureReport => checks.push(named("result", check_failure(payload))),
    }
    if payload.kind == DocumentKind::Certificate && hidden::is_told(&facts.hidden_areas) {
        checks.push(named("hidden areas", hidden::check(facts)));
    }
    if !facts.suspensions.is_empty() {
        checks.push(named("suspend to RAM", suspend::check(payload.kind, facts)));
    }
    checks.push(check_times(facts));
    checks
}

/// The date of each signature against the end of the run.
pub(super) fn check_signing_time(payload: &CertificatePayload, jws: &Jws) -> Check {
    let ended = payload.facts.ended.timestamp();
    let early = jws.signatures().iter().filter_map(|s| s.header().iat).find(|iat| iat.timestamp() < ended);
    match early {
        None => Check::new(SIGNING_TIME, Outcome::Passed, "signed after the run ended"),
        Some(iat) => Check::new(
            SIGNING_TIME,
            Outcome::Unknown,
            format!(
                "signed {} by the signer's clock, before the run ended ({}): a clock was set in between",
                format_time(iat),
                format_time(payload.facts.ended)
            ),
        ),
    }
}

type Found = Result<String, String>;

fn named(name: &'static str, found: Found) -> Check {
    match found {
        Ok(detail) => Check::new(name, Outcome::Passed, detail),
        Err(detail) => Check::new(name, Outcome::Failed, detail),
    }
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn check_schema(payload: &CertificatePayload) -> Found {
    let (schema, version) = (&payload.schema, payload.version);
    require(schema == SCHEMA && version == VERSION, || {
        format!("{schema} version {version} is not known here; {SCHEMA} version {VERSION} is")
    })?;
    require(is_hex(&payload.facts.run_id, 32), || "run_id is not 32 hex digits".to_owned())?;
    let digest = &payload.facts.tool.build_digest;
    require(digest.is_empty() || is_hex(digest, 64), || "the tool's build digest is no SHA-256".to_owned())?;
    Ok(format!("{schema} version {version}"))
}

fn check_identity(facts: &RunFacts) -> Found {
    let medium = &facts.medium;
    let digest = medium.identity.digest();
    require(medium.identity_digest == digest, || {
        format!("the identity's digest is {digest}, but {} is written", medium.identity_digest)
    })?;
    let (whole, treated) = (medium.identity.size, medium.geometry.size);
    let fits = if medium.partition.is_some() { treated <= whole } else { treated == whole };
    require(fits, || format!("the medium has {whole} bytes by its identity and {treated} by its geometry"))?;
    require((medium.kind == Kind::Image) == (medium.class == MediumClass::Image), || {
        "an image file and nothing else is of class image".to_owned()
    })?;
    require(medium.kind != Kind::Virtual || medium.class == MediumClass::Virtual, || {
        "a virtual device is not of class virtual".to_owned()
    })?;
    Ok(format!("{} ({})", medium.identity.label(), human_bytes(treated.0)))
}

fn check_form(payload: &CertificatePayload) -> Found {
    match payload.form.contradiction(&payload.facts) {
        None => Ok("the form agrees with the measured facts".to_owned()),
        Some(field) => Err(format!("{field} on the form does not follow from the measured facts")),
    }
}

fn check_grade(payload: &CertificatePayload) -> Found {
    let earned = Mark::of(&payload.facts, payload.failure.is_some());
    let mark = payload.grade.mark;
    require(mark == earned, || format!("the grade {mark:?} is claimed, the facts earn {earned:?}"))?;
    Ok(earned.title().to_owned())
}

fn check_receipt(facts: &RunFacts) -> Found {
    let intent = &facts.intent;
    let well_formed = is_hex(&intent.log_id, 32) && is_hex(&intent.leaf_hash, 64) && is_hex(&intent.root, 64);
    require(well_formed, || "log id, leaf hash or root is not lower-case hex of the right length".to_owned())?;
    require(intent.index < intent.size, || {
        format!("entry {} cannot stand in a log of {} entries", intent.index, intent.size)
    })?;
    let again = facts.earlier_attempts.iter().any(|earlier| earlier.run_id == facts.run_id);
    require(!again, || "the run is listed among its own earlier attempts".to_owned())?;
    Ok(format!("the intent is entry {} of log {}", intent.index, intent.log_id))
}

fn check_ranges(facts: &RunFacts) -> Found {
    let block = u64::from(facts.medium.geometry.logical_block.max(1));
    let blocks = facts.medium.geometry.size.0.div_ceil(block);
    let ledger = &facts.ledger;
    for (name, ranges) in [
        ("unwritten", &ledger.unwritten),
        ("unread", &ledger.unread),
        ("mismatched", &ledger.mismatched),
        ("unreached", &ledger.unreached),
    ] {
        let end = |r: &LbaRange| r.first.0.checked_add(r.count.0);
        let inside = ranges.iter().all(|r| r.count.0 > 0 && end(r).is_some_and(|e| e <= blocks));
        require(inside, || format!("a range of {name} blocks lies outside the medium's {blocks}"))?;
        let ordered = ranges.windows(2).all(|pair| end(&pair[0]).is_some_and(|e| e < pair[1].first.0));
        require(ordered, || format!("the ranges of {name} blocks are not merged and in order"))?;
    }
    Ok("every listed block lies on the medium".to_owned())
}

fn check_no_failure(payload: &CertificatePayload) -> Found {
    let none = payload.failure.is_none() && payload.next_step.is_none();
    require(none, || "a certificate carries a failure".to_owned())?;
    require(payload.facts.proven != Proven::Nothing, || "a certificate proves nothing".to_owned())?;
    Ok("the run passed".to_owned())
}

fn check_failure(payload: &CertificatePayload) -> Found {
    let failure = payload.failure.as_ref().ok_or("a failure report without a failure")?;
    require(!failure.code.is_empty() && !failure.message.is_empty(), || "the failure is not described".to_owned())?;
    require(payload.next_step.is_some(), || "what happens to the medium next is not told".to_owned())?;
    let claims = !matches!(payload.facts.proven, Proven::Nothing | Proven::CompletionOnly);
    require(!claims, || "a failure report claims a proven result".to_owned())?;
    Ok(format!("the run failed ({})", failure.code))
}

fn check_method(facts: &RunFacts) -> Found {
    let attained = facts.attained.ok_or("a certificate without an attained method")?;
    require(attained >= facts.requested || may_attain_less(facts, attained), || {
        format!("{:?} was requested, but only {attained:?} was attained", facts.requested)
    })?;
    require(attained != Method::Destroy, || "software cannot attain Destroy".to_owned())?;
    let technique: Technique = facts.technique.parse().map_err(|e: crate::policy::UnknownTechnique| e.to_string())?;
    require(attained <= technique.at_most(), || {
        format!("{technique} attains at most {:?}, never {attained:?}", technique.at_most())
    })?;
    Ok(format!("{:?} requested, {attained:?} attained by {}", facts.requested, facts.technique))
}

fn check_passes(facts: &RunFacts) -> Found {
    let size = facts.medium.geometry.size;
    if facts.firmware.is_some() {
        require(facts.passes.is_empty(), || "passes are listed although the drive erased itself".to_owned())?;
        return Ok("none: the drive erased itself".to_owned());
    }
    require(!facts.passes.is_empty() && size.0 > 0, || "there is no pass, or nothing to write".to_owned())?;
    for (pass, number) in facts.passes.iter().zip(1..) {
        require(pass.number == number, || format!("pass {number} is numbered {}", pass.number))?;
        let missing = size.0.checked_sub(pass.written.0);
        require(missing.is_some_and(|missing| missing <= excused(facts)), || {
            format!("pass {number} wrote {} of {size} bytes", pass.written)
        })?;
        require(pass.flushed && pass.ended.is_some(), || format!("pass {number} was not flushed to its end"))?;
        let sensible = !matches!(&pass.pattern, Pattern::Bytes { bytes } if bytes.len() < 2);
        require(sensible, || format!("pass {number} repeats a sequence of less than two bytes"))?;
        if let Some(v) = &pass.verified {
            check_readback(v, facts).map_err(|e| format!("pass {number}: {e}"))?;
        }
    }
    let mut keys: Vec<_> = facts.passes.iter().filter_map(|p| random_key(&p.pattern)).collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    require(keys.len() == count, || "two random passes share one key".to_owned())?;
    Ok(format!("{} complete: every byte written and flushed", facts.passes.len()))
}

fn random_key(pattern: &Pattern) -> Option<[u8; 16]> {
    match pattern {
        Pattern::Random { key } => Some(key.0),
        _ => None,
    }
}

/// One read-back that succeeded.
fn check_readback(v: &VerificationFacts, facts: &RunFacts) -> Result<(), String> {
    let (size, block) = (facts.medium.geometry.size.0, facts.medium.geometry.logical_block);
    let missing = v.wanted.0.checked_sub(v.matched.0);
    require(missing.is_some_and(|missing| missing <= excused(facts)), || {
        format!("{} of {} bytes matched", v.matched, v.wanted)
    })?;
    match v.level {
        VerificationLevel::Full => {
            require(v.wanted.0 == size, || format!("a full read-back of {} of {size} bytes", v.wanted))
        }
        VerificationLevel::Sample => {
            // SP 800-88r1 section 4.7: two samples of at least 5 % in each of the sections. An image
            // may end within a block, which then counts for less.
            let sampled = u128::from(v.wanted.0) + u128::from(block);
            let enough = v.wanted.0 <= size && sampled * 10 >= u128::from(size);
            require(enough, || format!("samples of {} of {size} bytes are less than a tenth, or too many", v.wanted))?;
            let seeded = v.seed.as_deref().is_some_and(|seed| is_hex(seed, 64));
            require(seeded, || "the samples' seed is not 64 hex digits".to_owned())
        }
        VerificationLevel::Quick => {
            require(v.wanted.0 > 0 && v.wanted.0 <= size, || format!("a quick check of {} of {size} bytes", v.wanted))?;
            let seeded = v.seed.as_deref().is_some_and(|seed| is_hex(seed, 64));
            require(seeded, || "the check's seed is not 64 hex digits".to_owned())
        }
        VerificationLevel::None => {
            require(v.matched.0 == 0, || "bytes were read back although no verification was done".to_owned())
        }
    }
}

fn check_verification(facts: &RunFacts) -> Found {
    let v = &facts.verification;
    check_readback(v, facts)?;
    let level = match facts.proven {
        Proven::ReadbackWithExceptions => {
            let excepted = !facts.ledger.is_clean() && v.level != VerificationLevel::None;
            require(excepted, || "exceptions are claimed, and there are none".to_owned())?;
            v.level
        }
        Proven::QuickReadback => VerificationLevel::Quick,
        Proven::FullReadback => VerificationLevel::Full,
        Proven::SampledReadback => VerificationLevel::Sample,
        Proven::CompletionOnly => VerificationLevel::None,
        Proven::ErasedFullRead | Proven::ErasedSampled | Proven::ErasedKnownContent => {
            let fits = drive::level_fits(facts.proven, v.level) == Some(true);
            require(fits, || format!("{:?} is claimed, but {:?} was read", facts.proven, v.level))?;
            v.level
        }
        Proven::Nothing => return Err("nothing is proven".to_owned()),
    };
    // Exceptions that no policy allows are the ledger's check.
    let whole = excused(facts) == 0 || matches!(facts.proven, Proven::ReadbackWithExceptions | Proven::CompletionOnly);
    require(whole, || format!("{:?} is claimed, but the ledger lists exceptions", facts.proven))?;
    require(v.level == level, || format!("{:?} is claimed, but the verification was {:?}", facts.proven, v.level))?;
    let from_medium = facts.io.direct || facts.medium.class == MediumClass::Image;
    require(level == VerificationLevel::None || from_medium, || {
        "the read-back went through the host's cache (no O_DIRECT), so it shows nothing about the medium".to_owned()
    })?;
    Ok(match level {
        VerificationLevel::None => "nothing was read back, and nothing is claimed of it".to_owned(),
        _ if !facts.ledger.is_clean() => {
            format!("{} of {} bytes were read back and matched; the ledger lists the rest", v.matched, v.wanted)
        }
        // There is nothing to compare with what a drive's own technique leaves.
        _ if facts.proven.is_erased() => format!("{} of {} bytes were read afterwards", v.matched, v.wanted),
        _ => format!("{} bytes were read back and all matched", v.matched),
    })
}

fn check_ledger(facts: &RunFacts) -> Found {
    if facts.ledger.is_clean() {
        return Ok("no block went wrong".to_owned());
    }
    require(excused(facts) > 0, || "the ledger lists blocks that went wrong".to_owned())?;
    let allowed = facts.policy.as_ref().map_or(0, |policy| policy.bad_blocks_allowed);
    let blocks = facts.ledger.exceptions().unwrap_or_default();
    Ok(format!("{blocks} blocks could not be written or read back; the policy allows {allowed}"))
}

pub(super) fn check_times(facts: &RunFacts) -> Check {
    let mut times = vec![("the intent", facts.started)];
    for suspension in &facts.suspensions {
        times.push(("a suspend to RAM", suspension.noted));
        times.extend(suspension.woke.map(|at| ("waking from it", at)));
    }
    for pass in &facts.passes {
        times.push(("the start of a pass", pass.started));
        times.extend(pass.ended.map(|at| ("the end of a pass", at)));
    }
    if let Some(firmware) = &facts.firmware {
        times.extend(firmware.sent.map(|at| ("the drive's command", at)));
        times.extend(firmware.ended.map(|at| ("the end of the drive's erase", at)));
    }
    times.push(("the result", facts.ended));
    let backward = times.windows(2).find(|pair| pair[1].1 < pair[0].1);
    match backward {
        None => Check::new(TIMES, Outcome::Passed, "all times are in order"),
        Some(pair) => Check::new(
            TIMES,
            Outcome::Unknown,
            format!(
                "{} ({}) is dated before {} ({}): the station's clock was set in between",
                pair[1].0,
                format_time(pair[1].1),
                pair[0].0,
                format_time(pair[0].1)
            ),
        ),
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::certificate::IssueContext;
    use crate::sanitize::record::Failure;
    use crate::scheme::StreamKey;
    use crate::units::{Bytes, Lba, Sectors};

    pub fn facts() -> RunFacts {
        let mut facts: RunFacts = serde_json::from_str(include_str!("../../tests/data/facts.json")).unwrap();
        facts.medium.identity_digest = facts.medium.identity.digest();
        facts
    }

    pub fn failure() -> (RunFacts, Failure) {
        let mut facts = facts();
        facts.attained = None;
        facts.proven = Proven::Nothing;
        facts.ledger.unwritten = vec![LbaRange { first: Lba(5), count: Sectors(2) }];
        facts.passes[0].written = Bytes(512);
        let text = |t: &str| t.to_owned();
        (facts, Failure { code: text("write_errors"), message: text("2 blocks"), advice: text("destroy it") })
    }

    fn failed(change: impl FnOnce(&mut RunFacts)) -> Vec<&'static str> {
        let mut facts = facts();
        change(&mut facts);
        let payload = CertificatePayload::from_facts(&facts, None, &IssueContext::default());
        check(&payload).into_iter().filter(|c| c.outcome != Outcome::Passed).map(|c| c.name).collect()
    }

    fn sampled(facts: &mut RunFacts, wanted: u64) {
        facts.proven = Proven::SampledReadback;
        facts.verification.level = VerificationLevel::Sample;
        facts.verification.seed = Some("ab".repeat(32));
        facts.verification.matched = Bytes(wanted);
        facts.verification.wanted = Bytes(wanted);
    }

    #[test]
    fn true_facts_pass() {
        assert!(failed(|_| {}).is_empty());
        assert!(failed(|f| sampled(f, 100_020_488_602)).is_empty());
        assert!(
            failed(|f| {
                f.proven = Proven::CompletionOnly;
                f.verification.level = VerificationLevel::None;
                f.verification.matched = Bytes(0);
                f.verification.wanted = Bytes(0);
            })
            .is_empty()
        );
    }

    #[test]
    fn every_contradiction_is_found_by_its_own_check() {
        let range = |first, count| vec![LbaRange { first: Lba(first), count: Sectors(count) }];
        assert_eq!(failed(|f| f.attained = None), ["method"]);
        assert_eq!(failed(|f| f.requested = Method::Purge), ["method"]);
        assert_eq!(failed(|f| f.attained = Some(Method::Purge)), ["method"]);
        assert_eq!(failed(|f| f.attained = Some(Method::Destroy)), ["method"]);
        assert_eq!(failed(|f| f.passes.clear()), ["passes"]);
        assert_eq!(failed(|f| f.passes[0].written.0 -= 1), ["passes"]);
        assert_eq!(failed(|f| f.passes[0].flushed = false), ["passes"]);
        assert_eq!(failed(|f| f.passes[0].ended = None), ["passes"]);
        assert_eq!(failed(|f| f.passes[0].number = 2), ["passes"]);
        assert_eq!(failed(|f| f.verification.matched.0 -= 1), ["verification"]);
        assert_eq!(failed(|f| f.verification.level = VerificationLevel::None), ["verification"]);
        assert_eq!(failed(|f| f.proven = Proven::SampledReadback), ["verification"]);
        assert_eq!(failed(|f| f.proven = Proven::Nothing), ["result", "verification"]);
        assert_eq!(failed(|f| f.io.direct = false), ["verification"]);
        assert_eq!(failed(|f| sampled(f, 100_020_488_089)), ["verification"]);
        assert_eq!(failed(|f| sampled(f, 1_000_204_886_017)), ["verification"]);
        assert_eq!(
            failed(|f| {
                sampled(f, 200_000_000_000);
                f.verification.seed = None;
            }),
            ["verification"]
        );
        assert_eq!(failed(|f| f.ledger.unread = range(5, 1)), ["ledger"]);
        assert_eq!(failed(|f| f.ledger.unread = range(1_953_525_168, 1)), ["ledger ranges", "ledger"]);
        assert_eq!(failed(|f| f.ledger.unread = range(u64::MAX, 2)), ["ledger ranges", "ledger"]);
        assert_eq!(failed(|f| f.ledger.unread = [range(5, 1), range(5, 1)].concat()), ["ledger ranges", "ledger"]);
        assert_eq!(failed(|f| f.medium.identity_digest = "00".repeat(32)), ["identity"]);
        assert_eq!(failed(|f| f.medium.class = MediumClass::Image), ["identity"]);
        assert_eq!(failed(|f| f.medium.kind = Kind::Virtual), ["identity"]);
        assert_eq!(failed(|f| f.intent.size = Bytes(7)), ["custody receipt"]);
        assert_eq!(failed(|f| f.intent.root = "XX".repeat(32)), ["custody receipt"]);
        assert_eq!(failed(|f| f.run_id = "run".into()), ["schema"]);
        assert_eq!(failed(|f| f.tool.build_digest = "x".into()), ["schema"]);
        assert_eq!(failed(|f| f.ended = f.started - chrono::TimeDelta::hours(1)), ["times"]);
        assert_eq!(
            failed(|f| {
                let mut second = f.passes[0].clone();
                second.number = 2;
                f.passes.push(second);
            }),
            ["passes", "times"],
            "a key used twice, and a pass that began before the last one ended"
        );
        let other_key = |f: &mut RunFacts| f.passes[0].pattern = Pattern::Random { key: StreamKey([9; 16]) };
        assert!(failed(other_key).is_empty());
    }

    #[test]
    fn a_form_that_says_something_else_is_found() {
        let mut payload = CertificatePayload::from_facts(&facts(), None, &IssueContext::default());
        payload.form.media.serial = Some("other".into());
        payload.form.media.property_number = Some("anything".into());
        let wrong: Vec<_> = check(&payload).into_iter().filter(|c| c.outcome == Outcome::Failed).collect();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].name == "form" && wrong[0].detail.contains("serial"));
        payload.form = CertificatePayload::from_facts(&facts(), None, &IssueContext::default()).form;
        payload.version = 2;
        assert!(check(&payload).iter().any(|c| c.name == "schema" && c.outcome == Outcome::Failed));
    }

    #[test]
    fn a_failure_report_claims_nothing() {
        let (mut facts, failure) = failure();
        let report = |facts: &RunFacts| {
            let payload = CertificatePayload::from_facts(facts, Some(&failure), &IssueContext::default());
            check(&payload).into_iter().filter(|c| c.outcome == Outcome::Failed).map(|c| c.name).collect::<Vec<_>>()
        };
        assert!(report(&facts).is_empty());
        facts.proven = Proven::FullReadback;
        assert_eq!(report(&facts), ["result"]);
    }
}
