//! `lastwrite plan`, and the options that `plan` and `wipe` share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::refused::{refusal, refused_medium};
use super::torn::TornEnds;
use super::{Common, drives, output, psid, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::media::{Medium, PlannedCommand, namespace_words};
use crate::policy::{Method, Route, StepDown, Technique, VerificationLevel, Wanted};
use crate::sanitize::record::{Frozen, Operator, Otherwise};
use crate::scheme::{self, PassVerify, Scheme};
use crate::station::{
    self, BootPartitions, DriveReport, Order, Preparation, Psids, RunPlan, Rung, Station, TargetRule, Wish,
};
use crate::units::{human_bytes, now};

/// How the media are to be wiped.
#[derive(Debug, Args)]
pub struct WishArgs {
    /// Overwrite scheme; `list` shows all with their bytes and sources
    #[arg(long, value_name = "NAME", default_value = "random")]
    pub scheme: String,
    /// Read-back of the last pass
    #[arg(long, value_enum, default_value_t = Verify::Full)]
    pub verify: Verify,
    /// SP 800-88 method that is wanted; auto: the strongest that is there [default: what the policy demands]
    #[arg(long, value_enum)]
    pub method: Option<MethodArg>,
    /// This technique and no other (nvme-sanitize-block, overwrite, ...)
    #[arg(long, value_name = "NAME", conflicts_with = "method")]
    pub technique: Option<Technique>,
    /// How far to step down when a technique fails
    #[arg(long, value_enum, default_value_t = StepDownArg::Never)]
    pub step_down: StepDownArg,
    /// Policy: an id from `policy list`, or a signed file [default: the station's]
    #[arg(long, value_name = "POLICY")]
    pub policy: Option<String>,
    /// Where the medium goes: internal-reuse, resale, donation, lease-return, recycling, destruction
    #[arg(long, value_name = "ROUTE")]
    pub route: Option<Route>,
    /// The medium is destroyed afterwards: this run releases nothing
    #[arg(long)]
    pub before_destruction: bool,
    /// Asset tag of the medium
    #[arg(long, value_name = "TAG")]
    pub asset: Option<String>,
    /// Confidentiality category of what was on it: none, low, moderate, high, or a word of the policy
    #[arg(long, value_name = "CATEGORY")]
    pub category: Option<String>,
    /// Who does it; recorded as claimed unless their own key signs (--operator-key)
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    /// File with PSIDs for opal-psid-revert: one alone, or a line a drive, SERIAL PSID [default: asked for]
    #[arg(long, value_name = "FILE")]
    pub psid_file: Option<PathBuf>,
    /// Have ATA disks give back what they hide (HPA, AMAC, DCO) before anything is erased: changes them for
    /// good. What cannot be given back: or-refuse ends the run, or-exclude records the area as excluded
    #[arg(long, value_enum, value_name = "OTHERWISE", num_args = 0..=1, require_equals = true,
        default_missing_value = "or-refuse")]
    pub restore_hidden: Option<RestoreHidden>,
    /// Where the drive is frozen (ATA security or sanitize), suspend THIS MACHINE to RAM before anything is
    /// erased, which cuts the drive's power; its clock wakes it after half a minute
    #[arg(long)]
    pub unfreeze: bool,
    /// Leave the boot partitions of an eMMC as they are where its own command would erase them too: the
    /// certificate excludes them
    #[arg(long)]
    pub leave_boot_partitions: bool,
    /// Namespaces of an NVMe drive that no device here shows (2,3) and that may be erased along with it: all that
    /// there are, and nobody here can tell whether another host uses them. One target alone
    #[arg(long, value_name = "NSID,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub also_unattached: Vec<u32>,
    /// Allow a partition as target
    #[arg(long)]
    pub partition: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// Every addressable byte
    Full,
    /// Representative sampling (SP 800-88r1 4.7)
    Sample,
    /// A few hundred places: notices a drive that did nothing, proves little
    Quick,
    /// Nothing: completion only, never proven
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    Clear,
    Purge,
    Destroy,
    /// The strongest that the medium and the path support
    Auto,
}

