//! Reports of some hundred random assets, held against figures that are worked out here, row by row, on SQLite
//! and on a real PostgreSQL: several pages of rows, tags in another order than the records, words of every kind.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use common::postgres::Postgres;
use lastwrite::register::metrics::{Costs, Depreciation, IntervalKind};
use lastwrite::register::report::{Ask, By, Cell, Kind, TableSink};
use lastwrite::register::{
    Act, AssetClass, CostCategory, DataClass, Database, Details, Lasted, Measured, Money, Register, Role, Stage, Whole,
};
use lastwrite::signed::StationKey;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const ASSETS: usize = 700;
const WORDS: [&str; 9] = ["", "Book", "5", "3 x", "ä€𝄞", "a\nb", " ", "=1", "\u{1f}\t0 0"];
const CATEGORIES: [CostCategory; 5] = [
    CostCategory::Acquisition,
    CostCategory::Operational,
    CostCategory::Maintenance,
    CostCategory::Recovery,
    CostCategory::Benefit,
];

/// An asset as it is added.
struct Thing {
    tag: String,
    details: Details,
    location: Option<String>,
    stage: Stage,
    amounts: Vec<(CostCategory, i64, &'static str, NaiveDate)>,
    /// Hours in use, from an hour of 2025.
    used: Vec<(i64, i64)>,
}

fn things(seed: u64) -> Vec<Thing> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut tags: Vec<String> = (0..ASSETS).map(|n| format!("{}-{n:03}", ["T", "Ä", "a b", "0"][n % 4])).collect();
    let mut one = move || {
        let mut pick = |most: usize| random.random_range(0..most);
        let tag = tags.swap_remove(pick(tags.len()));
        let mut word = || Some(WORDS[pick(WORDS.len() + 1).checked_sub(1)?].to_owned());
        let (manufacturer, model, category, location) = (word(), word(), word(), word());
        let day = |pick: &mut dyn FnMut(usize) -> usize| {
            NaiveDate::from_ymd_opt(2022, 1, 1).unwrap() + chrono::Days::new(pick(1400) as u64)
        };
        let currency = |pick: &mut dyn FnMut(usize) -> usize| ["EUR", "EUR", "EUR", "USD"][pick(4)];
        let purchase_date = (pick(5) > 0).then(|| day(&mut pick).to_string());
        let purchase_cost = (pick(5) > 0)
            .then(|| Money { minor: Whole(pick(500_000) as i64), currency: currency(&mut pick).to_owned() });
        let amounts = (0..pick(5))
            .map(|_| (CATEGORIES[pick(5)], pick(90_000) as i64 - 5000, currency(&mut pick), day(&mut pick)))
            .collect();
        let used = (0..pick(4)).map(|_| (pick(8000) as i64, 1 + pick(100) as i64)).collect();
        let stage = [Stage::Procurement, Stage::Deployment, Stage::Utilization, Stage::Utilization][pick(4)];
        let details = Details { manufacturer, model, category, purchase_date, purchase_cost, ..Details::default() };
        Thing { tag, details, location, stage, amounts, used }
    };
    (0..ASSETS).map(|_| one()).collect()
}

async fn register(at: &Database, things: &[Thing]) -> Register {
    let key = StationKey::from_seed(&[1; 32]);
    let roles = [Role::AssetManager, Role::Finance, Role::Technician];
    let mut register = Register::init(at, "Example Org", "Mia", &roles, &key).await.unwrap();
    let job = register.run(&key, async |work| {
        for thing in things {
            let added = Act::AssetAdded {
                tag: thing.tag.clone(),
                class: AssetClass::Physical,
                data_class: DataClass::None,
                stage: thing.stage,
                location: thing.location.clone(),
                custodian: None,
                details: thing.details.clone(),
            };
            let stream = work.add_asset(added).await?;
            for (category, minor, currency, day) in &thing.amounts {
                let money = Money { minor: Whole(*minor), currency: (*currency).to_owned() };
                let on = day.and_hms_opt(12, 0, 0).unwrap().and_utc();
                work.act(&stream, Act::CostBooked { category: *category, money, on, reference: None }).await?;
            }
            if !thing.used.is_empty() {
                let lasted = |(from, hours): &(i64, i64)| Lasted {
                    kind: IntervalKind::Active,
                    from: hour(*from),
                    to: hour(from + hours),
                };
                let intervals = thing.used.iter().map(lasted).collect();
                let measured = Measured { source: "s".into(), samples: Vec::new(), intervals };
                work.act(&stream, Act::Measured(measured)).await?;
            }
        }
        Ok(())
    });
    job.await.unwrap();
    register
}

fn hour(n: i64) -> DateTime<Utc> {
    "2025-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + chrono::TimeDelta::hours(n)
}

