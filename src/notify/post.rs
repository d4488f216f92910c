//! One destination being served: news are taken in, counted where there are too many, and delivered one after another.
//!
//! The order is *taken in, durable, sent, durable*: a crash at any point loses nothing and repeats at most what was on
//! its way. A disk that takes nothing stops neither reading nor sending: a full disk is what people should hear of. It
//! is told once, and a restart then repeats what could not be noted.

use std::path::PathBuf;
use std::time::Duration;

use crate::audit::Record;
use crate::audit::files::LogFiles;
use crate::chance::Chance;
use crate::clock::BootTime;
use crate::destination::Destination;
use crate::event::Word;
use crate::id::NodeName;
use crate::limits;
use crate::notify::Error;
use crate::notify::carry::Again;
use crate::notify::carry::Carrier;
use crate::notify::carry::Refused;
use crate::notify::follow;
use crate::notify::ledger::Dead;
use crate::notify::ledger::Ledger;
use crate::notify::ledger::Waiting;
use crate::notify::ledger::What;
use crate::notify::message::Message;
use crate::notify::message::More;
use crate::notify::select;

/// Something that whoever runs this should hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A try failed and another follows; said for the first of several.
    Failing(String),
    /// It is taken again.
    Delivering,
    /// A message was given up.
    GivenUp(Dead),
    /// The log cannot be read; what it holds is told when it can.
    Unread(String),
    /// What was sent cannot be noted; a restart repeats it.
    Unsaved(String),
}

/// A destination and where it stands.
pub struct Post<'a> {
    destination: &'a Destination,
    node: &'a NodeName,
    log: &'a (dyn LogFiles + Sync),
    carrier: &'a Carrier<'a>,
    path: PathBuf,
    ledger: Ledger,
    /// When the first message is tried again; not before, where a try failed.
    due: Option<BootTime>,
    /// Whether the ledger differs from its file.
    changed: bool,
    /// What is said once and not again: that the log cannot be read, that the file cannot be written.
    unread: bool,
    unsaved: bool,
}

impl<'a> Post<'a> {
    /// Goes on where the file says; without one, begins at the end of the log and writes the file.
    ///
    /// # Errors
    /// [`Error`]
    pub fn open(
        destination: &'a Destination,
        node: &'a NodeName,
        log: &'a (dyn LogFiles + Sync),
        carrier: &'a Carrier<'a>,
        path: PathBuf,
    ) -> Result<Self, Error> {
        let ledger = match Ledger::load(&path)? {
            Some(ledger) => ledger,
            None => {
                let ledger = Ledger::begin(follow::end(log)?);
                ledger.save(&path)?;
                ledger
            }
        };
        Ok(Self {
            destination,
            node,
            log,
            carrier,
            path,
            ledger,
            due: None,
            changed: false,
            unread: false,
            unsaved: false,
        })
    }

    /// Returns where it stands.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes in what is new and delivers what is due. Returns how long nothing is to do for certain; `None`: until the
    /// log grows.
    pub fn pass(&mut self, tell: &mut dyn FnMut(Told)) -> Option<Duration> {
        let more = self.take_in(tell);
        self.release();
        self.save(tell);
        while self.is_due() && self.hold_quiet() && self.deliver_first(tell) {
            self.save(tell);
        }
        self.save(tell);
        let wait = self.due.map(|due| due.since(self.carrier.clock.boot()));
        if more { Some(Duration::ZERO) } else { wait }
    }

    /// Notes how far the log was read, at the end.
    pub fn close(&mut self, tell: &mut dyn FnMut(Told)) {
        self.changed = true;
        self.save(tell);
    }

    /// Reads the log on. Returns whether there may be more.
    fn take_in(&mut self, tell: &mut dyn FnMut(Told)) -> bool {
        let mut cursor = self.ledger.cursor.clone();
        let (log, node, most) = (self.log, self.node, limits::NOTIFY_RECORDS_PER_PASS);
        let read = follow::read(log, node, &mut cursor, most, |record| self.take(record));
        // A new file to follow is worth a write; the place in one is not, lines that nobody wants are read again.
        let segments = |cursor: &follow::Cursor| -> Vec<_> {
            cursor.values().map(|mark| mark.segment.clone()).collect()
        };
        self.changed |= segments(&cursor) != segments(&self.ledger.cursor);
        self.ledger.cursor = cursor;
        match read {
            Ok(more) => {
                self.unread = false;
                more
            }
            Err(error) => {
                if !std::mem::replace(&mut self.unread, true) {
                    tell(Told::Unread(error.to_string()));
                }
                false
            }
        }
    }

    fn take(&mut self, record: &Record) {
        self.ledger.note_profile(record);
        let event = &record.event;
        let known = event.task.and_then(|task| self.ledger.profile_of(task));
        let profile = event.profile.as_ref().or(known).cloned();
        let filter = &self.destination.filter;
        if !select::takes(filter, self.node, event, profile.as_ref()) {
            return;
        }
        self.changed = true;
        let fits = self.ledger.queue.len() < limits::NOTIFY_QUEUE_MAX;
        let passes =
            self.destination.is_urgent(event.word) || (self.has_room() && !self.is_quiet());
        match Waiting::of(record, profile).filter(|_| fits && passes) {
            Some(waiting) => self.ledger.queue.push_back(waiting),
            None => More::add(&mut self.ledger.more, record),
        }
    }

