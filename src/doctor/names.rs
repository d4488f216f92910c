//! Checks 5 and 7: what becomes of names, and of a file that is replaced.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use nix::errno::Errno;

use super::Allows;
use super::Bench;
use super::Finding;
use super::bench;
use super::bench::Trouble;
use super::bench::to;
use crate::limits;

/// Rounds of replacing.
const ROUNDS: usize = 100;

/// Check 5: shows why nothing here is ever replaced (docs/QUEUE.md, R7).
pub(super) fn replace(bench: &Bench) -> Result<Finding, Trouble> {
    let free = replaced(bench, "free", false)?;
    let held = replaced(bench, "held", true)?;
    let said = format!(
        "a reader of a file that is replaced met {} of {} times nothing; while it is held open, {} of {}{}",
        free.absent,
        free.reads,
        held.absent,
        held.reads,
        if held.refused > 0 {
            format!(", and {} replacements were refused", held.refused)
        } else {
            String::new()
        },
    );
    let absent = free.absent + held.absent;
    let finding = Finding::info(said)
        .fact("absent", absent)
        .fact("refused", held.refused);
    Ok(match absent + held.refused {
        0 => Finding {
            state: super::State::Pass,
            ..finding
        },
        _ => finding,
    })
}

#[derive(Default)]
struct Seen {
    reads: u64,
    absent: u64,
    refused: u64,
}

fn replaced(bench: &Bench, name: &str, hold: bool) -> Result<Seen, Trouble> {
    let target = bench.path(name);
    bench.lay(&target, &[b'x'; 64])?;
    let over = AtomicBool::new(false);
    let mut refused = 0;
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Seen::default();
            while !over.load(Ordering::Relaxed) {
                seen.reads += 1;
                match bench::get(&target) {
                    Ok(bytes) if bytes.len() == 64 => {}
                    _ => seen.absent += 1,
                }
            }
            seen
        });
        for round in 0..ROUNDS {
            let fresh = bench.path(&format!("{name}-{round}"));
            let held = hold.then(|| std::fs::File::open(&target));
            if bench::put(&fresh, &[b'x'; 64])
                .and_then(|()| bench::rename(&fresh, &target))
                .is_err()
            {
                refused += 1;
            }
            drop(held);
        }
        over.store(true, Ordering::Relaxed);
        reader.join()
    });
    let seen = seen.unwrap_or_default();
    Ok(Seen { refused, ..seen })
}

/// Check 7: our own names must come back byte for byte, and stay two where they are two.
pub(super) fn names(bench: &Bench) -> Result<Finding, Trouble> {
    let ours = bench.folder("ours")?;
    let mut wanted: Vec<String> = [
        "doc-a",
        "a.b_c-d",
        "0198f1c2-0000-7000-8000-00000000abcd.normal.g1.json",
        ".dot",
    ]
    .map(str::to_owned)
    .to_vec();
    let long = limits::NAME_BYTES_MAX;
    wanted.extend(["1", "2"].map(|end| format!("{}{end}", "n".repeat(long - 1))));
    wanted.sort();
    for name in &wanted {
        let made = bench::put(&ours.join(name), name.as_bytes());
        if let Err(error) = made {
            let errno = bench::errno_of(&error);
            if matches!(errno, Errno::ENAMETOOLONG | Errno::EINVAL | Errno::EEXIST) {
                let said = format!(
                    "a name of {} bytes is refused: {}",
                    name.len(),
                    errno.desc()
                );
                return Ok(broken(said));
            }
            bench.lay(&ours.join(name), name.as_bytes())?;
        }
    }
    let mut found = bench::list(&ours).map_err(to("list a folder"))?;
    found.sort();
    if found != wanted {
        let lost = wanted
            .iter()
            .find(|name| !found.contains(name))
            .map_or("", String::as_str);
        return Ok(broken(format!(
            "a name came back otherwise: '{lost}' is not in the listing"
        )));
    }
    for name in &wanted {
        if bench::get(&ours.join(name)).map_err(to("read a file"))? != name.as_bytes() {
            return Ok(broken(format!("'{name}' has the content of another name")));
        }
    }
    if let Some(said) = overwrites(bench)? {
        return Ok(broken(said));
    }
    let said = format!(
        "{} names, the longest of {long} bytes, came back as written",
        wanted.len()
    );
    habits(bench, &ours, said)
}

/// Adds what is odd about names that are not used here.
fn habits(bench: &Bench, ours: &Path, mut said: String) -> Result<Finding, Trouble> {
    let folds = bench::get(&ours.join("DOC-A")).is_ok();
    let odd = bench.folder("odd")?;
    let colon = bench::put(&odd.join("a:b"), b"").is_ok()
        && bench::list(&odd)
            .map_err(to("list a folder"))?
            .contains(&"a:b".to_owned());
    if folds {
        said.push_str("; upper and lower case are one (all names here are lower case)");
    }
    if !colon {
        said.push_str("; ':' is refused or changed (no name here has one)");
    }
    let finding = Finding::pass(said)
        .fact("folds_case", folds)
        .fact("keeps_colon", colon);
    Ok(match folds || !colon {
        true => Finding {
            state: super::State::Info,
            ..finding
        },
        false => finding,
    })
}

/// A rename to a name that nobody ever used must not hit another file.
fn overwrites(bench: &Bench) -> Result<Option<String>, Trouble> {
    let dir = bench.folder("claims")?;
    let name = |number: usize| {
        format!("0198f1c2-0000-7000-8000-00000000abcd.normal.g1.gpubox-{number:016x}.json")
    };
    for number in 0..8 {
        let source = dir.join(format!("s{number}"));
        bench.lay(&source, number.to_string().as_bytes())?;
        let moved = bench::rename(&source, &dir.join(name(number)));
        let there = bench::list(&dir).map_err(to("list a folder"))?;
        if !there.contains(&name(number)) {
            moved.map_err(to("rename a file"))?;
            return Ok(Some(
                "a rename reported success, and its name is not in the listing".to_owned(),
            ));
        }
    }
    for number in 0..8 {
        let bytes = bench::get(&dir.join(name(number))).map_err(to("read a file"))?;
        if bytes != number.to_string().as_bytes() {
            return Ok(Some(format!(
                "a rename overwrote another file: two names of {} bytes are one",
                name(0).len()
            )));
        }
    }
    Ok(None)
}

fn broken(said: String) -> Finding {
    let advice = "names of 143 bytes of a-z, 0-9, '.', '_' and '-' must be kept as they are: use another filesystem";
    Finding::fail(said, advice, Allows::Refuse)
}
