//! `dispatch deps`: what waits for what among the tasks of this node, and how far each has come.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use clap::Args as ClapArgs;
use serde_json::Value;
use serde_json::json;

use super::failure::Failure;
use super::scene;
use super::seek;
use super::setup::Common;
use super::setup::Setup;
use super::voice::Style;
use super::voice::Voice;
use crate::document::Condition;
use crate::escape;
use crate::exit::Exit;
use crate::flow::collect::Looked;
use crate::id::Party;
use crate::id::TaskId;
use crate::place::Lane;
use crate::status::dependents;
use crate::status::dependents::Awaited;
use crate::status::dependents::Waiting;
use crate::status::dependents::Word;
use crate::status::record;
use crate::status::why;

/// Deepest line of the tree that is drawn; what waits deeper is told as a number.
const DEPTH_MAX: usize = 64;

/// Draw which tasks of this node wait for which
///
/// Example: dispatch deps 0198f1c2-8a00-7000-8000-0123456789ab
///
/// Below each task stand those that wait for it. Without an id: everything of which something still waits. Exits 66
/// where a task is named that neither waits nor is waited for.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Only what is connected with this task: its id, or the first digits of it
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Also what is over
    #[arg(long)]
    all: bool,
    /// Print one JSON object
    #[arg(long, conflicts_with = "dot")]
    json: bool,
    /// Print it for Graphviz: dispatch deps --dot | dot -Tsvg
    #[arg(long)]
    dot: bool,
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

/// A task of the graph.
#[derive(Debug)]
struct Knot {
    to: Party,
    name: Option<String>,
    after: Vec<Awaited>,
    state: &'static str,
    why: Option<String>,
}

/// The graph: tasks, and which wait for which.
#[derive(Debug, Default)]
struct Graph {
    knots: BTreeMap<TaskId, Knot>,
    /// For each task those that wait for it.
    below: BTreeMap<TaskId, Vec<(TaskId, Condition)>>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]
pub fn run(args: &Args, voice: &Voice) -> Result<Exit, Failure> {
    let setup = Setup::new(&args.common, voice)?;
    let records = dependents::all(setup.config.state()?, setup.clock.wall())?;
    let mut graph = Graph::of(&records);
    if let Some(text) = &args.id {
        let id = graph.named(text)?;
        graph.keep(&graph.connected(id));
    }
    graph.look(&setup)?;
    if args.id.is_none() && !args.all {
        graph.drop_what_is_over();
    }
    if args.json {
        voice.answer(&graph.json().to_string())?;
    } else if args.dot {
        voice.raw(graph.dot().as_bytes())?;
    } else if graph.knots.is_empty() {
        voice.note("no task of this node waits for another");
    } else {
        graph.draw(voice)?;
    }
    Ok(Exit::Ok)
}

impl Graph {
    fn of(records: &BTreeMap<TaskId, Waiting>) -> Self {
        let mut graph = Self::default();
        for (id, waiting) in records {
            for awaited in &waiting.after {
                let waits = (*id, awaited.when);
                graph.below.entry(awaited.id).or_default().push(waits);
                let plain = || Knot {
                    to: awaited.to.clone(),
                    name: None,
                    after: Vec::new(),
                    state: "unknown",
                    why: None,
                };
                graph.knots.entry(awaited.id).or_insert_with(plain);
            }
            let said = waiting.said.as_ref();
            let knot = Knot {
                to: waiting.to.clone(),
                name: waiting.name.clone(),
                after: waiting.after.clone(),
                state: match said.map(|said| said.word) {
                    None => "waits",
                    Some(Word::Ready) => "ready",
                    Some(Word::Ended) => "cancelled",
                    Some(Word::Late) => "expired",
                },
                why: said.and_then(|said| said.why.clone()),
            };
            graph.knots.insert(*id, knot);
        }
        graph
    }

    /// The task that a text means.
    fn named(&self, text: &str) -> Result<TaskId, Failure> {
        let fits = |(id, knot): &(&TaskId, &Knot)| {
            id.to_string().starts_with(text) || knot.name.as_deref() == Some(text)
        };
        let mut fitting = self.knots.iter().filter(fits).map(|(id, _)| *id);
        match (fitting.next(), fitting.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => {
                let why = format!("several tasks are meant by '{text}'");
                Err(Failure::new(Exit::Usage, why).hint("give more digits"))
            }
            (None, _) => Err(seek::nowhere(text).hint("it neither waits nor is waited for")),
        }
    }

    /// Everything that is connected with a task, in any direction.
    fn connected(&self, id: TaskId) -> BTreeSet<TaskId> {
        let (mut found, mut left) = (BTreeSet::new(), vec![id]);
        while let Some(id) = left.pop() {
            if !found.insert(id) {
                continue;
            }
            let above = self.knots.get(&id).into_iter().flat_map(|knot| &knot.after);
            left.extend(above.map(|awaited| awaited.id));
            let below = self.below.get(&id).into_iter().flatten();
            left.extend(below.map(|(id, _)| *id));
        }
        found
    }

    fn keep(&mut self, kept: &BTreeSet<TaskId>) {
        self.knots.retain(|id, _| kept.contains(id));
        self.below.retain(|id, _| kept.contains(id));
    }

