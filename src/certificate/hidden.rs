//! Areas that the host cannot address: what a document says of them, and whether it can be true.

use crate::media::{AreaOutcome, Exchange, HiddenArea, Identity, MediumClass, Reach};
use crate::policy::Technique;
use crate::sanitize::record::{HiddenAreas, RunFacts};

/// What was reached, and what of the rest. `reach` is the sentence on what the technique reaches.
pub(super) fn sentence(reach: &str, facts: &RunFacts) -> String {
    let hidden = &facts.hidden_areas;
    match hidden {
        HiddenAreas::Impossible => reach.to_owned(),
        HiddenAreas::ReachedByCommand { why, .. } => format!(
            "{reach} By its standard the command reaches also what the host cannot address ({why}); no host can read \
             these areas and see.{}",
            given_back(hidden)
        ),
        HiddenAreas::Examined { by, areas, .. } => {
            format!(
                "{reach} {} Reallocated blocks, spare and over-provisioned area were not reached.",
                found(by, areas, facts)
            )
        }
        HiddenAreas::NotExamined { why } => format!(
            "{reach} Reallocated blocks, spare and over-provisioned area and hidden areas (HPA, DCO) were not reached \
             and not examined: {why}."
        ),
    }
}

/// By the drive's own attributes its format erases this as well, which is more than the standard promises of it.
pub(super) fn is_erased_along(area: &HiddenArea, facts: &RunFacts) -> bool {
    let by_all = facts.firmware.as_ref().is_some_and(|firmware| firmware.reach == Reach::Subsystem);
    by_all && area.kind == "unattached_namespaces"
}

fn found(by: &str, areas: &[HiddenArea], facts: &RunFacts) -> String {
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
            Some(AreaOutcome::Excluded) | None if is_erased_along(area, facts) => says.push_str(&format!(
                " The command erases a part of the drive as well that no host can read here ({}): nothing shows that it \
                 did, and this document excludes it.",
                area.label()
            )),
            Some(AreaOutcome::Excluded) | None => says.push_str(&format!(
                " THE RUN DID NOT REACH A PART OF THE DRIVE ({}): what stands in it is as it was, and this document \
                 excludes it.",
                area.label()
            )),
        }
    }
    says + &given_back(&facts.hidden_areas)
}

