//! The simulated TLB: what it holds it keeps until a flush that was waited for.
//!
//! One instance stands for the TLBs of all CPUs together, since the kernel flushes by broadcast.
//! A flush becomes effective at the flushing thread's `sync`, as on hardware at its DSB.

use crate::address::{FrameNumber, PhysAddr};
use crate::descriptor::{self, Kind};
use crate::page::{PAGE_SHIFT, PAGE_SIZE, trunc_page};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, RwLock};

/// Whose translation it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Owner {
    /// nG was clear: valid in every address space.
    Global,
    /// Tagged with an ASID.
    Asid(u16),
}

/// A cached translation of one page.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The leaf descriptor as it was read.
    pub(crate) leaf: u64,
    /// The level the leaf stood at.
    pub(crate) level: u32,
    /// Address and value of every descriptor of the walk, the leaf last.
    pub(crate) path: Vec<(PhysAddr, u64)>,
}

/// A flush that has not been waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flush {
    All,
    Asid(u16),
    Range { asid: u16, start: u64, end: u64 },
    Kernel { start: u64, end: u64 },
}

type Key = (Owner, u64);

/// What is cached.
#[derive(Default)]
struct Cached {
    entries: HashMap<Key, Entry>,
    /// How many entries were walked through each descriptor: most descriptor writes touch none.
    walked: HashMap<PhysAddr, usize>,
    /// How many entries translate to each frame.
    reached: HashMap<FrameNumber, usize>,
}

static TLB: Mutex<Option<Cached>> = Mutex::new(None);

/// Held shared during an access, from its translation to its last byte, and alone by [`apply`]: a
/// DSB after TLBI waits for the accesses of all CPUs that used an old translation.
static IN_FLIGHT: RwLock<()> = RwLock::new(());

thread_local! {
    static PENDING: RefCell<Vec<Flush>> = const { RefCell::new(Vec::new()) };
}

fn lock() -> MutexGuard<'static, Option<Cached>> {
    // A failed assertion elsewhere must not hide behind a poisoned lock.
    TLB.lock().unwrap_or_else(|poison| poison.into_inner())
}

fn with<R>(body: impl FnOnce(&mut Cached) -> R) -> R {
    body(lock().get_or_insert_default())
}

/// Performs one access; no flush completes meanwhile.
pub(crate) fn access<R>(body: impl FnOnce() -> R) -> R {
    let _in_flight = IN_FLIGHT
        .read()
        .unwrap_or_else(|poison| poison.into_inner());
    body()
}

fn count_up<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K) {
    *counts.entry(key).or_default() += 1;
}

fn count_down<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

impl Cached {
    fn insert(&mut self, key: Key, entry: Entry) {
        self.remove(key);
        for &(at, _) in &entry.path {
            count_up(&mut self.walked, at);
        }
        count_up(&mut self.reached, frame_of(&entry, key.1));
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(&key) else {
            return;
        };
        for &(at, _) in &entry.path {
            count_down(&mut self.walked, at);
        }
        count_down(&mut self.reached, frame_of(&entry, key.1));
    }
}

/// The cached translation of the page of `address`.
pub(crate) fn find(asid: u16, address: u64) -> Option<Entry> {
    let page = trunc_page(address);
    with(|cached| {
        let entries = &cached.entries;
        let own = entries.get(&(Owner::Asid(asid), page));
        own.or_else(|| entries.get(&(Owner::Global, page))).cloned()
    })
}

/// Caches a translation.
pub(crate) fn insert(owner: Owner, address: u64, entry: Entry) {
    with(|cached| cached.insert((owner, trunc_page(address)), entry));
}

/// Queues a flush until [`apply`].
pub(crate) fn queue(flush: Flush) {
    PENDING.with(|pending| pending.borrow_mut().push(flush));
}

/// Makes this thread's queued flushes effective.
pub(crate) fn apply() {
    let flushes = PENDING.with(RefCell::take);
    if flushes.is_empty() {
        return;
    }
    let _alone = IN_FLIGHT
        .write()
        .unwrap_or_else(|poison| poison.into_inner());
    with(|cached| flushes.iter().for_each(|flush| apply_one(cached, flush)));
}

