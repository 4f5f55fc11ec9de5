//! Putting mappings in.
//!
//! ```text
//!             what stands in the slot
//!   absent ──────────────────▶ insert: pv list, descriptor, counters; no flush
//!   the same frame ──────────▶ change rights in place; flush if the hardware may have cached less or more
//!   another frame, dying ────▶ evict it (break, flush, forget), then insert: break before make
//! ```
//!
//! The rights that reach the hardware are less than `prot` where emulation needs it: without a recorded access
//! the access flag stays clear, and a page not known to be modified is read-only until it is written. Kernel
//! mappings never fault, so they get everything at once and count as accessed and modified.
//!
//! XNU counterpart: `pmap_enter_options`.

use core::sync::atomic::Ordering;

use mach::VmProt;
use machine::address::FrameNumber;
use machine::page::PAGE_SIZE;
use machine::{barrier, cache};
use prim::trace::{self, Event};

use crate::descriptor::{Access, Descriptor, Memory, Rights};
use crate::flush::FlushBatch;
use crate::pv::{Attributes, NeedsEntry, PvList};
use crate::reserve::{NeedsTables, TableReserve};
use crate::slot::Slot;
use crate::tree::Tree;
use crate::{Pmap, Wiring, access_of, rights_of, table};

/// What all pages of one call have in common.
#[derive(Clone, Copy)]
struct Request {
    rights: Rights,
    access: Option<Access>,
    wiring: Wiring,
    memory: Memory,
    occupied: Occupied,
}

/// What happens to a slot in which something stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occupied {
    /// It is replaced, or gets new rights.
    Replace,
    /// It stays as it is.
    Keep,
}

/// Slots of one leaf table that are about to be filled: counted in the table and the pmap beforehand, all at once, because a
/// mapping may be taken away again as soon as it is there. What was not filled is taken off in the end.
struct Filling<'a> {
    pmap: &'a Pmap,
    table: FrameNumber,
    left: u64,
}

impl<'a> Filling<'a> {
    fn begin(pmap: &'a Pmap, table: FrameNumber, count: usize) -> Self {
        let left = count as u64;
        table::gain(table, left);
        pmap.resident.fetch_add(left, Ordering::Relaxed);
        Self { pmap, table, left }
    }

    /// One of them is filled now.
    fn filled(&mut self, descriptor: Descriptor) {
        self.left -= 1;
        if descriptor.is_wired() {
            self.pmap.wired.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        if self.left == 0 {
            return;
        }
        self.pmap.resident.fetch_sub(self.left, Ordering::Relaxed);
        if table::lose(self.table, self.left) == 0 {
            // Made for a page that did not come: swept if nobody comes back for it.
            self.pmap.empty_tables.store(true, Ordering::Relaxed);
        }
    }
}

impl Pmap {
    /// Maps one page. `prot` is what the mapping allows at most, `access` the access being resolved: writing makes
    /// the page modified and writable at once; with an empty `access` not even reading goes through without a
    /// fault. Replaces what is mapped there. An empty `prot` maps nothing.
    ///
    /// Takes the pmap's lock and pv locks. Never allocates: see [`TableReserve`].
    #[doc(alias = "pmap_enter")]
    #[doc(alias = "pmap_enter_options")]
    pub fn enter(
        &self,
        va: u64,
        frame: FrameNumber,
        prot: VmProt,
        access: VmProt,
        wiring: Wiring,
        reserve: &mut TableReserve,
    ) -> Result<(), NeedsTables> {
        self.enter_pages(va, &[frame], prot, access, wiring, reserve)?;
        if trace::is_enabled() {
            let descriptor = self.tree.lock().slot(va).map_or(0, |slot| slot.read().0);
            let access = u64::from(access.bits());
            trace::point(Event::PmapEnter, va, u64::from(frame.0), descriptor, access);
        }
        Ok(())
    }

    /// Maps consecutive pages from `va` on, as [`Pmap::enter`] does one; walks the tables once per leaf table.
    /// After [`NeedsTables`] either repeat the whole call (pages already there cost little), or go on behind
    /// those that were entered.
    pub fn enter_pages(
        &self,
        va: u64,
        frames: &[FrameNumber],
        prot: VmProt,
        access: VmProt,
        wiring: Wiring,
        reserve: &mut TableReserve,
    ) -> Result<(), NeedsTables> {
        debug_assert!(
            prot.contains(access.access()),
            "an access that the mapping forbids"
        );
        let Some(rights) = rights_of(prot) else {
            return Ok(());
        };
        let request = Request {
            rights,
            access: access_of(access),
            wiring,
            memory: Memory::Normal,
            occupied: Occupied::Replace,
        };
        self.enter_run(va, frames.len(), |index| frames[index], request, reserve)
    }

