//! Which techniques a run may use, and in which order.

use serde::{Deserialize, Serialize};

use super::organization::{CryptoErase, Policy, StepDown};
use super::rating::{Rating, Shredding, Storage, rate};
use super::technique::Way;
use super::{Category, Method, Technique};

use Technique as T;

/// The order of choice when the policy names none: what reaches furthest and can be checked best comes
/// first, what the drive merely might do comes late, the host's own writing last.
pub const ORDER: &[Technique] = &[
    T::NvmeSanitizeBlock,
    T::AtaSanitizeBlock,
    T::ScsiSanitizeBlock,
    T::NvmeSanitizeCrypto,
    T::AtaSanitizeCrypto,
    T::ScsiSanitizeCrypto,
    T::NvmeSanitizeOverwrite,
    T::AtaSanitizeOverwrite,
    T::ScsiSanitizeOverwrite,
    T::AtaSecurityEraseEnhanced,
    T::MmcSecureErase,
    T::MmcSecureTrim,
    T::OpalPsidRevert,
    T::NvmeFormatUser,
    T::NvmeFormatCrypto,
    T::MmcSanitize,
    T::ScsiFormat,
    T::AtaSecurityErase,
    T::ZoneResetOverwrite,
    T::Overwrite,
];

/// A technique that the medium and the path to it support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub technique: Technique,
    /// What stands in its way now, if anything (`the drive is frozen`), and how to undo it.
    pub obstacle: Option<String>,
    /// On this medium its command also erases everything that is closed to the host's writes, and all of that is
    /// read afterwards (the boot partitions of an eMMC).
    pub reaches_closed: bool,
}

impl Offer {
    /// An organization that takes no medium of which a part stays unreached takes it by this.
    pub(super) fn answers_for_hidden(&self) -> bool {
        self.reaches_closed || self.technique.answers_for_hidden()
    }
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// What the policy demands, Clear where it decides nothing.
    Least,
    /// At least this method.
    Method(Method),
    /// The strongest that the medium and the path support.
    Strongest,
    /// This technique and no other.
    Technique(Technique),
}

/// A technique that the run may use, with what it counts for there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Which.
    pub technique: Technique,
    /// What it attains when it succeeds.
    pub method: Method,
}

/// A technique that is there and is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// Which.
    pub technique: Technique,
    /// Why.
    pub why: String,
}

/// The ladder of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// First choice first; every further one is a step down that was allowed. Never empty.
    pub rungs: Vec<Rung>,
    /// What is there and is not used.
    pub passed_over: Vec<PassedOver>,
}

/// Why a technique cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// The policy forbids it.
    Forbidden,
    /// The policy lets no cryptographic erase count.
    CryptoErase,
    /// It counts for nothing on this medium.
    Unrated,
    /// Something stands in its way.
    Obstacle(String),
    /// Neither medium nor path offer it.
    NotOffered,
}

/// What a technique counts for under a policy on a medium; the category matters for shredding alone.
pub fn rated(policy: &Policy, technique: Technique, storage: Storage, category: Option<Category>) -> Rating {
    let mut rating = rate(technique, storage, &policy.ratings);
    let shreds = matches!(technique, T::Shred | T::Pulverize);
    let low = category.is_some_and(|category| category <= Category::Low);
    if shreds && policy.ratings.shredding == Shredding::LowOnly && !low {
        rating.method = None;
    }
    rating
}

/// Whether a technique can be used, and for what it then counts.
pub fn usable(policy: &Policy, technique: Technique, storage: Storage, offers: &[Offer]) -> Result<Method, Excluded> {
    let offer = offers.iter().find(|offer| offer.technique == technique).ok_or(Excluded::NotOffered)?;
    let method = counts_for(policy, technique, storage)?;
    match &offer.obstacle {
        Some(obstacle) => Err(Excluded::Obstacle(obstacle.clone())),
        None => Ok(method),
    }
}

