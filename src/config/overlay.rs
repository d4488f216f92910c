//! What lies over the file: the environment, then the flags; and what is filled in where nobody said anything.

use std::path::PathBuf;

use crate::config::Config;
use crate::config::Flags;
use crate::config::Origin;
use crate::config::Problem;
use crate::config::Sources;
use crate::config::env;
use crate::config::env::Environment;
use crate::id::NodeName;
use crate::id::ProfileName;
use crate::limits;
use crate::policy::PeerPolicy;
use crate::profile::AgentKind;
use crate::profile::Profile;

/// Where the keys of the whole host are.
const SYSTEM_KEYS: &str = "/etc/dispatch/keys";

/// Gives every profile its program, and a node without profiles the one of the original: Claude Code, headless.
pub(super) fn fill_profiles(config: &mut Config, environment: &Environment) {
    if config.profiles.is_empty() {
        let name = PeerPolicy::default().default_profile;
        config
            .profiles
            .insert(name.clone(), built_in(name, config.slots));
    }
    for profile in config
        .profiles
        .values_mut()
        .filter(|profile| profile.command.is_empty())
    {
        let program = match (profile.agent, &environment.agent_bin) {
            (AgentKind::Claude, Some(program)) => {
                let key = format!("profile.{}.command", profile.name);
                config
                    .origins
                    .record(&key, Origin::Variable("DISPATCH_AGENT_BIN"));
                program.clone()
            }
            (kind, _) => kind.as_str().to_owned(),
        };
        profile.command = vec![program];
    }
}

fn built_in(name: ProfileName, slots: u32) -> Profile {
    let mut profile = Profile::of_kind(name, AgentKind::Claude, Vec::new());
    profile.slots = slots;
    profile
}

/// Lays the environment over the file and the flags over both.
pub(super) fn lay_over(config: &mut Config, sources: &Sources<'_>, environment: &Environment) {
    let flags = &sources.flags;
    let flag = |path: &Option<PathBuf>, name| {
        path.clone()
            .map(|path| (sources.cwd.join(path), Origin::Flag(name)))
    };
    let variable = |found: &env::Found<PathBuf>| {
        found
            .clone()
            .map(|(path, name)| (sources.cwd.join(path), Origin::Variable(name)))
    };
    let origins = &mut config.origins;
    let mut strongest = |key: &str, said: [Option<(PathBuf, Origin)>; 2]| {
        let (path, origin) = said.into_iter().flatten().next()?;
        origins.record(key, origin);
        Some(path)
    };
    let root = strongest(
        "root",
        [flag(&flags.root, "--root"), variable(&environment.root)],
    );
    let state = strongest(
        "state",
        [flag(&flags.state, "--state"), variable(&environment.state)],
    );
    let state_file = strongest("state_file", [None, variable(&environment.state_file)]);
    let exec_bin = strongest("watch.exec_bin", [None, variable(&environment.exec_bin)]);
    let keys = strongest(
        "keys",
        [flag(&flags.keys, "--keys"), variable(&environment.keys)],
    );
    config.root = root.or(config.root.take());
    config.state = state.or(config.state.take());
    config.state_file = state_file.or(config.state_file.take());
    config.watch.exec_bin = exec_bin.or(config.watch.exec_bin.take());
    if let Some(keys) = keys {
        config.keys = vec![keys];
    }
    lay_over_numbers(config, flags, environment);
}

/// The same for what is not a path: the name, the poll interval, the slots.
fn lay_over_numbers(config: &mut Config, flags: &Flags, environment: &Environment) {
    let from_variable = |found: &env::Found<NodeName>| {
        found
            .clone()
            .map(|(name, from)| (name, Origin::Variable(from)))
    };
    let from_flag = flags
        .node
        .clone()
        .map(|(name, from)| (name, Origin::Flag(from)));
    if let Some((name, origin)) = from_flag.or_else(|| from_variable(&environment.node)) {
        config.node = Some(name);
        config.origins.record("node", origin);
    }
    let said = flags.poll.map(|time| (time, Origin::Flag("--poll")));
    if let Some((time, origin)) = said.or(environment
        .poll
        .map(|(time, name)| (time, Origin::Variable(name))))
    {
        (config.poll, config.poll_idle, config.poll_rest) = (time, time, time);
        for key in ["poll", "poll_idle", "poll_rest"] {
            config.origins.record(key, origin.clone());
        }
    }
    let said = flags.slots.map(|slots| (slots, Origin::Flag("--slots")));
    if let Some((slots, origin)) = said.or(environment
        .slots
        .map(|(slots, name)| (slots, Origin::Variable(name))))
    {
        for profile in config.profiles.values_mut() {
            let key = format!("profile.{}.slots", profile.name);
            if config.origins.of(&key) == &Origin::Default {
                profile.slots = slots;
            }
        }
        config.slots = slots;
        config.origins.record("slots", origin);
    }
}

