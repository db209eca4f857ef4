//! What became of the areas that the host cannot address.

use crate::media::{AreaOutcome, Exchange, HiddenArea, MediumClass, Reach, Reply, Transport};
use crate::policy::Technique;
use crate::sanitize::firmware::{
    BOOT_PARTITIONS, GENERAL_PURPOSE_PARTITIONS, UNALLOCATED_CAPACITY, UNATTACHED_NAMESPACES,
};
use crate::sanitize::record::HiddenAreas;
use crate::sanitize::rung::Rung;
use crate::sanitize::state::{RunPlan, RunState};
use crate::units::Bytes;

/// A sanitize that `passed` reached by its standard what the host cannot address; nothing else is
/// known to.
pub(super) fn hidden_areas(state: &RunState, passed: bool) -> HiddenAreas {
    let (plan, rung) = (&state.plan, state.rung());
    let known = state.hidden().map(|known| with_areas_of_card(known, rung));
    let leaves_areas = known.iter().flat_map(HiddenAreas::areas).any(is_area_of_card);
    if let Some(why) = rung.technique.reaches_hidden().filter(|_| !leaves_areas) {
        let (mut areas, exchanges, restored) = match known {
            Some(HiddenAreas::Examined { areas, exchanges, restored, .. }) => (areas, exchanges, restored),
            _ => (Vec::new(), Vec::new(), None),
        };
        if areas.iter().all(|area| area.kind != UNALLOCATED_CAPACITY) {
            areas.extend(unallocated(&state.rung_state().exchanges));
        }
        for area in areas.iter_mut().filter(|area| passed && area.outcome.is_none()) {
            area.outcome = Some(AreaOutcome::Reached);
        }
        return HiddenAreas::ReachedByCommand { why: why.to_owned(), areas, exchanges, restored };
    }
    match known {
        Some(HiddenAreas::Examined { by, areas, exchanges, restored }) => {
            let tried = plan.restore.is_some();
            let marked = state.rungs.iter().any(|rung| !rung.past.areas.is_empty());
            let told = |area| if marked { not_proven(area) } else { area };
            let areas = areas.into_iter().map(told).map(|area| excluded(area, rung, tried)).collect();
            HiddenAreas::Examined { by, areas, exchanges, restored }
        }
        Some(HiddenAreas::NotExamined { why }) => HiddenAreas::NotExamined { why },
        _ if rung.is_by_host() => by_host(plan),
        _ => HiddenAreas::NotExamined {
            why: format!(
                "the standard does not say that {} reaches reallocated, spare or hidden areas, and they were not \
                 examined",
                rung.technique
            ),
        },
    }
}

/// A command that reaches the whole card erased its boot partitions, which stand among what it erased along.
fn with_areas_of_card(mut known: HiddenAreas, rung: &Rung) -> HiddenAreas {
    if let HiddenAreas::Examined { areas, .. } = &mut known
        && rung.reach == Reach::Card
    {
        areas.retain(|area| area.kind != BOOT_PARTITIONS);
    }
    known
}

fn is_area_of_card(area: &HiddenArea) -> bool {
    [BOOT_PARTITIONS, GENERAL_PURPOSE_PARTITIONS].contains(&area.kind.as_str())
}

/// A technique that the run has left behind was meant to reach the boot partitions too.
fn not_proven(area: HiddenArea) -> HiddenArea {
    if area.kind != BOOT_PARTITIONS {
        return area;
    }
    let note = "areas of the card of their own (boot0, boot1), to which an earlier technique of this run wrote known \
                content, and which it may have erased; neither was proven";
    HiddenArea { note: note.to_owned(), ..area }
}

