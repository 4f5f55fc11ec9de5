//! From the loader's jump to the board's `kernel_main`, and what start-up needs of the machine.
//!
//! The order on the boot CPU: `asm/boot.S` (Image header, EL2 to EL1, granule check, first tables,
//! MMU) → [`primary`] → the board's `kernel_main(device_tree)`. The board then calls
//! [`map_direct`] with the RAM of the device tree, and [`release`] for every other CPU, which
//! arrives in the board's `secondary_main(cpu)`.
//!
//! XNU's counterpart: `osfmk/arm64/start.s`, `osfmk/arm/arm_init.c`, `arm_vm_init.c`.

use super::{clock, cpu, early_message, mmu};
use crate::address::{
    DIRECT_MAP, DIRECT_MAP_END, KERNEL_IMAGE, KERNEL_IMAGE_MAX, KERNEL_STACK_SIZE, PhysAddr,
    VA_BITS, VirtAddr, phys_to_virt,
};
use crate::descriptor as bits;
use crate::kernel_space::{self, MapError, Mapping, Memory, Permission};
use crate::page::{PAGE_SHIFT, PAGE_SIZE, round_page, trunc_page};
use crate::per_cpu::CpuLocal;
use aarch64_cpu::registers::CurrentEL;
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::{offset_of, size_of};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tock_registers::interfaces::Readable;

/// TCR_EL1 without the physical size: T0SZ = T1SZ = 64 - VA_BITS, write-back inner-shareable
/// walks, the granule in TG0 and TG1.
const TCR: u64 = {
    let size = 64 - VA_BITS as u64;
    let walks = 0b11_01_01 << 8 | 0b11_01_01 << 24;
    let granule = if PAGE_SHIFT == 14 {
        0b10 << 14 | 0b01 << 30
    } else {
        0b10 << 30
    };
    size | size << 16 | walks | granule
};

/// SCTLR_EL1: MMU, caches, stack alignment checks, EL0 may use WFE, WFI, DC ZVA, CTR and cache
/// maintenance by address; RES1 bits.
const SCTLR: u64 = {
    let on = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12;
    let user = 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26;
    let res1 = 1 << 7 | 1 << 8 | 1 << 11 | 1 << 20 | 1 << 22 | 1 << 23 | 1 << 28 | 1 << 29;
    on | user | res1
};

/// Bytes of tables in the image for the direct map, devices and the first stacks.
const POOL: usize = 32 * 16384;

const EMERGENCY_STACK: u64 = 8192;
/// Emergency stacks must satisfy the vectors' overflow check like all stacks: they lie in the
/// upper halves of slots.
#[repr(C, align(65536))]
struct EmergencyStacks(UnsafeCell<[[u8; 2 * KERNEL_STACK_SIZE as usize]; 2]>);
// SAFETY: only its address is used; each CPU's exceptions write to its own part.
unsafe impl Sync for EmergencyStacks {}
static EMERGENCY: EmergencyStacks =
    EmergencyStacks(UnsafeCell::new([[0; 2 * KERNEL_STACK_SIZE as usize]; 2]));

global_asm!(
    include_str!("asm/boot.S"),
    PAGE_SHIFT = const PAGE_SHIFT,
    IMAGE_MAX = const KERNEL_IMAGE_MAX,
    IMAGE_ROOT_OFFSET = const bits::index(KERNEL_IMAGE, bits::START_LEVEL) * 8,
    IMAGE_LEVEL1_OFFSET = const bits::index(KERNEL_IMAGE, 1) * 8,
    IMAGE_LEVEL2_OFFSET = const bits::index(KERNEL_IMAGE, 2) * 8,
    IMAGE_LEVEL2_ENTRIES = const KERNEL_IMAGE_MAX >> bits::level_shift(2),
    INDEX_MASK = const bits::ENTRIES - 1,
    TCR = const TCR,
    MAIR = const bits::MAIR,
    SCTLR = const SCTLR,
    POOL = const POOL,
    LOCALS = sym cpu::LOCALS,
    LOCAL_SIZE = const size_of::<CpuLocal>(),
    LOCAL_STACK = const offset_of!(CpuLocal, emergency_stack),
    LOCAL_BOOT_THREAD = const offset_of!(CpuLocal, boot_thread),
    NO_GRANULE = sym early_message::no_granule,
    PRIMARY = sym primary,
    SECONDARY = sym secondary,
);

