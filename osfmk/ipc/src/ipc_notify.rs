//! Notifications: the messages by which the kernel tells of what happened to ports and rights.
//!
//! Each function consumes the send-once right that was registered for it. All are called with no lock
//! held; the messages ignore queue limits. Layouts are those of `mach::defs::notify`: a header, and for
//! all but two of them the NDR record and one word.
//!
//! XNU's counterpart: `ipc/ipc_notify.c`.

use crate::ipc_kmsg::Kmsg;
use crate::ipc_mqueue::send;
use crate::ipc_port::{ReceiveRight, Right, SendOnceRight};
use mach::PortName;
use mach::message::{Carried, Descriptor};

/// `notify`'s message ids.
pub mod id {
    /// A name was deleted while a dead-name request was registered for it.
    #[doc(alias = "MACH_NOTIFY_PORT_DELETED")]
    pub const PORT_DELETED: i32 = 65;
    /// A queue that was full has room.
    #[doc(alias = "MACH_NOTIFY_SEND_POSSIBLE")]
    pub const SEND_POSSIBLE: i32 = 66;
    /// A receive right would have been destroyed; it is in the message.
    #[doc(alias = "MACH_NOTIFY_PORT_DESTROYED")]
    pub const PORT_DESTROYED: i32 = 69;
    /// No send right is left.
    #[doc(alias = "MACH_NOTIFY_NO_SENDERS")]
    pub const NO_SENDERS: i32 = 70;
    /// A send-once right was given up unused.
    #[doc(alias = "MACH_NOTIFY_SEND_ONCE")]
    pub const SEND_ONCE: i32 = 71;
    /// A name has become a dead name.
    #[doc(alias = "MACH_NOTIFY_DEAD_NAME")]
    pub const DEAD_NAME: i32 = 72;
}

/// The data representation of little-endian machines.
#[doc(alias = "NDR_record")]
const NDR: [u8; 8] = [0, 0, 0, 0, 1, 0, 0, 0];

/// A name with a registered request was deleted.
#[doc(alias = "ipc_notify_port_deleted")]
pub(crate) fn port_deleted(notify: SendOnceRight, name: PortName) {
    with_word(id::PORT_DELETED, notify, name.0);
}

/// The queue behind this name has room.
#[doc(alias = "ipc_notify_send_possible")]
pub(crate) fn send_possible(notify: SendOnceRight, name: PortName) {
    with_word(id::SEND_POSSIBLE, notify, name.0);
}

/// The port behind this name died. The notification stands for one user reference of the dead name.
#[doc(alias = "ipc_notify_dead_name")]
pub(crate) fn dead_name(notify: SendOnceRight, name: PortName) {
    with_word(id::DEAD_NAME, notify, name.0);
}

/// The last of `count` send rights ever made has gone.
#[doc(alias = "ipc_notify_no_senders")]
pub(crate) fn no_senders(notify: SendOnceRight, count: u32) {
    with_word(id::NO_SENDERS, notify, count);
}

/// A send-once right ends unused; the message travels on the right itself.
#[doc(alias = "ipc_notify_send_once")]
pub(crate) fn send_once(right: SendOnceRight) {
    send(Kmsg::notification(id::SEND_ONCE, right));
}

/// A receive right comes back instead of being destroyed.
#[doc(alias = "ipc_notify_port_destroyed")]
pub(crate) fn port_destroyed(notify: SendOnceRight, right: ReceiveRight) {
    let mut kmsg = Kmsg::notification(id::PORT_DESTROYED, notify);
    kmsg.push(Descriptor::Port(Carried::Right(Right::Receive(right))));
    send(kmsg);
}

fn with_word(id: i32, notify: SendOnceRight, word: u32) {
    let mut kmsg = Kmsg::notification(id, notify);
    kmsg.inline.extend_from_slice(&NDR);
    kmsg.inline.extend_from_slice(&word.to_le_bytes());
    send(kmsg);
}

fn send(kmsg: Kmsg) {
    // A receiver that has gone wants no notification.
    let _ = send::from_kernel(kmsg);
}
