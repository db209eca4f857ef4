//! Why a medium is not wiped, for a person.

use crate::frontend::exit::{Exit, Failure};
use crate::media::{Medium, Protection};
use crate::station::Refused;

/// A refusal for a person, with what to do next.
pub fn refusal(refused: &Refused) -> Failure {
    let failure = Failure::new(Exit::Refused, refused);
    match refused {
        Refused::Target(_) => failure,
        Refused::NotText { .. } => failure.hint("rename the file or its folder"),
        Refused::OwnFile { .. } => {
            failure.hint("nothing was touched; an image that is to be wiped does not belong there: move it out first")
        }
        Refused::Protected { medium } => Failure { hint: Protection::advice_on(&medium.protections), ..failure },
        Refused::Unfinished { run_id, .. } => failure.hint(format!(
            "go on with: lastwrite resume {run_id}; or give it up with: lastwrite resume --abandon {run_id} --reason TEXT"
        )),
        Refused::Twice { .. } => failure.hint("name it once"),
        Refused::Hidden { .. } => failure.hint(
            "nothing was touched; attach the drive directly and not behind a bridge, cut its power and try again. \
             --restore-hidden=or-exclude goes on and records it as excluded",
        ),
        Refused::Frozen { .. } => failure.hint(
            "nothing was touched; pull the drive's power for a moment while the machine runs, or attach it to another one",
        ),
        Refused::ErasedAlong { .. } => failure.hint("name one of them; `plan` shows what its command erases as well"),
        Refused::BlockSize { .. } => failure.hint("reformat it to 512 or 4096 bytes a block first (sg_format)"),
        // Its words say what would satisfy the rule.
        Refused::Policy { .. } => failure,
    }
}

/// The medium of a refusal, where one was found.
pub fn refused_medium(refused: &Refused) -> Option<&Medium> {
    match refused {
        Refused::Protected { medium } => Some(medium),
        _ => None,
    }
}
