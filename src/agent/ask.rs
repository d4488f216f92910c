//! What is asked of an agent, and what to execute for it. The request is never an argument: an argument that
//! begins with `-` is an option of whoever reads it, and Claude Code ran a command that way (measured,
//! 2.1.328 and 2.1.197).

use crate::id::Party;
use crate::id::TaskId;
use crate::profile::AgentKind;
use crate::profile::Profile;

use super::aider;
use super::claude;
use super::codex;
use super::command;
use super::gemini;
use super::opencode;
use super::prior::Prior;

/// What is asked of an agent.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// How the receiver runs it.
    pub profile: &'a Profile,
    /// Whether the dangerous mode is on: decided by policy, never by the task alone.
    pub dangerous: bool,
    /// Who asked, as proved by the seal.
    pub from: &'a Party,
    /// The task.
    pub task: TaskId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Whether the prompt is to be as short as it can be.
    pub brief: bool,
    /// The request, as sealed.
    pub request: &'a str,
    /// What the tasks that this one waited for came to.
    pub prior: &'a [Prior],
    /// A UUID made by the receiver for this attempt alone: the agent's session where the kind takes one, and
    /// the marker around the request, which its author therefore cannot know.
    pub session: &'a str,
}

/// What to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Program first: the profile's wrapper, then its command, then the arguments of its kind. Empty where
    /// the profile names no program.
    pub argv: Vec<String>,
    /// Variables of the kind and of the task; the profile's own `set_env` is the supervisor's and wins over these.
    pub env: Vec<(String, String)>,
    /// Bytes for standard input, which is closed behind them.
    pub stdin: Vec<u8>,
}

impl Invocation {
    /// Returns the profile's wrapper and command with `arguments`, and the variables every kind is given.
    pub(super) fn of(ask: &Ask, arguments: Vec<String>, stdin: Vec<u8>) -> Self {
        let profile = ask.profile;
        let mut argv = profile.wrapper.clone();
        argv.extend(profile.command.iter().cloned());
        argv.extend(arguments);
        // Not DISPATCH_FROM: that one is the default of `dispatch-send --from`.
        let env = vec![
            ("DISPATCH_TASK_ID".to_owned(), ask.task.to_string()),
            ("DISPATCH_TASK_FROM".to_owned(), ask.from.to_string()),
            ("DISPATCH_TASK_ATTEMPT".to_owned(), ask.attempt.to_string()),
        ];
        Self { argv, env, stdin }
    }
}

/// Returns what to execute for `ask`.
#[must_use]
pub fn invocation(ask: &Ask) -> Invocation {
    match ask.profile.agent {
        AgentKind::Claude => claude::invocation(ask),
        AgentKind::Codex => codex::invocation(ask),
        AgentKind::Gemini => gemini::invocation(ask),
        AgentKind::Opencode => opencode::invocation(ask),
        AgentKind::Aider => aider::invocation(ask),
        AgentKind::Command => command::invocation(ask),
    }
}
