//! Checks 9, 10, 11 and 13: the server's time, the steps of its stamps, and how long it takes to answer.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use super::Bench;
use super::Finding;
use super::bench;
use super::bench::Tally;
use super::bench::Trouble;
use super::bench::to;
use crate::clock;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::limits;
use crate::mount::Family;
use crate::mount::Table;
use crate::place::Place;
use crate::share::Share;

/// Pairs of files whose times are compared.
const PAIRS: usize = 50;
/// A step of the clock from which on two changes easily fall into one.
const COARSE: Duration = Duration::from_millis(50);
/// Clock difference worth a word, in seconds.
const SKEW_WARN_S: i64 = 2;
/// A call that takes longer makes every claim slow.
const SLOW: Duration = Duration::from_secs(1);

/// Check 9.
pub(super) fn granularity(bench: &Bench) -> Result<Finding, Trouble> {
    let stamp = |path: &Path| {
        let meta = std::fs::symlink_metadata(path)?;
        let nanos =
            |seconds: i64, nsec: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nsec);
        Ok::<_, std::io::Error>((
            nanos(meta.mtime(), meta.mtime_nsec()),
            nanos(meta.ctime(), meta.ctime_nsec()),
        ))
    };
    let mut stamps = Vec::new();
    for number in 0..PAIRS {
        let path = bench.path(&number.to_string());
        // Not synced: a disk takes longer for that than the step we look for.
        let _ = bench::create(&path);
        stamps.push(stamp(&path).map_err(to("look at a file"))?);
        // Odd pauses below a millisecond, so that steps are seen wherever they begin.
        std::thread::sleep(Duration::from_micros(
            u64::try_from(number * 37 % 900).unwrap_or(0),
        ));
    }
    let step = |pick: fn(&(i128, i128)) -> i128| {
        let mut times: Vec<i128> = stamps.iter().map(pick).collect();
        times.sort_unstable();
        let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
        steps.filter(|step| *step > 0).min()
    };
    let (modified, changed) = (step(|one| one.0), step(|one| one.1));
    let Some(tick) = modified.into_iter().chain(changed).max() else {
        let said = format!(
            "the times of {PAIRS} files are all the same: the step is longer than they took"
        );
        return Ok(Finding::warn(
            said,
            "two changes in one step look like one on NFSv3: prefer NFSv4.2",
        ));
    };
    let tick = Duration::from_nanos(u64::try_from(tick).unwrap_or(u64::MAX));
    let said = format!("the times of files move in steps of {}", show(tick));
    let nanos = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
    if tick > COARSE {
        let finding = Finding::warn(
            said,
            "two changes in one step look like one on NFSv3: prefer NFSv4.2",
        );
        return Ok(finding.fact("tick_ns", nanos));
    }
    Ok(Finding::pass(said).fact("tick_ns", nanos))
}

/// Check 10, as far as one host can tell: two of its processes share one cache, so what NFSv3 hides is seen only
/// between two hosts (check 18).
pub(super) fn same_tick(bench: &Bench) -> Result<Finding, Trouble> {
    let rounds = 100;
    let mut missed = 0_u32;
    for round in 0..rounds {
        let name = |which: &str| format!("{round}-{which}");
        for which in ["a", "b"] {
            let path = bench.path(&name(which));
            // Another thread creates, this one looks.
            let made = std::thread::scope(|scope| scope.spawn(|| bench.lay(&path, b"")).join());
            made.unwrap_or(Ok(()))?;
            let there = bench::list(&bench.dir).map_err(to("list a folder"))?;
            missed += u32::from(!there.contains(&name(which)));
        }
    }
    if missed > 0 {
        let said = format!(
            "{missed} of {} changes of this very host were not in the next listing",
            rounds * 2
        );
        let advice =
            "a listing must show at least what this host did: mount without a cache of listings";
        return Ok(Finding::fail(said, advice, super::Allows::Refuse));
    }
    let table = Table::read().unwrap_or_default();
    let real =
        std::fs::canonicalize(&bench.orders.root).unwrap_or_else(|_| bench.orders.root.clone());
    let old_nfs = table.of(&real).is_some_and(|mount| {
        mount.family() == Family::Nfs
            && mount.kind == "nfs"
            && !mount.value("vers").is_some_and(|v| v.starts_with('4'))
    });
    let said = format!("{} own changes were all in the next listing", rounds * 2);
    if old_nfs {
        let said =
            format!("{said}; those of other hosts within one tick may not be, as this is NFSv3");
        let finding = Finding::info(said)
            .advise("listings are poked (docs/SHARES.md); NFSv4.2 needs none of it");
        return Ok(finding.fact("needs_poke", true));
    }
    Ok(Finding::pass(said).fact("needs_poke", false))
}

