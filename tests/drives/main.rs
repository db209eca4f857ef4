//! `lastwrite` in a booted guest, on drives that fail and lie on purpose, behind a real kernel's drivers.
//! Judged from the host's backing file, never from what the guest says. `scripts/test-drives` makes
//! what this needs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod models;
mod rig;
mod scenes;
