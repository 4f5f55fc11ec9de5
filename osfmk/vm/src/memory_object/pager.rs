//! What the kernel says to a pager: `trait Pager` and the values it carries.
//!
//! Every call is a *post*: it returns at once, takes no VM lock, and is made with none held. An
//! implementation that cannot deliver answers [`PagerDead`]; nothing else can go wrong from here.
//! XNU counterpart: `struct memory_object_pager_ops`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use mach::{KernReturn, VmBehavior, VmProt};
use machine::page::PAGE_SHIFT;
use prim::frames::PinnedFrame;

use super::{Generation, MemoryControl};
use crate::vm_object::{CopyStrategy, ObjectRef};
use crate::vm_page;

/// The pager's port is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagerDead;

/// What is known about the fault behind a request (XNU: `memory_object_fault_info`).
#[derive(Clone, Debug)]
pub struct FaultInfo {
    /// Advice given for the mapping.
    pub behavior: VmBehavior,
    /// The part of the object that the mapping shows, in bytes.
    pub window: Range<u64>,
    /// The request this belongs to: a supply may name it in its trace.
    pub generation: Generation,
}

/// Asks for pages: answer with `data_supply`, `data_unavailable` or `data_error` for every page of it.
#[derive(Clone, Debug)]
pub struct DataRequest {
    /// First byte wanted, page aligned.
    pub offset: u64,
    /// How many bytes, whole pages.
    pub length: u64,
    /// The access that is wanted.
    pub access: VmProt,
    /// Where it came from.
    pub info: FaultInfo,
}

/// Why pages are returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnKind {
    /// They differ from what the pager supplied.
    Dirty,
    /// They are unchanged; the pager asked for them, or they are precious.
    Precious,
}

/// Lends pages to the pager, read-only. The object keeps them until
/// [`MemoryControl::clean_completed`] names the same generation.
#[derive(Clone, Debug)]
pub struct DataReturn {
    /// First byte, page aligned.
    pub offset: u64,
    /// How many bytes, whole pages.
    pub length: u64,
    /// Dirty or merely precious.
    pub kind: ReturnKind,
    /// Does the kernel keep using the pages afterwards? (`false`: they are being flushed.)
    pub kernel_copy: bool,
    /// To be presented to `clean_completed`.
    pub generation: u64,
    /// The alias: mapped read-only at `offset`, it shows exactly these pages, which are pinned meanwhile.
    pub pages: ObjectRef,
}

/// What a pager does when it is to make data durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronize {
    /// Nothing: what it has acknowledged is durable.
    Already,
    /// It was asked, and will answer.
    Asked,
}

impl DataReturn {
    /// How many bytes of the run are the object's contents: less than `length` only at its end.
    #[must_use]
    pub fn valid_length(&self) -> u64 {
        if self.pages.is_internal() {
            return self.length;
        }
        self.pages
            .size()
            .saturating_sub(self.offset)
            .min(self.length)
    }

    /// The pages themselves, pinned: they can be read for as long as the pins live, whatever becomes of the object.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`; `INVALID_ARGUMENT` when a page is not there any more.
    pub fn pins(&self) -> Result<Vec<PinnedFrame>, KernReturn> {
        let count = (self.length >> PAGE_SHIFT) as usize;
        let mut pins = Vec::new();
        pins.try_reserve_exact(count)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let state = self.pages.lock();
        let first = self.offset >> PAGE_SHIFT;
        for (_, frame) in vm_page::pages_in(&state.pages, first, first + count as u64) {
            pins.push(state.pages.pin(frame));
        }
        if pins.len() == count {
            Ok(pins)
        } else {
            Err(KernReturn::INVALID_ARGUMENT)
        }
    }
}

/// Tells the pager how its `data_supply` went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupplyReport {
    /// First byte of the supply.
    pub offset: u64,
    /// Its length as the pager stated it.
    pub length: u64,
    /// SUCCESS, MEMORY_PRESENT (a page was there already), or INVALID_ARGUMENT (not asked for, short, misaligned).
    pub result: KernReturn,
    /// Where the first refused page starts.
    pub error_offset: u64,
    /// How many pages were taken all the same.
    pub accepted: u32,
}

/// The user of the protocol on the kernel's far side (XNU: `memory_object_t` and its operations).
pub trait Pager: Send + Sync {
    /// The object is open: answer with `change_attributes` (or `destroy` to refuse).
    #[doc(alias = "memory_object_init")]
    fn init(&self, control: Arc<MemoryControl>, page_size: u64) -> Result<(), PagerDead>;

    /// Data is needed. The call allocates nothing on the object's side: its credit was taken before.
    #[doc(alias = "memory_object_data_request")]
    fn data_request(&self, request: DataRequest) -> Result<(), PagerDead>;

    /// Pages go back; the pager acknowledges with `clean_completed`.
    #[doc(alias = "memory_object_data_return")]
    fn data_return(&self, pages: DataReturn) -> Result<(), PagerDead>;

    /// Makes what was returned of this range durable. Answer with `synchronize_completed`, unless this says that there is nothing to
    /// be done.
    ///
    /// # Errors
    /// [`PagerDead`].
    #[doc(alias = "memory_object_synchronize")]
    fn synchronize(&self, _offset: u64, _length: u64) -> Result<Synchronize, PagerDead> {
        Ok(Synchronize::Already)
    }

    /// The pager's copies of these pages of anonymous memory are not wanted any more. Only the default pager hears it.
    #[doc(alias = "memory_object_data_reclaim")]
    fn data_discard(&self, _offset: u64, _length: u64) {}

    /// Nothing further comes on this control.
    #[doc(alias = "memory_object_terminate")]
    fn terminate(&self);

    /// A `lock_request` that asked for a reply is done.
    #[doc(alias = "memory_object_lock_completed")]
    fn lock_completed(&self, offset: u64, length: u64);

    /// How a `data_supply` went: always on refusal, on success when a reply was asked for.
    #[doc(alias = "memory_object_supply_completed")]
    fn supply_completed(&self, report: SupplyReport);

    /// A `change_attributes` that asked for a reply has taken effect.
    #[doc(alias = "memory_object_change_completed")]
    fn change_completed(&self, may_cache: bool, copy_strategy: CopyStrategy);
}
