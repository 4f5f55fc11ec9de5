//! User exceptions: what went wrong, in Mach's terms.
//!
//! The trap handler turns a hardware syndrome, or the failure of a fault, into a [`UserException`] with Mach's exception type,
//! code and subcode; the personality turns that into a signal. Source: `osfmk/arm64/sleh.c` for the pairs of type and code,
//! `bsd/uxkern/ux_exception.c` for what becomes of them.

use mach::KernReturn;
use machine::esr::Exception;

/// Mach's exception types that a user program can cause (`mach/exception_types.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ExceptionType {
    /// `EXC_BAD_ACCESS`: memory could not be accessed; the code is a `kern_return_t`, the subcode the address.
    BadAccess = 1,
    /// `EXC_BAD_INSTRUCTION`.
    BadInstruction = 2,
    /// `EXC_ARITHMETIC`.
    Arithmetic = 3,
    /// `EXC_BREAKPOINT`.
    Breakpoint = 6,
    /// `EXC_SYSCALL`: a supervisor call with a number that is neither Mach's nor BSD's.
    Syscall = 7,
}

/// `EXC_ARM_UNDEFINED`.
const ARM_UNDEFINED: i64 = 1;
/// `EXC_ARM_BREAKPOINT`.
const ARM_BREAKPOINT: i64 = 1;
/// `EXC_ARM_DA_ALIGN`: a misaligned access.
pub const ARM_ALIGNMENT: i64 = 0x101;
/// `EXC_ARM_SP_ALIGN`: a misaligned stack pointer.
pub const ARM_SP_ALIGNMENT: i64 = 0x103;

/// One exception of a user thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserException {
    /// What kind.
    pub kind: ExceptionType,
    /// The first code; for a bad access a `kern_return_t`.
    pub code: i64,
    /// The second code; for a bad access the address.
    pub subcode: u64,
}

impl UserException {
    /// A fault that could not be resolved.
    #[must_use]
    pub fn bad_access(cause: KernReturn, address: u64) -> Self {
        Self {
            kind: ExceptionType::BadAccess,
            code: i64::from(cause.0),
            subcode: address,
        }
    }

    /// The exception for a syndrome that is neither a system call nor a fault that can be resolved.
    #[must_use]
    pub fn from_syndrome(exception: Exception, pc: u64, far: u64) -> Self {
        let (kind, code, subcode) = match exception {
            Exception::Breakpoint
            | Exception::SoftwareStep
            | Exception::Watchpoint
            | Exception::Brk(_) => (ExceptionType::Breakpoint, ARM_BREAKPOINT, pc),
            Exception::PcAlignment => (ExceptionType::BadAccess, ARM_ALIGNMENT, pc),
            Exception::SpAlignment => (ExceptionType::BadAccess, ARM_SP_ALIGNMENT, far),
            Exception::DataAbort(_) | Exception::InstructionAbort(_) => {
                (ExceptionType::BadAccess, ARM_ALIGNMENT, far)
            }
            Exception::FpException(bits) => (ExceptionType::Arithmetic, i64::from(bits), pc),
            _ => (ExceptionType::BadInstruction, ARM_UNDEFINED, pc),
        };
        Self {
            kind,
            code,
            subcode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_keeps_its_cause_and_address() {
        let exception = UserException::bad_access(KernReturn::PROTECTION_FAILURE, 0x1234);
        assert_eq!(
            (exception.kind, exception.code, exception.subcode),
            (ExceptionType::BadAccess, 2, 0x1234)
        );
    }

    #[test]
    fn undefined_instructions_and_breakpoints_are_told_apart() {
        let undefined = UserException::from_syndrome(Exception::Undefined, 0x100, 0);
        assert_eq!(
            (undefined.kind, undefined.subcode),
            (ExceptionType::BadInstruction, 0x100)
        );
        assert_eq!(
            UserException::from_syndrome(Exception::Brk(1), 0x100, 0).kind,
            ExceptionType::Breakpoint
        );
    }
}
