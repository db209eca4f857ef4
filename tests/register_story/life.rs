//! A life in three parts: bought, used, on its way out.

use lastwrite::media::MediumClass;
use lastwrite::register::{
    Acknowledgement, Act, AssetClass, Certification, Choice, Configuration, CostCategory, DataClass, DecisionInputs,
    Depreciation, Details, Downtime, FullCost, Item, LotFacts, ModelFacts, Money, NeedKind, Opening, PolicyRules,
    PolicyText, PoolFacts, Purchase, Receipt, RegisterError, RequestFacts, Route, Schedule, Stage, Valuation,
    ValuationBasis, VendorFacts, VendorKind, Weights, Whole, Work, WorkKind, WorkResult,
};

fn money(text: &str) -> Money {
    Money::parse(text, "EUR").unwrap()
}

pub fn policy(stage: Stage) -> PolicyText {
    PolicyText {
        stage,
        version: 1,
        title: "Ours".into(),
        text: "What holds.".into(),
        rules: PolicyRules { request: stage == Stage::Procurement, ..PolicyRules::default() },
        effective: "2026-01-01".into(),
    }
}

pub fn lot(number: &str) -> LotFacts {
    LotFacts { number: number.into(), route: Route::Recycling, vendor: Some("GreenCo".into()), location: None }
}

/// Up to the request.
pub async fn bought(work: &mut Work<'_>) -> Result<(), RegisterError> {
    work.set_model(ModelFacts {
        manufacturer: "Lenovo".into(),
        model: "T14".into(),
        category: "laptop".into(),
        standard: true,
        useful_life_months: 48,
        depreciation: Depreciation::DecliningBalance,
        rate_bp: Some(3000),
        salvage_bp: 1000,
        end_of_support: Some("2031-06-30".into()),
        price: Some(money("1200")),
        weight_g: Some(1400),
    })
    .await?;
    work.set_vendor(VendorFacts { name: "GreenCo".into(), kinds: VendorKind::ALL.to_vec(), contact: None }).await?;
    let certification = Certification {
        scheme: "R2v3".into(),
        number: "C-9".into(),
        from: "2020-01-01".into(),
        until: "2090-12-31".into(),
        document: None,
    };
    work.certify_vendor("greenco", certification, Some(b"certificate")).await?;
    let cost = FullCost { acquisition: money("1200"), delivery: Some(money("20")), setup: None, support: None };
    let request = RequestFacts {
        number: "R-1".into(),
        kind: NeedKind::Need,
        need: "work".into(),
        what: "lenovo t14".into(),
        standard: false,
        quantity: 1,
        cost,
        location: None,
    };
    work.open_request(request).await
}

