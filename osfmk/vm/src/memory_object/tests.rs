//! The protocol with real pagers on host threads: honest, lying, slow, dead.

use alloc::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;

use mach::{CopyStrategy, KernReturn, VmBehavior};
use machine::page::PAGE_SIZE;
use prim::frames::{OwnedFrame, PageFlags};

use super::fake::{
    FakePager, PATIENCE, PagerEnd, Post, Store, contents, frame_with, frames_of, honest, serve,
    store,
};
use super::requests::CREDITS;
use super::*;
use crate::vm_fault::FaultOptions;
use crate::vm_object::ObjectRef;
use crate::vm_object::tests::{OPTIONS, PAGE, fill, leaves_nothing_behind, read};
use crate::{vm_page, vm_statistics};

const MILLISECOND: u64 = 1_000_000;
const NOT_WANTED: Reply = Reply::NotWanted;

/// An open object whose pager is the test itself.
fn open(pages: u64, patience: Option<u64>) -> (PagerEnd, ObjectRef, Arc<MemoryControl>) {
    let end = FakePager::pair();
    let object = ObjectRef::with_pager(end.pager.clone(), pages * PAGE).unwrap();
    let control = end.expect_init();
    control.set_patience(patience, Fallback::Error).unwrap();
    control
        .change_attributes(true, CopyStrategy::Delay, NOT_WANTED)
        .unwrap();
    (end, object, control)
}

type Answer = Result<u8, KernReturn>;

/// Reads the first byte of a page on a thread of its own.
fn read_in_background(object: &ObjectRef, page: u64, options: FaultOptions) -> Receiver<Answer> {
    read_with_thread(object, page, options).0
}

fn read_with_thread(
    object: &ObjectRef,
    page: u64,
    options: FaultOptions,
) -> (Receiver<Answer>, Receiver<Arc<prim::thread::Thread>>) {
    let (answer, answers) = channel();
    let (identity, identities) = channel();
    let object = object.clone();
    std::thread::spawn(move || {
        let _ = identity.send(prim::thread::current().arc());
        let pinned = object.pin_page(page * PAGE, VmBehavior::Random, options);
        let mut byte = [0];
        let result = pinned.map(|pinned| {
            pinned.frame().read(0, &mut byte);
            byte[0]
        });
        drop(object);
        let _ = answer.send(result);
    });
    (answers, identities)
}

fn answer(answers: &Receiver<Answer>) -> Answer {
    answers.recv_timeout(PATIENCE).expect("the fault ends")
}

fn one(byte: u8) -> Vec<OwnedFrame> {
    vec![frame_with(&vec![byte; PAGE_SIZE])]
}

fn close(object: ObjectRef, end: &PagerEnd) {
    drop(object);
    prim::reaper::quiesce();
    assert!(
        end.posts.iter().any(|post| matches!(post, Post::Terminate)),
        "the pager hears of the end"
    );
}

#[test]
fn pages_move_from_the_pager_into_the_object() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(4, None);
        let answers = read_in_background(&object, 2, OPTIONS);
        let request = end.expect_request();
        assert_eq!(
            (request.offset, request.length),
            (2 * PAGE, PAGE),
            "RANDOM asks for one page"
        );
        let frames = one(9);
        let number = frames[0].number();
        let copied = vm_statistics::BYTES_COPIED_BY_PAGING.get();
        control
            .data_supply(2 * PAGE, PAGE, frames, Lock::NONE, Reply::Wanted)
            .unwrap();
        assert_eq!(answer(&answers), Ok(9));
        assert_eq!(
            object.lock().pages.lookup(vm_page::index(2)),
            Some(number),
            "the frame itself"
        );
        assert_eq!(vm_statistics::BYTES_COPIED_BY_PAGING.get(), copied);
        assert_eq!(end.expect_report().result, KernReturn::SUCCESS);
        object.validate();
        drop(control);
        close(object, &end);
    });
}

#[test]
fn a_supplied_page_is_clean_though_its_frame_was_written_before() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(4, None);
        let answers = read_in_background(&object, 1, OPTIONS);
        let request = end.expect_request();
        let frames = one(3);
        // As a store through the pager's own mapping leaves it.
        pmap::set_modified(frames[0].number());
        control
            .data_supply(request.offset, PAGE, frames, Lock::NONE, NOT_WANTED)
            .unwrap();
        assert_eq!(answer(&answers), Ok(3));
        assert!(!flags(&object, 1).contains(PageFlags::DIRTY));
        control
            .lock_request(whole(ShouldReturn::Dirty, false))
            .unwrap();
        let Post::LockCompleted(..) = end.next() else {
            panic!("nothing is returned")
        };
        drop(control);
        close(object, &end);
    });
}

