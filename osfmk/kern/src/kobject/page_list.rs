//! Page lists: frames that travel as a port right.
//!
//! A device's read answers with one, `data_supply_pages` takes its frames into an object. Between the two some task holds the
//! right and nothing else: the frames are mapped nowhere. When the last right goes, frames nobody took are freed.
//! XNU's nearest relative is the universal page list, a `upl` port.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ipc::{KernelObject, Kmsg, Port, SendRight};
use mach::KernReturn;
use mach::defs::Outcome;
use machine::page::PAGE_SIZE;
use prim::frames::OwnedFrame;
use prim::lock::{Rank, SpinLock};
use prim::zone::{Admission, Zone};

use super::answer;
use super::own_port::OwnPort;

static PAGE_LISTS: Zone = Zone::new("page lists", size_of::<PageList>());

/// Frames on their way, in order; taken ones leave a gap.
#[doc(alias = "upl_t")]
pub struct PageList {
    frames: SpinLock<Vec<Option<OwnedFrame>>>,
    port: OwnPort,
    _admission: Admission,
}

impl PageList {
    /// A port that owns `frames`.
    ///
    /// # Errors
    /// `RESOURCE_SHORTAGE`; the frames are freed.
    pub fn name(frames: Vec<OwnedFrame>) -> Result<SendRight, KernReturn> {
        let admission = PAGE_LISTS
            .admit()
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let frames = SpinLock::new(Rank::KernelObject, frames.into_iter().map(Some).collect());
        let list = Arc::new(Self {
            frames,
            port: OwnPort::new(),
            _admission: admission,
        });
        list.port.open(list.clone())
    }

    /// Takes the frames of `length` bytes from `offset` on.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a range that is not whole pages of the list, or whose frames were taken; nothing is taken then.
    pub fn take(&self, offset: u64, length: u64) -> Result<Vec<OwnedFrame>, KernReturn> {
        let page = PAGE_SIZE as u64;
        if !offset.is_multiple_of(page) || !length.is_multiple_of(page) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let first = usize::try_from(offset / page).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
        let count = usize::try_from(length / page).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
        let mut taken = Vec::new();
        taken
            .try_reserve_exact(count.min(self.len()))
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let mut frames = self.frames.lock();
        let range = first
            .checked_add(count)
            .and_then(|end| frames.get_mut(first..end));
        let range = range
            .filter(|range| range.iter().all(Option::is_some))
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        taken.extend(range.iter_mut().filter_map(Option::take));
        Ok(taken)
    }

    /// How many frames the list was made with.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.lock().len()
    }

    /// Whether it was made with none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl KernelObject for PageList {
    fn message(self: Arc<Self>, request: Kmsg, _port: &Arc<Port>) -> Option<Kmsg> {
        answer(Outcome::NotMine(request.into_message()))
    }

    fn no_senders(self: Arc<Self>, _port: &Arc<Port>, _make_send_count: u32) {
        self.port.close();
    }
}
