//! Random numbers: a ChaCha20 generator seeded by the board.
//!
//! Before [`seed`] it runs from the counter, which is good enough for hash seeds and nothing else; [`is_seeded`]
//! tells. Each request takes its own blocks and the key is replaced afterwards, so earlier output cannot be computed
//! from a later state.
//!
//! XNU counterpart: `read_random`, `early_random`.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::lock::{InterruptLock, Rank};

struct Generator {
    key: [u32; 8],
    counter: u64,
}

static GENERATOR: InterruptLock<Generator> = InterruptLock::new(
    Rank::Random,
    Generator {
        key: [
            0x243f_6a88,
            0x85a3_08d3,
            0x1319_8a2e,
            0x0370_7344,
            0,
            0,
            0,
            0,
        ],
        counter: 0,
    },
);
static SEEDED: AtomicBool = AtomicBool::new(false);

/// Mixes entropy in.
pub fn seed(entropy: &[u8]) {
    let mut generator = GENERATOR.lock();
    for chunk in entropy.chunks(32) {
        for (i, byte) in chunk.iter().enumerate() {
            generator.key[i / 4] ^= u32::from(*byte) << (8 * (i % 4));
        }
        generator.rekey();
    }
    if entropy.len() >= 16 {
        SEEDED.store(true, Ordering::Relaxed);
    }
}

/// Whether at least 16 bytes of entropy were mixed in.
pub fn is_seeded() -> bool {
    SEEDED.load(Ordering::Relaxed)
}

/// Fills a buffer.
#[doc(alias = "read_random")]
pub fn fill(buffer: &mut [u8]) {
    let mut generator = GENERATOR.lock();
    generator.key[7] ^= crate::clock::now().0 as u32;
    for chunk in buffer.chunks_mut(64) {
        let block = generator.next_block();
        for (i, byte) in chunk.iter_mut().enumerate() {
            *byte = (block[i / 4] >> (8 * (i % 4))) as u8;
        }
    }
    generator.rekey();
}

/// A random number.
#[doc(alias = "early_random")]
pub fn next_u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

impl Generator {
    fn next_block(&mut self) -> [u32; 16] {
        self.counter += 1;
        chacha20(&self.key, self.counter, 0)
    }

    fn rekey(&mut self) {
        let block = self.next_block();
        self.key.copy_from_slice(&block[..8]);
    }
}

/// The ChaCha20 block function (RFC 8439, section 2.3, with a 64-bit counter and nonce).
fn chacha20(key: &[u32; 8], counter: u64, nonce: u64) -> [u32; 16] {
    let mut start = [0u32; 16];
    start[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    start[4..12].copy_from_slice(key);
    start[12] = counter as u32;
    start[13] = (counter >> 32) as u32;
    start[14] = nonce as u32;
    start[15] = (nonce >> 32) as u32;
    let mut state = start;
    for _ in 0..10 {
        for [a, b, c, d] in [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]] {
            quarter_round(&mut state, a, b, c, d);
        }
        for [a, b, c, d] in [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]] {
            quarter_round(&mut state, a, b, c, d);
        }
    }
    core::array::from_fn(|i| state[i].wrapping_add(start[i]))
}

fn quarter_round(state: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[x] = state[x].wrapping_add(state[y]);
        state[z] = (state[z] ^ state[x]).rotate_left(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_function_gives_the_published_vector() {
        // RFC 8439, section 2.3.2; its 96-bit nonce 00:00:00:09 00:00:00:4a 00:00:00:00 after a 32-bit counter of 1.
        let key: [u32; 8] = core::array::from_fn(|i| {
            let at = 4 * i as u32;
            at | (at + 1) << 8 | (at + 2) << 16 | (at + 3) << 24
        });
        let block = chacha20(&key, 0x0900_0000_0000_0001, 0x4a00_0000);
        assert_eq!(
            block[..4],
            [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]
        );
        assert_eq!(block[15], 0x4e3c_50a2);
    }

    #[test]
    fn two_requests_differ() {
        seed(b"sixteen bytes of seed");
        assert!(is_seeded());
        assert_ne!(next_u64(), next_u64());
    }
}
