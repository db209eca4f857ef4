//! What can happen: the content of an event.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::number::Money;
use super::role::Grant;
use super::stage::Stage;
use crate::media::MediumClass;
use crate::units::Bytes;

/// One change. Which stream it belongs to is said in each line: the register (R), an asset (A), a
/// medium (M).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[allow(clippy::large_enum_variant)] // events are read one by one, never held in great number
pub enum Act {
    /// R: the first event; its key is the first administrator.
    RegisterCreated {
        /// Whose register.
        organization: String,
        /// Who made it.
        name: String,
        /// Their public key: JWK member `x`.
        x: String,
    },
    /// R: a person and their key.
    PersonEnrolled {
        /// RFC 7638 thumbprint.
        kid: String,
        /// JWK member `x`.
        x: String,
        /// Name.
        name: String,
    },
    /// R: the key signs nothing from now on.
    PersonBarred {
        /// RFC 7638 thumbprint.
        kid: String,
        /// Why.
        reason: String,
    },
    /// R: a role for a person.
    RoleGranted {
        /// Whom.
        kid: String,
        /// What, and where.
        grant: Grant,
    },
    /// R: the role is taken back.
    RoleWithdrawn {
        /// From whom.
        kid: String,
        /// Which.
        grant: Grant,
    },
    /// A: the record begins.
    AssetAdded {
        /// Asset tag, unique.
        tag: String,
        /// Practice assets are virtual, and stay so.
        class: AssetClass,
        /// How confidential its data is.
        data_class: DataClass,
        /// Where it begins: `procurement`, or where an imported one stands. Never further than
        /// `decommissioning`.
        stage: Stage,
        /// Where it is.
        location: Option<String>,
        /// Who has it.
        custodian: Option<String>,
        /// Everything else.
        details: Details,
    },
    /// A: facts are corrected or completed; the whole of them.
    AssetChanged {
        /// As they are from now on.
        details: Details,
    },
    /// A: another data class. A lower one lowers what is demanded, so it needs a reason.
    Classified {
        /// The class.
        data_class: DataClass,
        /// Why.
        reason: String,
    },
    /// A: the next stage; never `closed`.
    StageMoved {
        /// Whereto.
        to: Stage,
        /// Why.
        reason: Option<String>,
    },
    /// A: the order was cancelled and nothing arrived.
    OrderCancelled {
        /// Why.
        reason: String,
    },
    /// A: handed to a person, or to a place, or back.
    Assigned {
        /// Who has it now.
        custodian: Option<String>,
        /// Where it is now.
        location: Option<String>,
    },
    /// A: its condition.
    ConditionSet {
        /// The condition.
        condition: Condition,
        /// What was seen.
        note: Option<String>,
    },
    /// A: a step was done.
    ChecklistDone {
        /// Which.
        item: Item,
        /// How, by what.
        note: Option<String>,
    },
    /// A: a step is not needed, by decision.
    ChecklistWaived {
        /// Which.
        item: Item,
        /// Why.
        reason: String,
    },
    /// A: a person counted the media in it.
    MediaCounted {
        /// How many there are.
        count: u32,
    },
    /// M: a medium becomes known.
    MediumAdded {
        /// What names it.
        identity: MediumIdentity,
        /// Physical, virtual, image.
        class: MediumClass,
    },
    /// A: a medium is put in.
    MediumInstalled {
        /// Stream of the medium.
        medium: String,
    },
    /// A: a medium is taken out.
    MediumRemoved {
        /// Stream of the medium.
        medium: String,
        /// Why.
        reason: Option<String>,
    },
    /// M: it is now in that asset, or in none.
    MediumMoved {
        /// Stream of the asset.
        asset: Option<String>,
    },
    /// M: its state as a person knows it.
    MediumStateSet {
        /// The state; `sanitized` and `destroyed` come by evidence alone.
        state: MediumState,
        /// What was seen.
        note: Option<String>,
    },
    /// M: a verified document about it; its bytes are stored under its id.
    EvidenceAccepted {
        /// What the document says.
        evidence: Evidence,
    },
    /// M: a document counts no longer.
    EvidenceRevoked {
        /// Its id.
        document: String,
        /// Why.
        reason: String,
    },
    /// M: it left with its asset.
    MediumRetired {
        /// Stream of the asset.
        asset: String,
        /// The document that closed it.
        document: String,
    },
    /// A: a licence is in use on it.
    LicenceAssigned {
        /// What.
        product: String,
        /// Where its key is kept; never the key.
        key_ref: Option<String>,
    },
    /// A: the licence is free for use elsewhere.
    LicenceReleased {
        /// What.
        product: String,
    },
    /// A: by which route it leaves, on which order, with whom.
    RouteChosen {
        /// The route.
        route: Route,
        /// Disposal order (lot).
        order: String,
        /// Who takes it.
        vendor: Option<String>,
    },
    /// A: given from hand to hand; the actor's signature is the giver's.
    HandedOver {
        /// Who takes it.
        to: String,
        /// Seal.
        seal: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// A: what became of it.
    OutcomeSet {
        /// The outcome.
        outcome: LineOutcome,
        /// SHA-256 of the final certificate (recycler, destruction, receipt of donation or return).
        final_document: Option<String>,
    },
    /// A: closed. Only [`super::Work::close`] makes one.
    AssetClosed {
        /// The evidence it was closed on, one for each medium.
        media: Vec<ClosedOn>,
        /// The minimum that was applied.
        minimum: super::minimum::Minimum,
    },
    /// A: an amount.
    CostBooked {
        /// What sort.
        category: CostCategory,
        /// How much.
        money: Money,
        /// When it was due.
        on: DateTime<Utc>,
        /// Invoice, contract.
        reference: Option<String>,
    },
    /// A: free words.
    Noted {
        /// The words.
        text: String,
    },
}

/// The evidence that closed an asset, medium by medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedOn {
    /// Stream of the medium.
    pub medium: String,
    /// Its revision when it was judged.
    pub revision: Bytes,
    /// SHA-256 of the payload of the certificate.
    pub document: String,
}

