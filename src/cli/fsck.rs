//! `dispatch fsck`: reads the share, and this node's journal, against the folder protocol.
//!
//! It looks twice, because a task that moves meanwhile can look like two; what both looks saw is told. Without
//! `--repair` it changes nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::failure::Failure;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use crate::disk;
use crate::disk::LockFile;
use crate::event::Event;
use crate::event::Word;
use crate::exit::Exit;
use crate::flow::fsck;
use crate::flow::fsck::Code;
use crate::flow::fsck::Finding;
use crate::flow::fsck::Own;
use crate::flow::fsck::Survey;
use crate::journal::FileTape;
use crate::journal::Journal;
use crate::place::Lane;
use crate::place::Place;

/// Between two looks: what a healthy watcher is in the middle of is over by then.
const BETWEEN: Duration = Duration::from_secs(2);
/// What the group must be able to do in a folder of the share.
const GROUP_ALL: u32 = 0o070;
/// What nobody else may do there.
const OTHERS_WRITE: u32 = 0o002;

/// Look for what should not be on the share
///
/// Example: dispatch fsck
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Put right what can be put right without harm; only while no watcher of this node runs
    #[arg(long)]
    repair: bool,
    /// Answer with one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Returns the flags every program has.
    #[must_use]
    pub const fn common(&self) -> &Common {
        &self.common
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let setup = Setup::new(&args.common, voice)?;
    setup.check_root()?;
    // Held to the end: a watcher that starts meanwhile would move what is being put right.
    let _lock = args.repair.then(|| lock(&setup)).transpose()?;
    let first = look(&setup)?;
    let found = if first.is_empty() {
        first
    } else {
        setup.clock.sleep(BETWEEN);
        let second: BTreeSet<Finding> = look(&setup)?.into_iter().collect();
        first
            .into_iter()
            .filter(|one| second.contains(one))
            .collect()
    };
    let mut left = 0_usize;
    for finding in &found {
        let repaired = args.repair && repair(&setup, finding, voice);
        left += usize::from(!repaired);
        tell(args, voice, finding, repaired)?;
    }
    if found.is_empty() {
        voice.note("everything lies where it should");
    }
    Ok(if left == 0 { Exit::Ok } else { Exit::No })
}

fn lock(setup: &Setup) -> Result<LockFile, Failure> {
    let state = setup.config.state()?;
    disk::make_dir(state, 0o700)?;
    LockFile::try_take(&state.join("watch.lock")).map_err(|error| match error {
        disk::Error::Locked { .. } => Failure::new(
            Exit::TryAgain,
            format!("the watcher of '{}' runs on this host", setup.node),
        )
        .hint("it puts right by itself what can be; stop it first to repair by hand"),
        other => other.into(),
    })
}

/// One look at everything.
fn look(setup: &Setup) -> Result<Vec<Finding>, Failure> {
    let mut lanes = setup.lanes_in();
    lanes.extend(setup.lanes_out());
    let state = setup.config.state()?;
    let mut found = modes(setup, &lanes)?;
    let journal = match journal(state) {
        Ok(journal) => journal,
        Err(why) => {
            let object = state.join("journal").display().to_string();
            found.push(Finding::local(Code::Journal, object, why));
            None
        }
    };
    let runs = match setup.config.runs() {
        Ok(runs) => disk::list(runs).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let own = journal.as_ref().map(|journal| Own {
        node: &setup.node,
        journal,
        runs: &runs,
    });
    found.extend(fsck::survey(&Survey {
        transport: &*setup.transport,
        keys: &setup.keys,
        clock: &*setup.clock,
        lanes: &lanes,
        own,
    }));
    Ok(found)
}

/// The journal as it is on the disk; `None` where this node never received.
fn journal(state: &Path) -> Result<Option<Journal>, String> {
    let (_, bytes) = FileTape::open(&state.join("journal")).map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Ok(None);
    }
    Journal::read(&bytes)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// The modes of the folders, as this host sees them.
fn modes(setup: &Setup, lanes: &[Lane]) -> Result<Vec<Finding>, Failure> {
    let root = setup.config.root()?;
    if !setup.has_modes() {
        return Ok(Vec::new());
    }
    let mut places = vec![Place::Heartbeats, Place::Logs];
    places.extend(lanes.iter().flat_map(Place::of_lane));
    let mut found = Vec::new();
    for place in places {
        // What is not there, or no folder, is told of by name.
        let Ok((_, mode, true)) = disk::ownership(&root.join(place.path())) else {
            continue;
        };
        let why = if mode & GROUP_ALL != GROUP_ALL {
            "the group cannot work in it"
        } else if mode & OTHERS_WRITE != 0 {
            "everybody on this host can write to it"
        } else {
            continue;
        };
        let why = format!("its mode is {mode:04o}: {why}");
        found.push(Finding::local(Code::Mode, place.to_string(), why));
    }
    Ok(found)
}

fn repair(setup: &Setup, finding: &Finding, voice: &Voice) -> bool {
    if !finding.is_mendable() {
        return false;
    }
    match fsck::mend(&*setup.transport, finding) {
        Ok(mended) => {
            if mended && let Ok(log) = setup.log() {
                let event = Event::of(Word::Fsck).code(finding.code.as_str());
                log.tell(&event.say(&finding.object));
            }
            mended
        }
        Err(error) => {
            voice.warn(&error.to_string());
            false
        }
    }
}

fn tell(args: &Args, voice: &Voice, finding: &Finding, repaired: bool) -> Result<(), Failure> {
    let advice = finding.code.remedy();
    if args.json {
        let line = json!({"code": finding.code, "object": finding.object, "why": finding.why,
            "do": advice, "repaired": repaired});
        return voice.answer(&line.to_string());
    }
    let last = if repaired { "repaired" } else { advice };
    voice.answer(&format!(
        "{}\t{}\t{}\t{last}",
        finding.code, finding.object, finding.why
    ))
}
