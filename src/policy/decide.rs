//! The decision: from what was on a medium, where it goes and what can be done to it, to a plan or a
//! refusal. Pure; nothing in it is inferred from a result.

use super::applied::{Applied, InForce};
use super::ladder::{Ladder, Offer, PassedOver, Rung, Wanted, climb, rated, usable};
use super::organization::{HiddenAreaRule, OperatorRule, Policy, StepDown};
use super::rating::Storage;
use super::refusal::Refusal;
use super::situation::{Category, Destination, Route};
use super::technique::Way;
use super::warnings::{self, Warned};
use super::{Method, Technique, VerificationLevel};
use crate::media::{Kind, MediumClass};
use crate::scheme::{Scheme, VerifyRule};

/// What is asked for, and of which medium.
#[derive(Clone, Debug)]
pub struct PolicyRequest<'a> {
    /// The rules.
    pub policy: &'a InForce,
    /// Category of what was on the medium, where somebody said it.
    pub category: Option<Category>,
    /// Where the medium goes, where somebody said it.
    pub route: Option<Route>,
    /// What is wanted.
    pub wanted: Wanted,
    /// The overwrite scheme.
    pub scheme: &'a Scheme,
    /// How much is to be read back.
    pub verification: VerificationLevel,
    /// What sort of medium it is.
    pub kind: Kind,
    /// Physical, virtual or an image.
    pub class: MediumClass,
    /// What holds the data.
    pub storage: Storage,
    /// How much of the medium is meant.
    pub scope: Scope,
    /// What can be done to it over this path. [`host_writing`] is what every medium offers.
    pub offers: &'a [Offer],
    /// What is known of areas that the host cannot address.
    pub hidden_areas: HiddenAreaState,
    /// How far the person allows a step down.
    pub step_down: StepDown,
    /// Who does it.
    pub operator: OperatorStanding,
    /// The medium is destroyed after the run, which then releases nothing.
    pub before_destruction: bool,
}

/// How much of a medium is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    WholeMedium,
    /// One partition.
    Partition,
}

/// What is known of areas that the host cannot address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HiddenAreaState {
    /// There are none, or they were opened.
    Open,
    /// They were not examined; says why.
    NotExamined(String),
    /// They exist, and nobody asked to have them given back, or they cannot be; says which.
    Closed(String),
    /// They exist, and the run begins with giving them back, or ends.
    GivenBackFirst,
}

/// Who does it, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperatorStanding {
    /// Nobody was named.
    Nobody,
    /// A name was given.
    Claimed,
    /// The person signs with a key of their own.
    OwnKey,
}

/// What will be done, and why. Nothing in it was inferred from a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The method that was asked for, or that the policy demands where none was.
    pub requested: Method,
    /// What the first technique attains on this medium.
    pub attainable: Method,
    /// The techniques that may be used, first choice first. Never empty; each further one is a step
    /// down that was allowed.
    pub ladder: Vec<Rung>,
    /// What is there and is not used, and why.
    pub passed_over: Vec<PassedOver>,
    /// How much is read back; at least what was asked for.
    pub verification: VerificationLevel,
    /// The rules, for the certificate.
    pub applied: Applied,
    /// Why it is so, in sentences.
    pub reasons: Vec<String>,
    /// What a person should know before they agree, in sentences.
    pub warnings: Vec<String>,
}

/// What every medium offers: to be written by the host.
pub fn host_writing() -> Vec<Offer> {
    vec![Offer { technique: Technique::Overwrite, obstacle: None, reaches_closed: false }]
}

