//! Words of the protocol between the kernel and pagers: copy strategies, return kinds, flags,
//! attributes.
//!
//! XNU: `mach/memory_object_types.h`.

use crate::wire::wire_struct;
use bitflags::bitflags;

/// How an object with a pager is copied.
#[doc(alias = "memory_object_copy_strategy_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(i32)]
pub enum CopyStrategy {
    /// At once, page by page.
    #[doc(alias = "MEMORY_OBJECT_COPY_NONE")]
    None = 0,
    /// By asking the pager (never used by this kernel).
    #[doc(alias = "MEMORY_OBJECT_COPY_CALL")]
    Call = 1,
    /// By a copy object into which old pages are pushed; the rule for files.
    #[doc(alias = "MEMORY_OBJECT_COPY_DELAY")]
    #[default]
    Delay = 2,
    /// The pager's contents do not outlive the kernel's use.
    #[doc(alias = "MEMORY_OBJECT_COPY_TEMPORARY")]
    Temporary = 3,
    /// By shadows on both sides; the rule for anonymous memory.
    #[doc(alias = "MEMORY_OBJECT_COPY_SYMMETRIC")]
    Symmetric = 4,
    /// Not a strategy.
    #[doc(alias = "MEMORY_OBJECT_COPY_INVALID")]
    Invalid = 5,
    /// Delay, but fork copies at once.
    #[doc(alias = "MEMORY_OBJECT_COPY_DELAY_FORK")]
    DelayFork = 6,
}

impl CopyStrategy {
    /// The strategy with this number.
    pub const fn from_raw(raw: i32) -> Option<Self> {
        match raw {
            0 => Some(Self::None),
            1 => Some(Self::Call),
            2 => Some(Self::Delay),
            3 => Some(Self::Temporary),
            4 => Some(Self::Symmetric),
            5 => Some(Self::Invalid),
            6 => Some(Self::DelayFork),
            _ => None,
        }
    }
}

/// Which pages a `lock_request` sends back to the pager.
#[doc(alias = "memory_object_return_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(i32)]
pub enum ReturnKind {
    /// None.
    #[doc(alias = "MEMORY_OBJECT_RETURN_NONE")]
    #[default]
    None = 0,
    /// Dirty ones.
    #[doc(alias = "MEMORY_OBJECT_RETURN_DIRTY")]
    Dirty = 1,
    /// Dirty and precious ones.
    #[doc(alias = "MEMORY_OBJECT_RETURN_ALL")]
    All = 2,
    /// Every resident page.
    #[doc(alias = "MEMORY_OBJECT_RETURN_ANYTHING")]
    Anything = 3,
}

impl ReturnKind {
    /// The kind with this number.
    pub const fn from_raw(raw: i32) -> Option<Self> {
        match raw {
            0 => Some(Self::None),
            1 => Some(Self::Dirty),
            2 => Some(Self::All),
            3 => Some(Self::Anything),
            _ => None,
        }
    }
}

bitflags! {
    /// Flags of a `lock_request`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct LockFlags: u32 {
        /// Remove the pages from memory.
        #[doc(alias = "MEMORY_OBJECT_DATA_FLUSH")]
        const DATA_FLUSH = 0x1;
        /// Only refuse future changes.
        #[doc(alias = "MEMORY_OBJECT_DATA_NO_CHANGE")]
        const DATA_NO_CHANGE = 0x2;
        /// Throw dirty pages away.
        #[doc(alias = "MEMORY_OBJECT_DATA_PURGE")]
        const DATA_PURGE = 0x4;
        /// Push to the copy object first.
        #[doc(alias = "MEMORY_OBJECT_COPY_SYNC")]
        const COPY_SYNC = 0x8;
        /// Wait for cleaning in progress.
        #[doc(alias = "MEMORY_OBJECT_DATA_SYNC")]
        const DATA_SYNC = 0x10;
        /// Wait for the medium.
        #[doc(alias = "MEMORY_OBJECT_IO_SYNC")]
        const IO_SYNC = 0x20;
        /// Flush even what is in use.
        #[doc(alias = "MEMORY_OBJECT_DATA_FLUSH_ALL")]
        const DATA_FLUSH_ALL = 0x40;
        const _ = !0;
    }
}

/// Attribute flavour for [`PerformanceInfo`].
#[doc(alias = "MEMORY_OBJECT_PERFORMANCE_INFO")]
pub const PERFORMANCE_INFO: i32 = 11;
/// Attribute flavour for [`AttributeInfo`].
#[doc(alias = "MEMORY_OBJECT_ATTRIBUTE_INFO")]
pub const ATTRIBUTE_INFO: i32 = 14;
/// Attribute flavour for [`BehaviorInfo`].
#[doc(alias = "MEMORY_OBJECT_BEHAVIOR_INFO")]
pub const BEHAVIOR_INFO: i32 = 15;

wire_struct! {
    /// Cluster size and caching.
    #[doc(alias = "memory_object_perf_info")]
    pub struct PerformanceInfo {
        /// Preferred run of bytes per request.
        pub cluster_size: u32,
        /// Boolean: keep the object when nobody maps it.
        pub may_cache: u32,
    }
}

wire_struct! {
    /// Everything a pager may set at once.
    #[doc(alias = "memory_object_attr_info")]
    pub struct AttributeInfo {
        /// [`CopyStrategy`].
        pub copy_strategy: i32,
        /// Preferred run of bytes per request.
        pub cluster_size: u32,
        /// Boolean: keep the object when nobody maps it.
        pub may_cache_object: u32,
        /// Boolean: contents need not be returned at termination.
        pub temporary: u32,
    }
}

wire_struct! {
    /// Behaviour of the object.
    #[doc(alias = "memory_object_behave_info")]
    pub struct BehaviorInfo {
        /// [`CopyStrategy`].
        pub copy_strategy: i32,
        /// Boolean: contents need not be returned at termination.
        pub temporary: u32,
        /// Boolean: a new mapping invalidates the cache.
        pub invalidate: u32,
        /// Boolean: overwriting needs no notice.
        pub silent_overwrite: u32,
        /// Boolean: pageout may be advisory.
        pub advisory_pageout: u32,
    }
}

wire_struct! {
    /// What the kernel knows about the fault (or the copy) behind a `data_request`.
    ///
    /// XNU passes a structure of the same 64 bytes (`memory_object_fault_info`); the fields here
    /// are those a pager can use.
    #[doc(alias = "memory_object_fault_info_t")]
    #[doc(alias = "vm_object_fault_info")]
    pub struct FaultInfo {
        /// Boolean: the wait can be interrupted.
        pub interruptible: u32,
        /// Tag of the map entry.
        pub user_tag: u32,
        /// Cluster the caller would like, in bytes.
        pub cluster_size: u32,
        /// Advice of the map entry.
        pub behavior: i32,
        /// First offset of the object that the mapping shows.
        pub low_offset: u64,
        /// End of that range.
        pub high_offset: u64,
        /// Boolean bits, see [`FaultFlags`].
        pub flags: u32,
        /// Padding.
        pub reserved: [u32; 7],
    }
}

bitflags! {
    /// Bits of [`FaultInfo::flags`].
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct FaultFlags: u32 {
        /// Pages go out of the cache soon after use.
        const NO_CACHE = 0x1;
        /// The caller is a pager or pageout itself: use reserves.
        const STEALTH = 0x2;
        /// Ask only, do not read ahead.
        const NO_CLUSTER = 0x4;
        /// Resident pages were wanted wired.
        const WIRE = 0x8;
    }
}
