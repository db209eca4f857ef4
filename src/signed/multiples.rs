//! Many signatures of one key: multiples of the key are made once, after which a verification needs a quarter of the
//! time.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::edwards::{EdwardsBasepointTable, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{BasepointTable as _, Identity as _};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha512};

/// How many keys of a process get the wide table.
const WIDE: u32 = 32;
/// Points that are encoded together. They share one inversion, which is a fifth of a verification.
pub(super) const TOGETHER: usize = 32;

/// Multiples of a key's negative. They take about as long to make as they save in 40 verifications.
pub(super) struct Multiples {
    key: [u8; 32],
    negative: Table,
    _place: Option<Place>,
}

/// One of the places for a wide table, until it is dropped.
struct Place;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Multiples of a point.
enum Table {
    /// 640 KiB, half the additions.
    Wide(Bytewise),
    /// 30 KiB, for the keys beyond the first.
    Narrow(Box<EdwardsBasepointTable>),
}

/// `n * 256^place * P` for `n` from 1 to 128 and each of the 32 places of a scalar.
struct Bytewise(Vec<EdwardsPoint>);

static OF_GENERATOR: LazyLock<Bytewise> = LazyLock::new(|| Bytewise::of(&ED25519_BASEPOINT_POINT));

/// The encodings of the points of low order.
static LOW_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));

impl Multiples {
    /// `None` for a key of low order, which never verifies anything.
    pub(super) fn of(key: &VerifyingKey) -> Option<Multiples> {
        (!key.is_weak()).then(|| Multiples::with(key, Place::take()))
    }

    fn with(key: &VerifyingKey, place: Option<Place>) -> Multiples {
        let point = -key.to_edwards();
        let negative = match place {
            Some(_) => Table::Wide(Bytewise::of(&point)),
            None => Table::Narrow(Box::new(EdwardsBasepointTable::create(&point))),
        };
        Multiples { key: key.to_bytes(), negative, _place: place }
    }

    /// Whether the key made the signature over the message, which is given in pieces.
    ///
    /// Accepts exactly what [`VerifyingKey::verify_strict`] accepts. That demands a canonical `S`, an `R` that is the
    /// canonical encoding of `[S]B - [k]A` with `k = SHA-512(R, A, M) mod L`, and neither `R` nor `A` of low order.
    /// The point comes out the same by whatever additions it is computed, also for an `A` with a part of low order,
    /// because `S` and `k` are taken as integers. An `R` that is its canonical encoding decodes to that very point,
    /// so that `R` is held against the canonical encodings of the points of low order, and need not be decoded.
    pub(super) fn verify(&self, message: &[&[u8]], signature: &[u8; 64]) -> bool {
        self.point(message, signature).is_some_and(|point| is_r(point.compress().as_bytes(), signature))
    }

    /// `[S]B - [k]A`, whose encoding `R` must be; `None` for an `S` that is not canonical.
    pub(super) fn point(&self, message: &[&[u8]], signature: &[u8; 64]) -> Option<EdwardsPoint> {
        let (r, s) = signature.split_at(32);
        let s = s.try_into().ok().and_then(|s| Option::<Scalar>::from(Scalar::from_canonical_bytes(s)))?;
        let mut hash = Sha512::new().chain_update(r).chain_update(self.key);
        message.iter().for_each(|piece| hash.update(piece));
        let k = Scalar::from_hash(hash);
        Some(match &self.negative {
            Table::Wide(negative) => negative.add(&k, OF_GENERATOR.add(&s, EdwardsPoint::identity())),
            Table::Narrow(negative) => ED25519_BASEPOINT_TABLE * &s + &**negative * &k,
        })
    }
}

