//! The BSD ABI of Pagoda, which is Darwin's on arm64: call numbers, errors, flag values, structures.
//!
//! Kernel and programs compile the same file. Values and layouts are XNU's; structures that cross the
//! boundary are `#[repr(C)]` and know how to turn themselves into bytes and back
//! ([`layout`]), because neither side may use `unsafe` here.
//!
//! XNU's counterpart is `bsd/sys/*.h`. What this crate does not do: it calls nothing.

#![no_std]
#![forbid(unsafe_code)]

pub mod codesign;
pub mod dirent;
pub mod errno;
pub mod fcntl;
pub mod fsctl;
pub mod ioctl;
pub mod layout;
pub mod limits;
pub mod mman;
pub mod proc_info;
pub mod reboot;
pub mod resource;
pub mod signal;
pub mod stat;
pub mod syscall;
pub mod sysctl;
pub mod termios;
pub mod time;
pub mod wait;

pub use errno::{Errno, Result};
