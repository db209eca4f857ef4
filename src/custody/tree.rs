//! All levels of a Merkle tree at once: any number of proofs, each in logarithmic time.

use super::merkle::{Hash, ProofError, node_hash, root};

/// A tree over some leaves, and over any first part of them.
#[derive(Clone, Debug)]
pub struct Tree {
    /// `levels[k][i]` covers the leaves from `i << k` to `(i + 1) << k`.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Takes the leaf hashes in order.
    pub fn new(leaves: Vec<Hash>) -> Tree {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        Tree { levels }
    }

    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// The hash of a leaf.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.levels[0].get(usize::try_from(index).ok()?).copied()
    }

    /// The root over the first `size` leaves; `None` when there are fewer.
    pub fn root(&self, size: u64) -> Option<Hash> {
        let size = self.within(size)?;
        Some(if size == 0 { root(&[]) } else { self.over(0, size) })
    }

    /// The hashes that prove leaf `index` in the tree over the first `size` leaves.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, ProofError> {
        let (Some(mut high), Ok(index)) = (self.within(size), usize::try_from(index)) else {
            return Err(ProofError::Sizes);
        };
        if index >= high {
            return Err(ProofError::Sizes);
        }
        let mut low = 0;
        let mut proof = Vec::new();
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                proof.push(self.over(middle, high));
                high = middle;
            } else {
                proof.push(self.over(low, middle));
                low = middle;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The hashes that prove that the tree over the first `size1` leaves is a prefix of the one over
    /// the first `size2`.
    pub fn consistency_proof(&self, size1: u64, size2: u64) -> Result<Vec<Hash>, ProofError> {
        let (Some(size1), Some(mut high)) = (self.within(size1), self.within(size2)) else {
            return Err(ProofError::Sizes);
        };
        if size1 == 0 || size1 > high {
            return Err(ProofError::Sizes);
        }
        let mut low = 0;
        let mut proof = Vec::new();
        while size1 != high {
            let middle = low + split(high - low);
            if size1 <= middle {
                proof.push(self.over(middle, high));
                high = middle;
            } else {
                proof.push(self.over(low, middle));
                low = middle;
            }
        }
        if low > 0 {
            proof.push(self.over(low, high));
        }
        proof.reverse();
        Ok(proof)
    }

    fn within(&self, size: u64) -> Option<usize> {
        usize::try_from(size).ok().filter(|size| *size <= self.levels[0].len())
    }

    /// The root over a range that begins where a subtree of its size begins.
    fn over(&self, low: usize, high: usize) -> Hash {
        let count = high - low;
        if count.is_power_of_two() {
            let level = count.trailing_zeros() as usize;
            return self.levels[level][low >> level];
        }
        let middle = low + split(count);
        node_hash(&self.over(low, middle), &self.over(middle, high))
    }
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::super::merkle::{
        consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency, verify_inclusion,
    };
    use super::*;

    #[test]
    fn every_proof_is_that_of_the_plain_tree() {
        let leaves: Vec<Hash> = (0..70u8).map(|i| leaf_hash(&[i])).collect();
        let tree = Tree::new(leaves.clone());
        for size in 0..=leaves.len() {
            let part = &leaves[..size];
            let known = tree.root(size as u64).unwrap();
            assert_eq!(known, root(part));
            for (index, leaf) in part.iter().enumerate() {
                let proof = tree.inclusion_proof(index as u64, size as u64).unwrap();
                assert_eq!(proof, inclusion_proof(part, index).unwrap(), "{index} of {size}");
                verify_inclusion(index as u64, size as u64, *leaf, &proof, known).unwrap();
            }
            for earlier in 1..=size {
                let proof = tree.consistency_proof(earlier as u64, size as u64).unwrap();
                assert_eq!(proof, consistency_proof(part, earlier).unwrap(), "{earlier} to {size}");
                let before = tree.root(earlier as u64).unwrap();
                verify_consistency(earlier as u64, size as u64, &proof, before, known).unwrap();
            }
        }
        assert!(tree.root(71).is_none());
        assert!(tree.inclusion_proof(70, 70).is_err() && tree.inclusion_proof(0, 71).is_err());
        assert!(tree.consistency_proof(0, 70).is_err() && tree.consistency_proof(5, 4).is_err());
        assert_eq!(Tree::new(Vec::new()).root(0), Some(root(&[])));
    }
}
