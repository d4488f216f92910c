//! Checks 3 and 4: that one of many wins, which is what every claim rests on.

use std::path::Path;
use std::sync::Barrier;

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;

use super::Allows;
use super::Bench;
use super::Finding;
use super::bench;
use super::bench::Tally;
use super::bench::Trouble;
use super::bench::to;
use crate::stage::Stage;

/// Threads that race.
const RACERS: usize = 8;

/// Starts all racers at once, and returns what each met.
fn race<T: Send>(run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let line = Barrier::new(RACERS);
    std::thread::scope(|scope| {
        let racer = |number| {
            let (line, run) = (&line, &run);
            scope.spawn(move || {
                line.wait();
                run(number)
            })
        };
        let racers: Vec<_> = (0..RACERS).map(racer).collect();
        // A racer only calls the system; one that panicked met nothing.
        racers
            .into_iter()
            .filter_map(|racer| racer.join().ok())
            .collect()
    })
}

pub(super) fn exclusive(bench: &Bench) -> Result<Finding, Trouble> {
    let name = bench.path("once");
    bench.lay(&name, b"")?;
    let broken = |said: String| {
        let advice = "exclusive create must work as in open(2): use NFS, SMB or a local disk";
        Ok(Finding::fail(said, advice, Allows::Refuse))
    };
    match bench::create(&name) {
        Ok(_) => return broken("a file that is there was created again (O_EXCL)".to_owned()),
        Err(error) if bench::errno_of(&error) == Errno::EEXIST => {}
        Err(error) => {
            return broken(format!(
                "a second exclusive create says: {}",
                bench::errno_of(&error).desc()
            ));
        }
    }
    let rounds = bench.rounds(5, 40);
    let mut odd = Tally::default();
    for round in 0..rounds {
        let path = bench.path(&format!("race-{round}"));
        let met = race(|_| bench::create(&path));
        let wins = met.iter().filter(|one| one.is_ok()).count();
        for error in met.into_iter().filter_map(Result::err) {
            if bench::errno_of(&error) != Errno::EEXIST {
                odd.add(bench::errno_of(&error));
            }
        }
        let there = bench::list(&bench.dir).map_err(to("list a folder"))?;
        let made = there.iter().any(|name| *name == format!("race-{round}"));
        if wins > 1 {
            return broken(format!(
                "{wins} of {RACERS} creators of one name won in round {}",
                round + 1
            ));
        }
        if !made {
            return broken(format!(
                "none of {RACERS} creators made its file in round {}",
                round + 1
            ));
        }
    }
    let said = format!("one of {RACERS} creators won in each of {rounds} rounds");
    Ok(after_odd(said, &odd))
}

/// A pass, or a warning where calls that worked said they failed, or failed for reasons of their own.
fn after_odd(said: String, odd: &Tally) -> Finding {
    if odd.total() == 0 {
        return Finding::pass(said);
    }
    Finding::warn(
        format!("{said}; calls failed with {}", odd.list()),
        "replies get lost, or files are held by others: tasks are safe, claims are slower; look at the server's log",
    )
}

pub(super) fn renames(bench: &Bench) -> Result<Finding, Trouble> {
    if let Some(finding) = copies(bench)? {
        return Ok(finding);
    }
    if let Some(finding) = between_stages(bench)? {
        return Ok(finding);
    }
    let sources = bench.folder("sources")?;
    let claims = bench.folder("claims")?;
    let rounds = bench.rounds(10, 200);
    let mut odd = Tally::default();
    let mut lost = 0_u32;
    for round in 0..rounds {
        let source = sources.join(round.to_string());
        bench.lay(&source, b"task")?;
        let target = |racer: usize| claims.join(format!("{round}-{racer}"));
        let met = race(|racer| {
            bench::rename(&source, &target(racer)).map_err(|error| bench::errno_of(&error))
        });
        let there = bench::list(&claims).map_err(to("list a folder"))?;
        let of_round = format!("{round}-");
        let made: Vec<&String> = there
            .iter()
            .filter(|name| name.starts_with(&of_round))
            .collect();
        let [made] = made.as_slice() else {
            let said = format!(
                "{} of {RACERS} renames of one file won in round {}",
                made.len(),
                round + 1
            );
            return Ok(Finding::fail(said, COPIES, Allows::Refuse));
        };
        for (racer, result) in met.iter().enumerate() {
            let is_there = target(racer).ends_with(made);
            match result {
                Ok(()) if !is_there => {
                    let said = format!(
                        "a rename reported success and did not happen in round {}",
                        round + 1
                    );
                    return Ok(Finding::fail(said, COPIES, Allows::Refuse));
                }
                Err(_) if is_there => lost += 1,
                Err(errno) if *errno != Errno::ENOENT => odd.add(*errno),
                _ => {}
            }
        }
        if bench::list(&sources)
            .map_err(to("list a folder"))?
            .contains(&round.to_string())
        {
            let said = "a file was renamed and is still there under its old name";
            return Ok(Finding::fail(said, COPIES, Allows::Refuse));
        }
    }
    let mut said =
        format!("one of {RACERS} renames won in each of {rounds} rounds, between all stages");
    if lost > 0 {
        said = format!("{said}; {lost} reported an error although they had won");
        let advice =
            "replies get lost: tasks are safe, as a listing decides; look at the server's log";
        return Ok(Finding::warn(said, advice).fact("lost_replies", lost));
    }
    Ok(after_odd(said, &odd))
}