    /// Makes one message of what was only counted, when there is room for it.
    fn release(&mut self) {
        let fits = self.ledger.queue.len() < limits::NOTIFY_QUEUE_MAX;
        if self.is_quiet() || !fits || !self.has_room() {
            return;
        }
        if let Some(more) = self.ledger.more.take() {
            let what = What::More(more);
            self.ledger.queue.push_back(Waiting { what, tries: 0 });
            self.changed = true;
        }
    }

    fn is_quiet(&self) -> bool {
        let minute = self.carrier.clock.local_minute();
        self.destination
            .quiet
            .is_some_and(|quiet| quiet.holds(minute))
    }

    /// Whether the rate has room for one message more than what waits.
    fn has_room(&mut self) -> bool {
        let now = self.carrier.clock.wall();
        let begin = now.minus(self.destination.rate.window).unix();
        // What lies ahead was noted by a clock that went back since.
        let counts = |at: &i64| *at > begin && *at <= now.unix();
        self.ledger.sent.retain(counts);
        let used = self.ledger.sent.len() + self.ledger.queue.len();
        used < self.destination.rate.count as usize
    }

    fn is_due(&self) -> bool {
        let now = self.carrier.clock.boot();
        !self.ledger.queue.is_empty() && self.due.is_none_or(|due| now >= due)
    }

    /// Counts what waits and may not be told now. Returns whether anything else waits.
    fn hold_quiet(&mut self) -> bool {
        if !self.is_quiet() {
            return true;
        }
        while let Some(first) = self.ledger.queue.front() {
            match (first.record(), &first.what) {
                (Some(record), _) if self.is_urgent(record.event.word) => return true,
                (Some(record), _) => More::add(&mut self.ledger.more, &record),
                (None, What::More(more)) => More::join(&mut self.ledger.more, more.clone()),
                (None, What::Line(..)) => {}
            }
            self.ledger.queue.pop_front();
            self.changed = true;
        }
        false
    }

    /// Tries the first message. Returns whether to go on with the next.
    fn deliver_first(&mut self, tell: &mut dyn FnMut(Told)) -> bool {
        let Some(first) = self.ledger.queue.front() else {
            return false;
        };
        let Some(message) = first.message(self.node) else {
            self.ledger.queue.pop_front();
            self.changed = true;
            return true;
        };
        let record = first.record();
        let counts = record.is_none_or(|one| !self.is_urgent(one.event.word));
        self.changed = true;
        match self.carrier.carry(self.destination, &message) {
            Ok(()) => {
                self.ledger.queue.pop_front();
                self.ledger.delivered += 1;
                if counts {
                    let now = self.carrier.clock.wall().unix();
                    self.ledger.sent.push_back(now);
                }
                self.ledger.trouble = None;
                self.due = None;
                if std::mem::take(&mut self.ledger.failures) > 0 {
                    tell(Told::Delivering);
                }
                true
            }
            Err(refused) => self.failed(&message, refused, tell),
        }
    }

    fn is_urgent(&self, word: Word) -> bool {
        self.destination.is_urgent(word)
    }

    /// Notes a try that failed. Returns whether to go on with the next message.
    fn failed(&mut self, message: &Message, refused: Refused, tell: &mut dyn FnMut(Told)) -> bool {
        let most = self.destination.tries;
        let tries = self.ledger.queue.front_mut().map_or(most, |first| {
            first.tries = first.tries.saturating_add(1);
            first.tries
        });
        let dead = refused.again == Again::Never || tries >= most;
        if dead {
            let dead = Dead {
                id: message.id.clone(),
                at: self.carrier.clock.wall(),
                why: refused.why.clone(),
            };
            self.ledger.queue.pop_front();
            self.ledger.dead += 1;
            self.ledger.last_dead = Some(dead.clone());
            tell(Told::GivenUp(dead));
        }
        let Again::After(asked) = refused.again else {
            return true;
        };
        if self.ledger.failures == 0 && !dead {
            tell(Told::Failing(refused.why.clone()));
        }
        self.ledger.failures = self.ledger.failures.saturating_add(1);
        self.ledger.trouble = Some(refused.why);
        let pause = pause(self.ledger.failures, asked, self.carrier.chance);
        self.due = Some(self.carrier.clock.boot().plus(pause));
        false
    }

    fn save(&mut self, tell: &mut dyn FnMut(Told)) {
        if !self.changed {
            return;
        }
        match self.ledger.save(&self.path) {
            Ok(()) => {
                self.changed = false;
                self.unsaved = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.unsaved, true) {
                    tell(Told::Unsaved(error.to_string()));
                }
            }
        }
    }
}

/// Returns how long to wait after so many tries that failed: twice as long each time, within bounds, less up to half of
/// it by chance, so that many who wait for one server do not come back together; and as long as the server asks.
fn pause(failures: u32, asked: Option<Duration>, chance: &dyn Chance) -> Duration {
    let doubled = 1_u32 << failures.saturating_sub(1).min(16);
    let most = limits::NOTIFY_PAUSE
        .saturating_mul(doubled)
        .min(limits::NOTIFY_PAUSE_MAX);
    // 0 to 511 of 1024.
    let part = u32::try_from(chance.bits() % 512).unwrap_or(0);
    let drawn = most - most / 1024 * part;
    let asked = asked.unwrap_or_default().min(limits::NOTIFY_PAUSE_MAX);
    drawn.max(asked)
}

#[cfg(test)]
mod tests;
