//! Mach: traps, messages, and calls of any routine.
//!
//! ```ignore
//! let task = mach_call::task_self();
//! let reply = mach_call::call(task, mach_vm::allocate::Request { address: 0, size, flags: 1 })?;
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`message`] | `mach_msg`: send, receive, call |
//! | [`port`] | names and rights of this task |
//! | here | the task's own ports, its memory by trap, the processor |
//!
//! A message can name any of this task's memory, and a call on the task's own port can unmap it: as with
//! `/proc/self/mem` elsewhere, that is the kernel's doing and outside what Rust's `unsafe` marks. Use
//! addresses that came from [`allocate`], [`memory`](crate::memory) or a message.

pub mod message;
pub mod port;

pub use message::{Receiver, call, call_with, destroy, send};

use crate::syscall;
use core::sync::atomic::{AtomicU32, Ordering};
use mach::defs::mach_host;
use mach::message::UserMemory;
use mach::port::PortName;
use mach::{KernReturn, Result, traps};

fn name_by_trap(number: i32) -> PortName {
    // SAFETY: no memory is named.
    PortName(unsafe { syscall::trap(number, &[]) } as u32)
}

/// Makes a trap and turns its result into a [`Result`].
///
/// # Safety
/// As [`syscall::trap`].
unsafe fn result_of(number: i32, arguments: &[u64]) -> Result<()> {
    // SAFETY: the caller's promise.
    KernReturn(unsafe { syscall::trap(number, arguments) } as i32).result()
}

/// Ports that are asked for once; forgotten after a fork.
static TASK: AtomicU32 = AtomicU32::new(0);
static HOST: AtomicU32 = AtomicU32::new(0);

fn once(cell: &AtomicU32, number: i32) -> PortName {
    match cell.load(Ordering::Relaxed) {
        0 => {
            let name = name_by_trap(number);
            cell.store(name.0, Ordering::Relaxed);
            name
        }
        name => PortName(name),
    }
}

/// This task's control port.
#[doc(alias = "mach_task_self")]
pub fn task_self() -> PortName {
    once(&TASK, traps::TASK_SELF)
}

/// The host port; for privileged programs the privileged one.
#[doc(alias = "mach_host_self")]
pub fn host_self() -> PortName {
    once(&HOST, traps::HOST_SELF)
}

/// This thread's port; each call gives one more reference.
#[doc(alias = "mach_thread_self")]
pub fn thread_self() -> PortName {
    name_by_trap(traps::THREAD_SELF)
}

/// A fresh receive right to be used for replies.
#[doc(alias = "mach_reply_port")]
pub fn new_reply_port() -> PortName {
    name_by_trap(traps::MACH_REPLY_PORT)
}

/// A forked child has none of its parent's ports.
pub(crate) fn forget_ports() {
    TASK.store(0, Ordering::Relaxed);
    HOST.store(0, Ordering::Relaxed);
    message::forget_reply_port();
}

/// Lets others run.
#[doc(alias = "swtch_pri")]
pub fn yield_processor() {
    // SAFETY: no memory is named.
    unsafe { syscall::trap(traps::SWTCH_PRI, &[]) };
}

/// The port of another process's task; for privileged programs.
///
/// # Errors
/// The kernel's.
pub fn task_for_pid(process: i32) -> Result<PortName> {
    let mut name = 0u32;
    let arguments = [
        u64::from(task_self().0),
        process as u64,
        &raw mut name as u64,
    ];
    // SAFETY: the kernel writes into `name` only.
    unsafe { result_of(traps::TASK_FOR_PID, &arguments) }?;
    Ok(PortName(name))
}

/// Allocates memory of zeros anywhere.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mach_vm_allocate")]
pub fn allocate(size: u64) -> Result<u64> {
    const ANYWHERE: u64 = 1;
    let mut address = 0u64;
    let arguments = [
        u64::from(task_self().0),
        &raw mut address as u64,
        size,
        ANYWHERE,
    ];
    // SAFETY: the kernel writes into `address` only.
    unsafe { result_of(traps::MACH_VM_ALLOCATE, &arguments) }?;
    Ok(address)
}

/// Gives memory back.
///
/// # Safety
/// Nothing may refer to the range any more.
///
/// # Errors
/// The kernel's.
#[doc(alias = "mach_vm_deallocate")]
pub unsafe fn deallocate(address: u64, size: u64) -> Result<()> {
    let arguments = [u64::from(task_self().0), address, size];
    // SAFETY: the caller's promise.
    unsafe { result_of(traps::MACH_VM_DEALLOCATE, &arguments) }
}

/// Takes the bytes of out-of-line memory that a message brought, and gives the memory back unless it is in the receive buffer.
///
/// `memory` must come from a message just received and be used for nothing else.
pub fn take_memory(memory: Option<UserMemory>) -> alloc::vec::Vec<u8> {
    let Some(memory) = memory else {
        return alloc::vec::Vec::new();
    };
    // SAFETY: the kernel has mapped the range for this message, where nobody else knows it, or put the bytes behind the
    // message, where they are until the next one.
    unsafe {
        let bytes = crate::memory::copy_from(memory.address, memory.size as usize);
        if !memory.is_in_buffer() {
            let _ = deallocate(memory.address, memory.size);
        }
        bytes.unwrap_or_default()
    }
}

/// Bytes of a page.
///
/// # Errors
/// The kernel's.
pub fn host_page_size() -> Result<u64> {
    call(host_self(), mach_host::page_size::Request {}).map(|reply| reply.out_page_size)
}
