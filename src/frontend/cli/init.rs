//! `lastwrite init`

use clap::Args;
use serde_json::json;

use super::{Common, output, station_failure};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Passphrase, StationKey, TokenUri};
use crate::station::{NewKey, Station};
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
    /// Make the station key on a token, which it never leaves: pkcs11:token=T;object=LABEL?module-path=M; the PIN comes
    /// as a passphrase does
    #[arg(long, value_name = "URI", conflicts_with = "passphrase")]
    key_token: Option<String>,
}

pub fn run(common: &Common, args: InitArgs) -> Result<Exit, Failure> {
    let passphrase = match common.passphrase()? {
        Some(given) => Some(given),
        None if args.passphrase => Some(super::key::ask_twice()?),
        None => None,
    };
    let folder = common.folder();
    let on_token = args.key_token.as_deref().map(|text| new_on_token(text, &folder, passphrase.clone())).transpose()?;
    let new = match &on_token {
        Some((key, uri)) => NewKey::Token(key, uri),
        None => NewKey::File(passphrase.as_ref()),
    };
    let station = Station::init_with(&folder, &args.organization, &args.station, &new, now())
        .map_err(|error| station_failure(&error))?;
    let key = match &on_token {
        Some((key, _)) => key.clone(),
        None => station.key(passphrase.as_ref()).map_err(|error| station_failure(&error))?,
    };
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
    if let Some(doubt) = station.durability().ok().and_then(|durability| durability.doubt()) {
        output::line_err(&format!(
            "WARNING: {} {doubt}: then key, log and certificates are gone after a reboot.",
            folder.display()
        ));
    }
    Ok(Exit::Done)
}

/// A key on a token; nothing is made there when the state folder cannot be.
fn new_on_token(
    text: &str,
    folder: &std::path::Path,
    given: Option<Passphrase>,
) -> Result<(StationKey, TokenUri), Failure> {
    let uri = TokenUri::parse(text).map_err(|e| Failure::words(Exit::Usage, format!("{text}: {e}")))?;
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(station_failure(&crate::station::StationError::AlreadyThere(folder.to_owned())));
    }
    let pin = super::key::pin(&uri, given)?;
    let key = StationKey::generate_on_token(&uri, &pin).map_err(|e| Failure::new(Exit::Other, &e))?;
    Ok((key, uri))
}
