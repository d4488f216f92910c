//! Whatever lies in a lane or in a configuration must never stop the watcher, block it, be followed, be executed, or be
//! destroyed without a trace; and behind each poison a good task still starts within two rounds.
//!
//! `docs/THREATS.md` has the table: what is planted, how it is met.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::print_stderr, reason = "a skipped case says so")]

mod approval;
mod bench;
mod bent;
mod content;
mod flood;
mod hands;
mod inbox;
mod outcome;
mod places;
mod plant;
mod programs;
mod rights;
mod signed;
mod starve;
