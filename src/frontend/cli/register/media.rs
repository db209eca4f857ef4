//! `lastwrite media add | remove | state`: the media inside assets, and those that are in none.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::OpenArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::media::MediumClass;
use crate::register::{Act, MediumIdentity, MediumState, PlacedMedium, RegisterError, Work};
use crate::units::Bytes;

#[derive(Debug, Subcommand)]
pub enum MediaCommand {
    /// Put a medium into an asset; a known one leaves where it was
    Add(AddArgs),
    /// Take a medium out of its asset; on its way out, one that is not proven to be empty takes compliance and --note
    Remove(OneArgs),
    /// Say what state a medium is in: in_use, awaiting, failed, absent
    State(StateArgs),
    /// A document about a medium counts no longer
    Revoke(RevokeArgs),
    /// Put a known medium into another asset
    Move(MoveArgs),
    /// Show a medium: where it is, where it was, its certificates
    Show(OneArgs),
    /// Media that are in no asset and not proven to be empty
    Loose(LooseArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// Asset tag
    #[arg(value_name = "TAG")]
    tag: String,
    /// Serial number as the drive reports it
    #[arg(long, value_name = "SERIAL", allow_hyphen_values = true)]
    #[cfg_attr(feature = "erase", arg(required_unless_present_any = ["drive", "wwn"]))]
    #[cfg_attr(not(feature = "erase"), arg(required_unless_present = "wwn"))]
    serial: Option<String>,
    /// Model number
    #[arg(long)]
    model: Option<String>,
    /// WWN, EUI-64 or NGUID
    #[arg(long)]
    wwn: Option<String>,
    /// Capacity in bytes
    #[arg(long)]
    size: Option<u64>,
    /// It is the disk of a virtual machine; without this a virtual disk's certificate counts for nothing
    #[arg(long = "virtual")]
    is_virtual: bool,
    /// Read all of it from this drive or image file; writes nothing
    #[cfg(feature = "erase")]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["serial", "model", "wwn", "size", "is_virtual"])]
    drive: Option<PathBuf>,
    #[cfg(not(feature = "erase"))]
    #[arg(skip)]
    drive: Option<PathBuf>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct OneArgs {
    /// Serial number, WWN, or the register's name (medium/...)
    #[arg(value_name = "MEDIUM")]
    medium: String,
    /// Why
    #[arg(long)]
    note: Option<String>,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct StateArgs {
    #[command(flatten)]
    of: OneArgs,
    /// The state
    #[arg(value_name = "STATE", value_parser = medium_state)]
    becomes: MediumState,
}

#[derive(Debug, Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    of: OneArgs,
    /// Id of the document: SHA-256 of its payload
    #[arg(value_name = "DOCUMENT")]
    document: String,
}

#[derive(Debug, Args)]
pub struct MoveArgs {
    #[command(flatten)]
    of: OneArgs,
    /// Tag of the asset it goes into
    #[arg(value_name = "TAG")]
    to: String,
}

#[derive(Debug, Args)]
pub struct LooseArgs {
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    /// Only those after this one (medium/...)
    #[arg(long, value_name = "MEDIUM", default_value = "")]
    after: String,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn run(common: &Common, command: MediaCommand) -> Result<Exit, Failure> {
    let stream = match command {
        MediaCommand::Add(args) => add(common, &args)?,
        MediaCommand::Remove(args) => args.open.with_key(common, async |register, key| {
            let job = async |work: &mut Work<'_>| {
                let stream = find(work, &args.medium).await?;
                work.remove(&stream, args.note.clone()).await.map(|()| stream)
            };
            register.run(key, job).await
        })?,
        MediaCommand::Show(args) => return show(common, &args),
        MediaCommand::Loose(args) => return loose(common, &args),
        MediaCommand::Move(MoveArgs { of, to }) => of.open.with_key(common, async |register, key| {
            let job = async |work: &mut Work<'_>| {
                let stream = find(work, &of.medium).await?;
                work.move_medium(&stream, &to).await.map(|()| stream)
            };
            register.run(key, job).await
        })?,
        MediaCommand::Revoke(RevokeArgs { of, document }) => {
            let reason =
                of.note.ok_or_else(|| Failure::words(Exit::Usage, "a revocation needs its reason (--note)"))?;
            of.open.with_key(common, async |register, key| {
                let job = async |work: &mut Work<'_>| {
                    let stream = find(work, &of.medium).await?;
                    let act = Act::EvidenceRevoked { document: document.clone(), reason: reason.clone() };
                    work.act(&stream, act).await.map(|()| stream)
                };
                register.run(key, job).await
            })?
        }
        MediaCommand::State(StateArgs { of, becomes }) => of.open.with_key(common, async |register, key| {
            let job = async |work: &mut Work<'_>| {
                let stream = find(work, &of.medium).await?;
                work.act(&stream, Act::MediumStateSet { state: becomes, note: of.note.clone() }).await.map(|()| stream)
            };
            register.run(key, job).await
        })?,
    };
    if common.json {
        output::json(&json!({ "medium": stream }));
    } else {
        output::line(&stream);
    }
    Ok(Exit::Done)
}

