//! A pattern made ready for the hot loop: fill a buffer, or find the first byte that is not as it
//! should be.

use std::fmt;
use std::sync::Arc;

use super::Pattern;
use super::stream::Stream;

/// Expected bytes are made in pieces of this size, so that they stay in the first-level cache
/// beside the data they are compared with.
const PIECE: usize = 16 << 10;

/// A [`Pattern`] with its key schedule or its repeated bytes laid out. Cheap to clone, shared
/// between workers.
#[derive(Clone)]
pub struct CompiledPattern(Form);

#[derive(Clone)]
enum Form {
    /// `tile` holds the sequence again and again, `whole_periods` bytes from any phase on.
    Repeated {
        tile: Arc<[u8]>,
        period: usize,
    },
    Random(Arc<Stream>),
}

impl Pattern {
    /// Lays the pattern out for writing and comparing.
    pub fn compile(&self) -> CompiledPattern {
        CompiledPattern(match self {
            Pattern::Byte { byte } => repeated(&[*byte]),
            Pattern::Bytes { bytes } if bytes.iter().all(|b| *b == bytes[0]) => {
                // An empty sequence cannot be read from a file; it is taken as zeros.
                repeated(&[bytes.first().copied().unwrap_or(0)])
            }
            Pattern::Bytes { bytes } => repeated(bytes),
            Pattern::Random { key } => Form::Random(Arc::new(Stream::new(key))),
        })
    }
}

fn repeated(bytes: &[u8]) -> Form {
    let tile = bytes.iter().copied().cycle().take(whole_periods(bytes.len()) + bytes.len()).collect();
    Form::Repeated { tile, period: bytes.len() }
}

impl CompiledPattern {
    /// Writes the bytes that belong at byte `offset` of the medium into `buf`. Any offset, any
    /// length; a random pass is fastest at multiples of 16.
    pub fn fill(&self, offset: u64, buf: &mut [u8]) {
        match &self.0 {
            Form::Repeated { tile, period: 1 } => buf.fill(tile[0]),
            Form::Repeated { tile, period } => {
                let phase = phase(offset, *period);
                for piece in buf.chunks_mut(whole_periods(*period)) {
                    piece.copy_from_slice(&tile[phase..phase + piece.len()]);
                }
            }
            Form::Random(stream) => stream.fill(offset, buf),
        }
    }

    /// The index in `data` of the first byte that is not what belongs at `offset` + index, `None`
    /// when every byte is right. Only what is in `data` is judged: pass no more than was read.
    pub fn first_mismatch(&self, offset: u64, data: &[u8]) -> Option<usize> {
        match &self.0 {
            Form::Repeated { tile, period } => {
                let phase = phase(offset, *period);
                let step = whole_periods(*period);
                data.chunks(step).enumerate().find_map(|(i, piece)| {
                    let expected = &tile[phase..phase + piece.len()];
                    differs(piece, expected).map(|at| i * step + at)
                })
            }
            Form::Random(stream) => data.chunks(PIECE).enumerate().find_map(|(i, piece)| {
                let at = offset.wrapping_add((i * PIECE) as u64);
                if stream.matches(at, piece) {
                    return None;
                }
                let mut expected = [0u8; PIECE];
                let expected = &mut expected[..piece.len()];
                stream.fill(at, expected);
                differs(piece, expected).map(|found| i * PIECE + found)
            }),
        }
    }

    /// The byte of a constant pattern: one block of it serves every place of every drive.
    pub fn is_constant(&self) -> Option<u8> {
        match &self.0 {
            Form::Repeated { tile, period: 1 } => tile.first().copied(),
            _ => None,
        }
    }
}

impl fmt::Debug for CompiledPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Repeated { tile, period } => write!(f, "CompiledPattern({:02x?} repeated)", &tile[..*period]),
            Form::Random(_) => write!(f, "CompiledPattern(random)"),
        }
    }
}

/// Where in the sequence byte `offset` of the medium falls.
fn phase(offset: u64, period: usize) -> usize {
    (offset % period as u64) as usize
}

/// The most bytes of a tile after which the phase is the same again.
fn whole_periods(period: usize) -> usize {
    (PIECE / period).max(1) * period
}

/// Equality is `memcmp`, which the C library picks for the processor; the place is only looked for
/// when there is one.
fn differs(data: &[u8], expected: &[u8]) -> Option<usize> {
    if data == expected {
        return None;
    }
    data.iter().zip(expected).position(|(a, b)| a != b)
}

