//! What the host calls answer. XNU: `mach/host_info.h`, `mach/host_special_ports.h`,
//! `mach_debug/zone_info.h`, `mach/processor_info.h`.

use crate::wire::wire_struct;

/// Flavour of [`HostBasicInfo`].
pub const HOST_BASIC_INFO: i32 = 1;
/// Flavour of `host_statistics`: load average (six words).
pub const HOST_LOAD_INFO: i32 = 1;
/// Flavour of `host_statistics`: ticks by CPU state (four words).
pub const HOST_CPU_LOAD_INFO: i32 = 3;

/// CPU type of arm64.
pub const CPU_TYPE_ARM64: i32 = 0x0100_000c;
/// CPU subtype: any.
pub const CPU_SUBTYPE_ARM64_ALL: i32 = 0;

wire_struct! {
    /// CPUs and memory of the machine.
    #[doc(alias = "host_basic_info")]
    pub struct HostBasicInfo {
        /// CPUs there can be.
        pub max_cpus: i32,
        /// CPUs there are.
        pub avail_cpus: i32,
        /// Memory, at most 2 GiB.
        pub memory_size: u32,
        /// CPU type.
        pub cpu_type: i32,
        /// CPU subtype.
        pub cpu_subtype: i32,
        /// Thread type.
        pub cpu_threadtype: i32,
        /// Physical CPUs.
        pub physical_cpu: i32,
        /// Physical CPUs there can be.
        pub physical_cpu_max: i32,
        /// Logical CPUs.
        pub logical_cpu: i32,
        /// Logical CPUs there can be.
        pub logical_cpu_max: i32,
        /// Memory in bytes.
        pub max_mem: u64,
    }
}

/// Bytes of a zone's name on the wire.
#[doc(alias = "MACH_ZONE_NAME_MAX_LEN")]
pub const ZONE_NAME_SIZE: usize = 80;

wire_struct! {
    /// One zone of kernel objects.
    #[doc(alias = "mach_zone_info_t")]
    pub struct ZoneInfo {
        /// Elements in use.
        pub count: u64,
        /// Bytes in use.
        pub current_size: u64,
        /// Limit in bytes; zero is none.
        pub max_size: u64,
        /// Bytes of an element.
        pub element_size: u64,
        /// Bytes fetched at a time.
        pub allocation_size: u64,
        /// Bytes ever allocated, with the low bit telling that the zone is collectable.
        pub sum_size: u64,
        /// Boolean: allocation may fail.
        pub exhaustible: u64,
        /// Boolean: unused memory goes back.
        pub collectable: u64,
    }
}

/// Special ports of the host.
pub mod special_port {
    /// The unprivileged host port.
    #[doc(alias = "HOST_PORT")]
    pub const HOST: i32 = 1;
    /// The privileged host port.
    #[doc(alias = "HOST_PRIV_PORT")]
    pub const HOST_PRIVILEGED: i32 = 2;
    /// The master port of the devices.
    #[doc(alias = "HOST_IO_MASTER_PORT")]
    #[doc(alias = "HOST_IO_MAIN_PORT")]
    pub const DEVICE_MASTER: i32 = 3;
    /// The highest number the kernel reserves for itself.
    #[doc(alias = "HOST_MAX_SPECIAL_KERNEL_PORT")]
    pub const MAX_KERNEL: i32 = 7;
    /// The file server, which registers here (own number; XNU has none).
    pub const FILE_SERVER: i32 = 60;
    /// The memory entry in which the pager of anonymous memory keeps its table (own number).
    pub const SWAP_STORE: i32 = 61;
    /// Highest port number of all.
    pub const MAX: i32 = 64;
}

/// Flavour of `processor_info`.
pub const PROCESSOR_BASIC_INFO: i32 = 1;
/// Flavour of `host_processor_info`: ticks by state for each CPU.
pub const PROCESSOR_CPU_LOAD_INFO: i32 = 2;

wire_struct! {
    /// One CPU.
    #[doc(alias = "processor_basic_info")]
    pub struct ProcessorBasicInfo {
        /// CPU type.
        pub cpu_type: i32,
        /// CPU subtype.
        pub cpu_subtype: i32,
        /// Boolean: it runs.
        pub running: i32,
        /// Slot number.
        pub slot_num: i32,
        /// Boolean: it started the system.
        pub is_master: i32,
    }
}
