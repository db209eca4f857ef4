//! Groups that come in the order of the records and are told in the order of their keys: the tags of assets may
//! have another order than their records, and a seek for each tag costs more than a line in memory.

use super::cost::{Group, Take};
use crate::register::error::RegisterError;
use crate::register::metrics::Costs;

/// Groups that wait until all are there. A million take some 150 MB.
#[derive(Default)]
pub(super) struct Sorted {
    /// All keys in one text.
    keys: String,
    currencies: Vec<String>,
    lines: Vec<Line>,
}

struct Line {
    /// Where its key begins and ends.
    key: (usize, usize),
    /// Which of the currencies.
    currency: usize,
    assets: u64,
    costs: Costs,
    value: Option<(i64, i64)>,
}

impl Sorted {
    /// Takes a group. Those of one key come one after the other, and keep their order.
    pub fn push(&mut self, group: Group<'_>) -> Result<(), RegisterError> {
        let Group { key, currency, assets, costs, value } = group;
        let begin = self.keys.len();
        self.keys.push_str(key);
        let known = self.currencies.iter().position(|of| of == currency);
        let currency = known.unwrap_or_else(|| {
            self.currencies.push(currency.to_owned());
            self.currencies.len() - 1
        });
        let narrow =
            |wide: i128| i64::try_from(wide).map_err(|_| super::cost::damaged("a value that has no room in 64 bits"));
        let value = value.map(|(period, book)| Ok::<_, RegisterError>((narrow(period)?, narrow(book)?))).transpose()?;
        self.lines.push(Line { key: (begin, self.keys.len()), currency, assets, costs: *costs, value });
        Ok(())
    }

    /// Tells all of them.
    pub fn tell(self, take: Take<'_>) -> Result<(), RegisterError> {
        let key = |line: &Line| self.keys.get(line.key.0..line.key.1).unwrap_or_default();
        // Most keys differ in their first bytes, and those stand beside each other.
        let mut order: Vec<(u128, usize)> = self.lines.iter().map(|line| first(key(line))).zip(0..).collect();
        order.sort_unstable_by(|(a, at), (b, other)| {
            let keys = || key(&self.lines[*at]).cmp(key(&self.lines[*other]));
            a.cmp(b).then_with(keys).then(at.cmp(other))
        });
        for (_, at) in order {
            let line = &self.lines[at];
            let value = line.value.map(|(period, book)| (period.into(), book.into()));
            let currency = &self.currencies[line.currency];
            take(Group { key: key(line), currency, assets: line.assets, costs: &line.costs, value })?;
        }
        Ok(())
    }
}

/// The first 16 bytes as a number of the same order.
fn first(key: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(key.bytes()).for_each(|(to, from)| *to = from);
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_told_by_key_and_those_of_one_key_as_they_came() {
        let keys = ["b", "a\0", "a", "T-00000000000000002", "T-00000000000000001", "", "ä", "a", "z"];
        let mut sorted = Sorted::default();
        for (n, key) in keys.iter().enumerate() {
            let currency = if n % 2 == 0 { "USD" } else { "EUR" };
            let costs = Costs::default();
            sorted.push(Group { key, currency, assets: n as u64, costs: &costs, value: Some((1, n as i128)) }).unwrap();
        }
        let mut told = Vec::new();
        sorted
            .tell(&mut |group| {
                told.push((group.key.to_owned(), group.assets, group.value));
                assert_eq!(group.currency, if group.assets % 2 == 0 { "USD" } else { "EUR" });
                Ok(())
            })
            .unwrap();
        let mut expected: Vec<_> =
            keys.iter().zip(0..).map(|(key, n)| ((*key).to_owned(), n, Some((1, i128::from(n))))).collect();
        expected.sort();
        assert_eq!(told, expected);
    }
}
