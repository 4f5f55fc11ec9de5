//! An external pager over real ports, with a real map on simulated page tables.
#![allow(missing_docs)]

mod support;

use std::time::{Duration, Instant};

use ipc::{KernelMemory, Port};
use kern::external_pager::{adopt_for_port, object_for_port};
use kern::kobject::page_list::PageList;
use mach::KernReturn;
use mach::VmProt;
use mach::defs::pager_control;
use mach::message::Carried;
use support::*;
use vm::vm_fault::FaultOptions;
use vm::vm_map::VmMapCopy;

const BOUND: Duration = Duration::from_secs(5);

fn word(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

fn supply(control: &Control, offset: u64, bytes: &[u8]) {
    let frames = bytes.iter().map(|&byte| frame_of(byte)).collect();
    let size = bytes.len() as u64 * PAGE;
    let copy = VmMapCopy::from_frames(frames, size).unwrap();
    let data = Some(KernelMemory::new(copy, size));
    control.tell(pager_control::data_supply::Request {
        data,
        offset,
        lock_value: VmProt::NONE,
        precious: 0,
        want_reply: 0,
    });
}

#[test]
fn two_mappings_of_one_port_show_the_same_supplied_memory() {
    let _world = World::new();
    let pager = FakePager::new();
    let first = object_for_port(pager.port(), 4 * PAGE).unwrap();
    let second = object_for_port(pager.port(), 4 * PAGE).unwrap();
    assert!(first.same_object(&second));
    let (control, _) = pager.open();
    let (one, two) = (new_map(), new_map());
    let (at_one, at_two) = (map_object(&one, first, 4), map_object(&two, second, 4));
    let reader = load_later(&one, at_one + PAGE);
    let (offset, length) = pager.expect_request();
    let bytes: Vec<u8> = (0..length / PAGE)
        .map(|page| (offset / PAGE + page) as u8 + 1)
        .collect();
    supply(&control, offset, &bytes);
    assert_eq!(reader.join().unwrap(), Ok(word(2)));
    // Resident by now: the other map needs no pager.
    assert_eq!(load(&two, at_two + PAGE), Ok(word(2)));
    assert!(pager.next_within(Duration::from_millis(20)).is_none());
    drop((one, two));
    pmap::deactivate();
    settle();
    assert!(matches!(pager.next(), Told::Terminate { .. }));
}

#[test]
fn a_page_list_moves_into_the_object_and_can_be_taken_once() {
    let _world = World::new();
    let pager = FakePager::new();
    let object = object_for_port(pager.port(), PAGE).unwrap();
    let (control, _) = pager.open();
    let map = new_map();
    let at = map_object(&map, object, 1);
    let reader = load_later(&map, at);
    let (offset, length) = pager.expect_request();
    assert_eq!((offset, length), (0, PAGE));
    let list = PageList::name(vec![frame_of(7)]).unwrap();
    let give = || {
        control.tell(pager_control::data_supply_pages::Request {
            pages: Carried::Right(list.clone().into()),
            offset,
            length,
            list_offset: 0,
            lock_value: VmProt::NONE,
            precious: 0,
            want_reply: 0,
        });
    };
    give();
    assert_eq!(reader.join().unwrap(), Ok(word(7)));
    give();
    match pager.next() {
        Told::Supplied { result, accepted } => {
            assert_eq!((result, accepted), (KernReturn::INVALID_ARGUMENT, 0))
        }
        other => panic!("the second supply is refused, not {other:?}"),
    }
    assert_eq!(load(&map, at), Ok(word(7)));
    list.release();
}

#[test]
fn a_page_list_gives_only_whole_pages_that_are_there() {
    let _world = World::new();
    let right = PageList::name(vec![frame_of(1), frame_of(2), frame_of(3)]).unwrap();
    let list = right.kobject::<PageList>().unwrap();
    let bad = Err(KernReturn::INVALID_ARGUMENT);
    let count = |offset, length| list.take(offset, length).map(|frames| frames.len());
    assert_eq!(count(1, PAGE), bad);
    assert_eq!(count(0, PAGE - 1), bad);
    assert_eq!(count(PAGE, 3 * PAGE), bad);
    assert_eq!(count(u64::MAX - PAGE + 1, PAGE), bad);
    assert_eq!(count(PAGE, u64::MAX - PAGE + 1), bad);
    assert_eq!(count(PAGE, PAGE), Ok(1));
    assert_eq!(count(0, 2 * PAGE), bad, "a gap");
    assert_eq!(count(2 * PAGE, PAGE), Ok(1));
    assert_eq!(list.len(), 3);
    drop(list);
    // The frame nobody took is freed with the last right.
    right.release();
}

#[test]
fn unavailable_reads_as_zeroes_and_an_error_as_memory_error() {
    let _world = World::new();
    let pager = FakePager::new();
    let object = object_for_port(pager.port(), 2 * PAGE).unwrap();
    let (control, _) = pager.open();
    let map = new_map();
    let at = map_object(&map, object, 2);
    let reader = load_later(&map, at);
    let (offset, length) = pager.expect_request();
    control.tell(pager_control::data_error::Request {
        offset,
        length,
        error: KernReturn::FAILURE,
    });
    assert_eq!(reader.join().unwrap(), Err(KernReturn::MEMORY_ERROR));
    // An error is not for ever: the next access asks again.
    let reader = load_later(&map, at);
    let (offset, length) = pager.expect_request();
    control.tell(pager_control::data_unavailable::Request { offset, length });
    assert_eq!(reader.join().unwrap(), Ok(0));
}

#[test]
fn the_death_of_the_port_fails_whoever_waits_at_once() {
    let _world = World::new();
    let mut pager = FakePager::new();
    let object = object_for_port(pager.port(), PAGE).unwrap();
    let control = pager.open();
    let map = new_map();
    let at = map_object(&map, object.clone(), 1);
    let reader = load_later(&map, at);
    pager.expect_request();
    let before = Instant::now();
    pager.die();
    assert_eq!(reader.join().unwrap(), Err(KernReturn::MEMORY_ERROR));
    assert_eq!(
        load(&map, at),
        Err(KernReturn::MEMORY_ERROR),
        "and whoever comes later"
    );
    assert!(before.elapsed() < BOUND);
    assert!(object.pager_is_dead());
    drop(control);
}

#[test]
fn another_port_takes_an_orphan_over_and_its_dirty_pages_with_it() {
    let _world = World::new();
    let mut dead = FakePager::new();
    let object = object_for_port(dead.port(), 2 * PAGE).unwrap();
    let (control, _) = dead.open();
    let map = new_map();
    let at = map_object(&map, object.clone(), 2);
    let reader = load_later(&map, at);
    dead.expect_request();
    supply(&control, 0, &[1, 2]);
    reader.join().unwrap().unwrap();
    object
        .write_from_kernel(0, &[5], FaultOptions::USER)
        .unwrap();
    let next = FakePager::new();
    assert_eq!(
        adopt_for_port(&object, next.port()),
        Err(KernReturn::INVALID_ARGUMENT),
        "its pager lives"
    );
    dead.die();
    assert_eq!(object.held_pages(), 1);
    adopt_for_port(&object, next.port()).unwrap();
    adopt_for_port(&object, next.port()).unwrap();
    let other = object_for_port(FakePager::new().port(), PAGE).unwrap();
    assert_eq!(
        adopt_for_port(&other, next.port()),
        Err(KernReturn::INVALID_ARGUMENT),
        "the port has an object"
    );
    let (after, _) = next.open();
    match next.next() {
        Told::Returned {
            offset,
            length,
            generation,
        } => {
            assert_eq!((offset, length), (0, PAGE));
            after.tell(pager_control::clean_completed::Request {
                offset,
                length,
                generation,
                result: KernReturn::SUCCESS,
            });
        }
        told => panic!("the dirty page goes to the successor, not {told:?}"),
    }
    assert_eq!(object.held_pages(), 0);
    assert!(
        object_for_port(next.port(), PAGE)
            .unwrap()
            .same_object(&object)
    );
    drop((object, control));
    drop(map);
    pmap::deactivate();
    settle();
    assert!(matches!(next.next(), Told::Terminate { .. }));
}

#[test]
fn a_pager_that_lets_the_control_go_is_dead_and_may_serve_the_port_anew() {
    let _world = World::new();
    let pager = FakePager::new();
    let object = object_for_port(pager.port(), PAGE).unwrap();
    let (control, first) = pager.open();
    let map = new_map();
    let at = map_object(&map, object.clone(), 1);
    let reader = load_later(&map, at);
    pager.expect_request();
    control.0.release();
    assert_eq!(reader.join().unwrap(), Err(KernReturn::MEMORY_ERROR));
    let again = object_for_port(pager.port(), PAGE).unwrap();
    assert!(!again.same_object(&object));
    let (_control, second) = pager.open();
    assert_ne!(first, second);
    drop((object, map));
    pmap::deactivate();
    settle();
    match pager.next() {
        Told::Terminate { id } => assert_eq!(id, first),
        other => panic!("the first object ends, not {other:?}"),
    }
    assert!(
        object_for_port(pager.port(), PAGE)
            .unwrap()
            .same_object(&again)
    );
}

#[test]
fn an_object_opened_again_begins_after_the_last_one_has_ended() {
    let _world = World::new();
    let pager = FakePager::new();
    let mut last = None;
    for _ in 0..200 {
        // No waiting for the reaper in between: opening again races with the end.
        let object = object_for_port(pager.port(), PAGE).unwrap();
        drop(object);
    }
    settle();
    while let Some(told) = pager.next_within(Duration::from_millis(50)) {
        match told {
            Told::Init { id, .. } => {
                assert_eq!(last.replace(id), None, "init before the last use ended")
            }
            Told::Terminate { id } => assert_eq!(last.take(), Some(id)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(last, None);
}

#[test]
fn many_threads_that_open_one_port_get_one_object() {
    let _world = World::new();
    let pager = FakePager::new();
    let openers: Vec<_> = (0..8)
        .map(|_| {
            let port = pager.port();
            std::thread::spawn(move || object_for_port(port, PAGE).unwrap())
        })
        .collect();
    let objects: Vec<_> = openers
        .into_iter()
        .map(|opener| opener.join().unwrap())
        .collect();
    assert!(objects.iter().all(|object| object.same_object(&objects[0])));
    pager.open();
    assert!(
        pager.next_within(Duration::from_millis(20)).is_none(),
        "init comes once"
    );
}

#[test]
fn dead_ports_and_the_kernels_own_are_no_pagers() {
    let _world = World::new();
    let dead = Port::allocate().unwrap();
    let right = dead.make_send();
    dead.destroy();
    assert_eq!(
        object_for_port(right, PAGE).unwrap_err(),
        KernReturn::INVALID_ARGUMENT
    );
    let list = PageList::name(Vec::new()).unwrap();
    assert_eq!(
        object_for_port(list, PAGE).unwrap_err(),
        KernReturn::INVALID_ARGUMENT
    );
}

#[test]
fn nonsense_on_the_control_changes_nothing() {
    let _world = World::new();
    let pager = FakePager::new();
    let object = object_for_port(pager.port(), PAGE).unwrap();
    let (control, _) = pager.open();
    supply(&control, 0, &[9]);
    supply(&control, u64::MAX - PAGE + 1, &[9]);
    supply(&control, 5, &[9]);
    for _ in 0..3 {
        assert!(
            matches!(pager.next(), Told::Supplied { accepted: 0, .. }),
            "nobody asked"
        );
    }
    control.tell(pager_control::data_unavailable::Request {
        offset: u64::MAX,
        length: u64::MAX,
    });
    control.tell(pager_control::data_error::Request {
        offset: 3,
        length: 0,
        error: KernReturn::SUCCESS,
    });
    control.tell(pager_control::clean_completed::Request {
        offset: 0,
        length: u64::MAX,
        generation: 99,
        result: KernReturn::SUCCESS,
    });
    assert_eq!(object.resident_count(), 0);
}
