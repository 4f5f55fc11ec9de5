//! Ports: [`Port`], a protected queue of messages, and the rights to it.
//!
//! | file | what |
//! |---|---|
//! | this one | the port, what its lock guards, how one is made |
//! | `right` | rights as values |
//! | `death` | the receive right moves away; the port dies |
//! | `transit` | receive rights in messages, and the check against cycles |
//! | `request` | who wants to hear of death, of room in the queue, of the last sender |
//! | `attributes` | what `mach_port_get_attributes` and its like read and set |
//!
//! A port lives as long as its one receive right. After that it stays as a *dead* port while somebody
//! still holds a right to it: nothing can be sent to it or received from it.
//!
//! Messages pass through [`crate::ipc_mqueue`]; names are the business of [`crate::ipc_space`].
//! XNU's counterpart: `ipc/ipc_port.c`.

pub(crate) mod attributes;
pub(crate) mod death;
pub(crate) mod request;
mod right;
#[cfg(test)]
mod tests;
pub(crate) mod transit;

pub use right::{ReceiveRight, Right, SendOnceRight, SendRight};

use crate::deferred::DeferredWork;
use crate::ipc_kmsg::Kmsg;
use crate::ipc_kobject::{KernelObject, ObjectLink};
use crate::ipc_mqueue::receive::HasReceivers;
use crate::ipc_mqueue::waiter::Waiters;
use crate::ipc_pset::PortSet;
use crate::slab::Slab;
use crate::zones::{self, Admission};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use core::sync::atomic::{AtomicU32, AtomicU64};
use mach::port::{QUEUE_LIMIT_DEFAULT, QUEUE_LIMIT_KERNEL};
use mach::{KernReturn, PortName};
use prim::lock::{Rank, SpinLock};
use prim::wait::WaitQueue;
use request::Request;

bitflags::bitflags! {
    /// What can be known of a port without its lock. Changed under the lock only.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct PortFlags: u32 {
        /// The receive right exists.
        const ACTIVE = 1;
        /// A no-senders request is armed.
        const NO_SENDERS = 2;
        /// The port names a kernel object.
        const KERNEL_OBJECT = 4;
    }
}

/// A port. Always used through `Arc`; the counted rights are [`SendRight`] and its sisters.
#[doc(alias = "ipc_port")]
pub struct Port {
    /// Send rights that exist. Rises from zero only by the receive right.
    send_rights: AtomicU32,
    /// Send-once rights that exist.
    send_once_rights: AtomicU32,
    flags: AtomicU32,
    /// The space that holds the receive right (0: none), and its name there. Changed under that
    /// space's lock, so stable for whoever holds it.
    receiver_space: AtomicU64,
    receiver_name: AtomicU32,
    pub(crate) state: SpinLock<PortState>,
    /// Threads that wait for room in the queue.
    pub(crate) senders: WaitQueue,
    /// Where the receive right is on its way to; see [`transit`].
    destination: SpinLock<Option<Arc<Port>>>,
    pub(crate) deferred: SpinLock<DeferredWork>,
    _admission: Admission,
}

/// What a port's lock guards.
pub(crate) struct PortState {
    pub(crate) active: bool,
    /// The kernel object that serves messages to this port.
    pub(crate) object: Option<ObjectLink>,
    pub(crate) make_send_count: u32,
    /// Sequence number of the next message received.
    pub(crate) sequence: u32,
    pub(crate) limit: u32,
    pub(crate) context: u64,
    pub(crate) guard: Option<u64>,
    /// Messages not yet received, oldest first. Never has waiting receivers at the same time.
    pub(crate) queue: VecDeque<Kmsg>,
    /// Threads that receive from this port itself.
    pub(crate) receivers: Waiters,
    /// Sets this port is in, and whether it stands on their ready list.
    pub(crate) sets: Vec<Membership>,
    pub(crate) requests: Slab<Request>,
    /// How many of the requests are armed for send-possible.
    pub(crate) armed: u32,
    /// How many threads wait for room in the queue.
    pub(crate) blocked_senders: u32,
    pub(crate) no_senders: Option<SendOnceRight>,
    pub(crate) port_destroyed: Option<SendOnceRight>,
}

