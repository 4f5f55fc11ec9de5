//! The bits of VMSAv8-64 stage 1 descriptors and the geometry of the tables.
//!
//! Only facts of the architecture (Arm ARM D8.3) and the choices fixed at boot in MAIR and TCR.
//! The policy of user page tables is `pmap`'s; the kernel's own early mappings are
//! [`crate::kernel_space`]'s; the walker of the host twin reads the same bits.

use crate::address::VA_BITS;
use crate::page::{PAGE_MASK, PAGE_SHIFT, PAGE_SIZE};

/// Bit 0: the descriptor is valid.
pub const VALID: u64 = 1;
/// Bit 1: at levels below 3 a table, at level 3 a page (required there).
pub const TABLE_OR_PAGE: u64 = 2;
/// Type bits of a table descriptor or a level 3 page.
pub const TYPE_MASK: u64 = 3;

/// Where AttrIndx (3 bits, index into MAIR) starts.
pub const ATTR_SHIFT: u32 = 2;
/// AttrIndx of normal write-back memory.
pub const ATTR_NORMAL: u64 = 0 << ATTR_SHIFT;
/// AttrIndx of normal non-cacheable memory.
pub const ATTR_NONCACHED: u64 = 1 << ATTR_SHIFT;
/// AttrIndx of Device-nGnRE memory.
pub const ATTR_DEVICE: u64 = 2 << ATTR_SHIFT;
/// Mask of AttrIndx.
pub const ATTR_MASK: u64 = 7 << ATTR_SHIFT;

/// `AP[1]`: EL0 may access.
pub const AP_USER: u64 = 1 << 6;
/// `AP[2]`: nobody may write.
pub const AP_READ_ONLY: u64 = 1 << 7;
/// SH = inner shareable.
pub const SHARE_INNER: u64 = 3 << 8;
/// Mask of SH.
pub const SHARE_MASK: u64 = 3 << 8;
/// Access flag; an access through a leaf without it faults.
pub const ACCESS_FLAG: u64 = 1 << 10;
/// nG: the translation belongs to one ASID.
pub const NOT_GLOBAL: u64 = 1 << 11;
/// Dirty bit modifier (FEAT_HAFDBS). Not used by hardware here: dirty state is software's.
pub const DBM: u64 = 1 << 51;
/// Contiguous hint.
pub const CONTIGUOUS: u64 = 1 << 52;
/// EL1 may not execute.
pub const PXN: u64 = 1 << 53;
/// EL0 may not execute.
pub const UXN: u64 = 1 << 54;
/// Bits 58:55, which hardware leaves to software.
pub const SOFTWARE_MASK: u64 = 0xF << 55;
/// The first software bit.
pub const SOFTWARE_SHIFT: u32 = 55;

/// Output address of a page or next-level table.
pub const ADDRESS_MASK: u64 = 0x0000_FFFF_FFFF_FFFF & !PAGE_MASK;

/// Level of the last table.
pub const LAST_LEVEL: u32 = 3;
/// Level of the root table for [`VA_BITS`]: 1 with 16 KiB pages, 0 with 4 KiB pages.
pub const START_LEVEL: u32 = LAST_LEVEL + 1 - (VA_BITS - PAGE_SHIFT).div_ceil(INDEX_BITS);
/// Virtual address bits that one level resolves.
pub const INDEX_BITS: u32 = PAGE_SHIFT - 3;
/// Descriptors in a table.
pub const ENTRIES: usize = PAGE_SIZE / 8;

/// MAIR_EL1: what the three attribute indices mean.
pub const MAIR: u64 = 0xFF | 0x44 << 8 | 0x04 << 16;

/// Binary logarithm of what one descriptor of `level` covers.
#[must_use]
pub const fn level_shift(level: u32) -> u32 {
    PAGE_SHIFT + (LAST_LEVEL - level) * INDEX_BITS
}

/// The index of `address` in its table of `level`.
#[must_use]
pub const fn index(address: u64, level: u32) -> usize {
    let within = address & ((1 << VA_BITS) - 1);
    (within >> level_shift(level)) as usize & (ENTRIES - 1)
}

/// Whether `level` may hold block descriptors: 2 always, 1 (1 GiB) only with 4 KiB pages.
#[must_use]
pub const fn may_hold_blocks(level: u32) -> bool {
    level == 2 || (level == 1 && PAGE_SHIFT == 12)
}

/// What a descriptor at some level says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Hardware ignores the other bits.
    Invalid,
    /// Points to the table of the next level.
    Table,
    /// Maps a block (levels below 3) or a page (level 3).
    Leaf,
}

/// Classifies a descriptor found at `level`.
#[must_use]
pub const fn kind(descriptor: u64, level: u32) -> Kind {
    match (descriptor & TYPE_MASK, level) {
        (3, LAST_LEVEL) => Kind::Leaf,
        (3, _) => Kind::Table,
        (1, _) if may_hold_blocks(level) => Kind::Leaf,
        _ => Kind::Invalid,
    }
}

/// The physical address that a leaf of `level` maps, or that a table descriptor points to.
#[must_use]
pub const fn output(descriptor: u64, level: u32) -> u64 {
    let address = descriptor & ADDRESS_MASK;
    match kind(descriptor, level) {
        Kind::Leaf => address & !((1 << level_shift(level)) - 1),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_covers_exactly_the_address_space() {
        let covered = level_shift(START_LEVEL) + INDEX_BITS;
        assert!(covered >= VA_BITS && covered - INDEX_BITS < VA_BITS);
        assert_eq!(START_LEVEL, if PAGE_SHIFT == 12 { 0 } else { 1 });
    }

    #[test]
    fn indices_of_a_page_rebuild_its_address() {
        let address = 0x7654_3210_0000u64 & !PAGE_MASK;
        let rebuilt = (START_LEVEL..=LAST_LEVEL)
            .map(|level| (index(address, level) as u64) << level_shift(level))
            .sum::<u64>();
        assert_eq!(rebuilt, address);
    }

    #[test]
    fn a_page_descriptor_at_the_last_level_is_no_table() {
        assert_eq!(kind(3, LAST_LEVEL), Kind::Leaf);
        assert_eq!(kind(3, 2), Kind::Table);
        assert_eq!(kind(1, LAST_LEVEL), Kind::Invalid);
        assert_eq!(kind(1, 2), Kind::Leaf);
    }
}
