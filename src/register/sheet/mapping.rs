//! How a sheet with headers of its own is read.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::register::Stage;

/// A mapping file (TOML): whose headers, words and ways of writing are translated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Their header = ours.
    pub columns: BTreeMap<String, String>,
    /// Headers that are left out.
    pub ignore: Vec<String>,
    /// Their status = stage.
    pub status: BTreeMap<String, String>,
    /// Currency of amounts that name none.
    pub currency: String,
    /// Amounts are written as 1.234,50.
    pub decimal_comma: bool,
    /// How days are written, as `%d.%m.%Y`.
    pub day: Option<String>,
}

impl Default for Mapping {
    fn default() -> Self {
        Mapping {
            columns: BTreeMap::new(),
            ignore: Vec::new(),
            status: BTreeMap::new(),
            currency: "EUR".to_owned(),
            decimal_comma: false,
            day: None,
        }
    }
}

impl Mapping {
    /// Reads a mapping file.
    pub fn parse(text: &str) -> Result<Mapping, String> {
        let read: Mapping = toml::from_str(text).map_err(|e| e.to_string())?;
        if let Some((word, stage)) = read.status.iter().find(|(_, stage)| Stage::of_name(stage).is_none()) {
            return Err(format!("status {word:?}: there is no stage {stage:?}"));
        }
        Ok(Mapping {
            columns: read.columns.into_iter().map(|(theirs, ours)| (folded(&theirs), ours)).collect(),
            ignore: read.ignore.iter().map(|name| folded(name)).collect(),
            status: read.status.into_iter().map(|(word, stage)| (folded(&word), stage)).collect(),
            ..read
        })
    }

    /// Our name of a header; `None`: left out.
    pub(super) fn header(&self, header: &str) -> Option<String> {
        let folded = folded(header);
        if self.ignore.contains(&folded) {
            return None;
        }
        Some(self.columns.get(&folded).cloned().unwrap_or_else(|| key_of(header)))
    }

    /// The stage of a status.
    pub(super) fn stage(&self, status: &str) -> Option<Stage> {
        match self.status.get(&folded(status)) {
            Some(stage) => Stage::of_name(stage),
            None => stage_of(status),
        }
    }

    /// An amount as we write it.
    pub(super) fn amount(&self, text: &str) -> String {
        match self.decimal_comma {
            true => text.replace('.', "").replace(',', "."),
            false => text.to_owned(),
        }
    }

    /// A day as we write it; as it stands where it is none.
    pub(super) fn day(&self, text: &str) -> String {
        let read = |format: &str| chrono::NaiveDate::parse_from_str(text, format).ok();
        self.day.as_deref().and_then(read).map_or_else(|| text.to_owned(), |day| day.to_string())
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// `Asset Tag` and `asset_tag` are one; so are a few names that other sheets use.
fn key_of(header: &str) -> String {
    let key = header.trim().to_lowercase().replace([' ', '-'], "_");
    match key.as_str() {
        "tag" => "asset_tag".to_owned(),
        "serial_number" => "serial".to_owned(),
        "name" | "asset_name" => "item_name".to_owned(),
        "model" | "model_name" => "asset_model".to_owned(),
        "notes" => "asset_notes".to_owned(),
        "assigned_to" | "checked_out_to" => "full_name".to_owned(),
        _ => key,
    }
}

fn stage_of(status: &str) -> Option<Stage> {
    let word = status.to_lowercase();
    match word.as_str() {
        "" | "ready to deploy" | "deployable" | "in stock" | "stock" => Some(Stage::Deployment),
        "pending" | "ordered" | "on order" => Some(Stage::Procurement),
        "deployed" | "in use" | "active" | "in service" => Some(Stage::Utilization),
        "undeployable" | "retired" | "out for diagnostics" | "out for repair" | "broken" => {
            Some(Stage::Decommissioning)
        }
        "archived" | "disposed" | "sold" | "recycled" | "destroyed" => Some(Stage::Closed),
        _ => Stage::of_name(&word),
    }
}