#[test]
fn an_honest_pager_serves_a_whole_file_with_growing_clusters_to_many_readers() {
    leaves_nothing_behind(|| {
        let store = store(200);
        let (object, pager) = honest(&store);
        let requests = vm_statistics::PAGEIN_REQUESTS.get();
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (object, store) = (object.clone(), store.clone());
                std::thread::spawn(move || {
                    for page in 0..200 {
                        let bytes = read(&object, page * PAGE, PAGE_SIZE);
                        let at = (page * PAGE) as usize;
                        assert_eq!(bytes[..], store.lock().unwrap()[at..at + PAGE_SIZE]);
                    }
                })
            })
            .collect();
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
        assert_eq!(object.resident_count(), 200);
        let asked = vm_statistics::PAGEIN_REQUESTS.get() - requests;
        assert!(asked < 60, "clusters: {asked} requests for 200 pages");
        object.validate();
        drop(object);
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn faults_wait_until_the_pager_opens_the_object() {
    leaves_nothing_behind(|| {
        let end = FakePager::pair();
        let object = ObjectRef::with_pager(end.pager.clone(), PAGE).unwrap();
        let control = end.expect_init();
        let answers = read_in_background(&object, 0, OPTIONS);
        end.expect_silence();
        assert_eq!(
            control.change_attributes(true, CopyStrategy::Symmetric, NOT_WANTED),
            Err(KernReturn::INVALID_ARGUMENT)
        );
        control
            .change_attributes(true, CopyStrategy::None, Reply::Wanted)
            .unwrap();
        let mut posts = [end.next(), end.next()];
        posts.sort_by_key(|post| matches!(post, Post::Request(_)));
        assert!(matches!(
            posts[0],
            Post::ChangeCompleted(true, CopyStrategy::None)
        ));
        assert_eq!(
            control.get_attributes(),
            Ok((true, true, CopyStrategy::None))
        );
        control
            .data_supply(0, PAGE, one(3), Lock::NONE, NOT_WANTED)
            .unwrap();
        assert_eq!(answer(&answers), Ok(3));
        drop(control);
        close(object, &end);
    });
}

#[test]
fn what_the_pager_does_not_have_reads_as_zeros() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(64, None);
        let answers = read_in_background(&object, 5, OPTIONS);
        end.expect_request();
        control.data_unavailable(0, u64::MAX).unwrap();
        assert_eq!(answer(&answers), Ok(0));
        assert_eq!(object.resident_count(), 1);
        drop(control);
        close(object, &end);
    });
}

#[test]
fn an_error_fails_whoever_waits_and_a_later_fault_asks_again() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(8, None);
        let first = read_in_background(&object, 5, OPTIONS);
        end.expect_request();
        let second = read_in_background(&object, 5, OPTIONS);
        while object.object().waiters().len() < 2 {
            std::thread::yield_now();
        }
        control
            .data_error(5 * PAGE, PAGE, KernReturn::FAILURE)
            .unwrap();
        assert_eq!(answer(&first), Err(KernReturn::MEMORY_ERROR));
        assert_eq!(answer(&second), Err(KernReturn::MEMORY_ERROR));
        let third = read_in_background(&object, 5, OPTIONS);
        end.expect_request();
        control
            .data_supply(5 * PAGE, PAGE, one(6), Lock::NONE, NOT_WANTED)
            .unwrap();
        assert_eq!(answer(&third), Ok(6));
        drop(control);
        close(object, &end);
    });
}

