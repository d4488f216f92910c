//! OpenAI codex: `codex exec --json`, the prompt on standard input (`-`).
//!
//! Measured with 0.169.0. The verdict is the last `turn.completed` or `turn.failed`; `error` lines and items of type
//! `error` are warnings ("Reconnecting..."), and failures are prose alone.

use crate::outcome::FailureClass;

use super::answer;
use super::ask::Ask;
use super::ask::Invocation;
use super::failure;
use super::members::Members;
use super::prompt::prompt;
use super::verdict::End;
use super::verdict::Listener;
use super::verdict::Verdict;
use super::verdict::added;

/// Returns what to execute. The sandbox mode is the profile's permission mode. `analytics` is off because its
/// last words cost five seconds where the network does not answer.
pub(super) fn invocation(ask: &Ask) -> Invocation {
    let profile = ask.profile;
    let mut arguments: Vec<String> = [
        "exec",
        "--json",
        "--skip-git-repo-check",
        "-c",
        "analytics.enabled=false",
    ]
    .map(str::to_owned)
    .to_vec();
    if ask.dangerous {
        arguments.push("--dangerously-bypass-approvals-and-sandbox".to_owned());
    } else {
        let mode = profile
            .permission_mode
            .as_deref()
            .unwrap_or("workspace-write");
        arguments.extend(["-s".to_owned(), mode.to_owned()]);
    }
    if !profile.project_settings {
        // AGENTS.md of the working directory; its .codex/config.toml counts only where the user trusted the
        // directory.
        arguments.extend(["-c", "project_doc_max_bytes=0"].map(str::to_owned));
    }
    if let Some(model) = &profile.model {
        arguments.extend(["-m".to_owned(), model.clone()]);
    }
    arguments.push("-".to_owned());
    Invocation::of(ask, arguments, prompt(ask).into_bytes())
}

const LINE: &[&str] = &["type", "thread_id", "item", "usage", "error", "message"];
const TOKENS: &[&str] = &["input_tokens", "output_tokens"];

#[derive(Debug)]
enum Turn {
    Completed,
    Failed(String),
}

/// Follows the events of one codex process.
#[derive(Debug, Default)]
pub(super) struct CodexListener {
    session: Option<String>,
    answer: String,
    warning: Option<String>,
    turn: Option<Turn>,
    turns: Option<u64>,
    tokens: Option<u64>,
}

impl CodexListener {
    fn event(&mut self, kind: &str, line: &Members) {
        match kind {
            "thread.started" => self.session = line.word("thread_id"),
            "turn.started" => self.turn = None,
            "item.completed" => {
                let item = line.object("item", &["type", "text"]);
                let item =
                    item.filter(|item| item.word("type").as_deref() == Some("agent_message"));
                if let Some(text) = item.and_then(|item| item.text("text")) {
                    self.answer = answer::head(&text);
                }
            }
            "turn.completed" => {
                self.turn = Some(Turn::Completed);
                self.turns = added(self.turns, Some(1));
                // `cached_input_tokens` and `reasoning_output_tokens` are parts of these two.
                let used = line.object("usage", TOKENS).map(|usage| usage.sum(TOKENS));
                self.tokens = added(self.tokens, used);
            }
            "turn.failed" => {
                let error = line.object("error", &["message"]);
                let said = error.and_then(|error| error.text("message"));
                self.turn = Some(Turn::Failed(answer::head(&said.unwrap_or_default())));
            }
            "error" => self.warning = line.text("message").map(|said| answer::head(&said)),
            _ => {}
        }
    }

    fn judge(&self, end: &End) -> Verdict {
        match &self.turn {
            None => self.without_turn(end),
            Some(Turn::Failed(said)) => {
                Verdict::error(failure::of_prose(said).unwrap_or(FailureClass::Agent), said)
            }
            Some(Turn::Completed) if self.answer.trim().is_empty() => Verdict::error(
                FailureClass::EmptyResult,
                "the turn was completed without a message",
            ),
            Some(Turn::Completed) => Verdict::ok(self.answer.clone()),
        }
    }

    /// A process that ended within a turn: the last warning is the best there is to say.
    fn without_turn(&self, end: &End) -> Verdict {
        let verdict = Verdict {
            final_text: self.answer.clone(),
            ..Verdict::no_result(end)
        };
        match &self.warning {
            Some(said) if verdict.class == Some(FailureClass::NoResult) => Verdict {
                final_text: verdict.final_text,
                ..Verdict::error(
                    FailureClass::NoResult,
                    &format!("ended within a turn, {}: {said}", end.manner()),
                )
            },
            _ => verdict,
        }
    }
}

impl Listener for CodexListener {
    fn line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Some(line) = Members::of(&text, LINE) else {
            return;
        };
        if let Some(kind) = line.word("type") {
            self.event(&kind, &line);
        }
    }

    fn has_result(&self) -> bool {
        self.turn.is_some()
    }

    fn verdict(self: Box<Self>, end: &End) -> Verdict {
        let verdict = self.judge(end).unless_stopped(end);
        Verdict {
            turns: self.turns,
            tokens: self.tokens,
            session: self.session,
            ..verdict
        }
    }
}
