//! Many signatures of one key: multiples of the key are made once, after which a verification needs half the time.

use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::EdwardsBasepointTable;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable as _;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha512};

/// Multiples of a key's negative, 30 KiB. They take about as long to make as they save in 40 verifications.
pub(super) struct Multiples {
    key: [u8; 32],
    negative: EdwardsBasepointTable,
}

impl Multiples {
    /// `None` for a key of low order, which never verifies anything.
    pub(super) fn of(key: &VerifyingKey) -> Option<Multiples> {
        let negative = EdwardsBasepointTable::create(&-key.to_edwards());
        (!key.is_weak()).then_some(Multiples { key: key.to_bytes(), negative })
    }

    /// Whether the key made the signature over the message, which is given in pieces.
    ///
    /// Accepts exactly what [`VerifyingKey::verify_strict`] accepts. That demands a canonical `S`, an `R` that is the
    /// canonical encoding of `[S]B - [k]A` with `k = SHA-512(R, A, M) mod L`, and neither `R` nor `A` of low order.
    /// The point comes out the same by whatever additions it is computed, also for an `A` with a part of low order,
    /// because `S` and `k` are taken as integers. An `R` that is its canonical encoding decodes to that very point,
    /// so that the point is asked for its order, and `R` need not be decoded.
    pub(super) fn verify(&self, message: &[&[u8]], signature: &[u8; 64]) -> bool {
        let (r, s) = signature.split_at(32);
        let s = s.try_into().ok().and_then(|s| Option::<Scalar>::from(Scalar::from_canonical_bytes(s)));
        let Some(s) = s else { return false };
        let mut hash = Sha512::new().chain_update(r).chain_update(self.key);
        message.iter().for_each(|piece| hash.update(piece));
        let k = Scalar::from_hash(hash);
        let point = ED25519_BASEPOINT_TABLE * &s + &self.negative * &k;
        !point.is_small_order() && point.compress().as_bytes() == r
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::edwards::EdwardsPoint;
    use ed25519_dalek::Signature;

    use super::*;

    fn scalar(n: u64) -> Scalar {
        Scalar::from_hash(Sha512::new().chain_update(n.to_le_bytes()))
    }

    fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
        Scalar::from_hash(Sha512::new().chain_update(r).chain_update(key).chain_update(message))
    }

    struct Both {
        key: VerifyingKey,
        multiples: Option<Multiples>,
    }

    impl Both {
        fn of(key: VerifyingKey) -> Both {
            Both { key, multiples: Multiples::of(&key) }
        }

        /// What both judge.
        fn agree(&self, message: &[u8], signature: &[u8; 64]) -> bool {
            let strict = self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok();
            let by_multiples = |pieces: &[&[u8]]| self.multiples.as_ref().is_some_and(|m| m.verify(pieces, signature));
            let (head, tail) = message.split_at(message.len() / 2);
            let case = (self.key, message, signature);
            assert_eq!(by_multiples(&[message]), strict, "{case:?}");
            assert_eq!(by_multiples(&[head, b"", tail]), strict, "{case:?}");
            strict
        }
    }

    /// Keys and `R` with and without a part of low order, all of low order, and each `S` once more with the order
    /// of the group added: what libraries are known to differ in (Chalkias, Garillot, Nikolaenko, "Taming the many
    /// EdDSAs", 2020).
    #[test]
    fn judges_as_the_strict_verification_does() {
        let order_minus_one = -Scalar::ONE;
        let (mut good, mut bad) = (0, 0);
        for n in 0..24 {
            let (a, nonce, message) = (scalar(n), scalar(n + 1000), n.to_le_bytes());
            for (i, low) in EIGHT_TORSION.iter().enumerate() {
                let other = EIGHT_TORSION[(i + n as usize) % 8];
                for (key, r) in [
                    (ED25519_BASEPOINT_POINT * a + low, ED25519_BASEPOINT_POINT * nonce),
                    (ED25519_BASEPOINT_POINT * a + low, ED25519_BASEPOINT_POINT * nonce + other),
                    (ED25519_BASEPOINT_POINT * a, ED25519_BASEPOINT_POINT * nonce + low),
                    (ED25519_BASEPOINT_POINT * a, *low),
                    (*low, ED25519_BASEPOINT_POINT * nonce + other),
                    (*low, other),
                ] {
                    let both = Both::of(VerifyingKey::from(key));
                    let r = r.compress().to_bytes();
                    let k = challenge(&r, both.key.as_bytes(), &message);
                    for s in [nonce + k * a, k * a, nonce, Scalar::ZERO, order_minus_one] {
                        let signature: [u8; 64] = [r, s.to_bytes()].concat().try_into().unwrap();
                        match both.agree(&message, &signature) {
                            true => good += 1,
                            false => bad += 1,
                        }
                        let beyond: [u8; 64] = [r, plus_order(s.to_bytes())].concat().try_into().unwrap();
                        assert!(!both.agree(&message, &beyond), "S is not canonical");
                    }
                }
            }
        }
        assert!(good > 50 && bad > 1000, "{good} {bad}");
    }

    /// A key in an encoding that is not canonical stands in the challenge as it was given.
    #[test]
    fn odd_encodings_are_judged_the_same() {
        // 2^255 - 19 + y for small y: the encodings that are not canonical, each with either sign.
        for low in 0..19u8 {
            for sign in [0, 0x80] {
                let mut bytes = [0xff; 32];
                (bytes[0], bytes[31]) = (0xed + low, 0x7f | sign);
                let odd = VerifyingKey::from_bytes(&bytes).ok().map(Both::of);
                for n in 0..8 {
                    let (nonce, message) = (scalar(n), n.to_le_bytes());
                    let r = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
                    if let Some(odd) = &odd {
                        let k = challenge(&r, &bytes, &message);
                        odd.agree(&message, &[r, (nonce + k).to_bytes()].concat().try_into().unwrap());
                    }
                    // The same bytes as R, with S such that the equation could hold.
                    let both = Both::of(VerifyingKey::from(EdwardsPoint::mul_base(&nonce)));
                    let k = challenge(&bytes, both.key.as_bytes(), &message);
                    assert!(!both.agree(&message, &[bytes, (k * nonce).to_bytes()].concat().try_into().unwrap()));
                }
            }
        }
    }

    /// Every bit of a good signature, its key and its message.
    #[test]
    fn every_bit_counts() {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let (both, message) = (Both::of(secret.verifying_key()), b"what was signed".to_vec());
        let good = ed25519_dalek::Signer::sign(&secret, &message).to_bytes();
        assert!(both.agree(&message, &good));
        let flipped = |bytes: &[u8], bit: usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        for bit in 0..512 {
            assert!(!both.agree(&message, &flipped(&good, bit).try_into().unwrap()), "bit {bit} of the signature");
        }
        for bit in 0..message.len() * 8 {
            assert!(!both.agree(&flipped(&message, bit), &good), "bit {bit} of the message");
        }
        for bit in 0..256 {
            let bytes: [u8; 32] = flipped(both.key.as_bytes(), bit).try_into().unwrap();
            if let Ok(other) = VerifyingKey::from_bytes(&bytes) {
                assert!(!Both::of(other).agree(&message, &good), "bit {bit} of the key");
            }
        }
    }

    /// The 32 bytes of `S + L`, little-endian.
    fn plus_order(s: [u8; 32]) -> [u8; 32] {
        let last = (-Scalar::ONE).to_bytes();
        let mut carry = 1u16;
        std::array::from_fn(|i| {
            carry += u16::from(s[i]) + u16::from(last[i]);
            let byte = carry as u8;
            carry >>= 8;
            byte
        })
    }
}
