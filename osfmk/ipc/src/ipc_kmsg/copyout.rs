//! From a [`Kmsg`] to a program's buffer: [`copyout`], and [`give_back`] for a message that was not
//! sent.
//!
//! Header rights first, then each descriptor, then the bytes. A descriptor that cannot be delivered
//! arrives as null and the call says `RCV_BODY_ERROR` with the resource that was short; the rest of the
//! message arrives. Only a header that cannot be delivered loses the message.
//!
//! XNU's counterpart: `ipc_kmsg_copyout`, `ipc_kmsg_copyout_pseudo`, `ipc_kmsg_put_to_user`.

use super::carrier::{KernelCarrier, KernelMemory, KernelPorts, Placement};
use super::{Kmsg, Sender, UserMemory};
use crate::ipc_mqueue::waiter::Delivery;
use crate::ipc_port::Right;
use crate::ipc_right::After;
use crate::ipc_space::IpcSpace;
use alloc::vec::Vec;
use mach::message::header::HEADER_SIZE;
use mach::message::trailer::MAX_TRAILER_SIZE;
use mach::message::{
    Carried, CopyOption, Descriptor, MsgBits, MsgHeader, RawDescriptor, Trailer, TrailerElements,
};
use mach::wire::Wire;
use mach::{Disposition, KernReturn, PortName};
use smallvec::SmallVec;
use vm::vm_map::VmMapCopy;

/// Where and how a received message is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) address: u64,
    /// Bytes of the buffer.
    pub(crate) size: usize,
    pub(crate) elements: TrailerElements,
}

/// Head of a message with descriptors.
type Bytes = SmallVec<[u8; 128]>;

/// Bytes of message and trailer up to which they are written with one copy.
const SINGLE_COPY: usize = 256;

/// Delivers a message. The result is `SUCCESS` or a receive error.
#[doc(alias = "ipc_kmsg_copyout")]
pub(crate) fn copyout(
    space: &IpcSpace,
    memory: &dyn UserMemory,
    delivery: Delivery,
    incoming: Incoming,
) -> KernReturn {
    let Delivery {
        mut kmsg,
        sequence,
        context,
    } = delivery;
    let header = match copyout_header(space, &mut kmsg) {
        Ok(header) => header,
        Err(code) => return code,
    };
    let mut problems = 0;
    let Sender { security, audit } = *kmsg.sender();
    let trailer = Trailer {
        sequence_number: sequence,
        sender: security,
        audit,
        context,
    };
    let trailer = trailer_bytes(&trailer, incoming.elements);
    let trailer = &trailer[..Trailer::size_for(incoming.elements)];
    let used = (header.size as usize).next_multiple_of(4) + trailer.len();
    let mut program = Program {
        space,
        memory,
        address: incoming.address,
        behind: Behind::of(incoming, used),
    };
    if program
        .deliver(&header, &mut kmsg, trailer, &mut problems)
        .is_err()
    {
        return KernReturn::RCV_INVALID_DATA;
    }
    if problems == 0 {
        KernReturn::SUCCESS
    } else {
        KernReturn::RCV_BODY_ERROR.with(problems)
    }
}

/// Gives a message back to its sender, who finds the rights under the names that they have now.
/// Returns the resource bits to be added to the send's error.
#[doc(alias = "ipc_kmsg_copyout_pseudo")]
pub(crate) fn give_back(
    space: &IpcSpace,
    memory: &dyn UserMemory,
    mut kmsg: Kmsg,
    address: u64,
) -> i32 {
    kmsg.land();
    let mut problems = 0;
    let destination_type = disposition(&kmsg.destination);
    let reply_type = disposition(&kmsg.reply);
    let destination = kmsg.destination.take();
    let remote = copyout_or_null(space, destination, &mut problems);
    let reply = kmsg.reply.take();
    let local = copyout_or_null(space, reply, &mut problems);
    let header = MsgHeader {
        bits: MsgBits::new(destination_type, reply_type, kmsg.complex),
        size: kmsg.wire_size() as u32,
        remote,
        local,
        voucher: PortName::NULL,
        id: kmsg.id,
    };
    let mut program = Program {
        space,
        memory,
        address,
        behind: Behind::default(),
    };
    let _ = program.deliver(&header, &mut kmsg, &[], &mut problems);
    problems
}