#[test]
fn a_lying_pager_is_refused_page_by_page_told_so_and_overwrites_nothing() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(16, None);
        let refused = |offset, length, frames: Vec<OwnedFrame>, cause, at, accepted| {
            assert_eq!(
                control.data_supply(offset, length, frames, Lock::NONE, NOT_WANTED),
                Err(cause)
            );
            let report = end.expect_report();
            assert_eq!(
                (report.result, report.error_offset, report.accepted),
                (cause, at, accepted)
            );
            object.validate();
        };
        let invalid = KernReturn::INVALID_ARGUMENT;
        refused(0, PAGE, one(1), invalid, 0, 0); // unasked
        let answers = read_in_background(&object, 3, OPTIONS);
        end.expect_request();
        refused(3 * PAGE + 8, PAGE, one(1), invalid, 3 * PAGE + 8, 0); // misaligned
        refused(3 * PAGE, 100, one(1), invalid, 3 * PAGE, 0); // not whole pages
        refused(3 * PAGE, 0, vec![], invalid, 3 * PAGE, 0); // empty
        refused(3 * PAGE, PAGE, vec![], invalid, 3 * PAGE, 0); // fewer pages than announced
        refused(
            u64::MAX - PAGE + 1,
            PAGE,
            one(1),
            invalid,
            u64::MAX - PAGE + 1,
            0,
        ); // nowhere
        refused(
            2 * PAGE,
            2 * PAGE,
            [one(1), one(7)].into_iter().flatten().collect(),
            invalid,
            2 * PAGE,
            1,
        ); // too much
        assert_eq!(
            answer(&answers),
            Ok(7),
            "the part that was asked for counts"
        );
        refused(
            3 * PAGE,
            PAGE,
            one(8),
            KernReturn::MEMORY_PRESENT,
            3 * PAGE,
            0,
        ); // duplicate
        assert_eq!(read(&object, 3 * PAGE, 1), [7]);
        let locked = Lock {
            forbidden: mach::VmProt::WRITE,
            precious: false,
        };
        assert_eq!(
            control.data_supply(0, PAGE, one(1), locked, NOT_WANTED),
            Err(invalid)
        );
        assert_eq!(
            control.clean_completed(0, 16 * PAGE, 1, KernReturn::SUCCESS),
            Err(invalid),
            "nothing was lent"
        );
        drop(control);
        close(object, &end);
    });
}

#[test]
fn a_deadline_ends_the_wait_and_late_data_is_refused() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(4, Some(30 * MILLISECOND));
        let started = Instant::now();
        let answers = read_in_background(&object, 1, OPTIONS);
        end.expect_request();
        assert_eq!(answer(&answers), Err(KernReturn::MEMORY_ERROR));
        assert!(started.elapsed() >= Duration::from_millis(25));
        let late = control.data_supply(PAGE, PAGE, one(1), Lock::NONE, NOT_WANTED);
        assert_eq!(late, Err(KernReturn::INVALID_ARGUMENT));
        assert_eq!(object.resident_count(), 0);
        assert_eq!(
            object.lock().pager.as_ref().unwrap().requests.credits(),
            CREDITS,
            "no credit is lost"
        );
        drop(control);
        close(object, &end);
    });
}

#[test]
fn a_pager_that_never_opens_the_object_is_given_up_on() {
    leaves_nothing_behind(|| {
        let end = FakePager::pair();
        let attributes = Attributes {
            deadline: Some(20 * MILLISECOND),
            ..Attributes::default()
        };
        let object =
            ObjectRef::with_pager_and_attributes(end.pager.clone(), PAGE, attributes).unwrap();
        assert_eq!(
            answer(&read_in_background(&object, 0, OPTIONS)),
            Err(KernReturn::MEMORY_ERROR)
        );
        assert_eq!(
            object.copy_strategically(0, PAGE, false).unwrap_err(),
            KernReturn::MEMORY_ERROR
        );
        drop(end.expect_init());
        close(object, &end);
    });
}

#[test]
fn keep_waiting_outlives_the_deadline() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(4, Some(10 * MILLISECOND));
        control
            .set_patience(Some(10 * MILLISECOND), Fallback::KeepWaiting)
            .unwrap();
        let answers = read_in_background(&object, 1, OPTIONS);
        end.expect_request();
        std::thread::sleep(Duration::from_millis(50));
        assert!(answers.try_recv().is_err(), "still waiting");
        control
            .data_supply(PAGE, PAGE, one(4), Lock::NONE, NOT_WANTED)
            .unwrap();
        assert_eq!(answer(&answers), Ok(4));
        drop(control);
        close(object, &end);
    });
}

#[test]
fn a_stand_in_takes_over_from_a_hung_pager() {
    leaves_nothing_behind(|| {
        let (hung, object, control) = open(4, Some(20 * MILLISECOND));
        // Nobody waits yet, so nobody is impatient.
        object.will_need(PAGE, PAGE);
        hung.expect_request();
        let second = FakePager::pair();
        let stand_in = control.stand_in(second.pager.clone()).unwrap();
        // The deadline of the request stays; the stand-in is given all the time that it wants.
        control.set_patience(None, stand_in).unwrap();
        let store: Store = store(4);
        let server = {
            let store = store.clone();
            std::thread::spawn(move || serve(&second, &store))
        };
        let answers = read_in_background(&object, 1, OPTIONS);
        assert_eq!(answer(&answers), Ok(contents(PAGE_SIZE)));
        let late = control.data_supply(2 * PAGE, PAGE, one(1), Lock::NONE, NOT_WANTED);
        assert_eq!(
            late,
            Err(KernReturn::INVALID_ARGUMENT),
            "the old pager has no say any more"
        );
        drop(control);
        drop(object);
        prim::reaper::quiesce();
        server.join().unwrap();
    });
}

