//! Ed25519 (RFC 8032) for seals, in its strictest reading.
//!
//! Libraries differ in what they take: small orders, second encodings of a point, scalars beyond the group order. Each
//! of these gives one document two valid files, or one file two signers. So a public half is looked at when it is read
//! ([`is_fit`]), and a signature is checked without cofactor, by recomputing R and comparing its bytes, which leaves
//! one encoding of one signature. Nothing here reads or writes a file.

use ed25519_dalek::Signature;
use ed25519_dalek::Signer as _;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;

/// Returns the public half of a seed.
#[must_use]
pub fn public_of(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Returns whether 32 bytes are a public half that an honest signer can have: the one encoding of a point of the
/// prime-order group other than its neutral element.
///
/// # Source
/// RFC 8032 section 5.1.3 (decoding); small and mixed orders: RFC 7748 section 6.1 and RFC 8032 section 8.9.
#[must_use]
pub fn is_fit(public: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(public).is_ok_and(|key| {
        let point = key.to_edwards();
        !key.is_weak() && point.is_torsion_free() && point.compress().to_bytes() == *public
    })
}

/// Signs a message. The signature is the same for the same message.
pub(super) fn make(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    SigningKey::from_bytes(seed).sign(message).to_bytes()
}

/// Returns whether a signature holds.
pub(super) fn holds(public: &[u8; 32], message: &[u8], tag: &[u8; 64]) -> bool {
    let key = VerifyingKey::from_bytes(public);
    key.is_ok_and(|key| {
        key.verify_strict(message, &Signature::from_bytes(tag))
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        let mut out = [0; N];
        hex::decode_to_slice(text, &mut out).unwrap();
        out
    }

    /// RFC 8032 section 7.1, tests 1 and 2.
    #[test]
    fn signatures_are_those_of_the_rfc() {
        for (seed, public, message, tag) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
                 5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let (seed, public) = (bytes(seed), bytes(public));
            let (message, tag) = (hex::decode(message).unwrap(), bytes(tag));
            assert_eq!(public_of(&seed), public);
            assert!(is_fit(&public));
            assert_eq!(make(&seed, &message), tag);
            assert!(holds(&public, &message, &tag));
            assert!(!holds(&public, b"other", &tag));
        }
    }

    /// The eight points of small order, and encodings that stand for a point which has another one.
    #[test]
    fn points_that_no_honest_signer_has_are_no_public_halves() {
        for unfit in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            // y = p, p + 1: the neutral element and its neighbour, written otherwise.
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            // y = p + 3, which reads as 3: a point of full order with a second encoding, if it is one at all.
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            assert!(!is_fit(&bytes(unfit)), "{unfit}");
            // Of the neutral element every message would be signed by R = A and S = 0.
            let tag: [u8; 64] = bytes(&format!("{unfit}{}", "00".repeat(32)));
            assert!(!holds(&bytes(unfit), b"anything", &tag), "{unfit}");
        }
    }
}
