//! Every recorded output of a real agent against what must be made of it, and arbitrary bytes against every listener.

mod invocations;
mod lines;

use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Status;
use crate::profile::AgentKind;

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples/agents")
}

fn judge(kind: AgentKind, output: &[u8], end: &End) -> (bool, Verdict) {
    let mut listener = listener(kind);
    let output = output.strip_suffix(b"\n").unwrap_or(output);
    output
        .split(|byte| *byte == b'\n')
        .for_each(|line| listener.line(line));
    (listener.has_result(), listener.verdict(end))
}

fn ended(words: &str) -> End {
    let (manner, number) = words.split_once(' ').unwrap();
    let number = Some(number.parse().unwrap());
    match manner {
        "exit" => End {
            exit_code: number,
            ..End::default()
        },
        _ => End {
            signal: number,
            ..End::default()
        },
    }
}

/// One recorded run and what must be made of it: a line of `expected.txt`.
struct Row {
    file: String,
    /// `exit N` or `signal N`.
    end: String,
    /// Class of failure, or `ok`.
    class: String,
    /// Turns, tokens, millionths of a dollar and denials.
    used: String,
    model: String,
    /// The answer of a success; text within the detail of a failure.
    said: String,
}

fn rows() -> Vec<Row> {
    let text = String::from_utf8(recorded("expected.txt")).unwrap();
    let lines = text.lines().skip(2); // what it is, and the heads of the columns
    let cells = lines.map(|line| {
        line.split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    });
    let row = |cells: Vec<String>| {
        let [file, end, class, used, model, said] = cells.try_into().unwrap();
        Row {
            file,
            end,
            class,
            used,
            model,
            said,
        }
    };
    cells.map(row).collect()
}

/// The kind that a sample's file name begins with.
fn kind_of(file: &str) -> AgentKind {
    AgentKind::from_word(file.split('-').next().unwrap()).unwrap()
}

fn recorded(file: &str) -> Vec<u8> {
    std::fs::read(samples().join(file)).unwrap()
}

fn check(row: &Row) {
    let file = row.file.as_str();
    let (has_result, verdict) = judge(kind_of(file), &recorded(file), &ended(&row.end));
    let class = verdict.class.map_or("ok", FailureClass::as_str);
    assert_eq!(class, row.class, "{file}: {verdict:?}");
    let ok = row.class == "ok";
    assert_eq!(verdict.status == Status::Ok, ok, "{file}");
    let shown = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let used = [
        verdict.turns,
        verdict.tokens,
        verdict.cost_microusd,
        verdict.denials,
    ]
    .map(shown);
    assert_eq!(
        used.join(" "),
        row.used,
        "{file}: turns, tokens, cost, denials"
    );
    assert_eq!(verdict.model.as_deref().unwrap_or("-"), row.model, "{file}");
    let detail = verdict.detail.unwrap_or_default();
    if ok {
        assert_eq!(verdict.final_text, row.said, "{file}");
        let denied = verdict.denials > Some(0);
        assert_eq!(
            detail,
            if denied {
                "tool calls that were denied: 1"
            } else {
                ""
            },
            "{file}"
        );
    } else {
        assert!(detail.contains(&row.said), "{file}: {detail}");
    }
    let silent = row.file.contains("sigterm") || row.file.contains("opencode-1.18.33-http");
    let prose = kind_of(file) == AgentKind::Aider;
    assert_eq!(has_result, !prose && !silent, "{file}: has_result");
}

