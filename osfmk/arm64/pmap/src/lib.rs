//! The physical map: page tables of the kernel and of every task.
//!
//! A [`Pmap`] is one translation tree of the Arm VMSAv8-64 architecture, stage 1, with its ASID. It is a
//! *cache* of what the machine-independent VM layer knows: any mapping that is not wired may be taken out at
//! any time, and the next fault puts it back. The VM layer above talks to it in two directions:
//!
//! * from the address: [`Pmap::enter`], [`Pmap::remove`], [`Pmap::protect`], [`Pmap::extract`];
//! * from the frame, to all mappings of it wherever they are: [`page_protect`], [`disconnect`], [`refmod`],
//!   [`clear_refmod`].
//!
//! Where to read on:
//!
//! | module | holds |
//! |---|---|
//! | [`descriptor`] | the bits of a descriptor, drawn; pure |
//! | [`geometry`] | levels and spans of both granules; pure |
//! | `slot`, `table`, `tree` | a descriptor's place, table pages as frames, the walker |
//! | `pv`, [`pv_slab`] | physical-to-virtual lists: who maps a frame |
//! | [`reserve`] | tables and pv entries fetched before any lock is taken |
//! | [`asid`], `activate` | address space identifiers, generations, roll-over; switching |
//! | [`flush`] | batches of TLB maintenance, range or whole ASID |
//! | `enter`, `remove`, `protect`, `fault`, [`page`], [`kernel`] | one file per operation |
//! | `create` | birth and end of a pmap |
//! | [`audit`] | the whole kernel half against W^X and friends |
//! | [`validate`] | every table against every pv list and counter |
//!
//! **Locks.** A pmap's own lock (rank `Pmap`), then the lock bit of one frame's pv head (`PageMappings`).
//! Operations that start from a frame take only the pv lock, edit descriptors by compare-exchange, and so never
//! wait for a pmap. Who may do which change is a table in `slot`.
//!
//! **A frame is free of mappings only when the TLBs agree.** Removing goes in three steps: the descriptor becomes
//! *dying* (invalid, but still on the frame's pv list), the flush completes, the pv list forgets it. Whoever
//! calls [`disconnect`] on the frame meanwhile finds the dying mapping and flushes it himself, so a frame whose
//! list is empty is safe to reuse, whatever other CPUs are in the middle of.
//!
//! This crate decides nothing about *what* should be mapped; it knows no object, no map entry and no task.
//! XNU counterpart: `osfmk/arm/pmap`.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

mod activate;
pub mod asid;
pub mod audit;
mod create;
pub mod descriptor;
mod enter;
mod fault;
pub mod flush;
pub mod geometry;
pub mod kernel;
pub mod page;
mod protect;
mod pv;
pub mod pv_slab;
mod query;
mod remove;
pub mod reserve;
mod slot;
mod table;
mod tree;
pub mod validate;

use core::sync::atomic::{AtomicBool, AtomicU64};

use mach::VmProt;
use machine::address::FrameNumber;
use prim::lock::SpinLock;

use descriptor::{Access, Privilege, Rights};
use tree::Tree;

pub use activate::{asids, deactivate};
pub use page::{
    RefMod, clear_refmod, disconnect, is_mapped, is_mapped_by, mapping_count, page_protect, refmod,
    set_modified, set_referenced,
};
pub use query::{Mapping, Statistics};
pub use reserve::{NeedsTables, TableReserve};
pub use validate::validate_frame;

/// Whether a mapping is counted as wired. The pmap itself takes out any mapping it is told to; wiring is the VM
/// layer's promise, kept here as a bit and a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// May be removed and faulted in again at any time.
    Pageable,
    /// Somebody counts on it.
    Wired,
}

/// One address space's page tables.
#[doc(alias = "pmap_t")]
#[derive(Debug)]
pub struct Pmap {
    privilege: Privilege,
    /// The root table; never changes, so `activate` reads it without a lock.
    root: FrameNumber,
    /// Generation and ASID, see [`asid`]; changed by the allocator's rules.
    context: AtomicU64,
    /// Mappings, those included that are just dying; atomic.
    resident: AtomicU64,
    /// Those of them that are wired; atomic.
    wired: AtomicU64,
    /// A pv operation left an empty table behind; swept by the next operation that holds the lock.
    empty_tables: AtomicBool,
    /// The tables. Rank `Pmap`.
    tree: SpinLock<Tree>,
}

impl Pmap {
    /// Whether this is the kernel's.
    pub fn is_kernel(&self) -> bool {
        self.privilege == Privilege::Kernel
    }
}

/// What the hardware is to allow for `prot`. `None`: nothing, the page is not to be mapped.
///
/// Write or execute permission includes reading: VMSAv8-64 has no write-only pages, and execute-only ones would
/// let the kernel's own loads fail.
fn rights_of(prot: VmProt) -> Option<Rights> {
    let prot = prot.access();
    (!prot.is_empty()).then(|| Rights {
        write: prot.contains(VmProt::WRITE),
        execute: prot.contains(VmProt::EXECUTE),
    })
}

/// The strongest access in `access`, if any.
fn access_of(access: VmProt) -> Option<Access> {
    if access.contains(VmProt::WRITE) {
        Some(Access::Write)
    } else if access.contains(VmProt::EXECUTE) {
        Some(Access::Execute)
    } else if access.contains(VmProt::READ) {
        Some(Access::Read)
    } else {
        None
    }
}
