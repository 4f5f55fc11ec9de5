//! The decision: what must happen next so that one page of an object can be used.
//!
//! Pure functions of locked state; they change nothing, wait for nothing and need no thread to be tested.
//! [`examine`] looks at one object of the chain, [`decide`] turns what was found, and how deep, into a
//! [`Step`]. The fault loop (`vm_fault`) carries steps out; it drops every lock before it waits and then
//! starts from the top.
//!
//! | found | in the top object | below it |
//! |---|---|---|
//! | resident | map; a write pushes to the copy object first | write: copy up; otherwise map without W |
//! | expected, opening, no credit | wait | wait |
//! | pager must be asked | ask | ask |
//! | anonymous, and the pager does not have it | look below | look below |
//! | pager has no data | zero-fill there | zero-fill there, look again |
//! | nothing, bottom of the chain | zero-fill | zero-fill in the top object |
//!
//! XNU counterpart: the decisions inside `vm_fault_internal` and `vm_fault_page`.

use mach::{KernReturn, VmProt};
use prim::frames::FrameNumber;

use super::state::{ObjectState, PagerState, Phase};
use crate::memory_object::requests::{Generation, NEVER, Outcome, Settlement};

/// What the fault wants, as far as a decision depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// The access to be resolved.
    pub(crate) access: VmProt,
    /// The most that the mapping allows.
    pub(crate) protection: VmProt,
    /// The request this fault has waited for: object number, page, generation.
    pub(crate) awaited: Option<Awaited>,
    /// The old page is in the copy object already (this fault saw to it under the same lock).
    pub(crate) pushed: bool,
    /// Clock, in ticks.
    pub(crate) now: u64,
}

/// Names what a fault has waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// Number of the object.
    pub(crate) object: u64,
    /// Page in that object.
    pub(crate) page: u64,
    /// The request.
    pub(crate) generation: Generation,
}

/// Why a fault must wait, and until when (clock ticks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The page was asked for.
    Page {
        generation: Generation,
        deadline: u64,
    },
    /// The pager has not opened the object.
    Ready { deadline: u64 },
    /// All credits are in use.
    Credit { deadline: u64 },
}

impl Waiting {
    pub(crate) fn deadline(self) -> u64 {
        match self {
            Waiting::Page { deadline, .. }
            | Waiting::Ready { deadline }
            | Waiting::Credit { deadline } => deadline,
        }
    }
}

/// What one object has to say about one of its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The page is here.
    Resident(FrameNumber),
    /// It is not; look in the shadow.
    Below,
    /// It is nowhere: zeros.
    Bottom,
    /// The pager has said that it has no data for it.
    Absent,
    /// The pager must be asked.
    Ask,
    /// Not now.
    Wait(Waiting),
    /// The pager is late: apply the object's fallback.
    Overdue,
    /// It cannot be had.
    Fail(KernReturn),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Map (or use) this frame with at most this protection.
    Map {
        frame: FrameNumber,
        protection: VmProt,
    },
    /// Copy this frame of the lower object into the top object.
    CopyUp { frame: FrameNumber },
    /// Let the copy object of the top object have the old contents first.
    Push { frame: FrameNumber },
    /// Put zeros into the top object.
    ZeroFillTop,
    /// Put zeros into the object whose pager has no data.
    ZeroFillHere,
    /// Ask the pager of the object at hand.
    Ask,
    /// Wait, then start again from the top.
    Wait(Waiting),
    /// Apply the fallback of the object at hand, then look again.
    GiveUpOnPager,
    /// The fault fails.
    Fail(KernReturn),
}

impl Step {
    /// For the trace.
    pub(crate) fn code(self) -> u64 {
        match self {
            Step::Map { .. } => 1,
            Step::CopyUp { .. } => 2,
            Step::Push { .. } => 3,
            Step::ZeroFillTop => 4,
            Step::ZeroFillHere => 5,
            Step::Ask => 6,
            Step::Wait(_) => 7,
            Step::GiveUpOnPager => 8,
            Step::Fail(_) => 9,
        }
    }
}

