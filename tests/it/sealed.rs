//! Properties of sealed documents: what is sealed is read back unchanged, and no bytes whatever bring a reader down.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use dispatch::clock::Timestamp;
use dispatch::document::Answer;
use dispatch::document::Context;
use dispatch::document::Kind;
use dispatch::document::Rules;
use dispatch::document::Task;
use dispatch::document::strict;
use dispatch::document::tidy;
use dispatch::envelope;
use dispatch::envelope::Envelope;
use dispatch::id::Digest;
use dispatch::id::KeyId;
use dispatch::id::Party;
use dispatch::id::Priority;
use dispatch::id::ProfileName;
use dispatch::id::TaskId;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::keyring::Keyring;
use dispatch::legacy;
use dispatch::limits;
use dispatch::outcome::FailureClass;
use dispatch::outcome::Status;
use dispatch::seal;
use proptest::prelude::*;

const NOW: i64 = 1_795_161_219;

fn now() -> Timestamp {
    Timestamp::from_unix(NOW)
}

fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

fn kid() -> KeyId {
    KeyId::parse("k1").unwrap()
}

fn key(alg: Alg) -> Key {
    let peers = [party("devbox"), party("gpubox")];
    Key::new(
        kid(),
        alg,
        peers,
        Timestamp::from_unix(0),
        (32..96).collect(),
    )
    .unwrap()
}

fn ring() -> Keyring {
    let mut approver = key(Alg::Hs256);
    approver.peers = [party("approver.alice"), party("gpubox")];
    Keyring::of(vec![key(Alg::Hs256), key(Alg::V2), approver])
}

fn place(kind: Kind) -> Context {
    let from = if kind == Kind::Ack {
        "approver.alice"
    } else {
        "devbox"
    };
    let (from, to) = (party(from), party("gpubox"));
    Context { from, to, kind }
}

fn open(file: Vec<u8>, kind: Kind) -> Envelope<envelope::Verified> {
    let opened = Envelope::read(file).verify(&ring(), &place(kind), now());
    opened.unwrap()
}

/// Text that a request may hold: anything but controls other than LF and TAB, and deceptive letters.
fn prose() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| {
        let fit = tidy(&text, 4000);
        if fit.is_empty() { "x".to_owned() } else { fit }
    })
}

fn label() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 äß漢😀._:/\"\\\\-]{1,30}".prop_map(|text| text)
}

prop_compose! {
    fn a_task()(
        bits in any::<u128>(),
        life in 1_i64..600_000,
        priority in prop::sample::select(Priority::ALL.to_vec()),
        profile in prop::option::of("[a-z0-9]{1,20}"),
        flags in any::<[bool; 3]>(),
        numbers in prop::option::of((1_u64..86_400, 1..limits::INTEGER_MAX, 1_u64..9999)),
        attempts in (1_u32..99, 0_u32..2, prop::option::of(1_u32..9)),
        labels in prop::option::of((label(), label())),
        tags in prop::collection::vec(label(), 0..5),
        request in prose(),
    ) -> Task {
        let uuid = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
        let id = TaskId::from_uuid(uuid);
        let mut task = Task::new(id, party("devbox"), party("gpubox"), now(), request);
        task.expires = Timestamp::from_unix(NOW + life);
        task.priority = priority;
        task.profile = profile.map(|name| ProfileName::parse(&name).unwrap());
        [task.require_ack, task.require_dangerous, task.idempotent] = flags;
        (task.attempt, task.hop, task.max_attempts) = attempts;
        if let Some((timeout, output, stall)) = numbers {
            (task.timeout_s, task.max_output_bytes, task.stall_s) =
                (Some(timeout), Some(output), Some(stall));
            task.not_before = Some(task.expires);
            (task.parent, task.root) = (Some(id), Some(id));
            task.ext.insert("x-y".to_owned(), serde_json::json!({"a": [1, {"b": true}]}));
        }
        if let Some((one, other)) = labels {
            (task.correlation, task.idempotency_key) = (Some(one), Some(other));
        }
        task.tags = tags;
        task
    }
}

