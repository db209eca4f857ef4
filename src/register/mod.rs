//! The asset register: six stages from procurement to a disposition that is closed by evidence.
//!
//! Every change is an event, signed by the key of who made it and chained to the event before in
//! its stream (an asset, a medium, the register itself). Tables are a projection of the events.
//! Rules are pure: [`Asset::check`], [`Medium`], [`judge`]; the database knows none.

mod act;
mod asset;
mod audit;
mod books;
mod close;
mod error;
mod event;
mod evidence;
mod facts;
mod held;
mod ingest;
mod judgement;
mod life;
mod measure;
mod medium;
pub mod metrics;
mod migrations;
mod minimum;
mod moving;
mod number;
pub mod observe;
mod packed;
mod people;
mod place;
pub mod report;
mod role;
mod rows;
mod sheet;
mod shown;
mod stage;
mod state;
mod store;
mod trust;
mod waiting;
mod words;
mod work;

pub use act::{
    Act, AssetClass, ClosedOn, Condition, CostCategory, DataClass, Details, Item, LineOutcome, MediumIdentity,
    MediumState, Route,
};
pub use asset::{Asset, HandOver, Line, Tick};
pub use audit::{AuditReport, Finding};
pub use books::{BOOKS_STREAM, Books, Entry};
pub use close::{Closer, PlacedMedium, judge};
pub use error::{Refusal, RegisterError};
pub use event::{EVENT_TYP, Event, Stored};
pub use evidence::{Evidence, EvidenceKind, EvidenceRefused, examine};
pub use ingest::{Ingested, Received, Verdict};
pub use judgement::{Arrived, Judgement, Saying, examine_any};
pub use life::{
    Acknowledgement, Approval, AssetLife, Certification, Choice, Configuration, Crossing, CrossingReason, Decision,
    DecisionFacts, DecisionInputs, Depreciation, Dispatch, Downtime, Due, FullCost, Limit, Lot, LotFacts, LotLine,
    LotState, Model, ModelFacts, NeedKind, OpenWork, Opening, Origin, PolicyRules, PolicyText, PolicyVersion, Pool,
    PoolFacts, Purchase, Receipt, Request, RequestFacts, RequestState, SanitizationText, Schedule, Seat, Valuation,
    ValuationBasis, Vendor, VendorFacts, VendorKind, Weights, WorkFacts, WorkKind, WorkOrder, WorkResult, crossing,
};
pub use measure::{Lasted, Measured, Milli, Sample};
pub use medium::{Held, Medium};
pub use minimum::Minimum;
pub use number::{Money, NotMoney, Whole};
pub use people::{People, Person, REGISTER_STREAM};
pub use place::Database;
pub use role::{Grant, Permission, Role};
pub use sheet::{ImportOptions, ImportReport, Mapping, RowError, Sheet, export_csv, export_xlsx};
pub use stage::{IllegalMove, Stage};
pub use state::{Placed, State};
pub use trust::{RegisterTrust, TrustText, TrustVersion};
pub use work::Work;

use std::collections::{BTreeMap, BTreeSet};

use crate::signed::StationKey;
use crate::units::now;

use store::{Store, Value};

/// How often a unit of work is tried again when somebody else was faster.
const TRIES: u32 = 6;

/// An open register.
#[derive(Debug)]
pub struct Register {
    store: Store,
    id: String,
    /// Whose eyes it is read with; `None`: nobody is asked.
    viewer: Option<Person>,
}

impl Register {
    /// Makes a register. Its maker is the first administrator, with these roles besides.
    pub async fn init(
        at: &Database,
        organization: &str,
        name: &str,
        roles: &[Role],
        key: &StationKey,
    ) -> Result<Register, RegisterError> {
        let mut store = Store::open(at, true).await?;
        let id = uuid::Uuid::now_v7().to_string();
        store.begin().await?;
        let made = create(&mut store, &id, organization, name, roles, key).await;
        finish(&mut store, made).await?;
        Ok(Register { store, id, viewer: None })
    }

    /// Opens a register. One that an earlier version made gets the tables it lacks, filled from its
    /// events.
    pub async fn open(at: &Database) -> Result<Register, RegisterError> {
        let mut store = Store::open(at, false).await?;
        let sql = "SELECT key, value FROM info WHERE key='register' OR key='tables'";
        let rows = match store.texts(sql, &[], 2).await {
            Ok(rows) => rows,
            Err(RegisterError::Database { source, .. }) if source.as_database_error().is_some() => Vec::new(),
            Err(error) => return Err(error),
        };
        let value = |key: &str| rows.iter().find(|row| row[0].as_deref() == Some(key)).and_then(|row| row[1].clone());
        let id = value("register").ok_or_else(|| RegisterError::NotInitialised(store.place.clone()))?;
        let (grown, ours) = (std::mem::take(&mut store.grown), migrations::tables());
        let marked: Option<i64> = value("tables").and_then(|version| version.parse().ok());
        if marked.is_some_and(|version| version > ours) {
            return Err(RegisterError::OtherTables(store.place));
        }
        let mut register = Register { store, id, viewer: None };
        // Also where somebody was interrupted between making the tables and filling them.
        if grown || marked != Some(ours) {
            register.rebuild().await?;
        }
        Ok(register)
    }

