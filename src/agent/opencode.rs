//! opencode: `opencode run --format json`, the prompt on standard input.
//!
//! Measured with 1.18.33. There is no result line: success is the last step finished for the reason `stop`,
//! no `error` line after it, and exit status 0. A wrong key or a rate limit is retried in silence, so
//! `stall_s` is what ends that.

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

/// Returns what to execute.
pub(super) fn invocation(ask: &Ask) -> Invocation {
    let profile = ask.profile;
    let mut arguments: Vec<String> = ["run", "--format", "json"].map(str::to_owned).to_vec();
    if let Some(model) = &profile.model {
        arguments.extend(["--model".to_owned(), model.clone()]);
    }
    if let Some(agent) = &profile.permission_mode {
        arguments.extend(["--agent".to_owned(), agent.clone()]);
    }
    if ask.dangerous {
        arguments.push("--auto".to_owned());
    }
    let mut invocation = Invocation::of(ask, arguments, prompt(ask).into_bytes());
    let mut set = |name: &str| invocation.env.push((name.to_owned(), "1".to_owned()));
    set("OPENCODE_DISABLE_AUTOUPDATE");
    if !profile.project_settings {
        set("OPENCODE_DISABLE_PROJECT_CONFIG");
    }
    invocation
}

const LINE: &[&str] = &["type", "sessionID", "part", "error"];
const PART: &[&str] = &["text", "reason", "tokens", "cost"];

/// Follows the events of one opencode process.
#[derive(Debug, Default)]
pub(super) struct OpencodeListener {
    session: Option<String>,
    answer: String,
    /// Why the last step ended, unless another began after it.
    reason: Option<String>,
    failure: Option<(FailureClass, String)>,
    turns: Option<u64>,
    tokens: Option<u64>,
    cost_microusd: Option<u64>,
}

impl OpencodeListener {
    fn event(&mut self, kind: &str, line: &Members) {
        let part = line.object("part", PART);
        match (kind, part) {
            ("step_start", _) => {
                self.reason = None;
                self.answer.clear();
            }
            ("text", Some(part)) => {
                let text = part.text("text").unwrap_or_default();
                answer::append(&mut self.answer, &text);
            }
            ("step_finish", Some(part)) => {
                self.reason = part.word("reason");
                self.failure = None;
                self.turns = added(self.turns, Some(1));
                let tokens = part
                    .object("tokens", &["total"])
                    .and_then(|tokens| tokens.number("total"));
                self.tokens = added(self.tokens, tokens);
                self.cost_microusd = added(self.cost_microusd, part.millionths("cost"));
            }
            ("error", _) => self.failure = Some(failure_of(line)),
            _ => {}
        }
    }

    fn judge(&self, end: &End) -> Verdict {
        if let Some((class, said)) = &self.failure {
            return Verdict {
                final_text: self.answer.clone(),
                ..Verdict::error(*class, said)
            };
        }
        let stopped = self.reason.as_deref() == Some("stop") && end.exit_code == Some(0);
        let verdict = match &self.reason {
            Some(_) if stopped && self.answer.trim().is_empty() => {
                return Verdict::error(
                    FailureClass::EmptyResult,
                    "the last step ended without a text",
                );
            }
            Some(_) if stopped => return Verdict::ok(self.answer.clone()),
            Some(reason) if end.signal.is_none() => {
                let said = format!(
                    "the last step ended for the reason '{reason}', {}",
                    end.manner()
                );
                Verdict::error(FailureClass::Agent, &said)
            }
            _ => Verdict::no_result(end),
        };
        Verdict {
            final_text: self.answer.clone(),
            ..verdict
        }
    }
}

/// Returns the class and the words of an `error` line: its status, then its name, then its prose.
fn failure_of(line: &Members) -> (FailureClass, String) {
    let error = line.object("error", &["name", "data"]);
    let name = error
        .as_ref()
        .and_then(|error| error.word("name"))
        .unwrap_or_default();
    let data = error.and_then(|error| error.object("data", &["message", "statusCode"]));
    let said = data
        .as_ref()
        .and_then(|data| data.text("message"))
        .unwrap_or_default();
    let by_name = match name.as_str() {
        "ProviderAuthError" => Some(FailureClass::Auth),
        "ContextOverflowError" => Some(FailureClass::PromptTooLong),
        "ProviderModelNotFoundError" => Some(FailureClass::Model),
        _ => None,
    };
    let by_status = data.and_then(|data| failure::of_http(data.number("statusCode")?));
    let class = by_name.or_else(|| failure::of_prose(&said)).or(by_status);
    (
        class.unwrap_or(FailureClass::Agent),
        answer::head(&format!("{said} ({name})")),
    )
}

impl Listener for OpencodeListener {
    fn line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Some(line) = Members::of(&text, LINE) else {
            return;
        };
        self.session = line.word("sessionID").or(self.session.take());
        if let Some(kind) = line.word("type") {
            self.event(&kind, &line);
        }
    }

    fn has_result(&self) -> bool {
        self.reason.as_deref() == Some("stop")
    }

    fn verdict(self: Box<Self>, end: &End) -> Verdict {
        let verdict = self.judge(end).unless_stopped(end);
        Verdict {
            turns: self.turns,
            tokens: self.tokens,
            cost_microusd: self.cost_microusd,
            session: self.session,
            ..verdict
        }
    }
}
