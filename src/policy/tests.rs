//! Each refusal by its own sentence, and the rules that are easiest to get wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::NodeName;
use crate::id::Priority;
use crate::id::ProfileName;
use crate::policy::*;
use crate::profile::AgentKind;
use crate::profile::Profile;
use crate::reason::Reason;

pub(super) fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

pub(super) fn named(name: &str) -> ProfileName {
    ProfileName::parse(name).unwrap()
}

fn profile(name: &str) -> Profile {
    Profile::of_kind(named(name), AgentKind::Command, vec!["true".into()])
}

pub(super) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A receiver with one peer, `devbox`, and the profiles `default` and `gpu`.
pub(super) struct Bench {
    me: NodeName,
    peers: BTreeMap<NodeName, PeerPolicy>,
    pub(super) profiles: BTreeMap<ProfileName, Profile>,
}

impl Bench {
    pub(super) fn new(peer: PeerPolicy, change: impl Fn(&mut Profile)) -> Self {
        let profiles = ["default", "gpu"].map(|name| {
            let mut made = profile(name);
            change(&mut made);
            (made.name.clone(), made)
        });
        Self {
            me: node("gpubox"),
            peers: [(node("devbox"), peer)].into(),
            profiles: profiles.into(),
        }
    }

    pub(super) fn judge(&self, sender: &str, wish: &Wish, usage: &Usage) -> Verdict {
        let receiver = Receiver {
            node: &self.me,
            peers: &self.peers,
            profiles: &self.profiles,
        };
        judge(&receiver, &node(sender), wish, usage, NOW)
    }

    fn denial(&self, wish: &Wish, usage: &Usage) -> Denial {
        match self.judge("devbox", wish, usage) {
            Verdict::Reject(denial) => denial,
            other => panic!("not refused: {other:?}"),
        }
    }
}

pub(super) fn accepting() -> PeerPolicy {
    PeerPolicy {
        accept: true,
        ..PeerPolicy::default()
    }
}

#[test]
fn without_a_word_of_policy_nothing_runs() {
    let bench = Bench::new(PeerPolicy::default(), |_| ());
    let refused = bench.denial(&Wish::default(), &Usage::default());
    assert_eq!(refused.code, Reason::Peer);
    assert!(
        refused
            .sentence
            .contains("peer.devbox.accept on gpubox is false")
    );
    assert!(matches!(
        bench.judge("mallory", &Wish::default(), &Usage::default()),
        Verdict::Reject(Denial {
            code: Reason::Peer,
            ..
        })
    ));
}

/// Asserts that a changed default wish is refused with this code and a sentence that names the setting.
fn refuses(peer: &PeerPolicy, change: fn(&mut Wish), code: Reason, setting: &str) {
    let mut wish = Wish::default();
    change(&mut wish);
    let refused = Bench::new(peer.clone(), |_| ()).denial(&wish, &Usage::default());
    assert_eq!(refused.code, code, "{refused}");
    assert!(refused.sentence.contains(setting), "{refused}");
    assert_eq!(refused.retry_at, None);
}

#[test]
fn every_refusal_names_the_setting_that_refused() {
    let peer = accepting();
    refuses(&peer, |w| w.v2 = true, Reason::V2Off, "peer.devbox.v2 ");
    refuses(
        &peer,
        |w| w.request_bytes = 1 << 20,
        Reason::Policy,
        "request_max",
    );
    refuses(&peer, |w| w.hop = 2, Reason::Policy, "hop_max");
    refuses(
        &peer,
        |w| w.life = Some(Duration::MAX),
        Reason::Ttl,
        "life_max",
    );
    let gpu = |w: &mut Wish| w.profile = Some(named("gpu"));
    refuses(&peer, gpu, Reason::Policy, "peer.devbox.profiles on gpubox");
    let dangerous = |w: &mut Wish| w.require_dangerous = true;
    refuses(&peer, dangerous, Reason::Policy, "peer.devbox.dangerous");
    let risky = PeerPolicy {
        dangerous: true,
        ..accepting()
    };
    refuses(
        &risky,
        dangerous,
        Reason::Policy,
        "profile.default.dangerous",
    );
    let never = PeerPolicy {
        require_ack: AckRule::Never,
        ..accepting()
    };
    refuses(
        &never,
        |w| w.require_ack = true,
        Reason::Policy,
        "peer.devbox.require_ack",
    );
    let signing = PeerPolicy {
        require_signature: true,
        v2: true,
        ..accepting()
    };
    let setting = "peer.devbox.require_signature";
    refuses(&signing, |_| (), Reason::Unsigned, setting);
    // What an envelope of the original says of itself is not believed.
    let original = |w: &mut Wish| (w.v2, w.signed) = (true, true);
    refuses(&signing, original, Reason::Unsigned, setting);
    let gone = PeerPolicy {
        profiles: vec![named("old")],
        default_profile: named("old"),
        ..accepting()
    };
    refuses(&gone, |_| (), Reason::Policy, "[profile.old]");
}

