//! One run: plan, confirm, claim, intend, erase, verify, record. Each step is a type, so that the
//! irreversible one can only be reached through all before it. Knows no keys and no database.

#[cfg(feature = "erase")]
mod by_drive;
#[cfg(feature = "erase")]
mod erase;
pub mod event;
#[cfg(feature = "erase")]
pub mod firmware;
#[cfg(feature = "erase")]
pub mod journal;
#[cfg(feature = "erase")]
mod lifting;
#[cfg(feature = "erase")]
mod recheck;
pub mod record;
#[cfg(feature = "erase")]
mod restoration;
#[cfg(feature = "erase")]
mod restore;
#[cfg(feature = "erase")]
mod run;
#[cfg(feature = "erase")]
pub mod rung;
#[cfg(all(test, feature = "erase"))]
mod samples;
#[cfg(feature = "erase")]
mod stage;
#[cfg(feature = "erase")]
mod stages;
#[cfg(feature = "erase")]
pub mod state;
#[cfg(feature = "erase")]
mod unfreeze;
#[cfg(feature = "erase")]
mod unfreezing;
#[cfg(feature = "erase")]
mod verdict;

#[cfg(feature = "erase")]
pub use erase::{Bench, Stopped};
#[cfg(feature = "erase")]
pub use lifting::{ForceRoNote, set_back_abandoned};
#[cfg(feature = "erase")]
pub use restoration::Restoration;
#[cfg(feature = "erase")]
pub use restore::AfterRestore;
#[cfg(feature = "erase")]
pub use run::{
    Claimed, Confirmation, Confirmed, Erased, Free, Held, Intended, NotConfirmed, Planned, Run, Sealed, StartError,
    Verdict,
};
#[cfg(feature = "erase")]
pub use unfreeze::BeforeSuspend;
#[cfg(feature = "erase")]
pub use unfreezing::{SuspendNote, UnfreezePlan, Unfreezing};
