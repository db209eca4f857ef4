//! What is read after NVMe Sanitize by overwrite: the controller deallocates what it has overwritten, and such blocks
//! read as the namespace says (DLFEAT).

use std::time::Duration;

use lastwrite::device::command::Data;
use lastwrite::device::command::nvme::{AdminCommand, Completion, SANITIZE};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::CommandSet;
use lastwrite::sanitize::firmware::{End, Erase, NvmeSanitize, Refusal};

use super::bench::{Bench, Medium, SERIAL, SIZE, code, erased};

struct Drive {
    medium: Medium,
    /// DLFEAT; `None`: it does not answer Identify Namespace.
    features: Option<u8>,
    /// What its blocks read as afterwards, one half and the other.
    leaves: [u8; 2],
    /// CDW10 of the last Sanitize.
    sanitized: u32,
}

impl Transport for Drive {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Nvme]
    }

    fn nvme_admin(
        &mut self,
        command: &AdminCommand,
        data: Data<'_>,
        _: Duration,
    ) -> Result<Completion, TransportError> {
        match (command.opcode, command.cdw10, data, self.features) {
            (0x06, 1, Data::In(page), _) => {
                page[4..24].copy_from_slice(format!("{SERIAL:<20}").as_bytes());
                page[328] = 1 << 2;
            }
            (0x06, 0, Data::In(page), Some(features)) => {
                assert_eq!(command.nsid, 7);
                (page[0], page[33], page[130]) = (1, features, 9);
            }
            (0x02, _, Data::In(log), _) => {
                log.fill(0);
                log[2] = u8::from(self.sanitized != 0);
                log[4..8].copy_from_slice(&self.sanitized.to_le_bytes());
            }
            (SANITIZE, ..) => {
                self.sanitized = command.cdw10;
                let [first, second] = self.leaves;
                self.medium.bytes()[..SIZE / 2].fill(first);
                self.medium.bytes()[SIZE / 2..].fill(second);
            }
            _ => return Ok(Completion { status: 2, result: 0 }),
        }
        Ok(Completion::default())
    }
}

fn run(features: Option<u8>, leaves: [u8; 2], namespace: Option<u32>) -> Result<End, Refusal> {
    let medium = Medium::full();
    let mut drive = Drive { medium: medium.clone(), features, leaves, sanitized: 0 };
    Bench::new(&medium).run(&NvmeSanitize::new(Erase::Overwrite).read_back_of(namespace), &mut drive)
}

#[test]
fn an_honest_drive_may_read_as_it_says_or_as_it_wrote() {
    let half = SIZE as u64 / 512 / 2;
    // FF where it is deallocated, the pattern where it is not; and a drive that does not say.
    for features in [Some(2), Some(0), None] {
        for (leaves, zeros) in [([0xFF, 0xFF], 0), ([0x00, 0xFF], half), ([0x00, 0x00], 2 * half)] {
            let survey = erased(run(features, leaves, Some(7))).survey;
            assert_eq!((survey.zeros.0, survey.ones.0), (zeros, 2 * half - zeros), "{features:?}");
        }
    }
    assert_eq!(erased(run(Some(1), [0xFF, 0xFF], None)).survey.ones.0, 2 * half, "nobody asked");
}

#[test]
fn one_that_says_that_all_reads_zero_is_held_to_it() {
    assert_eq!(erased(run(Some(1), [0, 0], Some(7))).survey.zeros.0, SIZE as u64 / 512);
    for leaves in [[0xFF, 0xFF], [0x00, 0xFF], [0x00, 0x01]] {
        assert_eq!(code(run(Some(1), leaves, Some(7))), "mismatch", "{leaves:?}");
    }
}
