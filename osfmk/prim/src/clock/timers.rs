//! The callout queue: one binary heap of everything that waits for a moment.
//!
//! Arming and disarming never allocate: room in the heap is made when a timer is *created* ([`Slot`]). The heap's
//! entries know their place in it, so disarming is O(log n). What has expired runs on the callout thread with no lock
//! held; the timer interrupt only wakes that thread. It is woken by [`interrupt`] on the board, on the host it parks
//! until the earliest deadline.
//!
//! XNU counterpart: `timer_queue_expire`, `thread_call_enter_delayed`, `thread_call_cancel`.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{Deadline, Instant64, now};
use crate::lock::{Rank, SpinLock};
use crate::thread::{self, Priority, SpawnError, Thread};
use crate::wait;

/// A function called on the callout thread when its deadline passes. It may take locks and block for a short time;
/// long work belongs to a thread of its own.
#[doc(alias = "thread_call_t")]
pub struct Callout {
    node: Arc<Node>,
}

impl Callout {
    /// A callout that is not armed.
    #[doc(alias = "thread_call_allocate")]
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Result<Self, SpawnError> {
        start_callout_thread()?;
        let slot = Slot::reserve()?;
        Ok(Self {
            node: Node::new(Target::Call(Box::new(call)), slot),
        })
    }

    /// Arms the callout, or moves its deadline. It runs once.
    #[doc(alias = "thread_call_enter_delayed")]
    pub fn arm(&self, deadline: Deadline) {
        arm(&self.node, deadline, 0);
    }

    /// Disarms; `false` if it was not armed, because it ran, runs, or never was.
    #[doc(alias = "thread_call_cancel")]
    pub fn disarm(&self) -> bool {
        disarm(&self.node)
    }

    /// Whether it will run.
    pub fn is_armed(&self) -> bool {
        self.node.place.load(Ordering::Acquire) != NOWHERE
    }
}

impl Drop for Callout {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// The timer of a thread's waits.
pub(crate) struct ThreadTimer {
    node: Arc<Node>,
}

impl ThreadTimer {
    pub(crate) fn new(thread: Weak<Thread>, slot: Slot) -> Self {
        Self {
            node: Node::new(Target::Wait(thread), slot),
        }
    }

    /// Ends wait number `generation` of the thread at `deadline`.
    pub(crate) fn arm(&self, deadline: Deadline, generation: u64) -> bool {
        if start_callout_thread().is_err() {
            return false;
        }
        arm(&self.node, deadline, generation);
        true
    }

    pub(crate) fn disarm(&self) {
        disarm(&self.node);
    }
}

enum Target {
    Wait(Weak<Thread>),
    Call(Box<dyn Fn() + Send + Sync>),
}

/// One timer. `place` and the heap are guarded by the heap's lock.
struct Node {
    target: Target,
    place: AtomicUsize,
    _slot: Slot,
}

const NOWHERE: usize = usize::MAX;

impl Node {
    fn new(target: Target, slot: Slot) -> Arc<Self> {
        Arc::new(Self {
            target,
            place: AtomicUsize::new(NOWHERE),
            _slot: slot,
        })
    }