#[test]
fn an_interrupted_wait_ends_and_the_request_lives_on() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(4, None);
        let (answers, identities) = read_with_thread(&object, 1, FaultOptions::USER);
        let thread = identities.recv().unwrap();
        end.expect_request();
        thread.interrupt();
        assert_eq!(answer(&answers), Err(KernReturn::ABORTED));
        control
            .data_supply(PAGE, PAGE, one(5), Lock::NONE, NOT_WANTED)
            .unwrap();
        assert_eq!(object.resident_count(), 1, "the page came all the same");
        assert_eq!(read(&object, PAGE, 1), [5]);
        drop((control, thread));
        close(object, &end);
    });
}

#[test]
fn the_death_of_the_pager_fails_waiters_and_keeps_what_is_there() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(4, None);
        let first = read_in_background(&object, 0, OPTIONS);
        end.expect_request();
        control
            .data_supply(0, PAGE, one(2), Lock::NONE, NOT_WANTED)
            .unwrap();
        assert_eq!(answer(&first), Ok(2));
        fill(&object, 0, 3);
        let waiting = read_in_background(&object, 1, OPTIONS);
        end.expect_request();
        control.pager_died();
        assert_eq!(answer(&waiting), Err(KernReturn::MEMORY_ERROR));
        assert_eq!(read(&object, 0, 1), [3]);
        assert_eq!(
            answer(&read_in_background(&object, 2, OPTIONS)),
            Err(KernReturn::MEMORY_ERROR)
        );
        object.validate();
    });
}

#[test]
fn a_request_to_a_dead_port_is_the_death_of_the_pager() {
    leaves_nothing_behind(|| {
        let (end, object, _control) = open(4, None);
        end.pager.die();
        assert_eq!(
            answer(&read_in_background(&object, 0, OPTIONS)),
            Err(KernReturn::MEMORY_ERROR)
        );
        let gone = FakePager::pair();
        gone.pager.die();
        let unopened = ObjectRef::with_pager(gone.pager.clone(), PAGE).unwrap();
        assert_eq!(
            answer(&read_in_background(&unopened, 0, OPTIONS)),
            Err(KernReturn::MEMORY_ERROR)
        );
    });
}

#[test]
fn credits_limit_what_is_outstanding_and_come_back() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(100, None);
        let readers: Vec<_> = (0..CREDITS as u64 + 4)
            .map(|page| read_in_background(&object, 2 * page, OPTIONS))
            .collect();
        let mut requests: Vec<_> = (0..CREDITS).map(|_| end.expect_request()).collect();
        end.expect_silence();
        // Each reader asks for one page, as soon as a credit has come back.
        for _ in &readers {
            let request = requests.pop().unwrap_or_else(|| end.expect_request());
            let byte = (request.offset / PAGE) as u8;
            control
                .data_supply(
                    request.offset,
                    request.length,
                    one(byte),
                    Lock::NONE,
                    NOT_WANTED,
                )
                .unwrap();
        }
        for (page, reader) in readers.iter().enumerate() {
            assert_eq!(answer(reader), Ok(2 * page as u8));
        }
        object.validate();
        drop(control);
        close(object, &end);
    });
}

#[test]
fn the_rest_of_the_last_page_is_cleared_and_nothing_is_asked_past_it() {
    leaves_nothing_behind(|| {
        let end = FakePager::pair();
        let object = ObjectRef::with_pager(end.pager.clone(), PAGE + 100).unwrap();
        let control = end.expect_init();
        control
            .change_attributes(true, CopyStrategy::Delay, NOT_WANTED)
            .unwrap();
        let answers = read_in_background(&object, 1, OPTIONS);
        end.expect_request();
        control
            .data_supply(PAGE, PAGE, one(0xff), Lock::NONE, NOT_WANTED)
            .unwrap();
        assert_eq!(answer(&answers), Ok(0xff));
        assert_eq!(read(&object, PAGE + 99, 3), [0xff, 0, 0]);
        assert_eq!(
            answer(&read_in_background(&object, 2, OPTIONS)),
            Err(KernReturn::MEMORY_ERROR)
        );
        end.expect_silence();
        drop(control);
        close(object, &end);
    });
}

