//! Whose bytes lie under a name of ours in `done/`. Reads, and changes nothing.
//!
//! What is another's is set aside, and its name is then made anew, against R1: so that a file is another's must be
//! known, not guessed from a failure (R10). A crash forgets only since when a name may not be read.

use nix::errno::Errno;

use crate::entry;
use crate::flow::Error;
use crate::flow::Node;
use crate::id::TaskId;
use crate::journal::Outcome;
use crate::limits;
use crate::place::Place;
use crate::share::ShareError;

/// Looks at a name that may not be read, before that is believed to be its own doing.
const LOOKS_MIN: u32 = 3;

/// Whether the public name holds the very bytes that were decided.
pub(super) fn is_ours(
    node: &mut Node,
    done: &Place,
    id: TaskId,
    outcome: &Outcome,
) -> Result<bool, Error> {
    holds(node, done, (id, &entry::public_result(id)), outcome)
}

/// Whether a name of this task holds the very bytes that were decided.
pub(super) fn holds(
    node: &mut Node,
    done: &Place,
    (id, name): (TaskId, &str),
    outcome: &Outcome,
) -> Result<bool, Error> {
    let read = node.transport.read(done, name, limits::RESULT_BYTES_MAX);
    match seen(node, (id, name), read)? {
        Some(bytes) => Ok(bytes == outcome.sealed.as_bytes()),
        None => Ok(false),
    }
}

/// What a look at a name came to: `None` where it cannot be ours by what it is (absent, not a file, too large, never
/// readable). Any other failure says nothing (R10).
pub(super) fn seen<T>(
    node: &mut Node,
    (id, name): (TaskId, &str),
    look: Result<T, ShareError>,
) -> Result<Option<T>, Error> {
    let key = (id, name.to_owned());
    let error = match look {
        Err(error) if error.kind() == Errno::EACCES && error.why.is_none() => {
            return barred(node, key);
        }
        other => {
            node.now.barred.remove(&key);
            match other {
                Ok(found) => return Ok(Some(found)),
                Err(error) => error,
            }
        }
    };
    let is_answer = (error.why.is_some() && !error.is_hang())
        || matches!(
            error.kind(),
            Errno::ENOENT | Errno::EISDIR | Errno::ELOOP | Errno::ENXIO
        );
    if is_answer {
        Ok(None)
    } else {
        Err(error.into())
    }
}

/// A name may not be read. A server says so of a file of ours too, once, while its exports or its users are read anew
/// (an outcome that was set aside for that was lost, when the request that set it aside came a second time). Of a file
/// that another made so it says nothing else, however often it is asked.
fn barred<T>(node: &mut Node, key: (TaskId, String)) -> Result<Option<T>, Error> {
    let now = node.clock.boot();
    let name = key.1.clone();
    let (since, looks) = node.now.barred.entry(key).or_insert((now, 0));
    *looks += 1;
    if *looks < LOOKS_MIN || now.since(*since) < limits::JUNK_AGE {
        return Err(Error::Barred(name));
    }
    Ok(None)
}

/// Forgets the names of tasks that are no longer about to be closed.
pub(super) fn forget(node: &mut Node) {
    let decided = &node.now.decided;
    node.now.barred.retain(|(id, _), _| decided.contains(id));
}
