//! The close rule: what keeps an asset from being closed, in plain words.

use super::act::{AssetClass, ClosedOn, LineOutcome, MediumState};
use super::asset::{Asset, HandOver};
use super::evidence::Evidence;
use super::life::{PolicyRules, day_of};
use super::medium::Medium;
use super::minimum::Minimum;
use super::stage::Stage;
use crate::signed::same_name;
use crate::units::Bytes;

/// Who would close it. Four eyes: not who wiped.
#[derive(Clone, Copy, Debug)]
pub struct Closer<'a> {
    /// Key.
    pub kid: &'a str,
    /// Name.
    pub name: &'a str,
}

/// A medium with its place in the register.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedMedium {
    /// Its stream.
    pub stream: String,
    /// Its revision.
    pub revision: u64,
    /// Its state.
    pub medium: Medium,
}

impl PlacedMedium {
    /// The document that satisfies the minimum for the medium in that asset, or in words why none does.
    pub(super) fn satisfying(&self, asset: &Asset, minimum: &Minimum) -> Result<&Evidence, String> {
        let used = asset.last_used.get(&self.stream).copied();
        self.medium.satisfying(minimum, asset.class == AssetClass::Physical, used)
    }
}

/// What the asset would be closed on, or every reason against it. `media` are those of the asset,
/// `rules` those of disposition that are in force.
pub fn judge(
    asset: &Asset,
    media: &[PlacedMedium],
    closer: Closer<'_>,
    rules: &PolicyRules,
) -> Result<(Minimum, Vec<ClosedOn>), Vec<String>> {
    let mut blockers = Vec::new();
    if asset.stage != Stage::Disposition {
        blockers.push(format!("the asset is in {}, not in disposition", asset.stage));
    }
    let listed: Vec<&str> = media.iter().map(|m| m.stream.as_str()).collect();
    if asset.media.iter().map(String::as_str).ne(listed.iter().copied()) {
        blockers.push("its media could not all be read".to_owned());
    }
    let mut closed_on = Vec::new();
    // Without a route there is no minimum to judge by.
    let minimum = asset.line.as_ref().map(|line| Minimum::in_force(rules, asset.data_class, line.route));
    let present = || media.iter().filter(|m| m.medium.state != MediumState::Absent);
    for placed in present() {
        let medium = &placed.medium;
        let label = medium.identity.label();
        match medium.state {
            MediumState::InUse | MediumState::Awaiting | MediumState::Failed => {
                blockers.push(format!("medium {label}: {}", medium.state.name().replace('_', " ")));
            }
            _ => {}
        }
        let Some(minimum) = &minimum else { continue };
        match placed.satisfying(asset, minimum) {
            Err(why) => blockers.push(format!("medium {label}: {why}")),
            Ok(evidence) => {
                let wiped = evidence.signers.iter().any(|kid| kid == closer.kid)
                    || evidence.operator.as_deref().is_some_and(|name| same_name(name, closer.name));
                if wiped {
                    blockers.push(format!("medium {label}: {} wiped it and may not close it (four eyes)", closer.name));
                }
                closed_on.push(ClosedOn {
                    medium: placed.stream.clone(),
                    revision: Bytes(placed.revision),
                    document: evidence.document.clone(),
                });
            }
        }
    }
    let count = present().count();
    match asset.counted {
        None => blockers.push("nobody has counted its media since they last changed".to_owned()),
        Some(counted) if usize::try_from(counted).ok() != Some(count) => {
            blockers.push(format!("{counted} media were counted, the record has {count}"));
        }
        Some(_) => {}
    }
    blockers.extend(asset.open_items().iter().map(|item| format!("checklist item open: {}", item.name())));
    blockers.extend(asset.licences.keys().map(|product| format!("licence still assigned: {product}")));
    blockers.extend(asset.life.work.values().map(|work| format!("work order {} is open", work.number)));
    judge_route(asset, &mut blockers);
    match (minimum, blockers.is_empty()) {
        (Some(minimum), true) => Ok((minimum, closed_on)),
        _ => Err(blockers),
    }
}

fn judge_route(asset: &Asset, blockers: &mut Vec<String>) {
    let Some(line) = &asset.line else {
        blockers.push("no route of disposal is chosen".to_owned());
        return;
    };
    match line.outcome {
        None => blockers.push("its outcome is not set".to_owned()),
        Some(LineOutcome::Sold) if !asset.recovery => blockers.push("no recovery entry for the sale".to_owned()),
        Some(LineOutcome::Sold) => {}
        Some(_) if line.final_document.is_none() => {
            blockers.push("the route's final certificate is missing".to_owned())
        }
        Some(_) => {}
    }
    let Some(vendor) = &line.vendor else { return };
    let certified = |h: &HandOver| {
        let day = day_of(h.at);
        !line.route.needs_certified_vendor() || h.certification.as_ref().is_some_and(|c| c.holds_on(&day))
    };
    match asset.handed_over.iter().rev().find(|h| h.to == *vendor) {
        None => blockers.push(format!("no signed hand-over to {vendor}")),
        Some(taken) if !certified(taken) => {
            blockers.push(format!("{vendor} held no certification on {} when it took it", day_of(taken.at)));
        }
        Some(_) => {}
    }
}