impl Thing {
    fn price(&self) -> Option<(i64, &str)> {
        self.details.purchase_cost.as_ref().map(|m| (m.minor.0, m.currency.as_str()))
    }

    fn acquired(&self) -> Vec<(i64, &str)> {
        self.amounts.iter().filter(|a| a.0 == CostCategory::Acquisition).map(|a| (a.1, a.2)).collect()
    }

    /// What was spent on days of the period; a price without a day counts in every period.
    fn spent(&self, from: NaiveDate, to: NaiveDate) -> Vec<(CostCategory, i64, &str, String)> {
        let within = |day: NaiveDate| from <= day && day <= to;
        let booked = self.amounts.iter().filter(|a| within(a.3)).map(|a| (a.0, a.1, a.2, a.3.to_string()));
        let bought = self.details.purchase_date.clone();
        let counts = self.acquired().is_empty() && bought.as_ref().is_none_or(|day| within(day.parse().unwrap()));
        let price = self.price().filter(|_| counts);
        booked.chain(price.map(|(m, c)| (CostCategory::Acquisition, m, c, bought.unwrap_or_default()))).collect()
    }

    fn key(&self, by: By, day: &str) -> String {
        let d = &self.details;
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        match by {
            By::Asset => self.tag.clone(),
            By::Model => {
                format!("{}{}", d.manufacturer.as_ref().map(|m| format!("{m} ")).unwrap_or_default(), of(&d.model))
            }
            By::Category => of(&d.category),
            By::Location => of(&self.location),
            By::Company => of(&d.company),
            By::Year => day.chars().take(4).collect(),
            By::Month => day.chars().take(7).collect(),
        }
    }

    /// Currency, cost, depreciation of the period, accumulated at its end; straight over 36 months to nothing.
    fn value(&self, from: NaiveDate, to: NaiveDate) -> Option<(&str, i64, i64, i64)> {
        let acquired = self.acquired();
        let one = acquired.first().filter(|first| acquired.iter().all(|a| a.1 == first.1));
        let (cost, currency) = one.map(|first| (acquired.iter().map(|a| a.0).sum(), first.1)).or(self.price())?;
        let bought: NaiveDate = self.details.purchase_date.as_ref()?.parse().unwrap();
        let month = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
        let (rule, begin) = (Depreciation::default(), month(bought));
        let gone = |day: NaiveDate| cost - rule.value_after(cost, rule.months(begin, month(day)));
        let (before, after) = (gone(from), gone(to.succ_opt().unwrap()));
        Some((currency, cost, after - before, after))
    }
}

/// Shown instead of an empty key.
fn named(key: &str) -> Cell {
    Cell::Text(if key.trim().is_empty() { "(none)".to_owned() } else { key.trim().to_owned() })
}

fn tco(things: &[Thing], by: By, from: NaiveDate, to: NaiveDate) -> Vec<Vec<Cell>> {
    let mut groups: BTreeMap<String, (u64, BTreeMap<&str, Costs>)> = BTreeMap::new();
    let period = matches!(by, By::Year | By::Month);
    for thing in things {
        if !period {
            groups.entry(thing.key(by, "")).or_default().0 += 1;
        }
        for (category, minor, currency, day) in thing.spent(from, to) {
            let sums = &mut groups.entry(thing.key(by, &day)).or_default().1;
            sums.entry(currency).or_default().add(category, minor).unwrap();
        }
    }
    let mut rows = Vec::new();
    for (key, (assets, sums)) in &groups {
        let mut row = |currency: Option<&str>, figures: Vec<Cell>| {
            let count = if period { Cell::Missing } else { Cell::Count(*assets) };
            rows.push([vec![named(key), count, Cell::text(currency)], figures].concat());
        };
        if sums.is_empty() {
            row(None, vec![Cell::Missing; 7]);
        }
        for (currency, c) in sums {
            let minor = |w: Whole| Cell::Minor(w.0.into());
            let (tco, net) = (Cell::Minor(c.tco()), Cell::Minor(c.net()));
            let figures = vec![minor(c.acquisition), minor(c.operational), minor(c.maintenance), minor(c.disposition)];
            row(Some(currency), [figures, vec![tco, minor(c.recovery), net]].concat());
        }
    }
    rows
}

async fn rows(register: &mut Register, kind: Kind, ask: &Ask) -> Vec<Vec<Cell>> {
    let mut table = TableSink::new(usize::MAX);
    register.report(kind, ask, &mut table).await.unwrap();
    table.rows
}

