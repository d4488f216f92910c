//! Checks 22 and 24: files that the other host holds open, and a lease whose holder stops.

use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::time::Duration;

use nix::errno::Errno;
use serde::Deserialize;
use serde::Serialize;

use super::Talk;
use crate::clock;
use crate::doctor::Allows;
use crate::doctor::Bench;
use crate::doctor::Finding;
use crate::doctor::bench;
use crate::doctor::bench::Trouble;
use crate::doctor::bench::to;
use crate::limits;
use crate::place::Place;
use crate::share::Share;

/// How long a rename of a held file is tried.
const TRY: Duration = Duration::from_secs(3);
/// Between two beats.
const BEAT: Duration = Duration::from_millis(100);
/// Beats before the holder stops.
const BEATS: u32 = 20;
/// A lease is over when it did not move for so long, on the observer's own clock.
const TERM: Duration = Duration::from_millis(1500);
/// How long the holder stops: well over the term, whatever the two hosts' clocks do.
const STOP: Duration = Duration::from_millis(4500);

/// What the one who moved the files met.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Moved {
    renamed: Option<String>,
    removed: Option<String>,
    waited_ms: u64,
}

/// Check 22.
pub(in crate::doctor) fn held(bench: &Bench) -> Result<Finding, Trouble> {
    let mut talk = Talk::begin(bench)?;
    let (one, two) = (bench.path("renamed"), bench.path("removed"));
    if talk.leads() {
        bench.lay(&one, b"content")?;
        bench.lay(&two, b"content")?;
        talk.together()?;
        talk.hear()?;
        let mut moved = Moved::default();
        let began = clock::precise();
        moved.renamed = patiently(|| bench::rename(&one, &bench.path("renamed.new")));
        moved.removed = patiently(|| bench::remove(&two));
        moved.waited_ms =
            u64::try_from(clock::precise().saturating_sub(began).as_millis()).unwrap_or(0);
        talk.tell(&moved)?;
        return talk.told();
    }
    talk.together()?;
    let open = |path: &std::path::Path| {
        let _ = bench::list(&bench.dir);
        std::fs::File::open(path)
    };
    let files = [open(&one), open(&two)].map(|file| file.map_err(to("open a file")));
    let [renamed, removed] = files;
    let (mut renamed, mut removed) = (renamed?, removed?);
    talk.ring()?;
    let moved: Moved = talk.told()?;
    let read = |file: &mut std::fs::File| {
        let mut text = String::new();
        let result = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_string(&mut text));
        match result {
            Ok(_) if text == "content" => "still reads".to_owned(),
            Ok(_) => "reads something else".to_owned(),
            Err(error) => format!("{:?}", bench::errno_of(&error)),
        }
    };
    let (after_rename, after_remove) = (read(&mut renamed), read(&mut removed));
    let word = |error: &Option<String>| error.clone().unwrap_or_else(|| "works".to_owned());
    let said = format!(
        "while one reads, the other's rename {} and remove {}; the reader then: {after_rename}, {after_remove}",
        word(&moved.renamed),
        word(&moved.removed)
    );
    let finding = if moved.renamed.is_some() {
        let advice = "claims wait until readers let go (virus scanners, indexers): exclude the share from them";
        Finding::warn(said, advice)
    } else if moved.waited_ms > 500 {
        Finding::warn(
            format!("{said}, after {} ms", moved.waited_ms),
            "exclude the share from scanners and indexers",
        )
    } else {
        Finding::pass(said)
    };
    talk.tell(&finding)?;
    Ok(finding)
}

