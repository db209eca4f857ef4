//! `lastwrite certificate sample`: which results get an independent check.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::certificate::TrustArgs;
use super::{Common, custody, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::station::{self, DrawError, DrawRequest};

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Of a hundred results so many are drawn, at least one [default: what the policy demands]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    rate: Option<u8>,
    /// A checkpoint of this log that others held before the value was known
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// A value that nobody knew when the checkpoint was made: a beacon's round, a lottery's numbers, dice of the checker
    #[arg(long, value_name = "TEXT", value_parser = line)]
    value: String,
    /// Where the value was published, so that anybody can look it up
    #[arg(long, value_name = "TEXT", value_parser = line)]
    source: String,
    /// Only results logged at this time or later
    #[arg(long, value_name = "TIME", value_parser = super::key::time)]
    from: Option<DateTime<Utc>>,
    /// Only results logged before this time
    #[arg(long, value_name = "TIME", value_parser = super::key::time)]
    to: Option<DateTime<Utc>>,
    /// Repeat a draw without putting it on record
    #[arg(long)]
    look: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

fn line(text: &str) -> Result<String, String> {
    let good = !text.trim().is_empty() && text.len() <= 500 && !text.chars().any(char::is_control);
    if good { Ok(text.to_owned()) } else { Err("it must be 1 to 500 characters on one line".to_owned()) }
}

pub fn run(common: &Common, args: &SampleArgs) -> Result<Exit, Failure> {
    let station = common.station()?;
    let percent = match args.rate {
        Some(rate) => rate,
        None => {
            let in_force = station::policy_in_force(Some(&station), None).map_err(|e| super::policy::failure(&e))?;
            let percent = in_force.policy.second_person.percent;
            if percent == 0 {
                let message = format!("the policy {} demands no second person", in_force.policy.label());
                return Err(Failure::words(Exit::Usage, message).hint("say how many of a hundred: --rate PERCENT"));
            }
            percent
        }
    };
    let trust = match args.trust.load(common)? {
        Some(trust) => trust,
        None => station.trust().map_err(|e| station_failure(&e))?,
    };
    let checkpoint = custody::read_known(&station, Some(&trust), &args.checkpoint)?;
    let request = DrawRequest {
        checkpoint,
        value: args.value.clone(),
        source: args.source.clone(),
        percent,
        from: args.from,
        to: args.to,
    };
    let key = if args.look { None } else { Some(common.key(&station)?) };
    let drawn = station::draw(&station, &request, key.as_ref()).map_err(|e| failure(&e))?;
    if common.json {
        output::json(&json!({
            "log_id": drawn.draw.log_id, "size": drawn.draw.size.to_string(), "root": drawn.draw.root,
            "value": drawn.draw.value, "source": args.source, "percent": percent,
            "from": args.from, "to": args.to,
            "population": drawn.population, "picked": drawn.picked,
            "earlier_draws": drawn.earlier, "entry": drawn.entry,
        }));
        return Ok(Exit::Done);
    }
    let (picked, all) = (drawn.picked.len(), drawn.population.len());
    output::line(&format!("{picked} of {all} certificates ({percent} %) are to be checked by somebody else:"));
    for ticket in &drawn.picked {
        output::line(&format!("  {}", station.certificates().join(format!("{}.json", ticket.id)).display()));
    }
    match drawn.entry {
        Some(entry) => output::line(&format!("The draw is entry {entry} of the custody log.")),
        None => output::line("The draw was not put on record (--look)."),
    }
    for entry in &drawn.earlier {
        output::line(&format!("LOOK: entry {entry} tells of an earlier draw over the same checkpoint."));
    }
    output::line("Each: lastwrite verify-media TARGET --certificate FILE --record RECORD.json, on another station.");
    Ok(Exit::Done)
}

fn failure(error: &DrawError) -> Failure {
    match error {
        DrawError::Checkpoint { .. } => {
            Failure::new(Exit::Evidence, error).hint("lastwrite custody audit --against FILE says more")
        }
        DrawError::Nobody { .. } => {
            Failure::new(Exit::Refused, error).hint("nothing was drawn; look at --from and --to")
        }
        DrawError::Station(error) => station_failure(error),
    }
}
