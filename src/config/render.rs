//! The configuration in force, as rows that a person reads and the file would accept.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::Config;
use crate::config::Executor;
use crate::config::Origin;
use crate::destination::Destination;
use crate::id::NodeName;
use crate::policy::Approver;
use crate::policy::PeerPolicy;
use crate::policy::Scope;
use crate::profile::Profile;
use crate::profile::Workspace;
use crate::units;

/// One setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The dotted key, such as `peer.devbox.rate`.
    pub key: String,
    /// The value as the file would write it; `None` where it is not set.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// A key and its value within one table.
type Cell = (&'static str, Option<String>);

/// Returns every setting in force: those of the node, then each peer, approver and profile by name.
#[must_use]
pub fn render(config: &Config) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |prefix: String, cells: Vec<Cell>| {
        for (name, value) in cells {
            let key = format!("{prefix}{name}");
            let origin = config.origins.of(&key).clone();
            rows.push(Row { key, value, origin });
        }
    };
    add(String::new(), top(config));
    add("watch.".to_owned(), watch(config));
    add("share.".to_owned(), share(config));
    add("retry.".to_owned(), retry(config));
    for (name, peer) in &config.peers {
        add(format!("peer.{name}."), of_peer(peer));
    }
    for (name, members) in &config.pools {
        add(format!("pool.{name}."), of_pool(members));
    }
    for (name, approver) in &config.approvers {
        add(format!("approver.{name}."), of_approver(approver));
    }
    for (name, profile) in &config.profiles {
        add(format!("profile.{name}."), of_profile(profile));
    }
    for (name, destination) in &config.notify {
        add(format!("notify.{name}."), of_destination(destination));
    }
    rows
}

pub(super) fn top(config: &Config) -> Vec<Cell> {
    vec![
        ("node", config.node.as_ref().map(quoted)),
        ("root", path(config.root.as_deref())),
        ("root_id", config.root_id.as_ref().map(quoted)),
        ("state", path(config.state.as_deref())),
        ("state_file", path(config.state_file.as_deref())),
        ("keys", list(config.keys.iter().map(|path| path.display()))),
        ("poll", time(config.poll)),
        ("poll_idle", time(config.poll_idle)),
        ("poll_rest", time(config.poll_rest)),
        ("slots", plain(config.slots)),
        ("capabilities", list(&config.capabilities)),
        ("owner", config.owner.as_ref().map(quoted)),
    ]
}

pub(super) fn watch(config: &Config) -> Vec<Cell> {
    let executor = match &config.watch.executor {
        Executor::Spawn => Some(quoted(&"spawn")),
        Executor::Socket(socket) => path(Some(socket)),
    };
    vec![
        ("on_shutdown", Some(quoted(&config.watch.on_shutdown))),
        ("stop_within", time(config.watch.stop_within)),
        ("executor", executor),
        ("exec_bin", path(config.watch.exec_bin.as_deref())),
        ("runs", path(config.watch.runs.as_deref())),
        ("keep_log", config.watch.keep_log.and_then(time)),
    ]
}

pub(super) fn share(config: &Config) -> Vec<Cell> {
    vec![
        ("group", config.share.group.as_ref().map(quoted)),
        ("free_min", size(config.share.free_bytes_min)),
        ("lost_max", config.share.lost_max.and_then(time)),
        ("keep", config.share.keep.and_then(time)),
        ("keep_size", config.share.keep_bytes.and_then(size)),
    ]
}

pub(super) fn retry(config: &Config) -> Vec<Cell> {
    vec![
        ("pause", time(config.retry.pause)),
        ("pause_max", time(config.retry.pause_max)),
        ("wait_max", time(config.retry.wait_max)),
        ("mend", time(config.retry.mend)),
    ]
}

pub(super) fn of_peer(peer: &PeerPolicy) -> Vec<Cell> {
    vec![
        ("accept", plain(peer.accept)),
        ("profiles", list(&peer.profiles)),
        ("default_profile", Some(quoted(&peer.default_profile))),
        ("timeout_max", peer.timeout_max.and_then(time)),
        ("output_max", peer.output_bytes_max.and_then(size)),
        ("request_max", size(peer.request_bytes_max)),
        ("require_ack", Some(quoted(&peer.require_ack))),
        ("dangerous", plain(peer.dangerous)),
        ("life_max", time(peer.life_max)),
        ("rate", Some(quoted(&peer.rate))),
        ("queue_max", plain(peer.queue_max)),
        ("v2", plain(peer.v2)),
        ("v2_require_ack", plain(peer.v2_require_ack)),
        ("require_signature", plain(peer.require_signature)),
        ("hop_max", plain(peer.hop_max)),
        ("priority_max", Some(quoted(&peer.priority_max))),
        ("attempts_max", plain(peer.attempts_max)),
        ("wake", list(&peer.way.wake)),
        ("wake_within", time(peer.way.wake_within)),
        ("weight", plain(peer.way.weight)),
    ]
}

