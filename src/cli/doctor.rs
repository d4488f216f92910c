//! `dispatch doctor`: what a shared folder is good for.
//!
//! Every check runs in a process of its own, this program again under hidden options, which is killed when it takes too
//! long. This process itself never touches the share: where the server hangs, the table is still printed.

mod examination;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use self::examination::Examination;
use self::examination::invitation;
use self::examination::is_not_run;
use self::examination::not_run;
pub(super) use self::examination::shown;
use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::suit;
use super::voice::Voice;
use crate::chance::Chance;
use crate::chance::OsChance;
use crate::clock;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::doctor;
use crate::doctor::Bench;
use crate::doctor::CHECKS;
use crate::doctor::Check;
use crate::doctor::Finding;
use crate::doctor::Needs;
use crate::doctor::Orders;
use crate::doctor::State;
use crate::doctor::bench::Trouble;
use crate::doctor::pair::meet;
use crate::doctor::pair::meet::Search;
use crate::doctor::waits;
use crate::exit::Exit;
use crate::id::NodeName;
use crate::process::launch;
use crate::process::launch::Trial;
use crate::units;

/// How long making and removing the scratch folder may take.
const FOLDER: Duration = Duration::from_secs(8);

/// Find out what a shared folder is good for
///
/// Example, on one host: dispatch doctor --root /mnt/dispatch
///
/// Example, on both hosts at the same time: dispatch doctor --pair
///
/// The verdict is MULTI (everything works), SINGLE (lanes between single nodes work, pools do not) or REFUSE. Exits 0
/// where the share can be used and no check failed, else 1; with --pair 75 where the other host was not met, or went
/// away: then nothing is known of the two together.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
    /// Only these checks, by number; the verdict then says less
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    only: Vec<u8>,
    /// Examine the share together with the doctor of another host, which is started there at the same time
    #[arg(long)]
    pair: bool,
    /// With --pair: the name of this side, where no configuration says it
    #[arg(long = "as", value_name = "NODE", requires = "pair")]
    name: Option<NodeName>,
    /// With --pair: the name of the other side; else whoever comes
    #[arg(long = "with", value_name = "NODE", requires = "pair")]
    other: Option<NodeName>,
    /// With --pair: how long to wait for the other side
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "2m", requires = "pair")]
    within: Duration,
    /// Run this check alone, with these orders
    #[arg(long, value_name = "N", hide = true, requires = "orders")]
    check: Option<u8>,
    /// What a check is told, as JSON
    #[arg(long, value_name = "JSON", hide = true)]
    orders: Option<String>,
    /// Read this folder until killed
    #[arg(long, value_name = "DIR", hide = true)]
    busy_in: Option<PathBuf>,
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
    if let Some(dir) = &args.busy_in {
        waits::busy(dir);
    }
    if let (Some(number), Some(orders)) = (args.check, &args.orders) {
        return child(number, orders, voice);
    }
    let config = setup::load(args.common.flags(), false)?;
    let mut orders = orders(&config, false)?;
    if args.pair {
        orders.search = Some(search(args, &config)?);
    }
    if let Some(search) = &orders.search {
        let there = invitation(&orders, search);
        let within = units::about_duration(args.within);
        voice.note(&format!("waits up to {within} for the other host: {there}"));
    }
    let examination = examine(&orders, |check| {
        args.only.is_empty() || args.only.contains(&check.number)
    });
    if args.only.is_empty() {
        let found: Vec<(u8, Finding)> = examination
            .found
            .iter()
            .filter(|(_, finding, _)| !is_not_run(finding))
            .map(|(check, finding, _)| (check.number, finding.clone()))
            .collect();
        suit::keep(&config, &found);
    }
    if args.json {
        voice.answer(&examination.json(&orders).to_string())?;
    } else {
        examination.show(&orders, voice)?;
    }
    Ok(examination.exit())
}

/// Makes and removes scratch folders, and meets the other host, under these numbers, beside the checks.
const PREPARE: u8 = 0;
const MEET: u8 = u8::MAX - 1;
/// The checks of a start, all in one process.
pub(super) const BRIEF: u8 = u8::MAX - 2;
const CLEAN: u8 = u8::MAX;

