//! What of a policy governed one run, as the certificate says it.

use serde::{Deserialize, Serialize};

use super::decide::least_verification;
use super::ladder::{Rung, counts_for};
use super::organization::{HiddenAreaRule, OperatorRule, Policy, PolicyError, StepDown, digest};
use super::rating::Storage;
use super::ready::{DEFAULT, Ready};
use super::situation::{Category, Route};
use super::{Method, VerificationLevel};

/// A policy in force, with what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The rules.
    pub policy: Policy,
    /// SHA-256 of its TOML text, hex.
    pub digest: String,
    /// Thumbprint of the key that signed it; `None` for one that came with the program unsigned.
    pub signed_by: Option<String>,
}

/// The rules that governed a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// The policy's id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its TOML text, hex.
    pub digest: String,
    /// Thumbprint of the key that signed it.
    pub signed_by: Option<String>,
    /// Category of what was on the medium.
    pub category: Option<Category>,
    /// Where the medium goes.
    pub route: Option<Route>,
    /// What of the two the policy assumed because nobody said it: `category`, `route`.
    pub assumed: Vec<String>,
    /// The least method; `None`: without category or route nothing was decided.
    pub minimum: Option<Method>,
    /// The least read-back.
    pub least_verification: VerificationLevel,
    /// The result has to be accepted by somebody before an asset is closed on it.
    pub validation: bool,
    /// Of a hundred results so many are checked by a second person.
    pub second_person_percent: u8,
    /// Blocks that may fail to be written or read back.
    pub bad_blocks_allowed: u32,
    /// What was to be done with hidden areas.
    pub hidden_areas: HiddenAreaRule,
    /// Who may do it.
    pub operator: OperatorRule,
    /// How far the run might step down.
    pub step_down: StepDown,
    /// The techniques that were allowed, first choice first.
    pub ladder: Vec<Rung>,
    /// The run was to precede destruction and releases nothing.
    pub before_destruction: bool,
    /// How long the evidence is to be kept.
    pub retention_years: u16,
}

impl InForce {
    /// The built-in default.
    pub fn builtin() -> Result<InForce, PolicyError> {
        InForce::ready(DEFAULT)
    }

    /// A ready-made policy.
    pub fn ready(id: &str) -> Result<InForce, PolicyError> {
        let ready = Ready::find(id)
            .ok_or_else(|| PolicyError::Rule { member: "id", why: format!("there is no ready-made policy {id:?}") })?;
        Ok(InForce { policy: ready.policy()?, digest: ready.digest(), signed_by: None })
    }

    /// A policy from its text. That the signature holds is the caller's to see.
    pub fn read(toml: &[u8], signed_by: Option<String>) -> Result<InForce, PolicyError> {
        let text = std::str::from_utf8(toml).map_err(|_| PolicyError::Form("it is no UTF-8 text".to_owned()))?;
        Ok(InForce { policy: Policy::parse(text)?, digest: digest(toml), signed_by })
    }
}

impl Applied {
    /// `nist-800-88r2 version 1`.
    pub fn label(&self) -> String {
        format!("{} version {}", self.id, self.version)
    }

    /// What in it cannot be on a medium with that storage: against itself, and against the policy's text where this
    /// program knows it.
    pub fn contradiction(&self, storage: Storage) -> Option<String> {
        let decided = self.category.is_some() && self.route.is_some();
        if self.minimum.is_some() != decided {
            return Some("a minimum is decided by category and route together, and by nothing else".to_owned());
        }
        if let (Some(minimum), Some(rung)) = (self.minimum, self.ladder.iter().find(|r| Some(r.method) < self.minimum))
            && !self.before_destruction
        {
            return Some(format!("{} is allowed below the minimum {}", rung.technique, minimum.name()));
        }
        if let Some(rung) = self.ladder.iter().find(|rung| rung.method > rung.technique.at_most()) {
            return Some(format!("{} is counted for {}", rung.technique, rung.method.name()));
        }
        let (_, policy) = Ready::known(&self.id).filter(|(digest, _)| *digest == self.digest)?;
        let label = self.label();
        let other = self.differs_from(policy).map(|member| format!("{member} is not what the policy {label} says"));
        other.or_else(|| self.miscounted(policy, storage))
    }

