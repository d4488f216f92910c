//! `dispatch stats`: how much waits, how long things take, how they end and what they cost; for people, for programs,
//! and as a file for the textfile collector of node_exporter.
//!
//! From listings and this node's own audit log: no outcome is opened, nothing is counted twice, nothing is on the
//! share.

mod metrics;

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::sys::stat::umask;
use serde::Serialize;

use super::failure::Failure;
use super::setup::Common;
use super::setup::Setup;
use super::status::survey;
use super::voice::Voice;
use crate::audit;
use crate::audit::files::LocalFiles;
use crate::audit::merge::Filter;
use crate::audit::merge::Merge;
use crate::audit::merge::Positions;
use crate::clock::Timestamp;
use crate::disk;
use crate::exit::Exit;
use crate::id::NodeName;
use crate::status::LaneView;
use crate::status::Report;
use crate::status::figures;
use crate::status::figures::Figures;
use crate::status::figures::Spread;
use crate::status::figures::Tally;
use crate::units;

/// Show how much waits, how long tasks take, how they end and what they cost
///
/// Example: dispatch stats --since 7d
///
/// Figures are of the tasks that this node served, from its own audit log. With --prometheus they are written, as a
/// whole, to a file for the textfile collector of node_exporter; docs/STATS.md lists the metrics.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What ended within this time
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "24h")]
    since: Duration,
    /// Print one JSON object
    #[arg(long, conflicts_with = "prometheus")]
    json: bool,
    /// Write metrics into this file, whose name ends with .prom, and print nothing
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
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

/// Everything that is shown; version 1 of this form, which may grow.
#[derive(Debug, Serialize)]
struct Sums {
    version: u32,
    node: NodeName,
    at: Timestamp,
    since: Timestamp,
    window_s: u64,
    drained: bool,
    /// Whether the share could be listed: if not, there are no lanes.
    share: bool,
    lanes: Vec<LaneView>,
    tasks: Vec<Figures>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let setup = Setup::new(&args.common, voice)?;
    if let Some(file) = &args.prometheus
        && file.extension().is_none_or(|end| end != "prom")
    {
        let message = format!("'{}' does not end with .prom", file.display());
        return Err(Failure::new(Exit::Usage, message)
            .hint("the textfile collector of node_exporter reads no other files"));
    }
    let sums = sums(args, &setup, voice)?;
    if let Some(file) = &args.prometheus {
        // Read by another user than the one who writes it.
        let before = umask(Mode::from_bits_truncate(0o022));
        let written = disk::replace(file, metrics::page(&sums).as_bytes(), 0o644);
        umask(before);
        written?;
    } else if args.json {
        let text = serde_json::to_string(&sums);
        voice.answer(&text.map_err(|error| Failure::new(Exit::Bug, error.to_string()))?)?;
    } else {
        show(&sums, voice)?;
    }
    Ok(if sums.share { Exit::Ok } else { Exit::TryAgain })
}

fn sums(args: &Args, setup: &Setup, voice: &Voice) -> Result<Sums, Failure> {
    let report: Report = survey(setup)?;
    let at = setup.clock.wall();
    let since = at.minus(args.since);
    let local = LocalFiles(setup.config.state()?.join(audit::LOG_DIR));
    let filter = Filter {
        words: figures::WORDS.to_vec(),
        since: Some(since),
        ..Filter::default()
    };
    let node = setup.node.clone();
    let mut merge = Merge::new(&[(node.clone(), &local)], filter, Positions::new());
    let mut tally = Tally::default();
    while let Some(told) = merge.next_record() {
        tally.take(&told.node, told.record.ts, &told.record.event);
    }
    for trouble in merge.unread() {
        voice.warn(&format!("cannot read the log of {trouble}"));
    }
    let own = |lane: &LaneView| lane.from == node || lane.to.as_str() == node.as_str();
    let pooled = |lane: &LaneView| lane.to.pool().is_some();
    Ok(Sums {
        version: 1,
        at,
        since,
        window_s: args.since.as_secs(),
        drained: crate::drain::look(setup.config.state()?).is_some(),
        share: report.share.is_usable(),
        lanes: report
            .lanes
            .into_iter()
            .filter(|lane| own(lane) || pooled(lane))
            .collect(),
        tasks: tally.figures(),
        node,
    })
}

fn show(sums: &Sums, voice: &Voice) -> Result<(), Failure> {
    let drained = if sums.drained { ", drained" } else { "" };
    voice.answer(&format!("{}{drained}, since {}", sums.node, sums.since))?;
    if !sums.share {
        voice.answer("the share cannot be listed now")?;
    }
    for lane in &sums.lanes {
        voice.answer(&format!(
            "lane {}: {} queued, {} for an approval, {} in work",
            lane.lane, lane.queued, lane.pending_ack, lane.processing
        ))?;
    }
    if sums.tasks.is_empty() {
        return voice.answer("no task ended here in this time");
    }
    for one in &sums.tasks {
        let ended: Vec<String> = one
            .ended
            .iter()
            .map(|(word, n)| format!("{n} {word}"))
            .collect();
        voice.answer(&format!("{}: {}", named(one, " "), ended.join(", ")))?;
        let spread = |what: &str, spread: Option<Spread>| {
            spread.map(|it| {
                let (middle, far) = (seconds(it.p50_ms), seconds(it.p95_ms));
                format!("{what} {middle} s (p50), {far} s (p95)")
            })
        };
        let share = one.success_permille;
        let parts = [
            share.map(|it| format!("{}.{} % succeeded", it / 10, it % 10)),
            spread("ran", one.ran),
            spread("waited", one.waited),
            (one.tokens > 0).then(|| format!("{} tokens", one.tokens)),
            (one.cost_microusd > 0).then(|| units::show_money(one.cost_microusd)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if !parts.is_empty() {
            voice.answer(&format!("    {}", parts.join("; ")))?;
        }
    }
    Ok(())
}

fn named(one: &Figures, gap: &str) -> String {
    let sender = one.group.sender.as_ref().map(ToString::to_string);
    let profile = one.group.profile.as_ref().map(ToString::to_string);
    let of = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    format!("from {}{gap}profile {}", of(sender), of(profile))
}

/// Milliseconds as seconds, exactly.
fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}
