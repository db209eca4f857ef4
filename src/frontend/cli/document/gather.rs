//! `lastwrite certificate gather`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};

use super::{Common, OutArgs, TrustArgs, files_of, need_trust, output, read_file, seal_failure, station_failure};
use crate::certificate::Verdict;
use crate::certificate::document::{
    Document, DocumentType, GATHERING_SCHEMA, GatheredCounts, GatheredUnit, Gathering, MediumName, Related, Verified,
    gather as gather_media, seal, verify_any,
};
use crate::frontend::exit::{Exit, Failure};
use crate::signed::{MAX_DOCUMENT, Outcome, Role};
use crate::station::Library;
use crate::units::{Bytes, now};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("unit").required(true).args(["computer", "lot"]))]
pub struct GatherArgs {
    /// Asset tag of the computer whose media these are
    #[arg(long, value_name = "TAG")]
    computer: Option<String>,
    /// Number of the lot whose media these are
    #[arg(long, value_name = "NUMBER")]
    lot: Option<String>,
    /// Manufacturer of the computer
    #[arg(long, value_name = "NAME", requires = "computer")]
    maker: Option<String>,
    /// Model of the computer
    #[arg(long, value_name = "MODEL", requires = "computer")]
    model: Option<String>,
    /// Serial number of the computer
    #[arg(long, value_name = "SERIAL", requires = "computer", allow_hyphen_values = true)]
    serial: Option<String>,
    /// Whose media the lot is
    #[arg(long, value_name = "NAME", requires = "lot")]
    customer: Option<String>,
    /// CSV of every medium that belongs to it (columns serial, model, vendor, wwn, size, asset_tag):
    /// those without a document are named as such
    #[arg(long, value_name = "FILE")]
    media: Option<PathBuf>,
    /// How many media there are, counted [default: those of --media]
    #[arg(long, value_name = "N")]
    counted: Option<u32>,
    /// Certificates, failure reports, records of destruction, validations ..., or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    out: OutArgs,
}

pub fn gather(common: &Common, args: &GatherArgs) -> Result<Exit, Failure> {
    let trust = need_trust(common, &args.trust)?;
    let station = common.station()?;
    let expected = args.media.as_deref().map(media_list).transpose()?.unwrap_or_default();
    let mut named = Vec::new();
    for path in files_of(&args.files)? {
        let verified = verify_any(&read_file(&path, MAX_DOCUMENT)?, None, Some(&trust));
        if verified.verdict != Verdict::Valid {
            let why = verified.checks.iter().filter(|c| c.outcome != Outcome::Passed);
            let why = why.map(|c| c.detail.clone()).next().unwrap_or_default();
            output::line_err(&format!("NOTE: {} is not valid and counts for nothing: {why}", path.display()));
        }
        named.push(verified);
    }
    let library = Library::load(&station, false).map_err(|e| station_failure(&e))?;
    let said = said_of(&library, &named, &expected).into_iter().map(|bytes| verify_any(bytes, None, Some(&trust)));
    let ids: BTreeSet<String> = named.iter().filter_map(|verified| verified.id.clone()).collect();
    let said: Vec<Verified> = said.collect();
    let related = Related::of(named.into_iter().chain(said));
    let media = gather_media(&related, &expected, &|id| ids.contains(id));
    let listed = u32::try_from(expected.len()).ok().filter(|n| *n > 0);
    let counted = args.counted.or(listed);
    let key = common.signing_key(&station, "nothing was signed")?;
    let gathering = Gathering {
        schema: GATHERING_SCHEMA.to_owned(),
        version: 1,
        of: unit(args),
        organization: station.config().organization.clone(),
        station: station.config().station.clone(),
        station_kid: key.kid().to_owned(),
        expected: counted,
        counts: GatheredCounts::of(&media),
        complete: Gathering::judge(&media, counted),
        media,
        gathered: now(),
    };
    let kind = match gathering.of {
        GatheredUnit::Computer { .. } => DocumentType::ComputerCertificate,
        GatheredUnit::Lot { .. } => DocumentType::LotCertificate,
    };
    let issued = seal(&gathering, &[(&key, Role::Station)], now()).map_err(|e| seal_failure(&e))?;
    super::hand_out(common, &args.out, kind, &issued)?;
    report(common, &gathering);
    Ok(if gathering.complete { Exit::Done } else { Exit::Evidence })
}