/// What a header says of a right that arrives.
fn disposition(right: &Carried<Right>) -> u32 {
    match right {
        Carried::Null => 0,
        Carried::Dead => Disposition::MoveSend.raw(),
        Carried::Right(right) => right.disposition().raw(),
    }
}

/// Turns destination and reply into names; the right that the message was sent with ends.
#[doc(alias = "ipc_kmsg_copyout_header")]
fn copyout_header(space: &IpcSpace, kmsg: &mut Kmsg) -> Result<MsgHeader, KernReturn> {
    let local_type = disposition(&kmsg.destination);
    let remote_type = disposition(&kmsg.reply);
    let destination = kmsg.destination.take();
    let reply = kmsg.reply.take();
    let mut after = After::default();
    let wanted = usize::from(reply.as_right().is_some());
    let names = space.lock_with_free(wanted).and_then(|mut state| {
        let local = match &destination {
            Carried::Right(right) if right.port().is_active() => right
                .port()
                .receive_name(space.id())
                .unwrap_or(PortName::NULL),
            _ => PortName::DEAD,
        };
        let remote = state
            .copyout_carried(space.id(), reply, &mut after)
            .map_err(|right| {
                after.release(right);
                KernReturn::NO_SPACE
            })?;
        Ok((local, remote))
    });
    after.run();
    if let Carried::Right(right) = destination {
        right.spend();
    }
    let (local, remote) =
        names.map_err(|code| KernReturn::RCV_HEADER_ERROR.with(space_problem(code)))?;
    Ok(MsgHeader {
        bits: MsgBits::new(remote_type, local_type, kmsg.complex),
        size: kmsg.wire_size() as u32,
        remote,
        local,
        voucher: PortName::NULL,
        id: kmsg.id,
    })
}

const fn space_problem(code: KernReturn) -> i32 {
    match code {
        KernReturn::RESOURCE_SHORTAGE => KernReturn::MSG_IPC_KERNEL,
        _ => KernReturn::MSG_IPC_SPACE,
    }
}

/// What is left of a receive buffer behind the message.
#[derive(Clone, Copy, Default)]
struct Behind {
    address: u64,
    bytes: u64,
}

impl Behind {
    /// Where memory in the buffer begins.
    const ALIGNMENT: u64 = 16;

    fn of(buffer: Incoming, used: usize) -> Self {
        let end = buffer.address.saturating_add(buffer.size as u64);
        let start = buffer.address.saturating_add(used as u64);
        let address = start.checked_next_multiple_of(Self::ALIGNMENT);
        address.map_or(Self::default(), |address| Self {
            address,
            bytes: end.saturating_sub(address),
        })
    }

    /// Takes room for so many bytes.
    fn take(&mut self, size: u64) -> Option<u64> {
        let address = self.address;
        let taken = size.next_multiple_of(Self::ALIGNMENT);
        let left = self.bytes.checked_sub(size)?.saturating_sub(taken - size);
        *self = Self {
            address: address + taken,
            bytes: left,
        };
        Some(address)
    }
}

/// The program that gets a message.
struct Program<'a> {
    space: &'a IpcSpace,
    memory: &'a dyn UserMemory,
    /// Of the buffer.
    address: u64,
    behind: Behind,
}

