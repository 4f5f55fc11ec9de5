//! What is known of one page: [`PageDisposition`], as `mach_vm_page_query` and `mincore` tell it.
//!
//! XNU: `mach/vm_region.h` (`VM_PAGE_QUERY_PAGE_*`).

use crate::wire::wire_struct;
use bitflags::bitflags;

bitflags! {
    /// State of a page in a map.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct PageDisposition: u32 {
        /// In memory.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_PRESENT")]
        const PRESENT = 0x1;
        /// No frame behind it.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_FICTITIOUS")]
        const FICTITIOUS = 0x2;
        /// Used since last asked by pageout.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_REF")]
        const REFERENCED = 0x4;
        /// Changed since it came from its pager.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_DIRTY")]
        const DIRTY = 0x8;
        /// Its pager has it.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_PAGED_OUT")]
        const PAGED_OUT = 0x10;
        /// In the top object of a shadow chain.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_COPIED")]
        const COPIED = 0x20;
        /// Read ahead, not yet used.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_SPECULATIVE")]
        const SPECULATIVE = 0x40;
        /// The object has an external pager. (A hole lacks it: that is `mincore`'s 0x80.)
        #[doc(alias = "VM_PAGE_QUERY_PAGE_EXTERNAL")]
        const EXTERNAL = 0x80;
        /// Its hash was checked.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_CS_VALIDATED")]
        const CS_VALIDATED = 0x100;
        /// Its hash was checked and wrong.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_CS_TAINTED")]
        const CS_TAINTED = 0x200;
        /// Its hash allows no execution.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_CS_NX")]
        const CS_NX = 0x400;
        /// Contents may be discarded.
        #[doc(alias = "VM_PAGE_QUERY_PAGE_REUSABLE")]
        const REUSABLE = 0x800;
        const _ = !0;
    }
}

wire_struct! {
    /// Answer of `mach_vm_page_info` with [`VM_PAGE_INFO_BASIC`].
    #[doc(alias = "vm_page_info_basic_data_t")]
    pub struct PageInfoBasic {
        /// [`PageDisposition`] bits.
        pub disposition: i32,
        /// Mappings of the object.
        pub ref_count: i32,
        /// Identity of the object.
        pub object_id: u64,
        /// Offset of the page in it.
        pub offset: u64,
        /// Shadow links above it.
        pub depth: i32,
        /// Padding.
        pub reserved: i32,
    }
}

/// Flavour of `mach_vm_page_info`.
pub const VM_PAGE_INFO_BASIC: i32 = 1;
