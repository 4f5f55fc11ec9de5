//! The `kernel` program for QEMU's `virt` machine: the board, and the only assembler of parts.
//!
//! [`start`] is the list of what happens between the loader's jump and the first user program;
//! everything else here is what the list calls. Hosted builds are an empty program (and the unit
//! tests of the pure parts).
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(not(target_os = "none"), allow(dead_code))]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(any(target_os = "none", test))]
mod device_tree;
#[cfg(any(target_os = "none", test))]
mod symbols;

#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod cpus;
#[cfg(target_os = "none")]
mod crash;
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
mod interrupts;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod start;
#[cfg(target_os = "none")]
mod system;
#[cfg(target_os = "none")]
mod traps;
#[cfg(target_os = "none")]
mod virtio;

#[cfg(not(target_os = "none"))]
fn main() {}
