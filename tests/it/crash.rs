//! A crash at every step, a lost reply at every call, every error number: one outcome, no second start, nothing lost.

#![allow(clippy::unwrap_used, reason = "tests")]

mod empty;
mod gone;

use std::sync::Arc;
use std::time::Duration;

use dispatch::document::Task;
use dispatch::flow::Node;
use dispatch::flow::send::Sent;
use dispatch::outcome::Status;
use dispatch::stage::Stage;
use dispatch::transport::Publish;
use nix::errno::Errno;

use crate::world::World;
use crate::world::lane;
use crate::world::life::Fault;
use crate::world::life::Life;
use crate::world::tape::Kept;

const KEPT: [Kept; 3] = [Kept::Nothing, Kept::Everything, Kept::Half];
const CRASHES: [Fault; 2] = [Fault::CrashBefore, Fault::CrashAfter];

/// One way through the life of a task: what is sent, what happens around it, and what may come of it.
struct Path {
    name: &'static str,
    prepare: fn(&mut World, &mut Task),
    /// Acts from outside after a round of the receiver.
    meanwhile: fn(&World, &Sent, usize),
    ends: &'static [Status],
    attempts: usize,
}

const PLAIN: Path = Path {
    name: "plain",
    prepare: |_, _| {},
    meanwhile: |world, _, _| world.shop.finish_all(Status::Ok),
    ends: &[Status::Ok],
    attempts: 1,
};

const APPROVED: Path = Path {
    name: "approved",
    prepare: |_, task| task.require_ack = true,
    meanwhile: |world, sent, round| {
        if round == 0 {
            world.approve(sent);
        }
        world.shop.finish_all(Status::Ok);
    },
    ends: &[Status::Ok],
    attempts: 1,
};

const DENIED: Path = Path {
    name: "denied",
    prepare: |_, task| task.require_ack = true,
    meanwhile: |world, sent, round| {
        if round == 0 {
            let deny = dispatch::document::Decision::Deny;
            world.decide("alice", sent.id, sent.digest, deny, &[]);
        }
    },
    ends: &[Status::Denied],
    attempts: 0,
};

const CANCELLED: Path = Path {
    name: "cancelled while it runs",
    prepare: |_, _| {},
    meanwhile: |world, sent, round| {
        if round == 0 {
            world.cancel(sent);
        }
    },
    ends: &[Status::Cancelled],
    attempts: 1,
};

const REFUSED: Path = Path {
    name: "refused",
    prepare: |world, _| {
        for peer in world.settings.peers.values_mut() {
            peer.accept = false;
        }
    },
    meanwhile: |_, _, _| {},
    ends: &[Status::Rejected],
    attempts: 0,
};

const RETRIED: Path = Path {
    name: "the executor vanishes once",
    prepare: |_, task| {
        task.idempotent = true;
        task.max_attempts = Some(3);
    },
    meanwhile: |world, sent, _| {
        if world.shop.starts(sent.id).len() == 1 {
            world.shop.lose_all();
        } else {
            world.shop.finish_all(Status::Ok);
        }
    },
    ends: &[Status::Ok],
    attempts: 2,
};

const LOST: Path = Path {
    name: "the executor vanishes, not idempotent",
    prepare: |_, _| {},
    meanwhile: |world, _, _| world.shop.lose_all(),
    ends: &[Status::Indeterminate],
    attempts: 1,
};

impl Path {
    fn world(&self) -> (World, Sent) {
        let mut world = World::new(7);
        let mut task = world.task();
        (self.prepare)(&mut world, &mut task);
        let sent = world.send(&task);
        (world, sent)
    }

    /// Rounds until the task has its outcome or the life ends. Returns whether it came to an end.
    fn live(&self, world: &World, sent: &Sent, life: &Arc<Life>) -> Result<bool, Box<Node>> {
        let Ok(mut node) = world.start(life) else {
            assert!(life.is_dead() || life.fired().is_some());
            return Ok(false);
        };
        for round in 0..120 {
            if node.round().is_err() {
                assert!(life.is_dead() || life.fired().is_some());
                return Ok(false);
            }
            (self.meanwhile)(world, sent, round);
            world.clock.advance(Duration::from_secs(1));
            let is_over = world.status(sent).is_some() && node.is_quiet();
            if is_over && world.names(Stage::Processing).is_empty() && !life.is_dead() {
                return Ok(true);
            }
            if life.is_dead() {
                return Ok(false);
            }
        }
        Err(Box::new(node))
    }

    fn finish(&self, world: &World, sent: &Sent, context: &str) {
        let whole = self.live(world, sent, &Life::charmed());
        assert!(
            whole.is_ok_and(|over| over),
            "it does not come to an end: {context}\n{}",
            world.picture()
        );
        // Once more from the start: what is over stays over.
        let mut node = world.node();
        world.rounds(&mut node, 2);
        world.check_end(sent, context);
        world.check_starts(sent, self.attempts, context);
        let status = world.status(sent).unwrap();
        assert!(self.ends.contains(&status), "{context}: {status}");
    }