/// One step in a process of its own: its finding is its output.
fn child(number: u8, orders: &str, voice: &Voice) -> Result<Exit, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::Usage, format!("cannot read the orders: {why}"))
    };
    let orders: Orders = serde_json::from_str(orders).map_err(|error| wrong(&error))?;
    let said = |text: Result<String, serde_json::Error>| {
        voice.answer(&text.map_err(|error| wrong(&error))?)?;
        Ok(Exit::Ok)
    };
    let finding = match number {
        BRIEF => return said(serde_json::to_string(&brief(&orders))),
        PREPARE => doctor::prepare(&orders).map_or_else(
            |trouble| trouble.finding(),
            |()| Finding::pass("there is a scratch folder"),
        ),
        MEET => {
            let search = orders.search.clone().unwrap_or_default();
            meet::meet(&orders, &search).unwrap_or_else(Trouble::finding)
        }
        CLEAN => {
            doctor::clean(&orders);
            Finding::pass("the scratch folder is removed")
        }
        number => {
            let check =
                Check::numbered(number).ok_or_else(|| wrong(&format!("no check {number}")))?;
            match Bench::take(orders, number, check.needs) {
                Ok(bench) => check.run(&bench),
                Err(trouble) => trouble.finding(),
            }
        }
    };
    said(serde_json::to_string(&finding))
}

/// The checks of a start, one after the other.
fn brief(orders: &Orders) -> Vec<(u8, Finding)> {
    let prepared = doctor::prepare(orders).map_err(Trouble::finding);
    let mut found = Vec::new();
    for check in CHECKS.iter().filter(|check| check.at_start) {
        let finding = match (&prepared, check.needs) {
            (Err(why), Needs::Bench) => why.clone(),
            _ => match Bench::take(orders.clone(), check.number, check.needs) {
                Ok(bench) => check.run(&bench),
                Err(trouble) => trouble.finding(),
            },
        };
        found.push((check.number, finding));
    }
    if prepared.is_ok() {
        doctor::clean(orders);
    }
    found
}

/// Puts together what checks are told.
pub(super) fn orders(config: &Config, brief: bool) -> Result<Orders, Failure> {
    let me = config.node.as_ref();
    let lanes = config.known_peers().filter_map(|peer| {
        let me = me?;
        Some([format!("{me}-to-{peer}"), format!("{peer}-to-{me}")])
    });
    Ok(Orders {
        root: config.root()?.to_owned(),
        nonce: OsChance.nonce().to_string(),
        brief,
        root_id: config.root_id.map(|id| id.to_string()),
        state: config.state().ok().map(ToOwned::to_owned),
        keys: config.keys.clone(),
        lanes: lanes.flatten().collect(),
        free_bytes_min: config.share.free_bytes_min,
        search: None,
        session: None,
        program: program(),
    })
}

/// This very program, even where its file was replaced meanwhile (proc(5)).
fn program() -> PathBuf {
    #[cfg(target_os = "linux")]
    return PathBuf::from("/proc/self/exe");
    #[cfg(not(target_os = "linux"))]
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("dispatch"))
}

/// Whom to look for: the one named, else whoever comes.
fn search(args: &Args, config: &Config) -> Result<Search, Failure> {
    let me = args.name.as_ref().or(config.node.as_ref());
    let me = me.ok_or_else(|| {
        Failure::new(Exit::Usage, "this side has no name")
            .hint("give one with --as NODE, another one on the other host")
    })?;
    Ok(Search {
        me: me.to_string(),
        only: args.other.as_ref().map(ToString::to_string),
        known: config
            .known_nodes()
            .iter()
            .map(ToString::to_string)
            .collect(),
        wait_s: args.within.as_secs().max(1),
    })
}

