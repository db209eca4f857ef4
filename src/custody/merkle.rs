//! The Merkle tree of RFC 6962 section 2.1 over SHA-256, its proofs and their verification
//! (RFC 9162 sections 2.1.3 and 2.1.4).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::units::hex;

/// A SHA-256 value; lower-case hex in text and JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

/// Text that is not 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 lower-case hex digits")]
pub struct HashError;

/// A proof that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index is not inside the tree, the sizes are in the wrong order, or a size is 0.
    #[error("no such proof can exist for these sizes")]
    Sizes,
    /// Too few or too many hashes for these sizes.
    #[error("the proof has {found} hashes, but {expected} are needed for these sizes")]
    Length {
        /// How many it has.
        found: usize,
        /// How many belong there.
        expected: usize,
    },
    /// It computes to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Hash of a leaf: SHA-256(0x00 || data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
}

pub(super) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root over these leaf hashes; over none, SHA-256 of nothing.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The hashes that prove leaf `index` in the tree over `leaves`, from the leaf up.
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Result<Vec<Hash>, ProofError> {
    if index >= leaves.len() {
        return Err(ProofError::Sizes);
    }
    let (mut low, mut high) = (0, leaves.len());
    let mut from_the_top = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            from_the_top.push(root(&leaves[middle..high]));
            high = middle;
        } else {
            from_the_top.push(root(&leaves[low..middle]));
            low = middle;
        }
    }
    from_the_top.reverse();
    Ok(from_the_top)
}

/// The hashes that prove that the tree over the first `size1` leaves is a prefix of this one.
pub fn consistency_proof(leaves: &[Hash], size1: usize) -> Result<Vec<Hash>, ProofError> {
    if size1 == 0 || size1 > leaves.len() {
        return Err(ProofError::Sizes);
    }
    let (mut low, mut high) = (0, leaves.len());
    let mut from_the_top = Vec::new();
    while size1 != high {
        let middle = low + split(high - low);
        if size1 <= middle {
            from_the_top.push(root(&leaves[middle..high]));
            high = middle;
        } else {
            from_the_top.push(root(&leaves[low..middle]));
            low = middle;
        }
    }
    if low > 0 {
        from_the_top.push(root(&leaves[low..high]));
    }
    from_the_top.reverse();
    Ok(from_the_top)
}

/// Checks that the leaf with this hash stands at `index` in the tree of `size` leaves.
pub fn verify_inclusion(index: u64, size: u64, leaf: Hash, proof: &[Hash], root: Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Sizes);
    }
    // The path goes up together with the right border for `inner` levels, then along that border.
    let inner = bits(index ^ (size - 1));
    let border = (index.checked_shr(inner).unwrap_or(0)).count_ones();
    expect_length(proof, (inner + border) as usize)?;
    let (along, over) = proof.split_at(inner as usize);
    let inside = along.iter().zip(0u32..).fold(leaf, |hash, (sibling, level)| match (index >> level) & 1 {
        0 => node_hash(&hash, sibling),
        _ => node_hash(sibling, &hash),
    });
    let computed = over.iter().fold(inside, |hash, left| node_hash(left, &hash));
    if computed == root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `size1` leaves is a prefix of the tree of `size2`. A proof from the
/// empty tree says nothing and is refused.
pub fn verify_consistency(size1: u64, size2: u64, proof: &[Hash], root1: Hash, root2: Hash) -> Result<(), ProofError> {
    if size1 == 0 || size1 > size2 {
        return Err(ProofError::Sizes);
    }
    if size1 == size2 {
        expect_length(proof, 0)?;
        return if root1 == root2 { Ok(()) } else { Err(ProofError::Root) };
    }
    let last = size1 - 1;
    let shift = size1.trailing_zeros();
    let inner = bits(last ^ (size2 - 1)).saturating_sub(shift);
    let border = (last.checked_shr(inner + shift).unwrap_or(0)).count_ones();
    // A whole subtree as first tree is its own seed; otherwise the proof begins with one.
    let given = usize::from(!size1.is_power_of_two());
    expect_length(proof, given + (inner + border) as usize)?;
    let (seed, path) = match given {
        0 => (root1, proof),
        _ => (proof[0], &proof[1..]),
    };
    let (along, over) = path.split_at(inner as usize);
    let mask = last >> shift;
    let is_right = |level: u32| (mask >> level) & 1 == 1;
    let inside1 =
        along.iter().zip(0u32..).filter(|(_, level)| is_right(*level)).fold(seed, |h, (s, _)| node_hash(s, &h));
    let inside2 = along.iter().zip(0u32..).fold(seed, |h, (s, level)| match is_right(level) {
        true => node_hash(s, &h),
        false => node_hash(&h, s),
    });
    let up = |from: Hash| over.iter().fold(from, |hash, left| node_hash(left, &hash));
    if up(inside1) == root1 && up(inside2) == root2 { Ok(()) } else { Err(ProofError::Root) }
}

