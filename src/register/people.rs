//! Who may change the register: the state of the stream `register`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::act::Act;
use super::error::Refusal;
use super::life::PolicyVersion;
use super::role::{Grant, Permission, Role};
use super::stage::Stage;
use super::trust::RegisterTrust;
use crate::signed::PublicKey;

/// Name of the stream.
pub const REGISTER_STREAM: &str = "register";

/// Everybody enrolled, and what they may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// Whose register.
    pub organization: String,
    /// By thumbprint of the key.
    pub persons: BTreeMap<String, Person>,
    /// Every version of the policy of each stage.
    #[serde(default)]
    pub policies: BTreeMap<Stage, Vec<PolicyVersion>>,
    /// Whom the register believes.
    #[serde(default, skip_serializing_if = "RegisterTrust::is_untouched")]
    pub trust: RegisterTrust,
}

/// A person with a key of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Public key: JWK member `x`.
    pub x: String,
    /// Name.
    pub name: String,
    /// What they may.
    pub grants: Vec<Grant>,
    /// Why their key signs nothing any more.
    pub barred: Option<String>,
}

impl People {
    /// The state after the first event, signed by `actor`.
    pub fn begin(act: &Act, actor: &str) -> Result<People, Refusal> {
        let Act::RegisterCreated { organization, name, x } = act else {
            return Err(Refusal::rule("a register begins with register_created"));
        };
        check_key(x, actor)?;
        let admin = Grant { role: Role::Admin, location: None };
        let person = Person { x: x.clone(), name: name.clone(), grants: vec![admin], barred: None };
        let persons = BTreeMap::from([(actor.to_owned(), person)]);
        Ok(People { organization: organization.clone(), persons, ..People::default() })
    }

    /// Whether the act may happen now.
    pub fn check(&self, act: &Act) -> Result<(), Refusal> {
        let known = |kid: &str| {
            self.persons.get(kid).ok_or_else(|| Refusal::rule(format!("nobody with key {kid} is enrolled")))
        };
        match act {
            Act::PersonEnrolled { kid, x, .. } => match self.persons.contains_key(kid) {
                true => Err(Refusal::rule(format!("key {kid} is enrolled already"))),
                false => check_key(x, kid),
            },
            Act::PersonBarred { kid, .. } => {
                let person = known(kid)?;
                let others = self.persons.iter().any(|(k, p)| k != kid && p.barred.is_none() && p.holds(Role::Admin));
                match person.holds(Role::Admin) && !others {
                    true => Err(Refusal::rule("the last administrator cannot be barred")),
                    false => Ok(()),
                }
            }
            Act::RoleGranted { kid, grant } => match known(kid)?.grants.contains(grant) {
                true => Err(Refusal::rule(format!("{kid} has that role already"))),
                false => Ok(()),
            },
            Act::RoleWithdrawn { kid, grant } => {
                let others = self.persons.iter().any(|(k, p)| k != kid && p.barred.is_none() && p.holds(Role::Admin));
                match known(kid)?.grants.contains(grant) {
                    false => Err(Refusal::rule(format!("{kid} does not have that role"))),
                    true if grant.role == Role::Admin && !others => {
                        Err(Refusal::rule("the last administrator cannot lose the role"))
                    }
                    true => Ok(()),
                }
            }
            Act::TrustProposed(_) | Act::TrustApproved { .. } | Act::TrustExtended { .. } => self.check_trust(act),
            _ => self.check_policy(act),
        }
    }

    /// The state after the event. The act was checked.
    pub fn apply(&mut self, act: &Act, actor: &str, at: DateTime<Utc>) {
        match act {
            Act::PersonEnrolled { kid, x, name } => {
                let person = Person { x: x.clone(), name: name.clone(), grants: Vec::new(), barred: None };
                self.persons.insert(kid.clone(), person);
            }
            Act::PersonBarred { kid, reason } => {
                if let Some(person) = self.persons.get_mut(kid) {
                    person.barred = Some(reason.clone());
                }
            }
            Act::RoleGranted { kid, grant } => {
                if let Some(person) = self.persons.get_mut(kid) {
                    person.grants.push(grant.clone());
                }
            }
            Act::RoleWithdrawn { kid, grant } => {
                if let Some(person) = self.persons.get_mut(kid) {
                    person.grants.retain(|g| g != grant);
                }
            }
            Act::TrustProposed(_) | Act::TrustApproved { .. } | Act::TrustExtended { .. } => {
                self.apply_trust(act, actor, at);
            }
            _ => self.apply_policy(act, actor, at),
        }
    }

    /// Whether `kid` may do that at these places (all of them).
    pub fn permit(&self, kid: &str, act: &Act, places: &[Option<&str>]) -> Result<&Person, Refusal> {
        let person = self.persons.get(kid).ok_or_else(|| {
            Refusal::rule(format!("key {kid} is not enrolled in this register"))
                .hint("an administrator enrols it: lastwrite register enrol NAME --public-key X")
        })?;
        if let Some(reason) = &person.barred {
            return Err(Refusal::rule(format!("{} is barred: {reason}", person.name)));
        }
        let permission = Permission::of_act(act);
        if permission == Permission::Acknowledge {
            return Ok(person); // one's own word, or a root's; whose it is, is judged elsewhere
        }
        let permits = |place: &Option<&str>| {
            person.grants.iter().any(|g| g.role.permissions().contains(&permission) && g.reaches(*place))
        };
        if let Some(place) = places.iter().find(|place| !permits(place)) {
            let at = place.map_or_else(|| "everywhere".to_owned(), |p| format!("at {p}"));
            let roles = Role::ALL.iter().filter(|r| r.permissions().contains(&permission)).map(|r| r.name());
            return Err(Refusal::rule(format!("{} may not {} {at}", person.name, permission.name()))
                .hint(format!("roles that may: {}", roles.collect::<Vec<_>>().join(", "))));
        }
        Ok(person)
    }
}

impl People {
    /// Whether `kid` may do that anywhere at all.
    pub fn permit_somewhere(&self, kid: &str, act: &Act) -> Result<(), Refusal> {
        let permission = Permission::of_act(act);
        match self.persons.get(kid) {
            Some(person) if person.barred.is_some() => Err(Refusal::rule(format!("{} is barred", person.name))),
            Some(_) if permission == Permission::Acknowledge => Ok(()),
            Some(person) if person.grants.iter().any(|g| g.role.permissions().contains(&permission)) => Ok(()),
            Some(person) => Err(Refusal::rule(format!("{} may not {} anywhere", person.name, permission.name()))),
            None => Err(Refusal::rule(format!("key {kid} is not enrolled in this register"))),
        }
    }
}

impl Person {
    /// Whether they may see what is at a place: by any role that reaches it.
    pub fn sees(&self, location: Option<&str>) -> bool {
        self.barred.is_none() && self.grants.iter().any(|g| g.reaches(location))
    }

    fn holds(&self, role: Role) -> bool {
        self.grants.iter().any(|g| g.role == role && g.location.is_none())
    }
}

fn check_key(x: &str, kid: &str) -> Result<(), Refusal> {
    let key = PublicKey::from_x(x).map_err(|e| Refusal::rule(format!("{x:?} is no public key: {e}")))?;
    match key.kid() == kid {
        true => Ok(()),
        false => Err(Refusal::rule(format!("{kid} is not the thumbprint of that key"))),
    }
}
