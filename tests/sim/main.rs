//! Deterministic simulation: the real watcher, sender, approver, canceller, journal and killswitch over a simulated
//! share. A seed is a schedule; a schedule that breaks a guarantee prints its seed, and the seed replays it. How to use
//! it: docs/TESTING.md.
#![expect(
    clippy::print_stdout,
    reason = "a program of its own, which reports to whoever runs it"
)]

mod actors;
mod bugs;
mod client;
mod corpus;
mod dice;
mod disk;
mod duel;
mod names;
mod net;
mod oracle;
mod plan;
mod runner;
mod schedule;
mod server;
mod share;
mod turns;
mod verdict;
mod waits;
mod workers;
mod world;

use std::process::ExitCode;

use workers::Order;

const USAGE: &str = "\
usage: sim [--schedules N] [--seconds N] [--seed N] [--jobs N]   at least so many schedules, for at least so long
       sim --duels ...                                           only schedules that are duels
       sim --replay SEED [--bug NAME]                            one schedule, with its trace
       sim --bug NAME [--schedules N]                            until the bug is caught
       sim --bugs [--schedules N]                                every bug that can be planted, one after the other
       sim                                                       the corpus, determinism, and schedules for some seconds";

/// What the arguments say.
#[derive(Debug, Default)]
struct Arguments {
    schedules: Option<u64>,
    seconds: Option<u64>,
    seed: Option<u64>,
    jobs: Option<u64>,
    replay: Option<u64>,
    bug: Option<String>,
    all_bugs: bool,
    duels: bool,
}

fn arguments(given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut said = Arguments::default();
    let mut given = given.peekable();
    while let Some(word) = given.next() {
        let mut value = || given.next().ok_or(format!("{word} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("not a number: {text}"));
        match word.as_str() {
            "--schedules" => said.schedules = Some(number(value()?)?),
            "--seconds" => said.seconds = Some(number(value()?)?),
            "--seed" => said.seed = Some(number(value()?)?),
            "--jobs" => said.jobs = Some(number(value()?)?),
            "--replay" => said.replay = Some(number(value()?)?),
            "--bug" => said.bug = Some(value()?),
            "--bugs" => said.all_bugs = true,
            "--duels" => said.duels = true,
            other => return Err(format!("not understood: {other}")),
        }
    }
    Ok(said)
}

fn main() -> ExitCode {
    turns::keep_panics();
    // The test program of cargo is also given filters and flags that are meant for others: then this one stands aside.
    let said = match arguments(std::env::args().skip(1)) {
        Ok(said) => said,
        Err(why) => {
            println!("sim: {why}; nothing is simulated\n{USAGE}");
            return ExitCode::SUCCESS;
        }
    };
    let is_well = if let Some(seed) = said.replay {
        replay(seed, said.bug.as_deref())
    } else if said.all_bugs {
        bugs::each(&order(&said, 200_000))
    } else if let Some(bug) = &said.bug {
        bugs::one(bug, &order(&said, 200_000))
    } else if said.schedules.is_some() || said.seconds.is_some() {
        corpus::holds() && workers::simulate(&order(&said, 1))
    } else {
        by_default()
    };
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn order(said: &Arguments, schedules: u64) -> Order {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Order {
        seed: said.seed.unwrap_or(1),
        schedules: said.schedules.unwrap_or(schedules),
        duels: said.duels,
        seconds: said.seconds.unwrap_or(0),
        jobs: said.jobs.unwrap_or(cores as u64),
        bug: None,
    }
}

/// What `cargo test` runs: little, but some of everything.
fn by_default() -> bool {
    let said = Arguments {
        seconds: Some(5),
        ..Arguments::default()
    };
    let is_repeatable = corpus::repeats();
    corpus::holds() && is_repeatable && workers::simulate(&order(&said, 100))
}

/// One schedule, told line by line.
fn replay(seed: u64, bug: Option<&str>) -> bool {
    if !bugs::plant(bug) {
        return false;
    }
    let verdict = schedule::run(plan::Plan::of(seed), true);
    println!("{:#?}", plan::Plan::of(seed));
    for line in &verdict.trace {
        println!("{line}");
    }
    match &verdict.violation {
        None => println!(
            "seed {seed}: no guarantee was broken, {} steps",
            verdict.steps
        ),
        Some(what) => println!("seed {seed}: {what}"),
    }
    verdict.violation.is_none()
}
