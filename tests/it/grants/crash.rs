//! The sender's node dies at every step, in every way, and every call goes wrong once: one decision, whatever comes.

use std::sync::Arc;

use dispatch::entry::ClaimName;
use dispatch::flow::send::Sent;
use nix::errno::Errno;

use super::bench::Bench;
use super::bench::Said;
use super::is_refused;
use crate::world::life::Fault;
use crate::world::life::Life;
use crate::world::tape::Kept;

/// How a sender may find the claims of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// One claim.
    One,
    /// A second one beside it, on a copy of the file.
    Copied,
    /// One that was granted was given back, and another member has the task.
    GivenBack,
}

const SCENES: [Scene; 3] = [Scene::One, Scene::Copied, Scene::GivenBack];

struct Play {
    bench: Bench,
    sent: Sent,
    claims: Vec<ClaimName>,
}

impl Scene {
    fn set(self) -> Play {
        let bench = Bench::new();
        let sent = bench.send();
        let first = bench.claim("gpu1", &sent);
        let mut claims = vec![first.clone()];
        match self {
            Self::One => {}
            Self::Copied => claims.push(bench.copy("gpu2", &sent, &first)),
            Self::GivenBack => {
                bench.look(&mut bench.node());
                bench.medium.crash(Kept::Everything);
                let again = bench.give_back(&first, &sent);
                claims.push(bench.claim("gpu2", &again));
            }
        }
        Play {
            bench,
            sent,
            claims,
        }
    }
}

impl Play {
    fn live(&self, life: &Arc<Life>) {
        let Ok(mut node) = self.bench.start(life) else {
            return;
        };
        for _ in 0..4 {
            self.bench.wait(11);
            if node.round().is_err() {
                return;
            }
        }
    }

    /// Claims that may be started: granted, and not given back by their member.
    fn starts(&self, scene: Scene) -> usize {
        let spent = usize::from(scene == Scene::GivenBack);
        let open = self.claims.iter().skip(spent);
        open.filter(|claim| self.bench.said(claim, &self.sent) == Said::Start)
            .count()
    }

    /// After a life in which something went wrong: never two, and in the end exactly one.
    fn check(&self, scene: Scene, context: &str) {
        assert!(self.starts(scene) <= 1, "{context}");
        self.live(&Life::charmed());
        assert_eq!(self.starts(scene), 1, "{context}");
        let last = self.claims.last().unwrap();
        match scene {
            Scene::One | Scene::GivenBack => {
                assert_eq!(self.bench.said(last, &self.sent), Said::Start, "{context}");
            }
            Scene::Copied => {
                let refused = |claim: &ClaimName| {
                    is_refused(&self.bench.said(claim, &self.sent), "another claim")
                };
                assert!(self.claims.iter().any(refused), "{context}");
            }
        }
        let names = self.bench.names(dispatch::stage::Stage::Control);
        let scratch = names
            .iter()
            .filter(|name| dispatch::entry::is_scratch(name));
        assert!(scratch.count() <= 1, "{context}");
    }
}

#[test]
fn a_decision_survives_a_crash_at_every_step() {
    for scene in SCENES {
        // To die before a call is to die after the one before it: one scene shows both, and what a torn tail is.
        let rest = usize::from(scene != Scene::One);
        for fault in &[Fault::CrashBefore, Fault::CrashAfter][rest..] {
            for kept in &[Kept::Half, Kept::Nothing, Kept::Everything][rest..] {
                for step in 0.. {
                    let play = scene.set();
                    let life = Life::with(step, *fault);
                    play.live(&life);
                    let context = format!("{scene:?}, {kept:?}, {:?}", life.fired());
                    play.bench.medium.crash(*kept);
                    play.check(scene, &context);
                    if life.fired().is_none() {
                        assert!(step > 20, "{scene:?}: only {step} steps");
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn an_error_or_a_stale_listing_at_any_call_makes_no_second_decision() {
    let faults = [
        Fault::Fails(Errno::EIO),
        Fault::DoneButFails(Errno::EIO),
        Fault::Fails(Errno::ENOSPC),
        Fault::Stale,
    ];
    for scene in SCENES {
        for fault in faults {
            for call in 0.. {
                let play = scene.set();
                let life = Life::with_share(call, fault);
                play.live(&life);
                let context = format!("{scene:?}, {:?}", life.fired());
                play.check(scene, &context);
                if life.fired().is_none() {
                    break;
                }
            }
        }
    }
}
