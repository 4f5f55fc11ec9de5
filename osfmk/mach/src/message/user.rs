//! A program's carrier: rights are names, memory is address ranges. See [`UserCarrier`].

use super::carrier::{Carried, Carrier};
use super::header::{MsgBits, MsgHeader};
use super::raw::{CopyOption, RawDescriptor, RawMessage};
use super::typed::{Descriptor, Encoded, Inline, Message};
use crate::kern_return::KernReturn;
use crate::port::{Disposition, PortName};
use crate::wire::{Gathered, Wire};
use smallvec::SmallVec;

/// The carrier of programs. It owns nothing: dropping a message gives back neither names nor memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserCarrier {}

/// A name, and how it is to be carried or was received.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UserRight {
    /// The name in this task's space.
    pub name: PortName,
    /// How it travels.
    pub disposition: Disposition,
}

impl UserRight {
    /// Keep the send right and give the receiver another.
    pub const fn copy_send(name: PortName) -> Carried<Self> {
        Self::with(name, Disposition::CopySend)
    }

    /// Give one reference of the send right away.
    pub const fn move_send(name: PortName) -> Carried<Self> {
        Self::with(name, Disposition::MoveSend)
    }

    /// Give the send-once right away.
    pub const fn move_send_once(name: PortName) -> Carried<Self> {
        Self::with(name, Disposition::MoveSendOnce)
    }

    /// Make a send right from the receive right.
    pub const fn make_send(name: PortName) -> Carried<Self> {
        Self::with(name, Disposition::MakeSend)
    }

    /// Make a send-once right from the receive right.
    pub const fn make_send_once(name: PortName) -> Carried<Self> {
        Self::with(name, Disposition::MakeSendOnce)
    }

    /// Give the receive right away.
    pub const fn move_receive(name: PortName) -> Carried<Self> {
        Self::with(name, Disposition::MoveReceive)
    }

    /// `name` with `disposition`; null and dead names become [`Carried::Null`] and
    /// [`Carried::Dead`].
    pub const fn with(name: PortName, disposition: Disposition) -> Carried<Self> {
        match name {
            PortName::NULL => Carried::Null,
            PortName::DEAD => Carried::Dead,
            name => Carried::Right(Self { name, disposition }),
        }
    }
}

impl Carried<UserRight> {
    /// The name: null and dead as such.
    pub const fn name(&self) -> PortName {
        match self {
            Self::Null => PortName::NULL,
            Self::Dead => PortName::DEAD,
            Self::Right(right) => right.name,
        }
    }

    /// The disposition number, `default` for null and dead names.
    const fn disposition_or(&self, default: u32) -> u32 {
        match self {
            Self::Right(right) => right.disposition.raw(),
            Self::Null | Self::Dead => default,
        }
    }
}

/// A range of this task's memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UserMemory {
    /// Start.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Sending: take the range out of this task.
    pub deallocate: bool,
    /// Sending: how to copy.
    pub copy: CopyOption,
}

impl UserMemory {
    /// Send a virtual copy, keep the range.
    pub const fn copy(address: u64, size: u64) -> Self {
        Self {
            address,
            size,
            deallocate: false,
            copy: CopyOption::Virtual,
        }
    }

    /// Have the bytes copied when the message is sent, keep the range.
    pub const fn copy_at_once(address: u64, size: u64) -> Self {
        Self {
            copy: CopyOption::Physical,
            ..Self::copy(address, size)
        }
    }

    /// Received: the bytes are in the receive buffer, until the next message is received into it, and are nothing to be given
    /// back.
    pub const fn is_in_buffer(&self) -> bool {
        !self.deallocate && matches!(self.copy, CopyOption::Virtual)
    }

    /// Move the range to the receiver.
    pub const fn moved(address: u64, size: u64) -> Self {
        Self {
            address,
            size,
            deallocate: true,
            copy: CopyOption::Virtual,
        }
    }
}

/// An array of names in this task's memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UserPorts {
    /// Start of the array (`mach_port_name_t` each).
    pub address: u64,
    /// Number of names.
    pub count: u32,
    /// How all of them travel.
    pub disposition: Disposition,
    /// Sending: take the array out of this task.
    pub deallocate: bool,
}

impl Carrier for UserCarrier {
    type Right = UserRight;
    type Memory = UserMemory;
    type Ports = UserPorts;

    fn disposition(right: &UserRight) -> Disposition {
        right.disposition
    }

    fn memory_size(memory: &UserMemory) -> u64 {
        memory.size
    }

    fn ports_count(ports: &UserPorts) -> u32 {
        ports.count
    }

    fn ports_disposition(ports: &UserPorts) -> Disposition {
        ports.disposition
    }
}

