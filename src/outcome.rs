//! What came of a task: the vocabulary of results. Pure data.

/// Makes an enum whose variants are words of a contract: one spelling, listed, parsed, shown.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the word used in documents, logs and JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Returns the variant of a word, if it is one.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// How a task ended. Exactly one is in every result.
    Status {
        /// The agent finished and its own final result says so.
        Ok = "ok",
        /// The agent ran and failed; `class` says how.
        Error = "error",
        /// Ended because its running time was over.
        Timeout = "timeout",
        /// Ended because it showed no sign of work for `stall_s`.
        Stalled = "stalled",
        /// Ended by a killswitch that kills, or by an operator of the receiving node.
        Killed = "killed",
        /// Cancelled by its sender, before or while it ran.
        Cancelled = "cancelled",
        /// Refused by the receiver's policy; it never ran.
        Rejected = "rejected",
        /// Denied by an approver; it never ran.
        Denied = "denied",
        /// Its time to start was over; it never ran.
        Expired = "expired",
        /// It may have run, and what it did is not known; it was not run again.
        Indeterminate = "indeterminate",
        /// It used up its attempts.
        Poison = "poison",
    }
}

impl Status {
    /// Returns whether no attempt of the task was ever started.
    #[must_use]
    pub const fn never_ran(self) -> bool {
        matches!(self, Self::Rejected | Self::Denied | Self::Expired)
    }
}

words! {
    /// Why an attempt did not succeed, from structured fields of the agent and from what the executor saw. The class,
    /// not the exit status, decides whether to retry, park or give up.
    FailureClass {
        /// The provider asked to slow down; `retry_at` says until when, if known.
        RateLimit = "rate_limit",
        /// The account's usage is spent until `retry_at`.
        UsageLimit = "usage_limit",
        /// The provider is overloaded or failing (HTTP 5xx).
        Overloaded = "overloaded",
        /// No credential, or one that is not accepted.
        Auth = "auth",
        /// The account cannot pay.
        Billing = "billing",
        /// The prompt does not fit the model.
        PromptTooLong = "prompt_too_long",
        /// The model asked for does not exist or is not allowed.
        Model = "model",
        /// The turn limit was reached.
        MaxTurns = "max_turns",
        /// The money limit was reached.
        Budget = "budget",
        /// The model refused.
        Refused = "refused",
        /// The agent reported another failure.
        Agent = "agent",
        /// The agent ended without a final result that could be read.
        NoResult = "no_result",
        /// The final result was empty, or a local command answered in the model's place.
        EmptyResult = "empty_result",
        /// A command ended with a status other than zero.
        ExitStatus = "exit_status",
        /// A command ended with status 75 (EX_TEMPFAIL): it asks to be run again later.
        TryAgain = "try_again",
        /// The agent was ended by a signal that was not ours.
        Signal = "signal",
        /// The program could not be started.
        Spawn = "spawn",
        /// It wrote far more than its cap and was ended.
        Flood = "flood",
        /// Its time was over.
        Timeout = "timeout",
        /// It showed no sign of work.
        Stalled = "stalled",
        /// We ended it: cancel or killswitch.
        Stopped = "stopped",
        /// A containment layer that the profile demands is not available here.
        Containment = "containment",
        /// The executor vanished; what the agent did is not known.
        ExecutorLost = "executor_lost",
        /// The node that ran it lost its claim on it: it did not beat in time, or another member of the pool took it.
        LeaseLost = "lease_lost",
    }
}

words! {
    /// What helps against a failure.
    Remedy {
        /// Time: it may pass by itself, after `retry_at` where that is known.
        Later = "later",
        /// Somebody at the receiving node: a credential, money, a profile, a program. Trying again shows the same.
        Receiver = "receiver",
        /// Its sender: another request, or other limits. Trying again shows the same.
        Sender = "sender",
        /// Somebody who reads the log: what was done is known from there alone.
        Look = "look",
    }
}

impl FailureClass {
    /// Returns what helps against a failure of this class.
    #[must_use]
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::RateLimit | Self::UsageLimit | Self::Overloaded | Self::TryAgain => Remedy::Later,
            Self::Auth | Self::Billing | Self::Model | Self::Spawn | Self::Containment => {
                Remedy::Receiver
            }
            Self::PromptTooLong | Self::MaxTurns | Self::Budget | Self::Refused => Remedy::Sender,
            Self::Agent
            | Self::NoResult
            | Self::EmptyResult
            | Self::ExitStatus
            | Self::Signal
            | Self::Flood
            | Self::Timeout
            | Self::Stalled
            | Self::Stopped
            | Self::ExecutorLost
            | Self::LeaseLost => Remedy::Look,
        }
    }
}

words! {
    /// What is done after an attempt that failed, where the task may be started more than once (`docs/QUEUE.md`,
    /// Retry).
    Again {
        /// At the time that its provider named, and that attempt costs nothing; where it named none, as `after_pause`.
        AtReset = "at_reset",
        /// After a pause that grows with the attempts.
        AfterPause = "after_pause",
        /// Once more, with the shortest prompt there is.
        Shorter = "shorter",
        /// Once somebody has mended the profile, or enough time has passed; that attempt costs nothing.
        Mended = "mended",
        /// Nothing: it would show the same again, or spend the same again.
        Never = "never",
    }
}

impl FailureClass {
    /// Returns what is done after a failure of this class, where the task may be started more than once.
    #[must_use]
    pub const fn again(self) -> Again {
        match self {
            Self::RateLimit | Self::UsageLimit => Again::AtReset,
            Self::Auth | Self::Billing => Again::Mended,
            Self::PromptTooLong => Again::Shorter,
            Self::Overloaded
            | Self::TryAgain
            | Self::Agent
            | Self::NoResult
            | Self::EmptyResult
            | Self::ExitStatus
            | Self::Signal
            | Self::Timeout
            | Self::Stalled
            | Self::ExecutorLost
            | Self::LeaseLost => Again::AfterPause,
            Self::Model
            | Self::Spawn
            | Self::Containment
            | Self::MaxTurns
            | Self::Budget
            | Self::Refused
            | Self::Flood
            | Self::Stopped => Again::Never,
        }
    }
}

words! {
    /// A layer of containment that was in force. The order is the order of strength.
    Layer {
        /// Own session, no new privileges, resource limits, clean environment.
        Session = "session",
        /// Ends when its supervisor ends (PR_SET_PDEATHSIG): the direct child only.
        DeathSignal = "deathsig",
        /// Every descendant is found and ended while the supervisor lives (PR_SET_CHILD_SUBREAPER).
        Subreaper = "subreaper",
        /// Own PID namespace: the kernel ends every descendant, whatever happens to the supervisor.
        PidNamespace = "pidns",
        /// Own mount namespace: private /proc and hidden sockets of the session.
        MountNamespace = "mountns",
        /// Filesystem rules of the kernel (Landlock).
        Landlock = "landlock",
        /// Own cgroup, killed as one.
        Cgroup = "cgroup",
        /// Runs as another user than the watcher.
        OtherUser = "uid",
        /// Runs inside the profile's wrapper, such as bwrap.
        Wrapper = "wrapper",
    }
}