/// An open object of four resident pages, the second one dirty.
fn dirty() -> (PagerEnd, ObjectRef, Arc<MemoryControl>) {
    let (end, object, control) = open(4, None);
    for page in 0..4 {
        let answers = read_in_background(&object, page, OPTIONS);
        let request = end.expect_request();
        control
            .data_supply(
                request.offset,
                request.length,
                one(page as u8),
                Lock::NONE,
                NOT_WANTED,
            )
            .unwrap();
        answer(&answers).unwrap();
    }
    fill(&object, 1, 50);
    (end, object, control)
}

fn flags(object: &ObjectRef, page: u64) -> PageFlags {
    let state = object.lock();
    state
        .pages
        .lookup(vm_page::index(page))
        .map_or(PageFlags::empty(), |frame| state.pages.flags(frame))
}

fn whole(should_return: ShouldReturn, flush: bool) -> LockRequest {
    LockRequest {
        offset: 0,
        length: 4 * PAGE,
        should_return,
        flush,
        protection: None,
        reply: Reply::Wanted,
    }
}

#[test]
fn a_returned_page_is_lent_and_clean_after_the_acknowledgement() {
    leaves_nothing_behind(|| {
        let (end, object, control) = dirty();
        control
            .lock_request(whole(ShouldReturn::Dirty, false))
            .unwrap();
        let lent = end.expect_return();
        assert!(
            matches!(end.next(), Post::LockCompleted(0, length) if length == 4 * PAGE),
            "after the return"
        );
        assert_eq!(
            (lent.offset, lent.length, lent.kind),
            (PAGE, PAGE, ReturnKind::Dirty)
        );
        assert_eq!(read(&lent.pages, PAGE, 1), [50], "the alias shows the page");
        assert!(flags(&object, 1).contains(PageFlags::CLEANING));
        let stale = control.clean_completed(PAGE, PAGE, lent.generation + 1, KernReturn::SUCCESS);
        assert_eq!(
            stale,
            Err(KernReturn::INVALID_ARGUMENT),
            "another generation"
        );
        control
            .clean_completed(PAGE, PAGE, lent.generation, KernReturn::SUCCESS)
            .unwrap();
        assert!(!flags(&object, 1).intersects(PageFlags::CLEANING | PageFlags::DIRTY));
        drop((lent, control));
        close(object, &end);
    });
}

#[test]
fn a_write_during_cleaning_or_a_failed_cleaning_leaves_the_page_dirty() {
    leaves_nothing_behind(|| {
        let (end, object, control) = dirty();
        control
            .lock_request(LockRequest {
                reply: NOT_WANTED,
                ..whole(ShouldReturn::Dirty, false)
            })
            .unwrap();
        let lent = end.expect_return();
        fill(&object, 1, 51);
        control
            .clean_completed(PAGE, PAGE, lent.generation, KernReturn::SUCCESS)
            .unwrap();
        assert!(
            flags(&object, 1).contains(PageFlags::DIRTY),
            "written meanwhile"
        );
        drop(lent);
        control
            .lock_request(LockRequest {
                reply: NOT_WANTED,
                ..whole(ShouldReturn::Dirty, false)
            })
            .unwrap();
        let lent = end.expect_return();
        control
            .clean_completed(PAGE, PAGE, lent.generation, KernReturn::FAILURE)
            .unwrap();
        assert!(
            flags(&object, 1).contains(PageFlags::DIRTY),
            "the pager failed"
        );
        drop(lent);
        control
            .lock_request(LockRequest {
                reply: NOT_WANTED,
                ..whole(ShouldReturn::Dirty, false)
            })
            .unwrap();
        let lent = end.expect_return();
        control.pager_died();
        assert!(
            flags(&object, 1).contains(PageFlags::DIRTY),
            "the pager died"
        );
        assert_eq!(read(&object, PAGE, 1), [51]);
        drop((lent, control));
    });
}

/// The successor of a pager that has died: it has the object, and has not opened it.
fn successor(object: &ObjectRef) -> (PagerEnd, Arc<MemoryControl>) {
    let end = FakePager::pair();
    object.adopt(end.pager.clone()).unwrap();
    let control = end.expect_init();
    (end, control)
}

