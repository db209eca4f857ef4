//! `lastwrite asset configure | acknowledge | decide | ...`: deployment, decisions, maintenance plan.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::asset::{TagArgs, act};
use super::values::{basis_points, day, money, read, word};
use super::{OpenArgs, show};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{
    Acknowledgement, Act, Choice, Configuration, DecisionInputs, Item, Money, Schedule, Stage, Whole, WorkKind,
};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum LifeCommand {
    /// Record what is on it and how it is on the network; ticks the steps
    Configure(ConfigureArgs),
    /// Confirm that the person who has it has it
    Acknowledge(AcknowledgeArgs),
    /// Which steps of its checklist are done and which are open
    Checklist(TagArgs),
    /// Accept assets that came without a request
    AcceptOrigin(AcceptArgs),
    /// Propose to keep, upgrade, refresh or retire it, with the figures
    Decide(Box<DecideArgs>),
    /// Approve what is proposed, as a second person
    Approve(NoteArgs),
    /// Decide against what is proposed
    Refuse(ReasonArgs),
    /// Say which asset has taken its place, or waive that
    Replaced(ReplacedArgs),
    /// Plan maintenance that comes back, or drop it
    Schedule(ScheduleArgs),
}

#[derive(Debug, Args)]
pub struct ConfigureArgs {
    #[command(flatten)]
    of: TagArgs,
    /// Software that is on it
    #[arg(long, value_name = "NAME", num_args = 1..)]
    software: Vec<String>,
    /// Security policies that hold on it: disk encryption, device management
    #[arg(long, value_name = "NAME", num_args = 1..)]
    security: Vec<String>,
    /// Its name on the network
    #[arg(long)]
    hostname: Option<String>,
    /// Its hardware addresses
    #[arg(long, value_name = "ADDRESS", num_args = 1..)]
    mac: Vec<String>,
    /// The network or VLAN it is in
    #[arg(long)]
    network: Option<String>,
}

#[derive(Debug, Args)]
pub struct AcknowledgeArgs {
    #[command(flatten)]
    of: TagArgs,
    /// What is confirmed
    #[arg(long, default_value = "I have it and know the rules for its use.")]
    statement: String,
    /// Somebody else records it, with the paper that was signed
    #[arg(long, value_name = "FILE")]
    paper: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// Asset tags
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<String>,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    #[command(flatten)]
    of: TagArgs,
    /// keep, upgrade, refresh, retire
    #[arg(value_name = "CHOICE", value_parser = word(Choice::of_name))]
    choice: Choice,
    /// Why
    #[arg(long)]
    rationale: String,
    /// Full cost of a replacement [default: price of its model]
    #[arg(long, value_parser = money)]
    replace: Option<Money>,
    /// Months a replacement is used [default: useful life of its model]
    #[arg(long, value_name = "MONTHS")]
    life: Option<u32>,
    /// What running a replacement costs a year
    #[arg(long, value_parser = money, value_name = "AMOUNT")]
    running: Option<Money>,
    /// What keeping it costs a year [default: operation and maintenance booked in the last 365 days]
    #[arg(long, value_parser = money)]
    keep: Option<Money>,
    /// By how much that grows a year [default: growth against the year before]
    #[arg(long, value_parser = basis_points, value_name = "PERCENT")]
    growth: Option<u32>,
    /// How well it still does its work
    #[arg(long)]
    performance: Option<String>,
    /// What is known of its security
    #[arg(long)]
    security: Option<String>,
    /// End of the maker's support [default: that of its model]
    #[arg(long, value_parser = day, value_name = "DAY")]
    end_of_support: Option<String>,
}

