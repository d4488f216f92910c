//! Random histories: senders, rounds, crashes, approvals, cancels and time in any order. After each step nothing is
//! lost, nothing is started twice, nothing runs unasked; and every history comes to an end with one outcome a task.
//!
//! A history that fails is printed in its shortest form: it is its own seed, because nothing else here is random.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dispatch::flow::Node;
use dispatch::flow::send::Sent;
use dispatch::id::TaskId;
use dispatch::outcome::Status;
use dispatch::stage::Stage;
use proptest::prelude::*;

use crate::world::World;
use crate::world::life::Fault;
use crate::world::life::Life;
use crate::world::runner::Script;
use crate::world::tape::Kept;

/// Something that happens.
#[derive(Debug, Clone)]
enum Act {
    Send {
        idempotent: bool,
        ack: bool,
    },
    Rounds(u8),
    /// Something goes wrong so many steps of the watcher from now.
    Fault(u8, Fault),
    /// The watcher is gone, with its unsynced bytes.
    Crash(Kept),
    Finish,
    Lose,
    Executors(Script),
    Approve(u8),
    Cancel(u8),
    Time(u16),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let kept = prop_oneof![
        Just(Kept::Nothing),
        Just(Kept::Everything),
        Just(Kept::Half)
    ];
    let fault = prop_oneof![
        Just(Fault::CrashBefore),
        Just(Fault::CrashAfter),
        Just(Fault::Fails(nix::errno::Errno::EIO)),
        Just(Fault::DoneButFails(nix::errno::Errno::EIO)),
        Just(Fault::Stale),
    ];
    let script = prop_oneof![
        Just(Script::Prompt),
        Just(Script::Late),
        Just(Script::Never)
    ];
    let act = prop_oneof![
        3 => (any::<bool>(), any::<bool>()).prop_map(|(idempotent, ack)| Act::Send { idempotent, ack }),
        6 => (1_u8..4).prop_map(Act::Rounds),
        4 => (0_u8..60, fault).prop_map(|(steps, fault)| Act::Fault(steps, fault)),
        2 => kept.prop_map(Act::Crash),
        3 => Just(Act::Finish),
        1 => Just(Act::Lose),
        1 => script.prop_map(Act::Executors),
        2 => any::<u8>().prop_map(Act::Approve),
        1 => any::<u8>().prop_map(Act::Cancel),
        1 => (1_u16..7200).prop_map(Act::Time),
    ];
    proptest::collection::vec(act, 1..40)
}

/// What a test knows of a task.
struct Story {
    sent: Sent,
    idempotent: bool,
    needs_ack: bool,
    is_approved: bool,
    /// The first outcome the sender saw: it stays.
    outcome: Option<Status>,
}

struct History {
    world: World,
    node: Option<(Node, Arc<Life>)>,
    stories: Vec<Story>,
}

impl History {
    fn new() -> Self {
        Self {
            world: World::new(77),
            node: None,
            stories: Vec::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Send { idempotent, ack } => self.send(*idempotent, *ack),
            Act::Rounds(count) => (0..*count).for_each(|_| self.round()),
            Act::Fault(steps, fault) => {
                if let Some((_, life)) = &self.node {
                    life.goes_wrong_in(usize::from(*steps), *fault);
                }
            }
            Act::Crash(kept) => {
                self.node = None;
                self.world.medium.crash(*kept);
            }
            Act::Finish => self.world.shop.finish_all(Status::Ok),
            Act::Lose => self.world.shop.lose_all(),
            Act::Executors(script) => self.world.shop.script(*script),
            Act::Approve(which) => {
                if let Some(story) = pick(&mut self.stories, *which) {
                    story.is_approved = true;
                    self.world.approve(&story.sent);
                }
            }
            Act::Cancel(which) => {
                if let Some(story) = pick(&mut self.stories, *which) {
                    self.world.cancel(&story.sent);
                }
            }
            Act::Time(seconds) => self
                .world
                .clock
                .advance(Duration::from_secs(u64::from(*seconds))),
        }
    }

    fn send(&mut self, idempotent: bool, needs_ack: bool) {
        let mut task = self.world.task();
        task.require_ack = needs_ack;
        task.idempotent = idempotent;
        task.max_attempts = idempotent.then_some(3);
        let sent = self.world.send(&task);
        self.stories.push(Story {
            sent,
            idempotent,
            needs_ack,
            is_approved: false,
            outcome: None,
        });
    }

    fn round(&mut self) {
        if self.node.is_none() {
            let life = Life::charmed();
            self.node = Some((self.world.start(&life).unwrap(), life));
        }
        let Some((node, life)) = &mut self.node else {
            return;
        };
        let done = node.round();
        // A journal that failed ends a watcher, whatever else is well.
        if done.is_err() || life.is_dead() {
            assert!(life.fired().is_some(), "{:?}", done.err());
            self.node = None;
            self.world.medium.crash(Kept::Nothing);
        }
        self.world.clock.advance(Duration::from_secs(1));
    }

    fn check(&mut self) {
        self.world.check_always("history");
        let lies = self.whereabouts();
        for story in &mut self.stories {
            let id = story.sent.id;
            let starts = self.world.shop.starts(id);
            let most = if story.idempotent { 3 } else { 1 };
            assert!(starts.iter().all(|count| *count == 1), "{id}: {starts:?}");
            assert!(starts.len() <= most, "{id}: {starts:?}");
            assert!(
                starts.is_empty() || !story.needs_ack || story.is_approved,
                "{id} ran unasked"
            );
            assert_eq!(lies.get(&id), Some(&1), "{id} lies in so many places");
            let now = self.world.status(&story.sent);
            assert!(
                story.outcome.is_none() || now == story.outcome,
                "{id}: {:?} {now:?}",
                story.outcome
            );
            story.outcome = now;
        }
    }

    /// In how many places the file of a task lies.
    fn whereabouts(&self) -> BTreeMap<TaskId, usize> {
        let mut found = BTreeMap::new();
        for stage in [
            Stage::Inbox,
            Stage::PendingAck,
            Stage::Processing,
            Stage::Done,
            Stage::Rejected,
        ] {
            for name in self.world.names(stage) {
                let claim = dispatch::entry::ClaimName::parse(&name).map(|claim| claim.id);
                let queued = dispatch::entry::QueuedName::parse(&name).map(|queued| queued.id);
                if let Some(id) = claim.or(queued) {
                    *found.entry(id).or_default() += 1;
                }
            }
        }
        found
    }

    /// Time passes until nothing can wait any more.
    fn end(&mut self) {
        self.node = None;
        self.world.medium.crash(Kept::Nothing);
        self.world.shop.script(Script::Prompt);
        let mut node = self.world.node();
        self.world.rounds(&mut node, 3);
        self.check();
        self.world.clock.advance(Duration::from_secs(24 * 3600));
        self.world.settle(&mut node);
        self.check();
        drop(node);
        // What is over stays over.
        let mut node = self.world.node();
        self.world.rounds(&mut node, 2);
        for story in &self.stories {
            self.world.check_end(&story.sent, "the end of a history");
        }
    }
}

fn pick(stories: &mut [Story], which: u8) -> Option<&mut Story> {
    let count = stories.len().max(1);
    stories.get_mut(usize::from(which) % count)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_history_ends_with_one_outcome_a_task(acts in acts()) {
        let mut history = History::new();
        for act in &acts {
            history.act(act);
            history.check();
        }
        history.end();
    }
}
