//! What kind of failure a `result` line of Claude Code is. From the most specific field to the least: 2.1.197
//! lacks some, and calls every failure of the provider `completed`.

use crate::outcome::FailureClass;

use super::claude::Final;
use super::failure;
use super::verdict::End;

/// Returns the class of a result that is not a success, `None` for a success.
pub(super) fn class_of(last: &Final) -> Option<FailureClass> {
    if last.is_error == Some(false) && last.subtype == "success" {
        // A slash command answers without asking a model; a model may answer nothing (both exit 0).
        let nobody = last.turns == Some(0) || last.local_command.is_some();
        return (nobody || last.text.is_empty()).then_some(FailureClass::EmptyResult);
    }
    let class = of_limits(last)
        .or_else(|| of_word(last.api_error.as_deref()?))
        .or_else(|| {
            last.usage_spent
                .and(last.http_status)
                .filter(|status| *status == 429)
                .and(Some(FailureClass::UsageLimit))
        })
        .or_else(|| of_word(last.message_error.as_deref()?))
        .or_else(|| failure::of_http(last.http_status?))
        .or_else(|| of_word(last.api_error_type.as_deref()?));
    Some(class.unwrap_or(FailureClass::Agent))
}

/// Limits of the run itself, which `subtype`, `terminal_reason` and `stop_reason` tell.
fn of_limits(last: &Final) -> Option<FailureClass> {
    match last.subtype.as_str() {
        "error_max_turns" => return Some(FailureClass::MaxTurns),
        "error_max_budget_usd" => return Some(FailureClass::Budget),
        _ => {}
    }
    match last.terminal_reason.as_deref() {
        Some("max_turns") => return Some(FailureClass::MaxTurns),
        Some("budget_exhausted") => return Some(FailureClass::Budget),
        Some("prompt_too_long" | "blocking_limit") => return Some(FailureClass::PromptTooLong),
        // SIGINT from somebody else, while text streamed or a tool ran (measured: exit status 0).
        Some("aborted_streaming" | "aborted_tools") => return Some(FailureClass::Signal),
        _ => {}
    }
    (last.stop_reason.as_deref() == Some("refusal")).then_some(FailureClass::Refused)
}

/// Words of `api_error`, `api_error_type` and of the `error` of a message.
fn of_word(word: &str) -> Option<FailureClass> {
    Some(match word {
        "usage_limit_reached" => FailureClass::UsageLimit,
        "rate_limit" | "rate_limit_error" => FailureClass::RateLimit,
        "overloaded" | "overloaded_error" | "server_error" | "connection_failed"
        | "timeout_error" => FailureClass::Overloaded,
        "authentication_failed"
        | "authentication_error"
        | "permission_error"
        | "oauth_org_not_allowed"
        | "account_on_hold"
        | "verification_required"
        | "cloud_credential_error" => FailureClass::Auth,
        "billing_error" => FailureClass::Billing,
        "model_not_found" | "not_found_error" => FailureClass::Model,
        "request_too_large" => FailureClass::PromptTooLong,
        _ => return None,
    })
}

impl Final {
    /// Returns what a person is told of a failure: the agent's own words, and where they come from.
    pub(super) fn explanation(&self, end: &End) -> String {
        if let Some(command) = &self.local_command {
            return format!("the local command '{command}' answered in the model's place");
        }
        if self.is_error == Some(false) && self.text.is_empty() {
            return "the final result is empty".to_owned();
        }
        let said = if self.text.is_empty() {
            self.errors.join("; ")
        } else {
            self.text.clone()
        };
        let said = if said.is_empty() {
            self.startup_failure.clone()
        } else {
            Some(said)
        };
        let reasons = [
            self.terminal_reason.as_deref(),
            self.api_error_type.as_deref(),
            Some(&self.subtype),
        ];
        let reason = reasons
            .into_iter()
            .flatten()
            .find(|reason| !matches!(*reason, "completed" | "success" | ""));
        match (said, reason) {
            (Some(said), Some(reason)) => format!("{said} ({reason})"),
            (Some(said), None) => said,
            (None, Some(reason)) => reason.to_owned(),
            (None, None) => format!("a final result that is no success, {}", end.manner()),
        }
    }
}