impl HasReceivers for PortState {
    fn receivers(&mut self) -> &mut Waiters {
        &mut self.receivers
    }
}

/// A port's place in a set.
pub(crate) struct Membership {
    pub(crate) set: Arc<PortSet>,
    /// Slot in the set's table of members.
    pub(crate) slot: u32,
    /// The port stands on the set's ready list.
    pub(crate) ready: bool,
}

impl Port {
    /// A new port; its receive right is the caller's.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "ipc_port_alloc")]
    pub fn allocate() -> Result<ReceiveRight, KernReturn> {
        Self::make(None, QUEUE_LIMIT_DEFAULT)
    }

    /// A port that names `object` and keeps it alive until the port is destroyed.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`.
    #[doc(alias = "ipc_kobject_alloc_port")]
    pub fn for_kernel_object(object: Arc<dyn KernelObject>) -> Result<ReceiveRight, KernReturn> {
        Self::make(Some(ObjectLink::Strong(object)), QUEUE_LIMIT_KERNEL)
    }

    /// A port that names `object` without keeping it alive: for objects that own their port. Once the
    /// object is gone, messages to the port are dropped.
    ///
    /// # Errors
    /// `KERN_RESOURCE_SHORTAGE`.
    pub fn for_weak_kernel_object(
        object: Weak<dyn KernelObject>,
    ) -> Result<ReceiveRight, KernReturn> {
        Self::make(Some(ObjectLink::Weak(object)), QUEUE_LIMIT_KERNEL)
    }

    fn make(object: Option<ObjectLink>, limit: u32) -> Result<ReceiveRight, KernReturn> {
        let admission = zones::ALL.admit_port()?;
        let mut flags = PortFlags::ACTIVE;
        flags.set(PortFlags::KERNEL_OBJECT, object.is_some());
        let port = Arc::new(Self {
            send_rights: AtomicU32::new(0),
            send_once_rights: AtomicU32::new(0),
            flags: AtomicU32::new(flags.bits()),
            receiver_space: AtomicU64::new(0),
            receiver_name: AtomicU32::new(0),
            state: SpinLock::new(Rank::Port, PortState::new(object, limit)),
            senders: WaitQueue::new(),
            destination: SpinLock::new(Rank::Message, None),
            deferred: SpinLock::new(Rank::Reaper, DeferredWork::NONE),
            _admission: admission,
        });
        Ok(ReceiveRight::of_new(port))
    }

    /// Whether the receive right still exists.
    #[doc(alias = "ip_active")]
    pub fn is_active(&self) -> bool {
        self.flags().contains(PortFlags::ACTIVE)
    }

    /// A send right made in the name of the receive right's holder; `None` when the port is dead.
    #[doc(alias = "ipc_kobject_make_send")]
    #[doc(alias = "ipc_port_make_send")]
    pub fn make_send(self: &Arc<Self>) -> Option<SendRight> {
        let mut state = self.state.lock();
        state.active.then(|| {
            state.make_send_count += 1;
            SendRight::count(self)
        })
    }

    /// A send-once right made in the name of the receive right's holder; `None` when the port is dead.
    #[doc(alias = "ipc_port_make_sonce")]
    pub fn make_send_once(self: &Arc<Self>) -> Option<SendOnceRight> {
        let state = self.state.lock();
        state.active.then(|| SendOnceRight::count(self))
    }

    /// The kernel object that the port names.
    #[doc(alias = "ipc_kobject_get")]
    pub fn kernel_object(&self) -> Option<Arc<dyn KernelObject>> {
        if !self.is_kernel_object() {
            return None;
        }
        let state = self.state.lock();
        state.object.as_ref()?.upgrade()
    }

    /// The kernel object that the port names, if it is one of type `T`.
    pub fn kobject<T: KernelObject>(&self) -> Option<Arc<T>> {
        let object: Arc<dyn Any + Send + Sync> = self.kernel_object()?;
        object.downcast().ok()
    }

    /// Whether messages to the port are served by the kernel.
    #[doc(alias = "ip_is_kobject")]
    pub fn is_kernel_object(&self) -> bool {
        self.flags().contains(PortFlags::KERNEL_OBJECT)
    }

