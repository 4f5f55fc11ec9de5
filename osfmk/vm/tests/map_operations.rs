//! The operations of a map, one by one, through the public interface.
#![allow(missing_docs)]

mod map_support;

use mach::vm_region::ShareMode;
use mach::{KernReturn, VmBehavior, VmInherit, VmProt};
use map_support::*;
use pmap::Pmap;
use prim::frames::{self, Reserve};
use prim::thread::AddressSpace as _;
use vm::vm_map::{
    AT_ONCE_LIMIT, Backing, CopyKind, EnterFlags, EnterRequest, Hold, MapLimits, MemoryEntry,
    ObjectMapping, Placement, ProtectMode, RemapRequest, SMALL_COPY_LIMIT, SourceFate, VmMap,
    VmMapCopy, WireOwner,
};

fn anonymous(map: &VmMap, pages: u64) -> u64 {
    map.enter(EnterRequest::anonymous(
        Placement::Anywhere(0),
        pages * PAGE,
    ))
    .unwrap()
}

fn fixed(map: &VmMap, address: u64, pages: u64) -> Result<u64, KernReturn> {
    map.enter(EnterRequest::anonymous(
        Placement::Fixed(address),
        pages * PAGE,
    ))
}

fn fork(map: &VmMap) -> std::sync::Arc<VmMap> {
    map.fork(Pmap::create(Reserve::Normal).unwrap()).unwrap()
}

const BASE: u64 = 0x1000_0000;

#[test]
fn fresh_memory_has_no_object_until_it_is_written() {
    let _machine = Machine::boot();
    let map = new_map();
    let address = anonymous(&map, 4);
    assert_eq!(map.region(address).unwrap().share_mode, ShareMode::Empty);
    assert_eq!(load(&map, address + PAGE), Ok(0));
    assert_eq!(map.region(address).unwrap().share_mode, ShareMode::Empty);
    store(&map, address, 7).unwrap();
    assert_eq!(map.region(address).unwrap().share_mode, ShareMode::Private);
    assert_eq!(load(&map, address), Ok(7));
    assert_eq!(load(&map, address + PAGE), Ok(0));
    store(&map, address + PAGE, 8).unwrap();
    assert_eq!(load(&map, address + PAGE), Ok(8));
    validate(&map);
}

#[test]
fn reading_untouched_memory_takes_no_frames_of_its_own() {
    let _machine = Machine::boot();
    let map = new_map();
    let address = anonymous(&map, 64);
    let before = frames::counts();
    for page in 0..64 {
        assert_eq!(load(&map, address + page * PAGE), Ok(0));
    }
    let after = frames::counts();
    assert_eq!(
        (after.resident, after.owned),
        (before.resident, before.owned)
    );
    assert!(map.pmap().resident_count() >= 64);
    map.delete(address, address + 64 * PAGE).unwrap();
    assert_eq!(map.pmap().resident_count(), 0);
    validate(&map);
}

#[test]
fn zeros_that_were_read_give_way_to_what_another_map_writes() {
    let _machine = Machine::boot();
    let map = new_map();
    let address = anonymous(&map, 8);
    map.inherit(address, address + 8 * PAGE, VmInherit::Share)
        .unwrap();
    for page in 0..8 {
        assert_eq!(load(&map, address + page * PAGE), Ok(0));
    }
    let child = fork(&map);
    store(&child, address + 3 * PAGE, 5).unwrap();
    assert_eq!(load(&map, address + 3 * PAGE), Ok(5));
    store(&map, address + 4 * PAGE, 6).unwrap();
    assert_eq!(load(&child, address + 4 * PAGE), Ok(6));
    validate(&map);
    validate(&child);
}

#[test]
fn a_read_maps_resident_neighbours_and_a_later_write_still_copies() {
    let _machine = Machine::boot();
    let map = new_map();
    let address = anonymous(&map, 16);
    for page in 0..16 {
        store(&map, address + page * PAGE, page + 1).unwrap();
    }
    let child = fork(&map);
    assert_eq!(load(&child, address + 5 * PAGE), Ok(6));
    assert!(child.pmap().resident_count() > 1, "neighbours are mapped");
    for page in 0..16 {
        store(&child, address + page * PAGE, 100).unwrap();
        assert_eq!(load(&map, address + page * PAGE), Ok(page + 1));
    }
    for page in 0..16 {
        assert_eq!(load(&child, address + page * PAGE), Ok(100));
    }
    validate(&map);
    validate(&child);
}

#[test]
fn occupied_space_is_refused_and_nothing_changes() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 4).unwrap();
    store(&map, BASE, 1).unwrap();
    assert_eq!(fixed(&map, BASE + 3 * PAGE, 4), Err(KernReturn::NO_SPACE));
    assert_eq!(map.size(), 4 * PAGE);
    assert_eq!(load(&map, BASE), Ok(1));
}

