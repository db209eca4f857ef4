//! `lastwrite stage-policy ...`: the policy of each stage, proposed by one person and approved by another.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::values::{day, money, read, time, word};
use super::{OpenArgs, role};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{
    Act, Item, Limit, People, PolicyRules, PolicyText, PolicyVersion, REGISTER_STREAM, Role, SanitizationText, Stage,
};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Propose a version of the policy of a stage
    Propose(Box<ProposeArgs>),
    /// Put a proposed version in force, as a second person
    Approve(ApproveArgs),
    /// Show the policy of a stage that is in force
    Show(ShowArgs),
    /// List all versions of all stages
    List(OpenArgs),
}

#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// Stage
    #[arg(value_name = "STAGE", value_parser = word(Stage::of_name))]
    stage: Stage,
    /// Title
    #[arg(long)]
    title: String,
    /// File with the policy in words
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// First day on which it holds [default: today]
    #[arg(long, value_parser = day, value_name = "DAY")]
    effective: Option<String>,
    /// Procurement: up to which sum a role may grant, as finance=5000.00 EUR
    #[arg(long, value_parser = limit, value_name = "ROLE=AMOUNT", num_args = 1..)]
    limit: Vec<Limit>,
    /// Procurement: nothing is deployed without a granted request
    #[arg(long)]
    request: bool,
    /// Deployment, decommissioning: steps that must be done
    #[arg(long, value_parser = word(Item::of_name), num_args = 1..)]
    step: Vec<Item>,
    /// Deployment: whoever has it must acknowledge that first
    #[arg(long)]
    acknowledgement: bool,
    /// Four eyes: who moves it on (disposition: closes it) did not do its steps (set its outcome)
    #[arg(long)]
    second_person: bool,
    /// Disposition: vendors must be certified on every route
    #[arg(long)]
    certified_vendor: bool,
    /// Disposition: the organization's policy of sanitization (TOML), whose minimums close assets
    /// [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    sanitization: Option<PathBuf>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Stage
    #[arg(value_name = "STAGE", value_parser = word(Stage::of_name))]
    stage: Stage,
    /// Version
    #[arg(value_name = "VERSION")]
    version: u32,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Stage
    #[arg(value_name = "STAGE", value_parser = word(Stage::of_name))]
    stage: Stage,
    /// In force at this time [default: now]
    #[arg(long, value_parser = time, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(common: &Common, command: PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Propose(args) => propose(common, *args),
        PolicyCommand::Approve(ApproveArgs { stage, version, open }) => {
            let act = Act::PolicyApproved { stage, version };
            open.change(common, async |work| work.act(REGISTER_STREAM, act.clone()).await)?;
            told(common, &open, stage, version)
        }
        PolicyCommand::Show(args) => {
            let people = args.open.view(common, async |register| register.people().await)?;
            match people.policy_at(args.stage, args.at.unwrap_or_else(now)) {
                Some(version) => {
                    print(common, &people, version);
                    Ok(Exit::Done)
                }
                None => {
                    let message = format!("no policy of {} is in force at that time", args.stage);
                    Err(Failure::words(Exit::Usage, message)
                        .hint(format!("lastwrite stage-policy propose {}", args.stage)))
                }
            }
        }
        PolicyCommand::List(open) => list(common, &open),
    }
}

fn propose(common: &Common, args: ProposeArgs) -> Result<Exit, Failure> {
    let bytes = read(Some(&args.text))?.unwrap_or_default();
    let text: std::sync::Arc<str> = String::from_utf8(bytes)
        .map(Into::into)
        .map_err(|_| Failure::words(Exit::Usage, format!("{} is not UTF-8", args.text.display())))?;
    let rules = PolicyRules {
        limits: args.limit,
        request: args.request,
        steps: args.step,
        acknowledgement: args.acknowledgement,
        second_person: args.second_person,
        certified_vendor: args.certified_vendor,
        sanitization: args.sanitization.as_deref().map(sanitization).transpose()?,
    };
    let effective = args.effective.unwrap_or_else(|| now().date_naive().to_string());
    let (stage, title) = (args.stage, args.title);
    let version = args.open.change(common, async |work| {
        let known = work.people().await?.policies.get(&stage).map_or(0, Vec::len);
        let version = u32::try_from(known).unwrap_or(u32::MAX).saturating_add(1);
        let (title, text, rules, effective) = (title.clone(), text.clone(), rules.clone(), effective.clone());
        let proposed = PolicyText { stage, version, title, text, rules, effective };
        work.act(REGISTER_STREAM, Act::PolicyProposed(proposed)).await.map(|()| version)
    })?;
    told(common, &args.open, stage, version)
}

