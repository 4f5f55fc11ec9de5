//! Bare metal's functions, over the simulated machine. Names, arguments and meaning are those of
//! `src/bare/`; where the twin checks more, its function says so.

#[path = "copyio.rs"]
pub mod copyio;
#[path = "cpu.rs"]
pub mod cpu;
#[path = "frame_memory.rs"]
pub mod frame_memory;

/// Interrupt masking: a flag per thread.
pub mod interrupts {
    use std::cell::Cell;

    thread_local! {
        static ENABLED: Cell<bool> = const { Cell::new(true) };
    }

    /// Whether interrupts were enabled before [`disable`].
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    #[must_use = "interrupts stay masked until the state is restored"]
    pub struct InterruptState(bool);

    /// Masks interrupts.
    pub fn disable() -> InterruptState {
        InterruptState(ENABLED.replace(false))
    }

    /// Goes back to the state before the matching [`disable`].
    #[doc(alias = "ml_set_interrupts_enabled")]
    pub fn restore(state: InterruptState) {
        ENABLED.set(state.0);
    }

    /// Unmasks interrupts.
    pub fn enable() {
        ENABLED.set(true);
    }

    /// Whether interrupts can be taken.
    #[doc(alias = "ml_get_interrupts_enabled")]
    #[must_use]
    pub fn are_enabled() -> bool {
        ENABLED.get()
    }

    /// Lets other threads run.
    pub fn wait_for_interrupt() {
        std::thread::yield_now();
    }
}

/// Memory barriers.
pub mod barrier {
    use std::sync::atomic::{Ordering, fence};

    /// Orders all earlier accesses before all later ones, devices included.
    pub fn full() {
        fence(Ordering::SeqCst);
    }

    /// Makes earlier descriptor writes visible to table walks; needed after an invalid descriptor
    /// became valid.
    pub fn publish_tables() {
        fence(Ordering::SeqCst);
    }

    /// Synchronises the instruction stream.
    pub fn instruction() {}
}

/// Access to descriptors in table memory.
pub mod table {
    use crate::address::PhysAddr;
    use crate::host::{ram, tlb};
    use std::sync::atomic::Ordering;

    /// Reads a descriptor.
    #[must_use]
    pub fn read_descriptor(at: PhysAddr) -> u64 {
        ram::word(at).load(Ordering::Acquire)
    }

    /// Writes a descriptor. The twin panics on a violation of break-before-make.
    pub fn write_descriptor(at: PhysAddr, value: u64) {
        let old = ram::word(at).swap(value, Ordering::AcqRel);
        tlb::check_write(at, old, value);
    }

    /// Replaces `current` by `new` in one step; the error is what stood there.
    pub fn compare_exchange_descriptor(at: PhysAddr, current: u64, new: u64) -> Result<(), u64> {
        ram::word(at).compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)?;
        tlb::check_write(at, current, new);
        Ok(())
    }
}

/// TLB maintenance. Nothing is forgotten before [`tlb::sync`].
pub mod tlb {
    use crate::host::tlb::{Flush, apply, queue};
    use crate::page::{PAGE_SIZE, round_page, trunc_page};

    /// Forgets one page of one address space.
    pub fn invalidate_page(asid: u16, address: u64) {
        let start = trunc_page(address);
        let end = start + PAGE_SIZE as u64;
        queue(Flush::Range { asid, start, end });
    }

    /// Forgets `[start, end)` of one address space.
    #[doc(alias = "flush_mmu_tlb_region_asid_async")]
    pub fn invalidate_range(asid: u16, start: u64, end: u64) {
        let (start, end) = (trunc_page(start), round_page(end));
        queue(Flush::Range { asid, start, end });
    }

    /// Forgets one address space.
    #[doc(alias = "flush_mmu_tlb_asid_async")]
    pub fn invalidate_asid(asid: u16) {
        queue(Flush::Asid(asid));
    }

    /// Forgets `[start, end)` of the kernel's half.
    pub fn invalidate_kernel_range(start: u64, end: u64) {
        let (start, end) = (trunc_page(start), round_page(end));
        queue(Flush::Kernel { start, end });
    }