/// Decides whether the request can be carried out, and on which terms.
pub fn plan(request: &PolicyRequest<'_>) -> Result<Decision, Refusal> {
    let policy = &request.policy.policy;
    if request.wanted == Wanted::Method(Method::Destroy) {
        return Err(Refusal::DestroyBySoftware);
    }
    if let Wanted::Technique(technique) = request.wanted
        && technique.is_physical()
    {
        return Err(Refusal::PhysicalTechnique { technique });
    }
    let situation = Situation::of(request)?;
    let least = situation.least(request)?;
    check_operator(request)?;
    let offers = &reaching_all(request)?;
    if request.step_down > policy.techniques.step_down {
        return Err(Refusal::StepDownTooFar {
            policy: policy.label(),
            asked: request.step_down,
            allowed: policy.techniques.step_down,
        });
    }
    let (requested, Ladder { rungs: ladder, passed_over }) =
        climb(policy, request.wanted, least, request.storage, offers, request.step_down).map_err(
            |(method, passed_over)| match unreached(request) {
                Some(refusal) => refusal,
                None => nothing_attains(request, &situation, least, method, passed_over),
            },
        )?;
    let attainable = ladder.first().map_or(Method::Clear, |rung| rung.method);
    let mut reasons = situation.reasons(request, policy, requested, least);
    reasons.extend(ladder.first().map(|rung| warnings::reach(rung, request.scope)));
    let verification = verification_of(request, &situation, &ladder, &mut reasons)?;
    let host_writes = ladder.first().is_some_and(|rung| rung.technique.way() == Way::Host);
    let mut warnings = situation.warnings(policy);
    warnings::warn(
        &Warned { scheme: request.scheme, kind: request.kind, class: request.class, scope: request.scope, host_writes },
        verification,
        &mut warnings,
    );
    if ladder.iter().any(|rung| rung.technique.is_cryptographic()) {
        warnings.push(warnings::CRYPTO_ERASE.to_owned());
    }
    let decided = situation.minimum.is_some();
    let applied = Applied {
        id: policy.id.clone(),
        version: policy.version.clone(),
        digest: request.policy.digest.clone(),
        signed_by: request.policy.signed_by.clone(),
        category: situation.category,
        route: situation.route,
        assumed: situation.assumed.iter().map(|what| (*what).to_owned()).collect(),
        minimum: situation.minimum,
        least_verification: if decided && !request.before_destruction {
            least_verification(policy, &ladder)
        } else {
            VerificationLevel::None
        },
        validation: situation.category.is_some_and(|category| policy.wants_validation(category)),
        second_person_percent: policy.second_person.percent,
        bad_blocks_allowed: policy.bad_sectors_allowed(situation.category),
        hidden_areas: policy.hidden_areas.rule,
        operator: policy.operator.rule,
        step_down: request.step_down,
        ladder: ladder.clone(),
        before_destruction: request.before_destruction,
        retention_years: policy.retention.years,
    };
    Ok(Decision { requested, attainable, ladder, passed_over, verification, applied, reasons, warnings })
}

/// Category and route, said or assumed, and what they demand.
struct Situation {
    category: Option<Category>,
    route: Option<Route>,
    assumed: Vec<&'static str>,
    minimum: Option<Method>,
}

impl Situation {
    fn of(request: &PolicyRequest<'_>) -> Result<Situation, Refusal> {
        let policy = &request.policy.policy;
        let mut assumed = Vec::new();
        let mut category = request.category;
        if category.is_none() && policy.assume.category.is_some() {
            category = policy.assume.category;
            assumed.push("category");
        }
        let mut route = request.route;
        if route.is_none() && policy.assume.route.is_some() {
            route = policy.assume.route;
            assumed.push("route");
        }
        if request.scope == Scope::Partition && (route.is_some() || policy.assume.nothing) {
            let policy = policy.assume.nothing.then(|| policy.label());
            return Err(Refusal::PartitionReleasesNothing { route, policy });
        }
        if policy.assume.nothing && (category.is_none() || route.is_none()) {
            let (category, route) = (category.is_none(), route.is_none());
            return Err(Refusal::SituationUnknown { policy: policy.label(), category, route });
        }
        let minimum = category.zip(route).map(|(category, route)| policy.minimum(category, route));
        Ok(Situation { category, route, assumed, minimum })
    }

    /// The least that the run must attain, or why it cannot be decided in favour of the request.
    fn least(&self, request: &PolicyRequest<'_>) -> Result<Option<Method>, Refusal> {
        let policy = &request.policy.policy;
        let (Some(category), Some(route), Some(minimum)) = (self.category, self.route, self.minimum) else {
            return Ok(None);
        };
        if request.before_destruction {
            return Ok(None);
        }
        if minimum == Method::Destroy {
            let elsewhere = self.elsewhere(policy, category);
            return Err(Refusal::DestroyDemanded { policy: policy.label(), category, route, elsewhere });
        }
        match request.wanted {
            Wanted::Method(requested) if requested < minimum => {
                Err(Refusal::BelowMinimum { policy: policy.label(), requested, minimum, category, route })
            }
            _ => Ok(Some(minimum)),
        }
    }

