//! Zones: counted kinds of kernel objects.
//!
//! A [`Zone`] is a static that names a kind of object; an object holds an [`Admission`] from it for as long as it
//! lives. Admission is where a program's demand meets the kernel's memory: it fails when the zone is at its limit or
//! when the frames left could not carry the allocation that follows, so that `Arc::new` after a successful admission
//! does not fail for anything a program did. `zones` lists all for `zprint`.
//!
//! ```
//! # use prim::zone::{Admission, ResourceShortage, Zone};
//! static PORTS: Zone = Zone::new("ipc ports", size_of::<Port>());
//! struct Port { _admission: Admission }
//! fn port() -> Result<Port, ResourceShortage> { Ok(Port { _admission: PORTS.admit()? }) }
//! ```
//!
//! What this does not do: place the objects; they come from the kernel heap (`heap` on the board).
//!
//! XNU counterpart: `zalloc`, `zone_t`, `zone_create`; `mach_zone_info`.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use machine::PAGE_SIZE;

use crate::frames::{self, Reserve};
use crate::lock::{Rank, SpinLock};
use crate::thread::injection::{self, Site};

/// A kind of kernel object.
#[doc(alias = "zone_t")]
pub struct Zone {
    name: &'static str,
    element_size: usize,
    limit: AtomicUsize,
    in_use: AtomicUsize,
    peak: AtomicUsize,
    total: AtomicU64,
    failures: AtomicU64,
    registered: AtomicBool,
    next: spin::Once<Option<&'static Zone>>,
}

/// The right of one object to exist; counted back when dropped.
#[doc(alias = "zfree")]
#[must_use = "the object keeps its admission"]
pub struct Admission {
    zone: &'static Zone,
}

/// There is no room for the object: the zone's limit, or memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResourceShortage {
    /// The zone holds as many as it may.
    ZoneFull,
    /// Too few frames are free.
    OutOfMemory,
}

/// The list of zones that were used at least once, latest first.
static ZONES: SpinLock<Option<&'static Zone>> = SpinLock::new(Rank::Zones, None);

impl Zone {
    /// A zone without a limit. `element_size` is what one object costs in the heap.
    #[doc(alias = "zone_create")]
    pub const fn new(name: &'static str, element_size: usize) -> Self {
        Self::with_limit(name, element_size, usize::MAX)
    }

    /// A zone of at most `limit` objects.
    pub const fn with_limit(name: &'static str, element_size: usize, limit: usize) -> Self {
        Self {
            name,
            element_size,
            limit: AtomicUsize::new(limit),
            in_use: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            total: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            registered: AtomicBool::new(false),
            next: spin::Once::new(),
        }
    }

    /// Admits one more object.
    #[doc(alias = "zalloc")]
    pub fn admit(&'static self) -> Result<Admission, ResourceShortage> {
        self.admit_from(Reserve::Normal)
    }

    /// Admits one more object for work of this reserve class.
    #[doc(alias = "zalloc_flags")]
    pub fn admit_from(&'static self, reserve: Reserve) -> Result<Admission, ResourceShortage> {
        self.admit_sized(self.element_size, reserve)
    }

    /// Admits one more object that costs `bytes`, for kinds whose objects differ in size.
    pub fn admit_sized(
        &'static self,
        bytes: usize,
        reserve: Reserve,
    ) -> Result<Admission, ResourceShortage> {
        self.register();
        let outcome = self.try_admit(bytes, reserve);
        if outcome.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    fn try_admit(
        &'static self,
        bytes: usize,
        reserve: Reserve,
    ) -> Result<Admission, ResourceShortage> {
        if injection::strikes(Site::Zones) || !has_memory(bytes, reserve) {
            return Err(ResourceShortage::OutOfMemory);
        }
        let limit = self.limit.load(Ordering::Relaxed);
        let more = |used: usize| (used < limit).then(|| used + 1);
        let before = self
            .in_use
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, more)
            .map_err(|_| ResourceShortage::ZoneFull)?;
        self.peak.fetch_max(before + 1, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
        Ok(Admission { zone: self })
    }

    fn register(&'static self) {
        if self.registered.load(Ordering::Relaxed) || self.registered.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut head = ZONES.lock();
        self.next.call_once(|| *head);
        *head = Some(self);
    }

    /// Changes the limit; objects above it stay.
    #[doc(alias = "zone_set_exhaustible")]
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Objects that live now.
    pub fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Acquire)
    }

    /// The zone's figures at about this moment.
    #[doc(alias = "zone_info")]
    pub fn statistics(&self) -> ZoneStatistics {
        ZoneStatistics {
            name: self.name,
            element_size: self.element_size,
            limit: self.limit.load(Ordering::Relaxed),
            in_use: self.in_use(),
            peak: self.peak.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.zone.in_use.fetch_sub(1, Ordering::AcqRel);
    }
}

impl core::fmt::Debug for Admission {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Admission({:?})", self.zone.name)
    }
}

/// Figures of a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "mach_zone_info_t")]
pub struct ZoneStatistics {
    /// Its name.
    pub name: &'static str,
    /// Bytes of one object.
    pub element_size: usize,
    /// Most objects at a time; `usize::MAX` for no limit.
    pub limit: usize,
    /// Objects that live now.
    pub in_use: usize,
    /// Most objects that ever lived at a time.
    pub peak: usize,
    /// Objects admitted since start.
    pub total: u64,
    /// Admissions refused since start.
    pub failures: u64,
}

/// Every zone that was used at least once.
#[doc(alias = "mach_zone_info")]
pub fn zones() -> impl Iterator<Item = &'static Zone> {
    let mut next = *ZONES.lock();
    core::iter::from_fn(move || {
        let zone = next?;
        next = zone.next.get().copied().flatten();
        Some(zone)
    })
}

/// Whether an allocation of `bytes` is safe: the frames it could take at worst are free, above the floor of `reserve`.
fn has_memory(bytes: usize, reserve: Reserve) -> bool {
    !frames::is_installed() || frames::has_room(bytes.div_ceil(PAGE_SIZE), reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_counts_until_it_is_dropped() {
        static ZONE: Zone = Zone::with_limit("test: counted", 64, 2);
        let first = ZONE.admit().unwrap();
        let second = ZONE.admit().unwrap();
        assert_eq!(ZONE.admit().unwrap_err(), ResourceShortage::ZoneFull);
        drop(first);
        let third = ZONE.admit().unwrap();
        let figures = ZONE.statistics();
        assert_eq!(
            (
                figures.in_use,
                figures.peak,
                figures.total,
                figures.failures
            ),
            (2, 2, 3, 1)
        );
        drop((second, third));
        assert_eq!(ZONE.in_use(), 0);
        assert!(zones().any(|zone| core::ptr::eq(zone, &ZONE)));
    }

    #[test]
    fn the_planned_admission_fails_and_no_other() {
        static ZONE: Zone = Zone::new("test: planned failure", 64);
        injection::fail_nth(Site::Zones, 3);
        let outcomes: [bool; 5] = core::array::from_fn(|_| ZONE.admit().is_ok());
        assert_eq!(outcomes, [true, true, false, true, true]);
    }

    #[test]
    fn counts_are_exact_when_many_threads_admit() {
        static ZONE: Zone = Zone::with_limit("test: many threads", 64, 50);
        let threads: alloc::vec::Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    for _ in 0..5_000 {
                        let some: alloc::vec::Vec<_> =
                            (0..20).filter_map(|_| ZONE.admit().ok()).collect();
                        assert!(ZONE.in_use() <= 50);
                        drop(some);
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(ZONE.in_use(), 0);
    }
}