const _: () = assert!(offset_of!(CpuLocal, thread) == 0);
const _: () = assert!(offset_of!(CpuLocal, emergency_stack) == 8);
const _: () = assert!(size_of::<EmergencyStacks>() == 2 * 65536);
const _: () = assert!(cpu::MAX_CPUS as u64 * EMERGENCY_STACK <= 2 * KERNEL_STACK_SIZE);

unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __image_end: u8;
    static __boot_stack_guard: u8;
    static boot_root: u8;
    static boot_table_pool: u8;
    fn secondary_start();
    /// The board.
    fn kernel_main(device_tree: PhysAddr) -> !;
    /// The board, on every other CPU.
    fn secondary_main(number: usize) -> !;
}

/// Physical address of the image, set before anything reads it.
static IMAGE_PHYS: AtomicU64 = AtomicU64::new(0);
/// Tables of the pool given out.
static POOL_USED: AtomicUsize = AtomicUsize::new(0);

/// The boot CPU with the MMU on, on the boot stack.
extern "C" fn primary(device_tree: u64, image: u64) -> ! {
    IMAGE_PHYS.store(image, Ordering::Relaxed);
    init_cpu(0);
    // SAFETY: the board defines the function with this signature.
    unsafe { kernel_main(PhysAddr(device_tree)) }
}

/// Another CPU with the MMU on, on the stack given to [`release`].
extern "C" fn secondary(number: usize) -> ! {
    init_cpu(number);
    // SAFETY: the board defines the function with this signature.
    unsafe { secondary_main(number) }
}

/// Per-CPU state that the assembly leaves to Rust.
fn init_cpu(number: usize) {
    let local = cpu::local();
    local.number.store(number, Ordering::Relaxed);
    local
        .thread
        .store((&raw const local.boot_thread).cast_mut(), Ordering::Relaxed);
    local
        .emergency_stack
        .store(emergency_stack(number), Ordering::Relaxed);
    mmu::switch_to_no_user();
    crate::tlb::invalidate_all();
    crate::tlb::sync();
    mmu::forbid_user_access();
    clock::mask();
    clock::allow_user_counter();
    super::fp::disable();
    // SAFETY: user debugging off, system errors unmasked: the vectors are installed.
    unsafe { asm!("msr mdscr_el1, xzr", "msr daifclr, #4", options(nostack)) };
}

/// Top of the emergency stack of CPU `number`.
fn emergency_stack(number: usize) -> u64 {
    let per_slot = (KERNEL_STACK_SIZE / EMERGENCY_STACK) as usize;
    let slot = EMERGENCY.0.get() as u64 + (number / per_slot) as u64 * 2 * KERNEL_STACK_SIZE;
    slot + KERNEL_STACK_SIZE + (number % per_slot) as u64 * EMERGENCY_STACK + EMERGENCY_STACK
}

/// Prepares CPU `number` to start on `stack_top`, and returns what PSCI CPU_ON takes: the physical
/// entry point and its argument.
pub fn release(number: usize, stack_top: VirtAddr) -> (PhysAddr, u64) {
    let local = cpu::of(number).expect("a CPU number below MAX_CPUS");
    local.emergency_stack.store(stack_top.0, Ordering::Release);
    super::barrier::full();
    (
        image_to_phys(secondary_start as *const () as *const u8),
        number as u64,
    )
}

/// The exception level this CPU runs at (1), for reports.
#[must_use]
pub fn exception_level() -> u64 {
    CurrentEL.get() >> 2 & 3
}

/// The physical address of something in the kernel image.
#[must_use]
pub fn image_to_phys(pointer: *const u8) -> PhysAddr {
    PhysAddr(pointer as u64 - KERNEL_IMAGE + IMAGE_PHYS.load(Ordering::Relaxed))
}