#[test]
fn every_recorded_output_is_judged_as_the_table_says() {
    let rows = rows();
    rows.iter().for_each(check);
    let known: BTreeSet<String> = rows.iter().map(|row| row.file.clone()).collect();
    let entries = std::fs::read_dir(samples()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let beside = |name: &String| {
        matches!(name.as_str(), "README.md" | "expected.txt") || name.ends_with(".stderr.txt")
    };
    let there: BTreeSet<String> = names.filter(|name| !beside(name)).collect();
    assert_eq!(
        known, there,
        "a recorded output without a row, or a row without its file"
    );
}

#[test]
fn sessions_and_reset_times_are_kept() {
    for (file, session, retry_at) in [
        (
            "claude-2.1.328-success.jsonl",
            "abaec84e-aa2e-438d-9aaf-4e1f7fde20e8",
            None,
        ),
        (
            "claude-2.1.328-usage-limit.jsonl",
            "b84c3d11-c2b5-48ae-89cf-4d5767160b52",
            Some("2026-11-20T07:53:39Z"),
        ),
        (
            "claude-2.1.328-sigterm-while-streaming.jsonl",
            "f9195712-ae54-4f7d-81e8-d21059efa6f9",
            None,
        ),
        (
            "codex-0.169.0-success.jsonl",
            "01a1f7c2-8aa6-7dc2-b38c-36d98b3fc501",
            None,
        ),
        (
            "gemini-0.61.0-success.jsonl",
            "87ca59cc-34c9-44b3-bb4d-03b9ce3c2a99",
            None,
        ),
        (
            "opencode-1.18.33-success.jsonl",
            "ses_e0833b11affeWImUhEyghCU2E7",
            None,
        ),
    ] {
        let (_, verdict) = judge(kind_of(file), &recorded(file), &ended("exit 1"));
        assert_eq!(verdict.session.as_deref(), Some(session), "{file}");
        let moment = verdict.retry_at.map(|moment| moment.to_string());
        assert_eq!(moment.as_deref(), retry_at, "{file}");
    }
}

#[test]
fn an_agent_that_we_ended_has_not_succeeded_whatever_it_printed() {
    for file in [
        "claude-2.1.328-success.jsonl",
        "codex-0.169.0-success.jsonl",
        "gemini-0.61.0-success.jsonl",
        "opencode-1.18.33-success.jsonl",
        "aider-0.86.2-success.txt",
    ] {
        let output = recorded(file);
        let end = End {
            stopped_by_us: true,
            ..ended("exit 0")
        };
        let (_, verdict) = judge(kind_of(file), &output, &end);
        assert_eq!(
            (verdict.status, verdict.class),
            (Status::Error, Some(FailureClass::Stopped)),
            "{file}"
        );
        assert_eq!(verdict.final_text, "2+2=4", "{file}: what it wrote is kept");
    }
}

/// Cuts every recorded stream after each of its lines: no prefix without the final line may pass for a success.
#[test]
fn no_prefix_of_a_recorded_output_is_a_success() {
    for row in rows().iter().filter(|row| row.class == "ok") {
        let output = recorded(&row.file);
        let lines: Vec<&[u8]> = output
            .trim_ascii_end()
            .split(|byte| *byte == b'\n')
            .collect();
        for most in 0..lines.len() {
            // The first of two results is a result, until the second turn begins.
            let first_result = row.file.contains("double-result") && (6..=10).contains(&most);
            let (_, verdict) = judge(
                kind_of(&row.file),
                &lines[..most].join(&b'\n'),
                &ended("exit 0"),
            );
            assert!(
                verdict.status == Status::Error || first_result,
                "{}: {most} lines: {verdict:?}",
                row.file
            );
        }
    }
}

/// Fragments that lead arbitrary bytes deep into the listeners.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        r#"{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"x"}"#,
        r#"{"type":"system","subtype":"init"}"#,
        r#"{"type":"turn.completed","usage":{"input_tokens":18446744073709551615,"output_tokens":1}}"#,
        r#"{"type":"step_finish","part":{"reason":"stop","tokens":{"total":1e99},"cost":-1}}"#,
        r#"{"type":"result","status":"success","stats":null}"#,
        r#"{"type":"message","role":"assistant","content":"\ud800","delta":true}"#,
        "Tokens: 9.9.9k sent, 99999999999999999999M received. Cost: $NaN message, $1e400 session.",
        "litellm.x",
        r#"{"type":""#,
        "[[[[[[[[",
        "\u{2028}",
        "null",
        "-0",
    ];
    let word = proptest::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    prop_oneof![
        word,
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(b"\n".to_vec())
    ]
}

proptest! {
    #[test]
    fn arbitrary_output_never_panics_and_stays_bounded(
        parts in proptest::collection::vec(fragment(), 0..40),
        exit_code in any::<Option<u8>>(),
        signal in any::<Option<u8>>(),
        stopped_by_us in any::<bool>(),
    ) {
        let output = parts.concat();
        for kind in AgentKind::ALL {
            let end = End { exit_code, signal, stopped_by_us, stdout_head: output.clone(),
                stdout_tail: output.clone(), stderr_tail: output.clone() };
            let (_, verdict) = judge(*kind, &output, &end);
            prop_assert!(verdict.final_text.len() <= limits::FINAL_TEXT_BYTES_MAX);
            prop_assert!(verdict.detail.as_ref().is_none_or(|detail| detail.chars().count() <= 300));
            prop_assert_eq!(verdict.status == Status::Ok, verdict.class.is_none());
            prop_assert!(!(stopped_by_us && verdict.status == Status::Ok));
            prop_assert!(verdict.tokens.is_none_or(|tokens| tokens <= limits::INTEGER_MAX));
            prop_assert!(verdict.cost_microusd.is_none_or(|cost| cost <= limits::INTEGER_MAX));
        }
    }
}

#[test]
fn an_answer_larger_than_a_result_carries_is_cut_and_says_so() {
    let long = "0123456789".repeat(limits::FINAL_TEXT_BYTES_MAX);
    let claude = format!(
        r#"{{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"{long}"}}"#
    );
    let message = format!(r#"{{"type":"agent_message","text":"{long}"}}"#);
    let codex = format!(
        "{{\"type\":\"item.completed\",\"item\":{message}}}\n{{\"type\":\"turn.completed\"}}"
    );
    let delta = format!(
        r#"{{"type":"message","role":"assistant","content":"{}","delta":true}}"#,
        &long[..50_000]
    );
    let gemini =
        format!("{delta}\n{delta}\n{delta}\n{{\"type\":\"result\",\"status\":\"success\"}}");
    let part = format!(
        r#"{{"type":"text","part":{{"text":"{}"}}}}"#,
        &long[..50_000]
    );
    let opencode = format!(
        "{part}\n{part}\n{part}\n{{\"type\":\"step_finish\",\"part\":{{\"reason\":\"stop\"}}}}"
    );
    let aider = format!(
        "{}\nTokens: 1 sent, 1 received.",
        "0123456789\n".repeat(10_000)
    );
    for (kind, output) in [
        (AgentKind::Claude, claude),
        (AgentKind::Codex, codex),
        (AgentKind::Gemini, gemini),
        (AgentKind::Opencode, opencode),
        (AgentKind::Aider, aider),
    ] {
        let (_, verdict) = judge(kind, output.as_bytes(), &ended("exit 0"));
        assert_eq!(verdict.status, Status::Ok, "{kind}");
        assert!(verdict.final_text.starts_with("0123456789"), "{kind}");
        assert!(
            verdict.final_text.contains("the log has all of it"),
            "{kind}"
        );
        assert!(
            (60_000..=limits::FINAL_TEXT_BYTES_MAX).contains(&verdict.final_text.len()),
            "{kind}"
        );
    }
}
