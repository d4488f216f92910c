//! The published test vectors of the envelope (`tests/vectors/`, `docs/ENVELOPE.md`), and every listed condition that
//! is not among them, made here with the expected code.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use base64::Engine as _;
use dispatch::clock::Timestamp;
use dispatch::document::Ack;
use dispatch::document::Context;
use dispatch::document::Kind;
use dispatch::document::Rules;
use dispatch::document::Task;
use dispatch::envelope;
use dispatch::envelope::Envelope;
use dispatch::envelope::Refusal;
use dispatch::id::Digest;
use dispatch::id::KeyId;
use dispatch::id::Party;
use dispatch::key::Alg;
use dispatch::key::Key;
use dispatch::keyring::Keyring;
use dispatch::limits;
use dispatch::reason::Reason;
use dispatch::seal;
use serde_json::Value;

mod made;
mod signed;

fn suite() -> Value {
    serde_json::from_str(include_str!("../vectors/v3.json")).unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T06:10:00Z").unwrap()
}

fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

fn place(from: &str, to: &str, kind: &str) -> Context {
    Context {
        from: party(from),
        to: party(to),
        kind: Kind::from_word(kind).unwrap(),
    }
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap()
}

fn context_of(case: &Value) -> Context {
    place(text(case, "from"), text(case, "to"), text(case, "kind"))
}

fn bytes_of(case: &Value) -> Vec<u8> {
    base64::prelude::BASE64_STANDARD
        .decode(text(case, "file_b64"))
        .unwrap()
}

fn secret(kid: &str) -> Vec<u8> {
    hex::decode(text(&suite()["secret_hex"], kid)).unwrap()
}

fn key(kid: &str, one: &str, other: &str) -> Key {
    let peers = [party(one), party(other)];
    let (id, made) = (KeyId::parse(kid).unwrap(), Timestamp::from_unix(0));
    Key::new(id, Alg::Hs256, peers, made, secret(kid)).unwrap()
}

/// The suite seals everything with one secret: it is put on the ring for each pair of parties.
pub fn ring() -> Keyring {
    Keyring::of(vec![
        key("k2026a", "devbox", "gpubox"),
        key("k2026b", "devbox", "gpubox"),
        key("k2026a", "approver.alice", "gpubox"),
    ])
}

/// The same without the second key, for sealing: the newest key would be taken.
fn signing_ring() -> Keyring {
    Keyring::of(vec![
        key("k2026a", "devbox", "gpubox"),
        key("k2026a", "approver.alice", "gpubox"),
    ])
}

/// The rules that the suite is for.
fn rules() -> Rules {
    Rules {
        hop_max: 1,
        ..Rules::at(now())
    }
}

fn judge(file: &[u8], context: &Context) -> Result<(), Refusal> {
    Envelope::read(file.to_vec())
        .verify(&ring(), context, now())?
        .check(&rules())
}

fn code(result: Result<(), Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.reason.as_str(), |()| "ok")
}

/// Every task that is not one: its name, the code it is refused with, and its bytes.
pub fn corpus() -> Vec<(String, String, Vec<u8>)> {
    let suite = suite();
    let bad = suite["bad"].as_array().unwrap().iter();
    let published = bad.filter(|case| text(case, "kind") == "task").map(|case| {
        let (name, code) = (text(case, "name"), text(case, "expect"));
        (name.to_owned(), code.to_owned(), bytes_of(case))
    });
    published.chain(made::defects()).collect()
}

#[test]
fn every_valid_document_is_accepted_and_is_what_the_suite_says() {
    for case in suite()["ok"].as_array().unwrap() {
        let (file, context) = (bytes_of(case), context_of(case));
        assert_eq!(judge(&file, &context), Ok(()), "{}", context.kind);
        assert_eq!(Digest::of(&file).to_string(), text(case, "sha256"));
        let kid = KeyId::parse(text(case, "kid")).unwrap();
        let key = seal::derive(&secret(kid.as_str()), &kid, &context);
        assert_eq!(hex::encode(key.as_slice()), text(case, "key_hex"));
        let single = format!(
            "{}/tests/vectors/{}.json",
            env!("CARGO_MANIFEST_DIR"),
            context.kind
        );
        assert_eq!(std::fs::read(single).unwrap(), file);
    }
}

#[test]
fn every_invalid_document_is_refused_with_its_code() {
    for case in suite()["bad"].as_array().unwrap() {
        let found = code(judge(&bytes_of(case), &context_of(case)));
        assert_eq!(found, text(case, "expect"), "{}", text(case, "name"));
    }
}