#[cfg(test)]
mod tests {
    use super::super::StreamKey;
    use super::*;
    use proptest::prelude::*;

    /// The definition, byte by byte, with nothing shared with the code under test but the cipher.
    fn expected(pattern: &Pattern, offset: u64, len: usize) -> Vec<u8> {
        let one = |o: u64| match pattern {
            Pattern::Byte { byte } => *byte,
            Pattern::Bytes { bytes } => bytes[(o % bytes.len() as u64) as usize],
            Pattern::Random { key } => {
                let mut block = [0; 16];
                Stream::new(key).fill(o & !15, &mut block);
                block[(o & 15) as usize]
            }
        };
        (offset..offset + len as u64).map(one).collect()
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        prop_oneof![
            any::<u8>().prop_map(|byte| Pattern::Byte { byte }),
            prop::collection::vec(any::<u8>(), 2..9).prop_map(|bytes| Pattern::Bytes { bytes }),
            Just(Pattern::Bytes { bytes: vec![0x92, 0x49, 0x24] }),
            any::<[u8; 16]>().prop_map(|key| Pattern::Random { key: StreamKey(key) }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn fill_writes_the_definition(p in pattern(), offset in 0u64..(1 << 62), len in 0usize..40_000) {
            let mut buf = vec![0xEE; len];
            p.compile().fill(offset, &mut buf);
            prop_assert!(buf == expected(&p, offset, len));
        }

        #[test]
        fn any_flipped_byte_is_found_where_it_is(
            p in pattern(), offset in 0u64..(1 << 62), len in 1usize..70_000,
            at in any::<prop::sample::Index>(), later in any::<prop::sample::Index>(), flip in 1u8..,
        ) {
            let compiled = p.compile();
            let mut data = vec![0; len];
            compiled.fill(offset, &mut data);
            prop_assert_eq!(compiled.first_mismatch(offset, &data), None);
            let (at, later) = (at.index(len), later.index(len));
            data[at] ^= flip;
            prop_assert_eq!(compiled.first_mismatch(offset, &data), Some(at));
            if later > at {
                data[later] ^= flip;
                prop_assert_eq!(compiled.first_mismatch(offset, &data), Some(at));
            }
        }
    }

    #[test]
    fn three_bytes_keep_their_phase_across_buffers_and_sectors() {
        let gutmann = Pattern::Bytes { bytes: vec![0x92, 0x49, 0x24] }.compile();
        let mut medium = vec![0; 6 * 512];
        for (i, buffer) in medium.chunks_mut(512).enumerate() {
            gutmann.fill(i as u64 * 512, buffer);
        }
        assert!(medium.chunks(3).all(|c| c == [0x92, 0x49, 0x24]));
        assert_eq!(medium[512..515], [0x24, 0x92, 0x49], "512 is 2 modulo 3");
        assert_eq!(gutmann.first_mismatch(0, &medium), None);
        assert_eq!(gutmann.first_mismatch(1, &medium), Some(0), "the same bytes at another place are wrong");
    }

    #[test]
    fn a_sequence_longer_than_a_piece() {
        let bytes: Vec<u8> = (0..40_001u32).map(|i| (i * 7) as u8).collect();
        let p = Pattern::Bytes { bytes };
        let mut buf = vec![0; 100_000];
        p.compile().fill(39_990, &mut buf);
        assert!(buf == expected(&p, 39_990, buf.len()));
        buf[99_999] ^= 1;
        assert_eq!(p.compile().first_mismatch(39_990, &buf), Some(99_999));
    }

    #[test]
    fn constant_patterns_are_known() {
        assert_eq!(Pattern::Byte { byte: 0xFF }.compile().is_constant(), Some(0xFF));
        assert_eq!(Pattern::Bytes { bytes: vec![0x55; 3] }.compile().is_constant(), Some(0x55));
        assert_eq!(Pattern::Bytes { bytes: vec![1, 2] }.compile().is_constant(), None);
        assert_eq!(Pattern::Random { key: StreamKey([0; 16]) }.compile().is_constant(), None);
    }

    #[test]
    fn nothing_read_is_nothing_judged() {
        for p in [Pattern::Byte { byte: 1 }, Pattern::Random { key: StreamKey([9; 16]) }] {
            assert_eq!(p.compile().first_mismatch(5, &[]), None);
        }
    }
}
