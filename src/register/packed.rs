//! Columns of many rows in one text. In the driver each row, and each column of it, costs about what a short row
//! costs the database; here some hundred assets are one row of it.

use std::sync::Arc;

use futures_util::future::join;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::error::{RegisterError, database};
use super::store::{Store, Value, bind};

/// A page has at most so many rows, fewer where they are long.
const MOST_ROWS: i64 = 512;
/// Beyond that a page has fewer rows.
const LONG: usize = 1 << 20;

/// A column of a packed row: SQL over `asset a`.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// TEXT: stands behind its length.
    Text(String),
    /// BIGINT: stands for itself.
    Whole(String),
    /// Nobody asked for it.
    Left,
}

/// Some rows in one text.
struct Page {
    /// Stream of the last.
    last: String,
    rows: i64,
    text: String,
}

impl Column {
    /// TEXT, where it is wanted.
    pub fn text(wanted: bool, sql: &str) -> Column {
        if wanted { Column::Text(sql.to_owned()) } else { Column::Left }
    }

    /// BIGINT, where it is wanted.
    pub fn whole(wanted: bool, sql: &str) -> Column {
        if wanted { Column::Whole(sql.to_owned()) } else { Column::Left }
    }
}

impl Store {
    /// Hands over the columns of every asset that `filter` lets through, in the order of the streams. While some
    /// hundred rows are taken, the database makes the next. Whoever wants one state of the register for all of
    /// them begins reading before. A condition on a column with an index hides it from the index (`COALESCE`), or
    /// the database may sort everything for each page.
    pub async fn each_packed<const N: usize>(
        &mut self,
        columns: &[Column; N],
        filter: &str,
        values: &[Value],
        mut take: impl FnMut([Option<&str>; N]) -> Result<(), RegisterError>,
    ) -> Result<(), RegisterError> {
        let sql: Arc<str> = select(columns, filter, values.len()).into();
        let mut most = MOST_ROWS / 8;
        let mut page = fetch(&mut self.connection, &sql, values, "", most).await?;
        while let Some(Page { last, rows, text }) = page {
            let full = rows == most;
            most = if text.len() > LONG { (most / 4).max(1) } else { (most * 2).min(MOST_ROWS) };
            // The next is asked for before this one is taken: the database is at work meanwhile.
            let next =
                async { if full { fetch(&mut self.connection, &sql, values, &last, most).await } else { Ok(None) } };
            let taking = async {
                let mut rest = text.as_str();
                for _ in 0..rows {
                    take(read(columns, &mut rest)?)?;
                }
                if rest.is_empty() { Ok(()) } else { Err(damaged()) }
            };
            let (next, taken) = join(next, taking).await;
            taken?;
            page = next?;
        }
        Ok(())
    }
}

/// The statement of a page. Inside, each column is worked out once; outside, the rows are put together.
fn select<const N: usize>(columns: &[Column; N], filter: &str, values: usize) -> String {
    let (mut inner, mut heads, mut texts) = (String::new(), Vec::new(), Vec::new());
    for (n, column) in columns.iter().enumerate() {
        let (sql, head) = match column {
            Column::Text(sql) => (sql, format!("LENGTH(c{n})")),
            Column::Whole(sql) => (sql, format!("c{n}")),
            Column::Left => continue,
        };
        inner.push_str(&format!(", {sql} AS c{n}"));
        heads.push(head);
        texts.extend(matches!(column, Column::Text(_)).then(|| format!(",c{n}")));
    }
    // What is NULL leaves its place in the head empty.
    let (heads, texts) = (heads.join(",' ',"), texts.concat());
    let (after, most) = (values + 1, values + 2);
    format!(
        "SELECT MAX(k), CAST(COUNT(*) AS BIGINT), STRING_AGG(CONCAT({heads},' '{texts}),'') FROM (SELECT a.stream AS k{inner} FROM asset a \
         WHERE a.stream>${after} AND {filter} ORDER BY a.stream LIMIT ${most}) p"
    )
}

async fn fetch(
    connection: &mut AnyConnection,
    sql: &Arc<str>,
    values: &[Value],
    after: &str,
    most: i64,
) -> Result<Option<Page>, RegisterError> {
    let doing = database("reading the register");
    let place = [Value::Text(Some(after.to_owned())), Value::Whole(most)];
    let query = bind(sqlx::query(AssertSqlSafe(Arc::clone(sql))), values.iter().cloned().chain(place));
    let row = query.fetch_one(connection).await.map_err(&doing)?;
    let last: Option<String> = row.try_get(0).map_err(&doing)?;
    let rows = row.try_get(1).map_err(&doing)?;
    let text: Option<String> = row.try_get(2).map_err(&doing)?;
    match (last, text) {
        (None, _) => Ok(None),
        (Some(last), Some(text)) => Ok(Some(Page { last, rows, text })),
        (Some(_), None) => Err(damaged()),
    }
}

/// Takes a row off the front of a text.
fn read<'a, const N: usize>(columns: &[Column; N], text: &mut &'a str) -> Result<[Option<&'a str>; N], RegisterError> {
    let mut row = [None; N];
    for (cell, column) in row.iter_mut().zip(columns) {
        if !matches!(column, Column::Left) {
            let (head, rest) = text.split_once(' ').ok_or_else(damaged)?;
            (*cell, *text) = (Some(head).filter(|head| !head.is_empty()), rest);
        }
    }
    for (cell, column) in row.iter_mut().zip(columns) {
        if let (Some(length), Column::Text(_)) = (&cell, column) {
            let (field, rest) = split(text, length).ok_or_else(damaged)?;
            (*cell, *text) = (Some(field), rest);
        }
    }
    Ok(row)
}

fn damaged() -> RegisterError {
    let why = "a row does not hold what was asked for".to_owned();
    RegisterError::Damaged { place: "table asset".to_owned(), why }
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

    fn columns() -> [Column; 5] {
        let text = |name: &str| Column::Text(name.to_owned());
        [text("a.tag"), Column::Left, Column::Whole("a.cost_minor".to_owned()), text("a.model"), text("a.category")]
    }

    #[test]
    fn what_rows_say_is_read_back_whatever_stands_in_them() {
        let mut text = "3 -12 4 0 abcä€ 𝄞1    \n";
        assert_eq!(read(&columns(), &mut text).unwrap(), [Some("abc"), None, Some("-12"), Some("ä€ 𝄞"), Some("")]);
        assert_eq!(read(&columns(), &mut text).unwrap(), [Some("\n"), None, None, None, None]);
        assert_eq!(text, "");
    }

    #[test]
    fn a_text_that_was_cut_short_is_no_row() {
        for mut text in ["", "3", "3 1 1 1", "3 1 1 1 ab", "x 1 1 1 abc", "-1 1 1 1 abc", "2 1 0 0 ä", "9 1 1 1 abc"] {
            assert!(read(&columns(), &mut text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_is_wanted_is_asked_for() {
        let sql = select(&columns(), "1=1", 2);
        assert!(sql.contains("CONCAT(LENGTH(c0),' ',c2,' ',LENGTH(c3),' ',LENGTH(c4),' ',c0,c3,c4)"), "{sql}");
        assert!(
            sql.contains("a.tag AS c0, a.cost_minor AS c2")
                && sql.ends_with("a.stream>$3 AND 1=1 ORDER BY a.stream LIMIT $4) p"),
            "{sql}"
        );
    }
}