    /// Closes the register: its database is left as a single file, where it is one.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// The register's random id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// From now on assets are shown only where this person's roles reach. The program keeps to it;
    /// whoever can open the database can read all of it without the program.
    pub async fn view_as(&mut self, kid: &str) -> Result<(), RegisterError> {
        let refused = |why: String| RegisterError::Refused(Refusal::rule(why));
        let people = self.people().await?;
        let person = people.persons.get(kid).ok_or_else(|| {
            let why = Refusal::rule(format!("key {kid} is not enrolled in this register, so it is shown nothing"));
            RegisterError::Refused(why.hint("an administrator enrols it: lastwrite register person enrol"))
        })?;
        match (&person.barred, person.grants.is_empty()) {
            (Some(reason), _) => Err(refused(format!("{} is barred: {reason}", person.name))),
            (None, true) => Err(refused(format!("{} has no role, so nothing is shown", person.name))),
            (None, false) => {
                self.viewer = Some(person.clone());
                Ok(())
            }
        }
    }

    /// Whether what is at this place may be shown.
    pub fn sees(&self, location: Option<&str>) -> bool {
        self.viewer.as_ref().is_none_or(|person| person.sees(location))
    }

    /// Runs a unit of work as the owner of `key`: all of it is stored, or nothing. When somebody
    /// else was faster it is judged and run again on what is there then.
    pub async fn run<T>(
        &mut self,
        key: &StationKey,
        job: impl AsyncFn(&mut Work<'_>) -> Result<T, RegisterError>,
    ) -> Result<T, RegisterError> {
        let mut tries = 0;
        loop {
            self.store.begin().await?;
            let mut work = Work {
                store: &mut self.store,
                register: &self.id,
                key,
                now: now(),
                states: BTreeMap::new(),
                events: Vec::new(),
                documents: BTreeMap::new(),
                fresh: None,
                gathered: BTreeSet::new(),
                trust: None,
            };
            let result = match job(&mut work).await {
                Ok(value) => work.write().await.map(|()| value),
                Err(error) => Err(error),
            };
            let result = finish(&mut self.store, result).await;
            tries += 1;
            match result {
                Err(RegisterError::Conflict { .. }) if tries < TRIES => {}
                result => return result,
            }
        }
    }

    /// The asset with that tag, its stream and its revision.
    pub async fn asset(&mut self, tag: &str) -> Result<(String, u64, Asset), RegisterError> {
        let missing = || RegisterError::NotFound { what: "asset", name: tag.to_owned() };
        let sql = "SELECT stream FROM asset WHERE tag=$1";
        let rows = self.store.texts(sql, &[Value::Text(Some(tag.to_owned()))], 1).await?;
        let stream = rows.into_iter().flatten().flatten().next().ok_or_else(missing)?;
        match self.store.state(&stream).await? {
            Some(Placed { state: State::Asset(asset), revision, .. }) if self.sees(asset.location.as_deref()) => {
                Ok((stream, revision, asset))
            }
            _ => Err(missing()),
        }
    }

    /// The media of an asset.
    pub async fn media_of(&mut self, asset: &Asset) -> Result<Vec<PlacedMedium>, RegisterError> {
        let mut media = Vec::new();
        for stream in &asset.media {
            if let Some(Placed { state: State::Medium(medium), revision, .. }) = self.store.state(stream).await? {
                media.push(PlacedMedium { stream: stream.clone(), revision, medium });
            }
        }
        Ok(media)
    }

    /// The medium of that stream.
    pub async fn medium(&mut self, stream: &str) -> Result<Option<Medium>, RegisterError> {
        match self.store.state(stream).await? {
            Some(Placed { state: State::Medium(medium), .. }) => Ok(Some(medium)),
            _ => Ok(None),
        }
    }

    /// Media that are in no asset and not proven to be empty, in the order in which they became known, after the
    /// stream `after`; at most `limit`. They have no place, so only who sees everything sees them.
    pub async fn loose_media(&mut self, after: &str, limit: u32) -> Result<Vec<PlacedMedium>, RegisterError> {
        if !self.sees(None) {
            return Ok(Vec::new());
        }
        let sql = "SELECT stream FROM medium WHERE asset IS NULL AND state<>'sanitized' AND state<>'destroyed' \
                   AND stream>$1 ORDER BY stream LIMIT $2";
        let values = [Value::Text(Some(after.to_owned())), Value::Whole(i64::from(limit))];
        let mut media = Vec::new();
        for stream in self.store.texts(sql, &values, 1).await?.into_iter().flatten().flatten() {
            if let Some(Placed { state: State::Medium(medium), revision, .. }) = self.store.state(&stream).await? {
                media.push(PlacedMedium { stream, revision, medium });
            }
        }
        Ok(media)
    }

    /// The asset of that stream, wherever it is.
    pub async fn asset_at(&mut self, stream: &str) -> Result<Option<Asset>, RegisterError> {
        match self.store.state(stream).await? {
            Some(Placed { state: State::Asset(asset), .. }) => Ok(Some(asset)),
            _ => Ok(None),
        }
    }

    /// The events of a stream in order.
    pub async fn history(&mut self, stream: &str) -> Result<Vec<Event>, RegisterError> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(0, |e: &Event| e.revision.0);
            let page = self.store.events_of(stream, after, 200).await?;
            let before = events.len();
            for (of, revision, _, jws) in page {
                let damaged = |why| RegisterError::Damaged { place: format!("{of} revision {revision}"), why };
                events.push(Event::read(&jws).map_err(damaged)?.1);
            }
            if events.len() == before {
                return Ok(events);
            }
        }
    }

    /// Everybody enrolled.
    pub async fn people(&mut self) -> Result<People, RegisterError> {
        match self.store.state(REGISTER_STREAM).await? {
            Some(Placed { state: State::People(people), .. }) => Ok(people),
            _ => Err(RegisterError::NotInitialised(self.store.place.clone())),
        }
    }

    /// Tag, stage, condition, category, model, location and custodian of assets, in the order of
    /// their tags, after the tag `after`; at most `limit`.
    pub async fn list(
        &mut self,
        stage: Option<Stage>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Vec<Option<String>>>, RegisterError> {
        let sql = "SELECT tag, stage, condition, category, model, location, custodian FROM asset \
                   WHERE tag>$1 AND (stage=$2 OR $3=1) ORDER BY tag LIMIT $4";
        let stage_values =
            [Value::Text(Some(stage.map_or("", Stage::name).to_owned())), Value::Whole(i64::from(stage.is_none()))];
        self.seen_rows(sql, after, &stage_values, limit).await
    }

    /// Assets that came without a granted request and that nobody accepted: shadow IT. As
    /// [`Register::list`].
    pub async fn shadow(&mut self, after: &str, limit: u32) -> Result<Vec<Vec<Option<String>>>, RegisterError> {
        let sql = "SELECT tag, stage, condition, category, model, location, custodian FROM asset \
                   WHERE tag>$1 AND origin=$2 AND $3=1 AND stage<>'closed' ORDER BY tag LIMIT $4";
        let values = [Value::Text(Some(Origin::Shadow.name().to_owned())), Value::Whole(1)];
        self.seen_rows(sql, after, &values, limit).await
    }

    async fn seen_rows(
        &mut self,
        sql: &'static str,
        after: &str,
        values: &[Value; 2],
        limit: u32,
    ) -> Result<Vec<Vec<Option<String>>>, RegisterError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut rows, mut after) = (Vec::new(), after.to_owned());
        while rows.len() < wanted {
            let [a, b] = values.clone();
            let values = [Value::Text(Some(after.clone())), a, b, Value::Whole(i64::from(limit))];
            let page = self.store.texts(sql, &values, 7).await?;
            let Some(Some(last)) = page.last().and_then(|row| row.first()) else { break };
            after.clone_from(last);
            rows.extend(page.into_iter().filter(|row| self.sees(row.get(5).and_then(Option::as_deref))));
        }
        rows.truncate(wanted);
        Ok(rows)
    }
}

