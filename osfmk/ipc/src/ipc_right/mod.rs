//! What names can do: the operations on one entry of a space.
//!
//! | file | what |
//! |---|---|
//! | this one | dead names, cancelled requests, and [`After`]: what is done once the lock is free |
//! | [`copyin`] | from a name to a right |
//! | [`copyout`] | from a right to a name |
//! | [`references`] | deallocate, destroy, change user references |
//! | [`notification`] | dead-name and send-possible requests |
//! | [`info`] | what a name is |
//!
//! All functions run under the space's lock and work on its state. They never end a right or send a
//! notification themselves: they put that into an [`After`], which the caller runs without a lock.
//!
//! A send or send-once right becomes a dead name lazily, when somebody looks at it after its port has
//! died ([`SpaceState::check`]). XNU's counterpart: `ipc/ipc_right.c`.

mod copyin;
mod copyout;
mod info;
mod notification;
mod references;
#[cfg(test)]
mod tests;

pub(crate) use notification::{NameRequest, NameRequested};
pub(crate) use references::Reference;

use crate::ipc_entry::{Capability, Entry};
use crate::ipc_notify;
use crate::ipc_port::{Port, Right, SendOnceRight};
use crate::ipc_pset::PortSet;
use crate::ipc_space::SpaceState;
use alloc::sync::Arc;
use alloc::vec::Vec;
use mach::PortName;

/// What is to be done after the space's lock was dropped.
///
/// Small and empty most of the time. Only what is rare (a cancelled request, a second right to release)
/// takes memory, the one allocation that is made under the space's lock.
#[derive(Default)]
#[must_use = "rights end and notifications are sent by `run`"]
pub(crate) struct After {
    release: Option<Right>,
    release_too: Vec<Right>,
    deleted: Vec<(SendOnceRight, PortName)>,
    set: Option<Arc<PortSet>>,
}

impl After {
    /// Cancels the request of an entry whose name goes away. Its holder will be told.
    #[doc(alias = "ipc_right_request_cancel")]
    pub(crate) fn cancel(&mut self, entry: &mut Entry, name: PortName) {
        if let Some(right) = take_request(entry) {
            self.deleted.push((right, name));
        }
    }

    pub(crate) fn release(&mut self, right: impl Into<Right>) {
        match self.release {
            None => self.release = Some(right.into()),
            Some(_) => self.release_too.push(right.into()),
        }
    }

    pub(crate) fn release_capability(&mut self, capability: Capability) {
        match capability {
            Capability::Send(right) => self.release(right),
            Capability::SendOnce(right) => self.release(right),
            Capability::Receive(right, send) => {
                // The send right first, so that its end does not meet a port that is dead by then.
                if let Some(send) = send {
                    self.release(send);
                }
                self.release(right);
            }
            Capability::Set(set) => self.set = Some(set),
            Capability::Free | Capability::Dead => {}
        }
    }

    /// Does it. No lock held.
    pub(crate) fn run(self) {
        for (right, name) in self.deleted {
            ipc_notify::port_deleted(right, name);
        }
        if let Some(right) = self.release {
            right.release();
        }
        for right in self.release_too {
            right.release();
        }
        if let Some(set) = self.set {
            set.destroy();
        }
    }
}

/// The port behind an entry.
pub(crate) fn port_of(capability: &Capability) -> Option<&Arc<Port>> {
    match capability {
        Capability::Send(right) => Some(right.port()),
        Capability::Receive(right, _) => Some(right.port()),
        Capability::SendOnce(right) => Some(right.port()),
        _ => None,
    }
}

/// Takes an entry's request out of its port.
fn take_request(entry: &mut Entry) -> Option<SendOnceRight> {
    let index = entry.take_request()?;
    let port = port_of(&entry.capability)?;
    port.state.lock().cancel(index)
}

impl SpaceState {
    /// Turns a send or send-once right to a dead port into a dead name.
    ///
    /// A dead-name notification that was sent for the name stands for one more user reference.
    #[doc(alias = "ipc_right_check")]
    pub(crate) fn check(&mut self, index: u32) {
        let entry = self.table.at_mut(index);
        let port = match &entry.capability {
            Capability::Send(right) => right.port(),
            Capability::SendOnce(right) => right.port(),
            _ => return,
        };
        if port.is_active() {
            return;
        }
        // The request stays in the dead port until its notification is sent.
        let told = entry
            .request()
            .is_some_and(|request| port.state.lock().request_fired_death(request));
        let id = port.id();
        entry.set_request(None);
        if told {
            entry.add_reference();
        }
        // Rights to a dead port end without a sound.
        let capability = core::mem::replace(&mut entry.capability, Capability::Dead);
        if matches!(capability, Capability::Send(_)) {
            self.sends.remove(&id);
        }
        drop(capability);
    }
}