/// Everything of an asset that has no rule of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    /// Name for people.
    pub name: Option<String>,
    /// `laptop`, `server`.
    pub category: Option<String>,
    /// Maker.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// The maker's number of the model.
    pub model_number: Option<String>,
    /// Serial number of the device.
    pub serial: Option<String>,
    /// Company or department it belongs to.
    pub company: Option<String>,
    /// Who sold it.
    pub supplier: Option<String>,
    /// Order.
    pub order_number: Option<String>,
    /// `2026-03-01`.
    pub purchase_date: Option<String>,
    /// Price.
    pub purchase_cost: Option<Money>,
    /// Length of the warranty.
    pub warranty_months: Option<u32>,
    /// End of life, `2030-03-01`.
    pub eol_date: Option<String>,
    /// Business need and approval, for procurement.
    pub need: Option<String>,
    /// Free words.
    pub notes: Option<String>,
    /// Columns of the organization's own.
    pub custom: BTreeMap<String, String>,
}

/// What names a medium. At least one of serial, WWN and digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumIdentity {
    /// Serial number as the drive reports it.
    pub serial: Option<String>,
    /// Model number.
    pub model: Option<String>,
    /// WWN, EUI-64 or NGUID, lower-case hex with `0x`.
    pub wwn: Option<String>,
    /// Capacity in bytes.
    pub size: Option<Bytes>,
    /// SHA-256 of the whole identity, where the drive itself was read.
    pub digest: Option<String>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// As in events and on the command line.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The one of that name.
            pub fn of_name(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|v| v.name() == name)
            }
        }
    };
}

