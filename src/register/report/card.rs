//! The audit card: everything about one asset on one page.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Ask, By, Cell, Kind, TableSink};
use crate::register::error::RegisterError;
use crate::register::store::Value as Sql;
use crate::register::{Asset, Event, PlacedMedium, Register};

/// Everything about one asset.
#[derive(Debug, Serialize)]
pub struct Card {
    /// Whose register.
    pub organization: String,
    /// Its revision.
    pub revision: String,
    /// The record.
    pub asset: Asset,
    /// Its media and their evidence.
    pub media: Vec<Value>,
    /// What keeps it from being closed is not told here: that depends on who closes.
    pub figures: Vec<(String, Value)>,
    /// Where it was last seen.
    pub last_seen: Option<Value>,
    /// Findings about it.
    pub findings: Vec<Value>,
    /// Every event in order: revision, time, who, what.
    pub history: Vec<Value>,
}

impl Register {
    /// The card of one asset; figures of the period of `ask`.
    pub async fn card(&mut self, tag: &str, ask: &Ask) -> Result<Card, RegisterError> {
        let (stream, revision, asset) = self.asset(tag).await?;
        let media: Vec<PlacedMedium> = self.media_of(&asset).await?;
        let people = self.people().await?;
        let ask = Ask { by: By::Asset, tag: Some(tag.to_owned()), category: None, place: None, ..ask.clone() };
        let mut figures = Vec::new();
        let kinds = [Kind::Tco, Kind::Returns, Kind::Depreciation, Kind::Utilization, Kind::Samples];
        // What it brought, once it is gone.
        let gone = asset.closed.map(|_| Kind::Disposal);
        for kind in kinds.into_iter().chain(gone) {
            let mut table = TableSink::new(50);
            self.report(kind, &ask, &mut table).await?;
            let Some(head) = table.head else { continue };
            for row in table.rows {
                let cells = head.columns.iter().zip(&row).filter(|(column, _)| column.key != By::Asset.name());
                let object: serde_json::Map<String, Value> =
                    cells.map(|(c, cell)| (c.key.to_owned(), Cell::json(cell))).collect();
                figures.push((head.title.clone(), Value::Object(object)));
            }
        }
        let name = |kid: &str| people.persons.get(kid).map_or_else(|| kid.to_owned(), |person| person.name.clone());
        let tell = |event: &Event| {
            let act = serde_json::to_value(&event.act).unwrap_or_default();
            json!({
                "revision": event.revision, "at": crate::signed::format_time(event.at), "by": name(&event.actor),
                "what": act.get("type").cloned().unwrap_or_default(), "act": act,
            })
        };
        let history = self.history(&stream).await?.iter().map(tell).collect();
        let sql = "SELECT kind, detail, opened_day, resolution FROM finding WHERE asset=$1 ORDER BY stream";
        let findings = self.store.texts(sql, &[Sql::Text(Some(stream))], 4).await?;
        let findings = findings
            .into_iter()
            .map(|row| json!({ "kind": row[0], "detail": row[1], "since": row[2], "resolution": row[3] }));
        let findings = findings.collect();
        let last_seen = self.last_seen(&asset).await?;
        let tell =
            |m: &PlacedMedium| json!({ "stream": m.stream, "label": m.medium.identity.label(), "medium": m.medium });
        let media = media.iter().map(tell).collect();
        let revision = revision.to_string();
        Ok(Card { organization: people.organization, revision, asset, media, figures, last_seen, findings, history })
    }

    async fn last_seen(&mut self, asset: &Asset) -> Result<Option<Value>, RegisterError> {
        let sql = "SELECT CAST(at AS TEXT), source, location, custodian, host FROM sighting \
                   WHERE source<>'ledger' AND (tag=$1 OR serial_key=$2) ORDER BY at DESC LIMIT 1";
        let serial = asset.details.serial.as_deref().and_then(crate::register::observe::serial_key);
        let rows = self.store.texts(sql, &[Sql::Text(Some(asset.tag.clone())), Sql::Text(serial)], 5).await?;
        Ok(rows.first().map(|row| {
            let at = row[0].as_deref().and_then(|t| t.parse().ok()).and_then(|t| chrono::DateTime::from_timestamp(t, 0));
            json!({ "at": at.map(crate::signed::format_time), "source": row[1], "location": row[2], "custodian": row[3], "host": row[4] })
        }))
    }
}