fn apply_one(cached: &mut Cached, flush: &Flush) {
    let gone: Vec<Key> = match *flush {
        // The usual flush is of few pages: no need to look at every entry.
        Flush::Range { asid, start, end } if (end - start) as usize <= 16 * PAGE_SIZE => (start
            ..end)
            .step_by(PAGE_SIZE)
            .flat_map(|page| [(Owner::Asid(asid), page), (Owner::Global, page)])
            .collect(),
        _ => {
            let keys = cached.entries.keys();
            keys.filter(|key| hits(flush, key)).copied().collect()
        }
    };
    gone.into_iter().for_each(|key| cached.remove(key));
}

fn hits(flush: &Flush, &(owner, page): &Key) -> bool {
    match *flush {
        Flush::All => true,
        Flush::Asid(asid) => owner == Owner::Asid(asid),
        Flush::Range { asid, start, end } => {
            (owner == Owner::Asid(asid) || owner == Owner::Global) && start <= page && page < end
        }
        Flush::Kernel { start, end } => start <= page && page < end,
    }
}

/// Panics unless `new` may be written over `old` at `at`.
///
/// Arm ARM D8.16.1: a valid descriptor's output address, type and memory attributes change only by
/// way of an invalid one and a flush.
pub(crate) fn check_write(at: PhysAddr, old: u64, new: u64) {
    if new & descriptor::VALID == 0 {
        return;
    }
    if old & descriptor::VALID != 0 {
        assert!(
            compatible(old, new),
            "break-before-make: {old:#x} became {new:#x} at {at:?}"
        );
    }
    let stale = with(|cached| {
        if !cached.walked.contains_key(&at) {
            return None;
        }
        cached
            .entries
            .iter()
            .find(|(_, entry)| {
                entry
                    .path
                    .iter()
                    .any(|&(p, v)| p == at && !compatible(v, new))
            })
            .map(|(key, _)| *key)
    });
    if let Some((owner, page)) = stale {
        panic!(
            "{new:#x} made valid at {at:?} while the TLB still holds what stood there: \
             {owner:?} page {page:#x}"
        );
    }
}

/// Whether two valid descriptors differ only in what may change in place: permissions, access
/// flag, dirty and software bits.
fn compatible(old: u64, new: u64) -> bool {
    let fixed = descriptor::ADDRESS_MASK
        | descriptor::TYPE_MASK
        | descriptor::ATTR_MASK
        | descriptor::SHARE_MASK
        | descriptor::NOT_GLOBAL
        | descriptor::CONTIGUOUS;
    (old ^ new) & fixed == 0
}

/// A translation that still reaches `frame`, if any: address space and page.
#[must_use]
pub fn reaches(frame: FrameNumber) -> Option<(Option<u16>, u64)> {
    with(|cached| {
        if !cached.reached.contains_key(&frame) {
            return None;
        }
        let mut entries = cached.entries.iter();
        let ((owner, page), _) =
            entries.find(|((_, page), entry)| frame_of(entry, *page) == frame)?;
        match owner {
            Owner::Global => Some((None, *page)),
            Owner::Asid(asid) => Some((Some(*asid), *page)),
        }
    })
}

/// Whether any cached walk went through a table in `frame`: freeing such a table is an error.
#[must_use]
pub fn walked_through(frame: FrameNumber) -> bool {
    with(|cached| cached.walked.keys().any(|at| at.frame() == frame))
}

/// How many translations are cached for `asid`.
#[must_use]
pub fn count(asid: u16) -> usize {
    with(|cached| {
        let keys = cached.entries.keys();
        keys.filter(|key| key.0 == Owner::Asid(asid)).count()
    })
}

/// The frame that `entry` gives for `page`.
pub(crate) fn frame_of(entry: &Entry, page: u64) -> FrameNumber {
    debug_assert_eq!(descriptor::kind(entry.leaf, entry.level), Kind::Leaf);
    let within = page & ((1 << descriptor::level_shift(entry.level)) - 1);
    let address = descriptor::output(entry.leaf, entry.level) + within;
    FrameNumber((address >> PAGE_SHIFT) as u32)
}
