//! 9P2000.L, the protocol QEMU's file server speaks.
//!
//! [`codec`] turns requests into T-messages and R-messages into values; it is pure and knows no device.
//! [`errno`] translates the Linux error numbers that `Rlerror` carries into Darwin's. File data never passes through
//! this module: the payload of `Rread` lands in frames that the device fills ([`crate::volume`]).
//!
//! Source: the 9P2000.L description that comes with diod, and QEMU's `hw/9pfs`.

pub mod codec;
pub mod errno;
