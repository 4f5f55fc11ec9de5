//! Requests to hear of a port: [`Request`] (death, room in the queue), no-senders, port-destroyed.
//!
//! Death and room are asked for by *names*: a name has at most one request, whose number its entry
//! keeps. The kernel asks for death with a [`PortDeathWatcher`] instead. No-senders and port-destroyed
//! belong to the port; there is one of each.
//!
//! Every function that replaces a request returns the old notification right to its caller.
//!
//! XNU's counterpart: `ipc_port_request_alloc`, `_cancel`, `_sparm`, `ipc_port_spnotify`,
//! `ipc_port_nsrequest`, `ipc_port_pdrequest`.

use super::{Port, PortFlags, PortState, SendOnceRight};
use crate::ipc_notify;
use crate::slab::Slab;
use alloc::sync::{Arc, Weak};
use mach::{KernReturn, PortName, PortType};

/// Somebody in the kernel who wants to know that a port died.
pub trait PortDeathWatcher: Send + Sync {
    /// The port has died. Called once, with no lock held.
    fn port_died(&self, port: &Arc<Port>);
}

/// Whom to tell.
pub(crate) enum Target {
    /// The holder of this right's port, by a notification.
    Notify(SendOnceRight),
    /// A part of the kernel.
    Watcher(Weak<dyn PortDeathWatcher>),
}

impl Target {
    /// Tells that the port died.
    pub(crate) fn died(self, port: &Arc<Port>, name: PortName) {
        match self {
            Self::Notify(right) => ipc_notify::dead_name(right, name),
            Self::Watcher(watcher) => {
                if let Some(watcher) = watcher.upgrade() {
                    watcher.port_died(port);
                }
            }
        }
    }
}

/// What is asked for besides death.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Interest {
    /// Nothing.
    DeadName,
    /// Room in the queue, once a send has failed for want of it.
    SendPossible,
    /// Room in the queue: a send has failed.
    SendPossibleArmed,
}

/// One request.
pub(crate) struct Request {
    /// Emptied when the request has been answered; the slot stays until its name lets go of it.
    target: Option<Target>,
    name: PortName,
    interest: Interest,
    /// It is answered with the port's death.
    fired_death: bool,
}

impl Request {
    /// Whether it waits for room.
    pub(super) fn is_armed(&self) -> bool {
        self.target.is_some() && self.interest == Interest::SendPossibleArmed
    }

    /// The port dies: the request will be answered with that.
    pub(super) fn mark_death(&mut self) {
        self.fired_death = self.target.is_some();
    }

    /// Takes the target because the port died.
    pub(super) fn fire_death(&mut self) -> Option<(Target, PortName)> {
        let target = self.target.take()?;
        Some((target, self.name))
    }
}

/// What became of an attempt to register.
pub(crate) enum Registered {
    /// The request's number.
    Yes(u32),
    /// The table has no room: grow it with [`make_room`] and try again.
    NoRoom(Target),
}

impl PortState {
    /// Registers a request for `name`.
    #[doc(alias = "ipc_port_request_alloc")]
    pub(crate) fn register(
        &mut self,
        name: PortName,
        target: Target,
        interest: Interest,
    ) -> Registered {
        debug_assert!(self.active, "requests are made to living ports");
        let armed = interest == Interest::SendPossibleArmed;
        let request = Request {
            target: Some(target),
            name,
            interest,
            fired_death: false,
        };
        match self.requests.insert(request) {
            Ok(index) => {
                self.armed += u32::from(armed);
                Registered::Yes(index)
            }
            Err(Request {
                target: Some(target),
                ..
            }) => Registered::NoRoom(target),
            Err(Request { target: None, .. }) => unreachable!("just made with a target"),
        }
    }

    /// Forgets the request with this number.
    #[doc(alias = "ipc_port_request_cancel")]
    pub(crate) fn cancel(&mut self, index: u32) -> Option<SendOnceRight> {
        let request = self.requests.remove(index)?;
        let waiting = request.target.is_some();
        if waiting && request.interest == Interest::SendPossibleArmed {
            self.armed = self.armed.saturating_sub(1);
        }
        match request.target {
            Some(Target::Notify(right)) => Some(right),
            _ => None,
        }
    }

    /// A send through the request's name found the queue full.
    #[doc(alias = "ipc_port_request_sparm")]
    pub(crate) fn arm(&mut self, index: u32) {
        if let Some(request) = self.requests.get_mut(index)
            && request.target.is_some()
            && request.interest == Interest::SendPossible
        {
            request.interest = Interest::SendPossibleArmed;
            self.armed += 1;
        }
    }

