//! The result codes of Mach calls, traps and messages.
//!
//! One newtype, [`KernReturn`], carries them all, because a `mach_msg` result and a routine's result
//! travel in the same register. Names and numbers are XNU's (`mach/kern_return.h`, `mach/message.h`,
//! `mach/mig_errors.h`).

use core::fmt;

/// The result of a Mach call: zero is success, anything else says whose fault it was.
///
/// Functions return [`Result`], so a `KernReturn` in the hand is normally an error;
/// [`KernReturn::SUCCESS`] exists for the wire.
#[doc(alias = "kern_return_t")]
#[doc(alias = "mach_msg_return_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct KernReturn(pub i32);

/// What Mach routines return.
pub type Result<T> = core::result::Result<T, KernReturn>;

macro_rules! codes {
    ($($prefix:literal { $($(#[$meta:meta])* $name:ident = $value:expr,)* })*) => {
        impl KernReturn {
            $($(
                $(#[$meta])*
                #[doc = concat!("XNU: `", $prefix, stringify!($name), "`.")]
                pub const $name: Self = Self($value);
            )*)*

            /// The name of the code as XNU's headers spell it, if it has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($($value => Some(concat!($prefix, stringify!($name))),)*)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    "KERN_" {
        SUCCESS = 0,
        /// The address is not part of the map, or not acceptable to the call.
        INVALID_ADDRESS = 1,
        PROTECTION_FAILURE = 2,
        NO_SPACE = 3,
        INVALID_ARGUMENT = 4,
        FAILURE = 5,
        RESOURCE_SHORTAGE = 6,
        NOT_RECEIVER = 7,
        NO_ACCESS = 8,
        /// The object was destroyed while the page was awaited.
        MEMORY_FAILURE = 9,
        /// The pager answered that the data cannot be had.
        MEMORY_ERROR = 10,
        ALREADY_IN_SET = 11,
        NOT_IN_SET = 12,
        NAME_EXISTS = 13,
        /// The wait was interrupted.
        ABORTED = 14,
        INVALID_NAME = 15,
        INVALID_TASK = 16,
        INVALID_RIGHT = 17,
        INVALID_VALUE = 18,
        UREFS_OVERFLOW = 19,
        INVALID_CAPABILITY = 20,
        RIGHT_EXISTS = 21,
        INVALID_HOST = 22,
        MEMORY_PRESENT = 23,
        MEMORY_DATA_MOVED = 24,
        MEMORY_RESTART_COPY = 25,
        INVALID_PROCESSOR_SET = 26,
        POLICY_LIMIT = 27,
        INVALID_POLICY = 28,
        INVALID_OBJECT = 29,
        ALREADY_WAITING = 30,
        DEFAULT_SET = 31,
        EXCEPTION_PROTECTED = 32,
        INVALID_LEDGER = 33,
        INVALID_MEMORY_CONTROL = 34,
        INVALID_SECURITY = 35,
        NOT_DEPRESSED = 36,
        TERMINATED = 37,
        LOCK_SET_DESTROYED = 38,
        LOCK_UNSTABLE = 39,
        LOCK_OWNED = 40,
        LOCK_OWNED_SELF = 41,
        SEMAPHORE_DESTROYED = 42,
        RPC_SERVER_TERMINATED = 43,
        RPC_TERMINATE_ORPHAN = 44,
        RPC_CONTINUE_ORPHAN = 45,
        NOT_SUPPORTED = 46,
        NODE_DOWN = 47,
        NOT_WAITING = 48,
        OPERATION_TIMED_OUT = 49,
        CODESIGN_ERROR = 50,
        POLICY_STATIC = 51,
        INSUFFICIENT_BUFFER_SIZE = 52,
        DENIED = 53,
        MISSING_KC = 54,
        INVALID_KC = 55,
        NOT_FOUND = 56,
        RETURN_MAX = 0x100,
    }
    "" {
        /// A message's types or sizes are not those of the routine.
        MIG_TYPE_ERROR = -300,
        MIG_REPLY_MISMATCH = -301,
        MIG_REMOTE_ERROR = -302,
        MIG_BAD_ID = -303,
        MIG_BAD_ARGUMENTS = -304,
        /// The server will answer later, or never.
        MIG_NO_REPLY = -305,
        MIG_EXCEPTION = -306,
        MIG_ARRAY_TOO_LARGE = -307,
        MIG_SERVER_DIED = -308,
        MIG_TRAILER_ERROR = -309,
    }
    "MACH_" {
        SEND_IN_PROGRESS = 0x1000_0001,
        SEND_INVALID_DATA = 0x1000_0002,
        SEND_INVALID_DEST = 0x1000_0003,
        SEND_TIMED_OUT = 0x1000_0004,
        SEND_INVALID_VOUCHER = 0x1000_0005,
        SEND_INTERRUPTED = 0x1000_0007,
        SEND_MSG_TOO_SMALL = 0x1000_0008,
        SEND_INVALID_REPLY = 0x1000_0009,
        SEND_INVALID_RIGHT = 0x1000_000a,
        SEND_INVALID_NOTIFY = 0x1000_000b,
        SEND_INVALID_MEMORY = 0x1000_000c,
        SEND_NO_BUFFER = 0x1000_000d,
        SEND_TOO_LARGE = 0x1000_000e,
        SEND_INVALID_TYPE = 0x1000_000f,
        SEND_INVALID_HEADER = 0x1000_0010,
        SEND_INVALID_TRAILER = 0x1000_0011,
        SEND_INVALID_CONTEXT = 0x1000_0012,
        SEND_INVALID_OPTIONS = 0x1000_0013,
        SEND_INVALID_RT_OOL_SIZE = 0x1000_0015,
        SEND_NO_GRANT_DEST = 0x1000_0016,
        SEND_MSG_FILTERED = 0x1000_0017,
        SEND_AUX_TOO_SMALL = 0x1000_0018,
        SEND_AUX_TOO_LARGE = 0x1000_0019,
        RCV_IN_PROGRESS = 0x1000_4001,
        RCV_INVALID_NAME = 0x1000_4002,
        RCV_TIMED_OUT = 0x1000_4003,
        RCV_TOO_LARGE = 0x1000_4004,
        RCV_INTERRUPTED = 0x1000_4005,
        RCV_PORT_CHANGED = 0x1000_4006,
        RCV_INVALID_NOTIFY = 0x1000_4007,
        RCV_INVALID_DATA = 0x1000_4008,
        RCV_PORT_DIED = 0x1000_4009,
        RCV_IN_SET = 0x1000_400a,
        RCV_HEADER_ERROR = 0x1000_400b,
        RCV_BODY_ERROR = 0x1000_400c,
        RCV_INVALID_TYPE = 0x1000_400d,
        RCV_SCATTER_SMALL = 0x1000_400e,
        RCV_INVALID_TRAILER = 0x1000_400f,
        RCV_IN_PROGRESS_TIMED = 0x1000_4011,
        RCV_INVALID_REPLY = 0x1000_4012,
        RCV_INVALID_ARGUMENTS = 0x1000_4013,
    }
}

impl KernReturn {
    /// Bits that a `mach_msg` error may carry besides the code: which resource ran out.
    #[doc(alias = "MACH_MSG_MASK")]
    pub const MSG_MASK: i32 = 0x3e00;
    /// No room in the IPC space for another right.
    #[doc(alias = "MACH_MSG_IPC_SPACE")]
    pub const MSG_IPC_SPACE: i32 = 0x2000;
    /// No room in the address space for out-of-line memory.
    #[doc(alias = "MACH_MSG_VM_SPACE")]
    pub const MSG_VM_SPACE: i32 = 0x1000;
    /// The kernel is short of memory for IPC.
    #[doc(alias = "MACH_MSG_IPC_KERNEL")]
    pub const MSG_IPC_KERNEL: i32 = 0x800;
    /// The kernel is short of memory for out-of-line data.
    #[doc(alias = "MACH_MSG_VM_KERNEL")]
    pub const MSG_VM_KERNEL: i32 = 0x400;

    /// True for [`KernReturn::SUCCESS`].
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }

    /// The same code with resource bits (`MSG_*`) added.
    #[must_use]
    pub const fn with(self, bits: i32) -> Self {
        Self(self.0 | bits)
    }

    /// The code as a [`Result`].
    pub const fn result(self) -> Result<()> {
        if self.is_success() { Ok(()) } else { Err(self) }
    }
}

impl From<Result<()>> for KernReturn {
    fn from(result: Result<()>) -> Self {
        result.err().unwrap_or(Self::SUCCESS)
    }
}

impl fmt::Display for KernReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name() {
            return f.write_str(name);
        }
        let plain = Self(self.0 & !Self::MSG_MASK);
        match plain.name() {
            Some(name) if self.0 & 0x1000_0000 != 0 && self.0 > 0 => {
                write!(f, "{name}+{:#x}", self.0 & Self::MSG_MASK)
            }
            _ => write!(f, "kern_return {:#x}", self.0),
        }
    }
}

impl fmt::Debug for KernReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for KernReturn {}
