//! Keys of `[notify.NAME]`.

use crate::config::schema::Key;
use crate::config::schema::key;

/// Keys of `[notify.NAME]`.
pub const NOTIFY: &[Key] = &[
    key(
        "service",
        "`webhook`, `discord`, `slack`, `telegram`, `ntfy`, `command`",
        "",
        "\"webhook\"",
        "What takes the notifications. Always needed.",
    ),
    key(
        "url",
        "address",
        "",
        "\"https://hooks.example.com/dispatch\"",
        "Where they are posted; `https`, or with `allow_private` also `http`. Of `ntfy`: server and topic. Of \
         `telegram`: another Bot API server than `https://api.telegram.org`.",
    ),
    key(
        "url_file",
        "path",
        "",
        "\"/etc/dispatch/notify/ops.url\"",
        "The file that holds the address instead, where whoever knows it may post: always so for `discord` and \
         `slack`. Mode 0600.",
    ),
    key(
        "secret_file",
        "path",
        "",
        "\"/etc/dispatch/notify/ops.secret\"",
        "Of `webhook`, and needed there: the file that holds the key of the signature, at least 16 bytes. Mode 0600.",
    ),
    key(
        "token_file",
        "path",
        "",
        "\"/etc/dispatch/notify/bot.token\"",
        "The file that holds the token of `telegram`, or an access token of `ntfy`. Mode 0600.",
    ),
    key(
        "ca",
        "path",
        "",
        "\"/etc/ssl/certs/ca-certificates.crt\"",
        "Certificates in PEM that are trusted instead of those built in.",
    ),
    key(
        "chat",
        "text",
        "",
        "\"-1001234567890\"",
        "Of `telegram`, and needed there: the id of the chat, or the name of a channel with its `@`.",
    ),
    key(
        "command",
        "list of words",
        "[]",
        "[\"/usr/local/bin/on-dispatch\", \"--json\"]",
        "Of `command`, and needed there: program and arguments. It gets the same JSON as a webhook on its standard \
         input, and nothing of the environment but `PATH`. Status 0 means delivered, 75 try again, any other never.",
    ),
    key(
        "timeout",
        "duration",
        "\"10s\"",
        "\"30s\"",
        "How long one try may take, from 1 s to 1 min, from looking up the name to the end of the answer. A command \
         is then ended with all it started.",
    ),
    key(
        "allow_private",
        "boolean",
        "false",
        "true",
        "Whether the address may lead to this host, to a private or a link-local network.",
    ),
    key(
        "events",
        "list of topics and events",
        "[\"approvals\", \"outcomes\", \"alarms\", \"trouble\"]",
        "[\"approvals\", \"outcomes\", \"task_reject\"]",
        "What is told: the topics `approvals`, `outcomes`, `starts`, `refusals`, `alarms`, `trouble`, `recovery`, or \
         words of the audit log. An empty list means everything.",
    ),
    key(
        "lanes",
        "list of lanes",
        "[]",
        "[\"devbox-to-gpubox\"]",
        "Only events of these lanes. An empty list means any, and what is of none.",
    ),
    key(
        "peers",
        "list of peers and pools",
        "[]",
        "[\"devbox\"]",
        "Only events about these. An empty list means any, and what is about none.",
    ),
    key(
        "profiles",
        "list of profiles",
        "[]",
        "[\"gpu\"]",
        "Only events of tasks that are run by these profiles. An empty list means any, and what is of none.",
    ),
    key(
        "outcomes",
        "list of outcomes",
        "[]",
        "[\"error\", \"timeout\"]",
        "Of tasks that ended, only those that ended so. An empty list means any.",
    ),
    key(
        "quiet",
        "part of a day",
        "",
        "\"22:00-07:00\"",
        "When nothing is told, by this host's local time; what would have been is one message afterwards. Not set: \
         never.",
    ),
    key(
        "urgent",
        "list of topics and events",
        "[\"alarms\"]",
        "[\"alarms\", \"approvals\"]",
        "What is told at once all the same, and whatever the rate.",
    ),
    key(
        "rate",
        "rate",
        "\"30/h\"",
        "\"10/m\"",
        "How many messages at most; what comes on top is one message when the window is over, with how many of what.",
    ),
    key(
        "tries",
        "number",
        "10",
        "3",
        "How often one message is tried, with pauses from 2 s that double up to ten minutes, before it is given up.",
    ),
];
