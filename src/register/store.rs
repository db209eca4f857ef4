//! The database: one SQL text for SQLite and PostgreSQL. No rule lives here.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Connection as _, Row as _};

use super::error::{RegisterError, database};
use super::event::Stored;
use super::migrations;
use super::place::Database;
use super::shown::{ASSET_COLUMNS, MEDIUM_COLUMNS, RECORD_COLUMNS, event_row, shown_row, state_row};
use super::state::{Placed, State};

/// The most values of one statement. Further rows make it no faster, and the values of all are held twice.
const MOST_VALUES: usize = 2048;
/// Pages that SQLite may hold, in KiB: for a command or a report, and where a table is filled. An index that
/// does not fit is read and written again for each row.
const CACHE: &str = "PRAGMA cache_size=-65536";
const LARGE_CACHE: &str = "PRAGMA cache_size=-262144";

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// TEXT, or NULL.
    Text(Option<String>),
    /// BIGINT.
    Whole(i64),
    /// BIGINT, or NULL.
    Number(Option<i64>),
}

/// One connection to the database.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) connection: AnyConnection,
    sqlite: bool,
    /// For messages: never with a password.
    pub(super) place: String,
    /// Tables were added just now, and what was there before does not stand in them yet.
    pub(super) grown: bool,
    /// Statements that insert rows, by their table and number of rows.
    inserts: HashMap<(&'static str, usize), Arc<str>>,
    /// Events written over this connection.
    written: usize,
}

/// As many events change what a server's planner believes of the tables. Its own statistics come minutes later;
/// until then it reads whole tables for the card of one asset.
const MANY_EVENTS: usize = 10_000;
const ANALYZE: &str = "SET lock_timeout='2s'; ANALYZE event, state, asset, medium, cost, span, sample, valuation, finding, sighting, document";

impl Store {
    /// Connects. `create`: the tables are made where they are missing.
    pub async fn open(at: &Database, create: bool) -> Result<Store, RegisterError> {
        sqlx::any::install_default_drivers();
        let (url, sqlite) = match at {
            Database::Server(url) => (url.clone(), false),
            Database::File(path) => {
                if !create && !path.exists() {
                    return Err(RegisterError::NotInitialised(at.place()));
                }
                (format!("sqlite://{}?mode={}", escaped(path), if create { "rwc" } else { "rw" }), true)
            }
        };
        let mut connection = AnyConnection::connect(&url).await.map_err(database("opening the register"))?;
        if sqlite {
            for pragma in ["PRAGMA busy_timeout=20000", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", CACHE] {
                sqlx::query(pragma).execute(&mut connection).await.map_err(database("setting up SQLite"))?;
            }
        }
        let mut store =
            Store { connection, sqlite, place: at.place(), grown: false, inserts: HashMap::new(), written: 0 };
        store.grown = store.is_behind().await;
        if create || store.grown {
            migrations::migrator().run(&mut store.connection).await?;
        }
        Ok(store)
    }

