//! Many columns of a row in one text. In the driver each column costs about what a short row costs.

use crate::register::error::RegisterError;

/// SQL of these text expressions in one: each behind its length in characters, `-` for NULL.
pub(super) fn packed(columns: &[&str]) -> String {
    let one = |column: &&str| format!("COALESCE(CAST(LENGTH({column}) AS TEXT) || ' ' || {column},'-')");
    columns.iter().map(one).collect::<Vec<_>>().join(" || ")
}

/// Reads what [`packed`] made, column by column.
pub(super) struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// Of a row.
    pub fn of(row: &'a str) -> Fields<'a> {
        Fields(row)
    }

    /// The next column.
    pub fn next(&mut self) -> Result<Option<&'a str>, RegisterError> {
        if let Some(rest) = self.0.strip_prefix('-') {
            self.0 = rest;
            return Ok(None);
        }
        let (field, rest) = self.0.split_once(' ').and_then(|(length, rest)| split(rest, length)).ok_or_else(|| {
            let why = "a row does not hold what was asked for".to_owned();
            RegisterError::Damaged { place: "table asset".to_owned(), why }
        })?;
        self.0 = rest;
        Ok(Some(field))
    }

    /// What stands behind the columns.
    pub fn rest(self) -> &'a str {
        self.0
    }
}

/// The first characters, and what comes after them.
fn split<'a>(text: &'a str, length: &str) -> Option<(&'a str, &'a str)> {
    let chars: usize = length.parse().ok()?;
    let end = match text.as_bytes().get(..chars) {
        Some(head) if head.is_ascii() => chars,
        _ => text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(chars)?,
    };
    text.split_at_checked(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_says_is_read_back_whatever_stands_in_it() {
        let mut fields = Fields::of("3 abc-2 -10 4 ä€ 𝄞-rest 5 x");
        let read: Vec<Option<&str>> = (0..6).map(|_| fields.next().unwrap()).collect();
        assert_eq!(read, [Some("abc"), None, Some("-1"), Some(""), Some("ä€ 𝄞"), None]);
        assert_eq!(fields.rest(), "rest 5 x");
    }

    #[test]
    fn a_row_that_ends_too_early_is_damaged() {
        for row in ["", "3", "3 ab", "x abc", "2 ä"] {
            let result = Fields::of(row).next();
            assert!(matches!(result, Err(RegisterError::Damaged { .. })), "{row:?}");
        }
    }
}