    fn expire(&self, generation: u64) {
        match &self.target {
            Target::Call(call) => call(),
            Target::Wait(thread) => {
                if let Some(thread) = thread.upgrade() {
                    wait::time_out(&thread, generation);
                }
            }
        }
    }
}

struct Entry {
    deadline: Instant64,
    /// The thread's wait that is meant: the timer may be armed for its next wait while this one expires.
    generation: u64,
    node: Arc<Node>,
}

/// A binary min-heap by deadline.
struct Heap {
    entries: Vec<Entry>,
    /// Timers that exist, each with room in `entries`.
    timers: usize,
}

static HEAP: SpinLock<Heap> = SpinLock::new(
    Rank::Timers,
    Heap {
        entries: Vec::new(),
        timers: 0,
    },
);
/// The earliest deadline, for interrupt handlers; `u64::MAX` for none. Written under the heap's lock.
static EARLIEST: AtomicU64 = AtomicU64::new(u64::MAX);

/// Room for one timer in the heap.
pub(crate) struct Slot(());

impl Slot {
    /// Makes room. The heap grows outside of its lock, because growing allocates.
    pub(crate) fn reserve() -> Result<Self, SpawnError> {
        let mut spare = Vec::new();
        loop {
            let mut heap = HEAP.lock();
            if heap.timers < heap.entries.capacity() {
                heap.timers += 1;
                return Ok(Self(()));
            }
            let wanted = (2 * heap.timers).max(64);
            if spare.capacity() >= wanted {
                spare.append(&mut heap.entries);
                core::mem::swap(&mut spare, &mut heap.entries);
                heap.timers += 1;
                drop(heap);
                drop(spare);
                return Ok(Self(()));
            }
            drop(heap);
            spare = Vec::new();
            spare
                .try_reserve_exact(wanted)
                .map_err(|_| SpawnError::NoMemory)?;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        HEAP.lock().timers -= 1;
    }
}

impl Heap {
    fn swap(&mut self, a: usize, b: usize) {
        self.entries.swap(a, b);
        self.entries[a].node.place.store(a, Ordering::Release);
        self.entries[b].node.place.store(b, Ordering::Release);
    }

    fn push(&mut self, entry: Entry) {
        debug_assert!(
            self.entries.len() < self.entries.capacity(),
            "room was made when the timer was created"
        );
        entry
            .node
            .place
            .store(self.entries.len(), Ordering::Release);
        self.entries.push(entry);
        self.rise(self.entries.len() - 1);
        self.note_earliest();
    }

    fn remove(&mut self, at: usize) -> Option<Entry> {
        let last = self.entries.pop()?;
        let gone = if at == self.entries.len() {
            last
        } else {
            last.node.place.store(at, Ordering::Release);
            let gone = core::mem::replace(&mut self.entries[at], last);
            self.rise(at);
            self.sink(at);
            gone
        };
        gone.node.place.store(NOWHERE, Ordering::Release);
        self.note_earliest();
        Some(gone)
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.entries[at].deadline < self.entries[(at - 1) / 2].deadline {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let children = 2 * at + 1..(2 * at + 3).min(self.entries.len());
            let Some(least) = children.min_by_key(|child| self.entries[*child].deadline) else {
                return;
            };
            if self.entries[at].deadline <= self.entries[least].deadline {
                return;
            }
            self.swap(at, least);
            at = least;
        }
    }

    fn note_earliest(&self) {
        let earliest = self
            .entries
            .first()
            .map_or(u64::MAX, |entry| entry.deadline.0);
        EARLIEST.store(earliest, Ordering::Release);
    }

    fn pop_expired(&mut self, now: Instant64) -> Option<Entry> {
        let first = self.entries.first()?;
        if first.deadline > now {
            None
        } else {
            self.remove(0)
        }
    }

