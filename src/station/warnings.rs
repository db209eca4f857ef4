//! What a person should know before a run begins.

use super::hidden::{Hidden, area_words, is_area_of_card, only_sanitize_reaches};
use crate::device::{self, Roots};
use crate::media::{HiddenArea, Medium, Reach, Transport, namespace_words};
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

/// That the system may have come from it: people carry such media about.
pub(super) fn of_boot_medium(lost: &str, medium: &Medium) -> Option<String> {
    let is_carried = medium.removable || matches!(medium.transport, Transport::Usb | Transport::Mmc);
    is_carried.then(|| lost.to_owned())
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

/// What a person should know of the namespaces that they `named`, and that no device here shows.
pub(super) fn of_unattached(rungs: &[Rung], named: &[u32]) -> Option<String> {
    let what = namespace_words(named);
    match erase_all(rungs) {
        _ if named.is_empty() => None,
        techniques if techniques.is_empty() => {
            Some(format!("{what} was named (--also-unattached), and no command of this run erases it"))
        }
        techniques => Some(format!(
            "{techniques} erases {what} of the drive as well, which no device here shows: whether another host uses it \
             nobody here can tell"
        )),
    }
}

/// The techniques that erase every namespace of the subsystem.
fn erase_all(rungs: &[Rung]) -> String {
    let all = rungs.iter().filter(|rung| rung.reach == Reach::Subsystem);
    all.map(|rung| rung.technique.name()).collect::<Vec<_>>().join(", or ")
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
    // One rung is enough: nobody knows which of them it comes to.
    let erase_all = erase_all(rungs);
    let words = |area: &HiddenArea| match (all_reach, only_sanitize_reaches(area)) {
        _ if is_area_of_card(area) => (area.kind != BOOT_PARTITIONS || !erased_along).then(|| {
            format!(
                "the card has areas of its own beside the main one ({}), which this run does not reach and the \
                 certificate excludes: name their nodes as targets too",
                area_words(area)
            )
        }),
        _ if area.kind == UNATTACHED_NAMESPACES && !erase_all.is_empty() => {
            Some(format!("{erase_all} erases what the drive hides as well ({})", area_words(area)))
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

#[cfg(test)]
mod tests {
    use super::super::hidden::tests::namespaces_beside;
    use super::*;
    use crate::policy::{Method, Technique};

    fn rung(technique: Technique, reach: Reach) -> Rung {
        Rung { technique, attains: Method::Clear, reach, ..Rung::overwrite() }
    }

    #[test]
    fn what_one_rung_erases_along_is_said_whatever_the_others_do() {
        let hidden = namespaces_beside();
        let sanitize = rung(Technique::NvmeSanitizeBlock, Reach::Subsystem);
        let format = |reach| rung(Technique::NvmeFormatUser, reach);
        for (ladder, erases) in [
            (vec![sanitize.clone()], true),
            (vec![sanitize.clone(), Rung::overwrite()], true),
            (vec![Rung::overwrite(), sanitize.clone()], true),
            // FNA bits 0 and 1.
            (vec![format(Reach::Subsystem)], true),
            (vec![format(Reach::Subsystem), Rung::overwrite()], true),
            (vec![format(Reach::Unit), sanitize], true),
            (vec![format(Reach::Unit)], false),
            (vec![format(Reach::Unit), Rung::overwrite()], false),
            (vec![Rung::overwrite()], false),
        ] {
            let words = of_hidden(&hidden, None, &ladder);
            let [words] = &words[..] else { panic!("{words:?}") };
            assert_eq!(words.contains("erases what the drive hides as well"), erases, "{words}");
            assert_eq!(words.contains("nor does a format"), !erases, "{words}");
            let named = of_unattached(&ladder, &[2]).unwrap();
            assert_eq!(named.contains("erases namespace 2 of the drive as well"), erases, "{named}");
            assert_eq!(named.contains("no command of this run erases it"), !erases, "{named}");
            assert_eq!(of_unattached(&ladder, &[]), None);
        }
    }
}
