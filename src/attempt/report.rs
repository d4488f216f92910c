//! What came of one attempt, as its executor saw it; the watcher seals it into the result.

use serde::Deserialize;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::id::Digest;
use crate::outcome::FailureClass;
use crate::outcome::Layer;
use crate::outcome::Status;

/// The report of an executor; `report.json` of its run directory, durable before it can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this format: 1.
    pub version: u32,
    /// Whether the agent was started at all. `false` (permit expired, layer missing, program missing) costs no attempt.
    pub started: bool,
    /// How it ended: ok, error, timeout, stalled, killed or cancelled.
    pub status: Status,
    /// Why it did not succeed.
    pub class: Option<FailureClass>,
    /// One line for a person: what happened, on what, why.
    pub detail: Option<String>,
    /// When the provider will accept work again, if it said so.
    pub retry_at: Option<Timestamp>,
    /// Exit status of the agent, where it exited.
    pub exit_code: Option<u8>,
    /// Signal that ended the agent, where one did.
    pub signal: Option<u8>,
    /// UTC at the start.
    pub began: Timestamp,
    /// UTC at the end.
    pub ended: Timestamp,
    /// Running time by the monotonic clock, in milliseconds.
    pub elapsed_ms: u64,
    /// Time the host was suspended meanwhile, in milliseconds.
    pub suspended_ms: u64,
    /// Bytes the agent wrote on both pipes together, kept or not.
    pub output_bytes: u64,
    /// Whether the log holds less than that.
    pub output_truncated: bool,
    /// Digest of the log file.
    pub log_sha256: Digest,
    /// Size of the log file in bytes.
    pub log_bytes: u64,
    /// The answer: at most [`crate::limits::FINAL_TEXT_BYTES_MAX`] bytes.
    pub final_text: String,
    /// Layers of containment that were in force.
    pub containment: Vec<Layer>,
    /// Descendants that had to be ended after the agent itself had ended.
    pub leftovers: u32,
    /// Model that answered, as the agent reports it.
    pub model: Option<String>,
    /// Turns the agent took.
    pub turns: Option<u64>,
    /// Tokens in and out together.
    pub tokens: Option<u64>,
    /// Cost in millionths of a US dollar.
    pub cost_microusd: Option<u64>,
    /// Session id of the agent, for a follow-up.
    pub session: Option<String>,
    /// Tool calls that were denied.
    pub denials: Option<u64>,
}
