//! What the records beside the assets say to the figures: models and lots.

use std::collections::HashMap;

use crate::register::error::RegisterError;
use crate::register::life::Depreciation as OfModel;
use crate::register::metrics::{Depreciation, Method};
use crate::register::state::State;
use crate::register::{Books, Lot, Register};

/// How assets are depreciated: by their model, else by their category, else as all others.
pub(super) struct Rules {
    books: Books,
    models: HashMap<String, Depreciation>,
}

impl Rules {
    /// The rule of an asset.
    pub fn of(&self, manufacturer: Option<&str>, model: Option<&str>, category: Option<&str>) -> Depreciation {
        let by_category = self.books.rule(category);
        if self.models.is_empty() {
            return by_category;
        }
        let name = format!("{} {}", manufacturer.unwrap_or_default(), model.unwrap_or_default());
        match self.models.get(&name.trim().to_lowercase()) {
            Some(rule) => Depreciation { convention: by_category.convention, ..*rule },
            None => by_category,
        }
    }
}

impl Register {
    /// What finance laid down, and what the models say.
    pub(super) async fn rules(&mut self) -> Result<Rules, RegisterError> {
        let books = self.books().await?;
        let mut models = HashMap::new();
        self.each_record("model", &mut |state| {
            let State::Model(model) = state else { return };
            let facts = &model.facts;
            let method = match facts.depreciation {
                OfModel::StraightLine => Method::StraightLine,
                OfModel::DecliningBalance => Method::DecliningBalance,
                OfModel::None => Method::None,
            };
            let rule = Depreciation {
                method,
                life_months: facts.useful_life_months,
                salvage_bp: facts.salvage_bp,
                rate_bp: facts.rate_bp.unwrap_or(0),
                ..Depreciation::default()
            };
            models.insert(facts.name().trim().to_lowercase(), rule);
        })
        .await?;
        Ok(Rules { books, models })
    }

    /// Every lot by its number.
    pub(super) async fn lots(&mut self) -> Result<HashMap<String, Lot>, RegisterError> {
        let mut lots = HashMap::new();
        self.each_record("lot", &mut |state| {
            if let State::Lot(lot) = state {
                lots.insert(lot.facts.number.clone(), lot);
            }
        })
        .await?;
        Ok(lots)
    }

    async fn each_record(&mut self, kind: &str, take: &mut (dyn FnMut(State) + Send)) -> Result<(), RegisterError> {
        let sql = "SELECT r.stream, s.document FROM record r JOIN state s ON s.stream=r.stream WHERE r.kind=$1 ORDER BY r.stream";
        let values = [crate::register::store::Value::Text(Some(kind.to_owned()))];
        self.store
            .each(sql.to_owned(), &values, 2, |row| {
                let Ok([Some(stream), Some(document)]) = <[Option<String>; 2]>::try_from(row) else { return Ok(()) };
                let damaged = |e: serde_json::Error| RegisterError::Damaged {
                    place: format!("state of {stream}"),
                    why: e.to_string(),
                };
                take(serde_json::from_str(&document).map_err(damaged)?);
                Ok(())
            })
            .await
    }
}
