//! A default pager for tests: a store in the host's memory, answers within the post itself or when the test says so.
//!
//! It is stricter than the real one: a page that is asked for and was never stored, or was discarded, fails the test.

use alloc::sync::{Arc, Weak};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::vec::Vec;

use mach::{CopyStrategy, KernReturn};
use machine::page::PAGE_SIZE;

use crate::memory_object::fake::frame_with;
use crate::memory_object::{
    DataRequest, DataReturn, DefaultPager, Lock, MemoryControl, Pager, PagerDead, Reply,
    SupplyReport, forget_default_pager, register_default_pager,
};

const PAGE: u64 = PAGE_SIZE as u64;

/// How the pager behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    /// Everything is done at once.
    Prompt,
    /// Returns are kept until [`Swap::catch_up`].
    Slow,
    /// Every return is refused.
    Full,
    /// No pager can be made for another object.
    Short,
    /// It cannot be reached.
    Dead,
}

struct State {
    mood: Mood,
    /// By object number of the pager's own and page.
    store: BTreeMap<(u64, u64), Vec<u8>>,
    late: Vec<(Arc<SwapPager>, DataReturn)>,
    next: u64,
    /// Objects that have not been terminated.
    live: u64,
}

/// The default pager.
pub(crate) struct Swap {
    me: Weak<Swap>,
    state: Mutex<State>,
}

/// One object's pager.
pub(crate) struct SwapPager {
    number: u64,
    swap: Arc<Swap>,
    me: Weak<SwapPager>,
    control: Mutex<Option<Arc<MemoryControl>>>,
}

/// Registers a default pager while `test` runs; at the end nothing may be left in its store.
pub(crate) fn with_swap(test: impl FnOnce(&Arc<Swap>)) {
    let swap = Arc::new_cyclic(|me| Swap {
        me: me.clone(),
        state: Mutex::new(State {
            mood: Mood::Prompt,
            store: BTreeMap::new(),
            late: Vec::new(),
            next: 1,
            live: 0,
        }),
    });
    register_default_pager(swap.clone()).unwrap();
    test(&swap);
    swap.set(Mood::Prompt);
    swap.catch_up();
    prim::reaper::quiesce();
    forget_default_pager();
    let state = swap.state.lock().unwrap();
    assert_eq!((state.store.len(), state.live), (0, 0), "store leaked");
    drop(state);
    assert_eq!(super::laundry::outstanding(), 0, "a load was forgotten");
}

impl Swap {
    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    fn mood(&self) -> Mood {
        self.state.lock().unwrap().mood
    }

    /// Pages in the store.
    pub(crate) fn stored(&self) -> usize {
        self.state.lock().unwrap().store.len()
    }

    /// Deals with the returns that were kept.
    pub(crate) fn catch_up(&self) {
        let late = core::mem::take(&mut self.state.lock().unwrap().late);
        for (pager, lent) in late {
            pager.store(&lent);
        }
    }

    /// The pager dies with what it was lent; its store survives. Another one takes its place.
    pub(crate) fn succeed(self: &Arc<Self>) -> usize {
        self.state.lock().unwrap().late.clear();
        register_default_pager(self.clone()).unwrap()
    }
}

impl DefaultPager for Swap {
    fn pager_for(&self, _size: u64) -> Result<Arc<dyn Pager>, KernReturn> {
        let mut state = self.state.lock().unwrap();
        if state.mood == Mood::Short {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        let number = state.next;
        state.next += 1;
        let swap = self.me.upgrade().ok_or(KernReturn::FAILURE)?;
        Ok(Arc::new_cyclic(|me| SwapPager {
            number,
            swap,
            me: me.clone(),
            control: Mutex::new(None),
        }))
    }

    fn has_room(&self) -> bool {
        true
    }
}

impl SwapPager {
    fn control(&self) -> Arc<MemoryControl> {
        self.control
            .lock()
            .unwrap()
            .clone()
            .expect("init came first")
    }

    fn post(&self) -> Result<Mood, PagerDead> {
        match self.swap.mood() {
            Mood::Dead => Err(PagerDead),
            mood => Ok(mood),
        }
    }

    /// Takes the pages of a return and acknowledges it. Pages that are gone meanwhile are passed over.
    fn store(&self, lent: &DataReturn) {
        for page in lent.offset / PAGE..(lent.offset + lent.length) / PAGE {
            let mut bytes = std::vec![0; PAGE_SIZE];
            if let Some(pinned) = lent.pages.pin_resident(page * PAGE, PAGE) {
                pinned[0].read(0, &mut bytes);
                let mut state = self.swap.state.lock().unwrap();
                state.store.insert((self.number, page), bytes);
            }
        }
        self.acknowledge(lent, KernReturn::SUCCESS);
    }

    fn acknowledge(&self, lent: &DataReturn, result: KernReturn) {
        let _ = self
            .control()
            .clean_completed(lent.offset, lent.length, lent.generation, result);
    }
}

impl Pager for SwapPager {
    fn init(&self, control: Arc<MemoryControl>, _page_size: u64) -> Result<(), PagerDead> {
        let first = self.control.lock().unwrap().replace(control).is_none();
        if first {
            self.swap.state.lock().unwrap().live += 1;
        }
        self.post().map(drop)
    }

    fn data_request(&self, request: DataRequest) -> Result<(), PagerDead> {
        self.post()?;
        let pages = request.offset / PAGE..(request.offset + request.length) / PAGE;
        let frames: Vec<_> = pages
            .map(|page| {
                let state = self.swap.state.lock().unwrap();
                let bytes = state.store.get(&(self.number, page));
                frame_with(bytes.expect("a page that was asked for is in the store"))
            })
            .collect();
        let reply = Reply::NotWanted;
        let _ =
            self.control()
                .data_supply(request.offset, request.length, frames, Lock::NONE, reply);
        Ok(())
    }

    fn data_return(&self, lent: DataReturn) -> Result<(), PagerDead> {
        match self.post()? {
            Mood::Slow => {
                let me = self.me.upgrade().ok_or(PagerDead)?;
                self.swap.state.lock().unwrap().late.push((me, lent));
            }
            Mood::Full => self.acknowledge(&lent, KernReturn::RESOURCE_SHORTAGE),
            _ => self.store(&lent),
        }
        Ok(())
    }

    fn data_discard(&self, offset: u64, length: u64) {
        let pages = offset / PAGE..(offset.saturating_add(length)) / PAGE;
        let mut state = self.swap.state.lock().unwrap();
        state
            .store
            .retain(|(number, page), _| *number != self.number || !pages.contains(page));
    }

    fn terminate(&self) {
        let mut state = self.swap.state.lock().unwrap();
        state.store.retain(|(number, _), _| *number != self.number);
        state.live -= 1;
    }

    fn lock_completed(&self, _offset: u64, _length: u64) {}

    fn supply_completed(&self, report: SupplyReport) {
        panic!("a supply from swap was refused: {report:?}");
    }

    fn change_completed(&self, _may_cache: bool, _strategy: CopyStrategy) {}
}
