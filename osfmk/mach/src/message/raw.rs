//! The bytes of a message in a program's buffer, taken apart and put together: [`RawMessage`].
//!
//! Nothing here trusts the bytes: [`RawMessage::parse`] refuses what does not fit and never panics.
//! Names and addresses come out as they stand; turning them into rights and memory is the carrier's
//! work. Layouts are those of LP64 programs, packed to four bytes.
//!
//! XNU: the descriptor types of `mach/message.h`; the checks are those of `ipc_kmsg_copyin_body`.

use super::header::{HEADER_SIZE, MsgBits, MsgHeader};
use super::typed::Inline;
use crate::kern_return::KernReturn;
use crate::port::PortName;
use crate::wire::{ByteSink, Wire};
use alloc::vec::Vec;
use smallvec::SmallVec;

/// Bytes of the descriptor count that follows the header of a complex message.
#[doc(alias = "mach_msg_body_t")]
pub const BODY_SIZE: usize = 4;
/// Bytes of a port descriptor.
#[doc(alias = "mach_msg_port_descriptor_t")]
pub const PORT_DESCRIPTOR_SIZE: usize = 12;
/// Bytes of the other descriptors.
#[doc(alias = "mach_msg_ool_descriptor_t")]
#[doc(alias = "mach_msg_ool_ports_descriptor_t")]
pub const WIDE_DESCRIPTOR_SIZE: usize = 16;

/// How out-of-line data is copied at the send.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum CopyOption {
    /// At once.
    #[doc(alias = "MACH_MSG_PHYSICAL_COPY")]
    Physical = 0,
    /// By sharing pages copy-on-write.
    #[doc(alias = "MACH_MSG_VIRTUAL_COPY")]
    #[default]
    Virtual = 1,
}

/// A descriptor as it stands in a program's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawDescriptor {
    /// A right.
    #[doc(alias = "MACH_MSG_PORT_DESCRIPTOR")]
    Port {
        /// The sender's or receiver's name for it.
        name: PortName,
        /// Disposition number, unchecked.
        disposition: u8,
    },
    /// A right with a guard.
    #[doc(alias = "MACH_MSG_GUARDED_PORT_DESCRIPTOR")]
    GuardedPort {
        /// The guard.
        context: u64,
        /// Guard flags.
        flags: u16,
        /// Disposition number, unchecked.
        disposition: u8,
        /// The name.
        name: PortName,
    },
    /// Memory.
    #[doc(alias = "MACH_MSG_OOL_DESCRIPTOR")]
    Memory {
        /// Start.
        address: u64,
        /// Bytes.
        size: u32,
        /// Take it away from the sender.
        deallocate: bool,
        /// How to copy.
        copy: CopyOption,
        /// The receiver may see later changes (`MACH_MSG_OOL_VOLATILE_DESCRIPTOR`).
        volatile: bool,
    },
    /// An array of names in memory.
    #[doc(alias = "MACH_MSG_OOL_PORTS_DESCRIPTOR")]
    Ports {
        /// Start of the array.
        address: u64,
        /// Number of names.
        count: u32,
        /// Disposition number of all of them, unchecked.
        disposition: u8,
        /// Take the array away from the sender.
        deallocate: bool,
        /// How to copy the array.
        copy: CopyOption,
    },
}

/// Wire numbers of the descriptor types.
mod kind {
    pub(super) const PORT: u8 = 0;
    pub(super) const OOL: u8 = 1;
    pub(super) const OOL_PORTS: u8 = 2;
    pub(super) const OOL_VOLATILE: u8 = 3;
    pub(super) const GUARDED_PORT: u8 = 4;
}

const fn copy_option(raw: u8) -> Option<CopyOption> {
    match raw {
        0 => Some(CopyOption::Physical),
        1 => Some(CopyOption::Virtual),
        _ => None,
    }
}

impl RawDescriptor {
    /// Bytes it takes.
    pub const fn wire_size(&self) -> usize {
        match self {
            Self::Port { .. } => PORT_DESCRIPTOR_SIZE,
            _ => WIDE_DESCRIPTOR_SIZE,
        }
    }

