//! Drivers for what QEMU's `virt` machine has, over the well-kept crates where one fits.
//!
//! | module | device | crate |
//! |---|---|---|
//! | `gic` | interrupt controller, versions 2 and 3 | `arm-gic` |
//! | [`uart`] | PL011 | `arm-pl011-uart`, and ten lines of polled output for panics |
//! | `psci` | starting CPUs, power-off | `smccc` |
//! | [`ram_disk`] | a disk that is memory | - |
//! | [`virtio`] | files (9P) and entropy over virtio-mmio | `virtio-drivers`' transport, own queue |
//! | `power` | power-off with an exit status | `semihosting` |
//!
//! No driver knows an address: the board (`platform/virt`) maps the registers it found in the
//! device tree and hands them over. The generic timer needs no driver: it is `machine::clock`.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

#[cfg(target_os = "none")]
pub mod gic;
#[cfg(target_os = "none")]
pub mod power;
#[cfg(target_os = "none")]
pub mod psci;
pub mod ram_disk;
pub mod uart;
pub mod virtio;
