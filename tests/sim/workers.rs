//! Many schedules on every core, and what is said of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use dispatch::clock::Clock;
use dispatch::clock::SystemClock;

use crate::bugs;
use crate::corpus;
use crate::duel;
use crate::plan::Plan;
use crate::schedule;

/// How much to simulate.
#[derive(Debug, Clone)]
pub struct Order {
    /// The first seed; the others follow it.
    pub seed: u64,
    /// At least so many schedules.
    pub schedules: u64,
    /// Whether only duels are run.
    pub duels: bool,
    /// For at least so long.
    pub seconds: u64,
    pub jobs: u64,
    /// The bug that is planted.
    pub bug: Option<String>,
}

impl Order {
    /// The seed of a schedule by its number.
    const fn seed_of(&self, number: u64) -> u64 {
        if self.duels {
            duel::number(self.seed / duel::EVERY + number)
        } else {
            self.seed.wrapping_add(number)
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    pub schedules: u64,
    pub steps: u64,
    pub ms: u64,
    pub coverage: BTreeMap<&'static str, u64>,
    /// Seeds that broke a guarantee, with which.
    pub bad: Vec<(u64, String)>,
    /// Seeds that broke a guarantee and are open findings.
    pub open: Vec<u64>,
}

/// Schedules that break a guarantee after which it is enough.
const BAD_MAX: usize = 8;

/// What must have happened in a run of any size: a simulation in which nothing happens shows nothing.
const MUST_HAPPEN: &[&str] = &[
    "agent started",
    "asked again, no reply cache",
    "call hangs",
    "cancel cannot be read",
    "cancelled",
    "clock steps",
    "copy of a task",
    "cut off",
    "death at a step",
    "death after a call",
    "death before a call",
    "executed late",
    "executed twice",
    "executor lost",
    "executor never comes",
    "held up at a step",
    "host stands still",
    "killswitch",
    "late at a step",
    "pause",
    "permit expired",
    "power cut",
    "question fails",
    "refused",
    "reply lost",
    "rollback",
    "server restarts",
    "same work again",
    "stale listing",
    "stale name",
    "started after another",
    "takeover",
    "tried again",
    "word given",
    "written in steps",
];
/// From so many schedules on.
const ENOUGH: u64 = 5_000;

/// Runs schedules on all cores until there are enough, or until too much went wrong.
pub fn run(order: &Order) -> Tally {
    let clock = SystemClock;
    let began = clock.monotonic();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..order.jobs.max(1) {
            scope.spawn(|| {
                bugs::plant(order.bug.as_deref());
                let mut own = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let spent = clock.monotonic().since(began).as_secs();
                    if number >= order.schedules && spent >= order.seconds {
                        break;
                    }
                    let seed = order.seed_of(number);
                    let verdict = schedule::run(Plan::of(seed), false);
                    own.schedules += 1;
                    own.steps += verdict.steps;
                    for (what, count) in verdict.coverage {
                        *own.coverage.entry(what).or_default() += count;
                    }
                    if let Some(what) = verdict.violation {
                        if !is_news(order, seed) {
                            own.open.push(seed);
                            continue;
                        }
                        own.bad.push((seed, what));
                        let most = if order.bug.is_some() { 1 } else { BAD_MAX };
                        if own.bad.len() >= most {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
                tally
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .add(own);
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.bad.sort();
    let spent = clock.monotonic().since(began).as_millis();
    tally.ms = u64::try_from(spent).unwrap_or(u64::MAX);
    tally
}

/// Whether a violation says something new: not one of the findings that are open, and not one that comes without the
/// planted bug as well.
fn is_news(order: &Order, seed: u64) -> bool {
    if order.bug.is_none() {
        return !corpus::is_open(seed);
    }
    bugs::plant(None);
    let is_clean = schedule::run(Plan::of(seed), false).violation.is_none();
    bugs::plant(order.bug.as_deref());
    is_clean
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.bad.extend(other.bad);
        self.open.extend(other.open);
        for (what, count) in other.coverage {
            *self.coverage.entry(what).or_default() += count;
        }
    }

    /// Schedules in a second.
    pub const fn pace(&self) -> u64 {
        let ms = if self.ms == 0 { 1 } else { self.ms };
        self.schedules * 1000 / ms
    }
}

/// Simulates, reports, and says whether every guarantee held.
pub fn simulate(order: &Order) -> bool {
    let tally = run(order);
    println!(
        "{} schedules from seed {}, {} steps, {}.{:03} s, {} schedules/s, {} broke a guarantee",
        tally.schedules,
        order.seed,
        tally.steps,
        tally.ms / 1000,
        tally.ms % 1000,
        tally.pace(),
        tally.bad.len()
    );
    for (what, count) in &tally.coverage {
        println!("{count:>10}  {what}");
    }
    if !tally.open.is_empty() {
        println!("open findings (tests/sim/open.txt): {:?}", tally.open);
    }
    let never: Vec<&&str> = MUST_HAPPEN
        .iter()
        .filter(|what| !tally.coverage.contains_key(*what))
        .collect();
    for (seed, what) in &tally.bad {
        println!("seed {seed}: {what}\n    replay: scripts/sim --replay {seed}");
    }
    if let Some((seed, _)) = tally.bad.first() {
        let verdict = schedule::run(Plan::of(*seed), true);
        for line in &verdict.trace {
            println!("{line}");
        }
    }
    let is_broad = tally.schedules < ENOUGH || never.is_empty();
    if !is_broad {
        println!("never happened, so nothing was shown of it: {never:?}");
    }
    tally.bad.is_empty() && is_broad
}
