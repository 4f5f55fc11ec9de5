//! For this crate's tests: tasks with pretended memory, and a census around each test.
//!
//! [`World`] lets one test run at a time and demands at its end that every port, right, space and
//! message made in between is gone. [`Task`] is a space, a piece of memory and a thread's waiting
//! place. [`FakeMemory`] is stricter than an address space: what was taken away cannot be touched.

use crate::census::{self, Census};
use crate::ipc_kmsg::{Sender, UserMemory};
use crate::mach_msg::{Caller, MsgArguments, mach_msg};
use crate::{IpcSpace, ThreadIpc, deferred};
use mach::message::{
    MsgBits, MsgHeader, MsgOptions, RawDescriptor, RawMessage, Trailer, TrailerElements,
};
use mach::{Disposition, KernReturn, PortName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;
use vm::vm_map::{SourceFate, VmMapCopy};

/// One test's world: see the module.
pub(crate) struct World {
    before: Census,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    pub(crate) fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        prim::host::boot();
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        settle();
        Self {
            before: census::take(),
            _alone: alone,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            settle();
            assert_eq!(
                census::take(),
                self.before,
                "the test leaked something (left: after, right: before)"
            );
        }
    }
}

/// Waits until all deferred work is done.
pub(crate) fn settle() {
    for _ in 0..3 {
        deferred::drain();
        prim::reaper::quiesce();
    }
}

/// Pretended memory: regions of bytes.
#[derive(Default)]
pub(crate) struct FakeMemory {
    regions: Mutex<Regions>,
}

#[derive(Default)]
struct Regions {
    map: BTreeMap<u64, Vec<u8>>,
    next: u64,
    /// Fail the mapping of copies.
    full: bool,
}

impl FakeMemory {
    pub(crate) fn map(&self, bytes: &[u8]) -> u64 {
        let mut regions = self.regions.lock().unwrap();
        regions.next += 0x10000 + bytes.len() as u64;
        let address = regions.next & !7;
        regions.map.insert(address, bytes.to_vec());
        address
    }

    pub(crate) fn read(&self, address: u64, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.copyin(address, &mut bytes).expect("mapped");
        bytes
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.regions.lock().unwrap().full = full;
    }
}

impl Regions {
    fn slice(&mut self, address: u64, size: usize) -> Result<&mut [u8], KernReturn> {
        let (start, bytes) = self
            .map
            .range_mut(..=address)
            .next_back()
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let from = (address - start) as usize;
        let end = from.checked_add(size).ok_or(KernReturn::INVALID_ADDRESS)?;
        bytes.get_mut(from..end).ok_or(KernReturn::INVALID_ADDRESS)
    }
}

impl UserMemory for FakeMemory {
    fn copyin(&self, from: u64, to: &mut [u8]) -> Result<(), KernReturn> {
        to.copy_from_slice(self.regions.lock().unwrap().slice(from, to.len())?);
        Ok(())
    }

    fn copyout(&self, from: &[u8], to: u64) -> Result<(), KernReturn> {
        self.regions
            .lock()
            .unwrap()
            .slice(to, from.len())?
            .copy_from_slice(from);
        Ok(())
    }

    fn take(&self, address: u64, size: u64, fate: SourceFate) -> Result<VmMapCopy, KernReturn> {
        let bytes = self
            .regions
            .lock()
            .unwrap()
            .slice(address, size as usize)?
            .to_vec();
        if fate == SourceFate::Destroy {
            self.remove(address, size)?;
        }
        VmMapCopy::from_bytes(&bytes)
    }

    fn give(&self, copy: VmMapCopy) -> Result<u64, KernReturn> {
        if self.regions.lock().unwrap().full {
            return Err(KernReturn::NO_SPACE);
        }
        Ok(self.map(copy.bytes().expect("tests copy bytes")))
    }

    fn put(&self, copy: &VmMapCopy, address: u64) -> Result<bool, KernReturn> {
        match copy.bytes() {
            Some(bytes) => self.copyout(bytes, address).map(|()| true),
            None => Ok(false),
        }
    }

    fn remove(&self, address: u64, _size: u64) -> Result<(), KernReturn> {
        let removed = self.regions.lock().unwrap().map.remove(&address);
        removed.map(|_| ()).ok_or(KernReturn::INVALID_ADDRESS)
    }
}

/// A task with one thread. Clones are further threads of the same task.
pub(crate) struct Task {
    pub(crate) space: Arc<IpcSpace>,
    pub(crate) memory: Arc<FakeMemory>,
    pub(crate) thread: ThreadIpc,
    pub(crate) buffer: u64,
}

/// Bytes of a task's message buffer.
pub(crate) const BUFFER: usize = 16 * 1024;

