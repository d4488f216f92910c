//! aider: `aider --message-file /dev/stdin`, prose on standard output.
//!
//! Measured with 0.86.2. It exits 0 even on a wrong key. What shows that a model answered is the line
//! `Tokens: ...` that it prints after each answer; an error of the provider is a line that begins `litellm.`.

use crate::outcome::FailureClass;

use super::answer;
use super::ask::Ask;
use super::ask::Invocation;
use super::failure;
use super::prompt::prompt;
use super::verdict::End;
use super::verdict::Listener;
use super::verdict::Verdict;
use super::verdict::added;

/// Returns what to execute. A message as an argument may be a command of aider's own (`/run`), and so may the
/// first line of a file; the prompt's own words come first there. The file is standard input, so nothing is
/// put into the working directory.
pub(super) fn invocation(ask: &Ask) -> Invocation {
    let arguments = [
        "--message-file",
        "/dev/stdin",
        "--yes-always",
        "--no-git",
        "--no-stream",
        "--no-pretty",
        "--no-check-update",
        "--no-analytics",
        "--no-show-model-warnings",
        "--no-show-release-notes",
        "--no-detect-urls",
        "--no-auto-lint",
        "--no-auto-test",
        "--no-suggest-shell-commands",
        "--chat-history-file",
        "/dev/null",
        "--input-history-file",
        "/dev/null",
    ];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
    if !ask.profile.project_settings {
        // `load` in the directory's .aider.conf.yml ran a command (measured), and `notifications-command` names
        // one. The file itself cannot be turned off: see `shortfalls`.
        arguments.extend(["--load", "/dev/null", "--no-notifications"].map(str::to_owned));
    }
    if let Some(model) = &ask.profile.model {
        arguments.extend(["--model".to_owned(), model.clone()]);
    }
    Invocation::of(ask, arguments, prompt(ask).into_bytes())
}

/// What the last telling line was.
#[derive(Debug)]
enum Last {
    Answered,
    Empty,
    Failed(String),
}

/// Follows the prose of one aider process.
#[derive(Debug, Default)]
pub(super) struct AiderListener {
    model: Option<String>,
    answer: String,
    last: Option<Last>,
    turns: Option<u64>,
    tokens: Option<u64>,
    cost_microusd: Option<u64>,
}

impl AiderListener {
    /// `Tokens: 1.2k sent, 45 received. Cost: $0.0012 message, $0.0034 session.`
    fn usage(&mut self, line: &str) {
        let (tokens, cost) = line.split_once(". Cost:").unwrap_or((line, ""));
        let counts = tokens.split([' ', ',']).filter_map(thousands);
        self.tokens = counts.fold(self.tokens, |sum, count| added(sum, Some(count)));
        self.turns = added(self.turns, Some(1));
        let session = cost
            .split(',')
            .find_map(|part| part.trim().strip_suffix(" session."));
        let dollars = session.and_then(|amount| amount.trim_start_matches('$').parse::<f64>().ok());
        let dollars = dollars.filter(|amount| (0.0..1e9).contains(amount));
        self.cost_microusd = dollars
            .map(|amount| (amount * 1e6).round() as u64)
            .or(self.cost_microusd);
        if !matches!(self.last, Some(Last::Empty)) {
            self.last = Some(Last::Answered);
        }
    }
}

/// Reads `12`, `1.2k` or `3M`.
fn thousands(word: &str) -> Option<u64> {
    let (digits, factor) = match word.strip_suffix('k') {
        Some(digits) => (digits, 1e3),
        None => word
            .strip_suffix('M')
            .map_or((word, 1.0), |digits| (digits, 1e6)),
    };
    let plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = digits
        .parse()
        .ok()
        .filter(|_| plain && digits.len() <= 15)?;
    Some((number * factor).round() as u64)
}

impl Listener for AiderListener {
    fn line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let line = text.trim_end();
        if let Some(model) = line
            .strip_prefix("Model: ")
            .filter(|_| self.model.is_none())
        {
            self.model = model
                .split_whitespace()
                .next()
                .map(|word| word.chars().take(100).collect());
        } else if line.starts_with("Repo-map: ") && self.turns.is_none() {
            self.answer.clear(); // the banner ends here
        } else if line.starts_with("Tokens: ") && line.contains(" sent, ") {
            self.usage(line);
        } else {
            if line.starts_with("litellm.") {
                self.last = Some(Last::Failed(answer::head(line)));
            } else if line.starts_with("Empty response received from LLM") {
                self.last = Some(Last::Empty);
            } else if let Some(Last::Failed(said)) = &mut self.last {
                answer::append(said, &format!(" {line}")); // it wraps at 80 columns
            }
            answer::append(&mut self.answer, &format!("{line}\n"));
        }
    }

    fn has_result(&self) -> bool {
        false // nothing it prints is the last word: it may ask the model again
    }

    fn verdict(self: Box<Self>, end: &End) -> Verdict {
        let verdict = match &self.last {
            _ if end.exit_code != Some(0) => Verdict::no_result(end),
            Some(Last::Failed(said)) => {
                let class = failure::of_prose(said).unwrap_or(FailureClass::Agent);
                Verdict::error(class, said.trim())
            }
            Some(Last::Empty) => {
                Verdict::error(FailureClass::EmptyResult, "the model answered nothing")
            }
            Some(Last::Answered) => Verdict::ok(String::new()),
            None => Verdict::error(
                FailureClass::NoResult,
                "no model answered: no line 'Tokens: ...'",
            ),
        };
        Verdict {
            final_text: self.answer.trim().to_owned(),
            model: self.model,
            turns: self.turns,
            tokens: self.tokens,
            cost_microusd: self.cost_microusd,
            ..verdict.unless_stopped(end)
        }
    }
}