#[test]
fn bounds_and_alignment_get_the_codes_of_xnu() {
    let _machine = Machine::boot();
    let map = new_map();
    assert_eq!(
        fixed(&map, map.max_offset(), 1),
        Err(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(fixed(&map, 0, 1), Err(KernReturn::INVALID_ADDRESS));
    assert_eq!(fixed(&map, BASE + 1, 1), Err(KernReturn::INVALID_ARGUMENT));
    let hint = Placement::Anywhere(map.max_offset());
    assert_eq!(
        map.enter(EnterRequest::anonymous(hint, PAGE)),
        Err(KernReturn::NO_SPACE)
    );
    assert_eq!(
        map.enter(EnterRequest::anonymous(Placement::Anywhere(0), 0)),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    let whole = map.max_offset();
    assert_eq!(
        map.enter(EnterRequest::anonymous(Placement::Anywhere(0), whole)),
        Err(KernReturn::NO_SPACE)
    );
}

#[test]
fn overwrite_replaces_the_middle_of_a_mapping_at_once() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 6).unwrap();
    for page in 0..6 {
        store(&map, BASE + page * PAGE, page + 1).unwrap();
    }
    let request = EnterRequest::anonymous(Placement::Overwrite(BASE + 2 * PAGE), 2 * PAGE);
    map.enter(request.protected(READ, READ)).unwrap();
    assert_eq!(load(&map, BASE + PAGE), Ok(2));
    assert_eq!(load(&map, BASE + 2 * PAGE), Ok(0));
    assert_eq!(
        store(&map, BASE + 3 * PAGE, 9),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    assert_eq!(load(&map, BASE + 4 * PAGE), Ok(5));
    assert_eq!(entries(&map), 3);
    validate(&map);
}

#[test]
fn a_refused_overwrite_leaves_the_old_mapping_untouched() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 4).unwrap();
    store(&map, BASE, 5).unwrap();
    let writable_code = EnterRequest::anonymous(Placement::Overwrite(BASE), 4 * PAGE)
        .protected(VmProt::ALL, VmProt::ALL);
    assert_eq!(
        map.enter(writable_code),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    map.set_limits(MapLimits {
        size: 4 * PAGE,
        user_wire: 0,
    });
    let too_much = EnterRequest::anonymous(Placement::Overwrite(BASE), 5 * PAGE);
    assert_eq!(map.enter(too_much), Err(KernReturn::NO_SPACE));
    assert_eq!(load(&map, BASE), Ok(5));
    let same_size = EnterRequest::anonymous(Placement::Overwrite(BASE), 4 * PAGE);
    assert_eq!(map.enter(same_size), Ok(BASE));
    assert_eq!(load(&map, BASE), Ok(0));
}

#[test]
fn adjacent_equal_allocations_coalesce_up_to_the_limit() {
    let _machine = Machine::boot();
    let map = new_map();
    for page in 0..1000 {
        fixed(&map, BASE + page * PAGE, 1).unwrap();
        if page % 3 == 0 {
            store(&map, BASE + page * PAGE, page).unwrap();
        }
    }
    let per_entry = (128 * 1024 - 1) / PAGE;
    assert_eq!(entries(&map), 1000u64.div_ceil(per_entry));
    for page in (0..1000).step_by(3) {
        assert_eq!(load(&map, BASE + page * PAGE), Ok(page));
    }
    validate(&map);
}

#[test]
fn huge_anonymous_memory_is_cut_into_chunks_unless_it_can_never_be_touched() {
    let _machine = Machine::boot();
    let map = new_map();
    anonymous(&map, (1 << 30) / PAGE);
    assert_eq!(entries(&map), 8);
    let reserve = EnterRequest::anonymous(Placement::Anywhere(0), 1 << 40)
        .protected(VmProt::NONE, VmProt::NONE);
    map.enter(reserve).unwrap();
    assert_eq!(entries(&map), 9);
    anonymous(&map, (1 << 40) / PAGE);
    assert!(entries(&map) <= 9 + 1024);
}

#[test]
fn delete_ignores_holes_and_splits_entries() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 4).unwrap();
    fixed(&map, BASE + 8 * PAGE, 4).unwrap();
    for page in [0, 3, 8, 11] {
        store(&map, BASE + page * PAGE, page).unwrap();
    }
    map.delete(BASE + 2 * PAGE, BASE + 10 * PAGE).unwrap();
    map.delete(BASE + 2 * PAGE, BASE + 10 * PAGE).unwrap();
    assert_eq!(map.size(), 4 * PAGE);
    assert_eq!(load(&map, BASE), Ok(0));
    assert_eq!(
        load(&map, BASE + 3 * PAGE),
        Err(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(load(&map, BASE + 11 * PAGE), Ok(11));
    validate(&map);
}

#[test]
fn a_permanent_mapping_loses_all_access_but_stays() {
    let _machine = Machine::boot();
    let map = new_map();
    let mut request = EnterRequest::anonymous(Placement::Fixed(BASE), 2 * PAGE);
    request.flags = EnterFlags::PERMANENT;
    map.enter(request).unwrap();
    store(&map, BASE, 1).unwrap();
    map.delete(BASE, BASE + 2 * PAGE).unwrap();
    assert_eq!(load(&map, BASE), Err(KernReturn::PROTECTION_FAILURE));
    assert_eq!(fixed(&map, BASE, 1), Err(KernReturn::NO_SPACE));
    let over = EnterRequest::anonymous(Placement::Overwrite(BASE), PAGE);
    assert_eq!(map.enter(over), Err(KernReturn::NO_SPACE));
}

#[test]
fn protect_checks_the_whole_range_before_it_changes_anything() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    let limited =
        EnterRequest::anonymous(Placement::Fixed(BASE + 2 * PAGE), PAGE).protected(READ, READ);
    map.enter(limited).unwrap();
    let current = ProtectMode::Current;
    assert_eq!(
        map.protect(BASE, BASE + 3 * PAGE, READ_WRITE, current),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    assert_eq!(
        map.protect(BASE, BASE + 4 * PAGE, READ, current),
        Err(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(
        map.protect(BASE, BASE + PAGE, VmProt::ALL, current),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    store(&map, BASE, 1).unwrap();
    map.protect(BASE, BASE + 3 * PAGE, READ, current).unwrap();
    assert_eq!(store(&map, BASE, 2), Err(KernReturn::PROTECTION_FAILURE));
    assert_eq!(load(&map, BASE), Ok(1));
    map.protect(BASE, BASE + PAGE, READ_WRITE, current).unwrap();
    store(&map, BASE, 3).unwrap();
    validate(&map);
}

#[test]
fn lowering_the_maximum_lowers_the_current_protection_for_good() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    store(&map, BASE, 1).unwrap();
    map.protect(BASE, BASE + PAGE, READ, ProtectMode::Maximum)
        .unwrap();
    assert_eq!(store(&map, BASE, 2), Err(KernReturn::PROTECTION_FAILURE));
    let raised = map.protect(BASE, BASE + PAGE, READ_WRITE, ProtectMode::Current);
    assert_eq!(raised, Err(KernReturn::PROTECTION_FAILURE));
    assert_eq!(entries(&map), 2);
}

#[test]
fn equal_neighbours_become_one_entry_again() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 8).unwrap();
    store(&map, BASE, 1).unwrap();
    for page in [1, 3, 5] {
        let at = BASE + page * PAGE;
        map.protect(at, at + PAGE, READ, ProtectMode::Current)
            .unwrap();
    }
    assert_eq!(entries(&map), 7);
    map.protect(BASE, BASE + 8 * PAGE, READ_WRITE, ProtectMode::Current)
        .unwrap();
    assert_eq!(entries(&map), 1);
    map.inherit(BASE, BASE + PAGE, VmInherit::None).unwrap();
    map.inherit(BASE, BASE + PAGE, VmInherit::Copy).unwrap();
    map.advise(BASE + PAGE, BASE + 2 * PAGE, VmBehavior::Random)
        .unwrap();
    assert_eq!(entries(&map), 3);
    map.advise(BASE, BASE + 8 * PAGE, VmBehavior::Default)
        .unwrap();
    assert_eq!(entries(&map), 1);
    assert_eq!(load(&map, BASE), Ok(1));
    validate(&map);
}

#[test]
fn a_jit_region_may_be_written_and_executed_and_nothing_else_may() {
    let _machine = Machine::boot();
    let map = new_map();
    let mut request = EnterRequest::anonymous(Placement::Fixed(BASE), 2 * PAGE)
        .protected(VmProt::ALL, VmProt::ALL);
    assert_eq!(
        map.enter(request.clone()),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    request.flags = EnterFlags::JIT;
    map.enter(request.clone()).unwrap();
    store(&map, BASE, 1).unwrap();
    map.set_jit_policy(vm::vm_map::JitPolicy::Single);
    request.placement = Placement::Anywhere(0);
    assert_eq!(map.enter(request), Err(KernReturn::INVALID_ARGUMENT));
    fixed(&map, BASE + 2 * PAGE, 1).unwrap();
    let flip = map.protect(
        BASE + 2 * PAGE,
        BASE + 3 * PAGE,
        READ_EXECUTE,
        ProtectMode::Current,
    );
    assert_eq!(flip, Ok(()));
    map.lock_down_exec();
    fixed(&map, BASE + 3 * PAGE, 1).unwrap();
    let late = map.protect(
        BASE + 3 * PAGE,
        BASE + 4 * PAGE,
        READ_EXECUTE,
        ProtectMode::Current,
    );
    assert_eq!(late, Err(KernReturn::PROTECTION_FAILURE));
}

#[test]
fn a_child_gets_what_inheritance_says() {
    let _machine = Machine::boot();
    let map = new_map();
    for (page, inheritance) in [
        (0, VmInherit::Copy),
        (1, VmInherit::Share),
        (2, VmInherit::None),
    ] {
        let at = BASE + page * PAGE;
        fixed(&map, at, 1).unwrap();
        map.inherit(at, at + PAGE, inheritance).unwrap();
        store(&map, at, page + 10).unwrap();
    }
    let child = fork(&map);
    assert_eq!(load(&child, BASE), Ok(10));
    assert_eq!(load(&child, BASE + PAGE), Ok(11));
    assert_eq!(
        load(&child, BASE + 2 * PAGE),
        Err(KernReturn::INVALID_ADDRESS)
    );
    store(&map, BASE, 20).unwrap();
    store(&child, BASE + PAGE, 21).unwrap();
    assert_eq!(load(&child, BASE), Ok(10));
    assert_eq!(load(&map, BASE + PAGE), Ok(21));
    store(&child, BASE, 30).unwrap();
    assert_eq!(load(&map, BASE), Ok(20));
    validate(&map);
    validate(&child);
}

#[test]
fn shared_memory_that_was_copied_stays_shared_with_nobody_else() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    map.inherit(BASE, BASE + 2 * PAGE, VmInherit::Share)
        .unwrap();
    store(&map, BASE, 1).unwrap();
    let sharer = fork(&map);
    map.inherit(BASE, BASE + 2 * PAGE, VmInherit::Copy).unwrap();
    let copier = fork(&map);
    store(&sharer, BASE, 2).unwrap();
    assert_eq!(load(&map, BASE), Ok(2));
    assert_eq!(load(&copier, BASE), Ok(1));
    store(&copier, BASE, 3).unwrap();
    assert_eq!(load(&map, BASE), Ok(2));
    for each in [&map, &sharer, &copier] {
        validate(each);
    }
}

#[test]
fn a_chain_of_a_hundred_forks_keeps_its_depth_bounded_and_gives_everything_back() {
    let _machine = Machine::boot();
    let mut map = new_map();
    fixed(&map, BASE, 4).unwrap();
    for generation in 0..100 {
        store(&map, BASE + (generation % 4) * PAGE, generation).unwrap();
        let child = fork(&map);
        assert_eq!(load(&child, BASE + (generation % 4) * PAGE), Ok(generation));
        store(&child, BASE, 1000 + generation).unwrap();
        map = child;
        prim::reaper::quiesce();
        let depth = map.region(BASE).unwrap().shadow_depth;
        assert!(depth <= 3, "depth {depth} after {generation} forks");
        validate(&map);
    }
}

#[test]
fn copyin_of_little_travels_as_bytes_and_of_much_as_entries() {
    let _machine = Machine::boot();
    let map = new_map();
    let pages = SMALL_COPY_LIMIT / PAGE + 2;
    fixed(&map, BASE, pages).unwrap();
    for page in 0..pages {
        store(&map, BASE + page * PAGE, page + 1).unwrap();
    }
    let small = map.copyin(BASE + 4, 100, SourceFate::Keep).unwrap();
    let large = map.copyin(BASE, pages * PAGE, SourceFate::Keep).unwrap();
    small.validate().unwrap();
    large.validate().unwrap();
    assert_eq!(
        (small.kind(), large.kind()),
        (
            vm::vm_map::CopyKind::KernelBuffer,
            vm::vm_map::CopyKind::EntryList
        )
    );
    store(&map, BASE, 99).unwrap();
    let other = new_map();
    let at = other.copyout(large).ok().unwrap();
    for page in 0..pages {
        assert_eq!(load(&other, at + page * PAGE), Ok(page + 1));
    }
    store(&other, at + PAGE, 77).unwrap();
    assert_eq!(load(&map, BASE + PAGE), Ok(2));
    let at = other.copyout(small).ok().unwrap();
    let mut bytes = [0; 4];
    other.read_bytes(at, &mut bytes).unwrap();
    assert_eq!(bytes, [0, 0, 0, 0]);
    validate(&map);
    validate(&other);
}

#[test]
fn whole_pages_that_are_copied_at_once_are_frames_of_their_own() {
    let _machine = Machine::boot();
    let (map, other) = (new_map(), new_map());
    fixed(&map, BASE, 4).unwrap();
    for page in 0..4 {
        store(&map, BASE + page * PAGE, page + 1).unwrap();
        store(&map, BASE + page * PAGE + 24, page + 10).unwrap();
    }
    map.pmap().activate();
    let unaligned = map.copyin_at_once(BASE + 24, 3 * PAGE).unwrap();
    unaligned.validate().unwrap();
    assert_eq!(unaligned.kind(), CopyKind::PageList);
    store(&map, BASE + 24, 99).unwrap();
    let at = other.copyout(unaligned).ok().unwrap();
    for page in 0..3 {
        assert_eq!(load(&other, at + page * PAGE), Ok(page + 10));
    }
    assert_eq!(load(&other, at + PAGE - 24), Ok(2));
    // What is not whole pages, or too much, is taken as ever.
    map.pmap().activate();
    let part = map.copyin_at_once(BASE, PAGE - 1).unwrap();
    assert_eq!(part.kind(), CopyKind::KernelBuffer);
    fixed(&map, BASE + 8 * PAGE, AT_ONCE_LIMIT / PAGE + 1).unwrap();
    let much = map
        .copyin_at_once(BASE + 8 * PAGE, AT_ONCE_LIMIT + PAGE)
        .unwrap();
    assert_eq!(much.kind(), CopyKind::EntryList);
    // A hole, and memory that may not be read, are found half-way.
    for (at, cause) in [
        (BASE + 3 * PAGE, KernReturn::INVALID_ADDRESS),
        (u64::MAX - PAGE, KernReturn::INVALID_ADDRESS),
    ] {
        assert_eq!(map.copyin_at_once(at, 2 * PAGE).err(), Some(cause));
    }
    map.protect(
        BASE + PAGE,
        BASE + 2 * PAGE,
        VmProt::NONE,
        ProtectMode::Current,
    )
    .unwrap();
    assert_eq!(
        map.copyin_at_once(BASE, 2 * PAGE).err(),
        Some(KernReturn::PROTECTION_FAILURE)
    );
    pmap::deactivate();
    validate(&map);
    validate(&other);
}

#[test]
fn memory_that_is_given_away_moves_without_a_copy() {
    let _machine = Machine::boot();
    let (map, other) = (new_map(), new_map());
    let pages = SMALL_COPY_LIMIT / PAGE + 2;
    fixed(&map, BASE, pages + 2).unwrap();
    for page in 0..pages + 2 {
        store(&map, BASE + page * PAGE, page + 1).unwrap();
    }
    let frame = map.pmap().extract(BASE + PAGE).unwrap();
    let copy = map
        .copyin(BASE + PAGE, pages * PAGE, SourceFate::Destroy)
        .unwrap();
    assert_eq!(load(&map, BASE + PAGE), Err(KernReturn::INVALID_ADDRESS));
    assert_eq!(load(&map, BASE), Ok(1));
    let at = other.copyout(copy).ok().unwrap();
    store(&other, at, 5).unwrap();
    assert_eq!(load(&other, at + PAGE), Ok(3));
    drop(map);
    prim::reaper::quiesce();
    store(&other, at, 6).unwrap();
    let _ = frame;
    validate(&other);
}

#[test]
fn copyin_refuses_holes_and_unreadable_memory_and_changes_nothing() {
    let _machine = Machine::boot();
    let map = new_map();
    let pages = SMALL_COPY_LIMIT / PAGE + 4;
    fixed(&map, BASE, pages).unwrap();
    store(&map, BASE, 1).unwrap();
    map.protect(
        BASE + PAGE,
        BASE + 2 * PAGE,
        VmProt::NONE,
        ProtectMode::Current,
    )
    .unwrap();
    let fate = SourceFate::Destroy;
    assert_eq!(
        map.copyin(BASE, pages * PAGE, fate).err(),
        Some(KernReturn::PROTECTION_FAILURE)
    );
    map.protect(BASE + PAGE, BASE + 2 * PAGE, READ, ProtectMode::Current)
        .unwrap();
    assert_eq!(
        map.copyin(BASE, (pages + 1) * PAGE, fate).err(),
        Some(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(
        map.copyin(BASE, u64::MAX, fate).err(),
        Some(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(map.size(), pages * PAGE);
    store(&map, BASE, 2).unwrap();
}

#[test]
fn a_copy_that_finds_no_room_comes_back() {
    let _machine = Machine::boot();
    let (map, other) = (new_map(), new_map());
    let pages = SMALL_COPY_LIMIT / PAGE + 2;
    fixed(&map, BASE, pages).unwrap();
    store(&map, BASE, 8).unwrap();
    let copy = map.copyin(BASE, pages * PAGE, SourceFate::Destroy).unwrap();
    other.set_limits(MapLimits {
        size: PAGE,
        user_wire: 0,
    });
    let Err((KernReturn::NO_SPACE, copy)) = other.copyout(copy) else {
        panic!("it fits?")
    };
    let at = map.copyout(copy).ok().unwrap();
    assert_eq!(load(&map, at), Ok(8));
}

#[test]
fn frames_of_a_device_are_mapped_not_copied() {
    let _machine = Machine::boot();
    let map = new_map();
    let mut frames = Vec::new();
    for _ in 0..3 {
        frames.push(prim::frames::allocate_zeroed(Reserve::Normal).unwrap());
    }
    let number = frames[1].number();
    machine::frame_memory::write(number, 0, &42u64.to_le_bytes());
    let copy = VmMapCopy::from_frames(frames, 2 * PAGE + 10).unwrap();
    let at = map.copyout(copy).ok().unwrap();
    assert_eq!(load(&map, at + PAGE), Ok(42));
    assert_eq!(map.pmap().extract(at + PAGE), Some(number));
    assert_eq!(map.size(), 3 * PAGE);
    validate(&map);
}

#[test]
fn a_loan_can_be_read_and_never_written() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    store(&map, BASE, 4).unwrap();
    let object = map.read().entry(BASE).unwrap().object().unwrap().clone();
    let lend = || VmMapCopy::lend(object.clone(), 0, 2 * PAGE).unwrap();
    let at = map.copyout(lend()).ok().unwrap();
    assert_eq!(load(&map, at), Ok(4));
    assert_eq!(store(&map, at, 5), Err(KernReturn::PROTECTION_FAILURE));
    let raised = map.protect(at, at + PAGE, READ_WRITE, ProtectMode::Current);
    assert_eq!(raised, Err(KernReturn::PROTECTION_FAILURE));
    fixed(&map, BASE + 8 * PAGE, 2).unwrap();
    map.copy_overwrite(BASE + 8 * PAGE, lend()).unwrap();
    store(&map, BASE + 8 * PAGE, 6).unwrap();
    assert_eq!(load(&map, BASE), Ok(4));
    assert!(lend().into_pages(vm::vm_fault::FaultOptions::USER).is_err());
    drop(object);
}

#[test]
fn overwrite_by_a_copy_keeps_the_attributes_of_the_destination() {
    let _machine = Machine::boot();
    let (map, other) = (new_map(), new_map());
    let pages = SMALL_COPY_LIMIT / PAGE + 2;
    fixed(&map, BASE, pages).unwrap();
    fixed(&other, BASE, pages + 2).unwrap();
    other
        .inherit(BASE, BASE + 2 * PAGE, VmInherit::None)
        .unwrap();
    for page in 0..pages {
        store(&map, BASE + page * PAGE, page + 1).unwrap();
        store(&other, BASE + page * PAGE, 100 + page).unwrap();
    }
    let copy = map.copyin(BASE, pages * PAGE, SourceFate::Keep).unwrap();
    other.copy_overwrite(BASE + PAGE, copy).unwrap();
    assert_eq!(load(&other, BASE), Ok(100));
    for page in 0..pages {
        assert_eq!(load(&other, BASE + (page + 1) * PAGE), Ok(page + 1));
    }
    assert_eq!(
        other.region(BASE + PAGE).unwrap().inheritance,
        VmInherit::None
    );
    // Unaligned, so by bytes.
    let copy = map
        .copyin(BASE + 8, pages * PAGE - 8, SourceFate::Keep)
        .unwrap();
    other.copy_overwrite(BASE + 16, copy).unwrap();
    let mut word = [0; 8];
    other.read_bytes(BASE + 16 + (PAGE - 8), &mut word).unwrap();
    assert_eq!(u64::from_le_bytes(word), 2);
    other
        .protect(BASE + PAGE, BASE + 2 * PAGE, READ, ProtectMode::Current)
        .unwrap();
    let copy = map.copyin(BASE, pages * PAGE, SourceFate::Keep).unwrap();
    assert_eq!(
        other.copy_overwrite(BASE, copy),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    validate(&other);
}

#[test]
fn remap_shares_or_copies() {
    let _machine = Machine::boot();
    let (map, other) = (new_map(), new_map());
    fixed(&map, BASE, 3).unwrap();
    store(&map, BASE + PAGE, 1).unwrap();
    let request = RemapRequest {
        placement: Placement::Anywhere(0),
        size: 2 * PAGE,
        mask: 0,
        hold: Hold::Share,
        inheritance: VmInherit::Share,
        protection: None,
    };
    let shared = other.remap(&map, BASE + PAGE, request).unwrap();
    let copied = map
        .remap(
            &map,
            BASE + PAGE,
            RemapRequest {
                hold: Hold::Copy,
                ..request
            },
        )
        .unwrap();
    assert_eq!(
        (shared.protection, shared.max_protection),
        (READ_WRITE, VmProt::ALL)
    );
    store(&other, shared.address, 2).unwrap();
    assert_eq!(load(&map, BASE + PAGE), Ok(2));
    assert_eq!(load(&map, copied.address), Ok(1));
    let read_only = RemapRequest {
        protection: Some((READ, READ)),
        ..request
    };
    let window = other.remap(&map, BASE + PAGE, read_only).unwrap();
    assert_eq!(load(&other, window.address), Ok(2));
    assert_eq!(
        store(&other, window.address, 3),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    assert_eq!(
        other.remap(&map, BASE + 2 * PAGE, request).err(),
        Some(KernReturn::INVALID_ADDRESS)
    );
    validate(&map);
    validate(&other);
}

/// A copy object that is put in front of an older one may be taken over by a later, larger copy: then every page that it
/// covers must fault on the next write, also those that the older one had its own copies of.
#[test]
fn a_copy_object_that_is_used_again_sees_no_later_write() {
    let _machine = Machine::boot();
    let (map, other) = (new_map(), new_map());
    fixed(&map, BASE, 8).unwrap();
    let remap = |page: u64, pages: u64, hold| {
        let request = RemapRequest {
            placement: Placement::Anywhere(0),
            size: pages * PAGE,
            mask: 0,
            hold,
            inheritance: VmInherit::Copy,
            protection: None,
        };
        other
            .remap(&map, BASE + page * PAGE, request)
            .unwrap()
            .address
    };
    remap(0, 8, Hold::Share);
    store(&map, BASE + 5 * PAGE, 1).unwrap();
    let first = remap(0, 8, Hold::Copy);
    store(&map, BASE + 5 * PAGE, 2).unwrap();
    let _second = remap(0, 2, Hold::Copy);
    let third = remap(4, 4, Hold::Copy);
    store(&map, BASE + 5 * PAGE, 3).unwrap();
    assert_eq!(load(&other, third + PAGE), Ok(2));
    assert_eq!(load(&other, first + 5 * PAGE), Ok(1));
    validate(&map);
    validate(&other);
}

#[test]
fn a_debugger_gets_write_access_by_a_private_copy() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    store(&map, BASE, 1).unwrap();
    map.protect(BASE, BASE + 2 * PAGE, READ_EXECUTE, ProtectMode::Maximum)
        .unwrap();
    let wanted = READ_WRITE | VmProt::COPY;
    map.protect(BASE, BASE + PAGE, wanted, ProtectMode::Current)
        .unwrap();
    store(&map, BASE, 2).unwrap();
    assert_eq!(load(&map, BASE), Ok(2));
    assert_eq!(
        store(&map, BASE + PAGE, 2),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    validate(&map);
}

#[test]
fn a_memory_entry_gives_no_more_than_it_says() {
    let _machine = Machine::boot();
    let (map, other) = (new_map(), new_map());
    let entry = MemoryEntry::create(3 * PAGE, READ_WRITE).unwrap();
    let mapping = |hold, protection, offset, pages| ObjectMapping {
        placement: Placement::Anywhere(0),
        size: pages * PAGE,
        mask: 0,
        backing: Backing::Entry(entry.clone()),
        offset,
        hold,
        protection,
        max_protection: protection,
        inheritance: VmInherit::Share,
        flags: EnterFlags::empty(),
        user_tag: 0,
    };
    let one = map
        .enter_mem_object(mapping(Hold::Share, READ_WRITE, 0, 3))
        .unwrap();
    let two = other
        .enter_mem_object(mapping(Hold::Share, READ, PAGE, 2))
        .unwrap();
    store(&map, one + PAGE, 5).unwrap();
    assert_eq!(load(&other, two), Ok(5));
    let copy = other
        .enter_mem_object(mapping(Hold::Copy, READ_WRITE, PAGE, 1))
        .unwrap();
    store(&map, one + PAGE, 6).unwrap();
    assert_eq!(load(&other, copy), Ok(5));
    store(&other, copy, 7).unwrap();
    assert_eq!(load(&map, one + PAGE), Ok(6));
    let beyond = map.enter_mem_object(mapping(Hold::Share, READ, 2 * PAGE, 2));
    assert_eq!(beyond, Err(KernReturn::INVALID_ARGUMENT));
    let more = map.enter_mem_object(mapping(Hold::Share, READ_EXECUTE, 0, 1));
    assert_eq!(more, Err(KernReturn::INVALID_RIGHT));
    let part = entry.part(PAGE, PAGE, READ).unwrap();
    assert_eq!((part.size(), part.protection()), (PAGE, READ));
    validate(&map);
    validate(&other);
}

#[test]
fn a_snapshot_entry_shows_the_past_to_everybody() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    store(&map, BASE, 1).unwrap();
    let entry = map
        .make_memory_entry(BASE, 2 * PAGE, READ_WRITE, Hold::Copy)
        .unwrap();
    store(&map, BASE, 2).unwrap();
    let mapping = ObjectMapping {
        placement: Placement::Anywhere(0),
        size: 2 * PAGE,
        mask: 0,
        backing: Backing::Entry(entry),
        offset: 0,
        hold: Hold::Share,
        protection: READ_WRITE,
        max_protection: READ_WRITE,
        inheritance: VmInherit::Copy,
        flags: EnterFlags::empty(),
        user_tag: 0,
    };
    let first = map.enter_mem_object(mapping.clone()).unwrap();
    store(&map, first, 3).unwrap();
    let second = map.enter_mem_object(mapping).unwrap();
    assert_eq!(load(&map, second), Ok(1));
    assert_eq!((load(&map, BASE), load(&map, first)), (Ok(2), Ok(3)));
    validate(&map);
}

#[test]
fn wired_memory_stays_resident_and_counts_against_the_limit() {
    let _machine = Machine::boot();
    let map = new_map();
    map.set_limits(MapLimits {
        size: u64::MAX,
        user_wire: 3 * PAGE,
    });
    fixed(&map, BASE, 4).unwrap();
    store(&map, BASE, 1).unwrap();
    let child = fork(&map);
    let all = map.wire(BASE, BASE + 4 * PAGE, READ, WireOwner::User);
    assert_eq!(all, Err(KernReturn::RESOURCE_SHORTAGE));
    map.wire(BASE, BASE + 2 * PAGE, READ, WireOwner::User)
        .unwrap();
    map.wire(BASE, BASE + 2 * PAGE, READ, WireOwner::User)
        .unwrap();
    assert_eq!(map.statistics().user_wired, 2 * PAGE);
    assert_eq!(prim::frames::counts().wired, 2);
    validate(&map);
    // Copy-on-write was resolved by the wiring: the page is this map's own.
    store(&map, BASE, 2).unwrap();
    assert_eq!(load(&child, BASE), Ok(1));
    let later = fork(&map);
    assert_eq!(load(&later, BASE), Ok(2));
    store(&map, BASE, 3).unwrap();
    assert_eq!(load(&later, BASE), Ok(2));
    assert_eq!(later.statistics().user_wired, 0);
    map.unwire(BASE, BASE + 2 * PAGE, WireOwner::User).unwrap();
    assert_eq!(prim::frames::counts().wired, 2);
    map.unwire(BASE, BASE + PAGE, WireOwner::User).unwrap();
    assert_eq!(prim::frames::counts().wired, 1);
    map.delete(BASE, BASE + 4 * PAGE).unwrap();
    assert_eq!(
        (map.statistics().user_wired, prim::frames::counts().wired),
        (0, 0)
    );
    assert_eq!(
        map.wire(BASE, BASE + PAGE, READ, WireOwner::User),
        Err(KernReturn::INVALID_ADDRESS)
    );
}

#[test]
fn a_kernel_wiring_holds_the_mapping_until_it_ends() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    map.wire(BASE, BASE + PAGE, READ, WireOwner::Kernel)
        .unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            map.delete(BASE, BASE + 2 * PAGE).unwrap();
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!done.load(std::sync::atomic::Ordering::SeqCst));
        map.unwire(BASE, BASE + PAGE, WireOwner::Kernel).unwrap();
    });
    assert_eq!(map.size(), 0);
}

#[test]
fn free_discards_private_pages_and_dontneed_keeps_them() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    store(&map, BASE, 1).unwrap();
    map.advise(BASE, BASE + 2 * PAGE, VmBehavior::DontNeed)
        .unwrap();
    assert_eq!(load(&map, BASE), Ok(1));
    let child = fork(&map);
    map.advise(BASE, BASE + PAGE, VmBehavior::Free).unwrap();
    assert_eq!(load(&map, BASE), Ok(1));
    child.terminate();
    drop(child);
    prim::reaper::quiesce();
    store(&map, BASE, 2).unwrap();
    map.advise(BASE, BASE + PAGE, VmBehavior::Free).unwrap();
    assert_eq!(load(&map, BASE), Ok(0));
    store(&map, BASE, 3).unwrap();
    map.advise(BASE, BASE + PAGE, VmBehavior::Zero).unwrap();
    assert_eq!(load(&map, BASE), Ok(0));
    assert_eq!(
        map.advise(BASE, BASE + 4 * PAGE, VmBehavior::Random),
        Err(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(
        map.advise(BASE, BASE + 4 * PAGE, VmBehavior::PageOut),
        Err(KernReturn::INVALID_ADDRESS)
    );
    // Nobody takes pages here.
    store(&map, BASE, 4).unwrap();
    map.advise(BASE, BASE + PAGE, VmBehavior::PageOut).unwrap();
    assert_eq!(load(&map, BASE), Ok(4));
}

#[test]
fn dispositions_of_holes_and_untouched_pages_are_empty() {
    use mach::page_info::PageDisposition;
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE + PAGE, 2).unwrap();
    store(&map, BASE + PAGE, 1).unwrap();
    let mut pages = [PageDisposition::FICTITIOUS; 4];
    map.page_range_info(BASE, &mut pages).unwrap();
    assert!(pages[0].is_empty() && pages[2].is_empty() && pages[3].is_empty());
    assert!(pages[1].contains(PageDisposition::PRESENT | PageDisposition::DIRTY));
    assert_eq!(map.page_info(BASE).err(), Some(KernReturn::INVALID_ADDRESS));
}

#[test]
fn a_region_query_in_a_hole_gives_the_next_entry() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE + 4 * PAGE, 2).unwrap();
    assert_eq!(map.region(BASE).unwrap().start, BASE + 4 * PAGE);
    assert_eq!(
        map.region(BASE + 6 * PAGE).err(),
        Some(KernReturn::INVALID_ADDRESS)
    );
}

