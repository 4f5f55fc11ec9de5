//! What a fault collects between attempts, with nothing locked: a frame it had to wait for, page tables, and what it
//! remembers.
//!
//! Main type: [`Spares`]. When frames are short it takes clean pages of files, if there are many, and waits for page-out.
//! Only when that has given up the fault fails, with RESOURCE_SHORTAGE.
//! XNU counterpart: `vm_page_grab`, `vm_page_wait`, and the `need_retry` of `vm_fault_enter`.

use mach::KernReturn;
use pmap::TableReserve;
use prim::clock::Deadline;
use prim::frames::{self, OutOfFrames, OwnedFrame, Reserve};
use prim::wait::WaitResult;

use super::FaultOptions;
use super::resolve::{Blocked, interruptible};
use crate::vm_object::step::Awaited;
use crate::vm_pageout;

/// How many surrenders of page-out an ordinary request survives. Where nobody can go, whoever wants more than there is shall
/// be refused ...
const PATIENCE: u64 = 2;

/// ... before those give up whose work is needed: pagers.
const LONG_PATIENCE: u64 = 10;

/// How long each wait for frames is.
const WAIT_MILLISECONDS: u64 = 50;

/// How often something other than a frame is tried for while frames are short ...
const SHORT_REFUSALS: u32 = 1000;

/// ... and while they are not.
const REFUSALS: u32 = 3;

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
    /// Surrenders of page-out before the first wait for memory.
    surrenders: Option<u64>,
    /// How often something other than a frame could not be had.
    refusals: u32,
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
            surrenders: None,
            refusals: 0,
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
                Err(OutOfFrames) => self.wait_for_frames()?,
            }
        }
        Ok(())
    }

    /// Gets the page tables that were missing. No lock may be held.
    pub(crate) fn refill_tables(&mut self) -> Result<(), KernReturn> {
        while self.tables.fill(self.options.reserve).is_err() {
            self.wait_for_frames()?;
        }
        Ok(())
    }

    /// Waits when something other than a frame could not be had, until it may be. No lock may be held.
    pub(super) fn wait_for_memory(&mut self) -> Result<(), KernReturn> {
        self.refusals += 1;
        let is_memory = frames::available() < frames::targets().low;
        let most = if is_memory { SHORT_REFUSALS } else { REFUSALS };
        if self.refusals > most {
            // It is not memory that is short.
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        prim::thread::yield_now();
        self.wait_for_frames()
    }

    /// Waits until there may be some; fails only when page-out has given up.
    fn wait_for_frames(&mut self) -> Result<(), KernReturn> {
        if vm_pageout::reclaim(BATCH) > 0 {
            return Ok(());
        }
        let seen = *self.surrenders.get_or_insert_with(vm_pageout::surrenders);
        let deadline = Deadline::after_milliseconds(WAIT_MILLISECONDS);
        let wait =
            frames::wait_for_frames(self.options.reserve, interruptible(self.options), deadline);
        let Some(wait) = wait else {
            // There are some by now.
            return Ok(());
        };
        if vm_pageout::waiting_is_in_vain(seen, self.patience()) {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        match wait.block() {
            WaitResult::Interrupted => Err(KernReturn::ABORTED),
            WaitResult::Awakened | WaitResult::TimedOut => Ok(()),
        }
    }

    fn patience(&self) -> u64 {
        match self.options.reserve.max(prim::thread::current().reserve()) {
            Reserve::Normal => PATIENCE,
            _ => LONG_PATIENCE,
        }
    }
}
