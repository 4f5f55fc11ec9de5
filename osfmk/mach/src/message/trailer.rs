//! What the kernel appends to a received message: [`Trailer`].
//!
//! It begins at the message's size rounded up to four. A receiver asks for a number of elements
//! ([`TrailerElements`]) and gets exactly the bytes up to there. XNU: `mach_msg_max_trailer_t`.

use super::options::TrailerElements;
use crate::wire::{ByteSink, Wire, wire_struct};
use alloc::vec::Vec;

/// Bytes of the smallest trailer.
#[doc(alias = "MACH_MSG_TRAILER_MINIMUM_SIZE")]
pub const MIN_TRAILER_SIZE: usize = 8;
/// Bytes of the largest trailer.
pub const MAX_TRAILER_SIZE: usize = 68;

wire_struct! {
    /// Who sent the message: audit id, effective user and group, real user and group, process,
    /// session, process version.
    #[doc(alias = "audit_token_t")]
    pub struct AuditToken {
        /// The eight words.
        pub words: [u32; 8],
    }
}

impl AuditToken {
    /// The process id of the sender.
    #[doc(alias = "audit_token_to_pid")]
    pub const fn process_id(&self) -> u32 {
        self.words[5]
    }
}

/// The whole trailer; how much of it is written is the receiver's choice.
#[doc(alias = "mach_msg_max_trailer_t")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trailer {
    /// Position of the message in its port's history.
    pub sequence_number: u32,
    /// Sender's user and group (`security_token_t`).
    pub sender: [u32; 2],
    /// Sender's audit token.
    pub audit: AuditToken,
    /// Context of the receiving port.
    pub context: u64,
}

impl Trailer {
    /// Bytes written for `elements`.
    #[doc(alias = "REQUESTED_TRAILER_SIZE")]
    pub const fn size_for(elements: TrailerElements) -> usize {
        match elements {
            TrailerElements::Null => 8,
            TrailerElements::SequenceNumber => 12,
            TrailerElements::Sender => 20,
            TrailerElements::Audit => 52,
            TrailerElements::Context => 60,
            TrailerElements::Everything => 68,
        }
    }

    /// Appends the bytes for `elements`.
    pub fn encode_into(&self, elements: TrailerElements, out: &mut Vec<u8>) {
        let size = Self::size_for(elements);
        let mut whole = Vec::with_capacity(MAX_TRAILER_SIZE);
        0u32.put(&mut whole);
        (size as u32).put(&mut whole);
        self.sequence_number.put(&mut whole);
        self.sender.put(&mut whole);
        self.audit.put(&mut whole);
        self.context.put(&mut whole);
        [0u32, 0].put(&mut whole);
        out.extend_bytes(&whole[..size]);
    }

    /// The trailer at the front of `bytes`; elements that are not there are zero. `None` if it is
    /// not a trailer.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, size) = (u32::decode(bytes)?, u32::decode(bytes.get(4..)?)? as usize);
        if kind != 0 || !(MIN_TRAILER_SIZE..=MAX_TRAILER_SIZE).contains(&size) {
            return None;
        }
        let mut whole = [0; MAX_TRAILER_SIZE];
        whole[..size].copy_from_slice(bytes.get(..size)?);
        let mut rest = &whole[MIN_TRAILER_SIZE..];
        Some(Self {
            sequence_number: Wire::get(&mut rest)?,
            sender: Wire::get(&mut rest)?,
            audit: Wire::get(&mut rest)?,
            context: Wire::get(&mut rest)?,
        })
    }
}
