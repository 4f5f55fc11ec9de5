//! Volatile memory: control codes and states of `vm_purgable_control`. XNU: `mach/vm_purgable.h`.

/// What is asked of a purgable region.
#[doc(alias = "vm_purgable_t")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum PurgableControl {
    /// Set the state.
    #[doc(alias = "VM_PURGABLE_SET_STATE")]
    SetState = 0,
    /// Read the state.
    #[doc(alias = "VM_PURGABLE_GET_STATE")]
    GetState = 1,
    /// Empty every volatile object.
    #[doc(alias = "VM_PURGABLE_PURGE_ALL")]
    PurgeAll = 2,
}

impl PurgableControl {
    /// The value a caller passed, if it exists.
    pub const fn from_raw(raw: i32) -> Option<Self> {
        match raw {
            0 => Some(Self::SetState),
            1 => Some(Self::GetState),
            2 => Some(Self::PurgeAll),
            _ => None,
        }
    }
}

/// State of a purgable object (the low two bits of the state word).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(i32)]
pub enum PurgableState {
    /// Contents are kept.
    #[doc(alias = "VM_PURGABLE_NONVOLATILE")]
    #[default]
    NonVolatile = 0,
    /// Contents may be thrown away.
    #[doc(alias = "VM_PURGABLE_VOLATILE")]
    Volatile = 1,
    /// Contents were thrown away.
    #[doc(alias = "VM_PURGABLE_EMPTY")]
    Empty = 2,
    /// The object can no longer be purged.
    #[doc(alias = "VM_PURGABLE_DENY")]
    Deny = 3,
}

impl PurgableState {
    /// Bits of the state word that hold the state.
    #[doc(alias = "VM_PURGABLE_STATE_MASK")]
    pub const MASK: i32 = 3;

    /// The state in a state word.
    pub const fn from_raw(raw: i32) -> Self {
        match raw & Self::MASK {
            0 => Self::NonVolatile,
            1 => Self::Volatile,
            2 => Self::Empty,
            _ => Self::Deny,
        }
    }
}
