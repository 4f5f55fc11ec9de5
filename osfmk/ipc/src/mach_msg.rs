//! The trap: [`mach_msg`], send, receive, or both.
//!
//! What a caller is to this module is a [`Caller`]: its space, its memory, its thread's waiting place,
//! and who it is. The three forms of the trap all become [`MsgArguments`]; [`crate::mach_msg2`] takes
//! the register form apart.
//!
//! A message to a kernel object is served in the caller's thread. If the caller receives its answer in
//! the same call, on the port that the answer goes to, the answer is delivered without ever being
//! queued. Between programs the receiver that waits gets the message in its hands, and the processor
//! when the sender blocks for its answer.
//!
//! XNU's counterpart: `ipc/mach_msg.c`.

use crate::ipc_kmsg::copyin::{CopiedIn, Outgoing, copyin};
use crate::ipc_kmsg::copyout::{self, Incoming};
use crate::ipc_kmsg::{Kmsg, Sender, UserMemory};
use crate::ipc_mqueue::receive::{self, Manner, Source};
use crate::ipc_mqueue::send::{self, Limit, Unsent};
use crate::ipc_mqueue::waiter::{self, Capacity, Delivery, ThreadIpc, TooLarge};
use crate::ipc_mqueue::{Patience, ReceiveError};
use crate::ipc_space::IpcSpace;
use alloc::sync::Arc;
use mach::message::header::HEADER_SIZE;
use mach::message::{MsgHeader, MsgOptions, Trailer};
use mach::{KernReturn, PortName};
use prim::clock::Deadline;
use prim::thread::Handoff;
use prim::trace::{self, Event};

/// Who calls.
pub struct Caller<'a> {
    /// Its names.
    pub space: &'a Arc<IpcSpace>,
    /// Its memory.
    pub memory: &'a dyn UserMemory,
    /// The calling thread's waiting place.
    pub thread: &'a ThreadIpc,
    /// What its messages say of their sender.
    pub sender: Sender,
}

/// The arguments of all forms of the trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MsgArguments {
    /// The message to send, and the buffer to receive into unless `receive_address` is another.
    pub address: u64,
    /// What to do.
    pub options: MsgOptions,
    /// Bytes to send.
    pub send_size: u32,
    /// Bytes of the receive buffer.
    pub receive_size: u32,
    /// Port or set to receive from.
    pub receive_name: PortName,
    /// Milliseconds, where the options say that they count.
    pub timeout: u32,
    /// Another buffer to receive into; zero for none (`mach_msg_overwrite`).
    pub receive_address: u64,
    /// The header, if it came in registers (`mach_msg2`).
    pub header: Option<MsgHeader>,
}

impl MsgArguments {
    fn receive_buffer(&self) -> u64 {
        if self.receive_address != 0 {
            self.receive_address
        } else {
            self.address
        }
    }

    fn patience(&self, timeout: MsgOptions) -> Patience {
        match (self.options.contains(timeout), self.timeout) {
            (false, _) => Patience::Forever,
            (true, 0) => Patience::Never,
            (true, milliseconds) => {
                Patience::Until(Deadline::after_milliseconds(u64::from(milliseconds)))
            }
        }
    }

    fn incoming(&self) -> Incoming {
        Incoming {
            address: self.receive_buffer(),
            size: self.receive_size as usize,
            elements: self.options.trailer_elements(),
        }
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            bytes: self.receive_size as usize,
            trailer: Trailer::size_for(self.options.trailer_elements()),
            leave_large: self.options.contains(MsgOptions::RCV_LARGE),
        }
    }
}

/// What sending left for receiving.
#[derive(Default)]
struct Sent {
    /// A receiver that was given the message.
    handoff: Option<Handoff>,
    /// The answer of a kernel object.
    reply: Option<Kmsg>,
}

/// Sends and receives as the options say. Returns a `mach_msg_return_t`.
#[doc(alias = "mach_msg_trap")]
#[doc(alias = "mach_msg_overwrite_trap")]
#[doc(alias = "mach_msg2_trap")]
pub fn mach_msg(caller: &Caller<'_>, arguments: &MsgArguments) -> KernReturn {
    let mut sent = Sent::default();
    if arguments.options.contains(MsgOptions::SEND_MSG) {
        match send(caller, arguments) {
            Ok(done) => sent = done,
            Err(code) => return code,
        }
    }
    if arguments.options.contains(MsgOptions::RCV_MSG) {
        return receive(caller, arguments, sent);
    }
    if let Some(reply) = sent.reply {
        // A reply whose port has gone is nobody's concern.
        let _ = send::from_kernel(reply);
    }
    KernReturn::SUCCESS
}

/// Port, id and size of a message, and whether its port names a kernel object.
fn trace_message(event: Event, kmsg: &Kmsg) {
    if trace::is_enabled() {
        let port = kmsg.destination_port();
        let is_object = port.is_some_and(|port| port.is_kernel_object());
        let port = port.map_or(0, |port| port.id() as u64);
        trace::point(
            event,
            port,
            kmsg.id as u64,
            kmsg.wire_size() as u64,
            u64::from(is_object),
        );
    }
}