/// Runs checks, each in a process of its own, and draws the verdict. Those of two hosts come first, while both are
/// there.
pub(super) fn examine(orders: &Orders, wanted: impl Fn(&Check) -> bool) -> Examination {
    let prepared = step(PREPARE, FOLDER, orders);
    let has_bench = prepared.state == State::Pass;
    let mut found = Vec::new();
    let mut open = None;
    if orders.search.is_some() {
        open = together(orders, has_bench, &wanted, &mut found);
    }
    for check in CHECKS
        .iter()
        .filter(|check| check.needs != Needs::Pair && wanted(check))
    {
        let began = clock::precise();
        let finding = match check.needs {
            // Why there is no scratch folder is told once, by the first check that needs one.
            Needs::Bench if !has_bench && check.number == 3 => prepared.clone(),
            Needs::Bench if !has_bench => not_run("there is no scratch folder"),
            _ => step(check.number, Duration::from_secs(check.patience_s), orders),
        };
        found.push((check, finding, since(began)));
    }
    if has_bench {
        step(CLEAN, FOLDER, orders);
    }
    found.sort_by_key(|(check, _, _)| check.number);
    let judgement = doctor::verdict::judge(
        found
            .iter()
            .map(|(check, finding, _)| (check.number, finding)),
    );
    Examination {
        found,
        judgement,
        open,
    }
}

fn since(began: Duration) -> u64 {
    u64::try_from(clock::precise().saturating_sub(began).as_millis()).unwrap_or(u64::MAX)
}

/// Meets the other host and runs the checks of two. Returns why they were not all run.
fn together(
    orders: &Orders,
    has_bench: bool,
    wanted: &impl Fn(&Check) -> bool,
    found: &mut Vec<(&'static Check, Finding, u64)>,
) -> Option<String> {
    let wait_s = orders.search.as_ref().map_or(0, |search| search.wait_s);
    let met = match has_bench {
        true => step(MEET, Duration::from_secs(wait_s + 20), orders),
        false => not_run("there is no scratch folder"),
    };
    let is_unmet = met.state == State::Unknown;
    let session = met
        .facts
        .get("session")
        .and_then(|value| serde_json::from_value(value.clone()).ok());
    let mut gone = session.is_none();
    let orders = Orders {
        session,
        ..orders.clone()
    };
    let mut told = false;
    for check in CHECKS
        .iter()
        .filter(|check| check.needs == Needs::Pair && wanted(check))
    {
        let began = clock::precise();
        let finding = match (gone, orders.session.is_some()) {
            (_, false) if !is_unmet && !std::mem::replace(&mut told, true) => met.clone(),
            (_, false) => not_run("the other host was not met"),
            (true, true) => not_run("the other host is gone"),
            (false, true) => step(check.number, Duration::from_secs(check.patience_s), &orders),
        };
        gone |= finding
            .facts
            .get("errno")
            .is_some_and(|errno| *errno == nix::errno::Errno::ETIMEDOUT as i32);
        found.push((check, finding, since(began)));
    }
    match &orders.session {
        None if is_unmet => Some(met.said),
        Some(session) if found.iter().any(|(_, finding, _)| is_not_run(finding)) => {
            Some(format!("'{}' was met and then went away", session.peer))
        }
        _ => None,
    }
}

/// Runs one step in a process of its own. Whatever becomes of that process, there is a finding.
fn step(number: u8, patience: Duration, orders: &Orders) -> Finding {
    let bug = |why: String| Finding::unknown(format!("this check broke: {why}"));
    let text = match serde_json::to_string(orders) {
        Ok(text) => text,
        Err(error) => return bug(error.to_string()),
    };
    let number = number.to_string();
    let words = ["doctor", "--check", &number, "--orders", &text].map(OsStr::new);
    let hung = |end: &str| {
        let said = format!("no answer within {} s{end}", patience.as_secs());
        let advice = "the server does not answer, or not in time: is it up, and is the network?";
        Finding::unknown(said).advise(advice).fact("hung", true)
    };
    match launch::trial(&orders.program, &words, patience, &SystemClock) {
        Ok(Trial::Finished(output)) => {
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| bug(error.to_string()))
        }
        Ok(Trial::Killed) => hung("; it was killed"),
        Ok(Trial::Stuck) => hung("; it could not even be killed"),
        Err(error) => bug(error.to_string()),
    }
}