    /// Which routes take less than Destroy.
    fn elsewhere(&self, policy: &Policy, category: Category) -> String {
        let less: Vec<String> = Route::ALL
            .into_iter()
            .map(|route| (route, policy.minimum(category, route)))
            .filter(|(_, method)| *method < Method::Destroy)
            .map(|(route, method)| format!("{} on the route {route}", method.name()))
            .collect();
        match less.as_slice() {
            [] => "No route demands less".to_owned(),
            some => format!("Less is enough elsewhere: {}", some.join(", ")),
        }
    }

    fn reasons(
        &self,
        request: &PolicyRequest<'_>,
        policy: &Policy,
        requested: Method,
        least: Option<Method>,
    ) -> Vec<String> {
        let mut reasons = Vec::new();
        if let (Some(category), Some(route), Some(minimum)) = (self.category, self.route, self.minimum) {
            let words = match route.destination() {
                Destination::ReusedInside => "reused, stays under control",
                Destination::ReusedOutside => "reused, leaves control",
                Destination::Discarded => "not reused",
                Destination::Destroyed => "destroyed",
            };
            reasons.push(format!(
                "the policy {} demands {} for the category {category} on the route {route} ({words})",
                policy.label(),
                minimum.name()
            ));
        }
        if request.before_destruction {
            reasons.push("the medium is destroyed afterwards; this run releases nothing".to_owned());
        }
        if let (Wanted::Strongest, false) = (request.wanted, least == Some(requested)) {
            reasons.push(format!("{} is the strongest that can be attained here", requested.name()));
        }
        reasons
    }

    fn warnings(&self, policy: &Policy) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.assumed.is_empty() {
            let said = |what: &&str| match *what {
                "category" => format!("the category {}", self.category.map_or("", Category::name)),
                _ => format!("the route {}", self.route.map_or("", Route::name)),
            };
            let words = self.assumed.iter().map(said).collect::<Vec<_>>().join(" and ");
            warnings.push(format!("nobody said it, so the policy {} assumes {words}", policy.label()));
        }
        if self.minimum.is_none() && (self.category.is_some() || self.route.is_some()) {
            let missing = if self.category.is_none() { "category (--category)" } else { "route (--route)" };
            warnings.push(format!(
                "without a {missing} the policy {} decides no minimum: whether this is enough is not decided",
                policy.label()
            ));
        }
        warnings
    }
}

fn check_operator(request: &PolicyRequest<'_>) -> Result<(), Refusal> {
    let policy = &request.policy.policy;
    let unproven = |own_key| Err(Refusal::OperatorUnproven { policy: policy.label(), own_key });
    match (policy.operator.rule, request.operator) {
        (OperatorRule::Named, OperatorStanding::Nobody) => unproven(false),
        (OperatorRule::OwnKey, OperatorStanding::Nobody | OperatorStanding::Claimed) => unproven(true),
        _ => Ok(()),
    }
}

/// Why a technique must not be used that leaves hidden areas as they are; `None` where any may be.
fn unreached(request: &PolicyRequest<'_>) -> Option<Refusal> {
    let policy = &request.policy.policy;
    match (&request.hidden_areas, policy.hidden_areas.rule) {
        (HiddenAreaState::NotExamined(why) | HiddenAreaState::Closed(why), HiddenAreaRule::Refused) => {
            let reaches = |offer: &&Offer| {
                offer.answers_for_hidden() && usable(policy, offer.technique, request.storage, request.offers).is_ok()
            };
            let reaching = request.offers.iter().filter(reaches).map(|offer| offer.technique).collect();
            Some(Refusal::HiddenAreas { policy: policy.label(), why: why.clone(), reaching })
        }
        _ => None,
    }
}