#[test]
fn what_is_exactly_at_a_bound_is_within_it() {
    let peer = accepting();
    let wish = Wish {
        request_bytes: peer.request_bytes_max,
        life: Some(peer.life_max),
        hop: peer.hop_max,
        timeout_s: Some(600),
        ..Wish::default()
    };
    let verdict = Bench::new(peer, |_| ()).judge("devbox", &wish, &Usage::default());
    assert!(
        matches!(&verdict, Verdict::Admit(terms) if terms.notes.is_empty()),
        "{verdict:?}"
    );
}

#[test]
fn a_full_queue_refuses() {
    let full = Usage {
        queued: 100,
        admitted: vec![],
    };
    let refused = Bench::new(accepting(), |_| ()).denial(&Wish::default(), &full);
    assert_eq!(refused.code, Reason::Quota);
    assert!(refused.sentence.contains("queue_max"), "{refused}");
}

#[test]
fn the_rate_is_a_sliding_window_that_says_when_it_opens() {
    let rate = Rate {
        count: 2,
        window: Duration::from_secs(3600),
    };
    let bench = Bench::new(
        PeerPolicy {
            rate,
            ..accepting()
        },
        |_| (),
    );
    let at = |ago: &[i64]| Usage {
        queued: 0,
        admitted: ago
            .iter()
            .map(|ago| Timestamp::from_unix(NOW.unix() - ago))
            .collect(),
    };
    let admits = |usage: &Usage| {
        matches!(
            bench.judge("devbox", &Wish::default(), usage),
            Verdict::Admit(_)
        )
    };
    assert!(admits(&at(&[10])));
    assert!(admits(&at(&[3600, 7200, 10])));
    let refused = bench.denial(&Wish::default(), &at(&[10, 3599, 7200]));
    assert_eq!(
        (refused.code, refused.retry_at),
        (Reason::Quota, Some(NOW.plus(Duration::from_secs(1))))
    );
    // Three in the window: two of them have to leave it.
    let refused = bench.denial(&Wish::default(), &at(&[10, 20, 30]));
    assert_eq!(refused.retry_at, Some(NOW.plus(Duration::from_secs(3580))));
    assert!(
        !admits(&at(&[-500, -600])),
        "a clock that was set back opens nothing"
    );
}

#[test]
fn an_envelope_of_version_two_is_believed_in_nothing_but_its_request() {
    let peer = PeerPolicy {
        v2: true,
        dangerous: true,
        ..accepting()
    };
    let bench = Bench::new(peer.clone(), |profile| profile.dangerous = true);
    let wish = Wish {
        v2: true,
        require_dangerous: true,
        timeout_s: Some(1),
        max_output_bytes: Some(1),
        idempotent: true,
        max_attempts: Some(3),
        ..Wish::default()
    };
    let Verdict::NeedsAck(terms, why) = bench.judge("devbox", &wish, &Usage::default()) else {
        panic!("version 2 waits for an approval unless policy says otherwise");
    };
    assert!(why.contains("v2_require_ack"), "{why}");
    assert!(!terms.dangerous);
    assert_eq!(
        (terms.timeout, terms.max_attempts),
        (Duration::from_secs(600), 1)
    );
    assert_eq!(terms.max_output_bytes, 2_000_000);

    let open = Bench::new(
        PeerPolicy {
            v2_require_ack: false,
            ..peer
        },
        |_| (),
    );
    assert!(matches!(
        open.judge("devbox", &wish, &Usage::default()),
        Verdict::Admit(_)
    ));
    let asking = Wish {
        require_ack: true,
        ..wish
    };
    assert!(matches!(
        open.judge("devbox", &asking, &Usage::default()),
        Verdict::NeedsAck(..)
    ));
}

#[test]
fn what_was_cut_is_said() {
    let peer = PeerPolicy {
        timeout_max: Some(Duration::from_secs(60)),
        priority_max: Priority::Normal,
        ..accepting()
    };
    let wish = Wish {
        timeout_s: Some(7200),
        priority: Priority::High,
        ..Wish::default()
    };
    let Verdict::Admit(terms) = Bench::new(peer, |_| ()).judge("devbox", &wish, &Usage::default())
    else {
        panic!("admitted");
    };
    assert_eq!(
        terms.notes,
        [
            "timeout 2h was cut to 1m: peer.devbox.timeout_max on gpubox",
            "priority high was cut to normal: peer.devbox.priority_max on gpubox",
        ]
    );
}

#[test]
fn an_approver_speaks_for_the_peers_it_is_named_for() {
    let alice = Approver {
        scope: Scope::Peers(vec![node("devbox")]),
        may_grant_dangerous: false,
    };
    assert!(alice.may_approve(&node("devbox"), false));
    assert!(!alice.may_approve(&node("laptop"), false));
    assert!(!alice.may_approve(&node("devbox"), true));
    let root = Approver {
        scope: Scope::All,
        may_grant_dangerous: true,
    };
    assert!(root.may_approve(&node("laptop"), true));
}
