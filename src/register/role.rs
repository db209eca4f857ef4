//! Who may do what, and where.

use serde::{Deserialize, Serialize};

use super::act::{Act, CostCategory, MediumState};
use super::observe::Resolution;
use super::stage::Stage;

/// What a person is in the organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Enrols people and grants roles.
    Admin,
    /// Runs the life of the assets.
    AssetManager,
    /// Works on assets and media.
    Technician,
    /// Takes assets out: disposal orders, hand-over, evidence.
    ItadOperator,
    /// Data classes, policy, waivers, revocations.
    Compliance,
    /// Costs, valuations.
    Finance,
    /// Reads everything, changes nothing.
    Auditor,
}

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Enrol people, grant and withdraw roles.
    Administer,
    /// Add assets and change their facts.
    Manage,
    /// Move between stages before disposition.
    Move,
    /// Assign, install, tick checklists, count media.
    Work,
    /// Change a data class, waive, revoke evidence, set policy.
    Comply,
    /// Put on a route, hand over, set the outcome, close.
    Dispose,
    /// Bring in evidence.
    Ingest,
    /// Fix whom the register trusts: always with a second person.
    Trust,
    /// Book costs and values.
    Book,
    /// Book what a purchase costs.
    BookPurchase,
    /// Book what maintenance costs.
    BookMaintenance,
    /// Ask for something to be bought.
    Request,
    /// Grant requests, approve decisions: always as a second person.
    Approve,
    /// Say that one has what one was given; hand on what a root signed. Nobody needs a role for it.
    Acknowledge,
}

/// A role, and the location (and everything below it) it holds for. `None`: everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// `Berlin/Building 2`.
    pub location: Option<String>,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 7] = [
        Role::Admin,
        Role::AssetManager,
        Role::Technician,
        Role::ItadOperator,
        Role::Compliance,
        Role::Finance,
        Role::Auditor,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::AssetManager => "asset_manager",
            Role::Technician => "technician",
            Role::ItadOperator => "itad_operator",
            Role::Compliance => "compliance",
            Role::Finance => "finance",
            Role::Auditor => "auditor",
        }
    }

    /// The role of that name.
    pub fn of_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What the role may change. An admin grants roles but runs no assets without a role for it.
    pub fn permissions(self) -> &'static [Permission] {
        use Permission::{
            Administer, Approve, Book, BookMaintenance, BookPurchase, Comply, Dispose, Ingest, Manage, Move, Request,
            Trust, Work,
        };
        match self {
            Role::Admin => &[Administer, Trust],
            Role::AssetManager => {
                &[Manage, Move, Work, Dispose, Ingest, BookPurchase, BookMaintenance, Request, Approve]
            }
            Role::Technician => &[Work, Ingest, BookMaintenance, Request],
            Role::ItadOperator => &[Work, Dispose, Ingest, Request],
            Role::Compliance => &[Comply, Trust, Ingest, Request, Approve],
            Role::Finance => &[Book, BookPurchase, BookMaintenance, Request, Approve],
            Role::Auditor => &[],
        }
    }
}

