//! `mach_msg`: [`send`], [`Receiver`], and [`call`].

use super::{new_reply_port, port, take_memory};
use crate::syscall;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use mach::defs::{ReplyBody, Routine};
use mach::message::trailer::MAX_TRAILER_SIZE;
use mach::message::{
    Carried, Descriptor, Message, MsgHeader, MsgOptions, Trailer, TrailerElements, UserCarrier,
    UserMemory, UserRight,
};
use mach::port::{PortName, PortRight};
use mach::wire::Wire;
use mach::{KernReturn, Result, traps};

/// Bytes a receive buffer begins with; it grows when a message needs more.
const FIRST_SIZE: usize = 1024;

/// Makes the trap.
///
/// # Safety
/// `buffer` must begin with a message of `send_size` bytes if sending is among the options; it is
/// overwritten when receiving.
unsafe fn mach_msg(
    buffer: &mut [u8],
    options: MsgOptions,
    send_size: usize,
    receive_name: PortName,
    timeout: u32,
) -> KernReturn {
    let receive_size = if options.contains(MsgOptions::RCV_MSG) {
        buffer.len()
    } else {
        0
    };
    let arguments = [
        buffer.as_mut_ptr() as u64,
        u64::from(options.bits()),
        send_size as u64,
        receive_size as u64,
        u64::from(receive_name.0),
        u64::from(timeout),
        0,
    ];
    // SAFETY: the kernel reads and writes within `buffer`; out-of-line memory named by the message is
    // the caller's promise.
    KernReturn(unsafe { syscall::trap(traps::MACH_MSG, &arguments) } as i32)
}

/// Sends a message, waiting while the queue is full; `timeout` in milliseconds, `None` for ever.
///
/// # Errors
/// The kernel's. The rights of a message that could not be sent stay with this task.
pub fn send(message: &Message<UserCarrier>, timeout: Option<u32>) -> Result<()> {
    let mut bytes = message.encode();
    let size = bytes.len();
    let timed = if timeout.is_some() {
        MsgOptions::SEND_TIMEOUT
    } else {
        MsgOptions::empty()
    };
    let options = MsgOptions::SEND_MSG | timed;
    // SAFETY: `bytes` is the encoded message. Out-of-line memory goes with it as it says, which is the
    // meaning of sending it.
    unsafe {
        mach_msg(
            &mut bytes,
            options,
            size,
            PortName::NULL,
            timeout.unwrap_or(0),
        )
    }
    .result()
}

/// Receives messages on a port or port set, into a buffer that is used again and again.
#[derive(Debug)]
pub struct Receiver {
    name: PortName,
    buffer: Vec<u8>,
}

impl Receiver {
    /// Receives on `name`.
    pub fn new(name: PortName) -> Self {
        Self::with_room(name, 0)
    }

    /// Receives on `name`, and has so many bytes for out-of-line memory that comes in the buffer
    /// ([`UserMemory::is_in_buffer`]).
    pub fn with_room(name: PortName, bytes: usize) -> Self {
        Self {
            name,
            buffer: alloc::vec![0; FIRST_SIZE + bytes],
        }
    }

    /// The port or set.
    pub const fn name(&self) -> PortName {
        self.name
    }

    /// Waits for the next message; `timeout` in milliseconds, `None` for ever. The message's
    /// `destination` is the port it came in on, its `reply` where the answer goes.
    ///
    /// # Errors
    /// The kernel's: `MACH_RCV_TIMED_OUT`, `MACH_RCV_PORT_DIED` and so on.
    pub fn receive(&mut self, timeout: Option<u32>) -> Result<Message<UserCarrier>> {
        self.receive_with_trailer(timeout, TrailerElements::Null)
            .map(|(message, _)| message)
    }

    /// As [`Receiver::receive`], with the trailer.
    ///
    /// # Errors
    /// The kernel's.
    pub fn receive_with_trailer(
        &mut self,
        timeout: Option<u32>,
        elements: TrailerElements,
    ) -> Result<(Message<UserCarrier>, Trailer)> {
        let timed = if timeout.is_some() {
            MsgOptions::RCV_TIMEOUT
        } else {
            MsgOptions::empty()
        };
        let options = (MsgOptions::RCV_MSG | MsgOptions::RCV_LARGE | timed).with_trailer(elements);
        loop {
            // SAFETY: nothing is sent.
            let code = unsafe {
                mach_msg(
                    &mut self.buffer,
                    options,
                    0,
                    self.name,
                    timeout.unwrap_or(0),
                )
            };
            match code {
                KernReturn::SUCCESS => return self.parse(),
                KernReturn::RCV_TOO_LARGE => self.grow(),
                KernReturn::RCV_INTERRUPTED => {}
                code => return Err(code),
            }
        }
    }

