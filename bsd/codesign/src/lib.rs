//! Code signatures: Apple's format as bytes, and how they are attached to an ELF file.
//!
//! The kernel reads what anybody may have written, and xtask writes; both compile this crate, which knows nothing of either.
//! Every number of the format is big-endian.
//!
//! | module | what |
//! |---|---|
//! | [`attach`] | the trailer of a signed file, and the footer that tells where it is |
//! | [`signature`] | a SuperBlob with its CodeDirectory, checked: what it says, and whether a page is what was signed |
//! | [`entitlements`] | the property list in it |
//! | [`sign`](mod@sign) | the other direction: a file becomes a signed file |
//! | [`flags`] | what a signature asks for, and what a process is |
//!
//! It does not decide anything: what a bad page or a missing entitlement means is the kernel's business.
//! XNU counterpart: `osfmk/kern/cs_blobs.h`, the parsing half of `bsd/kern/ubc_subr.c`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod attach;
pub mod entitlements;
pub mod flags;
mod read;
pub mod sign;
pub mod signature;

pub use attach::{FOOTER, Footer};
pub use entitlements::Entitlements;
pub use flags::Flags;
pub use read::Error;
pub use sign::{Options, sign, unsigned};
pub use signature::{CDHASH, Signature};

/// Of a SuperBlob: an index of blobs.
#[doc(alias = "CSMAGIC_EMBEDDED_SIGNATURE")]
pub const MAGIC_SIGNATURE: u32 = 0xfade_0cc0;
/// Of a CodeDirectory: the hashes.
#[doc(alias = "CSMAGIC_CODEDIRECTORY")]
pub const MAGIC_DIRECTORY: u32 = 0xfade_0c02;
/// Of entitlements: a property list in XML.
#[doc(alias = "CSMAGIC_EMBEDDED_ENTITLEMENTS")]
pub const MAGIC_ENTITLEMENTS: u32 = 0xfade_7171;

/// The CodeDirectory's place in the index.
#[doc(alias = "CSSLOT_CODEDIRECTORY")]
pub const SLOT_DIRECTORY: u32 = 0;
/// The entitlements' place in the index; their hash is the special slot of this number.
#[doc(alias = "CSSLOT_ENTITLEMENTS")]
pub const SLOT_ENTITLEMENTS: u32 = 5;

/// Bytes of a hash.
pub const HASH: usize = 32;

/// The largest signature that is accepted: hashes for half a gigabyte of program.
pub const MAX_SIGNATURE: usize = 4 << 20;
