//! Whether a key may sign here now: by the station's own trust store, so that nothing is begun whose proof everybody
//! who checks would refuse.

use chrono::{DateTime, Utc};

use super::folder::{Station, StationError};
use crate::signed::{Role, Standing, TrustStore, format_time};

/// A key that everybody who checks would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitKey {
    /// It is nobody's.
    #[error("the {role} key {kid} is not in the trust store")]
    Unknown {
        /// Its thumbprint.
        kid: String,
        /// What it was to sign as.
        role: Role,
    },
    /// It signs as something else.
    #[error("key {kid} is trusted as {roles}, not as {role}")]
    OtherRole {
        /// Its thumbprint.
        kid: String,
        /// What it was to sign as.
        role: Role,
        /// What it may sign as.
        roles: String,
    },
    /// Its time has not begun.
    #[error(
        "the {role} key {kid} is valid from {from}, and by the clock of this machine it would sign at {at}",
        from = format_time(*from), at = format_time(*at)
    )]
    NotYetValid {
        /// Its thumbprint.
        kid: String,
        /// What it was to sign as.
        role: Role,
        /// When its time begins.
        from: DateTime<Utc>,
        /// When it was to sign.
        at: DateTime<Utc>,
    },
    /// Its time is over.
    #[error(
        "the {role} key {kid} expired on {until}, and by the clock of this machine it would sign at {at}",
        until = format_time(*until), at = format_time(*at)
    )]
    Expired {
        /// Its thumbprint.
        kid: String,
        /// What it was to sign as.
        role: Role,
        /// When its time ended.
        until: DateTime<Utc>,
        /// When it was to sign.
        at: DateTime<Utc>,
        /// A rotation of it was cut off.
        cut_off: bool,
    },
    /// It is disowned, by whenever.
    #[error("the {role} key {kid} is revoked from {from}", from = format_time(*from))]
    Revoked {
        /// Its thumbprint.
        kid: String,
        /// What it was to sign as.
        role: Role,
        /// From when on.
        from: DateTime<Utc>,
    },
}

impl UnfitKey {
    /// What to do next.
    pub fn advice(&self) -> &'static str {
        match self {
            UnfitKey::NotYetValid { .. } => {
                "set the clock of this machine, then try again. What was dated by a wrong clock already needs an earlier \
                 valid_from in the trust store, by whoever answers for it"
            }
            UnfitKey::Expired { cut_off: true, .. } => {
                "a rotation of the key was cut off: lastwrite key rotate --station finishes it; then try again"
            }
            UnfitKey::Expired { role: Role::Operator, .. } => {
                "whoever answers for the trust store gives the key a later end (valid_until) or takes in another one \
                 (lastwrite key trust); then try again. Without --operator-key the station alone signs"
            }
            UnfitKey::Expired { .. } => {
                "whoever answers for the trust store gives the key a later end (valid_until; of a key that a root vouches \
                 for: lastwrite key delegate --valid-until) or names another key; then try again. Before it ends: \
                 lastwrite key rotate"
            }
            UnfitKey::Revoked { role: Role::Station, .. } => {
                "nothing that it signs counts: lastwrite init in another folder (--state DIR) makes a station of its own, \
                 which can begin anew"
            }
            UnfitKey::Revoked { role: Role::Operator, .. } => {
                "nothing that it signs counts: without --operator-key the station alone signs; or make another key \
                 (lastwrite key generate), which whoever trusts its person takes in (lastwrite key trust)"
            }
            UnfitKey::Revoked { .. } => {
                "nothing that it signs counts: make another key (lastwrite key generate), which whoever trusts its person \
                 takes in (lastwrite key trust)"
            }
            UnfitKey::Unknown { role: Role::Operator, .. } | UnfitKey::OtherRole { role: Role::Operator, .. } => {
                "take it in with: lastwrite key trust PUBLIC --role operator"
            }
            UnfitKey::Unknown { .. } | UnfitKey::OtherRole { .. } => {
                "whoever answers for the trust store takes it in: lastwrite key show, then lastwrite key trust PUBLIC \
                 --role ROLE"
            }
        }
    }
}

impl Station {
    /// Whether a key may sign here, as `role` and dated `at`: it is trusted in that role, within its time and not
    /// revoked.
    pub fn may_sign(&self, kid: &str, role: Role, at: DateTime<Utc>) -> Result<(), StationError> {
        match may_sign(&self.trust()?, kid, role, at) {
            Err(UnfitKey::Expired { kid, role, until, at, .. }) => {
                let cut_off = role == Role::Station && self.rotation_was_cut_off(&kid)?;
                Err(UnfitKey::Expired { kid, role, until, at, cut_off }.into())
            }
            other => Ok(other?),
        }
    }
}

/// As [`Station::may_sign`], by any trust store.
pub fn may_sign(trust: &TrustStore, kid: &str, role: Role, at: DateTime<Utc>) -> Result<(), UnfitKey> {
    let kid = kid.to_owned();
    let Some(known) = trust.find(&kid) else { return Err(UnfitKey::Unknown { kid, role }) };
    if !known.may(role) {
        return Err(UnfitKey::OtherRole { kid, role, roles: known.roles_text() });
    }
    match trust.standing(known, at) {
        Standing::Valid => Ok(()),
        Standing::NotYetValid(from) => Err(UnfitKey::NotYetValid { kid, role, from, at }),
        Standing::Expired(until) => Err(UnfitKey::Expired { kid, role, until, at, cut_off: false }),
        // Whoever stole it can have backdated what it signs.
        Standing::Revoked(from) | Standing::RevokedLater(from) => Err(UnfitKey::Revoked { kid, role, from }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed::{StationKey, TrustedKey};

    #[test]
    fn only_a_key_that_everybody_would_believe_signs() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let key = StationKey::from_seed(&[1; 32]);
        let said = |change: &dyn Fn(&mut TrustedKey), role, seconds| {
            let mut known = TrustedKey::new(key.public().clone(), "Bench", Role::Station, Some(at(1000)));
            known.valid_until = Some(at(3000));
            change(&mut known);
            let mut trust = TrustStore::default();
            trust.add(known).unwrap();
            may_sign(&trust, key.kid(), role, at(seconds)).map_err(|unfit| unfit.to_string())
        };
        let station = Role::Station;
        assert_eq!([1000, 3000].map(|seconds| said(&|_| {}, station, seconds)), [Ok(()), Ok(())]);
        type Change<'a> = &'a dyn Fn(&mut TrustedKey);
        let cases: [(Change, Role, i64, &str); 5] = [
            (&|_| {}, station, 999, "by the clock of this machine it would sign at 1970-01-01T00:16:39Z"),
            (&|_| {}, station, 3001, "expired on 1970-01-01T00:50:00Z"),
            (&|_| {}, Role::Operator, 2000, "trusted as station, not as operator"),
            (&|key| key.revoked_at = Some(at(1500)), station, 2000, "is revoked from"),
            (&|key| key.revoked_at = Some(at(2500)), station, 2000, "is revoked from"),
        ];
        for (change, role, seconds, why) in cases {
            let told = said(change, role, seconds).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let unknown = may_sign(&TrustStore::default(), key.kid(), station, at(2000)).unwrap_err();
        assert!(unknown.to_string().contains("not in the trust store"), "{unknown}");
    }
}