impl Place {
    fn take() -> Option<Place> {
        let place = Place;
        (TAKEN.fetch_add(1, Ordering::Relaxed) < WIDE).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which of the points are the `R` of their signatures, encoded together.
pub(super) fn are_r(points: &[(EdwardsPoint, &[u8; 64])]) -> Vec<bool> {
    let mut found = Vec::with_capacity(points.len());
    for some in points.chunks(TOGETHER) {
        let mut padded = [EdwardsPoint::identity(); TOGETHER];
        padded.iter_mut().zip(some).for_each(|(place, (point, _))| *place = *point);
        let encoded = EdwardsPoint::compress_batch(&padded);
        found.extend(some.iter().zip(encoded).map(|((_, signature), r)| is_r(r.as_bytes(), signature)));
    }
    found
}

/// Whether a signature begins with this encoding, and it is none of a point of low order.
fn is_r(encoded: &[u8; 32], signature: &[u8; 64]) -> bool {
    signature.starts_with(encoded) && !LOW_ORDER.contains(encoded)
}

impl Bytewise {
    const ROW: usize = 128;

    fn of(point: &EdwardsPoint) -> Bytewise {
        let mut table = Vec::with_capacity(32 * Bytewise::ROW);
        let mut unit = *point;
        for _ in 0..32 {
            let mut multiple = unit;
            for _ in 1..Bytewise::ROW {
                table.push(multiple);
                multiple += unit;
            }
            table.push(multiple);
            unit = multiple + multiple;
        }
        Bytewise(table)
    }

    /// `sum + scalar * P`. In variable time: nothing here is secret.
    fn add(&self, scalar: &Scalar, mut sum: EdwardsPoint) -> EdwardsPoint {
        for (row, digit) in self.0.chunks_exact(Bytewise::ROW).zip(digits(scalar)) {
            match digit {
                0 => {}
                1.. => sum += &row[digit.unsigned_abs() as usize - 1],
                _ => sum -= &row[digit.unsigned_abs() as usize - 1],
            }
        }
        sum
    }
}

/// The digits of a canonical scalar to base 256, from -127 to 128. The last one takes no carry on, because a scalar
/// is below 2^253.
fn digits(scalar: &Scalar) -> [i16; 32] {
    let mut carry = 0;
    scalar.to_bytes().map(|byte| {
        let digit = i16::from(byte) + carry;
        carry = i16::from(digit > 128);
        digit - 256 * carry
    })
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signature;

    use super::*;

    fn scalar(n: u64) -> Scalar {
        Scalar::from_hash(Sha512::new().chain_update(n.to_le_bytes()))
    }

    fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
        Scalar::from_hash(Sha512::new().chain_update(r).chain_update(key).chain_update(message))
    }

    impl Place {
        /// Whoever else has one.
        fn alone() -> Place {
            TAKEN.fetch_add(1, Ordering::Relaxed);
            Place
        }
    }

    /// The library and both of our tables.
    struct Both {
        key: VerifyingKey,
        multiples: Option<[Multiples; 2]>,
    }

    impl Both {
        fn of(key: VerifyingKey) -> Both {
            assert!(!key.is_weak() || Multiples::of(&key).is_none());
            let places = || [Some(Place::alone()), None];
            let multiples = (!key.is_weak()).then(|| places().map(|place| Multiples::with(&key, place)));
            Both { key, multiples }
        }

        /// What both judge.
        fn agree(&self, message: &[u8], signature: &[u8; 64]) -> bool {
            let strict = self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok();
            let (head, tail) = message.split_at(message.len() / 2);
            let case = (self.key, message, signature);
            assert!(self.multiples.is_some() || !strict, "{case:?}");
            for multiples in self.multiples.iter().flatten() {
                assert_eq!(multiples.verify(&[message], signature), strict, "{case:?}");
                assert_eq!(multiples.verify(&[head, b"", tail], signature), strict, "{case:?}");
                let point = multiples.point(&[message], signature);
                let together = point.is_some_and(|point| are_r(&[(point, signature)]) == [true]);
                assert_eq!(together, strict, "{case:?}");
            }
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
        for n in 0..12 {
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
        assert!(good > 25 && bad > 1000, "{good} {bad}");
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

    /// Zero, the smallest and largest digits, carries from end to end, and the largest scalar.
    #[test]
    fn digits_make_up_the_scalar() {
        let edge = |byte: u8| {
            let mut bytes = [byte; 32];
            bytes[31] = 0x0f;
            Scalar::from_canonical_bytes(bytes).unwrap()
        };
        let more = [0, 1, 0x7f, 0x80, 0x81, 0xfe, 0xff].map(edge);
        let odd = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE].into_iter().chain(more).chain((0..50).map(scalar));
        let point = ED25519_BASEPOINT_POINT * scalar(7);
        let table = Bytewise::of(&point);
        for scalar in odd {
            let value = digits(&scalar).into_iter().rev().fold(Scalar::ZERO, |sum, digit| {
                let digit = if digit < 0 { -Scalar::from(digit.unsigned_abs()) } else { Scalar::from(digit as u16) };
                sum * Scalar::from(256u16) + digit
            });
            assert!(digits(&scalar).iter().all(|digit| (-127..=128).contains(digit)) && value == scalar);
            assert_eq!(table.add(&scalar, EIGHT_TORSION[3]), EIGHT_TORSION[3] + point * scalar);
        }
    }

    /// More than are encoded at a time, good and bad ones next to each other.
    #[test]
    fn each_of_many_points_is_judged_by_itself() {
        let signatures: Vec<[u8; 64]> = (0..TOGETHER as u64 * 2 + 5)
            .map(|n| {
                let r = (ED25519_BASEPOINT_POINT * scalar(n + u64::from(n.is_multiple_of(3)))).compress().to_bytes();
                [r, [0; 32]].concat().try_into().unwrap()
            })
            .collect();
        let points: Vec<_> = (0..).map(|n| ED25519_BASEPOINT_POINT * scalar(n)).zip(&signatures).collect();
        assert_eq!(are_r(&points), (0..points.len()).map(|n| !n.is_multiple_of(3)).collect::<Vec<_>>());
        assert!(are_r(&[]).is_empty());
        let low = EIGHT_TORSION.map(|point| [point.compress().to_bytes(), [0; 32]].concat().try_into().unwrap());
        let low: Vec<_> = EIGHT_TORSION.into_iter().zip(&low).collect();
        assert_eq!(are_r(&low), [false; 8]);
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
