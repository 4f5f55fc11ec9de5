//! Which kind of page goes next, and how many pages should be inactive. Pure functions of counts.
//!
//! Read-ahead that nobody used goes first when there is much of it. Then [`ANONYMOUS_PER_FILE`] anonymous pages go for each
//! page of a file; only anonymous ones while the file cache is small, only file pages when nobody takes anonymous ones.
//! Half of the pages of a kind that are not wired should be inactive.
//!
//! XNU counterpart: `vps_choose_victim_page`, `VM_PAGE_INACTIVE_TARGET`, `vm_page_filecache_min`.

use prim::frames::PageKind;
use prim::frames::queues::PageQueue;

/// Anonymous pages for one page of a file.
pub(super) const ANONYMOUS_PER_FILE: u32 = 2;

/// The file cache is small when it has less than this part of memory.
const FILE_CACHE_DIVISOR: usize = 27;

/// Read-ahead may have this part of memory before it goes first.
const SPECULATIVE_DIVISOR: usize = 20;

/// What there is to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stock {
    /// Read ahead and never used.
    pub(super) speculative: usize,
    /// Inactive pages of files.
    pub(super) file: usize,
    /// Inactive anonymous pages; 0 when nobody takes them.
    pub(super) anonymous: usize,
    /// Pages of files, active ones and read-ahead included.
    pub(super) file_cache: usize,
    /// All memory.
    pub(super) memory: usize,
    /// Anonymous pages chosen since the last page of a file.
    pub(super) since_file: u32,
}

/// The queue to take the next page from; `None` when there is nothing.
#[doc(alias = "vps_choose_victim_page")]
pub(super) fn choose(stock: &Stock) -> Option<PageQueue> {
    let much_ahead = stock.speculative > stock.memory / SPECULATIVE_DIVISOR;
    if much_ahead {
        return Some(PageQueue::Speculative);
    }
    let file = if stock.file > 0 {
        Some(PageQueue::InactiveFile)
    } else {
        Some(PageQueue::Speculative).filter(|_| stock.speculative > 0)
    };
    let anonymous = Some(PageQueue::InactiveAnonymous).filter(|_| stock.anonymous > 0);
    let cache_is_small = is_small(stock.file_cache, stock.memory);
    if cache_is_small || stock.since_file < ANONYMOUS_PER_FILE {
        anonymous.or(file)
    } else {
        file.or(anonymous)
    }
}

/// Is a file cache of so many pages worth sparing?
pub(super) fn is_small(file_cache: usize, memory: usize) -> bool {
    file_cache < memory / FILE_CACHE_DIVISOR
}

/// How many pages of a kind should be inactive, of so many that could be.
#[doc(alias = "VM_PAGE_INACTIVE_TARGET")]
pub(super) fn inactive_target(active: usize, inactive: usize) -> usize {
    (active + inactive).div_ceil(2)
}

/// The queues of a kind: active, inactive.
pub(super) fn queues_of(kind: PageKind) -> (PageQueue, PageQueue) {
    match kind {
        PageKind::File => (PageQueue::ActiveFile, PageQueue::InactiveFile),
        PageKind::Anonymous => (PageQueue::ActiveAnonymous, PageQueue::InactiveAnonymous),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: Stock = Stock {
        speculative: 0,
        file: 1000,
        anonymous: 1000,
        file_cache: 2000,
        memory: 8000,
        since_file: 0,
    };

    #[test]
    fn two_anonymous_pages_go_for_one_of_a_file() {
        let mut stock = STOCK;
        let mut taken = std::vec::Vec::new();
        for _ in 0..6 {
            let queue = choose(&stock).unwrap();
            taken.push(queue == PageQueue::InactiveFile);
            stock.since_file = if queue == PageQueue::InactiveFile {
                0
            } else {
                stock.since_file + 1
            };
        }
        assert_eq!(taken, [false, false, true, false, false, true]);
    }

    #[test]
    fn a_small_file_cache_is_spared() {
        let stock = Stock {
            file_cache: 8000 / FILE_CACHE_DIVISOR - 1,
            since_file: 100,
            ..STOCK
        };
        assert_eq!(choose(&stock), Some(PageQueue::InactiveAnonymous));
        let alone = Stock {
            anonymous: 0,
            ..stock
        };
        assert_eq!(choose(&alone), Some(PageQueue::InactiveFile));
    }

    #[test]
    fn one_kind_goes_when_the_other_has_nothing() {
        let only = |stock: Stock| choose(&stock);
        let no_file = Stock {
            file: 0,
            since_file: 9,
            ..STOCK
        };
        assert_eq!(only(no_file), Some(PageQueue::InactiveAnonymous));
        let nobody_takes_anonymous = Stock {
            anonymous: 0,
            ..STOCK
        };
        assert_eq!(only(nobody_takes_anonymous), Some(PageQueue::InactiveFile));
        let nothing = Stock {
            file: 0,
            anonymous: 0,
            ..STOCK
        };
        assert_eq!(only(nothing), None);
        let some_ahead = Stock {
            speculative: 3,
            ..nothing
        };
        assert_eq!(only(some_ahead), Some(PageQueue::Speculative));
    }

    #[test]
    fn much_read_ahead_goes_first() {
        let much = Stock {
            speculative: 8000 / SPECULATIVE_DIVISOR + 1,
            ..STOCK
        };
        assert_eq!(choose(&much), Some(PageQueue::Speculative));
    }
}
