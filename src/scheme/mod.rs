//! Overwrite schemes: which bytes go where. Pure; nothing here touches a medium.

mod pattern;

pub use pattern::{Pattern, StreamKey};
