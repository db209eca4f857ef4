//! READ CAPACITY (16) (SBC-5 5.21), and the block descriptor of MODE SENSE and MODE SELECT (SPC-6
//! 7.4), by which a disk can be made to look smaller than it is.

use super::Command;
use crate::device::command::{be16, be24, be32, be64};
use crate::units::{Bytes, Lba};

/// READ CAPACITY (16): 32 bytes.
pub fn read_capacity_16() -> Command {
    Command { name: "READ CAPACITY (16)", cdb: vec![0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0] }
}

/// What READ CAPACITY (16) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The last logical block.
    pub last: Lba,
    /// Bytes in a logical block.
    pub block: u32,
    /// Protection information that the disk is formatted with.
    pub protection: ProtectionType,
}

/// P_TYPE with PROT_EN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectionType {
    /// None.
    None,
    /// Type 1.
    One,
    /// Type 2.
    Two,
    /// Type 3.
    Three,
    /// A reserved value of P_TYPE.
    Reserved(u8),
}

impl Capacity {
    /// Reads at least 16 bytes; `None` when there are fewer, or the block has no length.
    pub fn parse(data: &[u8]) -> Option<Capacity> {
        let head: &[u8; 16] = data.first_chunk()?;
        let block = be32(head, 8).filter(|block| *block > 0)?;
        Some(Capacity {
            last: Lba(be64(head, 0)?),
            block,
            protection: match (head[12] & 1, head[12] >> 1 & 7) {
                (0, _) => ProtectionType::None,
                (_, 0) => ProtectionType::One,
                (_, 1) => ProtectionType::Two,
                (_, 2) => ProtectionType::Three,
                (_, other) => ProtectionType::Reserved(other),
            },
        })
    }

    /// Bytes in all; `None` when it is more than 64 bits hold.
    pub fn size(&self) -> Option<Bytes> {
        self.last.0.checked_add(1)?.checked_mul(u64::from(self.block)).map(Bytes)
    }
}

/// Which values MODE SENSE returns (PC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageControl {
    /// 0.
    Current,
    /// 2: as the maker set them.
    Default,
}

/// MODE SENSE (10) with the long block descriptor allowed, of all pages, which every disk has: the block
/// descriptor comes first. 192 bytes, as many as Linux asks for; some USB bridges hang on others.
pub fn mode_sense_10(control: PageControl) -> Command {
    let control = match control {
        PageControl::Current => 0x00,
        PageControl::Default => 0x80,
    };
    Command { name: "MODE SENSE (10)", cdb: vec![0x5A, 0x10, control | 0x3F, 0, 0, 0, 0, 0, MODE_DATA as u8, 0] }
}

/// Bytes that [`mode_sense_10`] asks for.
pub const MODE_DATA: usize = 192;

/// The block descriptor of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockDescriptor {
    /// Number of logical blocks; `None` when it says 0 (not told), or the short form FFFFFFFFh (more than it
    /// can hold). What a MODE SELECT set last, and no proof of the capacity: READ CAPACITY is that.
    pub blocks: Option<u64>,
    /// Bytes in a logical block.
    pub block: u32,
    /// The long form (LONGLBA): 64 bits for the number of blocks.
    pub long: bool,
}

impl BlockDescriptor {
    /// Reads MODE SENSE (10) data; `None` when there is no whole block descriptor in them.
    pub fn parse(data: &[u8]) -> Option<BlockDescriptor> {
        let header: &[u8; 8] = data.first_chunk()?;
        let long = header[4] & 1 != 0;
        let length = usize::from(be16(header, 6)?);
        let descriptor = data.get(8..8 + if long { 16 } else { 8 })?;
        if length < descriptor.len() {
            return None;
        }
        let (blocks, block) = match long {
            true => (be64(descriptor, 0), be32(descriptor, 12)?),
            false => (be32(descriptor, 0).filter(|n| *n != u32::MAX).map(u64::from), be24(descriptor, 5)?),
        };
        Some(BlockDescriptor { blocks: blocks.filter(|n| *n != 0), block, long })
    }
}

