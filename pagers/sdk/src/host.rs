//! The system on a host: a [`Machine`] that a test harness installs for the thread on which the pager runs.
//!
//! The functions have the names and the meaning of `libsystem`'s. Without a machine each fails with `KERN_NOT_SUPPORTED`.
//! The one machine there is, in `pager-harness`, answers with the kernel's own IPC and virtual memory.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::path::PathBuf;
use std::thread_local;

use mach::message::MsgOptions;
use mach::{KernReturn, PortName, PortRight, Result};

/// What a task can do, as a value.
pub trait Machine {
    /// Bytes of a page.
    fn page_size(&self) -> u64;
    /// Makes a receive right or a port set.
    ///
    /// # Errors
    /// The kernel's.
    fn allocate_port(&self, right: PortRight) -> Result<PortName>;
    /// Changes the references of a right.
    ///
    /// # Errors
    /// The kernel's.
    fn change_references(&self, name: PortName, right: PortRight, delta: i32) -> Result<()>;
    /// Gives up one reference of a send right.
    ///
    /// # Errors
    /// The kernel's.
    fn deallocate_port(&self, name: PortName) -> Result<()>;
    /// Adds a receive right to a set.
    ///
    /// # Errors
    /// The kernel's.
    fn add_to_set(&self, name: PortName, set: PortName) -> Result<()>;
    /// Sends the bytes of a message.
    ///
    /// # Errors
    /// The kernel's.
    fn send(&self, message: &[u8], options: MsgOptions, timeout: u32) -> Result<()>;
    /// Receives a message: its bytes, then its trailer.
    ///
    /// # Errors
    /// The kernel's.
    fn receive(&self, name: PortName, options: MsgOptions, timeout: u32) -> Result<Vec<u8>>;
    /// Makes memory of zeroes.
    ///
    /// # Errors
    /// The kernel's.
    fn allocate(&self, size: u64) -> Result<u64>;
    /// Gives memory back.
    fn deallocate(&self, address: u64, size: u64);
    /// Reads the task's memory.
    ///
    /// # Errors
    /// The kernel's.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()>;
    /// Writes the task's memory.
    ///
    /// # Errors
    /// The kernel's.
    fn write(&self, address: u64, bytes: &[u8]) -> Result<()>;
    /// Shows the pager as `/pagers/NAME`.
    ///
    /// # Errors
    /// The kernel's.
    fn register(&self, name: &str, port: PortName) -> Result<u32>;
    /// The directory that stands for `/` where the pager reads files of others.
    fn files(&self) -> PathBuf;
    /// The pager does something that the protocol forgives but its author should know.
    fn remark(&self, remark: String);
}

thread_local! {
    static MACHINE: RefCell<Option<Rc<dyn Machine>>> = const { RefCell::new(None) };
}

/// Runs `work` as a task of `machine`.
pub fn run_on<R>(machine: Rc<dyn Machine>, work: impl FnOnce() -> R) -> R {
    let before = MACHINE.with(|current| current.replace(Some(machine)));
    let result = work();
    MACHINE.with(|current| *current.borrow_mut() = before);
    result
}

/// The machine of this thread.
///
/// # Errors
/// `NOT_SUPPORTED` without one.
pub(crate) fn machine() -> Result<Rc<dyn Machine>> {
    MACHINE
        .with(|current| current.borrow().clone())
        .ok_or(KernReturn::NOT_SUPPORTED)
}

/// Tells the author of the pager.
pub(crate) fn remark(text: core::fmt::Arguments<'_>) {
    if let Ok(machine) = machine() {
        machine.remark(alloc::fmt::format(text));
    }
}

/// `libsystem::mach_call`.
pub(crate) mod mach_call {
    use super::machine;
    use alloc::vec::Vec;
    use mach::Result;
    use mach::message::{
        Descriptor, Message, MsgHeader, MsgOptions, Trailer, TrailerElements, UserCarrier,
        UserMemory, UserRight,
    };
    use mach::wire::Wire;
    use mach::{KernReturn, PortName, PortRight};

    pub(crate) mod port {
        use super::machine;
        use mach::{PortName, PortRight, Result};

