//! One round of a node: look, take in, honour wishes, start, collect, commit, tell. Bounded, and safe to repeat.

use std::collections::HashSet;

use super::Error;
use super::Node;
use super::Trouble;
use super::admit;
use super::beat;
use super::cancel;
use super::commit;
use super::decide;
use super::finish;
use super::fresh;
use super::gc;
use super::grant;
use super::hold;
use super::look;
use super::park;
use super::permit;
use super::pool;
use super::receipt;
use super::receive;
use super::recover;
use super::retry;
use super::skew;
use super::start;
use crate::attempt::StopReason;
use crate::entry::ControlName;
use crate::event::Event;
use crate::event::Word;
use crate::id::TaskId;
use crate::journal::Phase;
use crate::limits;
use crate::outcome::Status;
use crate::place::Lane;
use crate::place::Place;
use crate::stage::Stage;

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Tasks taken out of an inbox.
    pub admitted: usize,
    /// Tasks handed to an executor.
    pub started: usize,
    /// Attempts that were let go.
    pub permitted: usize,
    /// Attempts that ended.
    pub ended: usize,
    /// Tasks whose outcome is committed and revealed.
    pub closed: usize,
    /// Claims of pools about which this node decided, as their sender.
    pub granted: usize,
    /// Whether a folder that is listened to holds other names than before.
    pub news: bool,
}

impl Round {
    /// Returns whether the next round should come at once: something was taken in or ended, and perhaps there is more.
    /// What was only handed to an executor or let go tells itself when it goes on.
    #[must_use]
    pub const fn calls_for_another(self) -> bool {
        self.admitted + self.ended + self.closed + self.granted > 0
    }

    /// Returns whether anything moved.
    #[must_use]
    pub const fn worked(self) -> bool {
        self.admitted + self.started + self.permitted + self.ended + self.closed + self.granted > 0
    }
}

impl Node {
    /// Begins: rebuilds what the journal knows, and says who it is. Call once, before the first round.
    ///
    /// # Errors
    /// [`Error`]: the local disk failed.
    pub fn begin(&mut self, boot_id: &str) -> Result<(), Error> {
        beat::set_boot_id(self, boot_id);
        recover::from_journal(self)
    }

    /// Does one round. What fails on the share is told and tried again in the next; only a broken journal is an error.
    ///
    /// # Errors
    /// [`Error::Journal`]: the node must stop.
    pub fn round(&mut self) -> Result<Round, Error> {
        let mut round = Round::default();
        self.now.news = false;
        look::take(self);
        let pass = finish::pass(self);
        round.ended = self.bear("attempts", "", pass)?.unwrap_or(0);
        let pass = retry::end_pauses(self);
        self.bear("pauses", "", pass)?;
        let pass = stop_what_must(self);
        self.bear("stop", "", pass)?;
        let pass = stop_what_is_cut_off(self);
        self.bear("stop", "", pass)?;
        self.permit(&mut round)?;
        // What is not there, or is not ours, gets nothing: no result, no heartbeat.
        if !self.is_lost() {
            self.on_the_share(&mut round)?;
            match beat::pass(self) {
                // Not yet time for one: that says nothing about the last.
                Ok(false) => {}
                pass => drop(self.bear("heartbeat", "", pass)?),
            }
        }
        let now = self.clock.wall();
        receive::forget_admissions(self, now);
        self.journal.sync()?;
        round.news = self.now.news;
        Ok(round)
    }

    /// Says goodbye to every peer, where the share is there. Call once, when no more rounds come.
    pub fn leave(&mut self) {
        if !self.is_lost() {
            // Best effort: without it, peers find out by themselves.
            let _ = beat::farewell(self);
        }
    }

    fn is_lost(&self) -> bool {
        let trouble = self.now.view.trouble.as_ref();
        trouble.is_some_and(Trouble::is_lost)
    }

    /// Whether what is judged by a window of time is to wait, because this host's clock is wrong.
    fn is_out_of_time(&self) -> bool {
        let trouble = self.now.view.trouble.as_ref();
        trouble.is_some_and(Trouble::is_of_the_clock)
    }

    /// Whether a decision of an approver can be judged: by a clock that is right, and by a key that is in force.
    pub(super) fn may_judge(&self) -> bool {
        !self.is_out_of_time() && !self.keys.is_kept()
    }

