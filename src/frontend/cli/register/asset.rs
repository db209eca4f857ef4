//! `lastwrite asset ...`: the life of one asset.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::values::{money, word};
use super::{OpenArgs, life, observe, sheet, show};
use crate::frontend::cli::Common;
use crate::frontend::exit::{Exit, Failure};
use crate::register::{
    Act, AssetClass, Condition, CostCategory, DataClass, Details, Item, LineOutcome, Money, Route, Stage,
};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum AssetCommand {
    /// Begin the record of an asset
    Add(Box<AddArgs>),
    /// Add an asset for each row of a CSV file: all of them, or none
    Import(sheet::ImportArgs),
    /// Write all assets as CSV
    Export(sheet::ExportArgs),
    /// Show an asset with its media and history
    Show(show::ShowArgs),
    /// List assets
    List(show::ListArgs),
    /// Move it to its next stage
    Move(MoveArgs),
    /// Hand it to a person or a place
    Assign(AssignArgs),
    /// Set its condition
    Condition(WordArgs),
    /// Set its data class
    Classify(WordArgs),
    /// Tick a step of a checklist
    Check(CheckArgs),
    /// Say how many media a person counted in it
    Count(CountArgs),
    /// Assign a licence to it, or release it for use elsewhere
    Licence(LicenceArgs),
    /// Choose by which route it leaves
    Route(RouteArgs),
    /// Hand it over; your signature is the giver's
    HandOver(HandOverArgs),
    /// Say what became of it
    Outcome(OutcomeArgs),
    /// Book an amount
    Cost(CostArgs),
    /// What keeps it from being closed
    Blockers(TagArgs),
    /// Close it, if the evidence allows it
    Close(TagArgs),
    /// Cancel an order that never arrived
    Cancel(WordArgs),
    #[command(flatten)]
    Life(life::LifeCommand),
    /// Hold what was seen against the record: ghosts, strangers, wrong places
    Reconcile(observe::ReconcileArgs),
    /// Findings that are open, or all
    Findings(observe::FindingsArgs),
    /// Say what a finding was
    Resolve(observe::ResolveArgs),
}

#[derive(Debug, Args)]
pub struct TagArgs {
    /// Asset tag
    #[arg(value_name = "TAG")]
    pub tag: String,
    #[command(flatten)]
    pub open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    of: TagArgs,
    /// physical, or virtual for practice
    #[arg(long, default_value = "physical", value_parser = word(AssetClass::of_name))]
    class: AssetClass,
    /// none, internal, confidential, regulated
    #[arg(long, default_value = "regulated", value_parser = word(DataClass::of_name))]
    data_class: DataClass,
    /// Stage in which it begins
    #[arg(long, default_value = "procurement", value_parser = word(Stage::of_name))]
    stage: Stage,
    /// Where it is
    #[arg(long)]
    location: Option<String>,
    /// Kind of thing: laptop, server
    #[arg(long)]
    category: Option<String>,
    /// Maker
    #[arg(long)]
    manufacturer: Option<String>,
    /// Model
    #[arg(long)]
    model: Option<String>,
    /// Serial number of the device
    #[arg(long, value_name = "SERIAL", allow_hyphen_values = true)]
    serial: Option<String>,
    /// Who sold it
    #[arg(long)]
    supplier: Option<String>,
    /// Price, as 1200.00 EUR
    #[arg(long, value_parser = money)]
    cost: Option<Money>,
    /// Day of purchase, as 2026-03-01
    #[arg(long)]
    purchased: Option<chrono::NaiveDate>,
    /// Months of warranty
    #[arg(long)]
    warranty: Option<u32>,
    /// Business need
    #[arg(long)]
    need: Option<String>,
    /// Number of the granted request that it comes of: its model, order, warranty and full cost are taken from there
    #[arg(long, value_name = "NUMBER")]
    request: Option<String>,
}

