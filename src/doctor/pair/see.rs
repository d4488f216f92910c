//! Checks 18 and 21: what one host does, as the other one sees it.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use super::Talk;
use super::poke;
use crate::clock;
use crate::doctor::Allows;
use crate::doctor::Bench;
use crate::doctor::Finding;
use crate::doctor::State;
use crate::doctor::bench;
use crate::doctor::bench::Trouble;
use crate::doctor::bench::to;
use crate::place::Place;
use crate::share::Share;

/// Rounds of each kind of change.
const ROUNDS: usize = 10;
/// A change that is not seen for so long is looked for by a poke.
const LATE: Duration = Duration::from_millis(800);
/// A change that is not seen for so long is never seen.
const NEVER: Duration = Duration::from_secs(70);
/// A name that a listing hides for so long although it can be opened.
const HIDDEN: Duration = Duration::from_secs(6);
/// A lag of listings with which a killswitch is no longer prompt.
const LONG: Duration = Duration::from_secs(60);

/// What one side saw of one change.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Seen {
    waited_ms: u64,
    poked: bool,
    never: bool,
}

/// What is done, and how it shows.
#[derive(Clone, Copy)]
enum Change {
    Create,
    RenameIn,
    RenameOut,
    Rewrite,
}

const CHANGES: [(Change, &str); 4] = [
    (Change::Create, "create"),
    (Change::RenameIn, "rename in"),
    (Change::RenameOut, "rename out"),
    (Change::Rewrite, "rewrite"),
];

/// Check 18.
pub(in crate::doctor) fn visible(bench: &Bench) -> Result<Finding, Trouble> {
    let mut talk = Talk::begin(bench)?;
    let mut all = Views::default();
    for acting in [talk.leads(), !talk.leads()] {
        for (kind, (change, word)) in CHANGES.into_iter().enumerate() {
            let times = if acting {
                act(&mut talk, change, kind, &mut all)?
            } else {
                watch(&mut talk, change, kind, &mut all)?;
                Vec::new()
            };
            if !times.is_empty() {
                all.times.push((word, times));
            }
            if all.is_enough() {
                return Ok(all.finding());
            }
        }
    }
    let absent = absent_name(&mut talk)?;
    let mut finding = all.finding();
    if let Some(said) = absent {
        finding.said = format!("{}; {said}", finding.said);
    }
    Ok(finding)
}

/// What both sides saw.
#[derive(Default)]
struct Views {
    times: Vec<(&'static str, Vec<u64>)>,
    never: u32,
    poked: u32,
    slowest_ms: u64,
    lagging: u32,
    rounds: u32,
}

impl Views {
    /// More of it would tell nothing new, and each takes long.
    fn is_enough(&self) -> bool {
        self.never > 0 || self.lagging > 3
    }

    fn add(&mut self, seen: Seen) {
        self.rounds += 1;
        self.never += u32::from(seen.never);
        self.poked += u32::from(seen.poked);
        self.slowest_ms = self.slowest_ms.max(seen.waited_ms);
        let late = u64::try_from(LATE.as_millis()).unwrap_or(u64::MAX);
        self.lagging += u32::from(!seen.poked && !seen.never && seen.waited_ms > late + 400);
    }

