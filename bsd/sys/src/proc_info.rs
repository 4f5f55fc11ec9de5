//! Structures of `proc_info` (`bsd/sys/proc_info.h`).

/// `PROC_INFO_CALL_LISTPIDS`.
pub const CALL_LISTPIDS: i32 = 1;
/// `PROC_INFO_CALL_PIDINFO`.
pub const CALL_PIDINFO: i32 = 2;
/// `PROC_PIDTBSDINFO`.
pub const PIDTBSDINFO: i32 = 3;
/// `PROC_PIDTASKINFO`.
pub const PIDTASKINFO: i32 = 4;

/// `PROC_PIDREGIONPATHINFO`: the file mapped at an address.
pub const PIDREGIONPATHINFO: i32 = 8;

/// Bytes of `struct proc_regionwithpathinfo`.
pub const REGION_PATH_INFO_SIZE: usize = REGION_PATH_OFFSET + crate::limits::PATH_MAX;
/// Where the path begins in it: behind `struct proc_regioninfo` and `struct vnode_info`.
pub const REGION_PATH_OFFSET: usize = REGION_INFO_SIZE + 152;
/// Bytes of [`RegionInfo`].
pub const REGION_INFO_SIZE: usize = 96;

crate::layout::abi_struct! {
    /// An entry of a map.
    #[doc(alias = "proc_regioninfo")]
    pub struct RegionInfo {
        /// Current protection.
        pub protection: u32,
        /// Maximum protection.
        pub max_protection: u32,
        /// Inheritance.
        pub inheritance: u32,
        /// Flags.
        pub flags: u32,
        /// Offset into the object.
        pub offset: u64,
        /// Advice.
        pub behavior: u32,
        /// Times wired by its user.
        pub user_wired_count: u32,
        /// Tag given at allocation.
        pub user_tag: u32,
        /// Pages in memory.
        pub pages_resident: u32,
        /// Pages that were shared and are private now.
        pub pages_shared_now_private: u32,
        /// Pages with the pager.
        pub pages_swapped_out: u32,
        /// Dirty pages.
        pub pages_dirtied: u32,
        /// References of the object.
        pub ref_count: u32,
        /// Objects below the top one.
        pub shadow_depth: u32,
        /// How the memory is shared.
        pub share_mode: u32,
        /// Private pages in memory.
        pub private_pages_resident: u32,
        /// Shared pages in memory.
        pub shared_pages_resident: u32,
        /// Identity of the object.
        pub obj_id: u32,
        /// Depth of submaps.
        pub depth: u32,
        /// First address.
        pub address: u64,
        /// Bytes.
        pub size: u64,
    }
}

const _: () = assert!(RegionInfo::SIZE == REGION_INFO_SIZE);

/// Status: runnable.
pub const SRUN: u32 = 2;
/// Status: stopped.
pub const SSTOP: u32 = 4;
/// Status: ended, not waited for.
pub const SZOMB: u32 = 5;

/// Bytes of [`BsdInfo`].
pub const BSD_INFO_SIZE: usize = 136;
/// Bytes of [`TaskInfo`].
pub const TASK_INFO_SIZE: usize = 96;

/// `struct proc_bsdinfo`, as far as it means anything here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BsdInfo {
    /// `SRUN` and so on.
    pub status: u32,
    /// Process.
    pub pid: u32,
    /// Its parent.
    pub parent: u32,
    /// Its group.
    pub group: u32,
    /// Open files.
    pub files: u32,
    /// Name, cut, NUL at its end.
    pub name: [u8; 32],
}

impl BsdInfo {
    /// The structure for a process of this name.
    #[must_use]
    pub fn new(status: u32, pid: u32, parent: u32, group: u32, files: u32, name: &str) -> Self {
        let mut bytes = [0; 32];
        let length = name.len().min(31);
        bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
        Self {
            status,
            pid,
            parent,
            group,
            files,
            name: bytes,
        }
    }

    /// The structure's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BSD_INFO_SIZE] {
        let mut out = [0; BSD_INFO_SIZE];
        let mut word =
            |at: usize, value: u32| out[at..at + 4].copy_from_slice(&value.to_le_bytes());
        word(4, self.status);
        word(12, self.pid);
        word(16, self.parent);
        word(96, self.files);
        word(100, self.group);
        out[48..63].copy_from_slice(&self.name[..15]);
        out[64..96].copy_from_slice(&self.name);
        out
    }

    /// The structure in `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; BSD_INFO_SIZE]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mut name = [0; 32];
        name.copy_from_slice(&bytes[64..96]);
        Self {
            status: word(4),
            pid: word(12),
            parent: word(16),
            files: word(96),
            group: word(100),
            name,
        }
    }

    /// The name as text.
    #[must_use]
    pub fn name(&self) -> &str {
        let end = self
            .name
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(self.name.len());
        core::str::from_utf8(&self.name[..end]).unwrap_or("?")
    }
}

/// `struct proc_taskinfo`, as far as it means anything here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TaskInfo {
    /// Bytes of address space.
    pub virtual_size: u64,
    /// Bytes in memory.
    pub resident_size: u64,
    /// Nanoseconds in user mode.
    pub total_user: u64,
    /// Nanoseconds in the kernel.
    pub total_system: u64,
    /// Faults taken.
    pub faults: i32,
    /// Pages brought in.
    pub pageins: i32,
    /// Threads.
    pub threads: i32,
    /// Threads that run or could.
    pub running: i32,
}

impl TaskInfo {
    /// The structure's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; TASK_INFO_SIZE] {
        let mut out = [0; TASK_INFO_SIZE];
        for (at, value) in [
            (0, self.virtual_size),
            (8, self.resident_size),
            (16, self.total_user),
            (24, self.total_system),
        ] {
            out[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        for (at, value) in [
            (52, self.faults),
            (56, self.pageins),
            (84, self.threads),
            (88, self.running),
        ] {
            out[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        out
    }

    /// The structure in `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; TASK_INFO_SIZE]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        Self {
            virtual_size: long(0),
            resident_size: long(8),
            total_user: long(16),
            total_system: long(24),
            faults: word(52) as i32,
            pageins: word(56) as i32,
            threads: word(84) as i32,
            running: word(88) as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_structures_are_inverse() {
        let info = BsdInfo::new(SRUN, 7, 1, 7, 3, "a program with a rather long name indeed");
        assert_eq!(BsdInfo::from_bytes(&info.to_bytes()), info);
        assert_eq!(info.name().len(), 31);
        let task = TaskInfo {
            virtual_size: 1 << 40,
            resident_size: 2,
            total_user: 3,
            total_system: 4,
            faults: 5,
            pageins: 6,
            threads: 7,
            running: 8,
        };
        assert_eq!(TaskInfo::from_bytes(&task.to_bytes()), task);
    }
}
