//! Overwrite schemes: which bytes go where. Pure; nothing here touches a medium.

#[cfg(feature = "erase")]
mod compiled;
mod pattern;
#[cfg(feature = "erase")]
mod stream;

#[cfg(feature = "erase")]
pub use compiled::CompiledPattern;
pub use pattern::{Pattern, StreamKey};
#[cfg(feature = "erase")]
pub use stream::Stream;
