//! Seeds that once broke a guarantee, kept so that they never do again, and the proof that a seed says everything.

use crate::bugs;
use crate::plan::Plan;
use crate::schedule;

/// One seed a line, with what it once showed.
const SEEDS: &str = include_str!("corpus.txt");

/// Findings that are not explained yet, in the same form: told in every run, and not taken for news.
const OPEN: &str = include_str!("open.txt");

/// Seeds that are run twice.
const REPEATED: std::ops::Range<u64> = 90_000..90_020;

fn seeds(of: &'static str) -> impl Iterator<Item = (u64, &'static str)> {
    let lines = of.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (seed, why) = line.split_once(' ')?;
        Some((seed.parse().ok()?, why.trim()))
    })
}

/// Whether what a seed breaks is known and open.
pub fn is_open(seed: u64) -> bool {
    seeds(OPEN).any(|(open, _)| open == seed)
}

/// Runs every seed of the corpus.
pub fn holds() -> bool {
    bugs::plant(None);
    let (mut count, mut bad) = (0, 0);
    for (seed, why) in seeds(SEEDS) {
        count += 1;
        if let Some(what) = schedule::run(Plan::of(seed), false).violation {
            bad += 1;
            println!(
                "corpus: seed {seed} ({why}): {what}\n    replay: scripts/sim --replay {seed}"
            );
        }
    }
    println!("corpus: {count} seeds, {bad} broke a guarantee");
    bad == 0 && count > 0
}

/// Runs some seeds twice: the same steps in the same order at the same times, or the seed is no bug report.
pub fn repeats() -> bool {
    bugs::plant(None);
    let mut is_same = true;
    for seed in REPEATED {
        let [one, other] = [(); 2].map(|()| schedule::run(Plan::of(seed), false));
        if (one.print, one.steps) != (other.print, other.steps) {
            println!(
                "seed {seed} does not repeat: {} and {} steps",
                one.steps, other.steps
            );
            is_same = false;
        }
    }
    is_same
}
