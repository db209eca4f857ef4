//! Drives as the host sees them: which there are, what each of them is, why it may not be wiped,
//! and how to hold one so that it stays the one that was meant.
//!
//! Everything here reads sysfs and opens devices, so all of it can block: call it from a helper
//! thread, never from a worker that others wait for.

mod blocks;
mod claim;
mod claim_error;
mod classify;
pub mod command;
mod facts;
mod force_ro;
mod image;
mod inventory;
mod lock;
mod loops;
mod neighbours;
mod paths;
mod patience;
mod protection;
mod reach;
mod resolve;
mod roots;
mod sleep;
pub mod transport;
mod udev;
pub mod vpd;

pub use claim::{Claim, ClaimMode, Held, claim, claim_locked, hold, judge};
pub use claim_error::{ClaimError, IdentityChanged};
pub use facts::own_serial;
pub use force_ro::{is_forced_read_only, set_force_ro};
pub use image::file_born;
pub use inventory::{InventoryError, find_by_identity, inventory};
pub use protection::lost_boot_medium;
pub use reach::{ReachError, check_alone, check_reached, reached};
pub use resolve::{ResolveError, TargetRule, resolve, resolve_all};
pub use roots::{Nodes, Roots, UdevSource};
pub use sleep::{NoSleep, Sleep, Slept};
