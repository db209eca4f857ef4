//! What can happen: the content of an event.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
pub use super::facts::{ClosedOn, Details, MediumIdentity};
use super::judgement::Judgement;
use super::life::{
    Acknowledgement, Certification, Configuration, DecisionFacts, Dispatch, Downtime, LotFacts, LotLine, ModelFacts,
    PolicyText, PoolFacts, Purchase, Receipt, RequestFacts, Schedule, Valuation, VendorFacts, Weights, WorkFacts,
    WorkKind, WorkResult,
};
use super::number::Money;
use super::role::Grant;
use super::stage::Stage;
use super::trust::TrustText;
pub use super::words::{AssetClass, Condition, CostCategory, DataClass, Item, LineOutcome, MediumState, Route};
use crate::media::MediumClass;
use crate::units::Bytes;

/// One change. Of which stream is said in each line: the register (R), an asset (A), a medium (M).
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
        /// Versions of the policies that were in force: of the stage it leaves and of the one it enters.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        policies: BTreeMap<Stage, u32>,
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
        /// It goes nowhere, out of an asset that is on its way out, and nothing proves that it is empty.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unproven: bool,
    },
    /// M: it is now in that asset, or in none.
    MediumMoved {
        /// Stream of the asset.
        asset: Option<String>,
        /// As in `medium_removed`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unproven: bool,
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
    /// M: a verified document about a document that is held; its bytes are stored under its id.
    EvidenceJudged {
        /// What it says.
        judgement: Judgement,
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
        /// The certification by which it was taken, as it stood then. Only [`super::Work::hand_over`] names one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certification: Option<Certification>,
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
    /// R: what shall hold for a stage from a day on.
    PolicyProposed(PolicyText),
    /// R: a second person puts it in force.
    PolicyApproved {
        /// Of which stage.
        stage: Stage,
        /// Which version.
        version: u32,
    },
    /// R: whom the register shall believe.
    TrustProposed(TrustText),
    /// R: a second person puts it in force.
    TrustApproved {
        /// Which version.
        version: u32,
    },
    /// R: what roots of the trust in force have signed besides, one document a line. Their signatures speak for it,
    /// whoever brings it.
    TrustExtended {
        /// The lines, as they came.
        bundle: String,
    },
    /// Model: a model that is bought; the whole of its facts.
    ModelSet(ModelFacts),
    /// Vendor: who sells, takes, recycles; the whole of its facts.
    VendorSet(VendorFacts),
    /// Vendor: by what it is certified, and until when.
    VendorCertified(Certification),
    /// Vendor: nothing is given to it any more.
    VendorBarred {
        /// Why.
        reason: String,
    },
    /// Request: somebody needs something.
    RequestOpened(RequestFacts),
    /// Request: a second person grants it.
    RequestApproved {
        /// Why; demanded for a want and for a model that is no standard.
        note: Option<String>,
    },
    /// Request: not granted.
    RequestRefused {
        /// Why.
        reason: String,
    },
    /// Request: ordered.
    RequestOrdered(Purchase),
    /// Request: one of what was ordered has its record.
    RequestReceived {
        /// Stream of the asset.
        asset: String,
        /// Its tag.
        tag: String,
    },
    /// A: it comes from that granted request.
    RequestLinked {
        /// Stream of the request.
        request: String,
        /// Its number.
        number: String,
    },
    /// A: it appeared without a request, and that is accepted.
    OriginAccepted {
        /// Why.
        reason: String,
    },
    /// A: what is on it, and how it is on the network.
    Configured(Configuration),
    /// A: the person who has it confirms that.
    Acknowledged(Acknowledgement),
    /// A: maintenance that comes back.
    ScheduleSet(Schedule),
    /// A: it comes back no longer.
    ScheduleDropped {
        /// Which.
        name: String,
    },
    /// A: a work order was opened on it.
    WorkBegun {
        /// Stream of the work order.
        work: String,
        /// Its number.
        number: String,
        /// Its kind.
        kind: WorkKind,
    },
    /// A: a work order came to its end.
    WorkSettled {
        /// Stream of the work order.
        work: String,
        /// Its kind.
        kind: WorkKind,
        /// Done, or cancelled.
        done: bool,
        /// How long it was out of service for it.
        downtime: Vec<Downtime>,
        /// The schedule it was opened by.
        schedule: Option<String>,
    },
    /// Work order: the first event.
    WorkOpened(WorkFacts),
    /// Work order: free words.
    WorkNoted {
        /// The words.
        text: String,
    },
    /// Work order: the asset was out of service.
    WorkDown(Downtime),
    /// Work order: done.
    WorkDone(WorkResult),
    /// Work order: not done.
    WorkCancelled {
        /// Why.
        reason: String,
    },
    /// A: keep, upgrade, refresh or retire, and by which figures.
    DecisionProposed(DecisionFacts),
    /// A: a second person decides so.
    DecisionApproved {
        /// Words to it.
        note: Option<String>,
    },
    /// A: decided against.
    DecisionRefused {
        /// Why.
        reason: String,
    },
    /// A: its replacement is in use, so that nobody waits for it.
    ReplacementReady {
        /// Stream of the replacement.
        replacement: String,
        /// Its tag.
        tag: String,
        /// Its revision when it was looked at.
        revision: Bytes,
    },
    /// A: it goes before a replacement is in use, by decision.
    DisruptionWaived {
        /// Why.
        reason: String,
    },
    /// Licence: product and seats; the whole of its facts.
    PoolSet(PoolFacts),
    /// Licence: a seat is in use.
    SeatTaken {
        /// Stream of the asset.
        asset: String,
        /// Its tag.
        tag: String,
        /// It was not assigned but found in use.
        found: bool,
    },
    /// Licence: the seat is free for use elsewhere.
    SeatReleased {
        /// Stream of the asset.
        asset: String,
    },
    /// A: what it is worth.
    Valued(Valuation),
    /// Lot: a disposal order begins.
    LotOpened(LotFacts),
    /// Lot: an asset goes on it.
    LotLineAdded(LotLine),
    /// Lot: an asset is taken off it.
    LotLineRemoved {
        /// Stream of the asset.
        asset: String,
        /// Why.
        reason: String,
    },
    /// Lot: the day it is fetched, as `2026-03-01`.
    LotScheduled {
        /// The day.
        day: String,
    },
    /// Lot: it left; what was on it then. The actor's signature is the giver's.
    LotDispatched(Dispatch),
    /// Lot: the vendor has it.
    LotReceived(Receipt),
    /// Lot: where its mass went.
    LotWeighed(Weights),
    /// Lot: its final document came.
    LotDocumented {
        /// SHA-256 of the document; the register keeps it.
        document: String,
    },
    /// Lot: nothing is open.
    LotClosed,
    /// Lot: it does not leave.
    LotCancelled {
        /// Why.
        reason: String,
    },
    /// A: samples, and for how long it was used or down.
    Measured(super::measure::Measured),
    /// Books: what finance lays down for all assets.
    BooksSet(super::books::Entry),
    /// Observation: what was seen, or a part of it.
    Sighted(super::observe::Sightings),
    /// Finding: the record and what was seen do not agree.
    FindingOpened(super::observe::Finding),
    /// Finding: what it was.
    FindingResolved(super::observe::Resolved),
}
