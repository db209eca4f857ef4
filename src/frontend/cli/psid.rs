//! PSIDs from a file or typed: never on the command line, never shown.

use std::io::IsTerminal;
use std::path::Path;

use super::Common;
use crate::frontend::exit::{Exit, Failure};
use crate::policy::Technique;
use crate::station::Psids;

/// The PSIDs of a call with so many targets, from `file`, or typed where one is needed.
pub fn psids(common: &Common, file: Option<&Path>, needed: bool, targets: usize) -> Result<Psids, Failure> {
    let Some(path) = file else {
        return if needed && targets == 1 && !common.json && std::io::stdin().is_terminal() {
            typed()
        } else {
            Ok(Psids::default())
        };
    };
    let untouched = "nothing was touched; a PSID stands on the drive's label, 32 letters and digits";
    let psids = Psids::read(path)
        .map_err(|e| Failure::words(Exit::Usage, format!("{} could not be read: {e}", path.display())).hint(untouched))?
        .map_err(|e| Failure::words(Exit::Usage, format!("{}: {e}", path.display())).hint(untouched))?;
    if psids.is_for_one_drive() && targets > 1 {
        return Err(Failure::words(
            Exit::Usage,
            format!("{} holds one PSID, and {targets} drives are meant", path.display()),
        )
        .hint("nothing was touched; write a line a drive: SERIAL PSID"));
    }
    Ok(psids)
}

fn typed() -> Result<Psids, Failure> {
    let text = rpassword::prompt_password("PSID on the drive's label (it is not shown): ")
        .map(zeroize::Zeroizing::new)
        .map_err(|e| Failure::words(Exit::Other, format!("the PSID could not be read: {e}")))?;
    Psids::typed(&text).map_err(|e| Failure::new(Exit::Usage, &e).hint("nothing was touched; type or scan it again"))
}

/// The technique needs one.
pub fn is_needed(technique: Option<Technique>) -> bool {
    technique == Some(Technique::OpalPsidRevert)
}
