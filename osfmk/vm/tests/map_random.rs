//! Random sequences of map operations against a naive model: per page, who sees which cell of memory with which rights.
//!
//! The model knows nothing of objects, shadows or entries. A page of a map names a *cell*; shared pages name the same
//! cell, a copy makes new cells with the old contents. After every few steps each page of each map is compared: its
//! attributes in the map, and its contents as a user program reads them through the simulated MMU.
#![allow(missing_docs)]

mod map_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use mach::page_info::PageDisposition;
use mach::{KernReturn, VmBehavior, VmInherit, VmProt};
use map_support::*;
use pmap::Pmap;
use prim::frames::Reserve;
use vm::vm_map::{
    EnterRequest, Hold, Placement, ProtectMode, RemapRequest, SourceFate, VmMap, VmMapCopy,
    WireOwner,
};

const BASE: u64 = 0x2000_0000;
const PAGES: u64 = 48;
const PROTECTIONS: [VmProt; 4] = [VmProt::NONE, READ, READ_WRITE, READ_EXECUTE];

type Cell = usize;

#[derive(Clone, Copy, Debug)]
struct PageModel {
    cell: Cell,
    protection: VmProt,
    max: VmProt,
    inherit: VmInherit,
    wired: u32,
}

/// A map and what it should show.
struct Side {
    map: Arc<VmMap>,
    pages: BTreeMap<u64, PageModel>,
}

struct World {
    dice: Random,
    sides: Vec<Side>,
    cells: Vec<u64>,
    copies: Vec<(VmMapCopy, Vec<u64>)>,
    next_value: u64,
}

fn address(page: u64) -> u64 {
    BASE + page * PAGE
}

impl World {
    fn new(seed: u64) -> World {
        let side = Side {
            map: new_map(),
            pages: BTreeMap::new(),
        };
        World {
            dice: Random::new(seed),
            sides: vec![side],
            cells: Vec::new(),
            copies: Vec::new(),
            next_value: 1,
        }
    }

    fn cell(&mut self, value: u64) -> Cell {
        self.cells.push(value);
        self.cells.len() - 1
    }

    fn side(&mut self) -> usize {
        self.dice.below(self.sides.len() as u64) as usize
    }

    fn range(&mut self) -> (u64, u64) {
        let first = self.dice.below(PAGES);
        (first, (first + 1 + self.dice.below(8)).min(PAGES))
    }