proptest! {
    #[test]
    fn a_sealed_task_is_read_back_unchanged(task in a_task()) {
        let file = envelope::seal(&ring(), &task.context(), now(), &task.body()).unwrap();
        let sealed = open(file.clone(), Kind::Task);
        prop_assert_eq!(sealed.digest(), Digest::of(&file));
        prop_assert_eq!(sealed.task(&Rules::at(now())).unwrap(), task);
    }

    #[test]
    fn whatever_an_agent_prints_makes_a_result_that_is_read(
        text in any::<String>(), detail in any::<String>(), model in any::<String>(), code in any::<u8>(),
    ) {
        let task = (TaskId::parse("3f2504e0-4f89-41d3-9a0c-0305e82c3301").unwrap(), Digest::of(b""));
        let mut answer = Answer::new(party("devbox"), party("gpubox"), task, Status::Error);
        answer.final_text = text;
        answer.class = Some(FailureClass::Agent);
        answer.exit_code = Some(code);
        (answer.detail, answer.reason) = (Some(detail.clone()), Some(detail));
        (answer.model, answer.session) = (Some(model.clone()), Some(model));
        answer.tokens = Some(u64::MAX);
        let file = envelope::seal(&ring(), &answer.context(), now(), &answer.body()).unwrap();
        let read = open(file, Kind::Result).answer(&Rules::at(now())).unwrap();
        prop_assert_eq!(read.final_text, tidy(&answer.final_text, limits::FINAL_TEXT_BYTES_MAX));
        prop_assert_eq!(read.tokens, Some(limits::INTEGER_MAX));
    }

    #[test]
    fn any_other_byte_anywhere_breaks_the_seal(
        task in a_task(), at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3,
    ) {
        let file = envelope::seal(&ring(), &task.context(), now(), &task.body()).unwrap();
        let (at, mut other) = (at.index(file.len()), file.clone());
        match how {
            0 => other[at] = byte,
            1 => other.insert(at, byte),
            _ => drop(other.remove(at)),
        }
        prop_assume!(other != file);
        let opened = Envelope::read(other).verify(&ring(), &place(Kind::Task), now());
        prop_assert!(opened.is_err());
    }

    #[test]
    fn arbitrary_bytes_are_never_verified_and_never_bring_a_reader_down(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        for kind in Kind::ALL {
            let opened = Envelope::read(bytes.clone()).verify(&ring(), &place(*kind), now());
            prop_assert!(opened.is_err());
        }
        prop_assert!(legacy::read(&bytes, &ring(), &place(Kind::Task), now(), &Rules::at(now())).is_err());
        let _ = strict::read(&bytes);
    }

    #[test]
    fn a_sealed_body_of_any_json_never_brings_a_reader_down(
        text in "(\\{|\\}|\\[|\\]|,|:|\"|null|true|-?[0-9]{1,25}|[.eE+]|\\\\u[0-9a-f]{4}|\"[a-z_]{1,9}\"|\\s){0,200}",
    ) {
        let body = format!("{{\n  {text}");
        for kind in Kind::ALL {
            let file = seal::seal(key(Alg::Hs256).secret(), &kid(), &place(*kind), body.as_bytes());
            prop_assert!(open(file, *kind).check(&Rules::at(now())).is_err());
        }
    }

    /// What the strict reader takes, an ordinary reader takes and understands the same: it only narrows.
    #[test]
    fn strict_json_is_json(members in prop::collection::btree_map("[a-z]{1,8}", any_value(), 0..8)) {
        let text = serde_json::to_vec(&members).unwrap();
        let (mut object, _) = strict::read(&text).unwrap();
        for (name, value) in &members {
            if let Some(number) = value.as_u64() {
                prop_assert_eq!(object.maybe_number(name).unwrap(), Some(number));
            } else if let Some(text) = value.as_str() {
                let read = object.maybe_text(name).unwrap();
                prop_assert_eq!(read.as_deref(), Some(text));
            } else if let Some(flag) = value.as_bool() {
                prop_assert_eq!(object.maybe_flag(name).unwrap(), Some(flag));
            } else {
                let read = object.list(name).unwrap();
                prop_assert_eq!(Some(&read), value.as_array());
            }
        }
        prop_assert!(object.finish().is_ok());
    }
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(Into::into)
    })
}