pub(super) fn of_pool(members: &BTreeSet<NodeName>) -> Vec<Cell> {
    vec![("members", list(members))]
}

pub(super) fn of_approver(approver: &Approver) -> Vec<Cell> {
    let scope = match &approver.scope {
        Scope::All => Some(quoted(&"all")),
        Scope::Peers(peers) => list(peers),
    };
    vec![
        ("for", scope),
        ("may_grant_dangerous", plain(approver.may_grant_dangerous)),
    ]
}

pub(super) fn of_profile(profile: &Profile) -> Vec<Cell> {
    let set = profile
        .set_env
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()));
    let workspace = match &profile.workspace {
        Workspace::Empty => quoted(&"empty"),
        Workspace::Dir(dir) => format!("{{ dir = {} }}", quoted(&dir.display())),
        Workspace::Worktree(repository) => {
            format!("{{ worktree = {} }}", quoted(&repository.display()))
        }
    };
    vec![
        ("agent", Some(quoted(&profile.agent))),
        ("command", list(&profile.command)),
        ("model", profile.model.as_ref().map(quoted)),
        (
            "permission_mode",
            profile.permission_mode.as_ref().map(quoted),
        ),
        ("max_turns", profile.max_turns.and_then(plain)),
        (
            "max_cost_usd",
            profile
                .max_cost_microusd
                .map(|micros| quoted(&units::show_money(micros))),
        ),
        ("env", list(&profile.env)),
        ("set", Some(toml::Value::Table(set.collect()).to_string())),
        ("workspace", Some(workspace)),
        ("wrapper", list(&profile.wrapper)),
        ("timeout", time(profile.timeout)),
        ("stall", profile.stall.and_then(time)),
        ("grace", time(profile.grace)),
        ("max_output", size(profile.max_output_bytes)),
        ("slots", plain(profile.slots)),
        ("resources", list(&profile.resources)),
        ("require_layers", list(&profile.require_layers)),
        ("read", list(profile.read.iter().map(|path| path.display()))),
        (
            "write",
            list(profile.write.iter().map(|path| path.display())),
        ),
        ("project_settings", plain(profile.project_settings)),
        ("dangerous", plain(profile.dangerous)),
        ("require_ack", plain(profile.require_ack)),
        ("capabilities", list(&profile.capabilities)),
    ]
}

pub(super) fn of_destination(to: &Destination) -> Vec<Cell> {
    let filter = &to.filter;
    vec![
        ("service", Some(quoted(&to.service))),
        ("url", to.url.as_ref().map(|url| quoted(&url.as_str()))),
        ("url_file", path(to.url_file.as_deref())),
        ("secret_file", path(to.secret_file.as_deref())),
        ("token_file", path(to.token_file.as_deref())),
        ("ca", path(to.ca.as_deref())),
        ("chat", to.chat.as_ref().map(quoted)),
        ("command", list(&to.command)),
        ("timeout", time(to.timeout)),
        ("allow_private", plain(to.allow_private)),
        ("events", list(&filter.events)),
        ("lanes", list(&filter.lanes)),
        ("peers", list(&filter.peers)),
        ("profiles", list(&filter.profiles)),
        ("outcomes", list(&filter.outcomes)),
        ("quiet", to.quiet.as_ref().map(quoted)),
        ("urgent", list(&to.urgent)),
        ("rate", Some(quoted(&to.rate))),
        ("tries", plain(to.tries)),
    ]
}

/// Writes a text as TOML does, escapes and all.
pub(super) fn quoted(text: &impl ToString) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn list<T: ToString>(words: impl IntoIterator<Item = T>) -> Option<String> {
    let words: Vec<String> = words.into_iter().map(|word| quoted(&word)).collect();
    Some(format!("[{}]", words.join(", ")))
}

fn path(path: Option<&Path>) -> Option<String> {
    path.map(|path| quoted(&path.display()))
}

// These return what a cell holds, so that optional settings can be chained through them.
fn plain(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

fn time(time: std::time::Duration) -> Option<String> {
    Some(quoted(&units::show_duration(time)))
}

fn size(bytes: u64) -> Option<String> {
    Some(quoted(&units::show_size(bytes)))
}
