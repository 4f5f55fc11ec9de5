//! Rules of a map that are policy rather than mechanism: W^X, JIT, limits.
//!
//! Defaults are those of a native macOS map on Apple silicon: writable and executable at once is refused except in a
//! region made for a JIT, and any number of those may exist.
//! XNU counterpart: `vm_map_policy_t` in `vm_map_internal.h`, the W^X part of `vm_map_enter`, `vm_map_exec_lockdown`.

use super::VmMap;
use super::attributes::EntryFlags;
use super::lock::MapState;
use mach::{KernReturn, Result, VmProt};

/// What happens to a mapping that asks to be writable and executable at once without being a JIT region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExecutePolicy {
    /// `PROTECTION_FAILURE` (`VM_MAP_POLICY_WX_FAIL`).
    FailWriteExecute,
    /// Execute permission is dropped silently (`VM_MAP_POLICY_WX_STRIP_X`).
    StripExecute,
    /// Allowed; for maps of tools that must.
    Unrestricted,
}

/// How many JIT regions a map may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JitPolicy {
    /// None at all.
    Refused,
    /// One (`single-jit`).
    Single,
    /// Any number (`VM_MAP_POLICY_ALLOW_MULTIPLE_JIT`).
    Multiple,
}

/// Resource limits of a map, in bytes; `u64::MAX` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapLimits {
    /// All mappings together (`RLIMIT_AS`).
    pub size: u64,
    /// Memory wired by the user (`RLIMIT_MEMLOCK`).
    pub user_wire: u64,
}

impl MapLimits {
    /// No limits.
    pub const NONE: MapLimits = MapLimits {
        size: u64::MAX,
        user_wire: u64::MAX,
    };
}

impl MapState {
    /// The protection a mapping with `flags` really gets when `wanted` is asked for.
    ///
    /// # Errors
    /// `PROTECTION_FAILURE` when the policy refuses writable and executable memory, or new executable memory.
    pub(crate) fn admit_protection(&self, wanted: VmProt, flags: EntryFlags) -> Result<VmProt> {
        if !wanted.contains(VmProt::EXECUTE) {
            return Ok(wanted);
        }
        if self.exec_lockdown {
            return Err(KernReturn::PROTECTION_FAILURE);
        }
        if !wanted.contains(VmProt::WRITE) || flags.contains(EntryFlags::USED_FOR_JIT) {
            return Ok(wanted);
        }
        match self.execute_policy {
            ExecutePolicy::FailWriteExecute => Err(KernReturn::PROTECTION_FAILURE),
            ExecutePolicy::StripExecute => Ok(wanted.difference(VmProt::EXECUTE)),
            ExecutePolicy::Unrestricted => Ok(wanted),
        }
    }

    /// Whether one more JIT region may be made.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, as XNU has it.
    pub(crate) fn admit_jit(&self) -> Result<()> {
        let exists = || {
            self.entries
                .iter()
                .any(|entry| entry.flags.contains(EntryFlags::USED_FOR_JIT))
        };
        match self.jit_policy {
            JitPolicy::Multiple => Ok(()),
            JitPolicy::Single if !exists() => Ok(()),
            JitPolicy::Single | JitPolicy::Refused => Err(KernReturn::INVALID_ARGUMENT),
        }
    }

    /// Whether the map may grow by `added` bytes after losing `removed`.
    ///
    /// # Errors
    /// `NO_SPACE`.
    pub(crate) fn admit_size(&self, added: u64, removed: u64) -> Result<()> {
        let size = (self.size - removed)
            .checked_add(added)
            .ok_or(KernReturn::NO_SPACE)?;
        if size > self.limits.size {
            Err(KernReturn::NO_SPACE)
        } else {
            Ok(())
        }
    }
}

impl VmMap {
    /// Sets the rule for writable and executable mappings made from now on.
    pub fn set_execute_policy(&self, policy: ExecutePolicy) {
        self.write().state.execute_policy = policy;
    }

    /// Sets how many JIT regions there may be.
    pub fn set_jit_policy(&self, policy: JitPolicy) {
        self.write().state.jit_policy = policy;
    }

    /// Sets the limits; what exists already stays.
    #[doc(alias = "vm_map_set_size_limit")]
    #[doc(alias = "vm_map_set_user_wire_limit")]
    pub fn set_limits(&self, limits: MapLimits) {
        self.write().state.limits = limits;
    }

    /// The limits in force.
    pub fn limits(&self) -> MapLimits {
        self.read().state.limits
    }

    /// Refuses every new executable mapping from now on.
    #[doc(alias = "vm_map_exec_lockdown")]
    pub fn lock_down_exec(&self) {
        self.write().state.exec_lockdown = true;
    }
}