/// What the station has about the documents and their media: nobody has to name what speaks against them.
fn said_of<'a>(library: &'a Library, named: &[Verified], expected: &[MediumName]) -> Vec<&'a [u8]> {
    let mut said: BTreeMap<*const u8, &[u8]> = BTreeMap::new();
    let mut names: BTreeSet<String> = expected.iter().flat_map(names_of).collect();
    for verified in named {
        let (Some(id), Some(document)) = (&verified.id, &verified.document) else { continue };
        let medium = document.medium();
        let about = library.about(id, medium.as_ref().and_then(|m| m.digest.as_deref()));
        said.extend(about.into_iter().map(|bytes| (bytes.as_ptr(), bytes)));
        names.extend(medium.iter().flat_map(names_of));
    }
    // A failed run may have seen the medium with another identity, and so with another digest.
    for bytes in library.documents() {
        let Ok((_, DocumentType::FailureReport, document)) = Document::read(bytes) else { continue };
        if document.medium().iter().flat_map(names_of).any(|name| names.contains(&name)) {
            said.insert(bytes.as_ptr(), bytes);
        }
    }
    said.into_values().collect()
}

fn names_of(medium: &MediumName) -> Vec<String> {
    let names = [&medium.serial, &medium.wwn, &medium.digest].into_iter().flatten();
    names.map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}

fn report(common: &Common, gathering: &Gathering) {
    if common.json {
        return;
    }
    let c = gathering.counts;
    output::line(&format!(
        "  {} media: {} sanitized, {} destroyed, {} without proof",
        c.media, c.sanitized, c.destroyed, c.without_proof
    ));
    for entry in gathering.media.iter().filter(|m| !m.standing.is_proof()).take(20) {
        output::line(&format!("  {:<14} {}", entry.standing.words(), entry.medium.label()));
    }
    let open = gathering.media.iter().filter(|m| !m.standing.is_proof()).count();
    if open > 20 {
        output::line(&format!("  and {} more (certificate show lists all)", open - 20));
    }
    if !gathering.complete && c.without_proof == 0 {
        output::line(&format!(
            "  NOT complete: {}",
            gathering.expected.map_or("nobody counted the media (--counted or --media)".to_owned(), |n| format!(
                "{n} media were counted, {} are here",
                c.media
            ))
        ));
    }
}

fn unit(args: &GatherArgs) -> GatheredUnit {
    match (&args.computer, &args.lot) {
        (Some(tag), _) => GatheredUnit::Computer {
            asset_tag: tag.clone(),
            maker: args.maker.clone(),
            model: args.model.clone(),
            serial: args.serial.clone(),
        },
        (None, lot) => GatheredUnit::Lot { number: lot.clone().unwrap_or_default(), customer: args.customer.clone() },
    }
}

/// Media from a CSV with a header: `serial`, `model`, `vendor`, `wwn`, `size`, `asset_tag`. Every
/// line must name its medium, and no two lines one medium.
pub fn media_list(path: &Path) -> Result<Vec<MediumName>, Failure> {
    let wrong = |why: String| Failure::words(Exit::Usage, format!("{}: {why}", path.display()));
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(|e| wrong(e.to_string()))?;
    let header = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let known = ["serial", "model", "vendor", "wwn", "size", "asset_tag"];
    if let Some(column) = header.iter().find(|h| !known.contains(&h.to_ascii_lowercase().as_str())) {
        return Err(wrong(format!("column {column:?} is not known; there are {}", known.join(", "))));
    }
    let mut media: Vec<MediumName> = Vec::new();
    for (record, line) in reader.records().zip(2..) {
        let record = record.map_err(|e| wrong(e.to_string()))?;
        let cell = |name: &str| {
            let at = header.iter().position(|h| h.eq_ignore_ascii_case(name))?;
            record.get(at).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let size = cell("size").map(|t| t.parse::<u64>().map_err(|_| wrong(format!("line {line}: {t:?} is no size"))));
        let medium = MediumName {
            vendor: cell("vendor"),
            model: cell("model"),
            serial: cell("serial"),
            wwn: cell("wwn"),
            size: size.transpose()?.map(Bytes),
            digest: None,
            asset_tag: cell("asset_tag"),
        };
        if !medium.is_distinctive() {
            return Err(wrong(format!("line {line} names no medium: neither serial nor wwn")));
        }
        if media.iter().any(|m| m.same_medium(&medium)) {
            return Err(wrong(format!("line {line}: {} is listed twice", medium.label())));
        }
        media.push(medium);
    }
    match media.is_empty() {
        true => Err(wrong("it lists no medium".to_owned())),
        false => Ok(media),
    }
}
