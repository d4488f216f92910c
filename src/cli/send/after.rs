//! `--after`: which tasks are meant, whether whoever is asked understands it, and the record that the word is owed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::ASKED;
use crate::cli::failure::Failure;
use crate::cli::scene;
use crate::cli::seek;
use crate::cli::setup::Setup;
use crate::cli::tend;
use crate::cli::voice::Voice;
use crate::disk;
use crate::document::AFTER;
use crate::document::After;
use crate::document::Condition;
use crate::document::Task;
use crate::exit::Exit;
use crate::flow::send::Prepared;
use crate::id::NodeName;
use crate::id::TaskId;
use crate::limits;
use crate::place::Lane;
use crate::status::Liveness;
use crate::status::dependents;
use crate::status::dependents::Awaited;
use crate::status::dependents::Waiting;
use crate::status::node;
use crate::transport::Publish;

/// One task that is to be waited for, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// How it must end.
    pub when: Condition,
    /// Its id, the beginning of one, or in a batch its name.
    pub task: String,
}

/// Parses `[WHEN:]ID`.
///
/// # Errors
/// The text of what is wrong with it.
pub fn wish(text: &str) -> Result<Wish, String> {
    let (when, task) = match text.split_once(':') {
        None => (Condition::Ok, text),
        Some((word, task)) => {
            let when = Condition::from_word(word);
            let wrong = || format!("'{word}' is no condition: ok, notok or any");
            (when.ok_or_else(wrong)?, task)
        }
    };
    if task.is_empty() {
        return Err("there is no task in it".to_owned());
    }
    Ok(Wish {
        when,
        task: task.to_owned(),
    })
}

/// Finds the tasks that are meant, among those that this node sent.
///
/// # Errors
/// [`Failure`]: one is not known here, or too many are named, or one twice.
pub(super) fn find(setup: &Setup, wishes: &[Wish]) -> Result<Vec<Awaited>, Failure> {
    let after = resolve(setup, wishes)?;
    check(&after)?;
    Ok(after)
}

/// As [`find`], however many there are.
pub(super) fn resolve(setup: &Setup, wishes: &[Wish]) -> Result<Vec<Awaited>, Failure> {
    if wishes.is_empty() {
        return Ok(Vec::new());
    }
    let known = known(setup)?;
    let texts: Vec<String> = wishes.iter().map(|wish| wish.task.clone()).collect();
    let left: Vec<String> = texts
        .iter()
        .filter(|text| !TaskId::parse(text).is_ok_and(|id| known.contains_key(&id)))
        .cloned()
        .collect();
    let mut seen = seek::named(setup, &left)?.into_iter();
    let mut after = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let id = TaskId::parse(&wish.task).ok();
        let waiting = id.and_then(|id| known.get(&id));
        let awaited = match waiting {
            Some(waiting) => Awaited {
                id: waiting.id,
                to: waiting.to.clone(),
                sha256: Some(waiting.sha256),
                when: wish.when,
            },
            None => {
                let found = seen.next().ok_or_else(|| seek::nowhere(&wish.task))?;
                Awaited {
                    id: found.id,
                    to: found.lane.to,
                    sha256: found.digest,
                    when: wish.when,
                }
            }
        };
        after.push(awaited);
    }
    Ok(after)
}

fn known(setup: &Setup) -> Result<BTreeMap<TaskId, Waiting>, Failure> {
    Ok(dependents::all(setup.config.state()?, setup.clock.wall())?)
}

/// What no task may ask for.
pub(super) fn check(after: &[Awaited]) -> Result<(), Failure> {
    if after.len() > limits::AFTER_MAX {
        let most = limits::AFTER_MAX;
        let why = format!(
            "a task waits for {most} others at most, not {}",
            after.len()
        );
        return Err(Failure::new(Exit::Usage, why)
            .hint("let one task wait for some of them, and this one for that"));
    }
    let mut named = BTreeSet::new();
    match after.iter().find(|one| !named.insert(one.id)) {
        None => Ok(()),
        Some(twice) => Err(Failure::new(
            Exit::Usage,
            format!("task {} is named twice in --after", twice.id),
        )),
    }
}

/// Has the task wait.
pub(super) fn put(task: &mut Task, after: &[Awaited]) {
    if after.is_empty() {
        return;
    }
    let after: Vec<After> = after
        .iter()
        .map(|one| After {
            id: one.id,
            when: one.when,
        })
        .collect();
    task.wait_for(&after);
}

/// Refuses what a receiver that is alive would refuse, because it knows nothing of waiting.
pub(super) fn look(setup: &Setup, lane: &Lane) -> Result<(), Failure> {
    let pooled = setup.pools().into_iter().find(|asked| asked.lane == *lane);
    let nodes: Vec<NodeName> = match pooled {
        Some(asked) => asked.members.iter().cloned().collect(),
        None => lane.to.node().into_iter().collect(),
    };
    let scene = scene::of(setup)?;
    let views = node::some(&scene, nodes.iter(), setup.clock.wall());
    let knows = |word: &String| word == AFTER;
    let old = views
        .iter()
        .find(|view| view.liveness == Liveness::Alive && !view.extensions.iter().any(knows));
    old.map_or(Ok(()), |view| {
        let why = format!(
            "{} does not understand '{AFTER}': its version is too old",
            view.name
        );
        Err(Failure::new(Exit::Refused, why).hint("nothing was sent; install this version there"))
    })
}

/// Writes down what is owed, before the task is published.
pub(super) fn record(
    setup: &Setup,
    task: &Task,
    (sealed, name): (&Prepared, Option<&str>),
    after: &[Awaited],
) -> Result<(), Failure> {
    if after.is_empty() {
        return Ok(());
    }
    let waiting = Waiting {
        version: 1,
        id: task.id,
        to: task.to.clone(),
        sha256: sealed.digest,
        expires: task.expires,
        name: name.map(str::to_owned),
        after: after.to_vec(),
        said: None,
    };
    Ok(dependents::write(setup.config.state()?, &waiting)?)
}

/// Once it is known what came of the publication: what was not published is owed nothing; else the word is given at
/// once where it is due, and the watcher is told that it is owed.
pub(super) fn settle(setup: &Setup, id: TaskId, publish: &Publish, voice: &Voice) {
    let Ok(state) = setup.config.state() else {
        return;
    };
    if matches!(publish, Publish::Failed(_)) {
        let _ = dependents::forget(state, id);
        return;
    }
    if let Err(failure) = tend::now(setup) {
        voice.warn(&format!("{failure}; the watcher tries again"));
    }
    call_watcher(setup);
    if !setup.is_watched() {
        tell_unwatched(voice);
    }
}

/// Tells the watcher of this node that words are owed.
pub(super) fn call_watcher(setup: &Setup) {
    if let Ok(state) = setup.config.state() {
        let _ = disk::replace(&state.join(ASKED), b"", 0o600);
    }
}

/// Says that nobody gives the word now.
pub(super) fn tell_unwatched(voice: &Voice) {
    voice.note(
        "what waits starts with a word of this node: keep 'dispatch-watch' running here, or 'dispatch wait'",
    );
}
