//! What must be in a file, kept in memory that children share: several processes may change parts of a file that are their own.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use bsd_sys::mman::{MapFlags, Prot};
use libsystem::memory;
use sha2::{Digest as _, Sha256};

use crate::Context as _;

/// Bytes before the contents, for the size.
const HEAD: u64 = 64;

/// A file's contents as they should be. Those who fork later share it. Each byte has one writer at a time.
#[derive(Debug)]
pub struct Model {
    base: u64,
    limit: u64,
}

impl Model {
    /// An empty file that never has more than `limit` bytes.
    ///
    /// # Errors
    /// No memory.
    pub fn new(limit: u64) -> Result<Self, String> {
        let flags = MapFlags::SHARED | MapFlags::ANONYMOUS;
        let protection = Prot::READ | Prot::WRITE;
        let length = (limit + HEAD) as usize;
        // SAFETY: not fixed.
        let base =
            unsafe { memory::map(0, length, protection, flags, -1, 0) }.context("shared memory")?;
        Ok(Self { base, limit })
    }

    fn size_word(&self) -> &AtomicU64 {
        // SAFETY: the memory is mapped for good, aligned, and its first word is only used so.
        unsafe { &*(self.base as usize as *const AtomicU64) }
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size_word().load(Ordering::SeqCst)
    }

    /// The file has been cut off, or has grown by zeros.
    pub fn set_size(&self, size: u64) {
        assert!(size <= self.limit);
        let old = self.size();
        self.size_word().store(size, Ordering::SeqCst);
        if size < old {
            self.fill(size, &alloc::vec![0; (old - size) as usize]);
        }
    }

    fn fill(&self, at: u64, bytes: &[u8]) {
        assert!(at + bytes.len() as u64 <= self.limit);
        let to = (self.base + HEAD + at) as usize as *mut u8;
        // SAFETY: inside the mapping, to which there are no references; each byte has one writer.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// These bytes were written.
    pub fn write(&self, at: u64, bytes: &[u8]) {
        self.fill(at, bytes);
        self.size_word()
            .fetch_max(at + bytes.len() as u64, Ordering::SeqCst);
    }

    /// What is there.
    pub fn read(&self, at: u64, length: u64) -> Vec<u8> {
        let length = length.min(self.size().saturating_sub(at));
        let mut bytes = alloc::vec![0; length as usize];
        let from = (self.base + HEAD + at) as usize as *const u8;
        // SAFETY: inside the mapping; `bytes` is elsewhere.
        unsafe { core::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
        bytes
    }

    /// The line by which the host is told what it must find.
    pub fn claim(&self, name: &str) -> String {
        claim(name, Sha256::digest(self.read(0, self.size())).as_slice())
    }
}

/// The line that says which file the host must find after power-off, by its SHA-256.
pub fn claim(name: &str, sum: &[u8]) -> String {
    let digits: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("host file {name} {digits}")
}
