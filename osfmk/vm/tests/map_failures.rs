//! Every allocation of every operation fails once: the operation then reports a shortage and has changed nothing, or
//! succeeds.
#![allow(missing_docs)]

mod map_support;

use std::sync::Arc;

use mach::{KernReturn, VmBehavior, VmInherit, VmProt};
use map_support::*;
use pmap::Pmap;
use prim::frames::Reserve;
use prim::thread::injection::{self, Site};
use vm::vm_map::{
    EnterFlags, EnterRequest, Hold, MemoryEntry, Placement, ProtectMode, RemapRequest,
    SMALL_COPY_LIMIT, SourceFate, VmMap, WireOwner,
};

const BASE: u64 = 0x3000_0000;

/// What a program can notice about a page: protections, inheritance, behavior, contents.
type Look = (VmProt, VmProt, VmInherit, VmBehavior, Option<u64>);

/// Everything a program could notice about a map.
#[derive(PartialEq, Eq, Debug)]
struct Portrait {
    size: u64,
    wired: u64,
    pages: Vec<Option<Look>>,
}

fn pages() -> u64 {
    SMALL_COPY_LIMIT / PAGE + 8
}

fn portrait(map: &VmMap) -> Portrait {
    let look = |page: u64| {
        let address = BASE + page * PAGE;
        let guard = map.read();
        let entry = guard.entry(address)?;
        let seen = (
            entry.protection(),
            entry.max_protection(),
            entry.inheritance(),
            entry.behavior(),
        );
        drop(guard);
        let value = seen.0.contains(READ).then(|| load(map, address).unwrap());
        Some((seen.0, seen.1, seen.2, seen.3, value))
    };
    let statistics = map.statistics();
    Portrait {
        size: statistics.size,
        wired: statistics.user_wired,
        pages: (0..pages() + 2).map(look).collect(),
    }
}

/// A map with a few kinds of memory in it.
fn subject() -> Arc<VmMap> {
    let map = new_map();
    let request = EnterRequest::anonymous(Placement::Fixed(BASE), pages() * PAGE);
    map.enter(request).unwrap();
    for page in 0..pages() - 2 {
        store(&map, BASE + page * PAGE, page + 1).unwrap();
    }
    map.protect(BASE + 2 * PAGE, BASE + 3 * PAGE, READ, ProtectMode::Current)
        .unwrap();
    map.inherit(BASE + 4 * PAGE, BASE + 5 * PAGE, VmInherit::Share)
        .unwrap();
    drop(map.fork(Pmap::create(Reserve::Normal).unwrap()).unwrap());
    map
}

/// Runs `operation` on fresh subjects, letting the first, second, ... allocation fail until none is left to fail.
fn fails_whole_or_not_at_all(name: &str, operation: impl Fn(&VmMap) -> Result<(), KernReturn>) {
    for site in [Site::Zones, Site::Frames] {
        for n in 1.. {
            let map = subject();
            let before = portrait(&map);
            injection::fail_nth(site, n);
            let result = operation(&map);
            let struck = injection::remaining(site) == 0;
            injection::fail_nth(site, 0);
            validate(&map);
            match result {
                Err(error) => {
                    assert!(
                        struck,
                        "{name} fails without a failed allocation: {error:?}"
                    );
                    assert_eq!(error, KernReturn::RESOURCE_SHORTAGE, "{name}, {site:?} {n}");
                    assert_eq!(
                        portrait(&map),
                        before,
                        "{name} failed half-way, {site:?} {n}"
                    );
                }
                Ok(()) if !struck => break,
                Ok(()) => {}
            }
            assert!(n < 1000, "{name} never ends");
        }
    }
}

#[test]
fn a_failed_enter_changes_nothing() {
    let _machine = Machine::boot();
    fails_whole_or_not_at_all("enter", |map| {
        map.enter(EnterRequest::anonymous(Placement::Anywhere(0), 4 * PAGE))
            .map(|_| ())
    });
    fails_whole_or_not_at_all("enter over", |map| {
        let over = Placement::Overwrite(BASE + 3 * PAGE);
        map.enter(EnterRequest::anonymous(over, 2 * PAGE).protected(READ, READ))
            .map(|_| ())
    });
    fails_whole_or_not_at_all("enter for a JIT", |map| {
        let mut request = EnterRequest::anonymous(Placement::Overwrite(BASE + PAGE), 6 * PAGE);
        request.flags = EnterFlags::JIT;
        map.enter(request.protected(VmProt::ALL, VmProt::ALL))
            .map(|_| ())
    });
    fails_whole_or_not_at_all("enter in chunks", |map| {
        map.enter(EnterRequest::anonymous(Placement::Anywhere(0), 1 << 30))
            .map(|_| ())
    });
}