    /// Whether an earlier version of the program made its tables.
    async fn is_behind(&mut self) -> bool {
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM _sqlx_migrations WHERE success";
        let count = sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut self.connection).await;
        count.is_ok_and(|count| {
            count > 0 && usize::try_from(count).is_ok_and(|count| count < migrations::MIGRATIONS.len())
        })
    }

    /// Says in the database that its tables are this program's.
    pub async fn mark_tables(&mut self) -> Result<(), RegisterError> {
        let values = [Value::Text(Some(migrations::tables().to_string()))];
        let sql =
            "INSERT INTO info(key, value) VALUES ('tables', $1) ON CONFLICT(key) DO UPDATE SET value=excluded.value";
        self.execute(sql, &values, "making the tables").await
    }

    /// Closes the connection. What was committed is durable before that; SQLite puts its log away.
    pub async fn close(mut self) {
        if !self.sqlite && self.written >= MANY_EVENTS {
            // Only slower without; who owns no table may not, and whoever else works on them is not waited for.
            let _ = self.run(ANALYZE, "counting").await;
        }
        let _ = self.connection.close().await; // nothing is lost: whoever opens it next puts the log away
    }

    /// Room for filling tables, or no more than a command needs.
    pub async fn fill(&mut self, filling: bool) {
        if self.sqlite {
            let _ = self.run(if filling { LARGE_CACHE } else { CACHE }, "setting up SQLite").await; // only slower
        }
    }

    /// Begins a transaction that may write.
    pub async fn begin(&mut self) -> Result<(), RegisterError> {
        // A SQLite reader that turns writer can be refused; a writer from the start waits its turn.
        self.run(if self.sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" }, "beginning a transaction").await
    }

    /// Begins to read: until [`Store::end_reading`] all statements see one and the same state.
    pub async fn begin_reading(&mut self) -> Result<(), RegisterError> {
        let sql = if self.sqlite { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
        self.run(sql, "beginning to read").await
    }

    /// Ends what [`Store::begin_reading`] began.
    pub async fn end_reading(&mut self) {
        self.rollback().await; // nothing was written
    }

    /// Makes the transaction durable.
    pub async fn commit(&mut self) -> Result<(), RegisterError> {
        self.run("COMMIT", "committing").await
    }

    /// Undoes the transaction. A lost connection has undone it already.
    pub async fn rollback(&mut self) {
        let _ = self.run("ROLLBACK", "rolling back").await;
    }

    async fn run(&mut self, sql: &'static str, doing: &'static str) -> Result<(), RegisterError> {
        sqlx::raw_sql(sql).execute(&mut self.connection).await.map(|_| ()).map_err(database(doing))
    }

    /// Runs a statement without a result.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value],
        doing: &'static str,
    ) -> Result<(), RegisterError> {
        let query = bind(sqlx::query(sql), values.iter().cloned());
        query.execute(&mut self.connection).await.map(|_| ()).map_err(database(doing))
    }

    /// Texts of the first columns, NULL as `None`.
    pub async fn texts(
        &mut self,
        sql: &'static str,
        values: &[Value],
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, RegisterError> {
        let doing = database("reading the register");
        let query = bind(sqlx::query(sql), values.iter().cloned());
        let rows = query.fetch_all(&mut self.connection).await.map_err(&doing)?;
        let read = |row: &sqlx::any::AnyRow| {
            (0..columns).map(|i| row.try_get::<Option<String>, _>(i)).collect::<Result<Vec<_>, _>>()
        };
        rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(&doing)
    }

    /// Hands each row to `take`, one by one: for more rows than memory should hold. The statement is
    /// put together from our own texts; what people wrote comes in `values`.
    pub async fn each(
        &mut self,
        sql: String,
        values: &[Value],
        columns: usize,
        mut take: impl FnMut(Vec<Option<String>>) -> Result<(), RegisterError>,
    ) -> Result<(), RegisterError> {
        let doing = database("reading the register");
        let query = bind(sqlx::query(AssertSqlSafe(sql)), values.iter().cloned());
        let mut rows = query.fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await.map_err(&doing)? {
            let cells = (0..columns).map(|i| row.try_get::<Option<String>, _>(i)).collect::<Result<Vec<_>, _>>();
            take(cells.map_err(&doing)?)?;
        }
        Ok(())
    }

    /// The state of a stream.
    pub async fn state(&mut self, stream: &str) -> Result<Option<Placed>, RegisterError> {
        let doing = database("reading the register");
        let sql = "SELECT revision, head, document FROM state WHERE stream=$1";
        let row =
            sqlx::query(sql).bind(stream.to_owned()).fetch_optional(&mut self.connection).await.map_err(&doing)?;
        let Some(row) = row else { return Ok(None) };
        let damaged = |why: String| RegisterError::Damaged { place: format!("state of {stream}"), why };
        let revision: i64 = row.try_get(0).map_err(&doing)?;
        let document: String = row.try_get(2).map_err(&doing)?;
        let state: State = serde_json::from_str(&document).map_err(|e| damaged(e.to_string()))?;
        let revision = u64::try_from(revision).map_err(|e| damaged(e.to_string()))?;
        Ok(Some(Placed { state, revision, head: row.try_get(1).map_err(&doing)? }))
    }

    /// Events after a place, in the order of stream and revision: stream, revision, hash, document. (With an `OR`
    /// instead of a pair PostgreSQL walks there from the first event of all.)
    pub async fn events_after(
        &mut self,
        stream: &str,
        revision: u64,
        limit: i64,
    ) -> Result<Vec<(String, u64, String, String)>, RegisterError> {
        let sql = "SELECT stream, revision, hash, jws FROM event WHERE (stream,revision)>($1,$2) ORDER BY stream, revision LIMIT $3";
        self.events(sql, stream, revision, limit).await
    }

    /// Events of one stream after a revision, likewise.
    pub async fn events_of(
        &mut self,
        stream: &str,
        revision: u64,
        limit: i64,
    ) -> Result<Vec<(String, u64, String, String)>, RegisterError> {
        let sql =
            "SELECT stream, revision, hash, jws FROM event WHERE stream=$1 AND revision>$2 ORDER BY revision LIMIT $3";
        self.events(sql, stream, revision, limit).await
    }

    async fn events(
        &mut self,
        sql: &'static str,
        stream: &str,
        revision: u64,
        limit: i64,
    ) -> Result<Vec<(String, u64, String, String)>, RegisterError> {
        let doing = database("reading events");
        let query =
            sqlx::query(sql).bind(stream.to_owned()).bind(i64::try_from(revision).unwrap_or(i64::MAX)).bind(limit);
        let rows = query.fetch_all(&mut self.connection).await.map_err(&doing)?;
        let read = |row: &sqlx::any::AnyRow| {
            let revision: i64 = row.try_get(1)?;
            Ok((row.try_get(0)?, u64::try_from(revision).unwrap_or(0), row.try_get(2)?, row.try_get(3)?))
        };
        rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(&doing)
    }

    /// The assets after a stream, in the order in which they were added.
    pub async fn assets_after(&mut self, stream: &str) -> Result<Vec<(String, Placed)>, RegisterError> {
        let sql = "SELECT a.stream, CAST(s.revision AS TEXT), s.head, s.document FROM asset a \
                   JOIN state s ON s.stream=a.stream WHERE a.stream>$1 ORDER BY a.stream LIMIT 500";
        let rows = self.texts(sql, &[Value::Text(Some(stream.to_owned()))], 4).await?;
        rows.into_iter().map(placed).collect()
    }

    /// The assets of these tags, as far as there are any.
    pub async fn assets_tagged(&mut self, tags: &[&str]) -> Result<Vec<(String, Placed)>, RegisterError> {
        let holders: Vec<String> = (1..=tags.len()).map(|i| format!("${i}")).collect();
        let sql = format!(
            "SELECT a.stream, CAST(s.revision AS TEXT), s.head, s.document FROM asset a \
             JOIN state s ON s.stream=a.stream WHERE a.tag IN ({})",
            holders.join(",")
        );
        let values: Vec<Value> = tags.iter().map(|tag| Value::Text(Some((*tag).to_owned()))).collect();
        let mut found = Vec::new();
        let take = |row| placed(row).map(|asset| found.push(asset));
        self.each(sql, &values, 4, take).await.map(|()| found)
    }

    /// The media of these names (column and value).
    pub async fn media_named(
        &mut self,
        names: &BTreeSet<(&'static str, String)>,
    ) -> Result<Vec<(String, Placed)>, RegisterError> {
        let any = ["serial", "wwn", "digest"].into_iter().filter_map(|column| {
            let holders = names.iter().zip(1..).filter(|((of, _), _)| *of == column).map(|(_, n)| format!("${n}"));
            let holders = holders.collect::<Vec<_>>().join(",");
            (!holders.is_empty()).then(|| format!("m.{column} IN ({holders})"))
        });
        let any = any.collect::<Vec<_>>().join(" OR ");
        let sql = format!(
            "SELECT m.stream, CAST(s.revision AS TEXT), s.head, s.document FROM medium m \
             JOIN state s ON s.stream=m.stream WHERE {any}"
        );
        self.placed(sql, names.iter().map(|(_, value)| value)).await
    }

    /// The states of these streams, as far as there are any.
    pub async fn states(&mut self, streams: &[String]) -> Result<Vec<(String, Placed)>, RegisterError> {
        let holders: Vec<String> = (1..=streams.len()).map(|n| format!("${n}")).collect();
        let sql = format!(
            "SELECT stream, CAST(revision AS TEXT), head, document FROM state WHERE stream IN ({})",
            holders.join(",")
        );
        self.placed(sql, streams.iter()).await
    }

    /// Documents that wait for one of these: SHA-256, name and bytes.
    pub async fn waiting(&mut self, ids: &[String]) -> Result<Vec<Vec<String>>, RegisterError> {
        let holders: Vec<String> = (1..=ids.len()).map(|n| format!("${n}")).collect();
        let sql = format!(
            "SELECT sha256, name, bytes FROM document WHERE about IN ({}) AND verdict='unmatched'",
            holders.join(",")
        );
        let values: Vec<Value> = ids.iter().map(|id| Value::Text(Some(id.clone()))).collect();
        let mut found = Vec::new();
        let take = |row: Vec<Option<String>>| {
            found.extend(row.into_iter().collect::<Option<Vec<String>>>());
            Ok(())
        };
        self.each(sql, &values, 3, take).await.map(|()| found)
    }

    /// States by a statement that names texts; none where it names none.
    async fn placed<'t>(
        &mut self,
        sql: String,
        texts: impl Iterator<Item = &'t String>,
    ) -> Result<Vec<(String, Placed)>, RegisterError> {
        let values: Vec<Value> = texts.map(|text| Value::Text(Some(text.clone()))).collect();
        let mut found = Vec::new();
        if !values.is_empty() {
            self.each(sql, &values, 4, |row| placed(row).map(|state| found.push(state))).await?;
        }
        Ok(found)
    }

    /// Those of these tags that assets have.
    pub async fn tags_among(&mut self, tags: &[&str]) -> Result<Vec<String>, RegisterError> {
        let holders: Vec<String> = (1..=tags.len()).map(|i| format!("${i}")).collect();
        let sql = format!("SELECT tag FROM asset WHERE tag IN ({})", holders.join(","));
        let values = tags.iter().map(|tag| Value::Text(Some((*tag).to_owned())));
        let query = bind(sqlx::query(AssertSqlSafe(sql)), values);
        let rows = query.fetch_all(&mut self.connection).await.map_err(database("looking for asset tags"))?;
        let read = |row: &sqlx::any::AnyRow| row.try_get::<String, _>(0);
        rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(database("looking for asset tags"))
    }

    /// Stores new events and the states they led to. Nothing is stored unless the caller commits.
    pub async fn write(&mut self, events: &[Stored], states: &[(&String, &Placed)]) -> Result<(), RegisterError> {
        let rows: Vec<Vec<Value>> = events.iter().map(event_row).collect();
        let columns = ["stream", "revision", "hash", "at", "actor", "type", "jws"];
        self.insert("event", &columns, "", rows).await.map_err(|e| conflict(e, events))?;
        self.written += events.len();
        super::rows::store(self, events.iter().map(|stored| &stored.event)).await?;
        self.project(states).await
    }

    /// Writes the rows that states show themselves by.
    pub async fn project(&mut self, states: &[(&String, &Placed)]) -> Result<(), RegisterError> {
        let mut rows = Vec::with_capacity(states.len());
        let (mut assets, mut media) = (Vec::new(), Vec::new());
        let (mut records, mut findings) = (Vec::new(), Vec::new());
        for (stream, placed) in states {
            rows.push(state_row(stream, placed)?);
            match &placed.state {
                State::People(_) | State::Books(_) | State::Observation(_) => {}
                State::Finding(finding) => findings.push(super::rows::finding(stream, finding)),
                State::Asset(_) => assets.extend(shown_row(stream, &placed.state)),
                State::Medium(_) => media.extend(shown_row(stream, &placed.state)),
                _ => records.extend(shown_row(stream, &placed.state)),
            }
        }
        let columns = ["stream", "revision", "head", "document"];
        self.insert("state", &columns, "stream", rows).await.map_err(wrap("writing states"))?;
        self.insert("asset", &ASSET_COLUMNS, "stream", assets).await.map_err(taken("asset tag"))?;
        self.insert("finding", &super::rows::FINDING_COLUMNS, "stream", findings).await.map_err(taken("finding"))?;
        self.insert("medium", &MEDIUM_COLUMNS, "stream", media).await.map_err(taken("medium"))?;
        self.insert("record", &RECORD_COLUMNS, "stream", records).await.map_err(taken("name"))
    }

    /// Many rows by few statements. `replace`: the column by which an existing row is replaced.
    pub async fn insert(
        &mut self,
        table: &'static str,
        columns: &[&str],
        replace: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), sqlx::Error> {
        self.insert_if(table, columns, replace, "", rows).await
    }

    /// The same; a row that is there is replaced only where `when` holds of it. Each table has one `when`.
    pub async fn insert_if(
        &mut self,
        table: &'static str,
        columns: &[&str],
        replace: &str,
        when: &str,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), sqlx::Error> {
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        while left > 0 {
            // Few sizes, so that few statements are prepared.
            let fits = |size: &usize| *size <= left && size * columns.len() <= MOST_VALUES;
            let size = [256, 64, 16, 4, 1].into_iter().find(fits).unwrap_or(1);
            left -= size;
            let sqlite = self.sqlite;
            let sql = self.inserts.entry((table, size));
            let sql = sql.or_insert_with(|| inserting(table, columns, (replace, when), size, sqlite).into());
            let query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
            bind(query, rows.by_ref().take(size).flatten()).execute(&mut self.connection).await?;
        }
        Ok(())
    }
}

/// A statement that inserts as many rows. SQLite looks a named parameter up by walking through all of them,
/// so that thousands of `$n` take longer than the rows: there they are bound by their place alone.
fn inserting(table: &str, columns: &[&str], (replace, when): (&str, &str), rows: usize, sqlite: bool) -> String {
    let mut sql = format!("INSERT INTO {table}({}) VALUES ", columns.join(","));
    for row in 0..rows {
        let first = row * columns.len() + 1;
        let holders = (first..first + columns.len()).map(|n| if sqlite { "?".to_owned() } else { format!("${n}") });
        sql.push_str(if row == 0 { "(" } else { ",(" });
        sql.push_str(&holders.collect::<Vec<_>>().join(","));
        sql.push(')');
    }
    if !replace.is_empty() {
        let set = columns.iter().filter(|c| **c != replace).map(|c| format!("{c}=excluded.{c}"));
        sql.push_str(&format!(" ON CONFLICT({replace}) DO UPDATE SET {}", set.collect::<Vec<_>>().join(",")));
    }
    if !when.is_empty() {
        sql.push_str(&format!(" WHERE {when}"));
    }
    sql
}

pub(super) fn bind(
    mut query: Query<'_, Any, AnyArguments>,
    values: impl IntoIterator<Item = Value>,
) -> Query<'_, Any, AnyArguments> {
    for value in values {
        query = match value {
            Value::Text(Some(text)) => query.bind(text),
            Value::Text(None) => query.bind(None::<String>),
            Value::Whole(number) => query.bind(number),
            Value::Number(number) => query.bind(number),
        };
    }
    query
}