/// What a technique that is offered counts for, if the policy takes it.
pub fn counts_for(policy: &Policy, technique: Technique, storage: Storage) -> Result<Method, Excluded> {
    if policy.techniques.forbidden.contains(&technique) {
        return Err(Excluded::Forbidden);
    }
    if technique.is_cryptographic() && policy.techniques.crypto_erase == CryptoErase::Refused {
        return Err(Excluded::CryptoErase);
    }
    rated(policy, technique, storage, None).method.ok_or(Excluded::Unrated)
}

/// The techniques for a target method, in order. `least` is what the policy demands. `Err`: nothing
/// attains the target; what was passed over says why.
pub fn climb(
    policy: &Policy,
    wanted: Wanted,
    least: Option<Method>,
    storage: Storage,
    offers: &[Offer],
    step_down: StepDown,
) -> Result<(Method, Ladder), (Method, Vec<PassedOver>)> {
    let mut passed_over = Vec::new();
    let mut found = Vec::new();
    let mut offered: Vec<Technique> = offers.iter().map(|offer| offer.technique).filter(|t| !t.is_physical()).collect();
    offered.sort_by_key(|technique| policy.rank(*technique));
    offered.dedup();
    for technique in offered {
        match usable(policy, technique, storage, offers) {
            Ok(method) => found.push(Rung { technique, method }),
            Err(why) => passed_over.push(PassedOver { technique, why: why.words(policy) }),
        }
    }
    let floor = least.unwrap_or(Method::Clear);
    let target = match wanted {
        Wanted::Least => floor,
        Wanted::Method(method) => method.max(floor),
        Wanted::Strongest => found.iter().map(|rung| rung.method).max().unwrap_or(floor).max(floor),
        Wanted::Technique(technique) => {
            let rung = found.iter().find(|rung| rung.technique == technique);
            return match rung {
                Some(rung) if rung.method >= floor => {
                    Ok((rung.method, Ladder { rungs: vec![rung.clone()], passed_over: Vec::new() }))
                }
                _ => Err((floor, passed_over)),
            };
        }
    };
    let (mut enough, lower): (Vec<Rung>, Vec<Rung>) = found.into_iter().partition(|rung| rung.method >= target);
    if target == Method::Clear && wanted != Wanted::Strongest {
        // Clear is what the host's own writing is for: it can be read back against known bytes.
        enough.sort_by_key(|rung| rung.technique.way() != Way::Host);
    }
    let mut rungs = enough.into_iter();
    let Some(first) = rungs.next() else {
        let weak = |rung: Rung| PassedOver {
            technique: rung.technique,
            why: format!("it attains only {} here", rung.method.name()),
        };
        passed_over.extend(lower.into_iter().map(weak));
        return Err((target, passed_over));
    };
    let mut ladder = vec![first];
    for rung in rungs {
        match step_down {
            StepDown::Never => passed_over.push(PassedOver {
                technique: rung.technique,
                why: "another technique comes first, and no step down was allowed (--step-down same-method)".to_owned(),
            }),
            StepDown::SameMethod | StepDown::LowerMethod => ladder.push(rung),
        }
    }
    for rung in lower {
        if step_down == StepDown::LowerMethod && rung.method >= floor {
            ladder.push(rung);
        } else {
            let why = format!("it attains only {} here", rung.method.name());
            passed_over.push(PassedOver { technique: rung.technique, why });
        }
    }
    Ok((target, Ladder { rungs: ladder, passed_over }))
}

impl Excluded {
    /// For a sentence about the technique.
    pub fn words(&self, policy: &Policy) -> String {
        match self {
            Excluded::Forbidden => format!("the policy {} forbids it", policy.label()),
            Excluded::CryptoErase => format!("the policy {} lets no cryptographic erase count", policy.label()),
            Excluded::Unrated => "it counts for nothing on this medium".to_owned(),
            Excluded::Obstacle(obstacle) => obstacle.clone(),
            Excluded::NotOffered => "the medium or the path to it does not support it".to_owned(),
        }
    }
}
