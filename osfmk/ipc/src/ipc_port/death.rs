//! How a receive right leaves its holder, and how a port dies.
//!
//! [`clear_receiver`] is the common part: sets are left, waiting receivers sent away, counters that
//! belong to the holder reset. [`destroy`] ends the port, unless a port-destroyed request wants the
//! receive right back.
//!
//! ```text
//!            copyout                    destroy, no request
//!   in a space ◄────► in a message ───────────────────────► dead
//!        │                 ▲ port-destroyed request               (messages reaped, requests answered)
//!        └─────────────────┘
//! ```
//!
//! XNU's counterpart: `ipc_port_clear_receiver`, `ipc_port_destroy`, `ipc_port_dnnotify`.

use super::{Port, PortFlags, PortState, ReceiveRight, SendOnceRight};
use crate::census;
use crate::ipc_kmsg::Kmsg;
use crate::ipc_kobject::ObjectLink;
use crate::ipc_mqueue::waiter::Gone;
use crate::ipc_notify;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

/// Detaches the port from its holder. Waiting receivers are told why. The port's lock is held.
#[doc(alias = "ipc_port_clear_receiver")]
#[doc(alias = "ipc_mqueue_changed")]
pub(crate) fn clear_receiver(port: &Arc<Port>, state: &mut PortState, gone: Gone) {
    port.set_receiver(0, mach::PortName::NULL);
    for membership in state.sets.drain(..) {
        membership.set.forget_member(port, membership.slot);
    }
    while let Some(waiter) = state.receivers.pop() {
        waiter.send_away(gone);
    }
    state.make_send_count = 0;
    state.sequence = 0;
    state.context = 0;
    state.guard = None;
}

/// Ends a receive right: the port dies, or goes to whoever asked for it. No lock held.
#[doc(alias = "ipc_port_destroy")]
pub(super) fn destroy(port: Arc<Port>) {
    super::transit::arrived(&port);
    let mut state = port.state.lock();
    debug_assert!(state.active, "a port has one receive right");
    if let Some(notify) = state.port_destroyed.take() {
        clear_receiver(&port, &mut state, Gone::Changed);
        drop(state);
        ipc_notify::port_destroyed(notify, ReceiveRight::revive(port));
        return;
    }
    let remains = die(&port, &mut state);
    drop(state);
    port.senders.wake_all();
    // Each message goes to the reaper as it is dropped.
    drop(remains.queue);
    if let Some(notify) = remains.no_senders {
        notify.release();
    }
    notify_death(&port);
    drop(remains.object);
}

/// What a dead port leaves behind, to be dealt with after its lock was dropped.
struct Remains {
    queue: VecDeque<Kmsg>,
    no_senders: Option<SendOnceRight>,
    object: Option<ObjectLink>,
}

fn die(port: &Arc<Port>, state: &mut PortState) -> Remains {
    census::RECEIVE.remove();
    state.active = false;
    port.set_flag(PortFlags::ACTIVE | PortFlags::NO_SENDERS, false);
    clear_receiver(port, state, Gone::Died);
    state.armed = 0;
    state
        .requests
        .iter_mut()
        .for_each(|(_, request)| request.mark_death());
    Remains {
        queue: core::mem::take(&mut state.queue),
        no_senders: state.no_senders.take(),
        object: state.object.take(),
    }
}

/// Answers every dead-name and send-possible request. The requests stay in the dead port, marked as
/// fired, so that names learn that they were told. Nobody adds requests to a dead port.
#[doc(alias = "ipc_port_dnnotify")]
fn notify_death(port: &Arc<Port>) {
    for index in 0.. {
        let notice = {
            let mut state = port.state.lock();
            if index >= state.requests.end() {
                return;
            }
            state
                .requests
                .get_mut(index)
                .and_then(|request| request.fire_death())
        };
        if let Some((target, name)) = notice {
            target.died(port, name);
        }
    }
}
