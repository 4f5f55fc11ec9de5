//! What rights and memory *are* while a message is on its way: [`Carrier`].
//!
//! The kernel's carrier owns counted rights and copy objects; a program's carries names and address
//! ranges. Everything else about a message is the same on both sides.

use crate::port::Disposition;

/// One side's representation of what a message carries besides bytes.
pub trait Carrier: Sized + 'static {
    /// A right to a port. Never null or dead: those are [`Carried::Null`] and [`Carried::Dead`].
    type Right;
    /// Out-of-line memory.
    type Memory;
    /// An out-of-line array of rights.
    type Ports;

    /// How the right travels: for a received one, `MoveReceive`, `MoveSend` or `MoveSendOnce`.
    fn disposition(right: &Self::Right) -> Disposition;

    /// Bytes of the memory.
    fn memory_size(memory: &Self::Memory) -> u64;

    /// Number of rights in the array.
    fn ports_count(ports: &Self::Ports) -> u32;

    /// Disposition of the rights in the array.
    fn ports_disposition(ports: &Self::Ports) -> Disposition;
}

/// A place for a right in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Carried<R> {
    /// No port.
    #[doc(alias = "IP_NULL")]
    #[default]
    Null,
    /// A port that died before it could be carried.
    #[doc(alias = "IP_DEAD")]
    Dead,
    /// A right.
    Right(R),
}

impl<R> Carried<R> {
    /// The right, if there is one.
    pub fn right(self) -> Option<R> {
        match self {
            Self::Right(right) => Some(right),
            Self::Null | Self::Dead => None,
        }
    }

    /// The right by reference, if there is one.
    pub const fn as_right(&self) -> Option<&R> {
        match self {
            Self::Right(right) => Some(right),
            Self::Null | Self::Dead => None,
        }
    }

    /// Takes the content, leaving [`Carried::Null`].
    #[must_use]
    pub fn take(&mut self) -> Self {
        core::mem::replace(self, Self::Null)
    }

    /// Applies `f` to the right, if there is one.
    pub fn map<S>(self, f: impl FnOnce(R) -> S) -> Carried<S> {
        match self {
            Self::Null => Carried::Null,
            Self::Dead => Carried::Dead,
            Self::Right(right) => Carried::Right(f(right)),
        }
    }

    /// True for [`Carried::Null`].
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl<R> From<Option<R>> for Carried<R> {
    fn from(right: Option<R>) -> Self {
        right.map_or(Self::Null, Self::Right)
    }
}

impl<R> From<R> for Carried<R> {
    fn from(right: R) -> Self {
        Self::Right(right)
    }
}