fn open_for(control: &Arc<MemoryControl>) {
    control
        .change_attributes(true, CopyStrategy::Delay, NOT_WANTED)
        .unwrap();
}

#[test]
fn a_successor_gets_what_a_dead_pager_has_not_saved() {
    leaves_nothing_behind(|| {
        let (end, object, control) = dirty();
        control
            .lock_request(LockRequest {
                reply: NOT_WANTED,
                ..whole(ShouldReturn::Dirty, false)
            })
            .unwrap();
        let lent = end.expect_return();
        fill(&object, 3, 53);
        assert_eq!(object.held_pages(), 0, "the pager lives");
        let early = object.adopt(end.pager.clone());
        assert_eq!(early, Err(KernReturn::INVALID_ARGUMENT), "it is no orphan");
        control.pager_died();
        assert_eq!(object.held_pages(), 2);
        assert!(held().unwrap().pages >= 2);

        let (next, after) = successor(&object);
        next.expect_silence();
        let waiting = read_in_background(&object, 1, OPTIONS);
        assert_eq!(answer(&waiting), Ok(50), "what is there needs no pager");
        let late = control.clean_completed(PAGE, PAGE, lent.generation, KernReturn::SUCCESS);
        assert_eq!(late, Err(KernReturn::INVALID_ARGUMENT), "replaced");
        drop(lent);
        open_for(&after);
        for page in [1, 3] {
            let again = next.expect_return();
            assert_eq!((again.offset, again.length), (page * PAGE, PAGE));
            assert_eq!(
                read(&again.pages, page * PAGE, 1),
                [50 + (page == 3) as u8 * 3]
            );
            after
                .clean_completed(again.offset, PAGE, again.generation, KernReturn::SUCCESS)
                .unwrap();
        }
        next.expect_silence();
        assert_eq!(object.held_pages(), 0);
        object.validate();
        drop((control, after));
        close(object, &next);
    });
}

#[test]
fn faults_after_an_adoption_are_the_successors() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(4, None);
        let waiting = read_in_background(&object, 2, OPTIONS);
        end.expect_request();
        control.pager_died();
        assert_eq!(answer(&waiting), Err(KernReturn::MEMORY_ERROR));
        let (next, after) = successor(&object);
        let waiting = read_in_background(&object, 2, OPTIONS);
        next.expect_silence();
        open_for(&after);
        let request = next.expect_request();
        let dead = control.data_supply(request.offset, PAGE, one(1), Lock::NONE, NOT_WANTED);
        assert_eq!(dead, Err(KernReturn::INVALID_ARGUMENT));
        after
            .data_supply(request.offset, PAGE, one(9), Lock::NONE, NOT_WANTED)
            .unwrap();
        assert_eq!(answer(&waiting), Ok(9));
        drop((control, after));
        close(object, &next);
    });
}

#[test]
fn precious_pages_are_held_for_a_successor() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(1, None);
        let answers = read_in_background(&object, 0, OPTIONS);
        end.expect_request();
        let precious = Lock {
            precious: true,
            ..Lock::NONE
        };
        control
            .data_supply(0, PAGE, one(1), precious, NOT_WANTED)
            .unwrap();
        answer(&answers).unwrap();
        control.pager_died();
        assert_eq!((object.held_pages(), object.purge()), (1, 0));
        let (next, after) = successor(&object);
        open_for(&after);
        let lent = next.expect_return();
        assert_eq!(lent.kind, ReturnKind::Precious);
        after
            .clean_completed(0, PAGE, lent.generation, KernReturn::SUCCESS)
            .unwrap();
        drop((lent, control, after));
        close(object, &next);
    });
}

const WRITE_BACK: SyncFlags = SyncFlags {
    write_back: true,
    wait: true,
    invalidate: false,
};

/// Syncs on a thread of its own.
fn sync_in_background(object: &ObjectRef) -> Receiver<Result<(), KernReturn>> {
    let (answer, answers) = channel();
    let object = object.clone();
    std::thread::spawn(move || {
        let result = object.sync(0, 4 * PAGE, WRITE_BACK);
        drop(object);
        let _ = answer.send(result);
    });
    answers
}

#[test]
fn a_sync_that_a_death_has_overtaken_fails_even_if_there_is_a_successor() {
    leaves_nothing_behind(|| {
        let (end, object, control) = dirty();
        let syncing = sync_in_background(&object);
        let lent = end.expect_return();
        // Both before the sync can look.
        control.pager_died();
        let (next, after) = successor(&object);
        drop(lent);
        open_for(&after);
        let again = next.expect_return();
        after
            .clean_completed(again.offset, PAGE, again.generation, KernReturn::SUCCESS)
            .unwrap();
        let result = syncing.recv_timeout(PATIENCE).unwrap();
        assert_eq!(result, Err(KernReturn::MEMORY_ERROR));
        drop((again, control, after));
        close(object, &next);
    });
}

