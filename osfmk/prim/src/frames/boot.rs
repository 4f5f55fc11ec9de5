//! Setting up the page records from the memory map of the machine.
//!
//! The records and the residency buckets are carved out of the memory they describe, on the host as on the board.
//!
//! XNU counterpart: `vm_page_bootstrap`, `pmap_startup`.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use machine::page::{PAGE_SHIFT, PAGE_SIZE, round_page, trunc_page};
use machine::{FrameNumber, PhysAddr, address};

use super::record::{FrameState, PageRecord};
use super::{COUNTS, MAP, account, allocate, residency};

/// A range of physical addresses, `[start, end)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryRange {
    /// The first address.
    pub start: PhysAddr,
    /// The first address after it.
    pub end: PhysAddr,
}

/// The record array and what goes with it.
pub(super) struct FrameMap {
    base: u32,
    records: &'static [PageRecord],
    pub(super) buckets: &'static [AtomicU32],
    /// Frames of RAM; set once, at the end of [`install`].
    total: AtomicUsize,
}

impl FrameMap {
    pub(super) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    #[track_caller]
    pub(super) fn record(&self, frame: FrameNumber) -> &'static PageRecord {
        &self.records[frame.0.wrapping_sub(self.base) as usize]
    }

    pub(super) fn get(&self, frame: FrameNumber) -> Option<&'static PageRecord> {
        self.records.get(frame.0.wrapping_sub(self.base) as usize)
    }

    /// Every frame with a record, holes included.
    pub(super) fn frames(&self) -> impl Iterator<Item = FrameNumber> + use<> {
        (self.base..self.base + self.records.len() as u32).map(FrameNumber)
    }
}

/// Whether [`install`] was called.
pub fn is_installed() -> bool {
    MAP.get().is_some()
}

/// Sets up the records for all of `memory`; what does not lie in `reserved` becomes free. To be called once.
///
/// Ranges need not be sorted or aligned; a page that lies only partly in memory, or partly in a reserved range, is
/// not used. Panics when no place for the records is found: there is nothing to run in.
///
/// # Safety
/// `memory` is RAM that is mapped by the direct map and, outside of `reserved`, used by nobody.
#[doc(alias = "vm_page_bootstrap")]
pub unsafe fn install(memory: &[MemoryRange], reserved: &[MemoryRange]) {
    assert!(!is_installed(), "frames are installed once");
    let first = memory
        .iter()
        .map(|range| round_page(range.start.0))
        .min()
        .expect("there is memory");
    let end = memory
        .iter()
        .map(|range| trunc_page(range.end.0))
        .max()
        .expect("there is memory");
    let count = ((end - first) >> PAGE_SHIFT) as usize;
    let buckets = count.next_power_of_two();
    let bytes = count * size_of::<PageRecord>() + buckets * size_of::<AtomicU32>();
    let place = find_place(memory, reserved, bytes as u64).expect("memory for the page records");
    // SAFETY: the place lies in unused RAM (the caller's promise), is page-aligned and large enough for both arrays,
    // and is marked reserved below, so nobody else gets it.
    let (records, buckets) = unsafe {
        let records = address::phys_to_virt(place.start).0 as *mut MaybeUninit<PageRecord>;
        let bucket_place = records.add(count).cast::<MaybeUninit<AtomicU32>>();
        (
            fill(records, count, PageRecord::new),
            fill(bucket_place, buckets, residency::empty_bucket),
        )
    };
    let base = (first >> PAGE_SHIFT) as u32;
    let map = MAP.call_once(|| FrameMap {
        base,
        records,
        buckets,
        total: AtomicUsize::new(0),
    });
    mark(map, memory, FrameState::Owned, Rounding::Inwards);
    mark(map, reserved, FrameState::Reserved, Rounding::Outwards);
    mark(map, &[place], FrameState::Reserved, Rounding::Outwards);
    let usable = release_all(map);
    let reserved = COUNTS[FrameState::Reserved as usize].load(Ordering::Relaxed);
    map.total.store(usable + reserved, Ordering::Relaxed);
    allocate::set_targets(usable);
    super::zero_page::make();
}