#[derive(Debug, Args)]
pub struct NoteArgs {
    #[command(flatten)]
    of: TagArgs,
    /// Words to it
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub struct ReasonArgs {
    #[command(flatten)]
    of: TagArgs,
    /// Why
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub struct ReplacedArgs {
    #[command(flatten)]
    of: TagArgs,
    /// The asset that is in use instead
    #[arg(long, value_name = "TAG", required_unless_present = "waive")]
    by: Option<String>,
    /// It goes before a replacement is in use, because of this (role compliance)
    #[arg(long, value_name = "REASON", conflicts_with = "by")]
    waive: Option<String>,
}

#[derive(Debug, Args)]
pub struct ScheduleArgs {
    #[command(flatten)]
    of: TagArgs,
    /// Its name on this asset
    #[arg(value_name = "NAME")]
    name: String,
    /// scheduled, patch, cleaning, diagnostics, ...
    #[arg(long, default_value = "scheduled", value_parser = word(WorkKind::of_name))]
    kind: WorkKind,
    /// Days between one and the next
    #[arg(long, value_name = "DAYS", required_unless_present = "drop")]
    every: Option<u32>,
    /// Day of the first [default: in so many days]
    #[arg(long, value_name = "DAY", value_parser = day)]
    first: Option<String>,
    /// It comes back no longer
    #[arg(long, conflicts_with_all = ["every", "first"])]
    drop: bool,
}

pub fn run(common: &Common, command: LifeCommand) -> Result<Exit, Failure> {
    match command {
        LifeCommand::Configure(args) => {
            let mac = args.mac.iter().map(|text| Configuration::read_mac(text).ok_or(text));
            let mac = mac.collect::<Result<Vec<_>, _>>();
            let mac = mac.map_err(|text| Failure::words(Exit::Usage, format!("{text:?} is no hardware address")))?;
            let (software, security) = (args.software, args.security);
            let configured = Configuration { software, security, hostname: args.hostname, mac, network: args.network };
            act(common, args.of, vec![Act::Configured(configured)])
        }
        LifeCommand::Acknowledge(args) => acknowledge(common, args),
        LifeCommand::Checklist(args) => checklist(common, &args),
        LifeCommand::AcceptOrigin(args) => {
            args.open.change(common, async |work| {
                for tag in &args.tags {
                    let (stream, _) = work.asset(tag).await?;
                    work.act(&stream, Act::OriginAccepted { reason: args.reason.clone() }).await?;
                }
                Ok(())
            })?;
            args.tags.iter().try_fold(Exit::Done, |_, tag| show::told(common, &args.open, tag))
        }
        LifeCommand::Decide(args) => decide(common, *args),
        LifeCommand::Approve(args) => act(common, args.of, vec![Act::DecisionApproved { note: args.note }]),
        LifeCommand::Refuse(args) => act(common, args.of, vec![Act::DecisionRefused { reason: args.reason }]),
        LifeCommand::Replaced(ReplacedArgs { of, by, waive }) => match (by, waive) {
            (Some(by), _) => {
                of.open.change(common, async |work| work.replaced(&of.tag, &by).await)?;
                show::told(common, &of.open, &of.tag)
            }
            (None, reason) => {
                let reason = reason.unwrap_or_default();
                act(common, of, vec![Act::DisruptionWaived { reason }])
            }
        },
        LifeCommand::Schedule(args) => {
            let ScheduleArgs { of, name, kind, every, first, drop } = args;
            if drop {
                return act(common, of, vec![Act::ScheduleDropped { name }]);
            }
            let every_days = every.unwrap_or_default();
            let soon = || (now().date_naive() + chrono::Days::new(u64::from(every_days.min(3660)))).to_string();
            let next = first.unwrap_or_else(soon);
            act(common, of, vec![Act::ScheduleSet(Schedule { name, kind, every_days, next })])
        }
    }
}

fn acknowledge(common: &Common, args: AcknowledgeArgs) -> Result<Exit, Failure> {
    let paper = read(args.paper.as_deref())?;
    let TagArgs { tag, open } = args.of;
    open.change(common, async |work| {
        let (stream, asset) = work.asset(&tag).await?;
        let document = match &paper {
            Some(bytes) => Some(work.attach("acknowledgement", bytes).await?),
            None => None,
        };
        let name = asset.custodian.unwrap_or_default();
        let (statement, signed) = (args.statement.clone(), paper.is_none());
        work.act(&stream, Act::Acknowledged(Acknowledgement { name, statement, signed, document })).await
    })?;
    show::told(common, &open, &tag)
}

fn checklist(common: &Common, args: &TagArgs) -> Result<Exit, Failure> {
    let (_, _, asset) = args.open.view(common, async |register| register.asset(&args.tag).await)?;
    let deployment = matches!(asset.stage, Stage::Procurement | Stage::Deployment);
    let (template, items) = match deployment {
        true => ("deployment", Item::DEPLOYMENT.to_vec()),
        false => (Item::template(asset.details.category.as_deref()).0, asset.decommissioning_items().collect()),
    };
    let mut rows = Vec::new();
    for item in items {
        let tick = asset.checklist.get(&item);
        let state = match tick {
            None => "open",
            Some(tick) if tick.waived.is_some() => "waived",
            Some(_) => "done",
        };
        if common.json {
            output::json(&json!({ "template": template, "step": item.name(), "state": state, "tick": tick }));
        }
        let words = tick.and_then(|t| t.waived.clone().or_else(|| t.note.clone())).unwrap_or_default();
        rows.push(vec![item.name().to_owned(), state.to_owned(), words]);
    }
    if !common.json {
        output::line(&format!("{}, template {template}", asset.tag));
        output::line(&output::table(&["STEP", "STATE", ""], &rows));
    }
    Ok(Exit::Done)
}

fn decide(common: &Common, args: DecideArgs) -> Result<Exit, Failure> {
    let TagArgs { tag, open } = args.of;
    let as_of = now();
    let missing = |what: &str| Failure::words(Exit::Usage, format!("{what} is not known; name it"));
    let (model, currency, kept) = open.view(common, async |register| {
        let (_, _, asset) = register.asset(&tag).await?;
        let d = &asset.details;
        let name = [&d.manufacturer, &d.model].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let model = match register.record("model", &name).await {
            Ok((_, _, crate::register::State::Model(model))) => Some(model.facts),
            _ => None,
        };
        let price = model.as_ref().and_then(|m| m.price.clone());
        let currency = args.replace.clone().or(price).map_or_else(|| "EUR".to_owned(), |m| m.currency);
        let kept = register.keeping(&tag, &currency, as_of).await?;
        Ok((model, currency, kept))
    })?;
    let [last, before] = kept;
    let grown = match before.minor.0 {
        0 => 0,
        before => (i128::from(last.minor.0 - before) * 10_000 / i128::from(before)).clamp(0, 100_000),
    };
    let inputs = DecisionInputs {
        as_of: as_of.date_naive().to_string(),
        keep_per_year: args.keep.unwrap_or(last),
        keep_growth_bp: args.growth.unwrap_or_else(|| u32::try_from(grown).unwrap_or(0)),
        replace_cost: args
            .replace
            .or_else(|| model.as_ref()?.price.clone())
            .ok_or_else(|| missing("the cost of a replacement (--replace AMOUNT)"))?,
        replace_life_months: args
            .life
            .or_else(|| Some(model.as_ref()?.useful_life_months))
            .ok_or_else(|| missing("how long a replacement is used (--life MONTHS)"))?,
        replace_per_year: args.running.unwrap_or(Money { minor: Whole(0), currency }),
        performance: args.performance,
        security: args.security,
        end_of_support: args.end_of_support.or_else(|| model.as_ref()?.end_of_support.clone()),
    };
    open.change(common, async |work| work.decide(&tag, args.choice, args.rationale.clone(), inputs.clone()).await)?;
    let (_, revision, asset) = open.view(common, async |register| register.asset(&tag).await)?;
    let Some(decision) = asset.life.decision else { return show::told(common, &open, &tag) };
    if common.json {
        output::json(&json!({ "tag": tag, "revision": revision.to_string(), "decision": decision }));
        return Ok(Exit::Done);
    }
    let i = &decision.facts.inputs;
    let growth = format!("{}.{:02} %", i.keep_growth_bp / 100, i.keep_growth_bp % 100);
    output::line(&format!("{tag}: {} proposed; a second person approves it", decision.facts.choice.name()));
    output::line(&format!("Keeping        {} a year, growing by {growth} a year", i.keep_per_year));
    output::line(&format!(
        "Replacing      {} over {} months, and {} a year",
        i.replace_cost, i.replace_life_months, i.replace_per_year
    ));
    output::line(&match &decision.facts.crossing {
        None => "Crossing       keeping does not become dearer within 50 years".to_owned(),
        Some(c) if c.reason == crate::register::CrossingReason::EndOfSupport => {
            format!("Crossing       {} ({} months): the maker's support ends", c.on, c.months)
        }
        Some(c) => format!("Crossing       {} ({} months): keeping costs more from then on", c.on, c.months),
    });
    Ok(Exit::Done)
}
