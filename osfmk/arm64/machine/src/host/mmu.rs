//! Accesses as a user program makes them: TLB first, then a walk of the true tables.

use super::{ram, tlb};
use crate::address::{FrameNumber, PhysAddr, VA_BITS};
use crate::descriptor::{self as bits, Kind};
use crate::esr::{Abort, Access, Exception, FaultStatus};
use crate::page::{PAGE_MASK, PAGE_SIZE, trunc_page};
use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why an access failed, as the syndrome would tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No valid descriptor at this level.
    Translation(u8),
    /// The leaf at this level has no access flag.
    AccessFlag(u8),
    /// The leaf at this level forbids the access.
    Permission(u8),
    /// A fetch from a frame that was written and not synchronised. Hardware would run garbage.
    StaleInstruction(FrameNumber),
}

/// A failed access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MmuFault {
    /// The address that failed (FAR_EL1).
    pub address: u64,
    /// What was tried.
    pub access: Access,
    /// Why it failed.
    pub fault: Fault,
}

impl MmuFault {
    /// The exception the CPU would take, for a fault handler under test.
    #[must_use]
    pub fn exception(&self) -> Exception {
        let status = match self.fault {
            Fault::Translation(level) => FaultStatus::Translation(level),
            Fault::AccessFlag(level) => FaultStatus::AccessFlag(level),
            Fault::Permission(level) => FaultStatus::Permission(level),
            Fault::StaleInstruction(frame) => panic!("stale instructions in {frame:?}"),
        };
        let abort = Abort {
            access: self.access,
            status,
            address_valid: true,
            cache_maintenance: false,
            from_user: true,
        };
        match self.access {
            Access::Execute => Exception::InstructionAbort(abort),
            Access::Read | Access::Write => Exception::DataAbort(abort),
        }
    }
}

/// A thread's TTBR0; given up with the thread.
struct Ttbr0(Cell<(PhysAddr, u16)>);

thread_local! {
    static ACTIVE: Ttbr0 = const { Ttbr0(Cell::new((PhysAddr(0), 0))) };
}

/// The roots in all TTBR0s, one element each.
static ROOTS: Mutex<Vec<PhysAddr>> = Mutex::new(Vec::new());

fn roots() -> MutexGuard<'static, Vec<PhysAddr>> {
    ROOTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ttbr0 {
    fn set(&self, root: PhysAddr, asid: u16) {
        let (old, _) = self.0.replace((root, asid));
        let mut roots = roots();
        if let Some(at) = roots.iter().position(|&other| other == old) {
            roots.swap_remove(at);
        }
        if root.0 != 0 {
            roots.push(root);
        }
    }
}

impl Drop for Ttbr0 {
    fn drop(&mut self) {
        self.set(PhysAddr(0), 0);
    }
}

/// Sets this thread's TTBR0.
pub(crate) fn set_active(root: PhysAddr, asid: u16) {
    ACTIVE.with(|active| active.set(root, asid));
}

/// Whether some thread has `root` in its TTBR0.
pub(crate) fn is_active(root: PhysAddr) -> bool {
    roots().contains(&root)
}

/// This thread's TTBR0: root table (0 when there is none) and ASID.
#[must_use]
pub fn active() -> (PhysAddr, u16) {
    ACTIVE.with(|active| active.0.get())
}

/// Loads `buffer.len()` bytes as a user program would.
pub fn load(root: PhysAddr, asid: u16, address: u64, buffer: &mut [u8]) -> Result<(), MmuFault> {
    let mut done = 0;
    while done < buffer.len() {
        let at = address + done as u64;
        let length = in_page(at, buffer.len() - done);
        access(root, asid, at, Access::Read, |physical| {
            ram::read(physical, &mut buffer[done..done + length]);
        })?;
        done += length;
    }
    Ok(())
}

/// Stores `bytes` as a user program would.
pub fn store(root: PhysAddr, asid: u16, address: u64, bytes: &[u8]) -> Result<(), MmuFault> {
    let mut done = 0;
    while done < bytes.len() {
        let at = address + done as u64;
        let length = in_page(at, bytes.len() - done);
        access(root, asid, at, Access::Write, |physical| {
            ram::write(physical, &bytes[done..done + length]);
        })?;
        done += length;
    }
    Ok(())
}

