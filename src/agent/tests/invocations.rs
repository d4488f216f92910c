//! What is executed for each kind: the exact arguments, the variables, and that a request can be none of them.

use proptest::prelude::*;

use crate::agent::Ask;
use crate::agent::Invocation;
use crate::agent::invocation;
use crate::id::Party;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::outcome::FailureClass;
use crate::profile::AgentKind;
use crate::profile::Profile;

const SESSION: &str = "5b0c3a52-7d3c-4a0e-9d5b-2f6a1c9e8d70";
const TASK: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

fn profile(kind: AgentKind, program: &str) -> Profile {
    Profile::of_kind(
        ProfileName::parse("p").unwrap(),
        kind,
        vec![program.to_owned()],
    )
}

fn asked(profile: &Profile, dangerous: bool, request: &str) -> Invocation {
    let from = Party::parse("devbox").unwrap();
    let task = TaskId::parse(TASK).unwrap();
    invocation(&Ask {
        profile,
        dangerous,
        from: &from,
        task,
        attempt: 2,
        brief: false,
        request,
        prior: &[],
        session: SESSION,
    })
}

fn arguments(profile: &Profile, dangerous: bool) -> String {
    asked(profile, dangerous, "what is 2+2").argv.join(" ")
}

fn variable(invocation: &Invocation, name: &str) -> Option<String> {
    let mut found = invocation.env.iter().filter(|(known, _)| known == name);
    let value = found.next().map(|(_, value)| value.clone());
    assert!(found.next().is_none(), "{name} is there twice");
    value
}

#[test]
fn each_kind_is_invoked_with_exactly_these_arguments() {
    for (kind, want) in [
        (AgentKind::Command, "x"),
        (
            AgentKind::Claude,
            "x -p --output-format stream-json --verbose --disable-slash-commands --permission-mode acceptEdits \
             --session-id 5b0c3a52-7d3c-4a0e-9d5b-2f6a1c9e8d70 --setting-sources user --strict-mcp-config",
        ),
        (
            AgentKind::Codex,
            "x exec --json --skip-git-repo-check -c analytics.enabled=false \
             -s workspace-write -c project_doc_max_bytes=0 -",
        ),
        (
            AgentKind::Gemini,
            "x --skip-trust -o stream-json --approval-mode auto_edit",
        ),
        (AgentKind::Opencode, "x run --format json"),
        (
            AgentKind::Aider,
            "x --message-file /dev/stdin --yes-always --no-git --no-stream --no-pretty \
             --no-check-update --no-analytics \
             --no-show-model-warnings --no-show-release-notes --no-detect-urls --no-auto-lint --no-auto-test \
             --no-suggest-shell-commands --chat-history-file /dev/null --input-history-file /dev/null --load /dev/null \
             --no-notifications",
        ),
    ] {
        assert_eq!(arguments(&profile(kind, "x"), false), want, "{kind}");
    }
}

#[test]
fn the_profile_decides_model_limits_mode_and_wrapper() {
    let mut claude = profile(AgentKind::Claude, "claude");
    claude.model = Some("sonnet".to_owned());
    claude.max_turns = Some(30);
    claude.max_cost_microusd = Some(1_250_000);
    claude.permission_mode = Some("plan".to_owned());
    claude.wrapper = vec!["bwrap".to_owned(), "--".to_owned()];
    let line = arguments(&claude, false);
    assert!(line.starts_with("bwrap -- claude -p "), "{line}");
    for part in [
        "--model sonnet",
        "--max-turns 30",
        "--max-budget-usd 1.250000",
        "--permission-mode plan",
    ] {
        assert!(line.contains(part), "{line}");
    }
    claude.project_settings = true;
    let line = arguments(&claude, false);
    assert!(
        !line.contains("--setting-sources") && !line.contains("--strict-mcp-config"),
        "{line}"
    );
}

#[test]
fn the_dangerous_mode_is_on_where_the_policy_says_so_and_nowhere_else() {
    for (kind, flag) in [
        (AgentKind::Claude, "--permission-mode bypassPermissions"),
        (
            AgentKind::Codex,
            "--dangerously-bypass-approvals-and-sandbox",
        ),
        (AgentKind::Gemini, "--approval-mode yolo"),
        (AgentKind::Opencode, "--auto"),
    ] {
        let profile = profile(kind, "x");
        assert!(arguments(&profile, true).contains(flag), "{kind}");
        assert!(!arguments(&profile, false).contains(flag), "{kind}");
    }
}

