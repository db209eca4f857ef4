//! Evidence on its way to the register: the files of a state folder or a stick.

use std::path::{Path, PathBuf};

use super::folder::{StationError, io_error};
use crate::register::Received;
use crate::signed::MAX_DOCUMENT;

/// Reads files, and of folders every certificate and failure report in them: of a station's state
/// folder those of `certificates/` and `failures/`, of any other folder its `*.json`. In the order
/// of their names. A larger file than any document is read only so far that it is refused.
pub fn received(paths: &[PathBuf]) -> Result<Vec<Received>, StationError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let parts = [path.join("certificates"), path.join("failures")];
        match path.join("station.json").exists() {
            true => parts.iter().filter(|p| p.is_dir()).try_for_each(|part| documents(part, &mut files))?,
            false => documents(path, &mut files)?,
        }
    }
    files.iter().map(|path| read(path)).collect()
}

fn documents(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), StationError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder, "looking into it"))? {
        let path = entry.map_err(io_error(folder, "looking into it"))?.path();
        // The trust store lies beside the evidence on a stick.
        let trust = path.file_name().is_some_and(|name| name == "trust.jwks.json");
        if !trust && path.extension().is_some_and(|e| e == "json") {
            found.push(path);
        }
    }
    found.sort();
    files.extend(found);
    Ok(())
}

fn read(path: &Path) -> Result<Received, StationError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io_error(path, "opening it"))?;
    file.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut bytes).map_err(io_error(path, "reading it"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Received { name, bytes })
}
