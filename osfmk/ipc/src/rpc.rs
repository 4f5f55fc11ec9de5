//! The kernel as a client: [`rpc`] asks a user-mode server and waits, [`receive_in_kernel`] receives
//! on a port that the kernel holds.
//!
//! The request ignores queue limits; the wait for the answer can be interrupted and has whatever
//! deadline the caller chooses. Each call has a reply port of its own, so a late answer meets a dead
//! port and is destroyed. If the server drops the request or dies, the end of the reply right tells.
//!
//! XNU's counterpart: `kernel_mach_msg_rpc`, `mach_msg_rpc_from_kernel_proper`.

use crate::ipc_kmsg::Kmsg;
use crate::ipc_mqueue::Patience;
use crate::ipc_mqueue::receive::{self, Manner, Source};
use crate::ipc_mqueue::send;
use crate::ipc_mqueue::waiter::{Capacity, Delivery, ThreadIpc};
use crate::ipc_notify;
use crate::ipc_port::{Port, ReceiveRight, Right, SendRight};
use alloc::sync::Arc;
use mach::KernReturn;
use mach::message::Carried;

/// Sends `request` to `destination` and waits for the answer. The request's own destination and reply
/// are replaced.
///
/// # Errors
/// `SEND_INVALID_DEST` if the port is dead, `MIG_SERVER_DIED` if nobody will answer, `RCV_TIMED_OUT`,
/// `RCV_INTERRUPTED`, `KERN_RESOURCE_SHORTAGE`.
#[doc(alias = "mach_msg_rpc_from_kernel_proper")]
pub fn rpc(
    destination: &SendRight,
    mut request: Kmsg,
    patience: Patience,
) -> Result<Kmsg, KernReturn> {
    if !destination.port().is_active() {
        return Err(KernReturn::SEND_INVALID_DEST);
    }
    let reply = Port::allocate()?;
    let thread = ThreadIpc::new();
    request.reply = Carried::Right(Right::SendOnce(reply.make_send_once()));
    request.destination = Carried::Right(Right::Send(destination.clone()));
    let id = request.id;
    let answer =
        send::from_kernel(request).and_then(|()| receive_in_kernel(&reply, &thread, patience));
    // The answer's destination was the send-once right; the port ends with nobody else knowing it.
    reply.destroy();
    let answer = answer?;
    if answer.id == ipc_notify::id::SEND_ONCE && id != ipc_notify::id::SEND_ONCE - 100 {
        return Err(KernReturn::MIG_SERVER_DIED);
    }
    Ok(answer)
}

/// Receives a message on a port whose receive right the kernel holds. The right that the message came
/// on has been spent.
///
/// # Errors
/// `RCV_TIMED_OUT`, `RCV_INTERRUPTED`, `KERN_RESOURCE_SHORTAGE`.
pub fn receive_in_kernel(
    port: &ReceiveRight,
    thread: &ThreadIpc,
    patience: Patience,
) -> Result<Kmsg, KernReturn> {
    let source = Source::Port(Arc::clone(port.port()));
    let manner = Manner {
        capacity: Capacity::UNLIMITED,
        patience,
        thread,
        space: 0,
        handoff: None,
    };
    let Delivery { mut kmsg, .. } =
        receive::receive(&source, manner).map_err(|error| error.code())?;
    kmsg.land();
    if let Carried::Right(right) = kmsg.destination.take() {
        right.spend();
    }
    Ok(kmsg)
}