const COPIES: &str =
    "its rename is not one step: two nodes can win one task; use NFS or SMB instead";

/// Shows a rename that copies: what is written through a descriptor of the old name must be in the new one.
fn copies(bench: &Bench) -> Result<Option<Finding>, Trouble> {
    let (old, new) = (bench.path("whole-old"), bench.path("whole-new"));
    bench.lay(&old, b"")?;
    let open = std::fs::OpenOptions::new().write(true).open(&old);
    let mut file = open.map_err(to("open a file"))?;
    file.write_all(b"one").map_err(to("write a file"))?;
    file.sync_all().map_err(to("sync a file"))?;
    let before = file.metadata().map_err(to("look at a file"))?.ino();
    if let Err(error) = bench::rename(&old, &new) {
        let errno = bench::errno_of(&error);
        // Some servers do not rename what is open; then this way of asking tells nothing.
        let held = matches!(
            errno,
            Errno::EACCES | Errno::EBUSY | Errno::EPERM | Errno::ETXTBSY
        );
        let there = bench::list(&bench.dir).map_err(to("list a folder"))?;
        if !there.iter().any(|name| name == "whole-new") {
            return if held {
                Ok(None)
            } else {
                Err(to("rename a file")(error))
            };
        }
    }
    let written = file.write_all_at(b"two", 3).and_then(|()| file.sync_all());
    drop(file);
    let after = std::fs::symlink_metadata(&new)
        .map_err(to("look at a file"))?
        .ino();
    let bytes = bench::get(&new).map_err(to("read a file"))?;
    if before != after && (written.is_err() || bytes != b"onetwo") {
        let said = "a renamed file is a copy: what was written through the old one is lost";
        return Ok(Some(Finding::fail(said, COPIES, Allows::Refuse)));
    }
    Ok(None)
}

/// A file goes from every folder of a lane to every other.
fn between_stages(bench: &Bench) -> Result<Option<Finding>, Trouble> {
    let lane = bench.folder("lane")?;
    for stage in Stage::ALL {
        bench.folder(&format!("lane/{stage}"))?;
    }
    let mut number = 0;
    for from in Stage::ALL {
        for to_stage in Stage::ALL.iter().filter(|to_stage| *to_stage != from) {
            let file = |stage: &Stage| lane.join(stage.to_string()).join(number.to_string());
            let (source, target) = (file(from), file(to_stage));
            bench.lay(&source, b"")?;
            if let Some(errno) = moved(&source, &target)? {
                let said = format!(
                    "a file cannot be renamed from {from}/ to {to_stage}/: {}",
                    errno.desc()
                );
                let advice = "all folders must lie in one filesystem: one export, no quota trees or mounts in between";
                return Ok(Some(Finding::fail(said, advice, Allows::Refuse)));
            }
            number += 1;
        }
    }
    Ok(None)
}

/// Renames with patience for files that are held. Returns the error where it did not happen.
fn moved(source: &Path, target: &Path) -> Result<Option<Errno>, Trouble> {
    let mut last = Errno::EIO;
    for _ in 0..5 {
        let Err(error) = bench::rename(source, target) else {
            return Ok(None);
        };
        last = bench::errno_of(&error);
        let folder = target.parent().unwrap_or(target);
        let name = target
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if bench::list(folder)
            .map_err(to("list a folder"))?
            .contains(&name)
        {
            return Ok(None);
        }
        if last == Errno::EXDEV {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(Some(last))
}
