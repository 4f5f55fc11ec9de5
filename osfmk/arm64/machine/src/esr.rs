//! Decoding of exception syndromes (ESR_EL1), pure and total.
//!
//! Arm ARM D17.2.37. XNU decodes the same register by macros in `osfmk/arm64/proc_reg.h`.

/// Why a synchronous exception was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exception {
    /// EC 0x00: an undefined or unallocated instruction.
    Undefined,
    /// EC 0x01: WFI or WFE where it traps.
    WaitTrap,
    /// EC 0x07: floating point or SIMD while the unit is switched off.
    FpAccess,
    /// EC 0x0E: an illegal execution state.
    IllegalState,
    /// EC 0x15: `svc #immediate`.
    Svc(u16),
    /// EC 0x18: MSR, MRS or a system instruction that is trapped.
    SystemRegister(u32),
    /// EC 0x20, 0x21: an instruction could not be fetched.
    InstructionAbort(Abort),
    /// EC 0x22: the program counter is misaligned.
    PcAlignment,
    /// EC 0x24, 0x25: a load or store failed.
    DataAbort(Abort),
    /// EC 0x26: the stack pointer is misaligned.
    SpAlignment,
    /// EC 0x2C: a trapped floating point exception.
    FpException(u32),
    /// EC 0x2F: a system error.
    SystemError,
    /// EC 0x30, 0x31: a hardware breakpoint.
    Breakpoint,
    /// EC 0x32, 0x33: a software step.
    SoftwareStep,
    /// EC 0x34, 0x35: a watchpoint.
    Watchpoint,
    /// EC 0x3C: `brk #immediate`.
    Brk(u16),
    /// EC 0x0D: a branch to something that is no branch target.
    BranchTarget,
    /// EC 0x1C: a pointer authentication failure.
    PointerAuthentication,
    /// Any other class, by its number.
    Other(u8),
}

/// A failed memory access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abort {
    /// What the program tried.
    pub access: Access,
    /// Why it failed.
    pub status: FaultStatus,
    /// Whether FAR_EL1 holds the address (false only for some external aborts).
    pub address_valid: bool,
    /// The access was a cache maintenance instruction; it reports `Write` but only reads.
    pub cache_maintenance: bool,
    /// The exception was taken from EL0.
    pub from_user: bool,
}

/// The kind of access that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Fault status code; numbers are levels of the table walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultStatus {
    /// An output address beyond the implemented size.
    AddressSize(u8),
    /// No valid descriptor.
    Translation(u8),
    /// A valid leaf without its access flag.
    AccessFlag(u8),
    /// A leaf that does not permit the access.
    Permission(u8),
    /// The bus answered with an error.
    SynchronousExternal,
    /// An error while reading a table.
    ExternalOnWalk(u8),
    /// A misaligned access to memory that does not allow it.
    Alignment,
    /// Several TLB entries matched: the tables were changed without break-before-make.
    TlbConflict,
    /// An exclusive or atomic access to memory that does not support it.
    UnsupportedAtomic,
    /// Any other code.
    Other(u8),
}

/// The exception class, ESR_EL1.EC.
#[doc(alias = "ESR_EC")]
#[must_use]
pub const fn class(esr: u64) -> u8 {
    (esr >> 26 & 0x3F) as u8
}

/// Decodes a syndrome.
#[must_use]
pub const fn decode(esr: u64) -> Exception {
    let immediate = esr as u16;
    let specific = (esr & 0x1FF_FFFF) as u32;
    match class(esr) {
        0x00 => Exception::Undefined,
        0x01 => Exception::WaitTrap,
        0x07 => Exception::FpAccess,
        0x0D => Exception::BranchTarget,
        0x0E => Exception::IllegalState,
        0x15 => Exception::Svc(immediate),
        0x18 => Exception::SystemRegister(specific),
        0x1C => Exception::PointerAuthentication,
        0x20 | 0x21 => Exception::InstructionAbort(abort(esr, Access::Execute)),
        0x22 => Exception::PcAlignment,
        0x24 | 0x25 => Exception::DataAbort(abort(esr, data_access(esr))),
        0x26 => Exception::SpAlignment,
        0x2C => Exception::FpException(specific),
        0x2F => Exception::SystemError,
        0x30 | 0x31 => Exception::Breakpoint,
        0x32 | 0x33 => Exception::SoftwareStep,
        0x34 | 0x35 => Exception::Watchpoint,
        0x3C => Exception::Brk(immediate),
        other => Exception::Other(other),
    }
}

const fn data_access(esr: u64) -> Access {
    if esr & (1 << 6) != 0 {
        Access::Write
    } else {
        Access::Read
    }
}

const fn abort(esr: u64, access: Access) -> Abort {
    let is_data = !matches!(access, Access::Execute);
    Abort {
        access,
        status: status(esr as u8 & 0x3F),
        address_valid: esr & (1 << 10) == 0,
        cache_maintenance: is_data && esr & (1 << 8) != 0,
        from_user: class(esr) & 1 == 0,
    }
}

const fn status(code: u8) -> FaultStatus {
    let level = code & 3;
    match code {
        0x00..=0x03 => FaultStatus::AddressSize(level),
        0x04..=0x07 => FaultStatus::Translation(level),
        0x08..=0x0B => FaultStatus::AccessFlag(level),
        0x0C..=0x0F => FaultStatus::Permission(level),
        0x10 => FaultStatus::SynchronousExternal,
        0x14..=0x17 => FaultStatus::ExternalOnWalk(level),
        0x21 => FaultStatus::Alignment,
        0x30 => FaultStatus::TlbConflict,
        0x35 => FaultStatus::UnsupportedAtomic,
        other => FaultStatus::Other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_call_carries_its_immediate() {
        assert_eq!(decode(0x5600_0080), Exception::Svc(0x80));
    }

    #[test]
    fn a_user_store_to_a_missing_page_is_a_translation_fault_of_level_3() {
        let Exception::DataAbort(abort) = decode(0x9200_0047) else {
            panic!("wrong class");
        };
        assert_eq!(abort.access, Access::Write);
        assert_eq!(abort.status, FaultStatus::Translation(3));
        assert!(abort.address_valid && abort.from_user && !abort.cache_maintenance);
    }

    #[test]
    fn a_kernel_load_is_told_from_a_user_load() {
        let Exception::DataAbort(abort) = decode(0x9600_000F) else {
            panic!("wrong class");
        };
        assert_eq!(abort.access, Access::Read);
        assert_eq!(abort.status, FaultStatus::Permission(3));
        assert!(!abort.from_user);
    }

    #[test]
    fn a_fetch_without_access_flag_is_recognised() {
        let Exception::InstructionAbort(abort) = decode(0x8200_000B) else {
            panic!("wrong class");
        };
        assert_eq!(abort.access, Access::Execute);
        assert_eq!(abort.status, FaultStatus::AccessFlag(3));
    }

    #[test]
    fn the_first_use_of_floating_point_traps_as_access() {
        assert_eq!(decode(0x1FE0_0000), Exception::FpAccess);
        assert_eq!(decode(0xF200_0001), Exception::Brk(1));
    }

    #[test]
    fn every_class_decodes_to_something() {
        for class_number in 0..64u64 {
            for low in 0..64u64 {
                let _ = decode(class_number << 26 | low);
            }
        }
        assert_eq!(decode(0x3F << 26), Exception::Other(0x3F));
    }
}
