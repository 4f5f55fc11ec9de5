//! Arguments of the memory calls. XNU: `bsd/sys/mman.h`. Several values differ from Linux's.

use bitflags::bitflags;

bitflags! {
    /// Protection.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Prot: u32 {
        /// Reading.
        #[doc(alias = "PROT_READ")]
        const READ = 1;
        /// Writing.
        #[doc(alias = "PROT_WRITE")]
        const WRITE = 2;
        /// Executing.
        #[doc(alias = "PROT_EXEC")]
        const EXEC = 4;
    }
}

impl Prot {
    /// No access.
    #[doc(alias = "PROT_NONE")]
    pub const NONE: Self = Self::empty();
}

bitflags! {
    /// Kind of a mapping.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MapFlags: u32 {
        /// Writes are seen by all.
        #[doc(alias = "MAP_SHARED")]
        const SHARED = 0x1;
        /// Writes are seen by this map only.
        #[doc(alias = "MAP_PRIVATE")]
        #[doc(alias = "MAP_COPY")]
        const PRIVATE = 0x2;
        /// At exactly the address.
        #[doc(alias = "MAP_FIXED")]
        const FIXED = 0x10;
        /// Accepted, no effect.
        #[doc(alias = "MAP_RENAME")]
        const RENAME = 0x20;
        /// Accepted, no effect.
        #[doc(alias = "MAP_NORESERVE")]
        const NORESERVE = 0x40;
        /// Accepted, no effect.
        #[doc(alias = "MAP_RESERVED0080")]
        const RESERVED0080 = 0x80;
        /// Accepted, no effect.
        #[doc(alias = "MAP_NOEXTEND")]
        const NOEXTEND = 0x100;
        /// Accepted, no effect.
        #[doc(alias = "MAP_HASSEMAPHORE")]
        const HASSEMAPHORE = 0x200;
        /// Pages go out of the cache soon after use.
        #[doc(alias = "MAP_NOCACHE")]
        const NOCACHE = 0x400;
        /// Written and executed in turn.
        #[doc(alias = "MAP_JIT")]
        const JIT = 0x800;
        /// No file.
        #[doc(alias = "MAP_ANON")]
        #[doc(alias = "MAP_ANONYMOUS")]
        const ANONYMOUS = 0x1000;
        /// Badly signed pages stay mapped.
        #[doc(alias = "MAP_RESILIENT_CODESIGN")]
        const RESILIENT_CODESIGN = 0x2000;
        /// Pages whose medium is gone read as zero.
        #[doc(alias = "MAP_RESILIENT_MEDIA")]
        const RESILIENT_MEDIA = 0x4000;
        /// Below 4 GiB.
        #[doc(alias = "MAP_32BIT")]
        const BELOW_4G = 0x8000;
        /// For translated programs.
        #[doc(alias = "MAP_TRANSLATED_ALLOW_EXECUTE")]
        const TRANSLATED_ALLOW_EXECUTE = 0x2_0000;
        /// Strict checks; the library adds it.
        #[doc(alias = "MAP_UNIX03")]
        const UNIX03 = 0x4_0000;
        /// Write-protected except by a trusted path.
        #[doc(alias = "MAP_TPRO")]
        const TPRO = 0x8_0000;
    }
}

impl MapFlags {
    /// A file's pages: the default.
    #[doc(alias = "MAP_FILE")]
    pub const FILE: Self = Self::empty();
}

bitflags! {
    /// What `msync` does.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct MsyncFlags: u32 {
        /// Start and return.
        #[doc(alias = "MS_ASYNC")]
        const ASYNC = 1;
        /// Drop cached pages.
        #[doc(alias = "MS_INVALIDATE")]
        const INVALIDATE = 2;
        /// Discard without writing.
        #[doc(alias = "MS_KILLPAGES")]
        const KILLPAGES = 4;
        /// Make them first to go.
        #[doc(alias = "MS_DEACTIVATE")]
        const DEACTIVATE = 8;
        /// Wait.
        #[doc(alias = "MS_SYNC")]
        const SYNC = 0x10;
    }
}

bitflags! {
    /// What `mincore` tells of a page.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Mincore: u8 {
        /// In memory.
        #[doc(alias = "MINCORE_INCORE")]
        const INCORE = 1;
        /// Used by this process.
        #[doc(alias = "MINCORE_REFERENCED")]
        const REFERENCED = 2;
        /// Changed by this process.
        #[doc(alias = "MINCORE_MODIFIED")]
        const MODIFIED = 4;
        /// Used by others.
        #[doc(alias = "MINCORE_REFERENCED_OTHER")]
        const REFERENCED_OTHER = 8;
        /// Changed by others.
        #[doc(alias = "MINCORE_MODIFIED_OTHER")]
        const MODIFIED_OTHER = 0x10;
        /// Its pager has it.
        #[doc(alias = "MINCORE_PAGED_OUT")]
        const PAGED_OUT = 0x20;
        /// Copied.
        #[doc(alias = "MINCORE_COPIED")]
        const COPIED = 0x40;
        /// No file behind it (holes too).
        #[doc(alias = "MINCORE_ANONYMOUS")]
        const ANONYMOUS = 0x80;
    }
}

/// Advice of `madvise`.
pub mod advice {
    macro_rules! advice {
        ($($name:ident = $value:literal, $text:literal;)*) => {
            $(
                #[doc = concat!("`MADV_", stringify!($name), "`: ", $text, ".")]
                pub const $name: i32 = $value;
            )*
        };
    }
    advice! {
        NORMAL = 0, "no particular pattern";
        RANDOM = 1, "no read-ahead";
        SEQUENTIAL = 2, "read ahead";
        WILLNEED = 3, "bring in";
        DONTNEED = 4, "may go; the data is kept";
        FREE = 5, "may be discarded";
        ZERO_WIRED_PAGES = 6, "zero wired pages when freed";
        FREE_REUSABLE = 7, "may be discarded until reused";
        FREE_REUSE = 8, "matters again";
        CAN_REUSE = 9, "could be made reusable";
        PAGEOUT = 10, "push out";
        ZERO = 11, "zero";
    }
}

/// What `mmap` answers when it fails, in C.
#[doc(alias = "MAP_FAILED")]
pub const FAILED: u64 = u64::MAX;
