//! Areas that the host cannot address: what a document says of them, and whether it can be true.

use crate::media::{AreaOutcome, HiddenArea, MediumClass};
use crate::policy::Technique;
use crate::sanitize::record::{HiddenAreas, RunFacts};

/// What was reached, and what of the rest. `reach` is the sentence on what the technique reaches.
pub(super) fn sentence(reach: &str, hidden: &HiddenAreas) -> String {
    match hidden {
        HiddenAreas::Impossible => reach.to_owned(),
        HiddenAreas::ReachedByCommand { why, areas, .. } => format!(
            "{reach} By its standard the command reaches also what the host cannot address ({why}); no host can read \
             these areas and see.{}",
            given_back(areas)
        ),
        HiddenAreas::Examined { by, areas, .. } => {
            format!(
                "{reach} {} Reallocated blocks, spare and over-provisioned area were not reached.",
                found(by, areas)
            )
        }
        HiddenAreas::NotExamined { why } => format!(
            "{reach} Reallocated blocks, spare and over-provisioned area and hidden areas (HPA, DCO) were not reached \
             and not examined: {why}."
        ),
    }
}

fn found(by: &str, areas: &[HiddenArea]) -> String {
    if areas.is_empty() {
        return format!("Asked before the run ({by}), the drive says that it hides no part of itself.");
    }
    let mut says = format!("The drive was asked before the run what it hides ({by}).");
    for area in areas {
        match area.outcome {
            Some(AreaOutcome::GivenBack) => {}
            Some(AreaOutcome::Unknown) => {
                let kind = area.kind.replace('_', " ");
                says.push_str(&format!(" Whether it has a {kind} is not known."));
            }
            Some(AreaOutcome::Reached) => says.push_str(&format!(" The command reached the {}.", area.label())),
            Some(AreaOutcome::Excluded) | None => says.push_str(&format!(
                " THE RUN DID NOT REACH A PART OF THE DRIVE ({}): what stands in it is as it was, and this document \
                 excludes it.",
                area.label()
            )),
        }
    }
    says + &given_back(areas)
}

fn given_back(areas: &[HiddenArea]) -> String {
    let back = areas.iter().filter(|area| area.outcome == Some(AreaOutcome::GivenBack));
    back.map(|area| {
        format!(
            " A part of the drive that was hidden ({}) was given back before the run, which reached it.",
            area.label()
        )
    })
    .collect()
}

/// For a line of a page: what became of an area.
pub(super) fn outcome(area: &HiddenArea) -> &'static str {
    match area.outcome {
        Some(AreaOutcome::Excluded) => "NOT REACHED, excluded",
        Some(AreaOutcome::GivenBack) => "given back before the run",
        Some(AreaOutcome::Reached) => "reached by the command",
        Some(AreaOutcome::Unknown) => "not known",
        None => "hidden",
    }
}

/// Nothing is hidden that was not reached, and that is known.
pub(super) fn none_left(hidden: &HiddenAreas) -> Result<(), String> {
    if let HiddenAreas::NotExamined { .. } = hidden {
        return Err("whose hidden areas were not examined".to_owned());
    }
    if let Some(area) = hidden.with(AreaOutcome::Excluded).next() {
        return Err(format!("that hides a part which was not reached ({})", area.label()));
    }
    match hidden.with(AreaOutcome::Unknown).next() {
        Some(area) if matches!(hidden, HiddenAreas::Examined { .. }) => {
            Err(format!("of which it is not known whether it has a {}", area.kind.replace('_', " ")))
        }
        _ => Ok(()),
    }
}

/// Whether there is something to check: documents of earlier versions do not say what became of an area.
pub(super) fn is_told(hidden: &HiddenAreas) -> bool {
    matches!(hidden, HiddenAreas::Examined { .. }) || hidden.areas().iter().any(|area| area.outcome.is_some())
}

