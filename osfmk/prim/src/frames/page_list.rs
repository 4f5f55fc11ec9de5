//! [`PageList`]: the resident pages of one object.
//!
//! The list lives inside the object's lock, so `&mut PageList` *is* the object guard: whoever has it may change the
//! pages' flags, insert, remove and move pages. Lookup goes by the global hash ([`super::residency`]), ordered walks
//! by the object's tree ([`super::tree`]); neither allocates. A page moves between lists or out of them as an
//! [`OwnedFrame`], so no frame can be in two objects.
//!
//! XNU counterpart: `vm_page_insert`, `vm_page_remove`, `vm_page_rename`, `vm_page_lookup`, `memq`.

use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU64, Ordering};

use machine::FrameNumber;
use machine::page::PAGE_SHIFT;

use super::queues::PageQueue;
use super::record::{FrameState, NIL, PageRecord, PvHead};
use super::{
    FrameSource, OwnedFrame, PageFlags, PinnedFrame, account, map, record, residency, tree,
};

/// Names the owner of a page list; no two lists that live at the same time may have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OwnerId(NonZeroU64);

impl OwnerId {
    /// A number that was never given out before.
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)).expect("64 bits of owners"))
    }

    /// As a plain number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// From a number that [`OwnerId::get`] gave, or that a registry of owners chose in place of [`OwnerId::fresh`].
    pub fn from_raw(raw: u64) -> Option<Self> {
        NonZeroU64::new(raw).map(Self)
    }
}

/// A page's place in its object: the byte offset without its page offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PageIndex(pub u64);

impl PageIndex {
    /// The page that holds the byte at `offset`.
    #[doc(alias = "vm_object_trunc_page")]
    pub const fn of(offset: u64) -> Self {
        Self(offset >> PAGE_SHIFT)
    }

    /// The byte offset of the page's start.
    pub const fn offset(self) -> u64 {
        self.0 << PAGE_SHIFT
    }

    /// The page after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Where the contents of an object's pages come from: it decides their queues and who is asked to take them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum PageKind {
    /// A file or another pager.
    File,
    /// Nowhere: anonymous memory.
    Anonymous,
}

/// What a walk remembers of its way: enough for any tree that is as balanced as it is expected to be.
const WALK_DEPTH: usize = 48;

/// The resident pages of one object.
pub struct PageList {
    owner: OwnerId,
    kind: PageKind,
    root: u32,
    length: usize,
}

impl PageList {
    /// An empty list of an object with a pager.
    pub fn new(owner: OwnerId) -> Self {
        Self::of_kind(owner, PageKind::File)
    }

    /// An empty list.
    pub fn of_kind(owner: OwnerId, kind: PageKind) -> Self {
        Self {
            owner,
            kind,
            root: NIL,
            length: 0,
        }
    }

    /// Who owns the pages.
    pub fn owner(&self) -> OwnerId {
        self.owner
    }

    /// Where the pages' contents come from.
    pub fn kind(&self) -> PageKind {
        self.kind
    }

    /// Number of pages.
    #[doc(alias = "resident_page_count")]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no page.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The page at `index`.
    #[doc(alias = "vm_page_lookup")]
    pub fn lookup(&self, index: PageIndex) -> Option<FrameNumber> {
        if self.length == 0 {
            return None;
        }
        residency::find(self.owner.get(), index.0)
    }

    /// Makes `frame` the page at `index`, without flags. Gives the frame back if there is a page already.
    #[doc(alias = "vm_page_insert")]
    pub fn insert(
        &mut self,
        index: PageIndex,
        frame: OwnedFrame,
    ) -> Result<FrameNumber, OwnedFrame> {
        let number = frame.number();
        let record = record(number);
        if !residency::insert(self.owner.get(), index.0, number, record) {
            return Err(frame);
        }
        frame.surrender();
        let wired = record.wires.load(Ordering::Acquire) != 0;
        account(
            record,
            if wired {
                FrameState::Wired
            } else {
                FrameState::Resident
            },
        );
        tree::insert(map(), &mut self.root, number);
        self.length += 1;
        Ok(number)
    }

    /// Takes the page at `index` out. Its flags are gone; its place in a page queue and its wire count stay until the
    /// frame is freed or inserted elsewhere.
    #[doc(alias = "vm_page_remove")]
    pub fn remove(&mut self, index: PageIndex) -> Option<OwnedFrame> {
        let frame = self.lookup(index)?;
        Some(self.take(frame, PageFlags::empty()))
    }