    /// Maps pages around one that was just entered, at `va` and the addresses behind it: where nothing is mapped yet and
    /// `frames` has something. They count as read. Only a leaf table that is there is filled, and only as far as the
    /// reserve has pv entries ([`TableReserve::top_up`]): what is left out will fault. Returns how many were mapped.
    pub fn enter_around(
        &self,
        va: u64,
        frames: &[Option<FrameNumber>],
        prot: VmProt,
        reserve: &mut TableReserve,
    ) -> usize {
        let Some(rights) = rights_of(prot) else {
            return 0;
        };
        let request = Request {
            rights,
            access: Some(Access::Read),
            wiring: Wiring::Pageable,
            memory: Memory::Normal,
            occupied: Occupied::Keep,
        };
        let end = va + (frames.len() * PAGE_SIZE) as u64;
        self.check_range(va, end);
        let tree = self.tree.lock();
        let mut entered = 0;
        if let Some(run) = tree.next_leaf(va, end) {
            let skipped = (run.start - va) as usize / PAGE_SIZE;
            let frames = &frames[skipped..];
            let wanted = frames.iter().flatten().count();
            let mut filling = Filling::begin(self, run.table, wanted);
            for ((va, slot), frame) in run.slots().zip(frames) {
                let Some(frame) = *frame else { continue };
                if let Err(NeedsEntry) =
                    self.enter_slot(va, slot, frame, request, reserve, &mut filling)
                {
                    break;
                }
                entered += 1;
            }
        }
        barrier::publish_tables();
        entered
    }

    /// Maps `count` pages of device registers from `first` on; they have no pv list and never fault.
    pub(crate) fn enter_device(
        &self,
        va: u64,
        first: FrameNumber,
        count: usize,
        rights: Rights,
        reserve: &mut TableReserve,
    ) -> Result<(), NeedsTables> {
        let request = Request {
            rights,
            access: Some(Access::Write),
            wiring: Wiring::Wired,
            memory: Memory::Device,
            occupied: Occupied::Replace,
        };
        self.enter_run(
            va,
            count,
            |index| FrameNumber(first.0 + index as u32),
            request,
            reserve,
        )
    }

    fn enter_run(
        &self,
        va: u64,
        count: usize,
        frame: impl Fn(usize) -> FrameNumber,
        request: Request,
        reserve: &mut TableReserve,
    ) -> Result<(), NeedsTables> {
        let end = va + (count * PAGE_SIZE) as u64;
        self.check_range(va, end);
        let mut tree = self.tree.lock();
        self.sweep(&mut tree);
        let mut entered = 0;
        while entered < count {
            let start = va + (entered * PAGE_SIZE) as u64;
            let run = match tree.leaf_for(start, end, reserve) {
                Ok(run) => run,
                Err(missing) => {
                    reserve.want(missing, 1);
                    return Err(NeedsTables { entered });
                }
            };
            let pages = (run.end - run.start) as usize / PAGE_SIZE;
            let mut filling = Filling::begin(self, run.table, pages);
            for (va, slot) in run.slots() {
                let frame = frame(entered);
                if let Err(NeedsEntry) =
                    self.enter_slot(va, slot, frame, request, reserve, &mut filling)
                {
                    reserve.want(0, count - entered);
                    return Err(NeedsTables { entered });
                }
                entered += 1;
            }
        }
        barrier::publish_tables();
        Ok(())
    }

    fn enter_slot(
        &self,
        va: u64,
        slot: Slot,
        frame: FrameNumber,
        request: Request,
        reserve: &mut TableReserve,
        filling: &mut Filling<'_>,
    ) -> Result<(), NeedsEntry> {
        loop {
            let old = slot.read();
            if old.is_absent() {
                return self.insert(slot, frame, request, reserve, filling);
            }
            if request.occupied == Occupied::Keep {
                return Ok(());
            }
            if old.is_valid() && old.frame() == frame && request.memory == Memory::Normal {
                if self.change(va, slot, frame, request) {
                    return Ok(());
                }
            } else {
                self.evict(va, slot, old.frame());
            }
        }
    }

