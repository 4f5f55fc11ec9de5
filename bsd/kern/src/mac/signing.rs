//! The policy of code signing, in one place. Pure: it sees what was found out and says yes or no.
//!
//! - Memory for a just-in-time compiler needs the entitlement.
//! - Code from files must be signed. What is damaged is as good as unsigned.
//! - The boot archive came with the kernel and is trusted as the kernel is: its programs run unsigned too, so that no mistake in
//!   signing takes the recovery shell away.
//!
//! What becomes of single pages that are not what was signed is not asked here: the process's own flags say it (`kern_cs`).
//! XNU counterpart: AMFI, which is closed; the answers are those of a Mac with Apple silicon.

use bsd_sys::errno::Errno;
use bsd_sys::mman::MapFlags;
use mach::VmProt;

use super::{CodeFile, Denied, Entitlements, Evidence, Policy};

/// The policy.
pub(super) struct CodeSigning;

impl Policy for CodeSigning {
    fn map_anonymous(
        &self,
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

    fn map_code(&self, file: CodeFile) -> Result<(), Errno> {
        if is_trusted(file) {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    fn exec(&self, file: CodeFile) -> Result<(), Denied> {
        if is_trusted(file) {
            Ok(())
        } else {
            Err(Denied)
        }
    }
}

fn is_trusted(file: CodeFile) -> bool {
    file.platform || file.evidence == Evidence::Signed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jit_memory_needs_the_entitlement() {
        let mut maximum = VmProt::ALL;
        let mut ask = |allow_jit, flags| {
            let entitlements = Entitlements {
                allow_jit,
                single_jit: false,
            };
            CodeSigning.map_anonymous(entitlements, flags, &mut maximum)
        };
        assert_eq!(ask(false, MapFlags::JIT), Err(Denied));
        assert_eq!(ask(true, MapFlags::JIT), Ok(()));
        assert_eq!(ask(false, MapFlags::ANONYMOUS), Ok(()));
    }

    #[test]
    fn code_must_be_signed_unless_it_came_with_the_kernel() {
        let file = |evidence, platform| CodeFile { evidence, platform };
        for evidence in [Evidence::Unsigned, Evidence::Damaged] {
            let own = file(evidence, false);
            assert_eq!(CodeSigning.exec(own), Err(Denied));
            assert_eq!(CodeSigning.map_code(own), Err(Errno::EPERM));
            assert_eq!(CodeSigning.exec(file(evidence, true)), Ok(()));
        }
        let signed = file(Evidence::Signed, false);
        assert_eq!(CodeSigning.exec(signed), Ok(()));
        assert_eq!(CodeSigning.map_code(signed), Ok(()));
    }
}