    fn header(&self) -> MsgHeader {
        MsgHeader::decode(&self.buffer).unwrap_or_default()
    }

    /// Makes room for the message whose size the kernel left in the header.
    fn grow(&mut self) {
        let wanted = self.header().size as usize + MAX_TRAILER_SIZE;
        self.buffer.resize(wanted.max(self.buffer.len() * 2), 0);
    }

    fn parse(&self) -> Result<(Message<UserCarrier>, Trailer)> {
        const BAD: KernReturn = KernReturn::RCV_INVALID_DATA;
        let size = self.header().size as usize;
        let message = Message::from_received_bytes(self.buffer.get(..size).ok_or(BAD)?)?;
        let trailer = self
            .buffer
            .get(size.next_multiple_of(4)..)
            .and_then(Trailer::parse);
        Ok((message, trailer.unwrap_or_default()))
    }
}

/// Gives back whatever a received message carries: for messages that are not understood.
#[doc(alias = "mach_msg_destroy")]
pub fn destroy(message: Message<UserCarrier>) {
    give_back(message.reply);
    for descriptor in message.descriptors {
        match descriptor {
            Descriptor::Port(right) => give_back(right),
            Descriptor::Memory(memory) => drop(take_memory(memory)),
            Descriptor::Ports(Some(ports)) => {
                let size = u64::from(ports.count) * 4;
                let names = take_memory(Some(UserMemory::moved(ports.address, size)));
                for mut name in names.chunks_exact(4) {
                    let name = PortName::get(&mut name).unwrap_or_default();
                    give_back(UserRight::with(name, ports.disposition));
                }
            }
            Descriptor::Ports(None) => {}
        }
    }
}

fn give_back(right: Carried<UserRight>) {
    let Some(right) = right.right() else { return };
    let _ = match right.disposition.right() {
        PortRight::Receive => port::change_references(right.name, PortRight::Receive, -1),
        _ => port::deallocate(right.name),
    };
}

/// The reply port of [`call`]: taken while in use, so that calls may nest.
static REPLY_PORT: AtomicU32 = AtomicU32::new(0);

/// A forked child has none of its parent's ports.
pub(super) fn forget_reply_port() {
    REPLY_PORT.store(0, Ordering::Relaxed);
}

/// Calls a routine on a port and waits for its answer.
///
/// # Errors
/// The routine's, or those of sending and receiving.
pub fn call<R: Routine<UserCarrier>>(port: PortName, request: R) -> Result<R::Reply> {
    call_with(port, request, None)
}

/// As [`call`], giving up after so many milliseconds.
///
/// # Errors
/// As [`call`]; `MACH_RCV_TIMED_OUT`.
pub fn call_with<R: Routine<UserCarrier>>(
    port: PortName,
    request: R,
    timeout: Option<u32>,
) -> Result<R::Reply> {
    let reply_port = match REPLY_PORT.swap(0, Ordering::Relaxed) {
        0 => new_reply_port(),
        name => PortName(name),
    };
    let message = request.into_message(
        UserRight::copy_send(port),
        UserRight::make_send_once(reply_port),
    );
    let answer = send(&message, timeout).and_then(|()| Receiver::new(reply_port).receive(timeout));
    // After a timeout a late answer may still come: that port is not used again.
    if answer.is_ok() {
        keep_reply_port(reply_port);
    } else {
        let _ = port::change_references(reply_port, PortRight::Receive, -1);
    }
    R::Reply::from_message(answer?)
}

fn keep_reply_port(name: PortName) {
    let kept = REPLY_PORT.compare_exchange(0, name.0, Ordering::Relaxed, Ordering::Relaxed);
    if kept.is_err() {
        let _ = port::change_references(name, PortRight::Receive, -1);
    }
}
