//! One run: plan, confirm, erase, verify, record.

pub mod record;
