//! The floating-point and SIMD registers of the thread that asks.
//!
//! Programs are compiled without floating point, so the instructions stand here as words.

use crate::random::Random;

pub use unit::{get, set};

/// The halves of the 32 registers.
pub type Registers = [[u64; 2]; 32];

/// A pattern that differs from register to register and from seed to seed.
#[must_use]
pub fn pattern(seed: u64) -> Registers {
    let mut random = Random::new(seed);
    core::array::from_fn(|_| [random.number(), random.number()])
}

#[cfg(target_os = "none")]
mod unit {
    use super::Registers;
    use core::arch::asm;

    macro_rules! each {
        ($with:ident: $($n:literal)*) => { $($with!($n);)* };
    }

    /// Writes all of them.
    pub fn set(values: &Registers) {
        macro_rules! one {
            ($n:literal) => {
                // SAFETY: `fmov dN, x9` and `fmov vN.d[1], x10`: the compiler uses none of these registers.
                unsafe {
                    asm!(
                        ".inst {low}", ".inst {high}",
                        low = const 0x9e67_0000u32 | 9 << 5 | $n,
                        high = const 0x9eaf_0000u32 | 10 << 5 | $n,
                        in("x9") values[$n][0], in("x10") values[$n][1],
                        options(nomem, nostack, preserves_flags),
                    );
                }
            };
        }
        each!(one: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    }

    /// Reads all of them.
    #[must_use]
    pub fn get() -> Registers {
        let mut values = [[0; 2]; 32];
        macro_rules! one {
            ($n:literal) => {
                // SAFETY: `fmov x9, dN` and `fmov x10, vN.d[1]` change nothing else.
                unsafe {
                    asm!(
                        ".inst {low}", ".inst {high}",
                        low = const 0x9e66_0000u32 | $n << 5 | 9,
                        high = const 0x9eae_0000u32 | $n << 5 | 10,
                        out("x9") values[$n][0], out("x10") values[$n][1],
                        options(nomem, nostack, preserves_flags),
                    );
                }
            };
        }
        each!(one: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        values
    }
}

/// This machine's registers are the compiler's.
#[cfg(not(target_os = "none"))]
mod unit {
    use super::Registers;

    /// Does nothing.
    pub fn set(_values: &Registers) {}

    /// Zeroes.
    #[must_use]
    pub fn get() -> Registers {
        [[0; 2]; 32]
    }
}
