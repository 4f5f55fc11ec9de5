//! Counts of contended acquisitions, by rank.
//!
//! Counted only where a lock was not free at the first try, so the common path pays nothing. Acquisitions are counted
//! in builds with debug assertions. Figures for reports and tests, never for decisions.

use core::sync::atomic::{AtomicU64, Ordering};

use super::Rank;

static CONTENDED: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];
static ACQUIRED: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];

/// What is known about the locks of one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankStatistics {
    /// The rank.
    pub rank: Rank,
    /// Acquisitions, counted with debug assertions on.
    pub acquired: u64,
    /// Acquisitions that found the lock taken.
    pub contended: u64,
}

/// The figures of every rank in the table's order.
pub fn snapshot() -> impl Iterator<Item = RankStatistics> {
    super::rank::TABLE.iter().map(|row| RankStatistics {
        rank: row.0,
        acquired: ACQUIRED[row.0 as usize].load(Ordering::Relaxed),
        contended: CONTENDED[row.0 as usize].load(Ordering::Relaxed),
    })
}

pub(super) fn contended(rank: Rank) {
    CONTENDED[rank as usize].fetch_add(1, Ordering::Relaxed);
}

pub(super) fn acquired(rank: Rank) {
    ACQUIRED[rank as usize].fetch_add(1, Ordering::Relaxed);
}
