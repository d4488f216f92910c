//! Deliberate bugs, so that tests can show that they would be found: each stands at the line it breaks, behind a
//! switch.
//!
//! Without the feature `planted`, which no release has, the switch is a constant and the compiler removes what is
//! behind it. With it, a test sets one bug for its own thread (`docs/TESTING.md`). Nothing else may ask this module.

use crate::outcome::words;

words! {
    /// A bug that can be planted.
    Bug {
        /// A start that is tried again takes the claim name it had before.
        ClaimNameReused = "claim-name-reused",
        /// The last look before a start is taken for granted.
        KillswitchFromMemory = "killswitch-from-memory",
        /// Whether there is a killswitch is asked by its name, which a client may answer from what it remembers.
        KillswitchByStat = "killswitch-by-stat",
        /// An executor starts whatever its permit says.
        PermitIgnored = "permit-ignored",
        /// A document is moved into place before its bytes are synced.
        PublishUnsynced = "publish-unsynced",
        /// The folder is not synced after a document was moved into it.
        FolderUnsynced = "folder-unsynced",
        /// A start is recorded and not synced.
        StartUnsynced = "start-unsynced",
        /// A decision is recorded and not synced.
        DecisionUnsynced = "decision-unsynced",
        /// A rename that failed because the name was absent is taken at its word.
        AbsentIsAnswer = "absent-is-answer",
        /// A sender is told that nothing was published where that is not known.
        UnknownIsFailed = "unknown-is-failed",
        /// The commit comes before the result is there.
        CommitFirst = "commit-first",
        /// The reveal replaces what lies under the public name.
        RevealReplaces = "reveal-replaces",
        /// What lies under the public name after the reveal is not read back.
        RevealUnread = "reveal-unread",
        /// A known id is admitted as if it were new.
        IdUnchecked = "id-unchecked",
        /// Cancels are not looked for between marker and start.
        CancelUnseen = "cancel-unseen",
        /// A cancel that cannot be read is taken for none.
        CancelUnread = "cancel-unread",
        /// A task that needs an approval is started without.
        ApprovalAssumed = "approval-assumed",
        /// The window of a task is judged only when its document is read.
        WindowOnce = "window-once",
        /// A task whose executor vanished runs again, whatever it says of itself.
        LostRunsAgain = "lost-runs-again",
        /// A second task with the idempotency key of the first runs.
        KeyIgnored = "key-ignored",
        /// A task whose attempt failed runs again, whatever it says of itself.
        FailedRunsAgain = "failed-runs-again",
        /// An attempt that failed counts for nothing.
        FailureUncounted = "failure-uncounted",
        /// A time that an agent's provider named is not waited for.
        ResetIgnored = "reset-ignored",
        /// A run directory is removed before its end is on record.
        DiscardFirst = "discard-first",
        /// In a pool the claim is looked for before the marker is made.
        MarkerAfterCheck = "marker-after-check",
        /// Whoever takes a claim over reads the markers first and takes it then.
        ReaperReadsFirst = "reaper-reads-first",
        /// Whoever takes over what another took over and left does not read the markers again.
        TakeoverForgets = "takeover-forgets",
        /// The term of a lease is counted on the wall clock.
        LeaseByWallClock = "lease-by-wall-clock",
        /// The sender's node lets a second claim start though the first was not given back.
        TwoGrants = "two-grants",
        /// A task that waits for others is started without the word of its sender.
        HoldIgnored = "hold-ignored",
        /// The sender lets a task go that waits for the success of another, however that ended.
        ReadyAnyhow = "ready-anyhow",
    }
}

#[cfg(feature = "planted")]
thread_local! {
    static ON: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in everything that this thread does from now on, instead of the one before.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    ON.set(bug);
}

/// Returns whether this bug is planted.
#[cfg(feature = "planted")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    ON.get() == Some(bug)
}

/// Returns whether this bug is planted: never.
#[cfg(not(feature = "planted"))]
#[must_use]
#[inline]
pub const fn is(_: Bug) -> bool {
    false
}
