//! What a child gets of a mapping at fork: [`VmInherit`].
//!
//! XNU: `mach/vm_inherit.h`.

/// Inheritance of a map entry.
#[doc(alias = "vm_inherit_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u32)]
pub enum VmInherit {
    /// Parent and child share the memory.
    #[doc(alias = "VM_INHERIT_SHARE")]
    Share = 0,
    /// The child gets a copy; the default.
    #[doc(alias = "VM_INHERIT_COPY")]
    #[doc(alias = "VM_INHERIT_DEFAULT")]
    #[default]
    Copy = 1,
    /// The child gets nothing.
    #[doc(alias = "VM_INHERIT_NONE")]
    None = 2,
}

impl VmInherit {
    /// The value a caller passed, if it is one of the three that exist.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            0 => Some(Self::Share),
            1 => Some(Self::Copy),
            2 => Some(Self::None),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn raw(self) -> u32 {
        self as u32
    }
}