    /// Forgets everything.
    #[doc(alias = "flush_mmu_tlb_async")]
    pub fn invalidate_all() {
        queue(Flush::All);
    }

    /// Waits until all CPUs have done what was asked above.
    #[doc(alias = "sync_tlb_flush")]
    pub fn sync() {
        apply();
    }
}

/// Instruction cache maintenance.
pub mod cache {
    use crate::address::FrameNumber;
    use crate::host::ram;

    /// Makes instruction fetches see what was written to `frame`.
    #[doc(alias = "pmap_sync_page_data_phys")]
    pub fn synchronise_instructions(frame: FrameNumber) {
        ram::mark_synchronised(frame);
    }

    /// Writes back and forgets the data cache lines of `frame`. The twin's devices see RAM.
    pub fn clean_and_invalidate_data(_frame: FrameNumber) {}
}

/// The MMU's registers.
pub mod mmu {
    use crate::address::PhysAddr;
    use crate::host;

    /// Bits of an ASID.
    #[must_use]
    pub fn asid_bits() -> u32 {
        16
    }

    /// Bits of a physical address.
    #[must_use]
    pub fn physical_bits() -> u32 {
        40
    }

    /// Installs a user address space on this CPU (this thread).
    #[doc(alias = "pmap_switch_user_ttb")]
    pub fn switch_user(root: PhysAddr, asid: u16) {
        host::mmu::set_active(root, asid);
    }

    /// Leaves this CPU (this thread) without user mappings.
    pub fn switch_to_no_user() {
        host::mmu::set_active(PhysAddr(0), 0);
    }

    /// Whether some CPU (some living thread) may walk the user tables under `root`.
    #[must_use]
    pub fn is_installed(root: PhysAddr) -> bool {
        host::mmu::is_active(root)
    }

    /// The installed user address space: root (0 when none) and ASID.
    #[must_use]
    pub fn active_user() -> (PhysAddr, u16) {
        host::mmu::active()
    }

    /// The root table of the kernel's half.
    #[must_use]
    pub fn kernel_root() -> PhysAddr {
        host::ram::kernel_root()
    }
}

/// The generic timer.
pub mod clock {
    use std::sync::OnceLock;
    use std::time::Instant;

    fn start() -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    /// Ticks since some moment before the first call; never goes back.
    #[doc(alias = "mach_absolute_time")]
    #[must_use]
    pub fn counter() -> u64 {
        start().elapsed().as_nanos() as u64
    }

    /// Ticks per second.
    #[must_use]
    pub fn frequency() -> u64 {
        1_000_000_000
    }

    /// Asks for a timer interrupt on this CPU. The twin has none: its threads park with a timeout.
    pub fn set_deadline(_counter: u64) {}

    /// Switches this CPU's timer interrupt off.
    pub fn mask() {}
}

/// The floating point unit: a register file per thread.
pub mod fp {
    pub use crate::fp_state::FpState;
    use std::cell::{Cell, RefCell};

    thread_local! {
        static REGISTERS: RefCell<FpState> = const { RefCell::new(FpState::new()) };
        static ENABLED: Cell<bool> = const { Cell::new(false) };
    }

    /// Lets user mode use the unit.
    pub fn enable() {
        ENABLED.set(true);
    }

    /// Makes the next use from user mode trap.
    pub fn disable() {
        ENABLED.set(false);
    }

    /// Whether user mode may use the unit on this CPU.
    #[must_use]
    pub fn is_enabled() -> bool {
        ENABLED.get()
    }

    /// Copies the registers to `state`. The unit must be enabled.
    pub fn save(state: &mut FpState) {
        assert!(is_enabled(), "the unit is switched off");
        REGISTERS.with_borrow(|registers| state.clone_from(registers));
    }

    /// Loads the registers from `state`. The unit must be enabled.
    pub fn restore(state: &FpState) {
        assert!(is_enabled(), "the unit is switched off");
        REGISTERS.with_borrow_mut(|registers| registers.clone_from(state));
    }
}
