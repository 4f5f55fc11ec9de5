//! A file of the pager's, as a program has it: open, and mapped.

use std::sync::Arc;

use bsd::vfs::vnode::Vnode;
use bsd_sys::Errno;
use mach::vm_sync::VmSync;
use mach::{KernReturn, VmInherit, VmProt};
use machine::esr::Access;
use machine::host::mmu::{self, Fault};
use machine::page::PAGE_SIZE;
use prim::thread::AddressSpace as _;
use vm::memory_object::{LockRequest, Reply, ShouldReturn};
use vm::vm_fault::{self, FaultOptions};
use vm::vm_map::{Backing, EnterFlags, Hold, ObjectMapping, Placement, VmMap};
use vm::vm_object::ObjectRef;

use crate::bench::new_map;

const PAGE: u64 = PAGE_SIZE as u64;

/// An open file.
pub struct OpenFile {
    vnode: Arc<Vnode>,
    object: ObjectRef,
}

impl OpenFile {
    pub(crate) fn new(vnode: Arc<Vnode>, object: ObjectRef) -> Self {
        Self { vnode, object }
    }

    /// Bytes, as `fstat(2)` shows.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.vnode.size()
    }

    /// Reads as `pread(2)` does: less at the end.
    ///
    /// # Errors
    /// `EIO` where the pager has no data.
    pub fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
        let available = self.size().saturating_sub(offset);
        let mut bytes = vec![0; length.min(usize::try_from(available).unwrap_or(usize::MAX))];
        self.object
            .read_to_kernel(offset, &mut bytes, FaultOptions::UNINTERRUPTIBLE)
            .map_err(|_| Errno::EIO)?;
        Ok(bytes)
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`OpenFile::read`].
    pub fn read_all(&self) -> Result<Vec<u8>, Errno> {
        self.read(0, self.size() as usize)
    }

    /// Maps all of it, shared, in an address space of its own.
    #[must_use]
    pub fn map(&self) -> Map {
        let map = new_map();
        let size = self.size().next_multiple_of(PAGE).max(PAGE);
        let base = map
            .enter_mem_object(ObjectMapping {
                placement: Placement::Anywhere(0),
                size,
                mask: 0,
                backing: Backing::Object(self.object.clone()),
                offset: 0,
                hold: Hold::Share,
                protection: VmProt::DEFAULT,
                max_protection: VmProt::DEFAULT,
                inheritance: VmInherit::Share,
                flags: EnterFlags::empty(),
                user_tag: 0,
            })
            .expect("room");
        Map {
            map,
            base,
            size,
            object: self.object.clone(),
        }
    }
}

/// A mapping. Accesses are a processor's: through true page tables, by a fault where there is no translation.
pub struct Map {
    map: Arc<VmMap>,
    base: u64,
    size: u64,
    object: ObjectRef,
}

impl Map {
    /// Loads a byte.
    ///
    /// # Errors
    /// `MEMORY_ERROR` where a program would get `SIGBUS`.
    pub fn load(&self, offset: u64) -> Result<u8, KernReturn> {
        let mut byte = [0];
        self.access(offset, Access::Read, |root, asid, at| {
            mmu::load(root, asid, at, &mut byte).map_err(|failed| failed.fault)
        })?;
        Ok(byte[0])
    }

    /// Stores a byte.
    ///
    /// # Errors
    /// As [`Map::load`].
    pub fn store(&self, offset: u64, byte: u8) -> Result<(), KernReturn> {
        self.access(offset, Access::Write, |root, asid, at| {
            mmu::store(root, asid, at, &[byte]).map_err(|failed| failed.fault)
        })
    }

    /// Writes dirty pages back, as `msync(MS_SYNC)` does.
    ///
    /// # Errors
    /// What `vm_map_msync` says.
    pub fn synchronize(&self) -> Result<(), KernReturn> {
        self.map
            .msync(self.base, self.base + self.size, VmSync::SYNCHRONOUS)
    }

    /// Lets go of what is in memory and clean: the next access asks the pager.
    pub fn discard(&self) {
        let control = self.object.memory_control();
        let flush = LockRequest {
            offset: 0,
            length: self.size,
            should_return: ShouldReturn::None,
            flush: true,
            protection: None,
            reply: Reply::NotWanted,
        };
        let flushed = control.map(|control| control.lock_request(flush));
        assert_eq!(flushed, Some(Ok(())), "the object has a pager");
    }

    /// An access, again after each fault that the kernel has dealt with.
    fn access(
        &self,
        offset: u64,
        access: Access,
        mut attempt: impl FnMut(machine::PhysAddr, u16, u64) -> Result<(), Fault>,
    ) -> Result<(), KernReturn> {
        assert!(offset < self.size, "within the mapping");
        let (at, wanted) = match access {
            Access::Write => (self.base + offset, VmProt::WRITE),
            _ => (self.base + offset, VmProt::READ),
        };
        // Others may take the translation away each time, but not for ever.
        for _ in 0..1000 {
            self.map.pmap().activate();
            let (root, asid) = mmu::active();
            let Err(fault) = attempt(root, asid, at) else {
                return Ok(());
            };
            let emulated = matches!(fault, Fault::AccessFlag(_) | Fault::Permission(_));
            if emulated && self.map.pmap().fast_fault(at, wanted) {
                continue;
            }
            vm_fault::fault(&self.map, at, wanted, true)?;
        }
        panic!("the same access at {at:#x} faults again and again");
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        pmap::deactivate();
    }
}
