//! What the pager is about to do: returns that are being written, and pieces that wait for the disk.

use alloc::vec::Vec;
use core::ops::Range;

use mach::{KernReturn, PortName};

/// Where one page of a return goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// To this slot, taken for it.
    Slot(u32),
    /// To the slot that it has: the disk is full.
    InPlace(u32),
    /// Nowhere: it is filled with this word.
    Fill(u64),
}

impl Target {
    /// The slot that is to be written.
    pub(crate) fn slot(self) -> Option<u32> {
        match self {
            Target::Slot(slot) | Target::InPlace(slot) => Some(slot),
            Target::Fill(_) => None,
        }
    }
}

/// One return of the kernel's.
#[derive(Debug)]
pub(crate) struct Return {
    /// The object's port.
    pub(crate) object: PortName,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) generation: u64,
    /// The page list.
    pub(crate) list: PortName,
    pub(crate) targets: Vec<Target>,
    /// Pieces that are not written yet.
    pub(crate) left: usize,
    /// Why it fails, if it does.
    pub(crate) failure: Option<KernReturn>,
    /// Bit n: page n was thrown away meanwhile.
    pub(crate) discarded: u64,
}

/// One request of the disk.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Pages are wanted.
    Read {
        object: PortName,
        page: u64,
        slots: Range<u32>,
        /// Bit n: page n was thrown away meanwhile.
        discarded: u64,
    },
    /// Part of a return.
    Write {
        number: u64,
        /// First page in the list.
        at: usize,
        slots: Range<u32>,
    },
    /// Pages that hold one word; no request of the disk.
    Fill {
        object: PortName,
        page: u64,
        count: u32,
        word: u64,
    },
}

/// The bits of those of `count` pages from `first` on that lie in `range`.
pub(crate) fn bits_in(first: u64, count: u32, range: &Range<u64>) -> u64 {
    (0..u64::from(count.min(64)))
        .filter(|at| range.contains(&(first + at)))
        .fold(0, |bits, at| bits | 1 << at)
}
