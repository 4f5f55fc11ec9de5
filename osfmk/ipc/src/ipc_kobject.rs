//! Ports that name kernel objects: [`KernelObject`].
//!
//! A message to such a port is not queued. It is handed to the object in the sender's thread, with no
//! lock held, and what the object answers goes to the message's reply right. What a message *means* is
//! the object's business (`kern::kobject`); this crate only knows that there is a reply or none.
//!
//! XNU's counterpart: `kern/ipc_kobject.c`, `ipc_kobject_ops`.

use crate::ipc_kmsg::Kmsg;
use crate::ipc_port::Port;
use alloc::sync::{Arc, Weak};
use core::any::Any;

/// Something in the kernel that a port may name.
#[doc(alias = "ipc_kobject_ops")]
pub trait KernelObject: Any + Send + Sync {
    /// Serves one message that was sent to `port`, and returns the reply, if there is to be one now.
    ///
    /// The reply right is `request.reply`. A reply made with [`Kmsg::reply_to`] takes it along; a
    /// request that is dropped with the right inside lets the client know by a send-once
    /// notification. Runs in the sender's thread with no lock held.
    #[doc(alias = "ipc_kobject_server")]
    fn message(self: Arc<Self>, request: Kmsg, port: &Arc<Port>) -> Option<Kmsg>;

    /// No send right is left. `make_send_count` is the number of rights ever made, so that the object
    /// can tell a stale call from a true one. No lock held; may come from the reaper's thread.
    #[doc(alias = "ipc_kobject_notify_no_senders")]
    fn no_senders(self: Arc<Self>, port: &Arc<Port>, make_send_count: u32) {
        let _ = (port, make_send_count);
    }
}

/// How a port holds its object.
pub(crate) enum ObjectLink {
    Strong(Arc<dyn KernelObject>),
    Weak(Weak<dyn KernelObject>),
}

impl ObjectLink {
    pub(crate) fn upgrade(&self) -> Option<Arc<dyn KernelObject>> {
        match self {
            Self::Strong(object) => Some(Arc::clone(object)),
            Self::Weak(object) => object.upgrade(),
        }
    }
}

/// Serves a message to a kernel object's port. Without an object the message is dropped, as with a
/// port that has died.
#[doc(alias = "ipc_kobject_server")]
pub(crate) fn serve(port: &Arc<Port>, kmsg: Kmsg) -> Option<Kmsg> {
    port.kernel_object()?.message(kmsg, port)
}