/// Gives reserved memory back: the boot archive after it was unpacked. Only whole pages that are reserved are taken.
///
/// # Safety
/// Nobody uses the range any more.
pub unsafe fn release_reserved(range: MemoryRange) -> usize {
    let map = super::map();
    let mut released = 0;
    for number in
        (round_page(range.start.0) >> PAGE_SHIFT) as u32..(range.end.0 >> PAGE_SHIFT) as u32
    {
        let frame = FrameNumber(number);
        if map
            .get(frame)
            .is_some_and(|record| record.state() == FrameState::Reserved)
        {
            account(map.record(frame), FrameState::Owned);
            super::release_one(frame);
            released += 1;
        }
    }
    released
}

/// # Safety
/// `place` is unused memory for `count` values, aligned for them, forever ours.
unsafe fn fill<T>(place: *mut MaybeUninit<T>, count: usize, value: impl Fn() -> T) -> &'static [T] {
    for i in 0..count {
        // SAFETY: within the place, by the caller's promise.
        unsafe { (*place.add(i)).write(value()) };
    }
    // SAFETY: all values were just written; nobody else uses the memory.
    unsafe { core::slice::from_raw_parts(place.cast::<T>(), count) }
}

/// The first page-aligned run of `bytes` in `memory` that touches nothing reserved.
fn find_place(memory: &[MemoryRange], reserved: &[MemoryRange], bytes: u64) -> Option<MemoryRange> {
    memory.iter().find_map(|range| {
        let mut start = round_page(range.start.0);
        loop {
            let end = round_page(start + bytes);
            if end > trunc_page(range.end.0) {
                return None;
            }
            match reserved
                .iter()
                .find(|taken| taken.start.0 < end && start < taken.end.0)
            {
                Some(taken) => start = round_page(taken.end.0),
                None => {
                    return Some(MemoryRange {
                        start: PhysAddr(start),
                        end: PhysAddr(end),
                    });
                }
            }
        }
    })
}

#[derive(Clone, Copy)]
enum Rounding {
    Inwards,
    Outwards,
}

fn mark(map: &FrameMap, ranges: &[MemoryRange], state: FrameState, rounding: Rounding) {
    for range in ranges {
        let (start, end) = match rounding {
            Rounding::Inwards => (round_page(range.start.0), trunc_page(range.end.0)),
            Rounding::Outwards => (trunc_page(range.start.0), round_page(range.end.0)),
        };
        for number in (start >> PAGE_SHIFT)..(end >> PAGE_SHIFT) {
            if let Some(record) = map.get(FrameNumber(number as u32))
                && (record.state() != FrameState::Absent || matches!(rounding, Rounding::Inwards))
            {
                record.set_state_uncounted(state);
            }
        }
    }
}

/// Counts what was marked and frees what is usable; gives the number of usable frames.
fn release_all(map: &FrameMap) -> usize {
    let mut usable = 0;
    for frame in map.frames() {
        match map.record(frame).state() {
            FrameState::Owned => usable += 1,
            state => _ = COUNTS[state as usize].fetch_add(1, Ordering::Relaxed),
        }
    }
    let mut frames = map.frames().map(|frame| frame.0).peekable();
    while let Some(start) = frames.next() {
        if map.record(FrameNumber(start)).state() == FrameState::Owned {
            let mut end = start + 1;
            while frames
                .next_if(|next| map.record(FrameNumber(*next)).state() == FrameState::Owned)
                .is_some()
            {
                end += 1;
            }
            allocate::release_run_at_boot(start, end);
        }
    }
    usable
}

const _: () = assert!(PAGE_SIZE >= align_of::<PageRecord>());