fn given_back(hidden: &HiddenAreas) -> String {
    let back = hidden.with(AreaOutcome::GivenBack).map(|area| {
        format!(
            " A part of the drive that was hidden ({}) was given back before anything was erased, and from then on was \
             a part of the medium like any other.",
            area.label()
        )
    });
    let before = hidden.restored().map(|restored| {
        format!(" The drive had {} bytes before, and was changed for good, as was asked for.", restored.before.size)
    });
    back.chain(before).collect()
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
    check_given_back(facts)?;
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

/// What was given back is what the medium grew by, it is the same drive, and the commands are there.
fn check_given_back(facts: &RunFacts) -> Result<(), String> {
    let (hidden, now) = (&facts.hidden_areas, &facts.medium.identity);
    let mut back = hidden.with(AreaOutcome::GivenBack).peekable();
    let Some(restored) = hidden.restored() else {
        return match back.peek() {
            Some(area) => Err(format!("{} was given back, and what the drive was before is not said", area.label())),
            None => Ok(()),
        };
    };
    let sum = back.try_fold(0u64, |sum, area| sum.checked_add(area.size?.0));
    let before = &restored.before;
    if sum.is_none_or(|sum| sum == 0 || now.size.0.checked_sub(before.size.0) != Some(sum)) {
        return Err(format!(
            "the drive had {} bytes and has {} now, and that is not what was given back",
            before.size, now.size
        ));
    }
    let grown = Identity { size: now.size, ..before.clone() };
    if let Some(difference) = grown.differences(now).first() {
        return Err(format!("before its hidden areas were given back the drive had another {}", difference.field));
    }
    let changes = ["SET MAX ADDRESS", "SET ACCESSIBLE MAX ADDRESS", "DEVICE CONFIGURATION RESTORE", "MODE SELECT"];
    let sent = |exchange: &Exchange| changes.iter().any(|command| exchange.name.starts_with(command));
    // Of a start that was cut between the command and its note nothing more is known than that it began.
    match hidden.exchanges().iter().any(sent) || !facts.resumed.is_empty() {
        true => Ok(()),
        false => Err("areas were given back, and no command that does it is among what was sent".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::tests::erased;
    use super::super::semantics::tests::facts;
    use super::*;
    use crate::media::{CommandSet, Reply};
    use crate::sanitize::record::{Otherwise, Restored};
    use crate::units::Bytes;

    fn area(kind: &str, size: Option<u64>, outcome: Option<AreaOutcome>) -> HiddenArea {
        HiddenArea { kind: kind.to_owned(), size: size.map(Bytes), note: "n".to_owned(), outcome }
    }

    fn examined(areas: Vec<HiddenArea>) -> HiddenAreas {
        HiddenAreas::Examined {
            by: "READ NATIVE MAX ADDRESS EXT".to_owned(),
            areas,
            exchanges: Vec::new(),
            restored: None,
        }
    }

    #[test]
    fn each_area_is_told_of_with_what_became_of_it() {
        let with = |areas| RunFacts { hidden_areas: examined(areas), ..facts() };
        let says = |areas| sentence("Reach.", &with(areas));
        assert!(says(Vec::new()).contains("hides no part of itself"));
        let excluded = says(vec![area("host_protected_area", Some(512), Some(AreaOutcome::Excluded))]);
        assert!(excluded.contains("DID NOT REACH A PART OF THE DRIVE (host protected area, 512 bytes)"), "{excluded}");
        let back = says(vec![area("device_configuration_overlay", Some(512), Some(AreaOutcome::GivenBack))]);
        assert!(back.contains("given back before anything was erased") && !back.contains("DID NOT"), "{back}");
        let unknown = says(vec![area("host_protected_area", None, Some(AreaOutcome::Unknown))]);
        assert!(unknown.contains("has a host protected area is not known"), "{unknown}");
        // A format of all namespaces: neither left as it was, nor shown to be gone.
        let other = area("unattached_namespaces", Some(512), Some(AreaOutcome::Excluded));
        let mut format = RunFacts { hidden_areas: examined(vec![other]), ..erased() };
        let says = sentence("Reach.", &format);
        assert!(says.contains("nothing shows that it did") && !says.contains("DID NOT REACH"), "{says}");
        format.firmware.as_mut().unwrap().reach = Reach::Unit;
        assert!(sentence("Reach.", &format).contains("DID NOT REACH"));
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
        assert!(
            with(examined(vec![area("a", Some(512), Some(AreaOutcome::GivenBack))])).is_err(),
            "before is not said"
        );
        assert!(with(examined(vec![area("", Some(512), Some(AreaOutcome::Excluded))])).is_err(), "of no kind");
        let reached = HiddenAreas::ReachedByCommand {
            why: "w".to_owned(),
            areas: Vec::new(),
            exchanges: Vec::new(),
            restored: None,
        };
        assert!(with(reached).is_err(), "the host wrote");
        let mut image = facts();
        (image.medium.class, image.hidden_areas) = (MediumClass::Image, examined(Vec::new()));
        assert!(check(&image).is_err(), "an image has no commands");
    }

    #[test]
    fn what_was_given_back_is_what_the_drive_grew_by() {
        let sent = |name: &str| Exchange {
            set: CommandSet::Ata,
            name: name.to_owned(),
            command: String::new(),
            data_out: None,
            reply: Reply::NoRegisters,
            data_in: None,
            sent: facts().started,
            answered: facts().started,
        };
        let grown = |by: u64, serial: &str, name: &str, area: HiddenArea| {
            let mut facts = facts();
            (facts.medium.class, facts.resumed) = (MediumClass::Physical, Vec::new());
            let mut before = facts.medium.identity.clone();
            (before.size.0, before.serial) = (before.size.0 - by, Some(serial.to_owned()));
            facts.medium.identity.serial = Some("S1".to_owned());
            let restored = Some(Box::new(Restored { before, otherwise: Otherwise::Refuse, at: facts.started }));
            let (by, exchanges) = ("b".to_owned(), vec![sent("IDENTIFY DEVICE"), sent(name)]);
            facts.hidden_areas = HiddenAreas::Examined { by, areas: vec![area], exchanges, restored };
            facts
        };
        let back = |size| area("a", Some(size), Some(AreaOutcome::GivenBack));
        let good = grown(512, "S1", "SET MAX ADDRESS EXT", back(512));
        assert_eq!(check(&good).map(|_| ()), Ok(()));
        assert!(sentence("R.", &good).contains("changed for good, as was asked for"));
        for (facts, why) in [
            (grown(1024, "S1", "SET MAX ADDRESS EXT", back(512)), "not what was given back"),
            (grown(512, "S2", "SET MAX ADDRESS EXT", back(512)), "another serial"),
            (grown(512, "S1", "READ NATIVE MAX ADDRESS EXT", back(512)), "no command"),
            (
                grown(512, "S1", "SET MAX ADDRESS EXT", area("a", Some(512), Some(AreaOutcome::Excluded))),
                "not what was",
            ),
        ] {
            assert!(check(&facts).is_err_and(|found| found.contains(why)), "{why}");
        }
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
