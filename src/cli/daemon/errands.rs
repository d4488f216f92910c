//! What commands of this host leave to its watcher: claims of pools to look at, and words that waiting tasks are owed.

use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use crate::cli::send::ASKED;
use crate::cli::setup::Setup;
use crate::cli::tend::Tending;
use crate::clock::BootTime;
use crate::flow::Node;
use crate::flow::send::Sender;

/// What was last seen of it.
#[derive(Debug, Default)]
pub(super) struct Errands {
    /// When a command last sent something that the watcher has to do with.
    asked: Option<SystemTime>,
    tending: Tending,
}

impl Errands {
    pub(super) fn begin(state: &Path) -> Self {
        Self {
            asked: asked_at(state),
            tending: Tending::default(),
        }
    }

    /// Looks whether something was sent since.
    pub(super) fn look(&mut self, state: &Path, node: &mut Node) {
        let asked = asked_at(state);
        if asked.is_some() && asked != self.asked {
            node.expect_claims();
            self.tending.soon();
        }
        self.asked = asked;
    }

    /// Gives the words that waiting tasks are owed. A node that is halted, or that has lost its share, gives none.
    pub(super) fn tend(&mut self, setup: &Setup, node: &Node) {
        if node.view().trouble.is_some() {
            return;
        }
        let sender = Sender {
            keys: node.keys.clone(),
            ..setup.sender()
        };
        self.tending.pass(setup, &sender);
    }

    /// How long the next round may be put off.
    pub(super) fn patience(&self, now: BootTime) -> Option<Duration> {
        self.tending.patience(now)
    }
}

/// When a command of this host last asked the watcher for something.
fn asked_at(state: &Path) -> Option<SystemTime> {
    let meta = std::fs::metadata(state.join(ASKED)).ok()?;
    meta.modified().ok()
}
