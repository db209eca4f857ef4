//! One unit of work: acts are judged, signed and stored together, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::act::{Act, ClosedOn, MediumIdentity};
use super::asset::Asset;
use super::close::{Closer, PlacedMedium, judge};
use super::error::{Refusal, RegisterError};
use super::event::{Event, Stored};
use super::ingest::{COLUMNS, REPLACEABLE};
use super::medium::Medium;
use super::people::{People, REGISTER_STREAM};
use super::stage::Stage;
use super::state::{Placed, State};
use super::store::{Store, Value};
use crate::signed::StationKey;
use crate::units::Bytes;

/// Acts under way, inside one transaction.
#[derive(Debug)]
pub struct Work<'a> {
    pub(super) store: &'a mut Store,
    pub(super) register: &'a str,
    pub(super) key: &'a StationKey,
    pub(super) now: DateTime<Utc>,
    pub(super) states: BTreeMap<String, Placed>,
    pub(super) events: Vec<Stored>,
    /// Documents to keep, by the SHA-256 of their bytes.
    pub(super) documents: BTreeMap<String, Vec<Value>>,
    /// A stream that was just named, so that nobody need look for it.
    pub(super) fresh: Option<String>,
    /// Names (column and value) whose media are all among the states.
    pub(super) gathered: BTreeSet<(&'static str, String)>,
    /// SHA-256 of the trust store by which evidence was believed.
    pub(super) trust: Option<String>,
}

