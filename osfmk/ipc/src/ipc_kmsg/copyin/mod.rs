//! From a program's buffer to a [`Kmsg`]: [`copyin`].
//!
//! The checks are made in this order; the first that fails gives the code:
//!
//! 1. size: `SEND_MSG_TOO_SMALL`, `SEND_TOO_LARGE`; memory for the message: `SEND_NO_BUFFER`
//! 2. the bytes can be read: `SEND_INVALID_DATA`
//! 3. the header's bits: `SEND_INVALID_HEADER`; then destination and reply: `SEND_INVALID_DEST`,
//!    `SEND_INVALID_VOUCHER`, `SEND_INVALID_REPLY`. Up to here nothing has changed.
//! 4. the shape of the descriptors: `SEND_MSG_TOO_SMALL`, `SEND_INVALID_TYPE`, `SEND_TOO_LARGE`
//! 5. each descriptor in turn: `SEND_INVALID_RIGHT`, `SEND_INVALID_MEMORY`, resource codes
//!
//! A message that fails in the last two steps is destroyed with the rights and memory that it has got
//! by then.
//!
//! XNU's counterpart: `ipc_kmsg_get_from_user`, `ipc_kmsg_copyin_header`, `ipc_kmsg_copyin_body`.

mod body;
mod header;

use super::{Kmsg, Sender, UserMemory};
use crate::ipc_port::transit;
use crate::ipc_space::IpcSpace;
use alloc::vec::Vec;
use mach::KernReturn;
use mach::message::header::HEADER_SIZE;
use mach::message::{MAX_BODY_SIZE, MsgBits, MsgHeader, RawDescriptor, RawMessage};
use mach::wire::Wire;
use smallvec::SmallVec;

/// A message in a program's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) address: u64,
    pub(crate) size: u32,
    /// Stands for the first bytes of the buffer, when the header came in registers.
    pub(crate) header: Option<MsgHeader>,
}

/// A message that was copied in.
pub(crate) struct CopiedIn {
    pub(crate) kmsg: Kmsg,
    /// Number of the request at the destination's port that belongs to the name sent to.
    pub(crate) request: Option<u32>,
    /// A receive right in it would have ended up inside its own port: it must not be sent.
    pub(crate) circular: bool,
}

/// Messages up to this size are read through a buffer on the stack.
const WINDOW: usize = 256;

/// Copies a message in.
#[doc(alias = "ipc_kmsg_get_from_user")]
#[doc(alias = "ipc_kmsg_copyin_from_user")]
pub(crate) fn copyin(
    space: &IpcSpace,
    memory: &dyn UserMemory,
    sender: Sender,
    outgoing: Outgoing,
) -> Result<CopiedIn, KernReturn> {
    let size = outgoing.size as usize;
    if size < HEADER_SIZE || !size.is_multiple_of(4) {
        return Err(KernReturn::SEND_MSG_TOO_SMALL);
    }
    if size > MAX_BODY_SIZE {
        return Err(KernReturn::SEND_TOO_LARGE);
    }
    let mut kmsg = Kmsg::with_room(0, if size > WINDOW { 2 * size } else { 0 })
        .map_err(|_| KernReturn::SEND_NO_BUFFER)?;
    let (header, descriptors) = read(memory, outgoing, &mut kmsg)?;
    if header.bits.0 & !MsgBits::USER_MASK != 0 {
        return Err(KernReturn::SEND_INVALID_HEADER);
    }
    let request = header::copyin_header(space, &header, &mut kmsg)?;
    kmsg.id = header.id;
    kmsg.complex = header.bits.is_complex();
    kmsg.set_sender(sender);
    let mut circular = false;
    if kmsg.complex {
        body::copyin_body(space, memory, &descriptors?, &mut kmsg)?;
        circular = kmsg.depart() == Err(transit::Circular);
    }
    Ok(CopiedIn {
        kmsg,
        request,
        circular,
    })
}

type Descriptors = SmallVec<[RawDescriptor; 2]>;

/// Reads header and descriptors, and the inline bytes into the message. What is wrong with the
/// descriptors is told only after the header has been looked at.
fn read(
    memory: &dyn UserMemory,
    outgoing: Outgoing,
    kmsg: &mut Kmsg,
) -> Result<(MsgHeader, Result<Descriptors, KernReturn>), KernReturn> {
    let size = outgoing.size as usize;
    let mut window = [0; WINDOW];
    let head = &mut window[..size.min(WINDOW)];
    copyin_bytes(memory, outgoing.address, head)?;
    let header = outgoing
        .header
        .or_else(|| MsgHeader::decode(head))
        .ok_or(KernReturn::SEND_MSG_TOO_SMALL)?;
    if !header.bits.is_complex() {
        return read_inline(memory, outgoing, head, kmsg).map(|()| (header, Ok(SmallVec::new())));
    }
    let mut whole = Vec::new();
    let bytes = if size <= WINDOW {
        &*head
    } else {
        whole
            .try_reserve_exact(size)
            .map_err(|_| KernReturn::SEND_NO_BUFFER)?;
        whole.resize(size, 0);
        copyin_bytes(memory, outgoing.address, &mut whole)?;
        &whole
    };
    let descriptors =
        RawMessage::parse_body(&bytes[HEADER_SIZE..]).and_then(|(descriptors, inline)| {
            kmsg.inline
                .try_reserve(inline.len())
                .map_err(|_| KernReturn::SEND_NO_BUFFER)?;
            kmsg.inline.extend_from_slice(inline);
            Ok(descriptors)
        });
    Ok((header, descriptors))
}

/// The inline bytes of a message without descriptors: what the window has, and the rest directly.
fn read_inline(
    memory: &dyn UserMemory,
    outgoing: Outgoing,
    head: &[u8],
    kmsg: &mut Kmsg,
) -> Result<(), KernReturn> {
    let size = outgoing.size as usize;
    kmsg.inline
        .try_reserve(size - HEADER_SIZE)
        .map_err(|_| KernReturn::SEND_NO_BUFFER)?;
    kmsg.inline.extend_from_slice(&head[HEADER_SIZE..]);
    if size > head.len() {
        kmsg.inline.resize(size - HEADER_SIZE, 0);
        let rest = &mut kmsg.inline[head.len() - HEADER_SIZE..];
        let address = outgoing.address.wrapping_add(head.len() as u64);
        copyin_bytes(memory, address, rest)?;
    }
    Ok(())
}

fn copyin_bytes(memory: &dyn UserMemory, address: u64, bytes: &mut [u8]) -> Result<(), KernReturn> {
    memory
        .copyin(address, bytes)
        .map_err(|_| KernReturn::SEND_INVALID_DATA)
}
