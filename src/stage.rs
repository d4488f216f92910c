//! The stages of a task and the legal moves between them, as one table.
//!
//! The place is the state: the folder in which the one task file lies. `docs/QUEUE.md` holds the same table in
//! prose. The arrows in `flow` name their two folders themselves; every simulated share of the tests holds each rename
//! of a task file against this table.

use crate::outcome::words;

words! {
    /// A folder of a lane.
    Stage {
        /// Half-written files; nothing here is real yet.
        Tmp = "tmp",
        /// Published by the sender, seen by nobody yet.
        Inbox = "inbox",
        /// Admitted; waits for an approval.
        PendingAck = "pending-ack",
        /// Admitted, or running.
        Processing = "processing",
        /// Finished, with its result.
        Done = "done",
        /// Refused, denied, expired, cancelled before it ran, or not understood.
        Rejected = "rejected",
        /// Acks, cancels, grants and progress; never a task.
        Control = "control",
    }
}

words! {
    /// A reason to move a task file: one arrow of the life-cycle.
    Move {
        /// Sender: the bytes are durable, the task becomes real.
        Publish = "publish",
        /// Receiver: takes the file to read it.
        Admit = "admit",
        /// Receiver: the task waits for an approval.
        Park = "park",
        /// Receiver: a valid approval arrived.
        Unpark = "unpark",
        /// Receiver: takes an orphan of its own (or, in a pool, of another member) before it decides about it.
        Take = "take",
        /// Member of a pool: what it took becomes a claim of its own, because its outcome is for it to say.
        Adopt = "adopt",
        /// Receiver: never started, or idempotent with attempts left: queued again under the next generation.
        Return = "return",
        /// Receiver: the outcome is decided and durable.
        Commit = "commit",
        /// Receiver: refused, denied, expired, cancelled before the start, or not understood.
        Reject = "reject",
    }
}

/// Returns where a move leads from a stage, or `None` where it is not legal. There is no other move.
#[must_use]
pub const fn next(stage: Stage, by: Move) -> Option<Stage> {
    match (stage, by) {
        (Stage::Tmp, Move::Publish) => Some(Stage::Inbox),
        (Stage::Inbox, Move::Admit)
        | (Stage::PendingAck, Move::Unpark | Move::Take)
        | (Stage::Processing, Move::Take | Move::Adopt) => Some(Stage::Processing),
        (Stage::Processing, Move::Park) => Some(Stage::PendingAck),
        (Stage::Processing, Move::Return) => Some(Stage::Inbox),
        // From `pending-ack/` where what was started before, by whomever, ends while it waits for an approval.
        (Stage::Processing | Stage::PendingAck, Move::Commit) => Some(Stage::Done),
        (Stage::Inbox | Stage::PendingAck | Stage::Processing, Move::Reject) => {
            Some(Stage::Rejected)
        }
        _ => None,
    }
}

impl Stage {
    /// Returns whether a task file here still needs somebody to act.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Inbox | Self::PendingAck | Self::Processing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finished_never_moves_again() {
        for by in Move::ALL {
            assert_eq!(next(Stage::Done, *by), None);
            assert_eq!(next(Stage::Rejected, *by), None);
            assert_eq!(next(Stage::Control, *by), None);
        }
    }

    #[test]
    fn every_open_stage_reaches_an_end() {
        for stage in Stage::ALL.iter().filter(|stage| stage.is_open()) {
            let mut seen = vec![*stage];
            while let Some(new) = seen
                .iter()
                .flat_map(|at| Move::ALL.iter().filter_map(|by| next(*at, *by)))
                .find(|to| !seen.contains(to))
            {
                seen.push(new);
            }
            assert!(
                seen.contains(&Stage::Rejected) && seen.contains(&Stage::Done),
                "{stage}"
            );
        }
    }
}