/// Stream, revision, head and document of a state.
fn placed(row: Vec<Option<String>>) -> Result<(String, Placed), RegisterError> {
    let damaged = |place: &str, why: String| RegisterError::Damaged { place: format!("state of {place}"), why };
    let Ok([Some(stream), Some(revision), Some(head), Some(document)]) = <[Option<String>; 4]>::try_from(row) else {
        return Err(damaged("an asset", "a column is empty".to_owned()));
    };
    let state: State = serde_json::from_str(&document).map_err(|e| damaged(&stream, e.to_string()))?;
    let revision = revision.parse().map_err(|_| damaged(&stream, "its revision is no number".to_owned()))?;
    Ok((stream, Placed { state, revision, head }))
}

fn wrap(doing: &'static str) -> impl Fn(sqlx::Error) -> RegisterError {
    database(doing)
}

/// An event of that revision is there already: somebody was faster.
fn conflict(error: sqlx::Error, events: &[Stored]) -> RegisterError {
    match (is_race(&error), events.first()) {
        (true, Some(first)) => RegisterError::Conflict { stream: first.event.stream.clone() },
        _ => RegisterError::Database { doing: "appending events", source: error },
    }
}

fn taken(what: &'static str) -> impl Fn(sqlx::Error) -> RegisterError {
    move |error| match error.as_database_error().is_some_and(|e| e.is_unique_violation()) {
        true => RegisterError::Refused(super::Refusal::rule(format!("that {what} stands in the register already"))),
        false => RegisterError::Database { doing: "writing the tables", source: error },
    }
}

/// Unique violation, serialization failure or deadlock (SQLSTATE 40001, 40P01).
fn is_race(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|e| e.is_unique_violation() || e.code().is_some_and(|code| code == "40001" || code == "40P01"))
}

/// A path inside a URL.
fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
