//! Reads a share against the table of `docs/QUEUE.md` and reports every picture that the protocol does not know: one
//! finding each, with what to do about it.
//!
//! A survey changes nothing. A task that moves while it is looked at can look like two, so a caller looks twice and
//! keeps what both looks saw. [`mend`] does only what a starting watcher or the collector of old files would do, and
//! only while no watcher runs.

mod ends;
mod names;
mod own;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use nix::errno::Errno;

use crate::clock::Clock;
use crate::entry::ClaimName;
use crate::entry::QueuedName;
use crate::id::NodeName;
use crate::id::TaskId;
use crate::journal::Journal;
use crate::keyring::Keyring;
use crate::limits;
use crate::outcome::words;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Listed;
use crate::share::ShareError;
use crate::stage::Stage;
use crate::transport::Transport;

words! {
    /// A picture that the folder protocol does not know.
    Code {
        /// A folder of a lane is missing.
        NoFolder = "no_folder",
        /// A folder or an entry is a link, or something else that is never opened.
        Link = "link",
        /// A folder cannot be read now.
        Unreadable = "unreadable",
        /// A folder has a mode with which the two hosts cannot work, or everybody can.
        Mode = "mode",
        /// An entry whose name means nothing where it lies.
        UnknownName = "unknown_name",
        /// A temporary file that its writer has given up.
        OldPart = "old_part",
        /// One task in two folders.
        TwoPlaces = "two_places",
        /// A start marker without its claim.
        LoneMarker = "lone_marker",
        /// A lease without its claim that nobody removed.
        LoneLease = "lone_lease",
        /// A claim of another node in a lane that is not its.
        ForeignClaim = "foreign_claim",
        /// A committed task without a result.
        TaskWithoutResult = "task_without_result",
        /// A result whose claim has no task file.
        ResultWithoutTask = "result_without_task",
        /// A result under its public name that cannot be believed.
        BadSeal = "bad_seal",
        /// A result under its public name that was sealed with a key that is not here.
        KeyGone = "key_gone",
        /// The journal says where a task lies, and it does not.
        MissingFile = "missing_file",
        /// A claim of ours that the journal does not know.
        Stray = "stray",
        /// A run directory that belongs to no open task.
        LoneRun = "lone_run",
        /// The journal cannot be read.
        Journal = "journal",
    }
}

impl Code {
    /// Returns what to do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NoFolder => "'dispatch fsck --repair' or 'dispatch init' makes it",
            Self::Link => "remove it: nothing on a share is reached through a link",
            Self::Unreadable => "see that the share is mounted and that this user may read it",
            Self::Mode => "chmod 2770, and the group that both hosts share",
            Self::UnknownName => "in inbox/ the watcher sets it aside; elsewhere a person put it",
            Self::OldPart => "'dispatch fsck --repair' removes it",
            Self::TwoPlaces => "the watcher keeps what its journal names and sets the other aside",
            Self::LoneMarker => "the watcher removes it, or 'dispatch fsck --repair'",
            Self::LoneLease => "the watcher of any member removes it",
            Self::ForeignClaim => "find out who else serves this lane: only its addressee may",
            Self::TaskWithoutResult => {
                "look in done/ and rejected/ for a result that was moved, else in the receiver's log"
            }
            Self::ResultWithoutTask => {
                "it is not believed; move its task file back from where somebody put it"
            }
            Self::BadSeal => {
                "it is not believed; the receiver sets it aside, or it is from elsewhere"
            }
            Self::KeyGone => {
                "nothing, if that key was revoked; else 'dispatch key list' on both hosts shows who has it"
            }
            Self::MissingFile => {
                "move it back from where somebody put it; the task ends as expired otherwise"
            }
            Self::Stray => "the watcher judges it as if it had just arrived, when it starts",
            Self::LoneRun => "the watcher removes it when it starts, if it knows the task",
            Self::Journal => {
                "restore it from a copy of this node, or start anew and see 'dispatch-watch --help' on --adopt"
            }
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What it is.
    pub code: Code,
    /// On what: a path below the root, or a name here; escaped.
    pub object: String,
    /// Why it is not as it should be.
    pub why: String,
    /// What would put it right without harm.
    mend: Option<Mend>,
}

