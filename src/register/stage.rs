//! The six stages of an asset's life, and the only moves between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an asset stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Need, approval, order.
    Procurement,
    /// Received: tagged, configured, handed over.
    Deployment,
    /// In use; maintained.
    Utilization,
    /// Under review: upgrade it or replace it.
    Upgrade,
    /// Taken out of service: data, licences, credentials, network.
    Decommissioning,
    /// On its way out by a route.
    Disposition,
    /// The end. Reached by evidence, or by cancelling an order that never arrived.
    Closed,
}

/// A move that the life of an asset does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an asset in {from} cannot go to {to}; from {from} it can go to {}", list(*from))]
pub struct IllegalMove {
    /// Where it is.
    pub from: Stage,
    /// Where it was to go.
    pub to: Stage,
}

impl Stage {
    /// All seven in order.
    pub const ALL: [Stage; 7] = [
        Stage::Procurement,
        Stage::Deployment,
        Stage::Utilization,
        Stage::Upgrade,
        Stage::Decommissioning,
        Stage::Disposition,
        Stage::Closed,
    ];

    /// As written in events, tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Procurement => "procurement",
            Stage::Deployment => "deployment",
            Stage::Utilization => "utilization",
            Stage::Upgrade => "upgrade",
            Stage::Decommissioning => "decommissioning",
            Stage::Disposition => "disposition",
            Stage::Closed => "closed",
        }
    }

    /// The stage of that name.
    pub fn of_name(name: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// Where an asset can go from here. `Closed` leads nowhere.
    pub fn next(self) -> &'static [Stage] {
        match self {
            Stage::Procurement => &[Stage::Deployment, Stage::Closed],
            Stage::Deployment => &[Stage::Utilization, Stage::Decommissioning],
            Stage::Utilization => &[Stage::Upgrade, Stage::Decommissioning],
            Stage::Upgrade => &[Stage::Utilization, Stage::Decommissioning],
            Stage::Decommissioning => &[Stage::Deployment, Stage::Disposition],
            Stage::Disposition => &[Stage::Decommissioning, Stage::Closed],
            Stage::Closed => &[],
        }
    }

    /// In use, also while it is reviewed: whatever is written on its media, nobody tells the register.
    pub fn in_service(self) -> bool {
        matches!(self, Stage::Utilization | Stage::Upgrade)
    }

    /// Taken out of service, and not closed yet.
    pub fn on_its_way_out(self) -> bool {
        matches!(self, Stage::Decommissioning | Stage::Disposition)
    }

    /// Refuses what is not in the list of moves.
    pub fn check_move(self, to: Stage) -> Result<(), IllegalMove> {
        match self.next().contains(&to) {
            true => Ok(()),
            false => Err(IllegalMove { from: self, to }),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn list(from: Stage) -> String {
    match from.next() {
        [] => "nowhere: it is the end".to_owned(),
        next => next.iter().map(|s| s.name()).collect::<Vec<_>>().join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of the field, written out once more: all other moves are refused, with a reason.
    #[test]
    fn only_the_legal_moves_are_legal() {
        let legal = [
            "procurement>deployment",
            "procurement>closed",
            "deployment>utilization",
            "deployment>decommissioning",
            "utilization>upgrade",
            "utilization>decommissioning",
            "upgrade>utilization",
            "upgrade>decommissioning",
            "decommissioning>deployment",
            "decommissioning>disposition",
            "disposition>decommissioning",
            "disposition>closed",
        ];
        for from in Stage::ALL {
            for to in Stage::ALL {
                let result = from.check_move(to);
                assert_eq!(result.is_ok(), legal.contains(&format!("{from}>{to}").as_str()), "{from} > {to}");
                if let Err(refused) = result {
                    assert!(refused.to_string().contains(from.name()));
                }
            }
            assert_eq!(Stage::of_name(from.name()), Some(from));
        }
    }
}