impl Task {
    pub(crate) fn new() -> Self {
        let memory = Arc::new(FakeMemory::default());
        let buffer = memory.map(&[0; BUFFER]);
        Self {
            space: IpcSpace::create().unwrap(),
            memory,
            thread: ThreadIpc::new(),
            buffer,
        }
    }

    /// Another thread of the task.
    pub(crate) fn fork_thread(&self) -> Self {
        let buffer = self.memory.map(&[0; BUFFER]);
        Self {
            space: Arc::clone(&self.space),
            memory: Arc::clone(&self.memory),
            thread: ThreadIpc::new(),
            buffer,
        }
    }

    pub(crate) fn call(&self, arguments: MsgArguments) -> KernReturn {
        let sender = Sender {
            security: [501, 20],
            ..Sender::default()
        };
        let caller = Caller {
            space: &self.space,
            memory: &*self.memory,
            thread: &self.thread,
            sender,
        };
        mach_msg(&caller, &arguments)
    }

    /// Writes a message into the buffer and sends it.
    pub(crate) fn send_with(
        &self,
        message: &RawMessage,
        options: MsgOptions,
        timeout: u32,
    ) -> KernReturn {
        let bytes = message.encode();
        self.memory.copyout(&bytes, self.buffer).unwrap();
        self.call(MsgArguments {
            address: self.buffer,
            options: MsgOptions::SEND_MSG | options,
            send_size: bytes.len() as u32,
            timeout,
            ..MsgArguments::default()
        })
    }

    /// Sends without waiting.
    pub(crate) fn send(&self, message: &RawMessage) -> KernReturn {
        self.send_with(message, MsgOptions::SEND_TIMEOUT, 0)
    }

    pub(crate) fn receive_with(
        &self,
        name: PortName,
        options: MsgOptions,
        timeout: u32,
        size: u32,
    ) -> Result<(RawMessage, Trailer), KernReturn> {
        let options = (options | MsgOptions::RCV_MSG).with_trailer(TrailerElements::Audit);
        let code = self.call(MsgArguments {
            address: self.buffer,
            options,
            receive_size: size,
            receive_name: name,
            timeout,
            ..MsgArguments::default()
        });
        if code.is_success() {
            Ok(self.parse())
        } else {
            Err(code)
        }
    }

    /// Receives without waiting.
    pub(crate) fn receive(&self, name: PortName) -> Result<(RawMessage, Trailer), KernReturn> {
        self.receive_with(name, MsgOptions::RCV_TIMEOUT, 0, BUFFER as u32)
    }

    /// What was received into the buffer.
    pub(crate) fn parse(&self) -> (RawMessage, Trailer) {
        let bytes = self.memory.read(self.buffer, BUFFER);
        let size = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        let message = RawMessage::parse(&bytes[..size]).expect("the kernel writes whole messages");
        (
            message,
            Trailer::parse(&bytes[size..]).expect("a trailer follows"),
        )
    }

    /// A port with a send right beside its receive right.
    pub(crate) fn port_with_send(&self) -> PortName {
        self.space.construct(None, 0, true).unwrap()
    }

    /// A send right for `other` to a port of this task.
    pub(crate) fn send_right_for(&self, name: PortName, other: &Self) -> PortName {
        let right = self
            .space
            .copyin(name, Disposition::MakeSend)
            .unwrap()
            .right()
            .unwrap();
        other.space.copyout(right).unwrap()
    }

    /// A send-once right for `other` to a port of this task.
    pub(crate) fn send_once_right_for(&self, name: PortName, other: &Self) -> PortName {
        let right = self
            .space
            .copyin(name, Disposition::MakeSendOnce)
            .unwrap()
            .right()
            .unwrap();
        other.space.copyout(right).unwrap()
    }
}

/// A message without descriptors.
pub(crate) fn simple(
    id: i32,
    remote: (PortName, Disposition),
    local: Option<(PortName, Disposition)>,
) -> RawMessage {
    let (local_name, local_type) =
        local.map_or((PortName::NULL, 0), |(name, kind)| (name, kind.raw()));
    RawMessage {
        header: MsgHeader {
            bits: MsgBits::new(remote.1.raw(), local_type, false),
            remote: remote.0,
            local: local_name,
            id,
            ..MsgHeader::default()
        },
        ..RawMessage::default()
    }
}

/// A message with descriptors.
pub(crate) fn complex(
    id: i32,
    remote: (PortName, Disposition),
    descriptors: &[RawDescriptor],
) -> RawMessage {
    let mut message = simple(id, remote, None);
    message.header.bits.0 |= MsgBits::COMPLEX;
    message.descriptors = descriptors.iter().copied().collect();
    message
}

impl Drop for Task {
    fn drop(&mut self) {
        self.space.validate();
        // The last thread takes the task along.
        if Arc::strong_count(&self.space) == 1 {
            self.space.destroy();
        }
    }
}

/// A small generator with a fixed seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() {
            None
        } else {
            Some(&list[self.below(list.len())])
        }
    }
}
