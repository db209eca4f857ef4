//! A model that the organization buys: its standard, its useful life, how its value falls.

use serde::{Deserialize, Serialize};

use super::{check_day, check_name};
use crate::register::act::Act;
use crate::register::error::Refusal;
use crate::register::number::Money;
use crate::register::words::words;

words!(
    /// How the value falls over the useful life.
    Depreciation {
        /// By the same amount each month.
        StraightLine = "straight_line",
        /// By a rate of what is left.
        DecliningBalance = "declining_balance",
        /// Not at all.
        None = "none",
    }
);

/// Everything about a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFacts {
    /// Maker.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// `laptop`, `server`.
    pub category: String,
    /// It is one of those that are bought without asking further.
    pub standard: bool,
    /// Months it is used.
    pub useful_life_months: u32,
    /// How its value falls.
    pub depreciation: Depreciation,
    /// Yearly rate of a declining balance, in hundredths of a percent.
    pub rate_bp: Option<u32>,
    /// What is left at the end of the useful life, in hundredths of a percent of the price.
    pub salvage_bp: u32,
    /// The maker supports it until that day.
    pub end_of_support: Option<String>,
    /// Price of one.
    pub price: Option<Money>,
    /// Mass in grams.
    pub weight_g: Option<u32>,
}

/// The state of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// As they are now.
    pub facts: ModelFacts,
}

impl ModelFacts {
    /// The one name it stands under.
    pub fn name(&self) -> String {
        format!("{} {}", self.manufacturer, self.model)
    }

    fn check(&self) -> Result<(), Refusal> {
        check_name("manufacturer", &self.manufacturer)?;
        check_name("model", &self.model)?;
        check_name("category", &self.category)?;
        if let Some(day) = &self.end_of_support {
            check_day("end of support", day)?;
        }
        if self.useful_life_months == 0 || self.useful_life_months > 1200 {
            return Err(Refusal::rule("a useful life has 1 to 1200 months"));
        }
        if self.salvage_bp > 10_000 || self.rate_bp.is_some_and(|bp| bp == 0 || bp > 10_000) {
            return Err(Refusal::rule("a rate is above 0 % and at most 100 %"));
        }
        match (self.depreciation, self.rate_bp) {
            (Depreciation::DecliningBalance, None) => Err(Refusal::rule("a declining balance needs its yearly rate")),
            (Depreciation::StraightLine | Depreciation::None, Some(_)) => {
                Err(Refusal::rule("only a declining balance has a rate"))
            }
            _ => Ok(()),
        }
    }
}

impl Model {
    pub(crate) fn begin(act: &Act) -> Result<Model, Refusal> {
        let Act::ModelSet(facts) = act else { return Err(Refusal::rule("a model begins with model_set")) };
        facts.check()?;
        Ok(Model { facts: facts.clone() })
    }

    pub(crate) fn check(&self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::ModelSet(facts) if facts.name() == self.facts.name() => facts.check(),
            Act::ModelSet(_) => Err(Refusal::rule(format!("{} keeps its name", self.facts.name()))),
            _ => Err(Refusal::rule("that is no change of a model")),
        }
    }

    pub(crate) fn apply(&mut self, act: &Act) {
        if let Act::ModelSet(facts) = act {
            self.facts = facts.clone();
        }
    }
}
