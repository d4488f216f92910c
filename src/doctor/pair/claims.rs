//! Checks 19 and 20: two hosts that want the same, and a look that decides.

use std::collections::BTreeMap;
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
use crate::doctor::bench::Tally;
use crate::doctor::bench::Trouble;
use crate::doctor::bench::to;

/// Sources that both want.
const SOURCES: usize = 500;
/// Names that both create.
const NAMES: usize = 60;
/// Rounds of each of the two decisions in each direction.
const ROUNDS: usize = 100;
/// Longest time for one decision in one direction.
const ENOUGH: Duration = Duration::from_secs(12);

const TWO: &str = "two nodes can win one task: share a folder over NFS or SMB instead";

/// What one side made of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Bag {
    won: Vec<usize>,
    created: Vec<usize>,
    replaced: Vec<usize>,
    lost_replies: u32,
    odd: String,
}

/// Check 19.
pub(in crate::doctor) fn competing(bench: &Bench) -> Result<Finding, Trouble> {
    let mut talk = Talk::begin(bench)?;
    let sources = bench.folder("sources")?;
    let won = bench.folder("won")?;
    if talk.leads() {
        for number in 0..SOURCES {
            let path = sources.join(number.to_string());
            // Not synced: nothing rests on them.
            if bench::create(&path).is_err() {
                bench.lay(&path, b"")?;
            }
        }
    }
    talk.together()?;
    let mut bag = Bag::default();
    let mut odd = Tally::default();
    let me = talk.session.me.clone();
    for number in 0..SOURCES {
        let name = format!("{number}.{me}");
        match bench::rename(&sources.join(number.to_string()), &won.join(&name)) {
            Ok(()) => bag.won.push(number),
            Err(error) => {
                let errno = bench::errno_of(&error);
                if errno != Errno::ENOENT {
                    odd.add(errno);
                }
                if bench::list(&won)
                    .map_err(to("list a folder"))?
                    .contains(&name)
                {
                    bag.won.push(number);
                    bag.lost_replies += 1;
                }
            }
        }
    }
    bag.odd = odd.list();
    create_both(&mut talk, &mut bag)?;
    let theirs: Bag = talk.exchange(&bag)?;
    let finding = match talk.leads() {
        true => Some(compare(bench, &won, &bag, &theirs)?),
        false => None,
    };
    talk.agree(finding)
}

/// Both create the same names; the second half of them after the other looked for them and saw nothing.
fn create_both(talk: &mut Talk<'_>, bag: &mut Bag) -> Result<(), Trouble> {
    let names = talk.bench.folder("names")?;
    for number in 0..NAMES {
        // Remembered as absent, which is when a client may say yes by itself.
        for name in [number.to_string(), format!("r{number}")] {
            let _ = std::fs::symlink_metadata(names.join(name));
        }
    }
    talk.together()?;
    for number in 0..NAMES {
        if number == NAMES / 2 {
            // From here on in turn: what the first one made is there when the second one tries.
            if !talk.leads() {
                talk.hear()?;
            }
        }
        if bench::create(&names.join(number.to_string())).is_ok() {
            bag.created.push(number);
        }
    }
    if talk.leads() {
        talk.ring()?;
    }
    #[cfg(target_os = "linux")]
    for number in 0..NAMES / 3 {
        use rustix::fs::RenameFlags;
        let own = names.join(format!("own-{number}.{}", talk.session.me));
        let _ = bench::create(&own);
        talk.together()?;
        let (here, target) = (rustix::fs::CWD, names.join(format!("r{number}")));
        if rustix::fs::renameat_with(here, &own, here, &target, RenameFlags::NOREPLACE).is_ok() {
            bag.replaced.push(number);
        }
    }
    Ok(())
}

fn compare(
    bench: &Bench,
    won: &std::path::Path,
    mine: &Bag,
    theirs: &Bag,
) -> Result<Finding, Trouble> {
    // Decisive, so after an own change of that folder.
    bench.lay(&won.join("look"), b"")?;
    let mut there: BTreeMap<usize, u32> = BTreeMap::new();
    for name in bench::list(won).map_err(to("list a folder"))? {
        let number = name
            .split_once('.')
            .and_then(|(number, _)| number.parse().ok());
        *there.entry(number.unwrap_or(usize::MAX)).or_default() += u32::from(number.is_some());
    }
    let both =
        |one: &[usize], other: &[usize]| one.iter().filter(|number| other.contains(number)).count();
    let twice = there.values().filter(|count| **count > 1).count();
    let claimed = both(&mine.won, &theirs.won);
    if twice > 0 || claimed > 0 {
        let said = format!(
            "{} of {SOURCES} files were won by both hosts",
            twice.max(claimed)
        );
        return Ok(Finding::fail(said, TWO, Allows::Refuse).fact("two_winners", twice.max(claimed)));
    }
    let lost = (0..SOURCES)
        .filter(|number| there.get(number).is_none_or(|count| *count == 0))
        .count();
    if lost > 0 || mine.won.len() + theirs.won.len() != SOURCES {
        let said = format!(
            "{lost} of {SOURCES} files are with neither host, {} were won",
            mine.won.len() + theirs.won.len()
        );
        return Ok(Finding::fail(said, TWO, Allows::Refuse));
    }
    Ok(told(mine, theirs))
}