#[test]
fn what_a_dead_pager_was_asked_to_make_durable_does_not_hold_its_successor_up() {
    leaves_nothing_behind(|| {
        let (_end, object, control) = dirty();
        // A request that this pager will not answer.
        object.lock().pager.as_mut().unwrap().durability.asked += 1;
        control.pager_died();
        let (next, after) = successor(&object);
        open_for(&after);
        let again = next.expect_return();
        after
            .clean_completed(again.offset, PAGE, again.generation, KernReturn::SUCCESS)
            .unwrap();
        let syncing = sync_in_background(&object);
        assert_eq!(syncing.recv_timeout(PATIENCE).unwrap(), Ok(()));
        drop((again, control, after));
        close(object, &next);
    });
}

#[test]
fn an_orphan_cannot_be_synced_and_a_sync_waits_for_the_successor_to_open() {
    leaves_nothing_behind(|| {
        let (_end, object, control) = dirty();
        control.pager_died();
        let orphan = object.sync(0, 4 * PAGE, WRITE_BACK);
        assert_eq!(orphan, Err(KernReturn::MEMORY_ERROR));
        let (next, after) = successor(&object);
        let syncing = sync_in_background(&object);
        next.expect_silence();
        open_for(&after);
        let again = next.expect_return();
        assert!(syncing.try_recv().is_err(), "not before the page is saved");
        after
            .clean_completed(again.offset, PAGE, again.generation, KernReturn::SUCCESS)
            .unwrap();
        assert_eq!(syncing.recv_timeout(PATIENCE).unwrap(), Ok(()));
        drop((again, control, after));
        close(object, &next);
    });
}

#[test]
fn a_flush_throws_clean_pages_out_and_dirty_ones_after_their_return() {
    leaves_nothing_behind(|| {
        let (end, object, control) = dirty();
        control
            .lock_request(LockRequest {
                reply: NOT_WANTED,
                ..whole(ShouldReturn::Dirty, true)
            })
            .unwrap();
        let lent = end.expect_return();
        assert!(!lent.kernel_copy);
        assert_eq!(object.resident_count(), 1, "only the lent page is left");
        control
            .clean_completed(PAGE, PAGE, lent.generation, KernReturn::SUCCESS)
            .unwrap();
        assert_eq!(object.resident_count(), 0);
        drop((lent, control));
        close(object, &end);
    });
}

#[test]
fn sync_waits_for_the_acknowledgement_and_the_last_reference_writes_what_is_left() {
    leaves_nothing_behind(|| {
        let store = store(4);
        let (object, pager) = honest(&store);
        (0..4).for_each(|page| fill(&object, page, 90 + page as u8));
        let flags = SyncFlags {
            write_back: true,
            wait: true,
            invalidate: true,
        };
        object.sync(0, 2 * PAGE, flags).unwrap();
        let stored = |page: usize| store.lock().unwrap()[page * PAGE_SIZE];
        assert_eq!([stored(0), stored(1)], [90, 91]);
        assert_eq!(object.resident_count(), 2, "invalidated");
        assert_eq!(stored(2), contents(2 * PAGE_SIZE), "not yet");
        drop(object);
        prim::reaper::quiesce();
        pager.join().unwrap();
        assert_eq!([stored(2), stored(3)], [92, 93]);
    });
}

#[test]
fn precious_pages_come_back_even_if_clean() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(2, None);
        let answers = read_in_background(&object, 0, OPTIONS);
        end.expect_request();
        let precious = Lock {
            precious: true,
            ..Lock::NONE
        };
        control
            .data_supply(0, PAGE, one(1), precious, NOT_WANTED)
            .unwrap();
        answer(&answers).unwrap();
        assert_eq!(object.purge(), 0, "nobody else has it");
        control
            .lock_request(LockRequest {
                reply: NOT_WANTED,
                ..whole(ShouldReturn::Dirty, false)
            })
            .unwrap();
        end.expect_silence();
        control
            .lock_request(LockRequest {
                reply: NOT_WANTED,
                ..whole(ShouldReturn::All, false)
            })
            .unwrap();
        let lent = end.expect_return();
        assert_eq!(lent.kind, ReturnKind::Precious);
        control
            .clean_completed(0, PAGE, lent.generation, KernReturn::SUCCESS)
            .unwrap();
        drop(lent);
        assert_eq!(object.purge(), 1);
        drop(control);
        close(object, &end);
    });
}

