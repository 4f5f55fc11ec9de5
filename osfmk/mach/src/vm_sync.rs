//! Flags of `vm_msync`: [`VmSync`]. XNU: `mach/vm_sync.h`.

use bitflags::bitflags;

bitflags! {
    /// What a synchronisation does with the pages.
    #[doc(alias = "vm_sync_t")]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct VmSync: u32 {
        /// Start writing, do not wait.
        #[doc(alias = "VM_SYNC_ASYNCHRONOUS")]
        const ASYNCHRONOUS = 1;
        /// Write and wait.
        #[doc(alias = "VM_SYNC_SYNCHRONOUS")]
        const SYNCHRONOUS = 2;
        /// Throw cached pages away afterwards.
        #[doc(alias = "VM_SYNC_INVALIDATE")]
        const INVALIDATE = 4;
        /// Discard the pages without writing.
        #[doc(alias = "VM_SYNC_KILLPAGES")]
        const KILL_PAGES = 8;
        /// Make the pages first candidates for reclaim.
        #[doc(alias = "VM_SYNC_DEACTIVATE")]
        const DEACTIVATE = 0x10;
        /// A hole in the range is an error (reported after the work is done).
        #[doc(alias = "VM_SYNC_CONTIGUOUS")]
        const CONTIGUOUS = 0x20;
        /// Reusable pages.
        #[doc(alias = "VM_SYNC_REUSABLEPAGES")]
        const REUSABLE_PAGES = 0x40;
        const _ = !0;
    }
}
