//! Faults of whole address spaces: true page tables, simulated hardware, the map side and the object side together.

use alloc::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec;
use std::vec::Vec;

use mach::{CopyStrategy, KernReturn, VmBehavior, VmInherit, VmProt};
use machine::copyio;
use machine::page::PAGE_SIZE;
use pmap::Pmap;
use prim::frames::Reserve;
use prim::thread::AddressSpace;
use proptest::prelude::*;

use super::fault;
use super::resolve::{Blocked, Demand, Progress, Purpose, advance};
use super::spares::Spares;
use crate::memory_object::fake::{FakePager, PagerEnd, contents, frame_with, honest, store};
use crate::memory_object::{
    Attributes, Fallback, Lock, LockRequest, MemoryControl, Reply, ShouldReturn,
};
use crate::vm_map::{EnterRequest, Placement, ProtectMode, VmMap};
use crate::vm_object::ObjectRef;
use crate::vm_object::tests::{OPTIONS, PAGE, cases, fill, leaves_nothing_behind, read};
use crate::vm_statistics;

mod code;

const MIN: u64 = 16 * PAGE;
const MAX: u64 = 4096 * PAGE;
const BASE: u64 = 64 * PAGE;

/// A task, as far as memory goes.
struct Task {
    map: Arc<VmMap>,
}

fn pmap() -> Arc<Pmap> {
    Pmap::create(Reserve::Normal).unwrap()
}

impl Task {
    fn new() -> Task {
        Task {
            map: VmMap::create(pmap(), MIN, MAX).unwrap(),
        }
    }

    fn fork(&self) -> Task {
        Task {
            map: self.map.fork(pmap()).unwrap(),
        }
    }

    fn allocate(&self, at: u64, pages: u64) {
        self.map
            .enter(EnterRequest::anonymous(Placement::Fixed(at), pages * PAGE))
            .unwrap();
    }

    fn allocate_shared(&self, at: u64, pages: u64) {
        let request = EnterRequest::anonymous(Placement::Fixed(at), pages * PAGE);
        self.map
            .enter(EnterRequest {
                inheritance: VmInherit::Share,
                ..request
            })
            .unwrap();
    }

    /// MAP_SHARED.
    fn map_shared(&self, at: u64, pages: u64, object: &ObjectRef) {
        let request =
            EnterRequest::of_object(Placement::Fixed(at), pages * PAGE, object.clone(), 0);
        self.map
            .enter(EnterRequest {
                inheritance: VmInherit::Share,
                ..request
            })
            .unwrap();
    }

    /// MAP_PRIVATE.
    fn map_private(&self, at: u64, pages: u64, object: &ObjectRef) {
        let mapping = crate::vm_map::ObjectMapping {
            placement: Placement::Fixed(at),
            size: pages * PAGE,
            mask: 0,
            backing: crate::vm_map::Backing::Object(object.clone()),
            offset: 0,
            hold: crate::vm_map::Hold::Copy,
            protection: VmProt::DEFAULT,
            max_protection: VmProt::ALL,
            inheritance: VmInherit::Copy,
            flags: crate::vm_map::EnterFlags::empty(),
            user_tag: 0,
        };
        self.map.enter_mem_object(mapping).unwrap();
    }

    /// What a program's store does: the hardware faults, the kernel resolves, the instruction runs again.
    fn store(&self, at: u64, bytes: &[u8]) -> Result<(), KernReturn> {
        self.map.pmap().activate();
        let mut done = 0;
        while let Err(stopped) = copyio::copyout(&bytes[done..], at + done as u64) {
            done += stopped.done;
            self.resolve(stopped.address, VmProt::READ | VmProt::WRITE)?;
        }
        Ok(())
    }

    fn load(&self, at: u64, length: usize) -> Result<Vec<u8>, KernReturn> {
        self.map.pmap().activate();
        let mut bytes = vec![0; length];
        let mut done = 0;
        while let Err(stopped) = copyio::copyin(at + done as u64, &mut bytes[done..]) {
            done += stopped.done;
            self.resolve(stopped.address, VmProt::READ)?;
        }
        Ok(bytes)
    }

