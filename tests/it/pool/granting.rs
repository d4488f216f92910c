//! The sender's node as it grants: one claim of a task in all, and another only when the first was released.

use std::time::Duration;

use dispatch::chance::Chance;
use dispatch::clock::Clock;
use dispatch::document::Context;
use dispatch::document::Grant;
use dispatch::document::Kind;
use dispatch::document::Permission;
use dispatch::document::Rules;
use dispatch::entry::ClaimName;
use dispatch::entry::ControlKind;
use dispatch::entry::ControlName;
use dispatch::envelope;
use dispatch::envelope::Envelope;
use dispatch::id::Party;
use dispatch::id::TaskId;
use dispatch::stage::Stage;
use dispatch::transport::Publish;

use super::ground::Ground;
use super::ground::lane;
use super::ground::party;
use super::ground::stage;
use crate::world::life::Life;

impl Ground {
    pub(super) fn grant(&self) {
        let claims = self.claims(Stage::Processing);
        for claim in claims.iter().filter(|claim| claim.taken.is_none()) {
            let before = self.granted.borrow().get(&claim.id).cloned();
            let decision = match before {
                Some(before) if before == claim.stem() => continue,
                Some(before) if !self.is_released(claim.id, &before) => Permission::Refuse,
                _ => Permission::Start,
            };
            if decision == Permission::Start {
                let mut granted = self.granted.borrow_mut();
                granted.insert(claim.id, claim.stem());
            }
            self.publish_grant(claim, decision);
        }
    }

    /// Publishes the word of the sender's node about a claim.
    pub fn publish_grant(&self, claim: &ClaimName, decision: Permission) {
        let bytes = std::fs::read(self.path(Stage::Processing, &claim.to_string()));
        let Ok(bytes) = bytes else { return };
        let now = self.sender.clock.wall();
        let grant = Grant {
            from: party("devbox"),
            to: Party::from(&claim.node),
            task_id: claim.id,
            task_sha256: dispatch::id::Digest::of(&bytes),
            claim: claim.clone(),
            decision,
            reason: None,
            created: now,
            expires: now.plus(Duration::from_secs(24 * 3600)),
        };
        let kind = ControlKind::Grant(claim.node.clone());
        let sealed = envelope::seal(&self.keys(), &grant.context(), now, &grant.body()).unwrap();
        self.control(claim.id, kind, &sealed);
    }

    fn control(&self, id: TaskId, kind: ControlKind, sealed: &[u8]) {
        let nonce = self.chance.nonce();
        let name = ControlName { id, kind, nonce }.to_string();
        let transport = self.transport(&self.sender, &Life::charmed());
        let control = stage(Stage::Control);
        let sent = transport.publish(&lane(), id, (&control, &name), sealed);
        assert_eq!(sent, Publish::Published);
    }

    fn is_released(&self, id: TaskId, stem: &str) -> bool {
        let claim = ClaimName::parse_stem(stem).unwrap();
        let kind = ControlKind::Release(claim.node.clone());
        let context = Context {
            from: Party::from(&claim.node),
            to: party("devbox"),
            kind: Kind::Release,
        };
        self.names(Stage::Control).iter().any(|file| {
            let name = ControlName::parse(file);
            let bytes = std::fs::read(self.path(Stage::Control, file)).unwrap();
            let now = self.sender.clock.wall();
            name.is_some_and(|name| name.id == id && name.kind == kind)
                && Envelope::read(bytes)
                    .verify(&self.keys(), &context, now)
                    .unwrap()
                    .release(&Rules::at(now))
                    .is_ok_and(|release| release.claim == claim)
        })
    }
}