/// What a certificate says of hidden areas against its other facts.
pub(super) fn check(facts: &RunFacts) -> Result<String, String> {
    let hidden = &facts.hidden_areas;
    let areas = hidden.areas();
    if let Some(area) = areas.iter().find(|area| area.kind.is_empty() || area.size.is_some_and(|size| size.0 == 0)) {
        return Err(format!("an area of no kind or no size is listed ({})", area.label()));
    }
    if let Some(area) = areas.iter().find(|a| a.size.is_none() && a.outcome != Some(AreaOutcome::Unknown)) {
        return Err(format!("the size of the {} is not said", area.kind.replace('_', " ")));
    }
    let whole = facts.medium.geometry.size;
    let beyond = |area: &&HiddenArea| area.size.is_some_and(|size| size >= whole);
    if let Some(area) = hidden.with(AreaOutcome::GivenBack).find(beyond) {
        return Err(format!("{} was given back, and the medium has {whole} bytes", area.label()));
    }
    match hidden {
        HiddenAreas::Examined { by, .. } => {
            if facts.medium.class != MediumClass::Physical || by.is_empty() {
                return Err("hidden areas were examined where there is no drive, or by nothing".to_owned());
            }
            // What became of each area is the point of having asked.
            if let Some(area) = areas.iter().find(|a| matches!(a.outcome, None | Some(AreaOutcome::Reached))) {
                return Err(format!("what became of the {} is not said, or cannot be true", area.label()));
            }
        }
        HiddenAreas::ReachedByCommand { .. } => {
            let technique = facts.technique.parse::<Technique>();
            if facts.firmware.is_none() || technique == Ok(Technique::Overwrite) {
                return Err("the host wrote, and a command is said to reach hidden areas".to_owned());
            }
            if hidden.with(AreaOutcome::Excluded).next().is_some() {
                return Err("an area is reached by the command and excluded".to_owned());
            }
        }
        HiddenAreas::Impossible | HiddenAreas::NotExamined { .. } => {}
    }
    Ok(match areas.len() {
        0 => "the drive hides nothing".to_owned(),
        n => format!(
            "{n} told of: {}",
            areas.iter().map(|a| format!("{}, {}", a.label(), outcome(a))).collect::<Vec<_>>().join("; ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::semantics::tests::facts;
    use super::*;
    use crate::units::Bytes;

    fn area(kind: &str, size: Option<u64>, outcome: Option<AreaOutcome>) -> HiddenArea {
        HiddenArea { kind: kind.to_owned(), size: size.map(Bytes), note: "n".to_owned(), outcome }
    }

    fn examined(areas: Vec<HiddenArea>) -> HiddenAreas {
        HiddenAreas::Examined { by: "READ NATIVE MAX ADDRESS EXT".to_owned(), areas, exchanges: Vec::new() }
    }

    #[test]
    fn each_area_is_told_of_with_what_became_of_it() {
        let says = |areas| sentence("Reach.", &examined(areas));
        assert!(says(Vec::new()).contains("hides no part of itself"));
        let excluded = says(vec![area("host_protected_area", Some(512), Some(AreaOutcome::Excluded))]);
        assert!(excluded.contains("DID NOT REACH A PART OF THE DRIVE (host protected area, 512 bytes)"), "{excluded}");
        let back = says(vec![area("device_configuration_overlay", Some(512), Some(AreaOutcome::GivenBack))]);
        assert!(back.contains("given back before the run, which reached it") && !back.contains("DID NOT"), "{back}");
        let unknown = says(vec![area("host_protected_area", None, Some(AreaOutcome::Unknown))]);
        assert!(unknown.contains("has a host protected area is not known"), "{unknown}");
    }

    #[test]
    fn what_cannot_be_true_is_found() {
        let with = |hidden: HiddenAreas| {
            let mut facts = facts();
            facts.hidden_areas = hidden;
            check(&facts)
        };
        assert!(with(examined(Vec::new())).is_ok());
        assert!(with(examined(vec![area("a", Some(512), Some(AreaOutcome::Excluded))])).is_ok());
        assert!(with(examined(vec![area("a", None, Some(AreaOutcome::Unknown))])).is_ok());
        assert!(with(examined(vec![area("a", Some(512), None)])).is_err(), "without an outcome");
        assert!(with(examined(vec![area("a", None, Some(AreaOutcome::GivenBack))])).is_err(), "without a size");
        assert!(with(examined(vec![area("a", Some(u64::MAX), Some(AreaOutcome::GivenBack))])).is_err(), "too much");
        assert!(with(examined(vec![area("", Some(512), Some(AreaOutcome::Excluded))])).is_err(), "of no kind");
        let reached = HiddenAreas::ReachedByCommand { why: "w".to_owned(), areas: Vec::new(), exchanges: Vec::new() };
        assert!(with(reached).is_err(), "the host wrote");
        let mut image = facts();
        (image.medium.class, image.hidden_areas) = (MediumClass::Image, examined(Vec::new()));
        assert!(check(&image).is_err(), "an image has no commands");
    }

    #[test]
    fn a_policy_that_refuses_takes_only_what_is_known_to_be_whole() {
        let excluded = area("a", Some(512), Some(AreaOutcome::Excluded));
        let back = area("a", Some(512), Some(AreaOutcome::GivenBack));
        assert!(none_left(&examined(vec![back])).is_ok());
        assert!(none_left(&examined(vec![excluded])).is_err());
        assert!(none_left(&examined(vec![area("a", None, Some(AreaOutcome::Unknown))])).is_err());
        assert!(none_left(&HiddenAreas::NotExamined { why: "w".to_owned() }).is_err());
        assert!(none_left(&HiddenAreas::Impossible).is_ok());
    }

    #[test]
    fn documents_of_earlier_versions_read_as_before() {
        let old = r#"{"state":"reached_by_command","why":"w","areas":[{"kind":"k","size":"3","note":"n"}]}"#;
        let read: HiddenAreas = serde_json::from_str(old).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        assert!(serde_json::from_str::<HiddenAreas>(r#"{"state":"impossible"}"#).is_ok());
    }
}