#[test]
fn reading_a_document_and_sealing_it_again_gives_the_same_bytes() {
    let (ring, rules) = (signing_ring(), Rules::at(now()));
    for case in suite()["ok"].as_array().unwrap() {
        let (file, context) = (bytes_of(case), context_of(case));
        let sealed = Envelope::read(file.clone());
        let sealed = sealed.verify(&ring, &context, now()).unwrap();
        let (body, place) = match context.kind {
            Kind::Task => sealed.task(&rules).map(|it| (it.body(), it.context())),
            Kind::Ack => sealed.ack(&rules).map(|it| (it.body(), it.context())),
            Kind::Result => sealed.answer(&rules).map(|it| (it.body(), it.context())),
            Kind::Heartbeat => sealed.heartbeat(&rules).map(|it| (it.body(), it.context())),
            Kind::Cancel => sealed.cancel(&rules).map(|it| (it.body(), it.context())),
            Kind::Receipt => sealed.receipt(&rules).map(|it| (it.body(), it.context())),
            Kind::Lease => sealed.lease(&rules).map(|it| (it.body(), it.context())),
            Kind::Grant => sealed.grant(&rules).map(|it| (it.body(), it.context())),
            Kind::Release => sealed.release(&rules).map(|it| (it.body(), it.context())),
            other => panic!("{other}"),
        }
        .unwrap();
        assert_eq!(place, context);
        let again = envelope::seal(&ring, &context, now(), &body).unwrap();
        assert_eq!(String::from_utf8(again), String::from_utf8(file));
    }
}

#[test]
fn every_flipped_bit_of_a_task_is_refused() {
    let case = &suite()["ok"][0];
    let (file, context) = (bytes_of(case), context_of(case));
    for bit in 0..file.len() * 8 {
        let mut other = file.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let found = code(judge(&other, &context));
        assert!(
            ["E_MAC", "E_FRAME", "E_KID"].contains(&found),
            "bit {bit}: {found}"
        );
    }
}

#[test]
fn pae_of_different_lists_is_different() {
    let suite = suite();
    for case in suite["pae"].as_array().unwrap() {
        let parts: Vec<Vec<u8>> = case["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| {
                base64::prelude::BASE64_STANDARD
                    .decode(part.as_str().unwrap())
                    .unwrap()
            })
            .collect();
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        assert_eq!(seal::pae(&slices), text(case, "out").as_bytes());
    }
}

/// RFC 5869 A.1 and RFC 4231 case 1: the libraries compute what their RFCs say.
#[test]
fn the_primitives_give_the_answers_of_their_rfcs() {
    use hmac::KeyInit as _;
    use hmac::Mac as _;
    let salt = hex::decode("000102030405060708090a0b0c").unwrap();
    let info = hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap();
    let mut okm = [0; 42];
    hkdf::Hkdf::<sha2::Sha256>::new(Some(&salt), &[0x0b; 22])
        .expand(&info, &mut okm)
        .unwrap();
    assert_eq!(hex::encode(okm), text(&suite(), "hkdf_rfc5869_a1"));
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&[0x0b; 20]).unwrap();
    mac.update(b"Hi There");
    let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
    assert_eq!(hex::encode(mac.finalize().into_bytes()), expected);
}

/// The specification names everything the code writes or says. It is the text another implementation is made from.
#[test]
fn the_specification_is_complete() {
    let spec = include_str!("../../docs/ENVELOPE.md");
    let named = |word: &str| spec.contains(&format!("`{word}`"));
    for reason in Reason::ALL {
        assert!(named(reason.as_str()), "{reason}");
    }
    for kind in Kind::ALL {
        assert!(named(kind.as_str()), "{kind}");
    }
    for class in dispatch::outcome::FailureClass::ALL {
        assert!(spec.contains(class.as_str()), "{class}");
    }
    for status in dispatch::outcome::Status::ALL {
        assert!(spec.contains(status.as_str()), "{status}");
    }
    for case in suite()["ok"].as_array().unwrap() {
        let document: Value = serde_json::from_slice(&bytes_of(case)).unwrap();
        for name in document.as_object().unwrap().keys() {
            assert!(named(name), "{name}");
        }
    }
    let example = String::from_utf8(bytes_of(&suite()["ok"][0])).unwrap();
    assert!(spec.contains(&example), "the example is the published task");
}
