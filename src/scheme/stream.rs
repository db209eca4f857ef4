//! The seekable random stream: AES-128 in counter mode, 64-bit big-endian counter, zero nonce.
//!
//! Byte `o` of the stream is byte `o % 16` of the encrypted block whose number is `o / 16`, so any
//! place can be made without what lies before it. Same bytes as `openssl enc -aes-128-ctr -iv 0`.
//!
//! Where the processor has AES instructions (x86-64) a loop of our own makes and compares whole groups of blocks. The
//! crate `aes` does the rest, and everything elsewhere.

use aes::Aes128;
use cipher::array::Array;
use cipher::consts::U16;
use cipher::{
    Block, BlockSizeUser, InnerIvInit, KeyInit, ParBlocks, StreamCipherBackend, StreamCipherClosure, StreamCipherCore,
    StreamCipherSeekCore,
};
use ctr::CtrCore;
use ctr::flavors::Ctr64BE;

use super::StreamKey;
use crate::sys::aes_ctr::AesCtr;

const BLOCK: usize = 16;

/// One key's stream, its key schedule done once.
#[derive(Clone)]
pub struct Stream {
    cipher: Aes128,
    own: Option<AesCtr>,
}

impl Stream {
    /// The stream of a pass's key.
    pub fn new(key: &StreamKey) -> Stream {
        Stream { cipher: Aes128::new(&key.0.into()), own: AesCtr::new(&key.0) }
    }

    /// Writes the bytes that belong at `offset`. Any offset, any length; fastest when both are
    /// multiples of 16.
    pub fn fill(&self, offset: u64, buf: &mut [u8]) {
        let (head, rest) = buf.split_at_mut(to_next_block(offset).min(buf.len()));
        if !head.is_empty() {
            let (mut core, skip) = self.seek(offset);
            head.copy_from_slice(&next_block(&mut core)[skip..skip + head.len()]);
        }
        let mut at = offset.wrapping_add(head.len() as u64);
        let done = self.own.as_ref().map_or(0, |own| own.fill(at / BLOCK as u64, rest));
        at = at.wrapping_add(done as u64);
        let (mut core, _) = self.seek(at);
        let (blocks, tail) = Array::slice_as_chunks_mut(&mut rest[done..]);
        core.write_keystream_blocks(blocks);
        if !tail.is_empty() {
            tail.copy_from_slice(&next_block(&mut core)[..tail.len()]);
        }
    }

    /// Whether `data` holds the bytes that belong at `offset`. Any offset, any length. Made and
    /// compared inside the cipher's vector code, so nothing expected goes through memory.
    pub fn matches(&self, offset: u64, data: &[u8]) -> bool {
        let (head, rest) = data.split_at(to_next_block(offset).min(data.len()));
        if !head.is_empty() {
            let (mut core, skip) = self.seek(offset);
            if head != &next_block(&mut core)[skip..skip + head.len()] {
                return false;
            }
        }
        let mut at = offset.wrapping_add(head.len() as u64);
        let (done, fine) = self.own.as_ref().map_or((0, true), |own| own.matches(at / BLOCK as u64, rest));
        at = at.wrapping_add(done as u64);
        let (mut core, _) = self.seek(at);
        let (blocks, tail) = Array::slice_as_chunks(&rest[done..]);
        let mut difference = 0;
        core.process_with_backend(Compare { blocks, difference: &mut difference });
        fine && difference == 0 && (tail.is_empty() || tail == &next_block(&mut core)[..tail.len()])
    }

    /// The stream set to the cipher block of `offset`, and how far into that block it is. The
    /// counter is at most 2^60 - 1 and cannot overflow.
    fn seek(&self, offset: u64) -> (Core<'_>, usize) {
        let mut core = Core::inner_iv_init(&self.cipher, &[0; BLOCK].into());
        core.set_block_pos(offset / BLOCK as u64);
        (core, (offset % BLOCK as u64) as usize)
    }
}

/// Bytes from `offset` to the next cipher block.
fn to_next_block(offset: u64) -> usize {
    (offset.wrapping_neg() % BLOCK as u64) as usize
}

type Core<'a> = CtrCore<&'a Aes128, Ctr64BE>;

fn next_block(core: &mut Core<'_>) -> [u8; BLOCK] {
    let mut block = Block::<Core<'_>>::default();
    core.write_keystream_block(&mut block);
    block.into()
}

/// ORs into `difference` every bit in which `blocks` are not the stream.
struct Compare<'a> {
    blocks: &'a [Array<u8, U16>],
    difference: &'a mut u64,
}

impl BlockSizeUser for Compare<'_> {
    type BlockSize = U16;
}

