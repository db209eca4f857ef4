//! `lastwrite model | vendor | procure`: what is bought, from whom, and who granted it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::record::{self, ListArgs, NamedArgs};
use super::values::{basis_points, day, grams, money, read, word};
use super::{OpenArgs, show};
use crate::frontend::cli::Common;
use crate::frontend::exit::{Exit, Failure};
use crate::register::{
    Act, Certification, Depreciation, FullCost, ModelFacts, Money, NeedKind, Purchase, RequestFacts, VendorFacts,
    VendorKind,
};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Make a model known, or change what is known of it
    Set(Box<ModelArgs>),
    /// Show a model, by MANUFACTURER MODEL
    Show(NamedArgs),
    /// List models
    List(ListArgs),
}

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Maker
    #[arg(value_name = "MANUFACTURER")]
    manufacturer: String,
    /// Model
    #[arg(value_name = "MODEL")]
    model: String,
    /// Kind of thing: laptop, server
    #[arg(long)]
    category: String,
    /// It is a standard of the organization
    #[arg(long)]
    standard: bool,
    /// Months it is used
    #[arg(long, value_name = "MONTHS", default_value_t = 48)]
    life: u32,
    /// straight_line, declining_balance, none
    #[arg(long, default_value = "straight_line", value_parser = word(Depreciation::of_name))]
    depreciation: Depreciation,
    /// Yearly rate of a declining balance, as 30%
    #[arg(long, value_parser = basis_points, value_name = "PERCENT")]
    rate: Option<u32>,
    /// What is left at the end, of the price, as 10%
    #[arg(long, value_parser = basis_points, value_name = "PERCENT", default_value = "0")]
    salvage: u32,
    /// The maker supports it until that day
    #[arg(long, value_parser = day, value_name = "DAY")]
    end_of_support: Option<String>,
    /// Price of one
    #[arg(long, value_parser = money)]
    price: Option<Money>,
    /// Mass of one, as 1.4kg
    #[arg(long, value_parser = grams)]
    weight: Option<u32>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Subcommand)]
pub enum VendorCommand {
    /// Make a vendor known, or change what is known of it
    Set(VendorArgs),
    /// Record a certification, until when it holds, and the certificate
    Certify(CertifyArgs),
    /// Nothing is given to it from now on
    Bar(BarArgs),
    /// Show a vendor
    Show(NamedArgs),
    /// List vendors
    List(ListArgs),
}

#[derive(Debug, Args)]
pub struct VendorArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// supplier, itad, recycler, buyer, charity
    #[arg(long, required = true, num_args = 1.., value_parser = word(VendorKind::of_name))]
    kind: Vec<VendorKind>,
    /// Whom to ask
    #[arg(long)]
    contact: Option<String>,
}

#[derive(Debug, Args)]
pub struct CertifyArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// R2v3, e-Stewards, NAID AAA, ...
    #[arg(value_name = "SCHEME")]
    scheme: String,
    /// Number of the certificate
    #[arg(long)]
    number: String,
    /// First day [default: today]
    #[arg(long, value_parser = day, value_name = "DAY")]
    from: Option<String>,
    /// Last day
    #[arg(long, value_parser = day, value_name = "DAY")]
    until: String,
    /// The certificate; the register keeps it
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BarArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Why
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Subcommand)]
pub enum ProcureCommand {
    /// Ask for something: the need, how many, and the full cost of one
    Request(Box<RequestArgs>),
    /// Grant a request, as a second person and within your limit
    Approve(ApproveArgs),
    /// Do not grant it
    Refuse(BarArgs),
    /// Record the order of what was granted
    Order(OrderArgs),
    /// Show a request
    Show(NamedArgs),
    /// List requests
    List(ListArgs),
    /// Assets that appeared without a granted request: shadow IT
    Shadow(ShadowArgs),
}

#[derive(Debug, Args)]
pub struct ShadowArgs {
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    #[command(flatten)]
    open: OpenArgs,
}

/// The full cost of one piece.
#[derive(Debug, Args)]
pub struct CostArgs {
    /// Price of one
    #[arg(long, value_parser = money)]
    price: Money,
    /// Freight and customs of one
    #[arg(long, value_parser = money)]
    delivery: Option<Money>,
    /// Installation and migration of one
    #[arg(long, value_parser = money)]
    setup: Option<Money>,
    /// Support of one over its life
    #[arg(long, value_parser = money)]
    support: Option<Money>,
}

#[derive(Debug, Args)]
pub struct RequestArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// need: work stops without it; want: it would be nice
    #[arg(long, value_parser = word(NeedKind::of_name))]
    kind: NeedKind,
    /// The business need
    #[arg(long)]
    need: String,
    /// What: a model of the register (MANUFACTURER MODEL), or free words
    #[arg(long)]
    what: String,
    /// How many
    #[arg(long, default_value_t = 1)]
    quantity: u32,
    #[command(flatten)]
    cost: CostArgs,
    /// Where they go
    #[arg(long)]
    location: Option<String>,
}