#[test]
fn the_version_changes_with_every_exclusive_section_only() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 1).unwrap();
    load(&map, BASE).unwrap();
    let version = map.lookup(BASE, READ).unwrap().version;
    assert!(map.verify(version).is_some());
    load(&map, BASE).unwrap();
    assert!(map.verify(version).is_some());
    map.protect(BASE, BASE + PAGE, READ, ProtectMode::Current)
        .unwrap();
    assert!(map.verify(version).is_none());
}

#[test]
fn nothing_can_be_entered_into_a_terminated_map() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    store(&map, BASE, 1).unwrap();
    map.terminate();
    assert_eq!((map.size(), entries(&map)), (0, 0));
    assert_eq!(fixed(&map, BASE, 2), Err(KernReturn::INVALID_ADDRESS));
}

#[test]
fn the_kernel_reads_and_writes_across_pages_and_stops_at_a_hole() {
    let _machine = Machine::boot();
    let map = new_map();
    fixed(&map, BASE, 2).unwrap();
    let bytes: Vec<u8> = (0..PAGE).map(|byte| byte as u8).collect();
    map.write_bytes(BASE + PAGE / 2, &bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    map.read_bytes(BASE + PAGE / 2, &mut back).unwrap();
    assert_eq!(bytes, back);
    assert_eq!(
        map.write_bytes(BASE + 2 * PAGE - 4, &[1; 8]),
        Err(KernReturn::INVALID_ADDRESS)
    );
    map.protect(BASE, BASE + PAGE, READ, ProtectMode::Current)
        .unwrap();
    assert_eq!(
        map.write_bytes(BASE, &[1]),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    let child = fork(&map);
    map.protect(BASE, BASE + PAGE, READ_WRITE, ProtectMode::Current)
        .unwrap();
    map.write_bytes(BASE + PAGE / 2, &[0xee; 8]).unwrap();
    child.read_bytes(BASE + PAGE / 2, &mut back[..8]).unwrap();
    assert_eq!(back[..8], bytes[..8]);
}
