//! What parent and children have in common: words in shared memory, a text, and rights taken from each other's spaces.
//!
//! Ports are not inherited by a fork; a process that wants a right of another asks the kernel for its task's port and
//! takes the right out of its space.

use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicU64, Ordering};

use bsd_sys::mman::{MapFlags, Prot};
use libsystem::mach_call;
use libsystem::memory;
use mach::defs::mach_port;
use mach::port::{Disposition, PortName};

use crate::Context as _;

/// Bytes of a piece of shared memory.
const SIZE: usize = 16384;

fn shared_memory() -> Result<u64, String> {
    let flags = MapFlags::SHARED | MapFlags::ANONYMOUS;
    // SAFETY: not fixed.
    unsafe { memory::map(0, SIZE, Prot::READ | Prot::WRITE, flags, -1, 0) }.context("shared memory")
}

fn unmap(address: u64) {
    // SAFETY: the mapping was made here and is not used any more.
    let _ = unsafe { libsystem::syscall::call(bsd_sys::syscall::MUNMAP, &[address, SIZE as u64]) };
}

/// Words that parent and children see. Those who fork later share it.
#[derive(Debug)]
pub struct Words(u64);

impl Words {
    /// Zeros.
    ///
    /// # Errors
    /// No memory.
    pub fn new() -> Result<Self, String> {
        shared_memory().map(Self)
    }

    /// One of them.
    pub fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < SIZE / 8);
        // SAFETY: the page is mapped as long as `self` lives, aligned, and only used as atomic words.
        unsafe { &*((self.0 as usize + index * 8) as *const AtomicU64) }
    }

    /// Sets a word.
    pub fn set(&self, index: usize, value: u64) {
        self.word(index).store(value, Ordering::SeqCst);
    }

    /// Reads a word.
    pub fn get(&self, index: usize) -> u64 {
        self.word(index).load(Ordering::SeqCst)
    }

    /// Waits until a word is not zero.
    ///
    /// # Errors
    /// It stays zero for ten seconds.
    pub fn wait(&self, index: usize, what: &str) -> Result<u64, String> {
        crate::ensure!(
            crate::child::eventually(10_000, || self.get(index) != 0),
            "waited in vain: {what}"
        );
        Ok(self.get(index))
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        unmap(self.0);
    }
}

/// A text that a child leaves for its parent.
#[derive(Debug)]
pub struct Note(Words);

impl Note {
    /// An empty one.
    ///
    /// # Errors
    /// No memory.
    pub fn new() -> Result<Self, String> {
        Words::new().map(Self)
    }

    /// Leaves a text; what is too long is cut.
    pub fn write(&self, text: &str) {
        let bytes = &text.as_bytes()[..text.len().min(1000)];
        for (index, byte) in bytes.iter().enumerate() {
            self.0.set(index + 1, u64::from(*byte));
        }
        self.0.set(0, bytes.len() as u64);
    }

    /// The text.
    pub fn read(&self) -> String {
        let length = (self.0.get(0) as usize).min(1000);
        let bytes: alloc::vec::Vec<u8> =
            (1..=length).map(|index| self.0.get(index) as u8).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Takes a right out of another process's space; the name it has here.
///
/// # Errors
/// The kernel's.
pub fn take_right(process: i32, name: PortName, how: Disposition) -> Result<PortName, String> {
    let task = mach_call::task_for_pid(process).context("task_for_pid")?;
    let request = mach_port::extract_right::Request {
        name,
        msgt_name: how.raw(),
    };
    let reply = mach_call::call(task, request)
        .map_err(|code| format!("mach_port_extract_right: {code:?}"))?;
    Ok(reply.poly.name())
}
