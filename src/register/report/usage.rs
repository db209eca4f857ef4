//! Samples: uptime, processor, network lag and whatever else was measured.

use super::cell::{Cell, Tail, columns};
use super::group::named;
use super::{Ask, Sink};
use crate::register::error::RegisterError;
use crate::register::store::Value;
use crate::register::{Milli, Refusal, Register};

pub(super) async fn samples(register: &mut Register, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
    let head = ask.head(
        "samples",
        "Samples",
        columns(&[
            (ask.by.name(), ask.by.title()),
            ("sample", "SAMPLE"),
            ("count", "COUNT"),
            ("least", "LEAST"),
            ("mean", "MEAN"),
            ("most", "MOST"),
        ]),
    );
    sink.head(&head)?;
    if ask.by.is_period() {
        return Err(Refusal::rule("samples are told by assets, not by period; ask with --from and --to").into());
    }
    let (filter, more) = ask.filter(2);
    let begin = |day: chrono::NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
    let mut values = vec![Value::Whole(begin(ask.from)), Value::Whole(begin(ask.to.succ_opt().unwrap_or(ask.to)))];
    values.extend(more);
    let key = ask.by.sql("''");
    let sql = format!(
        "SELECT {key}, s.name, CAST(COUNT(*) AS TEXT), CAST(MIN(s.value) AS TEXT), CAST(SUM(s.value) AS TEXT), CAST(MAX(s.value) AS TEXT) \
         FROM sample s JOIN asset a ON a.stream=s.stream WHERE s.at>=$1 AND s.at<$2 AND {filter} GROUP BY 1, 2 ORDER BY 1, 2"
    );
    let mut rows = 0_u64;
    register
        .store
        .each(sql, &values, 6, |row| {
            let Ok([Some(key), Some(name), Some(count), Some(least), Some(sum), Some(most)]) =
                <[Option<String>; 6]>::try_from(row)
            else {
                return Ok(());
            };
            let count: i128 = count.parse().unwrap_or(0);
            // A sum of 64-bit numbers may be shown with a fraction by some databases: never here.
            let number = |text: &str| text.parse::<i64>().map_or(Cell::Missing, |v| Cell::Number(Milli(v)));
            let mean =
                sum.parse::<i128>().ok().filter(|_| count > 0).map(|sum| crate::register::metrics::rounded(sum, count));
            let mean = mean.and_then(|m| i64::try_from(m).ok()).map_or(Cell::Missing, |m| Cell::Number(Milli(m)));
            rows += 1;
            let count = Cell::Count(u64::try_from(count).unwrap_or(0));
            sink.row(vec![Cell::Text(named(&key)), Cell::Text(name), count, number(&least), mean, number(&most)])
        })
        .await?;
    let notes = if rows == 0 { vec!["Nothing was sampled in the period.".to_owned()] } else { Vec::new() };
    sink.tail(&Tail { notes, ..Tail::default() })
}
