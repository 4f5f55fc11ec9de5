//! Policy: what a process may map, asked through hooks like XNU's MAC framework.
//!
//! XNU's open code asks `mac_proc_check_map_anon` and its sisters; the answers come from a closed module. Ours are here, in
//! one place: memory for a just-in-time compiler needs the entitlement `com.apple.security.cs.allow-jit`.
//! XNU counterpart: `security/mac_process.c`, `mac_vm.c`.

use bsd_sys::mman::MapFlags;
use mach::VmProt;

/// What a program's signature entitles it to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entitlements {
    /// `com.apple.security.cs.allow-jit`.
    pub allow_jit: bool,
}

/// The policy refuses. What errno that becomes is the caller's business: `mmap` says `EINVAL`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Denied;

/// May the process make this anonymous mapping? May lower the maximum protection.
///
/// # Errors
/// [`Denied`] for `MAP_JIT` without the entitlement.
#[doc(alias = "mac_proc_check_map_anon")]
pub fn check_map_anonymous(
    entitlements: Entitlements,
    flags: MapFlags,
    _maximum: &mut VmProt,
) -> Result<(), Denied> {
    if flags.contains(MapFlags::JIT) && !entitlements.allow_jit {
        Err(Denied)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jit_memory_needs_the_entitlement() {
        let mut maximum = VmProt::ALL;
        let ask = |allow_jit, flags, maximum: &mut VmProt| {
            check_map_anonymous(Entitlements { allow_jit }, flags, maximum)
        };
        assert_eq!(ask(false, MapFlags::JIT, &mut maximum), Err(Denied));
        assert_eq!(ask(true, MapFlags::JIT, &mut maximum), Ok(()));
        assert_eq!(ask(false, MapFlags::ANONYMOUS, &mut maximum), Ok(()));
    }
}