impl Descriptor<UserCarrier> {
    /// The descriptor in wire terms. Memory is limited to 4 GiB less one byte.
    fn to_raw(&self) -> RawDescriptor {
        match self {
            Self::Port(right) => RawDescriptor::Port {
                name: right.name(),
                disposition: right.disposition_or(Disposition::CopySend.raw()) as u8,
            },
            Self::Memory(memory) => {
                let empty = UserMemory::copy(0, 0);
                let memory = memory.unwrap_or(empty);
                RawDescriptor::Memory {
                    address: memory.address,
                    size: u32::try_from(memory.size).unwrap_or(u32::MAX),
                    deallocate: memory.deallocate,
                    copy: memory.copy,
                    volatile: false,
                }
            }
            Self::Ports(ports) => RawDescriptor::Ports {
                address: ports.map_or(0, |ports| ports.address),
                count: ports.map_or(0, |ports| ports.count),
                disposition: ports.map_or(Disposition::CopySend, |ports| ports.disposition) as u8,
                deallocate: ports.is_some_and(|ports| ports.deallocate),
                copy: CopyOption::Virtual,
            },
        }
    }

    /// The descriptor a program received; `None` if its disposition is not one.
    fn from_raw(raw: &RawDescriptor) -> Option<Self> {
        Some(match *raw {
            RawDescriptor::Port { name, disposition }
            | RawDescriptor::GuardedPort {
                name, disposition, ..
            } => Self::Port(received_right(name, u32::from(disposition))?),
            RawDescriptor::Memory {
                address,
                size,
                deallocate,
                copy,
                ..
            } => {
                let memory = UserMemory {
                    address,
                    size: u64::from(size),
                    deallocate,
                    copy,
                };
                Self::Memory((size != 0).then_some(memory))
            }
            RawDescriptor::Ports {
                address,
                count,
                disposition,
                deallocate,
                ..
            } => {
                if count == 0 {
                    return Some(Self::Ports(None));
                }
                let disposition = Disposition::from_raw(u32::from(disposition))?;
                Self::Ports(Some(UserPorts {
                    address,
                    count,
                    disposition,
                    deallocate,
                }))
            }
        })
    }
}

fn received_right(name: PortName, disposition: u32) -> Option<Carried<UserRight>> {
    match name {
        PortName::NULL => Some(Carried::Null),
        PortName::DEAD => Some(Carried::Dead),
        name => {
            Disposition::from_raw(disposition).map(|disposition| UserRight::with(name, disposition))
        }
    }
}

impl Message<UserCarrier> {
    /// Its header, ready to be sent: destination as remote port, reply port as local.
    fn header(&self) -> MsgHeader {
        let remote = self.destination.disposition_or(0);
        let local = self.reply.disposition_or(0);
        MsgHeader {
            bits: MsgBits::new(remote, local, self.complex),
            size: self.wire_size() as u32,
            remote: self.destination.name(),
            local: self.reply.name(),
            voucher: PortName::NULL,
            id: self.id,
        }
    }

    /// The message ready to be sent, in wire terms.
    pub fn to_raw(&self) -> RawMessage {
        RawMessage {
            header: self.header(),
            descriptors: self.descriptors.iter().map(Descriptor::to_raw).collect(),
            inline: self.inline.clone(),
        }
    }

    /// The bytes of the message ready to be sent.
    pub fn encode(&self) -> Encoded {
        let mut bytes = Encoded::new();
        let mut head = Gathered::new(&mut bytes);
        self.header().put(&mut head);
        if self.complex {
            (self.descriptors.len() as u32).put(&mut head);
            for descriptor in &self.descriptors {
                descriptor.to_raw().put(&mut head);
            }
        }
        head.finish();
        bytes.extend_from_slice(&self.inline);
        bytes
    }

    /// The message in the bytes that were received, trailer excluded: its local port is the port it came in on, its remote
    /// port the reply port.
    ///
    /// # Errors
    /// As [`RawMessage::parse`]; `MACH_RCV_INVALID_DATA` for dispositions that no kernel writes.
    pub fn from_received_bytes(bytes: &[u8]) -> Result<Self, KernReturn> {
        const SHORT: KernReturn = KernReturn::SEND_MSG_TOO_SMALL;
        let mut rest = bytes;
        if !bytes.len().is_multiple_of(4) {
            return Err(SHORT);
        }
        let header = MsgHeader::get(&mut rest).ok_or(SHORT)?;
        let (raw, inline) = match header.bits.is_complex() {
            true => RawMessage::parse_body(rest)?,
            false => (SmallVec::new(), rest),
        };
        let mut descriptors = SmallVec::with_capacity(raw.len());
        for descriptor in &raw {
            let descriptor = Descriptor::from_raw(descriptor);
            descriptors.push(descriptor.ok_or(KernReturn::RCV_INVALID_DATA)?);
        }
        Ok(Self {
            destination: received_right(header.local, header.bits.local()).unwrap_or_default(),
            reply: received_right(header.remote, header.bits.remote()).unwrap_or_default(),
            id: header.id,
            complex: header.bits.is_complex(),
            descriptors,
            inline: Inline::from_slice(inline),
        })
    }
}
