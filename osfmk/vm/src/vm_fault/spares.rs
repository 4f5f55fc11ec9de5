//! What a fault collects between attempts, with nothing locked: a frame it had to wait for, page tables, and what it
//! remembers.
//!
//! Main type: [`Spares`]. When frames are short it asks page-out for some and waits a while; then the fault
//! fails with RESOURCE_SHORTAGE, never the kernel.
//! XNU counterpart: `vm_page_grab`, `vm_page_wait`, and the `need_retry` of `vm_fault_enter`.

use mach::KernReturn;
use pmap::TableReserve;
use prim::frames::{self, FrameWait, OutOfFrames, OwnedFrame, Reserve};
use prim::wait::WaitResult;

use super::FaultOptions;
use super::resolve::{Blocked, interruptible};
use crate::memory_object::default_pager_is_expected;
use crate::ticks;
use crate::vm_object::step::Awaited;
use crate::vm_pageout;

/// How often a fault waits for memory of its own before it gives up: whoever wants more than there is shall be refused ...
const PATIENCE: u32 = 60;

/// ... before those give up who only want back what was taken from them: pages of files, and the tables that map them.
const LONG_PATIENCE: u32 = 100;

/// How long each of these waits is.
const WAIT_NANOSECONDS: u64 = 50_000_000;

/// Frames that page-out is asked for at once.
const BATCH: usize = 32;

/// Reserves and memory of one fault.
pub(crate) struct Spares {
    /// How far this fault may go.
    pub(crate) options: FaultOptions,
    /// Page tables for `pmap`.
    pub(crate) tables: TableReserve,
    /// The request that the fault has waited for.
    pub(crate) awaited: Option<Awaited>,
    /// The policy lets code in that is not what was signed.
    pub(crate) pardoned: bool,
    frame: Option<OwnedFrame>,
    waits: u32,
    /// What page-out had brought at the last wait.
    progress: u64,
}

impl Spares {
    /// Nothing in reserve yet.
    pub(crate) fn new(options: FaultOptions) -> Spares {
        Spares {
            options,
            tables: TableReserve::new(),
            awaited: None,
            pardoned: false,
            frame: None,
            waits: 0,
            progress: 0,
        }
    }

    /// Is there a spare frame?
    pub(super) fn has_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// A frame, under locks: the spare one, or one that can be had at once. Only waiting for one needs the locks dropped.
    pub(super) fn take(&mut self) -> Result<OwnedFrame, Blocked> {
        let ready = self.frame.take();
        ready
            .or_else(|| frames::allocate(self.options.reserve).ok())
            .ok_or(Blocked::Frame)
    }

    /// Gets a frame. No lock may be held.
    pub(crate) fn refill_frame(&mut self) -> Result<(), KernReturn> {
        while self.frame.is_none() {
            match frames::allocate(self.options.reserve) {
                Ok(frame) => self.frame = Some(frame),
                Err(OutOfFrames) => {
                    let class = self.options.reserve.max(prim::thread::current().reserve());
                    let patience = if class == Reserve::Normal {
                        PATIENCE
                    } else {
                        LONG_PATIENCE
                    };
                    self.wait_for_frames(patience)?;
                }
            }
        }
        Ok(())
    }

    /// Gets the page tables that were missing. No lock may be held.
    pub(crate) fn refill_tables(&mut self) -> Result<(), KernReturn> {
        while self.tables.fill(self.options.reserve).is_err() {
            self.wait_for_frames(LONG_PATIENCE)?;
        }
        Ok(())
    }

    fn wait_for_frames(&mut self, patience: u32) -> Result<(), KernReturn> {
        if vm_pageout::reclaim(BATCH) > 0 {
            return Ok(());
        }
        // As long as something comes back, somebody will have a frame in the end, and whoever asks for too much is ended.
        let progress = vm_pageout::progress();
        if progress != self.progress || default_pager_is_expected() {
            self.progress = progress;
            self.waits = 0;
        }
        if self.waits >= patience {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        self.waits += 1;
        let deadline = ticks::deadline(ticks::after(Some(WAIT_NANOSECONDS)));
        let wait =
            frames::wait_for_frames(self.options.reserve, interruptible(self.options), deadline);
        match wait.map(FrameWait::block) {
            Some(WaitResult::Interrupted) => Err(KernReturn::ABORTED),
            None | Some(WaitResult::Awakened | WaitResult::TimedOut) => Ok(()),
        }
    }
}
