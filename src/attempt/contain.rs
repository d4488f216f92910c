//! Brings an agent to the point where only the word to go is missing, and tells which layers are in force there.
//!
//! With namespaces first; where they cannot be had, once more without. Nothing of the agent has run when this
//! returns, so a profile that demands more layers than there are starts nothing.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::process::ChildStderr;
use std::process::ChildStdout;
use std::sync::mpsc;
use std::time::Duration;

use std::os::unix::net::UnixStream;

use crate::clock::Clock;
use crate::limits;
use crate::outcome::Layer;
use crate::process;
use crate::process::cgroup::Cgroup;
use crate::process::channel;
use crate::process::channel::Answer;
use crate::process::channel::Orders;
use crate::process::channel::Word;
use crate::process::family;
use crate::process::launch;

/// What can happen while an agent is prepared or runs.
#[derive(Debug)]
pub(super) enum Event {
    /// A stage said something.
    Word(Word),
    /// No stage holds the socket any more.
    Silent,
    /// One of the pipes reached its end.
    Drained,
}

/// An agent that is ready to go, or runs.
#[derive(Debug)]
pub(super) struct Agent {
    /// The first stage; also the number of the agent's session and group.
    pub pid: i32,
    /// Whether it is inside a PID namespace; then `pid` is not the agent itself.
    pub namespaced: bool,
    /// Layers in force.
    pub layers: BTreeSet<Layer>,
    /// Layers that could not be had, and why.
    pub missing: BTreeMap<Layer, String>,
    /// Where events come from.
    pub events: mpsc::Receiver<Event>,
    /// Where they go in; also keeps the other end open.
    pub sender: mpsc::Sender<Event>,
    /// Its pipes, until they are drained.
    pub pipes: Option<(ChildStdout, ChildStderr)>,
    /// Its cgroup, if it has one.
    pub cgroup: Option<Cgroup>,
    control: UnixStream,
}

/// Why an agent could not be brought to that point.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A process could not be started or spoken to.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// A stage said why it cannot go on.
    #[error("{0}")]
    Stage(String),
    /// The stages took too long, or ended without a word.
    #[error("cannot prepare the agent: no answer from its stages")]
    NoAnswer,
}

/// Makes the orders for one try, with namespaces or without.
pub(super) type MakeOrders<'a> = &'a dyn Fn(bool) -> Orders;

/// Prepares the agent of the attempt of this name.
///
/// # Errors
/// [`Error`]; then nothing of it is left.
pub(super) fn prepare(name: &str, make: MakeOrders, clock: &dyn Clock) -> Result<Agent, Error> {
    let mut missing = BTreeMap::new();
    for namespaces in [true, false] {
        let mut orders = make(namespaces);
        let cgroup = Cgroup::create(name)
            .map_err(|why| missing.insert(Layer::Cgroup, why.to_string()))
            .ok();
        orders.cgroup = cgroup.as_ref().map(|cgroup| cgroup.path().to_owned());
        let mut agent = Agent::spawn(namespaces, cgroup)?;
        match agent.converse(&orders, clock) {
            Ok(()) => {
                missing.append(&mut agent.missing);
                agent.missing = missing;
                return Ok(agent);
            }
            Err(Failure::OfNamespaces(why)) if namespaces => {
                missing.insert(Layer::PidNamespace, why.clone());
                missing.insert(Layer::MountNamespace, why);
                agent.abandon(clock);
            }
            Err(Failure::OfNamespaces(why) | Failure::Other(why)) => {
                agent.abandon(clock);
                return Err(Error::Stage(why));
            }
            Err(Failure::Lost) => {
                agent.abandon(clock);
                return Err(Error::NoAnswer);
            }
        }
    }
    Err(Error::NoAnswer)
}

enum Failure {
    OfNamespaces(String),
    Other(String),
    Lost,
}

impl Agent {
    fn spawn(namespaced: bool, cgroup: Option<Cgroup>) -> Result<Self, Error> {
        let contained = launch::contained()?;
        let (sender, events) = mpsc::channel();
        let ears = contained
            .control
            .try_clone()
            .map_err(|source| process::Error::System {
                action: "copy a socket",
                source,
            })?;
        let words = sender.clone();
        std::thread::spawn(move || {
            while let Ok(word) = channel::receive(&ears) {
                if words.send(Event::Word(word)).is_err() {
                    return;
                }
            }
            let _ = words.send(Event::Silent);
        });
        Ok(Self {
            pid: contained.pid,
            namespaced,
            layers: BTreeSet::new(),
            missing: BTreeMap::new(),
            events,
            sender,
            pipes: Some((contained.stdout, contained.stderr)),
            cgroup,
            control: contained.control,
        })
    }

    fn converse(&mut self, orders: &Orders, clock: &dyn Clock) -> Result<(), Failure> {
        let began = clock.monotonic();
        // A stage that does not read must not hold us.
        let patience = Some(limits::CONTAIN_PATIENCE);
        let _ = self.control.set_write_timeout(patience);
        loop {
            let left = limits::CONTAIN_PATIENCE.saturating_sub(clock.monotonic().since(began));
            if left == Duration::ZERO {
                return Err(Failure::Lost);
            }
            match self.events.recv_timeout(left) {
                Ok(Event::Word(Word::Hello)) => {
                    let answer = Answer::Orders(Box::new(orders.clone()));
                    channel::send(&self.control, &answer)
                        .map_err(|why| Failure::Other(format!("cannot give orders: {why}")))?;
                }
                Ok(Event::Word(Word::InForce(layers))) => self.layers.extend(layers),
                Ok(Event::Word(Word::Unavailable(layer, why))) => {
                    self.missing.insert(layer, why);
                }
                Ok(Event::Word(Word::Ready)) => return Ok(()),
                Ok(Event::Word(Word::Failed { of_namespaces, why })) if of_namespaces => {
                    return Err(Failure::OfNamespaces(why));
                }
                Ok(Event::Word(Word::Failed { why, .. })) => return Err(Failure::Other(why)),
                Ok(Event::Word(Word::Ended(_)) | Event::Silent | Event::Drained) | Err(_) => {
                    return Err(Failure::Lost);
                }
            }
        }
    }

    /// Lets it go: the next thing it does is the agent.
    ///
    /// # Errors
    /// [`Error::Process`]: it cannot be told, so it does not go.
    pub fn go(&self) -> Result<(), Error> {
        channel::send(&self.control, &Answer::Go).map_err(|source| {
            Error::Process(process::Error::System {
                action: "let the agent go",
                source,
            })
        })
    }

    /// Ends it before it began.
    pub fn abandon(mut self, clock: &dyn Clock) {
        let pid = self.pid;
        // Removed when all in it are gone, so last.
        let _cgroup = self.cgroup.take();
        drop(self);
        family::end_all(limits::SWEEP_PATIENCE, clock, &mut || {
            family::reap(pid);
        });
    }
}