#[derive(Debug, Args)]
pub struct MoveArgs {
    #[command(flatten)]
    of: TagArgs,
    /// The next stage
    #[arg(value_name = "STAGE", value_parser = word(Stage::of_name))]
    to: Stage,
    /// Why
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct AssignArgs {
    #[command(flatten)]
    of: TagArgs,
    /// Who has it from now on; left out: nobody
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Where it is from now on; left out: where it was
    #[arg(long)]
    location: Option<String>,
}

#[derive(Debug, Args)]
pub struct WordArgs {
    #[command(flatten)]
    of: TagArgs,
    /// The condition or data class; for a cancelled order the reason
    #[arg(value_name = "WORD")]
    word: String,
    /// Why, or what was seen
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    of: TagArgs,
    /// The steps
    #[arg(required = true, value_name = "STEP", value_parser = word(Item::of_name))]
    items: Vec<Item>,
    /// They are not needed, because of this
    #[arg(long, value_name = "REASON")]
    waive: Option<String>,
    /// How it was done
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub struct CountArgs {
    #[command(flatten)]
    of: TagArgs,
    /// How many media are in it
    #[arg(value_name = "N")]
    count: u32,
}

#[derive(Debug, Args)]
pub struct LicenceArgs {
    #[command(flatten)]
    of: TagArgs,
    /// The product
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// Release it
    #[arg(long, conflicts_with = "key_ref")]
    release: bool,
    /// Where its key is kept; never the key itself
    #[arg(long)]
    key_ref: Option<String>,
}

#[derive(Debug, Args)]
pub struct RouteArgs {
    #[command(flatten)]
    of: TagArgs,
    /// resale, recycling, destruction, donation, lease_return
    #[arg(value_name = "ROUTE", value_parser = word(Route::of_name))]
    route: Route,
    /// Disposal order (lot)
    #[arg(long)]
    order: String,
    /// Who takes it
    #[arg(long)]
    vendor: Option<String>,
}

#[derive(Debug, Args)]
pub struct HandOverArgs {
    #[command(flatten)]
    of: TagArgs,
    /// Who takes it
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Number of the seal
    #[arg(long)]
    seal: Option<String>,
    /// Why
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct OutcomeArgs {
    #[command(flatten)]
    of: TagArgs,
    /// sold, recycled, destroyed, donated, returned
    #[arg(value_name = "OUTCOME", value_parser = word(LineOutcome::of_name))]
    outcome: LineOutcome,
    /// Final certificate or receipt; the register keeps it
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CostArgs {
    #[command(flatten)]
    of: TagArgs,
    /// acquisition, operational, maintenance, disposition, recovery, benefit
    #[arg(value_name = "CATEGORY", value_parser = word(CostCategory::of_name))]
    category: CostCategory,
    /// As 120.50 EUR
    #[arg(value_name = "AMOUNT", value_parser = money)]
    amount: Money,
    /// Invoice or contract
    #[arg(long)]
    reference: Option<String>,
    /// Day it was due [default: today]
    #[arg(long, value_name = "DAY")]
    on: Option<chrono::NaiveDate>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Condition,
    DataClass,
}

pub fn run(common: &Common, command: AssetCommand) -> Result<Exit, Failure> {
    match command {
        AssetCommand::Add(args) => add(common, *args),
        AssetCommand::Import(args) => sheet::import(common, &args),
        AssetCommand::Export(args) => sheet::export(common, &args),
        AssetCommand::Show(args) => show::show(common, &args),
        AssetCommand::List(args) => show::list(common, &args),
        AssetCommand::Move(args) => {
            let TagArgs { tag, open } = args.of;
            open.with_key(common, async |register, key| {
                register.run(key, async |work| work.move_stage(&tag, args.to, args.reason.clone()).await).await
            })?;
            show::told(common, &open, &tag)
        }
        AssetCommand::Assign(args) => {
            let TagArgs { tag, open } = args.of;
            open.with_key(common, async |register, key| {
                let job = async |work: &mut crate::register::Work<'_>| {
                    let (stream, asset) = work.asset(&tag).await?;
                    let location = args.location.clone().or(asset.location);
                    work.act(&stream, Act::Assigned { custodian: args.to.clone(), location }).await
                };
                register.run(key, job).await
            })?;
            show::told(common, &open, &tag)
        }
        AssetCommand::Condition(args) => {
            let condition = find(&args.word, Kind::Condition, Condition::of_name)?;
            act(common, args.of, vec![Act::ConditionSet { condition, note: args.note }])
        }
        AssetCommand::Classify(args) => {
            let data_class = find(&args.word, Kind::DataClass, DataClass::of_name)?;
            let reason =
                args.note.ok_or_else(|| Failure::words(Exit::Usage, "another data class needs its reason (--note)"))?;
            act(common, args.of, vec![Act::Classified { data_class, reason }])
        }
        AssetCommand::Check(args) => {
            let one = |item: &Item| match &args.waive {
                Some(reason) => Act::ChecklistWaived { item: *item, reason: reason.clone() },
                None => Act::ChecklistDone { item: *item, note: args.note.clone() },
            };
            let acts = args.items.iter().map(one).collect();
            act(common, args.of, acts)
        }
        AssetCommand::Count(args) => act(common, args.of, vec![Act::MediaCounted { count: args.count }]),
        AssetCommand::Licence(args) => {
            let LicenceArgs { of, product, release, key_ref } = args;
            of.open.change(common, async |work| match release {
                true => work.release_licence(&of.tag, &product).await,
                false => work.assign_licence(&of.tag, &product, key_ref.clone(), false).await,
            })?;
            show::told(common, &of.open, &of.tag)
        }
        AssetCommand::Route(args) => {
            let TagArgs { tag, open } = args.of;
            open.change(common, async |work| {
                work.choose_route(&tag, args.route, &args.order, args.vendor.clone()).await
            })?;
            show::told(common, &open, &tag)
        }
        AssetCommand::HandOver(args) => {
            let TagArgs { tag, open } = args.of;
            open.change(common, async |work| {
                work.hand_over(&tag, &args.to, args.seal.clone(), args.reason.clone()).await
            })?;
            show::told(common, &open, &tag)
        }
        AssetCommand::Outcome(args) => outcome(common, args),
        AssetCommand::Cost(args) => {
            let CostArgs { of, category, amount, reference, on } = args;
            let on = on.map_or_else(now, |day| day.and_time(chrono::NaiveTime::MIN).and_utc());
            act(common, of, vec![Act::CostBooked { category, money: amount, on, reference }])
        }
        AssetCommand::Blockers(args) => {
            let blockers = args.open.with_key(common, async |register, key| {
                register.run(key, async |work| work.blockers(&args.tag).await).await
            })?;
            show::blockers(common, &args.tag, &blockers);
            Ok(if blockers.is_empty() { Exit::Done } else { Exit::Refused })
        }
        AssetCommand::Close(args) => {
            args.open.with_key(common, async |register, key| {
                register.run(key, async |work| work.close(&args.tag).await).await
            })?;
            show::told(common, &args.open, &args.tag)
        }
        AssetCommand::Reconcile(args) => observe::reconcile(common, &args),
        AssetCommand::Findings(args) => observe::findings(common, &args),
        AssetCommand::Resolve(args) => observe::resolve(common, &args),
        AssetCommand::Cancel(args) => act(common, args.of, vec![Act::OrderCancelled { reason: args.word }]),
        AssetCommand::Life(command) => life::run(common, command),
    }
}

fn add(common: &Common, args: AddArgs) -> Result<Exit, Failure> {
    let TagArgs { tag, open } = args.of;
    let details = Details {
        category: args.category,
        manufacturer: args.manufacturer,
        model: args.model,
        serial: args.serial,
        supplier: args.supplier,
        purchase_date: args.purchased.map(|d| d.to_string()),
        purchase_cost: args.cost,
        warranty_months: args.warranty,
        need: args.need,
        ..Details::default()
    };
    let added = Act::AssetAdded {
        tag: tag.clone(),
        class: args.class,
        data_class: args.data_class,
        stage: args.stage,
        location: args.location,
        custodian: None,
        details,
    };
    open.with_key(common, async |register, key| {
        let job = async |work: &mut crate::register::Work<'_>| match &args.request {
            Some(number) => work.add_requested(number, added.clone()).await,
            None => work.add_asset(added.clone()).await,
        };
        register.run(key, job).await
    })?;
    show::told(common, &open, &tag)
}

pub fn act(common: &Common, of: TagArgs, acts: Vec<Act>) -> Result<Exit, Failure> {
    of.open.with_key(common, async |register, key| {
        let job = async |work: &mut crate::register::Work<'_>| {
            let (stream, _) = work.asset(&of.tag).await?;
            for act in &acts {
                work.act(&stream, act.clone()).await?;
            }
            Ok(())
        };
        register.run(key, job).await
    })?;
    show::told(common, &of.open, &of.tag)
}

fn outcome(common: &Common, args: OutcomeArgs) -> Result<Exit, Failure> {
    let bytes = args.certificate.as_deref().map(std::fs::read).transpose();
    let bytes = bytes.map_err(|e| Failure::words(Exit::Other, format!("the certificate could not be read: {e}")))?;
    let TagArgs { tag, open } = args.of;
    open.with_key(common, async |register, key| {
        register.run(key, async |work| work.set_outcome(&tag, args.outcome, bytes.as_deref()).await).await
    })?;
    show::told(common, &open, &tag)
}

fn find<T>(word: &str, kind: Kind, of_name: fn(&str) -> Option<T>) -> Result<T, Failure> {
    let what = match kind {
        Kind::Condition => "condition (ok, degraded, failed, missing, stolen)",
        Kind::DataClass => "data class (none, internal, confidential, regulated)",
    };
    of_name(word).ok_or_else(|| Failure::words(Exit::Usage, format!("{word:?} is no {what}")))
}
