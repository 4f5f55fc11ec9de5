//! Receiving: [`receive`] from a port or a set.
//!
//! A receiver takes the oldest message of its port. From a set it takes the oldest message of the port
//! that has been ready longest; a port with more messages then goes to the end of the ready list, so
//! that no member starves another.
//!
//! XNU's counterpart: `ipc_mqueue_receive`, `ipc_mqueue_receive_on_thread_and_unlock`.

use super::waiter::{self, Capacity, Delivery, Gone, Outcome, ThreadIpc, Waiters};
use super::{Patience, ReceiveError, serve};
use crate::ipc_port::{Port, PortState, request};
use crate::ipc_pset::{NextReady, PortSet};
use alloc::sync::Arc;
use prim::lock::{SpinLock, SpinLockGuard};
use prim::thread::Handoff;
use prim::wait::{Interruptible, Wait, WaitResult};

/// Where to receive from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Port(Arc<Port>),
    Set(Arc<PortSet>),
}

/// How to receive.
pub(crate) struct Manner<'a> {
    pub(crate) capacity: Capacity,
    pub(crate) patience: Patience,
    pub(crate) thread: &'a ThreadIpc,
    /// The space that the receive right must be in; 0 when the kernel holds it.
    pub(crate) space: u64,
    /// A thread that was just given a message: it gets the processor if this one blocks.
    pub(crate) handoff: Option<Handoff>,
}

/// Receives one message.
#[doc(alias = "ipc_mqueue_receive")]
pub(crate) fn receive(source: &Source, mut manner: Manner<'_>) -> Result<Delivery, ReceiveError> {
    match source {
        Source::Port(port) => from_port(port, &mut manner),
        Source::Set(set) => from_set(set, &mut manner),
    }
}

fn from_port(port: &Arc<Port>, manner: &mut Manner<'_>) -> Result<Delivery, ReceiveError> {
    loop {
        let mut state = port.state.lock();
        if !state.active {
            return Err(ReceiveError::Died);
        }
        if port.receive_name(manner.space).is_none() {
            return Err(ReceiveError::Changed);
        }
        if let Some(taken) = take_front(&mut state, manner.capacity) {
            let after = AfterTake::of(&state);
            drop(state);
            after.finish(port);
            return taken;
        }
        if let Some(received) = wait_in_line(&port.state, state, manner) {
            return received;
        }
    }
}

fn from_set(set: &Arc<PortSet>, manner: &mut Manner<'_>) -> Result<Delivery, ReceiveError> {
    loop {
        let mut state = set.state.lock();
        let received = match state.next_ready() {
            NextReady::Dead => return Err(ReceiveError::Died),
            NextReady::Port(port) => {
                drop(state);
                take_from_member(set, &port, manner.capacity)
            }
            NextReady::None => wait_in_line(&set.state, state, manner),
        };
        if let Some(received) = received {
            return received;
        }
    }
}

/// What receivers wait at: a port or a set.
pub(crate) trait HasReceivers {
    /// Those who wait, in their order.
    fn receivers(&mut self) -> &mut Waiters;
}

/// Waits for a message at what `lock` guards, where there is none now. `None`: the lock was let go, look again.
fn wait_in_line<S: HasReceivers>(
    lock: &SpinLock<S>,
    mut state: SpinLockGuard<'_, S>,
    manner: &mut Manner<'_>,
) -> Option<Result<Delivery, ReceiveError>> {
    if manner.patience == Patience::Never {
        return Some(Err(ReceiveError::TimedOut));
    }
    if !state.receivers().has_room() {
        let capacity = state.receivers().next_capacity();
        drop(state);
        let Ok(bigger) = waiter::bigger(capacity) else {
            return Some(Err(ReceiveError::Shortage));
        };
        let old = lock.lock().receivers().adopt(bigger);
        drop(old);
        return None;
    }
    manner.thread.waiter.prepare(manner.capacity);
    state.receivers().push(&manner.thread.waiter);
    let wait = manner.assert_wait();
    drop(state);
    Some(block(manner, wait, |manner, give_up| {
        let mut state = lock.lock();
        let waiting = still_waiting(state.receivers(), manner, give_up);
        waiting.then(|| manner.assert_wait())
    }))
}