    /// Dies at every step in every way, and lives again.
    fn crash_everywhere(&self) {
        // To die before a call is to die after the one before it, and a torn tail differs from a lost one only in how
        // it is read: one path shows both, the others need not.
        let is_plain = self.name == PLAIN.name;
        for fault in &CRASHES[usize::from(!is_plain)..] {
            for kept in &KEPT[..if is_plain { 3 } else { 2 }] {
                for step in 0.. {
                    let (world, sent) = self.world();
                    let life = Life::with(step, *fault);
                    let over = self.live(&world, &sent, &life);
                    let fired = life.fired();
                    let context = format!("{}, {kept:?}, {fired:?}", self.name);
                    assert!(over.is_ok() || fired.is_none(), "{context}");
                    world.crash(None, *kept);
                    world.check_always(&context);
                    self.finish(&world, &sent, &context);
                    if fired.is_none() {
                        assert!(step > 20, "{}: only {step} steps", self.name);
                        break;
                    }
                }
            }
        }
    }

    /// Each call to the share fails once, executed or not.
    fn fail_everywhere(&self, errnos: &[Errno]) {
        for errno in errnos {
            for fault in [Fault::Fails(*errno), Fault::DoneButFails(*errno)] {
                for call in 0.. {
                    let (world, sent) = self.world();
                    let life = Life::with_share(call, fault);
                    let context = || format!("{}, {:?}", self.name, life.fired());
                    if let Err(mut node) = self.live(&world, &sent, &life) {
                        world.rounds(&mut node, 1);
                        panic!("{} does not recover\n{}", context(), world.picture());
                    }
                    self.finish(&world, &sent, &context());
                    if life.fired().is_none() {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn a_task_survives_a_crash_at_every_step() {
    PLAIN.crash_everywhere();
}

#[test]
fn an_approval_survives_a_crash_at_every_step() {
    APPROVED.crash_everywhere();
}

#[test]
fn a_denial_survives_a_crash_at_every_step() {
    DENIED.crash_everywhere();
}

#[test]
fn a_cancel_survives_a_crash_at_every_step() {
    CANCELLED.crash_everywhere();
}

#[test]
fn a_refusal_survives_a_crash_at_every_step() {
    REFUSED.crash_everywhere();
}

#[test]
fn a_second_attempt_survives_a_crash_at_every_step() {
    RETRIED.crash_everywhere();
}

#[test]
fn what_is_not_idempotent_is_never_started_again_after_a_crash_at_any_step() {
    LOST.crash_everywhere();
}

#[test]
fn an_error_of_any_call_is_no_answer() {
    PLAIN.fail_everywhere(&[Errno::EIO, Errno::ESTALE, Errno::EINTR, Errno::EMFILE]);
}

#[test]
fn a_full_or_forbidden_share_is_no_answer() {
    PLAIN.fail_everywhere(&[Errno::ENOSPC, Errno::EDQUOT, Errno::EROFS, Errno::EACCES]);
}

#[test]
fn an_error_around_an_approval_is_no_answer() {
    APPROVED.fail_everywhere(&[Errno::EIO]);
}

#[test]
fn a_stale_listing_at_any_look_does_no_harm() {
    for path in [&PLAIN, &APPROVED, &RETRIED] {
        for call in 0.. {
            let (world, sent) = path.world();
            let life = Life::with_share(call, Fault::Stale);
            let over = path.live(&world, &sent, &life);
            let context = format!("{}, {:?}", path.name, life.fired());
            assert!(over.is_ok(), "{context}\n{}", world.picture());
            path.finish(&world, &sent, &context);
            if life.fired().is_none() {
                break;
            }
        }
    }
}

/// What a sender may be told, against what there is.
#[test]
fn a_sender_is_told_nothing_that_is_not_so() {
    let errnos = [
        Errno::EIO,
        Errno::ENOSPC,
        Errno::EDQUOT,
        Errno::EROFS,
        Errno::ESTALE,
    ];
    let mut faults: Vec<Fault> = CRASHES.to_vec();
    faults.extend(
        errnos
            .iter()
            .flat_map(|errno| [Fault::Fails(*errno), Fault::DoneButFails(*errno)]),
    );
    for fault in faults {
        for call in 0.. {
            let world = World::new(9);
            let task = world.task();
            let life = Life::with_share(call, fault);
            let sent = world.sender(&life).send(&lane(), &task).unwrap();
            let there = !world.names(Stage::Inbox).is_empty();
            let context = format!("{:?}: {:?}, there: {there}", life.fired(), sent.publish);
            match &sent.publish {
                _ if life.is_dead() => {}
                Publish::Published => assert!(there, "{context}"),
                Publish::Failed(_) => assert!(!there, "{context}"),
                Publish::Unknown { .. } => assert!(life.fired().is_some(), "{context}"),
            }
            let mut node = world.node();
            world.settle(&mut node);
            assert_eq!(world.status(&sent).is_some(), there, "{context}");
            world.check_starts(&sent, usize::from(there), &context);
            if life.fired().is_none() {
                break;
            }
        }
    }
}

/// The reader is quick, the reply is lost: the sender must not take it for a failure and send it again.
#[test]
fn a_task_that_was_taken_at_once_is_not_called_unpublished() {
    let world = World::new(9);
    let sender = world.sender(&Life::charmed());
    let sent = sender.send(&lane(), &world.task()).unwrap();
    let inbox = crate::world::stage(Stage::Inbox);
    world.rounds(&mut world.node(), 1);
    let part = dispatch::entry::part(sent.id, dispatch::id::Nonce::from_bits(1));
    let told = sender
        .transport
        .resume(&lane(), &part, (&inbox, &sent.name));
    assert!(matches!(told, Publish::Unknown { .. }), "{told:?}");
}
