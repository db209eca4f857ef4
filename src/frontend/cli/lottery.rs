//! `lastwrite certificate sample`: which results get an independent check.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::certificate::TrustArgs;
use super::{Common, custody, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::station::{self, DrawError, DrawRequest, Station, Terms};

#[derive(Debug, Args)]
pub struct SampleArgs {
    /// Of a hundred results so many are drawn, at least one [default: what the policy demands]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    rate: Option<u8>,
    /// Put --rate, --from and --to on record for the draws over later checkpoints; draws nothing
    #[arg(long, conflicts_with_all = ["checkpoint", "value", "source", "look"])]
    announce: bool,
    /// A checkpoint of this log that others held before the value was known
    #[arg(long, value_name = "FILE", required_unless_present = "announce")]
    checkpoint: Option<PathBuf>,
    /// A value that nobody knew when the checkpoint was made: a beacon's round, a lottery's numbers, dice of the checker
    #[arg(long, value_name = "TEXT", value_parser = line, required_unless_present = "announce")]
    value: Option<String>,
    /// Where the value was published, so that anybody can look it up
    #[arg(long, value_name = "TEXT", value_parser = line, required_unless_present = "announce")]
    source: Option<String>,
    /// Only results logged at this time or later; as it was announced before the checkpoint
    #[arg(long, value_name = "TIME", value_parser = super::key::time)]
    from: Option<DateTime<Utc>>,
    /// Only results logged before this time; as it was announced before the checkpoint
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
    let demanded = match args.rate {
        Some(rate) => rate,
        None => {
            let in_force = station::policy_in_force(Some(&station), None).map_err(|e| super::policy::failure(&e))?;
            in_force.policy.second_person.percent
        }
    };
    let (Some(checkpoint), Some(value), Some(source)) = (&args.checkpoint, &args.value, &args.source) else {
        return announce(common, &station, &Terms { percent: demanded, from: args.from, to: args.to });
    };
    let trust = match args.trust.load(common)? {
        Some(trust) => trust,
        None => station.trust().map_err(|e| station_failure(&e))?,
    };
    let checkpoint = custody::read_known(&station, Some(&trust), checkpoint)?;
    let request = DrawRequest {
        checkpoint,
        value: value.clone(),
        source: source.clone(),
        percent: args.rate,
        demanded,
        from: args.from,
        to: args.to,
    };
    let key = if args.look { None } else { Some(common.signing_key(&station, "nothing was drawn")?) };
    let drawn = station::draw(&station, &request, key.as_ref()).map_err(|e| failure(&e))?;
    if common.json {
        output::json(&json!({
            "log_id": drawn.draw.log_id, "size": drawn.draw.size.to_string(), "root": drawn.draw.root,
            "value": drawn.draw.value, "source": source, "percent": drawn.terms.percent,
            "from": drawn.terms.from, "to": drawn.terms.to, "announced": drawn.announced,
            "population": drawn.population, "picked": drawn.picked,
            "earlier_draws": drawn.earlier, "entry": drawn.entry,
        }));
        return Ok(Exit::Done);
    }
    let (picked, all) = (drawn.picked.len(), drawn.population.len());
    let percent = drawn.terms.percent;
    output::line(&format!("{picked} of {all} certificates ({percent} %) are to be checked by somebody else:"));
    for ticket in &drawn.picked {
        output::line(&format!("  {}", station.certificates().join(format!("{}.json", ticket.id)).display()));
    }
    match drawn.entry {
        Some(entry) => output::line(&format!("The draw is entry {entry} of the custody log.")),
        None => output::line("The draw was not put on record (--look)."),
    }
    if drawn.announced.is_none() {
        output::line("LOOK: how many are drawn was not announced before the checkpoint (--announce).");
    }
    for entry in &drawn.earlier {
        output::line(&format!("LOOK: entry {entry} tells of an earlier draw over the same checkpoint."));
    }
    output::line("Each: lastwrite verify-media TARGET --certificate FILE --record RECORD.json, on another station.");
    Ok(Exit::Done)
}

fn announce(common: &Common, station: &Station, terms: &Terms) -> Result<Exit, Failure> {
    if terms.percent == 0 {
        return Err(failure(&DrawError::NoRate));
    }
    let key = common.signing_key(station, "nothing was announced")?;
    let entry = station::announce(station, terms, &key).map_err(|e| station_failure(&e))?;
    if common.json {
        output::json(&json!({ "percent": terms.percent, "from": terms.from, "to": terms.to, "entry": entry }));
    } else {
        output::line(&format!("Entry {entry} of the custody log says that {} % are drawn.", terms.percent));
        output::line("Next: lastwrite custody checkpoint --out FILE, and hand that to who checks.");
    }
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
        DrawError::Unannounced { .. } | DrawError::OtherTerms { .. } => Failure::new(Exit::Refused, error).hint(
            "nothing was drawn; leave it away, or begin anew: --announce, then a checkpoint, then a value that nobody \
             knew before",
        ),
        DrawError::NoRate => {
            Failure::new(Exit::Usage, error).hint("nothing was drawn; say how many of a hundred: --rate PERCENT")
        }
        DrawError::Station(error) => station_failure(error),
    }
}
