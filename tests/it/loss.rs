//! The share is lost, in each of the ways it can be: nothing new starts, what runs is ended in time, what ended waits
//! on the local disk and is published afterwards, a local halt works meanwhile, it is told, and it goes on by itself.
//! `docs/QUEUE.md`, "When the share is lost", has the table.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(clippy::disallowed_methods, reason = "mounts, moves and plants")]

#[cfg(target_os = "linux")]
mod keys;
#[cfg(target_os = "linux")]
mod mounts;
mod one;
mod share;
mod table;
