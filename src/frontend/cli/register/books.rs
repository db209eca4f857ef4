//! `lastwrite books ...`

use clap::{Args, Subcommand};
use serde_json::json;

use super::OpenArgs;
use super::measured::line_of;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::metrics::{Convention, Depreciation, Method, Ratio};
use crate::register::{Act, BOOKS_STREAM, CostCategory, Entry, Milli, Money, Refusal, RegisterError, Work};

#[derive(Debug, Subcommand)]
pub enum BooksCommand {
    /// How assets of a category are depreciated
    Depreciation(DepreciationArgs),
    /// What holding an asset costs a year
    Holding(HoldingArgs),
    /// What a licence costs a year
    Licence(LicenceArgs),
    /// Book amounts from CSV: asset_tag, category, amount, on, reference; all rows or none
    Import(ImportArgs),
    /// What was laid down
    Show(OpenArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum MethodArg {
    /// The same every month
    StraightLine,
    /// A share of what is left every year
    DecliningBalance,
    /// Not at all
    None,
}

#[derive(Debug, Args)]
pub struct DepreciationArgs {
    /// Category; left out: all that have no rule of their own
    #[arg(long, default_value = "*")]
    category: String,
    /// How
    #[arg(long, value_enum)]
    method: MethodArg,
    /// Useful life in months
    #[arg(long, value_name = "MONTHS")]
    life: u32,
    /// What is left at the end, in percent of the cost
    #[arg(long, default_value = "0", value_name = "PERCENT", value_parser = basis_points)]
    salvage: u32,
    /// Declining balance: the share a year in percent
    #[arg(long, default_value = "0", value_name = "PERCENT", value_parser = basis_points)]
    rate: u32,
    /// Half a year's share in the first year, whenever in it the asset went into service
    #[arg(long)]
    half_year: bool,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// CSV file with a header
    #[arg(value_name = "FILE")]
    file: std::path::PathBuf,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct HoldingArgs {
    /// Property tax a year, in percent of the book value
    #[arg(long, default_value = "0", value_name = "PERCENT", value_parser = basis_points)]
    tax: u32,
    /// Insurance a year, in percent of the price
    #[arg(long, default_value = "0", value_name = "PERCENT", value_parser = basis_points)]
    insurance: u32,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct LicenceArgs {
    /// Product
    #[arg(value_name = "PRODUCT")]
    product: String,
    /// Price a year, as 120.00 EUR
    #[arg(value_name = "AMOUNT", value_parser = super::values::money)]
    price: Money,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(common: &Common, command: BooksCommand) -> Result<Exit, Failure> {
    match command {
        BooksCommand::Depreciation(args) => {
            let method = match args.method {
                MethodArg::StraightLine => Method::StraightLine,
                MethodArg::DecliningBalance => Method::DecliningBalance,
                MethodArg::None => Method::None,
            };
            let convention = if args.half_year { Convention::HalfYear } else { Convention::FullMonth };
            let (life_months, salvage_bp, rate_bp) = (args.life, args.salvage, args.rate);
            let rule = Depreciation { method, life_months, salvage_bp, rate_bp, convention };
            set(common, &args.open, Entry::Depreciation { category: args.category, rule })
        }
        BooksCommand::Holding(args) => {
            set(common, &args.open, Entry::Holding { tax_bp: args.tax, insurance_bp: args.insurance })
        }
        BooksCommand::Licence(args) => {
            set(common, &args.open, Entry::Licence { product: args.product, price: args.price })
        }
        BooksCommand::Import(args) => import(common, &args),
        BooksCommand::Show(args) => show(common, &args),
    }
}

/// Amounts from a sheet, in one transaction. The sheet is read twice: once to see that every row can be
/// read, and once to book, so that never more than some hundred amounts are held beside it.
fn import(common: &Common, args: &ImportArgs) -> Result<Exit, Failure> {
    let place = args.file.display();
    let bytes = std::fs::read(&args.file).map_err(|e| Failure::words(Exit::Other, format!("{place}: {e}")))?;
    let wrong =
        |Unread { line, why }| Failure::words(Exit::Usage, format!("{place}, line {line}: {why}; nothing was booked"));
    let mut booked = 0;
    for amount in amounts(&bytes).map_err(wrong)? {
        amount.map_err(wrong)?;
        booked += 1;
    }
    let again = |Unread { line, why }| RegisterError::from(Refusal::rule(format!("{place}, line {line}: {why}")));
    args.open.with_key(common, async |register, key| {
        let job = async |work: &mut Work<'_>| {
            let mut amounts = amounts(&bytes).map_err(again)?;
            loop {
                let chunk = amounts.by_ref().take(256).collect::<Result<Vec<_>, _>>().map_err(again)?;
                if chunk.is_empty() {
                    return Ok(());
                }
                work.gather(chunk.iter().map(|(tag, _)| tag.as_str())).await?;
                for (tag, act) in chunk {
                    let (stream, _) = work.asset(&tag).await?;
                    work.act(&stream, act).await?;
                }
                work.flush().await?;
            }
        };
        register.run(key, job).await
    })?;
    if common.json {
        output::json(&json!({ "booked": booked }));
    } else {
        output::line(&format!("{} booked", output::count(booked, "amount")));
    }
    Ok(Exit::Done)
}

/// A row that is no amount.
struct Unread {
    line: u64,
    why: String,
}

/// The tag and the amount of each row of a sheet.
fn amounts(bytes: &[u8]) -> Result<impl Iterator<Item = Result<(String, Act), Unread>>, Unread> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::Reader::from_reader(bytes);
    let headers = reader.headers().map_err(|e| Unread { line: 1, why: e.to_string() })?;
    let column = |name| headers.iter().position(|h| h.trim() == name);
    let columns = ["asset_tag", "category", "amount", "on", "reference"].map(column);
    Ok(reader.into_records().map(move |record| {
        let of = |at: Option<&csv::Position>| line_of(bytes, at);
        let record = record.map_err(|e| Unread { line: of(e.position()), why: e.to_string() })?;
        let unread = |why: String| Unread { line: of(record.position()), why };
        let [tag, category, amount, on, reference] =
            columns.map(|column| column.and_then(|i| record.get(i)).unwrap_or_default().trim());
        let category = CostCategory::of_name(category).ok_or_else(|| unread("that is no category".to_owned()))?;
        let money = Money::parse(amount, "EUR").map_err(|e| unread(e.to_string()))?;
        let on = crate::register::observe::instant(on).ok_or_else(|| unread("on is no day".to_owned()))?;
        let reference = Some(reference.to_owned()).filter(|text| !text.is_empty());
        Ok((tag.to_owned(), Act::CostBooked { category, money, on, reference }))
    }))
}

fn set(common: &Common, open: &OpenArgs, entry: Entry) -> Result<Exit, Failure> {
    open.with_key(common, async |register, key| {
        register.run(key, async |work| work.act(BOOKS_STREAM, Act::BooksSet(entry.clone())).await).await
    })?;
    show(common, open)
}

fn show(common: &Common, open: &OpenArgs) -> Result<Exit, Failure> {
    let books = open.with(common, async |register| register.books().await)?;
    if common.json {
        output::json(&json!(books));
        return Ok(Exit::Done);
    }
    let percent = |bp: u32| format!("{} %", Ratio::of(bp.into(), 10_000).map(|r| r.percent()).unwrap_or_default());
    for (category, rule) in &books.depreciation {
        let rate = if rule.rate_bp > 0 { format!(", {} a year", percent(rule.rate_bp)) } else { String::new() };
        let half = if rule.convention == Convention::HalfYear { ", half-year" } else { "" };
        let (method, life, salvage) = (rule.method.name(), rule.life_months, percent(rule.salvage_bp));
        output::line(&format!("depreciation {category:<14} {method}, {life} months, salvage {salvage}{rate}{half}"));
    }
    output::line(&format!("holding      taxes {}, insurance {}", percent(books.tax_bp), percent(books.insurance_bp)));
    for (product, price) in &books.licences {
        output::line(&format!("licence      {product:<14} {price} a year"));
    }
    Ok(Exit::Done)
}

/// A percentage with at most two decimals, in hundredths.
fn basis_points(text: &str) -> Result<u32, String> {
    let milli: Milli = text.trim_end_matches('%').trim().parse()?;
    match u32::try_from(milli.0) {
        Ok(milli) if milli % 10 == 0 && milli <= 100_000 => Ok(milli / 10),
        _ => Err(format!("{text:?} is no percentage from 0 to 100 with at most two decimals")),
    }
}
