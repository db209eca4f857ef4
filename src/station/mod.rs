//! The station: configuration and the order of the steps. The only place that knows the whole flow.

#[cfg(feature = "erase")]
mod asking;
mod audit;
#[cfg(feature = "erase")]
mod conflicts;
mod documents;
mod durability;
#[cfg(feature = "erase")]
mod earlier;
#[cfg(feature = "erase")]
mod evidence;
mod folder;
#[cfg(feature = "erase")]
mod hidden;
#[cfg(feature = "erase")]
mod leaving;
#[cfg(feature = "erase")]
mod locked;
mod lottery;
#[cfg(feature = "erase")]
mod manifest;
#[cfg(feature = "erase")]
mod offers;
mod policy;
#[cfg(feature = "erase")]
mod prepare;
#[cfg(feature = "erase")]
mod program;
mod received;
#[cfg(feature = "erase")]
mod report;
#[cfg(feature = "erase")]
mod result;
#[cfg(feature = "erase")]
mod resume;
mod rotation;
#[cfg(feature = "erase")]
mod run;
#[cfg(feature = "erase")]
mod second_reading;
pub mod session;
#[cfg(feature = "erase")]
mod signed_before;
mod signing;
mod time_evidence;
#[cfg(feature = "erase")]
mod trust_copy;
#[cfg(feature = "erase")]
mod unfreeze;
#[cfg(feature = "erase")]
mod verify_media;
#[cfg(feature = "erase")]
mod warnings;

#[cfg(feature = "erase")]
pub use crate::device::{Roots, TargetRule};
#[cfg(feature = "erase")]
pub use crate::overwrite::{EngineConfig, FaultLimits, IoChoice};
#[cfg(feature = "erase")]
pub use crate::sanitize::firmware::{BootPartitions, Psids, PsidsError, STALL};
#[cfg(feature = "erase")]
pub use crate::sanitize::{
    Confirmation, Confirmed, Run, StartError,
    journal::JournalError,
    rung::Rung,
    state::{RunPlan, RunState},
};
pub use audit::{audit, known_state};
pub use documents::{KeepError, Kept, Library, keep_document, put_document};
pub use durability::Durability;
pub use folder::{NewKey, Station, StationConfig, StationError, default_folder, second_place};
pub use lottery::{DrawError, DrawRequest, Drawn, Terms, announce, draw};
#[cfg(feature = "erase")]
pub use manifest::{
    ManifestError, ManifestRow, keep_results, read_manifest, results_table, try_results, write_results,
};
pub use policy::{
    Found, POLICY_TYP, PolicyFileError, adopt_policy, find_policy, policy_in_force, policy_path, policy_text,
    sign_policy, station_policy, write_policy,
};
#[cfg(feature = "erase")]
pub use prepare::{Order, Preparation, Refused, Wish, inventory, live, look_at, lost_boot_medium, prepare};
pub use received::received;
#[cfg(feature = "erase")]
pub use report::{DriveReport, SecurityReport, TechniqueReport, reports};
#[cfg(feature = "erase")]
pub use result::{Outcome, TargetResult};
#[cfg(feature = "erase")]
pub use resume::{Interrupted, InterruptedState, ResumeError, abandon, interrupted, resume};
#[cfg(feature = "erase")]
pub use run::{Audience, ExecuteError, Execution, Ready, TakenUp, execute};
#[cfg(feature = "erase")]
pub use second_reading::{Reader, record_reading};
pub use signing::{UnfitKey, may_sign};
pub use time_evidence::{Folders, Gathered, Sidecar, time_evidence};
#[cfg(feature = "erase")]
pub use verify_media::{MediaCheck, ReadingCut, ReadingOutcome, VerifyMediaError, verify_media};
