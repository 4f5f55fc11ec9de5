//! The option word of `mach_msg`: [`MsgOptions`]. XNU: `mach_msg_option_t`.

use bitflags::bitflags;

bitflags! {
    /// What `mach_msg` shall do.
    #[doc(alias = "mach_msg_option_t")]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MsgOptions: u32 {
        /// Send.
        #[doc(alias = "MACH_SEND_MSG")]
        const SEND_MSG = 0x1;
        /// Receive (after sending, if both are given).
        #[doc(alias = "MACH_RCV_MSG")]
        const RCV_MSG = 0x2;
        /// A message that does not fit stays queued; its size is told.
        #[doc(alias = "MACH_RCV_LARGE")]
        const RCV_LARGE = 0x4;
        /// With `RCV_LARGE`: tell the port too.
        #[doc(alias = "MACH_RCV_LARGE_IDENTITY")]
        const RCV_LARGE_IDENTITY = 0x8;
        /// Give up sending after the timeout.
        #[doc(alias = "MACH_SEND_TIMEOUT")]
        const SEND_TIMEOUT = 0x10;
        /// Override the sender's priority.
        #[doc(alias = "MACH_SEND_OVERRIDE")]
        const SEND_OVERRIDE = 0x20;
        /// Return to the program when interrupted while sending.
        #[doc(alias = "MACH_SEND_INTERRUPT")]
        const SEND_INTERRUPT = 0x40;
        /// A full queue arms a send-possible notification.
        #[doc(alias = "MACH_SEND_NOTIFY")]
        const SEND_NOTIFY = 0x80;
        /// Give up receiving after the timeout.
        #[doc(alias = "MACH_RCV_TIMEOUT")]
        const RCV_TIMEOUT = 0x100;
        /// Do not force the message into a small buffer.
        #[doc(alias = "MACH_RCV_NOTIFY")]
        const RCV_NOTIFY = 0x200;
        /// Return to the program when interrupted while receiving.
        #[doc(alias = "MACH_RCV_INTERRUPT")]
        const RCV_INTERRUPT = 0x400;
        /// Receive vouchers.
        #[doc(alias = "MACH_RCV_VOUCHER")]
        const RCV_VOUCHER = 0x800;
        /// Receive guarded descriptors.
        #[doc(alias = "MACH_RCV_GUARDED_DESC")]
        const RCV_GUARDED_DESC = 0x1000;
        /// Link the thread that is waited for.
        #[doc(alias = "MACH_RCV_SYNC_WAIT")]
        const RCV_SYNC_WAIT = 0x4000;
        /// Queue limits do not apply.
        #[doc(alias = "MACH_SEND_ALWAYS")]
        const SEND_ALWAYS = 0x1_0000;
        /// Sent by the kernel.
        #[doc(alias = "MACH_SEND_KERNEL")]
        const SEND_KERNEL = 0x40_0000;
        /// Trailer elements wanted (four bits).
        const TRAILER_ELEMENTS = 0x0f00_0000;
        /// Trailer type wanted (four bits).
        const TRAILER_TYPE = 0xf000_0000;
        const _ = !0;
    }
}

/// How much of the trailer a receiver wants.
#[doc(alias = "MACH_RCV_TRAILER_ELEMENTS")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u32)]
pub enum TrailerElements {
    /// Type and size only.
    #[doc(alias = "MACH_RCV_TRAILER_NULL")]
    Null = 0,
    /// And the sequence number.
    #[doc(alias = "MACH_RCV_TRAILER_SEQNO")]
    SequenceNumber = 1,
    /// And the sender's user and group.
    #[doc(alias = "MACH_RCV_TRAILER_SENDER")]
    Sender = 2,
    /// And the sender's audit token.
    #[doc(alias = "MACH_RCV_TRAILER_AUDIT")]
    Audit = 3,
    /// And the port's context.
    #[doc(alias = "MACH_RCV_TRAILER_CTX")]
    Context = 4,
    /// Everything.
    #[doc(alias = "MACH_RCV_TRAILER_AV")]
    Everything = 7,
}

impl MsgOptions {
    /// The elements asked for; unknown numbers ask for everything.
    #[doc(alias = "GET_RCV_ELEMENTS")]
    pub const fn trailer_elements(self) -> TrailerElements {
        match (self.bits() >> 24) & 0xf {
            0 => TrailerElements::Null,
            1 => TrailerElements::SequenceNumber,
            2 => TrailerElements::Sender,
            3 => TrailerElements::Audit,
            4 => TrailerElements::Context,
            _ => TrailerElements::Everything,
        }
    }

    /// The trailer type asked for; only zero exists.
    pub const fn trailer_type(self) -> u32 {
        self.bits() >> 28
    }

    /// These options asking for `elements`.
    #[must_use]
    pub const fn with_trailer(self, elements: TrailerElements) -> Self {
        Self::from_bits_retain(self.bits() & 0x00ff_ffff | ((elements as u32) << 24))
    }
}
