//! Dispatch hands signed work from one host to another through nothing but a shared folder.
//!
//! The layers, from the ground up; a module imports only from modules above its own line in `layers.txt`, and a
//! test says so. Programs are in [`cli`]; below it nobody prints, reads the environment or exits.
//! `ARCHITECTURE.md` is the map, `docs/QUEUE.md` the folder protocol, `docs/ENVELOPE.md` the sealed documents.

pub mod agent;
pub mod attempt;
pub mod audit;
pub mod chance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod destination;
pub mod disk;
pub mod doctor;
pub mod document;
pub mod drain;
pub mod entry;
pub mod envelope;
pub mod escape;
pub mod event;
pub mod exit;
pub mod flow;
pub mod history;
pub mod id;
pub mod journal;
pub mod key;
pub mod keyring;
pub mod killswitch;
pub mod legacy;
pub mod limits;
pub mod mount;
pub mod notify;
pub mod outcome;
pub mod pace;
pub mod place;
pub mod planted;
pub mod policy;
pub mod process;
pub mod profile;
pub mod reason;
pub mod route;
pub mod seal;
pub mod share;
pub mod slots;
pub mod stage;
pub mod status;
pub mod transport;
pub mod units;
pub mod wake;
