//! `lastwrite work ...`: work orders, help desk, and the calendar of what is due.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::OpenArgs;
use super::record::{self, ListArgs, NamedArgs};
use super::values::{day, downtime, money, span, time, word};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Act, Money, Opening, WorkKind, WorkResult};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum WorkCommand {
    /// Open a work order on an asset
    Open(OpenWorkArgs),
    /// Write a note on a work order
    Note(NoteArgs),
    /// Record when the asset was out of service for it
    Down(DownArgs),
    /// It is done: its downtime and its cost stand on the asset
    Done(DoneArgs),
    /// It is given up
    Cancel(CancelArgs),
    /// Show a work order
    Show(NamedArgs),
    /// List work orders
    List(ListArgs),
    /// What is due by a day, and what the maintenance plan asks for
    Due(DueArgs),
    /// Write everything that is due as an iCalendar feed on standard output
    Calendar(OpenArgs),
}

#[derive(Debug, Args)]
pub struct OpenWorkArgs {
    /// Asset tag
    #[arg(value_name = "TAG")]
    tag: String,
    /// scheduled, repair, upgrade, helpdesk, patch, cleaning, diagnostics
    #[arg(value_name = "KIND", value_parser = word(WorkKind::of_name))]
    kind: WorkKind,
    /// What is to be done, or what is wrong
    #[arg(value_name = "TITLE")]
    title: String,
    /// Its number [default: one is made]
    #[arg(long)]
    number: Option<String>,
    /// When it is to be done by
    #[arg(long, value_parser = time, value_name = "TIME")]
    due: Option<DateTime<Utc>>,
    /// The asset's schedule that it comes of
    #[arg(long, value_name = "NAME")]
    schedule: Option<String>,
    /// Who asked for it
    #[arg(long, value_name = "NAME")]
    reporter: Option<String>,
    /// Who does it
    #[arg(long, value_name = "NAME")]
    assignee: Option<String>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct NoteArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// The words
    #[arg(value_name = "TEXT")]
    text: String,
}

/// When the asset was out of service.
#[derive(Debug, Args)]
pub struct DowntimeArgs {
    /// Out of service as announced, as FROM/TO
    #[arg(long, value_parser = span, value_name = "FROM/TO")]
    planned: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    /// Out of service without warning, as FROM/TO
    #[arg(long, value_parser = span, value_name = "FROM/TO")]
    outage: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    of: NamedArgs,
    #[command(flatten)]
    down: DowntimeArgs,
}

#[derive(Debug, Args)]
pub struct DoneArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// What was done
    #[arg(value_name = "RESULT")]
    result: String,
    /// When [default: now]
    #[arg(long, value_parser = time, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// What it cost
    #[arg(long, value_parser = money)]
    cost: Option<Money>,
    #[command(flatten)]
    down: DowntimeArgs,
}

#[derive(Debug, Args)]
pub struct CancelArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Why
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub struct DueArgs {
    /// By this day [default: today]
    #[arg(long, value_parser = day, value_name = "DAY")]
    by: Option<String>,
    /// Open the work orders that the maintenance plan asks for
    #[arg(long)]
    order: bool,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(common: &Common, command: WorkCommand) -> Result<Exit, Failure> {
    let (of, acts) = match command {
        WorkCommand::Open(args) => {
            let OpenWorkArgs { tag, kind, title, number, due, schedule, reporter, assignee, open } = args;
            let opening = Opening { tag, kind, title, number, due, schedule, reporter, assignee };
            let number = open.change(common, async |work| work.open_work(opening.clone()).await)?;
            return record::told(common, &open, "work", &number);
        }
        WorkCommand::Note(NoteArgs { of, text }) => (of, vec![Act::WorkNoted { text }]),
        WorkCommand::Down(DownArgs { of, down }) => {
            let acts: Vec<Act> = downtime(&down.planned, &down.outage).into_iter().map(Act::WorkDown).collect();
            if acts.is_empty() {
                return Err(Failure::words(Exit::Usage, "say when: --planned FROM/TO or --outage FROM/TO"));
            }
            (of, acts)
        }
        WorkCommand::Done(DoneArgs { of, result, at, cost, down }) => {
            let result = WorkResult { at: at.unwrap_or_else(now), result, cost };
            let down = downtime(&down.planned, &down.outage);
            of.open.change(common, async |work| work.finish_work(&of.name, result.clone(), down.clone()).await)?;
            return record::told(common, &of.open, "work", &of.name);
        }
        WorkCommand::Cancel(CancelArgs { of, reason }) => {
            of.open.change(common, async |work| work.cancel_work(&of.name, reason.clone()).await)?;
            return record::told(common, &of.open, "work", &of.name);
        }
        WorkCommand::Show(args) => return record::show(common, &args.open, "work", &args.name),
        WorkCommand::List(args) => return record::list(common, &args, "work"),
        WorkCommand::Due(args) => return due(common, &args),
        WorkCommand::Calendar(open) => {
            let text = open.view(common, async |register| register.calendar(now().date_naive()).await)?;
            match common.json {
                true => output::json(&serde_json::json!({ "calendar": text })),
                false => output::raw(text.trim_end()),
            }
            return Ok(Exit::Done);
        }
    };
    of.open.change(common, async |work| {
        let (stream, _) = work.work_order(&of.name).await?;
        for act in &acts {
            work.act(&stream, act.clone()).await?;
        }
        Ok(())
    })?;
    record::told(common, &of.open, "work", &of.name)
}

fn due(common: &Common, args: &DueArgs) -> Result<Exit, Failure> {
    let by = args.by.clone().unwrap_or_else(|| now().date_naive().to_string());
    let mut due = args.open.view(common, async |register| register.due_by(&by).await)?;
    if args.order {
        args.open.change(common, async |work| work.open_planned(&due).await)?;
        due = args.open.view(common, async |register| register.due_by(&by).await)?;
    }
    let today = now().date_naive().to_string();
    let rows = due.iter().map(|d| {
        let late = if d.day < today { "overdue" } else { "" };
        let number = d.number.clone().unwrap_or_else(|| "-".to_owned());
        [d.day.as_str(), &d.tag, d.kind.name(), &number, &d.what, late].map(str::to_owned).to_vec()
    });
    match common.json {
        true => due.iter().for_each(output::json),
        false if due.is_empty() => output::line(&format!("Nothing is due by {by}.")),
        false => {
            output::line(&output::table(&["DUE", "ASSET", "KIND", "WORK ORDER", "WHAT", ""], &rows.collect::<Vec<_>>()))
        }
    }
    Ok(Exit::Done)
}
