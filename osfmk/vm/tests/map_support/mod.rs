//! What the map's tests share: the simulated machine, user accesses that fault like hardware, small random numbers.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use mach::{KernReturn, VmProt};
use machine::address::{USER_MAX, USER_MIN};
use machine::esr::Access;
use machine::host::mmu::{self, Fault};
use machine::page::PAGE_SIZE;
use pmap::Pmap;
use prim::clock::Deadline;
use prim::frames::{self, Reserve};
use prim::thread::AddressSpace;
use vm::vm_fault;
use vm::vm_map::VmMap;

pub const PAGE: u64 = PAGE_SIZE as u64;
pub const READ: VmProt = VmProt::READ;
pub const READ_WRITE: VmProt = VmProt::DEFAULT;
pub const READ_EXECUTE: VmProt = VmProt::READ.union(VmProt::EXECUTE);

/// How long a test waits for what must come. Much more than it takes: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The machine, booted; when it is dropped, every frame must be back.
pub struct Machine {
    free: usize,
    tables: usize,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    pub fn boot() -> Machine {
        let turn = prim::host::exclusive();
        pmap::kernel::initialise();
        prim::reaper::start().expect("the reaper");
        // The first mapping makes the slab of pv entries take its page; later counts compare with that.
        {
            let map = new_map();
            let address = map.enter(vm::vm_map::EnterRequest::anonymous(
                vm::vm_map::Placement::Anywhere(0),
                PAGE,
            ));
            store(&map, address.expect("room"), 1).expect("memory");
        }
        settle();
        let counts = frames::counts();
        Machine {
            free: counts.free,
            tables: counts.page_tables,
            _turn: turn,
        }
    }
}

fn settle() {
    pmap::deactivate();
    prim::reaper::quiesce();
    // Making a pmap buries those that were still installed when they ended.
    drop(Pmap::create(Reserve::Kernel));
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        settle();
        // A thread that was joined may still be on its way out, with its last hold on a map.
        let limit = Deadline::after(PATIENCE);
        while frames::counts().free != self.free && !limit.has_passed() {
            std::thread::sleep(Duration::from_millis(1));
            settle();
        }
        let counts = frames::counts();
        assert_eq!(
            (counts.resident, counts.wired, counts.lingering),
            (0, 0, 0),
            "pages leaked: {counts:?}"
        );
        assert_eq!(counts.page_tables, self.tables, "page tables leaked");
        assert_eq!(counts.free, self.free, "frames leaked: {counts:?}");
        for zone in prim::zone::zones() {
            let zone = zone.statistics();
            if zone.name.starts_with("VM map")
                || zone.name == "vm objects"
                || zone.name == "memory entries"
            {
                assert_eq!(zone.in_use, 0, "{} leaked", zone.name);
            }
        }
    }
}

/// An empty map; when the last reference goes, everything in it does.
pub fn new_map() -> Arc<VmMap> {
    let pmap = Pmap::create(Reserve::Normal).expect("a root table");
    VmMap::create(pmap, USER_MIN, USER_MAX).expect("a map")
}

/// Why a user access failed for good.
pub type Access64 = Result<u64, KernReturn>;

/// An access as a user program makes it: emulation faults go to the pmap, others to `vm_fault`, and then again.
pub fn access(map: &VmMap, address: u64, access: Access, value: u64) -> Access64 {
    let wanted = match access {
        Access::Read => VmProt::READ,
        Access::Write => VmProt::WRITE,
        Access::Execute => VmProt::EXECUTE,
    };
    // Others may take the mapping away each time, but not for ever.
    for _ in 0..1000 {
        map.pmap().activate();
        let (root, asid) = mmu::active();
        let mut buffer = [0; 8];
        let tried = match access {
            Access::Write => mmu::store(root, asid, address, &value.to_le_bytes()).map(|()| 0),
            Access::Execute => mmu::fetch(root, asid, address).map(u64::from),
            Access::Read => {
                mmu::load(root, asid, address, &mut buffer).map(|()| u64::from_le_bytes(buffer))
            }
        };
        let fault = match tried {
            Ok(value) => return Ok(value),
            Err(failed) => failed.fault,
        };
        let emulated = matches!(fault, Fault::AccessFlag(_) | Fault::Permission(_));
        if emulated && map.pmap().fast_fault(address, wanted) {
            continue;
        }
        vm_fault::fault(map, address, wanted, true)?;
    }
    panic!("the same access at {address:#x} faults again and again");
}

pub fn load(map: &VmMap, address: u64) -> Access64 {
    access(map, address, Access::Read, 0)
}

pub fn store(map: &VmMap, address: u64, value: u64) -> Result<(), KernReturn> {
    access(map, address, Access::Write, value).map(|_| ())
}

/// Entry count of a map.
pub fn entries(map: &VmMap) -> u64 {
    map.statistics().entries
}

/// Every structure behind a map.
pub fn validate(map: &VmMap) {
    map.validate().unwrap();
    map.pmap().validate();
    for entry in map.read().entries() {
        if let Some(object) = entry.object() {
            object.validate();
        }
    }
}

/// Small numbers that look random, the same in every run with the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
