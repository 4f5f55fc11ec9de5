//! Messages: their bytes, and their meaning.
//!
//! | file | what |
//! |---|---|
//! | [`header`] | [`MsgHeader`] (24 bytes) and [`MsgBits`] |
//! | [`options`] | [`MsgOptions`], the argument of `mach_msg` |
//! | [`raw`] | [`RawMessage`]: user bytes taken apart into header, descriptors and inline bytes, and back |
//! | [`carrier`] | [`Carrier`]: what a right and out-of-line memory *are* on one side of the boundary |
//! | [`typed`] | [`Message<C>`]: a message that owns its rights and memory |
//! | [`user`] | [`UserCarrier`]: rights as names, memory as address ranges |
//! | [`trailer`] | what the kernel appends on receive |
//!
//! The way of a message: a program builds a [`Message<UserCarrier>`], turns it into a
//! [`RawMessage`] and sends the bytes; the kernel parses the same [`RawMessage`], copies rights and
//! memory in, and holds a `Message` of its own carrier (the kmsg); at the receiver the same steps run
//! backwards. Interfaces ([`crate::defs`]) speak of `Message<C>` only, so both sides share them.
//!
//! XNU: `mach/message.h`; the kmsg's life is the `ipc` crate's.

pub mod carrier;
pub mod header;
pub mod options;
pub mod raw;
pub mod trailer;
pub mod typed;
pub mod user;

pub use carrier::{Carried, Carrier};
pub use header::{MsgBits, MsgHeader};
pub use options::{MsgOptions, TrailerElements};
pub use raw::{CopyOption, RawDescriptor, RawMessage};
pub use trailer::{AuditToken, Trailer};
pub use typed::{Descriptor, Encoded, Inline, Message};
pub use user::{UserCarrier, UserMemory, UserPorts, UserRight};

/// The largest message body a program may send: 48 MiB less the largest trailer.
#[doc(alias = "IPC_KMSG_MAX_BODY_SPACE")]
pub const MAX_BODY_SIZE: usize = 48 * 1024 * 1024 - trailer::MAX_TRAILER_SIZE;

/// The most rights one message may carry.
#[doc(alias = "IPC_KMSG_MAX_OOL_PORT_COUNT")]
pub const MAX_RIGHTS: usize = 16383;

/// Timeout argument: none (wait for ever) unless a timeout option is given.
#[doc(alias = "MACH_MSG_TIMEOUT_NONE")]
pub const TIMEOUT_NONE: u32 = 0;
