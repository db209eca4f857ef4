//! What a person meets: the command line. No decision is made here, only shown or asked for.

pub mod cli;
pub mod exit;