fn show(common: &Common, args: &OneArgs) -> Result<Exit, Failure> {
    let (stream, medium, tag, events) = args.open.with_key(common, async |register, key| {
        register.view_as(key.kid()).await?;
        let stream = register.run(key, async |work| find(work, &args.medium).await).await?;
        let missing = || RegisterError::NotFound { what: "medium", name: args.medium.clone() };
        let medium = register.medium(&stream).await?.ok_or_else(missing)?;
        let asset = match &medium.asset {
            Some(asset) => register.asset_at(asset).await?,
            None => None,
        };
        // A medium is seen where its asset is.
        if !register.sees(asset.as_ref().and_then(|a| a.location.as_deref())) {
            return Err(missing());
        }
        let events = register.history(&stream).await?;
        let mut told = Vec::new();
        for event in events {
            let into = match &event.act {
                Act::MediumMoved { asset: Some(asset), .. } => register.asset_at(asset).await?.map(|a| a.tag),
                _ => None,
            };
            told.push((event, into));
        }
        Ok((stream, medium, asset.map(|a| a.tag), told))
    })?;
    if common.json {
        let events: Vec<_> = events.iter().map(|(event, into)| json!({ "event": event, "into": into })).collect();
        output::json(&json!({ "stream": stream, "asset": tag, "medium": medium, "events": events }));
        return Ok(Exit::Done);
    }
    let state = medium.state.name().replace('_', " ");
    output::line(&format!("Medium         {}\nStream         {stream}", medium.identity.label()));
    output::line(&format!("State          {state}\nAsset          {}", tag.as_deref().unwrap_or("none")));
    for held in &medium.evidence {
        let revoked = held.revoked.as_ref().map(|r| format!(", REVOKED: {r}")).unwrap_or_default();
        output::line(&format!("Document       {} {}{revoked}", held.evidence.kind.name(), held.evidence.document));
    }
    for (event, into) in events {
        let at = event.at.format("%Y-%m-%d %H:%M:%S");
        let words = match &event.act {
            Act::MediumAdded { .. } => "known".to_owned(),
            Act::MediumMoved { asset: None, unproven: true } => "let go, not proven to be empty".to_owned(),
            Act::MediumMoved { asset: None, .. } => "taken out".to_owned(),
            Act::MediumMoved { .. } => format!("put into {}", into.as_deref().unwrap_or("an asset")),
            Act::MediumStateSet { state, note } => {
                let note = note.as_ref().map(|n| format!(": {n}")).unwrap_or_default();
                format!("{}{note}", state.name().replace('_', " "))
            }
            Act::EvidenceAccepted { evidence } => format!("{} {}", evidence.kind.name(), evidence.document),
            Act::EvidenceRevoked { document, reason } => format!("{document} revoked: {reason}"),
            Act::MediumRetired { document, .. } => format!("left with its asset, by {document}"),
            _ => "changed".to_owned(),
        };
        output::line(&format!("{:>4}  {at}  {words}", event.revision));
    }
    Ok(Exit::Done)
}

fn loose(common: &Common, args: &LooseArgs) -> Result<Exit, Failure> {
    let media = args.open.view(common, async |register| register.loose_media(&args.after, args.limit).await)?;
    if common.json {
        for placed in &media {
            output::json(&json!({ "stream": placed.stream, "medium": placed.medium }));
        }
        return Ok(Exit::Done);
    }
    let row = |placed: &PlacedMedium| {
        let state = placed.medium.state.name().replace('_', " ");
        vec![placed.medium.identity.label(), state, placed.stream.clone()]
    };
    let rows: Vec<_> = media.iter().map(row).collect();
    output::line(&match rows.is_empty() {
        true => "No media.".to_owned(),
        false => output::table(&["MEDIUM", "STATE", "STREAM"], &rows),
    });
    Ok(Exit::Done)
}

fn add(common: &Common, args: &AddArgs) -> Result<String, Failure> {
    let (identity, class) = identity(args)?;
    args.open.with_key(common, async |register, key| {
        register.run(key, async |work| work.install(&args.tag, identity.clone(), class).await).await
    })
}

fn identity(args: &AddArgs) -> Result<(MediumIdentity, MediumClass), Failure> {
    #[cfg(feature = "erase")]
    if let Some(path) = &args.drive {
        let medium =
            crate::station::look_at(&crate::station::live(), path).map_err(|e| Failure::new(Exit::Refused, &e))?;
        return Ok((MediumIdentity::of(&medium.identity), medium.class));
    }
    let _ = &args.drive;
    let identity = MediumIdentity {
        serial: args.serial.clone(),
        model: args.model.clone(),
        wwn: args.wwn.clone(),
        size: args.size.map(Bytes),
        size_before: None,
        digest: None,
    };
    Ok((identity, if args.is_virtual { MediumClass::Virtual } else { MediumClass::Physical }))
}

async fn find(work: &mut Work<'_>, name: &str) -> Result<String, RegisterError> {
    if name.starts_with("medium/") {
        return Ok(name.to_owned());
    }
    let serial = MediumIdentity { serial: Some(name.to_owned()), ..MediumIdentity::default() };
    let wwn = MediumIdentity { wwn: Some(name.to_owned()), ..MediumIdentity::default() };
    let mut found = work.find_media(&serial).await?;
    found.extend(work.find_media(&wwn).await?);
    match found.as_slice() {
        [(stream, _)] => Ok(stream.clone()),
        _ => Err(RegisterError::NotFound { what: "one medium", name: name.to_owned() }),
    }
}

fn medium_state(text: &str) -> Result<MediumState, String> {
    MediumState::of_name(text).ok_or_else(|| format!("there is no state {text}"))
}
