//! When memory cannot be had: the decision that a process must go, and that waiting for memory is in vain.
//!
//! Page-out frees something nearly always: the code that programs are running, only for it to be read again the next
//! moment. So what it frees says little. What counts is whether anonymous pages have a way out ([`WayOut`]), and, where they
//! have none, how much is left to run programs from: free frames and pages of files, together at least a
//! [`CRITICAL_DIVISOR`]th of memory. Less than that, and a process must go at once. Besides, one must go when ordinary requests
//! fail and nothing at all has come back for a while.
//!
//! Whoever waits for memory waits as long as somebody can go; when nobody can, page-out [`surrender`]s, and requests fail.
//!
//! XNU counterpart: `memorystatus_available_pages_critical`, `memorystatus_kill_on_VM_page_shortage`.

use core::sync::atomic::{AtomicU64, Ordering};

use prim::frames;

use super::{laundry, scan};
use crate::memory_object::default_pager_is_expected;
use crate::ticks;

/// Where anonymous pages have no way out, programs need this part of memory to run from.
const CRITICAL_DIVISOR: usize = 20;

/// Nanoseconds without anything coming back after which a process must go: nothing is on its way ...
const QUIET_LIMIT: u64 = 1_000_000_000;

/// ... or something is, and its pager is silent.
pub(super) const SILENT_PAGER_LIMIT: u64 = 30_000_000_000;

/// A machine that stood still for that long has not looked: there must have been so many scans, too.
const LEAST_SCANS: u32 = 5;

/// The least time between two surrenders.
const SURRENDER_NANOSECONDS: u64 = 1_000_000_000;

/// What becomes of anonymous pages that are to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WayOut {
    /// A pager takes them.
    Open,
    /// None is there, or it refuses them, or does not answer.
    Closed,
    /// A pager is being started again.
    Expected,
}

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
struct Sight {
    way_out: WayOut,
    /// Free frames and pages of files.
    available: usize,
    memory: usize,
    /// Ordinary requests for memory fail now.
    requests_fail: bool,
    /// Pages are with pagers.
    pending: bool,
    /// Nanoseconds since something came back.
    quiet: u64,
    /// Scans since then.
    scans: u32,
}

/// Must a process go?
fn must_somebody_go(sight: &Sight) -> bool {
    let limit = if sight.pending {
        SILENT_PAGER_LIMIT
    } else {
        QUIET_LIMIT
    };
    match sight.way_out {
        WayOut::Expected => false,
        WayOut::Closed if sight.available < sight.memory / CRITICAL_DIVISOR => true,
        WayOut::Closed | WayOut::Open => {
            sight.requests_fail && sight.quiet > limit && sight.scans >= LEAST_SCANS
        }
    }
}

/// Watches one shortage from its beginning to its end.
pub(super) struct Watch {
    /// When something came back last (clock ticks).
    good_at: u64,
    /// Loads that had ended then.
    ended: u64,
    /// Scans since then.
    scans: u32,
}

impl Watch {
    pub(super) fn begin() -> Watch {
        Watch {
            good_at: ticks::now(),
            ended: laundry::progress(),
            scans: 0,
        }
    }

    /// So many frames have come back by a scan, or help is on its way.
    pub(super) fn note(&mut self, freed: usize) {
        let ended = laundry::progress();
        self.scans = self.scans.saturating_add(1);
        if freed > 0 || ended != self.ended {
            self.good_at = ticks::now();
            self.ended = ended;
            self.scans = 0;
        }
    }

    /// Must a process go now?
    pub(super) fn must_somebody_go(&self) -> bool {
        let free = frames::available();
        must_somebody_go(&Sight {
            way_out: way_out(),
            available: free + scan::file_cache(),
            memory: frames::total(),
            requests_fail: free <= frames::targets().normal,
            pending: laundry::outstanding() > 0,
            quiet: ticks::nanoseconds_since(self.good_at),
            scans: self.scans,
        })
    }
}

fn way_out() -> WayOut {
    if default_pager_is_expected() {
        WayOut::Expected
    } else if scan::somebody_takes_anonymous_pages() && laundry::default_pager_works() {
        WayOut::Open
    } else {
        WayOut::Closed
    }
}

static SURRENDERS: AtomicU64 = AtomicU64::new(0);
static SURRENDERED_AT: AtomicU64 = AtomicU64::new(0);

/// How often it was clear that waiting for memory is in vain: whoever has seen several of them while waiting gives up.
pub(crate) fn surrenders() -> u64 {
    SURRENDERS.load(Ordering::Relaxed)
}

/// Nobody can go.
pub(super) fn surrender() {
    let since = ticks::nanoseconds_since(SURRENDERED_AT.load(Ordering::Relaxed));
    if since >= SURRENDER_NANOSECONDS {
        SURRENDERED_AT.store(ticks::now(), Ordering::Relaxed);
        SURRENDERS.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Sight = Sight {
        way_out: WayOut::Open,
        available: 1000,
        memory: 8000,
        requests_fail: false,
        pending: false,
        quiet: 0,
        scans: LEAST_SCANS,
    };

    #[test]
    fn code_that_is_read_again_and_again_is_no_reason_to_wait() {
        let thrashing = Sight {
            way_out: WayOut::Closed,
            available: 8000 / CRITICAL_DIVISOR - 1,
            ..PLENTY
        };
        assert!(must_somebody_go(&thrashing));
        let has_swap = Sight {
            way_out: WayOut::Open,
            ..thrashing
        };
        assert!(!must_somebody_go(&has_swap), "anonymous pages make room");
    }

    #[test]
    fn nobody_goes_while_files_can_give_way() {
        let no_swap = Sight {
            way_out: WayOut::Closed,
            ..PLENTY
        };
        assert!(!must_somebody_go(&no_swap));
    }

    #[test]
    fn nobody_goes_while_a_successor_is_expected() {
        let orphaned = Sight {
            way_out: WayOut::Expected,
            available: 0,
            requests_fail: true,
            quiet: u64::MAX,
            ..PLENTY
        };
        assert!(!must_somebody_go(&orphaned));
    }

    #[test]
    fn a_pager_that_works_has_more_time_than_one_that_has_nothing_to_do() {
        let quiet = Sight {
            requests_fail: true,
            quiet: QUIET_LIMIT + 1,
            ..PLENTY
        };
        assert!(must_somebody_go(&quiet));
        let pending = Sight {
            pending: true,
            ..quiet
        };
        assert!(!must_somebody_go(&pending));
        let silent = Sight {
            quiet: SILENT_PAGER_LIMIT + 1,
            ..pending
        };
        assert!(must_somebody_go(&silent));
        let enough = Sight {
            requests_fail: false,
            ..silent
        };
        assert!(!must_somebody_go(&enough), "nobody waits for memory");
        let stood_still = Sight { scans: 0, ..silent };
        assert!(!must_somebody_go(&stood_still), "nobody has looked");
    }
}
