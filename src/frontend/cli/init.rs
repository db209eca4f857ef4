//! `lastwrite init`

use clap::Args;
use serde_json::json;

use super::{Common, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::station::{Durability, Station};
use crate::units::now;

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Organization that answers for the certificates
    #[arg(long, value_name = "NAME")]
    organization: String,
    /// Name of this station
    #[arg(long, value_name = "NAME")]
    station: String,
    /// Protect the station key with a passphrase, asked for at the terminal (or --passphrase-file)
    #[arg(long)]
    passphrase: bool,
}

pub fn run(common: &Common, args: InitArgs) -> Result<Exit, Failure> {
    let passphrase = match common.passphrase()? {
        Some(given) => Some(given),
        None if args.passphrase => Some(super::key::ask_twice()?),
        None => None,
    };
    let folder = common.folder();
    let station = Station::init(&folder, &args.organization, &args.station, passphrase.as_ref(), now())
        .map_err(|error| station_failure(&error))?;
    let key = station.key(passphrase.as_ref()).map_err(|error| station_failure(&error))?;
    let log = station.log().map_err(|error| station_failure(&error))?;
    if common.json {
        output::json(&json!({
            "state": folder.to_string_lossy(), "organization": args.organization, "station": args.station,
            "kid": key.kid(), "log_id": log.id(), "trust": station.trust_path().to_string_lossy(),
        }));
    } else {
        output::line(&format!("State folder   {}", folder.display()));
        output::line(&format!("Organization   {}", args.organization));
        output::line(&format!("Station        {}", args.station));
        output::line(&format!("Key            {}", key.kid()));
        output::line(&format!("Custody log    {}", log.id()));
        output::line(&format!("Trust store    {}", station.trust_path().display()));
        output::line("");
        output::line(
            "Give the trust store to whoever is to check your certificates. Keep keys/station.pem to yourself.",
        );
    }
    if let Ok(Durability::LostAtReboot(filesystem)) = station.durability() {
        output::line_err(&format!(
            "WARNING: {} lies in memory ({filesystem}) and is gone after a reboot: key, log and certificates with it.",
            folder.display()
        ));
    }
    Ok(Exit::Done)
}
