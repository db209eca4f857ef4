//! What an asset costs and brings, in minor units of one currency.

use serde::Serialize;

use super::ratio::Ratio;
use crate::register::{CostCategory, Whole};

/// Sums by category, in minor units of one currency. Amounts are never added across currencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// Price and everything until it works.
    pub acquisition: Whole,
    /// Power, space, support, insurance, taxes.
    pub operational: Whole,
    /// Repairs, parts.
    pub maintenance: Whole,
    /// Costs of getting rid of it.
    pub disposition: Whole,
    /// What it brought at the end.
    pub recovery: Whole,
    /// What it brought in use.
    pub benefit: Whole,
}

impl Costs {
    /// Adds an amount; `None` when the sum has no room.
    pub fn add(&mut self, category: CostCategory, minor: i64) -> Option<()> {
        let sum = match category {
            CostCategory::Acquisition => &mut self.acquisition,
            CostCategory::Operational => &mut self.operational,
            CostCategory::Maintenance => &mut self.maintenance,
            CostCategory::Disposition => &mut self.disposition,
            CostCategory::Recovery => &mut self.recovery,
            CostCategory::Benefit => &mut self.benefit,
        };
        sum.0 = sum.0.checked_add(minor)?;
        Some(())
    }

    /// Total cost of ownership: acquisition + operational + maintenance + disposition. What came back
    /// stands apart.
    pub fn tco(&self) -> i128 {
        [self.acquisition, self.operational, self.maintenance, self.disposition].iter().map(|w| i128::from(w.0)).sum()
    }

    /// TCO less recovery.
    pub fn net(&self) -> i128 {
        self.tco() - i128::from(self.recovery.0)
    }

    /// Return on investment of the asset: (benefit + recovery - TCO) / TCO.
    pub fn roi(&self) -> Option<Ratio> {
        let tco = self.tco();
        Ratio::of(i128::from(self.benefit.0) + i128::from(self.recovery.0) - tco, tco)
    }

    /// Net income attributed to it: benefit - operational - maintenance - depreciation of the period.
    pub fn net_income(&self, depreciation: i64) -> i128 {
        let minor = |w: Whole| i128::from(w.0);
        minor(self.benefit) - minor(self.operational) - minor(self.maintenance) - i128::from(depreciation)
    }
}

/// Return on assets: net income attributed / asset value.
pub fn return_on_assets(net_income: i128, value: i128) -> Option<Ratio> {
    Ratio::of(net_income, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_stands_apart_from_the_cost_and_net() {
        let mut costs = Costs::default();
        for (category, minor) in [
            (CostCategory::Acquisition, 100_000),
            (CostCategory::Operational, 30_000),
            (CostCategory::Maintenance, 15_000),
            (CostCategory::Disposition, 5_000),
            (CostCategory::Recovery, 20_000),
            (CostCategory::Benefit, 205_000),
        ] {
            costs.add(category, minor).unwrap();
        }
        assert_eq!((costs.tco(), costs.net()), (150_000, 130_000));
        assert_eq!(costs.roi(), Ratio::of(1, 2));
        assert_eq!(costs.net_income(60_000), 100_000);
        assert_eq!(return_on_assets(costs.net_income(60_000), 400_000), Ratio::of(1, 4));
        assert_eq!(return_on_assets(1, 0), None);
        assert_eq!(Costs::default().roi(), None);
        assert_eq!(costs.add(CostCategory::Benefit, i64::MAX), None);
    }
}
