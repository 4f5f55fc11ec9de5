//! The decision alone: every arm, no thread, no fault loop.

use mach::{CopyStrategy, KernReturn, VmProt};
use prim::frames::FrameNumber;

use super::*;
use crate::memory_object::fake::FakePager;
use crate::memory_object::requests::{CREDITS, Generation, NEVER, Settlement};
use crate::memory_object::{Reply, pager_died};
use crate::vm_fault::resolve::next_step;
use crate::vm_object::Chain;
use crate::vm_object::step::{Awaited, Finding, Level, Step, Waiting, Want, decide, examine};

const READ: VmProt = VmProt::READ;
const WRITE: VmProt = VmProt::READ.union(VmProt::WRITE);
const FRAME: FrameNumber = FrameNumber(77);

fn want(access: VmProt) -> Want {
    Want {
        access,
        protection: WRITE,
        awaited: None,
        pushed: false,
        now: 1000,
    }
}

fn step_of(object: &ObjectRef, page: u64, want: &Want) -> Step {
    next_step(&mut Chain::begin(object.object().clone(), page), want)
}

fn finding_of(object: &ObjectRef, page: u64, want: &Want) -> Finding {
    examine(&object.lock(), object.id(), page, want)
}

#[test]
fn a_resident_page_on_top_is_mapped_as_the_mapping_allows() {
    assert_eq!(
        decide(Finding::Resident(FRAME), Level::Top, false, &want(READ)),
        Some(Step::Map {
            frame: FRAME,
            protection: WRITE
        })
    );
    assert_eq!(
        decide(Finding::Resident(FRAME), Level::Top, false, &want(WRITE)),
        Some(Step::Map {
            frame: FRAME,
            protection: WRITE
        })
    );
}

#[test]
fn with_a_copy_object_a_reader_gets_no_write_permission_and_a_writer_pushes_first() {
    assert_eq!(
        decide(Finding::Resident(FRAME), Level::Top, true, &want(READ)),
        Some(Step::Map {
            frame: FRAME,
            protection: READ
        })
    );
    assert_eq!(
        decide(Finding::Resident(FRAME), Level::Top, true, &want(WRITE)),
        Some(Step::Push { frame: FRAME })
    );
    let pushed = Want {
        pushed: true,
        ..want(WRITE)
    };
    assert_eq!(
        decide(Finding::Resident(FRAME), Level::Top, true, &pushed),
        Some(Step::Map {
            frame: FRAME,
            protection: WRITE
        })
    );
}

#[test]
fn a_page_found_below_is_read_in_place_and_copied_up_for_a_write() {
    assert_eq!(
        decide(Finding::Resident(FRAME), Level::Lower, false, &want(READ)),
        Some(Step::Map {
            frame: FRAME,
            protection: READ
        })
    );
    assert_eq!(
        decide(Finding::Resident(FRAME), Level::Lower, false, &want(WRITE)),
        Some(Step::CopyUp { frame: FRAME })
    );
}

#[test]
fn what_is_nowhere_is_zero_filled_on_top() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(4 * PAGE).unwrap();
        assert_eq!(step_of(&object, 1, &want(READ)), Step::ZeroFillTop);
        fill(&object, 1, 9);
        let (upper, _) = shadow(object.clone(), 0, 4);
        assert!(matches!(
            step_of(&upper, 1, &want(READ)),
            Step::Map {
                protection: READ,
                ..
            }
        ));
        assert!(matches!(
            step_of(&upper, 1, &want(WRITE)),
            Step::CopyUp { .. }
        ));
        assert_eq!(step_of(&upper, 2, &want(WRITE)), Step::ZeroFillTop);
    });
}

#[test]
fn a_severed_shadow_loses_its_data_instead_of_showing_zeros() {
    leaves_nothing_behind(|| {
        let object = ObjectRef::anonymous(PAGE).unwrap();
        object.lock().shadow_severed = true;
        assert_eq!(
            finding_of(&object, 0, &want(READ)),
            Finding::Fail(KernReturn::MEMORY_ERROR)
        );
    });
}