/// How far a run may step down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StepDownArg {
    /// One technique; when it fails, the run fails
    Never,
    /// To another technique for the same method
    SameMethod,
    /// Also to one that attains less, never below the policy's minimum
    LowerMethod,
}

/// What becomes of a run whose drive does not give back what it hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestoreHidden {
    /// It ends, and nothing is erased
    OrRefuse,
    /// It goes on, and the area is recorded as excluded
    OrExclude,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Block devices or image files
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<PathBuf>,
    #[command(flatten)]
    wish: WishArgs,
}

pub fn run(common: &Common, args: PlanArgs) -> Result<Exit, Failure> {
    args.wish.scheme()?;
    let station = common.station_if_any()?;
    let _torn = station.as_ref().map(TornEnds::of).transpose()?;
    args.wish.names_one_drive(args.targets.len())?;
    let mut wish = args.wish.wish(station.as_ref())?;
    wish.psids = args.wish.psids(common, args.targets.len())?;
    let orders = args.wish.orders(args.targets);
    let roots = station::live();
    let mut exit = Exit::Done;
    let prepared =
        station::prepare(&roots, station.as_ref(), &orders, &wish, now()).map_err(|e| station_failure(&e))?;
    let planned: Vec<Medium> = prepared.iter().flatten().map(|p| p.run.plan().medium.clone()).collect();
    let mut reports = station::reports(&roots, &planned).into_iter();
    for (order, result) in orders.iter().zip(prepared) {
        match result {
            Ok(preparation) => {
                let report = reports.next().flatten();
                match common.json {
                    true => output::json(&as_json(&order.target, &preparation, report.as_ref())),
                    false => output::line(&[render(&preparation, Drawn::Later), state(report.as_ref())].concat()),
                }
            }
            Err(refused) => {
                let failure = refusal(&refused);
                exit = exit.worst(failure.exit);
                if common.json {
                    output::json(&json!({
                        "outcome": "refused", "target": order.target.to_string_lossy(),
                        "medium": refused_medium(&refused),
                        "message": failure.message, "advice": failure.hint,
                    }));
                } else {
                    output::line_err(&failure.to_string());
                }
            }
        }
    }
    Ok(exit)
}

impl WishArgs {
    /// The scheme, looked up before anything else.
    pub fn scheme(&self) -> Result<&'static Scheme, Failure> {
        scheme::find(&self.scheme).map_err(|e| Failure::new(Exit::Usage, &e).hint("lastwrite wipe --scheme list"))
    }

    /// What the options mean.
    pub fn wish(&self, station: Option<&Station>) -> Result<Wish, Failure> {
        let scheme = self.scheme()?;
        Ok(Wish {
            policy: station::policy_in_force(station, self.policy.as_deref())
                .map_err(|e| super::policy::failure(&e))?,
            wanted: match (self.technique, self.method) {
                (Some(technique), _) => Wanted::Technique(technique),
                (None, None) => Wanted::Least,
                (None, Some(MethodArg::Clear)) => Wanted::Method(Method::Clear),
                (None, Some(MethodArg::Purge)) => Wanted::Method(Method::Purge),
                (None, Some(MethodArg::Destroy)) => Wanted::Method(Method::Destroy),
                (None, Some(MethodArg::Auto)) => Wanted::Strongest,
            },
            route: self.route,
            step_down: match self.step_down {
                StepDownArg::Never => StepDown::Never,
                StepDownArg::SameMethod => StepDown::SameMethod,
                StepDownArg::LowerMethod => StepDown::LowerMethod,
            },
            before_destruction: self.before_destruction,
            scheme,
            verification: match self.verify {
                Verify::Full => VerificationLevel::Full,
                Verify::Sample => VerificationLevel::Sample,
                Verify::Quick => VerificationLevel::Quick,
                Verify::None => VerificationLevel::None,
            },
            operator: self.operator.clone().map(Operator::claimed),
            targets: if self.partition { TargetRule::PartitionAllowed } else { TargetRule::WholeDiskOnly },
            psids: Psids::default(),
            unfreeze: self.unfreeze,
            also_unattached: self.also_unattached.iter().copied().collect::<BTreeSet<_>>().into_iter().collect(),
            boot_partitions: match self.leave_boot_partitions {
                true => BootPartitions::LeaveAlone,
                false => BootPartitions::Erase,
            },
            restore_hidden: self.restore_hidden.map(|otherwise| match otherwise {
                RestoreHidden::OrRefuse => Otherwise::Refuse,
                RestoreHidden::OrExclude => Otherwise::Exclude,
            }),
        })
    }

    /// The PSIDs for so many targets.
    pub fn psids(&self, common: &Common, targets: usize) -> Result<Psids, Failure> {
        psid::psids(common, self.psid_file.as_deref(), psid::is_needed(self.technique), targets)
    }

    /// Numbers of namespaces mean another drive's as well.
    pub fn names_one_drive(&self, targets: usize) -> Result<(), Failure> {
        if self.also_unattached.is_empty() || targets == 1 {
            return Ok(());
        }
        Err(Failure::words(Exit::Usage, "--also-unattached names namespaces of one drive")
            .hint("nothing was touched; name one target"))
    }

    /// One order a target.
    pub fn orders(&self, targets: Vec<PathBuf>) -> Vec<Order> {
        let order = |target| Order { target, asset_tag: self.asset.clone(), category: self.category.clone() };
        targets.into_iter().map(order).collect()
    }
}

