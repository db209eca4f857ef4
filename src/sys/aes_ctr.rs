//! AES-128 in counter mode, for processors with AES instructions: on registers of one block (AES-NI) or of two (VAES).
//!
//! Close to what the processor's AES units can do, however the program is built: the loop of the crate `aes` is put
//! together from many generic parts, and is a third as fast where the compiler leaves one of them out of it. See
//! `docs/decisions/0016-own-cipher-loop.md`.

#[cfg(target_arch = "x86_64")]
pub use x86::AesCtr;

/// Bytes made and compared together.
pub const GROUP: usize = 128;

/// There is none on other processors.
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone)]
pub enum AesCtr {}

#[cfg(not(target_arch = "x86_64"))]
impl AesCtr {
    /// Nothing.
    pub fn new(_: &[u8; 16]) -> Option<AesCtr> {
        None
    }

    /// Does not happen.
    #[cfg(test)]
    pub fn narrow(self) -> AesCtr {
        self
    }

    /// Does not happen.
    #[cfg(test)]
    pub fn is_wide(&self) -> bool {
        match *self {}
    }

    /// Does not happen.
    pub fn fill(&self, _: u64, _: &mut [u8]) -> usize {
        match *self {}
    }

    /// Does not happen.
    pub fn matches(&self, _: u64, _: &[u8]) -> (usize, bool) {
        match *self {}
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aeskeygenassist_si128, _mm_loadu_si128,
        _mm_or_si128, _mm_set_epi64x, _mm_setzero_si128, _mm_shuffle_epi32, _mm_slli_si128, _mm_storeu_si128,
        _mm_testz_si128, _mm_xor_si128, _mm256_add_epi64, _mm256_aesenc_epi128, _mm256_aesenclast_epi128,
        _mm256_broadcastsi128_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_set_epi8, _mm256_set_epi64x,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_storeu_si256, _mm256_testz_si256, _mm256_xor_si256,
    };

    use super::GROUP;
    use crate::sys::memory::prefetch;

    /// Registers of one cipher block each.
    const NARROW: usize = GROUP / 16;
    /// Registers of two.
    const WIDE: usize = GROUP / 32;
    /// Round keys of AES-128 (FIPS 197 section 5).
    const KEYS: usize = 11;
    /// How far before the comparison the data is fetched. A device wrote it on another core, and the processor's own
    /// guesses end at each page; farther or nearer was no faster (docs/benchmarks).
    const FETCH_AHEAD: usize = 2048;

    /// A key made ready. That there is one means that the processor can use it.
    #[derive(Clone)]
    pub struct AesCtr {
        keys: [__m128i; KEYS],
        is_wide: bool,
    }

    impl AesCtr {
        /// `None` where the processor has no AES instructions.
        pub fn new(key: &[u8; 16]) -> Option<AesCtr> {
            let is_possible = std::is_x86_feature_detected!("aes") && std::is_x86_feature_detected!("sse4.1");
            let is_wide = std::is_x86_feature_detected!("vaes") && std::is_x86_feature_detected!("avx2");
            // SAFETY: the processor has the features.
            is_possible.then(|| AesCtr { keys: unsafe { expand(key) }, is_wide })
        }

        /// On registers of one block, whatever the processor has.
        #[cfg(test)]
        pub fn narrow(self) -> AesCtr {
            AesCtr { is_wide: false, ..self }
        }

        /// Whether its registers have two blocks.
        #[cfg(test)]
        pub fn is_wide(&self) -> bool {
            self.is_wide
        }

        /// Writes the key stream from cipher block `first` on into whole groups of `buf`; how many
        /// bytes that were.
        pub fn fill(&self, first: u64, buf: &mut [u8]) -> usize {
            let (groups, rest) = buf.as_chunks_mut();
            match self.is_wide {
                // SAFETY: it is so only where the processor has VAES and AVX2, and a key exists only where it has AES.
                true => unsafe { fill_wide(&self.keys, first, groups) },
                // SAFETY: a key exists only where the processor has AES and SSE4.1.
                false => unsafe { fill_narrow(&self.keys, first, groups) },
            }
            let rest = rest.len();
            buf.len() - rest
        }

        /// Whether the whole groups of `data` are the key stream from cipher block `first` on, and how
        /// many bytes were compared.
        pub fn matches(&self, first: u64, data: &[u8]) -> (usize, bool) {
            let (groups, rest) = data.as_chunks();
            let matches = match self.is_wide {
                // SAFETY: as in `fill`.
                true => unsafe { matches_wide(&self.keys, first, groups) },
                // SAFETY: as in `fill`.
                false => unsafe { matches_narrow(&self.keys, first, groups) },
            };
            (data.len() - rest.len(), matches)
        }
    }

    #[target_feature(enable = "aes,sse4.1")]
    fn fill_narrow(keys: &[__m128i; KEYS], first: u64, groups: &mut [[u8; GROUP]]) {
        let mut counter = first;
        for group in groups {
            let blocks = rounds_narrow(keys, &mut counter);
            for (place, block) in group.as_chunks_mut::<16>().0.iter_mut().zip(blocks) {
                let made = _mm_aesenclast_si128(block, keys[KEYS - 1]);
                // SAFETY: 16 bytes, at any alignment.
                unsafe { _mm_storeu_si128(place.as_mut_ptr().cast(), made) };
            }
        }
    }

