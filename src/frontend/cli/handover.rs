//! `lastwrite custody transfer | receive`: media change hands, each party on a machine of its own.

use std::path::{Path, PathBuf};

use clap::Args;
use rand::TryRng as _;
use serde_json::json;

use super::certificate::TrustArgs;
use super::document::{
    Judge, OutArgs, PersonArgs, attachments, hand_out, keep_failure, media_list, own_name, read_file, seal_failure,
};
use super::{Common, output};
use crate::certificate::Issued;
use crate::certificate::document::{
    Arrival, Container, DISCREPANCY_SCHEMA, Differences, Discrepancy, Document, DocumentRef, DocumentType, HandedOver,
    MediumName, Recipient, SealDiscrepancy, TRANSFER_SCHEMA, Transfer, seal,
};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{Check, CosignError, Jws, MAX_DOCUMENT, Outcome, Role, StationKey, cosign_file};
use crate::station::keep_document;
use crate::units::now;

#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Name of the receiver
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Organization of the receiver
    #[arg(long, value_name = "NAME")]
    to_organization: Option<String>,
    /// Key (thumbprint) of the receiver: then nobody else can receive
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    to_key: Option<String>,
    /// Where
    #[arg(long, value_name = "TEXT")]
    place: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who carries it: carrier, vehicle, waybill
    #[arg(long, value_name = "TEXT")]
    carrier: Option<String>,
    /// Container; without --seal it is not sealed
    #[arg(long, value_name = "ID")]
    container: Vec<String>,
    /// Seal on a container: CONTAINER=NUMBER
    #[arg(long, value_name = "CONTAINER=NUMBER", value_parser = pair)]
    seal: Vec<(String, String)>,
    /// Serial numbers of media
    #[arg(long, value_name = "SERIAL", num_args = 1..)]
    serial: Vec<String>,
    /// CSV of media (columns serial, model, vendor, wwn, size, asset_tag)
    #[arg(long, value_name = "FILE")]
    media: Option<PathBuf>,
    /// Certificates, failure reports and other documents whose media are handed over
    #[arg(long, value_name = "FILE", num_args = 1..)]
    document: Vec<PathBuf>,
    /// Photos and papers; their hashes go into the transfer
    #[arg(long, value_name = "FILE", num_args = 1..)]
    attach: Vec<PathBuf>,
    /// Anything else
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Args)]
pub struct ReceiveArgs {
    /// The transfer, as the sender signed it; your signature is added to it
    #[arg(value_name = "TRANSFER")]
    file: PathBuf,
    /// Serial numbers that were found
    #[arg(long, value_name = "SERIAL", num_args = 1..)]
    serial: Vec<String>,
    /// CSV of the media that were found (columns serial, model, vendor, wwn, size, asset_tag)
    #[arg(long, value_name = "FILE")]
    media: Option<PathBuf>,
    /// Seal that was found whole: CONTAINER=NUMBER
    #[arg(long, value_name = "CONTAINER=NUMBER", value_parser = pair)]
    seal: Vec<(String, String)>,
    /// Seal that was found broken: CONTAINER=NUMBER
    #[arg(long, value_name = "CONTAINER=NUMBER", value_parser = pair)]
    broken_seal: Vec<(String, String)>,
    /// Where
    #[arg(long, value_name = "TEXT")]
    place: String,
    /// Anything that is not as it should be: makes a discrepancy of its own
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
    /// Photos and papers; their hashes go into a discrepancy report
    #[arg(long, value_name = "FILE", num_args = 1..)]
    attach: Vec<PathBuf>,
    /// Discrepancy report and the validation that accepts it: receives in spite of it
    #[arg(long, value_name = "FILE", num_args = 1..)]
    settled: Vec<PathBuf>,
    #[command(flatten)]
    person: PersonArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    out: OutArgs,
}

pub fn transfer(common: &Common, args: &TransferArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?;
    if let Some(kid) = &args.to_key {
        own_name(trust.as_ref(), kid, &args.to, "handed over")?;
    }
    let (key, from) = args.person.signatory(common, trust.as_ref(), Role::Transferor)?;
    let transfer = Transfer {
        schema: TRANSFER_SCHEMA.to_owned(),
        version: 1,
        transfer_id: random_id()?,
        from,
        to: Recipient { name: args.to.clone(), organization: args.to_organization.clone(), kid: args.to_key.clone() },
        place: args.place.clone(),
        reason: args.reason.clone(),
        carrier: args.carrier.clone(),
        containers: containers(args),
        media: media(common, args)?,
        attachments: attachments(&args.attach)?,
        released: now(),
        notes: args.notes.clone(),
    };
    let issued = seal(&transfer, &[(&key, Role::Transferor)], now()).map_err(|e| seal_failure(&e))?;
    hand_out(common, &args.out, DocumentType::Transfer, &issued)?;
    if !common.json {
        output::line(
            "  Give the file to the receiver; it comes back with their signature: lastwrite certificate add FILE",
        );
    }
    Ok(Exit::Done)
}

