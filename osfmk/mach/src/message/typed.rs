//! [`Message<C>`]: a message that owns what it carries.
//!
//! This is what interfaces encode into and decode from, and what the kernel queues. It knows nothing
//! of buffers; [`super::raw`] does.

use super::carrier::{Carried, Carrier};
use super::header::HEADER_SIZE;
use super::raw::{BODY_SIZE, PORT_DESCRIPTOR_SIZE, WIDE_DESCRIPTOR_SIZE};
use core::fmt;
use smallvec::SmallVec;

/// The inline bytes of a message, after header and descriptors.
pub type Inline = SmallVec<[u8; 128]>;

/// The bytes of a message as a program sends it; those of the usual ones need no memory of their own.
pub type Encoded = SmallVec<[u8; 256]>;

/// One thing carried besides bytes.
pub enum Descriptor<C: Carrier> {
    /// A right.
    Port(Carried<C::Right>),
    /// Memory; `None` is an empty range.
    Memory(Option<C::Memory>),
    /// An array of rights; `None` is an empty one.
    Ports(Option<C::Ports>),
}

impl<C: Carrier> Descriptor<C> {
    /// Bytes the descriptor takes in a program's buffer.
    pub const fn wire_size(&self) -> usize {
        match self {
            Self::Port(_) => PORT_DESCRIPTOR_SIZE,
            Self::Memory(_) | Self::Ports(_) => WIDE_DESCRIPTOR_SIZE,
        }
    }
}

/// A message with its rights and memory.
pub struct Message<C: Carrier> {
    /// Where it goes; at the receiver, where it came in (a program's right there is the receive
    /// right's name with disposition as received).
    pub destination: Carried<C::Right>,
    /// Where the answer goes.
    pub reply: Carried<C::Right>,
    /// Which routine.
    pub id: i32,
    /// True when the header says that descriptors follow, even if there are none.
    pub complex: bool,
    /// What it carries, in order.
    pub descriptors: SmallVec<[Descriptor<C>; 2]>,
    /// The bytes after header and descriptors.
    pub inline: Inline,
}

impl<C: Carrier> Message<C> {
    /// A message without descriptors or bytes.
    pub fn new(id: i32, destination: Carried<C::Right>, reply: Carried<C::Right>) -> Self {
        Self {
            destination,
            reply,
            id,
            complex: false,
            descriptors: SmallVec::new(),
            inline: SmallVec::new(),
        }
    }

    /// Adds a descriptor and marks the message complex.
    pub fn push(&mut self, descriptor: Descriptor<C>) {
        self.complex = true;
        self.descriptors.push(descriptor);
    }

    /// Bytes of the message in a program's buffer (`msgh_size`), trailer excluded.
    pub fn wire_size(&self) -> usize {
        let descriptors: usize = self.descriptors.iter().map(Descriptor::wire_size).sum();
        let body = if self.complex { BODY_SIZE } else { 0 };
        HEADER_SIZE + body + descriptors + self.inline.len()
    }
}

impl<C: Carrier> fmt::Debug for Descriptor<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(Carried::Null) => f.write_str("null port"),
            Self::Port(Carried::Dead) => f.write_str("dead port"),
            Self::Port(Carried::Right(right)) => write!(f, "{:?}", C::disposition(right)),
            Self::Memory(memory) => {
                write!(
                    f,
                    "memory of {} bytes",
                    memory.as_ref().map_or(0, C::memory_size)
                )
            }
            Self::Ports(ports) => {
                write!(f, "{} ports", ports.as_ref().map_or(0, C::ports_count))
            }
        }
    }
}

impl<C: Carrier> fmt::Debug for Message<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("descriptors", &self.descriptors)
            .field("inline", &self.inline.len())
            .finish_non_exhaustive()
    }
}
