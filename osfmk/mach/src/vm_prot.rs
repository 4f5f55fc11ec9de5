//! Protection of a mapping: [`VmProt`].
//!
//! XNU: `mach/vm_prot.h`. The low three bits are the protection proper; the others are requests that
//! only single calls understand.

use bitflags::bitflags;

bitflags! {
    /// What may be done with memory.
    #[doc(alias = "vm_prot_t")]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct VmProt: u32 {
        /// Reading.
        #[doc(alias = "VM_PROT_READ")]
        const READ = 1;
        /// Writing.
        #[doc(alias = "VM_PROT_WRITE")]
        const WRITE = 2;
        /// Instruction fetch.
        #[doc(alias = "VM_PROT_EXECUTE")]
        const EXECUTE = 4;
        /// `lock_request`: leave the protection as it is (old value).
        #[doc(alias = "VM_PROT_NO_CHANGE_LEGACY")]
        const NO_CHANGE_LEGACY = 8;
        /// `vm_protect`: give this map its own copy so that it may be written.
        #[doc(alias = "VM_PROT_COPY")]
        #[doc(alias = "VM_PROT_WANTS_COPY")]
        const COPY = 0x10;
        /// `mprotect`: sign the range.
        #[doc(alias = "VM_PROT_TRUSTED")]
        const TRUSTED = 0x20;
        /// Memory entries: the protection is a mask for the entry's own.
        #[doc(alias = "VM_PROT_IS_MASK")]
        const IS_MASK = 0x40;
        /// Execute-only: reading is taken away.
        #[doc(alias = "VM_PROT_STRIP_READ")]
        const STRIP_READ = 0x80;
        /// `lock_request`: leave the protection as it is.
        #[doc(alias = "VM_PROT_NO_CHANGE")]
        const NO_CHANGE = 0x0100_0000;
        const _ = !0;
    }
}

impl VmProt {
    /// No access at all.
    #[doc(alias = "VM_PROT_NONE")]
    pub const NONE: Self = Self::empty();
    /// Read and write: what fresh memory gets.
    #[doc(alias = "VM_PROT_DEFAULT")]
    pub const DEFAULT: Self = Self::READ.union(Self::WRITE);
    /// Read, write and execute.
    #[doc(alias = "VM_PROT_ALL")]
    pub const ALL: Self = Self::DEFAULT.union(Self::EXECUTE);

    /// The three access bits without any request bits.
    #[must_use]
    pub const fn access(self) -> Self {
        self.intersection(Self::ALL)
    }

    /// True when every access in `wanted` is allowed here.
    pub const fn allows(self, wanted: Self) -> bool {
        self.contains(wanted.access())
    }

    /// `rwx` with dashes, as `vmmap` prints it.
    pub const fn letters(self) -> &'static str {
        match self.bits() & 7 {
            0 => "---",
            1 => "r--",
            2 => "-w-",
            3 => "rw-",
            4 => "--x",
            5 => "r-x",
            6 => "-wx",
            _ => "rwx",
        }
    }
}