/// How many are in both.
fn both(one: &[usize], other: &[usize]) -> usize {
    one.iter().filter(|number| other.contains(number)).count()
}

/// What is left to tell where each file has one winner.
fn told(mine: &Bag, theirs: &Bag) -> Finding {
    let created = both(&mine.created, &theirs.created);
    if created > 0 {
        let said =
            format!("{created} of {NAMES} exclusive creates were won by both hosts (O_EXCL)");
        return Finding::fail(said, TWO, Allows::Refuse);
    }
    let mut said = format!(
        "{SOURCES} files, each won by one host ({} and {}); {NAMES} names, each created by one",
        mine.won.len(),
        theirs.won.len()
    );
    let replaced = both(&mine.replaced, &theirs.replaced);
    if replaced > 0 {
        said =
            format!("{said}; 'rename unless it exists' let both win {replaced} times (not used)");
    }
    let ambiguous = mine.lost_replies + theirs.lost_replies;
    let odd = [mine.odd.as_str(), theirs.odd.as_str()]
        .into_iter()
        .filter(|odd| !odd.is_empty())
        .collect::<Vec<_>>();
    let finding = Finding::pass(said)
        .fact("lost_replies", ambiguous)
        .fact("no_replace_both", replaced);
    if ambiguous > 0 {
        let said = format!(
            "{}; {ambiguous} renames reported an error although they had won",
            finding.said
        );
        let advice =
            "replies get lost: tasks are safe, as a listing decides; look at the server's log";
        return Finding {
            said,
            state: crate::doctor::State::Warn,
            ..finding.advise(advice)
        };
    }
    if !odd.is_empty() {
        let said = format!("{}; calls failed with {}", finding.said, odd.join(", "));
        return Finding {
            said,
            state: crate::doctor::State::Info,
            ..finding
        };
    }
    finding
}

/// What the looks of one side came to.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Looks {
    rounds: usize,
    plain: usize,
    decisive: usize,
}

/// Check 20: a look after an own change must be true (docs/QUEUE.md, R5).
pub(in crate::doctor) fn decisive(bench: &Bench) -> Result<Finding, Trouble> {
    let mut talk = Talk::begin(bench)?;
    let mut looks = Looks::default();
    for acting in [talk.leads(), !talk.leads()] {
        for start in [false, true] {
            decide(&mut talk, acting, start, &mut looks)?;
        }
    }
    let theirs: Looks = talk.exchange(&looks)?;
    let rounds = looks.rounds + theirs.rounds;
    let (plain, decisive) = (looks.plain + theirs.plain, looks.decisive + theirs.decisive);
    let said = format!(
        "of {rounds} looks after an own change {decisive} were stale; of those without one, {plain}"
    );
    let facts = Finding::pass("")
        .fact("rounds", rounds)
        .fact("plain_stale", plain)
        .fact("stale", decisive)
        .facts;
    if decisive > 0 {
        let advice = "pools need a listing that is true after an own change: mount without a cache of listings";
        return Ok(Finding {
            facts,
            ..Finding::fail(said, advice, Allows::Single)
        });
    }
    Ok(Finding {
        facts,
        ..Finding::pass(said)
    })
}

/// One host takes a claim and looks for the other's marker; or makes its marker (`start`) and looks whether its claim
/// was taken. The other acts just before, in the same tick of the server where it can.
fn decide(
    talk: &mut Talk<'_>,
    acting: bool,
    start: bool,
    looks: &mut Looks,
) -> Result<(), Trouble> {
    let began = clock::precise();
    let side = if acting {
        talk.session.me.clone()
    } else {
        talk.session.peer.clone()
    };
    let folder = talk.bench.folder(&format!("decide.{side}.{start}"))?;
    for round in 0..ROUNDS {
        let (claim, marker) = (format!("{round}.claim"), format!("{round}.marker"));
        let taken = folder.join(format!("{round}.taken"));
        if acting {
            talk.bench.lay(&folder.join(&claim), b"")?;
            talk.together()?;
            if start {
                let _ = bench::rename(&folder.join(&claim), &taken);
            } else {
                talk.bench.lay(&folder.join(&marker), b"")?;
            }
            talk.ring()?;
            let goes_on: bool = talk.told()?;
            if !goes_on {
                break;
            }
            continue;
        }
        talk.hear()?;
        let list = || bench::list(&folder).map_err(to("list a folder"));
        let _ = list()?;
        talk.ring()?;
        talk.hear()?;
        // True where the other's change is seen.
        let is_seen = |names: &[String]| match start {
            true => !names.contains(&claim),
            false => names.contains(&marker),
        };
        looks.plain += usize::from(!is_seen(&list()?));
        if start {
            talk.bench.lay(&folder.join(&marker), b"")?;
        } else {
            let _ = bench::rename(&folder.join(&claim), &taken);
        }
        looks.decisive += usize::from(!is_seen(&list()?));
        looks.rounds += 1;
        let goes_on = clock::precise().saturating_sub(began) < ENOUGH && round + 1 < ROUNDS;
        talk.tell(&goes_on)?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}
