//! What the share was found to be good for, while a watcher serves it: asked again, beside the rounds, after the share
//! was lost and when its mount is another. Until the answer is there no pool is served, as on a share that is SINGLE.
//!
//! A verdict speaks of one mount. A crash loses nothing: a watcher that starts asks.

use std::sync::mpsc::Receiver;
use std::sync::mpsc::TryRecvError;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::super::suit;
use super::super::suit::Question;
use super::Setup;
use crate::clock::BootTime;
use crate::doctor::Finding;
use crate::doctor::Verdict;
use crate::event::Event;
use crate::event::Word;
use crate::flow::Fitness;
use crate::flow::Node;
use crate::flow::Trouble;
use crate::mount::Mount;

/// When an examination that came to nothing, or refused the share, is repeated.
const AGAIN: Duration = Duration::from_secs(30);
/// Said of a pool whose task waits here while the share is examined or not good enough.
const RETURNED: &str = "its member may not serve a pool on this share now";

/// What is known of the share.
#[derive(Default)]
pub(super) struct Exam {
    fitness: Fitness,
    /// What the verdict was drawn of, or is being.
    mount: Option<Mount>,
    /// Whether the operator has a refused share served.
    insecure: bool,
    /// Whether it is to be asked again, and not before when.
    wanted: Option<BootTime>,
    /// The answer, once it comes.
    answer: Option<Receiver<Vec<(u8, Finding)>>>,
    /// Whether this watcher examines at all: a single task that is run by hand does not.
    is_on: bool,
}

impl Exam {
    /// Begins with the verdict of the start.
    pub(super) fn of(setup: &Setup, share: Verdict, insecure: bool) -> Self {
        Self {
            fitness: fitness(share, "its verdict"),
            mount: suit::mount(&setup.config),
            insecure,
            is_on: true,
            ..Self::default()
        }
    }

    pub(super) fn fitness(&self) -> Fitness {
        self.fitness.clone()
    }

    /// Returns whether an answer is still to come.
    pub(super) const fn is_open(&self) -> bool {
        self.wanted.is_some() || self.answer.is_some()
    }

    /// Before a round: takes the answer where there is one, notices another mount, asks where it is time.
    pub(super) fn look(&mut self, setup: &Setup, node: &mut Node) {
        if !self.is_on {
            return;
        }
        let mount = suit::mount(&setup.config);
        if mount != self.mount {
            self.mount = mount;
            self.doubt(node, "another mount");
        }
        if let Some(answer) = &self.answer {
            match answer.try_recv() {
                Ok(found) => self.conclude(setup, node, &found),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.later(setup),
            }
        }
        let is_lost = node.view().trouble.as_ref().is_some_and(Trouble::is_lost);
        let is_time = self.wanted.is_some_and(|at| setup.clock.boot() >= at);
        if is_time && !is_lost && self.answer.is_none() {
            self.ask(setup);
        }
        if self.fitness != Fitness::Pools && !self.is_open() {
            // Others may start what waits here. What fails is tried again in the next round.
            let _ = node.give_back(RETURNED);
        }
    }

    /// After a round: a share that is lost is examined when it is back.
    pub(super) fn note(&mut self, node: &mut Node) {
        if self.is_on && node.view().trouble.as_ref().is_some_and(Trouble::is_lost) {
            self.doubt(node, "it was lost");
        }
    }

    fn doubt(&mut self, node: &mut Node, why: &str) {
        // An answer that comes now would be about what was there before.
        self.answer = None;
        self.wanted = Some(BootTime::default());
        if self.fitness == Fitness::Pools {
            self.fitness = Fitness::Alone(format!("the share is examined again: {why}"));
            node.fit(self.fitness());
        }
    }

    fn ask(&mut self, setup: &Setup) {
        self.wanted = None;
        let Ok(question) = Question::of(&setup.config) else {
            return self.later(setup);
        };
        let (tell, answer) = channel();
        // Nobody waits for it, and it ends by itself: the question is killed when it takes too long.
        std::thread::spawn(move || tell.send(question.ask()));
        self.answer = Some(answer);
    }

    fn later(&mut self, setup: &Setup) {
        self.answer = None;
        self.wanted = Some(setup.clock.boot().plus(AGAIN));
    }

    fn conclude(&mut self, setup: &Setup, node: &mut Node, found: &[(u8, Finding)]) {
        self.answer = None;
        let known = suit::again(setup, found, self.mount.clone());
        let judgement = &known.judgement;
        if judgement.passing {
            // Full, read-only, no answer: other looks find that out too, and nothing is known of the rest.
            return self.later(setup);
        }
        let why = suit::because(&known);
        let verdict = match judgement.verdict {
            Verdict::Refuse if self.insecure => Verdict::Single,
            verdict => verdict,
        };
        let fitness = fitness(verdict, &why);
        let word = match fitness {
            Fitness::Nothing(_) => Word::ShareRefuse,
            _ => Word::ShareBack,
        };
        if let Fitness::Nothing(_) = fitness {
            self.later(setup);
        }
        if fitness != self.fitness {
            let said = format!("the share was examined again: {verdict} {why}");
            node.sink.tell(&Event::of(word).say(said.trim_end()));
        }
        self.fitness = fitness;
        node.fit(self.fitness());
    }
}

fn fitness(share: Verdict, why: &str) -> Fitness {
    match share {
        Verdict::Multi => Fitness::Pools,
        Verdict::Single => Fitness::Alone(why.to_owned()),
        Verdict::Refuse => Fitness::Nothing(why.to_owned()),
    }
}
