//! Message queues: how a message gets from a sender to a receiver, and who waits for whom.
//!
//! | file | what |
//! |---|---|
//! | `send` | queueing with and without the limit, blocked senders |
//! | `receive` | receiving from a port or a set, blocked receivers |
//! | `waiter` | a thread that waits for a message |
//! | this one | the meeting of both: `post` and `serve` |
//!
//! Three invariants hold whenever a port's lock is free:
//!
//! * a port with queued messages has no waiting receivers of its own;
//! * it stands on the ready list of every set it is in, or a receiver has just taken it from there and
//!   will look at it next;
//! * a set with waiting receivers has an empty ready list.
//!
//! So a message that arrives while somebody waits goes straight into that thread's hands, and the
//! sender gets a [`prim::thread::Handoff`] with which it may give its processor away too.
//!
//! Locks: the port, then one set at a time, then the waiter's slot.
//! XNU's counterpart: `ipc/ipc_mqueue.c`.

pub(crate) mod receive;
pub(crate) mod send;
#[cfg(test)]
mod tests;
pub(crate) mod waiter;

use crate::ipc_kmsg::Kmsg;
use crate::ipc_port::{Port, PortState};
use crate::ipc_pset::Offered;
use alloc::sync::Arc;
use mach::KernReturn;
use prim::clock::Deadline;
use waiter::{Numbers, Offer, Waiter};

pub use waiter::ThreadIpc;

/// How long to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// Until it happens.
    Forever,
    /// Until then.
    Until(Deadline),
    /// Not at all.
    Never,
}

impl Patience {
    const fn deadline(self) -> Option<Deadline> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Forever | Self::Never => None,
        }
    }
}

/// What became of a message that looked for a receiver.
enum Passed {
    /// This one has it, and is to be woken.
    Taken(Arc<Waiter>),
    /// Nobody waits; the port stands on the ready list of all its sets.
    Nobody(Kmsg),
}

/// Gives a message to a waiting receiver, who comes back to be woken, or queues it. The port's lock is
/// held, and its queue has room for one more.
#[doc(alias = "ipc_mqueue_post")]
fn post(port: &Arc<Port>, state: &mut PortState, kmsg: Kmsg) -> Option<Arc<Waiter>> {
    match pass(port, state, kmsg) {
        Passed::Taken(waiter) => Some(waiter),
        Passed::Nobody(kmsg) => {
            state.queue.push_back(kmsg);
            None
        }
    }
}

/// Hands queued messages to receivers that wait in the port's sets, until there are no more of either.
/// The port's lock is held.
pub(crate) fn serve(port: &Arc<Port>, state: &mut PortState) {
    while let Some(kmsg) = state.queue.pop_front() {
        match pass(port, state, kmsg) {
            Passed::Taken(waiter) => waiter.wake(),
            Passed::Nobody(kmsg) => {
                state.queue.push_front(kmsg);
                return;
            }
        }
    }
}

/// Looks for a receiver: at the port itself, then in its sets. Those for whom the message is too large
/// are told so and woken.
fn pass(port: &Arc<Port>, state: &mut PortState, mut kmsg: Kmsg) -> Passed {
    let numbers = Numbers {
        sequence: state.sequence,
        context: state.context,
    };
    while let Some(waiter) = state.receivers.pop() {
        match waiter.offer(kmsg, numbers) {
            Offer::Taken => return taken(state, waiter),
            Offer::TooLarge(back) => {
                waiter.wake();
                kmsg = back;
            }
        }
    }
    for index in 0..state.sets.len() {
        while !state.sets[index].ready {
            match state.sets[index].set.offer(port, kmsg, numbers) {
                Offered::Taken(waiter) => return taken(state, waiter),
                Offered::TooLarge(waiter, back) => {
                    waiter.wake();
                    kmsg = back;
                }
                Offered::Ready(back) => {
                    state.sets[index].ready = true;
                    kmsg = back;
                }
                Offered::Dead(back) => {
                    kmsg = back;
                    break;
                }
            }
        }
    }
    Passed::Nobody(kmsg)
}

fn taken(state: &mut PortState, waiter: Arc<Waiter>) -> Passed {
    state.sequence = state.sequence.wrapping_add(1);
    Passed::Taken(waiter)
}

/// Why a message was not received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReceiveError {
    TimedOut,
    Interrupted,
    /// The port died.
    Died,
    /// The receive right went elsewhere.
    Changed,
    /// The message stays queued.
    TooLarge(waiter::TooLarge),
    /// No memory to wait with.
    Shortage,
}

impl ReceiveError {
    pub(crate) const fn code(self) -> KernReturn {
        match self {
            Self::TimedOut => KernReturn::RCV_TIMED_OUT,
            Self::Interrupted => KernReturn::RCV_INTERRUPTED,
            Self::Died => KernReturn::RCV_PORT_DIED,
            Self::Changed => KernReturn::RCV_PORT_CHANGED,
            Self::TooLarge(_) => KernReturn::RCV_TOO_LARGE,
            Self::Shortage => KernReturn::RESOURCE_SHORTAGE,
        }
    }
}
