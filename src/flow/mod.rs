//! The life of a task, one file per arrow (`docs/QUEUE.md`).
//!
//! | file | arrow |
//! |---|---|
//! | [`send`] | nothing → `tmp/` → `inbox/` |
//! | `admit` | `inbox/` → `processing/`, proved, judged |
//! | `park` | `processing/` ⇄ `pending-ack/`, by decisions of approvers |
//! | `hold` | waits for the end of others, until its sender says that they have |
//! | [`resolve`] | the sender says so, or ends what can never start |
//! | `start` | marker, looks, journal, executor |
//! | `permit` | the last look; the agent goes |
//! | `retry` | an attempt that failed → the next one |
//! | `finish` | an executor's report → a decided outcome |
//! | `decide` | an outcome is sealed and journalled |
//! | `commit` | `processing/` → `done/` or `rejected/`, reveal, close |
//! | [`receipt`] | how far a task is, for a sender that asked |
//! | `replay` | a known id again: resumption, copy, or alarm |
//! | `refuse` | what proved nothing → `rejected/` |
//! | [`submission`] | the same work a second time → refused |
//! | `cancel` | the sender's wish, and how it is honoured |
//! | [`grant`] | in a pool: the sender lets one claim start, or refuses it |
//! | [`granted`] | in a pool: the sender's leave to start, and a claim that is given back |
//! | [`fresh`] | listings that are true in the end |
//! | `pool` | what differs where several nodes serve a lane |
//! | `recover` | what a crash left → one of the above |
//! | `look` | is the share there, ours, not halted; may anything start |
//! | [`root`] | a share laid out, and recognised |
//! | `skew` | is this host's clock fit to judge by |
//! | [`fsck`] | what no arrow leaves behind |
//! | [`gc`] | `done/` → its days; what nobody needs any more → gone |
//! | [`collect`] | `done/` → the sender |
//!
//! A [`Node`] is everything a step is given; it prints nothing, reads no environment, and gets time, disk and chance as
//! arguments, so that a simulation runs the very same code. Work is done in bounded [`round`]s.

pub mod ack;
mod admit;
pub(crate) mod beat;
pub mod cancel;
pub mod collect;
mod commit;
mod decide;
pub mod finish;
pub mod fresh;
pub mod fsck;
pub mod gc;
pub mod grant;
pub mod granted;
mod hold;
mod junk;
pub mod lanes;
mod look;
mod memory;
mod park;
mod permit;
mod pool;
pub mod receipt;
mod receive;
pub mod recover;
mod refuse;
mod replay;
pub mod resolve;
mod retry;
pub mod root;
pub mod round;
pub mod send;
mod skew;
mod start;
pub mod submission;
mod view;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use lanes::Asked;
pub use lanes::Pools;
pub use memory::Memory;
pub use pool::lease::Vigil;
pub use round::Round;
pub use view::Fitness;
pub use view::Trouble;
pub use view::View;

use crate::attempt;
use crate::attempt::Runner;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::envelope;
use crate::event::Code;
use crate::event::Event;
use crate::event::Sink;
use crate::id::CapabilityName;
use crate::id::NodeName;
use crate::id::Party;
use crate::id::Priority;
use crate::id::ProfileName;
use crate::id::TaskId;
use crate::journal;
use crate::journal::Journal;
use crate::journal::Known;
use crate::keyring::Keyring;
use crate::killswitch::Killswitch;
use crate::place::Lane;
use crate::planted;
use crate::planted::Bug;
use crate::policy::Approver;
use crate::policy::PeerPolicy;
use crate::policy::Retry;
use crate::profile::Profile;
use crate::reason::Reason;
use crate::share::ShareError;
use crate::slots;
use crate::transport::Transport;

/// Why a step could not be done. A bad task is never an error: it is data, and has an outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The journal failed: the node must stop, because nothing can be proved without it.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The share failed: nothing is decided, the step is tried again.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A document could not be sealed.
    #[error(transparent)]
    Seal(#[from] envelope::Error),
    /// The attempt could not be asked about or ended.
    #[error(transparent)]
    Attempt(#[from] attempt::Error),
    /// A name of ours may not be read, perhaps not yet: nothing is decided of it.
    #[error("cannot tell whose '{0}' is: it may not be read")]
    Barred(String),
}

impl Error {
    /// Returns whether the node must stop.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Journal(_))
    }

    /// Returns what is wrong, without the names a try was made with: the same as long as the same is wrong.
    pub(crate) fn gist(&self) -> String {
        match self {
            Self::Share(error) => error.gist(),
            other => other.to_string(),
        }
    }
}

