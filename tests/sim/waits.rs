//! Tasks that wait for others: their sender gives the word as the library does it, and the oracle judges each start by
//! what lies on the server.

use std::time::Duration;

use dispatch::document::After;
use dispatch::document::Cancel;
use dispatch::document::Condition;
use dispatch::document::Task;
use dispatch::flow::cancel;
use dispatch::flow::collect::Whereabouts;
use dispatch::flow::resolve;
use dispatch::flow::resolve::Dependent;
use dispatch::flow::resolve::Resolution;
use dispatch::flow::resolve::Upstream;
use dispatch::flow::send::Sender;
use dispatch::flow::send::Sent;
use dispatch::id::Party;
use dispatch::id::TaskId;
use dispatch::limits;
use dispatch::outcome::Status;
use dispatch::stage::Stage;
use dispatch::transport::Publish;

use crate::actors::Seat;
use crate::dice::Dice;
use crate::oracle::Story;
use crate::oracle::stage_of;
use crate::plan::Errand;
use crate::world::State;

/// Has some errands wait for an earlier one. Drawn from dice of its own, so that a seed means what it meant but for
/// that.
pub fn tie(seed: u64, errands: &mut [Errand]) {
    let dice = &mut Dice::new(seed ^ 0xDE9E_7DE9_7000_0001);
    for (later, errand) in errands.iter_mut().enumerate().skip(1) {
        if dice.once_in(2) {
            let earlier = dice.within(0, later as u64 - 1);
            let when = dice.one_of(&[
                Condition::Ok,
                Condition::Ok,
                Condition::NotOk,
                Condition::Any,
            ]);
            errand.after = Some((usize::try_from(earlier).unwrap_or(0), when));
        }
    }
}

impl Seat {
    /// Has a task wait, if its errand does, for one that has an id.
    pub fn depend(&self, errand: usize, task: &mut Task) {
        let Some((earlier, when)) = self.world.state().plan.errands[errand].after else {
            return;
        };
        for _ in 0..30 {
            let id = self.world.state().ids[earlier];
            if let Some(id) = id {
                task.wait_for(&[After { id, when }]);
                return;
            }
            self.clock().sleep(Duration::from_secs(1));
        }
    }

    /// Gives the word that a task waits for, as often as it takes.
    pub fn tend(&self, sender: &Sender, sent: &Sent, task: &Task) {
        let Some(after) = task.after().first().copied() else {
            return;
        };
        let dependent = Dependent {
            id: sent.id,
            lane: self.lane(),
            digest: sent.digest,
            expires: task.expires,
        };
        loop {
            if self.world.state().is_ending || self.clock().wall() > task.expires {
                return;
            }
            let found = sender.find(&self.lane(), after.id, None);
            let (ended, prior) = match found {
                Ok(Whereabouts::Answered(found)) => (
                    Some(found.answer.status),
                    vec![resolve::excerpt(&found.answer, 1)],
                ),
                _ => (None, Vec::new()),
            };
            let upstream = Upstream {
                id: after.id,
                when: after.when,
                ended,
            };
            let said = match resolve::judge(&[upstream]) {
                Resolution::Waits => None,
                Resolution::Ready => {
                    Some(resolve::let_go(sender, &*self.chance(), &dependent, &prior))
                }
                Resolution::Never(id, status) => {
                    let why = resolve::reason(id, status);
                    Some(resolve::end(sender, &*self.chance(), &dependent, &why))
                }
            };
            if let Some(Ok(Publish::Published)) = said {
                return self.world.state().cover("word given", String::new);
            }
            self.clock().sleep(Duration::from_secs(3));
        }
    }

    /// Asks for the end of a task.
    pub fn cancel(&self, sender: &Sender, task: &Task) {
        // In a pool each member is told in a document of its own.
        let members: Vec<Party> = self.settings().peers.keys().map(Party::from).collect();
        let addressees = match self.world.state().plan.members {
            0 => vec![task.to.clone()],
            _ => members,
        };
        for to in addressees {
            let now = self.clock().wall();
            let wish = Cancel {
                from: task.from.clone(),
                to,
                task_id: task.id,
                task_sha256: None,
                reason: "not needed".to_owned(),
                created: now,
                expires: now.plus(limits::LIFE_MAX),
            };
            let _ = cancel::send(sender, &*self.chance(), &self.lane(), &wish);
        }
    }
}

impl State {
    /// An agent is started: what its task waits for is over, and ended as it had to.
    pub fn judge_waits(&mut self, id: TaskId, story: &Story) {
        let Some((upstream, when)) = story.after else {
            return;
        };
        self.cover("started after another", || id.to_string());
        if self.oracle.rolled_back
            || self
                .ended(upstream)
                .iter()
                .any(|status| when.holds(*status))
        {
            return;
        }
        self.fail(format!(
            "waits for others: {id} started, and {upstream} has not ended as '{when}' asks"
        ));
    }

    /// How a task ended, by every result of it that lies on the server, once its file is where what is over lies.
    fn ended(&self, id: TaskId) -> Vec<Status> {
        let file = self.oracle.stories.get(&id).and_then(|story| story.file);
        let home = file.and_then(|file| self.server.files[file].home.as_ref());
        let stage = home.and_then(|(at, _)| stage_of(&self.server.dirs[*at].place));
        if !matches!(stage, Some(Stage::Done | Stage::Rejected)) {
            return Vec::new();
        }
        let done = self.server.dirs.iter();
        let done = done.filter(|dir| stage_of(&dir.place) == Some(Stage::Done));
        let names = done.flat_map(|dir| dir.names.iter());
        let of_this = names.filter(|(name, _)| {
            name.starts_with(&id.to_string()) && name.ends_with(".result.json")
        });
        of_this
            .filter_map(|(_, file)| {
                let bytes = &self.server.files[*file].bytes;
                let result: serde_json::Value = serde_json::from_slice(bytes).ok()?;
                Status::from_word(result["status"].as_str()?)
            })
            .collect()
    }
}
