//! Switching a CPU to an address space, and knowing which CPU walks which tables.
//!
//! A CPU that has switched away from a pmap may still have its root in TTBR0 (kernel threads run on whatever was
//! there), and hardware may walk it speculatively. So a dead pmap's root, emptied, and its ASID are kept as a
//! *zombie* until no CPU has them installed. A CPU installs one root at a time, so there are never more
//! zombies than CPUs; [`reap_zombies`] runs whenever a pmap is made or ends.
//!
//! XNU counterpart: `pmap_switch`, `pmap_set_pmap`.

use machine::address::FrameNumber;
use machine::cpu;
use machine::{interrupts, mmu, tlb};
use prim::lock::{Rank, SpinLock};
use prim::thread::AddressSpace;

use crate::asid::Asids;
use crate::{Pmap, table};

static ASIDS: Asids = Asids::new(8);
/// Roots that wait to be freed: the first one, 0 for none; the rest hang on it, see [`table::bury_root`].
static ZOMBIES: SpinLock<u32> = SpinLock::new(Rank::Pmap, NO_ROOT);
const NO_ROOT: u32 = 0;

/// The machine's address space identifiers.
pub fn asids() -> &'static Asids {
    &ASIDS
}

impl AddressSpace for Pmap {
    /// Makes this the user half of the calling CPU's address space.
    #[doc(alias = "pmap_switch")]
    fn activate(&self) {
        debug_assert!(
            !self.is_kernel(),
            "the kernel's tables are always installed"
        );
        // Masked, so that number, assignment and register belong to one CPU.
        let masked = interrupts::disable();
        let cpu = cpu::current();
        let assignment = ASIDS.assign(cpu, &self.context);
        if assignment.flush {
            tlb::invalidate_all();
            tlb::sync();
        }
        mmu::switch_user(self.root.phys(), assignment.asid);
        interrupts::restore(masked);
    }
}

/// Leaves the calling CPU without a user address space.
pub fn deactivate() {
    let masked = interrupts::disable();
    mmu::switch_to_no_user();
    interrupts::restore(masked);
}

/// Buries the root and the ASID of a pmap that has ended: nothing is mapped and every TLB has been flushed.
pub(crate) fn bury(root: FrameNumber, context: u64) {
    let mut first = ZOMBIES.lock();
    table::bury_root(root, context, FrameNumber(*first));
    *first = root.0;
    reap(&mut first);
}

/// Frees what no CPU has installed any more.
pub(crate) fn reap_zombies() {
    reap(&mut ZOMBIES.lock());
}

fn reap(first: &mut u32) {
    let mut next = core::mem::replace(first, NO_ROOT);
    while next != NO_ROOT {
        let root = FrameNumber(next);
        let (context, following) = table::buried(root);
        next = following.0;
        if mmu::is_installed(root.phys()) {
            table::bury_root(root, context, FrameNumber(*first));
            *first = root.0;
        } else {
            ASIDS.release(context);
            drop(table::disown_root(root));
        }
    }
}
