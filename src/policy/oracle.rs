//! Policy against a second, naive reading of the same rules: same verdicts, and terms that never exceed a ceiling.

use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Timestamp;
use crate::id::Priority;
use crate::policy::tests::Bench;
use crate::policy::tests::NOW;
use crate::policy::tests::named;
use crate::policy::*;
use crate::profile::Profile;

fn policies() -> impl Strategy<Value = PeerPolicy> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.2),
    );
    let caps = (
        prop::option::of(1u64..2000),
        prop::option::of(0u64..4_000_000),
        0u64..2000,
        0u32..3,
        1u32..5,
        1u32..4,
    );
    let choice = (0usize..4, 0usize..3, any::<bool>(), 1u64..100_000);
    (flags, caps, choice).prop_map(
        |((accept, dangerous, v2, v2_ack, require_signature), caps, choice)| PeerPolicy {
            accept,
            dangerous,
            v2,
            v2_require_ack: v2_ack,
            require_signature,
            timeout_max: caps.0.map(Duration::from_secs),
            output_bytes_max: caps.1,
            request_bytes_max: caps.2,
            hop_max: caps.3,
            queue_max: caps.4,
            rate: Rate {
                count: caps.5,
                window: Duration::from_secs(60),
            },
            require_ack: AckRule::ALL[choice.0],
            priority_max: Priority::ALL[choice.1],
            profiles: if choice.2 {
                vec![named("default")]
            } else {
                vec![named("default"), named("gpu")]
            },
            default_profile: named("default"),
            life_max: Duration::from_secs(choice.3),
            attempts_max: 3,
            way: super::Way::default(),
        },
    )
}

fn wishes() -> impl Strategy<Value = Wish> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.2),
        any::<bool>(),
    );
    let asks = (
        prop::option::of(0u64..3000),
        prop::option::of(0u64..5_000_000),
        prop::option::of(0u64..3000),
        prop::option::of(0u32..9),
    );
    let rest = (
        0u32..4,
        0usize..3,
        0u64..3000,
        prop::option::of(0u64..120_000),
        0usize..4,
    );
    (flags, asks, rest).prop_map(
        |((ack, dangerous, idempotent, v2, signed), asks, rest)| Wish {
            require_ack: ack,
            require_dangerous: dangerous,
            idempotent,
            v2,
            signed,
            timeout_s: asks.0,
            max_output_bytes: asks.1,
            stall_s: asks.2,
            max_attempts: asks.3,
            hop: rest.0,
            priority: Priority::ALL[rest.1],
            request_bytes: rest.2,
            life: rest.3.map(Duration::from_secs),
            profile: [
                None,
                Some(named("default")),
                Some(named("gpu")),
                Some(named("other")),
            ][rest.4]
                .clone(),
        },
    )
}

/// The rules once more, as a list of reasons to refuse, in no order and with nothing shared with the code.
fn may_run(peer: &PeerPolicy, local: &Profile, wish: &Wish, usage: &Usage) -> bool {
    let recent = usage
        .admitted
        .iter()
        .filter(|at| at.unix() > NOW.unix() - 60)
        .count();
    let sealed = !wish.v2;
    let asks_for_ack = wish.require_ack || local.require_ack || (wish.v2 && peer.v2_require_ack);
    let bad = [
        !peer.accept,
        wish.v2 && !peer.v2,
        peer.require_signature && !(sealed && wish.signed),
        wish.request_bytes > peer.request_bytes_max,
        sealed && wish.hop > peer.hop_max,
        sealed && wish.life.is_some_and(|life| life > peer.life_max),
        sealed
            && wish
                .profile
                .as_ref()
                .is_some_and(|name| !peer.profiles.contains(name)),
        sealed && wish.require_dangerous && !(peer.dangerous && local.dangerous),
        usage.queued >= peer.queue_max,
        recent >= peer.rate.count as usize,
        asks_for_ack && peer.require_ack == AckRule::Never,
    ];
    !bad.contains(&true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_verdict_is_that_of_a_naive_reader_and_only_narrows(
        peer in policies(),
        wish in wishes(),
        local in (any::<bool>(), prop::bool::weighted(0.2), prop::option::of(1u64..2000), 1u64..2000),
        usage in (0u32..5, prop::collection::vec(-200i64..20, 0..4)),
    ) {
        let bench = Bench::new(peer.clone(), |profile| {
            profile.dangerous = local.0;
            profile.require_ack = local.1;
            profile.stall = local.2.map(Duration::from_secs);
            profile.timeout = Duration::from_secs(local.3);
        });
        let usage = Usage {
            queued: usage.0,
            admitted: usage.1.iter().map(|ago| Timestamp::from_unix(NOW.unix() + ago)).collect(),
        };
        let any_profile = bench.profiles.values().next().unwrap();
        let verdict = bench.judge("devbox", &wish, &usage);
        let ran = !matches!(verdict, Verdict::Reject(_));
        prop_assert_eq!(ran, may_run(&peer, any_profile, &wish, &usage), "{:?}", verdict);

        let (terms, waits) = match verdict {
            Verdict::Admit(terms) => (terms, false),
            Verdict::NeedsAck(terms, _) => (terms, true),
            Verdict::Reject(_) => return Ok(()),
        };
        let used = &bench.profiles[&terms.profile];
        prop_assert!(peer.profiles.contains(&terms.profile));
        prop_assert!(terms.timeout <= used.timeout);
        prop_assert!(peer.timeout_max.is_none_or(|most| terms.timeout <= most));
        prop_assert!(terms.max_output_bytes <= used.max_output_bytes);
        prop_assert!(peer.output_bytes_max.is_none_or(|most| terms.max_output_bytes <= most));
        prop_assert!(used.stall.is_none_or(|most| terms.stall.is_some_and(|got| got <= most)));
        prop_assert!(terms.priority >= peer.priority_max);
        prop_assert!(terms.max_attempts >= 1 && terms.max_attempts <= peer.attempts_max);
        prop_assert!(terms.max_attempts == 1 || (wish.idempotent && !wish.v2));
        prop_assert!(!terms.dangerous || (wish.require_dangerous && peer.dangerous && used.dangerous && !wish.v2));
        if !wish.v2 {
            prop_assert!(wish.timeout_s.is_none_or(|asked| terms.timeout.as_secs() <= asked));
            prop_assert!(wish.max_output_bytes.is_none_or(|asked| terms.max_output_bytes <= asked));
            prop_assert!(wish.stall_s.is_none_or(|asked| terms.stall.is_some_and(|got| got.as_secs() <= asked)));
        }
        prop_assert!(waits || !wish.require_ack, "who asks for an approval gets one");
        prop_assert!(waits || !used.require_ack);
        prop_assert!(waits || peer.require_ack != AckRule::Always);
        prop_assert!(waits || !(terms.dangerous && peer.require_ack == AckRule::Dangerous));
        prop_assert!(waits || !(wish.v2 && peer.v2_require_ack));
    }
}