pub fn receive(common: &Common, args: &ReceiveArgs) -> Result<Exit, Failure> {
    let trust = args.trust.load(common)?;
    let bytes = read_file(&args.file, MAX_DOCUMENT)?;
    let judge = Judge::new(common, trust.as_ref(), &args.settled, &[])?;
    let verified = judge.verified(&bytes, &args.file)?;
    let Some(Document::Transfer(transfer)) = verified.document.clone() else {
        return Err(Failure::words(Exit::Evidence, format!("{} is no transfer", args.file.display())));
    };
    // What an open discrepancy says is judged below; everything else must hold.
    let wrong: Vec<_> = verified.failed().filter(|c| c.name != "discrepancy").map(|c| c.detail.clone()).collect();
    if !wrong.is_empty() {
        return Err(Failure::words(Exit::Evidence, format!("{}: {}", args.file.display(), wrong.join("; "))));
    }
    let doubtful = |c: &Check| c.name == "discrepancy" && c.outcome == Outcome::Unknown && trust.is_some();
    let open = verified.checks.iter().filter(|c| c.outcome == Outcome::Failed || doubtful(c));
    let open: Vec<_> = open.map(|c| c.detail.clone()).collect();
    let (key, by) = args.person.signatory(common, trust.as_ref(), Role::Receiver)?;
    if transfer.from.kid == key.kid() {
        return Err(Failure::words(
            Exit::Refused,
            "whoever hands over does not also receive: two parties are two keys",
        ));
    }
    if let Some(meant) = transfer.to.kid.as_deref().filter(|kid| *kid != key.kid()) {
        let why = format!("the transfer names key {meant} as the receiver's, and yours is {}", key.kid());
        return Err(Failure::words(Exit::Refused, why));
    }
    let arrival = arrival(args)?;
    let differences = transfer.compare(&arrival);
    let id = verified.id.clone().unwrap_or_default();
    let related = judge.related(&verified);
    let settled = if args.settled.is_empty() { Vec::new() } else { related.settled_reports(&id) };
    let lists_agree = differences.missing.is_empty() && differences.extra.is_empty();
    if !args.settled.is_empty() && !lists_agree {
        tell(&differences);
        return Err(Failure::words(Exit::Refused, "NOT RECEIVED: the list is not true, and nobody signs it")
            .hint("the sender makes a new transfer of what is really there, and explains the rest in --notes"));
    }
    if !covered(&differences, args.remarks.as_deref(), &settled) {
        let report = Discrepancy {
            schema: DISCREPANCY_SCHEMA.to_owned(),
            version: 1,
            transfer: DocumentRef { id, kind: DocumentType::Transfer },
            by,
            place: args.place.clone(),
            seals: differences.seals.clone(),
            missing: differences.missing.clone(),
            extra: differences.extra.clone(),
            received: differences.received,
            remarks: args.remarks.clone(),
            attachments: attachments(&args.attach)?,
            found: now(),
        };
        let issued = seal(&report, &[(&key, Role::Receiver)], now()).map_err(|e| seal_failure(&e))?;
        hand_out(common, &args.out, DocumentType::Discrepancy, &issued)?;
        tell(&differences);
        return Err(Failure::words(Exit::Refused, "NOT RECEIVED: what arrived is not what was handed over; the discrepancy is recorded")
            .hint("keep it all together. When it is settled: lastwrite certificate validate DISCREPANCY --accept, then custody receive with --settled"));
    }
    if !open.is_empty() {
        return Err(Failure::words(Exit::Refused, format!("NOT RECEIVED: {}", open.join("; ")))
            .hint("settle it first: lastwrite certificate validate DISCREPANCY --accept, then --settled DISCREPANCY VALIDATION"));
    }
    if !args.settled.is_empty() && settled.is_empty() {
        let why = "NOT RECEIVED: among the files of --settled and of the station is no discrepancy report of this \
                   transfer that a valid validation settles";
        return Err(Failure::words(Exit::Refused, why)
            .hint("name the report and its validation, or leave --settled out where nothing was to be settled"));
    }
    agree(common, args, &key, &id, differences.is_empty() && settled.is_empty())
}

/// Whether reports that are settled tell everything that differs today: a seal that broke since, or a remark of today, is
/// another discrepancy.
fn covered(differences: &Differences, remarks: Option<&str>, settled: &[&Discrepancy]) -> bool {
    let told = |seal: &SealDiscrepancy| settled.iter().any(|report| report.seals.contains(seal));
    differences.missing.is_empty()
        && differences.extra.is_empty()
        && differences.seals.iter().all(told)
        && remarks.is_none_or(|remark| settled.iter().any(|report| report.remarks.as_deref() == Some(remark)))
}

