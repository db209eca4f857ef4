//! `lastwrite licence ...`: seats, who uses them, what is free or over-used.

use clap::{Args, Subcommand};

use super::record::{self, ListArgs, NamedArgs};
use super::values::{day, money};
use crate::frontend::cli::Common;
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Money, PoolFacts};

#[derive(Debug, Subcommand)]
pub enum LicenceCommand {
    /// Make a licence known, or change its seats and facts
    Set(SetArgs),
    /// Give an asset a seat
    Assign(SeatArgs),
    /// Record a seat that was found in use without having been assigned; also beyond those bought
    Found(SeatArgs),
    /// Free a seat for use elsewhere
    Release(SeatArgs),
    /// Show a licence and its seats
    Show(NamedArgs),
    /// List licences; --status over shows over-use
    List(ListArgs),
}

#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Seats that were bought
    #[arg(long)]
    seats: u32,
    /// Who makes it
    #[arg(long)]
    publisher: Option<String>,
    /// Where its key is kept, as vault:office/2024; never the key itself
    #[arg(long, value_name = "PLACE")]
    key_ref: Option<String>,
    /// Last day
    #[arg(long, value_parser = day, value_name = "DAY")]
    expires: Option<String>,
    /// What all seats cost a year
    #[arg(long, value_parser = money, value_name = "AMOUNT")]
    cost: Option<Money>,
}

#[derive(Debug, Args)]
pub struct SeatArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Asset tag
    #[arg(value_name = "TAG")]
    tag: String,
}

pub fn run(common: &Common, command: LicenceCommand) -> Result<Exit, Failure> {
    let of = match command {
        LicenceCommand::Set(args) => {
            let SetArgs { of, seats, publisher, key_ref, expires, cost } = args;
            let facts = PoolFacts { product: of.name.clone(), publisher, seats, key_ref, expires, cost_per_year: cost };
            of.open.change(common, async |work| work.set_pool(facts.clone()).await)?;
            of
        }
        LicenceCommand::Assign(SeatArgs { of, tag }) => {
            of.open.change(common, async |work| work.assign_licence(&tag, &of.name, None, false).await)?;
            of
        }
        LicenceCommand::Found(SeatArgs { of, tag }) => {
            of.open.change(common, async |work| work.assign_licence(&tag, &of.name, None, true).await)?;
            of
        }
        LicenceCommand::Release(SeatArgs { of, tag }) => {
            of.open.change(common, async |work| work.release_licence(&tag, &of.name).await)?;
            of
        }
        LicenceCommand::Show(args) => return record::show(common, &args.open, "licence", &args.name),
        LicenceCommand::List(args) => return record::list(common, &args, "licence"),
    };
    record::told(common, &of.open, "licence", &of.name)
}
