//! What the pager and the owner of an object have set: copy strategy, caching, deadline, fallback.
//!
//! Main types: [`Attributes`], [`Fallback`]. XNU counterpart: `vm_object_set_attributes_common`; deadline and
//! fallback have none.

use alloc::sync::Arc;

use mach::{CopyStrategy, KernReturn};

use super::{MemoryControl, Pager};
use crate::vm_object::OBJECT_EVENT;
use crate::vm_object::state::{PagerState, Phase};
use crate::vm_trace;

/// What happens when a request is still unanswered at its deadline.
#[derive(Clone)]
pub enum Fallback {
    /// The wait goes on: an interruption or the pager's death ends it.
    KeepWaiting,
    /// The pages fail: MEMORY_ERROR for whoever waits.
    Error,
    /// Another pager takes the object over; the old one is refused from then on.
    StandIn(StandIn),
}

/// A pager in waiting, with its control already made, so that taking over allocates nothing.
#[derive(Clone)]
pub struct StandIn {
    pub(super) pager: Arc<dyn Pager>,
    pub(super) control: Arc<MemoryControl>,
}

/// Attributes of an object with a pager.
#[derive(Clone)]
pub struct Attributes {
    /// May pages stay when nobody maps the object? (Whoever caches holds a reference.)
    pub may_cache: bool,
    /// How the object is copied.
    pub copy_strategy: CopyStrategy,
    /// Nanoseconds until a request is overdue; `None`: never.
    pub deadline: Option<u64>,
    /// What happens then.
    pub fallback: Fallback,
}

/// The deadline of an object whose owner did not choose one.
pub const DEFAULT_DEADLINE_NANOSECONDS: u64 = 20_000_000_000;

impl Default for Attributes {
    fn default() -> Self {
        Attributes {
            may_cache: false,
            copy_strategy: CopyStrategy::Delay,
            deadline: Some(DEFAULT_DEADLINE_NANOSECONDS),
            fallback: Fallback::Error,
        }
    }
}

impl MemoryControl {
    /// Opens the object, or changes its attributes later. Only NONE, DELAY and DELAY_FORK are copy strategies of an
    /// object with a pager. With `Reply::Wanted` the pager gets `change_completed`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for another strategy or when the object is gone.
    #[doc(alias = "memory_object_change_attributes")]
    #[doc(alias = "memory_object_ready")]
    #[doc(alias = "vm_object_set_attributes_common")]
    pub fn change_attributes(
        &self,
        may_cache: bool,
        strategy: CopyStrategy,
        reply: Reply,
    ) -> Result<(), KernReturn> {
        if !matches!(
            strategy,
            CopyStrategy::None | CopyStrategy::Delay | CopyStrategy::DelayFork
        ) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let opened = self.with_state(|object, state| {
            state.copy_strategy = strategy;
            let pager = state.pager.as_mut()?;
            if pager.phase == Phase::Created {
                pager.phase = Phase::Ready;
                vm_trace::pager_ready(object.number());
                object.waiters().wake_all_event(OBJECT_EVENT);
            }
            pager.attributes.may_cache = may_cache;
            pager.attributes.copy_strategy = strategy;
            let due = core::mem::take(&mut pager.returns_due);
            Some((pager.pager.clone(), due))
        })?;
        let Some((pager, due)) = opened else {
            return Ok(());
        };
        if reply == Reply::Wanted {
            pager.change_completed(may_cache, strategy);
        }
        if let Some(object) = self.object().filter(|_| due) {
            object.return_what_is_held();
        }
        Ok(())
    }

    /// Is the object open, may it be cached, how is it copied?
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone.
    #[doc(alias = "memory_object_get_attributes")]
    pub fn get_attributes(&self) -> Result<(bool, bool, CopyStrategy), KernReturn> {
        let found = self.with_state(|_, state| {
            let pager = state.pager.as_ref()?;
            Some((
                pager.phase == Phase::Ready,
                pager.attributes.may_cache,
                pager.attributes.copy_strategy,
            ))
        })?;
        found.ok_or(KernReturn::INVALID_ARGUMENT)
    }

    /// The owner of the object chooses how long its faults wait and what happens then.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone.
    pub fn set_patience(
        &self,
        deadline: Option<u64>,
        fallback: Fallback,
    ) -> Result<(), KernReturn> {
        self.with_state(|_, state| {
            if let Some(pager) = state.pager.as_mut() {
                pager.attributes.deadline = deadline;
                pager.attributes.fallback = fallback;
                set_opening_deadline(pager);
            }
        })
    }

    /// A fallback that hands the object to `pager`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the object is gone.
    pub fn stand_in(&self, pager: Arc<dyn Pager>) -> Result<Fallback, KernReturn> {
        let object = self.object().ok_or(KernReturn::INVALID_ARGUMENT)?;
        Ok(Fallback::StandIn(StandIn {
            pager,
            control: MemoryControl::successor(self, &object),
        }))
    }
}

/// An object that is not open yet waits at most this long to be opened.
pub(super) fn set_opening_deadline(pager: &mut PagerState) {
    if pager.phase == Phase::Created {
        pager.opening_deadline = crate::ticks::after(pager.attributes.deadline);
    }
}

/// Does the sender of a request want its completion reported?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Yes.
    Wanted,
    /// Only failures, where those are reported at all.
    NotWanted,
}
