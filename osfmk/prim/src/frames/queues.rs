//! The page queues: which resident pages were used lately, and which are wired.
//!
//! All queues are under one lock ([`lock`], rank `PageQueues`), with links in the page records. What is kept here is
//! mechanism; which page goes where is vm's page-out policy. A page that is freed leaves its queue by itself.
//!
//! XNU counterpart: `vm_page_queue_active`, `vm_page_queue_inactive`, `vm_page_queue_anonymous`,
//! `vm_page_queue_speculative`, `vm_page_wire`, `vm_page_lockspin_queues`.

use core::sync::atomic::{AtomicUsize, Ordering};

use machine::FrameNumber;

use super::record::{FrameState, NIL, PageRecord, link};
use super::{account, map, record};
use crate::lock::{Rank, SpinLock, SpinLockGuard};

/// One of the queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum PageQueue {
    /// Used lately; from a file or another pager.
    #[doc(alias = "vm_page_queue_active")]
    ActiveFile = 1,
    /// Not used lately; from a file or another pager.
    #[doc(alias = "vm_page_queue_inactive")]
    InactiveFile = 2,
    /// Not used lately; anonymous.
    #[doc(alias = "vm_page_queue_anonymous")]
    InactiveAnonymous = 3,
    /// Read ahead and never used.
    #[doc(alias = "vm_page_queue_speculative")]
    Speculative = 4,
    /// On its way to the pager.
    #[doc(alias = "vm_pageout_queue")]
    Laundry = 5,
    /// Used lately; anonymous.
    ActiveAnonymous = 6,
}

const QUEUES: usize = 7;

impl PageQueue {
    /// Every queue.
    pub const ALL: [PageQueue; QUEUES - 1] = [
        PageQueue::ActiveFile,
        PageQueue::InactiveFile,
        PageQueue::InactiveAnonymous,
        PageQueue::Speculative,
        PageQueue::Laundry,
        PageQueue::ActiveAnonymous,
    ];

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => PageQueue::ActiveFile,
            2 => PageQueue::InactiveFile,
            3 => PageQueue::InactiveAnonymous,
            4 => PageQueue::Speculative,
            5 => PageQueue::Laundry,
            6 => PageQueue::ActiveAnonymous,
            _ => return None,
        })
    }
}

const _: () = {
    let mut at = 0;
    while at < PageQueue::ALL.len() {
        let queue = PageQueue::ALL[at];
        let same = match PageQueue::from_number(queue as u8) {
            Some(found) => found as u8 == queue as u8,
            None => false,
        };
        assert!(same, "a queue is found by its number");
        at += 1;
    }
};

#[derive(Clone, Copy)]
struct Ends {
    head: u32,
    tail: u32,
}

struct Queues {
    ends: [Ends; QUEUES],
}

static QUEUES_LOCK: SpinLock<Queues> = SpinLock::new(
    Rank::PageQueues,
    Queues {
        ends: [Ends {
            head: NIL,
            tail: NIL,
        }; QUEUES],
    },
);
/// Lengths, for statistics without the lock.
static LENGTHS: [AtomicUsize; QUEUES] = [const { AtomicUsize::new(0) }; QUEUES];

/// Proof that the page queues are locked.
pub struct QueuesGuard {
    queues: SpinLockGuard<'static, Queues>,
}

/// Locks the page queues.
#[doc(alias = "vm_page_lock_queues")]
#[track_caller]
pub fn lock() -> QueuesGuard {
    QueuesGuard {
        queues: QUEUES_LOCK.lock(),
    }
}

/// Locks the page queues if nobody has them.
#[doc(alias = "vm_page_trylock_queues")]
pub fn try_lock() -> Option<QueuesGuard> {
    Some(QueuesGuard {
        queues: QUEUES_LOCK.try_lock()?,
    })
}

/// Length of a queue, at about this moment.
#[doc(alias = "vm_page_active_count")]
#[doc(alias = "vm_page_inactive_count")]
pub fn length(queue: PageQueue) -> usize {
    LENGTHS[queue as usize].load(Ordering::Relaxed)
}

/// The queue a page is on, as a hint.
pub fn queue_of(frame: FrameNumber) -> Option<PageQueue> {
    PageQueue::from_number(record(frame).queue.load(Ordering::Acquire))
}

