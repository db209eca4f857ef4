//! What is bought: models, vendors, requests, orders, and the assets that come of them.

use super::model::{Model, ModelFacts};
use super::request::{FullCost, Purchase, Request, RequestFacts};
use super::vendor::{Certification, Vendor, VendorFacts};
use crate::register::act::{Act, CostCategory};
use crate::register::error::{Refusal, RegisterError};
use crate::register::state::State;
use crate::register::work::Work;

impl Work<'_> {
    /// Makes a model known, or changes its facts.
    pub async fn set_model(&mut self, facts: ModelFacts) -> Result<(), RegisterError> {
        self.set("model", &facts.name(), Act::ModelSet(facts.clone())).await
    }

    /// Makes a vendor known, or changes its facts.
    pub async fn set_vendor(&mut self, facts: VendorFacts) -> Result<(), RegisterError> {
        self.set("vendor", &facts.name, Act::VendorSet(facts.clone())).await
    }

    /// Records a certification of a vendor; the certificate itself is kept where it is given.
    pub async fn certify_vendor(
        &mut self,
        name: &str,
        mut certification: Certification,
        certificate: Option<&[u8]>,
    ) -> Result<(), RegisterError> {
        let (stream, _) = self.vendor(name).await?;
        if let Some(bytes) = certificate {
            certification.document = Some(self.attach("vendor certification", bytes).await?);
        }
        self.act(&stream, Act::VendorCertified(certification)).await
    }

    /// The vendor of that name.
    pub async fn vendor(&mut self, name: &str) -> Result<(String, Vendor), RegisterError> {
        match self.need_record("vendor", name).await? {
            (stream, State::Vendor(vendor)) => Ok((stream, vendor)),
            _ => Err(RegisterError::NotFound { what: "vendor", name: name.to_owned() }),
        }
    }

    /// The model of that name (`MANUFACTURER MODEL`), where it is known.
    pub async fn model(&mut self, name: &str) -> Result<Option<Model>, RegisterError> {
        match self.find_record("model", name).await? {
            Some((_, State::Model(model))) => Ok(Some(model)),
            _ => Ok(None),
        }
    }

    /// The request of that number.
    pub async fn request(&mut self, number: &str) -> Result<(String, Request), RegisterError> {
        match self.need_record("request", number).await? {
            (stream, State::Request(request)) => Ok((stream, request)),
            _ => Err(RegisterError::NotFound { what: "request", name: number.to_owned() }),
        }
    }

    /// Asks for something. Whether its model is a standard, the register says.
    pub async fn open_request(&mut self, mut facts: RequestFacts) -> Result<(), RegisterError> {
        let model = self.model(&facts.what).await?;
        facts.standard = model.as_ref().is_some_and(|m| m.facts.standard);
        if let Some(model) = model {
            facts.what = model.facts.name();
        }
        let stream = self.new_record("request", &facts.number).await?;
        self.append(&stream, Act::RequestOpened(facts)).await
    }

    /// Orders what was granted, from a vendor that is known.
    pub async fn order_request(&mut self, number: &str, mut purchase: Purchase) -> Result<(), RegisterError> {
        let (stream, _) = self.request(number).await?;
        let (_, vendor) = self.vendor(&purchase.vendor).await?;
        if let Some(reason) = &vendor.barred {
            return Err(Refusal::rule(format!("{} is barred: {reason}", vendor.facts.name)).into());
        }
        purchase.vendor = vendor.facts.name;
        self.act(&stream, Act::RequestOrdered(purchase)).await
    }

    /// Adds an asset that comes of an order: what its model, its order and its warranty say stands
    /// on it, and its full cost is booked. Returns its stream.
    pub async fn add_requested(&mut self, number: &str, mut added: Act) -> Result<String, RegisterError> {
        let (request_stream, request) = self.request(number).await?;
        let Some(purchase) = request.purchase.clone() else {
            return Err(Refusal::rule(format!("request {number} is {}, not ordered", request.state.name()))
                .hint(format!("lastwrite procure order {number} --vendor NAME --order NUMBER --price AMOUNT"))
                .into());
        };
        let model = self.model(&request.facts.what).await?;
        if let Act::AssetAdded { details: d, location, .. } = &mut added {
            if let Some(Model { facts }) = model {
                d.manufacturer.get_or_insert(facts.manufacturer);
                d.model.get_or_insert(facts.model);
                d.category.get_or_insert(facts.category);
                d.eol_date = d.eol_date.take().or(facts.end_of_support);
            } else {
                d.name.get_or_insert_with(|| request.facts.what.clone());
            }
            d.supplier.get_or_insert_with(|| purchase.vendor.clone());
            d.order_number.get_or_insert_with(|| purchase.order.clone());
            d.purchase_date.get_or_insert_with(|| purchase.on.clone());
            d.purchase_cost.get_or_insert_with(|| purchase.cost.acquisition.clone());
            d.warranty_months = d.warranty_months.or(purchase.warranty_months);
            d.need.get_or_insert_with(|| request.facts.need.clone());
            *location = location.take().or_else(|| request.facts.location.clone());
        }
        let Act::AssetAdded { tag, .. } = &added else { return Err(Refusal::rule("no asset to add").into()) };
        let tag = tag.clone();
        let stream = self.add_asset(added).await?;
        self.append(&request_stream, Act::RequestReceived { asset: stream.clone(), tag }).await?;
        let linked = Act::RequestLinked { request: request_stream, number: request.facts.number.clone() };
        self.append(&stream, linked).await?;
        self.book_full_cost(&stream, &purchase.cost, &purchase.order).await?;
        Ok(stream)
    }

    async fn book_full_cost(&mut self, stream: &str, cost: &FullCost, order: &str) -> Result<(), RegisterError> {
        for (part, money) in cost.parts() {
            let reference = Some(format!("order {order}, {part}"));
            let (category, money) = (CostCategory::Acquisition, money.clone());
            self.append(stream, Act::CostBooked { category, money, on: self.now, reference }).await?;
        }
        Ok(())
    }

    pub(crate) async fn set(&mut self, kind: &'static str, name: &str, act: Act) -> Result<(), RegisterError> {
        let stream = match self.find_record(kind, name).await? {
            Some((stream, _)) => stream,
            None => self.new_record(kind, name).await?,
        };
        self.append(&stream, act).await
    }
}
