//! Exceptions: what happened, how to tell whom. XNU: `mach/exception_types.h`.

use bitflags::bitflags;

/// What happened.
#[doc(alias = "exception_type_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
pub enum ExceptionType {
    /// Memory could not be accessed: code 0 is a `kern_return`, code 1 the address.
    #[doc(alias = "EXC_BAD_ACCESS")]
    BadAccess = 1,
    /// Undefined instruction.
    #[doc(alias = "EXC_BAD_INSTRUCTION")]
    BadInstruction = 2,
    /// Arithmetic.
    #[doc(alias = "EXC_ARITHMETIC")]
    Arithmetic = 3,
    /// Emulation.
    #[doc(alias = "EXC_EMULATION")]
    Emulation = 4,
    /// Raised by software.
    #[doc(alias = "EXC_SOFTWARE")]
    Software = 5,
    /// Trace, breakpoint.
    #[doc(alias = "EXC_BREAKPOINT")]
    Breakpoint = 6,
    /// System call.
    #[doc(alias = "EXC_SYSCALL")]
    Syscall = 7,
    /// Mach system call.
    #[doc(alias = "EXC_MACH_SYSCALL")]
    MachSyscall = 8,
    /// RPC alert.
    #[doc(alias = "EXC_RPC_ALERT")]
    RpcAlert = 9,
    /// Abnormal exit.
    #[doc(alias = "EXC_CRASH")]
    Crash = 10,
    /// Resource limit.
    #[doc(alias = "EXC_RESOURCE")]
    Resource = 11,
    /// Guarded resource violated.
    #[doc(alias = "EXC_GUARD")]
    Guard = 12,
    /// A corpse was made.
    #[doc(alias = "EXC_CORPSE_NOTIFY")]
    CorpseNotify = 13,
}

/// One more than the highest exception number.
#[doc(alias = "EXC_TYPES_COUNT")]
pub const TYPES_COUNT: usize = 14;

impl ExceptionType {
    /// The exception with this number.
    pub const fn from_raw(raw: i32) -> Option<Self> {
        Some(match raw {
            1 => Self::BadAccess,
            2 => Self::BadInstruction,
            3 => Self::Arithmetic,
            4 => Self::Emulation,
            5 => Self::Software,
            6 => Self::Breakpoint,
            7 => Self::Syscall,
            8 => Self::MachSyscall,
            9 => Self::RpcAlert,
            10 => Self::Crash,
            11 => Self::Resource,
            12 => Self::Guard,
            13 => Self::CorpseNotify,
            _ => return None,
        })
    }

    /// The bit of this exception in an [`ExceptionMask`].
    pub const fn mask(self) -> ExceptionMask {
        ExceptionMask::from_bits_retain(1 << self as u32)
    }
}

bitflags! {
    /// A set of exceptions.
    #[doc(alias = "exception_mask_t")]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct ExceptionMask: u32 {
        /// [`ExceptionType::BadAccess`].
        #[doc(alias = "EXC_MASK_BAD_ACCESS")]
        const BAD_ACCESS = 1 << 1;
        /// [`ExceptionType::BadInstruction`].
        #[doc(alias = "EXC_MASK_BAD_INSTRUCTION")]
        const BAD_INSTRUCTION = 1 << 2;
        /// [`ExceptionType::Arithmetic`].
        #[doc(alias = "EXC_MASK_ARITHMETIC")]
        const ARITHMETIC = 1 << 3;
        /// [`ExceptionType::Emulation`].
        #[doc(alias = "EXC_MASK_EMULATION")]
        const EMULATION = 1 << 4;
        /// [`ExceptionType::Software`].
        #[doc(alias = "EXC_MASK_SOFTWARE")]
        const SOFTWARE = 1 << 5;
        /// [`ExceptionType::Breakpoint`].
        #[doc(alias = "EXC_MASK_BREAKPOINT")]
        const BREAKPOINT = 1 << 6;
        /// [`ExceptionType::Syscall`].
        #[doc(alias = "EXC_MASK_SYSCALL")]
        const SYSCALL = 1 << 7;
        /// [`ExceptionType::MachSyscall`].
        #[doc(alias = "EXC_MASK_MACH_SYSCALL")]
        const MACH_SYSCALL = 1 << 8;
        /// [`ExceptionType::RpcAlert`].
        #[doc(alias = "EXC_MASK_RPC_ALERT")]
        const RPC_ALERT = 1 << 9;
        /// [`ExceptionType::Crash`].
        #[doc(alias = "EXC_MASK_CRASH")]
        const CRASH = 1 << 10;
        /// [`ExceptionType::Resource`].
        #[doc(alias = "EXC_MASK_RESOURCE")]
        const RESOURCE = 1 << 11;
        /// [`ExceptionType::Guard`].
        #[doc(alias = "EXC_MASK_GUARD")]
        const GUARD = 1 << 12;
        /// [`ExceptionType::CorpseNotify`].
        #[doc(alias = "EXC_MASK_CORPSE_NOTIFY")]
        const CORPSE_NOTIFY = 1 << 13;
    }
}

/// What an exception message carries (`exception_behavior_t`).
pub mod behavior {
    /// Thread and task ports.
    #[doc(alias = "EXCEPTION_DEFAULT")]
    pub const DEFAULT: i32 = 1;
    /// The thread's state.
    #[doc(alias = "EXCEPTION_STATE")]
    pub const STATE: i32 = 2;
    /// Ports and state.
    #[doc(alias = "EXCEPTION_STATE_IDENTITY")]
    pub const STATE_IDENTITY: i32 = 3;
    /// A protected identity.
    #[doc(alias = "EXCEPTION_IDENTITY_PROTECTED")]
    pub const IDENTITY_PROTECTED: i32 = 4;
    /// A protected identity and state.
    #[doc(alias = "EXCEPTION_STATE_IDENTITY_PROTECTED")]
    pub const STATE_IDENTITY_PROTECTED: i32 = 5;
    /// Flag: 64-bit codes, the `mach_exc` interface.
    pub const MACH_EXCEPTION_CODES: i32 = i32::MIN;
    /// Flag: tell errors of the handler.
    pub const MACH_EXCEPTION_ERRORS: i32 = 0x4000_0000;
}

/// First codes of exceptions on arm64.
pub mod code {
    /// `BadInstruction`: undefined.
    #[doc(alias = "EXC_ARM_UNDEFINED")]
    pub const ARM_UNDEFINED: i64 = 1;
    /// `Breakpoint`: a breakpoint instruction.
    #[doc(alias = "EXC_ARM_BREAKPOINT")]
    pub const ARM_BREAKPOINT: i64 = 1;
    /// `BadAccess`: misaligned data.
    #[doc(alias = "EXC_ARM_DA_ALIGN")]
    pub const ARM_DATA_ALIGN: i64 = 0x101;
    /// `BadAccess`: watchpoint.
    #[doc(alias = "EXC_ARM_DA_DEBUG")]
    pub const ARM_DATA_DEBUG: i64 = 0x102;
    /// `BadAccess`: misaligned stack pointer.
    #[doc(alias = "EXC_ARM_SP_ALIGN")]
    pub const ARM_SP_ALIGN: i64 = 0x103;
    /// `BadAccess`: pointer authentication failed.
    #[doc(alias = "EXC_ARM_PAC_FAIL")]
    pub const ARM_PAC_FAIL: i64 = 0x105;
    /// `Software`: a Unix signal follows in code 1.
    #[doc(alias = "EXC_SOFT_SIGNAL")]
    pub const SOFT_SIGNAL: i64 = 0x10003;
}
