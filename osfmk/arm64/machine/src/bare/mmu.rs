//! The MMU's registers and what the CPU can do.

use super::barrier;
use super::cpu::{self, MAX_CPUS};
use crate::address::PhysAddr;
use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1, SCTLR_EL1, TTBR0_EL1, TTBR1_EL1};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};
use tock_registers::interfaces::{Readable, Writeable};

unsafe extern "C" {
    /// A zeroed page: a root table that maps nothing.
    static empty_user_root: u8;
}

/// Bits of an ASID. TCR_EL1.AS was set at start-up when there are 16.
#[must_use]
pub fn asid_bits() -> u32 {
    if ID_AA64MMFR0_EL1.matches_all(ID_AA64MMFR0_EL1::ASIDBits::Bits_16) {
        16
    } else {
        8
    }
}

/// Bits of a physical address.
#[must_use]
pub fn physical_bits() -> u32 {
    use ID_AA64MMFR0_EL1::PARange::Value;
    match ID_AA64MMFR0_EL1.read_as_enum(ID_AA64MMFR0_EL1::PARange) {
        Some(Value::Bits_32) => 32,
        Some(Value::Bits_36) => 36,
        Some(Value::Bits_40) => 40,
        Some(Value::Bits_42) => 42,
        Some(Value::Bits_44) => 44,
        // Wider addresses need descriptors that are not built.
        _ => 48,
    }
}

/// The user root that each CPU has installed, 0 for none; written by that CPU.
static INSTALLED: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// Installs a user address space on this CPU. The caller cannot migrate, and keeps the tables
/// alive until the function returns; afterwards [`is_installed`] knows them.
#[doc(alias = "pmap_switch_user_ttb")]
pub fn switch_user(root: PhysAddr, asid: u16) {
    write_ttbr0(root, asid);
    INSTALLED[cpu::current()].store(root.0, Ordering::SeqCst);
}

/// Leaves this CPU without user mappings. ASID 0 is never a user's.
pub fn switch_to_no_user() {
    write_ttbr0(super::boot::image_to_phys(&raw const empty_user_root), 0);
    INSTALLED[cpu::current()].store(0, Ordering::SeqCst);
}

/// Whether some CPU may walk the user tables under `root`, be it only speculatively.
#[must_use]
pub fn is_installed(root: PhysAddr) -> bool {
    INSTALLED
        .iter()
        .any(|installed| installed.load(Ordering::SeqCst) == root.0)
}

fn write_ttbr0(root: PhysAddr, asid: u16) {
    // Changes user translations only; the kernel runs in the other half. Table writes come before, accesses after.
    barrier::publish_tables();
    TTBR0_EL1.set(root.0 | u64::from(asid) << 48);
    barrier::instruction();
}

/// The installed user address space: root (0 when none) and ASID.
#[must_use]
pub fn active_user() -> (PhysAddr, u16) {
    let value = TTBR0_EL1.get();
    let root = PhysAddr(value & 0x0000_FFFF_FFFF_FFFE);
    if root == super::boot::image_to_phys(&raw const empty_user_root) {
        return (PhysAddr(0), 0);
    }
    (root, (value >> 48) as u16)
}

/// The root table of the kernel's half.
#[must_use]
pub fn kernel_root() -> PhysAddr {
    PhysAddr(TTBR1_EL1.get() & 0x0000_FFFF_FFFF_FFFE)
}

/// Forbids the kernel to touch user memory by ordinary loads and stores, where the CPU can
/// (FEAT_PAN). LDTR and STTR are not affected.
pub(super) fn forbid_user_access() {
    if ID_AA64MMFR1_EL1.matches_all(ID_AA64MMFR1_EL1::PAN::Unsupported) {
        return;
    }
    let span = SCTLR_EL1.get() & !(1 << 23);
    // SAFETY: SCTLR_EL1.SPAN = 0 makes every exception set PSTATE.PAN; the second instruction is
    // `msr pan, #1`, which assemblers for v8.0 do not know.
    unsafe { asm!("msr sctlr_el1, {}", "isb", ".inst 0xd500419f", in(reg) span, options(nostack)) };
}