        pub(crate) fn allocate(right: PortRight) -> Result<PortName> {
            machine()?.allocate_port(right)
        }
        pub(crate) fn deallocate(name: PortName) -> Result<()> {
            machine()?.deallocate_port(name)
        }
        pub(crate) fn change_references(
            name: PortName,
            right: PortRight,
            delta: i32,
        ) -> Result<()> {
            machine()?.change_references(name, right, delta)
        }
        pub(crate) fn add_to_set(name: PortName, set: PortName) -> Result<()> {
            machine()?.add_to_set(name, set)
        }
    }

    pub(crate) fn send(message: &Message<UserCarrier>, timeout: Option<u32>) -> Result<()> {
        let timed = if timeout.is_some() {
            MsgOptions::SEND_TIMEOUT
        } else {
            MsgOptions::empty()
        };
        machine()?.send(
            &message.encode(),
            MsgOptions::SEND_MSG | timed,
            timeout.unwrap_or(0),
        )
    }

    #[derive(Debug)]
    pub(crate) struct Receiver {
        name: PortName,
    }

    impl Receiver {
        pub(crate) fn with_room(name: PortName, _bytes: usize) -> Self {
            Self { name }
        }

        pub(crate) const fn name(&self) -> PortName {
            self.name
        }

        pub(crate) fn receive_with_trailer(
            &mut self,
            timeout: Option<u32>,
            elements: TrailerElements,
        ) -> Result<(Message<UserCarrier>, Trailer)> {
            const BAD: KernReturn = KernReturn::RCV_INVALID_DATA;
            let timed = if timeout.is_some() {
                MsgOptions::RCV_TIMEOUT
            } else {
                MsgOptions::empty()
            };
            let options = (MsgOptions::RCV_MSG | timed).with_trailer(elements);
            let bytes = machine()?.receive(self.name, options, timeout.unwrap_or(0))?;
            let size = MsgHeader::decode(&bytes).ok_or(BAD)?.size as usize;
            let message = Message::from_received_bytes(bytes.get(..size).ok_or(BAD)?)?;
            let trailer = bytes
                .get(size.next_multiple_of(4)..)
                .and_then(Trailer::parse);
            Ok((message, trailer.unwrap_or_default()))
        }
    }

    pub(crate) fn take_memory(memory: Option<UserMemory>) -> Vec<u8> {
        let (Some(memory), Ok(machine)) = (memory, machine()) else {
            return Vec::new();
        };
        let mut bytes = alloc::vec![0; memory.size as usize];
        if machine.read(memory.address, &mut bytes).is_err() {
            bytes.clear();
        }
        if !memory.is_in_buffer() {
            machine.deallocate(memory.address, memory.size);
        }
        bytes
    }

    /// Gives back what a message carries; the protocol's messages carry no arrays of rights.
    pub(crate) fn destroy(message: Message<UserCarrier>) {
        give_back(message.reply.right());
        for descriptor in message.descriptors {
            match descriptor {
                Descriptor::Port(right) => give_back(right.right()),
                Descriptor::Memory(memory) => drop(take_memory(memory)),
                Descriptor::Ports(_) => {}
            }
        }
    }

    fn give_back(right: Option<UserRight>) {
        let Some(right) = right else { return };
        let _ = match right.disposition.right() {
            PortRight::Receive => port::change_references(right.name, PortRight::Receive, -1),
            _ => port::deallocate(right.name),
        };
    }
}

/// `libsystem::memory`.
pub(crate) mod memory {
    use super::machine;
    use mach::Result;
    use mach::message::UserMemory;

    pub(crate) fn page_size() -> u64 {
        machine().map_or(0x4000, |machine| machine.page_size())
    }

    /// Bytes that were put into memory of the task for a message to name; it goes when this is dropped.
    pub(crate) struct Outgoing {
        address: u64,
        size: u64,
    }

    impl Outgoing {
        pub(crate) fn new(bytes: &[u8]) -> Result<Self> {
            let task = machine()?;
            let size = bytes.len() as u64;
            let outgoing = Self {
                address: task.allocate(size)?,
                size,
            };
            task.write(outgoing.address, bytes)?;
            Ok(outgoing)
        }

        pub(crate) fn memory(&self) -> UserMemory {
            UserMemory::copy_at_once(self.address, self.size)
        }
    }

    impl Drop for Outgoing {
        fn drop(&mut self) {
            if let Ok(machine) = machine() {
                machine.deallocate(self.address, self.size);
            }
        }
    }
}
