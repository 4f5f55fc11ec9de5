//! Page lists: frames that travel as a port right.
//!
//! A list *owns* its frames, or they were *lent* to it. A device's read answers with frames of its own, and `data_supply_pages` takes
//! them into an object; an object's `data_return_pages` lends its pages, pinned, and a device's write reads them. In between some task
//! holds the right and nothing else: the frames are mapped nowhere, and all it can learn of them is which are filled with one word. When the last right goes, frames nobody took are freed, and lent
//! ones are let go. XNU's nearest relative is the universal page list, a `upl` port.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use ipc::{KernelCarrier, KernelObject, Kmsg, Port, SendRight};
use mach::KernReturn;
use mach::defs::{Array, Call, page_list};
use machine::page::PAGE_SIZE;
use prim::frames::{OwnedFrame, PinnedFrame};
use prim::lock::{Rank, SpinLock};
use prim::zone::{Admission, Zone};

use super::answer;
use super::own_port::OwnPort;

static PAGE_LISTS: Zone = Zone::new("page lists", size_of::<PageList>());

/// Frames on their way, in order.
#[doc(alias = "upl_t")]
pub struct PageList {
    frames: Frames,
    port: OwnPort,
    _admission: Admission,
}

/// Whose the frames are.
enum Frames {
    /// The list's; taken ones leave a gap.
    Owned(SpinLock<Vec<Option<OwnedFrame>>>),
    /// An object's.
    Lent(Vec<PinnedFrame>),
}

impl PageList {
    /// A port that owns `frames`.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`; the frames are freed.
    pub fn name(frames: Vec<OwnedFrame>) -> Result<SendRight, KernReturn> {
        let frames = frames.into_iter().map(Some).collect();
        Self::open(Frames::Owned(SpinLock::new(Rank::KernelObject, frames)))
    }

    /// A port for frames that stay with their object.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`; the frames are let go.
    pub fn lend(frames: Vec<PinnedFrame>) -> Result<SendRight, KernReturn> {
        Self::open(Frames::Lent(frames))
    }

    fn open(frames: Frames) -> Result<SendRight, KernReturn> {
        let admission = PAGE_LISTS
            .admit()
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let list = Arc::new(Self {
            frames,
            port: OwnPort::new(),
            _admission: admission,
        });
        list.port.open(list.clone())
    }

    /// The places of `length` bytes from `offset` on.
    fn range(&self, offset: u64, length: u64) -> Result<Range<usize>, KernReturn> {
        let page = PAGE_SIZE as u64;
        if !offset.is_multiple_of(page) || !length.is_multiple_of(page) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let first = usize::try_from(offset / page).ok();
        let count = usize::try_from(length / page).ok();
        let range = first.and_then(|first| Some(first..first.checked_add(count?)?));
        range
            .filter(|range| range.end <= self.len())
            .ok_or(KernReturn::INVALID_ARGUMENT)
    }

    /// Takes the frames of `length` bytes from `offset` on.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a range that is not whole pages of the list, or whose frames were taken or lent; nothing is taken then.
    pub fn take(&self, offset: u64, length: u64) -> Result<Vec<OwnedFrame>, KernReturn> {
        let range = self.range(offset, length)?;
        let Frames::Owned(frames) = &self.frames else {
            return Err(KernReturn::INVALID_ARGUMENT);
        };
        let mut taken = Vec::new();
        taken
            .try_reserve_exact(range.len())
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let mut frames = frames.lock();
        let wanted = frames.get_mut(range);
        let wanted = wanted
            .filter(|wanted| wanted.iter().all(Option::is_some))
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        taken.extend(wanted.iter_mut().filter_map(Option::take));
        Ok(taken)
    }

    /// Pins the frames of `length` bytes from `offset` on, to be read by a device.
    ///
    /// # Errors
    /// As [`PageList::take`], but that lent frames are as good as owned ones.
    pub fn pins(&self, offset: u64, length: u64) -> Result<Vec<PinnedFrame>, KernReturn> {
        let range = self.range(offset, length)?;
        let mut pins = Vec::new();
        pins.try_reserve_exact(range.len())
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        match &self.frames {
            Frames::Lent(frames) => pins.extend(frames[range].iter().cloned()),
            Frames::Owned(frames) => {
                let frames = frames.lock();
                for frame in &frames[range] {
                    let frame = frame.as_ref().ok_or(KernReturn::INVALID_ARGUMENT)?;
                    pins.push(frame.pin());
                }
            }
        }
        Ok(pins)
    }

    /// How many frames the list was made with.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.frames {
            Frames::Owned(frames) => frames.lock().len(),
            Frames::Lent(frames) => frames.len(),
        }
    }

    /// Whether it was made with none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl KernelObject for PageList {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        answer(page_list::demux(
            &mut ListServer { list: &self },
            request.into_message(),
        ))
    }

    fn no_senders(self: Arc<Self>, _port: &Arc<Port>, _make_send_count: u32) {
        self.port.close();
    }
}

struct ListServer<'a> {
    list: &'a PageList,
}

impl page_list::Server<KernelCarrier> for ListServer<'_> {
    fn fills(
        &mut self,
        _: &mut Call<KernelCarrier>,
        _: page_list::fills::Request,
    ) -> mach::Result<page_list::fills::Reply> {
        let count = self.list.len().min(page_list::PAGES);
        let pins = self.list.pins(0, (count * PAGE_SIZE) as u64)?;
        let mut words = Vec::new();
        words
            .try_reserve_exact(count)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let mut filled = 0;
        for (page, pin) in pins.iter().enumerate() {
            let word = fill_of(pin);
            filled |= u64::from(word.is_some()) << page;
            words.push(word.unwrap_or(0));
        }
        Ok(page_list::fills::Reply {
            filled,
            words: Array(words),
        })
    }
}

/// The word that fills a page, if one does. Most pages differ in their first words.
fn fill_of(pin: &PinnedFrame) -> Option<u64> {
    let mut piece = [0; 64];
    pin.read(0, &mut piece);
    let word = piece.first_chunk::<8>().copied()?;
    let first = [word; 8];
    let mut offset = 0;
    while piece.as_slice() == first.as_flattened() {
        offset += piece.len();
        if offset == PAGE_SIZE {
            return Some(u64::from_ne_bytes(word));
        }
        pin.read(offset, &mut piece);
    }
    None
}
