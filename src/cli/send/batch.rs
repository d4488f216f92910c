//! `dispatch-send --batch FILE`: many tasks, one JSON object a line, which may wait for each other by name.
//!
//! The whole file is checked before the first task is published, and read anew for each pass: what is kept of a line is
//! its name and what it waits for. Ids follow from a seed that is on record before the first task is published; so a
//! batch that was cut goes on with `--resume` under the same ids, and nothing is sent twice. A crash leaves the record
//! and a number that is too small, which the folders of the share correct.

mod graph;
mod line;
mod record;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use self::graph::Graph;
use self::line::Line;
use self::line::Source;
use self::record::Record;
use super::Args;
use super::after;
use super::pooled;
use super::tell;
use crate::cli::failure::Failure;
use crate::cli::seek;
use crate::cli::setup::Setup;
use crate::cli::tend;
use crate::cli::voice::Voice;
use crate::document::Condition;
use crate::document::Task;
use crate::exit::Exit;
use crate::flow::send::Sent;
use crate::id::Party;
use crate::id::TaskId;
use crate::place::Lane;
use crate::stage::Stage;
use crate::status::dependents::Awaited;
use crate::transport::Publish;

/// How many tasks are sent between two looks at what waits.
const TEND_EVERY: usize = 256;

/// A batch that was checked.
struct Batch<'a> {
    args: &'a Args,
    setup: &'a Setup,
    source: Source,
    graph: Graph,
    /// What is waited for from outside, by how it was written.
    outside: BTreeMap<String, Awaited>,
}

/// Sends every task of a file.
///
/// # Errors
/// [`Failure`]: nothing was published, unless it says how many were.
pub(super) fn run(args: &Args, setup: &Setup, path: &Path, voice: &Voice) -> Result<Exit, Failure> {
    let source = Source::of(path)?;
    let graph = Graph::read(args, &source)?;
    let outside = outside(setup, &graph)?;
    setup.check_root()?;
    let batch = Batch {
        args,
        setup,
        source,
        graph,
        outside,
    };
    batch.check(voice)?;
    let (mut record, is_resumed) = batch.begin()?;
    let there = match is_resumed {
        true => batch.there()?,
        false => BTreeSet::new(),
    };
    let sent = batch.send(&mut record, &there, voice);
    tend::now(setup)?;
    after::call_watcher(setup);
    sent?;
    record.finish(setup)?;
    if batch.graph.waits() && !setup.is_watched() {
        after::tell_unwatched(voice);
    }
    Ok(Exit::Ok)
}

/// Finds the tasks that are waited for and are none of the batch.
fn outside(setup: &Setup, graph: &Graph) -> Result<BTreeMap<String, Awaited>, Failure> {
    let wishes: Vec<after::Wish> = graph
        .outside()
        .map(|text| after::Wish {
            when: Condition::Ok,
            task: text.clone(),
        })
        .collect();
    let found = after::resolve(setup, &wishes)?;
    let texts = wishes.into_iter().map(|wish| wish.task);
    Ok(texts.zip(found).collect())
}

