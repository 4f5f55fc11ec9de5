//! Allocation: reserve classes, the count of free frames, waiting for more.
//!
//! The count is taken first, by compare-and-swap against the floor of the reserve class; whoever got a count finds a
//! frame in a cache or in the free lists. So the classes cost one atomic operation, and the floors are exact.
//!
//! ```text
//!  free frames   0 ......... pageout .... pager ...... normal ........ low ....... target
//!                Kernel may   Pageout      Pager        everybody      page-out    page-out
//!                go to 0      stops here   stops here   stops here     is woken    may rest
//! ```
//!
//! While nobody makes room, everybody stops at the target ([`hold_ordinary_requests_back`]), so that those who bring him back
//! find something.
//!
//! XNU counterpart: `vm_page_grab_options`, `vm_page_free_reserved`, `vm_page_free_target`, `VM_PAGE_WAIT`.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use machine::FrameNumber;

use super::buddy::{Buddy, ORDERS};
use super::record::{FrameState, PageRecord};
use super::{ContiguousFrames, OwnedFrame, account, cache, map, pinned, queues};
use crate::clock::{self, Deadline};
use crate::lock::{Rank, SpinLock};
use crate::thread::injection::{self, Site};
use crate::thread::privilege;
use crate::wait::{Interruptible, Wait, WaitQueue};

/// What an allocation is for; it decides how many frames must stay free for others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reserve {
    /// Anything a program asked for.
    Normal,
    /// Work of a pager that frees memory in the end.
    Pager,
    /// The page-out path.
    #[doc(alias = "VM_PAGE_GRAB_Q_LOCK_HELD")]
    Pageout,
    /// What the kernel cannot refuse; may take the last frame.
    Kernel,
}

/// No frame may be had for this class. Wait without locks, then start again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfFrames;

/// The thresholds, in frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Targets {
    /// `Reserve::Pageout` leaves this many.
    pub pageout: usize,
    /// `Reserve::Pager` leaves this many.
    pub pager: usize,
    /// `Reserve::Normal` leaves this many.
    #[doc(alias = "vm_page_free_reserved")]
    pub normal: usize,
    /// Below this page-out is woken.
    #[doc(alias = "vm_page_free_min")]
    pub low: usize,
    /// Page-out works until this many are free.
    #[doc(alias = "vm_page_free_target")]
    pub target: usize,
}

static BUDDY: SpinLock<Buddy> = SpinLock::new(Rank::Frames, Buddy::new());
/// Frames that are free and that nobody has claimed.
static FREE: AtomicUsize = AtomicUsize::new(0);
static TARGETS: spin::Once<Targets> = spin::Once::new();
/// Until then (clock ticks) ordinary requests leave the whole target to others; 0: they need not.
static HELD_BACK_UNTIL: AtomicU64 = AtomicU64::new(0);

/// Those who wait for free frames for ordinary requests, and those who wait for the reserve.
static ORDINARY: Waiters = Waiters::new();
static PRIVILEGED: Waiters = Waiters::new();
/// Whoever makes room waits here for a shortage.
static SHORTAGE: WaitQueue = WaitQueue::new();
static SHORTAGE_POSTED: AtomicUsize = AtomicUsize::new(0);

/// The thresholds of this machine.
pub fn targets() -> Targets {
    *TARGETS.get().expect("frames are installed during start-up")
}

pub(super) fn set_targets(usable: usize) {
    let targets = targets_of(usable);
    TARGETS.call_once(|| targets);
}

/// XNU's shape: a reserve, then a minimum and a target that grow slowly with the memory, each with XNU's limit. The
/// reserve is smaller than XNU's, which has more that draws from it.
#[doc(alias = "VM_PAGE_FREE_MIN")]
#[doc(alias = "VM_PAGE_FREE_TARGET")]
#[doc(alias = "VM_PAGE_FREE_RESERVED")]
fn targets_of(usable: usize) -> Targets {
    let normal = (usable / 64).clamp(16, 1700);
    let rest = usable.saturating_sub(normal);
    let low = normal + (10 + rest / 100).min(3500);
    let target = normal + (15 + rest / 80).min(4000);
    Targets {
        pageout: normal / 4,
        pager: normal / 2,
        normal,
        low,
        target: target.max(low + 5),
    }
}

/// Free frames.
#[doc(alias = "vm_page_free_count")]
pub fn available() -> usize {
    FREE.load(Ordering::Relaxed)
}

/// How many more frames should be free; 0 when page-out may rest.
pub fn frames_below_target() -> usize {
    targets().target.saturating_sub(available())
}

/// One frame with undefined contents.
#[doc(alias = "vm_page_grab")]
#[doc(alias = "vm_page_grab_options")]
pub fn allocate(reserve: Reserve) -> Result<OwnedFrame, OutOfFrames> {
    claim(1, reserve)?;
    let frame = take_one();
    Ok(own(frame))
}

