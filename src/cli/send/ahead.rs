//! What a sender to one node is told beforehand: that it takes nothing new now.

use crate::cli::scene;
use crate::cli::setup::Setup;
use crate::cli::voice::Voice;
use crate::document::NodeState;
use crate::place::Lane;
use crate::status;
use crate::status::Liveness;

/// Warns where the node says that it is drained or stopped: what is sent waits in its inbox.
pub(super) fn look(setup: &Setup, lane: &Lane, voice: &Voice) {
    // Who has no state directory has no memory of heartbeats, and is told nothing.
    let (Some(to), Ok(scene)) = (lane.to.node(), scene::of(setup)) else {
        return;
    };
    for view in status::peers(&scene, [&to].into_iter()) {
        let takes_nothing = view.state == Some(NodeState::Draining);
        if view.liveness == Liveness::Alive && takes_nothing {
            let why = view.reason.as_deref().unwrap_or("it says no reason");
            voice.warn(&format!(
                "{to} takes nothing new now, it waits in its inbox: {why}"
            ));
        }
    }
}
