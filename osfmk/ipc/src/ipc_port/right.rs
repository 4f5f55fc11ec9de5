//! Rights as values: [`SendRight`], [`SendOnceRight`], [`ReceiveRight`], and [`Right`], any of them.
//!
//! A value *is* one counted right: making, copying and dropping it keep the port's counts exact.
//! There are two ways to end one:
//!
//! * the named method (`release`, `destroy`) acts at once: it may send notifications, so the caller
//!   holds no lock;
//! * plain `Drop` is legal under any lock: what would have to send something is left to the reaper
//!   ([`crate::deferred`]).
//!
//! XNU's counterpart: `ipc_port_make_send`, `ipc_port_copy_send`, `ipc_port_release_send`,
//! `ipc_port_make_sonce`, `ipc_port_release_sonce`, `ipc_port_release_receive`.

use super::Port;
use crate::census;
use crate::deferred;
use crate::ipc_kobject::KernelObject;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};
use mach::Disposition;

/// The right to send any number of messages.
#[must_use = "dropping a right gives it back"]
pub struct SendRight(Option<Arc<Port>>);

/// The right to send one message. Unless that happens, its end is a message itself
/// (the send-once notification).
#[must_use = "dropping a send-once right sends a notification"]
pub struct SendOnceRight(Option<Arc<Port>>);

/// The right to receive; one for each port that lives. Its end is the port's.
#[must_use = "dropping a receive right destroys the port"]
pub struct ReceiveRight(Option<Arc<Port>>);

fn held(port: Option<&Arc<Port>>) -> &Arc<Port> {
    // Only `release` and its like empty the option, and they consume the right.
    port.expect("a right holds its port")
}

impl SendRight {
    /// Counts a new right to `port`. The caller has made sure that the port may have one.
    pub(super) fn count(port: &Arc<Port>) -> Self {
        port.send_rights.fetch_add(1, Relaxed);
        census::SEND.add();
        Self(Some(Arc::clone(port)))
    }

    /// The port it leads to.
    pub fn port(&self) -> &Arc<Port> {
        held(self.0.as_ref())
    }

    /// The kernel object that the port names, if it is one of type `T`.
    #[doc(alias = "ipc_kobject_get_locked")]
    pub fn kobject<T: KernelObject>(&self) -> Option<Arc<T>> {
        self.port().kobject()
    }

    /// Gives the right back; the last one may send the no-senders notification. No lock held.
    #[doc(alias = "ipc_port_release_send")]
    pub fn release(mut self) {
        if let Some(port) = self.0.take()
            && discount(&port)
        {
            port.no_more_senders();
        }
    }
}

/// Counts a send right down; true if it was the last.
fn discount(port: &Arc<Port>) -> bool {
    census::SEND.remove();
    let before = port.send_rights.fetch_sub(1, AcqRel);
    debug_assert!(before != 0, "send rights of a port below zero");
    before == 1
}

impl Clone for SendRight {
    /// One more right to the same port (`ipc_port_copy_send`).
    fn clone(&self) -> Self {
        Self::count(self.port())
    }
}

impl Drop for SendRight {
    fn drop(&mut self) {
        if let Some(port) = self.0.take()
            && discount(&port)
            && port.cares_for_senders()
        {
            deferred::no_senders(port);
        }
    }
}

impl SendOnceRight {
    /// Counts a new right to `port`.
    pub(super) fn count(port: &Arc<Port>) -> Self {
        port.send_once_rights.fetch_add(1, Relaxed);
        census::SEND_ONCE.add();
        Self(Some(Arc::clone(port)))
    }

    /// A right whose count was never given up.
    pub(crate) fn revive(port: Arc<Port>) -> Self {
        Self(Some(port))
    }

    /// The port it leads to.
    pub fn port(&self) -> &Arc<Port> {
        held(self.0.as_ref())
    }

    /// Gives the right up unused: the port's receiver gets a send-once notification. No lock held.
    #[doc(alias = "ipc_notify_send_once")]
    pub fn release(self) {
        if self.port().is_active() {
            crate::ipc_notify::send_once(self);
        } else {
            self.consume();
        }
    }