/// The right border of a growing tree: enough to append and to compute the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first; one for each 1 bit of `size`.
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// From its parts; `None` when they do not fit each other.
    pub fn from_parts(size: u64, subtrees: Vec<Hash>) -> Option<Frontier> {
        (subtrees.len() == size.count_ones() as usize).then_some(Frontier { size, subtrees })
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.subtrees.iter().rev();
        match from_the_right.next() {
            None => Hash(Sha256::digest([]).into()),
            Some(last) => from_the_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the complete subtrees, largest first.
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }
}

/// The largest power of two below `n`, for `n > 1`.
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

fn bits(n: u64) -> u32 {
    u64::BITS - n.leading_zeros()
}

fn expect_length(proof: &[Hash], expected: usize) -> Result<(), ProofError> {
    match proof.len() {
        found if found == expected => Ok(()),
        found => Err(ProofError::Length { found, expected }),
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Hash, HashError> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(HashError),
        };
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| HashError)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Hash(hash))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Hash, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    /// The definition of RFC 6962 section 2.1, word for word.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash(Sha256::digest([]).into()),
            [one] => *one,
            many => {
                let k = split(many.len());
                node_hash(&root_by_definition(&many[..k]), &root_by_definition(&many[k..]))
            }
        }
    }

    #[test]
    fn every_proof_in_every_small_tree_verifies_and_no_other_does() {
        for n in 1..=40usize {
            let leaves = leaves(n);
            let root_n = root(&leaves);
            assert_eq!(root_n, root_by_definition(&leaves));
            for i in 0..n {
                let proof = inclusion_proof(&leaves, i).unwrap();
                let verify = |index, size, leaf, proof: &[Hash]| verify_inclusion(index, size, leaf, proof, root_n);
                verify(i as u64, n as u64, leaves[i], &proof).unwrap();
                for other in (0..n).filter(|o| *o != i) {
                    assert!(verify(other as u64, n as u64, leaves[i], &proof).is_err());
                }
                assert!(verify(i as u64, n as u64, leaf_hash(b"other"), &proof).is_err());
                let longer = [proof.as_slice(), &[root_n]].concat();
                assert!(verify(i as u64, n as u64, leaves[i], &longer).is_err());
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(verify(i as u64, n as u64, leaves[i], shorter).is_err());
                }
            }
            for m in 1..=n {
                let proof = consistency_proof(&leaves, m).unwrap();
                let root_m = root(&leaves[..m]);
                verify_consistency(m as u64, n as u64, &proof, root_m, root_n).unwrap();
                assert!(verify_consistency(m as u64, n as u64, &proof, leaf_hash(b"x"), root_n).is_err());
                assert!(verify_consistency(m as u64, n as u64, &proof, root_m, leaf_hash(b"x")).is_err());
                let longer = [proof.as_slice(), &[root_n]].concat();
                assert!(verify_consistency(m as u64, n as u64, &longer, root_m, root_n).is_err());
            }
        }
    }

    #[test]
    fn absurd_sizes_are_errors_not_panics() {
        let x = leaf_hash(b"x");
        for (a, b) in [(0, 0), (1, 0), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
            assert!(verify_inclusion(a, b, x, &[x; 3], x).is_err());
        }
        for (a, b) in
            [(0, 0), (0, 5), (5, 1), (u64::MAX, 1), (1, u64::MAX), (1 << 63, u64::MAX), (u64::MAX - 1, u64::MAX)]
        {
            assert!(verify_consistency(a, b, &[x; 3], x, x).is_err(), "{a} {b}");
        }
        assert!(verify_inclusion(u64::MAX - 1, u64::MAX, x, &[x; 200], x).is_err());
        assert!(inclusion_proof(&[], 0).is_err() && consistency_proof(&[], 0).is_err());
    }

    #[test]
    fn hashes_have_one_spelling() {
        let hash = leaf_hash(b"x");
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        assert!(hash.to_string().to_uppercase().parse::<Hash>().is_err());
        assert!("00".parse::<Hash>().is_err());
    }
}
