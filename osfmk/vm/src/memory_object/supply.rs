//! What a pager gives: data, the word that there is none, or an error.
//!
//! Supplied frames *move* into the object; nothing is copied. Each page is taken only if it was asked for and is
//! not there; everything else is refused page by page and reported with `supply_completed`, and what is there is
//! never touched. Nobody waits here.
//! XNU counterpart: Mach 3's `memory_object_data_supply`, `_data_unavailable`, `_data_error` (in XNU: UPL commit and abort).

use alloc::sync::Arc;

use mach::{KernReturn, VmProt};
use machine::page::{PAGE_MASK, PAGE_SHIFT, PAGE_SIZE};
use pmap::RefMod;
use prim::frames::{OwnedFrame, PageFlags};

use super::attributes::Reply;
use super::requests::Settlement;
use super::{MemoryControl, Pager, SupplyReport};
use crate::vm_object::VmObject;
use crate::vm_object::state::ObjectState;
use crate::{vm_page, vm_statistics, vm_trace};

/// Pages installed under one hold of the object's lock.
const BATCH: usize = 64;

/// How supplied pages are to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Accesses that the pager forbids. Per-page locks are not built: anything but NONE is refused.
    pub forbidden: VmProt,
    /// The pager keeps no copy: the pages come back even if they are clean.
    pub precious: bool,
}

impl Lock {
    /// Ordinary pages.
    pub const NONE: Lock = Lock {
        forbidden: VmProt::NONE,
        precious: false,
    };
}

/// How a supply is going.
struct Tally {
    accepted: u32,
    refused: u32,
    first_refusal: Option<(u64, KernReturn)>,
}

impl Tally {
    fn refuse(&mut self, offset: u64, cause: KernReturn) {
        self.refused += 1;
        self.first_refusal.get_or_insert((offset, cause));
    }
}

impl MemoryControl {
    /// Takes pages from the pager: `length` bytes for the object from `offset`, in `frames`, which move. The rest of a
    /// last page past the end of the contents is cleared. Refused frames are freed.
    ///
    /// # Errors
    /// The first refusal, as reported to the pager too: MEMORY_PRESENT for a page that is there; INVALID_ARGUMENT for
    /// one that nobody asked for, a length that is not whole pages or does not match, a misaligned offset, or a lock.
    #[doc(alias = "memory_object_data_supply")]
    pub fn data_supply(
        &self,
        offset: u64,
        length: u64,
        frames: impl IntoIterator<Item = OwnedFrame>,
        lock: Lock,
        reply: Reply,
    ) -> Result<(), KernReturn> {
        let object = self.target()?;
        vm_trace::supply(object.number(), offset, length, length >> PAGE_SHIFT);
        let mut tally = Tally {
            accepted: 0,
            refused: 0,
            first_refusal: None,
        };
        let mut frames = frames.into_iter();
        if (offset | length) & PAGE_MASK != 0 || length == 0 || !lock.forbidden.is_empty() {
            tally.refuse(offset, KernReturn::INVALID_ARGUMENT);
        } else {
            self.install(offset, length, &mut frames, lock, &mut tally)?;
        }
        drop(frames);
        self.report(&object, offset, length, &tally, reply)
    }

    fn install(
        &self,
        offset: u64,
        length: u64,
        frames: &mut dyn Iterator<Item = OwnedFrame>,
        lock: Lock,
        tally: &mut Tally,
    ) -> Result<(), KernReturn> {
        let first = offset >> PAGE_SHIFT;
        let pages = length >> PAGE_SHIFT;
        let mut done = 0;
        while done < pages {
            let end = pages.min(done + BATCH as u64);
            // Refused frames are freed after the lock is dropped.
            let mut refused = arrayvec::ArrayVec::<OwnedFrame, BATCH>::new();
            let short = self.with_state(|object, state| {
                let mut short = None;
                for page in first + done..first + end {
                    let Some(frame) = frames.next() else {
                        short = Some(page);
                        break;
                    };
                    if let Err((frame, cause)) = install_page(object, state, page, frame, lock) {
                        tally.refuse(page << PAGE_SHIFT, cause);
                        refused.push(frame);
                    } else {
                        tally.accepted += 1;
                    }
                }
                // Last, so that whoever is woken finds the pages, in the trace too.
                object.wake_for_pages(first + done..first + end);
                short
            })?;
            if let Some(page) = short {
                // Fewer pages than announced: what is missing stays asked for.
                tally.refuse(page << PAGE_SHIFT, KernReturn::INVALID_ARGUMENT);
                return Ok(());
            }
            done = end;
        }
        for (extra, _frame) in frames.enumerate() {
            tally.refuse(
                (first + pages + extra as u64) << PAGE_SHIFT,
                KernReturn::INVALID_ARGUMENT,
            );
        }
        Ok(())
    }