/// What is offered, with an obstacle where the policy takes no technique that leaves hidden areas as they are.
fn reaching_all(request: &PolicyRequest<'_>) -> Result<Vec<Offer>, Refusal> {
    let Some(refusal) = unreached(request) else { return Ok(request.offers.to_vec()) };
    if !request.offers.iter().any(|offer| offer.obstacle.is_none() && offer.answers_for_hidden()) {
        return Err(refusal);
    }
    let why = "it does not reach what the drive hides, and the policy takes no medium of which a part is not reached";
    let offer = |offer: &Offer| match offer.answers_for_hidden() {
        true => offer.clone(),
        false => Offer { obstacle: offer.obstacle.clone().or_else(|| Some(why.to_owned())), ..offer.clone() },
    };
    Ok(request.offers.iter().map(offer).collect())
}

/// The least read-back whichever rung is taken.
pub(super) fn least_verification(policy: &Policy, ladder: &[Rung]) -> VerificationLevel {
    ladder.iter().map(|rung| policy.verification(rung.method)).max().unwrap_or(VerificationLevel::Full)
}

/// Policy and scheme can raise the level or refuse, never lower it.
fn verification_of(
    request: &PolicyRequest<'_>,
    situation: &Situation,
    ladder: &[Rung],
    reasons: &mut Vec<String>,
) -> Result<VerificationLevel, Refusal> {
    let policy = &request.policy.policy;
    let asked = request.verification;
    let demanded = least_verification(policy, ladder);
    if situation.minimum.is_some() && !request.before_destruction && asked < demanded {
        let method = ladder.first().map_or(Method::Clear, |rung| rung.method);
        return Err(Refusal::VerificationTooLittle { policy: policy.label(), asked, least: demanded, method });
    }
    let scheme = request.scheme;
    let host_writes = ladder.iter().any(|rung| rung.technique.way() == Way::Host);
    let least = match scheme.verify {
        _ if !host_writes => VerificationLevel::None,
        VerifyRule::AsRequested | VerifyRule::Expected => VerificationLevel::None,
        VerifyRule::TenPercent | VerifyRule::EachPass => VerificationLevel::Sample,
        VerifyRule::Mandatory => VerificationLevel::Full,
    };
    if asked < VerificationLevel::Sample && least > asked {
        return Err(Refusal::VerificationDemanded {
            title: scheme.title,
            rule: scheme.verify.describe(),
            asked: asked.name(),
            satisfied_by: least.name(),
        });
    }
    let level = asked.max(least);
    if level > asked {
        reasons.push(format!(
            "verification raised from {} to {}: {} demands it ({})",
            asked.name(),
            level.name(),
            scheme.title,
            scheme.verify.describe()
        ));
    }
    reasons.push(warnings::level(level).to_owned());
    Ok(level)
}

/// The refusal when no technique does.
fn nothing_attains(
    request: &PolicyRequest<'_>,
    situation: &Situation,
    least: Option<Method>,
    method: Method,
    passed_over: Vec<PassedOver>,
) -> Refusal {
    let policy = &request.policy.policy;
    let kind = request.kind;
    let Wanted::Technique(technique) = request.wanted else {
        let demanded = (least == Some(method)).then(|| policy.label());
        return Refusal::MethodNotAttainable { method, demanded, kind, passed_over };
    };
    let mut offers: Vec<Technique> = request.offers.iter().map(|offer| offer.technique).collect();
    offers.sort_by_key(|t| policy.rank(*t));
    offers.dedup();
    let floor = least.unwrap_or(Method::Clear);
    let others = offers
        .into_iter()
        .filter(|t| usable(policy, *t, request.storage, request.offers).is_ok_and(|method| method >= floor))
        .collect();
    match (usable(policy, technique, request.storage, request.offers), situation.category, situation.route) {
        (Ok(rating), Some(category), Some(route)) => Refusal::TechniqueTooWeak {
            policy: policy.label(),
            technique,
            kind,
            rated: rating,
            minimum: floor,
            category,
            route,
            sources: rated(policy, technique, request.storage, Some(category)).sources(),
            usable: others,
        },
        (Ok(_), _, _) => Refusal::MethodNotAttainable { method, demanded: None, kind, passed_over },
        (Err(why), _, _) => Refusal::TechniqueUnusable { technique, kind, why: why.words(policy), usable: others },
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