#[test]
fn variables_bound_the_agent_and_name_the_task() {
    let claude = asked(&profile(AgentKind::Claude, "claude"), false, "x");
    for (name, want) in [
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("CLAUDE_CODE_MAX_RETRIES", "2"),
        ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
        ("CLAUDE_CODE_DISABLE_FILE_MENTIONS", "1"),
        ("CLAUDE_CODE_STARTUP_FAILURE_RESULTS", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
        ("API_TIMEOUT_MS", "150000"),
        ("DISPATCH_TASK_ID", TASK),
        ("DISPATCH_TASK_FROM", "devbox"),
        ("DISPATCH_TASK_ATTEMPT", "2"),
    ] {
        assert_eq!(variable(&claude, name).as_deref(), Some(want), "{name}");
    }
    let gemini = asked(&profile(AgentKind::Gemini, "gemini"), false, "x");
    assert_eq!(
        variable(&gemini, "GEMINI_CLI_NO_RELAUNCH").as_deref(),
        Some("true")
    );
    let mut opencode = profile(AgentKind::Opencode, "opencode");
    let off = "OPENCODE_DISABLE_PROJECT_CONFIG";
    assert_eq!(
        variable(&asked(&opencode, false, "x"), off).as_deref(),
        Some("1")
    );
    opencode.project_settings = true;
    assert_eq!(variable(&asked(&opencode, false, "x"), off), None);
}

#[test]
fn a_prompt_is_neutral_about_its_peer_and_keeps_the_request_between_markers() {
    let claude = asked(
        &profile(AgentKind::Claude, "claude"),
        false,
        "line 1\nline 2 – ünï",
    );
    let prompt = String::from_utf8(claude.stdin).unwrap();
    let begin = format!("----- request {SESSION} -----\n");
    let end = format!("\n----- end of request {SESSION} -----\n");
    let (before, rest) = prompt.split_once(&begin).unwrap();
    assert_eq!(rest.strip_suffix(&end).unwrap(), "line 1\nline 2 – ünï");
    assert!(
        before.contains("the peer 'devbox'") && before.contains("no authority"),
        "{before}"
    );
    for word in ["vouch", "trusted", "verified", "signed", "approved by"] {
        assert!(
            !before.to_lowercase().contains(word),
            "'{word}' lowers a model's guard"
        );
    }
    let command = asked(&profile(AgentKind::Command, "run"), false, "line 1\n@/x");
    assert_eq!(
        command.stdin, b"line 1\n@/x",
        "a command gets the bare request"
    );
}

fn documentation() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PROFILES.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_documentation_lists_every_class_and_what_helps() {
    let text = documentation();
    let table = text.split("## Classes of failure").nth(1).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let listed: Vec<(String, String)> = rows
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[3].to_owned())
        })
        .collect();
    let known: Vec<(String, String)> = FailureClass::ALL
        .iter()
        .map(|class| (class.to_string(), class.remedy().to_string()))
        .collect();
    assert_eq!(listed, known);
}

#[test]
fn the_documentation_names_every_argument_and_variable() {
    let text = documentation();
    for kind in AgentKind::ALL {
        let section = text.split(&format!("\n## {kind}\n")).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let asked = asked(&profile(*kind, "x"), false, "hello");
        for argument in asked
            .argv
            .iter()
            .filter(|argument| argument.starts_with("--"))
        {
            assert!(section.contains(argument.as_str()), "{kind}: {argument}");
        }
        let own = asked
            .env
            .iter()
            .filter(|(name, _)| !name.starts_with("DISPATCH_"));
        for (name, _) in own {
            assert!(section.contains(&format!("{name}=")), "{kind}: {name}");
        }
    }
}

proptest! {
    /// The whole of what a sender writes goes to standard input: arguments and variables are the same for
    /// every request, and no request can be the first character of a prompt.
    #[test]
    fn a_request_is_never_an_argument_a_variable_or_a_command(request in "[-/!@ \n]?.{0,60}") {
        for kind in AgentKind::ALL {
            let profile = profile(*kind, "x");
            let (asked, plain) = (asked(&profile, false, &request), asked(&profile, false, "hello"));
            prop_assert_eq!(&asked.argv, &plain.argv);
            prop_assert_eq!(&asked.env, &plain.env);
            prop_assert!(*kind == AgentKind::Command || asked.stdin.starts_with(b"Task "));
        }
    }
}
