//! The suite of signed documents (`tests/vectors/ed25519.json`), which `scripts/sign-vectors` makes and checks without
//! any code of this program.

use super::*;
use dispatch::envelope::Error;
use dispatch::key::BadKey;
use dispatch::key::Use;

fn suite() -> Value {
    serde_json::from_str(include_str!("../../vectors/ed25519.json")).unwrap()
}

fn half<'a>(case: &'a Value, name: &str) -> &'a str {
    text(case, name)
}

/// The text form of a key of the suite, with its seed or without.
fn form(case: &Value, public: &str, with_seed: bool) -> String {
    let uses: &[&str] = if with_seed {
        &["sign", "verify"]
    } else {
        &["verify"]
    };
    let mut form = serde_json::json!({
        "schema": 1, "kid": case["kid"], "alg": "ed25519", "peers": [case["reader"], case["signer"]],
        "signer": case["signer"], "public": public, "created": "2026-01-01T00:00:00Z", "use": uses,
    });
    if with_seed {
        form["secret"] = case["seed_hex"].clone();
    }
    form.to_string()
}

fn keys(with_seed: bool) -> Vec<Key> {
    let suite = suite();
    let each = suite["keys"].as_array().unwrap().iter().map(|case| {
        let text = form(case, half(case, "public_hex"), with_seed);
        let key = Key::parse(text.as_bytes()).unwrap();
        assert_eq!(key.fingerprint(), half(case, "fingerprint"));
        assert_eq!(Key::parse(key.text().as_bytes()).as_ref(), Ok(&key));
        key
    });
    each.collect()
}

/// What a host holds that only checks, beside the shared secrets.
fn halves() -> Keyring {
    let mut all = keys(false);
    all.extend(ring().keys().iter().cloned());
    Keyring::of(all)
}

fn judge_signed(file: &[u8], context: &Context) -> Result<bool, Refusal> {
    let opened = Envelope::read(file.to_vec()).verify(&halves(), context, now())?;
    opened.check(&Rules::at(now()))?;
    Ok(opened.is_signed())
}

#[test]
fn every_signed_document_is_accepted_by_the_public_half_and_made_by_the_seed_alone() {
    for case in suite()["ok"].as_array().unwrap() {
        let (file, context) = (bytes_of(case), context_of(case));
        assert_eq!(judge_signed(&file, &context), Ok(true), "{}", context.kind);
        let frame = seal::Frame::cut(&file).unwrap();
        let seeds = Keyring::of(keys(true));
        let again = envelope::seal(&seeds, &context, now(), frame.body).unwrap();
        assert_eq!(again, file, "{}", context.kind);
        let publics = Keyring::of(keys(false));
        let none = envelope::seal(&publics, &context, now(), frame.body);
        assert!(matches!(none, Err(Error::NoKey(_))));
    }
}

#[test]
fn every_defect_of_a_signature_is_refused_with_its_code() {
    for case in suite()["bad"].as_array().unwrap() {
        let found = code(judge_signed(&bytes_of(case), &context_of(case)).map(drop));
        assert_eq!(found, text(case, "expect"), "{}", text(case, "name"));
    }
}

#[test]
fn every_flipped_bit_of_a_signed_task_is_refused() {
    let suite = suite();
    let case = &suite["ok"][1];
    let (file, context) = (bytes_of(case), context_of(case));
    let tail = file.len() - 160;
    // Every bit of the seal, and every 29th before it: a signature costs more to check than a code.
    let bits = (0..tail * 8).step_by(29).chain(tail * 8..file.len() * 8);
    for bit in bits {
        let mut other = file.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let found = code(judge_signed(&other, &context).map(drop));
        assert!(
            ["E_MAC", "E_FRAME", "E_KID"].contains(&found),
            "bit {bit}: {found}"
        );
    }
}

#[test]
fn halves_that_do_not_fit_are_no_key() {
    let suite = suite();
    let case = &suite["keys"][1];
    for unfit in suite["unfit"].as_array().unwrap() {
        let read = Key::parse(form(case, half(unfit, "public_hex"), false).as_bytes());
        assert_eq!(read, Err(BadKey::Point), "{}", text(unfit, "name"));
    }
    let other = half(&suite["keys"][0], "public_hex");
    assert_eq!(
        Key::parse(form(case, other, true).as_bytes()),
        Err(BadKey::Halves)
    );
    let good = form(case, half(case, "public_hex"), true);
    for (change, with) in [
        ("\"signer\":\"devbox\",", ""),
        ("\"signer\":\"devbox\"", "\"signer\":\"laptop\""),
        ("\"alg\":\"ed25519\"", "\"alg\":\"hs256\""),
        ("\"secret\":\"6061", "\"secret\":\"60"),
    ] {
        let text = good.replacen(change, with, 1);
        assert_ne!(text, good, "{change}");
        assert!(Key::parse(text.as_bytes()).is_err(), "{change}");
    }
    let public = form(case, half(case, "public_hex"), false);
    let signing = public.replacen("[\"verify\"]", "[\"sign\"]", 1);
    assert!(
        Key::parse(signing.as_bytes()).is_err(),
        "a public half signs nothing"
    );
    assert!(Key::parse(public.replacen("ed25519", "hs256", 1).as_bytes()).is_err());
}

/// A shared secret that is changed later does not take the place of a key that signs, and one that ends does.
#[test]
fn a_key_that_signs_comes_before_a_shared_secret() {
    let mut all = keys(true);
    let mut shared = key("k2026a", "devbox", "gpubox");
    shared.created = now();
    all.push(shared);
    let place = place("devbox", "gpubox", "task");
    let signing = |keys: &[Key]| {
        let ring = Keyring::of(keys.to_vec());
        ring.signing(&place, now()).map(|key| key.alg)
    };
    assert_eq!(signing(&all), Some(Alg::Ed25519));
    for key in all.iter_mut().filter(|key| key.alg == Alg::Ed25519) {
        key.uses = vec![Use::Verify];
    }
    assert_eq!(signing(&all), Some(Alg::Hs256), "until it is let sign");
}
