//! Random activity of several address spaces over shared frames, every step checked against the naive model.

mod support;

use std::sync::Arc;

use mach::VmProt;
use machine::esr::Access;
use machine::host::mmu::Fault;
use pmap::{Pmap, RefMod, Wiring};
use prim::frames::{FrameNumber, OwnedFrame};
use support::*;

const FRAMES: usize = 24;

/// Three regions of 40 pages that share tables, share only upper tables, share nothing.
const REGIONS: [u64; 4] = [
    0x4000_0000,
    0x4000_0000 + 60 * PAGE,
    0x4800_0000,
    0x5000_0000_0000,
];
const REGION_PAGES: u64 = 40;

struct World {
    random: Random,
    model: Model,
    pmaps: Vec<Arc<Pmap>>,
    frames: Vec<OwnedFrame>,
    written: u64,
}

impl World {
    fn new(seed: u64, spaces: usize) -> Self {
        Self {
            random: Random(seed),
            model: Model::new(spaces, FRAMES),
            pmaps: (0..spaces).map(|_| new_pmap()).collect(),
            frames: some_frames(FRAMES),
            written: 0,
        }
    }

    fn number(&self, frame: usize) -> FrameNumber {
        self.frames[frame].number()
    }

    fn page(&mut self) -> u64 {
        self.random.one_of(&REGIONS) + self.random.below(REGION_PAGES as usize) as u64 * PAGE
    }

    fn range(&mut self) -> (u64, u64) {
        let start = self.page();
        let pages = if self.random.below(8) == 0 {
            0x4_0000
        } else {
            self.random.below(80) as u64
        };
        (start, start + pages * PAGE)
    }

    fn prot(&mut self) -> VmProt {
        self.random
            .one_of(&[NONE, READ, READ_WRITE, READ_EXECUTE, VmProt::ALL])
    }

    fn step(&mut self) {
        let space = self.random.below(self.pmaps.len());
        match self.random.below(20) {
            0..=3 => self.enter(space),
            4 => self.enter_dense(space),
            5 => self.remove(space),
            6 => self.protect(space),
            7 => self.disconnect(),
            8 => self.page_protect(),
            9 => self.clear_refmod(),
            10 => self.fork(space),
            11 => self.wire(space),
            12 if self.random.below(8) == 0 => self.replace_space(space),
            13 if self.random.below(4) == 0 => self.set_modified(),
            _ => self.access(space),
        }
    }

    fn enter(&mut self, space: usize) {
        let (va, frame, prot) = (self.page(), self.random.below(FRAMES), self.prot());
        let access = self.random.one_of(&[NONE, READ, prot, VmProt::WRITE]) & prot;
        let wired = self.random.below(6) == 0;
        let wiring = if wired {
            Wiring::Wired
        } else {
            Wiring::Pageable
        };
        enter_run(
            &self.pmaps[space],
            va,
            &[self.number(frame)],
            prot,
            access,
            wiring,
        );
        if !prot.is_empty() {
            self.model
                .enter(space, va, entry(frame, prot, wired), access);
        }
    }

    fn enter_dense(&mut self, space: usize) {
        let (va, prot) = (self.page(), READ_WRITE);
        let chosen: Vec<usize> = (0..self.random.below(30))
            .map(|_| self.random.below(FRAMES))
            .collect();
        let numbers: Vec<FrameNumber> = chosen.iter().map(|&frame| self.number(frame)).collect();
        enter_run(
            &self.pmaps[space],
            va,
            &numbers,
            prot,
            READ,
            Wiring::Pageable,
        );
        for (index, &frame) in chosen.iter().enumerate() {
            self.model.enter(
                space,
                va + index as u64 * PAGE,
                entry(frame, prot, false),
                READ,
            );
        }
    }

    fn remove(&mut self, space: usize) {
        let (start, end) = self.range();
        self.pmaps[space].remove(start, end);
        self.model.remove(space, start, end);
    }

    fn protect(&mut self, space: usize) {
        let ((start, end), prot) = (self.range(), self.prot());
        self.pmaps[space].protect(start, end, prot);
        self.model.protect(space, start, end, prot);
    }

    fn disconnect(&mut self) {
        let frame = self.random.below(FRAMES);
        assert_eq!(
            pmap::disconnect(self.number(frame)),
            self.model.refmod(frame)
        );
        self.model.page_protect(frame, NONE);
        assert_eq!(
            machine::host::tlb::reaches(self.number(frame)),
            None,
            "a TLB still reaches the frame"
        );
    }

    fn page_protect(&mut self) {
        let (frame, prot) = (self.random.below(FRAMES), self.prot());
        pmap::page_protect(self.number(frame), prot);
        self.model.page_protect(frame, prot);
    }

    fn clear_refmod(&mut self) {
        let frame = self.random.below(FRAMES);
        let which = self
            .random
            .one_of(&[RefMod::REFERENCED, RefMod::MODIFIED, RefMod::all()]);
        pmap::clear_refmod(self.number(frame), which);
        self.model.clear(frame, which);
    }

    fn set_modified(&mut self) {
        let frame = self.random.below(FRAMES);
        pmap::set_modified(self.number(frame));
        self.model.referenced.insert(frame);
        self.model.modified.insert(frame);
    }