#[test]
fn will_need_asks_and_does_not_wait() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open(64, None);
        object.will_need(8 * PAGE, 16 * PAGE);
        let mut covered = 0;
        while covered < 16 * PAGE {
            let request = end.expect_request();
            assert!(request.offset >= 8 * PAGE && request.offset + request.length <= 24 * PAGE);
            covered += request.length;
        }
        end.expect_silence();
        control
            .data_error(0, 64 * PAGE, KernReturn::FAILURE)
            .unwrap();
        drop(control);
        close(object, &end);
    });
}

#[test]
fn clean_pages_are_reclaimed_and_dirty_ones_stay() {
    leaves_nothing_behind(|| {
        let store = store(64);
        let (object, pager) = honest(&store);
        for page in 0..64 {
            read(&object, page * PAGE, 1);
        }
        fill(&object, 7, 70);
        let before = object.resident_count();
        assert_eq!(before, 64);
        let freed = crate::vm_pageout::purge();
        assert_eq!((object.resident_count(), freed), (1, 63));
        assert_eq!(read(&object, 7 * PAGE, 1), [70]);
        assert_eq!(
            read(&object, 8 * PAGE, 1)[0],
            contents(8 * PAGE_SIZE),
            "asked for again"
        );
        drop(object);
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn a_file_larger_than_memory_is_read_through_a_small_cache() {
    leaves_nothing_behind(|| {
        let pages = prim::frames::total() as u64 + 500;
        let end = FakePager::pair();
        let object = ObjectRef::with_pager(end.pager.clone(), pages * PAGE).unwrap();
        let server = std::thread::spawn(move || {
            let control = end.expect_init();
            control
                .change_attributes(true, CopyStrategy::Delay, NOT_WANTED)
                .unwrap();
            while let Post::Request(request) = end.next() {
                let frames = request.offset / PAGE..(request.offset + request.length) / PAGE;
                let frames = frames
                    .map(|page| frame_with(&page.to_le_bytes()))
                    .collect::<Vec<_>>();
                let _ = control.data_supply(
                    request.offset,
                    request.length,
                    frames,
                    Lock::NONE,
                    NOT_WANTED,
                );
            }
        });
        for page in 0..pages {
            assert_eq!(read(&object, page * PAGE, 8), page.to_le_bytes());
        }
        object.validate();
        drop(object);
        prim::reaper::quiesce();
        server.join().unwrap();
    });
}

#[test]
fn a_pager_in_disorder_never_breaks_an_invariant() {
    // A small generator of our own, so that a failure can be repeated by its seed.
    fn next(seed: &mut u64) -> u64 {
        *seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        *seed >> 33
    }
    leaves_nothing_behind(|| {
        for seed in 1..40_u64 {
            let mut state = seed;
            let store = store(24);
            let (end, object, control) = open(24, Some(5 * MILLISECOND));
            let readers: Vec<_> = (0..3)
                .map(|n| read_in_background(&object, n * 5 % 24, OPTIONS))
                .collect();
            for _ in 0..40 {
                let (page, pages) = (next(&mut state) % 26, next(&mut state) % 5);
                let (offset, length) = (page * PAGE, pages * PAGE);
                let _ = match next(&mut state) % 7 {
                    0 | 1 => control.data_supply(
                        offset,
                        length,
                        frames_of(&store, offset, length),
                        Lock::NONE,
                        NOT_WANTED,
                    ),
                    2 => control.data_supply(
                        offset,
                        length + PAGE,
                        frames_of(&store, offset, length),
                        Lock::NONE,
                        NOT_WANTED,
                    ),
                    3 => control.data_unavailable(offset, length),
                    4 => control.data_error(offset, length, KernReturn::FAILURE),
                    5 => control.clean_completed(
                        offset,
                        length,
                        next(&mut state) % 4,
                        KernReturn::SUCCESS,
                    ),
                    _ => control.lock_request(LockRequest {
                        offset,
                        length,
                        ..whole(ShouldReturn::Anything, true)
                    }),
                };
                object.will_need(offset, PAGE);
                object.validate();
            }
            let _ = control.destroy(KernReturn::FAILURE);
            readers.iter().for_each(|reader| _ = answer(reader));
            drop((control, end));
        }
    });
}
