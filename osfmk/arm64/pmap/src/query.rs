//! Looking without changing: what is mapped where, and how much.
//!
//! XNU counterpart: `pmap_find_phys`, `pmap_extract`, `pmap_resident_count`.

use core::sync::atomic::Ordering;

use machine::address::FrameNumber;
use machine::page::PAGE_SIZE;

use crate::descriptor::Descriptor;
use crate::{Pmap, Wiring};

/// One mapping as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The frame that is mapped.
    pub frame: FrameNumber,
    /// Counted as wired.
    pub wiring: Wiring,
    /// The descriptor itself.
    pub descriptor: Descriptor,
}

/// Counters of one pmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Pages mapped.
    pub resident: u64,
    /// Pages of them that are wired.
    pub wired: u64,
    /// Page tables below the root.
    pub tables: u64,
}

impl Pmap {
    /// The frame that `va` is mapped to now.
    #[doc(alias = "pmap_find_phys")]
    #[doc(alias = "pmap_extract")]
    pub fn extract(&self, va: u64) -> Option<FrameNumber> {
        self.mapping(va).map(|mapping| mapping.frame)
    }

    /// All about the mapping of `va`, if there is one.
    pub fn mapping(&self, va: u64) -> Option<Mapping> {
        self.check_address(va);
        let tree = self.tree.lock();
        let descriptor = tree.slot(va)?.read();
        let wiring = if descriptor.is_wired() {
            Wiring::Wired
        } else {
            Wiring::Pageable
        };
        descriptor.is_valid().then(|| Mapping {
            frame: descriptor.frame(),
            wiring,
            descriptor,
        })
    }

    /// Writes `mark` to the place of each page, counted from `start`, that a mapping lets writes through to; whether that is
    /// every page for which there is a place. Such a page counts as referenced and modified. Takes the pmap's lock.
    pub fn mark_written<T: Copy>(&self, start: u64, marks: &mut [T], mark: T) -> bool {
        let end = start + (marks.len() * PAGE_SIZE) as u64;
        self.check_range(start, end);
        let tree = self.tree.lock();
        let (mut covered, mut others, mut va) = (0, 0, start);
        while let Some(run) = tree.next_leaf(va, end) {
            let first = (run.start - start) as usize / PAGE_SIZE;
            let part = &mut marks[first..first + run.pages()];
            for ((_, slot), place) in run.slots().zip(part) {
                if slot.read().is_in_use_for_writing() {
                    *place = mark;
                } else {
                    others += 1;
                }
            }
            covered += run.pages();
            va = run.end;
        }
        covered == marks.len() && others == 0
    }

    /// Pages mapped.
    #[doc(alias = "pmap_resident_count")]
    pub fn resident_count(&self) -> u64 {
        self.resident.load(Ordering::Relaxed)
    }

    /// Pages mapped and wired.
    #[doc(alias = "pmap_wired_count")]
    pub fn wired_count(&self) -> u64 {
        self.wired.load(Ordering::Relaxed)
    }

    /// Page tables below the root.
    pub fn table_count(&self) -> u64 {
        self.tree.lock().count
    }

    /// All counters.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            resident: self.resident_count(),
            wired: self.wired_count(),
            tables: self.table_count(),
        }
    }

    /// Physical address of the root table and the current ASID, for who walks the tables from outside.
    #[doc(alias = "ttep")]
    pub fn translation_base(&self) -> (machine::address::PhysAddr, u16) {
        (
            self.root.phys(),
            crate::asid::asid_of(self.context.load(Ordering::Relaxed)),
        )
    }
}
