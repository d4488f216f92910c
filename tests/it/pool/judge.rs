//! What must hold on the ground, at any moment and at the end.

use std::collections::BTreeSet;

use dispatch::clock::Clock;
use dispatch::document::Answer;
use dispatch::document::Context;
use dispatch::document::Kind;
use dispatch::document::Rules;
use dispatch::entry::ClaimName;
use dispatch::envelope::Envelope;
use dispatch::flow::send::Sent;
use dispatch::id::Party;
use dispatch::id::TaskId;
use dispatch::outcome::Status;
use dispatch::stage::Stage;

use super::ground::Ground;
use super::ground::party;

impl Ground {
    /// The committed claims of a task: its file in `done/` or `rejected/`.
    fn committed(&self, id: TaskId) -> Vec<ClaimName> {
        let mut all = self.claims(Stage::Done);
        all.extend(self.claims(Stage::Rejected));
        all.retain(|claim| claim.id == id);
        all
    }

    /// What the sender may believe: the result of the one committed claim, sealed by its member.
    pub fn outcome(&self, sent: &Sent) -> Option<Answer> {
        let committed = self.committed(sent.id);
        assert!(committed.len() <= 1, "{}", self.picture());
        let claim = committed.first()?;
        let public = dispatch::entry::public_result(sent.id);
        let names = self.names(Stage::Done);
        let file = [public, claim.result()]
            .into_iter()
            .find(|file| names.contains(file))?;
        let bytes = std::fs::read(self.path(Stage::Done, &file)).unwrap();
        let context = Context {
            from: Party::from(&claim.node),
            to: party("devbox"),
            kind: Kind::Result,
        };
        let now = self.sender.clock.wall();
        let verified = Envelope::read(bytes)
            .verify(&self.keys(), &context, now)
            .unwrap();
        let answer = verified.answer(&Rules::at(now)).unwrap();
        assert_eq!(answer.task_sha256, sent.digest);
        assert_eq!(answer.claim.as_ref(), Some(claim));
        Some(answer)
    }

    pub fn status(&self, sent: &Sent) -> Option<Status> {
        self.outcome(sent).map(|answer| answer.status)
    }

    /// What must hold of a task that is over, whatever happened on the way.
    pub fn check_end(&self, sent: &Sent, attempts: usize, context: &str) {
        let shown = || format!("{context}\n{}", self.picture());
        assert!(self.outcome(sent).is_some(), "no outcome: {}", shown());
        assert!(self.is_settled(), "something is left: {}", shown());
        let public = dispatch::entry::public_result(sent.id);
        assert!(
            self.names(Stage::Done).contains(&public),
            "not revealed: {}",
            shown()
        );
        assert!(
            self.starts(sent.id) <= attempts,
            "started too often: {}",
            shown()
        );
        self.check_always();
    }

    /// What must hold at any moment.
    pub fn check_always(&self) {
        for member in &self.members {
            let faults = member.shop.faults();
            assert!(
                faults.is_empty(),
                "{}: {faults:?}\n{}",
                member.name,
                self.picture()
            );
        }
        let mut seen = BTreeSet::new();
        for at in [
            Stage::Inbox,
            Stage::PendingAck,
            Stage::Processing,
            Stage::Done,
            Stage::Rejected,
        ] {
            for file in self.names(at) {
                let claim = ClaimName::parse(&file).map(|claim| claim.id);
                let queued = dispatch::entry::QueuedName::parse(&file).map(|queued| queued.id);
                if let Some(id) = claim.or(queued) {
                    assert!(seen.insert(id), "{id} lies twice: {}", self.picture());
                }
            }
        }
    }

    /// Everything that lies in the lane, for a message.
    pub fn picture(&self) -> String {
        let all = Stage::ALL
            .iter()
            .map(|at| format!("{at}: {:?}", self.names(*at)));
        let runs = self
            .members
            .iter()
            .map(|member| format!("{} runs {:?}", member.name, member.shop.stems()));
        all.chain(runs).collect::<Vec<_>>().join("\n")
    }

    /// Everything that was told by a member, for a message.
    pub fn told(&self, member: usize) -> String {
        let events = self.members[member].sink.events();
        let lines = events.iter().map(|event| {
            let claim = event.claim.as_ref().map(ClaimName::stem);
            format!("{} {} {claim:?}", event.word, event.summary.as_str())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
