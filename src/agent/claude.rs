//! Claude Code, headless: `claude -p --output-format stream-json`, the prompt on standard input.
//!
//! Measured with 2.1.328 and 2.1.197. What decides is the last `result` line; the exit status is 0 on SIGINT
//! and 1 on errors that `subtype` calls a success, and standard error is empty for every failure of the
//! provider.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::outcome::FailureClass;

use super::answer;
use super::ask::Ask;
use super::ask::Invocation;
use super::claude_failure::class_of;
use super::members::Members;
use super::prompt::prompt;
use super::verdict::End;
use super::verdict::Listener;
use super::verdict::Verdict;
use super::verdict::added;

/// Settings of Claude Code that are variables. Few retries, because the default of ten is three silent
/// minutes for a wrong key; no background tasks, because the process then outlives its answer.
const VARIABLES: &[(&str, &str)] = &[
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("CLAUDE_CODE_MAX_RETRIES", "2"),
    ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
    ("CLAUDE_CODE_DISABLE_FILE_MENTIONS", "1"),
    ("CLAUDE_CODE_STARTUP_FAILURE_RESULTS", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
];

/// Bounds of the time in which the provider must begin to answer. A quarter of the profile's time, so that
/// three tries end before it is over and the failure has its true name.
const API_WAIT_MIN: Duration = Duration::from_secs(10);
const API_WAIT_MAX: Duration = Duration::from_secs(300);

/// Returns what to execute. Settings, hooks and tool servers of the working directory are programs that would
/// run before any model is asked, so they are off unless the profile turns them on.
pub(super) fn invocation(ask: &Ask) -> Invocation {
    let profile = ask.profile;
    let mode = profile.permission_mode.as_deref().unwrap_or("acceptEdits");
    let mode = if ask.dangerous {
        "bypassPermissions"
    } else {
        mode
    };
    let mut arguments: Vec<String> = [
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--disable-slash-commands",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut option =
        |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
    option("--permission-mode", mode);
    option("--session-id", ask.session);
    if !profile.project_settings {
        option("--setting-sources", "user");
    }
    if let Some(model) = &profile.model {
        option("--model", model);
    }
    if let Some(turns) = profile.max_turns {
        option("--max-turns", &turns.to_string());
    }
    if let Some(cost) = profile.max_cost_microusd {
        option(
            "--max-budget-usd",
            &format!("{}.{:06}", cost / 1_000_000, cost % 1_000_000),
        );
    }
    if !profile.project_settings {
        arguments.push("--strict-mcp-config".to_owned());
    }
    let mut invocation = Invocation::of(ask, arguments, prompt(ask).into_bytes());
    let variables = VARIABLES
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    invocation.env.extend(variables);
    let wait = (profile.timeout / 4).clamp(API_WAIT_MIN, API_WAIT_MAX);
    invocation
        .env
        .push(("API_TIMEOUT_MS".to_owned(), wait.as_millis().to_string()));
    invocation
}

const LINE: &[&str] = &[
    "type",
    "subtype",
    "session_id",
    "model",
    "message",
    "error",
    "parent_tool_use_id",
    "tasks",
    "rate_limit_info",
    "is_error",
    "result",
    "structured_output",
    "errors",
    "num_turns",
    "total_cost_usd",
    "usage",
    "permission_denials",
    "terminal_reason",
    "stop_reason",
    "api_error_status",
    "api_error_type",
    "api_error",
    "local_command",
    "startup_failure_reason",
];
const USAGE: &[&str] = &[
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
];

/// The last `result` line.
#[derive(Debug, Clone, Default)]
pub(super) struct Final {
    pub(super) subtype: String,
    pub(super) is_error: Option<bool>,
    /// The answer, or the text of the error, cut to what a result carries.
    pub(super) text: String,
    pub(super) errors: Vec<String>,
    pub(super) turns: Option<u64>,
    pub(super) terminal_reason: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) http_status: Option<u64>,
    pub(super) api_error_type: Option<String>,
    pub(super) api_error: Option<String>,
    pub(super) local_command: Option<String>,
    pub(super) startup_failure: Option<String>,
    /// The `error` of the last message before it.
    pub(super) message_error: Option<String>,
    /// Whether the account's usage was said to be spent, and until when.
    pub(super) usage_spent: Option<Option<Timestamp>>,
}

/// Follows the stream of one Claude Code process.
#[derive(Debug, Default)]
pub(super) struct ClaudeListener {
    session: Option<String>,
    model: Option<String>,
    message_error: Option<String>,
    usage_spent: Option<Option<Timestamp>>,
    background: bool,
    /// The last result, unless a further turn began after it.
    last: Option<Final>,
    /// The answer of a result that was overtaken by a further turn.
    overtaken: String,
    turns: Option<u64>,
    tokens: Option<u64>,
    cost_microusd: Option<u64>,
    denials: Option<u64>,
}

impl ClaudeListener {
    fn system(&mut self, line: &Members) {
        match line.word("subtype").as_deref() {
            Some("init") => {
                // A finished background task starts a further turn, with an init and a result of its own.
                if let Some(last) = self.last.take() {
                    self.overtaken = last.text;
                }
                self.session = line.word("session_id").or(self.session.take());
                self.model = line.word("model").or(self.model.take());
            }
            Some("background_tasks_changed") => self.background = line.count("tasks") > Some(0),
            _ => {}
        }
    }

    fn message(&mut self, line: &Members) {
        if line.has("parent_tool_use_id") {
            return; // of a subagent
        }
        self.message_error = line.word("error");
        let model = line
            .object("message", &["model"])
            .and_then(|message| message.word("model"));
        // Texts that Claude Code makes itself name "<synthetic>".
        if let Some(model) = model.filter(|model| !model.starts_with('<')) {
            self.model = Some(model);
        }
    }

    fn rate_limit(&mut self, line: &Members) {
        let Some(info) = line.object("rate_limit_info", &["status", "resetsAt"]) else {
            return;
        };
        let spent = info.word("status").as_deref() == Some("rejected");
        self.usage_spent = spent.then(|| info.moment("resetsAt"));
    }

    fn result(&mut self, line: &Members) {
        let turns = line.number("num_turns");
        let tokens = line.object("usage", USAGE).map(|usage| usage.sum(USAGE));
        // Turns and tokens are those since the result before; money and denials are those of the whole process.
        self.turns = added(self.turns, turns);
        self.tokens = added(self.tokens, tokens);
        self.cost_microusd = line.millionths("total_cost_usd").or(self.cost_microusd);
        self.denials = line.count("permission_denials").max(self.denials);
        self.session = line.word("session_id").or(self.session.take());
        let text = line.text("result").filter(|text| !text.trim().is_empty());
        let text = text.or_else(|| line.structure("structured_output").map(str::to_owned));
        self.last = Some(Final {
            subtype: line.word("subtype").unwrap_or_default(),
            is_error: line.flag("is_error"),
            text: answer::head(&text.unwrap_or_default()),
            errors: line.texts("errors"),
            turns,
            terminal_reason: line.word("terminal_reason"),
            stop_reason: line.word("stop_reason"),
            http_status: line.number("api_error_status"),
            api_error_type: line.word("api_error_type"),
            api_error: line.word("api_error"),
            local_command: line.word("local_command"),
            startup_failure: line.word("startup_failure_reason"),
            message_error: self.message_error.clone(),
            usage_spent: self.usage_spent,
        });
    }

    fn judge(&self, end: &End) -> Verdict {
        let Some(last) = &self.last else {
            return Verdict {
                final_text: self.overtaken.clone(),
                ..Verdict::no_result(end)
            };
        };
        if let Some(class) = class_of(last) {
            let text = if last.is_error == Some(false) {
                &last.text
            } else {
                ""
            };
            return Verdict {
                retry_at: last
                    .usage_spent
                    .flatten()
                    .filter(|_| class == FailureClass::UsageLimit),
                final_text: text.to_owned(),
                ..Verdict::error(class, &last.explanation(end))
            };
        }
        let denied = self.denials.filter(|count| *count > 0);
        Verdict {
            detail: denied.map(|count| format!("tool calls that were denied: {count}")),
            ..Verdict::ok(last.text.clone())
        }
    }
}

impl Listener for ClaudeListener {
    fn line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let Some(line) = Members::of(&text, LINE) else {
            return;
        };
        match line.word("type").as_deref() {
            Some("system") => self.system(&line),
            Some("assistant") => self.message(&line),
            Some("rate_limit_event") => self.rate_limit(&line),
            Some("result") => self.result(&line),
            _ => {}
        }
    }

    fn has_result(&self) -> bool {
        self.last.is_some() && !self.background
    }

    fn verdict(self: Box<Self>, end: &End) -> Verdict {
        let verdict = self.judge(end).unless_stopped(end);
        Verdict {
            model: self.model,
            turns: self.turns,
            tokens: self.tokens,
            cost_microusd: self.cost_microusd,
            session: self.session,
            denials: self.denials,
            ..verdict
        }
    }
}
