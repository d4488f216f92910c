//! The looks and pauses of somebody who waits for outcomes: one listing of `done/` a lane and look, however many tasks
//! are waited for, at the pace of the same module as the watcher's.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Deadline;
use crate::cli::failure::Failure;
use crate::cli::seek::Wanted;
use crate::cli::setup::Setup;
use crate::cli::voice::Voice;
use crate::clock::BootTime;
use crate::entry;
use crate::flow::fresh;
use crate::flow::fresh::Fresh;
use crate::id::TaskId;
use crate::limits;
use crate::pace::Pace;
use crate::place::Lane;
use crate::place::Place;
use crate::share::Listed;
use crate::stage::Stage;
use crate::wake::Wake;

/// How often the days of `done/` are looked through too: an outcome lies in `done/` itself for longer, but for one that
/// took more than a day to come.
const WHOLE_LOOK: Duration = Duration::from_secs(60);

/// The pauses of a wait.
pub(super) struct Wait<'a> {
    setup: &'a Setup,
    wake: Wake,
    end: Option<BootTime>,
    pace: Pace,
    fresh: Fresh,
    /// When the days were last looked through.
    whole: Option<BootTime>,
    told: Option<String>,
    /// Since when the share is away, which was told then.
    away: Option<BootTime>,
}

impl<'a> Wait<'a> {
    pub(super) fn begin(setup: &'a Setup, wanted: &[Wanted], deadline: Deadline) -> Self {
        setup.ship_log();
        let mut wake = Wake::new();
        if let Ok(root) = setup.config.root() {
            let done = |one: &Wanted| Place::Stage(one.lane.clone(), Stage::Done).path();
            wake.on_share(wanted.iter().map(|one| root.join(done(one))).collect());
        }
        let end = match deadline {
            Deadline::Never => None,
            Deadline::After(time) => Some(setup.clock.boot().plus(time)),
        };
        let rhythm = setup.config.rhythm().of_a_wait();
        Self {
            setup,
            wake,
            end,
            pace: Pace::new(rhythm, setup.clock.boot()),
            fresh: Fresh::through(setup.cache()),
            whole: None,
            told: None,
            away: None,
        }
    }

    /// One listing of `done/` for each lane. Returns the tasks of which something is to be seen there; now and then
    /// all, so that the days are looked through.
    pub(super) fn glance(
        &mut self,
        voice: &Voice,
        wanted: &[Wanted],
    ) -> Result<BTreeSet<TaskId>, Failure> {
        let now = self.setup.clock.boot();
        let lanes: BTreeSet<&Lane> = wanted.iter().map(|one| &one.lane).collect();
        let (mut near, mut lost) = (BTreeSet::new(), None);
        for lane in lanes {
            let done = Place::Stage(lane.clone(), Stage::Done);
            match self.setup.transport.list(&done) {
                Ok(listing) => {
                    if self.fresh.saw(&done, &listing, now) {
                        self.pace.stir(now);
                    }
                    near.extend(
                        listing
                            .iter()
                            .filter_map(|entry| entry::task_of(&entry.name)),
                    );
                }
                // A lane that is not laid out yet, or a share that is not there; or it was mounted anew: then it is
                // proved again, and the next look believes it.
                Err(error) if error.is_absent() || error.is_other_ground() => {
                    lost = lost.or(self.setup.check_root().err());
                }
                Err(error) if error.is_hopeless() => return Err(error.into()),
                Err(error) => lost = lost.or(Some(error.into())),
            }
        }
        let is_lost = lost.is_some();
        match lost {
            Some(failure) => self.lose(voice, &failure),
            None => self.find_again(voice),
        }
        self.pace.lose(is_lost, now);
        if !is_lost && self.whole.is_none_or(|last| now.since(last) >= WHOLE_LOOK) {
            self.whole = Some(now);
            near.extend(wanted.iter().map(|one| one.id));
        }
        Ok(near)
    }

    /// Local writers in these folders end a pause, and no others.
    pub(super) fn listen(&mut self, places: &[Place]) {
        if let Ok(root) = self.setup.config.root() {
            let folders = places.iter().map(|place| root.join(place.path()));
            self.wake.on_share(folders.collect());
        }
    }

    /// One listing of another folder of the lane; `None` where it cannot be had now.
    pub(super) fn list(&mut self, voice: &Voice, place: &Place) -> Option<Vec<Listed>> {
        let now = self.setup.clock.boot();
        match self.setup.transport.list(place) {
            Ok(listing) => {
                if self.fresh.saw(place, &listing, now) {
                    self.pace.stir(now);
                }
                Some(listing)
            }
            Err(error) => {
                if !error.is_absent() {
                    self.lose(voice, &error.into());
                }
                None
            }
        }
    }

    /// Waits for the next look. Returns `false` where the time is over.
    pub(super) fn pause(&mut self) -> bool {
        let now = self.setup.clock.boot();
        let left = self.end.map(|end| end.since(now));
        if left.is_some_and(|left| left.is_zero()) {
            return false;
        }
        for at in self.fresh.due(now, true) {
            fresh::stir(&*self.setup.transport, &*self.setup.chance, &at);
        }
        let pause = self.pace.next(now, false, &*self.setup.chance);
        let woken = self.wake.wait(left.map_or(pause, |left| left.min(pause)));
        self.setup.clock.sleep(limits::LOOK_GAP);
        if woken {
            self.pace.stir(self.setup.clock.boot());
        }
        true
    }

    pub(super) fn tell(&mut self, voice: &Voice, text: &str) {
        if self.told.as_deref() != Some(text) {
            voice.warn(text);
            self.told = Some(text.to_owned());
        }
    }

    /// The share is away: told once, until it is back.
    pub(super) fn lose(&mut self, voice: &Voice, failure: &Failure) {
        if self.away.is_none() {
            self.away = Some(self.setup.clock.boot());
            voice.warn(&format!("{failure}; waiting until it is back"));
        }
    }

    fn find_again(&mut self, voice: &Voice) {
        if let Some(since) = self.away.take() {
            let lasted = self.setup.clock.boot().since(since);
            voice.note(&format!("the share is back after {} s", lasted.as_secs()));
        }
    }
}
