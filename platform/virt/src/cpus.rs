//! Starting the other CPUs by PSCI, each on a guarded stack.

use crate::console::print_line;
use crate::device_tree::{Board, Conduit};
use crate::interrupts;
use core::sync::atomic::{AtomicUsize, Ordering};
use drivers::psci;
use machine::address::{KERNEL_STACK_SIZE, KERNEL_STACK_SLOT, KERNEL_STACKS};
use machine::kernel_space::{Mapping, Memory, Permission};
use machine::{PAGE_SIZE, VirtAddr, boot, clock};
use prim::bootstrap;

static ONLINE: AtomicUsize = AtomicUsize::new(1);

/// CPUs that run.
pub(crate) fn online() -> usize {
    ONLINE.load(Ordering::Acquire)
}

/// The conduit in the driver's terms.
pub(crate) fn conduit(board: &Board) -> Option<psci::Conduit> {
    Some(match board.conduit? {
        Conduit::Hvc => psci::Conduit::Hvc,
        Conduit::Smc => psci::Conduit::Smc,
    })
}

/// Starts all CPUs but the first, one after the other.
pub(crate) fn start_others(board: &Board) {
    let Some(conduit) = conduit(board) else {
        return;
    };
    for (number, &id) in board.cpus.iter().enumerate().skip(1) {
        let (entry, argument) = boot::release(number, stack(number));
        if let Err(error) = conduit.cpu_on(id, entry.0, argument) {
            print_line!("CPU {number} does not start: {error:?}");
            return;
        }
        if !wait_for(number) {
            print_line!("CPU {number} was started and did not arrive");
            return;
        }
    }
}

/// Waits a second for CPU `number` to arrive.
fn wait_for(number: usize) -> bool {
    let limit = clock::counter() + clock::frequency();
    while online() <= number {
        if clock::counter() > limit {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

/// Maps a first stack for CPU `number` in its slot of the stack window, and returns its top.
fn stack(number: usize) -> VirtAddr {
    let bottom = KERNEL_STACKS + number as u64 * KERNEL_STACK_SLOT + KERNEL_STACK_SIZE;
    for page in (0..KERNEL_STACK_SIZE).step_by(PAGE_SIZE) {
        let phys = boot::table_page().expect("the pool holds the first stacks");
        let mapping = Mapping {
            virt: VirtAddr(bottom + page),
            phys,
            size: PAGE_SIZE as u64,
            memory: Memory::Normal,
            permission: Permission::ReadWrite,
        };
        if let Err(error) = boot::map(mapping) {
            panic!("cannot map a stack for CPU {number}: {error:?}");
        }
    }
    VirtAddr(bottom + KERNEL_STACK_SIZE)
}

/// The first Rust function of every other CPU.
#[unsafe(no_mangle)]
extern "C" fn secondary_main(number: usize) -> ! {
    debug_assert_eq!(number, machine::cpu::current());
    interrupts::init_cpu();
    ONLINE.fetch_add(1, Ordering::Release);
    bootstrap::processor()
}
