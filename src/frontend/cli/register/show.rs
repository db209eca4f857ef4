//! Showing assets.

use clap::Args;
use serde_json::{Value, json};

use super::OpenArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Act, Asset, Event, PlacedMedium, Stage};
use crate::signed::printable;

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Asset tag
    #[arg(value_name = "TAG")]
    tag: String,
    /// With every event
    #[arg(long)]
    history: bool,
    #[command(flatten)]
    open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in this stage
    #[arg(long, value_parser = stage)]
    stage: Option<Stage>,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    /// Only those after this tag
    #[arg(long, value_name = "TAG", default_value = "")]
    after: String,
    #[command(flatten)]
    open: OpenArgs,
}

pub fn show(common: &Common, args: &ShowArgs) -> Result<Exit, Failure> {
    let (revision, asset, media, events, people) = args.open.view(common, async |register| {
        let (stream, revision, asset) = register.asset(&args.tag).await?;
        let media = register.media_of(&asset).await?;
        let (events, people) = match args.history {
            true => (register.history(&stream).await?, Some(register.people().await?)),
            false => (Vec::new(), None),
        };
        Ok((revision, asset, media, events, people))
    })?;
    if common.json {
        let media: Vec<_> = media.iter().map(|m| json!({ "stream": m.stream, "medium": m.medium })).collect();
        output::json(&json!({ "revision": revision.to_string(), "asset": asset, "media": media, "events": events }));
        return Ok(Exit::Done);
    }
    output::line(&card(&asset, &media));
    if let Some(people) = people {
        let who = |kid: &str| people.persons.get(kid).map_or_else(|| kid.to_owned(), |person| person.name.clone());
        let row = |event: &Event| {
            let at = event.at.format("%Y-%m-%d %H:%M:%S").to_string();
            vec![event.revision.to_string(), at, who(&event.actor), what_happened(&event.act)]
        };
        let rows: Vec<_> = events.iter().map(row).collect();
        output::line(&output::table(&["", "WHEN (UTC)", "WHO", "WHAT"], &rows));
    }
    Ok(Exit::Done)
}

/// `stage moved: to decommissioning`: the act and what it says in a word or a number.
fn what_happened(act: &Act) -> String {
    let act = serde_json::to_value(act).unwrap_or_default();
    let plain = |name: &str| name.replace('_', " ");
    let said = act.as_object().into_iter().flatten().filter(|(name, _)| *name != "type");
    let said = said.filter_map(|(name, value)| match value {
        Value::String(text) if text.len() <= LONGEST_WORDS => Some(format!("{} {}", plain(name), printable(text))),
        Value::Number(number) => Some(format!("{} {number}", plain(name))),
        Value::Bool(true) => Some(plain(name)),
        _ => None,
    });
    let said = said.collect::<Vec<_>>().join(", ");
    let act = plain(act.get("type").and_then(Value::as_str).unwrap_or("?"));
    if said.is_empty() { act } else { format!("{act}: {said}") }
}

/// A digest or an essay says nothing in a list; `--json` has all of it.
const LONGEST_WORDS: usize = 60;

/// Rows of [`crate::register::Register::list`].
pub fn rows(common: &Common, rows: Vec<Vec<Option<String>>>) -> Result<Exit, Failure> {
    let header = ["TAG", "STAGE", "CONDITION", "CATEGORY", "MODEL", "LOCATION", "CUSTODIAN"];
    if common.json {
        for row in &rows {
            let object: serde_json::Map<_, _> =
                header.iter().zip(row).map(|(name, cell)| (name.to_lowercase(), json!(cell))).collect();
            output::json(&object);
        }
        return Ok(Exit::Done);
    }
    let cells: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.into_iter().map(|c| c.unwrap_or_else(|| "-".into())).collect()).collect();
    output::line(&if cells.is_empty() { "No assets.".to_owned() } else { output::table(&header, &cells) });
    Ok(Exit::Done)
}

pub fn list(common: &Common, args: &ListArgs) -> Result<Exit, Failure> {
    let rows = args.open.view(common, async |register| register.list(args.stage, &args.after, args.limit).await)?;
    self::rows(common, rows)
}

/// What an asset is like after a command.
pub fn told(common: &Common, open: &OpenArgs, tag: &str) -> Result<Exit, Failure> {
    let (revision, asset) = open.with(common, async |register| {
        let (_, revision, asset) = register.asset(tag).await?;
        Ok((revision, asset))
    })?;
    if common.json {
        output::json(&json!({ "tag": asset.tag, "stage": asset.stage, "revision": revision.to_string() }));
    } else {
        output::line(&format!("{}  {}  revision {revision}", asset.tag, asset.stage));
    }
    Ok(Exit::Done)
}