async fn create(
    store: &mut Store,
    id: &str,
    organization: &str,
    name: &str,
    roles: &[Role],
    key: &StationKey,
) -> Result<(), RegisterError> {
    let there = store.texts("SELECT value FROM info WHERE key='register'", &[], 1).await?;
    if !there.is_empty() {
        return Err(RegisterError::AlreadyThere(store.place.clone()));
    }
    let values = [Value::Text(Some(id.to_owned()))];
    store.execute("INSERT INTO info(key, value) VALUES ('register', $1)", &values, "making the register").await?;
    store.mark_tables().await?;
    let mut work = Work {
        store,
        register: id,
        key,
        now: now(),
        states: BTreeMap::new(),
        events: Vec::new(),
        documents: BTreeMap::new(),
        fresh: None,
        gathered: BTreeSet::new(),
        trust: None,
    };
    let x = key.public().x();
    let created = Act::RegisterCreated { organization: organization.to_owned(), name: name.to_owned(), x };
    work.act(REGISTER_STREAM, created).await?;
    for role in roles.iter().filter(|role| **role != Role::Admin) {
        let grant = Grant { role: *role, location: None };
        work.act(REGISTER_STREAM, Act::RoleGranted { kid: key.kid().to_owned(), grant }).await?;
    }
    work.write().await
}

/// Commits what went well, undoes the rest.
async fn finish<T>(store: &mut Store, result: Result<T, RegisterError>) -> Result<T, RegisterError> {
    match result {
        Ok(value) => store.commit().await.map(|()| value),
        Err(error) => {
            store.rollback().await;
            Err(error)
        }
    }
}