impl Finding {
    /// Makes a finding about something that is not on the share.
    #[must_use]
    pub fn local(code: Code, object: String, why: String) -> Self {
        Self {
            code,
            object,
            why,
            mend: None,
        }
    }

    fn at(code: Code, place: &Place, name: &str, why: impl Into<String>) -> Self {
        let object = match place {
            Place::Root => name.to_owned(),
            place => format!("{place}{name}"),
        };
        Self::local(code, object, why.into())
    }

    fn mended_by(self, mend: Mend) -> Self {
        Self {
            mend: Some(mend),
            ..self
        }
    }

    /// Returns whether [`mend`] can put it right.
    #[must_use]
    pub const fn is_mendable(&self) -> bool {
        self.mend.is_some()
    }
}

/// What puts a finding right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Mend {
    Make(Place),
    RemovePart(Lane, String),
    RemoveMarker(Lane, String),
}

/// What a survey looks at, and with what.
pub struct Survey<'a> {
    /// The share.
    pub transport: &'a dyn Transport,
    /// To judge seals, as far as there are keys.
    pub keys: &'a Keyring,
    /// Time.
    pub clock: &'a dyn Clock,
    /// The lanes to look at.
    pub lanes: &'a [Lane],
    /// What this node knows by itself, where it receives.
    pub own: Option<Own<'a>>,
}

/// What a receiving node knows by itself.
pub struct Own<'a> {
    /// The node.
    pub node: &'a NodeName,
    /// What it decided; only read.
    pub journal: &'a Journal,
    /// The names of its run directories.
    pub runs: &'a [String],
}

/// The folders of one lane as they were listed.
struct Snapshot {
    lane: Lane,
    stages: BTreeMap<Stage, Vec<Listed>>,
    /// What lies in the days of `done/`. The collector moves the task of an outcome there first, its result last.
    days: BTreeSet<String>,
}

impl Snapshot {
    fn names(&self, stage: Stage) -> impl Iterator<Item = &str> {
        let listed = self.stages.get(&stage).into_iter().flatten();
        listed
            .filter(|entry| entry.raw.is_none())
            .map(|entry| entry.name.as_str())
    }

    fn holds(&self, stage: Stage, name: &str) -> bool {
        self.names(stage).any(|seen| seen == name)
    }

    fn claims(&self, stage: Stage) -> impl Iterator<Item = ClaimName> {
        self.names(stage).filter_map(ClaimName::parse)
    }

    /// Whether a file of the task lies where somebody still has to act.
    fn holds_open(&self, id: TaskId) -> bool {
        let id = id.to_string();
        let open = [Stage::Inbox, Stage::Processing, Stage::PendingAck];
        let mut names = open.iter().flat_map(|stage| self.names(*stage));
        names.any(|name| name.starts_with(&id) && name.ends_with(".json"))
    }

    fn place(&self, stage: Stage) -> Place {
        Place::Stage(self.lane.clone(), stage)
    }
}

/// Looks at everything once. Sorted, without repetition.
#[must_use]
pub fn survey(survey: &Survey) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    let mut snapshots = Vec::new();
    for lane in survey.lanes {
        match survey.transport.list(&Place::Lane(lane.clone())) {
            // A peer that nobody laid out a lane for yet: it has nothing to be wrong.
            Err(error) if error.is_absent() => {}
            Err(error) => {
                found.insert(unlisted(&Place::Lane(lane.clone()), &error));
            }
            Ok(_) => snapshots.push(snapshot(survey, lane, &mut found)),
        }
    }
    for snapshot in &snapshots {
        found.extend(names::check(survey, snapshot));
        found.extend(places(snapshot));
        found.extend(ends::check(survey, snapshot));
        if let Some(own) = &survey.own {
            found.extend(own::lane(own, snapshot));
        }
    }
    if let Some(own) = &survey.own {
        found.extend(own::runs(own));
    }
    found.into_iter().collect()
}