    fn resolve(&self, address: u64, access: VmProt) -> Result<(), KernReturn> {
        if self.map.pmap().fast_fault(address, access) {
            Ok(())
        } else {
            fault(&self.map, address, access, false)
        }
    }

    fn byte(&self, at: u64) -> u8 {
        self.load(at, 1).unwrap()[0]
    }

    fn validate(&self) {
        self.map.validate().unwrap();
        self.map.pmap().validate();
        let mut at = MIN;
        while let Some(object) = self.object_at_or_after(&mut at) {
            object.validate();
        }
    }

    fn object_at_or_after(&self, at: &mut u64) -> Option<ObjectRef> {
        while *at < MAX {
            let here = *at;
            *at += PAGE;
            // A lookup would make objects; only those that exist are of interest.
            if self.map.pmap().extract(here).is_some()
                && let Ok(found) = self.map.lookup(here, VmProt::READ)
            {
                return Some(found.object);
            }
        }
        None
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        pmap::deactivate();
        self.map.terminate();
    }
}

#[test]
fn memory_appears_when_it_is_touched_and_goes_with_the_mapping() {
    leaves_nothing_behind(|| {
        let task = Task::new();
        task.allocate(BASE, 8);
        assert_eq!(task.map.pmap().resident_count(), 0);
        assert_eq!(task.byte(BASE + 3 * PAGE), 0);
        task.store(BASE + 3 * PAGE - 2, &[1, 2, 3, 4]).unwrap();
        assert_eq!(task.load(BASE + 3 * PAGE - 2, 4).unwrap(), [1, 2, 3, 4]);
        assert_eq!(task.map.pmap().resident_count(), 2);
        task.validate();
        task.map.delete(BASE, BASE + 8 * PAGE).unwrap();
        assert_eq!(task.map.pmap().resident_count(), 0);
    });
}

