//! Several threads on one map.
#![allow(missing_docs)]

mod map_support;

use std::sync::atomic::{AtomicBool, Ordering};

use mach::KernReturn;
use map_support::*;
use pmap::Pmap;
use prim::frames::Reserve;
use vm::vm_map::{EnterRequest, Placement, ProtectMode, SMALL_COPY_LIMIT, SourceFate, WireOwner};

const BASE: u64 = 0x4000_0000;

/// Each of two threads counts in a page of its own while a third forks, copies, wires and protects around them. No
/// increment may get lost, and no child may see a page change.
#[test]
fn writers_lose_nothing_while_the_map_is_forked_and_copied() {
    let _machine = Machine::boot();
    let map = new_map();
    let pages = SMALL_COPY_LIMIT / PAGE + 2;
    map.enter(EnterRequest::anonymous(
        Placement::Fixed(BASE),
        pages * PAGE,
    ))
    .unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                let (map, done) = (&map, &done);
                scope.spawn(move || {
                    let (mut count, address) = (0, BASE + writer * PAGE);
                    while !done.load(Ordering::Relaxed) {
                        assert_eq!(load(map, address), Ok(count));
                        count += 1;
                        if count % 2 == 0 {
                            store(map, address, count).unwrap();
                        } else {
                            map.write_bytes(address, &count.to_le_bytes()).unwrap();
                        }
                    }
                    pmap::deactivate();
                    count
                })
            })
            .collect();
        for round in 0..300 {
            let child = map.fork(Pmap::create(Reserve::Normal).unwrap()).unwrap();
            let seen = load(&child, BASE).unwrap();
            let copy = map.copyin(BASE, pages * PAGE, SourceFate::Keep).unwrap();
            let at = child.copyout(copy).ok().unwrap();
            let copied = load(&child, at).unwrap();
            assert!(copied >= seen);
            match round % 3 {
                0 => map
                    .wire(BASE, BASE + 2 * PAGE, READ, WireOwner::User)
                    .unwrap(),
                1 => map.unwire(BASE, BASE + 2 * PAGE, WireOwner::User).unwrap(),
                _ => map
                    .protect(BASE, BASE + 3 * PAGE, READ_WRITE, ProtectMode::Current)
                    .unwrap(),
            }
            assert_eq!(
                (load(&child, BASE), load(&child, at)),
                (Ok(seen), Ok(copied))
            );
            pmap::deactivate();
        }
        done.store(true, Ordering::Relaxed);
        for (writer, thread) in (0u64..).zip(writers) {
            let count = thread.join().unwrap();
            assert_eq!(load(&map, BASE + writer * PAGE), Ok(count));
        }
    });
    validate(&map);
}

/// Mapping and unmapping under a reader's feet: it sees zero, its own value or INVALID_ADDRESS, never another's memory.
#[test]
fn a_reader_never_sees_memory_that_is_not_its_own() {
    let _machine = Machine::boot();
    let map = new_map();
    let secret = map
        .enter(EnterRequest::anonymous(Placement::Anywhere(0), 4 * PAGE))
        .unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                match load(&map, BASE) {
                    Ok(0 | 7) | Err(KernReturn::INVALID_ADDRESS) => {}
                    other => panic!("{other:?}"),
                }
            }
            pmap::deactivate();
        });
        for _ in 0..2000 {
            map.enter(EnterRequest::anonymous(Placement::Overwrite(BASE), PAGE))
                .unwrap();
            let _ = store(&map, BASE, 7);
            map.delete(BASE, BASE + PAGE).unwrap();
            store(&map, secret, 0xdead).unwrap();
            map.delete(secret, secret + PAGE).unwrap();
            map.enter(EnterRequest::anonymous(Placement::Fixed(secret), PAGE))
                .unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    validate(&map);
}
