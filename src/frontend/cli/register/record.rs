//! Showing what has a name of its own: models, vendors, requests, work orders, licences, lots.

use clap::Args;
use serde_json::{Value, json};

use super::OpenArgs;
use crate::frontend::cli::{Common, output};
use crate::frontend::exit::{Exit, Failure};
use crate::register::{Lot, Register, RegisterError, State};

#[derive(Debug, Args)]
pub struct NamedArgs {
    /// Its name or number
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub open: OpenArgs,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only what stands so
    #[arg(long)]
    pub status: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    pub limit: u32,
    #[command(flatten)]
    pub open: OpenArgs,
}

/// Shows one, and its history where it is asked for.
pub fn show(common: &Common, open: &OpenArgs, kind: &'static str, name: &str) -> Result<Exit, Failure> {
    let (stream, revision, state) = open.view(common, async |register| {
        let found = register.record(kind, name).await?;
        match seen(register, &found.2).await? {
            true => Ok(found),
            false => Err(RegisterError::NotFound { what: kind, name: name.to_owned() }),
        }
    })?;
    print(common, &stream, revision, &state);
    Ok(Exit::Done)
}

/// As [`show`], after a change of one's own.
pub fn told(common: &Common, open: &OpenArgs, kind: &'static str, name: &str) -> Result<Exit, Failure> {
    let (stream, revision, state) = open.with(common, async |register| register.record(kind, name).await)?;
    print(common, &stream, revision, &state);
    Ok(Exit::Done)
}

/// Shows all of a kind.
pub fn list(common: &Common, args: &ListArgs, kind: &'static str) -> Result<Exit, Failure> {
    let states = args.open.view(common, async |register| {
        let mut shown = Vec::new();
        let mut after = String::new();
        let wanted = usize::try_from(args.limit).unwrap_or(usize::MAX);
        while shown.len() < wanted {
            let page = register.records(kind, args.status.as_deref(), &after, 500).await?;
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            for (stream, state) in page {
                if seen(register, &state).await? {
                    shown.push((stream, state));
                }
            }
        }
        shown.truncate(wanted);
        Ok(shown)
    })?;
    if common.json {
        for (stream, state) in &states {
            output::json(&json!({ "stream": stream, "status": status(state), kind: body(state) }));
        }
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = states.iter().map(|(_, state)| row(state)).collect();
    output::line(&match rows.is_empty() {
        true => "None.".to_owned(),
        false => output::table(header(kind), &rows),
    });
    Ok(Exit::Done)
}

/// Whether the viewer may see it: by the place of its asset, or its own.
async fn seen(register: &mut Register, state: &State) -> Result<bool, RegisterError> {
    Ok(match state {
        State::Request(request) => register.sees(request.facts.location.as_deref()),
        State::Lot(lot) => register.sees(lot.facts.location.as_deref()),
        State::Work(work) => match register.asset(&work.facts.tag).await {
            Ok(_) => true,
            Err(RegisterError::NotFound { .. }) => false,
            Err(error) => return Err(error),
        },
        _ => true,
    })
}

fn print(common: &Common, stream: &str, revision: u64, state: &State) {
    if common.json {
        let kind = stream.split('/').next().unwrap_or_default();
        let status = status(state);
        output::json(
            &json!({ "stream": stream, "revision": revision.to_string(), "status": status, kind: body(state) }),
        );
        return;
    }
    output::line(&lines(state).join("\n"));
}

/// The state without the name of its kind around it.
fn body(state: &State) -> Value {
    match serde_json::to_value(state) {
        Ok(Value::Object(object)) => object.into_iter().next().map_or(Value::Null, |(_, body)| body),
        _ => Value::Null,
    }
}

fn status(state: &State) -> String {
    match state {
        State::Model(m) => if m.facts.standard { "standard" } else { "other" }.to_owned(),
        State::Vendor(v) => if v.barred.is_some() { "barred" } else { "active" }.to_owned(),
        State::Request(r) => r.state.name().to_owned(),
        State::Work(w) => w.status().to_owned(),
        State::Licence(p) if p.over() > 0 => format!("over by {}", p.over()),
        State::Licence(p) => format!("{} free", p.free()),
        State::Lot(l) => l.state.name().to_owned(),
        State::People(_)
        | State::Asset(_)
        | State::Medium(_)
        | State::Books(_)
        | State::Observation(_)
        | State::Finding(_) => String::new(),
    }
}

fn header(kind: &str) -> &'static [&'static str] {
    match kind {
        "model" => &["MODEL", "STATUS", "CATEGORY", "LIFE", "PRICE", "SUPPORTED UNTIL"],
        "vendor" => &["VENDOR", "STATUS", "KIND", "CERTIFIED UNTIL"],
        "request" => &["REQUEST", "STATUS", "KIND", "WHAT", "COUNT", "TOTAL"],
        "work" => &["WORK ORDER", "STATUS", "ASSET", "KIND", "DUE", "TITLE"],
        "licence" => &["LICENCE", "STATUS", "SEATS", "IN USE", "ENDS"],
        _ => &["LOT", "STATUS", "ROUTE", "VENDOR", "ASSETS", "MASS"],
    }
}

