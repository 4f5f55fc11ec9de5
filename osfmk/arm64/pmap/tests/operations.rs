//! One rule of the pmap per test.

mod support;

use mach::VmProt;
use machine::host::mmu::{self, Fault};
use machine::host::tlb;
use pmap::{Pmap, RefMod, TableReserve, Wiring, kernel, pv_slab};
use prim::frames::{self, FrameState, Reserve};
use prim::thread::AddressSpace;
use support::*;

const VA: u64 = 0x1234_0000_0000;

#[test]
fn the_first_write_to_a_clean_page_is_recorded_and_the_second_does_not_fault() {
    let _machine = Machine::boot();
    let (pmap, frame) = (new_pmap(), frame());
    enter(&pmap, VA, frame.number(), READ_WRITE, READ);
    assert_eq!(pmap::refmod(frame.number()), RefMod::REFERENCED);
    assert!(!pmap.mapping(VA).unwrap().descriptor.is_writable_now());
    load(&pmap, VA).unwrap();
    let (root, asid) = mmu::active();
    assert!(mmu::store(root, asid, VA, &[7]).is_err());
    assert!(pmap.fast_fault(VA, VmProt::WRITE));
    mmu::store(root, asid, VA, &[7])
        .expect("one fault is enough, also where the read-only translation was cached");
    assert_eq!(pmap::refmod(frame.number()), RefMod::all());
    assert!(pmap.mapping(VA).unwrap().descriptor.is_writable_now());
    assert_eq!(load(&pmap, VA), Ok(7));
    pmap.remove(VA, VA + PAGE);
}

#[test]
fn clearing_modified_makes_the_next_write_fault_once_more() {
    let _machine = Machine::boot();
    let (pmap, frame) = (new_pmap(), frame());
    enter(&pmap, VA, frame.number(), READ_WRITE, VmProt::WRITE);
    store(&pmap, VA, 1).unwrap();
    pmap::clear_refmod(frame.number(), RefMod::MODIFIED);
    assert_eq!(pmap::refmod(frame.number()), RefMod::REFERENCED);
    load(&pmap, VA).unwrap();
    assert_eq!(pmap::refmod(frame.number()), RefMod::REFERENCED);
    store(&pmap, VA, 2).unwrap();
    assert_eq!(pmap::refmod(frame.number()), RefMod::all());
    drop(pmap);
}

#[test]
fn a_page_entered_without_access_is_not_referenced_until_it_is_used() {
    let _machine = Machine::boot();
    let (pmap, frame) = (new_pmap(), frame());
    enter(&pmap, VA, frame.number(), READ, NONE);
    assert_eq!(pmap::refmod(frame.number()), RefMod::empty());
    assert_eq!(load(&pmap, VA), Ok(0));
    assert_eq!(pmap::refmod(frame.number()), RefMod::REFERENCED);
    drop(pmap);
}

#[test]
fn a_write_that_the_mapping_forbids_goes_to_the_vm_layer_and_leaves_no_trace() {
    let _machine = Machine::boot();
    let (pmap, frame) = (new_pmap(), frame());
    enter(&pmap, VA, frame.number(), READ, NONE);
    assert!(matches!(
        store(&pmap, VA, 1),
        Err(ForVm(Fault::AccessFlag(_)))
    ));
    load(&pmap, VA).unwrap();
    assert!(matches!(
        store(&pmap, VA, 1),
        Err(ForVm(Fault::Permission(_)))
    ));
    assert_eq!(pmap::refmod(frame.number()), RefMod::REFERENCED);
    drop(pmap);
}

#[test]
fn protect_lowers_and_never_raises() {
    let _machine = Machine::boot();
    let (pmap, frame) = (new_pmap(), frame());
    enter(&pmap, VA, frame.number(), READ_WRITE, VmProt::WRITE);
    store(&pmap, VA, 1).unwrap();
    pmap.protect(VA, VA + PAGE, READ);
    assert!(store(&pmap, VA, 2).is_err());
    pmap.protect(VA, VA + PAGE, VmProt::ALL);
    assert!(store(&pmap, VA, 2).is_err());
    assert_eq!(load(&pmap, VA), Ok(1));
    pmap.protect(VA, VA + PAGE, NONE);
    assert_eq!(pmap.extract(VA), None);
    assert!(load(&pmap, VA).is_err());
}

