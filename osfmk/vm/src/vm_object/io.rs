//! Reading and writing an object through its pages: one cache for mappings and for `read`.
//!
//! Toward user memory no page is busy and no lock is held: the page is pinned, the copy runs with faults disabled,
//! and when it meets a user page that is not there, the pin is dropped, that page is faulted in, and the copy goes on
//! from there. Toward kernel memory the copy runs under the object's lock, one page at a time. A write makes the old
//! page go to the copy object first, like every write.
//! It knows nothing of file sizes: the caller clips. A page that is overwritten whole is made outside of the object and goes in when
//! all of it is there, so that nothing is read first and a copy that fails changes nothing.
//! XNU counterpart: `memory_object_control_uiomove`, `cluster_copy_ubc_data`.

use alloc::vec::Vec;
use core::ops::Range;

use mach::{KernReturn, VmBehavior, VmProt};
use machine::page::{PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, trunc_page};
use machine::{copyio, frame_memory};
use prim::frames::{self, OwnedFrame, PageFlags, PinnedFrame};

use super::ObjectRef;
use super::state::PagerState;
use crate::vm_fault::resolve::{Demand, Purpose};
use crate::vm_fault::{FaultOptions, fault_with, grab, pin_page, with_page};
use crate::vm_map::VmMap;
use crate::{code_signing, vm_page, vm_statistics};

/// A page of an object that stays readable while the value lives.
pub struct PinnedPage(PinnedFrame);

impl PinnedPage {
    /// The pinned frame.
    pub fn frame(&self) -> &PinnedFrame {
        &self.0
    }
}

/// No mapping limits the read-ahead.
const WHOLE: Range<u64> = 0..u64::MAX - PAGE_MASK;

/// How far a transfer came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Bytes transferred.
    pub done: usize,
    /// Why it stopped. INVALID_ADDRESS and PROTECTION_FAILURE speak of the user's side.
    pub cause: KernReturn,
}

/// Bytes of the current program.
struct UserBytes<'a> {
    map: &'a VmMap,
    address: u64,
}

/// May a page be put into an object without looking at what its pager has?
fn may_be_made(state: &super::Locked, page: u64) -> bool {
    let asked = |pager: &PagerState| pager.requests.expected(page).is_some();
    let copied = state.has_copy() && page < state.copy_pages;
    state.alive
        && !copied
        && page < state.page_count()
        && state.pages.lookup(vm_page::index(page)).is_none()
        && !state.pager.as_deref().is_some_and(asked)
}

/// A piece of a transfer that lies in one page.
struct Piece {
    page_offset: u64,
    within: usize,
    length: usize,
}

/// Cuts `offset..offset + length` at page boundaries.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    core::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at & PAGE_MASK) as usize;
        let piece = Piece {
            page_offset: trunc_page(at),
            within,
            length: (PAGE_SIZE - within).min(length - done),
        };
        done += piece.length;
        (piece.length > 0).then_some(piece)
    })
}

/// Copies the current program's bytes from `user` on into `part` of a frame that is nobody else's. No lock may be held.
///
/// # Errors
/// As a fault on the program's memory, whose map is `map`.
pub(crate) fn copyin_to_frame(
    map: &VmMap,
    user: u64,
    frame: &mut OwnedFrame,
    part: Range<usize>,
    options: FaultOptions,
) -> Result<(), KernReturn> {
    let mut copied = 0;
    while copied < part.len() {
        let from = user + copied as u64;
        let (within, rest) = (part.start + copied, part.len() - copied);
        match copyio::copyin_to_frame(from, frame.number(), within, rest) {
            Ok(()) => break,
            Err(fault) => {
                copied += fault.done;
                fault_with(map, fault.address, VmProt::READ, options)?;
            }
        }
    }
    Ok(())
}