impl Batch<'_> {
    fn lane(&self, line: &Line) -> Result<Lane, Failure> {
        let to = Party::parse(&line.args.to)
            .map_err(|error| super::unknown(self.setup, &error.to_string()))?;
        self.setup.lane_to_party(&to)
    }

    /// What a line waits for.
    fn awaited(&self, record: &Record, line: &Line) -> Result<Vec<Awaited>, Failure> {
        let mut after = Vec::with_capacity(line.after.len());
        for wish in &line.after {
            after.push(match self.graph.named(&wish.task) {
                Some((number, to)) => Awaited {
                    id: record.id(number),
                    to: to.clone(),
                    sha256: None,
                    when: wish.when,
                },
                None => {
                    let found = self.outside.get(&wish.task);
                    let found = found.ok_or_else(|| seek::nowhere(&wish.task))?;
                    Awaited {
                        when: wish.when,
                        ..found.clone()
                    }
                }
            });
        }
        after::check(&after)?;
        Ok(after)
    }

    fn task(&self, record: &Record, line: &Line) -> Result<(Task, Vec<Awaited>), Failure> {
        let lane = self.lane(line)?;
        let mut task = super::task(&line.args, self.setup, &lane.to)?;
        if task.request.trim().is_empty() {
            return Err(Failure::new(Exit::Data, "there is nothing in the request"));
        }
        // The same bytes whenever it is sent.
        let life = task.expires.since(task.created);
        (task.id, task.created) = (record.id(line.number), record.created);
        task.expires = record.created.plus(life);
        let after = self.awaited(record, line)?;
        after::put(&mut task, &after);
        Ok((task, after))
    }

    /// Seals every task, and publishes none. Each addressee is looked at once.
    fn check(&self, voice: &Voice) -> Result<(), Failure> {
        let record = Record::fresh(self.setup, &self.graph);
        let sender = self.setup.sender();
        let mut seen = BTreeSet::new();
        for line in self.source.lines(self.args)? {
            let line = line?;
            let mut checked = || -> Result<(), Failure> {
                let (task, after) = self.task(&record, &line)?;
                let lane = self.lane(&line)?;
                sender.prepare(&lane, &task)?;
                let wants = (
                    lane.clone(),
                    line.args.profile.clone(),
                    task.idempotent,
                    !after.is_empty(),
                );
                if seen.insert(wants) {
                    pooled::look(&line.args, self.setup, &lane, voice)?;
                    if !after.is_empty() {
                        after::look(self.setup, &lane)?;
                    }
                }
                Ok(())
            };
            checked().map_err(|failure| self.source.at(line.at, &failure))?;
        }
        Ok(())
    }

    /// The record of this file: a fresh one, or that of a batch that was cut.
    fn begin(&self) -> Result<(Record, bool), Failure> {
        match (Record::open(self.setup, &self.graph)?, self.args.resume) {
            (Some(open), true) => Ok((open, true)),
            (Some(open), false) => Err(open.refuse(self.setup, &self.graph)),
            (None, _) => {
                let record = Record::fresh(self.setup, &self.graph);
                record.write(self.setup)?;
                Ok((record, false))
            }
        }
    }

    /// The ids of which something is to be seen on the share. What is only half published is not there.
    fn there(&self) -> Result<BTreeSet<TaskId>, Failure> {
        let stages = [
            Stage::Inbox,
            Stage::PendingAck,
            Stage::Processing,
            Stage::Done,
            Stage::Rejected,
        ];
        let mut there = BTreeSet::new();
        for to in self.graph.parties() {
            let lane = Lane::new(self.setup.node.clone(), to.clone());
            for stage in stages {
                there.extend(seek::ids_in(self.setup, &lane, stage)?);
            }
        }
        Ok(there)
    }

    fn send(
        &self,
        record: &mut Record,
        there: &BTreeSet<TaskId>,
        voice: &Voice,
    ) -> Result<(), Failure> {
        let gauge = Gauge::new(self.graph.len());
        for line in self.source.lines(self.args)? {
            let line = line?;
            let id = record.id(line.number);
            let is_there = line.number < record.sent || there.contains(&id);
            let state = if is_there { "already" } else { "published" };
            if !is_there {
                self.publish(record, &line, voice)
                    .map_err(|failure| self.cut(record, &line, &failure))?;
            }
            self.show(&line, id, state, voice)?;
            if line.number >= record.sent {
                record.advance(self.setup, line.number + 1)?;
            }
            if line.number % TEND_EVERY == TEND_EVERY - 1 {
                tend::now(self.setup)?;
            }
            gauge.show(line.number + 1);
        }
        Ok(())
    }

    fn publish(&self, record: &Record, line: &Line, voice: &Voice) -> Result<Sent, Failure> {
        let (task, after) = self.task(record, line)?;
        let sealed = self.setup.sender().prepare(&self.lane(line)?, &task)?;
        after::record(self.setup, &task, (&sealed, line.name.as_deref()), &after)?;
        let sent = self.setup.sender().put(sealed);
        match &sent.publish {
            Publish::Published => {
                tell(self.setup, &sent, &task, voice);
                pooled::tell_watcher(self.setup, &sent.lane, &task);
                Ok(sent)
            }
            Publish::Failed(error) => Err(error.clone().into()),
            Publish::Unknown { error, .. } => {
                let why = format!("it is not known whether {} was published: {error}", sent.id);
                Err(Failure::new(Exit::TryAgain, why))
            }
        }
    }

    /// Says how far it came.
    fn cut(&self, record: &Record, line: &Line, failure: &Failure) -> Failure {
        let total = self.graph.len();
        let why = format!("cut after {} of {total} tasks: {failure}", record.sent);
        let failure = self.source.at(line.at, &Failure::new(failure.exit(), why));
        failure.hint("the same command with --resume goes on there; nothing is sent twice")
    }

    fn show(&self, line: &Line, id: TaskId, state: &str, voice: &Voice) -> Result<(), Failure> {
        if self.args.json {
            let text = json!({"version": 1, "line": line.at + 1, "name": line.name, "id": id,
                "to": line.args.to, "state": state});
            return voice.answer(&text.to_string());
        }
        let name = line.name.as_deref().unwrap_or_default();
        voice.answer(&format!("{id}\t{name}"))
    }
}

/// How far it is, where somebody looks: one line on the terminal, drawn over itself.
struct Gauge {
    total: usize,
    is_seen: bool,
}

impl Gauge {
    fn new(total: usize) -> Self {
        let is_seen = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        Self { total, is_seen }
    }

    fn show(&self, done: usize) {
        const WIDTH: usize = 30;
        let step = (self.total / 200).max(1);
        if !self.is_seen || (!done.is_multiple_of(step) && done != self.total) {
            return;
        }
        let full = WIDTH * done / self.total.max(1);
        let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH - full));
        let end = if done == self.total { "\n" } else { "" };
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "\r[{bar}] {done} of {}{end}", self.total);
        let _ = err.flush();
    }
}
