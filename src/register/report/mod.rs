//! Reports: rows and figures for people, spreadsheets and other systems.
//!
//! A report writes its rows one by one into a [`Sink`], so that a million of them need no memory.
//! Amounts of different currencies are never added. What is not known is "not available".

mod book;
mod card;
mod cell;
mod cost;
mod disposal;
mod ghosts;
mod group;
mod held;
mod journal;
mod maintenance;
#[cfg(feature = "pdf")]
mod pdf;
mod refresh;
mod retention;
mod rules;
mod sink;
mod sorted;
mod uptime;
mod usage;

pub use card::Card;
pub use cell::{Cell, Chart, Column, Head, Tail};
pub use group::By;
pub use journal::{AccountChart, Accounts};
#[cfg(feature = "pdf")]
pub use pdf::{PdfSink, card_pdf};
pub use retention::Regime;
pub use sink::{CsvSink, JsonSink, Sink, TableSink, XlsxSink};

use chrono::{DateTime, NaiveDate, Utc};

use super::Register;
use super::error::RegisterError;

/// What is asked of a report.
#[derive(Clone, Debug)]
pub struct Ask {
    /// By what rows are put together.
    pub by: By,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Only assets of this category.
    pub category: Option<String>,
    /// Only assets of this place and below it.
    pub place: Option<String>,
    /// Only this asset.
    pub tag: Option<String>,
    /// Only what is at these places and below them; `None`: everywhere. Set by who looks.
    pub seen: Option<Vec<String>>,
    /// The time the report bears.
    pub at: DateTime<Utc>,
}

/// The reports that are tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Total cost of ownership.
    Tco,
    /// Return on investment and on assets.
    Returns,
    /// Utilization, availability, MTBF, MTTR.
    Utilization,
    /// Samples: how many, least, mean, most, last.
    Samples,
    /// Depreciation and book value.
    Depreciation,
    /// What left, by which route, with mass and money.
    Disposal,
    /// Ghosts and what they cost a year.
    Ghosts,
    /// Coming refreshes and their budget.
    Refresh,
}

impl Register {
    /// Writes a report.
    pub async fn report(&mut self, kind: Kind, ask: &Ask, sink: &mut dyn Sink) -> Result<(), RegisterError> {
        let ask = &self.seen(ask);
        self.store.begin_reading().await?;
        let done = match kind {
            Kind::Tco => cost::tco(self, ask, sink).await,
            Kind::Returns => book::returns(self, ask, sink).await,
            Kind::Utilization => uptime::utilization(self, ask, sink).await,
            Kind::Samples => usage::samples(self, ask, sink).await,
            Kind::Depreciation => book::depreciation(self, ask, sink).await,
            Kind::Disposal => disposal::disposal(self, ask, sink).await,
            Kind::Ghosts => ghosts::ghosts(self, ask, sink).await,
            Kind::Refresh => refresh::refresh(self, ask, sink).await,
        };
        self.store.end_reading().await;
        done
    }

    /// As it was asked, for the places that whoever looks may see.
    fn seen(&self, ask: &Ask) -> Ask {
        let places = self.viewer.as_ref().and_then(|person| {
            person.grants.iter().map(|grant| grant.location.clone()).collect::<Option<Vec<String>>>()
        });
        Ask { seen: places, ..ask.clone() }
    }
}

impl Ask {
    /// Head of a report with what was asked.
    fn head(&self, report: &'static str, title: &str, columns: Vec<Column>) -> Head {
        let mut asked = vec![("period".to_owned(), format!("{} to {}", self.from, self.to))];
        asked.extend(self.category.iter().map(|c| ("category".to_owned(), c.clone())));
        asked.extend(self.place.iter().map(|p| ("location".to_owned(), p.clone())));
        Head { report, title: title.to_owned(), at: self.at, asked, columns }
    }
}
