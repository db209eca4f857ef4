//! `lastwrite cost ...`: amounts and values of an asset.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::asset::{TagArgs, act};
use super::values::{day, money, time, word};
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Act, CostCategory, Money, Valuation, ValuationBasis};
use crate::units::now;

#[derive(Debug, Subcommand)]
pub enum CostCommand {
    /// Book an amount
    Book(BookArgs),
    /// Record what it is worth
    Value(ValueArgs),
    /// Every amount and value of an asset
    List(TagArgs),
}

#[derive(Debug, Args)]
pub struct BookArgs {
    #[command(flatten)]
    of: TagArgs,
    /// acquisition, operational, maintenance, disposition, recovery, benefit
    #[arg(value_name = "CATEGORY", value_parser = word(CostCategory::of_name))]
    category: CostCategory,
    /// As 120.50 EUR
    #[arg(value_name = "AMOUNT", value_parser = money)]
    amount: Money,
    /// When it was due [default: now]
    #[arg(long, value_parser = time, value_name = "TIME")]
    on: Option<DateTime<Utc>>,
    /// Invoice or contract
    #[arg(long)]
    reference: Option<String>,
}

#[derive(Debug, Args)]
pub struct ValueArgs {
    #[command(flatten)]
    of: TagArgs,
    /// book, market, appraisal, quote, sale
    #[arg(value_name = "BASIS", value_parser = word(ValuationBasis::of_name))]
    basis: ValuationBasis,
    /// As 120.50 EUR
    #[arg(value_name = "AMOUNT", value_parser = money)]
    amount: Money,
    /// Who says so
    #[arg(long)]
    source: String,
    /// On which day [default: today]
    #[arg(long, value_parser = day, value_name = "DAY")]
    on: Option<String>,
}

pub fn run(common: &Common, command: CostCommand) -> Result<Exit, Failure> {
    match command {
        CostCommand::Book(BookArgs { of, category, amount, on, reference }) => {
            let on = on.unwrap_or_else(now);
            act(common, of, vec![Act::CostBooked { category, money: amount, on, reference }])
        }
        CostCommand::Value(ValueArgs { of, basis, amount, source, on }) => {
            let on = on.unwrap_or_else(|| now().date_naive().to_string());
            act(common, of, vec![Act::Valued(Valuation { basis, money: amount, on, source })])
        }
        CostCommand::List(args) => list(common, &args),
    }
}

fn list(common: &Common, args: &TagArgs) -> Result<Exit, Failure> {
    let events = args.open.view(common, async |register| {
        let (stream, ..) = register.asset(&args.tag).await?;
        register.history(&stream).await
    })?;
    let mut rows = Vec::new();
    for event in events {
        let (on, what, money, words) = match event.act {
            Act::CostBooked { category, money, on, reference } => {
                (on.date_naive().to_string(), category.name().to_owned(), money, reference)
            }
            Act::Valued(v) => (v.on, format!("worth ({})", v.basis.name()), v.money, Some(v.source)),
            _ => continue,
        };
        if common.json {
            output::json(&json!({ "tag": args.tag, "on": on, "what": what, "money": money, "words": words }));
        }
        rows.push(vec![on, what, money.to_string(), words.unwrap_or_default()]);
    }
    if !common.json {
        output::line(&match rows.is_empty() {
            true => "Nothing is booked.".to_owned(),
            false => output::table(&["DAY", "WHAT", "AMOUNT", ""], &rows),
        });
    }
    Ok(Exit::Done)
}