impl Permission {
    /// For a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Permission::Administer => "administer",
            Permission::Manage => "manage",
            Permission::Move => "move",
            Permission::Work => "work",
            Permission::Comply => "comply",
            Permission::Dispose => "dispose",
            Permission::Ingest => "ingest",
            Permission::Trust => "set the register's trust",
            Permission::Book => "book",
            Permission::BookPurchase => "book purchases",
            Permission::BookMaintenance => "book maintenance",
            Permission::Request => "ask for purchases",
            Permission::Approve => "approve",
            Permission::Acknowledge => "acknowledge",
        }
    }

    /// What an act needs.
    pub fn of_act(act: &Act) -> Permission {
        match act {
            Act::RegisterCreated { .. }
            | Act::PersonEnrolled { .. }
            | Act::PersonBarred { .. }
            | Act::RoleGranted { .. }
            | Act::RoleWithdrawn { .. } => Permission::Administer,
            Act::PolicyProposed(_) | Act::PolicyApproved { .. } => Permission::Comply,
            Act::TrustProposed(_) | Act::TrustApproved { .. } => Permission::Trust,
            Act::AssetAdded { .. }
            | Act::AssetChanged { .. }
            | Act::ModelSet(_)
            | Act::VendorSet(_)
            | Act::RequestOrdered(_)
            | Act::RequestReceived { .. }
            | Act::RequestLinked { .. }
            | Act::PoolSet(_)
            | Act::DecisionProposed(_)
            | Act::ReplacementReady { .. } => Permission::Manage,
            Act::VendorCertified(_)
            | Act::VendorBarred { .. }
            | Act::OriginAccepted { .. }
            | Act::DisruptionWaived { .. } => Permission::Comply,
            Act::RequestOpened(_) => Permission::Request,
            Act::RequestApproved { .. }
            | Act::RequestRefused { .. }
            | Act::DecisionApproved { .. }
            | Act::DecisionRefused { .. } => Permission::Approve,
            Act::Acknowledged(said) if said.signed => Permission::Acknowledge,
            // A root's own word, whoever carries it.
            Act::TrustExtended { .. } => Permission::Acknowledge,
            Act::Acknowledged(_)
            | Act::Configured(_)
            | Act::ScheduleSet(_)
            | Act::ScheduleDropped { .. }
            | Act::WorkBegun { .. }
            | Act::WorkSettled { .. }
            | Act::WorkOpened(_)
            | Act::WorkNoted { .. }
            | Act::WorkDown(_)
            | Act::WorkDone(_)
            | Act::WorkCancelled { .. }
            | Act::SeatTaken { .. }
            | Act::SeatReleased { .. } => Permission::Work,
            Act::LotOpened(_)
            | Act::LotLineAdded(_)
            | Act::LotLineRemoved { .. }
            | Act::LotScheduled { .. }
            | Act::LotDispatched(_)
            | Act::LotReceived(_)
            | Act::LotWeighed(_)
            | Act::LotDocumented { .. }
            | Act::LotClosed
            | Act::LotCancelled { .. } => Permission::Dispose,
            Act::CostBooked { category: CostCategory::Acquisition, .. } => Permission::BookPurchase,
            Act::CostBooked { category: CostCategory::Maintenance, .. } => Permission::BookMaintenance,
            Act::Valued(_) => Permission::Book,
            Act::StageMoved { to: Stage::Disposition, .. } => Permission::Dispose,
            // A medium that is said to be gone, or is let go, is no longer asked for a certificate.
            Act::MediumStateSet { state: MediumState::Absent, .. }
            | Act::MediumRemoved { unproven: true, .. }
            | Act::MediumMoved { unproven: true, .. } => Permission::Comply,
            Act::StageMoved { .. } | Act::OrderCancelled { .. } => Permission::Move,
            Act::Assigned { .. }
            | Act::ConditionSet { .. }
            | Act::ChecklistDone { .. }
            | Act::MediaCounted { .. }
            | Act::MediumAdded { .. }
            | Act::MediumInstalled { .. }
            | Act::MediumRemoved { .. }
            | Act::MediumMoved { .. }
            | Act::MediumStateSet { .. }
            | Act::LicenceAssigned { .. }
            | Act::LicenceReleased { .. }
            | Act::Noted { .. }
            | Act::Measured(_)
            | Act::Sighted(_)
            | Act::FindingOpened(_) => Permission::Work,
            // That a thing was found again is seen; everything else is judged.
            Act::FindingResolved(resolved) if resolved.resolution == Resolution::Found => Permission::Work,
            Act::FindingResolved(_) => Permission::Manage,
            Act::Classified { .. } | Act::ChecklistWaived { .. } | Act::EvidenceRevoked { .. } => Permission::Comply,
            Act::RouteChosen { .. }
            | Act::HandedOver { .. }
            | Act::OutcomeSet { .. }
            | Act::AssetClosed { .. }
            | Act::MediumRetired { .. } => Permission::Dispose,
            Act::EvidenceAccepted { .. } | Act::EvidenceJudged { .. } => Permission::Ingest,
            Act::CostBooked { .. } | Act::BooksSet(_) => Permission::Book,
        }
    }
}

impl Grant {
    /// Whether the grant reaches a place: its own, or one below it. A grant with a place reaches
    /// nothing that has none.
    pub fn reaches(&self, location: Option<&str>) -> bool {
        let Some(scope) = &self.location else { return true };
        let Some(location) = location else { return false };
        location.strip_prefix(scope.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reaches_down_and_nowhere_else() {
        let grant = |l: Option<&str>| Grant { role: Role::Technician, location: l.map(str::to_owned) };
        assert!(grant(None).reaches(None) && grant(None).reaches(Some("X")));
        let berlin = grant(Some("Berlin"));
        assert!(berlin.reaches(Some("Berlin")) && berlin.reaches(Some("Berlin/2")));
        assert!(!berlin.reaches(Some("Berlinale")) && !berlin.reaches(Some("Bonn")) && !berlin.reaches(None));
    }

    #[test]
    fn nobody_holds_everything_and_an_auditor_nothing() {
        assert!(Role::Auditor.permissions().is_empty());
        for role in Role::ALL {
            assert_eq!(Role::of_name(role.name()), Some(role));
            let both = [Permission::Administer, Permission::Dispose];
            assert!(!both.iter().all(|p| role.permissions().contains(p)), "{}", role.name());
        }
    }
}