    fn on_the_share(&mut self, round: &mut Round) -> Result<(), Error> {
        self.keep_claims()?;
        skew::pass(self);
        if let Some(ahead) = self.now.skew.stops() {
            // Found in this very round, after its look.
            let trouble = &mut self.now.view.trouble;
            *trouble = trouble.take().or(Some(Trouble::ClockOff(ahead)));
        }
        round.closed = self.commits()?;
        for lane in self.lanes() {
            self.keep_claims()?;
            let pass = self.serve(&lane);
            let about = format!("{lane} ");
            round.admitted += self.bear("lane", &about, pass)?.unwrap_or(0);
        }
        let pass = grant::pass(self);
        round.granted = self.bear("grants", "", pass)?.unwrap_or(0);
        if !self.is_out_of_time() {
            let pass = expire(self);
            self.bear("expire", "", pass)?;
        }
        if matches!(self.now.view.trouble, Some(Trouble::Draining(_))) {
            let pass = self.give_back("its member drains");
            self.bear("drain", "", pass)?;
        }
        let pass = pool::release::pass(self);
        self.bear("release", "", pass)?;
        self.keep_claims()?;
        if self.now.view.trouble.is_none() {
            let pass = start::pass(self);
            round.started = self.bear("start", "", pass)?.unwrap_or(0);
            // Where executors are quick they are ready by now.
            self.permit(round)?;
        }
        // What ended or was refused in this very round is committed at once: nobody waits a poll for it.
        round.closed += self.commits()?;
        let pass = receipt::pass(self);
        self.bear("receipts", "", pass)?;
        let pass = gc::now_and_then(self);
        self.bear("gc", "", pass)?;
        let is_busy = round.worked() || self.running() + self.waiting() > 0;
        fresh::pass(self, is_busy);
        Ok(())
    }

    fn permit(&mut self, round: &mut Round) -> Result<(), Error> {
        let pass = permit::pass(self);
        round.permitted += self.bear("permit", "", pass)?.unwrap_or(0);
        Ok(())
    }

    fn commits(&mut self) -> Result<usize, Error> {
        match commit::pass(self) {
            // What failed before was not tried again: it is not over.
            Ok((closed, true)) => Ok(closed),
            pass => {
                let pass = pass.map(|(closed, _)| closed);
                Ok(self.bear("commit", "", pass)?.unwrap_or(0))
            }
        }
    }

    /// Beats the leases whose time it is.
    fn keep_claims(&mut self) -> Result<(), Error> {
        let pass = pool::lease::pass(self);
        self.bear("lease", "", pass)?;
        Ok(())
    }

    fn serve(&mut self, lane: &Lane) -> Result<usize, Error> {
        let served = self.serve_once(lane);
        if served.is_err() {
            // It may have stopped between a move and its record.
            self.search_again(lane);
        }
        served
    }

    fn serve_once(&mut self, lane: &Lane) -> Result<usize, Error> {
        if lane.pool().is_some() {
            return pool::serve(self, lane);
        }
        let now = self.clock.boot();
        if now >= *self.now.search.get_or_insert(now.plus(limits::STIR_IDLE)) {
            self.now.search = None;
            self.now.searched.clear();
        }
        if !self.now.searched.contains(lane) {
            // Before looking: what happens while it is looked through asks for another look.
            self.now.searched.insert(lane.clone());
            recover::strays(self, lane)?;
        }
        self.retry_strays(lane)?;
        // Nothing is taken in while halted: a killed queue stays where it can be looked at. Decisions are still
        // honoured.
        let is_ours = !self.now.beats.is_foreign_to(&lane.from);
        let taken = if is_ours && self.now.view.trouble.is_none() {
            admit::pass(self, lane)?
        } else {
            0
        };
        if self.expects_control(lane) {
            let control = self.controls(lane)?;
            cancel::pass(self, lane, &control)?;
            hold::pass(self, lane, &control)?;
            if self.may_judge() {
                park::decisions(self, lane, &control)?;
            }
        } else {
            let control = Place::Stage(lane.clone(), Stage::Control);
            self.now.fresh.leave(&control);
        }
        Ok(taken)
    }

