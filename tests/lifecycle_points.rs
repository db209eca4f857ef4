//! The 59 points of the asset lifecycle, one test a point, through the real program. A point that
//! has no test here does not work yet; docs/lifecycle.md says the same.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
#[path = "lifecycle_points/decommissioning.rs"]
mod decommissioning;
#[path = "lifecycle_points/deployment.rs"]
mod deployment;
#[path = "lifecycle_points/destroyed.rs"]
mod destroyed;
#[path = "lifecycle_points/disposition.rs"]
mod disposition;
#[path = "lifecycle_points/measured.rs"]
mod measured;
#[path = "lifecycle_points/org.rs"]
mod org;
#[path = "lifecycle_points/procurement.rs"]
mod procurement;
#[path = "lifecycle_points/rules.rs"]
mod rules;
#[path = "lifecycle_points/upgrade.rs"]
mod upgrade;
#[path = "lifecycle_points/utilization.rs"]
mod utilization;
#[path = "lifecycle_points/walk.rs"]
mod walk;
