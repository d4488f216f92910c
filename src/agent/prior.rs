//! What the tasks that this one waited for came to, as an agent is given it: data of other agents, with no authority.

use serde::Deserialize;
use serde::Serialize;
use serde_json::json;

use crate::id::TaskId;
use crate::outcome::Status;

/// The name of the file in the agent's temporary directory.
pub const FILE: &str = "prior.json";
/// The variable that holds its path.
pub const VARIABLE: &str = "DISPATCH_PRIOR";

/// What one of them came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// The task.
    pub id: TaskId,
    /// How it ended.
    pub status: Status,
    /// The beginning of its answer.
    pub text: String,
    /// Whether the answer is longer.
    pub truncated: bool,
}

impl Prior {
    /// Returns the bytes of the file: `{"version": 1, "prior": [...]}`.
    #[must_use]
    pub fn file(prior: &[Self]) -> Vec<u8> {
        let mut text = json!({"version": 1, "prior": prior}).to_string();
        text.push('\n');
        text.into_bytes()
    }
}