impl Work<'_> {
    /// Lets `act` happen to `stream`, if rights and rules allow it. Closing goes through [`Work::close`].
    pub async fn act(&mut self, stream: &str, act: Act) -> Result<(), RegisterError> {
        let by_itself = matches!(act, Act::EvidenceAccepted { .. } | Act::EvidenceJudged { .. });
        if by_itself || matches!(act, Act::AssetClosed { .. } | Act::MediumRetired { .. }) {
            return Err(
                Refusal::rule("evidence comes in by ingest, and an asset is closed by the close rule alone").into()
            );
        }
        super::life::check_alone(&act)?;
        self.append(stream, act).await
    }

    /// A new asset; its stream.
    pub async fn add_asset(&mut self, act: Act) -> Result<String, RegisterError> {
        let Act::AssetAdded { tag, .. } = &act else { return Err(Refusal::rule("no asset to add").into()) };
        let stream = format!("asset/{}", uuid::Uuid::now_v7());
        if self.states.values().any(|p| matches!(&p.state, State::Asset(a) if a.tag == *tag))
            || self.find_asset(tag).await?.is_some()
        {
            return Err(Refusal::rule(format!("asset tag {tag:?} stands in the register already")).into());
        }
        self.append(&stream, act).await?;
        Ok(stream)
    }

    /// As [`Work::add_asset`] for a tag that is known to be free.
    pub(super) async fn add_untaken(&mut self, act: Act) -> Result<(), RegisterError> {
        let stream = format!("asset/{}", uuid::Uuid::now_v7());
        self.fresh = Some(stream.clone());
        self.append(&stream, act).await
    }

    /// Stores what happened so far, within the transaction, and lets go of it.
    pub async fn flush(&mut self) -> Result<(), RegisterError> {
        self.write().await?;
        self.events.clear();
        self.states.retain(|stream, _| stream == REGISTER_STREAM);
        self.gathered.clear();
        Ok(())
    }

    /// The asset with that tag; its stream and state.
    pub async fn asset(&mut self, tag: &str) -> Result<(String, Asset), RegisterError> {
        let missing = || RegisterError::NotFound { what: "asset", name: tag.to_owned() };
        let stream = self.find_asset(tag).await?.ok_or_else(missing)?;
        match self.load(&stream).await?.map(|p| &p.state) {
            Some(State::Asset(asset)) => Ok((stream, asset.clone())),
            _ => Err(missing()),
        }
    }

    /// Looks up many assets at once (a few hundred), so that [`Work::asset`] asks for none of them.
    pub async fn gather<'t>(&mut self, tags: impl Iterator<Item = &'t str>) -> Result<(), RegisterError> {
        let mut tags: Vec<&str> = tags.collect();
        tags.sort_unstable();
        tags.dedup();
        for (stream, placed) in self.store.assets_tagged(&tags).await? {
            self.states.entry(stream).or_insert(placed);
        }
        Ok(())
    }

    /// Looks up many media at once (a few hundred) and the assets they are in, so that
    /// [`Work::find_media`] asks for none of them.
    pub(super) async fn gather_media<'t>(
        &mut self,
        identities: impl Iterator<Item = &'t MediumIdentity>,
    ) -> Result<(), RegisterError> {
        let names: BTreeSet<(&'static str, String)> = identities.flat_map(names).collect();
        let mut assets = Vec::new();
        for (stream, placed) in self.store.media_named(&names).await? {
            if let State::Medium(Medium { asset: Some(asset), .. }) = &placed.state {
                assets.push(asset.clone());
            }
            self.states.entry(stream).or_insert(placed);
        }
        self.gathered.extend(names);
        self.gather_streams(assets).await
    }

    /// Looks up many streams at once (a few hundred).
    pub(super) async fn gather_streams(&mut self, mut streams: Vec<String>) -> Result<(), RegisterError> {
        streams.retain(|stream| !self.states.contains_key(stream));
        streams.sort_unstable();
        streams.dedup();
        self.states.extend(self.store.states(&streams).await?);
        Ok(())
    }

    /// Looks up many assets and the media in them at once (a few hundred).
    pub(super) async fn gather_assets(&mut self, streams: &[String]) -> Result<(), RegisterError> {
        self.gather_streams(streams.to_vec()).await?;
        let media = |stream: &String| match self.states.get(stream).map(|placed| &placed.state) {
            Some(State::Asset(asset)) => asset.media.clone(),
            _ => Vec::new(),
        };
        self.gather_streams(streams.iter().flat_map(media).collect()).await
    }

    /// The media of an asset, each with its place.
    pub async fn media_of(&mut self, asset: &Asset) -> Result<Vec<PlacedMedium>, RegisterError> {
        let mut media = Vec::new();
        for stream in &asset.media {
            if let Some(Placed { state: State::Medium(medium), revision, .. }) = self.load(stream).await? {
                media.push(PlacedMedium { stream: stream.clone(), revision: *revision, medium: medium.clone() });
            }
        }
        Ok(media)
    }

    /// Media that could be the one so named, by serial number, WWN or digest.
    pub async fn find_media(&mut self, identity: &MediumIdentity) -> Result<Vec<(String, Medium)>, RegisterError> {
        let names = names(identity);
        let mut streams = Vec::new();
        if !names.iter().all(|name| self.gathered.contains(name)) {
            let of = |column| names.iter().find(|(of, _)| *of == column).map(|(_, value)| value.clone());
            let sql = "SELECT stream FROM medium WHERE serial=$1 OR wwn=$2 OR digest=$3 ORDER BY stream";
            let values = ["serial", "wwn", "digest"].map(|column| Value::Text(of(column)));
            streams.extend(self.store.texts(sql, &values, 1).await?.into_iter().flatten().flatten());
        }
        // What this work has added is not in the tables yet.
        let here = self.states.range("medium/".to_owned()..).take_while(|(stream, _)| stream.starts_with("medium/"));
        let same = |placed: &Placed| matches!(&placed.state, State::Medium(m) if m.is(identity));
        streams.extend(here.filter(|(_, placed)| same(placed)).map(|(stream, _)| stream.clone()));
        streams.sort();
        streams.dedup();
        let mut found = Vec::new();
        for stream in streams {
            if let Some(Placed { state: State::Medium(medium), .. }) = self.load(&stream).await?
                && medium.is(identity)
            {
                found.push((stream, medium.clone()));
            }
        }
        Ok(found)
    }

    /// What keeps the asset from being closed by this actor; empty when nothing does.
    pub async fn blockers(&mut self, tag: &str) -> Result<Vec<String>, RegisterError> {
        let (_, asset) = self.asset(tag).await?;
        Ok(self.judge(&asset).await?.err().unwrap_or_default())
    }

    /// Closes the asset, if nothing stands against it.
    pub async fn close(&mut self, tag: &str) -> Result<Vec<ClosedOn>, RegisterError> {
        let (stream, asset) = self.asset(tag).await?;
        asset.check(&Act::AssetClosed {
            media: Vec::new(),
            minimum: super::Minimum::of(asset.data_class, super::Route::Resale),
        })?;
        let (minimum, media) = self.judge(&asset).await?.map_err(|blockers| {
            Refusal::rule(format!("{tag} cannot be closed: {}", blockers.join("; ")))
                .hint(format!("lastwrite asset blockers {tag}"))
        })?;
        for on in &media {
            // Whoever changes the medium at the same time meets a conflict.
            self.append(&on.medium, Act::MediumRetired { asset: stream.clone(), document: on.document.clone() })
                .await?;
        }
        self.append(&stream, Act::AssetClosed { media: media.clone(), minimum }).await?;
        Ok(media)
    }

    async fn judge(
        &mut self,
        asset: &Asset,
    ) -> Result<Result<(super::Minimum, Vec<ClosedOn>), Vec<String>>, RegisterError> {
        let media = self.media_of(asset).await?;
        let kid = self.key.kid().to_owned();
        let people = self.people().await?;
        let name = people.persons.get(&kid).map(|p| p.name.clone()).unwrap_or_default();
        let rules = people.rules_at(Stage::Disposition, self.now);
        let judged = judge(asset, &media, Closer { kid: &kid, name: &name }, &rules);
        Ok(match (people.may_close(&kid, asset, self.now), judged) {
            (Ok(()), judged) => judged,
            (Err(refused), Ok(_)) => Err(vec![refused.message]),
            (Err(refused), Err(mut blockers)) => {
                blockers.push(refused.message);
                Err(blockers)
            }
        })
    }

    /// Everybody enrolled.
    pub async fn people(&mut self) -> Result<People, RegisterError> {
        match self.load(REGISTER_STREAM).await?.map(|p| &p.state) {
            Some(State::People(people)) => Ok(people.clone()),
            _ => Err(RegisterError::NotInitialised(self.store.place.clone())),
        }
    }

    async fn find_asset(&mut self, tag: &str) -> Result<Option<String>, RegisterError> {
        let added = self.states.iter().find(|(_, p)| matches!(&p.state, State::Asset(a) if a.tag == tag));
        if let Some((stream, _)) = added {
            return Ok(Some(stream.clone()));
        }
        let rows =
            self.store.texts("SELECT stream FROM asset WHERE tag=$1", &[Value::Text(Some(tag.to_owned()))], 1).await?;
        Ok(rows.into_iter().flatten().flatten().next())
    }

    pub(super) async fn load(&mut self, stream: &str) -> Result<Option<&Placed>, RegisterError> {
        if !self.states.contains_key(stream)
            && self.fresh.as_deref() != Some(stream)
            && let Some(placed) = self.store.state(stream).await?
        {
            self.states.insert(stream.to_owned(), placed);
        }
        Ok(self.states.get(stream))
    }

    /// The state of a stream.
    pub(super) async fn placed(&mut self, stream: &str) -> Result<Option<Placed>, RegisterError> {
        Ok(self.load(stream).await?.cloned())
    }

    pub(super) async fn append(&mut self, stream: &str, act: Act) -> Result<(), RegisterError> {
        self.append_at(stream, act, stream).await
    }

    /// As [`Work::append`]; rights are asked for the place of `for_stream`.
    pub(super) async fn append_at(&mut self, stream: &str, act: Act, for_stream: &str) -> Result<(), RegisterError> {
        self.load(stream).await?;
        let place_of = self.place_of(for_stream).await?;
        let new_place = match &act {
            Act::AssetAdded { location, .. } | Act::Assigned { location, .. } => Some(location.clone()),
            Act::RequestOpened(facts) => Some(facts.location.clone()),
            Act::LotOpened(facts) => Some(facts.location.clone()),
            Act::Sighted(sightings) => Some(sightings.place.clone()),
            Act::FindingOpened(finding) => Some(finding.place.clone()),
            _ => None,
        };
        let trust = self.trust.clone().filter(|_| super::trust::takes_in(&act));
        let kid = self.key.kid();
        self.load(REGISTER_STREAM).await?;
        let before = self.states.get(stream).map(|p| &p.state);
        let under = match self.states.get(REGISTER_STREAM) {
            Some(Placed { state: State::People(people), revision, .. }) => {
                let mut places: Vec<Option<&str>> = place_of.iter().map(|p| p.as_deref()).collect();
                places.extend(new_place.iter().map(|p| p.as_deref()));
                if places.is_empty() {
                    places.push(None);
                }
                people.permit(kid, &act, &places)?;
                people.allow(kid, &act, before, self.now)?;
                people.believes(&act, trust.as_deref())?;
                *revision
            }
            _ if stream == REGISTER_STREAM && matches!(act, Act::RegisterCreated { .. }) => 0,
            _ => return Err(RegisterError::NotInitialised(self.store.place.clone())),
        };
        let (state, revision, previous) = match self.states.get(stream) {
            None => (State::begin(stream, &act, self.key.kid(), self.now)?, 1, None),
            Some(placed) => {
                placed.state.check(&act)?;
                let mut state = placed.state.clone();
                state.apply(&act, self.key.kid(), self.now);
                (state, placed.revision + 1, Some(placed.head.clone()))
            }
        };
        let event = Event {
            register: self.register.to_owned(),
            stream: stream.to_owned(),
            revision: Bytes(revision),
            previous,
            under: Bytes(under),
            at: self.now,
            actor: self.key.kid().to_owned(),
            trust,
            act,
        };
        let stored = event.seal(self.key)?;
        self.states.insert(stream.to_owned(), Placed { state, revision, head: stored.hash.clone() });
        self.events.push(stored);
        Ok(())
    }

    /// Where the thing is: one place, or none for what has no place (a new asset, the register).
    async fn place_of(&mut self, stream: &str) -> Result<Option<Option<String>>, RegisterError> {
        let holder = match self.load(stream).await?.map(|p| &p.state) {
            Some(State::Asset(asset)) => return Ok(Some(asset.location.clone())),
            Some(State::Medium(medium)) => medium.asset.clone(),
            Some(State::Work(work)) => Some(work.facts.asset.clone()),
            Some(State::Request(request)) => return Ok(Some(request.facts.location.clone())),
            Some(State::Lot(lot)) => return Ok(Some(lot.facts.location.clone())),
            Some(State::Finding(finding)) => return Ok(Some(finding.place.clone())),
            _ => None,
        };
        let Some(holder) = holder else { return Ok(None) };
        match self.load(&holder).await?.map(|p| &p.state) {
            Some(State::Asset(asset)) => Ok(Some(asset.location.clone())),
            _ => Ok(None),
        }
    }

    /// Writes what happened; the caller commits.
    pub(super) async fn write(&mut self) -> Result<(), RegisterError> {
        let changed: std::collections::BTreeSet<&str> = self.events.iter().map(|e| e.event.stream.as_str()).collect();
        let states: Vec<(&String, &Placed)> =
            self.states.iter().filter(|(s, _)| changed.contains(s.as_str())).collect();
        self.store.write(&self.events, &states).await?;
        let documents: Vec<Vec<Value>> = std::mem::take(&mut self.documents).into_values().collect();
        let kept = self.store.insert_if("document", &COLUMNS, "sha256", REPLACEABLE, documents).await;
        kept.map_err(super::error::database("keeping documents"))
    }
}

/// The names of a medium by which the tables know it: column and value.
fn names(identity: &MediumIdentity) -> Vec<(&'static str, String)> {
    let lower = |text: &String| text.trim().to_ascii_lowercase();
    let names = [
        ("serial", identity.serial.as_ref().map(lower)),
        ("wwn", identity.wwn.as_ref().map(lower)),
        ("digest", identity.digest.clone()),
    ];
    names.into_iter().filter_map(|(column, value)| Some((column, value.filter(|v| !v.is_empty())?))).collect()
}