    /// As [`PageList::remove`], for a page of this list whose frame is known.
    pub fn remove_frame(&mut self, frame: FrameNumber) -> OwnedFrame {
        self.take(frame, PageFlags::empty())
    }

    /// Takes the page with the least index out.
    pub fn remove_first(&mut self) -> Option<(PageIndex, OwnedFrame)> {
        let (index, frame) = self.first_from(PageIndex(0))?;
        Some((index, self.take(frame, PageFlags::empty())))
    }

    /// Moves the page at `index` to `new_index` of `to`, flags included. `false`, and nothing changed, if there is no
    /// page here or one there.
    #[doc(alias = "vm_page_rename")]
    pub fn transfer(&mut self, index: PageIndex, to: &mut PageList, new_index: PageIndex) -> bool {
        let Some(frame) = self.lookup(index) else {
            return false;
        };
        if to.lookup(new_index).is_some() {
            return false;
        }
        let (flags, generation) = (self.flags(frame), self.generation(frame));
        let owned = self.take(frame, flags);
        let moved = to.insert(new_index, owned).is_ok();
        debug_assert!(moved, "the place was free, and both lists are ours");
        let record = record(frame);
        record.flags.store(flags.bits(), Ordering::Release);
        record.pv.generation.store(generation, Ordering::Relaxed);
        moved
    }

    /// The page with the least index at or after `from`. Walks that drop the lock go on from the next index.
    #[doc(alias = "vm_page_queue_iterate")]
    pub fn first_from(&self, from: PageIndex) -> Option<(PageIndex, FrameNumber)> {
        let frame = tree::first_from(map(), self.root, from.0)?;
        Some((index_of(frame), frame))
    }

    /// The page with the greatest index before `before`.
    pub fn last_before(&self, before: PageIndex) -> Option<(PageIndex, FrameNumber)> {
        let frame = tree::last_before(map(), self.root, before.0)?;
        Some((index_of(frame), frame))
    }

    /// The pages in order of index.
    pub fn iter(&self) -> impl Iterator<Item = (PageIndex, FrameNumber)> + '_ {
        self.range(PageIndex(0), PageIndex(u64::MAX))
    }

    /// The pages in `[from, to)`, in order of index.
    pub fn range(
        &self,
        from: PageIndex,
        to: PageIndex,
    ) -> impl Iterator<Item = (PageIndex, FrameNumber)> + '_ {
        let map = map();
        let mut walk = tree::Walk::<WALK_DEPTH>::from(map, self.root, from.0);
        core::iter::from_fn(move || {
            let (index, frame) = walk.next(map)?;
            (index < to.0).then_some((PageIndex(index), frame))
        })
    }

    /// Calls `visit` for the pages in `[from, to)`, in order of index; it may change what is noted of them, and nothing else.
    pub fn update_range(
        &mut self,
        from: PageIndex,
        to: PageIndex,
        mut visit: impl FnMut(PageIndex, PageMut<'_>),
    ) {
        let map = map();
        let mut walk = tree::Walk::<WALK_DEPTH>::from(map, self.root, from.0);
        while let Some((index, frame)) = walk.next(map).filter(|(index, _)| *index < to.0) {
            visit(PageIndex(index), PageMut::new(frame, map.record(frame)));
        }
    }

    /// A page of this list, to change what is noted of it.
    pub fn page_mut(&mut self, frame: FrameNumber) -> PageMut<'_> {
        PageMut::new(frame, self.own(frame))
    }

    /// A page's flags.
    pub fn flags(&self, frame: FrameNumber) -> PageFlags {
        PageFlags::from_bits_truncate(self.own(frame).flags.load(Ordering::Relaxed))
    }

    /// Sets flags of a page; gives the ones before.
    pub fn set_flags(&mut self, frame: FrameNumber, flags: PageFlags) -> PageFlags {
        self.change_flags(frame, PageFlags::empty(), flags)
    }

    /// Clears flags of a page; gives the ones before.
    pub fn clear_flags(&mut self, frame: FrameNumber, flags: PageFlags) -> PageFlags {
        self.change_flags(frame, flags, PageFlags::empty())
    }

    /// Clears flags of a page and sets others; gives the ones before.
    pub fn change_flags(
        &mut self,
        frame: FrameNumber,
        clear: PageFlags,
        set: PageFlags,
    ) -> PageFlags {
        self.page_mut(frame).change_flags(clear, set)
    }

    /// Counts the page's returns to its pager: tells an acknowledgement of an earlier return from the present one.
    pub fn generation(&self, frame: FrameNumber) -> u32 {
        self.own(frame).pv.generation.load(Ordering::Relaxed)
    }

    /// Notes the generation of a return that covers this page among others.
    pub fn set_generation(&mut self, frame: FrameNumber, generation: u32) {
        self.own(frame)
            .pv
            .generation
            .store(generation, Ordering::Relaxed);
    }

    /// Starts a new return; gives its generation.
    pub fn advance_generation(&mut self, frame: FrameNumber) -> u32 {
        let generation = self.generation(frame).wrapping_add(1);
        self.own(frame)
            .pv
            .generation
            .store(generation, Ordering::Relaxed);
        generation
    }

    /// Pins a page: its frame outlives its stay in the object, see [`PinnedFrame`].
    pub fn pin(&self, frame: FrameNumber) -> PinnedFrame {
        self.own(frame);
        PinnedFrame::new(frame)
    }

    /// The page as a source to copy from while the object's lock is held.
    pub fn source(&self, frame: FrameNumber) -> impl FrameSource + '_ {
        self.own(frame);
        ListedFrame { _list: self, frame }
    }

    /// Checks the tree, the hash and every page's record.
    pub fn validate(&self) {
        assert_eq!(
            tree::validate(map(), self.root),
            self.length,
            "pages in the tree"
        );
        let mut forgetful = tree::Walk::<2>::from(map(), self.root, 0);
        for (index, frame) in self.iter() {
            assert_eq!(forgetful.next(map()), Some((index.0, frame)));
            let record = record(frame);
            assert_eq!(record.owner.load(Ordering::Relaxed), self.owner.get());
            assert!(
                matches!(record.state(), FrameState::Resident | FrameState::Wired),
                "{frame:?} in a list"
            );
            assert_eq!(
                self.lookup(index),
                Some(frame),
                "the hash finds what the tree holds"
            );
        }
    }

    fn take(&mut self, frame: FrameNumber, flags: PageFlags) -> OwnedFrame {
        let record = self.own(frame);
        tree::remove(map(), &mut self.root, frame);
        residency::remove(frame, record);
        self.length -= 1;
        record.flags.store(flags.bits(), Ordering::Relaxed);
        account(record, FrameState::Owned);
        OwnedFrame::adopt(frame)
    }

    /// The record of a page of this list.
    #[track_caller]
    fn own(&self, frame: FrameNumber) -> &'static PageRecord {
        let record = record(frame);
        assert_eq!(
            record.owner.load(Ordering::Relaxed),
            self.owner.get(),
            "{frame:?} is a page of another object"
        );
        record
    }
}