/// Check 11.
pub(super) fn clock(bench: &Bench) -> Result<Finding, Trouble> {
    let failed =
        |error: crate::share::ShareError| to("create a file")(std::io::Error::from(error.kind()));
    let before = SystemClock.wall();
    let mut server = bench.share().server_time(&Place::Root, "now");
    for again in 0..3 {
        if server.is_ok() {
            break;
        }
        server = bench
            .share()
            .server_time(&Place::Root, &format!("now-{again}"));
    }
    let server = server.map_err(failed)?;
    let after = SystemClock.wall();
    let ahead = (server.unix() - after.unix()).max(0) - (before.unix() - server.unix()).max(0);
    let said = match ahead {
        0 => "the server's clock agrees with this host's to the second".to_owned(),
        _ => format!(
            "the server's clock is {} s {} this host's",
            ahead.abs(),
            if ahead > 0 { "ahead of" } else { "behind" }
        ),
    };
    let skew = i64::try_from(limits::SKEW.as_secs()).unwrap_or(i64::MAX);
    let advice = "keep every host's clock with NTP; documents are refused when two hosts differ by more than 120 s";
    let finding = match ahead.abs() {
        off if off > skew => Finding {
            state: super::State::Fail,
            ..Finding::warn(said, advice)
        },
        off if off > SKEW_WARN_S => Finding::warn(said, advice),
        _ => Finding::pass(said),
    };
    Ok(finding.fact("ahead_s", ahead))
}

/// Check 13.
pub(super) fn latency(bench: &Bench) -> Result<Finding, Trouble> {
    let rounds = 40;
    let mut meter = Meter::default();
    let held = bench.folder("held")?;
    for round in 0..rounds {
        let (new, moved) = (
            bench.path(&format!("n{round}")),
            held.join(format!("m{round}")),
        );
        meter.time("publish", || bench::put(&new, &[b'x'; 4096]))?;
        meter.time("stat", || std::fs::symlink_metadata(&bench.dir).map(drop))?;
        meter.time("list", || bench::list(&bench.dir).map(drop))?;
        meter.time("rename", || bench::rename(&new, &moved))?;
        meter.time("read", || bench::get(&moved).map(drop))?;
    }
    let mut said = Vec::new();
    let mut finding = Finding::pass("");
    let mut slowest = Duration::ZERO;
    for (call, times) in &mut meter.times {
        times.sort_unstable();
        let at = |percent: usize| {
            times
                .get((times.len() - 1) * percent / 100)
                .copied()
                .unwrap_or_default()
        };
        let (half, most) = (at(50), at(99));
        slowest = slowest.max(most);
        said.push(format!("{call} {}/{}", show(half), show(most)));
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        finding = finding.fact(&format!("{call}_us"), vec![micros(half), micros(most)]);
    }
    finding.said = format!("half/99 of 100: {}", said.join(", "));
    if meter.failed.total() > 0 {
        let said = format!(
            "{}; {} of {} calls failed: {}",
            finding.said,
            meter.failed.total(),
            rounds * 5,
            meter.failed.list()
        );
        let advice = "calls that fail now and then are tried again; look at the server's log and the network";
        return Ok(Finding {
            said,
            state: super::State::Warn,
            ..finding.advise(advice)
        });
    }
    if slowest > SLOW {
        let advice = "every claim takes several calls: look at the server's load and the network";
        return Ok(Finding {
            state: super::State::Warn,
            ..finding.advise(advice)
        });
    }
    Ok(finding)
}

#[derive(Default)]
struct Meter {
    times: BTreeMap<&'static str, Vec<Duration>>,
    failed: Tally,
}

impl Meter {
    /// Times a call; one that fails in passing is tried again a few times, which is counted.
    fn time(
        &mut self,
        call: &'static str,
        run: impl Fn() -> std::io::Result<()>,
    ) -> Result<(), Trouble> {
        let began = clock::precise();
        let mut last = run();
        for _ in 0..3 {
            let Err(error) = &last else { break };
            let errno = bench::errno_of(error);
            self.failed.add(errno);
            // A lost reply: it was done.
            if matches!(errno, Errno::EEXIST | Errno::ENOENT) {
                last = Ok(());
                break;
            }
            last = run();
        }
        match last {
            Err(error) if !matches!(bench::errno_of(&error), Errno::EEXIST | Errno::ENOENT) => {
                return Err(to("make a call")(error));
            }
            _ => {}
        }
        self.times
            .entry(call)
            .or_default()
            .push(clock::precise().saturating_sub(began));
        Ok(())
    }
}

/// A short time as people read it.
fn show(time: Duration) -> String {
    match time.as_nanos() {
        0..10_000 => format!("{} ns", time.as_nanos()),
        10_000..10_000_000 => format!("{} us", time.as_micros()),
        _ => format!("{} ms", time.as_millis()),
    }
}
