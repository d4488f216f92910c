//! The judgement of one attempt's output: what the supervisor hands in, and what it gets.
//!
//! Success is what a parsed final result says, never the exit status alone: Claude Code exits 0 on SIGINT,
//! gemini on an empty answer, aider on a wrong key (measured). A listener keeps bounded state whatever the
//! agent writes.

use crate::clock::Timestamp;
use crate::escape;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::profile::AgentKind;

use super::aider;
use super::claude;
use super::codex;
use super::command;
use super::gemini;
use super::opencode;

/// Letters of text from an agent that a detail quotes.
const QUOTE_LETTERS: usize = 300;

/// How the agent ended, as the supervisor saw it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct End {
    /// Exit status, where it exited.
    pub exit_code: Option<u8>,
    /// Signal that ended it, where one did.
    pub signal: Option<u8>,
    /// First bytes of standard output.
    pub stdout_head: Vec<u8>,
    /// Last bytes of standard output: [`crate::limits::FINAL_TEXT_BYTES_MAX`] or more where there were so
    /// many. They overlap the head where the output is short.
    pub stdout_tail: Vec<u8>,
    /// Last bytes of standard error.
    pub stderr_tail: Vec<u8>,
    /// Whether we ended it before it was done. Ending an agent that lingers although it had given its final result
    /// ([`Listener::has_result`]) is not that.
    pub stopped_by_us: bool,
}

impl End {
    /// Returns how it ended, in words: `exit status 3`, `signal 9`.
    #[must_use]
    pub fn manner(&self) -> String {
        match (self.exit_code, self.signal) {
            (_, Some(signal)) => format!("signal {signal}"),
            (Some(code), None) => format!("exit status {code}"),
            (None, None) => "unknown exit status".to_owned(),
        }
    }

    /// Returns the last line of standard error, else the first of standard output, fit for a person to read.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        let stderr = String::from_utf8_lossy(&self.stderr_tail);
        let stdout = String::from_utf8_lossy(&self.stdout_head);
        let filled = |line: &&str| !line.trim().is_empty();
        let line = stderr.lines().rfind(filled);
        let line = line.or_else(|| stdout.lines().find(filled))?;
        Some(escape::excerpt(line.trim(), QUOTE_LETTERS))
    }
}

/// What is made of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// [`Status::Ok`] or [`Status::Error`].
    pub status: Status,
    /// Why it did not succeed; always there with an error.
    pub class: Option<FailureClass>,
    /// One line for a person, escaped.
    pub detail: Option<String>,
    /// When the provider will accept work again, if it said so.
    pub retry_at: Option<Timestamp>,
    /// The answer: at most [`crate::limits::FINAL_TEXT_BYTES_MAX`] bytes, as the agent wrote it (not escaped).
    pub final_text: String,
    /// Model that answered, as the agent reports it.
    pub model: Option<String>,
    /// Turns the agent took.
    pub turns: Option<u64>,
    /// Tokens in and out together, cached ones included.
    pub tokens: Option<u64>,
    /// Cost in millionths of a US dollar.
    pub cost_microusd: Option<u64>,
    /// Session id of the agent.
    pub session: Option<String>,
    /// Tool calls that were denied.
    pub denials: Option<u64>,
}

impl Verdict {
    /// Returns a success with this answer.
    #[must_use]
    pub const fn ok(final_text: String) -> Self {
        Self {
            status: Status::Ok,
            class: None,
            detail: None,
            retry_at: None,
            final_text,
            model: None,
            turns: None,
            tokens: None,
            cost_microusd: None,
            session: None,
            denials: None,
        }
    }

    /// Returns a failure; `detail` may quote the agent and is escaped here.
    #[must_use]
    pub fn error(class: FailureClass, detail: &str) -> Self {
        Self {
            status: Status::Error,
            class: Some(class),
            detail: Some(escape::excerpt(detail, QUOTE_LETTERS)),
            ..Self::ok(String::new())
        }
    }

    /// Returns the failure of an agent that ended without a final result.
    #[must_use]
    pub fn no_result(end: &End) -> Self {
        let because = end
            .remark()
            .map_or(String::new(), |line| format!(": {line}"));
        let (class, detail) = if was_signalled(end) {
            (
                FailureClass::Signal,
                format!("ended by {} before its final result", end.manner()),
            )
        } else {
            (
                FailureClass::NoResult,
                format!("ended without a final result, {}{because}", end.manner()),
            )
        };
        Self::error(class, &detail)
    }

    /// Returns this verdict, or the failure that it is where we ended the agent ourselves: what it wrote
    /// until then is kept, what it claims is not believed.
    #[must_use]
    pub fn unless_stopped(self, end: &End) -> Self {
        if !end.stopped_by_us {
            return self;
        }
        Self {
            status: Status::Error,
            class: Some(FailureClass::Stopped),
            detail: Some(format!(
                "was ended here before it was done ({})",
                end.manner()
            )),
            ..self
        }
    }
}

/// Returns whether a signal ended the agent. Programs that catch one report it as 128 + its number (bash(1),
/// EXIT STATUS; Claude Code exits 143 on SIGTERM, measured); no signal beyond SIGSYS (31) ends a program in
/// practice.
fn was_signalled(end: &End) -> bool {
    end.signal.is_some()
        || end
            .exit_code
            .is_some_and(|code| (129..=159).contains(&code))
}

/// Returns the sum of two counts, either of which may not be known, as far as a document can say it.
pub(super) fn added(count: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (count, more) {
        (Some(count), Some(more)) => Some(count.saturating_add(more).min(limits::INTEGER_MAX)),
        (count, more) => count.or(more),
    }
}

/// Reads an agent's standard output and judges it. State is bounded.
pub trait Listener: Send {
    /// Takes one line, without its line feed. Lines longer than [`crate::limits::LINE_BYTES_MAX`] are not handed in.
    fn line(&mut self, line: &[u8]);

    /// Returns whether the agent has given its final result and has nothing left to do: one that stays may be ended.
    fn has_result(&self) -> bool;

    /// Judges the attempt.
    fn verdict(self: Box<Self>, end: &End) -> Verdict;
}

/// Returns the listener of a kind of agent.
#[must_use]
pub fn listener(kind: AgentKind) -> Box<dyn Listener> {
    match kind {
        AgentKind::Claude => Box::new(claude::ClaudeListener::default()),
        AgentKind::Codex => Box::new(codex::CodexListener::default()),
        AgentKind::Gemini => Box::new(gemini::GeminiListener::default()),
        AgentKind::Opencode => Box::new(opencode::OpencodeListener::default()),
        AgentKind::Aider => Box::new(aider::AiderListener::default()),
        AgentKind::Command => Box::new(command::CommandListener),
    }
}