/// Whether the keys and bytes that a scheme leaves to chance are drawn for good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// Only a look: the wipe draws them anew.
    Later,
    /// These will be written.
    Now,
}

fn pass_words(plan: &RunPlan, index: usize, drawn: Drawn) -> String {
    let Some(pass) = plan.passes.get(index) else { return String::new() };
    let listing = scheme::find(&plan.scheme.name).map(Scheme::listing).ok();
    let left_to_chance = listing.as_ref().and_then(|l| {
        let words = l.passes.get(index)?;
        let shuffled = l.shuffled.is_some_and(|(first, last)| (first..=last).contains(&(index + 1)));
        let hex = words.bytes().all(|b| b.is_ascii_hexdigit() || b == b' ');
        (shuffled || !hex).then(|| {
            if shuffled {
                format!("{words} (order drawn when the wipe begins)")
            } else {
                format!("{words} (drawn when the wipe begins)")
            }
        })
    });
    match (drawn, left_to_chance) {
        (Drawn::Later, Some(words)) => words,
        _ => pass.pattern.describe(),
    }
}

/// The plan for a person, byte for byte.
pub fn render(preparation: &Preparation, drawn: Drawn) -> String {
    let plan = preparation.run.plan();
    let mut lines = vec![format!("{}  {}", plan.medium.path.display(), plan.medium.identity.label())];
    let mut fact = |name: &str, value: String| lines.push(output::fact(name, &value));
    medium_facts(plan, &mut fact);
    technique_facts(plan, &mut fact);
    pass_facts(plan, drawn, &mut fact);
    policy_facts(plan, &mut fact);
    remarks(preparation, &mut fact);
    lines.join("\n")
}

fn medium_facts(plan: &RunPlan, fact: &mut impl FnMut(&str, String)) {
    let medium = &plan.medium;
    let size = medium.geometry.size;
    let last = plan.block.blocks_in(size).0.saturating_sub(1);
    fact("Size", format!("{} ({size} bytes, LBA 0-{last}, {} bytes each)", human_bytes(size.0), plan.block.bytes()));
    fact("Kind", format!("{} ({})", drives::kind_word(medium.kind), class_word(medium)));
    if let Some(partition) = &medium.partition {
        fact(
            "Partition",
            format!("{} of {}: only this part of the disk is wiped", partition.number, partition.disk.display()),
        );
    }
    fact("Identity", format!("sha256:{}", medium.identity.digest()));
    fact("Confirm token", medium.confirm_token.clone());
}