    /// Ends the right because it has been used.
    #[doc(alias = "ipc_port_release_sonce")]
    pub(crate) fn consume(mut self) {
        if let Some(port) = self.0.take() {
            census::SEND_ONCE.remove();
            let before = port.send_once_rights.fetch_sub(1, AcqRel);
            debug_assert!(before != 0, "send-once rights of a port below zero");
        }
    }
}

impl Drop for SendOnceRight {
    fn drop(&mut self) {
        let Some(port) = self.0.take() else { return };
        if port.is_active() {
            deferred::send_once(port);
        } else {
            Self(Some(port)).consume();
        }
    }
}

impl ReceiveRight {
    /// The receive right of a port that was just made.
    pub(super) fn of_new(port: Arc<Port>) -> Self {
        census::RECEIVE.add();
        Self(Some(port))
    }

    /// A right that was taken apart with [`ReceiveRight::into_port`] or left to the reaper.
    pub(crate) fn revive(port: Arc<Port>) -> Self {
        Self(Some(port))
    }

    /// The port.
    pub fn port(&self) -> &Arc<Port> {
        held(self.0.as_ref())
    }

    /// A send right to the port (`ipc_port_make_send`).
    pub fn make_send(&self) -> SendRight {
        self.port().state.lock().make_send_count += 1;
        SendRight::count(self.port())
    }

    /// A send-once right to the port (`ipc_port_make_sonce`).
    pub fn make_send_once(&self) -> SendOnceRight {
        SendOnceRight::count(self.port())
    }

    /// Ends the right and with it the port. No lock held.
    #[doc(alias = "ipc_port_release_receive")]
    #[doc(alias = "ipc_port_destroy")]
    pub fn destroy(mut self) {
        if let Some(port) = self.0.take() {
            super::death::destroy(port);
        }
    }
}

impl Drop for ReceiveRight {
    fn drop(&mut self) {
        if let Some(port) = self.0.take() {
            deferred::destroy(port);
        }
    }
}

/// Any right to a port.
#[derive(Debug)]
pub enum Right {
    /// A send right.
    Send(SendRight),
    /// A send-once right.
    SendOnce(SendOnceRight),
    /// The receive right.
    Receive(ReceiveRight),
}

impl Right {
    /// The port.
    pub fn port(&self) -> &Arc<Port> {
        match self {
            Self::Send(right) => right.port(),
            Self::SendOnce(right) => right.port(),
            Self::Receive(right) => right.port(),
        }
    }

    /// How a receiver sees the right travel.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Send(_) => Disposition::MoveSend,
            Self::SendOnce(_) => Disposition::MoveSendOnce,
            Self::Receive(_) => Disposition::MoveReceive,
        }
    }

    /// Ends the right at once; see the named methods of each kind. No lock held.
    #[doc(alias = "ipc_object_destroy")]
    pub fn release(self) {
        match self {
            Self::Send(right) => right.release(),
            Self::SendOnce(right) => right.release(),
            Self::Receive(right) => right.destroy(),
        }
    }

    /// Ends the right that a message has been sent with: as [`Right::release`], but a send-once
    /// right has done its duty.
    pub(crate) fn spend(self) {
        match self {
            Self::SendOnce(right) => right.consume(),
            other => other.release(),
        }
    }
}

impl From<SendRight> for Right {
    fn from(right: SendRight) -> Self {
        Self::Send(right)
    }
}

impl From<SendOnceRight> for Right {
    fn from(right: SendOnceRight) -> Self {
        Self::SendOnce(right)
    }
}

impl From<ReceiveRight> for Right {
    fn from(right: ReceiveRight) -> Self {
        Self::Receive(right)
    }
}

macro_rules! debug_as_port {
    ($($type:ident),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({:p})"), Arc::as_ptr(self.port()))
            }
        }
    )*};
}
debug_as_port!(SendRight, SendOnceRight, ReceiveRight);
