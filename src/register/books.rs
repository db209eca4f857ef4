//! What finance lays down for all assets: depreciation, what holding an asset costs, accounts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Register;
use super::act::Act;
use super::error::{Refusal, RegisterError};
use super::metrics::Depreciation;
use super::number::Money;
use super::state::{Placed, State};

/// Name of the stream.
pub const BOOKS_STREAM: &str = "books";

/// The state of the stream `books`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Books {
    /// How assets are depreciated, by category; `*` for all others.
    pub depreciation: BTreeMap<String, Depreciation>,
    /// Property tax a year, in hundredths of a percent of the book value.
    pub tax_bp: u32,
    /// Insurance a year, in hundredths of a percent of the purchase price.
    pub insurance_bp: u32,
    /// What a licence costs a year, by product.
    pub licences: BTreeMap<String, Money>,
}

/// One thing that finance lays down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// How assets of a category are depreciated; without one: all that have no rule of their own.
    Depreciation {
        /// Category; `*` for all others.
        category: String,
        /// The rule.
        rule: Depreciation,
    },
    /// What holding an asset costs a year.
    Holding {
        /// Property tax, in hundredths of a percent of the book value.
        tax_bp: u32,
        /// Insurance, in hundredths of a percent of the purchase price.
        insurance_bp: u32,
    },
    /// What a licence costs a year.
    Licence {
        /// Product.
        product: String,
        /// Price.
        price: Money,
    },
}

impl Register {
    /// What finance laid down.
    pub async fn books(&mut self) -> Result<Books, RegisterError> {
        match self.store.state(BOOKS_STREAM).await? {
            Some(Placed { state: State::Books(books), .. }) => Ok(books),
            _ => Ok(Books::default()),
        }
    }
}

impl Books {
    /// The state after the first event.
    pub(super) fn begin(act: &Act) -> Result<Books, Refusal> {
        let mut books = Books::default();
        books.check(act)?;
        books.apply(act);
        Ok(books)
    }

    /// Whether the act may happen.
    pub(super) fn check(&self, act: &Act) -> Result<(), Refusal> {
        let Act::BooksSet(entry) = act else { return Err(Refusal::rule("that is no change of the books")) };
        match entry {
            Entry::Depreciation { category, .. } if category.is_empty() => {
                Err(Refusal::rule("a rule of depreciation is for a category, or for all others: *"))
            }
            Entry::Depreciation { rule, .. } => rule.check().map_err(|e| Refusal::rule(e.to_string())),
            Entry::Holding { tax_bp, insurance_bp } if *tax_bp > 10_000 || *insurance_bp > 10_000 => {
                Err(Refusal::rule("taxes and insurance are at most 100 percent a year"))
            }
            Entry::Licence { price, .. } if price.minor.0 < 0 => {
                Err(Refusal::rule(format!("{price} is no price of a licence")))
            }
            _ => Ok(()),
        }
    }

    /// The state after a checked act.
    pub(super) fn apply(&mut self, act: &Act) {
        match act {
            Act::BooksSet(Entry::Depreciation { category, rule }) => {
                self.depreciation.insert(category.clone(), *rule);
            }
            Act::BooksSet(Entry::Holding { tax_bp, insurance_bp }) => {
                (self.tax_bp, self.insurance_bp) = (*tax_bp, *insurance_bp);
            }
            Act::BooksSet(Entry::Licence { product, price }) => {
                self.licences.insert(product.clone(), price.clone());
            }
            _ => {}
        }
    }

    /// The rule for a category: its own, that for all others, or straight line over three years.
    pub fn rule(&self, category: Option<&str>) -> Depreciation {
        let own = category.and_then(|category| self.depreciation.get(category));
        own.or_else(|| self.depreciation.get("*")).copied().unwrap_or_default()
    }
}
