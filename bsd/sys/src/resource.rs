//! Limits and use of resources. XNU: `bsd/sys/resource.h`.

use crate::layout::abi_struct;
use crate::time::Timeval;

abi_struct! {
    /// What a process used, 144 bytes.
    #[doc(alias = "rusage")]
    pub struct Rusage {
        /// User time.
        pub user_time: Timeval,
        /// System time.
        pub system_time: Timeval,
        /// The most memory, in bytes.
        pub max_resident: i64,
        /// Zero.
        pub shared_text: i64,
        /// Zero.
        pub unshared_data: i64,
        /// Zero.
        pub unshared_stack: i64,
        /// Faults without input.
        pub minor_faults: i64,
        /// Faults with input.
        pub major_faults: i64,
        /// Swaps.
        pub swaps: i64,
        /// Blocks read.
        pub blocks_in: i64,
        /// Blocks written.
        pub blocks_out: i64,
        /// Messages sent.
        pub messages_sent: i64,
        /// Messages received.
        pub messages_received: i64,
        /// Signals.
        pub signals: i64,
        /// Waits.
        pub voluntary_switches: i64,
        /// Preemptions.
        pub involuntary_switches: i64,
    }
}

abi_struct! {
    /// A limit.
    #[doc(alias = "rlimit")]
    pub struct Rlimit {
        /// In effect.
        pub current: u64,
        /// What may be set.
        pub maximum: u64,
    }
}

macro_rules! numbers {
    ($($name:ident: $type:ty = $value:expr, $text:literal;)*) => {
        $(#[doc = concat!($text, ".")] pub const $name: $type = $value;)*
    };
}

numbers! {
    RLIM_INFINITY: u64 = (1 << 63) - 1, "No limit";
    RLIMIT_CPU: u32 = 0, "Seconds of CPU";
    RLIMIT_FSIZE: u32 = 1, "Bytes of a file";
    RLIMIT_DATA: u32 = 2, "Bytes of data";
    RLIMIT_STACK: u32 = 3, "Bytes of stack";
    RLIMIT_CORE: u32 = 4, "Bytes of a core file";
    RLIMIT_AS: u32 = 5, "Bytes of address space";
    RLIMIT_MEMLOCK: u32 = 6, "Bytes wired";
    RLIMIT_NPROC: u32 = 7, "Processes";
    RLIMIT_NOFILE: u32 = 8, "Open files";
    RLIM_NLIMITS: u32 = 9, "Number of limits";
    RUSAGE_SELF: i32 = 0, "This process";
    RUSAGE_CHILDREN: i32 = -1, "Children that were waited for";
}