/// Makes the two nodes of the original known to each other. They may send; what each runs for the other is policy.
pub(super) fn know_the_pair(config: &mut Config, environment: &Environment) {
    let pair = [
        (&environment.node_a, "a", "DISPATCH_NODE_A"),
        (&environment.node_b, "b", "DISPATCH_NODE_B"),
    ];
    // The names that the original makes up count only for a node that is one of the two itself.
    let node = config.node.as_ref().map(NodeName::as_str);
    let named = |(said, default, _): &(&Option<NodeName>, &'static str, _)| {
        said.as_ref().map_or(*default, NodeName::as_str) == node.unwrap_or(default)
    };
    let original = config.file.is_none() && pair.iter().any(named);
    for (said, default, variable) in pair {
        let (name, origin) = match said {
            Some(name) => (Some(name.clone()), Origin::Variable(variable)),
            None => (
                NodeName::parse(default).ok().filter(|_| original),
                Origin::Default,
            ),
        };
        let Some(name) = name.filter(|name| config.node.as_ref() != Some(name)) else {
            continue;
        };
        let key = format!("peer.{name}");
        config.peers.entry(name).or_insert_with(|| {
            config.origins.record(&key, origin);
            PeerPolicy::default()
        });
    }
}

/// Fills in the places that depend on others.
pub(super) fn fill_in(config: &mut Config, environment: &Environment) {
    if let (None, Some(node)) = (&config.state, &config.node) {
        if let Some(base) = &environment.state_directory {
            config
                .origins
                .record("state", Origin::Variable("STATE_DIRECTORY"));
            config.state = Some(base.join(node.as_str()));
        } else if let Some(base) = &environment.state_home {
            config.state = Some(base.join("dispatch").join(node.as_str()));
        }
    }
    if let Some(state) = &config.state {
        config.watch.runs.get_or_insert_with(|| state.join("runs"));
        config
            .state_file
            .get_or_insert_with(|| state.join("watcher-state.json"));
    }
    if config.keys.is_empty() {
        let of_user = environment
            .config_home
            .as_ref()
            .map(|home| home.join("dispatch/keys"));
        config.keys = [PathBuf::from(SYSTEM_KEYS)]
            .into_iter()
            .chain(of_user)
            .collect();
    }
    if let (Some(path), false) = (
        &environment.credentials,
        matches!(config.origins.of("keys"), Origin::Flag(_)),
    ) {
        config.keys.insert(0, path.clone());
    }
}

/// Checks what a flag could have set out of bounds; the file and the environment were checked where they were read.
pub(super) fn bounds(config: &Config) -> Vec<Problem> {
    let problem = |key: &str, message: String| Problem {
        origin: config.origins.of(key).clone(),
        column: None,
        message,
    };
    let mut found = Vec::new();
    let flagged = |key: &str| matches!(config.origins.of(key), Origin::Flag(_));
    if flagged("slots") && !(1..=limits::SLOTS_MAX).contains(&config.slots) {
        found.push(problem(
            "slots",
            format!("slots must be from 1 to {}", limits::SLOTS_MAX),
        ));
    }
    if flagged("poll") && !(limits::POLL_MIN..=limits::POLL_MAX).contains(&config.poll) {
        found.push(problem("poll", "poll must be from 50ms to 1m".to_owned()));
    }
    if config.poll_idle < config.poll {
        found.push(problem(
            "poll_idle",
            "poll_idle must not be shorter than poll".to_owned(),
        ));
    }
    if config.poll_rest < config.poll_idle {
        found.push(problem(
            "poll_rest",
            "poll_rest must not be shorter than poll_idle".to_owned(),
        ));
    }
    found
}
