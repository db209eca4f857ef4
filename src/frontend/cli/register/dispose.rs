//! `lastwrite dispose ...`: disposal orders as lots.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::record::{self, ListArgs, NamedArgs};
use super::values::{day, grams, read, word};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Act, LotFacts, Receipt, Route, Weights, Whole};

#[derive(Debug, Subcommand)]
pub enum DisposeCommand {
    /// Begin a lot: its route and who takes it
    Open(OpenLotArgs),
    /// Put assets on a lot
    Add(AddArgs),
    /// Take an asset off a lot that is still here
    Remove(RemoveArgs),
    /// Set the day on which it is fetched
    Schedule(ScheduleArgs),
    /// It leaves: what is on it is written down, and handed over with your signature
    Dispatch(DispatchArgs),
    /// The vendor has it
    Receive(ReceiveArgs),
    /// Where its mass went
    Weigh(WeighArgs),
    /// Its final certificate came; it stands with every asset on it
    Document(DocumentArgs),
    /// Close its assets as far as the evidence allows, and the lot when all are closed
    Close(NamedArgs),
    /// It does not leave
    Cancel(CancelArgs),
    /// Show a lot and what is on it
    Show(NamedArgs),
    /// List lots
    List(ListArgs),
}

#[derive(Debug, Args)]
pub struct OpenLotArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// resale, recycling, destruction, donation, lease_return
    #[arg(value_name = "ROUTE", value_parser = word(Route::of_name))]
    route: Route,
    /// Who takes it; must be known, and certified for recycling and destruction
    #[arg(long)]
    vendor: Option<String>,
    /// Where it stands
    #[arg(long)]
    location: Option<String>,
}

#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Asset tags
    #[arg(required = true, value_name = "TAG")]
    tags: Vec<String>,
    /// Mass of each, as 1.4kg [default: that of its model]
    #[arg(long, value_parser = grams)]
    weight: Option<u32>,
}

#[derive(Debug, Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Asset tag
    #[arg(value_name = "TAG")]
    tag: String,
    /// Why
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Args)]
pub struct ScheduleArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// The day
    #[arg(value_name = "DAY", value_parser = day)]
    day: String,
}

#[derive(Debug, Args)]
pub struct DispatchArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Number of the seal
    #[arg(long)]
    seal: Option<String>,
}

#[derive(Debug, Args)]
pub struct ReceiveArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// How many assets arrived
    #[arg(long)]
    count: u32,
    /// Who took it in
    #[arg(long, value_name = "NAME")]
    by: String,
    /// The vendor's number of it
    #[arg(long)]
    reference: Option<String>,
    /// Why the count differs from what left
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub struct WeighArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Used again
    #[arg(long, value_parser = grams, default_value = "0g")]
    reused: u32,
    /// Material recovered
    #[arg(long, value_parser = grams, default_value = "0g")]
    recycled: u32,
    /// Energy recovered
    #[arg(long, value_parser = grams, default_value = "0g")]
    energy: u32,
    /// Landfill
    #[arg(long, value_parser = grams, default_value = "0g")]
    landfill: u32,
}

#[derive(Debug, Args)]
pub struct DocumentArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// The final certificate or receipt; the register keeps it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub struct CancelArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Why
    #[arg(long)]
    reason: String,
}

pub fn run(common: &Common, command: DisposeCommand) -> Result<Exit, Failure> {
    let of = match command {
        DisposeCommand::Open(OpenLotArgs { of, route, vendor, location }) => {
            let facts = LotFacts { number: of.name.clone(), route, vendor, location };
            of.open.change(common, async |work| work.open_lot(facts.clone()).await)?;
            of
        }
        DisposeCommand::Add(AddArgs { of, tags, weight }) => {
            of.open.change(common, async |work| {
                for tag in &tags {
                    work.add_to_lot(&of.name, tag, weight).await?;
                }
                Ok(())
            })?;
            of
        }
        DisposeCommand::Remove(RemoveArgs { of, tag, reason }) => {
            of.open.change(common, async |work| work.take_off_lot(&of.name, &tag, reason.clone()).await)?;
            of
        }
        DisposeCommand::Schedule(ScheduleArgs { of, day }) => return act(common, of, Act::LotScheduled { day }),
        DisposeCommand::Dispatch(DispatchArgs { of, seal }) => {
            of.open.change(common, async |work| work.dispatch_lot(&of.name, seal.clone()).await)?;
            of
        }
        DisposeCommand::Receive(ReceiveArgs { of, count, by, reference, note }) => {
            return act(common, of, Act::LotReceived(Receipt { by, count, reference, note }));
        }
        DisposeCommand::Weigh(WeighArgs { of, reused, recycled, energy, landfill }) => {
            let whole = |g: u32| Whole(i64::from(g));
            let weights = Weights {
                reused_g: whole(reused),
                recycled_g: whole(recycled),
                energy_g: whole(energy),
                landfill_g: whole(landfill),
            };
            return act(common, of, Act::LotWeighed(weights));
        }
        DisposeCommand::Document(DocumentArgs { of, file }) => {
            let bytes = read(Some(&file))?.unwrap_or_default();
            of.open.change(common, async |work| work.document_lot(&of.name, &bytes).await)?;
            of
        }
        DisposeCommand::Close(of) => return close(common, &of),
        DisposeCommand::Cancel(CancelArgs { of, reason }) => return act(common, of, Act::LotCancelled { reason }),
        DisposeCommand::Show(args) => return record::show(common, &args.open, "lot", &args.name),
        DisposeCommand::List(args) => return record::list(common, &args, "lot"),
    };
    record::told(common, &of.open, "lot", &of.name)
}

fn act(common: &Common, of: NamedArgs, act: Act) -> Result<Exit, Failure> {
    of.open.change(common, async |work| {
        let (stream, _) = work.lot(&of.name).await?;
        work.act(&stream, act.clone()).await
    })?;
    record::told(common, &of.open, "lot", &of.name)
}

fn close(common: &Common, of: &NamedArgs) -> Result<Exit, Failure> {
    let open = of.open.change(common, async |work| work.close_lot(&of.name).await)?;
    if common.json {
        let open: Vec<_> = open.iter().map(|(tag, why)| json!({ "tag": tag, "blockers": why })).collect();
        output::json(&json!({ "lot": of.name, "closed": open.is_empty(), "open": open }));
    } else {
        for (tag, blockers) in &open {
            for blocker in blockers {
                output::line(&format!("{tag}: {blocker}"));
            }
        }
        output::line(&match open.len() {
            0 => format!("lot {} is closed", of.name),
            n => format!("lot {} stays open: {} cannot be closed", of.name, output::count(n, "asset")),
        });
    }
    Ok(if open.is_empty() { Exit::Done } else { Exit::Refused })
}