    #[target_feature(enable = "aes,sse4.1")]
    fn matches_narrow(keys: &[__m128i; KEYS], first: u64, groups: &[[u8; GROUP]]) -> bool {
        let mut counter = first;
        let mut difference = _mm_setzero_si128();
        for group in groups {
            prefetch(group, FETCH_AHEAD);
            let blocks = rounds_narrow(keys, &mut counter);
            for (place, block) in group.as_chunks::<16>().0.iter().zip(blocks) {
                // SAFETY: 16 bytes, at any alignment.
                let found = unsafe { _mm_loadu_si128(place.as_ptr().cast()) };
                // The last round ends with XOR of its key: with what was found in it, zero is equal.
                let wrong = _mm_aesenclast_si128(block, _mm_xor_si128(keys[KEYS - 1], found));
                difference = _mm_or_si128(difference, wrong);
            }
        }
        _mm_testz_si128(difference, difference) == 1
    }

    /// The next counters, big-endian in the upper half of each block, through all rounds but the last.
    #[inline]
    #[target_feature(enable = "aes,sse4.1")]
    fn rounds_narrow(keys: &[__m128i; KEYS], counter: &mut u64) -> [__m128i; NARROW] {
        let mut blocks = [_mm_setzero_si128(); NARROW];
        for block in &mut blocks {
            *block = _mm_xor_si128(_mm_set_epi64x(counter.swap_bytes().cast_signed(), 0), keys[0]);
            *counter = counter.wrapping_add(1);
        }
        for key in &keys[1..KEYS - 1] {
            for block in &mut blocks {
                *block = _mm_aesenc_si128(*block, *key);
            }
        }
        blocks
    }

    #[target_feature(enable = "avx2,vaes")]
    fn fill_wide(keys: &[__m128i; KEYS], first: u64, groups: &mut [[u8; GROUP]]) {
        let keys = keys.map(|key| _mm256_broadcastsi128_si256(key));
        let mut counter = Counter::at(first);
        for group in groups {
            let blocks = counter.rounds(&keys);
            for (place, block) in group.as_chunks_mut::<32>().0.iter_mut().zip(blocks) {
                let made = _mm256_aesenclast_epi128(block, keys[KEYS - 1]);
                // SAFETY: 32 bytes, at any alignment.
                unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), made) };
            }
        }
    }

    #[target_feature(enable = "avx2,vaes")]
    fn matches_wide(keys: &[__m128i; KEYS], first: u64, groups: &[[u8; GROUP]]) -> bool {
        let keys = keys.map(|key| _mm256_broadcastsi128_si256(key));
        let mut counter = Counter::at(first);
        let mut difference = _mm256_setzero_si256();
        for group in groups {
            prefetch(group, FETCH_AHEAD);
            let blocks = counter.rounds(&keys);
            for (place, block) in group.as_chunks::<32>().0.iter().zip(blocks) {
                // SAFETY: 32 bytes, at any alignment.
                let found = unsafe { _mm256_loadu_si256(place.as_ptr().cast()) };
                let wrong = _mm256_aesenclast_epi128(block, _mm256_xor_si256(keys[KEYS - 1], found));
                difference = _mm256_or_si256(difference, wrong);
            }
        }
        _mm256_testz_si256(difference, difference) == 1
    }

    /// Two neighbouring counters, little-endian in the upper half of each block.
    struct Counter {
        pair: __m256i,
        step: __m256i,
        swap: __m256i,
    }

    impl Counter {
        #[inline]
        #[target_feature(enable = "avx2")]
        fn at(first: u64) -> Counter {
            Counter {
                pair: _mm256_set_epi64x(first.wrapping_add(1).cast_signed(), 0, first.cast_signed(), 0),
                step: _mm256_set_epi64x(2, 0, 2, 0),
                swap: _mm256_set_epi8(
                    8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 4, 3, 2, 1, 0, 8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 4, 3,
                    2, 1, 0,
                ),
            }
        }

        /// The next counters, big-endian, through all rounds but the last.
        #[inline]
        #[target_feature(enable = "avx2,vaes")]
        fn rounds(&mut self, keys: &[__m256i; KEYS]) -> [__m256i; WIDE] {
            let mut blocks = [_mm256_setzero_si256(); WIDE];
            for block in &mut blocks {
                *block = _mm256_xor_si256(_mm256_shuffle_epi8(self.pair, self.swap), keys[0]);
                self.pair = _mm256_add_epi64(self.pair, self.step);
            }
            for key in &keys[1..KEYS - 1] {
                for block in &mut blocks {
                    *block = _mm256_aesenc_epi128(*block, *key);
                }
            }
            blocks
        }
    }

    /// FIPS 197 section 5.2.
    #[target_feature(enable = "aes")]
    fn expand(key: &[u8; 16]) -> [__m128i; KEYS] {
        let [low, high] = [0, 8].map(|at| key[at..at + 8].iter().rev().fold(0u64, |word, b| word << 8 | u64::from(*b)));
        let first = _mm_set_epi64x(high.cast_signed(), low.cast_signed());
        let mut keys = [first; KEYS];
        keys[1] = next::<0x01>(keys[0]);
        keys[2] = next::<0x02>(keys[1]);
        keys[3] = next::<0x04>(keys[2]);
        keys[4] = next::<0x08>(keys[3]);
        keys[5] = next::<0x10>(keys[4]);
        keys[6] = next::<0x20>(keys[5]);
        keys[7] = next::<0x40>(keys[6]);
        keys[8] = next::<0x80>(keys[7]);
        keys[9] = next::<0x1b>(keys[8]);
        keys[10] = next::<0x36>(keys[9]);
        keys
    }

    #[target_feature(enable = "aes")]
    fn next<const ROUND: i32>(key: __m128i) -> __m128i {
        let last_word = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<ROUND>(key));
        let twice = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
        let four_times = _mm_xor_si128(twice, _mm_slli_si128::<8>(twice));
        _mm_xor_si128(four_times, last_word)
    }
}
