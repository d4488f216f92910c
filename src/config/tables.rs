//! Turns each table of the file into its part of the configuration. A mistake is noted and reading goes on, so that
//! one run shows them all.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use crate::config::Config;
use crate::config::Executor;
use crate::config::Share;
use crate::config::Watch;
use crate::config::file::ApproverTable;
use crate::config::file::Field;
use crate::config::file::File;
use crate::config::file::PeerTable;
use crate::config::file::PoolTable;
use crate::config::file::ShareTable;
use crate::config::file::Size;
use crate::config::file::Time;
use crate::config::file::WatchTable;
use crate::config::notify;
use crate::config::profiles::profile;
use crate::config::read::Reading;
use crate::id::NodeName;
use crate::id::ProfileName;
use crate::limits;
use crate::policy::Approver;
use crate::policy::PeerPolicy;
use crate::policy::Scope;
use crate::units;

/// Shortest running time worth starting an agent for.
pub(super) const RUN_MIN: Duration = Duration::from_secs(1);

/// Shortest time for which outcomes may be kept: whoever waits for one has found it by then.
const KEEP_MIN: Duration = Duration::from_secs(2 * 24 * 3600);
/// Longest time that is not for ever.
const KEEP_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What the tables mention and only the whole file can confirm, with the place of each.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    /// Profiles that a peer may use.
    pub(super) profiles: Vec<(NodeName, ProfileName, Range<usize>)>,
    /// Profiles that have a table.
    pub(super) tables: Vec<(ProfileName, Range<usize>)>,
    /// Peers that have a table.
    pub(super) peers: Vec<(NodeName, Range<usize>)>,
    /// Members of pools.
    pub(super) members: Vec<(NodeName, NodeName, Range<usize>)>,
    /// Peers that an approver speaks for.
    pub(super) approved: Vec<(NodeName, NodeName, Range<usize>)>,
}

/// Reads every table into `config`.
pub(super) fn fill(config: &mut Config, file: File, reading: &mut Reading<'_>) -> Mentions {
    let mut mentions = Mentions::default();
    config.node = reading.value("node", file.node);
    config.root = reading.path("root", file.root);
    config.root_id = reading.value("root_id", file.root_id).map(|id| id.0);
    config.state = reading.path("state", file.state);
    config.state_file = reading.path("state_file", file.state_file);
    config.keys = reading.paths("keys", file.keys).unwrap_or_default();
    let poll = |reading: &mut Reading<'_>, key, field| {
        time(reading, key, field, limits::POLL_MIN, limits::POLL_MAX)
    };
    config.poll = poll(reading, "poll", file.poll).unwrap_or(config.poll);
    // Who makes a short one longer than the default of a long one means both; who says how long an idle node may wait
    // means at any time.
    let idle = poll(reading, "poll_idle", file.poll_idle);
    config.poll_idle = idle.unwrap_or(config.poll_idle.max(config.poll));
    let rest = idle.unwrap_or(config.poll_rest.max(config.poll_idle));
    config.poll_rest = poll(reading, "poll_rest", file.poll_rest).unwrap_or(rest);
    config.slots =
        count(reading, "slots", file.slots, 1, limits::SLOTS_MAX).unwrap_or(config.slots);
    config.watch = watch(reading, file.watch);
    config.share = share(reading, file.share);
    for (name, table) in file.profile {
        let (name, span) = (name.get_ref().clone(), name.span());
        let made = profile(reading, &name, table, &span, config.slots);
        config.profiles.insert(name.clone(), made);
        mentions.tables.push((name, span));
    }
    for (name, table) in file.peer {
        let (name, span) = (name.get_ref().clone(), name.span());
        let made = peer(reading, &name, table, &span, &mut mentions);
        config.peers.insert(name.clone(), made);
        mentions.peers.push((name, span));
    }
    for (name, table) in file.pool {
        let (name, span) = (name.get_ref().clone(), name.span());
        let made = pool(reading, &name, table, &span, &mut mentions);
        config.pools.insert(name, made);
    }
    for (name, table) in file.approver {
        let (name, span) = (name.get_ref().clone(), name.span());
        let made = approver(reading, &name, table, &span, &mut mentions);
        config.approvers.insert(name, made);
    }
    notify::fill(config, file.notify, reading);
    mentions
}

/// Takes a duration within bounds.
pub(super) fn time(
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<Time>,
    least: Duration,
    most: Duration,
) -> Option<Duration> {
    let field = reading
        .spanned(key, field)
        .map(|(time, span)| (time.0, span));
    reading.within(key, field, least..=most, |time| units::show_duration(*time))
}