async fn story(at: Database, seed: u64) {
    let things = things(seed);
    let mut register = register(&at, &things).await;
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    for (from, to) in [("1970-01-01", "2026-11-29"), ("2023-02-10", "2025-03-31")] {
        let (from, to) = (day(from), day(to));
        for by in By::ALL {
            let at = "2026-11-29T12:00:00Z".parse().unwrap();
            let ask = Ask { by, from, to, category: None, place: None, tag: None, seen: None, at };
            let told = rows(&mut register, Kind::Tco, &ask).await;
            assert_eq!(told, tco(&things, by, from, to), "tco by {} {from} {to}", by.name());

            let told = rows(&mut register, Kind::Depreciation, &ask).await;
            let mut sums: BTreeMap<(String, &str), [i128; 4]> = BTreeMap::new();
            let (mut expected, mut all) = (Vec::new(), [0; 4]);
            for thing in things.iter().filter(|thing| thing.stage != Stage::Procurement) {
                let Some((currency, cost, period, gone)) = thing.value(from, to) else { continue };
                let one = [1, cost.into(), period.into(), gone.into()];
                all.iter_mut().zip(one).for_each(|(sum, part)| *sum += part);
                let key = thing.key(by, thing.details.purchase_date.as_deref().unwrap_or_default());
                if by == By::Asset {
                    expected.push(([named(&key)], currency, one));
                    continue;
                }
                let sum = sums.entry((key, currency)).or_default();
                sum.iter_mut().zip(one).for_each(|(sum, part)| *sum += part);
            }
            expected.extend(sums.into_iter().map(|((key, currency), sum)| ([named(&key)], currency, sum)));
            let expected: Vec<Vec<Cell>> = expected
                .into_iter()
                .map(|([key], currency, [count, cost, period, gone])| {
                    let money = [cost, period, gone, cost - gone].map(Cell::Minor);
                    let head = [key, Cell::Count(u64::try_from(count).unwrap()), Cell::Text(currency.to_owned())];
                    [&head[..], &money].concat()
                })
                .collect();
            assert!(all[0] > 200 && told.iter().all(|row| row.len() >= 7));
            let told: Vec<_> = told.iter().map(|row| row[..7].to_vec()).collect();
            assert_eq!(told, expected, "depreciation by {} {from} {to}", by.name());
        }
    }

    // One asset alone, by its tag; and all of a category whose name is of the strange kind.
    let at = "2026-11-29T12:00:00Z".parse().unwrap();
    let (from, to) = (day("2025-01-01"), day("2025-12-31"));
    let ask = Ask { by: By::Asset, from, to, category: None, place: None, tag: None, seen: None, at };
    let one = Ask { tag: Some(things[5].tag.clone()), ..ask.clone() };
    assert_eq!(rows(&mut register, Kind::Tco, &one).await, tco(&things[5..6], By::Asset, from, to));
    let strange = Ask { category: Some(WORDS[8].to_owned()), ..ask.clone() };
    let of: Vec<_> = things.iter().filter(|thing| thing.details.category.as_deref() == Some(WORDS[8])).collect();
    assert!(of.len() > 20);
    assert_eq!(rows(&mut register, Kind::Refresh, &Ask { by: By::Category, ..strange.clone() }).await.len().min(1), 1);
    assert_eq!(
        rows(&mut register, Kind::Tco, &Ask { by: By::Category, ..strange }).await[0][1],
        Cell::Count(of.len() as u64)
    );

    // Times in use, in the order of the records.
    let told = rows(&mut register, Kind::Utilization, &ask).await;
    let mut expected = Vec::new();
    for thing in things.iter().filter(|thing| thing.stage == Stage::Utilization) {
        // In service since the day of purchase; nobody knows where there is none.
        let Some(bought) = &thing.details.purchase_date else { continue };
        let begin = bought.parse::<NaiveDate>().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        let begin = (begin - hour(0)).num_hours().max(0);
        if begin >= 8760 {
            continue;
        }
        let spans = thing.used.iter().map(|(from, hours)| ((*from).max(begin), (from + hours).min(8760)));
        let mut hours: Vec<i64> = spans.flat_map(|(from, to)| from..to).collect();
        hours.sort_unstable();
        hours.dedup();
        let active = if hours.is_empty() { "n/a".to_owned() } else { format!("{}.00", hours.len()) };
        expected.push((thing.tag.clone(), u64::from(!thing.used.is_empty()).to_string(), active));
    }
    let told: Vec<_> = told.iter().map(|row| (row[0].shown(), row[2].shown(), row[4].shown())).collect();
    assert!(expected.len() > 100);
    assert_eq!(told, expected);
}

#[test]
fn random_registers_are_told_as_they_are_on_both_databases() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let seed = rand::random();
    println!("seed {seed}");
    runtime.block_on(story(Database::File(dir.path().join("register.db")), seed));
    if let Some(postgres) = Postgres::start() {
        runtime.block_on(story(Database::Server(postgres.database("figures")), seed));
    }
}
