//! Keys of peers, approvers and profiles: policy.

use crate::config::schema::Key;
use crate::config::schema::key;

/// Keys of `[peer.NAME]`.
pub const PEER: &[Key] = &[
    key(
        "accept",
        "boolean",
        "false",
        "true",
        "Whether its tasks are accepted at all. Otherwise it can only be sent to.",
    ),
    key(
        "profiles",
        "list of profiles",
        "[\"default\"]",
        "[\"default\", \"gpu\"]",
        "Profiles that its tasks may name. Not set, with `default_profile` set: that one.",
    ),
    key(
        "default_profile",
        "profile",
        "\"default\"",
        "\"gpu\"",
        "Profile of a task that names none. Not set: the first of `profiles`.",
    ),
    key(
        "timeout_max",
        "duration",
        "",
        "\"30m\"",
        "Most running time of one attempt. Not set: that of the profile. The smaller one counts.",
    ),
    key(
        "output_max",
        "size",
        "",
        "\"2MB\"",
        "Most output kept of one attempt. Not set: that of the profile. The smaller one counts.",
    ),
    key(
        "request_max",
        "size",
        "\"192KiB\"",
        "\"16KiB\"",
        "Largest request; a larger one is refused.",
    ),
    key(
        "require_ack",
        "`always`, `dangerous`, `asked`, `never`",
        "\"dangerous\"",
        "\"always\"",
        "Which tasks wait for an approval. `always`: every one. `dangerous`: those in the dangerous mode, and \
         those whose sender asks for it. `asked`: only the latter. `never`: none; a task that asks for one is \
         refused. What a profile demands comes on top.",
    ),
    key(
        "dangerous",
        "boolean",
        "false",
        "true",
        "Whether its tasks may ask for the dangerous mode. The profile must allow it too.",
    ),
    key(
        "life_max",
        "duration",
        "\"7d\"",
        "\"1d\"",
        "Longest time between creation and expiry of a task; a longer one is refused.",
    ),
    key(
        "rate",
        "rate",
        "\"600/h\"",
        "\"60/h\"",
        "How many tasks are admitted in any such window of time; more are refused, with the time when to try again.",
    ),
    key(
        "queue_max",
        "number",
        "100",
        "20",
        "How many of its tasks may wait or run here at once; more are refused.",
    ),
    key(
        "v2",
        "boolean",
        "false",
        "true",
        "Whether envelopes of version 2, those of the original, are read. Their seal covers the request and \
         little else, so nothing else in them is believed.",
    ),
    key(
        "v2_require_ack",
        "boolean",
        "true",
        "false",
        "Whether every task of version 2 waits for an approval.",
    ),
    key(
        "require_signature",
        "boolean",
        "false",
        "true",
        "Whether only signed tasks are taken (`dispatch key new-sign` on the peer); others are refused with \
         `E_UNSIGNED`. Then nobody who holds the secret of the link, this node included, can make a task of this peer.",
    ),
    key(
        "hop_max",
        "number",
        "1",
        "0",
        "How many agents may have handed a task on before it comes here; 0 takes only what a person or a script \
         sent.",
    ),
    key(
        "priority_max",
        "`low`, `normal`, `high`",
        "\"high\"",
        "\"normal\"",
        "Most urgent priority; a more urgent task is served at this one.",
    ),
    key(
        "attempts_max",
        "number",
        "3",
        "5",
        "Most attempts of a task that is marked idempotent. All others have one.",
    ),
    key(
        "wake",
        "program and arguments",
        "[]",
        "[\"wakeonlan\", \"aa:bb:cc:dd:ee:ff\"]",
        "What wakes this peer where `dispatch-send --to any` finds it asleep: silent, or stopped in order. Run by the \
         sender, never through a shell, with `PATH` and `DISPATCH_WAKE`, the name of the peer, as its whole \
         environment. Not set: a peer that is silent is not chosen by `--to any`.",
    ),
    key(
        "wake_within",
        "duration",
        "\"30s\"",
        "\"5s\"",
        "How long that program may take; then it is ended, and another node is chosen.",
    ),
    key(
        "weight",
        "number",
        "100",
        "150",
        "How much this peer is preferred where `--to any` chooses, in percent, from 1 to 1000.",
    ),
];

/// Keys of `[pool.NAME]`.
pub const POOL: &[Key] = &[key(
    "members",
    "list of nodes",
    "",
    "[\"gpu1\", \"gpu2\"]",
    "The nodes that serve it. One that sends to the pool has a table `[peer.NAME]` for each of them. Must be set.",
)];

/// Keys of `[approver.NAME]`.
pub const APPROVER: &[Key] = &[
    key(
        "for",
        "`all`, or list of peers",
        "",
        "\"all\"",
        "Whose tasks this approver decides about. Must be set.",
    ),
    key(
        "may_grant_dangerous",
        "boolean",
        "false",
        "true",
        "Whether these approvals cover the dangerous mode.",
    ),
];