impl StreamCipherClosure for Compare<'_> {
    #[inline(always)]
    fn call<B: StreamCipherBackend<BlockSize = U16>>(self, backend: &mut B) {
        let (groups, tail) = ParBlocks::<B>::slice_as_chunks(self.blocks);
        let mut difference = [0u64; 2];
        for group in groups {
            let mut expected = ParBlocks::<B>::default();
            backend.gen_par_ks_blocks(&mut expected);
            for (found, expected) in group.iter().zip(&expected) {
                or_difference(&mut difference, found, expected);
            }
        }
        for found in tail {
            let mut expected = Block::<B>::default();
            backend.gen_ks_block(&mut expected);
            or_difference(&mut difference, found, &expected);
        }
        *self.difference |= difference[0] | difference[1];
    }
}

#[inline(always)]
fn or_difference(difference: &mut [u64; 2], found: &Array<u8, U16>, expected: &Array<u8, U16>) {
    for (half, difference) in difference.iter_mut().enumerate() {
        let word = |block: &Array<u8, U16>| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&block[half * 8..half * 8 + 8]);
            u64::from_ne_bytes(bytes)
        };
        *difference |= word(found) ^ word(expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: StreamKey = StreamKey([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

    fn at(offset: u64, len: usize) -> Vec<u8> {
        let mut buf = vec![0; len];
        Stream::new(&KEY).fill(offset, &mut buf);
        buf
    }

    /// `head -c 32 /dev/zero | openssl enc -aes-128-ctr -K 000102..0f -iv 0`, and the block whose
    /// counter is 0x100000001, where the 32-bit half of the counter has overflowed.
    #[test]
    fn bytes_of_openssl() {
        assert_eq!(hex(&at(0, 32)), OPENSSL_FIRST);
        assert_eq!(hex(&at(0x1_0000_0001 * 16, 16)), OPENSSL_FAR);
    }

    const OPENSSL_FIRST: &str = "c6a13b37878f5b826f4f8162a1c8d8797346139595c0b41e497bbde365f42d0a";
    const OPENSSL_FAR: &str = "d4826774d118c5351aa48113690c3973";

    #[test]
    fn the_last_byte_a_medium_can_have() {
        let end = at(i64::MAX as u64 - 31, 31);
        assert_eq!(end[15..], at(i64::MAX as u64 - 16, 16));
        assert_eq!(at(u64::MAX - 4, 4).len(), 4);
    }

    /// The crate's way, and our own as far as the processor can.
    #[test]
    fn every_way_makes_the_same_bytes() {
        let with = |own| Stream { own, ..Stream::new(&KEY) };
        let crates = with(None);
        let mut ways = Vec::new();
        ways.extend(AesCtr::new(&KEY.0).map(|own| with(Some(own.narrow()))));
        ways.extend(AesCtr::new(&KEY.0).filter(AesCtr::is_wide).map(|own| with(Some(own))));
        // A word of the processor's, which no installation can change: said, no failure. But the kernel's word is
        // heard besides our own, or a look that went wrong would leave our code untested and nobody would know.
        let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let has = |flags_of: &[&str]| flags_of.iter().all(|flag| flags.split_whitespace().any(|word| word == *flag));
        let could = [has(&["aes", "sse4_1"]), has(&["aes", "sse4_1", "vaes", "avx2"])];
        let could = could.into_iter().filter(|could| *could && cfg!(target_arch = "x86_64")).count();
        assert_eq!(ways.len(), could, "what the kernel says of this processor is not what was taken");
        if could < 2 {
            eprintln!(
                "*** skipped: this processor has no VAES; our own stream on wide registers is not held against the crate's ***"
            );
        }
        for first in [0, 1, 15, 16, 4096, (1 << 36) - 64, u64::from(u32::MAX) * 16 - 33, (1 << 62) + 7, u64::MAX - 5000]
        {
            for len in [0, 1, 15, 16, 127, 128, 129, 512, 1000, 4096 + 77] {
                let mut a = vec![0x55; len];
                crates.fill(first, &mut a);
                for way in &ways {
                    let mut b = vec![0xaa; len];
                    way.fill(first, &mut b);
                    assert_eq!(a, b, "{len} bytes at {first}");
                }
                let all = || ways.iter().chain([&crates]);
                assert!(all().all(|way| way.matches(first, &a)));
                for at in (0..len).step_by(61).chain(len.checked_sub(1)) {
                    a[at] ^= 0x20;
                    assert!(!all().any(|way| way.matches(first, &a)), "byte {at} of {len} at {first}");
                    a[at] ^= 0x20;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_part_is_what_the_whole_has_there(offset in 0u64..5000, len in 0usize..5000) {
            let whole = at(0, 10_000);
            prop_assert_eq!(&at(offset, len)[..], &whole[offset as usize..offset as usize + len]);
        }

        #[test]
        fn two_halves_make_the_whole(offset in 0u64..(1 << 63), len in 1usize..3000, cut in 0usize..3000) {
            let cut = cut % len;
            let mut halves = at(offset, cut);
            halves.extend(at(offset + cut as u64, len - cut));
            prop_assert_eq!(halves, at(offset, len));
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}
