//! `dispatch status`: every node, lane and running task that this host can see, and what is wrong.

use std::sync::mpsc;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::failure::Failure;
use super::notify;
use super::scene;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Style;
use super::voice::Voice;
use crate::escape;
use crate::exit::Exit;
use crate::id::NodeName;
use crate::limits;
use crate::status;
use crate::status::Liveness;
use crate::status::NodeView;
use crate::status::PoolView;
use crate::status::Report;
use crate::status::node::since;
use crate::status::pool::MemberView;
use crate::units;

/// How long the whole look may take before the report goes without it: one call that hangs, and the rest. A share that
/// is slow at every call is given up here.
const PATIENCE: Duration = Duration::from_secs(limits::SHARE_PATIENCE_COMMAND.as_secs() + 5);
/// Running tasks that are listed for a person.
const RUNNING_SHOWN: usize = 50;

/// Show nodes, lanes, running tasks, and what is wrong
///
/// Example: dispatch status gpubox
///
/// Exits 0 where all is well, 1 where something is wrong, 74 or 75 where the share cannot be used; what this node knows
/// by itself is shown even then.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Only this node
    #[arg(value_name = "NODE")]
    node: Option<NodeName>,
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
    if let Some(node) = args.node.as_ref().filter(|node| **node != setup.node) {
        setup.config.peer(node)?;
    }
    let mut report = survey(&setup)?;
    report.wrong.extend(notify::wrong(&setup));
    if let Some(node) = &args.node {
        narrow(&mut report, node);
    }
    if args.json {
        let text = serde_json::to_string(&report)
            .map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
        voice.answer(&text)?;
    } else {
        show(&report, voice)?;
    }
    Ok(exit(&report))
}

/// Looks from another thread: a hard mount of a lost server hangs whoever touches it.
pub(super) fn survey(setup: &Setup) -> Result<Report, Failure> {
    let (tell, told) = mpsc::channel();
    let looking = scene::of(setup)?;
    std::thread::spawn(move || {
        // Nobody listens any more where it took too long.
        let _ = tell.send(status::survey(&looking));
    });
    told.recv_timeout(PATIENCE).or_else(|_| {
        let text = format!("the share did not answer within {} s", PATIENCE.as_secs());
        Ok(status::without_share(&scene::of(setup)?, Some(text)))
    })
}

/// Keeps what is about one node.
fn narrow(report: &mut Report, node: &NodeName) {
    let party = crate::id::Party::from(node);
    report.nodes.retain(|view| view.name == *node);
    report
        .lanes
        .retain(|lane| lane.from == *node || lane.to == party);
    report.running.retain(|task| task.on == *node);
    for view in &mut report.pools {
        view.claims.retain(|claim| claim.member == *node);
    }
    let serves = |view: &PoolView| view.members.iter().any(|member| member.node == *node);
    report.pools.retain(serves);
    let lanes: Vec<&String> = report.lanes.iter().map(|lane| &lane.lane).collect();
    let about = |text: &str| text == node.as_str() || lanes.iter().any(|lane| *lane == text);
    report.wrong.retain(|wrong| {
        about(&wrong.about)
            || matches!(
                wrong.code,
                "halted" | "share_lost" | "not_ours" | "disk_low"
            )
    });
}

fn exit(report: &Report) -> Exit {
    match (
        report.share.is_usable(),
        report.share.passing,
        report.wrong.is_empty(),
    ) {
        (false, true, _) => Exit::TryAgain,
        (false, false, _) => Exit::Io,
        (true, _, false) => Exit::No,
        (true, _, true) => Exit::Ok,
    }
}

fn show(report: &Report, voice: &Voice) -> Result<(), Failure> {
    let free = report
        .share
        .free_bytes
        .map_or_else(String::new, |free| format!(", {} free", rough_size(free)));
    voice.answer(&format!(
        "{} sees {}{free}",
        report.node, report.share.title
    ))?;
    if !report.nodes.is_empty() {
        voice.answer("")?;
        nodes(report, voice)?;
    }
    if !report.lanes.is_empty() {
        voice.answer("")?;
        lanes(report, voice)?;
    }
    if !report.pools.is_empty() {
        voice.answer("")?;
        pools(report, voice)?;
    }
    if let Some(local) = report.local.as_ref().filter(|_| report.nodes.is_empty()) {
        let watcher = if local.watcher {
            "runs"
        } else {
            "does not run"
        };
        voice.answer(&format!(
            "by its own journal: {} running, {} waiting, {} for an approval, {} ending; the watcher {watcher}",
            local.running, local.waiting, local.parked, local.ending
        ))?;
        if local.spooled > 0 {
            let since = local
                .spooled_since
                .map(|at| format!(", the oldest of {at}"));
            voice.answer(&format!(
                "in its spool: {} decided outcomes wait for the share{}",
                local.spooled,
                since.unwrap_or_default()
            ))?;
        }
    }
    if !report.running.is_empty() {
        voice.answer("")?;
        running(report, voice)?;
    }
    voice.answer("")?;
    for wrong in &report.wrong {
        let lead = voice.styled(Style::Red, "wrong");
        voice.answer(&format!(
            "{lead}  {}: {}",
            wrong.about,
            escape::escape(&wrong.text, false)
        ))?;
    }
    if report.wrong.is_empty() {
        voice.answer(&voice.styled(Style::Green, "all is well"))?;
    }
    Ok(())
}