/// What is there and was neither given back, perhaps though it was tried, nor reached.
fn excluded(area: HiddenArea, rung: &Rung, tried: bool) -> HiddenArea {
    if area.outcome.is_some() {
        return area;
    }
    let note = match rung.technique {
        // FNA says so, and no more than that.
        _ if rung.reach == Reach::Subsystem && area.kind == UNATTACHED_NAMESPACES => format!(
            "excluded: by the drive's own attributes {} erases it as well, and no host can read it and see",
            rung.technique
        ),
        _ if tried || is_area_of_card(&area) => format!("excluded: {}", area.note),
        Technique::Overwrite | Technique::ZoneResetOverwrite => {
            "excluded: no host write reaches it, and this run did not".to_owned()
        }
        by_drive => format!("excluded: the standard does not say that {by_drive} reaches it"),
    };
    HiddenArea { note, outcome: Some(AreaOutcome::Excluded), ..area }
}

/// Where nothing was asked.
fn by_host(plan: &RunPlan) -> HiddenAreas {
    match (plan.medium.class, plan.medium.transport) {
        (MediumClass::Image, _) | (_, Transport::Loop | Transport::Memory) => HiddenAreas::Impossible,
        (MediumClass::Virtual, _) => HiddenAreas::NotExamined {
            why: "a virtual disk: what the host keeps behind it is not reached from here".to_owned(),
        },
        (MediumClass::Physical, _) => HiddenAreas::NotExamined {
            why: "the overwrite reaches the capacity the host can address; HPA, DCO, reallocated and \
                  over-provisioned areas were not examined"
                .to_owned(),
        },
    }
}