#[derive(Debug, Args)]
pub struct ApproveArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Why; demanded for a want and for a model that is no standard
    #[arg(long)]
    note: Option<String>,
}

#[derive(Debug, Args)]
pub struct OrderArgs {
    #[command(flatten)]
    of: NamedArgs,
    /// Who sells it
    #[arg(long)]
    vendor: String,
    /// Number of the order
    #[arg(long)]
    order: String,
    /// Day of the order [default: today]
    #[arg(long, value_parser = day, value_name = "DAY")]
    on: Option<String>,
    #[command(flatten)]
    cost: CostArgs,
    /// Months of warranty
    #[arg(long, value_name = "MONTHS")]
    warranty: Option<u32>,
}

impl From<CostArgs> for FullCost {
    fn from(args: CostArgs) -> FullCost {
        let CostArgs { price: acquisition, delivery, setup, support } = args;
        FullCost { acquisition, delivery, setup, support }
    }
}

pub fn run_model(common: &Common, command: ModelCommand) -> Result<Exit, Failure> {
    match command {
        ModelCommand::Set(args) => {
            let facts = ModelFacts {
                manufacturer: args.manufacturer,
                model: args.model,
                category: args.category,
                standard: args.standard,
                useful_life_months: args.life,
                depreciation: args.depreciation,
                rate_bp: args.rate,
                salvage_bp: args.salvage,
                end_of_support: args.end_of_support,
                price: args.price,
                weight_g: args.weight,
            };
            args.open.change(common, async |work| work.set_model(facts.clone()).await)?;
            record::told(common, &args.open, "model", &facts.name())
        }
        ModelCommand::Show(args) => record::show(common, &args.open, "model", &args.name),
        ModelCommand::List(args) => record::list(common, &args, "model"),
    }
}

pub fn run_vendor(common: &Common, command: VendorCommand) -> Result<Exit, Failure> {
    let of = match command {
        VendorCommand::Set(VendorArgs { of, kind, contact }) => {
            let facts = VendorFacts { name: of.name.clone(), kinds: kind, contact };
            of.open.change(common, async |work| work.set_vendor(facts.clone()).await)?;
            of
        }
        VendorCommand::Certify(args) => {
            let certificate = read(args.certificate.as_deref())?;
            let today = || now().date_naive().to_string();
            let (scheme, number, until) = (args.scheme, args.number, args.until);
            let certification =
                Certification { scheme, number, from: args.from.unwrap_or_else(today), until, document: None };
            args.of.open.change(common, async |work| {
                work.certify_vendor(&args.of.name, certification.clone(), certificate.as_deref()).await
            })?;
            args.of
        }
        VendorCommand::Bar(BarArgs { of, reason }) => {
            of.open.change(common, async |work| {
                let (stream, _) = work.vendor(&of.name).await?;
                work.act(&stream, Act::VendorBarred { reason: reason.clone() }).await
            })?;
            of
        }
        VendorCommand::Show(args) => return record::show(common, &args.open, "vendor", &args.name),
        VendorCommand::List(args) => return record::list(common, &args, "vendor"),
    };
    record::told(common, &of.open, "vendor", &of.name)
}

pub fn run(common: &Common, command: ProcureCommand) -> Result<Exit, Failure> {
    let (of, act) = match command {
        ProcureCommand::Request(args) => {
            let RequestArgs { of, kind, need, what, quantity, cost, location } = *args;
            let cost = FullCost::from(cost);
            let facts =
                RequestFacts { number: of.name.clone(), kind, need, what, standard: false, quantity, cost, location };
            of.open.change(common, async |work| work.open_request(facts.clone()).await)?;
            return record::told(common, &of.open, "request", &of.name);
        }
        ProcureCommand::Order(args) => {
            let OrderArgs { of, vendor, order, on, cost, warranty } = args;
            let on = on.unwrap_or_else(|| now().date_naive().to_string());
            let purchase = Purchase { vendor, order, on, cost: cost.into(), warranty_months: warranty };
            of.open.change(common, async |work| work.order_request(&of.name, purchase.clone()).await)?;
            return record::told(common, &of.open, "request", &of.name);
        }
        ProcureCommand::Show(args) => return record::show(common, &args.open, "request", &args.name),
        ProcureCommand::List(args) => return record::list(common, &args, "request"),
        ProcureCommand::Shadow(args) => {
            let rows = args.open.view(common, async |register| register.shadow("", args.limit).await)?;
            return show::rows(common, rows);
        }
        ProcureCommand::Approve(ApproveArgs { of, note }) => (of, Act::RequestApproved { note }),
        ProcureCommand::Refuse(BarArgs { of, reason }) => (of, Act::RequestRefused { reason }),
    };
    of.open.change(common, async |work| {
        let (stream, _) = work.request(&of.name).await?;
        work.act(&stream, act.clone()).await
    })?;
    record::told(common, &of.open, "request", &of.name)
}
