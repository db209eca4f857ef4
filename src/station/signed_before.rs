//! The document of a run that was signed before its evidence was complete. What was updated or renamed since would say
//! the same of the run in other words, under another id; one run has one document.

use std::fs;
use std::path::Path;

use crate::certificate::{self, Issued, id_of};
use crate::custody::Logged;
use crate::signed::{Role, StationKey};

/// The document that says of the run just what `issued` says, with the station's signature: the one that the log names,
/// or, where it names none yet, one that is stored.
pub(super) fn signed_before(
    folder: &Path,
    key: &StationKey,
    logged: Option<&Logged>,
    issued: &Issued,
) -> Option<Issued> {
    let (_, now) = certificate::read(&issued.bytes).ok()?;
    let is_it = |path: &Path| {
        let bytes = fs::read(path).ok()?;
        let (jws, then) = certificate::read(&bytes).ok()?;
        let id = id_of(jws.payload());
        let by_station = jws.signatures().iter().enumerate().any(|(index, signature)| {
            let header = signature.header();
            let named = header.kid.as_deref() == Some(key.kid()) && header.role == Some(Role::Station);
            named && jws.verifies(index, key.public())
        });
        let same = (then.kind, &then.facts, &then.failure) == (now.kind, &now.facts, &now.failure);
        (same && by_station && path.file_stem().is_some_and(|stem| *stem == *id)).then_some(Issued { id, bytes })
    };
    let place = |id: &str| folder.join(format!("{id}.json"));
    match logged {
        Some(logged) => is_it(&place(logged.entry.data.get("document")?.as_str()?)),
        None => is_it(&place(&issued.id))
            .or_else(|| fs::read_dir(folder).ok()?.flatten().find_map(|entry| is_it(&entry.path()))),
    }
}
