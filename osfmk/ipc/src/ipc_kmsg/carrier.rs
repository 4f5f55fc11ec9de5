//! What a message carries inside the kernel: [`KernelCarrier`].
//!
//! Rights are counted [`Right`]s, memory is a copy object of `vm`, an out-of-line array of rights is a
//! vector. All of them are values that end with the message.

use crate::ipc_port::Right;
use alloc::vec::Vec;
use core::fmt;
use mach::Disposition;
use mach::message::{Carried, Carrier, CopyOption, Message};
use vm::vm_map::VmMapCopy;

/// The carrier of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelCarrier {}

/// A message as the kernel's interfaces see it.
pub type KernelMessage = Message<KernelCarrier>;

/// Out-of-line memory on its way.
pub struct KernelMemory {
    /// The pages, or the bytes of a small range.
    pub copy: VmMapCopy,
    /// Its size in bytes.
    pub size: u64,
    /// How the sender wanted it copied.
    pub option: CopyOption,
    /// Where the receiver finds it.
    pub placement: Placement,
}

/// Where a receiver finds out-of-line memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Placement {
    /// Mapped somewhere.
    #[default]
    Mapped,
    /// Behind the message in the receive buffer if there is room and the pages are resident; mapped otherwise. For little
    /// memory that costs less than to map, read and unmap it.
    Buffer,
}

impl KernelMemory {
    /// Memory that the receiver gets as a virtual copy.
    pub const fn new(copy: VmMapCopy, size: u64) -> Self {
        Self {
            copy,
            size,
            option: CopyOption::Virtual,
            placement: Placement::Mapped,
        }
    }

    /// The same, for a receiver who takes it in its buffer.
    #[must_use]
    pub fn into_buffer(self) -> Self {
        Self {
            placement: Placement::Buffer,
            ..self
        }
    }
}

/// An array of rights on its way.
#[derive(Debug)]
pub struct KernelPorts {
    /// The rights, all of one kind.
    pub rights: Vec<Carried<Right>>,
    /// How the receiver sees them travel.
    pub disposition: Disposition,
    /// How the sender wanted the array of names copied.
    pub option: CopyOption,
}

impl Carrier for KernelCarrier {
    type Right = Right;
    type Memory = KernelMemory;
    type Ports = KernelPorts;

    fn disposition(right: &Right) -> Disposition {
        right.disposition()
    }

    fn memory_size(memory: &KernelMemory) -> u64 {
        memory.size
    }

    fn ports_count(ports: &KernelPorts) -> u32 {
        ports.rights.len() as u32
    }

    fn ports_disposition(ports: &KernelPorts) -> Disposition {
        ports.disposition
    }
}

impl fmt::Debug for KernelMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelMemory({} bytes, {:?})", self.size, self.option)
    }
}
