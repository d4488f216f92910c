//! The verdict on one task. Every step can only refuse or take away; no step gives what an earlier one did not.

use crate::clock::Timestamp;
use crate::id::NodeName;
use crate::policy::AckRule;
use crate::policy::Denial;
use crate::policy::PeerPolicy;
use crate::policy::Receiver;
use crate::policy::Usage;
use crate::policy::Verdict;
use crate::policy::Wish;
use crate::policy::terms::narrow;
use crate::profile::Profile;
use crate::reason::Reason;
use crate::units;

/// Judges a verified task of `sender` by the policy of the receiving node.
#[must_use]
pub fn judge(
    receiver: &Receiver<'_>,
    sender: &NodeName,
    wish: &Wish,
    usage: &Usage,
    now: Timestamp,
) -> Verdict {
    let believed = if wish.v2 {
        unsigned(wish)
    } else {
        wish.clone()
    };
    let case = Case {
        node: receiver.node,
        sender,
        wish: &believed,
    };
    let checked = case
        .peer(receiver)
        .and_then(|peer| case.size(peer).map(|()| peer))
        .and_then(|peer| case.quota(peer, usage, now).map(|()| peer))
        .and_then(|peer| Ok((peer, case.profile(peer, receiver)?)))
        .and_then(|(peer, profile)| Ok((case.dangerous(peer, profile)?, peer, profile)))
        .and_then(|(dangerous, peer, profile)| {
            let why = case.waits_for(peer, profile, dangerous)?;
            Ok((
                narrow(receiver.node, sender, &believed, peer, profile, dangerous),
                why,
            ))
        });
    match checked {
        Ok((terms, None)) => Verdict::Admit(terms),
        Ok((terms, Some(why))) => Verdict::NeedsAck(terms, why),
        Err(denial) => Verdict::Reject(denial),
    }
}

/// What is left of a wish of version 2, whose seal covers only id, from, to, created, priority and request. That its
/// sender wants an approval is kept: whoever adds it can only delay.
fn unsigned(wish: &Wish) -> Wish {
    Wish {
        require_ack: wish.require_ack,
        priority: wish.priority,
        request_bytes: wish.request_bytes,
        v2: true,
        ..Wish::default()
    }
}

/// One task before the bench: the names that go into every sentence.
struct Case<'a> {
    node: &'a NodeName,
    sender: &'a NodeName,
    wish: &'a Wish,
}

