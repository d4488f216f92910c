//! What a shared folder is good for: 25 checks, each shown to fail and to pass, and a verdict drawn from them.
//!
//! A check is a function of a [`Bench`], a scratch folder on the share of its own, and answers one [`Finding`]. Whoever
//! asks runs each check in a process of its own and ends it when it takes too long: a hang is a finding. The checks
//! do on purpose what the rest of this program never does (race, replace, lock out), but only inside `doctor/` of the
//! share. Nothing here prints, and nothing touches a task. A crash leaves a folder `doctor/<nonce>/`, which a later
//! doctor removes when it is a day old.

pub mod bench;
mod claims;
mod extras;
mod hygiene;
mod identity;
mod kept;
mod names;
pub mod pair;
pub mod remembered;
mod table;
mod times;
pub mod verdict;
pub mod waits;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

pub use self::bench::Bench;
pub use self::bench::Orders;
pub use self::bench::clean;
pub use self::bench::prepare;
pub use self::verdict::Verdict;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Pass,
    /// Worth knowing, neither good nor bad.
    Info,
    /// It works, and something should be changed.
    Warn,
    /// Not found out.
    Unknown,
    /// Not as it must be.
    Fail,
}

/// What a finding leaves of the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allows {
    /// Nothing: no lane works.
    Refuse,
    /// Lanes with one claimant.
    Single,
    /// Everything.
    Multi,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How it ended.
    pub state: State,
    /// What was measured, in one sentence with its numbers.
    pub said: String,
    /// What to change.
    pub advice: Option<String>,
    /// What it leaves of the share.
    pub allows: Allows,
    /// Whether it is about now (full, read-only, hung) rather than about the filesystem.
    pub passing: bool,
    /// The numbers, for programs.
    pub facts: Map<String, Value>,
}

impl Finding {
    fn of(state: State, said: impl Into<String>) -> Self {
        Self {
            state,
            said: said.into(),
            advice: None,
            allows: Allows::Multi,
            passing: false,
            facts: Map::new(),
        }
    }

    /// As it should be.
    #[must_use]
    pub fn pass(said: impl Into<String>) -> Self {
        Self::of(State::Pass, said)
    }

    /// Worth knowing.
    #[must_use]
    pub fn info(said: impl Into<String>) -> Self {
        Self::of(State::Info, said)
    }

    /// Works, but should be changed.
    #[must_use]
    pub fn warn(said: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..Self::of(State::Warn, said)
        }
    }

    /// Not found out.
    #[must_use]
    pub fn unknown(said: impl Into<String>) -> Self {
        Self::of(State::Unknown, said)
    }

    /// Not as it must be.
    #[must_use]
    pub fn fail(said: impl Into<String>, advice: impl Into<String>, allows: Allows) -> Self {
        Self {
            advice: Some(advice.into()),
            allows,
            ..Self::of(State::Fail, said)
        }
    }

    /// Limits what the share is good for.
    #[must_use]
    pub fn allowing(mut self, allows: Allows) -> Self {
        self.allows = allows;
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Is about now, not about the filesystem.
    #[must_use]
    pub fn for_now(mut self) -> Self {
        self.passing = true;
        self
    }

    /// Adds a number for programs.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

/// What a check needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing on the share.
    Nothing,
    /// A scratch folder.
    Bench,
    /// The other host.
    Pair,
}

/// One check: data.
#[derive(Debug)]
pub struct Check {
    /// Its number.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
    /// What it shows, as a question.
    pub shows: &'static str,
    /// What it needs.
    pub needs: Needs,
    /// Whether the share is good for nothing while this is unknown.
    pub essential: bool,
    /// Whether a watcher asks it at each start.
    pub at_start: bool,
    /// Seconds it is given.
    pub patience_s: u64,
    run: fn(&Bench) -> Result<Finding, bench::Trouble>,
}