/// Looks for `page` in one locked object whose number is `number`.
pub(crate) fn examine(state: &ObjectState, number: u64, page: u64, want: &Want) -> Finding {
    if let Some(frame) = state.pages.lookup(crate::vm_page::index(page)) {
        return Finding::Resident(frame);
    }
    if !state.alive {
        return Finding::Fail(KernReturn::MEMORY_ERROR);
    }
    match &state.pager {
        Some(pager) if !state.owner_is_internal() => {
            examine_pager(pager, number, page, state.page_count(), want)
        }
        Some(pager) if state.paged_out.contains(page) => {
            match examine_pager(pager, number, page, u64::MAX, want) {
                // It said that it had the page.
                Finding::Absent => Finding::Fail(KernReturn::MEMORY_ERROR),
                finding => finding,
            }
        }
        _ if state.shadow.is_some() => Finding::Below,
        _ if state.shadow_severed => Finding::Fail(KernReturn::MEMORY_ERROR),
        _ => Finding::Bottom,
    }
}

fn examine_pager(pager: &PagerState, number: u64, page: u64, pages: u64, want: &Want) -> Finding {
    if page >= pages {
        return Finding::Fail(KernReturn::MEMORY_ERROR);
    }
    if let Some(answer) = answered(pager, number, page, want) {
        return answer;
    }
    match pager.phase {
        Phase::Dead => Finding::Fail(KernReturn::MEMORY_ERROR),
        Phase::Created => wait_or_give_up(
            Waiting::Ready {
                deadline: pager.opening_deadline,
            },
            want.now,
        ),
        Phase::Ready => match pager.requests.expected(page) {
            Some((generation, deadline)) => wait_or_give_up(
                Waiting::Page {
                    generation,
                    deadline,
                },
                want.now,
            ),
            None if pager.requests.credits() == 0 => wait_or_give_up(
                Waiting::Credit {
                    deadline: pager.requests.next_deadline(),
                },
                want.now,
            ),
            None => Finding::Ask,
        },
    }
}

/// What became of the request that this fault has waited for, if that settles the matter.
fn answered(pager: &PagerState, number: u64, page: u64, want: &Want) -> Option<Finding> {
    let awaited = want
        .awaited
        .filter(|awaited| awaited.object == number && awaited.page == page)?;
    match pager.requests.outcome(awaited.generation, page) {
        Outcome::Settled(Settlement::Failed(cause)) => Some(Finding::Fail(cause)),
        Outcome::Settled(Settlement::Absent) => Some(Finding::Absent),
        // Supplied, but gone again (reclaimed, flushed): ask anew.
        Outcome::Settled(Settlement::Supplied) | Outcome::Outstanding | Outcome::Forgotten => None,
    }
}

fn wait_or_give_up(waiting: Waiting, now: u64) -> Finding {
    if waiting.deadline() != NEVER && waiting.deadline() <= now {
        Finding::Overdue
    } else {
        Finding::Wait(waiting)
    }
}

/// Where the finding was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// In the object that the map entry names.
    Top,
    /// Further down its shadow chain.
    Lower,
}

/// Turns a finding into a step. `None`: go one object down and examine that.
/// `copy_exists`: the top object has a live copy object that covers the page.
pub(crate) fn decide(
    finding: Finding,
    level: Level,
    copy_exists: bool,
    want: &Want,
) -> Option<Step> {
    let writing = want.access.contains(VmProt::WRITE);
    let read_only = want.protection - VmProt::WRITE;
    Some(match finding {
        Finding::Below => return None,
        Finding::Resident(frame) => match level {
            Level::Top if !copy_exists => Step::Map {
                frame,
                protection: want.protection,
            },
            Level::Top if !writing => Step::Map {
                frame,
                protection: read_only,
            },
            Level::Top if want.pushed => Step::Map {
                frame,
                protection: want.protection,
            },
            Level::Top => Step::Push { frame },
            Level::Lower if writing => Step::CopyUp { frame },
            Level::Lower => Step::Map {
                frame,
                protection: read_only,
            },
        },
        Finding::Bottom => Step::ZeroFillTop,
        Finding::Absent => Step::ZeroFillHere,
        Finding::Ask => Step::Ask,
        Finding::Wait(waiting) => Step::Wait(waiting),
        Finding::Overdue => Step::GiveUpOnPager,
        Finding::Fail(cause) => Step::Fail(cause),
    })
}
