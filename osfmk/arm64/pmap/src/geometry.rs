//! Levels and spans of a translation tree, for both page sizes; pure arithmetic.
//!
//! A table always fills one page of 8-byte descriptors, so a level resolves `PAGE_SHIFT - 3` address bits. The
//! architecture numbers levels upwards to the leaf, which is always level 3. Both halves of the address space
//! have 47 bits:
//!
//! ```text
//! 16 KiB pages: 3 levels, 2048 descriptors a table
//!   46          36 35          25 24          14 13           0
//!  +--------------+--------------+--------------+--------------+
//!  |   level 1    |   level 2    |   level 3    |    offset    |
//!  +--------------+--------------+--------------+--------------+
//!    64 GiB each    32 MiB each    16 KiB each
//!
//! 4 KiB pages: 4 levels, 512 descriptors a table, half of the root used
//!   46       39 38       30 29       21 20       12 11        0
//!  +-----------+-----------+-----------+-----------+-----------+
//!  |  level 0  |  level 1  |  level 2  |  level 3  |   offset  |
//!  +-----------+-----------+-----------+-----------+-----------+
//!   512 GiB     1 GiB       2 MiB       4 KiB each
//! ```
//!
//! Why not 48 bits: with 16 KiB pages the 48th would need a level 0 of two descriptors.
//!
//! Neighbours: the index arithmetic itself is `machine::descriptor`'s; `walk` follows it. XNU counterpart: the
//! `pt_attr` tables of `osfmk/arm/pmap/pmap_pt_geometry.h`.

pub use machine::descriptor::{ENTRIES, INDEX_BITS, index, level_shift};

/// The level of the leaves, in the architecture's counting.
pub const LEAF_LEVEL: u32 = machine::descriptor::LAST_LEVEL;
/// The level of the root table.
pub const ROOT_LEVEL: u32 = machine::descriptor::START_LEVEL;
/// Tables below the root that one page can need at most.
pub const TABLES_PER_PAGE: usize = (LEAF_LEVEL - ROOT_LEVEL) as usize;

/// Bytes that one descriptor of `level` covers.
pub const fn descriptor_span(level: u32) -> u64 {
    1 << level_shift(level)
}

/// First address that the descriptor of `level` for `va` covers.
pub const fn descriptor_base(va: u64, level: u32) -> u64 {
    va & !(descriptor_span(level) - 1)
}

/// First address after what the descriptor of `level` for `va` covers, or `end` if that comes first.
///
/// Written so that the last descriptor of the upper half does not overflow.
pub const fn descriptor_end(va: u64, level: u32, end: u64) -> u64 {
    let last = va | (descriptor_span(level) - 1);
    if last < end - 1 { last + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::address::VA_BITS;
    use machine::page::PAGE_SIZE;

    #[test]
    fn a_leaf_covers_a_page_and_every_level_covers_a_table_of_the_next() {
        assert_eq!(descriptor_span(LEAF_LEVEL), PAGE_SIZE as u64);
        for level in ROOT_LEVEL..LEAF_LEVEL {
            assert_eq!(
                descriptor_span(level),
                ENTRIES as u64 * descriptor_span(level + 1)
            );
        }
        assert!(descriptor_span(ROOT_LEVEL) * ENTRIES as u64 >= 1 << VA_BITS);
    }

    #[test]
    fn the_end_of_a_descriptor_is_clipped_and_never_overflows() {
        let span = descriptor_span(2);
        assert_eq!(descriptor_end(span + 1, 2, 10 * span), 2 * span);
        assert_eq!(descriptor_end(span + 1, 2, span + 5), span + 5);
        assert_eq!(descriptor_end(u64::MAX - 5, 2, u64::MAX), u64::MAX);
        assert_eq!(descriptor_base(span + 5, 2), span);
    }
}
