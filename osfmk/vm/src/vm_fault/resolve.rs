//! From a demand for one page of an object to a frame, or to what is missing.
//!
//! Main types: [`Demand`] (what is wanted), [`Progress`] (what came of one attempt). [`advance`] holds objects'
//! locks only; it never waits, never allocates, and is used by the map's faults and by I/O on objects alike.
//! XNU counterpart: `vm_fault_page`.

use alloc::sync::Arc;
use core::ops::Range;

use mach::{KernReturn, VmBehavior, VmProt};
use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use prim::frames::FrameNumber;
use prim::wait::{Interruptible, Wait};

use super::FaultOptions;
use super::perform;
use super::spares::Spares;
use crate::code_signing::CodePolicy;
use crate::memory_object::{DataRequest, MemoryControl, Pager};
use crate::vm_map::LookupResult;
use crate::vm_object::step::{Awaited, Step, Waiting, Want, decide, examine};
use crate::vm_object::{Chain, OBJECT_EVENT, ObjectRef, VmObject, page_event};
use crate::{ticks, vm_trace};

/// One page wanted.
pub(crate) struct Demand<'a> {
    /// The object on top.
    pub(crate) object: &'a ObjectRef,
    /// Offset of the page in it; page aligned.
    pub(crate) offset: u64,
    /// The access to be resolved.
    pub(crate) access: VmProt,
    /// The most that may be granted.
    pub(crate) protection: VmProt,
    /// Advice for read-ahead.
    pub(crate) behavior: VmBehavior,
    /// The part of the object that is shown, in bytes.
    pub(crate) window: Range<u64>,
    /// What the page will be used for.
    pub(crate) purpose: Purpose,
}

/// What happens to the mappings of an old page when a new one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The new page is entered where the old one was seen.
    Map,
    /// Nothing is entered: whoever sees the old page through the top object must come back.
    Io,
}

impl<'a> Demand<'a> {
    /// What a lookup in a map asks for.
    pub(crate) fn of_lookup(found: &'a LookupResult, access: VmProt) -> Demand<'a> {
        Demand {
            object: &found.object,
            offset: found.offset,
            access,
            protection: found.protection,
            behavior: found.behavior,
            window: found.window.clone(),
            purpose: Purpose::Io,
        }
    }

    /// The page will be entered at the looked-up address.
    pub(crate) fn for_mapping(self) -> Demand<'a> {
        Demand {
            purpose: Purpose::Map,
            ..self
        }
    }

    fn page(&self) -> u64 {
        self.offset >> PAGE_SHIFT
    }
}

/// The page is there; its locks are still held.
pub(crate) struct Resolved {
    /// The walk; the page is in the object at hand.
    pub(crate) chain: Chain,
    /// Its frame.
    pub(crate) frame: FrameNumber,
    /// What may be granted at most.
    pub(crate) protection: VmProt,
    /// A page was copied up on the way, and the chain may be shorter now.
    pub(crate) copied: bool,
}

/// What is missing. Every lock has been dropped.
pub(crate) enum Blocked {
    /// A frame.
    Frame,
    /// Page tables.
    Tables,
    /// A lock that may only be tried was taken.
    Contended,
    /// A pager must be asked; the credit is taken.
    Ask {
        object: Arc<VmObject>,
        pager: Arc<dyn Pager>,
        request: DataRequest,
    },
    /// A stand-in has taken over and must hear of it.
    TakeOver {
        pager: Arc<dyn Pager>,
        control: Arc<MemoryControl>,
    },
    /// Something that will be announced; the wait is registered.
    Wait(Wait),
    /// It is about to become executable and is not what was signed.
    InvalidCode {
        policy: Arc<dyn CodePolicy>,
        address: u64,
    },
    /// It cannot be had.
    Fail(KernReturn),
}

impl Blocked {
    /// For the trace.
    pub(crate) fn code(&self) -> u64 {
        match self {
            Blocked::Frame => 1,
            Blocked::Tables => 2,
            Blocked::Contended => 3,
            Blocked::Ask { .. } => 4,
            Blocked::TakeOver { .. } => 5,
            Blocked::Wait(_) => 6,
            Blocked::Fail(_) => 7,
            Blocked::InvalidCode { .. } => 8,
        }
    }
}

/// Result of one attempt.
pub(crate) enum Progress {
    /// Done.
    Ready(Resolved),
    /// Not yet.
    Blocked(Blocked),
}