impl Program<'_> {
    /// Writes header, descriptors, bytes and trailer; rights and memory go to the receiver.
    fn deliver(
        &mut self,
        header: &MsgHeader,
        kmsg: &mut Kmsg,
        trailer: &[u8],
        problems: &mut i32,
    ) -> Result<(), KernReturn> {
        let header = header_bytes(header);
        if !kmsg.complex {
            return put(self.memory, self.address, &header, &kmsg.inline, trailer);
        }
        let mut head = Bytes::from_slice(&header);
        (kmsg.descriptors.len() as u32).put(&mut head);
        for descriptor in core::mem::take(&mut kmsg.descriptors) {
            self.copyout_descriptor(descriptor, problems).put(&mut head);
        }
        put(self.memory, self.address, &head, &kmsg.inline, trailer)
    }

    #[doc(alias = "ipc_kmsg_copyout_body")]
    fn copyout_descriptor(
        &mut self,
        descriptor: Descriptor<KernelCarrier>,
        problems: &mut i32,
    ) -> RawDescriptor {
        match descriptor {
            Descriptor::Port(right) => {
                let kind = right
                    .as_right()
                    .map_or(Disposition::MoveSend, Right::disposition);
                let name = copyout_or_null(self.space, right, problems);
                RawDescriptor::Port {
                    name,
                    disposition: kind as u8,
                }
            }
            Descriptor::Memory(pages) => {
                let copy = pages
                    .as_ref()
                    .map_or(CopyOption::Virtual, |pages| pages.option);
                let placed = match &pages {
                    Some(pages) if pages.placement == Placement::Buffer => {
                        self.place_in_buffer(pages)
                    }
                    _ => None,
                };
                let (address, size) = match (placed, pages) {
                    (Some(placed), _) => placed,
                    (None, Some(pages)) => copyout_memory(self.memory, pages, problems),
                    (None, None) => (0, 0),
                };
                RawDescriptor::Memory {
                    address,
                    size,
                    deallocate: copy == CopyOption::Virtual && placed.is_none(),
                    copy,
                    volatile: false,
                }
            }
            Descriptor::Ports(ports) => copyout_ports(self.space, self.memory, ports, problems),
        }
    }

    /// Puts memory behind the message, if it can be had at once and there is room.
    fn place_in_buffer(&mut self, pages: &KernelMemory) -> Option<(u64, u32)> {
        let mut behind = self.behind;
        let address = behind.take(pages.size)?;
        let put = self.memory.put(&pages.copy, address);
        put.is_ok_and(|put| put).then(|| {
            self.behind = behind;
            (address, pages.size as u32)
        })
    }
}

#[doc(alias = "ipc_kmsg_copyout_ool_descriptor")]
fn copyout_memory(memory: &dyn UserMemory, pages: KernelMemory, problems: &mut i32) -> (u64, u32) {
    let size = u32::try_from(pages.size).unwrap_or(u32::MAX);
    match memory.give(pages.copy) {
        Ok(address) => (address, size),
        Err(code) => {
            *problems |= memory_problem(code);
            (0, 0)
        }
    }
}

const fn memory_problem(code: KernReturn) -> i32 {
    match code {
        KernReturn::RESOURCE_SHORTAGE => KernReturn::MSG_VM_KERNEL,
        _ => KernReturn::MSG_VM_SPACE,
    }
}

#[doc(alias = "ipc_kmsg_copyout_ool_ports_descriptor")]
fn copyout_ports(
    space: &IpcSpace,
    memory: &dyn UserMemory,
    ports: Option<KernelPorts>,
    problems: &mut i32,
) -> RawDescriptor {
    let disposition = ports
        .as_ref()
        .map_or(Disposition::MoveSend, |ports| ports.disposition);
    let option = ports
        .as_ref()
        .map_or(CopyOption::Virtual, |ports| ports.option);
    let rights = ports.map_or_else(Vec::new, |ports| ports.rights);
    let mut names: Vec<u8> = Vec::new();
    let (mut address, mut count) = (0, 0);
    if !rights.is_empty() && names.try_reserve_exact(4 * rights.len()).is_err() {
        *problems |= KernReturn::MSG_VM_KERNEL;
    } else if !rights.is_empty() {
        count = rights.len() as u32;
        for right in rights {
            copyout_or_null(space, right, problems).put(&mut names);
        }
        match VmMapCopy::from_buffer(names).and_then(|copy| memory.give(copy)) {
            Ok(at) => address = at,
            Err(code) => {
                // The names are in the space, but nobody will know them.
                *problems |= memory_problem(code);
                count = 0;
            }
        }
    }
    let deallocate = option == CopyOption::Virtual;
    RawDescriptor::Ports {
        address,
        count,
        disposition: disposition as u8,
        deallocate,
        copy: option,
    }
}