#[doc(alias = "mach_msg_send")]
fn send(caller: &Caller<'_>, arguments: &MsgArguments) -> Result<Sent, KernReturn> {
    let outgoing = Outgoing {
        address: arguments.address,
        size: arguments.send_size,
        header: arguments.header,
    };
    let CopiedIn {
        kmsg,
        request,
        circular,
    } = copyin(caller.space, caller.memory, caller.sender, outgoing)?;
    if circular {
        kmsg.destroy();
        return Ok(Sent::default());
    }
    trace_message(Event::MachMsgSend, &kmsg);
    let kmsg = match send::serve_object(kmsg) {
        Ok(reply) => {
            return Ok(Sent {
                reply,
                handoff: None,
            });
        }
        Err(kmsg) => kmsg,
    };
    let arm = request.filter(|_| arguments.options.contains(MsgOptions::SEND_NOTIFY));
    let limit = Limit::Observe {
        patience: arguments.patience(MsgOptions::SEND_TIMEOUT),
        arm,
    };
    match send::enqueue(kmsg, limit) {
        Ok(handoff) => Ok(Sent {
            handoff,
            reply: None,
        }),
        Err(Unsent { code, kmsg }) => {
            let problems = copyout::give_back(caller.space, caller.memory, kmsg, arguments.address);
            Err(code.with(problems))
        }
    }
}

#[doc(alias = "mach_msg_receive_results")]
fn receive(caller: &Caller<'_>, arguments: &MsgArguments, mut sent: Sent) -> KernReturn {
    if let Some(reply) = sent.reply.take() {
        match deliver_reply(caller, arguments, reply) {
            Ok(delivery) => return finish(caller, arguments, delivery),
            Err(reply) => {
                let _ = send::from_kernel(reply);
            }
        }
    }
    if arguments.options.trailer_type() != 0 {
        return KernReturn::RCV_INVALID_TRAILER;
    }
    let source = match source(caller, arguments.receive_name) {
        Ok(source) => source,
        Err(code) => return code,
    };
    let manner = Manner {
        capacity: arguments.capacity(),
        patience: arguments.patience(MsgOptions::RCV_TIMEOUT),
        thread: caller.thread,
        space: caller.space.id(),
        handoff: sent.handoff,
    };
    match receive::receive(&source, manner) {
        Ok(delivery) => finish(caller, arguments, delivery),
        Err(ReceiveError::TooLarge(large)) => {
            tell_size(caller, arguments, large);
            KernReturn::RCV_TOO_LARGE
        }
        Err(error) => error.code(),
    }
}

/// The port or set behind a name.
#[doc(alias = "ipc_mqueue_copyin")]
fn source(caller: &Caller<'_>, name: PortName) -> Result<Source, KernReturn> {
    let state = caller.space.lock();
    if let Ok(port) = state.receive_port(name) {
        return Ok(Source::Port(Arc::clone(port)));
    }
    let set = state.set(name).map_err(|_| KernReturn::RCV_INVALID_NAME)?;
    Ok(Source::Set(Arc::clone(set)))
}

/// A kernel object's answer goes straight to the caller, if that is who would receive it next.
fn deliver_reply(
    caller: &Caller<'_>,
    arguments: &MsgArguments,
    reply: Kmsg,
) -> Result<Delivery, Kmsg> {
    let Some(port) = reply.destination_port().cloned() else {
        return Err(reply);
    };
    if port.receive_name(caller.space.id()) != Some(arguments.receive_name)
        || arguments.options.trailer_type() != 0
        || arguments.capacity().refuses(&reply)
        || reply.carries_receive_right()
    {
        return Err(reply);
    }
    let mut state = port.state.lock();
    let still_ours =
        state.active && port.receive_name(caller.space.id()) == Some(arguments.receive_name);
    if still_ours && receive::is_idle(&state) {
        Ok(waiter::deliver(reply, &mut state))
    } else {
        Err(reply)
    }
}

/// A message has been received: it goes to the program, or is lost because it does not fit.
fn finish(caller: &Caller<'_>, arguments: &MsgArguments, delivery: Delivery) -> KernReturn {
    trace_message(Event::MachMsgReceive, &delivery.kmsg);
    let capacity = arguments.capacity();
    if delivery.kmsg.wire_size() + capacity.trailer > capacity.bytes {
        let sequence = delivery.sequence;
        delivery.kmsg.discard_received();
        copyout::put_error(
            caller.memory,
            arguments.incoming(),
            capacity.bytes,
            sequence,
        );
        return KernReturn::RCV_TOO_LARGE;
    }
    copyout::copyout(caller.space, caller.memory, delivery, arguments.incoming())
}

/// Tells the size of a message that stays queued, and its port if that is asked for.
fn tell_size(caller: &Caller<'_>, arguments: &MsgArguments, large: TooLarge) {
    if (arguments.receive_size as usize) < HEADER_SIZE {
        return;
    }
    let address = arguments.receive_buffer();
    let _ = caller
        .memory
        .copyout(&large.size.to_le_bytes(), address.wrapping_add(4));
    if arguments.options.contains(MsgOptions::RCV_LARGE_IDENTITY) {
        let _ = caller
            .memory
            .copyout(&large.name.0.to_le_bytes(), address.wrapping_add(12));
    }
}