    fn finding(self) -> Finding {
        let advice = "a listing must show what others did: mount without a cache of listings";
        if self.never > 0 {
            let said = "a change of the other host is not in a listing made after an own change, and does not come";
            return Finding::fail(said, advice, Allows::Refuse).fact("never", self.never);
        }
        let mut words = Vec::new();
        let mut facts = Finding::pass("");
        for (word, mut times) in self.times {
            times.sort_unstable();
            let (half, most) = (times[times.len() / 2], times[times.len() - 1]);
            words.push(format!("{word} {half}/{most} ms"));
            facts = facts.fact(&format!("{}_ms", word.replace(' ', "_")), vec![half, most]);
        }
        let said = format!("seen and answered, half/all: {}", words.join(", "));
        let facts = facts
            .fact("needs_poke", self.poked > 0)
            .fact("poked", self.poked);
        if self.lagging > 0 {
            let seconds = self.slowest_ms.div_ceil(1000);
            let said = format!(
                "listings lag up to {seconds} s behind, an own change does not help; {said}"
            );
            let allows = if u128::from(self.slowest_ms) > LONG.as_millis() {
                Allows::Refuse
            } else {
                Allows::Single
            };
            let advice = format!("{advice}; a killswitch is seen that late, too");
            return Finding {
                facts: facts.facts,
                ..Finding::fail(said, advice, allows)
            };
        }
        if self.poked > 0 {
            let said = format!(
                "{} of {} changes were hidden until an own change; {said}",
                self.poked, self.rounds
            );
            let advice =
                "two changes in one tick of the server look like one (NFSv3): listings are poked";
            return Finding {
                state: State::Info,
                said,
                ..facts.advise(advice)
            };
        }
        Finding { said, ..facts }
    }
}

fn name(kind: usize, round: usize, acting: &str) -> String {
    format!("see.{kind}.{round}.{acting}")
}

/// Does the changes, and measures until the other side says that it saw them.
fn act(
    talk: &mut Talk<'_>,
    change: Change,
    kind: usize,
    all: &mut Views,
) -> Result<Vec<u64>, Trouble> {
    let me = talk.session.me.clone();
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let target = talk.bench.path(&name(kind, round, &me));
        let aside = talk
            .bench
            .folder(&format!("aside.{me}"))?
            .join(name(kind, round, "x"));
        match change {
            Change::Create => {}
            Change::RenameIn => talk.bench.lay(&aside, b"0")?,
            Change::RenameOut | Change::Rewrite => talk.bench.lay(&target, b"0")?,
        }
        // Both know that the other is ready: he watches from here on.
        talk.together()?;
        let began = clock::precise();
        match change {
            Change::Create => talk.bench.lay(&target, b"1")?,
            Change::RenameIn => surely(&aside, &target)?,
            Change::RenameOut => surely(&target, &aside)?,
            Change::Rewrite => super::grow(&target, b"22").map_err(to("write a file"))?,
        }
        let seen: Seen = talk.told()?;
        let took = clock::precise().saturating_sub(began).as_millis();
        times.push(u64::try_from(took).unwrap_or(u64::MAX));
        all.add(seen);
        if all.is_enough() {
            break;
        }
    }
    Ok(times)
}