fn nodes(report: &Report, voice: &Voice) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "NODE", "IS", "HEARD", "RUNS", "WAIT", "ACK", "POLL", "VERSION", "AUDIT",
    ]);
    for node in &report.nodes {
        let number = |value: Option<u64>| value.map_or_else(dash, |value| value.to_string());
        let runs = match (node.running, node.slots) {
            (Some(running), Some(slots)) => format!("{running}/{slots}"),
            (running, _) => number(running),
        };
        let poll = node
            .poll_ms
            .map(Duration::from_millis)
            .map(units::about_duration);
        let style = match node.liveness {
            Liveness::Alive => Style::Green,
            Liveness::Never => Style::Dim,
            _ => Style::Red,
        };
        let own = if node.own { " (this)" } else { "" };
        table.row(vec![
            (format!("{}{own}", node.name), Style::Bold),
            (state(node), style),
            (node.heard_s.map_or_else(dash, since), Style::Plain),
            (runs, Style::Plain),
            (number(node.queued), Style::Plain),
            (number(node.pending_ack), Style::Plain),
            (poll.unwrap_or_else(dash), Style::Plain),
            (plain(node.version.as_deref()), Style::Plain),
            (plain(node.audit.as_deref()), Style::Dim),
        ]);
    }
    table.show(voice)
}

fn state(node: &NodeView) -> String {
    match (node.liveness, node.state) {
        (Liveness::Alive, Some(state)) => state.to_string(),
        (liveness, _) => liveness.to_string(),
    }
}

fn lanes(report: &Report, voice: &Voice) -> Result<(), Failure> {
    let mut table = Table::new(&["LANE", "QUEUED", "ACK", "IN WORK", "DONE TODAY", "REJECTED"]);
    for lane in &report.lanes {
        let count = |number: usize| {
            (
                number.to_string(),
                if number > 0 { Style::Plain } else { Style::Dim },
            )
        };
        table.row(vec![
            (lane.lane.clone(), Style::Plain),
            count(lane.queued),
            count(lane.pending_ack),
            count(lane.processing),
            count(lane.done_today),
            count(lane.rejected),
        ]);
    }
    table.show(voice)
}

fn pools(report: &Report, voice: &Voice) -> Result<(), Failure> {
    let mut table = Table::new(&["POOL", "QUEUED", "MEMBERS"]);
    for view in &report.pools {
        let member = |member: &MemberView| match (member.liveness, member.free) {
            (Some(Liveness::Alive), Some(free)) => format!("{} {free} free", member.node),
            (Some(liveness), _) => format!("{} {liveness}", member.node),
            (None, _) => member.node.to_string(),
        };
        let members: Vec<String> = view.members.iter().map(member).collect();
        table.row(vec![
            (format!("pool.{}", view.pool), Style::Plain),
            (view.queued.to_string(), Style::Plain),
            (members.join(", "), Style::Plain),
        ]);
    }
    table.show(voice)?;
    let claims = report.pools.iter().flat_map(|view| &view.claims);
    let mut table = Table::new(&["CLAIM", "LANE", "ON", "IS", "BEATEN"]);
    for claim in claims.clone().take(RUNNING_SHOWN) {
        let is = match (claim.taken, claim.started) {
            (true, _) => "taken over",
            (_, true) => "started",
            _ if claim.stage == "pending-ack" => "waits for an approval",
            _ => "not started",
        };
        table.row(vec![
            (claim.id.to_string(), Style::Plain),
            (claim.lane.clone(), Style::Plain),
            (claim.member.to_string(), Style::Plain),
            (is.to_owned(), Style::Plain),
            (claim.beaten_s.map_or_else(dash, since), Style::Plain),
        ]);
    }
    if claims.count() > 0 {
        voice.answer("")?;
        table.show(voice)?;
    }
    Ok(())
}

fn running(report: &Report, voice: &Voice) -> Result<(), Failure> {
    let mut table = Table::new(&["RUNNING", "ON", "FROM", "ATTEMPT", "SINCE"]);
    for task in report.running.iter().take(RUNNING_SHOWN) {
        table.row(vec![
            (task.id.to_string(), Style::Plain),
            (task.on.to_string(), Style::Plain),
            (
                task.from.as_ref().map_or_else(dash, ToString::to_string),
                Style::Plain,
            ),
            (
                task.attempt.map_or_else(dash, |number| number.to_string()),
                Style::Plain,
            ),
            (
                task.started.map_or_else(dash, |at| at.to_string()),
                Style::Plain,
            ),
        ]);
    }
    table.show(voice)?;
    if report.running.len() > RUNNING_SHOWN {
        voice.answer(&format!(
            "and {} more",
            report.running.len() - RUNNING_SHOWN
        ))?;
    }
    Ok(())
}

fn dash() -> String {
    "-".to_owned()
}

fn plain(text: Option<&str>) -> String {
    text.map_or_else(dash, |text| escape::excerpt(text, 64))
}

/// A size as people read it: three digits and a unit.
fn rough_size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes;
    let mut unit = 0;
    while size >= 10_000 && unit + 1 < units.len() {
        size /= 1024;
        unit += 1;
    }
    format!("{size} {}", units[unit])
}

/// Columns as wide as their widest cell; colour is put on afterwards, so that it takes no room.
struct Table {
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    fn new(heads: &[&str]) -> Self {
        let head = heads.iter().map(|head| ((*head).to_owned(), Style::Dim));
        Self {
            rows: vec![head.collect()],
        }
    }

    fn row(&mut self, cells: Vec<(String, Style)>) {
        self.rows.push(cells);
    }

    fn show(&self, voice: &Voice) -> Result<(), Failure> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|(text, _)| text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (text, style)) in row.iter().enumerate() {
                line.push_str(&voice.styled(*style, text));
                if column + 1 < row.len() {
                    let gap = widths[column].saturating_sub(text.chars().count()) + 2;
                    line.push_str(&" ".repeat(gap));
                }
            }
            voice.answer(&line)?;
        }
        Ok(())
    }
}
