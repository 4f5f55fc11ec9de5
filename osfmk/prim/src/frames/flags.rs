//! [`PageFlags`]: the state bits of a resident page, guarded by its object's lock.

bitflags::bitflags! {
    /// State bits of a resident page. They change under the lock of the object whose [`super::PageList`] holds the
    /// page, and are gone when the page leaves it. The hardware's own record of references and modifications is in
    /// [`super::PvHead`].
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct PageFlags: u32 {
        /// Somebody works on the page without holding the object's lock; others wait.
        #[doc(alias = "vmp_busy")]
        const BUSY = 1 << 0;
        /// Somebody waits for the page; whoever clears `BUSY` wakes them.
        #[doc(alias = "vmp_wanted")]
        const WANTED = 1 << 1;
        /// A placeholder: the data have been asked for and are not here.
        #[doc(alias = "vmp_absent")]
        const ABSENT = 1 << 2;
        /// The pager reported an error for this page.
        #[doc(alias = "vmp_error")]
        const ERROR = 1 << 3;
        /// Changed since the pager last had it.
        #[doc(alias = "vmp_dirty")]
        const DIRTY = 1 << 4;
        /// The pager has no copy: to be returned even if it is clean.
        #[doc(alias = "vmp_precious")]
        const PRECIOUS = 1 << 5;
        /// Lent to the pager for writing; see the record's generation.
        #[doc(alias = "vmp_cleaning")]
        const CLEANING = 1 << 6;
        /// Used since it was last looked at.
        #[doc(alias = "vmp_reference")]
        const REFERENCED = 1 << 7;
        /// Mapped at least once since it came.
        #[doc(alias = "vmp_pmapped")]
        const PMAPPED = 1 << 8;
        /// Mapped executable at least once since it came.
        #[doc(alias = "vmp_xpmapped")]
        const XPMAPPED = 1 << 9;
        /// Mapped writable at least once since it came.
        #[doc(alias = "vmp_wpmapped")]
        const WPMAPPED = 1 << 10;
        /// Came by read-ahead and was not used yet.
        #[doc(alias = "vmp_clustered")]
        const CLUSTERED = 1 << 11;
        /// Read ahead: first to be taken back.
        #[doc(alias = "VM_PAGE_ON_SPECULATIVE_Q")]
        const SPECULATIVE = 1 << 12;
        /// Being returned to the pager by page-out.
        #[doc(alias = "vmp_laundry")]
        const LAUNDRY = 1 << 13;
        /// To be freed as soon as the work in hand is done.
        #[doc(alias = "vmp_free_when_done")]
        const FREE_WHEN_DONE = 1 << 14;
        /// Must not stay in memory after use.
        #[doc(alias = "vmp_no_cache")]
        const NO_CACHE = 1 << 15;
        /// The contents may be thrown away (`MADV_FREE_REUSABLE`).
        #[doc(alias = "vmp_reusable")]
        const REUSABLE = 1 << 16;
        /// Written by the kernel since it was last returned.
        #[doc(alias = "vmp_written_by_kernel")]
        const WRITTEN_BY_KERNEL = 1 << 17;
        /// Whoever waits must start again from the top: the page is to move or go.
        #[doc(alias = "vmp_restart")]
        const RESTART = 1 << 18;
        /// The code-signing hash was checked and is right.
        #[doc(alias = "vmp_cs_validated")]
        const CS_VALIDATED = 1 << 20;
        /// The code-signing hash was checked and is wrong.
        #[doc(alias = "vmp_cs_tainted")]
        const CS_TAINTED = 1 << 21;
        /// May never be executed.
        #[doc(alias = "vmp_cs_nx")]
        const CS_NX = 1 << 22;
    }
}
