//! Facts about a medium: identity, geometry, kind, and why it may not be wiped. Plain data, no I/O.

mod exchange;
mod health;
mod identity;
mod medium;
mod protection;
mod report;
pub mod text;

pub use exchange::{CommandSet, Exchange, Reply};
pub use health::Health;
pub use identity::{Backing, Difference, Identity, may_be_one};
pub use medium::{Geometry, Kind, Medium, MediumClass, Partition, Signature, Transport, Zoned};
pub use protection::Protection;
pub use report::{AreaOutcome, HiddenArea, PlannedCommand, Reach, namespace_words};
