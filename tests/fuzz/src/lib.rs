//! The pure rooms of the program by themselves: what parses bytes of a drive, without the rest, so
//! that a fuzzer builds in seconds. The files are the program's own.
#![allow(dead_code, unused_imports, unused_macros)]

pub mod device;
#[path = "../../../src/media/mod.rs"]
pub mod media;
#[path = "../../../src/units.rs"]
pub mod units;

pub mod parsers;

use device::{command, vpd};
