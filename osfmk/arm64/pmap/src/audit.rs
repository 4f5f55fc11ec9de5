//! The kernel's half as the hardware sees it, checked leaf by leaf.
//!
//! The upper half is made by several hands: the start-up assembly (image), the board (direct map, devices), kernel
//! stacks, and the kernel pmap. [`audit`] walks whatever they left under the root in use and proves the rules that
//! must hold for all of it together:
//!
//! * nothing is both writable and executable, and no frame that is executable somewhere is writable elsewhere (the
//!   direct map shows the image too);
//! * user mode can neither access nor execute anything, and every mapping is global;
//! * device registers are not executable;
//! * in the window of kernel stacks only the upper half of a slot is mapped: below every stack lies its guard.
//!
//! It reads only; run it at the end of start-up, or from a debug command. Kernel-half tables are never freed while
//! it looks, except those of the kernel pmap's window: nobody may unmap there meanwhile.
//!
//! XNU counterpart: the checks around `arm_vm_prot_finalize`.

use machine::address::{
    FrameNumber, KERNEL_STACK_SIZE, KERNEL_STACK_SLOT, KERNEL_STACKS, KERNEL_STACKS_END, PhysAddr,
    VA_BITS,
};
use machine::descriptor::{
    AP_READ_ONLY, AP_USER, ATTR_DEVICE, ATTR_MASK, Kind, NOT_GLOBAL, PXN, UXN, kind, output,
};
use machine::mmu;

use crate::geometry::{ENTRIES, LEAF_LEVEL, ROOT_LEVEL, descriptor_span};
use crate::slot::Slot;

/// First address of the upper half.
const UPPER_HALF: u64 = u64::MAX << VA_BITS;

/// Bytes of each kind of mapping in the kernel's half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Executable, not writable.
    pub execute: u64,
    /// Neither writable nor executable.
    pub read_only: u64,
    /// Writable RAM.
    pub read_write: u64,
    /// Device registers.
    pub device: u64,
    /// Tables, the root included.
    pub tables: u64,
}

/// A mapping that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Writable and executable at once.
    WritableAndExecutable(u64),
    /// Writable, while the same memory is executable at another address.
    WritableAlias(u64),
    /// User mode can access or execute it.
    OpenToUser(u64),
    /// It belongs to one ASID.
    NotGlobal(u64),
    /// Device registers that can be executed.
    ExecutableDevice(u64),
    /// Something is mapped where the guard below a kernel stack should be.
    MappedGuard(u64),
}

/// One block or page.
#[derive(Clone, Copy)]
struct Leaf {
    va: u64,
    bits: u64,
    phys: PhysAddr,
    size: u64,
}

/// Checks every mapping of the kernel's half of this machine.
#[doc(alias = "arm_vm_prot_finalize")]
pub fn audit() -> Result<Audit, Violation> {
    audit_tables(mmu::kernel_root().frame())
}

/// Checks every mapping under a root of the upper half.
pub fn audit_tables(root: FrameNumber) -> Result<Audit, Violation> {
    let mut audit = Audit::default();
    let mut executable: Option<(u64, u64)> = None;
    walk(
        root,
        UPPER_HALF,
        ROOT_LEVEL,
        &mut audit.tables,
        &mut |leaf| {
            check(leaf)?;
            if leaf.executes() {
                let (first, end) = executable.unwrap_or((u64::MAX, 0));
                executable = Some((first.min(leaf.phys.0), end.max(leaf.phys.0 + leaf.size)));
            }
            Ok(())
        },
    )?;
    // Text is one run of frames; the span from its first to its last executable byte is what nobody may write.
    let (text, text_end) = executable.unwrap_or((0, 0));
    let mut tables = 0;
    walk(root, UPPER_HALF, ROOT_LEVEL, &mut tables, &mut |leaf| {
        let overlaps = leaf.phys.0 < text_end && text < leaf.phys.0 + leaf.size;
        if leaf.writes() && overlaps {
            return Err(Violation::WritableAlias(leaf.va));
        }
        audit.count(leaf);
        Ok(())
    })?;
    Ok(audit)
}

impl Audit {
    fn count(&mut self, leaf: Leaf) {
        let kind = match leaf {
            _ if leaf.is_device() => &mut self.device,
            _ if leaf.executes() => &mut self.execute,
            _ if leaf.writes() => &mut self.read_write,
            _ => &mut self.read_only,
        };
        *kind += leaf.size;
    }
}

impl Leaf {
    fn writes(self) -> bool {
        self.bits & AP_READ_ONLY == 0
    }

    fn executes(self) -> bool {
        self.bits & PXN == 0
    }

    fn covers_a_guard(self) -> bool {
        let in_slot = self.va % KERNEL_STACK_SLOT;
        let is_stack = in_slot >= KERNEL_STACK_SIZE && in_slot + self.size <= KERNEL_STACK_SLOT;
        (KERNEL_STACKS..KERNEL_STACKS_END).contains(&self.va) && !is_stack
    }

    fn is_device(self) -> bool {
        self.bits & ATTR_MASK == ATTR_DEVICE
    }
}

fn check(leaf: Leaf) -> Result<(), Violation> {
    if leaf.writes() && leaf.executes() {
        return Err(Violation::WritableAndExecutable(leaf.va));
    }
    if leaf.bits & AP_USER != 0 || leaf.bits & UXN == 0 {
        return Err(Violation::OpenToUser(leaf.va));
    }
    if leaf.bits & NOT_GLOBAL != 0 {
        return Err(Violation::NotGlobal(leaf.va));
    }
    if leaf.is_device() && leaf.executes() {
        return Err(Violation::ExecutableDevice(leaf.va));
    }
    if leaf.covers_a_guard() {
        return Err(Violation::MappedGuard(leaf.va));
    }
    Ok(())
}

/// Visits every leaf below a table; recursion is as deep as there are levels.
fn walk(
    table: FrameNumber,
    base: u64,
    level: u32,
    tables: &mut u64,
    visit: &mut impl FnMut(Leaf) -> Result<(), Violation>,
) -> Result<(), Violation> {
    *tables += 1;
    let size = descriptor_span(level);
    // With 4 KiB pages only half of the root's descriptors translate anything.
    let used = if level == ROOT_LEVEL {
        ((1u64 << VA_BITS) / size) as usize
    } else {
        ENTRIES
    };
    for index in 0..used {
        let (va, bits) = (base + index as u64 * size, Slot::nth(table, index).read().0);
        match kind(bits, level) {
            Kind::Invalid => {}
            Kind::Leaf => visit(Leaf {
                va,
                bits,
                phys: PhysAddr(output(bits, level)),
                size,
            })?,
            Kind::Table if level < LEAF_LEVEL => {
                walk(
                    PhysAddr(output(bits, level)).frame(),
                    va,
                    level + 1,
                    tables,
                    visit,
                )?;
            }
            Kind::Table => {}
        }
    }
    Ok(())
}