/// Renames; where the reply is an error, looks.
fn surely(from: &Path, to_path: &Path) -> Result<(), Trouble> {
    for _ in 0..5 {
        if bench::rename(from, to_path).is_ok() || bench::get(to_path).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bench::rename(from, to_path).map_err(to("rename a file"))
}

/// Looks until a change is seen.
fn watch(talk: &mut Talk<'_>, change: Change, kind: usize, all: &mut Views) -> Result<(), Trouble> {
    let peer = talk.session.peer.clone();
    for round in 0..ROUNDS {
        let name = name(kind, round, &peer);
        let path = talk.bench.path(&name);
        talk.together()?;
        let seen = until(talk.bench, change, &name, &path);
        all.add(seen);
        talk.tell(&seen)?;
        if all.is_enough() {
            break;
        }
    }
    Ok(())
}

fn until(bench: &Bench, change: Change, name: &str, path: &Path) -> Seen {
    let began = clock::precise();
    let mut seen = Seen::default();
    let mut poked = Duration::ZERO;
    let lists = |wanted: bool| {
        let names = bench::list(&bench.dir);
        names.is_ok_and(|names| names.iter().any(|one| one == name) == wanted)
    };
    let is_seen = || match change {
        Change::Rewrite => bench::get(path).is_ok_and(|bytes| bytes == b"22"),
        Change::RenameOut => lists(false),
        Change::Create | Change::RenameIn => lists(true),
    };
    let by_name = || match change {
        Change::RenameOut => bench::get(path).is_err(),
        _ => bench::get(path).is_ok(),
    };
    loop {
        let mut there = is_seen();
        let waited = clock::precise().saturating_sub(began);
        if !there && waited > LATE && waited.saturating_sub(poked) > LATE {
            poked = waited;
            let _ = poke(bench, u32::try_from(waited.as_millis()).unwrap_or(0));
            // Seen at once: it was the own change that showed it.
            there = is_seen();
            seen.poked = there;
        }
        seen.waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        if there {
            return seen;
        }
        let hidden = waited > HIDDEN && !matches!(change, Change::Rewrite) && by_name();
        if waited > if hidden { HIDDEN * 2 } else { NEVER } {
            seen.never = true;
            return seen;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Shows why nothing is decided from the absence of a name (docs/QUEUE.md, R4).
fn absent_name(talk: &mut Talk<'_>) -> Result<Option<String>, Trouble> {
    let path = talk.bench.path("absent");
    if talk.leads() {
        talk.hear()?;
        talk.bench.lay(&path, b"1")?;
        talk.ring()?;
        return talk.told();
    }
    let _ = std::fs::symlink_metadata(&path);
    talk.ring()?;
    talk.hear()?;
    let began = clock::precise();
    let most = Duration::from_secs(2);
    let mut waited = Duration::ZERO;
    while std::fs::symlink_metadata(&path).is_err() && waited < most {
        std::thread::sleep(Duration::from_millis(5));
        waited = clock::precise().saturating_sub(began);
    }
    let said = (waited > Duration::from_millis(200)).then(|| match waited >= most {
        true => format!(
            "a name once absent stays so to stat for over {} s (never asked)",
            most.as_secs()
        ),
        false => format!(
            "a name once absent stays so to stat for {} ms (never asked)",
            waited.as_millis()
        ),
    });
    talk.tell(&said)?;
    Ok(said)
}

/// Check 21: a file that one host makes longer is, to the other, always a beginning of what it will be.
pub(in crate::doctor) fn tail(bench: &Bench) -> Result<Finding, Trouble> {
    let mut talk = Talk::begin(bench)?;
    let lines: u64 = 50;
    let line = |number: u64| format!("{{\"line\":{number:06},\"of\":\"a log with one writer\"}}\n");
    if !talk.leads() {
        let mut torn = 0_u32;
        let mut looks = 0_u32;
        let path = bench.path("tail");
        let text: String = (0..lines).map(line).collect();
        for _ in 0..5 {
            talk.hear()?;
            for _ in 0..10 {
                looks += 1;
                let bytes = bench::get(&path).unwrap_or_default();
                let whole = bytes
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(0, |at| at + 1);
                torn += u32::from(!text.as_bytes().starts_with(&bytes[..whole]));
            }
            talk.ring()?;
        }
        let all = bench::get(&path).map_err(to("read a file"))?;
        let said = format!("a log of {lines} lines was read {looks} times while it grew");
        let finding = if all != text.as_bytes() {
            let said = format!(
                "{said}; at its end {} of {} bytes are there",
                all.len(),
                text.len()
            );
            Finding::warn(
                said,
                "logs arrive late here; they are copied and verified by their chain",
            )
        } else if torn > 0 {
            let said = format!("{said}; {torn} times it was not a beginning of itself");
            Finding::warn(
                said,
                "logs are verified by their chain; live output may be shown late",
            )
        } else {
            Finding::pass(format!("{said}, and was whole each time"))
        };
        talk.tell(&finding)?;
        return Ok(finding);
    }
    let share = bench.share();
    let failed =
        |error: crate::share::ShareError| to("write a file")(std::io::Error::from(error.kind()));
    let mut offset = 0;
    for number in 0..lines {
        let text = line(number);
        let mut grown = share.extend(&Place::Root, "tail", offset, text.as_bytes());
        if grown.is_err() {
            grown = share.extend(&Place::Root, "tail", offset, text.as_bytes());
        }
        grown.map_err(failed)?;
        offset += u64::try_from(text.len()).unwrap_or(0);
        if (number + 1) % 10 == 0 {
            talk.ring()?;
            talk.hear()?;
        }
    }
    talk.told()
}