impl QueuesGuard {
    /// Puts a page at the end of a queue; it leaves the one it is on. Wired pages stay off the queues.
    ///
    /// A page that is on a queue may be freed at any moment, and its record says meanwhile that it is on one, whichever
    /// that is: so whoever frees it waits for this lock.
    #[doc(alias = "vm_page_activate")]
    #[doc(alias = "vm_page_deactivate")]
    #[doc(alias = "vm_page_enqueue_active")]
    pub fn enqueue(&mut self, frame: FrameNumber, queue: PageQueue) {
        let record = record(frame);
        if record.wires.load(Ordering::Relaxed) != 0 {
            self.remove(frame);
            return;
        }
        self.unlink(record);
        let ends = &mut self.queues.ends[queue as usize];
        record.queue_previous.store(ends.tail, Ordering::Relaxed);
        record.queue_next.store(NIL, Ordering::Relaxed);
        match link(ends.tail) {
            Some(tail) => super::record(tail)
                .queue_next
                .store(frame.0, Ordering::Relaxed),
            None => ends.head = frame.0,
        }
        ends.tail = frame.0;
        record.queue.store(queue as u8, Ordering::Release);
        LENGTHS[queue as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a page off its queue; says which it was.
    #[doc(alias = "vm_page_queues_remove")]
    pub fn remove(&mut self, frame: FrameNumber) -> Option<PageQueue> {
        let record = record(frame);
        let queue = self.unlink(record)?;
        record.queue_next.store(NIL, Ordering::Relaxed);
        record.queue_previous.store(NIL, Ordering::Relaxed);
        record.queue.store(0, Ordering::Release);
        Some(queue)
    }

    /// Joins the neighbours of a page, whose record still says that it is on the queue.
    fn unlink(&mut self, record: &PageRecord) -> Option<PageQueue> {
        let queue = PageQueue::from_number(record.queue.load(Ordering::Relaxed))?;
        let (previous, next) = (
            record.queue_previous.load(Ordering::Relaxed),
            record.queue_next.load(Ordering::Relaxed),
        );
        let ends = &mut self.queues.ends[queue as usize];
        match link(previous) {
            Some(previous) => super::record(previous)
                .queue_next
                .store(next, Ordering::Relaxed),
            None => ends.head = next,
        }
        match link(next) {
            Some(next) => super::record(next)
                .queue_previous
                .store(previous, Ordering::Relaxed),
            None => ends.tail = previous,
        }
        LENGTHS[queue as usize].fetch_sub(1, Ordering::Relaxed);
        Some(queue)
    }

    /// The page that has been on a queue longest.
    pub fn first(&self, queue: PageQueue) -> Option<FrameNumber> {
        link(self.queues.ends[queue as usize].head)
    }

    /// The page behind `frame` on its queue.
    pub fn next(&self, frame: FrameNumber) -> Option<FrameNumber> {
        let record = record(frame);
        PageQueue::from_number(record.queue.load(Ordering::Relaxed))?;
        link(record.queue_next.load(Ordering::Relaxed))
    }

    /// The queue a page is on.
    pub fn queue_of(&self, frame: FrameNumber) -> Option<PageQueue> {
        PageQueue::from_number(record(frame).queue.load(Ordering::Relaxed))
    }

    /// Wires a page once more: it leaves its queue and stays in memory until it is unwired as often. `false`, and
    /// nothing changed, when the count is at its end.
    #[doc(alias = "vm_page_wire")]
    #[must_use]
    pub fn wire(&mut self, frame: FrameNumber) -> bool {
        let record = record(frame);
        let wires = record.wires.load(Ordering::Relaxed);
        if wires == u16::MAX {
            return false;
        }
        record.wires.store(wires + 1, Ordering::Release);
        if wires == 0 {
            self.remove(frame);
            restate(record, FrameState::Resident, FrameState::Wired);
        }
        true
    }

    /// Undoes one [`QueuesGuard::wire`]; says whether the page is not wired any more. The caller enqueues it then.
    #[doc(alias = "vm_page_unwire")]
    pub fn unwire(&mut self, frame: FrameNumber) -> bool {
        let record = record(frame);
        let wires = record.wires.load(Ordering::Relaxed);
        debug_assert!(wires != 0, "{frame:?} is not wired");
        record
            .wires
            .store(wires.saturating_sub(1), Ordering::Release);
        if wires == 1 {
            restate(record, FrameState::Wired, FrameState::Resident);
        }
        wires <= 1
    }

    /// A page's wire count.
    pub fn wire_count(&self, frame: FrameNumber) -> u32 {
        u32::from(record(frame).wires.load(Ordering::Relaxed))
    }

    /// Walks every queue and checks its links, the pages' records and the length.
    pub fn validate(&self) {
        for queue in PageQueue::ALL {
            let ends = self.queues.ends[queue as usize];
            let (mut previous, mut at, mut count) = (NIL, ends.head, 0);
            while let Some(frame) = link(at) {
                let record = record(frame);
                assert_eq!(record.queue.load(Ordering::Relaxed), queue as u8);
                assert_eq!(
                    record.queue_previous.load(Ordering::Relaxed),
                    previous,
                    "back link in {queue:?}"
                );
                assert_eq!(
                    record.wires.load(Ordering::Relaxed),
                    0,
                    "a wired page is on no queue"
                );
                assert!(
                    !record.state().is_free(),
                    "a free frame is on no page queue"
                );
                previous = at;
                at = record.queue_next.load(Ordering::Relaxed);
                count += 1;
            }
            assert_eq!(ends.tail, previous, "tail of {queue:?}");
            assert_eq!(length(queue), count, "length of {queue:?}");
        }
    }
}

/// Changes the counted state of a page that is in a list; a frame between lists keeps its own.
fn restate(record: &PageRecord, from: FrameState, to: FrameState) {
    if record.state() == from {
        account(record, to);
    }
}

/// Takes a frame that is being freed off the queues and forgets its wires. Nobody puts a frame on a queue that is on none
/// unless the frame is theirs, so the lock is only for one that is on a queue already.
pub(super) fn forget(frame: FrameNumber, record: &PageRecord) {
    if record.queue.load(Ordering::Acquire) == 0 && record.wires.load(Ordering::Acquire) == 0 {
        return;
    }
    let mut guard = lock();
    guard.remove(frame);
    record.wires.store(0, Ordering::Release);
}

/// Frames whose records say they are on a queue; for validation.
pub(super) fn marked() -> usize {
    let map = map();
    map.frames()
        .filter(|frame| map.record(*frame).queue.load(Ordering::Relaxed) != 0)
        .count()
}