#[test]
fn a_failed_change_of_a_range_changes_nothing() {
    let _machine = Machine::boot();
    let (start, end) = (BASE + PAGE, BASE + 6 * PAGE);
    fails_whole_or_not_at_all("delete", |map| map.delete(start, end));
    fails_whole_or_not_at_all("protect", |map| {
        map.protect(start, end, VmProt::NONE, ProtectMode::Current)
    });
    fails_whole_or_not_at_all("set maximum", |map| {
        map.protect(start, end, READ, ProtectMode::Maximum)
    });
    fails_whole_or_not_at_all("inherit", |map| map.inherit(start, end, VmInherit::None));
    fails_whole_or_not_at_all("advise", |map| {
        map.advise(start, end, VmBehavior::Sequential)
    });
    fails_whole_or_not_at_all("wire", |map| {
        map.wire(start, end, VmProt::NONE, WireOwner::User)
    });
}

#[test]
fn a_failed_fork_leaves_the_parent_whole() {
    let _machine = Machine::boot();
    fails_whole_or_not_at_all("fork", |map| {
        let pmap = Pmap::create(Reserve::Normal).map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        map.fork(pmap).map(drop)
    });
    fails_whole_or_not_at_all("fork of wired memory", |map| {
        map.wire(BASE, BASE + 2 * PAGE, READ, WireOwner::User)?;
        let result = Pmap::create(Reserve::Normal)
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)
            .and_then(|pmap| map.fork(pmap).map(drop));
        let mut left = map.unwire(BASE, BASE + 2 * PAGE, WireOwner::User);
        if left.is_err() {
            left = map.unwire(BASE, BASE + 2 * PAGE, WireOwner::User);
        }
        result.and(left)
    });
}

#[test]
fn a_failed_copy_leaves_source_and_target_whole() {
    let _machine = Machine::boot();
    for (name, fate) in [
        ("copyin", SourceFate::Keep),
        ("copyin and destroy", SourceFate::Destroy),
    ] {
        fails_whole_or_not_at_all(name, |map| {
            map.copyin(BASE + PAGE, (pages() - 3) * PAGE, fate)
                .map(drop)
        });
        fails_whole_or_not_at_all(name, |map| {
            map.copyin(BASE + PAGE + 5, 1000, fate).map(drop)
        });
    }
    for size in [1000, (pages() - 3) * PAGE] {
        fails_whole_or_not_at_all("copyout", |map| {
            let source = subject_without_failures();
            let copy = without_failures(|| source.copyin(BASE, size, SourceFate::Keep)).unwrap();
            map.copyout(copy).map(drop).map_err(|(error, _)| error)
        });
    }
    fails_whole_or_not_at_all("overwrite", |map| {
        let source = subject_without_failures();
        let size = SMALL_COPY_LIMIT + PAGE;
        let copy = without_failures(|| source.copyin(BASE, size, SourceFate::Keep)).unwrap();
        map.copy_overwrite(BASE + 5 * PAGE, copy)
    });
}

#[test]
fn a_failed_remap_leaves_source_and_target_whole() {
    let _machine = Machine::boot();
    for hold in [Hold::Share, Hold::Copy] {
        fails_whole_or_not_at_all("remap", |map| {
            let request = RemapRequest {
                placement: Placement::Overwrite(BASE + 7 * PAGE),
                size: 3 * PAGE,
                mask: 0,
                hold,
                inheritance: VmInherit::Copy,
                protection: None,
            };
            map.remap(map, BASE + PAGE, request).map(drop)
        });
        fails_whole_or_not_at_all("memory entry", |map| {
            map.make_memory_entry(BASE, 5 * PAGE, READ, hold).map(drop)
        });
    }
    fails_whole_or_not_at_all("named entry", |_| {
        MemoryEntry::create(PAGE, READ_WRITE).map(drop)
    });
}

/// Suspends the planned failure around what is not under test.
fn without_failures<R>(work: impl FnOnce() -> R) -> R {
    let (zones, frames) = (
        injection::remaining(Site::Zones),
        injection::remaining(Site::Frames),
    );
    injection::fail_nth(Site::Zones, 0);
    injection::fail_nth(Site::Frames, 0);
    let result = work();
    injection::fail_nth(Site::Zones, zones);
    injection::fail_nth(Site::Frames, frames);
    result
}

fn subject_without_failures() -> Arc<VmMap> {
    without_failures(subject)
}
