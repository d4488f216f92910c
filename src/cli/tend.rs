//! Gives the word that tasks of this node wait for, as soon as what they waited for is over: done by the watcher of the
//! node, and by whoever waits for an outcome.
//!
//! What is decided is on disk before it is said, and said until it is known to be on the share. Two processes that do
//! it at one time decide the same, because outcomes do not change.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::failure::Failure;
use super::setup::Setup;
use crate::clock::BootTime;
use crate::clock::Timestamp;
use crate::document::Prior;
use crate::event::Event;
use crate::event::Word;
use crate::flow::collect::Answered;
use crate::flow::collect::Looked;
use crate::flow::fresh;
use crate::flow::resolve;
use crate::flow::resolve::Resolution;
use crate::flow::resolve::Upstream;
use crate::flow::send::Sender;
use crate::id::TaskId;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;
use crate::status::dependents;
use crate::status::dependents::Awaited;
use crate::status::dependents::Said;
use crate::status::dependents::Waiting;
use crate::status::record;
use crate::transport::Publish;

/// Shortest pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// When to look again.
#[derive(Debug, Default)]
pub(super) struct Tending {
    again: BootTime,
    stirred: BootTime,
    open: usize,
}

impl Tending {
    /// Looks, if it is time. What fails is tried at the next look.
    pub(super) fn pass(&mut self, setup: &Setup, sender: &Sender) -> usize {
        let began = setup.clock.boot();
        if began < self.again {
            return 0;
        }
        let stirs = began.since(self.stirred) >= limits::STIR_BUSY;
        if stirs {
            self.stirred = began;
        }
        let mut tend = Tend::new(setup, sender);
        let said = tend.all(stirs).unwrap_or(0);
        self.open = tend.open;
        let took = setup.clock.boot().since(began);
        // Never more than a tenth of the time, however much waits.
        self.again = setup.clock.boot().plus(PAUSE.max(took * 10));
        said
    }

    /// Looks at the next pass, whatever was planned.
    pub(super) fn soon(&mut self) {
        self.again = BootTime::default();
    }

    /// How long the next look may be put off, where something waits.
    pub(super) fn patience(&self, now: BootTime) -> Option<Duration> {
        (self.open > 0).then(|| self.again.since(now))
    }
}

struct Tend<'a> {
    setup: &'a Setup,
    sender: &'a Sender,
    looked: Looked,
    /// How tasks ended, as far as it was asked in this pass.
    ended: BTreeMap<TaskId, Option<Status>>,
    open: usize,
}

/// Gives the word where it is due now.
///
/// # Errors
/// [`Failure`]: what is on record cannot be read or written.
pub(super) fn now(setup: &Setup) -> Result<usize, Failure> {
    Tend::new(setup, &setup.sender()).all(false)
}

impl<'a> Tend<'a> {
    fn new(setup: &'a Setup, sender: &'a Sender) -> Self {
        Self {
            setup,
            sender,
            looked: Looked::default(),
            ended: BTreeMap::new(),
            open: 0,
        }
    }

    /// Decides and says what can be. What was ended ends what waits for it in the same pass, however long the line is.
    fn all(&mut self, stirs: bool) -> Result<usize, Failure> {
        let state = self.setup.config.state()?;
        let now = self.setup.clock.wall();
        let mut all = dependents::all(state, now)?;
        if stirs {
            self.stir(&all);
        }
        let mut said = 0;
        loop {
            let open: Vec<TaskId> = all
                .values()
                .filter(|one| one.is_open())
                .map(|one| one.id)
                .collect();
            let before = said;
            for id in open {
                let Some(mut one) = all.get(&id).cloned() else {
                    continue;
                };
                let was = one.clone();
                said += usize::from(self.one(state, &mut one, &all)?);
                if one != was {
                    all.insert(id, one);
                }
            }
            if said == before {
                break;
            }
        }
        self.open = all.values().filter(|one| one.is_open()).count();
        Ok(said)
    }

    /// A client may believe an old listing of a folder in which an outcome just appeared.
    fn stir(&self, all: &BTreeMap<TaskId, Waiting>) {
        let open = all.values().filter(|one| one.said.is_none());
        let lanes: BTreeSet<Lane> = open
            .flat_map(|one| one.after.iter().map(|awaited| self.lane(awaited)))
            .collect();
        for lane in lanes {
            let done = Place::Stage(lane, Stage::Done);
            fresh::stir(&*self.setup.transport, &*self.setup.chance, &done);
        }
    }

    fn lane(&self, awaited: &Awaited) -> Lane {
        Lane::new(self.setup.node.clone(), awaited.to.clone())
    }