/// From the order to a review.
pub async fn used(work: &mut Work<'_>) -> Result<(), RegisterError> {
    let cost = FullCost { acquisition: money("1200"), delivery: None, setup: None, support: Some(money("20")) };
    let (vendor, order, on) = ("GreenCo".into(), "PO-1".into(), "2026-02-01".into());
    work.order_request("R-1", Purchase { vendor, order, on, cost, warranty_months: Some(36) }).await?;
    let added = Act::AssetAdded {
        tag: "L-1".into(),
        class: AssetClass::Physical,
        data_class: DataClass::None,
        stage: Stage::Procurement,
        location: None,
        custodian: None,
        details: Details::default(),
    };
    let stream = work.add_requested("R-1", added).await?;
    work.move_stage("L-1", Stage::Deployment, None).await?;
    let configuration = Configuration { software: vec!["PACS".into()], ..Configuration::default() };
    work.act(&stream, Act::Configured(configuration)).await?;
    work.act(&stream, Act::ChecklistDone { item: Item::Tagged, note: None }).await?;
    work.act(&stream, Act::Assigned { custodian: Some("Mia".into()), location: None }).await?;
    let said = Acknowledgement { name: "Mia".into(), statement: "I have it".into(), signed: true, document: None };
    work.act(&stream, Act::Acknowledged(said)).await?;
    work.set_pool(PoolFacts {
        product: "PACS".into(),
        publisher: None,
        seats: 1,
        key_ref: Some("vault:pacs".into()),
        expires: None,
        cost_per_year: None,
    })
    .await?;
    work.assign_licence("L-1", "pacs", None, false).await?;
    work.move_stage("L-1", Stage::Utilization, None).await?;
    let (name, next) = ("dust".to_owned(), "2030-01-01".to_owned());
    let schedule = Schedule { name: name.clone(), kind: WorkKind::Cleaning, every_days: 90, next };
    work.act(&stream, Act::ScheduleSet(schedule)).await?;
    let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let number = work
        .open_work(Opening {
            tag: "L-1".into(),
            kind: WorkKind::Upgrade,
            title: "memory".into(),
            number: None,
            due: Some(at("2026-03-01T00:00:00Z")),
            schedule: Some(name),
            reporter: None,
            assignee: None,
        })
        .await?;
    let (order, _) = work.work_order(&number).await?;
    work.act(&order, Act::WorkNoted { text: "n".into() }).await?;
    let down = Downtime { from: at("2026-02-20T10:00:00Z"), to: at("2026-02-20T11:00:00Z"), planned: true };
    let result = WorkResult { at: at("2026-02-20T11:00:00Z"), result: "in".into(), cost: Some(money("15")) };
    work.finish_work(&number, result, vec![down]).await?;
    let (basis, on) = (ValuationBasis::Market, "2026-06-01".into());
    work.act(&stream, Act::Valued(Valuation { basis, money: money("800"), on, source: "list".into() })).await?;
    work.move_stage("L-1", Stage::Upgrade, Some("slow".into())).await?;
    let inputs = DecisionInputs {
        as_of: "2026-06-01".into(),
        keep_per_year: money("300"),
        keep_growth_bp: 5000,
        replace_cost: money("1200"),
        replace_life_months: 48,
        replace_per_year: money("100"),
        performance: Some("slow".into()),
        security: None,
        end_of_support: Some("2031-06-30".into()),
    };
    work.decide("L-1", Choice::Refresh, "dearer".into(), inputs).await
}

/// From the decision to a lot that waits for evidence.
pub async fn out(work: &mut Work<'_>) -> Result<(), RegisterError> {
    let (stream, _) = work.asset("L-1").await?;
    work.act(&stream, Act::DisruptionWaived { reason: "nobody waits".into() }).await?;
    let identity = super::drive("SER-1");
    work.install("L-1", identity, MediumClass::Physical).await?;
    work.act(&stream, Act::MediaCounted { count: 1 }).await?;
    work.move_stage("L-1", Stage::Decommissioning, None).await?;
    work.release_licence("L-1", "PACS").await?;
    for item in Item::DECOMMISSIONING {
        work.act(&stream, Act::ChecklistDone { item: *item, note: None }).await?;
    }
    work.open_lot(lot("LOT-1")).await?;
    work.add_to_lot("LOT-1", "L-1", None).await?;
    work.take_off_lot("LOT-1", "L-1", "wrong".into()).await?;
    work.add_to_lot("LOT-1", "L-1", Some(1500)).await?;
    work.move_stage("L-1", Stage::Disposition, None).await?;
    let (lot, _) = work.lot("LOT-1").await?;
    work.act(&lot, Act::LotScheduled { day: "2026-07-01".into() }).await?;
    work.dispatch_lot("LOT-1", Some("S-1".into())).await?;
    work.receive_lot("LOT-1", Receipt { by: "R".into(), count: 1, reference: None, note: None }).await?;
    let (reused_g, recycled_g, energy_g, landfill_g) = (Whole(0), Whole(1400), Whole(0), Whole(100));
    work.act(&lot, Act::LotWeighed(Weights { reused_g, recycled_g, energy_g, landfill_g })).await?;
    let category = CostCategory::Disposition;
    let booked =
        Act::CostBooked { category, money: money("9"), on: "2026-07-01T00:00:00Z".parse().unwrap(), reference: None };
    work.act(&stream, booked).await?;
    work.document_lot("LOT-1", b"recycled").await
}
