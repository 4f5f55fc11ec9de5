//! What all tests of this crate share: the simulated machine, a user program, a naive model.
#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use mach::VmProt;
use machine::esr::Access;
use machine::host::mmu::{self, Fault};
use machine::page::PAGE_SIZE;
use pmap::{NeedsTables, Pmap, RefMod, TableReserve, Wiring, pv_slab};
use prim::frames::{self, FrameNumber, OwnedFrame, Reserve};
use prim::thread::AddressSpace;

pub const PAGE: u64 = PAGE_SIZE as u64;
pub const NONE: VmProt = VmProt::NONE;
pub const READ: VmProt = VmProt::READ;
pub const READ_WRITE: VmProt = VmProt::DEFAULT;
pub const READ_EXECUTE: VmProt = VmProt::READ.union(VmProt::EXECUTE);

/// The tests of one process share frames, ASIDs and the TLB: one at a time, each leaving nothing behind.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The machine, booted; on drop it checks that nothing leaked.
pub struct Machine {
    free: usize,
    tables: usize,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    pub fn boot() -> Self {
        let turn = ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        prim::host::boot();
        pmap::kernel::initialise();
        // The slab keeps one page: let it have it now, so that counts compare.
        keep_one_pv_page();
        let counts = frames::counts();
        Self {
            free: counts.free,
            tables: counts.page_tables,
            _turn: turn,
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        pmap::deactivate();
        // Making a pmap buries those that were still installed when they ended.
        drop(Pmap::create(Reserve::Kernel));
        let counts = frames::counts();
        assert_eq!(counts.page_tables, self.tables, "page tables leaked");
        assert_eq!(pv_slab::statistics().entries_in_use, 0, "pv entries leaked");
        assert_eq!(pv_slab::statistics().pages, 1, "pv pages leaked");
        assert_eq!(counts.free, self.free, "frames leaked");
    }
}

fn keep_one_pv_page() {
    let mut reserve = TableReserve::new();
    reserve.fill(Reserve::Kernel).expect("frames at boot");
}

/// A frame with zeroes.
pub fn frame() -> OwnedFrame {
    frames::allocate_zeroed(Reserve::Normal).expect("a frame")
}

/// Frames with zeroes.
pub fn some_frames(count: usize) -> Vec<OwnedFrame> {
    (0..count).map(|_| frame()).collect()
}

pub fn numbers(frames: &[OwnedFrame]) -> Vec<FrameNumber> {
    frames.iter().map(|frame| frame.number()).collect()
}

pub fn new_pmap() -> Arc<Pmap> {
    Pmap::create(Reserve::Normal).expect("a root table")
}

/// `enter` as the fault does it: try, fill, try again.
pub fn enter(pmap: &Pmap, va: u64, frame: FrameNumber, prot: VmProt, access: VmProt) {
    enter_run(pmap, va, &[frame], prot, access, Wiring::Pageable);
}

pub fn enter_run(
    pmap: &Pmap,
    va: u64,
    frames: &[FrameNumber],
    prot: VmProt,
    access: VmProt,
    wiring: Wiring,
) {
    let mut reserve = TableReserve::new();
    let mut done = 0;
    loop {
        let at = va + done as u64 * PAGE;
        match pmap.enter_pages(at, &frames[done..], prot, access, wiring, &mut reserve) {
            Ok(()) => return,
            Err(NeedsTables { entered }) => done += entered,
        }
        reserve.fill(Reserve::Normal).expect("frames for tables");
    }
}

/// Why an access by a user program came to the VM layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForVm(pub Fault);

/// An access as a user program makes it, with the trap handler's first step: emulation faults are settled by the
/// pmap, everything else is for the VM layer.
pub fn access(pmap: &Pmap, va: u64, access: Access, value: Option<u64>) -> Result<u64, ForVm> {
    pmap.activate();
    let (root, asid) = mmu::active();
    let mut buffer = [0; 8];
    // Others may take the mapping away each time, but not for ever.
    for _ in 0..1000 {
        let tried = match (access, value) {
            (Access::Write, Some(value)) => {
                mmu::store(root, asid, va, &value.to_le_bytes()).map(|()| 0)
            }
            (Access::Execute, _) => mmu::fetch(root, asid, va).map(u64::from),
            _ => mmu::load(root, asid, va, &mut buffer).map(|()| u64::from_le_bytes(buffer)),
        };
        let fault = match tried {
            Ok(value) => return Ok(value),
            Err(failed) => failed.fault,
        };
        let emulated = matches!(fault, Fault::AccessFlag(_) | Fault::Permission(_));
        if !emulated || !pmap.fast_fault(va, prot_of(access)) {
            return Err(ForVm(fault));
        }
    }
    panic!("the same access at {va:#x} faults again and again");
}

pub fn prot_of(access: Access) -> VmProt {
    match access {
        Access::Read => VmProt::READ,
        Access::Write => VmProt::WRITE,
        Access::Execute => VmProt::EXECUTE,
    }
}

pub fn load(pmap: &Pmap, va: u64) -> Result<u64, ForVm> {
    access(pmap, va, Access::Read, None)
}

pub fn store(pmap: &Pmap, va: u64, value: u64) -> Result<(), ForVm> {
    access(pmap, va, Access::Write, Some(value)).map(|_| ())
}

pub fn fetch(pmap: &Pmap, va: u64) -> Result<u64, ForVm> {
    access(pmap, va, Access::Execute, None)
}

/// Small numbers that look random, the same in every run with the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// What a mapping allows, as the model sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub frame: usize,
    pub write: bool,
    pub execute: bool,
    pub wired: bool,
}

