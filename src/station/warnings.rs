//! What a person should know before a run begins.

use super::hidden::{Hidden, area_words, is_area_of_card, only_sanitize_reaches};
use crate::device::{self, Roots};
use crate::media::{HiddenArea, Medium, Reach};
use crate::sanitize::firmware::{BOOT_PARTITIONS, RestorePlan, UNATTACHED_NAMESPACES};
use crate::sanitize::rung::Rung;

/// Nodes that are made writable for the run.
pub(super) fn of_force_ro(roots: &Roots, medium: &Medium, also: &[Medium]) -> Vec<String> {
    let forced = std::iter::once(medium).chain(also).filter(|medium| device::is_forced_read_only(roots, medium));
    let words = |medium: &Medium| {
        format!(
            "the kernel keeps {} read-only by a switch of its own (force_ro): cleared for the run, and set back after it",
            medium.path.display()
        )
    };
    forced.map(words).collect()
}

/// What a person should know of the drive's own techniques.
pub(super) fn of_drive(rungs: &[Rung], also: &[Medium]) -> Vec<String> {
    let mut warnings: Vec<String> = also
        .iter()
        .map(|other| format!("the command erases {} ({}) as well", other.path.display(), other.identity.label()))
        .collect();
    if rungs.iter().any(|rung| !rung.is_by_host()) {
        warnings.push(
            "a drive that only unmaps its blocks and reads zeros back cannot be told from one that erases them, by \
             any host"
                .to_owned(),
        );
    }
    warnings
}

/// What a person should know of a drive that hides a part of itself.
pub(super) fn of_hidden(hidden: &Hidden, restore: Option<&RestorePlan>, rungs: &[Rung]) -> Vec<String> {
    if let Some(last) = restore.and_then(|plan| plan.steps.last()) {
        let areas: Vec<String> = hidden.areas().map(area_words).collect();
        if areas.is_empty() {
            return vec![format!(
                "before anything is erased the drive is told to take its whole capacity, for good: it has at least {} \
                 bytes from then on, all of which is erased. Whether it was made to look smaller it does not tell before",
                last.size
            )];
        }
        return vec![format!(
            "before anything is erased the drive is changed for good: it gives back what it hides ({}) and has {} bytes \
             from then on, all of which is erased",
            areas.join("; "),
            last.size
        )];
    }
    // A sanitize reaches by its standard what an overwrite does not.
    let all_reach = rungs.iter().all(|rung| rung.technique.reaches_hidden().is_some());
    let erased_along = rungs.iter().all(|rung| rung.reach == Reach::Card);
    let words = |area: &HiddenArea| match (all_reach, only_sanitize_reaches(area)) {
        _ if is_area_of_card(area) => (area.kind != BOOT_PARTITIONS || !erased_along).then(|| {
            format!(
                "the card has areas of its own beside the main one ({}), which this run does not reach and the \
                 certificate excludes: name their nodes as targets too",
                area_words(area)
            )
        }),
        (true, _) if area.kind == UNATTACHED_NAMESPACES => {
            Some(format!("the command erases {} as well, which no device here shows", area_words(area)))
        }
        (true, _) => None,
        (false, true) => Some(format!(
            "the drive hides a part of itself ({}): no host write reaches it, nor does a format; NVMe Sanitize does",
            area_words(area)
        )),
        (false, false) => Some(format!(
            "the drive hides a part of itself ({}): no host write reaches it; --restore-hidden has it given back",
            area_words(area)
        )),
    };
    hidden.areas().filter_map(words).collect()
}
