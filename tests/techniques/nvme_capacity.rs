//! NVM subsystems with capacity that no block device shows: found by what the controller says, and never taken for
//! whole where it does not say enough.

use std::time::Duration;

use lastwrite::device::command::Data;
use lastwrite::device::command::nvme::{AdminCommand, Completion};
use lastwrite::device::transport::{Transport, TransportError};
use lastwrite::media::CommandSet;
use lastwrite::media::{Geometry, Identity, Kind, Medium, MediumClass, Transport as Bus, Zoned};
use lastwrite::sanitize::firmware::{NvmeCapacity, NvmeNamespaces};
use lastwrite::units::Bytes;

/// Namespaces by id: attached or not, NSZE, NVMCAP.
struct Subsystem {
    total: u128,
    unallocated: u128,
    manages: bool,
    /// CMIC bit 1: there may be another controller.
    multi: bool,
    /// NN.
    highest: u32,
    namespaces: Vec<(u32, bool, u64, u128)>,
    /// A list of ids that starts anew however often it is asked for.
    repeats: bool,
    /// Lists go downwards.
    disorder: bool,
    /// CNS that ends with Invalid Field.
    refuses: Option<u32>,
    asked: Vec<(u32, u32)>,
}

fn subsystem(total: u128, unallocated: u128, namespaces: &[(u32, bool, u64, u128)]) -> Subsystem {
    Subsystem {
        total,
        unallocated,
        manages: true,
        multi: false,
        highest: 32,
        namespaces: namespaces.to_vec(),
        repeats: false,
        disorder: false,
        refuses: None,
        asked: Vec::new(),
    }
}

impl Transport for Subsystem {
    fn offers(&self) -> Vec<CommandSet> {
        vec![CommandSet::Nvme]
    }

    fn nvme_admin(
        &mut self,
        command: &AdminCommand,
        data: Data<'_>,
        _: Duration,
    ) -> Result<Completion, TransportError> {
        let Data::In(page) = data else { panic!("{} without room", command.name) };
        assert_eq!((command.opcode, page.len()), (6, 4096));
        let (cns, nsid) = (command.cdw10, command.nsid);
        self.asked.push((cns, nsid));
        if self.refuses == Some(cns) {
            return Ok(Completion { status: 2, result: 0 });
        }
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        match cns {
            1 => {
                put(4, b"SERIAL-1            ");
                put(76, &[u8::from(self.multi) << 1]);
                put(516, &self.highest.to_le_bytes());
                put(256, &u16::to_le_bytes(if self.manages { 8 } else { 0 }));
                put(280, &self.total.to_le_bytes());
                put(296, &self.unallocated.to_le_bytes());
            }
            2 | 0x10 => {
                let all = self
                    .namespaces
                    .iter()
                    .filter(|(id, attached, ..)| (cns == 0x10 || *attached) && (*id > nsid || self.repeats));
                let mut ids: Vec<u32> = all.take(1024).map(|(id, ..)| *id).collect();
                if self.disorder {
                    ids.reverse();
                }
                for (at, id) in ids.iter().enumerate() {
                    put(4 * at, &id.to_le_bytes());
                }
            }
            0 | 0x11 => {
                let found = self.namespaces.iter().find(|(id, attached, ..)| *id == nsid && (cns == 0x11 || *attached));
                if let Some((_, _, blocks, bytes)) = found {
                    put(0, &blocks.to_le_bytes());
                    put(8, &blocks.to_le_bytes());
                    put(48, &bytes.to_le_bytes());
                    put(128 + 2, &[9]);
                }
            }
            other => panic!("CNS {other:x}"),
        }
        Ok(Completion::default())
    }
}

fn areas(mut subsystem: Subsystem) -> (Vec<(String, u64)>, bool) {
    let found = NvmeCapacity::examine(&mut subsystem).unwrap();
    assert_eq!(found.serial.as_deref(), Some("SERIAL-1"));
    let areas = found.areas().into_iter().map(|area| (area.kind, area.size.unwrap().0)).collect();
    (areas, found.not_known().is_none())
}

const TWO: [(u32, bool, u64, u128); 2] = [(1, true, 100, 51_200), (3, true, 50, 25_600)];

#[test]
fn what_belongs_to_no_namespace_is_found_by_either_number() {
    assert_eq!(areas(subsystem(76_800, 0, &TWO)), (vec![], true));
    let free = |bytes| vec![("unallocated_capacity".to_owned(), bytes)];
    assert_eq!(areas(subsystem(77_312, 512, &TWO)), (free(512), true));
    // The total says it, and UNVMCAP does not; the larger of two that differ.
    assert_eq!(areas(subsystem(77_312, 0, &TWO)), (free(512), true));
    assert_eq!(areas(subsystem(77_312, 1024, &TWO)), (free(1024), true));
    // A total that is smaller than what there is shows nothing.
    assert_eq!(areas(subsystem(512, 0, &TWO)), (vec![], true));
    // All of it, without a namespace.
    assert_eq!(areas(subsystem(512, 512, &[])), (free(512), true));
}