    /// As the VM layer forks: the parent loses write permission, the child maps the same frames read-only.
    fn fork(&mut self, parent: usize) {
        let (child, start) = (
            (parent + 1) % self.pmaps.len(),
            self.random.one_of(&REGIONS),
        );
        let end = start + REGION_PAGES * PAGE;
        self.pmaps[child].remove(start, end);
        self.model.remove(child, start, end);
        self.pmaps[parent].protect(start, end, READ_EXECUTE);
        self.model.protect(parent, start, end, READ_EXECUTE);
        let inherited: Vec<(u64, usize)> = self.model.spaces[parent]
            .range(start..end)
            .map(|(&va, entry)| (va, entry.frame))
            .collect();
        for (va, frame) in inherited {
            enter(&self.pmaps[child], va, self.number(frame), READ, NONE);
            self.model.enter(child, va, entry(frame, READ, false), NONE);
        }
    }

    fn wire(&mut self, space: usize) {
        let (va, wired) = (self.page(), self.random.below(2) == 0);
        self.pmaps[space].change_wiring(
            va,
            if wired {
                Wiring::Wired
            } else {
                Wiring::Pageable
            },
        );
        if let Some(entry) = self.model.spaces[space].get_mut(&va) {
            entry.wired = wired;
        }
    }

    /// The address space ends with everything mapped; perhaps while the CPU is still in it.
    fn replace_space(&mut self, space: usize) {
        self.pmaps[space] = new_pmap();
        self.model.spaces[space].clear();
    }

    fn access(&mut self, space: usize) {
        let known: Vec<u64> = self.model.spaces[space].keys().copied().collect();
        let va = if known.is_empty() || self.random.below(6) == 0 {
            self.page()
        } else {
            self.random.one_of(&known)
        };
        let kind = self
            .random
            .one_of(&[Access::Read, Access::Write, Access::Execute]);
        self.written += 1;
        let result = access(&self.pmaps[space], va, kind, Some(self.written));
        let Some(entry) = self.model.spaces[space].get(&va).copied() else {
            assert!(
                matches!(result, Err(ForVm(Fault::Translation(_)))),
                "{result:?} where nothing is mapped"
            );
            return;
        };
        match kind {
            Access::Read => assert_eq!(result, Ok(self.model.contents[entry.frame])),
            Access::Write if entry.write => {
                assert_eq!(result, Ok(0));
                self.model.modified.insert(entry.frame);
                self.model.stale.insert(entry.frame);
                self.model.contents[entry.frame] = self.written;
            }
            Access::Execute if entry.execute => self.check_fetch(result, entry.frame),
            _ => {
                // Refused accesses go to the VM layer and leave no trace.
                assert!(
                    matches!(result, Err(ForVm(_))),
                    "{kind:?} was let through: {entry:?}"
                );
                return;
            }
        }
        self.model.referenced.insert(entry.frame);
    }

    fn check_fetch(&self, result: Result<u64, ForVm>, frame: usize) {
        match result {
            Ok(word) => assert_eq!(word, self.model.contents[frame] & 0xffff_ffff),
            Err(ForVm(Fault::StaleInstruction(_))) => {
                assert!(
                    self.model.stale.contains(&frame),
                    "an executable page was not synchronised"
                );
            }
            Err(other) => panic!("{other:?} on an executable page"),
        }
    }

    fn check(&self) {
        for (pmap, space) in self.pmaps.iter().zip(&self.model.spaces) {
            pmap.validate();
            assert_eq!(pmap.resident_count(), space.len() as u64);
            assert_eq!(
                pmap.wired_count(),
                space.values().filter(|entry| entry.wired).count() as u64
            );
            for (&va, entry) in space {
                let mapping = pmap.mapping(va).expect("the model maps it");
                assert_eq!(mapping.frame, self.number(entry.frame));
                let rights = mapping.descriptor.rights();
                assert_eq!((rights.write, rights.execute), (entry.write, entry.execute));
            }
        }
        for frame in 0..FRAMES {
            pmap::validate_frame(self.number(frame));
            assert_eq!(
                pmap::refmod(self.number(frame)),
                self.model.refmod(frame),
                "frame {frame}"
            );
            assert_eq!(
                pmap::mapping_count(self.number(frame)),
                self.model.mappings(frame)
            );
        }
    }

    /// Unmaps everything frame by frame, as pageout would; every table must go with its last page.
    fn end(mut self) {
        for frame in 0..FRAMES {
            pmap::disconnect(self.number(frame));
            self.model.page_protect(frame, NONE);
        }
        self.check();
        for pmap in &self.pmaps {
            assert_eq!(pmap.table_count(), 0, "an empty table was kept");
        }
    }
}

fn entry(frame: usize, prot: VmProt, wired: bool) -> Entry {
    Entry {
        frame,
        write: prot.contains(VmProt::WRITE),
        execute: prot.contains(VmProt::EXECUTE),
        wired,
    }
}

fn run_with(seed: u64, steps: usize, spaces: usize) {
    let mut world = World::new(seed, spaces);
    for step in 0..steps {
        world.step();
        if step % (4 * spaces) == 0 {
            world.check();
        }
    }
    world.end();
}

#[test]
fn random_activity_agrees_with_the_model() {
    let _machine = Machine::boot();
    for seed in 0..6 {
        run_with(seed, 1500, 5);
    }
}

#[test]
fn random_activity_agrees_with_the_model_when_identifiers_run_out_all_the_time() {
    let _machine = Machine::boot();
    pmap::asids().set_bits(4);
    let before = pmap::asids().rollovers();
    for seed in 100..103 {
        run_with(seed, 1500, 24);
    }
    assert!(pmap::asids().rollovers() > before + 10);
    pmap::asids().set_bits(16);
}
