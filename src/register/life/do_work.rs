//! Work orders and licences: changes that concern an asset and something of their own at once.

use chrono::{DateTime, Utc};

use super::job::{Downtime, WorkFacts, WorkKind, WorkOrder, WorkResult};
use super::pool::{Pool, PoolFacts};
use crate::register::act::{Act, CostCategory};
use crate::register::error::{Refusal, RegisterError};
use crate::register::stage::Stage;
use crate::register::state::State;
use crate::register::work::Work;

/// A work order to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Tag of the asset.
    pub tag: String,
    /// Kind.
    pub kind: WorkKind,
    /// What is to be done, or what is wrong.
    pub title: String,
    /// Its number; left out: one is made.
    pub number: Option<String>,
    /// When it is to be done by.
    pub due: Option<DateTime<Utc>>,
    /// The asset's schedule that it comes of.
    pub schedule: Option<String>,
    /// Who asked for it.
    pub reporter: Option<String>,
    /// Who does it.
    pub assignee: Option<String>,
}

impl Work<'_> {
    /// Opens a work order on an asset. Returns its number.
    pub async fn open_work(&mut self, opening: Opening) -> Result<String, RegisterError> {
        let (asset_stream, asset) = self.asset(&opening.tag).await?;
        if matches!(asset.stage, Stage::Procurement | Stage::Closed) {
            return Err(
                Refusal::rule(format!("{} is in {}: there is nothing to work on", asset.tag, asset.stage)).into()
            );
        }
        if let Some(name) = &opening.schedule
            && !asset.life.schedules.contains_key(name)
        {
            return Err(Refusal::rule(format!("{} has no schedule {name:?}", asset.tag)).into());
        }
        let id = uuid::Uuid::now_v7();
        let made = || {
            let random = id.simple().to_string().chars().rev().take(6).collect::<String>();
            format!("WO-{}-{random}", self.now.format("%Y%m%d"))
        };
        let number = opening.number.unwrap_or_else(made);
        let stream = self.new_record("work", &number).await?;
        let facts = WorkFacts {
            number: number.clone(),
            asset: asset_stream.clone(),
            tag: asset.tag,
            kind: opening.kind,
            title: opening.title,
            due: opening.due,
            schedule: opening.schedule,
            reporter: opening.reporter,
            assignee: opening.assignee,
        };
        self.append_at(&stream, Act::WorkOpened(facts), &asset_stream).await?;
        let begun = Act::WorkBegun { work: stream, number: number.clone(), kind: opening.kind };
        self.append(&asset_stream, begun).await?;
        Ok(number)
    }

    /// The work order of that number.
    pub async fn work_order(&mut self, number: &str) -> Result<(String, WorkOrder), RegisterError> {
        match self.need_record("work", number).await? {
            (stream, State::Work(work)) => Ok((stream, work)),
            _ => Err(RegisterError::NotFound { what: "work order", name: number.to_owned() }),
        }
    }

    /// Ends a work order. Its downtime stands on the asset from then on, its cost is booked, and the
    /// schedule that it came of counts on.
    pub async fn finish_work(
        &mut self,
        number: &str,
        result: WorkResult,
        downtime: Vec<Downtime>,
    ) -> Result<(), RegisterError> {
        let (stream, order) = self.work_order(number).await?;
        if result.at > self.now {
            return Err(Refusal::rule("it cannot be done in the future").into());
        }
        for one in &downtime {
            self.append(&stream, Act::WorkDown(one.clone())).await?;
        }
        self.append(&stream, Act::WorkDone(result.clone())).await?;
        self.settle(&stream, &order, true, [order.downtime.clone(), downtime].concat()).await?;
        let Some(money) = result.cost else { return Ok(()) };
        let reference = Some(format!("work order {}", order.facts.number));
        let booked = Act::CostBooked { category: CostCategory::Maintenance, money, on: result.at, reference };
        self.append(&order.facts.asset, booked).await
    }

    /// Gives a work order up.
    pub async fn cancel_work(&mut self, number: &str, reason: String) -> Result<(), RegisterError> {
        let (stream, order) = self.work_order(number).await?;
        self.append(&stream, Act::WorkCancelled { reason }).await?;
        self.settle(&stream, &order, false, order.downtime.clone()).await
    }

    async fn settle(
        &mut self,
        stream: &str,
        order: &WorkOrder,
        done: bool,
        downtime: Vec<Downtime>,
    ) -> Result<(), RegisterError> {
        let (work, kind, schedule) = (stream.to_owned(), order.facts.kind, order.facts.schedule.clone());
        self.append(&order.facts.asset, Act::WorkSettled { work, kind, done, downtime, schedule }).await
    }

    /// Makes a licence known, or changes its facts.
    pub async fn set_pool(&mut self, facts: PoolFacts) -> Result<(), RegisterError> {
        self.set("licence", &facts.product, Act::PoolSet(facts.clone())).await
    }

    /// Gives an asset a seat. A product that is no licence of the register is noted on the asset
    /// alone. `found`: it was found in use.
    pub async fn assign_licence(
        &mut self,
        tag: &str,
        product: &str,
        key_ref: Option<String>,
        found: bool,
    ) -> Result<(), RegisterError> {
        let (asset_stream, asset) = self.asset(tag).await?;
        let (product, key_ref) = match self.pool(product).await? {
            Some((stream, pool)) => {
                let taken = Act::SeatTaken { asset: asset_stream.clone(), tag: asset.tag, found };
                self.append_at(&stream, taken, &asset_stream).await?;
                (pool.facts.product, key_ref.or(pool.facts.key_ref))
            }
            None => (product.to_owned(), key_ref),
        };
        self.append(&asset_stream, Act::LicenceAssigned { product, key_ref }).await
    }

    /// Frees the seat for use elsewhere.
    pub async fn release_licence(&mut self, tag: &str, product: &str) -> Result<(), RegisterError> {
        let (asset_stream, asset) = self.asset(tag).await?;
        let held = asset.licences.keys().find(|held| held.eq_ignore_ascii_case(product));
        let product = held.cloned().unwrap_or_else(|| product.to_owned());
        if let Some((stream, pool)) = self.pool(&product).await?
            && pool.taken.contains_key(&asset_stream)
        {
            self.append_at(&stream, Act::SeatReleased { asset: asset_stream.clone() }, &asset_stream).await?;
        }
        self.append(&asset_stream, Act::LicenceReleased { product }).await
    }

    async fn pool(&mut self, product: &str) -> Result<Option<(String, Pool)>, RegisterError> {
        match self.find_record("licence", product).await? {
            Some((stream, State::Licence(pool))) => Ok(Some((stream, pool))),
            _ => Ok(None),
        }
    }
}
