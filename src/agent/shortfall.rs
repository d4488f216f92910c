//! What a profile asks of its agent that the agent cannot do. A bound that nobody enforces is worse than
//! none, so whoever reads a configuration refuses such a profile instead of ignoring the setting.

use crate::profile::AgentKind;
use crate::profile::Profile;
use crate::profile::Workspace;

/// Modes of Claude Code (`--permission-mode`), of 2.1.328 and 2.1.197. `bypassPermissions` is the dangerous
/// mode, which only policy turns on, task by task.
const CLAUDE_MODES: &[&str] = &["default", "acceptEdits", "plan", "dontAsk", "auto"];
/// Sandboxes of codex (`-s`), without the dangerous one.
const CODEX_MODES: &[&str] = &["read-only", "workspace-write"];
/// Approval modes of gemini-cli, without the dangerous one.
const GEMINI_MODES: &[&str] = &["default", "auto_edit", "plan"];

/// Returns what the profile asks that its kind of agent cannot give, one sentence each; empty for a sound profile.
#[must_use]
pub fn shortfalls(profile: &Profile) -> Vec<String> {
    let kind = profile.agent;
    let mut found = Vec::new();
    let mut lacks = |asked: bool, what: &str| {
        if asked {
            found.push(format!("agent '{kind}' has no {what}"));
        }
    };
    lacks(
        profile.max_turns.is_some() && kind != AgentKind::Claude,
        "limit of turns ('max_turns')",
    );
    lacks(
        profile.max_cost_microusd.is_some() && kind != AgentKind::Claude,
        "limit of money ('max_cost_usd')",
    );
    lacks(
        profile.model.is_some() && kind == AgentKind::Command,
        "model",
    );
    lacks(
        profile.dangerous && matches!(kind, AgentKind::Command | AgentKind::Aider),
        "dangerous mode",
    );
    let modes = match kind {
        AgentKind::Claude => CLAUDE_MODES,
        AgentKind::Codex => CODEX_MODES,
        AgentKind::Gemini => GEMINI_MODES,
        // The mode of opencode is the name of one of its agents, which its own configuration defines.
        AgentKind::Opencode | AgentKind::Command | AgentKind::Aider => &[],
    };
    if let Some(mode) = &profile.permission_mode {
        let free = kind == AgentKind::Opencode && is_plain_word(mode);
        if !free && !modes.contains(&mode.as_str()) {
            found.push(format!(
                "agent '{kind}' has no permission mode '{mode}' (it has: {})",
                modes.join(", ")
            ));
        }
    }
    if profile
        .model
        .as_ref()
        .is_some_and(|model| !is_plain_word(model))
    {
        found.push("a model is a name that does not begin with '-'".to_owned());
    }
    if profile.max_turns == Some(0) || profile.max_cost_microusd == Some(0) {
        found.push("a limit of zero means no limit to the agent".to_owned());
    }
    if profile.command.is_empty() {
        found.push("no command is named".to_owned());
    }
    if let Some(why) = runs_its_directory(profile) {
        found.push(format!(
            "agent '{kind}' {why}, whatever it is told: 'project_settings = true' accepts that"
        ));
    }
    found
}

/// A word that cannot be read as an option.
fn is_plain_word(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && !word
            .chars()
            .any(|letter| letter.is_control() || letter == ' ')
}

/// Returns what of a working directory that is not empty an agent obeys although it was told not to (measured).
fn runs_its_directory(profile: &Profile) -> Option<&'static str> {
    if profile.workspace == Workspace::Empty || profile.project_settings {
        return None;
    }
    match profile.agent {
        AgentKind::Opencode => Some("runs the plugins in '.opencode' of its working directory"),
        AgentKind::Aider => Some("obeys '.aider.conf.yml' and '.env' of its working directory"),
        AgentKind::Claude | AgentKind::Codex | AgentKind::Gemini | AgentKind::Command => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ProfileName;

    fn profile(kind: AgentKind) -> Profile {
        Profile::of_kind(ProfileName::parse("p").unwrap(), kind, vec!["x".to_owned()])
    }

    #[test]
    fn a_profile_of_defaults_asks_for_nothing_impossible() {
        for kind in AgentKind::ALL {
            assert_eq!(shortfalls(&profile(*kind)), Vec::<String>::new(), "{kind}");
        }
    }

    #[test]
    fn what_would_be_ignored_or_circumvented_is_named() {
        let check = |kind: AgentKind, change: fn(&mut Profile), word: &str| {
            let mut profile = profile(kind);
            change(&mut profile);
            let found = shortfalls(&profile);
            assert!(
                found.len() == 1 && found[0].contains(word),
                "{kind} {word}: {found:?}"
            );
        };
        check(
            AgentKind::Codex,
            |profile| profile.max_turns = Some(3),
            "max_turns",
        );
        check(
            AgentKind::Gemini,
            |profile| profile.max_cost_microusd = Some(3),
            "max_cost_usd",
        );
        check(
            AgentKind::Claude,
            |profile| profile.max_turns = Some(0),
            "zero",
        );
        check(
            AgentKind::Command,
            |profile| profile.dangerous = true,
            "dangerous mode",
        );
        check(
            AgentKind::Command,
            |profile| profile.command.clear(),
            "no command",
        );
        check(
            AgentKind::Claude,
            |profile| profile.permission_mode = Some("bypassPermissions".into()),
            "mode",
        );
        check(
            AgentKind::Codex,
            |profile| profile.permission_mode = Some("danger-full-access".into()),
            "mode",
        );
        check(
            AgentKind::Gemini,
            |profile| profile.permission_mode = Some("yolo".into()),
            "mode",
        );
        check(
            AgentKind::Opencode,
            |profile| profile.permission_mode = Some("--auto".into()),
            "mode",
        );
        check(
            AgentKind::Claude,
            |profile| profile.model = Some("--settings={}".into()),
            "begin",
        );
        check(
            AgentKind::Opencode,
            |profile| profile.workspace = Workspace::Dir("/x".into()),
            "plugins",
        );
        check(
            AgentKind::Aider,
            |profile| profile.workspace = Workspace::Worktree("/x".into()),
            ".env",
        );
    }
}
