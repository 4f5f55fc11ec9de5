//! Flags of the calls that make mappings: [`VmFlags`], and the tags carried in their top byte.
//!
//! XNU: `mach/vm_statistics.h`.

use bitflags::bitflags;

bitflags! {
    /// How an allocation or mapping is to be placed and treated.
    #[doc(alias = "VM_FLAGS_USER_ALLOCATE")]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct VmFlags: u32 {
        /// Anywhere: the address is a hint. Without it the address is exact.
        #[doc(alias = "VM_FLAGS_ANYWHERE")]
        const ANYWHERE = 0x0001;
        /// The memory may be made volatile.
        #[doc(alias = "VM_FLAGS_PURGABLE")]
        const PURGABLE = 0x0002;
        /// Do not cross a 4 GiB line.
        #[doc(alias = "VM_FLAGS_4GB_CHUNK")]
        const CHUNK_4GB = 0x0004;
        /// Choose a random address.
        #[doc(alias = "VM_FLAGS_RANDOM_ADDR")]
        const RANDOM_ADDR = 0x0008;
        /// Pages go out of the cache soon after use.
        #[doc(alias = "VM_FLAGS_NO_CACHE")]
        const NO_CACHE = 0x0010;
        /// Pages with a bad signature stay mapped.
        #[doc(alias = "VM_FLAGS_RESILIENT_CODESIGN")]
        const RESILIENT_CODESIGN = 0x0020;
        /// Pages whose medium is gone read as zero.
        #[doc(alias = "VM_FLAGS_RESILIENT_MEDIA")]
        const RESILIENT_MEDIA = 0x0040;
        /// The entry cannot be removed by the program.
        #[doc(alias = "VM_FLAGS_PERMANENT")]
        const PERMANENT = 0x0080;
        /// Hardware-assisted temporary write protection.
        #[doc(alias = "VM_FLAGS_TPRO")]
        const TPRO = 0x1000;
        /// Replace what is mapped there, in one step.
        #[doc(alias = "VM_FLAGS_OVERWRITE")]
        const OVERWRITE = 0x4000;
        /// Superpage size, three bits.
        #[doc(alias = "VM_FLAGS_SUPERPAGE_MASK")]
        const SUPERPAGE_MASK = 0x7_0000;
        /// Return the address of the data, not of its page.
        #[doc(alias = "VM_FLAGS_RETURN_DATA_ADDR")]
        const RETURN_DATA_ADDR = 0x10_0000;
        /// The same, with 4 KiB steps.
        #[doc(alias = "VM_FLAGS_RETURN_4K_DATA_ADDR")]
        const RETURN_4K_DATA_ADDR = 0x80_0000;
        /// The tag, see [`VmFlags::tag`].
        #[doc(alias = "VM_FLAGS_ALIAS_MASK")]
        const ALIAS_MASK = 0xff00_0000;
        const _ = !0;
    }
}

impl VmFlags {
    /// At exactly the given address.
    #[doc(alias = "VM_FLAGS_FIXED")]
    pub const FIXED: Self = Self::empty();
    /// What `mach_vm_allocate` accepts from a program.
    #[doc(alias = "VM_FLAGS_USER_ALLOCATE")]
    pub const USER_ALLOCATE: Self = Self::ANYWHERE
        .union(Self::PURGABLE)
        .union(Self::CHUNK_4GB)
        .union(Self::RANDOM_ADDR)
        .union(Self::NO_CACHE)
        .union(Self::PERMANENT)
        .union(Self::OVERWRITE)
        .union(Self::SUPERPAGE_MASK)
        .union(Self::TPRO)
        .union(Self::ALIAS_MASK);
    /// What `mach_vm_map` accepts from a program.
    #[doc(alias = "VM_FLAGS_USER_MAP")]
    pub const USER_MAP: Self = Self::USER_ALLOCATE
        .union(Self::RETURN_4K_DATA_ADDR)
        .union(Self::RETURN_DATA_ADDR);
    /// What `mach_vm_remap` accepts from a program.
    #[doc(alias = "VM_FLAGS_USER_REMAP")]
    pub const USER_REMAP: Self = Self::ANYWHERE
        .union(Self::RANDOM_ADDR)
        .union(Self::OVERWRITE)
        .union(Self::RETURN_DATA_ADDR)
        .union(Self::RESILIENT_CODESIGN)
        .union(Self::RESILIENT_MEDIA);

    /// The tag: what the memory is for, in the top byte.
    #[doc(alias = "VM_GET_FLAGS_ALIAS")]
    pub const fn tag(self) -> u8 {
        (self.bits() >> 24) as u8
    }

    /// These flags with `tag` in the top byte.
    #[doc(alias = "VM_MAKE_TAG")]
    #[must_use]
    pub const fn with_tag(self, tag: u8) -> Self {
        Self::from_bits_retain((self.bits() & 0x00ff_ffff) | ((tag as u32) << 24))
    }
}

/// Well-known tags (`VM_MEMORY_*`).
pub mod tag {
    macro_rules! tags {
        ($($name:ident = $value:literal, $text:literal;)*) => {
            $(
                #[doc = concat!("XNU: `VM_MEMORY_", stringify!($name), "`.")]
                pub const $name: u8 = $value;
            )*

            /// What `vmmap` calls memory with this tag.
            pub const fn describe(tag: u8) -> Option<&'static str> {
                match tag {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        };
    }

    tags! {
        MALLOC = 1, "malloc";
        MALLOC_SMALL = 2, "malloc small";
        MALLOC_LARGE = 3, "malloc large";
        MALLOC_HUGE = 4, "malloc huge";
        SBRK = 5, "sbrk";
        REALLOC = 6, "realloc";
        MALLOC_TINY = 7, "malloc tiny";
        ANALYSIS_TOOL = 10, "analysis tool";
        MACH_MSG = 20, "mach message";
        IOKIT = 21, "device";
        STACK = 30, "stack";
        GUARD = 31, "guard";
        SHARED_PMAP = 32, "shared pmap";
        DYLIB = 33, "dylib";
        UNSHARED_PMAP = 35, "unshared pmap";
        DYLD = 60, "dyld";
        APPLICATION_SPECIFIC_1 = 240, "application 1";
        APPLICATION_SPECIFIC_16 = 255, "application 16";
    }
}
