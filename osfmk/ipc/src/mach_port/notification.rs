//! `mach_port_request_notification`: who wants to be told of what.
//!
//! No-senders and port-destroyed requests belong to a port's receive right, dead-name and send-possible
//! requests to a name. XNU's counterpart: `mach_port_request_notification`.

use crate::ipc_notify;
use crate::ipc_port::{SendOnceRight, request};
use crate::ipc_right::{NameRequest, NameRequested};
use crate::ipc_space::IpcSpace;
use mach::{KernReturn, PortName};

/// A notification that may be asked for, by its message id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variety {
    PortDestroyed,
    NoSenders,
    SendPossible,
    DeadName,
}

impl Variety {
    const fn from_id(id: i32) -> Option<Self> {
        match id {
            ipc_notify::id::PORT_DESTROYED => Some(Self::PortDestroyed),
            ipc_notify::id::NO_SENDERS => Some(Self::NoSenders),
            ipc_notify::id::SEND_POSSIBLE => Some(Self::SendPossible),
            ipc_notify::id::DEAD_NAME => Some(Self::DeadName),
            _ => None,
        }
    }
}

impl IpcSpace {
    /// Asks to be told of something. Returns the right that was registered for it before.
    ///
    /// # Errors
    /// The right comes back with `KERN_INVALID_VALUE` (unknown notification, or `sync` not zero where
    /// it must be), `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`, `KERN_INVALID_ARGUMENT`,
    /// `KERN_UREFS_OVERFLOW`, `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "mach_port_request_notification")]
    pub fn request_notification(
        &self,
        name: PortName,
        id: i32,
        sync: u32,
        notify: Option<SendOnceRight>,
    ) -> Result<Option<SendOnceRight>, (KernReturn, Option<SendOnceRight>)> {
        let Some(variety) = Variety::from_id(id) else {
            return Err((KernReturn::INVALID_VALUE, notify));
        };
        match variety {
            Variety::PortDestroyed if sync != 0 => Err((KernReturn::INVALID_VALUE, notify)),
            Variety::PortDestroyed => match self.receive_port(name) {
                Ok(port) => Ok(port.request_port_destroyed(notify)),
                Err(code) => Err((code, notify)),
            },
            Variety::NoSenders => match self.receive_port(name) {
                Ok(port) => Ok(port.request_no_senders(notify, sync)),
                Err(code) => Err((code, notify)),
            },
            Variety::SendPossible if !name.is_valid() => {
                Err((KernReturn::INVALID_ARGUMENT, notify))
            }
            Variety::SendPossible | Variety::DeadName => {
                let send_possible = variety == Variety::SendPossible;
                self.request_for_name(NameRequest {
                    name,
                    notify,
                    send_possible,
                    immediate: sync != 0,
                })
            }
        }
    }

    fn request_for_name(
        &self,
        mut wanted: NameRequest,
    ) -> Result<Option<SendOnceRight>, (KernReturn, Option<SendOnceRight>)> {
        let NameRequest {
            name,
            send_possible,
            immediate,
            ..
        } = wanted;
        loop {
            let requested = self.lock().request(wanted);
            match requested {
                NameRequested::Done { previous } => return Ok(previous),
                NameRequested::DeadNow(notify) => {
                    ipc_notify::dead_name(notify, name);
                    return Ok(None);
                }
                NameRequested::PossibleNow { notify, previous } => {
                    ipc_notify::send_possible(notify, name);
                    return Ok(previous);
                }
                NameRequested::Refused(code, notify) => return Err((code, notify)),
                NameRequested::NoRoom { notify, port } => {
                    if let Err(code) = request::make_room(&port) {
                        return Err((code, notify));
                    }
                    wanted = NameRequest {
                        name,
                        notify,
                        send_possible,
                        immediate,
                    };
                }
            }
        }
    }
}