fn snapshot(survey: &Survey, lane: &Lane, found: &mut BTreeSet<Finding>) -> Snapshot {
    let mut stages = BTreeMap::new();
    for stage in Stage::ALL {
        let place = Place::Stage(lane.clone(), *stage);
        match survey.transport.list(&place) {
            Ok(listed) => {
                stages.insert(*stage, listed);
            }
            Err(error) => {
                found.insert(unlisted(&place, &error));
            }
        }
    }
    let done = stages.get(&Stage::Done).into_iter().flatten();
    let days = done.filter(|entry| names::is_day(&entry.name));
    let mut aged = BTreeSet::new();
    for day in days {
        let place = Place::Day(lane.clone(), day.name.clone());
        match survey.transport.list(&place) {
            Ok(listed) => aged.extend(listed.into_iter().map(|entry| entry.name)),
            Err(error) if error.is_absent() => {}
            Err(error) => {
                found.insert(unlisted(&place, &error));
            }
        }
    }
    Snapshot {
        lane: lane.clone(),
        stages,
        days: aged,
    }
}

fn unlisted(place: &Place, error: &ShareError) -> Finding {
    match error.kind() {
        Errno::ENOENT => Finding::at(Code::NoFolder, place, "", "it is missing")
            .mended_by(Mend::Make(place.clone())),
        Errno::ELOOP | Errno::ENOTDIR => {
            Finding::at(Code::Link, place, "", "it is not a folder of its own")
        }
        _ => Finding::at(Code::Unreadable, place, "", error.to_string()),
    }
}

/// The folder is the state: a task is in one.
fn places(snapshot: &Snapshot) -> Vec<Finding> {
    let mut seen: BTreeMap<TaskId, Vec<String>> = BTreeMap::new();
    for stage in Stage::ALL.iter().filter(|stage| stage.is_open()) {
        for name in snapshot.names(*stage) {
            let claim = ClaimName::parse(name).map(|claim| claim.id);
            let queued = || QueuedName::parse(name).map(|queued| queued.id);
            if let Some(id) = claim.or_else(queued) {
                seen.entry(id).or_default().push(format!("{stage}/{name}"));
            }
        }
    }
    let several = seen.into_iter().filter(|(_, files)| files.len() > 1);
    let place = Place::Lane(snapshot.lane.clone());
    several
        .map(|(id, files)| {
            let why = format!("it lies in {}", files.join(" and "));
            Finding::at(Code::TwoPlaces, &place, &id.to_string(), why)
        })
        .collect()
}

/// Puts one finding right, after looking once more. Returns whether it did. The caller sees to it that no watcher of
/// this node runs meanwhile.
///
/// # Errors
/// [`ShareError`]: it stays as it is.
pub fn mend(transport: &dyn Transport, finding: &Finding) -> Result<bool, ShareError> {
    match &finding.mend {
        None => Ok(false),
        Some(Mend::Make(place)) => transport.make_dir(place).map(|()| true),
        Some(Mend::RemovePart(lane, name)) => {
            let tmp = Place::Stage(lane.clone(), Stage::Tmp);
            let age = transport
                .server_time(lane)?
                .since(transport.attributes(&tmp, name)?.changed);
            if age < limits::TMP_AGE {
                return Ok(false);
            }
            transport.remove(&tmp, name).map(|()| true)
        }
        Some(Mend::RemoveMarker(lane, name)) => {
            let processing = Place::Stage(lane.clone(), Stage::Processing);
            let claim = format!("{}.json", name.trim_end_matches(".start"));
            if transport.holds(&processing, &claim)? {
                return Ok(false);
            }
            transport.remove(&processing, name).map(|()| true)
        }
    }
}
