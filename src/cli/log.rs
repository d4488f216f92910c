//! `dispatch log`: reads the audit logs of this node and its peers as one, and verifies them.
//!
//! The own log is read from the local disk, a peer's from its copy on the share. Every record shown was accepted by its
//! strict reader, so nothing on the screen can be an escape sequence; what was not accepted is counted, and named by
//! `--verify`. Changes nothing.

use std::path::Path;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;

use super::failure::Failure;
use super::setup;
use super::setup::Common;
use super::setup::Setup;
use super::speech::Aloud;
use super::speech::Speech;
use super::voice::Voice;
use crate::audit;
use crate::audit::HeadsSeen;
use crate::audit::Record;
use crate::audit::chain;
use crate::audit::chain::Verified;
use crate::audit::files::LocalFiles;
use crate::audit::files::LogFiles;
use crate::audit::files::ShareFiles;
use crate::audit::finding::Finding;
use crate::audit::merge::Filter;
use crate::audit::merge::Merge;
use crate::audit::merge::Positions;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::escape;
use crate::event::Word;
use crate::exit::Exit;
use crate::id::NodeName;
use crate::id::Party;
use crate::share::Share;
use crate::units;

/// Between two looks of `--follow`.
const LOOK: Duration = Duration::from_secs(1);
/// About how much is written at once, in bytes.
const PAGE_BYTES: usize = 64 * 1024;

/// A moment as people say it.
#[derive(Debug, Clone, Copy)]
enum When {
    Ago(Duration),
    At(Timestamp),
}

/// Show what happened here and on the peers, or verify that nobody changed it
///
/// Example: dispatch log --task 0198f1c2-7d --since 1h
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of tasks whose id begins like this
    #[arg(long, value_name = "ID", value_parser = task_prefix)]
    task: Option<String>,
    /// Only of this node, itself or a peer
    #[arg(long, value_name = "NODE")]
    node: Option<NodeName>,
    /// Only this event, such as task_send; may be repeated
    #[arg(long, value_name = "WORD", value_parser = words(), hide_possible_values = true)]
    event: Vec<Word>,
    /// Only where this is the other side
    #[arg(long, value_name = "PARTY")]
    peer: Option<Party>,
    /// Only from this moment on: "90s", "1h", "2d" ago, a day, or a time as the log shows it
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<When>,
    /// Only before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<When>,
    /// Go on showing what is told
    #[arg(long, short = 'f', conflicts_with = "verify")]
    follow: bool,
    /// Show the records as they were written, a line of JSON each
    #[arg(long)]
    json: bool,
    /// Check every chain, and what the nodes have sealed of it; exit 1 where something is missing or changed
    #[arg(long)]
    verify: bool,
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

fn words() -> impl TypedValueParser<Value = Word> {
    let known = Word::ALL.iter().map(|word| word.as_str());
    PossibleValuesParser::new(known).try_map(|word| Word::from_word(&word).ok_or("no such event"))
}

fn task_prefix(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    let plain = |letter: char| letter.is_ascii_hexdigit() || letter == '-';
    match text.chars().all(plain) && (4..=36).contains(&text.len()) {
        true => Ok(text),
        false => Err("not a task id, nor 4 or more letters of its beginning".to_owned()),
    }
}

fn moment(text: &str) -> Result<When, String> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    let at = Timestamp::parse(text).or_else(|_| day()).map(When::At);
    at.or_else(|_| units::duration(text).map(When::Ago))
        .map_err(|_| "not a time such as 1h, 2026-11-20 or 2026-11-20T06:00:00Z".to_owned())
}

/// The logs that are read, and where the rest is said.
struct Sources<'a> {
    node: NodeName,
    local: LocalFiles,
    peers: Vec<ShareFiles<'a>>,
}

impl Sources<'_> {
    fn logs(&self) -> Vec<(NodeName, &dyn LogFiles)> {
        let own: (NodeName, &dyn LogFiles) = (self.node.clone(), &self.local);
        let peer = |files| -> (NodeName, &dyn LogFiles) {
            let files: &ShareFiles<'_> = files;
            (files.node.clone(), files)
        };
        let mut logs = vec![own];
        logs.extend(self.peers.iter().map(peer));
        logs
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let config = setup::load(args.common.flags(), false)?;
    let share = setup::reach(config.root()?);
    if args.verify {
        // The latest word of every peer on its own log, so that what it took back since is found.
        Setup::new(&args.common, voice)?.remember_heartbeats();
    }
    read(args, &config, &share, &SystemClock, &mut Aloud(voice))
}

fn read(
    args: &Args,
    config: &Config,
    share: &dyn Share,
    clock: &dyn Clock,
    say: &mut dyn Speech,
) -> Result<Exit, Failure> {
    let (node, state) = (config.node()?.clone(), config.state()?);
    let mut peers: Vec<NodeName> = config.known_peers().cloned().collect();
    if let Some(only) = args.node.as_ref().filter(|only| **only != node) {
        config.peer(only)?;
    }
    peers.retain(|peer| args.node.as_ref().is_none_or(|only| only == peer));
    let sources = Sources {
        local: LocalFiles(state.join(audit::LOG_DIR)),
        node,
        peers: peers
            .into_iter()
            .map(|node| ShareFiles { share, node })
            .collect(),
    };
    let mut logs = sources.logs();
    if args.node.as_ref().is_some_and(|only| *only != sources.node) {
        logs.remove(0);
    }
    match args.verify {
        true => verify(args, &logs, state, say),
        false => show(args, &logs, clock, say),
    }
}

