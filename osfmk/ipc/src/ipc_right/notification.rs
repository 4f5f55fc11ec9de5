//! Dead-name and send-possible requests for a name: [`SpaceState::request`].
//!
//! XNU's counterpart: `ipc_right_request_alloc`, `ipc_right_request_cancel`.

use crate::ipc_entry::Capability;
use crate::ipc_port::SendOnceRight;
use crate::ipc_port::request::{Interest, Registered, Target};
use crate::ipc_right::port_of;
use crate::ipc_space::SpaceState;
use alloc::sync::Arc;
use mach::port::UREFS_MAX;
use mach::{KernReturn, PortName};

/// What is asked for a name.
pub(crate) struct NameRequest {
    pub(crate) name: PortName,
    /// Whom to tell; `None` cancels.
    pub(crate) notify: Option<SendOnceRight>,
    /// Room in the queue, not only death.
    pub(crate) send_possible: bool,
    /// Answer at once if it is so already.
    pub(crate) immediate: bool,
}

/// What became of it.
pub(crate) enum NameRequested {
    /// Registered or cancelled; this right was registered before.
    Done { previous: Option<SendOnceRight> },
    /// The name is dead: the caller sends a dead-name notification on this right.
    DeadNow(SendOnceRight),
    /// There is room: the caller sends a send-possible notification on this right.
    PossibleNow {
        notify: SendOnceRight,
        previous: Option<SendOnceRight>,
    },
    /// The port's table must grow first; try again with the right.
    NoRoom {
        notify: Option<SendOnceRight>,
        port: Arc<crate::ipc_port::Port>,
    },
    /// Refused; the right comes back.
    Refused(KernReturn, Option<SendOnceRight>),
}

impl SpaceState {
    /// Registers, replaces or cancels a name's request.
    #[doc(alias = "ipc_right_request_alloc")]
    pub(crate) fn request(&mut self, request: NameRequest) -> NameRequested {
        let NameRequest {
            name,
            notify,
            send_possible,
            immediate,
        } = request;
        let index = match self.find(name) {
            Ok(index) => index,
            Err(code) => return NameRequested::Refused(code, notify),
        };
        self.check(index);
        let entry = self.table.at_mut(index);
        let Some(port) = port_of(&entry.capability).cloned() else {
            return Self::request_dead(entry, notify, send_possible || immediate);
        };
        let mut state = port.state.lock();
        if !state.active {
            // It died just now: look again, and find a dead name.
            drop(state);
            return NameRequested::NoRoom { notify, port };
        }
        let Some(notify) = notify else {
            let previous = entry.take_request().and_then(|index| state.cancel(index));
            return NameRequested::Done { previous };
        };
        let sends_now = !state.is_full()
            || port.is_kernel_object()
            || matches!(entry.capability, Capability::SendOnce(_));
        if send_possible && immediate && sends_now {
            let previous = entry.take_request().and_then(|index| state.cancel(index));
            return NameRequested::PossibleNow { notify, previous };
        }
        if entry.request().is_none() && !state.requests.has_room() {
            drop(state);
            return NameRequested::NoRoom {
                notify: Some(notify),
                port,
            };
        }
        let previous = entry.take_request().and_then(|index| state.cancel(index));
        let interest = match (send_possible, immediate) {
            (false, _) => Interest::DeadName,
            (true, false) => Interest::SendPossible,
            (true, true) => Interest::SendPossibleArmed,
        };
        match state.register(name, Target::Notify(notify), interest) {
            Registered::Yes(number) => {
                entry.set_request(Some(number));
                NameRequested::Done { previous }
            }
            Registered::NoRoom(Target::Notify(notify)) => {
                drop(state);
                drop(previous);
                NameRequested::NoRoom {
                    notify: Some(notify),
                    port,
                }
            }
            Registered::NoRoom(Target::Watcher(_)) => unreachable!("a right was given"),
        }
    }

    fn request_dead(
        entry: &mut crate::ipc_entry::Entry,
        notify: Option<SendOnceRight>,
        wants_dead: bool,
    ) -> NameRequested {
        match (&entry.capability, notify) {
            (Capability::Dead, Some(notify)) if wants_dead => {
                if u32::from(entry.urefs) == UREFS_MAX {
                    return NameRequested::Refused(KernReturn::UREFS_OVERFLOW, Some(notify));
                }
                entry.add_reference();
                NameRequested::DeadNow(notify)
            }
            (Capability::Dead, notify) => {
                NameRequested::Refused(KernReturn::INVALID_ARGUMENT, notify)
            }
            (_, notify) => NameRequested::Refused(KernReturn::INVALID_RIGHT, notify),
        }
    }
}
