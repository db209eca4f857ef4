//! Which results get an independent check: a draw that nobody can steer and anybody can repeat.
//!
//! The population is what the custody log held at a checkpoint, so nothing can be left out or put in
//! afterwards; the seed also takes a value that nobody knew when the checkpoint was made, so whoever
//! writes the log cannot try entries until the draw suits them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the seed is made of. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// The log.
    pub log_id: String,
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// RFC 6962 root over them, hex.
    pub root: String,
    /// The later value, exactly as it was published or drawn.
    pub value: String,
}

/// One certificate of the population with its place in the draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ticket {
    /// The certificate's id.
    pub id: String,
    /// SHA-256 of seed and id, hex; the lowest are picked.
    pub rank: String,
}

impl Draw {
    /// `SHA-256("lastwrite second-person sample 1\n" log_id "\n" size "\n" root "\n" value)`, `size` in
    /// decimal.
    pub fn seed(&self) -> [u8; 32] {
        let Draw { log_id, size, root, value } = self;
        Sha256::digest(format!("lastwrite second-person sample 1\n{log_id}\n{size}\n{root}\n{value}").as_bytes()).into()
    }

    /// The certificates to be checked: `percent` of a hundred, rounded up, at least one of any. A
    /// certificate's rank is `SHA-256(seed || id)` with the id in its 64 hex digits.
    pub fn pick(&self, population: &[String], percent: u8) -> Vec<Ticket> {
        let seed = self.seed();
        let mut tickets: Vec<Ticket> = population
            .iter()
            .map(|id| Ticket {
                id: id.clone(),
                rank: hex(&Sha256::new().chain_update(seed).chain_update(id).finalize()),
            })
            .collect();
        tickets.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.id.cmp(&b.id)));
        tickets.dedup_by(|a, b| a.id == b.id);
        let count = (tickets.len() * usize::from(percent.min(100))).div_ceil(100);
        tickets.truncate(count);
        tickets
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn draw(value: &str) -> Draw {
        Draw { log_id: "ab".repeat(16), size: 40, root: "cd".repeat(32), value: value.to_owned() }
    }

    fn population(n: usize) -> Vec<String> {
        (0..n).map(|i| hex(&Sha256::digest(i.to_be_bytes()))).collect()
    }

    proptest! {
        #[test]
        fn the_share_is_kept_and_the_order_does_not_matter(n in 0usize..300, percent in 1u8..=100, value in "[a-z]{1,8}") {
            let all = population(n);
            let picked = draw(&value).pick(&all, percent);
            prop_assert_eq!(picked.len(), (n * usize::from(percent)).div_ceil(100));
            let mut reversed = all.clone();
            reversed.reverse();
            prop_assert_eq!(draw(&value).pick(&reversed, percent), picked.clone());
            prop_assert!(picked.iter().all(|ticket| all.contains(&ticket.id)));
        }
    }

    #[test]
    fn every_certificate_is_picked_about_equally_often() {
        let all = population(40);
        let mut hits = vec![0u32; 40];
        for round in 0..2000 {
            for ticket in draw(&round.to_string()).pick(&all, 5) {
                hits[all.iter().position(|id| *id == ticket.id).unwrap()] += 1;
            }
        }
        // 2 of 40 in 2000 draws: 100 each, standard deviation 9.7.
        assert!(hits.iter().all(|h| (50..=150).contains(h)), "{hits:?}");
    }

    /// Computed with `hashlib.sha256` from the definition.
    #[test]
    fn the_seed_follows_from_the_definition() {
        assert_eq!(hex(&draw("drand 4711").seed()), SEED);
    }

    const SEED: &str = "95793a097b03391f3d97ba7828528d9478d491a247df82f7c249b6f111c23e3a";

    #[test]
    fn everything_the_seed_is_made_of_changes_the_draw() {
        let all = population(200);
        let base = draw("x").pick(&all, 5);
        for other in [
            draw("y"),
            Draw { root: "ce".repeat(32), ..draw("x") },
            Draw { size: 41, ..draw("x") },
            Draw { log_id: "ac".repeat(16), ..draw("x") },
        ] {
            assert_ne!(other.pick(&all, 5), base);
        }
    }
}
