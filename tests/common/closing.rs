//! Assets that wait for nothing but their certificate, and the certificates: for the test and for the example that
//! closes them by the thousand.

use std::error::Error;
use std::time::Instant;

use lastwrite::certificate::{CertificatePayload, DocumentKind, GivenForm, IssueContext};
use lastwrite::media::MediumClass;
use lastwrite::register::{
    Act, AssetClass, CostCategory, DataClass, Database, Details, Ingested, Item, LineOutcome, MediumIdentity, Money,
    Received, Register, RegisterError, Role, Route, Stage, Verdict, Whole, Work,
};
use lastwrite::sanitize::record::RunFacts;
use lastwrite::signed::{Role as SignerRole, StationKey, TrustStore, TrustedKey, sign};

/// A register, whose drives are wiped but not yet on record as such.
pub struct Waiting {
    pub register: Register,
    pub key: StationKey,
    pub trust: TrustStore,
    pub files: Vec<Received>,
}

impl Waiting {
    /// Makes `total` assets ready to be closed, and a certificate for each.
    pub async fn new(at: &Database, total: usize) -> Result<Waiting, Box<dyn Error>> {
        let (key, station) = (StationKey::from_seed(&[1; 32]), StationKey::from_seed(&[2; 32]));
        let mut register = Register::init(at, "Example Org", "Mia", &[Role::AssetManager, Role::Finance], &key).await?;
        for chunk in (0..total).collect::<Vec<_>>().chunks(100) {
            let made = register.run(&key, async |work| {
                for number in chunk {
                    prepare(work, *number).await?;
                }
                Ok(())
            });
            made.await?;
        }
        let files = (0..total).map(|number| certificate(number, &station)).collect::<Result<_, _>>()?;
        let mut trust = TrustStore::default();
        let since = lastwrite::units::now() - chrono::TimeDelta::days(1);
        trust.add(TrustedKey::new(station.public().clone(), "Bench 1", SignerRole::Station, Some(since)))?;
        Ok(Waiting { register, key, trust, files })
    }

    /// Takes the certificates in; how many seconds that took. Each must close its asset.
    pub async fn close(&mut self) -> Result<f64, Box<dyn Error>> {
        let begin = Instant::now();
        let done = self.register.ingest(&self.key, &self.files, &self.trust).await?;
        let took = begin.elapsed().as_secs_f64();
        let closed = |result: &Ingested| result.verdict == Verdict::Accepted && result.closed;
        match done.iter().find(|result| !closed(result)) {
            Some(result) => Err(format!("an asset was not closed by its certificate: {result:?}").into()),
            None if done.len() == self.files.len() => Ok(took),
            None => Err(format!("{} certificates were judged, of {}", done.len(), self.files.len()).into()),
        }
    }
}

/// All but the evidence.
async fn prepare(work: &mut Work<'_>, number: usize) -> Result<(), RegisterError> {
    let tag = format!("T-{number:07}");
    let added = Act::AssetAdded {
        tag: tag.clone(),
        class: AssetClass::Physical,
        data_class: DataClass::None,
        stage: Stage::Decommissioning,
        location: None,
        custodian: None,
        details: Details::default(),
    };
    let stream = work.add_asset(added).await?;
    let identity =
        MediumIdentity { serial: Some(serial(number)), model: Some("Model".into()), ..MediumIdentity::default() };
    work.install(&tag, identity, MediumClass::Physical).await?;
    work.act(&stream, Act::MediaCounted { count: 1 }).await?;
    for item in Item::DECOMMISSIONING {
        work.act(&stream, Act::ChecklistDone { item: *item, note: None }).await?;
    }
    work.act(&stream, Act::RouteChosen { route: Route::Resale, order: "LOT".into(), vendor: None }).await?;
    work.move_stage(&tag, Stage::Disposition, None).await?;
    let money = Money { minor: Whole(1000), currency: "EUR".into() };
    let on = lastwrite::units::now();
    work.act(&stream, Act::CostBooked { category: CostCategory::Recovery, money, on, reference: None }).await?;
    work.set_outcome(&tag, LineOutcome::Sold, None).await
}

fn serial(number: usize) -> String {
    format!("SER{number:09}")
}

/// A certificate as the station would sign it, for the drive of that number.
fn certificate(number: usize, station: &StationKey) -> Result<Received, Box<dyn Error>> {
    let mut facts: RunFacts = serde_json::from_str(include_str!("../data/facts.json"))?;
    facts.run_id = format!("{number:032x}");
    facts.medium.identity.serial = Some(serial(number));
    facts.medium.identity.model = Some("Model".into());
    facts.medium.identity.wwn = None;
    facts.medium.identity_digest = facts.medium.identity.digest();
    // The run ended after the record began.
    let now = lastwrite::units::now();
    (facts.started, facts.ended) = (now, now);
    let context =
        IssueContext { organization: "Example Org".into(), station: "Bench 1".into(), form: GivenForm::default() };
    let payload = serde_json::to_vec(&CertificatePayload::from_facts(&facts, None, &context))?;
    let signed = sign(&payload, DocumentKind::Certificate.typ(), station, SignerRole::Station, now)?;
    Ok(Received { name: format!("{number}.json"), bytes: signed.to_bytes() })
}
