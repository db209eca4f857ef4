//! Evidence on its way to the register: the files of a state folder or a stick.

use std::path::{Path, PathBuf};

use super::folder::{StationError, io_error};
use crate::bundle::{Bundle, MAX_BUNDLE};
use crate::register::Received;
use crate::signed::{MAX_DOCUMENT, is_trust_store};

/// Reads files, and of folders every document in them: of a station's state folder those of
/// `certificates/`, `failures/` and `documents/`, of any other folder its `*.json`. In the order of
/// their names. A bundle gives its documents. A larger file than any document is read only so far that it is refused.
pub fn received(paths: &[PathBuf]) -> Result<Vec<Received>, StationError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let parts = [path.join("certificates"), path.join("failures"), path.join("documents")];
        match path.join("station.json").exists() {
            true => parts.iter().filter(|p| p.is_dir()).try_for_each(|part| documents(part, &mut files))?,
            false => documents(path, &mut files)?,
        }
    }
    let mut received = Vec::with_capacity(files.len());
    for path in &files {
        let file = read(path)?;
        match Bundle::begins(&file.bytes) {
            true => received.extend(unpacked(file, path)?),
            false => received.push(file),
        }
    }
    Ok(received)
}

/// What is no good bundle goes on as the file it is, and is refused with a reason.
fn unpacked(file: Received, path: &Path) -> Result<Vec<Received>, StationError> {
    let bytes = read_up_to(path, MAX_BUNDLE as u64 + 1)?;
    match Bundle::parse(&bytes).and_then(|bundle| bundle.files()) {
        Ok(files) => Ok(files.into_iter().map(|(id, bytes)| Received { name: format!("{id}.json"), bytes }).collect()),
        Err(_) => Ok(vec![file]),
    }
}

fn documents(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), StationError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder, "looking into it"))? {
        let path = entry.map_err(io_error(folder, "looking into it"))?.path();
        // The trust store lies beside the evidence on a stick.
        if !is_trust_store(&path) && path.extension().is_some_and(|e| e == "json") {
            found.push(path);
        }
    }
    found.sort();
    files.extend(found);
    Ok(())
}

fn read(path: &Path) -> Result<Received, StationError> {
    let bytes = read_up_to(path, MAX_DOCUMENT as u64 + 1)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Received { name, bytes })
}

fn read_up_to(path: &Path, most: u64) -> Result<Vec<u8>, StationError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io_error(path, "opening it"))?;
    file.take(most).read_to_end(&mut bytes).map_err(io_error(path, "reading it"))?;
    Ok(bytes)
}
