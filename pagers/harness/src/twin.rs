//! The pager's task: a space of names, an address map, and the traps as functions.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ipc::{Caller, IpcSpace, MsgArguments, Right, Sender, ThreadIpc, UserMemory as _};
use mach::message::{AuditToken, Carried, MsgHeader, MsgOptions};
use mach::port::{Disposition, PortName, PortRight};
use mach::wire::Wire as _;
use mach::{KernReturn, Result};
use machine::page::PAGE_SIZE;
use pager_sdk::host::Machine;
use vm::vm_map::{EnterRequest, Placement, VmMap};

use crate::referee::Referee;

/// The pager's process: any but the kernel.
const PROCESS: u32 = 100;

/// Bytes of the buffers for messages.
const BUFFER: u64 = 64 * 1024;

/// What other threads see of the task: ending it ends the pager.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) space: Arc<IpcSpace>,
    pub(crate) map: Arc<VmMap>,
    /// The port that was registered.
    pub(crate) registered: Arc<Mutex<Option<PortName>>>,
}

impl Task {
    pub(crate) fn create() -> Self {
        Self {
            space: IpcSpace::create().expect("a space"),
            map: crate::bench::new_map(),
            registered: Arc::default(),
        }
    }

    /// Makes memory of zeroes.
    pub(crate) fn allocate(&self, size: u64) -> Result<u64> {
        let size = size.next_multiple_of(PAGE_SIZE as u64);
        self.map
            .enter(EnterRequest::anonymous(Placement::Anywhere(0), size))
    }
}

/// The traps, for the thread of the pager.
pub(crate) struct Twin {
    task: Task,
    thread: ThreadIpc,
    buffer: u64,
    files: PathBuf,
    referee: RefCell<Referee>,
}

impl Twin {
    pub(crate) fn new(task: Task, files: PathBuf, referee: Referee) -> Self {
        let buffer = task.allocate(BUFFER).expect("memory for messages");
        Self {
            task,
            thread: ThreadIpc::new(),
            buffer,
            files,
            referee: RefCell::new(referee),
        }
    }

    fn trap(&self, arguments: &MsgArguments) -> Result<()> {
        let mut words = [0; 8];
        words[5] = PROCESS;
        let caller = Caller {
            space: &self.task.space,
            memory: &*self.task.map,
            thread: &self.thread,
            sender: Sender {
                security: [0, 0],
                audit: AuditToken { words },
            },
        };
        ipc::mach_msg::mach_msg(&caller, arguments).result()
    }
}

impl Machine for Twin {
    fn page_size(&self) -> u64 {
        PAGE_SIZE as u64
    }

    fn allocate_port(&self, right: PortRight) -> Result<PortName> {
        self.task.space.allocate(right)
    }

    fn change_references(&self, name: PortName, right: PortRight, delta: i32) -> Result<()> {
        self.task.space.mod_refs(name, right, delta)
    }

    fn deallocate_port(&self, name: PortName) -> Result<()> {
        self.task.space.deallocate(name)
    }

    fn add_to_set(&self, name: PortName, set: PortName) -> Result<()> {
        self.task.space.insert_member(name, set)
    }

    fn send(&self, message: &[u8], options: MsgOptions, timeout: u32) -> Result<()> {
        self.referee.borrow_mut().sent(message);
        let size = message.len() as u64;
        if size > BUFFER {
            return Err(KernReturn::SEND_TOO_LARGE);
        }
        self.task.map.write_bytes(self.buffer, message)?;
        self.trap(&MsgArguments {
            address: self.buffer,
            options,
            send_size: size as u32,
            timeout,
            ..MsgArguments::default()
        })
    }

    fn receive(&self, name: PortName, options: MsgOptions, timeout: u32) -> Result<Vec<u8>> {
        self.trap(&MsgArguments {
            address: self.buffer,
            options,
            receive_size: BUFFER as u32,
            receive_name: name,
            timeout,
            ..MsgArguments::default()
        })?;
        let mut bytes = vec![0; BUFFER as usize];
        self.task.map.read_bytes(self.buffer, &mut bytes)?;
        let size = MsgHeader::decode(&bytes).map_or(0, |header| header.size as usize);
        self.referee
            .borrow_mut()
            .received(&bytes[..size.min(bytes.len())]);
        Ok(bytes)
    }

    fn allocate(&self, size: u64) -> Result<u64> {
        self.task.allocate(size)
    }

    fn deallocate(&self, address: u64, size: u64) {
        // As `munmap` would, which can only fail for what was never mapped.
        let _ = self.task.map.remove(address, size);
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        self.task.map.read_bytes(address, bytes)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        self.task.map.write_bytes(address, bytes)
    }

    fn register(&self, name: &str, port: PortName) -> Result<u32> {
        let right = self
            .task
            .space
            .extract_right(port, Disposition::MakeSend.raw())?;
        let Carried::Right(Right::Send(right)) = right else {
            return Err(KernReturn::INVALID_RIGHT);
        };
        let number = bsd::vfs::pagers::register(name, right, PROCESS as i32)?;
        *self.task.registered.lock().expect("no panic") = Some(port);
        Ok(number)
    }

    fn files(&self) -> PathBuf {
        self.files.clone()
    }

    fn remark(&self, remark: String) {
        self.referee.borrow_mut().note(remark);
    }
}
