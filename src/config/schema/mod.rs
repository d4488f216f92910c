//! Every key of the file, with its type, default and meaning: the source of `docs/CONFIG.md` and of the template.
//!
//! A test compares it with the types that are really read, another one with the defaults that are really used.

mod node;
mod notify;
mod policy;
#[cfg(test)]
mod tests;

pub use node::RETRY;
pub use node::SHARE;
pub use node::TOP;
pub use node::WATCH;
pub use notify::NOTIFY;
pub use policy::APPROVER;
pub use policy::PEER;
pub use policy::POOL;
pub use policy::PROFILE;

/// One key of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: &'static str,
    /// Its default as the file would write it; empty where it is not set.
    pub default: &'static str,
    /// Another value it may have, as the file would write it.
    pub example: &'static str,
    /// What it decides, in sentences.
    pub meaning: &'static str,
}

/// A table of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its header without brackets; `NAME` stands for a name. Empty for the keys above all tables.
    pub header: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its keys, in the order of the documentation.
    pub keys: &'static [Key],
}

/// Every table.
pub const TABLES: &[Table] = &[
    Table {
        header: "",
        about: "This node, its share and its pace.",
        keys: TOP,
    },
    Table {
        header: "watch",
        about: "The watcher.",
        keys: WATCH,
    },
    Table {
        header: "share",
        about: "The folders on the share.",
        keys: SHARE,
    },
    Table {
        header: "retry",
        about: "How an attempt that failed is followed by another, where the task is idempotent and attempts are left \
         (`docs/QUEUE.md`, Retry). Pauses are shortened by chance, by up to half.",
        keys: RETRY,
    },
    Table {
        header: "peer.NAME",
        about: "A node that this one knows, and what it may ask for. Without a table a name is unknown here; \
         with an empty one it can be sent to and may ask for nothing.",
        keys: PEER,
    },
    Table {
        header: "pool.NAME",
        about: "Several nodes behind one addressee, `pool.NAME`: each task is run by one of them. The table is \
         the same on every member and on every node that sends to the pool.",
        keys: POOL,
    },
    Table {
        header: "approver.NAME",
        about: "Somebody whose approvals count here. The name is that of the key `approver.NAME`.",
        keys: APPROVER,
    },
    Table {
        header: "profile.NAME",
        about: "A way to run tasks. Without any such table there is one profile, `default`: Claude Code, \
         headless, in an empty folder.",
        keys: PROFILE,
    },
    Table {
        header: "notify.NAME",
        about: "Somewhere that dispatch-notify tells people or programs what happens here (`docs/NOTIFY.md`). \
         Nothing else is ever connected to.",
        keys: NOTIFY,
    },
];

/// Makes a row of a table.
const fn key(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    example: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        example,
        meaning,
    }
}

/// Returns the reference of all keys as Markdown: a table for each table.
#[must_use]
pub fn reference() -> String {
    let cell = |text: &str| {
        if text.is_empty() {
            "not set".to_owned()
        } else {
            format!("`{text}`")
        }
    };
    let mut text = String::new();
    for table in TABLES {
        let title = if table.header.is_empty() {
            "above all tables".to_owned()
        } else {
            format!("`[{}]`", table.header)
        };
        text.push_str(&format!("### {title}\n\n{}\n\n", table.about));
        text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in table.keys {
            let (name, kind, default) = (key.name, key.kind, cell(key.default));
            text.push_str(&format!(
                "| `{name}` | {kind} | {default} | {} |\n",
                key.meaning
            ));
        }
        text.push('\n');
    }
    text
}