/// One attempt: walks the chain, carries out what can be done without waiting. No object's lock may be held.
pub(crate) fn advance(demand: &Demand<'_>, spares: &mut Spares) -> Progress {
    let mut chain = Chain::begin(demand.object.object().clone(), demand.page());
    let mut want = Want {
        access: demand.access,
        protection: demand.protection,
        awaited: spares.awaited,
        pushed: false,
        now: ticks::now(),
    };
    let mut copied = false;
    loop {
        let step = next_step(&mut chain, &want);
        let current = chain.current().owner().number();
        vm_trace::step(
            demand.offset,
            step.code(),
            current,
            chain.page() << PAGE_SHIFT,
        );
        let outcome = match step {
            Step::Map { frame, protection } => {
                return Progress::Ready(Resolved {
                    chain,
                    frame,
                    protection,
                    copied,
                });
            }
            Step::CopyUp { frame } => {
                copied |= chain.may_shrink();
                perform::copy_up(&mut chain, frame, demand.purpose, spares)
            }
            Step::Push { frame } => {
                want.pushed = true;
                perform::push_to_copy(&mut chain, frame, spares)
            }
            Step::ZeroFillTop => perform::zero_fill_top(&mut chain, spares),
            Step::ZeroFillHere => perform::zero_fill_here(&mut chain, spares),
            Step::Ask => Err(perform::ask(&mut chain, demand, spares)),
            Step::Wait(waiting) => Err(register(&chain, waiting, spares)),
            Step::GiveUpOnPager => perform::give_up_on_pager(&mut chain, want.now),
            Step::Fail(cause) => Err(Blocked::Fail(cause)),
        };
        if let Err(blocked) = outcome {
            return Progress::Blocked(blocked);
        }
        chain.rewind();
    }
}

/// What came of [`start`].
pub(crate) enum Started {
    /// The page is there, on its way, or needs no pager.
    There,
    /// A request was posted; it covers pages up to `end` of the object on top.
    Asked { end: u64 },
    /// Nothing more can be asked for now.
    Stopped,
}

/// Asks for a page if its pager must be asked, and waits for nothing.
pub(crate) fn start(demand: &Demand<'_>, options: FaultOptions) -> Started {
    let mut chain = Chain::begin(demand.object.object().clone(), demand.page());
    let want = Want {
        access: demand.access,
        protection: demand.protection,
        awaited: None,
        pushed: false,
        now: ticks::now(),
    };
    match next_step(&mut chain, &want) {
        Step::Ask => {}
        Step::Map { .. } | Step::CopyUp { .. } | Step::Push { .. } => return Started::There,
        Step::ZeroFillTop | Step::ZeroFillHere | Step::Wait(Waiting::Page { .. }) => {
            return Started::There;
        }
        Step::Wait(_) | Step::GiveUpOnPager | Step::Fail(_) => return Started::Stopped,
    }
    let shift = chain.page().wrapping_sub(demand.page());
    let mut spares = Spares::new(options);
    let asking = perform::ask(&mut chain, demand, &mut spares);
    drop(chain);
    let Blocked::Ask {
        object,
        pager,
        request,
    } = asking
    else {
        return Started::Stopped;
    };
    let end = ((request.offset + request.length) >> PAGE_SHIFT).wrapping_sub(shift);
    super::block::post(&object, &pager, request);
    Started::Asked { end }
}

/// Goes down the chain until something must be done.
pub(crate) fn next_step(chain: &mut Chain, want: &Want) -> Step {
    let copy_exists = copy_covers(chain);
    loop {
        let current = chain.current();
        let finding = examine(current, current.owner().number(), chain.page(), want);
        if let Some(step) = decide(finding, chain.level(), copy_exists, want) {
            return step;
        }
        if !chain.descend() {
            // `examine` said there is a shadow, under the same lock.
            return Step::Fail(KernReturn::FAILURE);
        }
    }
}

/// Does the top object have a live copy object that shows this page?
/// (Its size is read without its lock: it only grows, under the lock of the top object, which is held.)
fn copy_covers(chain: &Chain) -> bool {
    chain.top.has_copy() && chain.top_page < chain.top.copy_pages
}

/// Registers the wait while the object's lock still keeps the event from happening unseen.
fn register(chain: &Chain, waiting: Waiting, spares: &mut Spares) -> Blocked {
    let current = chain.current();
    let event = match waiting {
        Waiting::Page { generation, .. } => {
            spares.awaited = Some(Awaited {
                object: current.owner().number(),
                page: chain.page(),
                generation,
            });
            page_event(chain.page())
        }
        Waiting::Ready { .. } | Waiting::Credit { .. } => OBJECT_EVENT,
    };
    let deadline = ticks::deadline(waiting.deadline());
    vm_trace::wait(current.owner().number(), chain.page() << PAGE_SHIFT);
    Blocked::Wait(current.owner().waiters().assert_wait_event(
        event,
        interruptible(spares.options),
        deadline,
    ))
}

/// The word of `prim::wait` for an option.
pub(crate) fn interruptible(options: FaultOptions) -> Interruptible {
    if options.interruptible {
        Interruptible::AbortSafe
    } else {
        Interruptible::No
    }
}

/// The window of a demand in pages of the object at hand.
pub(crate) fn window_pages(demand: &Demand<'_>, page: u64) -> Range<u64> {
    // Offsets in the object at hand differ from those in the top object by a constant.
    let shift = page.wrapping_sub(demand.page());
    let first = (demand.window.start >> PAGE_SHIFT).wrapping_add(shift);
    let end = demand
        .window
        .end
        .div_ceil(PAGE_SIZE as u64)
        .wrapping_add(shift);
    first..end
}