/// The technique that is meant, what comes before it, and what else it erases.
fn technique_facts(plan: &RunPlan, fact: &mut impl FnMut(&str, String)) {
    if let Some(rung) = plan.ladder.first() {
        fact("Technique", format!("{} - {}", rung.technique.name(), rung.technique.describe()));
        drive_facts(rung, fact);
    }
    if let Some(unfreeze) = &plan.unfreeze {
        let what = Frozen::list(&unfreeze.frozen);
        let wakes = unfreeze.wake_after_seconds;
        fact("Suspends", format!("this machine to RAM, because {what} are frozen; woken after {wakes} s"));
    }
    for step in plan.restore.iter().flat_map(|restore| &restore.steps) {
        fact("Gives back", format!("{} - {} bytes from then on", step.step.kind().replace('_', " "), step.size));
        step.commands.iter().for_each(|command| fact("Command", command_words(command)));
    }
    for other in &plan.also {
        let words = format!("{}  {}, token {}", other.path.display(), other.identity.label(), other.confirm_token);
        fact("Erases as well", words);
    }
    if !plan.unattached.is_empty() {
        fact("Erases as well", format!("{}, which no device here shows", namespace_words(&plan.unattached)));
    }
}

/// What the host writes and reads back.
fn pass_facts(plan: &RunPlan, drawn: Drawn, fact: &mut impl FnMut(&str, String)) {
    let by_host = plan.ladder.iter().any(Rung::is_by_host);
    if by_host && !plan.ladder.first().is_some_and(Rung::is_by_host) {
        fact("Step down", "should it come to the overwrite:".to_owned());
    }
    if by_host {
        fact("Scheme", format!("{} - {}", plan.scheme.name, plan.scheme.title));
    }
    fact("Definition", format!("{} [{}]", plan.scheme.definition, plan.scheme.source));
    let last = plan.medium.geometry.size.0.saturating_sub(1);
    for (number, pass) in (1..).zip(&plan.passes) {
        let readback = match pass.verify {
            PassVerify::Mandatory => format!(", then read back ({})", level_word(VerificationLevel::Full)),
            PassVerify::AsRequested if number < plan.passes.len() => {
                format!(", then read back ({})", level_word(plan.verification))
            }
            PassVerify::AsRequested | PassVerify::Unverified => String::new(),
        };
        let words = pass_words(plan, number - 1, drawn);
        fact(&format!("Pass {number}"), format!("{words} over bytes 0-{last}, flush{readback}"));
    }
    fact("Verification", level_sentence(plan));
}

fn policy_facts(plan: &RunPlan, fact: &mut impl FnMut(&str, String)) {
    if let Some(policy) = &plan.policy {
        fact("Policy", policy.label());
        let assumed = |what: &str| if policy.assumed.iter().any(|a| a == what) { " (assumed)" } else { "" };
        if let Some(category) = policy.category {
            fact("Category", format!("{category}{}", assumed("category")));
        }
        if let Some(route) = policy.route {
            fact("Route", format!("{route}{}", assumed("route")));
        }
        let demands = policy.minimum.map_or("nothing is decided without --category and --route", method_word);
        fact("Policy demands", demands.to_owned());
    }
    fact("Requested", method_word(plan.requested).to_owned());
    fact("Will attain", method_word(plan.attainable).to_owned());
}

/// What may take the technique's place, what is not used, and why it is as it is.
fn remarks(preparation: &Preparation, fact: &mut impl FnMut(&str, String)) {
    let (plan, decision) = (preparation.run.plan(), &preparation.decision);
    for (number, rung) in (1..).zip(&decision.ladder).skip(1) {
        let words = format!("{} ({}), attains {}", rung.technique, rung.technique.describe(), rung.method.name());
        fact(&format!("Step down {}", number - 1), words);
        if let Some(rung) = plan.ladder.get(number - 1) {
            drive_facts(rung, fact);
        }
    }
    for passed in &decision.passed_over {
        fact("Not used", format!("{}: {}", passed.technique, passed.why));
    }
    for reason in &decision.reasons {
        fact("Because", reason.clone());
    }
    for warning in &decision.warnings {
        fact("WARNING", warning.clone());
    }
}