    fn report(
        &self,
        object: &Arc<VmObject>,
        offset: u64,
        length: u64,
        tally: &Tally,
        reply: Reply,
    ) -> Result<(), KernReturn> {
        if let Some((at, cause)) = tally.first_refusal {
            vm_trace::supply_refused(
                object.number(),
                at,
                u64::from(tally.refused) << PAGE_SHIFT,
                cause,
            );
        }
        let counter = if object.is_internal() {
            &vm_statistics::SWAPINS
        } else {
            &vm_statistics::PAGEINS
        };
        counter.add(u64::from(tally.accepted));
        vm_statistics::REFUSED_PAGES.add(u64::from(tally.refused));
        let (error_offset, result) = tally
            .first_refusal
            .unwrap_or((offset.saturating_add(length), KernReturn::SUCCESS));
        if (reply == Reply::Wanted || tally.refused > 0)
            && let Some(pager) = self.pager()?
        {
            pager.supply_completed(SupplyReport {
                offset,
                length,
                result,
                error_offset,
                accepted: tally.accepted,
            });
        }
        tally.first_refusal.map_or(Ok(()), |(_, cause)| Err(cause))
    }

    /// Tells the pager that nothing of a supply was taken, for a reason that is not its own; the pages stay expected.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone.
    pub fn supply_refused(
        &self,
        offset: u64,
        length: u64,
        cause: KernReturn,
    ) -> Result<(), KernReturn> {
        if let Some(pager) = self.pager()? {
            pager.supply_completed(SupplyReport {
                offset,
                length,
                result: cause,
                error_offset: offset,
                accepted: 0,
            });
        }
        Ok(())
    }

    /// The pager has no data for these bytes: they read as zeros. A range that is not whole pages is widened.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone.
    #[doc(alias = "memory_object_data_unavailable")]
    pub fn data_unavailable(&self, offset: u64, length: u64) -> Result<(), KernReturn> {
        vm_trace::unavailable(self.target()?.number(), offset, length);
        self.settle(offset, length, Settlement::Absent)
    }

    /// The pager cannot get the data: who waits for it fails with MEMORY_ERROR; a later fault asks again.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone.
    #[doc(alias = "memory_object_data_error")]
    pub fn data_error(
        &self,
        offset: u64,
        length: u64,
        cause: KernReturn,
    ) -> Result<(), KernReturn> {
        vm_trace::error(self.target()?.number(), offset, length, cause);
        self.settle(offset, length, Settlement::Failed(KernReturn::MEMORY_ERROR))
    }

    fn settle(&self, offset: u64, length: u64, how: Settlement) -> Result<(), KernReturn> {
        let first = offset >> PAGE_SHIFT;
        let end = offset.saturating_add(length).div_ceil(PAGE_SIZE as u64);
        self.with_state(|object, state| {
            if let Some(pager) = state.pager.as_mut() {
                pager
                    .requests
                    .settle_range(first, end.saturating_sub(first), how);
            }
            object.wake_everyone();
        })
    }

    /// Where to report to.
    pub(super) fn pager(&self) -> Result<Option<Arc<dyn Pager>>, KernReturn> {
        self.with_state(|_, state| state.pager.as_ref().map(|pager| pager.pager.clone()))
    }
}

/// Takes one page, or gives it back with the reason.
fn install_page(
    object: &Arc<VmObject>,
    state: &mut ObjectState,
    page: u64,
    mut frame: OwnedFrame,
    lock: Lock,
) -> Result<(), (OwnedFrame, KernReturn)> {
    let present = state.pages.lookup(vm_page::index(page)).is_some();
    let beyond = if object.is_internal() {
        !state.paged_out.contains(page)
    } else {
        page >= state.page_count()
    };
    let whole = object.is_internal();
    let size = state.size;
    let Some(pager) = state.pager.as_mut() else {
        return Err((frame, KernReturn::INVALID_ARGUMENT));
    };
    let asked = pager.requests.settle(
        page,
        if beyond {
            Settlement::Failed(KernReturn::MEMORY_ERROR)
        } else {
            Settlement::Supplied
        },
    );
    let refusal = match (present, asked && !beyond) {
        (true, _) => Some(KernReturn::MEMORY_PRESENT),
        (false, false) => Some(KernReturn::INVALID_ARGUMENT),
        (false, true) => None,
    };
    match refusal {
        Some(cause) => Err((frame, cause)),
        None => {
            if !whole {
                clear_tail(&mut frame, page, size);
            }
            insert_page(object, state, page, frame, lock)
        }
    }
}

/// Puts a page that was asked for into its place.
fn insert_page(
    object: &Arc<VmObject>,
    state: &mut ObjectState,
    page: u64,
    frame: OwnedFrame,
    lock: Lock,
) -> Result<(), (OwnedFrame, KernReturn)> {
    match state.pages.insert(vm_page::index(page), frame) {
        Ok(number) => {
            vm_trace::insert(object.number(), page << PAGE_SHIFT, number);
            // What the pager did to the frame while it was its own is no change of the object.
            pmap::clear_refmod(number, RefMod::REFERENCED | RefMod::MODIFIED);
            let precious = if lock.precious {
                PageFlags::PRECIOUS
            } else {
                PageFlags::empty()
            };
            vm_page::note_supplied(&mut state.pages, number, precious);
            Ok(())
        }
        Err(frame) => Err((frame, KernReturn::MEMORY_PRESENT)),
    }
}

/// Clears what lies past the end of the contents in the last page.
pub(crate) fn clear_tail(frame: &mut OwnedFrame, page: u64, size: u64) {
    let start = page << PAGE_SHIFT;
    let valid = size.saturating_sub(start).min(PAGE_SIZE as u64) as usize;
    if valid < PAGE_SIZE {
        frame.zero_part(valid, PAGE_SIZE - valid);
    }
}