/// Puts a right into the space; one that does not fit ends, and its place in the message is null.
#[doc(alias = "ipc_kmsg_copyout_object")]
fn copyout_or_null(space: &IpcSpace, right: Carried<Right>, problems: &mut i32) -> PortName {
    let right = match right {
        Carried::Null => return PortName::NULL,
        Carried::Dead => return PortName::DEAD,
        Carried::Right(right) => right,
    };
    match space.copyout(right) {
        Ok(name) => name,
        Err((code, right)) => {
            right.release();
            *problems |= space_problem(code);
            PortName::NULL
        }
    }
}

/// Writes a message whose head is encoded.
#[doc(alias = "ipc_kmsg_put_to_user")]
fn put(
    memory: &dyn UserMemory,
    address: u64,
    head: &[u8],
    inline: &[u8],
    trailer: &[u8],
) -> Result<(), KernReturn> {
    let end = (head.len() + inline.len()).next_multiple_of(4);
    let mut buffer = [0; SINGLE_COPY];
    if let Some(whole) = buffer.get_mut(..end + trailer.len()) {
        // One copy: each crossing has its price.
        whole[..head.len()].copy_from_slice(head);
        whole[head.len()..head.len() + inline.len()].copy_from_slice(inline);
        whole[end..].copy_from_slice(trailer);
        return memory.copyout(whole, address);
    }
    memory.copyout(head, address)?;
    memory.copyout(inline, address.wrapping_add(head.len() as u64))?;
    memory.copyout(trailer, address.wrapping_add(end as u64))
}

fn header_bytes(header: &MsgHeader) -> [u8; HEADER_SIZE] {
    let words = [
        header.bits.0,
        header.size,
        header.remote.0,
        header.local.0,
        header.voucher.0,
        header.id as u32,
    ];
    let mut bytes = [0; HEADER_SIZE];
    put_words(&words, &mut bytes);
    bytes
}

/// The whole trailer; a receiver gets the first part of it.
#[doc(alias = "ipc_kmsg_add_trailer")]
fn trailer_bytes(trailer: &Trailer, elements: TrailerElements) -> [u8; MAX_TRAILER_SIZE] {
    let mut bytes = [0; MAX_TRAILER_SIZE];
    let head = [
        0,
        Trailer::size_for(elements) as u32,
        trailer.sequence_number,
        trailer.sender[0],
        trailer.sender[1],
    ];
    put_words(&head, &mut bytes);
    put_words(&trailer.audit.words, &mut bytes[20..]);
    bytes[52..60].copy_from_slice(&trailer.context.to_le_bytes());
    bytes
}

fn put_words(words: &[u32], bytes: &mut [u8]) {
    for (word, place) in words.iter().zip(bytes.chunks_exact_mut(4)) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

/// What a receiver gets of a message that was lost: an empty one, with its trailer.
#[doc(alias = "msg_receive_error")]
pub(crate) fn put_error(memory: &dyn UserMemory, incoming: Incoming, room: usize, sequence: u32) {
    let header = MsgHeader {
        size: HEADER_SIZE as u32,
        ..MsgHeader::default()
    };
    let trailer = Trailer {
        sequence_number: sequence,
        ..Trailer::default()
    };
    let size = Trailer::size_for(incoming.elements);
    if HEADER_SIZE + size <= room {
        let tail = &trailer_bytes(&trailer, incoming.elements)[..size];
        let _ = put(memory, incoming.address, &header_bytes(&header), &[], tail);
    }
}
