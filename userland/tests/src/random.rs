//! Numbers that look random and repeat from the same seed (xorshift).

/// A source of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A source; the same seed gives the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit.max(1)
    }

    /// A number as bad programs pass it: small, huge, negative, an address, or noise.
    pub fn argument(&mut self, address: u64) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => self.below(64),
            2 => u64::MAX - self.below(64),
            3 => address + self.below(0x8000),
            4 => 1 << self.below(64),
            5 => (self.number() >> self.below(64)) & !0x3fff,
            6 => self.below(0x1_0000),
            _ => self.number(),
        }
    }
}