/// UNVMCAP of Identify Controller (bytes 296-311), where it was read and is not zero.
fn unallocated(exchanges: &[Exchange]) -> Option<HiddenArea> {
    let identify =
        exchanges.iter().find(|e| e.name == "Identify Controller" && matches!(e.reply, Reply::Nvme { .. }))?;
    let digits = identify.data_in.as_deref()?.get(2 * 296..2 * 304)?;
    let bytes: Vec<u8> = (0..8).filter_map(|i| u8::from_str_radix(digits.get(2 * i..2 * i + 2)?, 16).ok()).collect();
    let size = u64::from_le_bytes(bytes.try_into().ok()?);
    (size > 0).then(|| HiddenArea {
        kind: UNALLOCATED_CAPACITY.to_owned(),
        size: Some(Bytes(size)),
        note: "capacity that belongs to no namespace".to_owned(),
        outcome: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Method, VerificationLevel};
    use crate::sanitize::samples;

    fn area(kind: &str, outcome: Option<AreaOutcome>) -> HiddenArea {
        HiddenArea { kind: kind.to_owned(), size: Some(Bytes(512)), note: "n".to_owned(), outcome }
    }

    fn judged(technique: Technique, hidden: Option<HiddenAreas>, passed: bool) -> HiddenAreas {
        let plan = RunPlan {
            ladder: vec![Rung { technique, attains: Method::Clear, ..Rung::overwrite() }],
            hidden,
            ..samples::plan(&[0], VerificationLevel::Full)
        };
        hidden_areas(&RunState::new(plan), passed)
    }

    fn examined(areas: Vec<HiddenArea>) -> Option<HiddenAreas> {
        Some(HiddenAreas::Examined { by: "b".to_owned(), areas, exchanges: Vec::new(), restored: None })
    }

    #[test]
    fn what_was_found_is_excluded_unless_it_was_given_back_or_the_standard_reaches_it() {
        let found = || {
            let back = area("device_configuration_overlay", Some(AreaOutcome::GivenBack));
            examined(vec![area("host_protected_area", None), back])
        };
        let outcomes = |hidden: &HiddenAreas| hidden.areas().iter().map(|a| a.outcome).collect::<Vec<_>>();
        let (excluded, back, reached) = (AreaOutcome::Excluded, AreaOutcome::GivenBack, AreaOutcome::Reached);
        for technique in [Technique::Overwrite, Technique::AtaSecurityErase, Technique::OpalPsidRevert] {
            let hidden = judged(technique, found(), true);
            assert!(matches!(hidden, HiddenAreas::Examined { .. }));
            assert_eq!(outcomes(&hidden), [Some(excluded), Some(back)], "{technique}");
            assert!(hidden.areas()[0].note.starts_with("excluded: "), "{hidden:?}");
        }
        let hidden = judged(Technique::AtaSanitizeBlock, found(), true);
        assert!(matches!(hidden, HiddenAreas::ReachedByCommand { .. }));
        assert_eq!(outcomes(&hidden), [Some(reached), Some(back)]);
        let hidden = judged(Technique::AtaSanitizeBlock, found(), false);
        assert_eq!(outcomes(&hidden), [None, Some(back)], "a run that failed reached nothing for certain");
    }

    #[test]
    fn boot_partitions_are_erased_along_or_excluded_and_never_both() {
        let card = |technique, reach, passed| {
            let rung = Rung { technique, attains: Method::Clear, reach, ..Rung::overwrite() };
            let hidden = examined(vec![area(BOOT_PARTITIONS, None), area(GENERAL_PURPOSE_PARTITIONS, None)]);
            let plan = RunPlan { ladder: vec![rung], hidden, ..samples::plan(&[0], VerificationLevel::Full) };
            hidden_areas(&RunState::new(plan), passed)
        };
        let kinds = |hidden: &HiddenAreas| {
            let excluded = hidden.with(AreaOutcome::Excluded).map(|area| area.kind.clone()).collect::<Vec<_>>();
            assert!(matches!(hidden, HiddenAreas::Examined { .. }), "what is left stands against reaching all");
            assert_eq!(excluded.len(), hidden.areas().len());
            excluded
        };
        for technique in [Technique::MmcSecureErase, Technique::MmcSanitize] {
            assert_eq!(kinds(&card(technique, Reach::Card, true)), [GENERAL_PURPOSE_PARTITIONS]);
            let left = kinds(&card(technique, Reach::Unit, true));
            assert_eq!(left, [BOOT_PARTITIONS, GENERAL_PURPOSE_PARTITIONS], "{technique}");
        }
        let overwritten = card(Technique::Overwrite, Reach::Unit, true);
        assert_eq!(kinds(&overwritten).len(), 2);
        assert_eq!(overwritten.areas()[0].note, "excluded: n", "host writes do reach them, by their own nodes");
    }

    #[test]
    fn a_format_of_all_namespaces_leaves_none_as_it_was_and_shows_nothing_of_the_others() {
        let format = |reach| {
            let rung =
                Rung { technique: Technique::NvmeFormatUser, attains: Method::Clear, reach, ..Rung::overwrite() };
            let hidden = examined(vec![area(UNATTACHED_NAMESPACES, None), area(UNALLOCATED_CAPACITY, None)]);
            let plan = RunPlan { ladder: vec![rung], hidden, ..samples::plan(&[0], VerificationLevel::Full) };
            hidden_areas(&RunState::new(plan), true)
        };
        for (reach, along) in [(Reach::Subsystem, true), (Reach::Unit, false)] {
            let hidden = format(reach);
            assert_eq!(hidden.with(AreaOutcome::Excluded).count(), 2, "{hidden:?}");
            assert_eq!(hidden.areas()[0].note.contains("erases it as well"), along, "{hidden:?}");
            assert!(hidden.areas()[1].note.contains("does not say that nvme-format-user reaches it"), "{hidden:?}");
        }
    }

    #[test]
    fn what_was_not_asked_is_not_examined_and_nothing_found_is_nothing() {
        let nothing = judged(Technique::Overwrite, examined(Vec::new()), true);
        assert!(matches!(nothing, HiddenAreas::Examined { areas, .. } if areas.is_empty()));
        let why = || Some(HiddenAreas::NotExamined { why: "no registers".to_owned() });
        for technique in [Technique::Overwrite, Technique::AtaSecurityErase] {
            let hidden = judged(technique, why(), true);
            assert_eq!(Some(hidden), why(), "{technique}");
            // A journal of an earlier version.
            let hidden = judged(technique, None, true);
            assert!(matches!(hidden, HiddenAreas::NotExamined { .. }), "{technique}");
        }
    }
}
