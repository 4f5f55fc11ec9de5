//! What `task_info` and `thread_info` answer, and the special ports of tasks and threads.
//!
//! XNU: `mach/task_info.h`, `mach/thread_info.h`, `mach/task_special_ports.h`.

use crate::time::TimeValue;
use crate::wire::wire_struct;

/// Flavour of [`TaskEventsInfo`].
pub const TASK_EVENTS_INFO: i32 = 2;
/// Flavour of [`TaskThreadTimesInfo`].
pub const TASK_THREAD_TIMES_INFO: i32 = 3;
/// Flavour of [`TaskBasicInfo64`].
pub const TASK_BASIC_INFO_64: i32 = 5;
/// Flavour: the audit token (eight words).
pub const TASK_AUDIT_TOKEN: i32 = 15;
/// Flavour of [`TaskBasicInfo64`] on arm64.
pub const TASK_BASIC_INFO_64_2: i32 = 18;
/// Flavour of [`MachTaskBasicInfo`].
pub const MACH_TASK_BASIC_INFO: i32 = 20;
/// Flavour of [`TaskVmInfo`].
pub const TASK_VM_INFO: i32 = 22;

wire_struct! {
    /// Sizes and times of a task.
    #[doc(alias = "mach_task_basic_info")]
    pub struct MachTaskBasicInfo {
        /// Bytes mapped.
        pub virtual_size: u64,
        /// Bytes in memory.
        pub resident_size: u64,
        /// The most bytes ever in memory.
        pub resident_size_max: u64,
        /// User time of threads that ended.
        pub user_time: TimeValue,
        /// System time of threads that ended.
        pub system_time: TimeValue,
        /// Default policy for new threads.
        pub policy: i32,
        /// Suspensions.
        pub suspend_count: i32,
    }
}

wire_struct! {
    /// The older form.
    #[doc(alias = "task_basic_info_64")]
    pub struct TaskBasicInfo64 {
        /// Suspensions.
        pub suspend_count: i32,
        /// Bytes mapped.
        pub virtual_size: u64,
        /// Bytes in memory.
        pub resident_size: u64,
        /// User time of threads that ended.
        pub user_time: TimeValue,
        /// System time of threads that ended.
        pub system_time: TimeValue,
        /// Default policy for new threads.
        pub policy: i32,
    }
}

wire_struct! {
    /// Event counts of a task.
    #[doc(alias = "task_events_info")]
    pub struct TaskEventsInfo {
        /// Page faults.
        pub faults: i32,
        /// Pages asked of pagers.
        pub pageins: i32,
        /// Copy-on-write faults.
        pub cow_faults: i32,
        /// Messages sent.
        pub messages_sent: i32,
        /// Messages received.
        pub messages_received: i32,
        /// Mach traps.
        pub syscalls_mach: i32,
        /// BSD calls.
        pub syscalls_unix: i32,
        /// Context switches.
        pub context_switches: i32,
    }
}

wire_struct! {
    /// Times of the live threads.
    #[doc(alias = "task_thread_times_info")]
    pub struct TaskThreadTimesInfo {
        /// User time.
        pub user_time: TimeValue,
        /// System time.
        pub system_time: TimeValue,
    }
}

wire_struct! {
    /// Memory of a task, second revision.
    #[doc(alias = "task_vm_info")]
    pub struct TaskVmInfo {
        /// Bytes mapped.
        pub virtual_size: u64,
        /// Entries of the map.
        pub region_count: i32,
        /// Bytes of a page.
        pub page_size: i32,
        /// Bytes in memory.
        pub resident_size: u64,
        /// The most bytes ever in memory.
        pub resident_size_peak: u64,
        /// Device memory.
        pub device: u64,
        /// Its peak.
        pub device_peak: u64,
        /// Anonymous memory.
        pub internal: u64,
        /// Its peak.
        pub internal_peak: u64,
        /// File memory.
        pub external: u64,
        /// Its peak.
        pub external_peak: u64,
        /// Reusable memory.
        pub reusable: u64,
        /// Its peak.
        pub reusable_peak: u64,
        /// Volatile, in the page tables.
        pub purgeable_volatile_pmap: u64,
        /// Volatile, resident.
        pub purgeable_volatile_resident: u64,
        /// Volatile, virtual.
        pub purgeable_volatile_virtual: u64,
        /// Compressed.
        pub compressed: u64,
        /// Its peak.
        pub compressed_peak: u64,
        /// Ever compressed.
        pub compressed_lifetime: u64,
        /// What the task is charged for.
        pub phys_footprint: u64,
        /// Lowest address of the map.
        pub min_address: u64,
        /// Highest address of the map.
        pub max_address: u64,
    }
}

/// Flavour of [`ThreadBasicInfo`].
pub const THREAD_BASIC_INFO: i32 = 3;
/// Flavour of [`ThreadIdentifierInfo`].
pub const THREAD_IDENTIFIER_INFO: i32 = 4;

wire_struct! {
    /// Times and state of a thread.
    #[doc(alias = "thread_basic_info")]
    pub struct ThreadBasicInfo {
        /// User time.
        pub user_time: TimeValue,
        /// System time.
        pub system_time: TimeValue,
        /// Share of a CPU, in thousandths.
        pub cpu_usage: i32,
        /// Scheduling policy.
        pub policy: i32,
        /// See [`run_state`].
        pub run_state: i32,
        /// Flags.
        pub flags: i32,
        /// Suspensions.
        pub suspend_count: i32,
        /// Seconds asleep.
        pub sleep_time: i32,
    }
}

wire_struct! {
    /// Identity of a thread.
    #[doc(alias = "thread_identifier_info")]
    pub struct ThreadIdentifierInfo {
        /// System-wide id.
        pub thread_id: u64,
        /// Handle of the thread library.
        pub thread_handle: u64,
        /// Dispatch queue.
        pub dispatch_queue_address: u64,
    }
}

/// Run states of a thread.
pub mod run_state {
    /// Runs or could run.
    #[doc(alias = "TH_STATE_RUNNING")]
    pub const RUNNING: i32 = 1;
    /// Suspended.
    #[doc(alias = "TH_STATE_STOPPED")]
    pub const STOPPED: i32 = 2;
    /// Waits, interruptibly.
    #[doc(alias = "TH_STATE_WAITING")]
    pub const WAITING: i32 = 3;
    /// Waits, uninterruptibly.
    #[doc(alias = "TH_STATE_UNINTERRUPTIBLE")]
    pub const UNINTERRUPTIBLE: i32 = 4;
    /// Halted at a clean point.
    #[doc(alias = "TH_STATE_HALTED")]
    pub const HALTED: i32 = 5;
}

/// Special ports of a task.
pub mod special_port {
    /// The task's control port.
    #[doc(alias = "TASK_KERNEL_PORT")]
    pub const KERNEL: i32 = 1;
    /// The host.
    #[doc(alias = "TASK_HOST_PORT")]
    pub const HOST: i32 = 2;
    /// The task's name port.
    #[doc(alias = "TASK_NAME_PORT")]
    pub const NAME: i32 = 3;
    /// Where to find services.
    #[doc(alias = "TASK_BOOTSTRAP_PORT")]
    pub const BOOTSTRAP: i32 = 4;
}