/// What a node is and allows: the part of its configuration that the flow needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub node: NodeName,
    /// Attempts at once.
    pub slots: u32,
    /// What each peer may ask. Peers that may ask nothing are here too: they get an answer that says so.
    pub peers: BTreeMap<NodeName, PeerPolicy>,
    /// Every pool this node serves or sends to, with its members.
    pub pools: Pools,
    /// Who may approve.
    pub approvers: BTreeMap<NodeName, Approver>,
    /// How tasks are run.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// Identity of the share; any where `None`.
    pub root_id: Option<String>,
    /// Free bytes on the share below which nothing is claimed.
    pub free_bytes_min: u64,
    /// How long what runs may go on while the share is lost; to its own bounds where `None`.
    pub lost_max: Option<Duration>,
    /// The one task that may be started, where it is run by hand; any where `None`.
    pub only: Option<TaskId>,
    /// How what failed is tried again.
    pub retry: Retry,
    /// Longest time between two rounds until the next heartbeat, which tells it, in milliseconds.
    pub poll_ms: u64,
}

impl Settings {
    /// Returns the lanes this node serves ([`lanes::served`]).
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        lanes::served(&self.node, &self.peers, &self.pools)
    }

    /// Returns the lanes in which this node asks a pool ([`lanes::asked`]).
    #[must_use]
    pub fn asked_pools(&self) -> Vec<Asked> {
        lanes::asked(&self.node, &self.peers, &self.pools)
    }
}

/// A place in the line of tasks that wait for a slot: priority, then age.
type Ticket = (Priority, (bool, u128), TaskId);

/// Everything a step is given.
pub struct Node {
    /// What this node is and allows.
    pub settings: Settings,
    /// Its keys.
    pub keys: Keyring,
    /// The share.
    pub transport: Arc<dyn Transport>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub chance: Arc<dyn Chance>,
    /// Who runs attempts.
    pub runner: Arc<dyn Runner>,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// Who stops it.
    pub killswitch: Killswitch,
    /// What was decided.
    pub journal: Journal,
    /// What is only in memory: rebuilt from the journal and the share at start.
    pub now: Memory,
}

impl Node {
    /// Returns this node as a party of documents.
    #[must_use]
    pub fn party(&self) -> Party {
        Party::from(&self.settings.node)
    }

