//! Disposal orders: assets go on a lot, leave with it, and are closed with it.

use super::lot::{Dispatch, Lot, LotFacts, LotLine, LotState, Receipt};
use super::{Certification, day_of};
use crate::register::act::{Act, Route};
use crate::register::asset::Asset;
use crate::register::error::{Refusal, RegisterError};
use crate::register::stage::Stage;
use crate::register::state::State;
use crate::register::work::Work;

impl Work<'_> {
    /// The lot of that number.
    pub async fn lot(&mut self, number: &str) -> Result<(String, Lot), RegisterError> {
        match self.need_record("lot", number).await? {
            (stream, State::Lot(lot)) => Ok((stream, lot)),
            _ => Err(RegisterError::NotFound { what: "lot", name: number.to_owned() }),
        }
    }

    /// Begins a lot. Its vendor must be known, and certified where the route asks for that.
    pub async fn open_lot(&mut self, mut facts: LotFacts) -> Result<(), RegisterError> {
        if let Some(name) = &facts.vendor {
            facts.vendor = Some(self.taker(name, facts.route).await?.0);
        }
        let stream = self.new_record("lot", &facts.number).await?;
        self.append(&stream, Act::LotOpened(facts)).await
    }

    /// Chooses the route of one asset: it goes on the lot of that number, which begins with it where
    /// there is none.
    pub async fn choose_route(
        &mut self,
        tag: &str,
        route: Route,
        number: &str,
        vendor: Option<String>,
    ) -> Result<(), RegisterError> {
        match self.find_record("lot", number).await? {
            Some((_, State::Lot(lot))) => {
                let other = vendor
                    .as_ref()
                    .is_some_and(|v| lot.facts.vendor.as_ref().is_none_or(|l| !l.eq_ignore_ascii_case(v)));
                if lot.facts.route != route || other {
                    let to = lot.facts.vendor.as_deref().map(|v| format!(" to {v}")).unwrap_or_default();
                    return Err(Refusal::rule(format!("lot {number} is for {}{to}", lot.facts.route.name())).into());
                }
            }
            _ => {
                let (_, asset) = self.asset(tag).await?;
                let facts = LotFacts { number: number.to_owned(), route, vendor, location: asset.location };
                self.open_lot(facts).await?;
            }
        }
        self.add_to_lot(number, tag, None).await
    }

    /// Puts an asset on a lot. `weight_g`: its mass; left out: that of its model, where it has one.
    pub async fn add_to_lot(&mut self, number: &str, tag: &str, weight_g: Option<u32>) -> Result<(), RegisterError> {
        let (stream, lot) = self.lot(number).await?;
        let (asset_stream, asset) = self.asset(tag).await?;
        if let Some(line) = &asset.line
            && !line.order.eq_ignore_ascii_case(number)
            && let Some((other, State::Lot(held))) = self.find_record("lot", &line.order).await?
            && held.lines.iter().any(|l| l.asset == asset_stream)
        {
            if !matches!(held.state, LotState::Draft | LotState::Scheduled) {
                return Err(Refusal::rule(format!("{tag} left with lot {}", held.facts.number)).into());
            }
            let reason = format!("put on lot {}", lot.facts.number);
            self.append(&other, Act::LotLineRemoved { asset: asset_stream.clone(), reason }).await?;
        }
        let line = self.line_of(&asset_stream, &asset, weight_g).await?;
        self.append(&stream, Act::LotLineAdded(line)).await?;
        let (route, order, vendor) = (lot.facts.route, lot.facts.number, lot.facts.vendor);
        self.append(&asset_stream, Act::RouteChosen { route, order, vendor }).await
    }

    /// Takes an asset off a lot that is still here.
    pub async fn take_off_lot(&mut self, number: &str, tag: &str, reason: String) -> Result<(), RegisterError> {
        let (stream, _) = self.lot(number).await?;
        let (asset, _) = self.asset(tag).await?;
        self.append(&stream, Act::LotLineRemoved { asset, reason }).await
    }

    /// The lot leaves: what is on it is written down as it is now, and each asset is handed over to
    /// the vendor. All of it must be ready, and the vendor certified today where the route asks so.
    pub async fn dispatch_lot(&mut self, number: &str, seal: Option<String>) -> Result<(), RegisterError> {
        let (stream, lot) = self.lot(number).await?;
        let Some(vendor) = lot.facts.vendor.clone() else {
            return Err(Refusal::rule(format!("lot {number} has no vendor to be handed to")).into());
        };
        let (_, certification) = self.taker(&vendor, lot.facts.route).await?;
        let mut lines = Vec::with_capacity(lot.lines.len());
        for line in &lot.lines {
            let (asset_stream, asset) = self.asset(&line.tag).await?;
            let on_it = asset.line.as_ref().is_some_and(|l| l.order == lot.facts.number);
            if asset.stage != Stage::Disposition || !on_it {
                let told = format!("{} is in {}, not in disposition on lot {number}", asset.tag, asset.stage);
                return Err(Refusal::rule(told)
                    .hint(format!(
                        "lastwrite asset move {0} disposition, or lastwrite dispose remove {number} {0}",
                        asset.tag
                    ))
                    .into());
            }
            lines.push(self.line_of(&asset_stream, &asset, line.weight_g).await?);
        }
        let assets: Vec<String> = lines.iter().map(|l| l.asset.clone()).collect();
        let dispatch = Dispatch { lines, certification: certification.clone(), seal: seal.clone() };
        self.append(&stream, Act::LotDispatched(dispatch)).await?;
        let reason = Some(format!("lot {}", lot.facts.number));
        for asset in assets {
            let (to, seal, reason) = (vendor.clone(), seal.clone(), reason.clone());
            self.append(&asset, Act::HandedOver { to, seal, reason, certification: certification.clone() }).await?;
        }
        Ok(())
    }

    /// The vendor has it.
    pub async fn receive_lot(&mut self, number: &str, receipt: Receipt) -> Result<(), RegisterError> {
        let (stream, _) = self.lot(number).await?;
        self.act(&stream, Act::LotReceived(receipt)).await
    }

    /// The final document of the whole lot: it is kept, and stands with every asset on it.
    pub async fn document_lot(&mut self, number: &str, document: &[u8]) -> Result<(), RegisterError> {
        let (stream, lot) = self.lot(number).await?;
        let digest = self.attach("final", document).await?;
        self.append(&stream, Act::LotDocumented { document: digest.clone() }).await?;
        for line in &lot.lines {
            let (_, asset) = self.asset(&line.tag).await?;
            if asset.stage == Stage::Closed {
                continue;
            }
            let outcome = lot.facts.route.outcome();
            self.append(&line.asset, Act::OutcomeSet { outcome, final_document: Some(digest.clone()) }).await?;
        }
        Ok(())
    }

    /// Closes the assets of a lot that can be closed, and the lot when all are. Returns what still
    /// keeps the others open, by tag.
    pub async fn close_lot(&mut self, number: &str) -> Result<Vec<(String, Vec<String>)>, RegisterError> {
        let (stream, lot) = self.lot(number).await?;
        let mut open = Vec::new();
        for line in &lot.lines {
            let (_, asset) = self.asset(&line.tag).await?;
            if asset.stage == Stage::Closed {
                continue;
            }
            let blockers = self.blockers(&line.tag).await?;
            match blockers.is_empty() {
                true => self.close(&line.tag).await.map(|_| ())?,
                false => open.push((line.tag.clone(), blockers)),
            }
        }
        if open.is_empty() {
            self.append(&stream, Act::LotClosed).await?;
        }
        Ok(open)
    }

    /// Hands an asset over; the actor's signature is the giver's. The vendor of its route must be
    /// certified today, where the route or the policy of disposition asks for that.
    pub async fn hand_over(
        &mut self,
        tag: &str,
        to: &str,
        seal: Option<String>,
        reason: Option<String>,
    ) -> Result<(), RegisterError> {
        let (stream, asset) = self.asset(tag).await?;
        let line = asset.line.as_ref();
        let taker = line.filter(|l| l.vendor.as_deref().is_some_and(|v| v.eq_ignore_ascii_case(to)));
        let (to, certification) = match taker {
            Some(line) => self.taker(to, line.route).await?,
            None => (to.to_owned(), None),
        };
        self.append(&stream, Act::HandedOver { to, seal, reason, certification }).await
    }

    /// The vendor as it is written, and the certification by which it may take things today.
    async fn taker(&mut self, name: &str, route: Route) -> Result<(String, Option<Certification>), RegisterError> {
        let (_, vendor) = self.vendor(name).await?;
        let always = self.people().await?.rules_at(Stage::Disposition, self.now).certified_vendor;
        let day = day_of(self.now);
        vendor.check_takes(route, always, &day)?;
        let certification = vendor.certified_on(&day).cloned();
        Ok((vendor.facts.name, certification))
    }

    async fn line_of(&mut self, stream: &str, asset: &Asset, weight_g: Option<u32>) -> Result<LotLine, RegisterError> {
        let d = &asset.details;
        let name = [&d.manufacturer, &d.model].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let of_model = self.model(&name).await?.and_then(|m| m.facts.weight_g);
        let media = self.media_of(asset).await?;
        let label = |m: &crate::register::PlacedMedium| {
            format!("{}: {}", m.medium.identity.label(), m.medium.state.name().replace('_', " "))
        };
        let what = [d.category.clone(), (!name.is_empty()).then_some(name)].into_iter().flatten();
        let what = what.collect::<Vec<_>>().join(" ");
        Ok(LotLine {
            asset: stream.to_owned(),
            tag: asset.tag.clone(),
            serial: d.serial.clone(),
            what: (!what.is_empty()).then_some(what),
            weight_g: weight_g.or(of_model),
            media: media.iter().map(label).collect(),
        })
    }
}
