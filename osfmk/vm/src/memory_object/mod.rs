//! The external memory management protocol, as a typed state machine.
//!
//! A *pager* ([`Pager`]) provides the contents of an object; the kernel talks to it by posts that never
//! block, and the pager answers on the object's *memory control* ([`MemoryControl`]), in its own time.
//!
//! ```text
//!             init                      change_attributes / ready
//!   created ─────────▶ initialised ─────────────────────────────▶ ready
//!                          │ deadline, death                        │ death, destroy     last reference
//!                          ▼                                        ▼                    gone
//!                        dead ◀──────────────────────────────────  dead ───▶ terminated ◀───────────
//! ```
//!
//! One page of a ready object:
//!
//! ```text
//!   not here ──data_request──▶ expected ──data_supply───────▶ resident (moved in, clean)
//!       ▲                         │ ──data_unavailable──▶ resident (zeros, made by the faulting thread)
//!       │                         └─ data_error, deadline, death ──▶ failed for whoever waits, then not here
//!       │ reclaim, flush
//!   resident ──write──▶ dirty ──data_return──▶ cleaning{generation} ──clean_completed──▶ resident
//!                         ▲                          │ write, or completion with an error
//!                         └──────────────────────────┘
//! ```
//!
//! What the pager may do wrong (late, duplicate, unasked, short, misaligned data) is refused page by page,
//! reported by `supply_completed`, and never overwrites a page that is there.
//!
//! Neighbours: `kern::external_pager` implements [`Pager`] over a port and turns the pager's messages into
//! calls on [`MemoryControl`]; `vm_object` holds the state; `vm_fault` asks.
//! XNU counterpart: `memory_object.c` and Mach 3's `memory_object.defs`, `memory_object_control.defs`.

mod adoption;
mod attributes;
mod cleaning;
mod control;
mod death;
mod default_pager;
mod durability;
#[cfg(test)]
pub(crate) mod fake;
mod pager;
pub mod requests;
mod supply;
#[cfg(test)]
mod tests;

pub use adoption::{Held, held};
pub use attributes::{Attributes, DEFAULT_DEADLINE_NANOSECONDS, Fallback, Reply, StandIn};
pub(crate) use cleaning::{Afterwards, lend_run, post, return_pages};
pub use cleaning::{LockRequest, ShouldReturn, SyncFlags};
pub use control::MemoryControl;
pub(crate) use death::{GaveUp, give_up, pager_died, post_failed};
#[cfg(test)]
pub(crate) use default_pager::forget_default_pager;
pub use default_pager::{DefaultPager, default_pager_died, register_default_pager};
pub(crate) use default_pager::{
    default_pager_has_room, default_pager_is_expected, give_default_pager,
};
pub use pager::{
    DataRequest, DataReturn, FaultInfo, Pager, PagerDead, ReturnKind, SupplyReport, Synchronize,
};
pub use requests::Generation;
pub use supply::Lock;
