//! Making durable what was returned: `synchronize`, `synchronize_completed`.
//!
//! A pager that has acknowledged pages has taken them; whether they would survive a power cut is another question, which `msync` and
//! `fsync` ask. One request is outstanding at a time, so an answer needs no number. Failures of earlier returns are told here too, to
//! the first who asks.
//! XNU counterpart: `memory_object_synchronize`, obsolete there; OSF's `memory_object_synchronize_completed`.

use mach::KernReturn;
use prim::wait::{Wait, WaitResult};

use super::{MemoryControl, Synchronize, post_failed};
use crate::ticks;
use crate::vm_fault::FaultOptions;
use crate::vm_fault::resolve::interruptible;
use crate::vm_object::state::{PagerState, Phase};
use crate::vm_object::{OBJECT_EVENT, ObjectRef};

/// What a look at the pager's state has led to.
enum Look {
    /// Ask now.
    Ask,
    /// It has answered.
    Done(Result<(), KernReturn>),
    /// Not yet.
    Wait(Wait),
}

impl MemoryControl {
    /// The pager has made durable what it was asked to, or could not.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone or nothing was asked.
    #[doc(alias = "memory_object_synchronize_completed")]
    pub fn synchronize_completed(&self, result: KernReturn) -> Result<(), KernReturn> {
        self.with_state(|object, state| {
            let pager = state.pager.as_mut().ok_or(KernReturn::INVALID_ARGUMENT)?;
            let durability = &mut pager.durability;
            if durability.asked == durability.answered {
                return Err(KernReturn::INVALID_ARGUMENT);
            }
            durability.end(result);
            object.waiters().wake_all_event(OBJECT_EVENT);
            Ok(())
        })?
    }
}

impl ObjectRef {
    /// Has the pager make durable what was returned of the range, and waits for it.
    ///
    /// # Errors
    /// As [`ObjectRef::sync`].
    pub(super) fn make_durable(&self, offset: u64, size: u64) -> Result<(), KernReturn> {
        let mut mine = None;
        let mut deadline = None;
        loop {
            match self.look(&mut mine, &mut deadline) {
                Look::Done(result) => return result,
                Look::Wait(wait) => {
                    if wait.block() == WaitResult::Interrupted {
                        return Err(KernReturn::ABORTED);
                    }
                }
                Look::Ask => self.ask(offset, size)?,
            }
        }
    }

    /// Posts the request. No lock may be held.
    fn ask(&self, offset: u64, size: u64) -> Result<(), KernReturn> {
        let Some((pager, control)) =
            self.with_pager_state(|pager| (pager.pager.clone(), pager.control.clone()))
        else {
            return Ok(());
        };
        match pager.synchronize(offset, size) {
            Ok(Synchronize::Asked) => Ok(()),
            // The answer is ours to give. A pager that was replaced meanwhile is waited for no more.
            Ok(Synchronize::Already) => {
                let _ = control.synchronize_completed(KernReturn::SUCCESS);
                Ok(())
            }
            Err(_) => {
                post_failed(self.object(), &pager);
                Err(KernReturn::MEMORY_ERROR)
            }
        }
    }

    fn with_pager_state<R>(&self, action: impl FnOnce(&mut PagerState) -> R) -> Option<R> {
        self.lock().pager.as_deref_mut().map(action)
    }

    /// `mine`: the number of the request, once it was made.
    fn look(&self, mine: &mut Option<u64>, deadline: &mut Option<u64>) -> Look {
        let mut state = self.lock();
        let Some(pager) = state.pager.as_deref_mut() else {
            return Look::Done(Ok(()));
        };
        if pager.phase == Phase::Dead {
            return Look::Done(Err(KernReturn::MEMORY_ERROR));
        }
        let durability = &mut pager.durability;
        let free = durability.asked == durability.answered;
        match *mine {
            Some(number) if durability.answered >= number => {
                let result = match durability.failure.take() {
                    Some(failure) => Err(failure),
                    None if durability.result == KernReturn::SUCCESS => Ok(()),
                    None => Err(durability.result),
                };
                return Look::Done(result);
            }
            None if free => {
                durability.asked += 1;
                *mine = Some(durability.asked);
                return Look::Ask;
            }
            _ => {}
        }
        let until = *deadline.get_or_insert_with(|| ticks::after(pager.attributes.deadline));
        if until <= ticks::now() {
            // Whoever asks next is not to wait for an answer that does not come.
            pager.durability.answered = pager.durability.asked;
            self.object().waiters().wake_all_event(OBJECT_EVENT);
            return Look::Done(Err(KernReturn::MEMORY_ERROR));
        }
        let waiters = self.object().waiters();
        let interruptible = interruptible(FaultOptions::USER);
        Look::Wait(waiters.assert_wait_event(OBJECT_EVENT, interruptible, ticks::deadline(until)))
    }
}