#[test]
fn disconnect_removes_all_mappings_everywhere_and_tells_what_happened() {
    let _machine = Machine::boot();
    let frame = frame();
    let pmaps: Vec<_> = (0..20).map(|_| new_pmap()).collect();
    for pmap in &pmaps {
        enter(pmap, VA, frame.number(), READ_WRITE, READ);
        enter(pmap, VA + PAGE, frame.number(), READ, READ);
        load(pmap, VA).unwrap();
    }
    store(&pmaps[3], VA, 9).unwrap();
    assert_eq!(pmap::mapping_count(frame.number()), 40);
    assert_eq!(pmap::disconnect(frame.number()), RefMod::all());
    assert_eq!(pmap::mapping_count(frame.number()), 0);
    assert_eq!(tlb::reaches(frame.number()), None);
    assert!(
        pmaps
            .iter()
            .all(|pmap| pmap.table_count() == 0 && pmap.resident_count() == 0)
    );
    assert!(load(&pmaps[0], VA).is_err());
    assert_eq!(pv_slab::statistics().entries_in_use, 0);
}

#[test]
fn another_frame_at_the_same_address_replaces_the_first_by_break_before_make() {
    let _machine = Machine::boot();
    let (pmap, first, second) = (new_pmap(), frame(), frame());
    enter(&pmap, VA, first.number(), READ_WRITE, VmProt::WRITE);
    store(&pmap, VA, 1).unwrap();
    enter(&pmap, VA, second.number(), READ_WRITE, VmProt::WRITE);
    assert_eq!(load(&pmap, VA), Ok(0));
    assert!(!pmap::is_mapped(first.number()));
    assert_eq!((pmap.resident_count(), pmap.wired_count()), (1, 0));
    drop(pmap);
}

#[test]
fn a_dense_run_takes_one_table_per_leaf_and_gives_all_back() {
    let _machine = Machine::boot();
    let (pmap, frames) = (new_pmap(), some_frames(700));
    enter_run(
        &pmap,
        VA,
        &numbers(&frames),
        READ_WRITE,
        READ,
        Wiring::Pageable,
    );
    let leaves = if PAGE == 4096 { 2 } else { 1 };
    assert_eq!(
        pmap.table_count(),
        leaves + if PAGE == 4096 { 2 } else { 1 }
    );
    assert_eq!(pmap.resident_count(), 700);
    pmap.validate();
    for index in [0, 1, 300, 699] {
        assert_eq!(
            pmap.extract(VA + index * PAGE),
            Some(frames[index as usize].number())
        );
        load(&pmap, VA + index * PAGE).unwrap();
    }
    pmap.remove(VA + PAGE, VA + 699 * PAGE);
    assert_eq!(pmap.resident_count(), 2);
    assert!(load(&pmap, VA + 300 * PAGE).is_err());
    pmap.remove(0, machine::address::USER_MAX);
    assert_eq!(pmap.table_count(), 0);
}

#[test]
fn a_pmap_that_ends_gives_back_everything_even_while_a_cpu_is_still_in_it() {
    let _machine = Machine::boot();
    let (pmap, frames) = (new_pmap(), some_frames(50));
    enter_run(
        &pmap,
        VA,
        &numbers(&frames),
        READ_WRITE,
        READ,
        Wiring::Wired,
    );
    store(&pmap, VA, 1).unwrap();
    assert_eq!(pmap.wired_count(), 50);
    drop(pmap);
    // The root waits for this CPU to leave it; nothing is mapped there.
    let (root, asid) = mmu::active();
    assert_eq!(
        frames::state(root.frame()),
        Some(FrameState::PageTable),
        "the root was freed under a CPU"
    );
    assert!(mmu::load(root, asid, VA, &mut [0; 8]).is_err());
    assert!(frames.iter().all(|frame| !pmap::is_mapped(frame.number())));
}

#[test]
fn an_identifier_is_not_reused_while_translations_of_its_former_owner_are_cached() {
    let _machine = Machine::boot();
    pmap::asids().set_bits(4);
    let frames = some_frames(50);
    for (index, frame) in frames.iter().enumerate() {
        let pmap = new_pmap();
        enter(&pmap, VA, frame.number(), READ_WRITE, VmProt::WRITE);
        assert_eq!(load(&pmap, VA), Ok(0), "space {index} sees another's page");
        store(&pmap, VA, index as u64 + 1).unwrap();
    }
    pmap::asids().set_bits(16);
}

#[test]
fn more_spaces_than_identifiers_never_see_each_others_pages() {
    let _machine = Machine::boot();
    pmap::asids().set_bits(4);
    let (pmaps, frames): (Vec<_>, Vec<_>) = (0..30).map(|_| (new_pmap(), frame())).unzip();
    for (index, pmap) in pmaps.iter().enumerate() {
        enter(pmap, VA, frames[index].number(), READ_WRITE, VmProt::WRITE);
        store(pmap, VA, index as u64).unwrap();
    }
    for round in 0..5 {
        for (index, pmap) in pmaps.iter().enumerate() {
            assert_eq!(load(pmap, VA), Ok(index as u64), "round {round}");
        }
    }
    drop(pmaps);
    pmap::asids().set_bits(16);
}