fn sanitization(path: &Path) -> Result<SanitizationText, Failure> {
    let bytes = read(Some(path))?.unwrap_or_default();
    let told = |why: String| {
        Failure::words(Exit::Usage, format!("{}: {why}", path.display()))
            .hint(format!("nothing was proposed; lastwrite policy check {} says more", path.display()))
    };
    let text = String::from_utf8(bytes).map_err(|_| told("it is not UTF-8".to_owned()))?;
    SanitizationText::new(&text).map_err(|e| told(e.to_string()))
}

fn told(common: &Common, open: &OpenArgs, stage: Stage, version: u32) -> Result<Exit, Failure> {
    let people = open.with(common, async |register| register.people().await)?;
    let found = people.policies.get(&stage).and_then(|all| all.iter().find(|v| v.policy.version == version));
    if let Some(found) = found {
        print(common, &people, found);
    }
    Ok(Exit::Done)
}

fn list(common: &Common, open: &OpenArgs) -> Result<Exit, Failure> {
    let people = open.view(common, async |register| register.people().await)?;
    let today = now();
    let mut rows = Vec::new();
    for version in people.policies.values().flatten() {
        let p = &version.policy;
        let in_force = people.policy_at(p.stage, today).is_some_and(|v| v.policy.version == p.version);
        let state = match (&version.approved, in_force) {
            (None, _) => "proposed",
            (Some(_), true) => "in force",
            (Some(_), false) => "approved",
        };
        if common.json {
            output::json(&json!({ "state": state, "version": version }));
        }
        let cells = [p.stage.name(), &p.version.to_string(), state, &p.effective, &p.title];
        rows.push(cells.iter().map(|c| (*c).to_owned()).collect());
    }
    if !common.json {
        output::line(&match rows.is_empty() {
            true => "No policies.".to_owned(),
            false => output::table(&["STAGE", "VERSION", "STATE", "FROM", "TITLE"], &rows),
        });
    }
    Ok(Exit::Done)
}

fn print(common: &Common, people: &People, version: &PolicyVersion) {
    if common.json {
        return output::json(version);
    }
    let p = &version.policy;
    let name = |kid: &str| people.persons.get(kid).map_or_else(|| kid.to_owned(), |p| p.name.clone());
    let approved = match &version.approved {
        Some(approval) => format!("{} by {}", approval.at.format("%Y-%m-%d"), name(&approval.by)),
        None => "not yet".to_owned(),
    };
    output::line(&format!("Policy         {}, version {}: {}", p.stage, p.version, p.title));
    output::line(&format!(
        "Holds from     {}\nProposed by    {}\nApproved       {approved}",
        p.effective,
        name(&version.by)
    ));
    let rules = &p.rules;
    for limit in &rules.limits {
        output::line(&format!("Limit          {} up to {}", limit.role.name(), limit.up_to));
    }
    if !rules.steps.is_empty() {
        let steps = rules.steps.iter().map(|s| s.name()).collect::<Vec<_>>().join(", ");
        output::line(&format!("Steps          {steps}"));
    }
    for (holds, words) in [
        (rules.request, "nothing is deployed without a granted request"),
        (rules.acknowledgement, "whoever has it acknowledges that before it goes into use"),
        (rules.second_person, "who moves it on (or closes it) did not do its steps (or set its outcome)"),
        (rules.certified_vendor, "vendors are certified on every route"),
    ] {
        if holds {
            output::line(&format!("Rule           {words}"));
        }
    }
    if let Some(text) = &rules.sanitization {
        let label = text.policy().map_or_else(|e| e.to_string(), |policy| policy.label());
        output::line(&format!("Sanitization   {label} (sha256 {})", text.digest()));
    }
    output::line(&format!("\n{}", p.text.trim_end()));
}

fn limit(text: &str) -> Result<Limit, String> {
    let (name, amount) = text.split_once('=').ok_or("write ROLE=AMOUNT, as finance=5000.00 EUR")?;
    let role: Role = role(name)?;
    Ok(Limit { role, up_to: money(amount)? })
}
