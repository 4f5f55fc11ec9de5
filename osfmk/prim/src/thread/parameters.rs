//! What a new thread is made of: [`ThreadParameters`], [`Priority`], [`Name`].

use alloc::sync::Arc;
use core::fmt;

use super::{AddressSpace, Entry, KernelStack};

/// Everything a new thread needs.
pub struct ThreadParameters {
    /// Its name, for people.
    pub name: Name,
    /// Its priority.
    pub priority: Priority,
    /// The stack it has in the kernel.
    pub stack: KernelStack,
    /// The user address space it runs in; none for kernel threads.
    pub address_space: Option<Arc<dyn AddressSpace>>,
    /// What it runs. When this returns the thread ends.
    pub entry: Entry,
}

/// Why there is no new thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnError {
    /// No kernel stack is left.
    NoStack,
    /// No memory for the thread itself.
    NoMemory,
    /// It was started before.
    AlreadyStarted,
}

/// One of 128 levels; greater runs first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Priority(pub u8);

impl Priority {
    /// Number of levels.
    pub const LEVELS: usize = 128;
    /// Only the idle threads.
    #[doc(alias = "IDLEPRI")]
    pub const IDLE: Priority = Priority(0);
    /// The least urgent user thread.
    #[doc(alias = "MINPRI_USER")]
    pub const LOWEST: Priority = Priority(1);
    /// Ordinary user threads.
    #[doc(alias = "BASEPRI_DEFAULT")]
    pub const DEFAULT: Priority = Priority(31);
    /// User threads that serve others: pagers.
    #[doc(alias = "BASEPRI_FOREGROUND")]
    pub const SERVER: Priority = Priority(47);
    /// Kernel threads.
    #[doc(alias = "MINPRI_KERNEL")]
    pub const KERNEL: Priority = Priority(80);
    /// The page-out thread.
    #[doc(alias = "BASEPRI_VM")]
    pub const PAGEOUT: Priority = Priority(91);
    /// The callout thread.
    pub const CALLOUT: Priority = Priority(95);
    /// The most urgent.
    #[doc(alias = "MAXPRI")]
    pub const HIGHEST: Priority = Priority(127);
}

/// Bytes of a thread's name, as XNU's `MAXTHREADNAMESIZE`.
pub const NAME_MAX: usize = 64;

/// A short name, cut at [`NAME_MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; NAME_MAX],
    length: u8,
}

impl Name {
    /// The name, cut to what fits.
    pub fn new(text: &str) -> Self {
        let mut length = text.len().min(NAME_MAX);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        let mut bytes = [0; NAME_MAX];
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self {
            bytes,
            length: length as u8,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length as usize]).unwrap_or("?")
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
