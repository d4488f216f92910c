//! A member dies at every step of what it does; the others finish its task, or say that its end is not known.

use std::sync::Arc;

use dispatch::document::Task;
use dispatch::flow::send::Sent;
use dispatch::outcome::Status;

use super::ground::Ground;
use crate::world::life::Fault;
use crate::world::life::Life;
use crate::world::tape::Kept;

/// Who finds what the dead member left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heir {
    /// Another member; the dead one never comes back.
    Other,
    /// The same member, at once.
    Itself,
    /// Both: it comes back while the other waits for the term to end.
    Both,
}

struct Way {
    name: &'static str,
    task: fn(&Ground) -> Task,
    attempts: usize,
    ends: &'static [Status],
}

const IDEMPOTENT: Way = Way {
    name: "idempotent",
    task: Ground::idempotent,
    attempts: 3,
    ends: &[Status::Ok],
};

const ONCE: Way = Way {
    name: "not idempotent",
    task: Ground::task,
    attempts: 1,
    ends: &[Status::Ok, Status::Indeterminate],
};

impl Way {
    /// The first member alone, until the task has its outcome or its life ends. Returns whether it came to an end.
    fn live(&self, ground: &Ground, sent: &Sent, life: &Arc<Life>) -> bool {
        let Ok(mut node) = ground.start(0, life) else {
            return false;
        };
        for _ in 0..40 {
            ground.sender_round();
            if node.round().is_err() || life.is_dead() {
                return false;
            }
            ground.finish_all();
            ground.advance(std::time::Duration::from_secs(1));
            if ground.status(sent).is_some() && node.is_quiet() && ground.is_settled() {
                return true;
            }
        }
        panic!(
            "{}: it does not come to an end: {}",
            self.name,
            ground.picture()
        );
    }

    fn die_everywhere(&self, heir: Heir, kept: Kept) {
        for step in 0.. {
            let ground = Ground::new(11, 2);
            let sent = ground.send(&(self.task)(&ground));
            let life = Life::with(step, Fault::CrashAfter);
            self.live(&ground, &sent, &life);
            let fired = life.fired();
            let context = format!("{}, {heir:?}, {kept:?}, {fired:?}", self.name);
            ground.crash(0, None, kept);
            let mut nodes = match heir {
                Heir::Other => vec![ground.node(1)],
                Heir::Itself => vec![ground.node(0)],
                Heir::Both => ground.nodes(),
            };
            if heir == Heir::Other {
                // The executor of the dead outlives it, until its own term is over.
                ground.rounds(&mut nodes, 70, |_| {});
                for _ in 0..10 {
                    if ground.status(&sent).is_none() {
                        ground.rounds(&mut nodes, 60, Ground::finish_all);
                    }
                }
                assert!(
                    ground.status(&sent).is_some(),
                    "{context}: {}",
                    ground.picture()
                );
                // What it had committed it reveals and clears away when it comes back after all.
                nodes.push(ground.node(0));
            }
            ground.settle(&mut nodes, Ground::finish_all);
            ground.check_end(&sent, self.attempts, &context);
            let status = ground.status(&sent).unwrap();
            assert!(self.ends.contains(&status), "{context}: {status}");
            if fired.is_none() {
                assert!(step > 30, "{}: only {step} steps", self.name);
                break;
            }
        }
    }
}

#[test]
fn another_member_finishes_what_a_dead_one_left_at_any_step() {
    IDEMPOTENT.die_everywhere(Heir::Other, Kept::Nothing);
}

#[test]
fn what_is_not_idempotent_is_never_started_twice_whoever_dies_at_any_step() {
    ONCE.die_everywhere(Heir::Other, Kept::Everything);
}

#[test]
fn a_member_that_comes_back_goes_on_from_any_step() {
    IDEMPOTENT.die_everywhere(Heir::Itself, Kept::Everything);
    ONCE.die_everywhere(Heir::Itself, Kept::Nothing);
}

#[test]
fn two_that_look_at_one_claim_finish_it_once_from_any_step() {
    IDEMPOTENT.die_everywhere(Heir::Both, Kept::Nothing);
    ONCE.die_everywhere(Heir::Both, Kept::Everything);
}