fn show(
    args: &Args,
    logs: &[(NodeName, &dyn LogFiles)],
    clock: &dyn Clock,
    say: &mut dyn Speech,
) -> Result<Exit, Failure> {
    let at = |when: Option<When>| {
        when.map(|when| match when {
            When::Ago(time) => clock.wall().minus(time),
            When::At(moment) => moment,
        })
    };
    let filter = Filter {
        task: args.task.clone(),
        words: args.event.clone(),
        peer: args.peer.clone(),
        since: at(args.since),
        until: at(args.until),
    };
    let (mut positions, mut passed_over, mut unread) = (Positions::new(), 0, Vec::new());
    loop {
        let mut merge = Merge::new(logs, filter.clone(), positions);
        put_records(args, &mut merge, logs, say)?;
        passed_over += merge.passed_over();
        let troubles = merge.unread().to_vec();
        positions = merge.positions();
        // Once is enough while it lasts.
        for trouble in troubles.iter().filter(|trouble| !unread.contains(*trouble)) {
            say.warn(&format!("cannot read the log of {trouble}"));
        }
        unread = troubles;
        if !args.follow || !say.is_heard() {
            break;
        }
        clock.sleep(LOOK);
    }
    if passed_over > 0 {
        say.warn(&format!(
            "{} passed over that no record could be read from; 'dispatch log --verify' names them",
            units::count(usize::try_from(passed_over).unwrap_or(usize::MAX), "line")
        ));
    }
    Ok(if unread.is_empty() {
        Exit::Ok
    } else {
        Exit::Io
    })
}

fn put_records(
    args: &Args,
    merge: &mut Merge<'_>,
    logs: &[(NodeName, &dyn LogFiles)],
    say: &mut dyn Speech,
) -> Result<(), Failure> {
    let width = logs.iter().map(|(node, _)| node.as_str().len()).max();
    let mut page = String::new();
    while let Some(told) = merge.next_record() {
        match args.json {
            // An accepted record is JSON, which is UTF-8.
            true => page.push_str(&String::from_utf8_lossy(&told.line)),
            false => {
                page.push_str(&human(&told.record, width.unwrap_or(0)));
                page.push('\n');
            }
        }
        if page.len() >= PAGE_BYTES {
            say.answer(&std::mem::take(&mut page))?;
        }
    }
    match page.is_empty() {
        true => Ok(()),
        false => say.answer(&page),
    }
}

/// Shows a record on one line: time, node, event, task, summary, and the details that it has.
fn human(record: &Record, width: usize) -> String {
    let event = &record.event;
    // 13 letters are the whole time of a version 7 id; the first 8 are the same for a minute.
    let task = event
        .task
        .map(|id| id.to_string().chars().take(13).collect::<String>());
    let mut line = format!(
        "{} {:width$} {:16} {:13}",
        record.ts,
        record.session,
        event.word,
        task.as_deref().unwrap_or("-")
    );
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            line.push_str(&format!(" {name}{value}"));
        }
    };
    let summary = event.summary.as_str();
    put("", Some(summary.to_owned()).filter(|text| !text.is_empty()));
    put(
        "code=",
        event.code.as_ref().map(|code| code.as_str().to_owned()),
    );
    put("status=", event.status.map(|status| status.to_string()));
    put("class=", event.class.map(|class| class.to_string()));
    put("attempt=", event.attempt.map(|attempt| attempt.to_string()));
    put(
        "approver=",
        event.approver.as_ref().map(ToString::to_string),
    );
    put("peer=", event.peer.as_ref().map(ToString::to_string));
    put("count=", event.count.map(|count| count.to_string()));
    line
}

fn verify(
    args: &Args,
    logs: &[(NodeName, &dyn LogFiles)],
    state: &Path,
    say: &mut dyn Speech,
) -> Result<Exit, Failure> {
    let heads = HeadsSeen::load(&state.join(audit::HEADS_FILE))?;
    let (mut whole, mut unread) = (true, false);
    for (node, files) in logs {
        let report = match chain::verify(node, *files, heads.of(node)) {
            Ok(report) => report,
            Err(error) => {
                unread = true;
                say.warn(&format!("cannot verify the log of {node}: {error}"));
                continue;
            }
        };
        whole &= report.is_whole();
        let text = match args.json {
            true => as_json,
            false => as_text,
        };
        for one in &report.segments {
            say.answer(&text(node, &one.name.to_string(), Some(one), &one.findings))?;
        }
        for finding in &report.others {
            say.answer(&text(
                node,
                &finding.file,
                None,
                std::slice::from_ref(finding),
            ))?;
        }
    }
    Ok(match (whole, unread) {
        (false, _) => Exit::No,
        (true, true) => Exit::Io,
        (true, false) => Exit::Ok,
    })
}

fn is_broken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.fault.is_break())
}

fn as_text(
    node: &NodeName,
    file: &str,
    segment: Option<&Verified>,
    findings: &[Finding],
) -> String {
    let mut text = String::new();
    if let Some(segment) = segment {
        let state = if is_broken(findings) { "BROKEN" } else { "ok" };
        text.push_str(&format!(
            "{node} {file} {} records {state}\n",
            segment.records
        ));
    }
    for finding in findings {
        let kind = if finding.fault.is_break() {
            "broken"
        } else {
            "note"
        };
        text.push_str(&format!("{node} {kind}: {finding}\n"));
    }
    text
}

fn as_json(
    node: &NodeName,
    file: &str,
    segment: Option<&Verified>,
    findings: &[Finding],
) -> String {
    let finding = |finding: &Finding| {
        serde_json::json!({
            "line": finding.line,
            "broken": finding.fault.is_break(),
            "text": escape::escape(&finding.fault.to_string(), false),
        })
    };
    let line = serde_json::json!({
        "version": 1,
        "node": node,
        "file": escape::escape(file, false),
        "records": segment.map(|segment| segment.records),
        "ok": !is_broken(findings),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    });
    format!("{line}\n")
}

#[cfg(test)]
mod tests;