fn row(state: &State) -> Vec<String> {
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let status = status(state);
    match state {
        State::Model(m) => {
            let f = &m.facts;
            let life = format!("{} months", f.useful_life_months);
            let price = or(f.price.as_ref().map(ToString::to_string));
            vec![f.name(), status, f.category.clone(), life, price, or(f.end_of_support.clone())]
        }
        State::Vendor(v) => {
            let kinds = v.facts.kinds.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
            let until = v.certifications.iter().max_by(|a, b| a.until.cmp(&b.until));
            vec![v.facts.name.clone(), status, kinds, or(until.map(|c| format!("{} ({})", c.until, c.scheme)))]
        }
        State::Request(r) => {
            let f = &r.facts;
            let total = or(r.total().map(|m| m.to_string()));
            vec![f.number.clone(), status, f.kind.name().to_owned(), f.what.clone(), f.quantity.to_string(), total]
        }
        State::Work(w) => {
            let f = &w.facts;
            let due = or(f.due.map(|d| d.format("%Y-%m-%d %H:%M").to_string()));
            vec![f.number.clone(), status, f.tag.clone(), f.kind.name().to_owned(), due, f.title.clone()]
        }
        State::Licence(p) => {
            let f = &p.facts;
            vec![f.product.clone(), status, f.seats.to_string(), p.taken.len().to_string(), or(f.expires.clone())]
        }
        State::Lot(l) => {
            let f = &l.facts;
            let mass = or(l.weight_g().filter(|_| !l.lines.is_empty()).map(mass));
            let (number, route) = (f.number.clone(), f.route.name().to_owned());
            vec![number, status, route, or(f.vendor.clone()), l.lines.len().to_string(), mass]
        }
        State::People(_)
        | State::Asset(_)
        | State::Medium(_)
        | State::Books(_)
        | State::Observation(_)
        | State::Finding(_) => Vec::new(),
    }
}