/// The naive model: who maps what, what each frame holds, and what happened to it.
#[derive(Default)]
pub struct Model {
    pub spaces: Vec<BTreeMap<u64, Entry>>,
    pub contents: Vec<u64>,
    pub referenced: BTreeSet<usize>,
    pub modified: BTreeSet<usize>,
    /// Written since instruction fetches were last made to see it.
    pub stale: BTreeSet<usize>,
}

impl Model {
    pub fn new(spaces: usize, frames: usize) -> Self {
        Self {
            spaces: vec![BTreeMap::new(); spaces],
            contents: vec![0; frames],
            stale: (0..frames).collect(),
            ..Self::default()
        }
    }

    pub fn enter(&mut self, space: usize, va: u64, entry: Entry, access: VmProt) {
        self.spaces[space].insert(va, entry);
        if !access.is_empty() {
            self.referenced.insert(entry.frame);
        }
        if access.contains(VmProt::WRITE) {
            self.modified.insert(entry.frame);
        }
        if entry.execute {
            self.stale.remove(&entry.frame);
        }
    }

    pub fn remove(&mut self, space: usize, start: u64, end: u64) {
        self.spaces[space].retain(|&va, _| va < start || va >= end);
    }

    pub fn protect(&mut self, space: usize, start: u64, end: u64, prot: VmProt) {
        for (_, entry) in self.spaces[space].range_mut(start..end) {
            limit(entry, prot);
        }
        if prot.is_empty() {
            self.remove(space, start, end);
        }
    }

    pub fn page_protect(&mut self, frame: usize, prot: VmProt) {
        for space in &mut self.spaces {
            space.retain(|_, entry| entry.frame != frame || !prot.is_empty());
            space
                .values_mut()
                .filter(|entry| entry.frame == frame)
                .for_each(|entry| limit(entry, prot));
        }
    }

    pub fn refmod(&self, frame: usize) -> RefMod {
        let mut known = RefMod::empty();
        known.set(RefMod::REFERENCED, self.referenced.contains(&frame));
        known.set(RefMod::MODIFIED, self.modified.contains(&frame));
        known
    }

    pub fn clear(&mut self, frame: usize, which: RefMod) {
        if which.contains(RefMod::REFERENCED) {
            self.referenced.remove(&frame);
        }
        if which.contains(RefMod::MODIFIED) {
            self.modified.remove(&frame);
        }
    }

    pub fn mappings(&self, frame: usize) -> usize {
        self.spaces
            .iter()
            .flat_map(|space| space.values())
            .filter(|entry| entry.frame == frame)
            .count()
    }
}

fn limit(entry: &mut Entry, prot: VmProt) {
    entry.write &= prot.contains(VmProt::WRITE);
    entry.execute &= prot.contains(VmProt::EXECUTE);
}
