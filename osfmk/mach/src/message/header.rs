//! The first 24 bytes of every message: [`MsgHeader`], and its packed word [`MsgBits`].
//!
//! XNU: `mach_msg_header_t`, `MACH_MSGH_BITS_*`.

use crate::port::{Disposition, PortName};
use crate::wire::{ByteSink, Wire};

/// Bytes of a header.
pub const HEADER_SIZE: usize = 24;

/// Dispositions of the header's ports, and whether descriptors follow.
#[doc(alias = "mach_msg_bits_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
pub struct MsgBits(pub u32);

impl MsgBits {
    /// Disposition of the remote port.
    #[doc(alias = "MACH_MSGH_BITS_REMOTE_MASK")]
    pub const REMOTE_MASK: u32 = 0x1f;
    /// Disposition of the local port.
    #[doc(alias = "MACH_MSGH_BITS_LOCAL_MASK")]
    pub const LOCAL_MASK: u32 = 0x1f00;
    /// Disposition of the voucher.
    #[doc(alias = "MACH_MSGH_BITS_VOUCHER_MASK")]
    pub const VOUCHER_MASK: u32 = 0x1f_0000;
    /// Descriptors follow.
    #[doc(alias = "MACH_MSGH_BITS_COMPLEX")]
    pub const COMPLEX: u32 = 0x8000_0000;
    /// What a program may set.
    #[doc(alias = "MACH_MSGH_BITS_USER")]
    pub const USER_MASK: u32 =
        Self::REMOTE_MASK | Self::LOCAL_MASK | Self::VOUCHER_MASK | Self::COMPLEX;

    /// The word for two dispositions (zero: none).
    #[doc(alias = "MACH_MSGH_BITS_SET")]
    pub const fn new(remote: u32, local: u32, complex: bool) -> Self {
        let flag = if complex { Self::COMPLEX } else { 0 };
        Self((remote & 0x1f) | ((local & 0x1f) << 8) | flag)
    }

    /// The remote port's disposition, as sent; zero is none.
    #[doc(alias = "MACH_MSGH_BITS_REMOTE")]
    pub const fn remote(self) -> u32 {
        self.0 & Self::REMOTE_MASK
    }

    /// The local port's disposition, as sent; zero is none.
    #[doc(alias = "MACH_MSGH_BITS_LOCAL")]
    pub const fn local(self) -> u32 {
        (self.0 & Self::LOCAL_MASK) >> 8
    }

    /// The voucher's disposition; zero is none.
    #[doc(alias = "MACH_MSGH_BITS_VOUCHER")]
    pub const fn voucher(self) -> u32 {
        (self.0 & Self::VOUCHER_MASK) >> 16
    }

    /// True when descriptors follow.
    #[doc(alias = "MACH_MSGH_BITS_IS_COMPLEX")]
    pub const fn is_complex(self) -> bool {
        self.0 & Self::COMPLEX != 0
    }

    /// The remote port's disposition, if it is one.
    pub const fn remote_disposition(self) -> Option<Disposition> {
        Disposition::from_raw(self.remote())
    }

    /// The local port's disposition, if it is one.
    pub const fn local_disposition(self) -> Option<Disposition> {
        Disposition::from_raw(self.local())
    }
}

/// The header as it stands in the buffer of a program.
///
/// When sending, `remote` is the destination and `local` the reply port. When received, `local` is
/// the port the message came in on and `remote` the reply port.
#[doc(alias = "mach_msg_header_t")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MsgHeader {
    /// Dispositions and flags.
    pub bits: MsgBits,
    /// Bytes of the message, this header included, trailer excluded.
    pub size: u32,
    /// Remote port.
    pub remote: PortName,
    /// Local port.
    pub local: PortName,
    /// Voucher.
    pub voucher: PortName,
    /// Which routine.
    pub id: i32,
}

impl Wire for MsgHeader {
    const SIZE: usize = HEADER_SIZE;

    #[inline]
    fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
        self.bits.0.put(out);
        self.size.put(out);
        self.remote.put(out);
        self.local.put(out);
        self.voucher.put(out);
        self.id.put(out);
    }

    #[inline]
    fn get(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            bits: MsgBits(Wire::get(bytes)?),
            size: Wire::get(bytes)?,
            remote: Wire::get(bytes)?,
            local: Wire::get(bytes)?,
            voucher: Wire::get(bytes)?,
            id: Wire::get(bytes)?,
        })
    }
}