    fn validate(&self) {
        for (at, entry) in self.entries.iter().enumerate() {
            assert_eq!(
                entry.node.place.load(Ordering::Relaxed),
                at,
                "a timer knows its place"
            );
            assert!(
                at == 0 || self.entries[(at - 1) / 2].deadline <= entry.deadline,
                "heap order"
            );
        }
        assert!(self.timers <= self.entries.capacity() && self.entries.len() <= self.timers);
    }
}

fn arm(node: &Arc<Node>, deadline: Deadline, generation: u64) {
    let node = node.clone();
    let mut heap = HEAP.lock();
    let place = node.place.load(Ordering::Acquire);
    let before = if place == NOWHERE {
        None
    } else {
        heap.remove(place)
    };
    let earliest = EARLIEST.load(Ordering::Acquire);
    heap.push(Entry {
        deadline: deadline.0,
        generation,
        node,
    });
    drop(heap);
    drop(before);
    if deadline.0.0 < earliest {
        announce(deadline.0);
    }
}

fn disarm(node: &Node) -> bool {
    if node.place.load(Ordering::Acquire) == NOWHERE {
        return false;
    }
    let mut heap = HEAP.lock();
    let place = node.place.load(Ordering::Acquire);
    let gone = if place == NOWHERE {
        None
    } else {
        heap.remove(place)
    };
    drop(heap);
    gone.is_some()
}

/// Checks the callout queue; for tests.
#[doc(hidden)]
pub fn validate() {
    HEAP.lock().validate();
}

static CALLOUT_THREAD: spin::Once<Arc<Thread>> = spin::Once::new();

/// Starts the callout thread unless it runs.
pub(crate) fn start_callout_thread() -> Result<(), SpawnError> {
    if CALLOUT_THREAD.get().is_some() {
        return Ok(());
    }
    CALLOUT_THREAD
        .try_call_once(|| thread::spawn_kernel("callout", Priority::CALLOUT, serve))
        .map(|_| ())
}

/// The callout thread.
#[doc(alias = "thread_call_thread")]
fn serve() {
    loop {
        let expired = HEAP.lock().pop_expired(now());
        match expired {
            Some(entry) => entry.node.expire(entry.generation),
            None => thread::park_until(Instant64(EARLIEST.load(Ordering::Acquire))),
        }
    }
}

/// A new earliest deadline: the board programs the timer, the host's callout thread looks again.
fn announce(deadline: Instant64) {
    if cfg!(target_os = "none") {
        thread::program_timer(deadline);
    } else if let Some(thread) = CALLOUT_THREAD.get() {
        thread::unpark(thread);
    }
}

/// The timer interrupt's part: wakes the callout thread if something has expired; otherwise gives the deadline that
/// the processor is responsible for from now on, `u64::MAX` for none. (What it was set for may have been disarmed.)
#[doc(alias = "timer_intr")]
#[cfg(target_os = "none")]
pub(crate) fn interrupt() -> u64 {
    let earliest = EARLIEST.load(Ordering::Acquire);
    if earliest > now().0 {
        return earliest;
    }
    if let Some(thread) = CALLOUT_THREAD.get() {
        // It makes a processor responsible for what comes after.
        thread::unpark(thread);
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    fn node() -> Arc<Node> {
        Node::new(Target::Call(Box::new(|| ())), Slot(()))
    }

    #[test]
    fn heap_agrees_with_a_sorted_map_under_random_arming_and_disarming() {
        let nodes: Vec<_> = (0..64).map(|_| node()).collect();
        let mut heap = Heap {
            entries: Vec::with_capacity(64),
            timers: 64,
        };
        let mut model: BTreeMap<(u64, usize), ()> = BTreeMap::new();
        let mut armed = [None; 64];
        let mut seed = 7u64;
        for step in 0..20_000 {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let which = (seed >> 33) as usize % 64;
            match (armed[which], (seed >> 20) % 4) {
                (None, _) => {
                    let deadline = (seed >> 40) % 1000;
                    heap.push(Entry {
                        deadline: Instant64(deadline),
                        generation: 0,
                        node: nodes[which].clone(),
                    });
                    armed[which] = Some(deadline);
                    model.insert((deadline, which), ());
                }
                (Some(deadline), 0 | 1) => {
                    let place = nodes[which].place.load(Ordering::Relaxed);
                    assert!(heap.remove(place).is_some());
                    armed[which] = None;
                    model.remove(&(deadline, which));
                }
                _ => {
                    let first = model.first_key_value().map(|(key, ())| key.0);
                    if let Some(entry) = heap.pop_expired(Instant64(500)) {
                        assert_eq!(Some(entry.deadline.0), first);
                        let which = nodes
                            .iter()
                            .position(|node| Arc::ptr_eq(node, &entry.node))
                            .unwrap();
                        model.remove(&(entry.deadline.0, which));
                        armed[which] = None;
                    } else {
                        assert!(first.is_none_or(|first| first > 500));
                    }
                }
            }
            if step % 64 == 0 {
                heap.validate();
            }
        }
        heap.validate();
        drop(heap);
        // The slots in these nodes were never reserved.
        nodes.into_iter().for_each(core::mem::forget);
    }
}