#[test]
fn namespaces_that_nobody_is_attached_to_are_hidden() {
    let three = [TWO[0], (2, false, 10, 5120), TWO[1]];
    let foreign = vec![("unattached_namespaces".to_owned(), 5120)];
    assert_eq!(areas(subsystem(81_920, 0, &three)), (foreign.clone(), true));
    let both = [vec![("unallocated_capacity".to_owned(), 80)], foreign].concat();
    assert_eq!(areas(subsystem(82_000, 80, &three)), (both, true));
    // One that does not say what it takes has its size.
    let silent = [TWO[0], (2, false, 10, 0), TWO[1]];
    assert_eq!(areas(subsystem(81_920, 0, &silent)).0, vec![("unattached_namespaces".to_owned(), 5120)]);
    // Without Namespace Management there is no such list, and it is not asked for.
    let mut plain = Subsystem { manages: false, ..subsystem(76_800, 0, &TWO) };
    assert!(NvmeCapacity::examine(&mut plain).unwrap().areas().is_empty());
    assert!(plain.asked.iter().all(|(cns, _)| ![0x10, 0x11].contains(cns)));
}

/// A device of this host.
fn medium(nsid: u32) -> Medium {
    let identity = Identity { unit: Some(format!("nsid {nsid}")), size: Bytes(512), ..Identity::default() };
    Medium {
        path: format!("/dev/nvme0n{nsid}").into(),
        other_paths: Vec::new(),
        identity,
        transport: Bus::NvmePcie,
        kind: Kind::Nvme,
        class: MediumClass::Physical,
        geometry: Geometry { size: Bytes(512), logical_block: 512, physical_block: 512 },
        rotational: Some(false),
        zoned: Zoned::None,
        removable: false,
        diskseq: None,
        partition: None,
        protections: Vec::new(),
        signatures: Vec::new(),
        confirm_token: String::new(),
    }
}

#[test]
fn namespaces_that_no_device_shows_are_told_by_their_numbers() {
    let three = [TWO[0], (2, false, 10, 5120), TWO[1]];
    let beside = |mut subsystem: Subsystem, shown: &[u32]| {
        let media: Vec<_> = shown.iter().map(|nsid| medium(*nsid)).collect();
        NvmeNamespaces::ask(&mut subsystem).map(|found| found.beside(&media))
    };
    let whole = || subsystem(81_920, 0, &three);
    assert_eq!(beside(whole(), &[1, 3]), Ok(vec![2]));
    // One that this controller is attached to may have no device either.
    assert_eq!(beside(whole(), &[1]), Ok(vec![2, 3]));
    // By another controller this host shows it all the same.
    assert_eq!(beside(whole(), &[3, 2, 1]), Ok(vec![]));
    // A controller that manages none has none of another's, unless there may be another.
    assert_eq!(beside(Subsystem { manages: false, ..whole() }, &[1, 3]), Ok(vec![]));
    assert_eq!(beside(Subsystem { manages: false, multi: true, ..whole() }, &[1, 3]), Ok(vec![2]));
    // What is not told is not nothing.
    for (manages, multi) in [(true, false), (false, true)] {
        let deaf = Subsystem { refuses: Some(0x10), manages, multi, ..whole() };
        assert!(beside(deaf, &[1, 3]).unwrap_err().contains("Invalid Field"));
    }
    assert!(beside(Subsystem { disorder: true, ..whole() }, &[1, 3]).unwrap_err().contains("out of order"));
    // Where 1 is the highest number there is no other, and no list need be known.
    let old = Subsystem { highest: 1, refuses: Some(2), multi: true, ..subsystem(51_200, 0, &TWO[..1]) };
    assert_eq!(beside(old, &[1]), Ok(vec![]));
}

#[test]
fn what_is_not_said_is_not_known() {
    assert_eq!(areas(subsystem(0, 0, &TWO)), (vec![], false));
    assert_eq!(areas(subsystem(76_800, 0, &[TWO[0], (3, true, 50, 0)])), (vec![], false));
    // What is told of is there all the same.
    assert_eq!(areas(subsystem(0, 512, &TWO)), (vec![("unallocated_capacity".to_owned(), 512)], false));
    for refuses in [0, 1, 2, 0x10] {
        let mut deaf = Subsystem { refuses: Some(refuses), ..subsystem(76_800, 0, &TWO) };
        assert!(NvmeCapacity::examine(&mut deaf).unwrap_err().contains("Invalid Field"), "CNS {refuses:x}");
    }
    let hidden = [TWO[0], (2, false, 10, 5120)];
    let mut deaf = Subsystem { refuses: Some(0x11), ..subsystem(56_320, 0, &hidden) };
    assert!(NvmeCapacity::examine(&mut deaf).is_err());
}

#[test]
fn long_lists_are_read_to_their_end_and_lists_without_one_are_not_believed() {
    let many: Vec<_> = (1..=2500).map(|id| (id, true, 1, 512)).collect();
    assert_eq!(areas(subsystem(2500 * 512 + 7, 0, &many)), (vec![("unallocated_capacity".to_owned(), 7)], true));
    let mut endless = Subsystem { repeats: true, ..subsystem(1, 0, &many) };
    assert!(NvmeCapacity::examine(&mut endless).unwrap_err().contains("the same namespaces again"));
    let sizes = NvmeCapacity { total: Some(u128::MAX), ..NvmeCapacity::examine(&mut subsystem(1, 0, &TWO)).unwrap() };
    assert_eq!(sizes.areas()[0].size, Some(Bytes(u64::MAX)), "no overflow");
}
