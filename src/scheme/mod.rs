//! Overwrite schemes: which bytes go where. Pure; nothing here touches a medium.

mod catalogue;
#[cfg(feature = "erase")]
mod compiled;
mod definitions;
mod list;
mod pattern;
#[cfg(feature = "erase")]
mod stream;

pub use catalogue::{
    DEFAULT_SCHEME, Order, PassVerify, PlannedPass, Scheme, Step, UnknownScheme, VerifyRule, catalogue, find,
};
#[cfg(feature = "erase")]
pub use compiled::CompiledPattern;
pub use list::{SchemeListing, listing, listing_text};
pub use pattern::{Pattern, StreamKey};
#[cfg(feature = "erase")]
pub use stream::Stream;