/// One frame filled with zeroes.
#[doc(alias = "vm_page_zero_fill")]
pub fn allocate_zeroed(reserve: Reserve) -> Result<OwnedFrame, OutOfFrames> {
    let mut frame = allocate(reserve)?;
    super::zero(&mut frame);
    Ok(frame)
}

/// `2^order` frames in a row, aligned to their size, with undefined contents.
#[doc(alias = "vm_page_find_contiguous")]
#[doc(alias = "cpm_allocate")]
pub fn allocate_contiguous(
    order: usize,
    reserve: Reserve,
) -> Result<ContiguousFrames, OutOfFrames> {
    if order >= ORDERS {
        return Err(OutOfFrames);
    }
    claim(1 << order, reserve)?;
    let first = take_block(order).or_else(|| {
        cache::drain(&BUDDY);
        take_block(order)
    });
    let Some(first) = first else {
        unclaim(1 << order);
        return Err(OutOfFrames);
    };
    for i in 0..1 << order {
        account(map().record(FrameNumber(first + i)), FrameState::Owned);
    }
    Ok(ContiguousFrames::new(FrameNumber(first), order))
}

/// Threads that wait for frames, and how many, so that freeing looks at a word only.
struct Waiters {
    queue: WaitQueue,
    count: AtomicUsize,
}

impl Waiters {
    const fn new() -> Self {
        Self {
            queue: WaitQueue::new(),
            count: AtomicUsize::new(0),
        }
    }

    fn of(reserve: Reserve) -> &'static Waiters {
        match privilege::effective(reserve) {
            Reserve::Normal => &ORDINARY,
            _ => &PRIVILEGED,
        }
    }

    fn are_some(&self) -> bool {
        self.count.load(Ordering::SeqCst) != 0
    }
}

/// Registers the current thread to be woken when this class may have frames again. The usual loop: try, register,
/// look whether there are some now, drop locks, block, start again; this function does the look: `None` means try at
/// once. Whoever makes an ordinary request is woken when there are many, or he would be back for every single one; so the
/// wait has a deadline, after which there may be few.
#[doc(alias = "vm_page_wait")]
pub fn wait_for_frames(
    reserve: Reserve,
    interruptible: Interruptible,
    deadline: Deadline,
) -> Option<FrameWait> {
    let waiters = Waiters::of(reserve);
    waiters.count.fetch_add(1, Ordering::SeqCst);
    let wait = FrameWait {
        wait: Some(waiters.queue.assert_wait(interruptible, Some(deadline))),
        waiters,
    };
    post_shortage();
    if FREE.load(Ordering::SeqCst) > floor(reserve) {
        None
    } else {
        Some(wait)
    }
}

/// A registered wait for frames.
pub struct FrameWait {
    wait: Option<Wait>,
    waiters: &'static Waiters,
}

impl FrameWait {
    /// Blocks until frames were freed.
    pub fn block(mut self) -> crate::wait::WaitResult {
        self.wait
            .take()
            .map_or(crate::wait::WaitResult::Awakened, Wait::block)
    }
}

