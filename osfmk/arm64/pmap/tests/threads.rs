//! Several CPUs at once: owners enter, remove, protect and use their spaces while others take the frames away.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use mach::VmProt;
use machine::esr::Access;
use pmap::{Pmap, RefMod};
use prim::frames::{FrameNumber, OwnedFrame};
use support::*;

const VA: u64 = 0x7_0000_0000;
const PAGES: usize = 30;

/// An owner: everything a task and its faults do, in its own space, over frames that all share.
fn own(frames: &[FrameNumber], seed: u64, rounds: usize) {
    let mut random = Random(seed);
    let mut pmap = new_pmap();
    for _ in 0..rounds {
        let va = VA + random.below(PAGES) as u64 * PAGE;
        match random.below(10) {
            0..=4 => enter(
                &pmap,
                va,
                random.one_of(frames),
                READ_WRITE,
                random.one_of(&[NONE, READ, VmProt::WRITE]),
            ),
            5 => pmap.remove(va, va + random.below(PAGES) as u64 * PAGE),
            6 => pmap.protect(va, va + random.below(PAGES) as u64 * PAGE, READ),
            7 if random.below(20) == 0 => pmap = new_pmap(),
            _ => use_page(&pmap, va, random.one_of(&[Access::Read, Access::Write])),
        }
    }
    pmap.remove(VA, VA + 3 * PAGES as u64 * PAGE);
    pmap.validate();
    pmap::deactivate();
}

/// Whatever comes of it: it is only to fill the TLB.
fn use_page(pmap: &Arc<Pmap>, va: u64, kind: Access) {
    let _ = access(pmap, va, kind, Some(1));
}

/// Pageout: looks at frames, cleans them, takes them away; afterwards nobody may reach them.
fn take_away(frames: &[FrameNumber], seed: u64, stop: &AtomicBool) {
    let mut random = Random(seed);
    while !stop.load(Ordering::Relaxed) {
        let frame = random.one_of(frames);
        match random.below(4) {
            0 => pmap::clear_refmod(frame, RefMod::all()),
            1 => pmap::page_protect(frame, READ),
            _ => {
                pmap::disconnect(frame);
            }
        }
        thread::yield_now();
    }
}

#[test]
fn owners_and_pageout_on_several_cpus_end_with_everything_consistent() {
    let _machine = Machine::boot();
    let frames: Vec<OwnedFrame> = some_frames(12);
    let numbers = numbers(&frames);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let takers: Vec<_> = (0..2)
            .map(|n| {
                scope.spawn({
                    let (numbers, stop) = (&numbers, &stop);
                    move || take_away(numbers, 900 + n, stop)
                })
            })
            .collect();
        let owners: Vec<_> = (0..3)
            .map(|n| {
                scope.spawn({
                    let numbers = &numbers;
                    move || own(numbers, n, 3000)
                })
            })
            .collect();
        let ended: Vec<bool> = owners
            .into_iter()
            .map(|owner| owner.join().is_ok())
            .collect();
        stop.store(true, Ordering::Relaxed);
        assert!(takers.into_iter().all(|taker| taker.join().is_ok()));
        assert!(ended.into_iter().all(|ok| ok));
    });
    for &frame in &numbers {
        pmap::disconnect(frame);
        pmap::validate_frame(frame);
        assert_eq!(machine::host::tlb::reaches(frame), None);
    }
}

/// The fault has read the descriptor and has not locked the frame's list yet: nothing keeps the frame in between.
#[test]
fn a_frame_may_become_a_page_table_while_a_fault_on_it_is_settled() {
    let _machine = Machine::boot();
    let stop = AtomicBool::new(false);
    // Who maps the frame and who frees it hold what would be the object's lock.
    let shared = Mutex::new(frame());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let mut page = shared.lock().unwrap();
                pmap::disconnect(page.number());
                // The frame that was freed last is the next to be had.
                let next = frame();
                drop(std::mem::replace(&mut *page, next));
                drop(new_pmap());
            }
        });
        let mapper = scope.spawn(|| {
            let pmap = new_pmap();
            for _ in 0..20_000 {
                let page = shared.lock().unwrap();
                enter(&pmap, VA, page.number(), READ_WRITE, NONE);
                drop(page);
                for _ in 0..20 {
                    pmap.fast_fault(VA, READ);
                }
            }
            pmap.remove(VA, VA + PAGE);
            pmap.validate();
        });
        let ended = mapper.join();
        stop.store(true, Ordering::Relaxed);
        assert!(ended.is_ok());
    });
}
