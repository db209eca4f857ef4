//! The seekable random stream: AES-128 in counter mode, 64-bit big-endian counter, zero nonce.
//!
//! Byte `o` of the stream is byte `o % 16` of the encrypted block whose number is `o / 16`, so any
//! place can be made without what lies before it. Same bytes as `openssl enc -aes-128-ctr -iv 0`.
//! The crates choose AES-NI, VAES-256 or VAES-512 while running; no build flag is needed.

use aes::Aes128;
use cipher::array::Array;
use cipher::{Block, InnerIvInit, KeyInit, StreamCipherCore, StreamCipherSeekCore};
use ctr::CtrCore;
use ctr::flavors::Ctr64BE;

use super::StreamKey;

const BLOCK: usize = 16;

/// One key's stream, its key schedule done once.
#[derive(Clone)]
pub struct Stream {
    cipher: Aes128,
}

impl Stream {
    /// The stream of a pass's key.
    pub fn new(key: &StreamKey) -> Stream {
        Stream { cipher: Aes128::new(&key.0.into()) }
    }

    /// Writes the bytes that belong at `offset`. Any offset, any length; fastest when both are
    /// multiples of 16.
    pub fn fill(&self, offset: u64, buf: &mut [u8]) {
        let mut core = Core::inner_iv_init(&self.cipher, &[0; BLOCK].into());
        // Whole blocks only from here on: the counter is offset / 16 < 2^60 and cannot overflow.
        core.set_block_pos(offset / BLOCK as u64);
        let skip = (offset % BLOCK as u64) as usize;
        let mut rest = buf;
        if skip != 0 {
            let (head, tail) = rest.split_at_mut(rest.len().min(BLOCK - skip));
            let mut block = Block::<Core<'_>>::default();
            core.write_keystream_block(&mut block);
            head.copy_from_slice(&block[skip..skip + head.len()]);
            rest = tail;
        }
        let (blocks, tail) = Array::slice_as_chunks_mut(rest);
        core.write_keystream_blocks(blocks);
        if !tail.is_empty() {
            let mut block = Block::<Core<'_>>::default();
            core.write_keystream_block(&mut block);
            tail.copy_from_slice(&block[..tail.len()]);
        }
    }
}

type Core<'a> = CtrCore<&'a Aes128, Ctr64BE>;

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