#[test]
fn code_written_through_a_mapping_is_seen_by_the_fetches_of_the_next_executable_mapping() {
    let _machine = Machine::boot();
    let (pmap, frame) = (new_pmap(), frame());
    enter(&pmap, VA, frame.number(), READ_WRITE, VmProt::WRITE);
    store(&pmap, VA, 0xd65f_03c0).unwrap();
    pmap.protect(VA, VA + PAGE, READ);
    enter(
        &pmap,
        VA + PAGE,
        frame.number(),
        READ_EXECUTE,
        VmProt::EXECUTE,
    );
    assert_eq!(fetch(&pmap, VA + PAGE), Ok(0xd65f_03c0));
    assert!(fetch(&pmap, VA).is_err());
    drop(pmap);
}

#[test]
fn entering_without_reserve_changes_nothing_and_says_so() {
    let _machine = Machine::boot();
    let (pmap, frame) = (new_pmap(), frame());
    let mut reserve = TableReserve::new();
    let entered = pmap.enter(
        VA,
        frame.number(),
        READ,
        READ,
        Wiring::Pageable,
        &mut reserve,
    );
    assert_eq!(entered, Err(pmap::NeedsTables { entered: 0 }));
    assert_eq!((pmap.resident_count(), pmap.table_count()), (0, 0));
    assert!(!pmap::is_mapped(frame.number()));
    reserve.fill(Reserve::Normal).unwrap();
    pmap.enter(
        VA,
        frame.number(),
        READ,
        READ,
        Wiring::Pageable,
        &mut reserve,
    )
    .unwrap();
    // The second mapping of a frame takes a pv entry.
    let again = pmap.enter(
        VA + PAGE,
        frame.number(),
        READ,
        READ,
        Wiring::Pageable,
        &mut reserve,
    );
    if again.is_err() {
        reserve.fill(Reserve::Normal).unwrap();
        pmap.enter(
            VA + PAGE,
            frame.number(),
            READ,
            READ,
            Wiring::Pageable,
            &mut reserve,
        )
        .unwrap();
    }
    pmap.validate();
    drop((pmap, reserve));
}

#[test]
fn kernel_mappings_are_usable_at_once_and_devices_have_no_list() {
    let _machine = Machine::boot();
    let frames = some_frames(3);
    let va = kernel::WINDOW.start + 5 * PAGE;
    kernel::map(va, &numbers(&frames), READ_WRITE).unwrap();
    let mapping = Pmap::kernel().mapping(va + PAGE).unwrap();
    assert_eq!(mapping.frame, frames[1].number());
    assert!(mapping.descriptor.is_writable_now() && mapping.descriptor.is_referenced());
    assert!(!mapping.descriptor.is_user());
    assert_eq!(mapping.wiring, Wiring::Wired);
    let registers = machine::PhysAddr(0x900_0000);
    kernel::map_device(va + 8 * PAGE, registers, 2 * PAGE).unwrap();
    assert_eq!(
        Pmap::kernel().extract(va + 9 * PAGE),
        Some(registers.offset(PAGE).frame())
    );
    Pmap::kernel().validate();
    assert_eq!(Pmap::kernel().resident_count(), 5);
    kernel::unmap(va, 16 * PAGE);
    assert_eq!(
        Pmap::kernel().statistics(),
        pmap::Statistics {
            resident: 0,
            wired: 0,
            tables: 0
        }
    );
}

#[test]
fn wiring_is_counted_however_the_mapping_goes() {
    let _machine = Machine::boot();
    let (pmap, frames) = (new_pmap(), some_frames(3));
    enter_run(&pmap, VA, &numbers(&frames), READ, READ, Wiring::Wired);
    pmap.change_wiring(VA, Wiring::Pageable);
    pmap.change_wiring(VA, Wiring::Pageable);
    pmap.change_wiring(VA + 7 * PAGE, Wiring::Wired);
    assert_eq!(pmap.wired_count(), 2);
    pmap::disconnect(frames[1].number());
    assert_eq!(pmap.wired_count(), 1);
    enter(&pmap, VA + 2 * PAGE, frames[2].number(), READ, READ);
    assert_eq!(pmap.wired_count(), 0);
    pmap.validate();
    drop(pmap);
}

#[test]
fn page_tables_are_counted_as_such_and_returned() {
    let _machine = Machine::boot();
    let before = frames::counts().page_tables;
    let (pmap, frame) = (new_pmap(), frame());
    enter(&pmap, VA, frame.number(), READ, READ);
    let tables = pmap.table_count() as usize;
    assert_eq!(frames::counts().page_tables, before + 1 + tables);
    pmap.remove(VA, VA + PAGE);
    assert_eq!(frames::counts().page_tables, before + 1);
    pmap.activate();
    drop(pmap);
}