    fn protection(&mut self) -> VmProt {
        self.dice.of(&PROTECTIONS)
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0..=2 => self.enter(),
            3 => self.delete(),
            4 => self.protect(),
            5 => self.inherit(),
            6..=9 => self.store(),
            10 => self.fork(),
            11 => self.end_a_side(),
            12 => self.copyin(),
            13 => self.copyout(),
            14 => self.overwrite(),
            15 => self.remap(),
            16 => self.wire(),
            17 => self.advise(),
            18 => self.kernel_write(),
            _ => self.load(),
        }
    }

    fn enter(&mut self) {
        let (side, (first, end), protection) = (self.side(), self.range(), self.protection());
        let inherit = self
            .dice
            .of(&[VmInherit::Copy, VmInherit::Share, VmInherit::None]);
        let overwrite = self.dice.below(2) == 0;
        let placement = if overwrite {
            Placement::Overwrite(address(first))
        } else {
            Placement::Fixed(address(first))
        };
        let mut request = EnterRequest::anonymous(placement, (end - first) * PAGE)
            .protected(protection, VmProt::ALL);
        request.inheritance = inherit;
        let result = self.sides[side].map.enter(request);
        let occupied = (first..end).any(|page| self.sides[side].pages.contains_key(&page));
        if occupied && !overwrite {
            assert_eq!(result, Err(KernReturn::NO_SPACE));
            return;
        }
        assert_eq!(result, Ok(address(first)));
        for page in first..end {
            let cell = self.cell(0);
            let model = PageModel {
                cell,
                protection,
                max: VmProt::ALL,
                inherit,
                wired: 0,
            };
            self.sides[side].pages.insert(page, model);
        }
    }

    fn delete(&mut self) {
        let (side, (first, end)) = (self.side(), self.range());
        self.sides[side]
            .map
            .delete(address(first), address(end))
            .unwrap();
        for page in first..end {
            self.sides[side].pages.remove(&page);
        }
    }

    fn protect(&mut self) {
        let (side, (first, end), protection) = (self.side(), self.range(), self.protection());
        let mode = if self.dice.below(8) == 0 {
            ProtectMode::Maximum
        } else {
            ProtectMode::Current
        };
        let result = self.sides[side]
            .map
            .protect(address(first), address(end), protection, mode);
        let pages = &mut self.sides[side].pages;
        let hole = (first..end).find(|page| !pages.contains_key(page));
        let refused =
            (first..hole.unwrap_or(end)).any(|page| !pages[&page].max.contains(protection));
        if refused {
            assert_eq!(result, Err(KernReturn::PROTECTION_FAILURE));
        } else if hole.is_some() {
            assert_eq!(result, Err(KernReturn::INVALID_ADDRESS));
        } else {
            assert_eq!(result, Ok(()));
            for page in first..end {
                let model = pages.get_mut(&page).unwrap();
                if mode == ProtectMode::Maximum {
                    model.max = protection;
                    model.protection &= protection;
                } else {
                    model.protection = protection;
                }
            }
        }
    }

    fn inherit(&mut self) {
        let (side, (first, end)) = (self.side(), self.range());
        let inherit = self
            .dice
            .of(&[VmInherit::Copy, VmInherit::Share, VmInherit::None]);
        self.sides[side]
            .map
            .inherit(address(first), address(end), inherit)
            .unwrap();
        for (_, model) in self.sides[side].pages.range_mut(first..end) {
            model.inherit = inherit;
        }
    }

    fn expected(&self, side: usize, page: u64, access: VmProt) -> Result<Cell, KernReturn> {
        let model = self.sides[side]
            .pages
            .get(&page)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        if model.protection.contains(access) {
            Ok(model.cell)
        } else {
            Err(KernReturn::PROTECTION_FAILURE)
        }
    }

    fn store(&mut self) {
        let (side, page) = (self.side(), self.dice.below(PAGES));
        self.next_value += 1;
        let result = store(&self.sides[side].map, address(page), self.next_value);
        let expected = self.expected(side, page, VmProt::WRITE);
        assert_eq!(
            result,
            expected.map(|_| ()),
            "store to page {page} of map {side}"
        );
        if let Ok(cell) = expected {
            self.cells[cell] = self.next_value;
        }
    }

    fn kernel_write(&mut self) {
        let (side, page) = (self.side(), self.dice.below(PAGES));
        self.next_value += 1;
        let result = self.sides[side]
            .map
            .write_bytes(address(page), &self.next_value.to_le_bytes());
        let expected = self.expected(side, page, VmProt::WRITE);
        assert_eq!(result, expected.map(|_| ()));
        if let Ok(cell) = expected {
            self.cells[cell] = self.next_value;
        }
    }

    fn load(&mut self) {
        let (side, page) = (self.side(), self.dice.below(PAGES));
        let result = load(&self.sides[side].map, address(page));
        assert_eq!(
            result,
            self.expected(side, page, VmProt::READ)
                .map(|cell| self.cells[cell])
        );
    }

    fn fork(&mut self) {
        if self.sides.len() >= 4 {
            return;
        }
        let parent = self.side();
        let map = self.sides[parent]
            .map
            .fork(Pmap::create(Reserve::Normal).unwrap())
            .unwrap();
        let mut pages = BTreeMap::new();
        for (page, model) in self.sides[parent].pages.clone() {
            let cell = match model.inherit {
                VmInherit::None => continue,
                VmInherit::Share => model.cell,
                VmInherit::Copy => self.cell(self.cells[model.cell]),
            };
            pages.insert(
                page,
                PageModel {
                    cell,
                    wired: 0,
                    ..model
                },
            );
        }
        self.sides.push(Side { map, pages });
    }

    fn end_a_side(&mut self) {
        if self.sides.len() > 1 {
            let side = self.side();
            self.sides.swap_remove(side).map.terminate();
        }
    }

    /// The cells of a whole readable range, or the first error in address order.
    fn readable(&self, side: usize, first: u64, end: u64) -> Result<Vec<u64>, KernReturn> {
        (first..end)
            .map(|page| {
                self.expected(side, page, VmProt::READ)
                    .map(|cell| self.cells[cell])
            })
            .collect()
    }

    fn copyin(&mut self) {
        if self.copies.len() >= 4 {
            self.copies.remove(0);
        }
        let (side, (first, end)) = (self.side(), self.range());
        let fate = if self.dice.below(3) == 0 {
            SourceFate::Destroy
        } else {
            SourceFate::Keep
        };
        let result = self.sides[side]
            .map
            .copyin(address(first), (end - first) * PAGE, fate);
        match self.readable(side, first, end) {
            Err(error) => assert_eq!(result.err(), Some(error)),
            Ok(values) => {
                let copy = result.unwrap();
                copy.validate().unwrap();
                self.copies.push((copy, values));
                if fate == SourceFate::Destroy {
                    self.sides[side]
                        .pages
                        .retain(|page, _| !(first..end).contains(page));
                }
            }
        }
    }

    /// Copies land outside the window of the model; they are looked at once and moved in by a remap.
    fn copyout(&mut self) {
        let Some((copy, values)) = self.copies.pop() else {
            return;
        };
        let (side, first) = (self.side(), self.dice.below(PAGES));
        let map = self.sides[side].map.clone();
        let at = map.copyout(copy).ok().unwrap();
        for (page, value) in values.iter().enumerate() {
            assert_eq!(load(&map, at + page as u64 * PAGE), Ok(*value));
        }
        let end = (first + values.len() as u64).min(PAGES);
        let request = RemapRequest {
            placement: Placement::Overwrite(address(first)),
            size: (end - first) * PAGE,
            mask: 0,
            hold: Hold::Share,
            inheritance: VmInherit::Copy,
            protection: None,
        };
        map.remap(&map, at, request).unwrap();
        map.delete(at, at + values.len() as u64 * PAGE).unwrap();
        for page in first..end {
            let cell = self.cell(values[(page - first) as usize]);
            let (protection, max) = (READ_WRITE, VmProt::ALL);
            let model = PageModel {
                cell,
                protection,
                max,
                inherit: VmInherit::Copy,
                wired: 0,
            };
            self.sides[side].pages.insert(page, model);
        }
    }

    fn overwrite(&mut self) {
        let Some((copy, values)) = self.copies.pop() else {
            return;
        };
        let (side, first) = (self.side(), self.dice.below(PAGES));
        let end = first + values.len() as u64;
        let allowed: Result<Vec<Cell>, KernReturn> = (first..end)
            .map(|page| self.expected(side, page, VmProt::WRITE))
            .collect();
        let result = self.sides[side].map.copy_overwrite(address(first), copy);
        assert_eq!(result, allowed.clone().map(|_| ()));
        for (cell, value) in allowed.unwrap_or_default().into_iter().zip(values) {
            self.cells[cell] = value;
        }
    }

    fn remap(&mut self) {
        let (from, to, (first, end), target) = (
            self.side(),
            self.side(),
            self.range(),
            self.dice.below(PAGES),
        );
        let count = (end - first).min(PAGES - target);
        let apart = from != to || target + count <= first || first + count <= target;
        if !apart {
            return;
        }
        let hold = self.dice.of(&[Hold::Share, Hold::Copy]);
        let request = RemapRequest {
            placement: Placement::Overwrite(address(target)),
            size: count * PAGE,
            mask: 0,
            hold,
            inheritance: VmInherit::Copy,
            protection: None,
        };
        let source: Option<Vec<PageModel>> = (first..first + count)
            .map(|page| self.sides[from].pages.get(&page).copied())
            .collect();
        let result =
            self.sides[to]
                .map
                .clone()
                .remap(&self.sides[from].map, address(first), request);
        let Some(source) = source else {
            assert_eq!(result.err(), Some(KernReturn::INVALID_ADDRESS));
            return;
        };
        assert_eq!(result.unwrap().address, address(target));
        for (page, model) in (target..).zip(source) {
            let cell = if hold == Hold::Share {
                model.cell
            } else {
                self.cell(self.cells[model.cell])
            };
            let model = PageModel {
                cell,
                inherit: VmInherit::Copy,
                wired: 0,
                ..model
            };
            self.sides[to].pages.insert(page, model);
        }
    }

    fn wire(&mut self) {
        let (side, (first, end)) = (self.side(), self.range());
        let map = self.sides[side].map.clone();
        let pages = &mut self.sides[side].pages;
        let complete = (first..end).all(|page| pages.contains_key(&page));
        if self.dice.below(2) == 0 {
            let usable = complete && (first..end).all(|page| !pages[&page].protection.is_empty());
            let result = map.wire(address(first), address(end), VmProt::NONE, WireOwner::User);
            assert_eq!(result.is_ok(), usable, "{result:?}");
            if usable {
                (first..end).for_each(|page| pages.get_mut(&page).unwrap().wired += 1);
            }
        } else {
            let result = map.unwire(address(first), address(end), WireOwner::User);
            assert_eq!(result.is_ok(), complete, "{result:?}");
            if complete {
                (first..end).for_each(|page| {
                    let model = pages.get_mut(&page).unwrap();
                    model.wired = model.wired.saturating_sub(1);
                });
            }
        }
    }

    fn advise(&mut self) {
        let (side, (first, end)) = (self.side(), self.range());
        let advice = self.dice.of(&[
            VmBehavior::Random,
            VmBehavior::Default,
            VmBehavior::DontNeed,
            VmBehavior::WillNeed,
        ]);
        let complete = (first..end).all(|page| self.sides[side].pages.contains_key(&page));
        let result = self.sides[side]
            .map
            .advise(address(first), address(end), advice);
        assert_eq!(result.is_ok(), complete);
    }

    fn compare(&self) {
        for (number, side) in self.sides.iter().enumerate() {
            validate(&side.map);
            let mut wired = 0;
            for page in 0..PAGES {
                let guard = side.map.read();
                let (entry, model) = (guard.entry(address(page)), side.pages.get(&page));
                assert_eq!(
                    entry.is_some(),
                    model.is_some(),
                    "page {page} of map {number}"
                );
                let (Some(entry), Some(model)) = (entry, model) else {
                    continue;
                };
                assert_eq!(
                    entry.protection(),
                    model.protection,
                    "page {page} of map {number}"
                );
                assert_eq!(entry.max_protection(), model.max);
                assert_eq!(entry.inheritance(), model.inherit);
                assert_eq!(entry.is_wired(), model.wired > 0);
                wired += u64::from(model.wired > 0);
                drop(guard);
                if model.protection.contains(VmProt::READ) {
                    let value = load(&side.map, address(page));
                    assert_eq!(
                        value,
                        Ok(self.cells[model.cell]),
                        "contents of page {page} of map {number}"
                    );
                }
            }
            states_of_a_range_are_those_of_its_pages(&side.map);
            assert_eq!(side.map.size(), side.pages.len() as u64 * PAGE);
            assert_eq!(side.map.statistics().user_wired, wired * PAGE);
        }
    }
}

/// A range is answered by the leaf tables and the objects together, a page by its objects alone.
fn states_of_a_range_are_those_of_its_pages(map: &VmMap) {
    let mut states = [PageDisposition::empty(); PAGES as usize];
    map.page_range_info(BASE, &mut states).unwrap();
    for (page, state) in (0..).zip(states) {
        let alone = map.page_info(address(page));
        let alone = alone.map_or(0, |info| info.disposition as u32);
        assert_eq!(state.bits(), alone, "page {page}");
    }
}

fn run(seed: u64, steps: u32) {
    let mut world = World::new(seed);
    for step in 0..steps {
        world.step();
        if step % 7 == 0 {
            world.compare();
        }
    }
    world.compare();
}

#[test]
fn random_sequences_agree_with_a_naive_model() {
    let seeds = std::env::var("MAP_RANDOM_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(24);
    let machine = Machine::boot();
    for seed in 1..=seeds {
        let result = std::panic::catch_unwind(|| run(seed, 400));
        if let Err(panic) = result {
            eprintln!("seed {seed} fails");
            std::panic::resume_unwind(panic);
        }
    }
    drop(machine);
}
