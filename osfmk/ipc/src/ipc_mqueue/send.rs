//! Sending: [`enqueue`].
//!
//! A message to a full queue waits, unless it travels on a send-once right or comes from the kernel.
//! A message to a port that is dead by now is destroyed and the send succeeds, because the sender
//! could not have known; a sender that had to wait is told.
//!
//! XNU's counterpart: `ipc_kmsg_send`, `ipc_mqueue_send_locked`.

use super::{Patience, post, waiter};
use crate::ipc_kmsg::Kmsg;
use crate::ipc_kobject;
use crate::ipc_port::{Port, PortState, Right, transit};
use alloc::sync::Arc;
use mach::KernReturn;
use mach::message::Carried;
use prim::lock::SpinLockGuard;
use prim::thread::Handoff;
use prim::wait::{Interruptible, WaitResult};

/// Whether the queue's limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    /// It does; wait that long for room. A full queue arms this request, if there is one.
    Observe {
        patience: Patience,
        arm: Option<u32>,
    },
    /// It does not, and there is no waiting.
    Ignore,
}

/// A message that was not sent, with the reason.
pub(crate) struct Unsent {
    pub(crate) code: KernReturn,
    pub(crate) kmsg: Kmsg,
}

/// Puts a message on its destination's queue or into a waiting receiver's hands. In the latter case
/// the receiver runs once the result is dropped, or when the caller blocks with it.
#[doc(alias = "ipc_mqueue_send_locked")]
pub(crate) fn enqueue(kmsg: Kmsg, limit: Limit) -> Result<Option<Handoff>, Unsent> {
    let Some(port) = kmsg.destination_port().cloned() else {
        return Err(Unsent {
            code: KernReturn::SEND_INVALID_DEST,
            kmsg,
        });
    };
    let limit = match kmsg.destination.as_right() {
        Some(Right::SendOnce(_)) => Limit::Ignore,
        _ => limit,
    };
    let mut waited = false;
    loop {
        let mut state = port.state.lock();
        if !state.active {
            drop(state);
            return if waited {
                Err(Unsent {
                    code: KernReturn::SEND_INVALID_DEST,
                    kmsg,
                })
            } else {
                Ok(None)
            };
        }
        if let Limit::Observe { patience, arm } = limit
            && state.is_full()
        {
            match wait_for_room(&port, state, patience, arm) {
                Ok(()) => waited = true,
                Err(code) => return Err(Unsent { code, kmsg }),
            }
            continue;
        }
        if state.queue.len() == state.queue.capacity() {
            if let Err(code) = grow_queue(&port, state) {
                return Err(Unsent {
                    code: code_for_shortage(code),
                    kmsg,
                });
            }
            continue;
        }
        let receiver = post(&port, &mut state, kmsg);
        drop(state);
        return Ok(receiver.and_then(|waiter| waiter.wake_handing_off()));
    }
}

const fn code_for_shortage(_: KernReturn) -> KernReturn {
    KernReturn::SEND_NO_BUFFER
}

fn wait_for_room(
    port: &Port,
    mut state: SpinLockGuard<'_, PortState>,
    patience: Patience,
    arm: Option<u32>,
) -> Result<(), KernReturn> {
    if patience == Patience::Never {
        if let Some(index) = arm {
            state.arm(index);
        }
        return Err(KernReturn::SEND_TIMED_OUT);
    }
    state.blocked_senders += 1;
    let wait = port
        .senders
        .assert_wait(Interruptible::AbortSafe, patience.deadline());
    drop(state);
    let result = wait.block();
    let mut state = port.state.lock();
    state.blocked_senders -= 1;
    match result {
        WaitResult::Awakened => Ok(()),
        // There may be room by now, but then the wake-up went to somebody else.
        WaitResult::TimedOut => {
            if let Some(index) = arm {
                state.arm(index);
            }
            Err(KernReturn::SEND_TIMED_OUT)
        }
        WaitResult::Interrupted => Err(KernReturn::SEND_INTERRUPTED),
    }
}

fn grow_queue(port: &Arc<Port>, state: SpinLockGuard<'_, PortState>) -> Result<(), KernReturn> {
    let capacity = (state.queue.capacity() * 2).max(4);
    drop(state);
    let bigger = waiter::bigger(capacity)?;
    let old = waiter::adopt(&mut port.state.lock().queue, bigger);
    drop(old);
    Ok(())
}

/// Sends a message from the kernel: no limit, no waiting, and objects of the kernel serve it here and
/// now, as they serve what they answer. No lock held.
///
/// A message to a port that has died, or that would enclose a receive right in its own port, is
/// destroyed; that is no error.
///
/// # Errors
/// `SEND_INVALID_DEST` for a message without destination, `SEND_NO_BUFFER`.
#[doc(alias = "mach_msg_send_from_kernel_proper")]
pub fn from_kernel(kmsg: Kmsg) -> Result<(), KernReturn> {
    let mut next = Some(kmsg);
    while let Some(kmsg) = next.take() {
        if !kmsg.descriptors.is_empty() && kmsg.depart() == Err(transit::Circular) {
            kmsg.destroy();
            return Ok(());
        }
        match serve_object(kmsg) {
            Ok(reply) => next = reply,
            Err(kmsg) => {
                let sent = enqueue(kmsg, Limit::Ignore).map_err(|unsent| unsent.code)?;
                drop(sent);
            }
        }
    }
    Ok(())
}

/// If the message goes to a kernel object, lets it serve the message and returns the reply.
pub(crate) fn serve_object(mut kmsg: Kmsg) -> Result<Option<Kmsg>, Kmsg> {
    let Some(port) = kmsg.destination_port() else {
        return Err(kmsg);
    };
    if !port.is_kernel_object() {
        return Err(kmsg);
    }
    let port = Arc::clone(port);
    kmsg.land();
    let destination = kmsg.destination.take();
    let reply = ipc_kobject::serve(&port, kmsg);
    if let Carried::Right(right) = destination {
        right.spend();
    }
    Ok(reply)
}