impl Case<'_> {
    fn denial(code: Reason, sentence: String) -> Denial {
        Denial {
            code,
            sentence,
            retry_at: None,
        }
    }

    /// Names a setting of this peer on this node.
    fn setting(&self, key: &str) -> String {
        format!("peer.{}.{key} on {}", self.sender, self.node)
    }

    fn peer<'p>(&self, receiver: &Receiver<'p>) -> Result<&'p PeerPolicy, Denial> {
        let sender = self.sender;
        match receiver.peers.get(sender) {
            None => Err(Self::denial(
                Reason::Peer,
                format!(
                    "'{sender}' is not a peer of {}: there is no [peer.{sender}]",
                    self.node
                ),
            )),
            Some(peer) if !peer.accept => Err(Self::denial(
                Reason::Peer,
                format!(
                    "tasks of peer '{sender}' are not accepted: {} is false",
                    self.setting("accept")
                ),
            )),
            Some(peer) if self.wish.v2 && !peer.v2 => Err(Self::denial(
                Reason::V2Off,
                format!(
                    "peer '{sender}' may not send envelopes of version 2: {} is false",
                    self.setting("v2")
                ),
            )),
            Some(peer) if peer.require_signature && !self.wish.signed => Err(Self::denial(
                Reason::Unsigned,
                format!(
                    "the task is not signed: {} is true",
                    self.setting("require_signature")
                ),
            )),
            Some(peer) => Ok(peer),
        }
    }

    fn size(&self, peer: &PeerPolicy) -> Result<(), Denial> {
        let sender = self.sender;
        if self.wish.request_bytes > peer.request_bytes_max {
            return Err(Self::denial(
                Reason::Policy,
                format!(
                    "the request has {} bytes: {} is {}",
                    self.wish.request_bytes,
                    self.setting("request_max"),
                    units::show_size(peer.request_bytes_max)
                ),
            ));
        }
        if self.wish.hop > peer.hop_max {
            return Err(Self::denial(
                Reason::Policy,
                format!(
                    "the task was handed on {} times before '{sender}' sent it: {} is {}",
                    self.wish.hop,
                    self.setting("hop_max"),
                    peer.hop_max
                ),
            ));
        }
        match self.wish.life {
            Some(life) if life > peer.life_max => Err(Self::denial(
                Reason::Ttl,
                format!(
                    "the task lives {} from creation to expiry: {} is {}",
                    units::show_duration(life),
                    self.setting("life_max"),
                    units::show_duration(peer.life_max)
                ),
            )),
            _ => Ok(()),
        }
    }

    fn quota(&self, peer: &PeerPolicy, usage: &Usage, now: Timestamp) -> Result<(), Denial> {
        let sender = self.sender;
        if usage.queued >= peer.queue_max {
            return Err(Self::denial(
                Reason::Quota,
                format!(
                    "{} tasks of peer '{sender}' are waiting or running: {} is {}",
                    usage.queued,
                    self.setting("queue_max"),
                    peer.queue_max
                ),
            ));
        }
        // Times after `now` count too: a clock that was set back must not open the gate.
        let begin = now.minus(peer.rate.window);
        let mut recent: Vec<Timestamp> = usage
            .admitted
            .iter()
            .copied()
            .filter(|at| *at > begin)
            .collect();
        recent.sort_unstable();
        let most = usize::try_from(peer.rate.count).unwrap_or(usize::MAX);
        if recent.len() < most {
            return Ok(());
        }
        Err(Denial {
            // The window has room again when all but `most - 1` of them have left it.
            retry_at: recent
                .get(recent.len() - most)
                .map(|at| at.plus(peer.rate.window)),
            ..Self::denial(
                Reason::Quota,
                format!(
                    "{} tasks of peer '{sender}' were admitted within {}: {} is {}",
                    recent.len(),
                    units::show_duration(peer.rate.window),
                    self.setting("rate"),
                    peer.rate
                ),
            )
        })
    }

    fn profile<'p>(
        &self,
        peer: &PeerPolicy,
        receiver: &Receiver<'p>,
    ) -> Result<&'p Profile, Denial> {
        let (sender, node) = (self.sender, self.node);
        let name = self.wish.profile.as_ref().unwrap_or(&peer.default_profile);
        if !peer.profiles.contains(name) {
            return Err(Self::denial(
                Reason::Policy,
                format!(
                    "peer '{sender}' may not use profile '{name}': it is not in {}",
                    self.setting("profiles")
                ),
            ));
        }
        receiver.profiles.get(name).ok_or_else(|| {
            Self::denial(
                Reason::Policy,
                format!("there is no profile '{name}' on {node}: [profile.{name}] is missing"),
            )
        })
    }

    fn dangerous(&self, peer: &PeerPolicy, profile: &Profile) -> Result<bool, Denial> {
        if !self.wish.require_dangerous {
            return Ok(false);
        }
        let refused = if !peer.dangerous {
            self.setting("dangerous")
        } else if !profile.dangerous {
            format!("profile.{}.dangerous on {}", profile.name, self.node)
        } else {
            return Ok(true);
        };
        Err(Self::denial(
            Reason::Policy,
            format!("the task asks for the dangerous mode: {refused} is false"),
        ))
    }

    /// Says why the task waits for an approval, if it does.
    fn waits_for(
        &self,
        peer: &PeerPolicy,
        profile: &Profile,
        dangerous: bool,
    ) -> Result<Option<String>, Denial> {
        let rule = || format!("{} is {}", self.setting("require_ack"), peer.require_ack);
        let why = if profile.require_ack {
            Some(format!(
                "profile.{}.require_ack on {} is true",
                profile.name, self.node
            ))
        } else if self.wish.v2 && peer.v2_require_ack {
            Some(format!("{} is true", self.setting("v2_require_ack")))
        } else if self.wish.require_ack {
            Some(format!("its sender '{}' asks for an approval", self.sender))
        } else {
            match peer.require_ack {
                AckRule::Always => Some(rule()),
                AckRule::Dangerous if dangerous => Some(format!("it is dangerous, and {}", rule())),
                AckRule::Dangerous | AckRule::Asked | AckRule::Never => None,
            }
        };
        match why {
            Some(why) if peer.require_ack == AckRule::Never => Err(Self::denial(
                Reason::Policy,
                format!("the task needs an approval ({why}): {}", rule()),
            )),
            why => Ok(why),
        }
    }
}
