//! The checks of the user-visible calls, in XNU's order and with XNU's codes.
#![allow(missing_docs)]

mod map_support;

use mach::vm_flags::VmFlags;
use mach::vm_sync::VmSync;
use mach::{KernReturn, VmBehavior, VmProt};
use map_support::*;
use vm::vm_map::{Backing, Hold, ProtectMode, VmMap};
use vm::vm_user::sanitize::{self, Span, Start, ZeroSize};
use vm::vm_user::*;

const BASE: u64 = 0x5000_0000;

fn addr(address: u64) -> UserAddr {
    UserAddr(address)
}

fn allocate(map: &VmMap, address: u64, size: u64, flags: VmFlags) -> Result<u64, KernReturn> {
    mach_vm_allocate(map, addr(address), UserSize(size), flags.bits())
}

#[test]
fn ranges_are_sanitised_in_the_documented_order() {
    let _machine = Machine::boot();
    let map = new_map();
    let check = |address, size, zero, start| {
        sanitize::addr_size(&map, addr(address), UserSize(size), zero, start)
    };
    let bad = Err(KernReturn::INVALID_ARGUMENT);
    assert_eq!(check(1, 0, ZeroSize::Succeeds, Start::Aligned), bad);
    assert_eq!(check(PAGE, 0, ZeroSize::Succeeds, Start::Aligned), Ok(None));
    assert_eq!(check(PAGE + 1, 0, ZeroSize::Fails, Start::Anywhere), bad);
    let empty = Span {
        start: PAGE,
        end: PAGE,
    };
    assert_eq!(
        check(PAGE + 1, 0, ZeroSize::FallsThrough, Start::Anywhere),
        Ok(Some(empty))
    );
    assert_eq!(check(u64::MAX, 2, ZeroSize::Fails, Start::Anywhere), bad);
    assert_eq!(
        check(u64::MAX - PAGE, PAGE, ZeroSize::Fails, Start::Anywhere),
        bad
    );
    let two = Span {
        start: PAGE,
        end: 3 * PAGE,
    };
    assert_eq!(
        check(2 * PAGE - 1, 2, ZeroSize::Fails, Start::Anywhere),
        Ok(Some(two))
    );
}

