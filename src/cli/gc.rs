//! `dispatch gc`: what a watcher does by itself now and then, now; and, if told to, removes what is old.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use super::failure::Failure;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Voice;
use crate::disk;
use crate::exit::Exit;
use crate::flow::gc;
use crate::flow::gc::Rules;
use crate::flow::gc::Swept;
use crate::flow::gc::Weights;
use crate::journal::Journal;
use crate::limits;
use crate::place::Lane;
use crate::status::local;
use crate::status::record;
use crate::units;

/// Entries touched in one lane by one call.
const ENTRIES_MAX: usize = 100_000;

/// Move old outcomes to their days, and clear away what nobody needs
///
/// Example: dispatch gc --dry-run --keep 30d
///
/// A watcher does this by itself once an hour, and sooner where done/ is crowded. Nothing that an outcome needs is ever
/// removed unless --keep, or share.keep of the configuration, says how long it is kept. Tasks that are open are never
/// touched.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Remove outcomes, logs and refused tasks that are older than this
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    keep: Option<Duration>,
    /// Print one JSON object
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
    let rules = Rules {
        keep: args.keep.or(setup.config.share.keep),
        keep_bytes: setup.config.share.keep_bytes,
        dry_run: args.dry_run,
        entries_max: ENTRIES_MAX,
    };
    let state = setup.config.state()?;
    let journal = local::journal(state).map_err(|why| Failure::new(Exit::Io, why))?;
    let mut all = Swept::default();
    for lane in setup.lanes_out() {
        let swept = gc::sent(&*setup.transport, &lane, rules);
        take(&setup, args, &lane, swept, &mut all)?;
    }
    if let Some(journal) = &journal {
        for lane in setup.lanes_in() {
            let swept = gc::served(
                &*setup.transport,
                &lane,
                journal,
                rules,
                &mut Weights::default(),
            );
            take(&setup, args, &lane, swept, &mut all)?;
        }
        runs(&setup, journal, args.dry_run, &mut all)?;
    }
    records(&setup, args, &mut all)?;
    tell(args, &all, voice)?;
    Ok(Exit::Ok)
}

/// Adds what was done in a lane; a lane that is not laid out has nothing to clear.
fn take(
    setup: &Setup,
    args: &Args,
    lane: &Lane,
    swept: Result<Swept, crate::share::ShareError>,
    all: &mut Swept,
) -> Result<(), Failure> {
    let swept = match swept {
        Err(error) if error.is_absent() => return Ok(()),
        other => other?,
    };
    if !args.dry_run
        && !swept.steps.is_empty()
        && let Ok(log) = setup.log()
    {
        log.tell(&gc::told(lane, &swept));
    }
    all.steps.extend(swept.steps);
    all.more |= swept.more;
    Ok(())
}

/// Run directories whose task is closed: a watcher that ended at that very moment left them.
fn runs(setup: &Setup, journal: &Journal, dry_run: bool, all: &mut Swept) -> Result<(), Failure> {
    let runs = setup.config.runs()?;
    let stems = disk::list(runs).unwrap_or_default();
    for stem in gc::idle_runs(journal, &stems) {
        let path = runs.join(&stem);
        if !dry_run {
            disk::remove_tree(&path)?;
        }
        local_step(all, &path);
    }
    Ok(())
}

/// Records of first outcomes that are older than what is kept, or than anybody asks for.
fn records(setup: &Setup, args: &Args, all: &mut Swept) -> Result<(), Failure> {
    let keep = args.keep.unwrap_or(limits::RECORD_AGE);
    let state = setup.config.state()?;
    let before = setup.clock.wall().minus(keep.min(limits::RECORD_AGE));
    let gone = if args.dry_run {
        record::old(state, before)?
    } else {
        record::prune(state, before)?
    };
    for id in gone {
        local_step(all, &state.join(record::FOLDER).join(id.to_string()));
    }
    Ok(())
}

fn local_step(all: &mut Swept, path: &std::path::Path) {
    all.steps.push(gc::Step {
        what: "local",
        path: path.display().to_string(),
    });
}

fn tell(args: &Args, all: &Swept, voice: &Voice) -> Result<(), Failure> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for step in &all.steps {
        *counts.entry(step.what).or_default() += 1;
    }
    if args.json {
        let line = json!({"version": 1, "dry_run": args.dry_run, "more": all.more, "done": counts});
        return voice.answer(&line.to_string());
    }
    if args.dry_run {
        for step in &all.steps {
            voice.answer(&format!("{:<8}{}", step.what, step.path))?;
        }
    }
    let would = if args.dry_run { "would be " } else { "" };
    let count = |what: &str| counts.get(what).copied().unwrap_or(0);
    voice.note(&format!(
        "{} files {would}moved to their days, {} days taken away, {} marked late, {} removed on the share, {} here",
        count("age"),
        count("expire"),
        count("late"),
        count("part") + count("scratch") + count("marker") + count("control") + count("remove"),
        count("local")
    ));
    Ok(())
}