words!(
    /// Whether the asset is a thing. A practice asset is virtual and closed by a virtual medium.
    AssetClass {
        /// A thing.
        Physical = "physical",
        /// For practice, or a virtual machine.
        Virtual = "virtual",
    }
);
words!(
    /// The organization's data classes.
    DataClass {
        /// No data of anybody.
        None = "none",
        /// Internal.
        Internal = "internal",
        /// Confidential.
        Confidential = "confidential",
        /// Regulated: health, cards, personal data. Also what is assumed when nothing is said.
        Regulated = "regulated",
    }
);
words!(
    /// The second dimension beside the stage.
    Condition {
        /// Works.
        Ok = "ok",
        /// Works in part.
        Degraded = "degraded",
        /// Does not work.
        Failed = "failed",
        /// Not found.
        Missing = "missing",
        /// Stolen.
        Stolen = "stolen",
    }
);
words!(
    /// Steps of the two checklists.
    Item {
        /// Deployment: the tag is on it.
        Tagged = "tagged",
        /// Deployment: software.
        SoftwareInstalled = "software_installed",
        /// Deployment: security policy.
        SecurityPolicyApplied = "security_policy_applied",
        /// Deployment: network.
        NetworkJoined = "network_joined",
        /// Deployment: the user knows how.
        UserTrained = "user_trained",
        /// Decommissioning: what must be kept is kept elsewhere.
        DataBackup = "data_backup",
        /// Decommissioning: licences.
        LicenceRemoval = "licence_removal",
        /// Decommissioning: off the network.
        NetworkDisconnect = "network_disconnect",
        /// Decommissioning: credentials, certificates, accounts.
        CredentialRevoke = "credential_revoke",
        /// Decommissioning: out of device management, activation lock off.
        MdmRelease = "mdm_release",
        /// Decommissioning: labels that name the owner.
        AssetLabelRemoved = "asset_label_removed",
    }
);
words!(
    /// What a medium is, as far as data goes.
    MediumState {
        /// Holds data.
        InUse = "in_use",
        /// Out of use, to be sanitized.
        Awaiting = "awaiting",
        /// A passing certificate stands.
        Sanitized = "sanitized",
        /// Sanitization failed: to be destroyed.
        Failed = "failed",
        /// Destroyed, by a record.
        Destroyed = "destroyed",
        /// Not where it should be.
        Absent = "absent",
    }
);
words!(
    /// How an asset leaves.
    Route {
        /// Sold.
        Resale = "resale",
        /// Recycled.
        Recycling = "recycling",
        /// Destroyed.
        Destruction = "destruction",
        /// Given away.
        Donation = "donation",
        /// Back to its lessor.
        LeaseReturn = "lease_return",
    }
);
words!(
    /// What became of it.
    LineOutcome {
        /// Sold.
        Sold = "sold",
        /// Recycled.
        Recycled = "recycled",
        /// Destroyed.
        Destroyed = "destroyed",
        /// Given away.
        Donated = "donated",
        /// Returned.
        Returned = "returned",
    }
);
words!(
    /// What sort of amount.
    CostCategory {
        /// Price and everything until it works.
        Acquisition = "acquisition",
        /// Power, space, support, insurance, taxes.
        Operational = "operational",
        /// Repairs, parts.
        Maintenance = "maintenance",
        /// Costs of getting rid of it.
        Disposition = "disposition",
        /// What it brought at the end.
        Recovery = "recovery",
        /// What it brought in use.
        Benefit = "benefit",
    }
);

impl Item {
    /// The steps of deployment.
    pub const DEPLOYMENT: &'static [Item] =
        &[Item::Tagged, Item::SoftwareInstalled, Item::SecurityPolicyApplied, Item::NetworkJoined, Item::UserTrained];
    /// The steps of decommissioning, all of which the close rule wants.
    pub const DECOMMISSIONING: &'static [Item] = &[
        Item::DataBackup,
        Item::LicenceRemoval,
        Item::NetworkDisconnect,
        Item::CredentialRevoke,
        Item::MdmRelease,
        Item::AssetLabelRemoved,
    ];
}

impl Route {
    /// The only outcome that fits the route.
    pub fn outcome(self) -> LineOutcome {
        match self {
            Route::Resale => LineOutcome::Sold,
            Route::Recycling => LineOutcome::Recycled,
            Route::Destruction => LineOutcome::Destroyed,
            Route::Donation => LineOutcome::Donated,
            Route::LeaseReturn => LineOutcome::Returned,
        }
    }
}