impl Drop for PageList {
    /// Frees every page.
    fn drop(&mut self) {
        while self.remove_first().is_some() {}
    }
}

/// One page of a list whose owner is locked: what is noted of it may be changed.
pub struct PageMut<'a> {
    frame: FrameNumber,
    record: &'static PageRecord,
    _list: PhantomData<&'a mut PageList>,
}

impl PageMut<'_> {
    fn new(frame: FrameNumber, record: &'static PageRecord) -> Self {
        Self {
            frame,
            record,
            _list: PhantomData,
        }
    }

    /// Its frame.
    pub fn frame(&self) -> FrameNumber {
        self.frame
    }

    /// Its flags.
    pub fn flags(&self) -> PageFlags {
        PageFlags::from_bits_truncate(self.record.flags.load(Ordering::Relaxed))
    }

    /// Clears flags and sets others; gives the ones before.
    pub fn change_flags(&mut self, clear: PageFlags, set: PageFlags) -> PageFlags {
        let word = &self.record.flags;
        let before = word.load(Ordering::Relaxed);
        let after = (before & !clear.bits()) | set.bits();
        if after != before {
            word.store(after, Ordering::Release);
        }
        PageFlags::from_bits_truncate(before)
    }

    /// Is it on this queue? A hint.
    pub fn is_on(&self, queue: PageQueue) -> bool {
        self.record.queue.load(Ordering::Acquire) == queue as u8
    }

    /// How many wirings hold it.
    pub fn wire_count(&self) -> u16 {
        self.record.wires.load(Ordering::Acquire)
    }

    /// The pmap's part of its record.
    pub fn pv(&self) -> &'static PvHead {
        &self.record.pv
    }
}

struct ListedFrame<'a> {
    _list: &'a PageList,
    frame: FrameNumber,
}

impl FrameSource for ListedFrame<'_> {
    fn source_frame(&self) -> FrameNumber {
        self.frame
    }
}

fn index_of(frame: FrameNumber) -> PageIndex {
    PageIndex(record(frame).index.load(Ordering::Relaxed))
}