impl Check {
    /// Finds a check by its number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<&'static Self> {
        CHECKS.iter().find(|check| check.number == number)
    }

    /// Runs it. In a process that may be killed.
    #[must_use]
    pub fn run(&self, bench: &Bench) -> Finding {
        (self.run)(bench).unwrap_or_else(bench::Trouble::finding)
    }
}

const fn local(
    number: u8,
    name: &'static str,
    shows: &'static str,
    run: fn(&Bench) -> Result<Finding, bench::Trouble>,
) -> Check {
    Check {
        number,
        name,
        shows,
        needs: Needs::Bench,
        essential: false,
        at_start: false,
        patience_s: 30,
        run,
    }
}

const fn essential(check: Check) -> Check {
    Check {
        essential: true,
        at_start: true,
        ..check
    }
}

const fn paired(check: Check) -> Check {
    Check {
        needs: Needs::Pair,
        // Longer than one side waits for the other to come: that one must have been given up first.
        patience_s: 200,
        ..check
    }
}

const fn off_share(check: Check) -> Check {
    Check {
        needs: Needs::Nothing,
        patience_s: 8,
        ..check
    }
}

/// Every check, by its number.
pub const CHECKS: &[Check] = &[
    off_share(essential(local(
        1,
        "mount",
        "which filesystem, with which options?",
        table::mount,
    ))),
    off_share(essential(local(
        2,
        "identity",
        "is it our share, and is it there?",
        identity::identity,
    ))),
    essential(local(
        3,
        "exclusive-create",
        "does one of many creators win?",
        claims::exclusive,
    )),
    essential(local(
        4,
        "rename",
        "does one of many renames win, between all folders?",
        claims::renames,
    )),
    local(
        5,
        "replace",
        "is a file there while it is replaced?",
        names::replace,
    ),
    local(
        6,
        "extras",
        "which calls and modes does it know?",
        extras::extras,
    ),
    local(
        7,
        "names",
        "are names kept as they are written?",
        names::names,
    ),
    essential(local(
        8,
        "durability",
        "do write, sync and close say when data is lost?",
        kept::durability,
    )),
    local(
        9,
        "timestamps",
        "how fine are the times of files?",
        times::granularity,
    ),
    local(
        10,
        "same-tick",
        "does a listing show every change?",
        times::same_tick,
    ),
    local(11, "clock", "what time is it on the server?", times::clock),
    local(
        12,
        "locks",
        "what do locks do here? (not used)",
        extras::locks,
    ),
    local(
        13,
        "latency",
        "how long does each call take?",
        times::latency,
    ),
    off_share(local(
        14,
        "keys",
        "are keys kept off the share?",
        hygiene::keys,
    )),
    local(
        15,
        "killable",
        "can a process that hangs here be killed?",
        waits::killable,
    ),
    local(
        16,
        "notices",
        "does the kernel report changes?",
        waits::notices,
    ),
    off_share(local(
        17,
        "journal",
        "is this node's own state on a local disk?",
        hygiene::journal,
    )),
    paired(local(
        18,
        "visible",
        "how soon does one host see what the other did?",
        pair::visible,
    )),
    paired(local(
        19,
        "competing",
        "does one of two hosts win?",
        pair::competing,
    )),
    paired(local(
        20,
        "decisive",
        "is a look after an own change true?",
        pair::decisive,
    )),
    paired(local(
        21,
        "tail",
        "is a growing file always a beginning of itself?",
        pair::tail,
    )),
    paired(local(
        22,
        "held-open",
        "can a file be moved that the other host reads?",
        pair::held,
    )),
    paired(local(
        23,
        "users-clocks",
        "may each work with the other's files, and do the clocks agree?",
        pair::mapping,
    )),
    paired(local(
        24,
        "lease",
        "is a host that stopped noticed, and fenced when it comes back?",
        pair::lease,
    )),
    paired(local(
        25,
        "two-nodes",
        "are they two nodes of one share?",
        pair::identity,
    )),
];
