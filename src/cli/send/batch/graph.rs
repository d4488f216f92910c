//! What waits for what in a batch, by the names of its lines: all of it is known, and nothing goes in a circle.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use sha2::Digest as _;
use sha2::Sha256;

use super::Args;
use super::line::Source;
use crate::cli::failure::Failure;
use crate::exit::Exit;
use crate::id::Digest;
use crate::id::Party;

/// Most tasks of one batch.
const TASKS_MAX: usize = 100_000;
/// Most words of waiting in one batch.
const EDGES_MAX: usize = 1_000_000;
/// Names of a circle that are shown.
const SHOWN_MAX: usize = 12;

/// The lines of a batch, as far as they are kept.
pub(super) struct Graph {
    /// The digest of the whole file.
    pub digest: Digest,
    /// For each line, what it waits for among the others.
    after: Vec<Vec<u32>>,
    names: BTreeMap<String, u32>,
    parties: Vec<Party>,
    /// To which of them each line goes.
    to: Vec<u16>,
    outside: BTreeSet<String>,
    waits: bool,
}

impl Graph {
    /// Reads the lines, twice: what is named may come later.
    ///
    /// # Errors
    /// [`Failure`] with the number of the line that is wrong; or the circle.
    pub(super) fn read(args: &Args, source: &Source) -> Result<Self, Failure> {
        let mut graph = Self {
            digest: digest(source)?,
            after: Vec::new(),
            names: BTreeMap::new(),
            parties: Vec::new(),
            to: Vec::new(),
            outside: BTreeSet::new(),
            waits: false,
        };
        for line in source.lines(args)? {
            let line = line?;
            let wrong = |why: String| source.at(line.at, &Failure::new(Exit::Data, why));
            let number = u32::try_from(line.number).unwrap_or(u32::MAX);
            if line.number >= TASKS_MAX {
                let why = format!("a batch holds {TASKS_MAX} tasks at most");
                return Err(wrong(why).hint("split the file"));
            }
            let to = Party::parse(&line.args.to).map_err(|error| wrong(error.to_string()))?;
            graph.to.push(graph_party(&mut graph.parties, to));
            if let Some(name) = line.name
                && graph.names.insert(name.clone(), number).is_some()
            {
                return Err(wrong(format!("another line is named '{name}' too")));
            }
        }
        let mut edges = 0;
        for line in source.lines(args)? {
            let line = line?;
            let mut mine = Vec::new();
            for wish in &line.after {
                graph.waits = true;
                edges += 1;
                match graph.names.get(&wish.task) {
                    Some(number) => mine.push(*number),
                    None => {
                        graph.outside.insert(wish.task.clone());
                    }
                }
            }
            if edges > EDGES_MAX {
                let why = format!("the tasks of a batch wait {EDGES_MAX} times at most");
                return Err(source.at(line.at, &Failure::new(Exit::Data, why)));
            }
            graph.after.push(mine);
        }
        match graph.circle() {
            None => Ok(graph),
            Some(circle) => Err(graph.refuse(&circle)),
        }
    }

    /// How many tasks there are.
    pub(super) fn len(&self) -> usize {
        self.to.len()
    }

    /// Whether anything waits for anything.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// What is waited for and is no name of the batch.
    pub(super) fn outside(&self) -> impl Iterator<Item = &String> {
        self.outside.iter()
    }

    /// Whom it asks.
    pub(super) fn parties(&self) -> impl Iterator<Item = &Party> {
        self.parties.iter()
    }

    /// The line of a name, and whom it asks.
    pub(super) fn named(&self, name: &str) -> Option<(usize, &Party)> {
        let number = usize::try_from(*self.names.get(name)?).ok()?;
        let to = self.parties.get(usize::from(*self.to.get(number)?))?;
        Some((number, to))
    }

    /// Looks for lines that wait for each other, in one walk without recursion.
    fn circle(&self) -> Option<Vec<u32>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Seen {
            Not,
            Above,
            Done,
        }
        let mut seen = vec![Seen::Not; self.after.len()];
        for start in 0..self.after.len() {
            let mut path: Vec<(usize, usize)> = vec![(start, 0)];
            if seen[start] != Seen::Not {
                continue;
            }
            seen[start] = Seen::Above;
            while let Some((at, next)) = path.last_mut() {
                let Some(target) = self.after[*at].get(*next) else {
                    seen[*at] = Seen::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                let number = *target;
                let target = usize::try_from(number).unwrap_or(usize::MAX);
                match seen.get(target) {
                    Some(Seen::Not) => {
                        seen[target] = Seen::Above;
                        path.push((target, 0));
                    }
                    Some(Seen::Above) => {
                        let from = path.iter().position(|(at, _)| *at == target).unwrap_or(0);
                        let circle = path[from..].iter();
                        let circle = circle.map(|(at, _)| u32::try_from(*at).unwrap_or(u32::MAX));
                        return Some(circle.chain([number]).collect());
                    }
                    _ => {}
                }
            }
        }
        None
    }

    fn refuse(&self, circle: &[u32]) -> Failure {
        let name = |number: &u32| {
            let named = self.names.iter().find(|(_, known)| *known == number);
            named.map_or_else(|| format!("line {}", number + 1), |(name, _)| name.clone())
        };
        let mut shown: Vec<String> = circle.iter().take(SHOWN_MAX).map(name).collect();
        if circle.len() > SHOWN_MAX {
            shown.push("...".to_owned());
        }
        let why = format!(
            "tasks wait for each other in a circle: {}",
            shown.join(" -> ")
        );
        Failure::new(Exit::Data, why).hint("nothing was sent")
    }
}

/// Which of the parties it is; a new one is added.
fn graph_party(parties: &mut Vec<Party>, to: Party) -> u16 {
    let known = parties.iter().position(|known| *known == to);
    let index = known.unwrap_or_else(|| {
        parties.push(to);
        parties.len() - 1
    });
    u16::try_from(index).unwrap_or(u16::MAX)
}

fn digest(source: &Source) -> Result<Digest, Failure> {
    let (mut from, mut hasher) = (source.open()?, Sha256::new());
    loop {
        let read = from.fill_buf().map_err(|error| {
            Failure::new(Exit::NotFound, format!("cannot read the batch: {error}"))
        })?;
        if read.is_empty() {
            return Ok(Digest::from_bytes(hasher.finalize().into()));
        }
        hasher.update(read);
        let length = read.len();
        from.consume(length);
    }
}