/// Takes a size within bounds.
pub(super) fn size(
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<Size>,
    least: u64,
    most: u64,
) -> Option<u64> {
    let field = reading
        .spanned(key, field)
        .map(|(size, span)| (size.0, span));
    reading.within(key, field, least..=most, |size| units::show_size(*size))
}

/// Takes a number within bounds.
pub(super) fn count(
    reading: &mut Reading<'_>,
    key: &str,
    field: Field<u32>,
    least: u32,
    most: u32,
) -> Option<u32> {
    let field = reading.spanned(key, field);
    reading.within(key, field, least..=most, u32::to_string)
}

fn watch(reading: &mut Reading<'_>, table: WatchTable) -> Watch {
    let default = Watch::default();
    let executor = reading
        .spanned("watch.executor", table.executor)
        .map(|(text, span)| {
            if text == "spawn" {
                return Executor::Spawn;
            }
            let socket = reading.absolute("watch.executor", &text, &span);
            socket.map_or(Executor::Spawn, Executor::Socket)
        });
    Watch {
        on_shutdown: reading
            .value("watch.on_shutdown", table.on_shutdown)
            .unwrap_or(default.on_shutdown),
        executor: executor.unwrap_or(default.executor),
        exec_bin: reading.path("watch.exec_bin", table.exec_bin),
        runs: reading.path("watch.runs", table.runs),
        keep_log: time(
            reading,
            "watch.keep_log",
            table.keep_log,
            KEEP_MIN,
            KEEP_MAX,
        ),
    }
}

fn share(reading: &mut Reading<'_>, table: ShareTable) -> Share {
    let default = Share::default();
    Share {
        group: reading.word("share.group", table.group),
        free_bytes_min: size(reading, "share.free_min", table.free_min, 0, 1 << 50)
            .unwrap_or(default.free_bytes_min),
        lost_max: time(
            reading,
            "share.lost_max",
            table.lost_max,
            limits::SHARE_PATIENCE,
            limits::RUN_MAX,
        ),
        keep: time(reading, "share.keep", table.keep, KEEP_MIN, KEEP_MAX),
        keep_bytes: size(
            reading,
            "share.keep_size",
            table.keep_size,
            1 << 20,
            1 << 60,
        ),
    }
}

fn peer(
    reading: &mut Reading<'_>,
    name: &NodeName,
    table: PeerTable,
    header: &Range<usize>,
    mentions: &mut Mentions,
) -> PeerPolicy {
    let base = PeerPolicy::default();
    let key = |key: &str| format!("peer.{name}.{key}");
    let accept = reading
        .value(&key("accept"), table.accept)
        .unwrap_or(base.accept);
    let (profiles, default_profile) = usable(
        reading,
        name,
        (table.profiles, table.default_profile),
        accept.then_some(header),
        mentions,
    );
    let run = |reading: &mut Reading<'_>, name, field| {
        time(reading, &key(name), field, RUN_MIN, limits::RUN_MAX)
    };
    let life = |reading: &mut Reading<'_>, name, field| {
        time(reading, &key(name), field, RUN_MIN, limits::LIFE_MAX)
    };
    let request_most = limits::REQUEST_BYTES_MAX as u64;
    PeerPolicy {
        accept,
        profiles,
        default_profile,
        timeout_max: run(reading, "timeout_max", table.timeout_max),
        output_bytes_max: size(
            reading,
            &key("output_max"),
            table.output_max,
            1,
            limits::OUTPUT_BYTES_MAX,
        ),
        request_bytes_max: size(
            reading,
            &key("request_max"),
            table.request_max,
            1,
            request_most,
        )
        .unwrap_or(base.request_bytes_max),
        require_ack: reading
            .value(&key("require_ack"), table.require_ack)
            .unwrap_or(base.require_ack),
        dangerous: reading
            .value(&key("dangerous"), table.dangerous)
            .unwrap_or(base.dangerous),
        life_max: life(reading, "life_max", table.life_max).unwrap_or(base.life_max),
        rate: reading
            .value(&key("rate"), table.rate)
            .map_or(base.rate, |rate| rate.0),
        queue_max: count(reading, &key("queue_max"), table.queue_max, 1, 100_000)
            .unwrap_or(base.queue_max),
        v2: reading.value(&key("v2"), table.v2).unwrap_or(base.v2),
        v2_require_ack: reading
            .value(&key("v2_require_ack"), table.v2_require_ack)
            .unwrap_or(base.v2_require_ack),
        require_signature: reading
            .value(&key("require_signature"), table.require_signature)
            .unwrap_or(base.require_signature),
        hop_max: count(reading, &key("hop_max"), table.hop_max, 0, limits::HOP_MAX)
            .unwrap_or(base.hop_max),
        priority_max: reading
            .value(&key("priority_max"), table.priority_max)
            .unwrap_or(base.priority_max),
        attempts_max: count(reading, &key("attempts_max"), table.attempts_max, 1, 100)
            .unwrap_or(base.attempts_max),
    }
}

