//! The files that a call of `wipe` works with itself: who names one of them as a target (`wipe * --yes`) did not
//! mean it. The station's own are looked after by the station.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Common;
use super::plan::WishArgs;
use super::wipe::ExecutionArgs;

/// Files by what they are to the call, and the folder that gets copies of its evidence.
pub struct OwnFiles<'a> {
    files: Vec<(&'static str, &'a Path)>,
    out: Option<&'a Path>,
}

impl<'a> OwnFiles<'a> {
    /// A `pkcs11:` URI or the name of a ready-made policy is no file, and so no target.
    pub fn of(
        common: &'a Common,
        wish: &'a WishArgs,
        execution: &'a ExecutionArgs,
        manifest: Option<&'a Path>,
    ) -> OwnFiles<'a> {
        let files = [
            ("the manifest", manifest),
            ("the operator's key", execution.operator_key.as_deref().map(Path::new)),
            ("the file with the operator's passphrase", execution.operator_passphrase_file.as_deref()),
            ("the file with the station's passphrase", common.passphrase_file.as_deref()),
            ("the file with the PSIDs", wish.psid_file.as_deref()),
            ("the policy", wish.policy.as_deref().map(Path::new)),
        ];
        let named = files.into_iter().filter_map(|(what, path)| Some((what, path?)));
        OwnFiles { files: named.collect(), out: execution.out.as_deref() }
    }

    /// Why a target is none, in words.
    pub fn against(&self, target: &Path) -> Option<String> {
        let wanted = inode(target)?;
        let own = self.files.iter().find(|(_, path)| inode(path) == Some(wanted)).map(|(what, _)| *what);
        let what = own.or_else(|| self.is_copy(target).then_some("evidence in the folder of --out"))?;
        Some(format!("{} is {what}, which this call needs itself", target.display()))
    }

    /// Images may lie in the folder too; certificates, reports and trust stores are JSON. The folder may be mounted at
    /// two places.
    fn is_copy(&self, target: &Path) -> bool {
        let (Ok(target), Some(out)) = (fs::canonicalize(target), self.out.and_then(inode)) else { return false };
        let is_in_it = target.ancestors().any(|above| inode(above) == Some(out));
        is_in_it && target.extension().is_some_and(|end| end == "json" || end == "jsonl")
    }
}

/// What a path is, whatever it is called.
fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}