    /// Returns whether something was said that was not before.
    fn one(
        &mut self,
        state: &Path,
        one: &mut Waiting,
        all: &BTreeMap<TaskId, Waiting>,
    ) -> Result<bool, Failure> {
        if one.said.is_none() {
            let Some(said) = self.decide(one, all) else {
                return Ok(false);
            };
            one.said = Some(said);
            dependents::write(state, one)?;
        }
        if !self.say(one) {
            return Ok(false);
        }
        if let Some(said) = &mut one.said {
            said.published = true;
        }
        dependents::write(state, one)?;
        Ok(true)
    }

    fn decide(&mut self, one: &Waiting, all: &BTreeMap<TaskId, Waiting>) -> Option<Said> {
        let at = self.setup.clock.wall();
        let said = |word, why| {
            Some(Said {
                word,
                why,
                at,
                published: false,
            })
        };
        if at > one.expires {
            return said(dependents::Word::Late, None);
        }
        let mut after = Vec::with_capacity(one.after.len());
        for awaited in &one.after {
            after.push(Upstream {
                id: awaited.id,
                when: awaited.when,
                ended: self.ended(awaited, all),
            });
        }
        match resolve::judge(&after) {
            Resolution::Waits => None,
            Resolution::Ready => said(dependents::Word::Ready, None),
            Resolution::Never(id, status) => {
                let why = resolve::reason(id, status);
                let root = all.get(&id).and_then(|one| one.said.as_ref()?.why.clone());
                let why = root.map_or(why.clone(), |root| format!("{why}: {root}"));
                let why = crate::escape::excerpt(&why, 500);
                said(dependents::Word::Ended, Some(why))
            }
        }
    }

    /// How a task ended: by the record of its first outcome, by what this node itself said, or as it is to be seen.
    fn ended(&mut self, awaited: &Awaited, all: &BTreeMap<TaskId, Waiting>) -> Option<Status> {
        let ended = all.get(&awaited.id).and_then(|one| one.said.as_ref());
        if ended.is_some_and(|said| said.word == dependents::Word::Ended) {
            // Nobody will ever start it.
            return Some(Status::Cancelled);
        }
        if let Some(known) = self.ended.get(&awaited.id) {
            return *known;
        }
        let state = self.setup.config.state().ok()?;
        let recorded = record::read(state, awaited.id).ok().flatten();
        let status = recorded
            .map(|recorded| recorded.status)
            .or_else(|| Some(self.answered(awaited).ok()??.answer.status));
        self.ended.insert(awaited.id, status);
        status
    }

    fn answered(&mut self, awaited: &Awaited) -> Result<Option<Box<Answered>>, Failure> {
        let lane = self.lane(awaited);
        let found = self
            .sender
            .outcome_among(&lane, awaited.id, awaited.sha256, &mut self.looked);
        let Some(Ok(answered)) = found? else {
            return Ok(None);
        };
        let state = self.setup.config.state()?;
        let now = self.setup.clock.wall();
        // Another one that was seen first counts.
        Ok(match record::note(state, &answered, now)? {
            record::Noted::Conflict(_) => None,
            _ => Some(answered),
        })
    }

    /// Says what is decided. Returns whether that is known to be on the share, or to be of no use any more.
    fn say(&mut self, one: &Waiting) -> bool {
        let Some(said) = &one.said else { return false };
        let task = one.dependent(&self.setup.node);
        if is_over(one, self.setup.clock.wall()) {
            return true;
        }
        let chance = &*self.setup.chance;
        let publish = match (said.word, &said.why) {
            (dependents::Word::Ready, _) => {
                let Some(prior) = self.prior(one) else {
                    return false;
                };
                resolve::let_go(self.sender, chance, &task, &prior)
            }
            (dependents::Word::Ended, why) => {
                let why = why.clone().unwrap_or_default();
                resolve::end(self.sender, chance, &task, &why)
            }
            (dependents::Word::Late, _) => return true,
        };
        let is_there = matches!(publish, Ok(Publish::Published));
        if is_there {
            self.tell(one, said);
        }
        is_there
    }

    /// What is handed on; `None` where that cannot be read now. What is kept no more is not handed on.
    fn prior(&mut self, one: &Waiting) -> Option<Vec<Prior>> {
        let among = one.after.len();
        let mut prior = Vec::with_capacity(among);
        for awaited in &one.after {
            if let Some(answered) = self.answered(awaited).ok()? {
                prior.push(resolve::excerpt(&answered.answer, among));
            }
        }
        Some(prior)
    }

    fn tell(&self, one: &Waiting, said: &Said) {
        let word = match said.word {
            dependents::Word::Ended => Word::TaskCancel,
            _ => Word::TaskReady,
        };
        let event = Event::of(word).task(one.id).peer(one.to.clone());
        let text = said.why.clone();
        let text = text.unwrap_or_else(|| "what it waited for has come about".to_owned());
        if let Ok(log) = self.setup.log() {
            log.tell(&event.say(&text));
        }
    }
}

fn is_over(one: &Waiting, now: Timestamp) -> bool {
    now > one.expires
}