/// Signs the very bytes that the sender signed, and that were verified as the document `id`.
fn agree(common: &Common, args: &ReceiveArgs, key: &StationKey, id: &str, whole: bool) -> Result<Exit, Failure> {
    let station = common.station_if_any()?;
    let own = station.as_ref().map(|station| common.signing_key(station, "nothing was signed")).transpose()?;
    let same = |_: &[u8], jws: &Jws| match crate::certificate::id_of(jws.payload()) == id {
        true => Ok(()),
        false => Err("it was replaced while it was looked at, and holds another document now".to_owned()),
    };
    let jws = cosign_file(&args.file, key, Role::Receiver, now(), same).map_err(|e| match &e {
        CosignError::Sign { .. } => Failure::new(Exit::Refused, &e),
        CosignError::Refused { .. } => Failure::new(Exit::Refused, &e).hint("receive it once more: custody receive"),
        _ => Failure::new(Exit::Other, &e),
    })?;
    let mut bytes = jws.to_bytes();
    bytes.push(b'\n');
    let issued = Issued { id: crate::certificate::id_of(jws.payload()), bytes };
    let mut entry = None;
    if let (Some(station), Some(own)) = (station, own) {
        entry = Some(keep_document(&station, &own, &issued.bytes).map_err(|e| keep_failure(&e))?.entry);
    }
    if let Some(folder) = &args.out.out {
        std::fs::create_dir_all(folder)
            .map_err(|e| Failure::words(Exit::Other, format!("{}: {e}", folder.display())))?;
        crate::station::put_document(folder, &issued.id, &jws, &issued.bytes).map_err(|e| keep_failure(&e))?;
    }
    if common.json {
        output::json(&json!({
            "received": true, "id": issued.id, "file": args.file.to_string_lossy(), "custody_entry": entry,
        }));
    } else {
        let how = if whole { "everything is as it was handed over" } else { "what differed is settled" };
        output::line(&format!("RECEIVED     {}: {how}", args.file.display()));
        output::line("  Give the file back to the sender; it has both signatures now.");
    }
    Ok(Exit::Done)
}

fn tell(differences: &Differences) {
    for seal in &differences.seals {
        let number = seal.seal.as_deref().unwrap_or("without number");
        output::line(&format!("  SEAL       {number} on {} is {}", seal.container, seal.state.words()));
    }
    differences.missing.iter().for_each(|m| output::line(&format!("  MISSING    {}", m.label())));
    differences.extra.iter().for_each(|m| output::line(&format!("  TOO MANY   {}", m.label())));
}

fn containers(args: &TransferArgs) -> Vec<Container> {
    let mut containers: Vec<Container> =
        args.container.iter().map(|id| Container { id: id.clone(), seals: Vec::new() }).collect();
    for (id, seal) in &args.seal {
        match containers.iter_mut().find(|c| c.id == *id) {
            Some(container) => container.seals.push(seal.clone()),
            None => containers.push(Container { id: id.clone(), seals: vec![seal.clone()] }),
        }
    }
    containers
}

fn media(common: &Common, args: &TransferArgs) -> Result<Vec<HandedOver>, Failure> {
    // In the only container lies everything; of several nobody can tell.
    let only = match containers(args).as_slice() {
        [one] => Some(one.id.clone()),
        _ => None,
    };
    let mut media: Vec<HandedOver> = Vec::new();
    let mut add = |medium: MediumName, document: Option<DocumentRef>| match media
        .iter_mut()
        .find(|m| m.medium.same_medium(&medium))
    {
        Some(there) => there.document = there.document.take().or(document),
        None => media.push(HandedOver { medium, container: only.clone(), document }),
    };
    let judge = Judge::new(common, None, &[], &[])?;
    for file in &args.document {
        let subject = judge.subject(file)?;
        let medium = subject
            .medium
            .ok_or_else(|| Failure::words(Exit::Usage, format!("{} is about no single medium", file.display())))?;
        add(medium, Some(subject.reference));
    }
    for medium in found(&args.serial, args.media.as_deref())? {
        add(medium, None);
    }
    match media.is_empty() {
        true => {
            Err(Failure::words(Exit::Usage, "nothing is handed over: name media with --serial, --media or --document"))
        }
        false => Ok(media),
    }
}

fn arrival(args: &ReceiveArgs) -> Result<Arrival, Failure> {
    Ok(Arrival {
        seals: args.seal.clone(),
        broken: args.broken_seal.clone(),
        media: found(&args.serial, args.media.as_deref())?,
    })
}

fn found(serials: &[String], list: Option<&Path>) -> Result<Vec<MediumName>, Failure> {
    let mut media = list.map(media_list).transpose()?.unwrap_or_default();
    for serial in serials {
        media.push(MediumName { serial: Some(serial.clone()), ..MediumName::default() });
    }
    Ok(media)
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((container, seal)) if !container.is_empty() && !seal.is_empty() => Ok((container.into(), seal.into())),
        _ => Err(format!("{text} is not CONTAINER=NUMBER")),
    }
}

fn random_id() -> Result<String, Failure> {
    let mut bytes = [0u8; 16];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| Failure::words(Exit::Other, "the system gives no random numbers"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