/// MODE SELECT (10) that gives a disk its whole capacity back, and the parameter list to send: a number of
/// blocks of all ones, in the form in which the disk gave its block descriptor. It takes effect with the
/// command, and is kept over power cycles (SBC-5 6.5.2).
pub fn restore_capacity(block: u32, long: bool) -> (Command, Vec<u8>) {
    let mut list = vec![0; 8];
    let [_, bytes @ ..] = block.to_be_bytes();
    match long {
        true => {
            (list[4], list[7]) = (1, 16); // LONGLBA, BLOCK DESCRIPTOR LENGTH
            list.extend([0xFF; 8]);
            list.extend([0; 4]);
            list.extend(block.to_be_bytes());
        }
        false => {
            list[7] = 8;
            list.extend([0xFF, 0xFF, 0xFF, 0xFF, 0]);
            list.extend(bytes);
        }
    }
    // PF and SP.
    let cdb = vec![0x55, 0x11, 0, 0, 0, 0, 0, 0, if long { 24 } else { 16 }, 0];
    (Command { name: "MODE SELECT (10)", cdb }, list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cdbs() {
        assert_eq!(read_capacity_16().cdb, [0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0]);
        assert_eq!(mode_sense_10(PageControl::Current).cdb, [0x5A, 0x10, 0x3F, 0, 0, 0, 0, 0, 192, 0]);
        assert_eq!(mode_sense_10(PageControl::Default).cdb[2], 0xBF);
        let (select, list) = restore_capacity(4096, true);
        assert_eq!(select.cdb, [0x55, 0x11, 0, 0, 0, 0, 0, 0, 24, 0]);
        let mut expected = [0; 24];
        expected[4] = 1;
        expected[7] = 16;
        expected[8..16].copy_from_slice(&[0xFF; 8]);
        expected[22] = 0x10;
        assert_eq!(list, expected);
        let (select, list) = restore_capacity(512, false);
        assert_eq!(select.cdb, [0x55, 0x11, 0, 0, 0, 0, 0, 0, 16, 0]);
        assert_eq!(list, [0, 0, 0, 0, 0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 2, 0]);
    }

    #[test]
    fn capacity_bit_by_bit() {
        let of = |at: usize, value: u8| {
            let mut data = [0; 32];
            data[7] = 99;
            data[10] = 2;
            data[at] = value;
            Capacity::parse(&data).unwrap()
        };
        let plain = of(31, 0);
        assert_eq!((plain.last, plain.block, plain.size()), (Lba(99), 512, Some(Bytes(51_200))));
        assert_eq!(plain.protection, ProtectionType::None);
        for (byte, protection) in [
            (0b0010, ProtectionType::None),
            (0b0001, ProtectionType::One),
            (0b0011, ProtectionType::Two),
            (0b0101, ProtectionType::Three),
            (0b0111, ProtectionType::Reserved(3)),
        ] {
            assert_eq!(of(12, byte).protection, protection);
        }
        assert_eq!(Capacity::parse(&[0; 16]), None);
        assert_eq!(Capacity::parse(&[0xFF; 15]), None);
        assert_eq!(Capacity::parse(&[0xFF; 16]).unwrap().size(), None);
    }

    #[test]
    fn block_descriptors_in_both_forms() {
        let short = [0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 2, 0];
        assert_eq!(
            BlockDescriptor::parse(&short),
            Some(BlockDescriptor { blocks: Some(256), block: 512, long: false })
        );
        let full = [0, 0, 0, 0, 0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 2, 0];
        assert_eq!(BlockDescriptor::parse(&full).unwrap().blocks, None);
        let untold = [0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0];
        assert_eq!(BlockDescriptor::parse(&untold), Some(BlockDescriptor { blocks: None, block: 512, long: false }));
        let mut long = vec![0, 0, 0, 0, 1, 0, 0, 16];
        long.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0]);
        let read = BlockDescriptor { blocks: Some(1 << 32), block: 4096, long: true };
        assert_eq!(BlockDescriptor::parse(&long), Some(read));
        long[7] = 8;
        assert_eq!(BlockDescriptor::parse(&long), None);
        assert_eq!(BlockDescriptor::parse(&[0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(BlockDescriptor::parse(&short[..15]), None);
    }

    proptest! {
        #[test]
        fn hostile_data_never_panic(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Capacity::parse(&data).map(|capacity| capacity.size());
            let _ = BlockDescriptor::parse(&data);
        }
    }
}