#[test]
fn a_pager_is_asked_only_when_it_is_ready_has_the_page_and_a_credit_is_left() {
    leaves_nothing_behind(|| {
        let end = FakePager::pair();
        let object = ObjectRef::with_pager(end.pager.clone(), 100 * PAGE + 1).unwrap();
        let control = end.expect_init();
        assert!(matches!(
            finding_of(&object, 0, &want(READ)),
            Finding::Overdue | Finding::Wait(Waiting::Ready { .. })
        ));
        control
            .set_patience(None, crate::memory_object::Fallback::Error)
            .unwrap();
        assert_eq!(
            finding_of(&object, 0, &want(READ)),
            Finding::Wait(Waiting::Ready { deadline: NEVER })
        );
        control
            .change_attributes(false, CopyStrategy::Delay, Reply::NotWanted)
            .unwrap();
        assert_eq!(finding_of(&object, 0, &want(READ)), Finding::Ask);
        assert_eq!(
            finding_of(&object, 100, &want(READ)),
            Finding::Ask,
            "the last page is partly past the end"
        );
        assert_eq!(
            finding_of(&object, 101, &want(READ)),
            Finding::Fail(KernReturn::MEMORY_ERROR)
        );

        let generation = begin(&object, 0, 4, 5000);
        let waiting = Waiting::Page {
            generation,
            deadline: 5000,
        };
        assert_eq!(finding_of(&object, 3, &want(READ)), Finding::Wait(waiting));
        assert_eq!(
            finding_of(
                &object,
                3,
                &Want {
                    now: 5000,
                    ..want(READ)
                }
            ),
            Finding::Overdue
        );
        for n in 1..CREDITS as u64 {
            begin(&object, 4 * n, 1, 6000);
        }
        assert_eq!(
            finding_of(&object, 99, &want(READ)),
            Finding::Wait(Waiting::Credit { deadline: 5000 })
        );
        pager_died(object.object());
        assert_eq!(
            finding_of(&object, 99, &want(READ)),
            Finding::Fail(KernReturn::MEMORY_ERROR)
        );
    });
}

#[test]
fn whoever_waited_learns_how_the_request_ended_and_others_ask_anew() {
    leaves_nothing_behind(|| {
        let end = FakePager::pair();
        let object = ObjectRef::with_pager(end.pager.clone(), 100 * PAGE).unwrap();
        let control = end.expect_init();
        control
            .change_attributes(false, CopyStrategy::Delay, Reply::NotWanted)
            .unwrap();
        let generation = begin(&object, 0, 4, NEVER);
        let waited = |page| Want {
            awaited: Some(Awaited {
                object: object.id(),
                page,
                generation,
            }),
            ..want(READ)
        };
        settle(&object, 0, Settlement::Failed(KernReturn::MEMORY_ERROR));
        settle(&object, 1, Settlement::Absent);
        settle(&object, 2, Settlement::Supplied);
        assert_eq!(
            finding_of(&object, 0, &waited(0)),
            Finding::Fail(KernReturn::MEMORY_ERROR)
        );
        assert_eq!(finding_of(&object, 1, &waited(1)), Finding::Absent);
        assert_eq!(
            finding_of(&object, 2, &waited(2)),
            Finding::Ask,
            "supplied and gone again"
        );
        assert_eq!(
            finding_of(&object, 0, &want(READ)),
            Finding::Ask,
            "somebody else tries again"
        );
        assert_eq!(
            decide(Finding::Absent, Level::Lower, false, &want(READ)),
            Some(Step::ZeroFillHere)
        );
    });
}

fn begin(object: &ObjectRef, page: u64, pages: u32, deadline: u64) -> Generation {
    object
        .lock()
        .pager
        .as_mut()
        .unwrap()
        .requests
        .begin(page, pages, deadline)
        .unwrap()
}

fn settle(object: &ObjectRef, page: u64, how: Settlement) {
    assert!(
        object
            .lock()
            .pager
            .as_mut()
            .unwrap()
            .requests
            .settle(page, how)
    );
}

#[test]
fn the_other_findings_become_their_steps() {
    let waiting = Waiting::Credit { deadline: 5 };
    assert_eq!(decide(Finding::Below, Level::Top, false, &want(READ)), None);
    assert_eq!(
        decide(Finding::Ask, Level::Lower, true, &want(READ)),
        Some(Step::Ask)
    );
    assert_eq!(
        decide(Finding::Wait(waiting), Level::Top, false, &want(READ)),
        Some(Step::Wait(waiting))
    );
    assert_eq!(
        decide(Finding::Overdue, Level::Top, false, &want(READ)),
        Some(Step::GiveUpOnPager)
    );
    let cause = KernReturn::MEMORY_ERROR;
    assert_eq!(
        decide(Finding::Fail(cause), Level::Top, false, &want(READ)),
        Some(Step::Fail(cause))
    );
}