/// The physical range of the image, in whole pages.
#[must_use]
pub fn image() -> Range<PhysAddr> {
    let end = image_to_phys(&raw const __image_end);
    image_to_phys(&raw const __image_start)..PhysAddr(round_page(end.0))
}

/// The part of the image that nobody may write: text and read-only data.
fn read_only_image() -> Range<PhysAddr> {
    image_to_phys(&raw const __image_start)..image_to_phys(&raw const __rodata_end)
}

/// Whether `address` is kernel text, for backtraces.
#[must_use]
pub fn is_text(address: u64) -> bool {
    (&raw const __image_start as u64..&raw const __text_end as u64).contains(&address)
}

/// A zeroed page of the pool for a table of the kernel's half.
pub fn table_page() -> Option<PhysAddr> {
    let index = POOL_USED.fetch_add(1, Ordering::Relaxed);
    let offset = index * PAGE_SIZE;
    (offset < POOL).then(|| image_to_phys(&raw const boot_table_pool).offset(offset as u64))
}

/// Maps into the kernel's half with tables of the pool. Start-up only, on one CPU.
pub fn map(mapping: Mapping) -> Result<(), MapError> {
    kernel_space::map(mmu::kernel_root(), mapping, &mut table_page)
}

/// Replaces the coarse first direct map by one of exactly `memory` (page-aligned inwards): text
/// and read-only data read-only, everything else read-write, nothing executable. Also unmaps the
/// guard below the boot stack.
///
/// Nothing outside `memory` can be reached through the direct map afterwards; a device tree must
/// lie in it.
pub fn map_direct(memory: impl Iterator<Item = Range<PhysAddr>>) -> Result<(), MapError> {
    let scratch = table_page().ok_or(MapError::OutOfTables)?;
    for range in memory {
        map_bank(scratch, range)?;
    }
    splice(scratch);
    let guard = VirtAddr(&raw const __boot_stack_guard as u64);
    kernel_space::unmap(mmu::kernel_root(), guard, KERNEL_STACK_SIZE);
    Ok(())
}

/// Maps one bank under `root`, its part of the read-only image read-only.
fn map_bank(root: PhysAddr, bank: Range<PhysAddr>) -> Result<(), MapError> {
    let (start, end) = (round_page(bank.start.0), trunc_page(bank.end.0));
    let fixed = read_only_image();
    let (low, high) = (
        fixed.start.0.clamp(start, end),
        fixed.end.0.clamp(start, end),
    );
    let pieces = [
        (start, low, Permission::ReadWrite),
        (low, high, Permission::ReadOnly),
        (high, end, Permission::ReadWrite),
    ];
    for (from, to, permission) in pieces {
        let mapping = Mapping {
            virt: phys_to_virt(PhysAddr(from)),
            phys: PhysAddr(from),
            size: to - from,
            memory: Memory::Normal,
            permission,
        };
        kernel_space::map(root, mapping, &mut table_page)?;
    }
    Ok(())
}

/// Moves the direct map's entries of `scratch` to the root in use. Both are reached through the
/// image, as the direct map is gone between break and make.
fn splice(scratch: PhysAddr) {
    let entries = |table: PhysAddr| {
        let offset = table.0 - IMAGE_PHYS.load(Ordering::Relaxed);
        (KERNEL_IMAGE + offset) as *mut u64
    };
    let (from, to) = (
        entries(scratch),
        (&raw const boot_root).cast_mut().cast::<u64>(),
    );
    let first = bits::index(DIRECT_MAP, bits::START_LEVEL);
    let last = bits::index(DIRECT_MAP_END - 1, bits::START_LEVEL);
    for index in first..=last {
        // SAFETY: both are whole tables in the image's data; nothing uses the direct map between
        // the invalid and the final descriptor: this code, its stack and both tables are mapped
        // as image.
        unsafe { to.add(index).write_volatile(0) };
    }
    crate::tlb::invalidate_all();
    crate::tlb::sync();
    for index in first..=last {
        // SAFETY: as above.
        unsafe {
            to.add(index)
                .write_volatile(from.add(index).read_volatile())
        };
    }
    super::barrier::publish_tables();
}