    /// Asks how far each has come: by what is on record here, else as it is to be seen.
    fn look(&mut self, setup: &Setup) -> Result<(), Failure> {
        let state = setup.config.state()?;
        let is_there = setup.check_root().is_ok();
        let (scene, sender) = (scene::of(setup)?, setup.sender());
        let mut looked = Looked::default();
        for (id, knot) in &mut self.knots {
            if let Ok(Some(recorded)) = record::read(state, *id) {
                knot.state = recorded.status.as_str();
                continue;
            }
            let lane = Lane::new(setup.node.clone(), knot.to.clone());
            if !is_there {
                continue;
            }
            let found = sender.outcome_among(&lane, *id, None, &mut looked);
            if let Ok(Some(Ok(answered))) = found {
                knot.state = answered.answer.status.as_str();
            } else if matches!(knot.state, "unknown" | "ready")
                && let Ok(Some(because)) = why::of(&scene, &lane, *id)
            {
                knot.state = because.state;
                knot.why = Some(because.text);
            }
        }
        Ok(())
    }

    fn drop_what_is_over(&mut self) {
        let is_open = |knot: &Knot| crate::outcome::Status::from_word(knot.state).is_none();
        let mut kept = BTreeSet::new();
        let waiting: Vec<TaskId> = self
            .knots
            .iter()
            .filter(|(_, knot)| is_open(knot))
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            if !kept.contains(&id) {
                kept.extend(self.connected(id));
            }
        }
        self.keep(&kept);
    }

    fn json(&self) -> Value {
        let task = |(id, knot): (&TaskId, &Knot)| {
            let after: Vec<Value> = knot
                .after
                .iter()
                .map(|one| json!({"id": one.id, "when": one.when}))
                .collect();
            json!({"id": id, "name": knot.name, "to": knot.to, "state": knot.state, "why": knot.why, "after": after})
        };
        let tasks: Vec<Value> = self.knots.iter().map(task).collect();
        json!({"version": 1, "tasks": tasks})
    }

    fn dot(&self) -> String {
        let mut text = String::from("digraph dispatch {\n  rankdir=LR;\n  node [shape=box];\n");
        for (id, knot) in &self.knots {
            let name = knot.name.clone().unwrap_or_else(|| id.short());
            let label = escape::escape(&format!("{name} on {}: {}", knot.to, knot.state), false);
            let label = label.replace('\\', "\\\\").replace('"', "\\\"");
            text.push_str(&format!("  \"{id}\" [label=\"{label}\"];\n"));
            for one in &knot.after {
                text.push_str(&format!(
                    "  \"{}\" -> \"{id}\" [label=\"{}\"];\n",
                    one.id, one.when
                ));
            }
        }
        text.push_str("}\n");
        text
    }

    /// The tree: below each task those that wait for it. One that waits for several is drawn whole below the first.
    fn draw(&self, voice: &Voice) -> Result<(), Failure> {
        let mut drawn = BTreeSet::new();
        let roots = self.knots.iter().filter(|(_, knot)| {
            let mut above = knot.after.iter();
            !above.any(|one| self.knots.contains_key(&one.id))
        });
        for (id, _) in roots {
            self.branch(voice, *id, &mut drawn)?;
        }
        Ok(())
    }

    fn branch(
        &self,
        voice: &Voice,
        root: TaskId,
        drawn: &mut BTreeSet<TaskId>,
    ) -> Result<(), Failure> {
        let mut left = vec![(root, None, 0)];
        while let Some((id, when, depth)) = left.pop() {
            let is_again = !drawn.insert(id);
            self.line(voice, id, (when, depth, is_again))?;
            let below = self.below.get(&id).map_or(&[][..], Vec::as_slice);
            if is_again || below.is_empty() {
                continue;
            }
            if depth == DEPTH_MAX {
                let indent = "  ".repeat(depth + 1);
                voice.answer(&format!("{indent}... and deeper: 'dispatch deps {id}'"))?;
                continue;
            }
            let below = below.iter().rev();
            left.extend(below.map(|(id, when)| (*id, Some(*when), depth + 1)));
        }
        Ok(())
    }

    fn line(
        &self,
        voice: &Voice,
        id: TaskId,
        (when, depth, is_again): (Option<Condition>, usize, bool),
    ) -> Result<(), Failure> {
        let Some(knot) = self.knots.get(&id) else {
            return Ok(());
        };
        let style = match knot.state {
            "ok" => Style::Green,
            "error" | "cancelled" | "rejected" | "denied" | "expired" | "poison" => Style::Red,
            _ => Style::Bold,
        };
        let indent = "  ".repeat(depth);
        let when = when.map_or_else(String::new, |when| format!("after {when}: "));
        let name = knot
            .name
            .as_deref()
            .map(|name| format!(" {}", escape::excerpt(name, 60)));
        let why = knot.why.as_deref().filter(|_| !is_again);
        let why = why.map_or_else(String::new, |why| {
            format!(" ({})", escape::excerpt(why, 160))
        });
        let again = if is_again { " (above)" } else { "" };
        voice.answer(&format!(
            "{indent}{when}{id}{} on {}: {}{why}{again}",
            name.unwrap_or_default(),
            knot.to,
            voice.styled(style, knot.state)
        ))
    }
}