#[test]
fn the_cause_of_a_failed_fault_says_what_is_wrong() {
    leaves_nothing_behind(|| {
        let task = Task::new();
        task.allocate(BASE, 2);
        assert_eq!(
            task.store(BASE + 2 * PAGE, &[1]),
            Err(KernReturn::INVALID_ADDRESS)
        );
        task.store(BASE, &[1]).unwrap();
        task.map
            .protect(BASE, BASE + PAGE, VmProt::READ, ProtectMode::Current)
            .unwrap();
        assert_eq!(task.store(BASE, &[2]), Err(KernReturn::PROTECTION_FAILURE));
        assert_eq!(task.byte(BASE), 1);
        let store = store(1);
        let (file, pager) = honest(&store);
        file.memory_control().unwrap().set_size(10).unwrap();
        task.map_shared(BASE + 8 * PAGE, 2, &file);
        assert_eq!(task.load(BASE + 8 * PAGE, 10).unwrap()[9], contents(9));
        assert_eq!(
            task.load(BASE + 9 * PAGE, 1),
            Err(KernReturn::MEMORY_ERROR),
            "past the end"
        );
        drop((task, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn fork_gives_private_copies_both_ways() {
    leaves_nothing_behind(|| {
        let parent = Task::new();
        parent.allocate(BASE, 4);
        (0..4).for_each(|page| parent.store(BASE + page * PAGE, &[page as u8 + 1]).unwrap());
        let child = parent.fork();
        assert_eq!(child.byte(BASE + PAGE), 2);
        let copies = vm_statistics::COW_FAULTS.get();
        parent.store(BASE, &[10]).unwrap();
        child.store(BASE + PAGE, &[20]).unwrap();
        assert_eq!(
            vm_statistics::COW_FAULTS.get() - copies,
            2,
            "one copy for each page written"
        );
        let bytes = |task: &Task| {
            (0..4)
                .map(|page| task.byte(BASE + page * PAGE))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (bytes(&parent), bytes(&child)),
            (vec![10, 2, 3, 4], vec![1, 20, 3, 4])
        );
        parent.validate();
        child.validate();
        drop(parent);
        prim::reaper::quiesce();
        assert_eq!(bytes(&child), [1, 20, 3, 4]);
        child.validate();
    });
}

#[test]
fn whoever_saw_the_old_page_through_a_shared_shadow_sees_the_new_one_after_a_write() {
    leaves_nothing_behind(|| {
        let task = Task::new();
        task.allocate(BASE, 2);
        (0..2).for_each(|page| task.store(BASE + page * PAGE, &[1]).unwrap());
        let copy = task.fork();
        task.map
            .inherit(BASE, BASE + 2 * PAGE, VmInherit::Share)
            .unwrap();
        let sharer = task.fork();
        assert_eq!((task.byte(BASE), sharer.byte(BASE)), (1, 1));
        task.store(BASE, &[2]).unwrap();
        assert_eq!((sharer.byte(BASE), copy.byte(BASE)), (2, 1));
        // The kernel writes where a program sees a page that is still to be copied.
        assert_eq!(copy.byte(BASE + PAGE), 1);
        copy.map.write_bytes(BASE + PAGE, &[3]).unwrap();
        assert_eq!((copy.byte(BASE + PAGE), task.byte(BASE + PAGE)), (3, 1));
    });
}

#[test]
fn a_hundred_forks_in_a_row_give_every_frame_back_and_bound_the_chain() {
    leaves_nothing_behind(|| {
        let mut task = Task::new();
        task.allocate(BASE, 3);
        (0..3).for_each(|page| task.store(BASE + page * PAGE, &[0]).unwrap());
        for generation in 1..=100_u8 {
            let child = task.fork();
            child
                .store(BASE + u64::from(generation) % 3 * PAGE, &[generation])
                .unwrap();
            task = child;
            prim::reaper::quiesce();
            let object = task.map.lookup(BASE, VmProt::READ).unwrap().object;
            assert!(
                object.shadow_depth() <= 1,
                "depth {}",
                object.shadow_depth()
            );
        }
        assert_eq!(
            [0, 1, 2].map(|page| task.byte(BASE + page * PAGE)),
            [99, 100, 98]
        );
        task.validate();
    });
}

#[test]
fn a_private_mapping_never_sees_later_writes_to_the_file() {
    leaves_nothing_behind(|| {
        let store = store(4);
        let (file, pager) = honest(&store);
        let (writer, reader) = (Task::new(), Task::new());
        writer.map_shared(BASE, 4, &file);
        assert_eq!(writer.byte(BASE), contents(0));
        writer.store(BASE + PAGE, &[77]).unwrap();
        reader.map_private(BASE, 4, &file);
        assert_eq!(reader.byte(BASE), contents(0));
        let pushes = vm_statistics::COPY_PUSHES.get();
        writer.store(BASE, &[100]).unwrap();
        writer.store(BASE + PAGE, &[101]).unwrap();
        fill(&file, 2, 102); // what write(2) does
        assert_eq!(vm_statistics::COPY_PUSHES.get() - pushes, 3);
        assert_eq!(
            [0, 1].map(|page| reader.byte(BASE + page * PAGE)),
            [contents(0), 77]
        );
        assert_eq!(reader.byte(BASE + 2 * PAGE), contents(2 * PAGE_SIZE));
        reader.store(BASE + 3 * PAGE, &[103]).unwrap();
        assert_eq!(
            writer.byte(BASE + 3 * PAGE),
            contents(3 * PAGE_SIZE),
            "the file is untouched"
        );
        assert_eq!(
            [0, 1, 2].map(|page| writer.byte(BASE + page * PAGE)),
            [100, 101, 102]
        );
        writer.validate();
        reader.validate();
        drop((writer, reader, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
        assert_eq!(store.lock().unwrap()[0], 100, "written back at the end");
    });
}

#[test]
fn two_mappings_of_one_file_share_one_object_and_its_pages() {
    leaves_nothing_behind(|| {
        let store = store(3);
        let (file, pager) = honest(&store);
        let (first, second) = (Task::new(), Task::new());
        first.map_shared(BASE, 3, &file);
        second.map_shared(BASE + 8 * PAGE, 3, &file);
        first.store(BASE, &[1, 2, 3]).unwrap();
        let resident = file.resident_count();
        assert_eq!(second.load(BASE + 8 * PAGE, 3).unwrap(), [1, 2, 3]);
        assert_eq!(read(&file, 0, 3), [1, 2, 3], "read(2) sees it too");
        assert_eq!(file.resident_count(), resident);
        assert_eq!(
            first.map.pmap().extract(BASE),
            second.map.pmap().extract(BASE + 8 * PAGE)
        );
        drop((first, second, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn a_first_touch_without_memory_for_the_object_is_tried_again() {
    use prim::thread::injection::{Site, fail_nth};
    leaves_nothing_behind(|| {
        let task = Task::new();
        task.allocate(BASE, 1);
        fail_nth(Site::Zones, 1);
        let stored = task.store(BASE, &[7]);
        fail_nth(Site::Zones, 0);
        stored.unwrap();
        assert_eq!(task.load(BASE, 1).unwrap(), [7]);
    });
}

#[test]
fn pages_of_a_file_that_are_not_here_do_not_count_as_paged_out() {
    leaves_nothing_behind(|| {
        let store = store(200);
        let (file, pager) = honest(&store);
        let task = Task::new();
        task.map_shared(BASE, 200, &file);
        task.byte(BASE);
        let (_, pages) = task.map.region_pages(BASE).unwrap();
        assert_eq!(pages.resident, file.resident_count());
        assert!(pages.resident < 200);
        assert_eq!(pages.paged_out, 0);
        drop((task, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn write_permission_reaches_the_page_table_only_for_a_write() {
    leaves_nothing_behind(|| {
        let store = store(1);
        let (file, pager) = honest(&store);
        let task = Task::new();
        task.map_shared(BASE, 1, &file);
        task.byte(BASE);
        assert!(
            copyio::copyout(&[1], BASE).is_err(),
            "only read so far: the hardware refuses a write"
        );
        let frame = task.map.pmap().extract(BASE).unwrap();
        assert!(!pmap::refmod(frame).contains(pmap::RefMod::MODIFIED));
        task.store(BASE, &[1]).unwrap();
        assert!(copyio::copyout(&[1], BASE).is_ok());
        assert!(pmap::refmod(frame).contains(pmap::RefMod::MODIFIED));
        drop((task, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn memory_mapped_until_it_is_refused_is_refused_with_a_shortage_and_given_back() {
    leaves_nothing_behind(|| {
        // Timers have a thread, which wants memory for its stack: the board starts it early.
        let _ = prim::thread::sleep(core::time::Duration::from_millis(1));
        let task = Task::new();
        let all = prim::frames::total() as u64 * 2;
        let greedy = VmMap::create(pmap(), MIN, MIN + (all + 64) * PAGE).unwrap();
        greedy
            .enter(EnterRequest::anonymous(Placement::Fixed(MIN), all * PAGE))
            .unwrap();
        let mut refused = None;
        for page in 0..all {
            if let Err(cause) = fault(
                &greedy,
                MIN + page * PAGE,
                VmProt::READ | VmProt::WRITE,
                true,
            ) {
                refused = Some((page, cause));
                break;
            }
        }
        let (page, cause) = refused.expect("memory is finite");
        assert_eq!(cause, KernReturn::RESOURCE_SHORTAGE);
        assert!(
            page > all / 4,
            "most of memory was had: {page} of {}",
            all / 2
        );
        greedy.terminate();
        drop(greedy);
        prim::reaper::quiesce();
        task.allocate(BASE, 1);
        task.store(BASE, &[1]).unwrap();
    });
}

#[test]
fn an_interrupted_fault_on_a_hung_pager_is_aborted_and_others_run_on() {
    leaves_nothing_behind(|| {
        let end = crate::memory_object::fake::FakePager::pair();
        let patience = Attributes {
            deadline: None,
            fallback: Fallback::KeepWaiting,
            ..Attributes::default()
        };
        let hung = ObjectRef::with_pager_and_attributes(end.pager.clone(), PAGE, patience).unwrap();
        end.expect_init()
            .change_attributes(true, CopyStrategy::Delay, Reply::NotWanted)
            .unwrap();
        let task = Arc::new(Task::new());
        task.map_shared(BASE, 1, &hung);
        task.allocate(BASE + 4 * PAGE, 1);
        let (sender, threads) = std::sync::mpsc::channel();
        let stuck = {
            let task = task.clone();
            std::thread::spawn(move || {
                sender.send(prim::thread::current().arc()).unwrap();
                fault(&task.map, BASE, VmProt::READ, true)
            })
        };
        end.expect_request();
        let thread = threads.recv().unwrap();
        task.store(BASE + 4 * PAGE, &[1]).unwrap();
        task.map.delete(BASE + 4 * PAGE, BASE + 5 * PAGE).unwrap();
        thread.interrupt();
        assert_eq!(stuck.join().unwrap(), Err(KernReturn::ABORTED));
        drop((thread, task, hung));
    });
}

/// An open object of one page, whose pager is the test, and the demand to read that page.
fn open_page() -> (PagerEnd, ObjectRef, Arc<MemoryControl>) {
    let end = FakePager::pair();
    let object = ObjectRef::with_pager(end.pager.clone(), PAGE).unwrap();
    let control = end.expect_init();
    control
        .change_attributes(true, CopyStrategy::Delay, Reply::NotWanted)
        .unwrap();
    (end, object, control)
}

fn to_read(object: &ObjectRef) -> Demand<'_> {
    Demand {
        object,
        offset: 0,
        access: VmProt::READ,
        protection: VmProt::READ,
        behavior: VmBehavior::Random,
        window: 0..PAGE,
        purpose: Purpose::Io,
    }
}

/// One attempt of a fault; what it is blocked on, or the first byte.
fn attempt(object: &ObjectRef, spares: &mut Spares) -> Result<u8, Blocked> {
    spares.refill_frame().unwrap();
    match advance(&to_read(object), spares) {
        Progress::Blocked(blocked) => Err(blocked),
        Progress::Ready(resolved) => {
            let mut byte = [0];
            machine::frame_memory::read(resolved.frame, 0, &mut byte);
            Ok(byte[0])
        }
    }
}

#[test]
fn a_fault_that_was_told_of_no_data_waits_when_the_page_was_asked_for_anew_meanwhile() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open_page();
        let mut slow = Spares::new(OPTIONS);
        assert!(matches!(
            attempt(&object, &mut slow),
            Err(Blocked::Ask { .. })
        ));
        control.data_unavailable(0, PAGE).unwrap();
        object.will_need(0, PAGE);
        end.expect_request();
        assert!(matches!(attempt(&object, &mut slow), Err(Blocked::Wait(_))));
        object.validate();
        let data = vec![frame_with(&[7])];
        control
            .data_supply(0, PAGE, data, Lock::NONE, Reply::NotWanted)
            .unwrap();
        assert!(matches!(attempt(&object, &mut slow), Ok(7)));
        object.validate();
    });
}

#[test]
fn a_fault_that_was_told_of_no_data_asks_again_when_the_page_has_come_and_gone_meanwhile() {
    leaves_nothing_behind(|| {
        let (end, object, control) = open_page();
        let (mut slow, mut quick) = (Spares::new(OPTIONS), Spares::new(OPTIONS));
        assert!(matches!(
            attempt(&object, &mut slow),
            Err(Blocked::Ask { .. })
        ));
        assert!(matches!(
            attempt(&object, &mut quick),
            Err(Blocked::Wait(_))
        ));
        control.data_unavailable(0, PAGE).unwrap();
        assert!(matches!(attempt(&object, &mut quick), Ok(0)));
        // The page is written, goes home, and is thrown out: the pager has data for it now.
        fill(&object, 0, 7);
        control
            .lock_request(LockRequest {
                offset: 0,
                length: PAGE,
                should_return: ShouldReturn::Dirty,
                flush: true,
                protection: None,
                reply: Reply::NotWanted,
            })
            .unwrap();
        let lent = end.expect_return();
        control
            .clean_completed(0, PAGE, lent.generation, KernReturn::SUCCESS)
            .unwrap();
        drop(lent);
        assert_eq!(object.resident_count(), 0);
        assert!(
            matches!(attempt(&object, &mut slow), Err(Blocked::Ask { .. })),
            "not zeros"
        );
        object.validate();
    });
}

#[test]
fn unmapping_while_others_fault_never_leaves_a_stale_mapping() {
    leaves_nothing_behind(|| {
        let store = store(16);
        let (file, pager) = honest(&store);
        let task = Arc::new(Task::new());
        let stop = Arc::new(AtomicBool::new(false));
        let faulters: Vec<_> = (0..3_u64)
            .map(|n| {
                let (task, stop) = (task.clone(), stop.clone());
                std::thread::spawn(move || {
                    let mut at = n;
                    while !stop.load(Ordering::Relaxed) {
                        at = at.wrapping_mul(5).wrapping_add(3);
                        let access = if at % 2 == 0 {
                            VmProt::READ
                        } else {
                            VmProt::DEFAULT
                        };
                        let _ = fault(&task.map, BASE + at % 16 * PAGE, access, false);
                    }
                })
            })
            .collect();
        for round in 0..200 {
            match round % 3 {
                0 => task.map_shared(BASE, 16, &file),
                1 => task.map_private(BASE, 16, &file),
                _ => task.allocate(BASE, 16),
            }
            std::thread::yield_now();
            task.map.delete(BASE, BASE + 16 * PAGE).unwrap();
            let left = (0..16)
                .filter(|page| task.map.pmap().extract(BASE + page * PAGE).is_some())
                .count();
            assert_eq!(left, 0, "round {round}: a mapping without an entry");
            file.purge();
        }
        stop.store(true, Ordering::Relaxed);
        faulters
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        file.validate();
        drop((task, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

#[test]
fn reading_a_file_into_memory_that_is_not_there_yet_faults_it_in() {
    leaves_nothing_behind(|| {
        let store = store(5);
        let (file, pager) = honest(&store);
        let task = Task::new();
        task.allocate(BASE, 5);
        task.map.pmap().activate();
        let length = 4 * PAGE_SIZE - 30;
        assert_eq!(
            file.read_to_user(7, length, &task.map, BASE + 100, OPTIONS),
            Ok(length)
        );
        let expected: Vec<u8> = (7..7 + length).map(contents).collect();
        assert_eq!(task.load(BASE + 100, length).unwrap(), expected);
        let stopped = file
            .read_to_user(0, 2 * PAGE_SIZE, &task.map, BASE + 4 * PAGE, OPTIONS)
            .unwrap_err();
        assert_eq!(
            (stopped.done, stopped.cause),
            (PAGE_SIZE, KernReturn::INVALID_ADDRESS)
        );
        drop((task, file));
        prim::reaper::quiesce();
        pager.join().unwrap();
    });
}

// Random sequences over several tasks, against a model of the bytes.

const PAGES: u64 = 4;
const TASKS: usize = 4;
const PRIVATE: u64 = BASE;
const SHARED: u64 = BASE + 16 * PAGE;
const FILE_SHARED: u64 = BASE + 32 * PAGE;
const FILE_PRIVATE: u64 = BASE + 48 * PAGE;

#[derive(Clone, Debug)]
enum Action {
    Store {
        task: usize,
        area: usize,
        page: u64,
        byte: u8,
    },
    Load {
        task: usize,
        area: usize,
        page: u64,
    },
    Fork {
        task: usize,
    },
    Exit {
        task: usize,
    },
    Unmap {
        task: usize,
        page: u64,
    },
    WriteFile {
        page: u64,
        byte: u8,
    },
    MapFile {
        task: usize,
    },
    Reclaim,
    PageOut,
    PushOut {
        task: usize,
        area: usize,
        page: u64,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let (task, area, page) = (0..TASKS, 0..4_usize, 0..PAGES);
    prop_oneof![
        6 => (task.clone(), area.clone(), page.clone(), any::<u8>())
            .prop_map(|(task, area, page, byte)| Action::Store { task, area, page, byte }),
        4 => (task.clone(), area.clone(), page.clone()).prop_map(|(task, area, page)| Action::Load { task, area, page }),
        2 => (task.clone(), area, page.clone()).prop_map(|(task, area, page)| Action::PushOut { task, area, page }),
        2 => task.clone().prop_map(|task| Action::Fork { task }),
        1 => task.clone().prop_map(|task| Action::Exit { task }),
        1 => (task.clone(), page.clone()).prop_map(|(task, page)| Action::Unmap { task, page }),
        2 => (page, any::<u8>()).prop_map(|(page, byte)| Action::WriteFile { page, byte }),
        2 => task.prop_map(|task| Action::MapFile { task }),
        1 => Just(Action::Reclaim),
        2 => Just(Action::PageOut),
    ]
}

/// Where the areas of a task begin.
const AREAS: [u64; 4] = [PRIVATE, SHARED, FILE_SHARED, FILE_PRIVATE];

type Bytes = Vec<Option<u8>>;
type Shared = std::rc::Rc<std::cell::RefCell<Bytes>>;

/// What a task should see: the first byte of every page, `None` where nothing is mapped.
struct Modelled {
    task: Task,
    private: Bytes,
    shared: Shared,
    file_private: Bytes,
}

struct World {
    file: ObjectRef,
    file_bytes: Shared,
    tasks: Vec<Modelled>,
}

impl World {
    fn spawn(&mut self) {
        let task = Task::new();
        task.allocate(PRIVATE, PAGES);
        task.allocate_shared(SHARED, PAGES);
        task.map_shared(FILE_SHARED, PAGES, &self.file);
        task.map_private(FILE_PRIVATE, PAGES, &self.file);
        let zeros: Bytes = vec![Some(0); PAGES as usize];
        let file_private = self.file_bytes.borrow().clone();
        self.tasks.push(Modelled {
            task,
            private: zeros.clone(),
            shared: Shared::new(zeros.into()),
            file_private,
        });
    }

    fn expected(&self, task: usize, area: usize, page: u64) -> Option<u8> {
        let (modelled, page) = (&self.tasks[task], page as usize);
        match area {
            0 => modelled.private[page],
            1 => modelled.shared.borrow()[page],
            2 => self.file_bytes.borrow()[page],
            _ => modelled.file_private[page],
        }
    }

    fn check(&self, task: usize, area: usize, page: u64) {
        let at = AREAS[area] + page * PAGE;
        let seen = self.tasks[task].task.load(at, 1);
        match self.expected(task, area, page) {
            Some(byte) => assert_eq!(
                seen,
                Ok(vec![byte]),
                "task {task}, area {area}, page {page}"
            ),
            None => assert_eq!(seen, Err(KernReturn::INVALID_ADDRESS)),
        }
    }

    fn store(&mut self, task: usize, area: usize, page: u64, byte: u8) {
        let at = AREAS[area] + page * PAGE;
        let mapped = self.expected(task, area, page).is_some();
        let modelled = &mut self.tasks[task];
        let result = modelled.task.store(at, &[byte]);
        if !mapped {
            return assert_eq!(result, Err(KernReturn::INVALID_ADDRESS));
        }
        result.unwrap();
        let new = Some(byte);
        match area {
            0 => modelled.private[page as usize] = new,
            1 => modelled.shared.borrow_mut()[page as usize] = new,
            2 => self.file_bytes.borrow_mut()[page as usize] = new,
            _ => modelled.file_private[page as usize] = new,
        }
    }

    fn act(&mut self, action: Action) {
        let count = self.tasks.len();
        match action {
            _ if count == 0 => self.spawn(),
            Action::Store {
                task,
                area,
                page,
                byte,
            } => self.store(task % count, area, page, byte),
            Action::Load { task, area, page } => self.check(task % count, area, page),
            Action::Fork { task } if count < TASKS => {
                let parent = &self.tasks[task % count];
                let child = Modelled {
                    task: parent.task.fork(),
                    private: parent.private.clone(),
                    shared: parent.shared.clone(),
                    file_private: parent.file_private.clone(),
                };
                self.tasks.push(child);
            }
            Action::Fork { .. } => {}
            Action::Exit { task } => drop(self.tasks.swap_remove(task % count)),
            Action::Unmap { task, page } => {
                let modelled = &mut self.tasks[task % count];
                let at = PRIVATE + page * PAGE;
                modelled.task.map.delete(at, at + PAGE).unwrap();
                modelled.private[page as usize] = None;
            }
            Action::WriteFile { page, byte } => {
                self.file
                    .write_from_kernel(page * PAGE, &[byte], OPTIONS)
                    .unwrap();
                self.file_bytes.borrow_mut()[page as usize] = Some(byte);
            }
            Action::MapFile { task } => {
                let modelled = &mut self.tasks[task % count];
                modelled
                    .task
                    .map
                    .delete(FILE_PRIVATE, FILE_PRIVATE + PAGES * PAGE)
                    .unwrap();
                modelled.task.map_private(FILE_PRIVATE, PAGES, &self.file);
                modelled.file_private = self.file_bytes.borrow().clone();
            }
            Action::PushOut { task, area, page } => {
                let (start, map) = (AREAS[area], &self.tasks[task % count].task.map);
                let complete =
                    (page..PAGES).all(|page| self.expected(task % count, area, page).is_some());
                let pushed = map.advise(
                    start + page * PAGE,
                    start + PAGES * PAGE,
                    VmBehavior::PageOut,
                );
                assert_eq!(pushed.is_ok(), complete);
            }
            Action::Reclaim => _ = crate::vm_pageout::reclaim(16),
            Action::PageOut => {
                crate::vm_pageout::scan_once(usize::MAX / 4);
                crate::vm_pageout::wait_for_pagers();
            }
        }
    }

    fn validate(&self) {
        prim::reaper::quiesce();
        self.file.validate();
        self.tasks
            .iter()
            .for_each(|modelled| modelled.task.validate());
    }
}

fn run(actions: Vec<Action>) {
    let store = store(PAGES as usize);
    let (file, pager) = honest(&store);
    let fresh: Bytes = (0..PAGES as usize)
        .map(|page| Some(contents(page * PAGE_SIZE)))
        .collect();
    let mut world = World {
        file,
        file_bytes: Shared::new(fresh.into()),
        tasks: Vec::new(),
    };
    world.spawn();
    for action in actions {
        world.act(action);
        world.validate();
    }
    for task in 0..world.tasks.len() {
        (0..4).for_each(|area| (0..PAGES).for_each(|page| world.check(task, area, page)));
    }
    let file_bytes = world.file_bytes.borrow().clone();
    drop(world);
    prim::reaper::quiesce();
    pager.join().unwrap();
    let stored = store.lock().unwrap();
    let stored: Bytes = (0..PAGES as usize)
        .map(|page| Some(stored[page * PAGE_SIZE]))
        .collect();
    assert_eq!(stored, file_bytes, "every write reached the pager");
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn tasks_see_their_own_bytes_through_any_sequence(actions in prop::collection::vec(action(), 1..80)) {
        leaves_nothing_behind(|| crate::vm_pageout::fake_swap::with_swap(|_| run(actions)));
    }
}