/// Everything of one, a fact a line.
fn lines(state: &State) -> Vec<String> {
    let kind = match state {
        State::Model(_) => "model",
        State::Vendor(_) => "vendor",
        State::Request(_) => "request",
        State::Work(_) => "work",
        State::Licence(_) => "licence",
        _ => "lot",
    };
    let named = header(kind).iter().zip(row(state));
    let mut lines: Vec<String> = named.map(|(name, cell)| fact(&sentence(name), &cell)).collect();
    match state {
        State::Vendor(v) => {
            lines.extend(
                v.certifications.iter().map(|c| {
                    fact("Certification", &format!("{} {}, {} until {}", c.scheme, c.number, c.from, c.until))
                }),
            );
            lines.extend(v.barred.iter().map(|reason| fact("Barred", reason)));
        }
        State::Request(r) => {
            lines.push(fact("Need", &r.facts.need));
            for (name, money) in r.facts.cost.parts() {
                lines.push(fact(&sentence(name), &format!("{money} each")));
            }
            lines.extend(r.approved.iter().map(|a| {
                let note = a.note.as_ref().map(|n| format!(": {n}")).unwrap_or_default();
                fact("Granted", &format!("{} by {}{note}", a.at.format("%Y-%m-%d"), a.by))
            }));
            lines.extend(r.refused.iter().map(|reason| fact("Refused", reason)));
            lines.extend(
                r.purchase.iter().map(|p| fact("Ordered", &format!("{} from {} as {}", p.on, p.vendor, p.order))),
            );
        }
        State::Work(w) => {
            lines.extend(w.facts.reporter.iter().map(|r| fact("Reporter", r)));
            lines.extend(w.facts.assignee.iter().map(|a| fact("Assignee", a)));
            lines.extend(w.notes.iter().map(|(at, text)| fact("Note", &format!("{} {text}", at.format("%Y-%m-%d")))));
            lines.extend(w.downtime.iter().map(|d| {
                let how = if d.planned { "planned" } else { "outage" };
                fact("Out of service", &format!("{} until {} ({how})", d.from, d.to))
            }));
            lines.extend(
                w.done.iter().map(|d| fact("Done", &format!("{} {}", d.at.format("%Y-%m-%d %H:%M"), d.result))),
            );
            lines.extend(w.cancelled.iter().map(|reason| fact("Cancelled", reason)));
        }
        State::Licence(p) => {
            lines.extend(p.facts.key_ref.iter().map(|key| fact("Key kept at", key)));
            lines.extend(p.taken.values().map(|seat| {
                let found = if seat.found { ", found in use" } else { "" };
                fact("Seat", &format!("{} since {}{found}", seat.tag, seat.since.format("%Y-%m-%d")))
            }));
        }
        State::Lot(lot) => lines.extend(lot_lines(lot)),
        _ => {}
    }
    lines
}

fn lot_lines(lot: &Lot) -> Vec<String> {
    let mut lines = Vec::new();
    for line in &lot.lines {
        let what = [
            line.what.clone(),
            line.serial.as_ref().map(|s| format!("serial {s}")),
            line.weight_g.map(|g| mass(g.into())),
        ];
        let what = what.into_iter().flatten().chain(line.media.iter().cloned()).collect::<Vec<_>>().join("; ");
        lines.push(fact("Asset", format!("{}  {what}", line.tag).trim_end()));
    }
    if let Some((at, dispatch)) = &lot.dispatched {
        let seal = dispatch.seal.as_ref().map(|s| format!(", seal {s}")).unwrap_or_default();
        let by = dispatch.certification.as_ref().map(|c| format!(", under {} {}", c.scheme, c.number));
        lines.push(fact("Left", &format!("{}{seal}{}", at.format("%Y-%m-%d %H:%M"), by.unwrap_or_default())));
    }
    if let Some(r) = &lot.received {
        let note = r.note.as_ref().map(|n| format!(": {n}")).unwrap_or_default();
        lines.push(fact("Received", &format!("{} by {}{note}", output::count(r.count as usize, "asset"), r.by)));
    }
    if let Some(w) = &lot.weights {
        let parts =
            [("reused", w.reused_g), ("recycled", w.recycled_g), ("energy", w.energy_g), ("landfill", w.landfill_g)];
        let parts = parts.iter().map(|(name, g)| format!("{name} {}", mass(g.0))).collect::<Vec<_>>().join(", ");
        let diverted = w.diverted_bp().map(|bp| format!("; {}.{:02} % out of landfill", bp / 100, bp % 100));
        lines.push(fact("Mass went", &format!("{parts}{}", diverted.unwrap_or_default())));
    }
    lines.extend(lot.document.iter().map(|digest| fact("Final document", digest)));
    lines.extend(lot.cancelled.iter().map(|reason| fact("Cancelled", reason)));
    lines
}

fn fact(name: &str, value: &str) -> String {
    format!("{name:<15} {value}")
}

fn sentence(name: &str) -> String {
    let lower = name.to_lowercase();
    let mut chars = lower.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// `2.10 kg`.
fn mass(grams: i64) -> String {
    format!("{}.{:02} kg", grams / 1000, (grams % 1000) / 10)
}
