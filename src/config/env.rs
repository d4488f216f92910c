//! The variables of the environment, those of the original and ours: one table, one pure reading.
//!
//! The environment itself is read by `cli`, which hands in a lookup. An empty variable counts as unset.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Origin;
use crate::config::Problem;
use crate::id::NodeName;
use crate::limits;
use crate::units;

/// Looks up a variable of the environment.
pub type Lookup<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// Every variable that is read, with what it is for: the table of `docs/CONFIG.md`.
pub const VARIABLES: &[(&str, &str)] = &[
    ("DISPATCH_CONFIG", "the configuration file; it must exist"),
    ("DISPATCH_ROOT", "`root`"),
    ("DISPATCH_NODE", "`node`"),
    (
        "DISPATCH_SIDE",
        "`node`, as the original calls it for the watcher and for approvals",
    ),
    (
        "DISPATCH_FROM",
        "`node`, as the original calls it for sending; there it comes before `DISPATCH_SIDE`",
    ),
    (
        "DISPATCH_NODE_A",
        "one of two nodes that know each other; `a` where there is no file",
    ),
    (
        "DISPATCH_NODE_B",
        "the other one; `b` where there is no file",
    ),
    (
        "DISPATCH_POLL_SEC",
        "`poll`, `poll_idle` and `poll_rest`, in seconds",
    ),
    ("DISPATCH_MAX_PARALLEL", "`slots`"),
    (
        "DISPATCH_AGENT_BIN",
        "the program of every profile of kind `claude` that says no `command`",
    ),
    ("DISPATCH_EXEC_BIN", "`watch.exec_bin`"),
    ("DISPATCH_STATE", "`state`"),
    ("DISPATCH_STATE_FILE", "`state_file`"),
    ("DISPATCH_KEYS", "`keys`"),
    (
        "CREDENTIALS_DIRECTORY",
        "a folder of keys that is searched first (systemd, `LoadCredential=`)",
    ),
    (
        "STATE_DIRECTORY",
        "where `state` is by default (systemd, `StateDirectory=`)",
    ),
    (
        "XDG_CONFIG_HOME",
        "where the file and the keys of a user are, instead of `~/.config`",
    ),
    (
        "XDG_STATE_HOME",
        "where `state` of a user is, instead of `~/.local/state`",
    ),
    ("HOME", "what `~` stands for"),
];

/// A value and the variable it came from.
pub(super) type Found<T> = Option<(T, &'static str)>;

/// What the environment says. Paths may be relative to the working directory, as in the original.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Environment {
    pub(super) config: Option<PathBuf>,
    pub(super) root: Found<PathBuf>,
    pub(super) node: Found<NodeName>,
    pub(super) node_a: Option<NodeName>,
    pub(super) node_b: Option<NodeName>,
    pub(super) poll: Found<Duration>,
    pub(super) slots: Found<u32>,
    pub(super) agent_bin: Option<String>,
    pub(super) exec_bin: Found<PathBuf>,
    pub(super) state: Found<PathBuf>,
    pub(super) state_file: Found<PathBuf>,
    pub(super) keys: Found<PathBuf>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) state_directory: Option<PathBuf>,
    pub(super) config_home: Option<PathBuf>,
    pub(super) state_home: Option<PathBuf>,
    pub(super) home: Option<PathBuf>,
}

impl Environment {
    /// Returns where the configuration of the user belongs.
    pub(super) fn user_file(&self) -> Option<PathBuf> {
        self.config_home
            .as_ref()
            .map(|home| home.join("dispatch/dispatch.toml"))
    }
}

/// Reads the environment. `sending` puts `DISPATCH_FROM` before `DISPATCH_SIDE`. Mistakes are added to `problems`.
pub(super) fn read(lookup: &Lookup<'_>, sending: bool, problems: &mut Vec<Problem>) -> Environment {
    let mut reader = Reader { lookup, problems };
    let names: [&'static str; 3] = if sending {
        ["DISPATCH_FROM", "DISPATCH_SIDE", "DISPATCH_NODE"]
    } else {
        ["DISPATCH_SIDE", "DISPATCH_NODE", "DISPATCH_FROM"]
    };
    let node = names.into_iter().find_map(|name| reader.node(name));
    // The XDG base directory specification: a relative path there is to be ignored.
    let base = |path: Option<PathBuf>| path.filter(|path| path.is_absolute());
    let home = base(reader.plain("HOME"));
    Environment {
        config: reader.plain("DISPATCH_CONFIG"),
        root: reader.path("DISPATCH_ROOT"),
        node,
        node_a: reader.node("DISPATCH_NODE_A").map(|(name, _)| name),
        node_b: reader.node("DISPATCH_NODE_B").map(|(name, _)| name),
        poll: reader.parsed("DISPATCH_POLL_SEC", seconds),
        slots: reader.parsed("DISPATCH_MAX_PARALLEL", slots),
        agent_bin: reader.text("DISPATCH_AGENT_BIN"),
        exec_bin: reader.path("DISPATCH_EXEC_BIN"),
        state: reader.path("DISPATCH_STATE"),
        state_file: reader.path("DISPATCH_STATE_FILE"),
        keys: reader.path("DISPATCH_KEYS"),
        credentials: base(reader.plain("CREDENTIALS_DIRECTORY")),
        state_directory: base(reader.plain("STATE_DIRECTORY")),
        config_home: base(reader.plain("XDG_CONFIG_HOME"))
            .or_else(|| home.as_ref().map(|home| home.join(".config"))),
        state_home: base(reader.plain("XDG_STATE_HOME"))
            .or_else(|| home.as_ref().map(|home| home.join(".local/state"))),
        home,
    }
}

struct Reader<'a> {
    lookup: &'a Lookup<'a>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn plain(&self, name: &str) -> Option<PathBuf> {
        (self.lookup)(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }

    fn path(&self, name: &'static str) -> Found<PathBuf> {
        self.plain(name).map(|path| (path, name))
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.plain(name)?.into_os_string().into_string();
        value
            .map_err(|_| self.problem(name, "is not UTF-8".to_owned()))
            .ok()
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Found<T> {
        match parse(self.text(name)?.trim()) {
            Ok(value) => Some((value, name)),
            Err(why) => {
                self.problem(name, why);
                None
            }
        }
    }

    fn node(&mut self, name: &'static str) -> Found<NodeName> {
        self.parsed(name, |text| {
            NodeName::parse(text).map_err(|bad| bad.to_string())
        })
    }

    fn problem(&mut self, name: &'static str, message: String) {
        self.problems.push(Problem {
            origin: Origin::Variable(name),
            column: None,
            message,
        });
    }
}

fn slots(text: &str) -> Result<u32, String> {
    let most = limits::SLOTS_MAX;
    let number = text.parse().ok().filter(|slots| (1..=most).contains(slots));
    number.ok_or_else(|| {
        format!(
            "'{}' is not a number from 1 to {most}",
            crate::escape::excerpt(text, 20)
        )
    })
}

/// Seconds as the original takes them; a fraction is welcome too.
fn seconds(text: &str) -> Result<Duration, String> {
    let micros = units::money(text).ok().map(Duration::from_micros);
    let time = micros.filter(|time| (limits::POLL_MIN..=limits::POLL_MAX).contains(time));
    time.ok_or_else(|| {
        format!(
            "'{}' is not a number of seconds from 0.05 to 60",
            crate::escape::excerpt(text, 20)
        )
    })
}