/// Keys of `[profile.NAME]`.
pub const PROFILE: &[Key] = &[
    key(
        "agent",
        "`command`, `claude`, `codex`, `gemini`, `opencode`, `aider`",
        "\"command\"",
        "\"claude\"",
        "What kind of program it is, and so how its output is read.",
    ),
    key(
        "command",
        "list of words",
        "",
        "[\"/usr/local/bin/run-task\"]",
        "The program and its first arguments; a name is looked for on PATH. The request comes on standard input, \
         never here. Must be set for `command`; not set for another kind: the program of that name, for `claude` \
         `$DISPATCH_AGENT_BIN`.",
    ),
    key(
        "model",
        "word",
        "",
        "\"opus\"",
        "Model asked of the agent. Not set: its own choice.",
    ),
    key(
        "permission_mode",
        "word",
        "",
        "\"acceptEdits\"",
        "Permission mode asked of the agent; see docs/PROFILES.md for those of each kind. Not set: one in which \
         it may edit its working directory.",
    ),
    key(
        "max_turns",
        "number",
        "",
        "40",
        "Most turns of the agent, where its kind knows them; elsewhere it is an error. Not set: no limit but the \
         time.",
    ),
    key(
        "max_cost_usd",
        "money",
        "",
        "\"1.50\"",
        "Most money of one attempt, where the agent can be held to it; elsewhere it is an error. Not set: no limit.",
    ),
    key(
        "env",
        "list of variables",
        "[]",
        "[\"HTTPS_PROXY\"]",
        "Variables that pass from the watcher to the agent. All others are dropped, and those of dispatch never \
         pass.",
    ),
    key(
        "set",
        "table of variables",
        "{}",
        "{ CI = \"1\" }",
        "Variables with the values they have for the agent.",
    ),
    key(
        "workspace",
        "`empty`, `{ dir = path }`, `{ worktree = path }`",
        "\"empty\"",
        "{ worktree = \"/srv/repo\" }",
        "The working directory. `empty`: a fresh one. `dir`: this one as it is. `worktree`: a fresh git worktree \
         of this repository.",
    ),
    key(
        "wrapper",
        "list of words",
        "[]",
        "[\"bwrap\", \"--unshare-net\", \"--\"]",
        "A program and its arguments that the command is run by. Never a shell text.",
    ),
    key(
        "timeout",
        "duration",
        "\"10m\"",
        "\"2h\"",
        "Running time of one attempt: the most, and what a task has that asks for nothing.",
    ),
    key(
        "stall",
        "duration",
        "",
        "\"5m\"",
        "Time without a sign of work after which an attempt is ended as stalled. Not set: only the timeout ends it.",
    ),
    key(
        "grace",
        "duration",
        "\"10s\"",
        "\"30s\"",
        "Time between the polite signal and the final one.",
    ),
    key(
        "max_output",
        "size",
        "\"2MB\"",
        "\"10MB\"",
        "Output kept of one attempt: the most, and what a task has that asks for nothing.",
    ),
    key(
        "slots",
        "number",
        "",
        "1",
        "Attempts of this profile that may run at once. Not set: as many as the node allows.",
    ),
    key(
        "resources",
        "list of resources",
        "[]",
        "[\"gpu0\"]",
        "What an attempt has for itself while it runs. Two attempts that name the same one never run together.",
    ),
    key(
        "require_layers",
        "list of layers",
        "[]",
        "[\"pidns\"]",
        "Layers of containment without which nothing starts: `session`, `deathsig`, `subreaper`, `pidns`, \
         `mountns`, `landlock`, `cgroup`, `uid`, `wrapper`.",
    ),
    key(
        "read",
        "path, or list of paths",
        "[]",
        "[\"/srv/data\"]",
        "Folders the agent may read beside those of the system, where Landlock or a mount namespace is in force.",
    ),
    key(
        "write",
        "path, or list of paths",
        "[]",
        "[\"/srv/out\"]",
        "Folders the agent may write beside its working directory.",
    ),
    key(
        "project_settings",
        "boolean",
        "false",
        "true",
        "Whether the agent obeys settings, hooks and tool servers that it finds in the working directory.",
    ),
    key(
        "dangerous",
        "boolean",
        "false",
        "true",
        "Whether tasks may ask for the dangerous mode under this profile. The peer must be allowed it too.",
    ),
    key(
        "require_ack",
        "boolean",
        "false",
        "true",
        "Whether every task under this profile waits for an approval.",
    ),
    key(
        "capabilities",
        "list of capabilities",
        "[]",
        "[\"rust\", \"cargo-1.95\"]",
        "What this profile can do beside what its node can. Peers that may use it are told.",
    ),
];