    /// Returns the lanes this node serves: its own, one for each peer, and those of the pools that it is a member of.
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        self.settings.lanes()
    }

    /// Returns what the last round saw.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.now.view
    }

    /// Returns how many attempts run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.now.running.len()
    }

    /// Returns the claims under which attempts run, as their run directories are named.
    pub fn run_claims(&self) -> impl Iterator<Item = &str> {
        let ids = self.now.running.keys();
        ids.filter_map(|id| Some(self.journal.known(*id)?.claim.as_str()))
    }

    /// Returns how many admitted tasks wait for a slot.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.now.waiting.len()
    }

    /// Returns whether nothing runs, nothing is on its way to being closed, and no start that did not happen is about
    /// to be tried again.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let mut waiting = self.now.waiting.iter();
        let again = self.now.view.trouble.is_none()
            && waiting.any(|(_, _, id)| self.now.not_before.contains_key(id));
        self.now.running.is_empty()
            && self.now.decided.is_empty()
            && self.now.strays.is_empty()
            && !again
    }

    /// Returns whether nothing runs, and every outcome that was decided is on the share.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.now.running.is_empty() && self.now.decided.is_empty()
    }

    /// Gives back what it holds of pools and has not started: for a node that stops. What fails is left to expire.
    ///
    /// # Errors
    /// [`Error`]
    pub fn give_back(&mut self, why: &str) -> Result<(), Error> {
        pool::release::all(self, why)
    }

    /// Returns how long the next round may be put off at most, where claims of pools are to be beaten or looked at.
    #[must_use]
    pub fn patience(&self) -> Option<std::time::Duration> {
        let all = [pool::patience(self), grant::patience(self)];
        all.into_iter().flatten().min()
    }

    /// Takes its keys as they were read anew. What was found wanting by others is judged again.
    pub fn renew_keys(&mut self, keys: Keyring) {
        let is_same = self.keys.keys() == keys.keys() && self.keys.is_whole() == keys.is_whole();
        self.keys = keys;
        if !is_same {
            self.now.wanting.clear();
        }
    }

    /// Returns the vigil that this node's rounds leave their claims to from now on.
    #[must_use]
    pub fn vigil(&mut self) -> Arc<Vigil> {
        Arc::clone(self.now.vigil.get_or_insert_default())
    }

    /// Notes what may be done on the share from now on. What was observed of a pool on ground that is in doubt counts
    /// for nothing.
    pub fn fit(&mut self, fitness: Fitness) {
        if fitness != Fitness::Pools {
            self.now.pool.doubt();
        }
        self.now.fitness = fitness;
    }

    /// Says to peers from now on whose node it is and what it can do; what its profiles can do is added for each peer.
    pub fn offer(&mut self, owner: Option<NodeName>, can: BTreeSet<CapabilityName>) {
        self.now.card.owner = owner;
        self.now.card.node = can;
    }

    /// Notes that the operator drains this node, and why, or no longer does: from the next look on.
    pub fn drain(&mut self, why: Option<String>) {
        self.now.drain = why;
    }

    /// Whether claims of pools may be made, started and taken over on this share.
    pub(crate) fn may_pool(&self) -> bool {
        self.now.fitness == Fitness::Pools
    }

    pub(crate) fn tell(&self, event: &Event) {
        self.sink.tell(event);
    }

    /// Tells an event once per state: not again until the topic, or this state of it, is over.
    pub(crate) fn tell_once(&mut self, topic: &'static str, state: &str, event: &Event) {
        const STATES_MAX: usize = 1024;
        let states = self.now.told.entry(topic).or_default();
        if states.len() == STATES_MAX {
            states.clear();
        }
        if states.insert(state.to_owned()) {
            self.sink.tell(event);
        }
    }

    /// Notes that what was told of a topic is over, as far as its states begin so.
    pub(crate) fn is_over(&mut self, topic: &'static str, beginning: &str) {
        if let Some(states) = self.now.told.get_mut(topic) {
            states.retain(|state| !state.starts_with(beginning));
        }
    }

    /// Notes that a file of ours may lie in this lane where the journal does not expect it: the next round looks.
    pub(crate) fn search_again(&mut self, lane: &Lane) {
        self.now.searched.remove(lane);
    }

    /// Removes a run directory whose end is on record. Without the record, a start would look like one that never
    /// happened.
    pub(crate) fn discard(&mut self, stem: &str) -> Result<(), Error> {
        if !planted::is(Bug::DiscardFirst) {
            self.journal.sync()?;
        }
        Ok(self.runner.discard(stem)?)
    }

    pub(crate) fn is_wanting(&self, lane: &Lane, name: &str) -> bool {
        let wanting = self.now.wanting.get(lane);
        wanting.is_some_and(|names| names.contains(name))
    }

    /// Remembers a control document that proves nothing, and tells of it; a flood of them does not become a flood of
    /// lines.
    pub(crate) fn find_wanting(&mut self, lane: &Lane, name: String, event: &Event) {
        const TOLD_MAX: usize = 64;
        let is_for_want_of_a_key = event.code == Some(Code::of(Reason::Kid.as_str()));
        if is_for_want_of_a_key && !self.keys.is_whole() {
            // Perhaps its key only cannot be read now: it is judged again.
            return;
        }
        if event.code == Some(Code::of(Reason::Future.as_str())) {
            // Made by a clock that is ahead: it is good a little later, and nobody says it twice.
            self.tell_once("early", &format!("{lane} {name}"), event);
            return;
        }
        let names = self.now.wanting.entry(lane.clone()).or_default();
        names.insert(name);
        if names.len() <= TOLD_MAX {
            self.sink.tell(event);
        }
    }

    pub(crate) fn ticket(&self, id: TaskId) -> Option<Ticket> {
        self.journal
            .known(id)
            .map(|known| (known.priority, id.age_key(), id))
    }

    /// Puts a task in line, unless it waits for others: then it is in nobody's way.
    pub(crate) fn line_up(&mut self, id: TaskId) {
        let waits = self.journal.known(id).is_some_and(Known::waits);
        if waits && !planted::is(Bug::HoldIgnored) {
            return;
        }
        if let Some(ticket) = self.ticket(id) {
            self.now.waiting.insert(ticket);
        }
    }

    pub(crate) fn step_out(&mut self, id: TaskId) {
        self.now.profiles.remove(&id);
        if let Some(ticket) = self.ticket(id) {
            self.now.waiting.remove(&ticket);
        }
    }
}
