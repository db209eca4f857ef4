//! Single entries of a log as they stand in it, with the tree that proves them.

use std::path::Path;

use super::entries::Entries;
use super::entry::Entry;
use super::error::LogError;
use super::tree::Tree;

/// Some lines of a log, and the tree over all of it.
#[derive(Clone, Debug)]
pub struct Extract {
    /// The log's id.
    pub log_id: String,
    /// The tree over all its entries.
    pub tree: Tree,
    /// The lines that were wanted, in order.
    pub lines: Vec<Line>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Position, from 0.
    pub index: u64,
    /// Its bytes, without the newline.
    pub bytes: Vec<u8>,
    /// Its content.
    pub entry: Entry,
}

/// Reads the log in `folder` once and keeps the lines that are wanted. Checks shape, place and
/// chain of every entry; signatures are checked by whoever relies on one.
pub fn extract(folder: &Path, mut wanted: impl FnMut(&Entry) -> bool) -> Result<Extract, LogError> {
    let mut entries = Entries::open(folder)?;
    let mut leaves = Vec::new();
    let mut lines = Vec::new();
    while let Some(read) = entries.next_line() {
        let (bytes, logged) = read?;
        if wanted(&logged.entry) {
            lines.push(Line { index: leaves.len() as u64, bytes, entry: logged.entry });
        }
        leaves.push(logged.leaf_hash);
    }
    Ok(Extract { log_id: entries.log_id().to_owned(), tree: Tree::new(leaves), lines })
}
