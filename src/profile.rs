//! How the receiver runs a task: its own, local description of an agent and of the bounds around it.
//!
//! A task names a profile; everything in the profile is the receiver's word. The envelope can only narrow it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::id::CapabilityName;
use crate::id::ProfileName;
use crate::id::ResourceName;
use crate::limits;
use crate::outcome::Layer;
use crate::outcome::words;

words! {
    /// What kind of program runs the task, and so how its output is read.
    AgentKind {
        /// Any program: the request on stdin, success is exit status 0, the answer is its standard output.
        Command = "command",
        /// Claude Code, headless.
        Claude = "claude",
        /// OpenAI codex, `exec --json`.
        Codex = "codex",
        /// Google gemini-cli, `-o stream-json`.
        Gemini = "gemini",
        /// opencode, `run --format json`.
        Opencode = "opencode",
        /// aider: prose only; success cannot be proved from its exit status.
        Aider = "aider",
    }
}

/// Where a task's working directory comes from. Never from the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Workspace {
    /// A fresh, empty directory, removed with the attempt's spool.
    #[default]
    Empty,
    /// This directory of the receiver, as it is.
    Dir(PathBuf),
    /// A fresh git worktree of this repository, detached at its HEAD.
    Worktree(PathBuf),
}

/// How tasks of one name are run on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The name that tasks and policy use.
    pub name: ProfileName,
    /// What kind of program it is.
    pub agent: AgentKind,
    /// Program and leading arguments. The request is never among them.
    pub command: Vec<String>,
    /// Model asked of the agent, where the kind knows one.
    pub model: Option<String>,
    /// Permission mode asked of the agent, where the kind knows one.
    pub permission_mode: Option<String>,
    /// Most turns of the agent, where the kind knows them.
    pub max_turns: Option<u32>,
    /// Most money of one attempt in millionths of a US dollar, where the kind knows it.
    pub max_cost_microusd: Option<u64>,
    /// Names of variables that pass from the watcher's environment; all others are dropped.
    pub env: Vec<String>,
    /// Variables with their values.
    pub set_env: BTreeMap<String, String>,
    /// The working directory.
    pub workspace: Workspace,
    /// A program and its arguments put before the command, such as `["bwrap", ...]`; never a shell string.
    pub wrapper: Vec<String>,
    /// Running time of one attempt: the ceiling, and the default where the task does not say.
    pub timeout: Duration,
    /// No output event for this long means stalled; `None` leaves it to the timeout.
    pub stall: Option<Duration>,
    /// Between the polite signal and the final one.
    pub grace: Duration,
    /// Output kept of one attempt, in bytes: the ceiling, and the default.
    pub max_output_bytes: u64,
    /// How many attempts of this profile may run at once.
    pub slots: u32,
    /// Exclusive resources an attempt holds while it runs.
    pub resources: Vec<ResourceName>,
    /// Layers of containment without which nothing starts.
    pub require_layers: Vec<Layer>,
    /// Directories the agent may read, beyond the system's; only with Landlock or a mount namespace.
    pub read: Vec<PathBuf>,
    /// Directories the agent may write, beyond its own workspace.
    pub write: Vec<PathBuf>,
    /// Whether the working directory's own settings, hooks and tool servers are read by the agent.
    pub project_settings: bool,
    /// Whether tasks may ask for the dangerous mode under this profile at all.
    pub dangerous: bool,
    /// Whether every task under this profile waits for an approval.
    pub require_ack: bool,
    /// What it can do beside what its node can; told to peers, and no order to an executor.
    #[serde(skip)]
    pub capabilities: Vec<CapabilityName>,
}

impl Profile {
    /// Returns a profile of this kind with every bound at its default.
    #[must_use]
    pub fn of_kind(name: ProfileName, agent: AgentKind, command: Vec<String>) -> Self {
        Self {
            name,
            agent,
            command,
            model: None,
            permission_mode: None,
            max_turns: None,
            max_cost_microusd: None,
            env: Vec::new(),
            set_env: BTreeMap::new(),
            workspace: Workspace::Empty,
            wrapper: Vec::new(),
            timeout: Duration::from_secs(600),
            stall: None,
            grace: limits::GRACE,
            max_output_bytes: 2_000_000,
            slots: 2,
            resources: Vec::new(),
            require_layers: Vec::new(),
            read: Vec::new(),
            write: Vec::new(),
            project_settings: false,
            dangerous: false,
            require_ack: false,
            capabilities: Vec::new(),
        }
    }
}
