//! Keys of the node itself.

use crate::config::schema::Key;
use crate::config::schema::key;

/// Keys above all tables.
pub const TOP: &[Key] = &[
    key(
        "node",
        "node name",
        "",
        "\"gpubox\"",
        "The name of this node. Every node of a share has its own.",
    ),
    key(
        "root",
        "path",
        "",
        "\"/mnt/dispatch\"",
        "The shared folder. Every host may see it under another path.",
    ),
    key(
        "root_id",
        "UUID",
        "",
        "\"0198f1c2-7a52-7000-8000-000000000000\"",
        "The identity of the root, as its `dispatch.json` says. Another root is refused, so that a wrong or missing \
         mount starts nothing. Not set: whatever root is found is taken.",
    ),
    key(
        "state",
        "path",
        "",
        "\"~/.local/state/dispatch/gpubox\"",
        "Local state: journal, spool, audit. Never on the share. Not set: `$STATE_DIRECTORY/<node>`, else \
         `$XDG_STATE_HOME/dispatch/<node>`, else `~/.local/state/dispatch/<node>`.",
    ),
    key(
        "state_file",
        "path",
        "",
        "\"/var/lib/dispatch/watcher-state.json\"",
        "Where the watcher notes its last start. Not set: `watcher-state.json` in `state`.",
    ),
    key(
        "keys",
        "path, or list of paths",
        "",
        "\"~/.config/dispatch/keys\"",
        "Where keys are looked for; the first match wins. Never on the share. Not set: `/etc/dispatch/keys`, \
         then `$XDG_CONFIG_HOME/dispatch/keys`. `$CREDENTIALS_DIRECTORY` comes before either, and `--keys` \
         replaces them all.",
    ),
    key(
        "poll",
        "duration",
        "\"500ms\"",
        "\"1s\"",
        "Longest time between two looks at the share while there is work, and for ten seconds after. With one \
         second more the pause in force bounds how late a killswitch is obeyed.",
    ),
    key(
        "poll_idle",
        "duration",
        "\"5s\"",
        "\"10s\"",
        "Longest time between two looks when there is no work; reached step by step, never below `poll`. While \
         anything runs, the share is looked at every two seconds at least.",
    ),
    key(
        "poll_rest",
        "duration",
        "\"15s\"",
        "\"1m\"",
        "Longest time between two looks when there was no work for ten minutes; never below `poll_idle`, and the \
         same where only that is set. The next sign of work brings `poll` back.",
    ),
    key(
        "slots",
        "number",
        "2",
        "4",
        "Attempts that may run at once on this node.",
    ),
    key(
        "capabilities",
        "list of capabilities",
        "[]",
        "[\"gpu\", \"debian-12\"]",
        "What this node can do, as its peers are told in its heartbeat: `dispatch-send --to any --need gpu` chooses by \
         it. At most 32 in all, those of profiles included.",
    ),
    key(
        "owner",
        "name",
        "",
        "\"alice\"",
        "Whose node it is, as its peers are told: `dispatch-send --to any --owner alice` chooses among hers.",
    ),
];

/// Keys of `[watch]`.
pub const WATCH: &[Key] = &[
    key(
        "on_shutdown",
        "`leave`, `finish`, `stop`",
        "\"leave\"",
        "\"stop\"",
        "What becomes of running attempts when the watcher is told to end. `leave`: they go on, and the next \
         watcher adopts them. `finish`: they are waited for, and nothing new is started meanwhile. `stop`: they are \
         ended, and their result says so.",
    ),
    key(
        "stop_within",
        "duration",
        "\"1m\"",
        "\"30m\"",
        "How long the watcher takes for that with `finish` and `stop`. What is left then goes on, and the next watcher \
         adopts it. A second signal ends it at once.",
    ),
    key(
        "executor",
        "`spawn`, or path",
        "\"spawn\"",
        "\"/run/dispatch-exec.sock\"",
        "How attempts are started: as child processes, or by another unit, best of another user, behind this socket.",
    ),
    key(
        "exec_bin",
        "path",
        "",
        "\"/usr/libexec/dispatch-exec\"",
        "The executor. Not set: the `dispatch-exec` beside the watcher.",
    ),
    key(
        "runs",
        "path",
        "",
        "\"/var/lib/dispatch-runs\"",
        "Where attempts have their run directories. Not set: `runs` in `state`.",
    ),
    key(
        "keep_log",
        "duration",
        "",
        "\"365d\"",
        "How long the segments of this node's audit log are kept, here and on the share; at least two days, and the \
         newest always. The watcher removes older ones once an hour, and the log says so (`docs/AUDIT.md`). Not set: \
         for ever.",
    ),
];

/// Keys of `[share]`.
pub const SHARE: &[Key] = &[
    key(
        "group",
        "group name",
        "",
        "\"dispatch\"",
        "The group that both hosts share: `dispatch init` gives the root to it, and folders inherit it. \
         Not set: that of the root.",
    ),
    key(
        "free_min",
        "size",
        "\"64MiB\"",
        "\"1GiB\"",
        "Free space on the share and on the local disk below which nothing new is claimed.",
    ),
    key(
        "lost_max",
        "duration",
        "",
        "\"30m\"",
        "How long what runs may go on while the share is lost, from 30 s. Then it is ended, and its result says \
         so when the share is back. Not set: it runs on within its own bounds.",
    ),
    key(
        "keep",
        "duration",
        "",
        "\"30d\"",
        "How long outcomes, logs and refused tasks of the lanes served here are kept on the share, by day; at least \
         two days. The watcher takes older days away by itself, and removes their files a day later. Not set: for \
         ever.",
    ),
    key(
        "keep_size",
        "size",
        "",
        "\"20GiB\"",
        "How much of `done/` is kept in each lane served here: the watcher takes the oldest days away until the rest \
         is smaller. The last two days are neither counted nor taken. Not set: everything.",
    ),
];

/// Keys of `[retry]`.
pub const RETRY: &[Key] = &[
    key(
        "pause",
        "duration",
        "\"30s\"",
        "\"5s\"",
        "Time before the second attempt; it doubles with each further one.",
    ),
    key(
        "pause_max",
        "duration",
        "\"15m\"",
        "\"1h\"",
        "The longest of these pauses.",
    ),
    key(
        "wait_max",
        "duration",
        "\"6h\"",
        "\"1d\"",
        "Longest wait for the time that a provider names when it refuses more work for now. A task whose provider \
         names a later one ends with that failure.",
    ),
    key(
        "mend",
        "duration",
        "\"1h\"",
        "\"15m\"",
        "How long nothing is started under a profile whose credential was refused or whose account cannot pay, unless \
         somebody says `dispatch resume --profile NAME` before.",
    ),
];