/// Fetches one instruction as a user program would.
pub fn fetch(root: PhysAddr, asid: u16, address: u64) -> Result<u32, MmuFault> {
    access(root, asid, address, Access::Execute, |physical| {
        if ram::is_unsynchronised(physical.frame()) {
            return Err(MmuFault {
                address,
                access: Access::Execute,
                fault: Fault::StaleInstruction(physical.frame()),
            });
        }
        Ok(ram::half_word(physical).load(Ordering::Relaxed))
    })?
}

/// How much of `wanted` bytes at `address` lies in its page.
pub(crate) fn in_page(address: u64, wanted: usize) -> usize {
    wanted.min(PAGE_SIZE - (address & PAGE_MASK) as usize)
}

/// Translates one user access and performs it by `body`, before any flush completes.
pub(crate) fn access<R>(
    root: PhysAddr,
    asid: u16,
    address: u64,
    kind: Access,
    body: impl FnOnce(PhysAddr) -> R,
) -> Result<R, MmuFault> {
    tlb::access(|| translate_in_flight(root, asid, address, kind).map(body))
}

/// Translates one user access; fills the TLB like hardware.
pub fn translate(
    root: PhysAddr,
    asid: u16,
    address: u64,
    kind: Access,
) -> Result<PhysAddr, MmuFault> {
    access(root, asid, address, kind, |physical| physical)
}

fn translate_in_flight(
    root: PhysAddr,
    asid: u16,
    address: u64,
    access: Access,
) -> Result<PhysAddr, MmuFault> {
    let failed = |fault| MmuFault {
        address,
        access,
        fault,
    };
    let entry = match tlb::find(asid, address) {
        Some(entry) => entry,
        None => fill(root, asid, address).map_err(failed)?,
    };
    if !permits(entry.leaf, access) {
        return Err(failed(Fault::Permission(entry.level as u8)));
    }
    let frame = tlb::frame_of(&entry, trunc_page(address));
    Ok(frame.phys().offset(address & PAGE_MASK))
}

/// Walks and caches. Neither translation faults nor entries without access flag are cached.
fn fill(root: PhysAddr, asid: u16, address: u64) -> Result<tlb::Entry, Fault> {
    let entry = walk(root, address)?;
    if entry.leaf & bits::ACCESS_FLAG == 0 {
        return Err(Fault::AccessFlag(entry.level as u8));
    }
    let owner = if entry.leaf & bits::NOT_GLOBAL == 0 {
        tlb::Owner::Global
    } else {
        tlb::Owner::Asid(asid)
    };
    tlb::insert(owner, address, entry.clone());
    Ok(entry)
}

fn walk(root: PhysAddr, address: u64) -> Result<tlb::Entry, Fault> {
    let mut table = match address >> VA_BITS {
        0 if root.0 != 0 => root,
        0x1_FFFF => ram::kernel_root(),
        _ => return Err(Fault::Translation(0)),
    };
    let mut path = Vec::new();
    for level in bits::START_LEVEL..=bits::LAST_LEVEL {
        let at = table.offset(bits::index(address, level) as u64 * 8);
        let value = ram::word(at).load(Ordering::Acquire);
        path.push((at, value));
        match bits::kind(value, level) {
            Kind::Invalid => return Err(Fault::Translation(level as u8)),
            Kind::Table => table = PhysAddr(bits::output(value, level)),
            Kind::Leaf => {
                return Ok(tlb::Entry {
                    leaf: value,
                    level,
                    path,
                });
            }
        }
    }
    Err(Fault::Translation(bits::LAST_LEVEL as u8))
}

/// Whether EL0 may do `access` through `leaf`.
fn permits(leaf: u64, access: Access) -> bool {
    let user = leaf & bits::AP_USER != 0;
    match access {
        Access::Read => user,
        Access::Write => user && leaf & bits::AP_READ_ONLY == 0,
        // An execute-only page (user bit clear, UXN clear) is executable on hardware.
        Access::Execute => leaf & bits::UXN == 0,
    }
}
