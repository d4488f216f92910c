//! What this node allows, per peer, and who may approve: local, typed, and denying by default.
//!
//! Pure data and one pure function, [`judge`]. A valid seal says who asked, never that it is safe: everything a task
//! may do comes from here, and the task can only ask for less. Nothing here reads a clock, a file or the share.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::NodeName;
use crate::id::Priority;
use crate::id::ProfileName;
use crate::limits;
use crate::outcome::words;
use crate::profile::Profile;
use crate::reason::Reason;
use crate::units::Rate;

mod judge;
#[cfg(test)]
mod oracle;
mod retry;
mod terms;
#[cfg(test)]
mod tests;

pub use judge::judge;
pub use retry::Retry;

words! {
    /// When a task of a peer waits for an approval. What the profile demands is demanded on top of it.
    AckRule {
        /// Every task waits.
        Always = "always",
        /// Dangerous tasks wait, and those whose sender asks for it.
        Dangerous = "dangerous",
        /// Only those wait whose sender asks for it.
        Asked = "asked",
        /// None waits: nobody approves here, and a task that asks for an approval is refused.
        Never = "never",
    }
}

/// What one peer may ask of this node. The default accepts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerPolicy {
    /// Whether its tasks are accepted at all; otherwise it is only known for sending to.
    pub accept: bool,
    /// Profiles it may name.
    pub profiles: Vec<ProfileName>,
    /// Profile of a task that names none.
    pub default_profile: ProfileName,
    /// Most running time of one attempt, under that of the profile.
    pub timeout_max: Option<Duration>,
    /// Most output kept of one attempt in bytes, under that of the profile.
    pub output_bytes_max: Option<u64>,
    /// Largest request in bytes.
    pub request_bytes_max: u64,
    /// When its tasks wait for an approval.
    pub require_ack: AckRule,
    /// Whether it may ask for the dangerous mode, where the profile allows that too.
    pub dangerous: bool,
    /// Longest time between the creation and the expiry of a task.
    pub life_max: Duration,
    /// How many tasks are admitted in a window.
    pub rate: Rate,
    /// How many of its tasks may wait or run here at once.
    pub queue_max: u32,
    /// Whether envelopes of version 2 are read.
    pub v2: bool,
    /// Whether a task of version 2 waits for an approval whatever it says.
    pub v2_require_ack: bool,
    /// Whether only signed tasks are taken: then who holds the secret of the link cannot speak as this peer.
    pub require_signature: bool,
    /// How many agents may have handed the task on before it came here.
    pub hop_max: u32,
    /// Most urgent priority; a more urgent task is served at this one.
    pub priority_max: Priority,
    /// Most attempts of an idempotent task.
    pub attempts_max: u32,
    /// How this node sends to it: nothing that it may ask for.
    pub way: Way,
}

/// How a node is chosen and woken by those who send to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// A program and its arguments that wake it; none where it is empty.
    pub wake: Vec<String>,
    /// How long that program may take.
    pub wake_within: Duration,
    /// How much it is preferred where a node is chosen, in percent.
    pub weight: u32,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            wake: Vec::new(),
            wake_within: Duration::from_secs(30),
            weight: 100,
        }
    }
}

impl Default for PeerPolicy {
    fn default() -> Self {
        let name = ProfileName::parse("default").expect("a plain word is a profile name");
        Self {
            accept: false,
            profiles: vec![name.clone()],
            default_profile: name,
            timeout_max: None,
            output_bytes_max: None,
            request_bytes_max: limits::REQUEST_BYTES_MAX as u64,
            require_ack: AckRule::Dangerous,
            dangerous: false,
            life_max: limits::LIFE_MAX,
            rate: Rate {
                count: 600,
                window: Duration::from_secs(3600),
            },
            queue_max: 100,
            v2: false,
            v2_require_ack: true,
            require_signature: false,
            hop_max: 1,
            priority_max: Priority::High,
            attempts_max: 3,
            way: Way::default(),
        }
    }
}

