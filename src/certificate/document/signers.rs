//! Whose signatures a document needs, and whether it has them.

use super::found::{Found, named};
use crate::signed::{Check, Jws, Outcome, Role, TrustStore, check_person};

/// A person or machine named in the document, whose signature belongs on it.
#[derive(Clone, Debug)]
pub struct Demand<'a> {
    /// In which capacity, for a sentence and as the check's name.
    what: &'static str,
    kid: &'a str,
    /// What the document calls a person; a station has a name of its own.
    name: Option<&'a str>,
    roles: &'a [Role],
    /// Signs later, on another machine: missing is unknown, not wrong.
    later: bool,
}

impl<'a> Demand<'a> {
    /// Without this signature the document is invalid.
    pub(super) fn must(what: &'static str, kid: &'a str, roles: &'a [Role]) -> Demand<'a> {
        Demand { what, kid, name: None, roles, later: false }
    }

    /// Until this signature is there the document is not complete.
    pub(super) fn may_follow(what: &'static str, kid: &'a str, roles: &'a [Role]) -> Demand<'a> {
        Demand { what, kid, name: None, roles, later: true }
    }

    /// It is that of a person with this name.
    pub(super) fn of(self, name: &'a str) -> Demand<'a> {
        Demand { name: Some(name), ..self }
    }
}

/// Checks of each demand. Whether a signature is genuine is another check's.
pub(super) fn check(jws: &Jws, demands: &[Demand<'_>], trust: Option<&TrustStore>) -> Vec<Check> {
    let mut checks: Vec<Check> = demands.iter().map(|demand| check_one(jws, demand)).collect();
    checks.extend(demands.iter().filter_map(|demand| Some(check_person(demand.what, demand.kid, demand.name?, trust))));
    checks.push(named("four eyes", apart(demands)));
    checks
}

fn check_one(jws: &Jws, demand: &Demand<'_>) -> Check {
    let name = "signed by";
    let of = |s: &&crate::signed::Signature| s.header().kid.as_deref() == Some(demand.kid);
    let in_role = |s: &&crate::signed::Signature| s.header().role.is_some_and(|r| demand.roles.contains(&r));
    let roles = demand.roles.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(" or ");
    match (jws.signatures().iter().filter(of).any(|s| in_role(&s)), demand.later) {
        (true, _) => Check::new(name, Outcome::Passed, format!("the {} has signed as {roles}", demand.what)),
        (false, true) => Check::new(
            name,
            Outcome::Unknown,
            format!("the {} (key {}) has not signed yet; the document is not complete", demand.what, demand.kid),
        ),
        (false, false) => Check::new(
            name,
            Outcome::Failed,
            format!("the {} (key {}) has not signed it as {roles}", demand.what, demand.kid),
        ),
    }
}

/// Two persons are two keys. Two parties may be namesakes: that operator and witness are not is their record's check.
fn apart(demands: &[Demand<'_>]) -> Found {
    let mut kids: Vec<&str> = demands.iter().map(|d| d.kid).collect();
    kids.sort_unstable();
    match kids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("key {} stands for two of the persons named", pair[0])),
        None => Ok(match demands.len() {
            0 | 1 => "one person is named".to_owned(),
            n => format!("{n} persons are named, each with a key of their own"),
        }),
    }
}