pub fn blockers(common: &Common, tag: &str, blockers: &[String]) {
    if common.json {
        output::json(&json!({ "tag": tag, "blockers": blockers }));
        return;
    }
    if blockers.is_empty() {
        output::line(&format!("{tag}: nothing keeps it from being closed"));
    }
    for blocker in blockers {
        output::line(&format!("{tag}: {blocker}"));
    }
}

fn card(asset: &Asset, media: &[PlacedMedium]) -> String {
    let d = &asset.details;
    let mut lines = Vec::new();
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            lines.push(format!("{name:<14} {value}"));
        }
    };
    fact("Asset", Some(asset.tag.clone()));
    fact("Stage", Some(asset.stage.name().to_owned()));
    fact("Closed", asset.closed.map(|at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string()));
    fact("Condition", Some(asset.condition.name().to_owned()));
    fact("Class", Some(format!("{}, data {}", asset.class.name(), asset.data_class.name())));
    fact(
        "What",
        Some([&d.category, &d.manufacturer, &d.model].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")),
    );
    fact("Serial", d.serial.clone());
    fact("Location", asset.location.clone());
    fact("Custodian", asset.custodian.clone());
    fact("Bought", d.purchase_date.clone());
    fact("Price", d.purchase_cost.as_ref().map(ToString::to_string));
    fact("Warranty", d.warranty_months.map(|m| format!("{m} months")));
    fact(
        "Origin",
        Some(match (&asset.life.request, &asset.life.accepted) {
            (Some((_, number)), _) => format!("request {number}"),
            (None, Some(reason)) => format!("without a request, accepted: {reason}"),
            (None, None) => "without a request (shadow IT)".to_owned(),
        }),
    );
    fact("Warranty ends", asset.warranty_until());
    let life = &asset.life;
    if let Some(c) = &life.configuration {
        fact("Software", Some(c.software.join(", ")));
        fact("Security", Some(c.security.join(", ")));
        let network = [&c.hostname, &c.network].into_iter().flatten().chain(&c.mac).cloned();
        fact("Network", Some(network.collect::<Vec<_>>().join(", ")));
    }
    if let Some((at, said)) = &life.acknowledged {
        let how = if said.signed { "signed with their key" } else { "recorded" };
        fact("Acknowledged", Some(format!("{} on {}, {how}", said.name, at.format("%Y-%m-%d"))));
    }
    for schedule in life.schedules.values() {
        let (name, kind) = (&schedule.name, schedule.kind.name());
        fact(
            "Maintenance",
            Some(format!("{name} ({kind}) every {} days, next {}", schedule.every_days, schedule.next)),
        );
    }
    for work in life.work.values() {
        fact("Open work", Some(format!("{} ({})", work.number, work.kind.name())));
    }
    if let Some(decision) = &life.decision {
        let how = match (&decision.approved, &decision.refused) {
            (Some(_), _) => "approved".to_owned(),
            (None, Some(reason)) => format!("refused: {reason}"),
            (None, None) => "proposed".to_owned(),
        };
        fact("Decision", Some(format!("{}, {how}: {}", decision.facts.choice.name(), decision.facts.rationale)));
    }
    fact("Replaced by", life.replacement.clone());
    if let Some(v) = life.valuations.last() {
        fact("Worth", Some(format!("{} ({}, {}, {})", v.money, v.basis.name(), v.on, v.source)));
    }
    fact("Licences", Some(asset.licences.keys().cloned().collect::<Vec<_>>().join(", ")));
    if let Some(line) = &asset.line {
        let outcome = line.outcome.map_or("pending", |o| o.name());
        let vendor = line.vendor.as_deref().map(|v| format!(" to {v}")).unwrap_or_default();
        fact("Disposal", Some(format!("{}{vendor}, order {}, {outcome}", line.route.name(), line.order)));
    }
    for placed in media {
        let medium = &placed.medium;
        fact("Medium", Some(format!("{}: {}", medium.identity.label(), medium.state.name().replace('_', " "))));
        for held in &medium.evidence {
            let e = &held.evidence;
            let attained = e.attained.map_or("nothing", |m| m.name());
            let verified = e.verification.map_or("nothing", |v| v.name());
            let revoked = held.revoked.as_ref().map(|r| format!(", REVOKED: {r}")).unwrap_or_default();
            fact(
                "",
                Some(format!("{} {} attained {attained}, verified {verified}{revoked}", e.kind.name(), &e.document)),
            );
        }
        for j in &medium.judgements {
            let about = j.about.get(..12).unwrap_or(&j.about);
            fact("", Some(format!("{about} {} by {}: {} ({})", j.says.name(), j.by, j.reason, j.document)));
        }
    }
    lines.join("\n")
}

fn stage(text: &str) -> Result<Stage, String> {
    Stage::of_name(text).ok_or_else(|| format!("there is no stage {text}"))
}