    /// Appends the bytes.
    pub fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
        match *self {
            Self::Port { name, disposition } => {
                name.put(out);
                0u32.put(out);
                out.extend_bytes(&[0, 0, disposition, kind::PORT]);
            }
            Self::GuardedPort {
                context,
                flags,
                disposition,
                name,
            } => {
                context.put(out);
                flags.put(out);
                out.extend_bytes(&[disposition, kind::GUARDED_PORT]);
                name.put(out);
            }
            Self::Memory {
                address,
                size,
                deallocate,
                copy,
                volatile,
            } => {
                let kind = if volatile {
                    kind::OOL_VOLATILE
                } else {
                    kind::OOL
                };
                address.put(out);
                out.extend_bytes(&[u8::from(deallocate), copy as u8, 0, kind]);
                size.put(out);
            }
            Self::Ports {
                address,
                count,
                disposition,
                deallocate,
                copy,
            } => {
                address.put(out);
                out.extend_bytes(&[
                    u8::from(deallocate),
                    copy as u8,
                    disposition,
                    kind::OOL_PORTS,
                ]);
                count.put(out);
            }
        }
    }

    /// Takes one descriptor from the front of `bytes`.
    ///
    /// The type is in byte 11 of every shape, so it can be read before the length is known.
    fn get(bytes: &mut &[u8]) -> Result<Self, KernReturn> {
        let kind = *bytes.get(11).ok_or(KernReturn::SEND_MSG_TOO_SMALL)?;
        match kind {
            kind::PORT => Self::get_port(bytes).ok_or(KernReturn::SEND_MSG_TOO_SMALL),
            kind::GUARDED_PORT => Self::get_guarded(bytes).ok_or(KernReturn::SEND_MSG_TOO_SMALL),
            kind::OOL | kind::OOL_VOLATILE | kind::OOL_PORTS => Self::get_wide(kind, bytes),
            _ => Err(KernReturn::SEND_INVALID_TYPE),
        }
    }

    fn get_port(bytes: &mut &[u8]) -> Option<Self> {
        let name = Wire::get(bytes)?;
        let _pad = u32::get(bytes)?;
        let [_, _, disposition, _] = Wire::get(bytes)?;
        Some(Self::Port { name, disposition })
    }

    fn get_guarded(bytes: &mut &[u8]) -> Option<Self> {
        let context = Wire::get(bytes)?;
        let flags = Wire::get(bytes)?;
        let [disposition, _] = Wire::get(bytes)?;
        let name = Wire::get(bytes)?;
        Some(Self::GuardedPort {
            context,
            flags,
            disposition,
            name,
        })
    }

    fn get_wide(kind: u8, bytes: &mut &[u8]) -> Result<Self, KernReturn> {
        const SHORT: KernReturn = KernReturn::SEND_MSG_TOO_SMALL;
        let address = u64::get(bytes).ok_or(SHORT)?;
        let [deallocate, copy, disposition, _] = <[u8; 4]>::get(bytes).ok_or(SHORT)?;
        let count = u32::get(bytes).ok_or(SHORT)?;
        let copy = copy_option(copy).ok_or(KernReturn::SEND_INVALID_TYPE)?;
        let deallocate = deallocate != 0;
        Ok(if kind == kind::OOL_PORTS {
            Self::Ports {
                address,
                count,
                disposition,
                deallocate,
                copy,
            }
        } else {
            let volatile = kind == kind::OOL_VOLATILE;
            Self::Memory {
                address,
                size: count,
                deallocate,
                copy,
                volatile,
            }
        })
    }
}

/// A message in a program's terms: names and addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawMessage {
    /// The header; `size` is recomputed by [`RawMessage::encode`].
    pub header: MsgHeader,
    /// The descriptors, if the header says there are any.
    pub descriptors: SmallVec<[RawDescriptor; 2]>,
    /// The bytes after header and descriptors.
    pub inline: Inline,
}

impl RawMessage {
    /// Takes the bytes of one message apart. `bytes` must be the whole message without its trailer;
    /// the header's own size word is not consulted (the size a sender passes to the trap counts).
    ///
    /// # Errors
    /// `MACH_SEND_MSG_TOO_SMALL` if header or descriptors do not fit or the length is not a multiple
    /// of four; `MACH_SEND_INVALID_TYPE` for a descriptor of unknown kind; `MACH_SEND_TOO_LARGE` for
    /// more descriptors than a message may carry.
    pub fn parse(bytes: &[u8]) -> Result<Self, KernReturn> {
        let mut rest = bytes;
        if !bytes.len().is_multiple_of(4) {
            return Err(KernReturn::SEND_MSG_TOO_SMALL);
        }
        let header = MsgHeader::get(&mut rest).ok_or(KernReturn::SEND_MSG_TOO_SMALL)?;
        let descriptors = if header.bits.is_complex() {
            Self::parse_descriptors(&mut rest)?
        } else {
            SmallVec::new()
        };
        Ok(Self {
            header,
            descriptors,
            inline: SmallVec::from_slice(rest),
        })
    }

    /// Takes what follows the header of a complex message apart: descriptors, and the inline bytes.
    ///
    /// # Errors
    /// As [`RawMessage::parse`].
    pub fn parse_body(bytes: &[u8]) -> Result<(SmallVec<[RawDescriptor; 2]>, &[u8]), KernReturn> {
        let mut rest = bytes;
        let descriptors = Self::parse_descriptors(&mut rest)?;
        Ok((descriptors, rest))
    }

    fn parse_descriptors(rest: &mut &[u8]) -> Result<SmallVec<[RawDescriptor; 2]>, KernReturn> {
        let count = u32::get(rest).ok_or(KernReturn::SEND_MSG_TOO_SMALL)? as usize;
        if count > super::MAX_RIGHTS {
            return Err(KernReturn::SEND_TOO_LARGE);
        }
        if count * PORT_DESCRIPTOR_SIZE > rest.len() {
            return Err(KernReturn::SEND_MSG_TOO_SMALL);
        }
        let mut descriptors = SmallVec::with_capacity(count);
        for _ in 0..count {
            descriptors.push(RawDescriptor::get(rest)?);
        }
        Ok(descriptors)
    }

    /// Bytes of the message, trailer excluded.
    pub fn wire_size(&self) -> usize {
        let body = if self.header.bits.is_complex() {
            BODY_SIZE
        } else {
            0
        };
        let descriptors: usize = self.descriptors.iter().map(RawDescriptor::wire_size).sum();
        HEADER_SIZE + body + descriptors + self.inline.len()
    }

    /// Appends the message's bytes, with the right size in the header.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.reserve(self.wire_size());
        let header = MsgHeader {
            size: self.wire_size() as u32,
            ..self.header
        };
        header.put(out);
        if self.header.bits.is_complex() {
            (self.descriptors.len() as u32).put(out);
            self.descriptors
                .iter()
                .for_each(|descriptor| descriptor.put(out));
        }
        out.extend_from_slice(&self.inline);
    }

    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// The bits of a header for these dispositions.
    pub const fn bits(remote: u32, local: u32, complex: bool) -> MsgBits {
        MsgBits::new(remote, local, complex)
    }
}
