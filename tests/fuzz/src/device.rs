#[path = "../../../src/device/command/mod.rs"]
pub mod command;
#[path = "../../../src/device/vpd.rs"]
pub mod vpd;
