//! The port of an object that lives as long as somebody can name it.
//!
//! The port holds the object, the object holds the port's receive right: a circle, on purpose. It is opened when the first
//! send right is made and broken by [`OwnPort::close`], when the last one has gone or the object ends by itself. Only the
//! kernel makes send rights to such a port, and only in [`OwnPort::open`], so "no senders" is final.

use alloc::sync::Arc;

use ipc::{KernelObject, Port, ReceiveRight, SendRight};
use mach::KernReturn;
use prim::lock::{Rank, SpinLock};

/// An object's own port.
pub(crate) struct OwnPort(SpinLock<Option<ReceiveRight>>);

impl OwnPort {
    /// No port yet.
    pub(crate) const fn new() -> Self {
        Self(SpinLock::new(Rank::KernelObject, None))
    }

    /// Makes the port of `object`, whose field this is, and the first send right. To be called once.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`.
    pub(crate) fn open(&self, object: Arc<dyn KernelObject>) -> Result<SendRight, KernReturn> {
        let receive = Port::for_kernel_object(object)?;
        let send = receive.make_send();
        *self.0.lock() = Some(receive);
        Ok(send)
    }

    /// Destroys the port: the object goes with whoever else still uses it.
    pub(crate) fn close(&self) {
        let receive = self.0.lock().take();
        if let Some(receive) = receive {
            receive.destroy();
        }
    }
}