    /// Takes one armed request, now that there is room.
    pub(crate) fn take_armed(&mut self) -> Option<(SendOnceRight, PortName)> {
        if self.armed == 0 {
            return None;
        }
        let (_, request) = self.requests.iter_mut().find(|(_, request)| {
            request.interest == Interest::SendPossibleArmed && request.target.is_some()
        })?;
        self.armed -= 1;
        request.interest = Interest::SendPossible;
        match request.target.take() {
            Some(Target::Notify(right)) => Some((right, request.name)),
            _ => None,
        }
    }

    /// The type bits that a request adds to its name.
    #[doc(alias = "ipc_port_request_type")]
    pub(crate) fn request_type(&self, index: u32) -> PortType {
        match self.requests.get(index) {
            Some(Request {
                target: Some(_),
                interest: Interest::DeadName,
                ..
            }) => PortType::DEAD_NAME_REQUEST,
            Some(Request {
                target: Some(_), ..
            }) => PortType::SEND_POSSIBLE_REQUEST,
            _ => PortType::NONE,
        }
    }

    /// Whether the request is answered with the port's death.
    pub(crate) fn request_fired_death(&self, index: u32) -> bool {
        self.requests
            .get(index)
            .is_some_and(|request| request.fired_death)
    }
}

/// Grows the table of requests. No lock held.
#[doc(alias = "ipc_port_request_grow")]
pub(crate) fn make_room(port: &Port) -> Result<(), KernReturn> {
    let (needed, capacity) = {
        let state = port.state.lock();
        (!state.requests.has_room(), state.requests.next_capacity())
    };
    if needed {
        let bigger = Slab::bigger(capacity)?;
        let old = port.state.lock().requests.adopt(bigger);
        drop(old);
    }
    Ok(())
}

/// Sends the send-possible notifications that are due. No lock held.
#[doc(alias = "ipc_port_spnotify")]
pub(crate) fn notify_room(port: &Port) {
    loop {
        let due = {
            let mut state = port.state.lock();
            if state.is_full() {
                None
            } else {
                state.take_armed()
            }
        };
        match due {
            Some((right, name)) => ipc_notify::send_possible(right, name),
            None => return,
        }
    }
}

impl Port {
    /// Asks that `watcher` be told when the port dies; tells it at once if it is dead already.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`.
    pub fn watch_death(
        self: &Arc<Self>,
        watcher: Weak<dyn PortDeathWatcher>,
    ) -> Result<(), KernReturn> {
        let mut target = Target::Watcher(watcher);
        loop {
            make_room(self)?;
            let mut state = self.state.lock();
            if !state.active {
                drop(state);
                target.died(self, PortName::NULL);
                return Ok(());
            }
            match state.register(PortName::NULL, target, Interest::DeadName) {
                Registered::Yes(_) => return Ok(()),
                Registered::NoRoom(back) => target = back,
            }
        }
    }

    /// Takes [`Port::watch_death`] back: the watcher at this address is not told. Nothing happens if it is none, or was
    /// told already.
    pub fn unwatch_death(&self, watcher: *const ()) {
        let mut state = self.state.lock();
        let found = state
            .requests
            .iter_mut()
            .find(|(_, request)| match &request.target {
                Some(Target::Watcher(known)) => core::ptr::addr_eq(known.as_ptr(), watcher),
                _ => false,
            });
        let index = found.map(|(index, _)| index);
        let request = index.and_then(|index| state.requests.remove(index));
        drop(state);
        drop(request);
    }

    /// Arms the no-senders notification: `notify` is told once no send right is left, at once if that
    /// is so already and the make-send count has reached `sync`. Returns the right it replaces.
    #[doc(alias = "ipc_port_nsrequest")]
    pub fn request_no_senders(
        self: &Arc<Self>,
        notify: Option<SendOnceRight>,
        sync: u32,
    ) -> Option<SendOnceRight> {
        let mut state = self.state.lock();
        if !state.active {
            drop(state);
            return notify;
        }
        let previous = state.no_senders.take();
        // The flag first: a right that ends now looks at it after counting down.
        self.set_flag(PortFlags::NO_SENDERS, notify.is_some());
        let now = self.send_rights() == 0 && sync <= state.make_send_count;
        match notify {
            Some(right) if now => {
                let count = state.make_send_count;
                self.set_flag(PortFlags::NO_SENDERS, false);
                drop(state);
                ipc_notify::no_senders(right, count);
            }
            other => state.no_senders = other,
        }
        previous
    }

    /// Arms the port-destroyed notification, by which the receive right comes back instead of dying.
    /// Returns the right it replaces.
    #[doc(alias = "ipc_port_pdrequest")]
    pub fn request_port_destroyed(&self, notify: Option<SendOnceRight>) -> Option<SendOnceRight> {
        let mut state = self.state.lock();
        if !state.active {
            drop(state);
            return notify;
        }
        core::mem::replace(&mut state.port_destroyed, notify)
    }
}