    /// Fills an absent slot.
    fn insert(
        &self,
        slot: Slot,
        frame: FrameNumber,
        request: Request,
        reserve: &mut TableReserve,
        filling: &mut Filling<'_>,
    ) -> Result<(), NeedsEntry> {
        let descriptor = match PvList::lock(frame) {
            Some(mut list) => {
                list.push(slot, || reserve.take_entry())?;
                let descriptor = self.prepare(frame, request, &mut list);
                slot.write(descriptor);
                descriptor
            }
            None => {
                let descriptor =
                    Descriptor::page(frame, self.privilege, request.memory, request.rights)
                        .referenced();
                let descriptor = if request.rights.write {
                    descriptor.modified()
                } else {
                    descriptor
                };
                let descriptor = descriptor.with_wired(request.wiring == Wiring::Wired);
                slot.write(descriptor);
                descriptor
            }
        };
        filling.filled(descriptor);
        Ok(())
    }

    /// Decides what the hardware may do at once, records that in the attributes, and makes instruction fetches see
    /// the page if it is to be executed.
    #[inline(always)]
    fn prepare(&self, frame: FrameNumber, request: Request, list: &mut PvList) -> Descriptor {
        let known = list.attributes();
        let write_now = request.rights.write
            && (self.is_kernel()
                || request.access == Some(Access::Write)
                || known.contains(Attributes::MODIFIED));
        let access_now =
            self.is_kernel() || request.access.is_some() || known.contains(Attributes::REFERENCED);
        if access_now && !known.contains(Attributes::REFERENCED) {
            list.insert(Attributes::REFERENCED);
        }
        if write_now && !known.contains(Attributes::MODIFIED) {
            list.insert(Attributes::MODIFIED);
        }
        if write_now && known.contains(Attributes::SYNCHRONISED) {
            list.clear(Attributes::SYNCHRONISED);
        }
        if request.rights.execute {
            synchronise(frame, list);
        }
        let page = Descriptor::page(frame, self.privilege, request.memory, request.rights);
        let page = if access_now { page.referenced() } else { page };
        let page = if write_now { page.modified() } else { page };
        page.with_wired(request.wiring == Wiring::Wired)
    }

    /// Gives a mapping of the same frame new rights in place. False: it was taken away meanwhile.
    fn change(&self, va: u64, slot: Slot, frame: FrameNumber, request: Request) -> bool {
        let Some(mut list) = PvList::lock(frame) else {
            // Nobody else changes a mapping of unmanaged memory.
            self.evict(va, slot, frame);
            return false;
        };
        if !slot.read().is_valid() {
            return false;
        }
        let new = self.prepare(frame, request, &mut list);
        let Some((old, _)) = slot.update(|old| old.is_valid().then_some(new)) else {
            return false;
        };
        match (old.is_wired(), new.is_wired()) {
            (false, true) => self.wired.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.wired.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        if old.needs_flush(new) {
            let mut batch = FlushBatch::new(self);
            batch.add(va);
            batch.finish();
        }
        true
    }

    /// Takes out what stands in `slot`, or waits for whoever is doing so. The slot's pmap is locked.
    fn evict(&self, va: u64, slot: Slot, frame: FrameNumber) {
        let mut list = PvList::lock(frame);
        let old = slot.read();
        if old.is_absent() || old.frame() != frame {
            return;
        }
        slot.make_dying();
        let mut batch = FlushBatch::new(self);
        batch.add(va);
        batch.finish();
        if let Some(list) = &mut list {
            drop(list.remove(slot));
        }
        self.retire(slot);
    }

    /// Sweeps empty tables that pv operations left behind.
    pub(crate) fn sweep(&self, tree: &mut Tree) {
        if self.empty_tables.load(Ordering::Relaxed)
            && self.empty_tables.swap(false, Ordering::Relaxed)
        {
            let (start, end) = self.window();
            tree.prune_all(self, start, end);
        }
    }
}

/// Makes instruction fetches see the page. A page that is modified may be written through some mapping without
/// our knowing, so it is never noted as synchronised.
#[doc(alias = "pmap_sync_page_attributes_phys")]
fn synchronise(frame: FrameNumber, list: &mut PvList) {
    let known = list.attributes();
    if known.contains(Attributes::SYNCHRONISED) {
        return;
    }
    cache::synchronise_instructions(frame);
    if !known.contains(Attributes::MODIFIED) {
        list.insert(Attributes::SYNCHRONISED);
    }
}
