//! Lines that were not recorded: other versions, other failures, other orders, garbage between them.

use super::ended;
use super::judge;
use crate::agent::Verdict;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::profile::AgentKind;

fn class(kind: AgentKind, lines: &[&str], end: &str) -> Option<FailureClass> {
    judged(kind, lines, end).class
}

fn judged(kind: AgentKind, lines: &[&str], end: &str) -> Verdict {
    judge(kind, lines.join("\n").as_bytes(), &ended(end)).1
}

/// A failed result of Claude Code with these members.
fn failed(members: &str) -> String {
    format!(
        r#"{{"type":"result","subtype":"success","is_error":true,"num_turns":1,"result":"no",{members}}}"#
    )
}

#[test]
fn every_field_that_names_a_failure_of_claude_code_is_understood() {
    use FailureClass as Class;
    for (members, want) in [
        (
            r#""api_error_status":403,"api_error_type":"permission_error""#,
            Class::Auth,
        ),
        (r#""api_error_status":404"#, Class::Model),
        (r#""api_error_status":402"#, Class::Billing),
        (
            r#""api_error_status":413,"terminal_reason":"image_error""#,
            Class::PromptTooLong,
        ),
        (r#""api_error_status":503"#, Class::Overloaded),
        (
            r#""api_error_status":null,"api_error":"connection_failed""#,
            Class::Overloaded,
        ),
        (r#""api_error_type":"overloaded_error""#, Class::Overloaded),
        (
            r#""api_error_status":429,"api_error":"usage_limit_reached""#,
            Class::UsageLimit,
        ),
        (
            r#""api_error_status":400,"api_error_type":"invalid_request_error""#,
            Class::Agent,
        ),
        (r#""api_error":"max_output_tokens""#, Class::Agent),
        (
            r#""stop_reason":"refusal","terminal_reason":"api_error""#,
            Class::Refused,
        ),
        (
            r#""terminal_reason":"prompt_too_long""#,
            Class::PromptTooLong,
        ),
        (r#""terminal_reason":"budget_exhausted""#, Class::Budget),
        (r#""terminal_reason":"aborted_tools""#, Class::Signal),
        (r#""terminal_reason":"something_new""#, Class::Agent),
        (r#""startup_failure_reason":"bypass_root""#, Class::Agent),
    ] {
        let line = failed(members);
        assert_eq!(
            class(AgentKind::Claude, &[&line], "exit 1"),
            Some(want),
            "{members}"
        );
    }
    let credit =
        r#"{"type":"assistant","message":{"model":"<synthetic>"},"error":"billing_error"}"#;
    let line = failed(r#""api_error_status":400"#);
    assert_eq!(
        class(AgentKind::Claude, &[credit, &line], "exit 1"),
        Some(Class::Billing)
    );
    // 2.1.197 has no `api_error`: a limit that was said to be spent explains the 429 after it.
    let spent = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795161219}}"#;
    let line = failed(r#""api_error_status":429"#);
    let verdict = judged(AgentKind::Claude, &[spent, &line], "exit 1");
    assert_eq!(verdict.class, Some(Class::UsageLimit));
    assert_eq!(
        verdict.retry_at.map(|moment| moment.unix()),
        Some(1_795_161_219)
    );
    let allowed = spent.replace("rejected", "allowed");
    assert_eq!(
        class(AgentKind::Claude, &[spent, &allowed, &line], "exit 1"),
        Some(Class::RateLimit)
    );
}

#[test]
fn a_result_counts_whatever_stands_around_it_and_in_whatever_order() {
    let result = "{\"result\":\"a\u{2028}b\\u0000\\ud83d\",\"usage\":7,\"num_turns\":2,\"is_error\":false,\
                  \"zzz\":[{}],\"subtype\":\"success\",\"total_cost_usd\":\"?\",\"type\":\"result\"}\r";
    for garbage in [
        "",
        "null",
        "3",
        "\"text\"",
        "[1]",
        "{",
        "{\"type\":7}",
        "\u{0}\u{1b}[2J",
        "{\"type\":\"result\"} x",
    ] {
        let verdict = judged(AgentKind::Claude, &[garbage, result, garbage], "exit 0");
        assert_eq!(verdict.status, Status::Ok, "{garbage}");
        assert_eq!((verdict.turns, verdict.cost_microusd), (Some(2), None));
        assert!(verdict.final_text.starts_with("a\u{2028}b\u{0}\u{fffd}"));
    }
    assert_eq!(
        class(AgentKind::Claude, &[r#"{"type":"result"}"#], "exit 0"),
        Some(FailureClass::Agent)
    );
    let silent = r#"{"type":"result","subtype":"success","result":"x","num_turns":1}"#;
    assert_eq!(
        class(AgentKind::Claude, &[silent], "exit 0"),
        Some(FailureClass::Agent),
        "is_error must be there"
    );
}

#[test]
fn a_turn_that_was_cut_is_not_covered_by_the_result_of_the_turn_before() {
    let init = r#"{"type":"system","subtype":"init","model":"m"}"#;
    let good =
        r#"{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"first"}"#;
    let verdict = judged(AgentKind::Claude, &[init, good, init], "exit 143");
    assert_eq!(verdict.class, Some(FailureClass::Signal));
    assert_eq!(verdict.final_text, "first", "what it wrote is kept");
    let bad = failed(r#""api_error_status":529"#);
    assert_eq!(
        class(AgentKind::Claude, &[good, &bad], "exit 1"),
        Some(FailureClass::Overloaded),
        "the last counts"
    );
    assert_eq!(
        class(AgentKind::Claude, &[&bad, good], "exit 0"),
        None,
        "the last counts"
    );
    let waits = r#"{"type":"system","subtype":"background_tasks_changed","tasks":[{}]}"#;
    let (has_result, _) = judge(
        AgentKind::Claude,
        format!("{waits}\n{good}").as_bytes(),
        &ended("exit 0"),
    );
    assert!(
        !has_result,
        "it waits for a task of its own and will speak again"
    );
}

#[test]
fn a_subagent_speaks_neither_for_model_nor_for_failure() {
    let main = r#"{"type":"assistant","message":{"model":"big"},"parent_tool_use_id":null}"#;
    let sub = r#"{"type":"assistant","message":{"model":"small"},"parent_tool_use_id":"t1","error":"rate_limit"}"#;
    let bad = failed(r#""api_error_status":null"#);
    let verdict = judged(AgentKind::Claude, &[main, sub, &bad], "exit 1");
    assert_eq!(
        (verdict.model.as_deref(), verdict.class),
        (Some("big"), Some(FailureClass::Agent))
    );
}

#[test]
fn a_program_that_says_nothing_is_told_by_its_standard_error() {
    for kind in AgentKind::ALL
        .iter()
        .filter(|kind| **kind != AgentKind::Command)
    {
        let mut end = ended("exit 1");
        end.stderr_tail = b"warning\nerror: unknown option '--x'\n".to_vec();
        let (_, verdict) = judge(*kind, b"", &end);
        assert_eq!(verdict.class, Some(FailureClass::NoResult), "{kind}");
        let detail = verdict.detail.unwrap();
        assert!(
            detail.contains("exit status 1: error: unknown option '--x'"),
            "{kind}: {detail}"
        );
        assert_eq!(
            judge(*kind, b"", &ended("signal 9")).1.class,
            Some(FailureClass::Signal),
            "{kind}"
        );
    }
}

#[test]
fn the_other_agents_fail_as_their_own_words_say() {
    use FailureClass as Class;
    let codex = |said: &str| format!(r#"{{"type":"turn.failed","error":{{"message":"{said}"}}}}"#);
    let opencode = |name: &str, status: u16| {
        format!(
            r#"{{"type":"error","error":{{"name":"{name}","data":{{"message":"m","statusCode":{status}}}}}}}"#
        )
    };
    let gemini = |said: &str| {
        format!(r#"{{"type":"result","status":"error","error":{{"message":"{said}"}}}}"#)
    };
    for (kind, line, end, want) in [
        (
            AgentKind::Codex,
            codex("You've hit your usage limit. Try again later."),
            "exit 1",
            Class::UsageLimit,
        ),
        (
            AgentKind::Codex,
            codex("Codex ran out of room in the model's context window."),
            "exit 1",
            Class::PromptTooLong,
        ),
        (
            AgentKind::Codex,
            codex("Selected model is at capacity."),
            "exit 1",
            Class::Overloaded,
        ),
        (AgentKind::Codex, codex("who knows"), "exit 1", Class::Agent),
        (
            AgentKind::Opencode,
            opencode("APIError", 529),
            "exit 1",
            Class::Overloaded,
        ),
        (
            AgentKind::Opencode,
            opencode("ProviderAuthError", 0),
            "exit 1",
            Class::Auth,
        ),
        (AgentKind::Gemini, gemini("?"), "exit 173", Class::RateLimit),
        (AgentKind::Gemini, gemini("?"), "exit 41", Class::Auth),
        (AgentKind::Gemini, String::new(), "exit 53", Class::MaxTurns),
        (AgentKind::Gemini, String::new(), "exit 0", Class::NoResult),
    ] {
        assert_eq!(class(kind, &[&line], end), Some(want), "{line}");
    }
    let step = r#"{"type":"step_finish","part":{"reason":"stop"}}"#;
    let text = r#"{"type":"text","part":{"text":"t"}}"#;
    assert_eq!(class(AgentKind::Opencode, &[text, step], "exit 0"), None);
    assert_eq!(
        class(AgentKind::Opencode, &[text, step], "exit 1"),
        Some(Class::Agent)
    );
    assert_eq!(
        class(AgentKind::Opencode, &[step], "exit 0"),
        Some(Class::EmptyResult)
    );
    let calls = step.replace("stop", "tool-calls");
    assert_eq!(
        class(AgentKind::Opencode, &[text, &calls], "exit 0"),
        Some(Class::Agent)
    );
}

#[test]
fn the_price_that_aider_prints_is_read() {
    let line =
        "Tokens: 1.2k sent, 3k cache hit, 45 received. Cost: $0.0012 message, $0.0034 session.";
    let verdict = judged(AgentKind::Aider, &["hello", line], "exit 0");
    assert_eq!(
        (verdict.tokens, verdict.cost_microusd),
        (Some(4_245), Some(3_400))
    );
    let again = judged(
        AgentKind::Aider,
        &["litellm.RateLimitError: x", "hello", line],
        "exit 0",
    );
    assert_eq!(again.status, Status::Ok, "it tried again and was answered");
    let late = judged(
        AgentKind::Aider,
        &["hello", line, "litellm.RateLimitError: x"],
        "exit 0",
    );
    assert_eq!(late.class, Some(FailureClass::RateLimit));
}

#[test]
fn a_turn_of_codex_that_was_cut_is_not_covered_by_the_turn_before() {
    let message = r#"{"type":"item.completed","item":{"type":"agent_message","text":"first"}}"#;
    let (done, begun) = (r#"{"type":"turn.completed"}"#, r#"{"type":"turn.started"}"#);
    let verdict = judged(AgentKind::Codex, &[message, done, begun], "signal 9");
    assert_eq!(
        (verdict.class, verdict.final_text.as_str()),
        (Some(FailureClass::Signal), "first")
    );
    let warning = r#"{"type":"error","message":"Reconnecting... 1/5 (no route)"}"#;
    let detail = judged(AgentKind::Codex, &[begun, warning], "exit 1")
        .detail
        .unwrap();
    assert!(
        detail.contains("Reconnecting... 1/5 (no route)"),
        "{detail}"
    );
}

#[test]
fn the_answer_is_what_was_said_last_not_what_was_said_on_the_way() {
    let said = |text: &str| {
        format!(r#"{{"type":"message","role":"assistant","content":"{text}","delta":true}}"#)
    };
    let lines = [
        &said("let me "),
        &said("look"),
        r#"{"type":"tool_use"}"#,
        &said("it is "),
        &said("4"),
    ];
    let result = r#"{"type":"result","status":"success"}"#;
    let verdict = judged(
        AgentKind::Gemini,
        &[lines.as_slice(), &[result]].concat(),
        "exit 0",
    );
    assert_eq!(verdict.final_text, "it is 4");
    let text = |text: &str| format!(r#"{{"type":"text","part":{{"text":"{text}"}}}}"#);
    let (begun, ended) = (
        r#"{"type":"step_start"}"#,
        r#"{"type":"step_finish","part":{"reason":"stop"}}"#,
    );
    let lines = [
        begun,
        &text("let me look"),
        ended,
        begun,
        &text("it is "),
        &text("4"),
        ended,
    ];
    assert_eq!(
        judged(AgentKind::Opencode, &lines, "exit 0").final_text,
        "it is 4"
    );
}

#[test]
fn an_error_that_opencode_got_over_is_forgotten() {
    let error =
        r#"{"type":"error","error":{"name":"APIError","data":{"message":"m","statusCode":529}}}"#;
    let text = r#"{"type":"text","part":{"text":"t"}}"#;
    let ended = r#"{"type":"step_finish","part":{"reason":"stop"}}"#;
    assert_eq!(
        class(AgentKind::Opencode, &[error, text, ended], "exit 0"),
        None
    );
    let late = class(AgentKind::Opencode, &[text, ended, error], "exit 0");
    assert_eq!(late, Some(FailureClass::Overloaded));
}