/// Tries for a while; returns the last error, in its own name.
fn patiently(run: impl Fn() -> std::io::Result<()>) -> Option<String> {
    let began = clock::precise();
    loop {
        let Err(error) = run() else { return None };
        let errno = bench::errno_of(&error);
        // Gone from its old name: the reply got lost.
        if errno == Errno::ENOENT {
            return None;
        }
        if clock::precise().saturating_sub(began) > TRY {
            return Some(format!("fails with {errno:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Check 24: the leader holds a lease and stops; the other takes over; the leader must see that it lost.
pub(in crate::doctor) fn lease(bench: &Bench) -> Result<Finding, Trouble> {
    let mut talk = Talk::begin(bench)?;
    let (claim, done) = (bench.path("claim"), bench.path("committed"));
    let record = |number: u32| format!("{number:<width$}", width = limits::BEAT_BYTES).into_bytes();
    let failed = |error: crate::share::ShareError| to("beat")(std::io::Error::from(error.kind()));
    if talk.leads() {
        let share = bench.share();
        bench.lay(&claim, b"")?;
        share
            .beat(&Place::Root, "lease", &record(0))
            .map_err(failed)?;
        talk.together()?;
        for number in 1..=BEATS {
            share
                .beat(&Place::Root, "lease", &record(number))
                .map_err(failed)?;
            std::thread::sleep(BEAT);
        }
        // As after a suspend: nothing tells this side that time went by.
        std::thread::sleep(STOP);
        let committed = bench::rename(&claim, &done);
        let there = bench::list(&bench.dir).map_err(to("list a folder"))?;
        let won = there.iter().any(|name| name == "committed");
        let errno = committed
            .err()
            .map(|error| format!("{:?}", bench::errno_of(&error)));
        talk.tell(&(won, errno))?;
        return talk.told();
    }
    talk.together()?;
    let taken = bench.path("claim.r");
    let (mut last, mut moved, mut seen) = (Vec::new(), clock::precise(), 0_u32);
    let began = moved;
    loop {
        if let Ok(bytes) = bench::get(&bench.path("lease"))
            && bytes != last
        {
            last = bytes;
            seen += 1;
            moved = clock::precise();
        }
        if clock::precise().saturating_sub(moved) > TERM {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let after = clock::precise().saturating_sub(began);
    let early = after < BEAT * BEATS;
    let took = bench::rename(&claim, &taken).is_ok()
        || bench::list(&bench.dir)
            .map_err(to("list a folder"))?
            .iter()
            .any(|name| name == "claim.r");
    let (committed, errno): (bool, Option<String>) = talk.told()?;
    let finding = judge(seen, after, early, took, committed, errno.as_deref());
    talk.tell(&finding)?;
    Ok(finding)
}

fn judge(
    seen: u32,
    after: Duration,
    early: bool,
    took: bool,
    committed: bool,
    errno: Option<&str>,
) -> Finding {
    let said = format!(
        "{seen} beats seen, taken over after {} ms",
        after.as_millis()
    );
    if took && committed {
        let said = format!("{said}; and the holder that came back committed as well");
        return Finding::fail(
            said,
            "two nodes can end one task: use another filesystem",
            Allows::Refuse,
        );
    }
    if early || seen < BEATS / 4 {
        let advice = "beats arrive too late here, so a live node would be taken for dead: mount without data caching";
        return Finding::fail(
            format!("{said}, while the holder still beat"),
            advice,
            Allows::Single,
        );
    }
    if !took {
        let advice = "look at the rights on the share: the other host's files must be renamed";
        return Finding::fail(
            format!("{said}: the claim could not be taken"),
            advice,
            Allows::Single,
        );
    }
    Finding::pass(format!(
        "{said}; the holder that came back was fenced ({})",
        errno.unwrap_or("its name is gone")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_lease_is_judged_by_who_committed() {
        let late = Duration::from_millis(3600);
        let allows = |finding: Finding| (finding.state, finding.allows);
        let good = judge(20, late, false, true, false, Some("ENOENT"));
        assert_eq!(allows(good), (State::Pass, Allows::Multi));
        let both = judge(20, late, false, true, true, None);
        assert_eq!(allows(both), (State::Fail, Allows::Refuse));
        let early = judge(3, Duration::from_millis(1500), true, true, false, None);
        assert_eq!(allows(early), (State::Fail, Allows::Single));
        let not_taken = judge(20, late, false, false, true, None);
        assert_eq!(allows(not_taken), (State::Fail, Allows::Single));
    }
}