    /// The member that is not what the policy says.
    fn differs_from(&self, policy: &Policy) -> Option<&'static str> {
        let minimum = self.category.zip(self.route).map(|(category, route)| policy.minimum(category, route));
        let least = match self.minimum.is_some() && !self.before_destruction {
            true => least_verification(policy, &self.ladder),
            false => VerificationLevel::None,
        };
        let assume = &policy.assume;
        let assumed = |what: &str| match what {
            "category" => assume.category.is_some() && assume.category == self.category,
            "route" => assume.route.is_some() && assume.route == self.route,
            _ => false,
        };
        // `category` comes before `route`, and each once.
        let once = self.assumed.windows(2).all(|pair| pair[0] < pair[1]);
        [
            ("version", self.version == policy.version),
            // What the policy assumes is never left open, and where it does nothing without them, neither is.
            ("category", self.category.is_some() || assume.category.is_none() && !assume.nothing),
            ("route", self.route.is_some() || assume.route.is_none() && !assume.nothing),
            ("assumed", once && self.assumed.iter().all(|what| assumed(what))),
            ("minimum", self.minimum == minimum),
            ("least_verification", self.least_verification == least),
            ("validation", self.validation == self.category.is_some_and(|c| policy.wants_validation(c))),
            ("second_person_percent", self.second_person_percent == policy.second_person.percent),
            ("bad_blocks_allowed", self.bad_blocks_allowed == policy.bad_sectors_allowed(self.category)),
            ("hidden_areas", self.hidden_areas == policy.hidden_areas.rule),
            ("operator", self.operator == policy.operator.rule),
            ("step_down", self.step_down <= policy.techniques.step_down),
            ("retention_years", self.retention_years == policy.retention.years),
        ]
        .into_iter()
        .find(|(_, agrees)| !agrees)
        .map(|(member, _)| member)
    }

    /// A technique that the policy does not take, or that counts for something else on such a medium.
    fn miscounted(&self, policy: &Policy, storage: Storage) -> Option<String> {
        self.ladder.iter().find_map(|rung| {
            let said = match counts_for(policy, rung.technique, storage) {
                Ok(method) if method == rung.method && !rung.technique.is_physical() => return None,
                Ok(method) if method != rung.method => format!("it counts for {} on this medium", method.name()),
                Ok(_) => "no software does it".to_owned(),
                Err(why) => why.words(policy),
            };
            Some(format!("{} is allowed for {}, but {said}", rung.technique, rung.method.name()))
        })
    }

    /// The policy's text is the one that comes with this program.
    pub fn is_known(&self) -> bool {
        Ready::known(&self.id).is_some_and(|(digest, _)| *digest == self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Kind, MediumClass};
    use crate::policy::{
        HiddenAreaState, Method, Offer, OperatorStanding, PolicyRequest, READY, Scope, Technique, Wanted, plan,
    };
    use crate::scheme::find;

    /// What governs a run on an NVMe namespace of low category that stays inside.
    fn applied(id: &str) -> Applied {
        let offer = |technique| Offer { technique, obstacle: None, reaches_closed: false };
        let policy = InForce::ready(id).unwrap();
        let request = PolicyRequest {
            policy: &policy,
            category: Some(Category::Low),
            route: Some(Route::InternalReuse),
            wanted: Wanted::Strongest,
            scheme: find("random").unwrap(),
            verification: VerificationLevel::Full,
            kind: Kind::Nvme,
            class: MediumClass::Physical,
            storage: Storage::Flash,
            scope: Scope::WholeMedium,
            offers: &[offer(Technique::NvmeSanitizeBlock), offer(Technique::Overwrite)],
            hidden_areas: HiddenAreaState::Open,
            step_down: StepDown::Never,
            operator: OperatorStanding::OwnKey,
            before_destruction: false,
        };
        plan(&request).unwrap().applied
    }

    fn told(id: &str, change: impl FnOnce(&mut Applied)) -> String {
        let mut applied = applied(id);
        change(&mut applied);
        applied.contradiction(Storage::Flash).unwrap_or_default()
    }

    fn undecided(applied: &mut Applied) {
        (applied.minimum, applied.least_verification) = (None, VerificationLevel::None);
    }

    #[test]
    fn what_a_certificate_says_of_a_ready_made_policy_is_what_its_text_says() {
        for ready in READY {
            assert_eq!(told(ready.id, |_| {}), "", "{}", ready.id);
            // The text is another one, so nothing can be held against it.
            let foreign = |applied: &mut Applied| (applied.digest, applied.retention_years) = ("00".into(), 99);
            assert_eq!(told(ready.id, foreign), "", "{}", ready.id);
            let less = told(ready.id, |applied| applied.least_verification = VerificationLevel::Quick);
            assert!(less.starts_with("least_verification is not what the policy"), "{less}");
            let assumed = told(ready.id, |applied| applied.assumed = vec!["route".into()]);
            assert!(assumed.starts_with("assumed is not what the policy"), "{assumed}");
            for (member, open) in [
                ("category", (|applied| applied.category = None) as fn(&mut Applied)),
                ("route", |applied| applied.route = None),
            ] {
                let told = told(ready.id, |applied| {
                    open(applied);
                    undecided(applied);
                    applied.validation &= applied.category.is_some();
                });
                let expected = format!("{member} is not what the policy {} version 1 says", ready.id);
                assert_eq!(told, if ready.id == DEFAULT { String::new() } else { expected });
            }
        }
    }

    #[test]
    fn a_technique_counts_for_what_the_policy_counts_it_for() {
        let rung = |technique, method| move |applied: &mut Applied| applied.ladder.push(Rung { technique, method });
        let crypto = told("government-high", rung(Technique::NvmeSanitizeCrypto, Method::Purge));
        assert!(crypto.contains("lets no cryptographic erase count"), "{crypto}");
        assert_eq!(told(DEFAULT, rung(Technique::NvmeSanitizeCrypto, Method::Purge)), "");
        let format = told(DEFAULT, rung(Technique::NvmeFormatUser, Method::Purge));
        assert!(format.contains("it counts for Clear on this medium"), "{format}");
        assert_eq!(told(DEFAULT, rung(Technique::NvmeFormatUser, Method::Clear)), "");
        let degauss = told(DEFAULT, rung(Technique::Degauss, Method::Purge));
        assert!(degauss.contains("it counts for nothing on this medium"), "{degauss}");
        let burnt = told(DEFAULT, rung(Technique::Incinerate, Method::Destroy));
        assert!(burnt.contains("no software does it"), "{burnt}");
        // The same rung on another medium.
        let mut enhanced = applied(DEFAULT);
        enhanced.ladder = vec![Rung { technique: Technique::AtaSecurityEraseEnhanced, method: Method::Purge }];
        assert_eq!(enhanced.contradiction(Storage::Magnetic), None);
        for storage in [Storage::Flash, Storage::Unknown, Storage::NoHardware] {
            assert!(enhanced.contradiction(storage).is_some(), "{storage:?}");
        }
    }
}
