//! The page size, chosen once for the whole build by this crate's feature `page-4k`.
//!
//! The MMU granule, the unit of frames and the unit of user mappings are the same size. Userland
//! reads it at run time.

/// Binary logarithm of the page size.
pub const PAGE_SHIFT: u32 = if cfg!(feature = "page-4k") { 12 } else { 14 };

/// Bytes in a page.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// The bits of an address below the page number.
pub const PAGE_MASK: u64 = PAGE_SIZE as u64 - 1;

/// The address of the page that holds `address`.
#[must_use]
pub const fn trunc_page(address: u64) -> u64 {
    address & !PAGE_MASK
}

/// `address` rounded up to a page; wraps to 0 in the last page of the address space, as XNU's
/// macro does. Use [`checked_round_page`] on values that a user supplied.
#[must_use]
pub const fn round_page(address: u64) -> u64 {
    address.wrapping_add(PAGE_MASK) & !PAGE_MASK
}

/// `address` rounded up to a page, or `None` when that overflows.
#[must_use]
pub const fn checked_round_page(address: u64) -> Option<u64> {
    match address.checked_add(PAGE_MASK) {
        Some(sum) => Some(sum & !PAGE_MASK),
        None => None,
    }
}

/// Whether `address` lies on a page boundary.
#[doc(alias = "page_aligned")]
#[must_use]
pub const fn is_page_aligned(address: u64) -> bool {
    address & PAGE_MASK == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_the_neighbouring_page() {
        let size = PAGE_SIZE as u64;
        assert_eq!(trunc_page(size + 1), size);
        assert_eq!(round_page(size + 1), 2 * size);
        assert_eq!(round_page(size), size);
        assert!(is_page_aligned(0) && !is_page_aligned(1));
    }

    #[test]
    fn rounding_up_in_the_last_page_is_refused_when_checked() {
        assert_eq!(checked_round_page(u64::MAX), None);
        assert_eq!(round_page(u64::MAX), 0);
        assert_eq!(checked_round_page(1), Some(PAGE_SIZE as u64));
    }
}