/// What the drive says of its own state; nothing for what has no commands of its own.
fn state(report: Option<&DriveReport>) -> String {
    let lines = report.map(DriveReport::state).unwrap_or_default();
    lines.iter().map(|line| format!("\n{}", output::fact("Drive says", line))).collect()
}

/// The commands of a technique of the drive's own, and what the drive says of it.
fn drive_facts(rung: &Rung, fact: &mut impl FnMut(&str, String)) {
    if rung.is_by_host() {
        return;
    }
    rung.commands.iter().for_each(|command| fact("Command", command_words(command)));
    let time = rung.estimate_seconds.map_or("the drive does not say".to_owned(), output::duration);
    fact("Estimated time", time);
    for note in &rung.notes {
        fact("Note", note.clone());
    }
}

fn command_words(command: &PlannedCommand) -> String {
    let data = command.data_out.as_ref().map(|data| format!(", data {data}")).unwrap_or_default();
    format!("{}: {}{data}", command.name, command.command)
}

fn class_word(medium: &Medium) -> &'static str {
    match medium.class {
        crate::media::MediumClass::Physical => "physical",
        crate::media::MediumClass::Virtual => "virtual: its certificate never closes a physical asset",
        crate::media::MediumClass::Image => "image file: its certificate never closes a physical asset",
    }
}

fn level_word(level: VerificationLevel) -> &'static str {
    match level {
        VerificationLevel::None => "none",
        VerificationLevel::Quick => "quick check",
        VerificationLevel::Sample => "samples",
        VerificationLevel::Full => "every byte",
    }
}

fn level_sentence(plan: &RunPlan) -> String {
    if !plan.ladder.first().is_some_and(Rung::is_by_host) {
        let read = match plan.verification {
            VerificationLevel::Full => "every byte is read",
            VerificationLevel::Sample => "samples of a tenth of it are read",
            VerificationLevel::Quick => "a few hundred places are read",
            VerificationLevel::None => "nothing else is read",
        };
        return format!(
            "blocks of known content are written before and must be gone afterwards, and so must samples of what is \
             there now; then {read}"
        );
    }
    match plan.verification {
        VerificationLevel::Full => {
            format!("every one of the {} bytes is read back and compared", plan.medium.geometry.size)
        }
        VerificationLevel::Sample | VerificationLevel::Quick => {
            let extents = plan.extents(plan.verification).unwrap_or_default();
            let bytes: u64 = extents.iter().map(|e| e.end - e.start).sum();
            let share = bytes as f64 * 100.0 / plan.medium.geometry.size.0.max(1) as f64;
            format!("{} samples, {bytes} bytes ({share:.1} %), first and last block among them", extents.len())
        }
        VerificationLevel::None => "none: the certificate will say completion only, not proven".to_owned(),
    }
}

pub fn method_word(method: Method) -> &'static str {
    match method {
        Method::Clear => "Clear",
        Method::Purge => "Purge",
        Method::Destroy => "Destroy",
    }
}

fn as_json(target: &Path, preparation: &Preparation, report: Option<&DriveReport>) -> Value {
    let plan = preparation.run.plan();
    json!({
        "outcome": "planned",
        "target": target.to_string_lossy(),
        "medium": plan.medium,
        "report": report,
        "confirm_token": plan.medium.confirm_token,
        "requested": plan.requested,
        "attainable": plan.attainable,
        "technique": plan.ladder.first().map(|rung| rung.technique),
        "techniques": plan.ladder,
        "also": plan.also,
        "also_unattached": plan.unattached,
        "hidden": plan.hidden,
        "restore_hidden": plan.restore,
        "unfreeze": plan.unfreeze,
        "scheme": plan.scheme,
        "passes": (0..plan.passes.len()).map(|i| pass_words(plan, i, Drawn::Later)).collect::<Vec<_>>(),
        "verification": plan.verification,
        "policy": plan.policy,
        "ladder": preparation.decision.ladder,
        "passed_over": preparation.decision.passed_over,
        "reasons": preparation.decision.reasons,
        "warnings": preparation.decision.warnings,
        "earlier_attempts": plan.earlier_attempts,
    })
}
