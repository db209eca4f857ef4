//! Decisions about an asset, and the figures that the register has for them.

use chrono::{DateTime, Duration, Utc};

use super::decision::{DecisionFacts, DecisionInputs, crossing};
use crate::register::Register;
use crate::register::act::{Act, Condition, CostCategory};
use crate::register::error::{Refusal, RegisterError};
use crate::register::number::{Money, Whole};
use crate::register::stage::Stage;
use crate::register::work::Work;
use crate::units::Bytes;

impl Register {
    /// What keeping an asset cost (operation and maintenance) in the year before `at`, and in the
    /// year before that, in the currency of `like`.
    pub async fn keeping(&mut self, tag: &str, like: &str, at: DateTime<Utc>) -> Result<[Money; 2], RegisterError> {
        let (stream, ..) = self.asset(tag).await?;
        let mut minor = [0i64; 2];
        for event in self.history(&stream).await? {
            let Act::CostBooked { category, money, on, .. } = event.act else { continue };
            if !matches!(category, CostCategory::Operational | CostCategory::Maintenance) || money.currency != like {
                continue;
            }
            let year = if on > at - Duration::days(365) { 0 } else { 1 };
            if on <= at && on > at - Duration::days(730) {
                minor[year] = minor[year].saturating_add(money.minor.0);
            }
        }
        Ok(minor.map(|minor| Money { minor: Whole(minor), currency: like.to_owned() }))
    }
}

impl Work<'_> {
    /// Proposes what to do with an asset that is under review.
    pub async fn decide(
        &mut self,
        tag: &str,
        choice: super::Choice,
        rationale: String,
        inputs: DecisionInputs,
    ) -> Result<(), RegisterError> {
        let (stream, _) = self.asset(tag).await?;
        let crossing = crossing(&inputs)?;
        self.act(&stream, Act::DecisionProposed(DecisionFacts { choice, rationale, inputs, crossing })).await
    }

    /// Says which asset takes its place. That one must be in use, by somebody, and in order.
    pub async fn replaced(&mut self, tag: &str, by: &str) -> Result<(), RegisterError> {
        let (stream, asset) = self.asset(tag).await?;
        let (replacement, other) = self.asset(by).await?;
        if replacement == stream {
            return Err(Refusal::rule(format!("{tag} cannot replace itself")).into());
        }
        if other.stage != Stage::Utilization || other.condition != Condition::Ok || other.custodian.is_none() {
            let custodian = if other.custodian.is_some() { "handed to somebody" } else { "handed to nobody" };
            return Err(Refusal::rule(format!(
                "{by} does not replace {} yet: it is in {}, {custodian}, condition {}",
                asset.tag,
                other.stage,
                other.condition.name()
            ))
            .into());
        }
        let revision = Bytes(self.load(&replacement).await?.map_or(0, |p| p.revision));
        let ready = Act::ReplacementReady { replacement, tag: other.tag, revision };
        self.append(&stream, ready).await
    }
}