/// Copies the first `length` bytes of a pinned frame to the current program's memory at `user`. No lock may be held.
///
/// # Errors
/// As a fault on the program's memory, whose map is `map`.
pub(crate) fn copyout_from_frame(
    map: &VmMap,
    frame: &PinnedFrame,
    user: u64,
    length: usize,
    options: FaultOptions,
) -> Result<(), KernReturn> {
    let mut copied = 0;
    while copied < length {
        let to = user + copied as u64;
        match copyio::copyout_from_frame(frame.number(), copied, to, length - copied) {
            Ok(()) => break,
            Err(fault) => {
                copied += fault.done;
                fault_with(map, fault.address, VmProt::READ | VmProt::WRITE, options)?;
            }
        }
    }
    Ok(())
}

impl ObjectRef {
    fn demand(
        &self,
        offset: u64,
        access: VmProt,
        behavior: VmBehavior,
        window: Range<u64>,
    ) -> Demand<'_> {
        Demand {
            object: self,
            offset,
            access,
            protection: access,
            behavior,
            window,
            purpose: Purpose::Io,
        }
    }

    /// Makes the page at `offset` resident and pins it for reading.
    ///
    /// # Errors
    /// As a fault.
    pub fn pin_page(
        &self,
        offset: u64,
        behavior: VmBehavior,
        options: FaultOptions,
    ) -> Result<PinnedPage, KernReturn> {
        let offset = trunc_page(offset);
        pin_page(&self.demand(offset, VmProt::READ, behavior, WHOLE), options).map(PinnedPage)
    }

    /// Copies from the object to user memory of `map`, which must be the current one. Bytes done.
    ///
    /// # Errors
    /// How far it came, and why no further.
    #[doc(alias = "memory_object_control_uiomove")]
    pub fn read_to_user(
        &self,
        offset: u64,
        length: usize,
        map: &VmMap,
        user: u64,
        options: FaultOptions,
    ) -> Result<usize, Incomplete> {
        let mut done = 0;
        for piece in pieces(offset, length) {
            let mut copied = 0;
            while copied < piece.length {
                let stopped = |cause| Incomplete {
                    done: done + copied,
                    cause,
                };
                let pinned = self
                    .pin_page(piece.page_offset, VmBehavior::Default, options)
                    .map_err(stopped)?;
                let to = user + (done + copied) as u64;
                let from = piece.within + copied;
                match copyio::copyout_from_frame(
                    pinned.frame().number(),
                    from,
                    to,
                    piece.length - copied,
                ) {
                    Ok(()) => copied = piece.length,
                    Err(fault) => {
                        copied += fault.done;
                        drop(pinned);
                        let access = VmProt::READ | VmProt::WRITE;
                        let stopped = |cause| Incomplete {
                            done: done + copied,
                            cause,
                        };
                        fault_with(map, fault.address, access, options).map_err(stopped)?;
                    }
                }
            }
            done += piece.length;
        }
        Ok(done)
    }

    /// Pins the resident pages of a range, in order: what a device is to take. `None` unless all of them are there.
    pub fn pin_resident(&self, offset: u64, length: u64) -> Option<Vec<PinnedFrame>> {
        let count = (length >> PAGE_SHIFT) as usize;
        let mut pinned = Vec::new();
        pinned.try_reserve_exact(count).ok()?;
        let state = self.lock();
        let first = offset >> PAGE_SHIFT;
        for page in first..first + count as u64 {
            let frame = state.pages.lookup(vm_page::index(page))?;
            pinned.push(state.pages.pin(frame));
        }
        Some(pinned)
    }

    /// Copies from the object to kernel memory.
    ///
    /// # Errors
    /// How far it came, and why no further.
    pub fn read_to_kernel(
        &self,
        offset: u64,
        buffer: &mut [u8],
        options: FaultOptions,
    ) -> Result<(), Incomplete> {
        let mut done = 0;
        for piece in pieces(offset, buffer.len()) {
            let demand = self.demand(piece.page_offset, VmProt::READ, VmBehavior::Default, WHOLE);
            let target = &mut buffer[done..done + piece.length];
            with_page(&demand, options, |resolved| {
                frame_memory::read(resolved.frame, piece.within, target)
            })
            .map_err(|cause| Incomplete { done, cause })?;
            done += piece.length;
        }
        Ok(())
    }

    /// Copies from user memory of `map`, which must be the current one, into the object; the pages become dirty. Bytes done.
    /// From `fresh` on the pager has no data: absent pages there are zeros, and it is not asked.
    ///
    /// # Errors
    /// How far it came, and why no further.
    #[doc(alias = "memory_object_control_uiomove")]
    pub fn write_from_user(
        &self,
        offset: u64,
        length: usize,
        map: &VmMap,
        user: u64,
        fresh: u64,
    ) -> Result<usize, Incomplete> {
        let options = FaultOptions::USER;
        let mut done = 0;
        for piece in pieces(offset, length) {
            let source = UserBytes {
                map,
                address: user + done as u64,
            };
            let needs_no_data = piece.length == PAGE_SIZE || piece.page_offset >= fresh;
            let made = needs_no_data
                && self
                    .make_page(&piece, &source, options)
                    .map_err(|cause| Incomplete { done, cause })?;
            if !made {
                self.change_page(&piece, &source, options)
                    .map_err(|incomplete| Incomplete {
                        done: done + incomplete.done,
                        ..incomplete
                    })?;
            }
            done += piece.length;
        }
        Ok(done)
    }

    /// Puts a new page with these bytes, and zeros around them, into the object; false if there is one, or one is on its way, or
    /// a copy object must be given the old one.
    fn make_page(
        &self,
        piece: &Piece,
        source: &UserBytes<'_>,
        options: FaultOptions,
    ) -> Result<bool, KernReturn> {
        let page = piece.page_offset >> PAGE_SHIFT;
        if !may_be_made(&self.lock(), page) {
            return Ok(false);
        }
        let mut frame = grab(options)?;
        if piece.length < PAGE_SIZE {
            frames::zero(&mut frame);
        }
        let part = piece.within..piece.within + piece.length;
        copyin_to_frame(source.map, source.address, &mut frame, part, options)?;
        let mut state = self.lock();
        if !may_be_made(&state, page) {
            return Ok(false);
        }
        let Ok(frame) = state.pages.insert(vm_page::index(page), frame) else {
            return Ok(false);
        };
        state
            .pages
            .set_flags(frame, PageFlags::DIRTY | PageFlags::WRITTEN_BY_KERNEL);
        vm_page::note_used(&mut state.pages, frame);
        Ok(true)
    }

    /// Writes bytes into a page that is there, or is brought in.
    fn change_page(
        &self,
        piece: &Piece,
        source: &UserBytes<'_>,
        options: FaultOptions,
    ) -> Result<(), Incomplete> {
        let mut copied = 0;
        while copied < piece.length {
            let stopped = |done| move |cause| Incomplete { done, cause };
            let access = VmProt::READ | VmProt::WRITE;
            let demand = self.demand(piece.page_offset, access, VmBehavior::Default, WHOLE);
            let pinned = pin_page(&demand, options).map_err(stopped(copied))?;
            let from = source.address + copied as u64;
            let rest = piece.length - copied;
            let outcome =
                copyio::copyin_to_frame(from, pinned.number(), piece.within + copied, rest);
            // It may have been lent to the pager between the pin and the copy.
            self.note_written(piece.page_offset >> PAGE_SHIFT, &pinned);
            drop(pinned);
            match outcome {
                Ok(()) => break,
                Err(fault) => {
                    copied += fault.done;
                    fault_with(source.map, fault.address, VmProt::READ, options)
                        .map_err(stopped(copied))?;
                }
            }
        }
        Ok(())
    }

    /// The page is dirty, if it still is the object's.
    fn note_written(&self, page: u64, pinned: &PinnedFrame) {
        let mut state = self.lock();
        if state.pages.lookup(vm_page::index(page)) == Some(pinned.number()) {
            // It may have been looked at between the pin and the copy, too.
            code_signing::forget_signed(&mut state, pinned.number());
            state.pages.set_flags(
                pinned.number(),
                PageFlags::DIRTY | PageFlags::WRITTEN_BY_KERNEL,
            );
        }
    }

    /// Copies from kernel memory into the object; the pages become dirty.
    ///
    /// # Errors
    /// How far it came, and why no further.
    pub fn write_from_kernel(
        &self,
        offset: u64,
        bytes: &[u8],
        options: FaultOptions,
    ) -> Result<(), Incomplete> {
        let mut done = 0;
        let access = VmProt::READ | VmProt::WRITE;
        for piece in pieces(offset, bytes.len()) {
            let demand = self.demand(piece.page_offset, access, VmBehavior::Default, WHOLE);
            let source = &bytes[done..done + piece.length];
            with_page(&demand, options, |resolved| {
                frame_memory::write(resolved.frame, piece.within, source)
            })
            .map_err(|cause| Incomplete { done, cause })?;
            done += piece.length;
        }
        Ok(())
    }

    /// Takes `count` pages from `offset` out of the object, for a supply or a device. They *move* when nobody else can
    /// see them; what others see too is copied, and counted. Absent pages come as zeros.
    ///
    /// # Errors
    /// As a fault; what was taken so far is freed.
    pub fn take_pages(
        &self,
        offset: u64,
        count: usize,
        options: FaultOptions,
    ) -> Result<Vec<OwnedFrame>, KernReturn> {
        let mut taken = Vec::new();
        taken
            .try_reserve_exact(count)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        for page in 0..count as u64 {
            taken.push(self.take_page(offset + (page << PAGE_SHIFT), options)?);
        }
        Ok(taken)
    }

    fn take_page(&self, offset: u64, options: FaultOptions) -> Result<OwnedFrame, KernReturn> {
        if let Some(frame) = self.steal_page(offset >> PAGE_SHIFT) {
            return Ok(frame);
        }
        let mut frame = grab(options)?;
        let end = offset + PAGE_SIZE as u64;
        let demand = self.demand(offset, VmProt::READ, VmBehavior::Default, offset..end);
        with_page(&demand, options, |resolved| {
            frames::copy(
                &mut frame,
                &resolved.chain.current().pages.source(resolved.frame),
            );
        })?;
        vm_statistics::BYTES_COPIED_BY_PAGING.add(PAGE_SIZE as u64);
        Ok(frame)
    }

    /// A resident page of anonymous memory whose only reference is the caller's.
    fn steal_page(&self, page: u64) -> Option<OwnedFrame> {
        let mut state = self.lock();
        let alone = self.is_internal() && self.reference_count() == 1 && !state.has_copy();
        let frame = state.pages.lookup(vm_page::index(page)).filter(|_| alone)?;
        if frames::wire_count(frame) > 0 || frames::pin_count(frame) > 0 {
            return None;
        }
        let taken = vm_page::take(&mut state.pages, page);
        // What the pager has of it, it keeps until the object ends.
        state.forget_paged_out(page, page + 1);
        taken
    }

    /// Makes these frames the first pages of fresh anonymous memory.
    pub fn adopt_frames(&self, frames: impl IntoIterator<Item = OwnedFrame>) {
        for (page, frame) in frames.into_iter().enumerate() {
            // A frame too many, or one whose place is taken, is freed.
            let _ = self.insert_page((page as u64) << PAGE_SHIFT, frame);
        }
    }

    /// Puts a frame into anonymous memory that has no page there; gives it back if there is one.
    ///
    /// # Errors
    /// The frame.
    pub fn insert_page(&self, offset: u64, frame: OwnedFrame) -> Result<(), OwnedFrame> {
        let mut state = self.lock();
        if !self.is_internal() || !state.alive {
            return Err(frame);
        }
        let number = state
            .pages
            .insert(vm_page::index(offset >> PAGE_SHIFT), frame)?;
        vm_page::note_used(&mut state.pages, number);
        Ok(())
    }
}