    /// Stops naming a kernel object: later messages are dropped. The object comes back so that the
    /// caller lets go of it without a lock.
    #[doc(alias = "ipc_kobject_disable")]
    pub fn disable_kernel_object(&self) -> Option<Arc<dyn KernelObject>> {
        let link = self.state.lock().object.take();
        link.and_then(|link| link.upgrade())
    }

    /// Send rights that exist at this moment.
    #[doc(alias = "ip_srights")]
    pub fn send_rights(&self) -> u32 {
        self.send_rights.load(Acquire)
    }

    /// Send-once rights that exist at this moment.
    #[doc(alias = "ip_sorights")]
    pub fn send_once_rights(&self) -> u32 {
        self.send_once_rights.load(Acquire)
    }

    /// How many send rights were ever made by the receive right's holder.
    #[doc(alias = "ip_mscount")]
    pub fn make_send_count(&self) -> u32 {
        self.state.lock().make_send_count
    }

    /// An identity for tables and displays: two ports that exist have different ones.
    pub fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    pub(crate) fn flags(&self) -> PortFlags {
        PortFlags::from_bits_retain(self.flags.load(SeqCst))
    }

    /// Sets or clears a flag; the caller holds the port's lock.
    fn set_flag(&self, flag: PortFlags, on: bool) {
        if on {
            self.flags.fetch_or(flag.bits(), SeqCst);
        } else {
            self.flags.fetch_and(!flag.bits(), SeqCst);
        }
    }

    /// Whether somebody wants to know that no send rights are left.
    fn cares_for_senders(&self) -> bool {
        let flags = self.flags();
        flags.contains(PortFlags::ACTIVE)
            && flags.intersects(PortFlags::NO_SENDERS | PortFlags::KERNEL_OBJECT)
    }

    /// The name of the receive right in the space with this identity; to be asked under its lock.
    #[doc(alias = "ip_in_space")]
    pub(crate) fn receive_name(&self, space: u64) -> Option<PortName> {
        (self.receiver_space.load(Relaxed) == space)
            .then(|| PortName(self.receiver_name.load(Relaxed)))
    }

    /// The name of the receive right, whichever space it is in.
    pub(crate) fn receiver_name(&self) -> PortName {
        PortName(self.receiver_name.load(Relaxed))
    }

    /// The receive right is in a space now, under this name. The space's lock is held.
    pub(crate) fn set_receiver(&self, space: u64, name: PortName) {
        self.receiver_name.store(name.0, Relaxed);
        self.receiver_space.store(space, Relaxed);
    }

    /// The last send right has gone: tells who asked. No lock held.
    fn no_more_senders(self: &Arc<Self>) {
        if !self.cares_for_senders() {
            return;
        }
        let (notify, object, count) = {
            let mut state = self.state.lock();
            // Somebody may have made a right since; then its end will come here again.
            if !state.active || self.send_rights() != 0 {
                return;
            }
            self.set_flag(PortFlags::NO_SENDERS, false);
            let object = state.object.as_ref().and_then(ObjectLink::upgrade);
            (state.no_senders.take(), object, state.make_send_count)
        };
        if let Some(notify) = notify {
            crate::ipc_notify::no_senders(notify, count);
        }
        if let Some(object) = object {
            object.no_senders(self, count);
        }
    }

    /// What the reaper does for [`crate::deferred`].
    pub(crate) fn no_senders_from_reaper(self: &Arc<Self>) {
        self.no_more_senders();
    }
}

impl PortState {
    fn new(object: Option<ObjectLink>, limit: u32) -> Self {
        Self {
            active: true,
            object,
            make_send_count: 0,
            sequence: 0,
            limit,
            context: 0,
            guard: None,
            queue: VecDeque::new(),
            receivers: Waiters::new(),
            sets: Vec::new(),
            requests: Slab::new(),
            armed: 0,
            blocked_senders: 0,
            no_senders: None,
            port_destroyed: None,
        }
    }

    /// Whether a sender that observes the limit must wait.
    #[doc(alias = "ip_full")]
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= self.limit as usize
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("id", &format_args!("{:#x}", self.id()))
            .field("flags", &self.flags())
            .field("send_rights", &self.send_rights())
            .field("send_once_rights", &self.send_once_rights())
            .finish_non_exhaustive()
    }
}