#[test]
fn allocate_and_deallocate_answer_like_xnu() {
    let _machine = Machine::boot();
    let map = new_map();
    assert_eq!(allocate(&map, 5, 0, VmFlags::ANYWHERE), Ok(0));
    assert_eq!(allocate(&map, BASE + 1, 1, VmFlags::FIXED), Ok(BASE));
    assert_eq!(
        allocate(&map, BASE, 1, VmFlags::FIXED),
        Err(KernReturn::NO_SPACE)
    );
    assert_eq!(allocate(&map, BASE, 1, VmFlags::OVERWRITE), Ok(BASE));
    assert_eq!(
        allocate(&map, u64::MAX, 2, VmFlags::FIXED),
        Err(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(
        allocate(&map, 0, u64::MAX, VmFlags::ANYWHERE),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(
        allocate(&map, 0, PAGE, VmFlags::from_bits_retain(0x100)),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    let superpage = VmFlags::ANYWHERE | VmFlags::from_bits_retain(0x1_0000);
    assert_eq!(
        allocate(&map, 0, PAGE, superpage),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    let first = allocate(
        &map,
        BASE + 100 * PAGE,
        PAGE,
        VmFlags::ANYWHERE.with_tag(30),
    )
    .unwrap();
    assert_eq!(first, map.min_offset());
    assert_eq!(map.region(first).unwrap().user_tag, 30);
    let random = allocate(&map, 0, PAGE, VmFlags::ANYWHERE | VmFlags::RANDOM_ADDR).unwrap();
    assert_eq!(store(&map, random, 1), Ok(()));
    assert_eq!(mach_vm_deallocate(&map, addr(BASE), UserSize(0)), Ok(()));
    assert_eq!(
        mach_vm_deallocate(&map, addr(0), UserSize(map.max_offset())),
        Ok(())
    );
    assert_eq!(map.size(), 0);
    assert_eq!(
        mach_vm_deallocate(&map, addr(u64::MAX), UserSize(2)),
        Err(KernReturn::INVALID_ARGUMENT)
    );
}

#[test]
fn changes_of_ranges_answer_like_xnu() {
    let _machine = Machine::boot();
    let map = new_map();
    allocate(&map, BASE, 2 * PAGE, VmFlags::FIXED).unwrap();
    let protect = |address, size, bits| {
        mach_vm_protect(
            &map,
            addr(address),
            UserSize(size),
            ProtectMode::Current,
            bits,
        )
    };
    assert_eq!(protect(BASE, 0, 1), Ok(()));
    assert_eq!(protect(BASE, PAGE, 8), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(protect(u64::MAX, 2, 1), Err(KernReturn::INVALID_ADDRESS));
    assert_eq!(protect(BASE, 3 * PAGE, 1), Err(KernReturn::INVALID_ADDRESS));
    assert_eq!(protect(BASE, PAGE, 7), Err(KernReturn::PROTECTION_FAILURE));
    assert_eq!(protect(BASE + PAGE, 1, 4), Ok(()));
    assert_eq!(map.region(BASE + PAGE).unwrap().protection, READ_EXECUTE);
    assert_eq!(
        mach_vm_inherit(&map, addr(BASE), UserSize(PAGE), 3),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(
        mach_vm_inherit(&map, addr(BASE), UserSize(9 * PAGE), 2),
        Ok(())
    );
    let behave = |size, advice| mach_vm_behavior_set(&map, addr(BASE), UserSize(size), advice);
    assert_eq!(behave(PAGE, 99), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(
        behave(3 * PAGE, VmBehavior::Random.raw()),
        Err(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(behave(2 * PAGE, VmBehavior::WillNeed.raw()), Ok(()));
    let sync = |size, flags: VmSync| mach_vm_msync(&map, addr(BASE), UserSize(size), flags.bits());
    assert_eq!(
        sync(PAGE, VmSync::SYNCHRONOUS | VmSync::ASYNCHRONOUS),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(sync(4 * PAGE, VmSync::SYNCHRONOUS), Ok(()));
    assert_eq!(
        sync(4 * PAGE, VmSync::SYNCHRONOUS | VmSync::CONTIGUOUS),
        Err(KernReturn::INVALID_ADDRESS)
    );
    assert_eq!(
        mach_vm_purgable_control(&map, addr(BASE), 1),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(
        mach_vm_purgable_control(&map, addr(BASE + PAGE), 1),
        Err(KernReturn::PROTECTION_FAILURE)
    );
    assert_eq!(mach_vm_wire(&map, addr(BASE), UserSize(PAGE), 1), Ok(()));
    assert_eq!(mach_vm_wire(&map, addr(BASE), UserSize(PAGE), 0), Ok(()));
    validate(&map);
}

#[test]
fn reads_writes_and_copies_go_through_maps() {
    let _machine = Machine::boot();
    let (map, caller) = (new_map(), new_map());
    allocate(&map, BASE, 40 * PAGE, VmFlags::FIXED).unwrap();
    allocate(&caller, BASE, 40 * PAGE, VmFlags::FIXED).unwrap();
    store(&map, BASE + 8, 5).unwrap();
    store(&map, BASE + 30 * PAGE, 6).unwrap();
    for size in [100, 39 * PAGE] {
        let copy = mach_vm_read(&map, addr(BASE), UserSize(size)).unwrap();
        mach_vm_write(&caller, addr(BASE + PAGE), copy).unwrap();
        assert_eq!(load(&caller, BASE + PAGE + 8), Ok(5));
    }
    assert_eq!(load(&caller, BASE + 31 * PAGE), Ok(6));
    let done = mach_vm_read_overwrite(&map, addr(BASE + 8), UserSize(8), &caller, addr(BASE));
    assert_eq!((done, load(&caller, BASE)), (Ok(8), Ok(5)));
    mach_vm_copy(&map, addr(BASE), UserSize(16), addr(BASE + 3 * PAGE)).unwrap();
    assert_eq!(load(&map, BASE + 3 * PAGE + 8), Ok(5));
    let far = mach_vm_read(&map, addr(BASE), UserSize(41 * PAGE));
    assert_eq!(far.err(), Some(KernReturn::INVALID_ADDRESS));
}

#[test]
fn map_and_memory_entries_answer_like_xnu() {
    let _machine = Machine::boot();
    let map = new_map();
    let arguments = MapArguments {
        address: addr(0),
        size: UserSize(2 * PAGE),
        mask: 0,
        flags: VmFlags::ANYWHERE.bits(),
        backing: Backing::Anonymous,
        offset: 0,
        hold: Hold::Share,
        protection: 3,
        max_protection: 1,
        inheritance: 1,
    };
    let at = mach_vm_map(&map, arguments.clone()).unwrap();
    assert_eq!(map.region(at).unwrap().protection, READ);
    let aligned = MapArguments {
        mask: 0xf_ffff,
        ..arguments.clone()
    };
    assert_eq!(mach_vm_map(&map, aligned).unwrap() & 0xf_ffff, 0);
    let odd_mask = MapArguments {
        mask: 0xf_fffe,
        ..arguments.clone()
    };
    assert_eq!(
        mach_vm_map(&map, odd_mask),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    let empty = MapArguments {
        size: UserSize(0),
        ..arguments.clone()
    };
    assert_eq!(mach_vm_map(&map, empty), Err(KernReturn::INVALID_ARGUMENT));

    let source = allocate(&map, BASE, 4 * PAGE, VmFlags::FIXED).unwrap();
    store(&map, source + PAGE + 64, 9).unwrap();
    let flags = 0x40_0000 | 0x10_0000 | 3;
    let (entry, size) =
        mach_make_memory_entry(&map, UserSize(100), addr(source + PAGE + 64), flags, None).unwrap();
    assert_eq!((size, entry.size(), entry.data_offset()), (100, PAGE, 64));
    let with_data = VmFlags::ANYWHERE | VmFlags::RETURN_DATA_ADDR;
    let window = MapArguments {
        size: UserSize(100),
        flags: with_data.bits(),
        backing: Backing::Entry(entry.clone()),
        protection: 3,
        max_protection: 3,
        ..arguments.clone()
    };
    let data = mach_vm_map(&map, window.clone()).unwrap();
    assert_eq!((data & (PAGE - 1), load(&map, data)), (64, Ok(9)));
    store(&map, data, 10).unwrap();
    assert_eq!(load(&map, source + PAGE + 64), Ok(10));
    let too_much = MapArguments {
        protection: 5,
        max_protection: 7,
        ..window.clone()
    };
    assert_eq!(mach_vm_map(&map, too_much), Err(KernReturn::INVALID_RIGHT));
    let masked = MapArguments {
        protection: 7 | 0x40,
        max_protection: 7 | 0x40,
        ..window
    };
    let masked = mach_vm_map(&map, masked).unwrap();
    assert_eq!(map.region(masked).unwrap().protection, READ_WRITE);
    let (copy, _) =
        mach_make_memory_entry(&map, UserSize(PAGE), addr(source), 0x20_0000 | 1, None).unwrap();
    let nested = mach_make_memory_entry(&map, UserSize(PAGE), addr(0), 1, Some(&copy));
    assert_eq!(nested.err(), Some(KernReturn::INVALID_ARGUMENT));
    validate(&map);
}

#[test]
fn remap_and_region_answer_like_xnu() {
    let _machine = Machine::boot();
    let map = new_map();
    allocate(&map, BASE, 2 * PAGE, VmFlags::FIXED).unwrap();
    store(&map, BASE, 3).unwrap();
    let arguments = RemapArguments {
        address: addr(0),
        size: UserSize(PAGE),
        mask: 0,
        flags: (VmFlags::ANYWHERE | VmFlags::RETURN_DATA_ADDR).bits(),
        source: addr(BASE + 16),
        hold: Hold::Share,
        protection: None,
        inheritance: 1,
    };
    let shared = mach_vm_remap(&map, &map, arguments).unwrap();
    assert_eq!(shared.address & (PAGE - 1), 16);
    assert_eq!(shared.max_protection, VmProt::ALL);
    let code = RemapArguments {
        protection: Some((7, 7)),
        ..arguments
    };
    assert_eq!(
        mach_vm_remap(&map, &map, code).err(),
        Some(KernReturn::PROTECTION_FAILURE)
    );
    let (start, size, info) = mach_vm_region_recurse(&map, addr(BASE)).unwrap();
    assert_eq!(
        (start, size, info.pages_resident, info.is_submap),
        (BASE, 2 * PAGE, 1, 0)
    );
    let Ok((_, _, RegionAnswer::Basic64(basic))) = mach_vm_region(&map, addr(BASE), 9) else {
        panic!("no answer")
    };
    assert_eq!((basic.protection, basic.max_protection), (3, 7));
    assert!(matches!(
        mach_vm_region(&map, addr(BASE), 10),
        Ok((_, _, RegionAnswer::Basic32(_)))
    ));
    assert!(matches!(
        mach_vm_region(&map, addr(BASE), 13),
        Ok((_, _, RegionAnswer::Extended(_)))
    ));
    assert!(matches!(
        mach_vm_region(&map, addr(BASE), 12),
        Ok((_, _, RegionAnswer::Top(_)))
    ));
    assert_eq!(
        mach_vm_region(&map, addr(BASE), 11).err(),
        Some(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(mach_vm_page_query(&map, addr(1)), Ok((0, 0)));
    let mut pages = [Default::default(); 3];
    assert_eq!(
        mach_vm_page_range_query(&map, addr(BASE), UserSize(2 * PAGE), &mut pages),
        Ok(2)
    );
    let wrapping = mach_vm_page_range_query(&map, addr(u64::MAX), UserSize(2), &mut pages);
    assert_eq!(wrapping, Err(KernReturn::INVALID_ADDRESS));
}