/// Takes a message of a port that was just removed from the set's ready list.
fn take_from_member(
    set: &Arc<PortSet>,
    port: &Arc<Port>,
    capacity: Capacity,
) -> Option<Result<Delivery, ReceiveError>> {
    let mut state = port.state.lock();
    let membership = state
        .sets
        .iter_mut()
        .find(|membership| Arc::ptr_eq(&membership.set, set))?;
    membership.ready = false;
    let taken = take_front(&mut state, capacity);
    // Back on the ready list, or the next message to the next receiver.
    serve(port, &mut state);
    let after = AfterTake::of(&state);
    drop(state);
    after.finish(port);
    taken
}

/// The port's oldest message, if there is one.
fn take_front(state: &mut PortState, capacity: Capacity) -> Option<Result<Delivery, ReceiveError>> {
    let front = state.queue.front()?;
    if capacity.refuses(front) {
        return Some(Err(ReceiveError::TooLarge(waiter::too_large(front))));
    }
    let kmsg = state.queue.pop_front()?;
    Some(Ok(waiter::deliver(kmsg, state)))
}

/// What room in the queue means for others.
struct AfterTake {
    wake_sender: bool,
    notify: bool,
}

impl AfterTake {
    fn of(state: &PortState) -> Self {
        let room = !state.is_full();
        Self {
            wake_sender: room && state.blocked_senders != 0,
            notify: room && state.armed != 0,
        }
    }

    /// No lock held.
    fn finish(self, port: &Port) {
        if self.wake_sender {
            port.senders.wake_one();
        }
        if self.notify {
            request::notify_room(port);
        }
    }
}

impl Manner<'_> {
    /// The lock of the list that the waiter stands on is held.
    fn assert_wait(&self) -> Wait {
        self.thread
            .waiter
            .queue
            .assert_wait(Interruptible::AbortSafe, self.patience.deadline())
    }
}

/// Whether to give up a wait that ended without an outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GiveUp {
    Yes,
    No,
}

/// The waiter is on the list and stays there; or it gives up and leaves it.
fn still_waiting(list: &mut Waiters, manner: &Manner<'_>, give_up: GiveUp) -> bool {
    match give_up {
        GiveUp::No => list.contains(&manner.thread.waiter),
        GiveUp::Yes => {
            list.remove(&manner.thread.waiter);
            false
        }
    }
}

/// Blocks until there is an outcome. `again` takes the list's lock and waits once more, if the waiter
/// is still on the list and is not to give up.
fn block(
    manner: &mut Manner<'_>,
    wait: Wait,
    again: impl Fn(&Manner<'_>, GiveUp) -> Option<Wait>,
) -> Result<Delivery, ReceiveError> {
    let mut next = Some(wait);
    let mut failure = ReceiveError::Interrupted;
    while let Some(wait) = next.take() {
        let result = match manner.handoff.take() {
            Some(handoff) => wait.block_handing_off(handoff),
            None => wait.block(),
        };
        if let Some(outcome) = manner.thread.waiter.take_outcome() {
            return finish(outcome);
        }
        let give_up = match result {
            // A wake-up that was meant for an earlier wait.
            WaitResult::Awakened => GiveUp::No,
            WaitResult::TimedOut => {
                failure = ReceiveError::TimedOut;
                GiveUp::Yes
            }
            WaitResult::Interrupted => {
                failure = ReceiveError::Interrupted;
                GiveUp::Yes
            }
        };
        next = again(manner, give_up);
    }
    // Off the list: by giving up, or because somebody filled the slot meanwhile.
    manner
        .thread
        .waiter
        .take_outcome()
        .map_or(Err(failure), finish)
}

fn finish(outcome: Outcome) -> Result<Delivery, ReceiveError> {
    match outcome {
        Outcome::Message(delivery) => Ok(delivery),
        Outcome::TooLarge(large) => Err(ReceiveError::TooLarge(large)),
        Outcome::Gone(Gone::Died) => Err(ReceiveError::Died),
        Outcome::Gone(Gone::Changed) => Err(ReceiveError::Changed),
    }
}

/// Whether a message waits, for `mach_port_peek` and for direct replies. The port's lock is held.
pub(crate) fn is_idle(state: &SpinLockGuard<'_, PortState>) -> bool {
    state.queue.is_empty() && state.receivers.is_empty()
}