    /// Tries again what could not be read or judged: rounds may follow one another quickly, these reads do not.
    pub(super) fn retry_strays(&mut self, lane: &Lane) -> Result<(), Error> {
        let now = self.clock.boot();
        let tried = self.now.strays_tried.get(lane);
        if tried.is_some_and(|tried| now.since(*tried) < limits::STRAYS_PAUSE) {
            return Ok(());
        }
        self.now.strays_tried.insert(lane.clone(), now);
        let strays: Vec<_> = self
            .now
            .strays
            .keys()
            .filter(|(place, _)| place == lane)
            .cloned()
            .collect();
        for (_, claim) in strays.into_iter().take(limits::PASS_ENTRIES_MAX) {
            receive::task(self, lane, &claim)?;
        }
        Ok(())
    }

    /// Whether any open task of this lane could be the object of a wish.
    pub(super) fn expects_control(&self, lane: &Lane) -> bool {
        self.journal
            .open_tasks()
            .any(|(_, known)| known.outcome.is_none() && known.lane() == *lane)
    }

    pub(super) fn controls(&mut self, lane: &Lane) -> Result<Vec<ControlName>, Error> {
        let at = Place::Stage(lane.clone(), Stage::Control);
        let listing = self.transport.list(&at)?;
        self.saw(&at, &listing);
        if let Some(wanting) = self.now.wanting.get_mut(lane) {
            let here: HashSet<&str> = listing.iter().map(|entry| entry.name.as_str()).collect();
            wanting.retain(|name| here.contains(name.as_str()));
        }
        let mut names: Vec<ControlName> = listing
            .iter()
            .filter_map(|entry| ControlName::parse(&entry.name))
            .collect();
        if names.is_empty() {
            self.now.controls.remove(lane);
        } else {
            self.now.controls.insert(lane.clone());
            // A bounded number is read in a pass, beginning anywhere: nobody can plant so much that the rest is never
            // read.
            let start = self.chance.bits() % names.len() as u64;
            names.rotate_left(usize::try_from(start).unwrap_or(0));
        }
        Ok(names)
    }

    /// Lets a failed pass be: told once, tried again. A broken journal is passed on.
    fn bear<T>(
        &mut self,
        topic: &'static str,
        about: &str,
        result: Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => {
                self.is_over(topic, about);
                Ok(Some(value))
            }
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                if let Error::Share(error) = &error {
                    look::note(self, error);
                }
                let event = Event::of(Word::WatcherErr).say(&error.to_string());
                self.tell_once(topic, &format!("{about}{}", error.gist()), &event);
                Ok(None)
            }
        }
    }
}

/// Ends what a killswitch says must end.
fn stop_what_must(node: &mut Node) -> Result<(), Error> {
    let Some(switch) = node.now.view.switch.clone() else {
        return Ok(());
    };
    let doomed: Vec<(TaskId, String)> = node
        .now
        .running
        .keys()
        .filter_map(|id| {
            let halt = switch.kills(&node.journal.known(*id)?.lane())?;
            Some((*id, format!("ended by {halt}")))
        })
        .collect();
    let mut failed = None;
    for (id, why) in doomed {
        let how = (StopReason::Kill, Status::Killed);
        // One that cannot be told must not save the others.
        if let Err(error) = finish::stop_for(node, id, how, &why) {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Ends what has run for longer without the share than its operator allows. Its own bounds hold anyway.
fn stop_what_is_cut_off(node: &mut Node) -> Result<(), Error> {
    let (Some(most), Some(since)) = (node.settings.lost_max, node.now.view.lost_since) else {
        return Ok(());
    };
    if node.clock.boot().since(since) < most {
        return Ok(());
    }
    finish::stop_all(node, StopReason::ShareLost)
}

/// Ends the waiting of tasks whose time is over.
fn expire(node: &mut Node) -> Result<(), Error> {
    let now = node.clock.wall();
    let late: Vec<TaskId> = node
        .journal
        .open_tasks()
        .filter(|(_, known)| {
            matches!(known.phase, Phase::Admitted | Phase::Parked) && now > known.expires
        })
        .map(|(id, _)| id)
        .collect();
    let mut failed = None;
    for id in late {
        let (code, why) = (Some("E_EXPIRED"), "its time is over");
        match decide::without_run(node, id, Status::Expired, code, why) {
            Ok(()) => {}
            Err(error) if error.is_fatal() => return Err(error),
            // A peer whose key is gone must not keep the tasks of others waiting.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}
