//! A thread that waits for a message: [`Waiter`], kept in its [`ThreadIpc`].
//!
//! The waiter is on one list at a time, a port's or a set's. Whoever takes it off the list fills its
//! slot *before* letting go of that list's lock, so a waiter that finds itself off the list finds its
//! outcome too. The wake-up comes afterwards and may come late: then it meets the thread's next wait,
//! which goes on waiting.
//!
//! XNU's counterpart: `ith_kmsg`, `ith_state`, `ith_msize`, `ith_seqno` of a thread.

use crate::ipc_kmsg::Kmsg;
use crate::ipc_port::PortState;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use mach::{KernReturn, PortName};
use prim::lock::{Rank, SpinLock};
use prim::thread::Handoff;
use prim::wait::WaitQueue;

/// What a thread needs to wait for messages; one per thread, made with it.
pub struct ThreadIpc {
    pub(crate) waiter: Arc<Waiter>,
}

impl ThreadIpc {
    /// A new one.
    pub fn new() -> Self {
        Self {
            waiter: Arc::new(Waiter::new()),
        }
    }
}

impl Default for ThreadIpc {
    fn default() -> Self {
        Self::new()
    }
}

/// See the module.
pub(crate) struct Waiter {
    slot: SpinLock<Slot>,
    pub(super) queue: WaitQueue,
}

struct Slot {
    outcome: Option<Outcome>,
    capacity: Capacity,
}

/// What a receiver can take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Capacity {
    /// Bytes of message and trailer.
    pub(crate) bytes: usize,
    /// Bytes of the trailer it wants.
    pub(crate) trailer: usize,
    /// Leave a message that does not fit where it is.
    pub(crate) leave_large: bool,
}

impl Capacity {
    /// Anything fits.
    pub(crate) const UNLIMITED: Self = Self {
        bytes: usize::MAX,
        trailer: 0,
        leave_large: false,
    };

    /// Whether the message must be left where it is.
    pub(crate) fn refuses(&self, kmsg: &Kmsg) -> bool {
        self.leave_large && kmsg.wire_size() + self.trailer > self.bytes
    }
}

/// What came of a wait.
pub(super) enum Outcome {
    Message(Delivery),
    TooLarge(TooLarge),
    Gone(Gone),
}

/// A message with what its port adds on delivery.
pub(crate) struct Delivery {
    pub(crate) kmsg: Kmsg,
    pub(crate) sequence: u32,
    pub(crate) context: u64,
}

/// What a receiver learns of a message that it was too small for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLarge {
    /// Bytes of the message.
    pub(crate) size: u32,
    /// The receiver's name for the port it is queued on.
    pub(crate) name: PortName,
}

/// Why there will be no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gone {
    Died,
    Changed,
}

/// What a port adds to its next message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    pub(crate) sequence: u32,
    pub(crate) context: u64,
}

/// What became of an offered message.
pub(crate) enum Offer {
    Taken,
    TooLarge(Kmsg),
}

impl Waiter {
    const fn new() -> Self {
        let capacity = Capacity::UNLIMITED;
        Self {
            slot: SpinLock::new(
                Rank::Message,
                Slot {
                    outcome: None,
                    capacity,
                },
            ),
            queue: WaitQueue::new(),
        }
    }

    /// Makes the waiter ready to go on a list.
    pub(super) fn prepare(&self, capacity: Capacity) {
        let mut slot = self.slot.lock();
        debug_assert!(
            slot.outcome.is_none(),
            "a waiter waits for one thing at a time"
        );
        slot.capacity = capacity;
    }

    /// Fills the slot of a waiter that was just taken off its list. That list's lock is still held, so
    /// that a waiter which gives up finds either itself on the list or its slot full.
    pub(crate) fn offer(&self, kmsg: Kmsg, numbers: Numbers) -> Offer {
        let mut slot = self.slot.lock();
        if slot.capacity.refuses(&kmsg) {
            slot.outcome = Some(Outcome::TooLarge(too_large(&kmsg)));
            return Offer::TooLarge(kmsg);
        }
        let Numbers { sequence, context } = numbers;
        slot.outcome = Some(Outcome::Message(Delivery {
            kmsg,
            sequence,
            context,
        }));
        Offer::Taken
    }

    /// Tells a waiter that was just taken off its list that nothing will come, and wakes it.
    pub(crate) fn send_away(&self, gone: Gone) {
        self.slot.lock().outcome = Some(Outcome::Gone(gone));
        self.wake();
    }

    pub(super) fn wake(&self) {
        self.queue.wake_one();
    }

    /// Wakes, letting the caller choose when the thread runs.
    pub(super) fn wake_handing_off(&self) -> Option<Handoff> {
        self.queue.wake_one_handoff()
    }

    pub(super) fn take_outcome(&self) -> Option<Outcome> {
        self.slot.lock().outcome.take()
    }
}

/// Numbers a message that leaves its port.
pub(crate) fn deliver(kmsg: Kmsg, state: &mut PortState) -> Delivery {
    let sequence = state.sequence;
    state.sequence = sequence.wrapping_add(1);
    Delivery {
        kmsg,
        sequence,
        context: state.context,
    }
}

/// The description of a message that stays.
pub(super) fn too_large(kmsg: &Kmsg) -> TooLarge {
    let name = kmsg
        .destination_port()
        .map_or(PortName::NULL, |port| port.receiver_name());
    TooLarge {
        size: kmsg.wire_size() as u32,
        name,
    }
}

/// A list of waiting receivers, first come, first served. Guarded by the lock of its port or set.
pub(crate) struct Waiters(VecDeque<Arc<Waiter>>);

impl Waiters {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Whether [`Waiters::push`] needs no memory.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < self.0.capacity()
    }

    /// The capacity to ask for when there is no room.
    pub(crate) fn next_capacity(&self) -> usize {
        (self.0.capacity() * 2).max(4)
    }

    /// Moves into `bigger`; what comes back is freed without a lock.
    pub(crate) fn adopt(&mut self, bigger: VecDeque<Arc<Waiter>>) -> VecDeque<Arc<Waiter>> {
        adopt(&mut self.0, bigger)
    }

    pub(crate) fn push(&mut self, waiter: &Arc<Waiter>) {
        self.0.push_back(Arc::clone(waiter));
    }

    pub(crate) fn pop(&mut self) -> Option<Arc<Waiter>> {
        self.0.pop_front()
    }

    /// Whether the waiter is still on the list.
    pub(crate) fn contains(&self, waiter: &Arc<Waiter>) -> bool {
        self.0.iter().any(|other| Arc::ptr_eq(other, waiter))
    }

    /// Takes a waiter that gives up off the list; false if somebody was faster.
    pub(crate) fn remove(&mut self, waiter: &Arc<Waiter>) -> bool {
        let found = self.0.iter().position(|other| Arc::ptr_eq(other, waiter));
        found.and_then(|at| self.0.remove(at)).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An empty queue to grow into; no lock held.
pub(crate) fn bigger<T>(capacity: usize) -> Result<VecDeque<T>, KernReturn> {
    let mut queue = VecDeque::new();
    queue
        .try_reserve_exact(capacity)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    Ok(queue)
}

/// Moves the content of `queue` into `bigger` if that is larger; returns what is to be freed.
pub(crate) fn adopt<T>(queue: &mut VecDeque<T>, mut bigger: VecDeque<T>) -> VecDeque<T> {
    if bigger.capacity() > queue.capacity() {
        bigger.append(queue);
        core::mem::swap(queue, &mut bigger);
    }
    bigger
}
