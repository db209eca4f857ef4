//! A disk behind a bridge that names another serial number than the disk does: whether the disk that takes the
//! commands is the one whose blocks the host reads and writes. A dock with two bays need not send both to one.

use std::time::Duration;

use super::canary::{Blocks, Canaries};
use crate::device::command::Data;
use crate::device::command::ata::read_sector;
use crate::device::transport::Transport;
use crate::units::SectorSize;

const PATIENCE: Duration = Duration::from_secs(60);
/// So many blocks of known content are read by the disk's own command, first and last included.
const MOST: usize = 16;

/// Reads known content, which the host wrote through the bridge, by the disk's own READ SECTOR(S) EXT. How many
/// blocks of it are there; or why it is not known to be the same disk.
pub(super) fn prove(path: &mut dyn Transport, blocks: &mut dyn Blocks, canaries: &Canaries) -> Result<u32, String> {
    let (_, block) = blocks.geometry();
    if block != SectorSize::B512 {
        return Err("the bridge shows other blocks than the disk has".to_owned());
    }
    let step = canaries.lbas.len().div_ceil(MOST - 1).max(1);
    let mut proven = 0;
    for lba in canaries.lbas.iter().step_by(step).chain(canaries.lbas.last()) {
        let wanted = canaries.block(*lba, block).map_err(|error| error.to_string())?;
        let mut found = [0; 512];
        let command = read_sector(*lba);
        let outcome = path.ata(&command, Data::In(&mut found), PATIENCE).map_err(|error| error.to_string())?;
        if !outcome.is_success() {
            return Err(format!("{} of LBA {lba} ended without success", command.name));
        }
        if found[..] != wanted[..] {
            return Err(format!("the disk that takes the commands does not hold at LBA {lba} what was written there"));
        }
        proven += 1;
    }
    if proven == 0 { Err("no known content was written".to_owned()) } else { Ok(proven) }
}