/// Whom an approver speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Tasks of every peer.
    All,
    /// Tasks of these peers.
    Peers(Vec<NodeName>),
}

/// Somebody who may approve tasks on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// Whose tasks.
    pub scope: Scope,
    /// Whether an approval of this approver covers the dangerous mode.
    pub may_grant_dangerous: bool,
}

impl Approver {
    /// Returns whether this approver may decide about a task of `peer`.
    #[must_use]
    pub fn may_approve(&self, peer: &NodeName, dangerous: bool) -> bool {
        let covers = match &self.scope {
            Scope::All => true,
            Scope::Peers(peers) => peers.contains(peer),
        };
        covers && (self.may_grant_dangerous || !dangerous)
    }
}

/// What a verified task asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// The profile it names.
    pub profile: Option<ProfileName>,
    /// Running time, in seconds.
    pub timeout_s: Option<u64>,
    /// Output kept, in bytes.
    pub max_output_bytes: Option<u64>,
    /// Silence allowed, in seconds.
    pub stall_s: Option<u64>,
    /// Whether its sender wants an approval first.
    pub require_ack: bool,
    /// Whether it cannot be done outside the dangerous mode.
    pub require_dangerous: bool,
    /// How many agents have handed it on.
    pub hop: u32,
    /// How soon it wants to run.
    pub priority: Priority,
    /// Size of the request, in bytes.
    pub request_bytes: u64,
    /// From its creation to its expiry; `None` where its version has no expiry.
    pub life: Option<Duration>,
    /// Whether it may be started more than once.
    pub idempotent: bool,
    /// Attempts allowed, where it is idempotent.
    pub max_attempts: Option<u32>,
    /// Whether it came in an envelope of version 2: then nothing but the request and the priority is believed.
    pub v2: bool,
    /// Whether its seal is a signature, which nobody but its sender can make.
    pub signed: bool,
}

/// How a task runs here: what it asked for, cut down to what policy allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The profile.
    pub profile: ProfileName,
    /// Running time of one attempt.
    pub timeout: Duration,
    /// Silence allowed.
    pub stall: Option<Duration>,
    /// Output kept of one attempt, in bytes.
    pub max_output_bytes: u64,
    /// Whether the dangerous mode is on.
    pub dangerous: bool,
    /// The priority it is served at.
    pub priority: Priority,
    /// How often it may be started in all; one unless it is idempotent.
    pub max_attempts: u32,
    /// One sentence for everything that was cut, naming the setting.
    pub notes: Vec<String>,
}

/// What is known of the peer's use of this node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// Its admitted tasks that are not finished.
    pub queued: u32,
    /// When its tasks were admitted, in any order; older than the window is ignored.
    pub admitted: Vec<Timestamp>,
}

/// A refusal: a code for programs, a sentence for people that names the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {sentence}")]
pub struct Denial {
    /// The class of the refusal: E_PEER, E_POLICY, E_QUOTA, E_TTL, E_UNSIGNED or E_V2_OFF.
    pub code: Reason,
    /// Who, what, and which setting on which node decided.
    pub sentence: String,
    /// When the same task would be admitted, where time alone heals it.
    pub retry_at: Option<Timestamp>,
}

/// What policy says about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may run on these terms.
    Admit(Terms),
    /// It may run on these terms once an approver says so; the sentence says why it waits.
    NeedsAck(Terms, String),
    /// It never runs.
    Reject(Denial),
}

/// The receiving side: whose policy it is.
#[derive(Debug, Clone, Copy)]
pub struct Receiver<'a> {
    /// This node.
    pub node: &'a NodeName,
    /// Its policy for every peer it knows.
    pub peers: &'a BTreeMap<NodeName, PeerPolicy>,
    /// Its profiles.
    pub profiles: &'a BTreeMap<ProfileName, Profile>,
}