impl Drop for FrameWait {
    fn drop(&mut self) {
        drop(self.wait.take());
        self.waiters.count.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Registers the page-out thread to be woken when free frames fall below the low mark; completed at once if they are
/// below it now.
#[doc(alias = "vm_pageout_scan")]
pub fn wait_for_shortage(interruptible: Interruptible, deadline: Option<Deadline>) -> Wait {
    let wait = SHORTAGE.assert_wait(interruptible, deadline);
    SHORTAGE_POSTED.store(0, Ordering::SeqCst);
    if available() < targets().low {
        post_shortage();
    }
    wait
}

fn post_shortage() {
    if SHORTAGE_POSTED.swap(1, Ordering::SeqCst) == 0 {
        SHORTAGE.wake_all();
    }
}

/// Until `deadline` ordinary requests get frames above the target only: whoever makes room is not there, and what is left is
/// for those who bring it back.
pub fn hold_ordinary_requests_back(deadline: Deadline) {
    HELD_BACK_UNTIL.store(deadline.0.0, Ordering::Relaxed);
}

/// Ordinary requests get frames as always.
pub fn release_ordinary_requests() {
    HELD_BACK_UNTIL.store(0, Ordering::Relaxed);
    unclaim(0);
}

fn are_ordinary_requests_held_back() -> bool {
    let until = HELD_BACK_UNTIL.load(Ordering::Relaxed);
    until != 0 && clock::now().0 < until
}

fn floor(reserve: Reserve) -> usize {
    let Some(targets) = TARGETS.get() else {
        return 0;
    };
    match privilege::effective(reserve) {
        Reserve::Normal if are_ordinary_requests_held_back() => targets.target,
        Reserve::Normal => targets.normal,
        Reserve::Pager => targets.pager,
        Reserve::Pageout => targets.pageout,
        Reserve::Kernel => 0,
    }
}

/// Whether `count` frames could be claimed for this class now.
pub(crate) fn has_room(count: usize, reserve: Reserve) -> bool {
    available() >= floor(reserve) + count
}

fn claim(count: usize, reserve: Reserve) -> Result<(), OutOfFrames> {
    if injection::strikes(Site::Frames) {
        return Err(OutOfFrames);
    }
    let needed = floor(reserve) + count;
    let take = |free: usize| (free >= needed).then(|| free - count);
    match FREE.fetch_update(Ordering::Acquire, Ordering::Relaxed, take) {
        Ok(before) => {
            if TARGETS
                .get()
                .is_some_and(|targets| before - count < targets.low)
            {
                post_shortage();
            }
            Ok(())
        }
        Err(_) => {
            post_shortage();
            Err(OutOfFrames)
        }
    }
}

/// Makes claimed frames free for others, and wakes who waits for some.
fn unclaim(count: usize) {
    let free = FREE.fetch_add(count, Ordering::SeqCst) + count;
    if PRIVILEGED.are_some() {
        PRIVILEGED.queue.wake_all();
    }
    if ORDINARY.are_some() && free >= many() {
        ORDINARY.queue.wake_all();
    }
}

/// So many free frames are worth waking those who make ordinary requests: half-way from where they stop to where page-out
/// begins.
fn many() -> usize {
    TARGETS
        .get()
        .map_or(0, |targets| targets.normal.midpoint(targets.low))
}

/// A frame for a claim. It exists; it may be on its way between a cache and the lists for a moment.
fn take_one() -> u32 {
    loop {
        if let Some(frame) = cache::take(&BUDDY) {
            return frame;
        }
        cache::drain(&BUDDY);
        core::hint::spin_loop();
    }
}

fn take_block(order: usize) -> Option<u32> {
    BUDDY.lock().take(map(), order)
}

fn own(frame: u32) -> OwnedFrame {
    let record = map().record(FrameNumber(frame));
    debug_assert!(record.state().is_free());
    reset(record);
    account(record, FrameState::Owned);
    OwnedFrame::adopt(FrameNumber(frame))
}

/// A frame starts without a past.
fn reset(record: &PageRecord) {
    record.flags.store(0, Ordering::Relaxed);
    record.pv.generation.store(0, Ordering::Relaxed);
    debug_assert_eq!(record.pins.load(Ordering::Relaxed), 0);
    debug_assert_eq!(record.owner.load(Ordering::Relaxed), 0);
}

/// Frees a frame that nobody owns any more, or leaves that to its last pin.
#[doc(alias = "vm_page_free")]
#[doc(alias = "vm_page_release")]
pub(crate) fn release_one(frame: FrameNumber) {
    let record = map().record(frame);
    queues::forget(frame, record);
    debug_assert_eq!(
        record.pv.word.load(Ordering::Relaxed),
        0,
        "freeing {frame:?}, which is mapped"
    );
    if pinned::linger(record) {
        return;
    }
    free_now(frame, record);
}

/// Frees a frame at the end of its last pin.
pub(super) fn free_now(frame: FrameNumber, record: &PageRecord) {
    record.pv.clear_attributes(!(1 << 31));
    record.flags.store(0, Ordering::Relaxed);
    account(record, FrameState::Cached);
    cache::give(&BUDDY, frame.0);
    unclaim(1);
}

/// Frees a run of frames.
pub(super) fn release_block(first: FrameNumber, order: usize) {
    for i in 0..1 << order {
        account(map().record(FrameNumber(first.0 + i)), FrameState::FreeTail);
    }
    BUDDY.lock().give(map(), first.0, order);
    unclaim(1 << order);
}

/// Start-up: gives `[start, end)` to the free lists in the largest blocks that fit. The frames were not counted yet.
pub(super) fn release_run_at_boot(start: u32, end: u32) {
    let mut buddy = BUDDY.lock();
    let mut at = start;
    while at < end {
        let aligned = (at.trailing_zeros() as usize).min(ORDERS - 1);
        let fits = (end - at).ilog2() as usize;
        let order = aligned.min(fits);
        buddy.give(map(), at, order);
        at += 1 << order;
    }
    drop(buddy);
    FREE.fetch_add((end - start) as usize, Ordering::SeqCst);
}

/// Checks the free lists; the number of frames in them and in the caches, to be compared with the count.
pub(super) fn validate() -> usize {
    let buddy = BUDDY.lock();
    buddy.validate(map());
    let listed = buddy.frames();
    drop(buddy);
    listed + cache::frames()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thresholds_are_ordered_and_have_xnus_limits() {
        for usable in [64, 1 << 10, 1 << 13, 1 << 16, 1 << 20, 1 << 24] {
            let targets = targets_of(usable);
            assert!(targets.pageout < targets.pager && targets.pager < targets.normal);
            assert!(targets.normal < targets.low && targets.low < targets.target);
            assert!(
                targets.target <= 1700 + 4000,
                "{usable} frames: {targets:?}"
            );
        }
        let small = targets_of(8192);
        assert_eq!((small.normal, small.low, small.target), (128, 218, 243));
    }
}
