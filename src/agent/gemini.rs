//! Google gemini-cli: `gemini -o stream-json`, the prompt on standard input.
//!
//! Measured with 0.61.0. The verdict is the `result` line; its exit status is 0 on an empty answer and an
//! HTTP status modulo 256 on a provider's error, so the status only helps where there is no result line.

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

/// Returns what to execute. An untrusted directory ends the program (exit 55), so trust is given for this run
/// alone. One process: the child that gemini otherwise makes of itself survives a signal to its parent.
pub(super) fn invocation(ask: &Ask) -> Invocation {
    let profile = ask.profile;
    let mode = profile.permission_mode.as_deref().unwrap_or("auto_edit");
    let mode = if ask.dangerous { "yolo" } else { mode };
    let mut arguments: Vec<String> = ["--skip-trust", "-o", "stream-json", "--approval-mode", mode]
        .map(str::to_owned)
        .to_vec();
    if let Some(model) = &profile.model {
        arguments.extend(["-m".to_owned(), model.clone()]);
    }
    let mut invocation = Invocation::of(ask, arguments, prompt(ask).into_bytes());
    invocation
        .env
        .push(("GEMINI_CLI_NO_RELAUNCH".to_owned(), "true".to_owned()));
    invocation
}

const LINE: &[&str] = &[
    "type",
    "session_id",
    "model",
    "role",
    "content",
    "delta",
    "severity",
    "message",
    "status",
    "error",
    "stats",
];

/// What a `result` line says.
#[derive(Debug)]
enum Outcome {
    Success,
    Failure(String),
}

/// Follows the events of one gemini process.
#[derive(Debug, Default)]
pub(super) struct GeminiListener {
    session: Option<String>,
    model: Option<String>,
    answer: String,
    /// Whether the next text of the assistant begins a new answer: a tool was used meanwhile.
    fresh: bool,
    error: Option<String>,
    outcome: Option<Outcome>,
    tokens: Option<u64>,
}

impl GeminiListener {
    fn event(&mut self, kind: &str, line: &Members) {
        match kind {
            "init" => {
                self.session = line.word("session_id");
                self.model = line.word("model");
                self.outcome = None;
            }
            "message" if line.word("role").as_deref() == Some("assistant") => {
                if self.fresh || line.flag("delta") != Some(true) {
                    self.answer.clear();
                    self.fresh = false;
                }
                let text = line.text("content").unwrap_or_default();
                answer::append(&mut self.answer, &text);
            }
            "tool_use" => self.fresh = true,
            "error" if line.word("severity").as_deref() != Some("warning") => {
                self.error = line.text("message").map(|said| answer::head(&said));
            }
            "result" => self.result(line),
            _ => {}
        }
    }

    fn result(&mut self, line: &Members) {
        let stats = line.object("stats", &["total_tokens"]);
        self.tokens = stats.and_then(|stats| stats.number("total_tokens"));
        self.outcome = Some(if line.word("status").as_deref() == Some("success") {
            Outcome::Success
        } else {
            let error = line.object("error", &["message"]);
            let said = error
                .and_then(|error| error.text("message"))
                .or(self.error.clone());
            Outcome::Failure(answer::head(&said.unwrap_or_default()))
        });
    }

    fn judge(&self, end: &End) -> Verdict {
        match &self.outcome {
            Some(Outcome::Success) if self.answer.trim().is_empty() => {
                Verdict::error(FailureClass::EmptyResult, "the final result is empty")
            }
            Some(Outcome::Success) => Verdict::ok(self.answer.clone()),
            Some(Outcome::Failure(said)) => {
                let class = failure::of_prose(said).or_else(|| of_exit(end.exit_code?));
                Verdict::error(class.unwrap_or(FailureClass::Agent), said)
            }
            None => {
                let verdict = Verdict::no_result(end);
                let class = end.exit_code.and_then(of_exit).or(verdict.class);
                Verdict {
                    class,
                    final_text: self.answer.clone(),
                    ..verdict
                }
            }
        }
    }
}

/// Returns the class of an exit status: gemini's own numbers, then HTTP statuses modulo 256 (400 to 511).
fn of_exit(code: u8) -> Option<FailureClass> {
    match code {
        41 => Some(FailureClass::Auth),
        53 => Some(FailureClass::MaxTurns),
        144.. => failure::of_http(256 + u64::from(code)),
        _ => None,
    }
}

impl Listener for GeminiListener {
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
        self.outcome.is_some()
    }

    fn verdict(self: Box<Self>, end: &End) -> Verdict {
        let verdict = self.judge(end).unless_stopped(end);
        Verdict {
            model: self.model,
            tokens: self.tokens,
            session: self.session,
            ..verdict
        }
    }
}