/// Returns the profiles a peer may use and the one it gets; `header` is given where the peer is accepted at all.
fn usable(
    reading: &mut Reading<'_>,
    peer: &NodeName,
    (list, default): (Field<Vec<toml::Spanned<ProfileName>>>, Field<ProfileName>),
    header: Option<&Range<usize>>,
    mentions: &mut Mentions,
) -> (Vec<ProfileName>, ProfileName) {
    let base = PeerPolicy::default();
    let (list_key, default_key) = (
        format!("peer.{peer}.profiles"),
        format!("peer.{peer}.default_profile"),
    );
    let list = reading.spanned(&list_key, list);
    let default = reading.spanned(&default_key, default);
    let profiles = match list {
        Some((list, span)) => {
            let names: Vec<ProfileName> = list.iter().map(|name| name.get_ref().clone()).collect();
            reading.no_twice(&list_key, &names, &span);
            if names.is_empty() {
                reading.problem(
                    &span,
                    format!("{list_key} is empty: to accept nothing, leave out 'accept'"),
                );
            }
            mentions.profiles.extend(
                list.into_iter()
                    .map(|name| (peer.clone(), name.get_ref().clone(), name.span())),
            );
            names
        }
        // Whoever names only the default may use that one.
        None => match &default {
            Some((name, _)) => vec![name.clone()],
            None => {
                let implied =
                    header.map(|span| (peer.clone(), base.default_profile.clone(), span.clone()));
                mentions.profiles.extend(implied);
                base.profiles
            }
        },
    };
    let Some((default, span)) = default else {
        let first = profiles.first().cloned();
        return (profiles, first.unwrap_or(base.default_profile));
    };
    if !profiles.contains(&default) {
        reading.problem(
            &span,
            format!("{default_key} '{default}' is not in {list_key}"),
        );
    }
    mentions
        .profiles
        .push((peer.clone(), default.clone(), span));
    (profiles, default)
}

fn pool(
    reading: &mut Reading<'_>,
    name: &NodeName,
    table: PoolTable,
    header: &Range<usize>,
    mentions: &mut Mentions,
) -> BTreeSet<NodeName> {
    let key = format!("pool.{name}.members");
    let (list, span) = match reading.spanned(&key, table.members) {
        Some((list, span)) => (list, span),
        None => (Vec::new(), header.clone()),
    };
    let names: Vec<NodeName> = list.iter().map(|name| name.get_ref().clone()).collect();
    reading.no_twice(&key, &names, &span);
    if !(1..=limits::MEMBERS_MAX).contains(&names.len()) {
        let most = limits::MEMBERS_MAX;
        reading.problem(&span, format!("{key} must name 1 to {most} nodes"));
    }
    let each = list
        .into_iter()
        .map(|member| (name.clone(), member.get_ref().clone(), member.span()));
    mentions.members.extend(each);
    names.into_iter().collect()
}

fn approver(
    reading: &mut Reading<'_>,
    name: &NodeName,
    table: ApproverTable,
    header: &Range<usize>,
    mentions: &mut Mentions,
) -> Approver {
    let scope = match reading.spanned(&format!("approver.{name}.for"), table.scope) {
        Some((scope, span)) => {
            if let Scope::Peers(peers) = &scope.0 {
                let each = peers
                    .iter()
                    .map(|peer| (name.clone(), peer.clone(), span.clone()));
                mentions.approved.extend(each);
            }
            scope.0
        }
        None => {
            reading.problem(
                header,
                format!("approver.{name}.for is missing: \"all\" or a list of peers"),
            );
            Scope::Peers(Vec::new())
        }
    };
    Approver {
        scope,
        may_grant_dangerous: reading
            .value(
                &format!("approver.{name}.may_grant_dangerous"),
                table.may_grant_dangerous,
            )
            .unwrap_or(false),
    }
}
