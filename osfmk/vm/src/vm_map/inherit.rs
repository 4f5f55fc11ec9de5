//! What a fork does with a range. Holes are skipped without error.

use super::VmMap;
use super::clip::CLIP_COST;
use super::lock::MapWriteGuard;
use mach::{Result, VmInherit};

impl VmMap {
    /// Sets the inheritance of `start..end`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a bad range, `RESOURCE_SHORTAGE`; nothing has changed then.
    #[doc(alias = "vm_map_inherit")]
    pub fn inherit(&self, start: u64, end: u64, inheritance: VmInherit) -> Result<()> {
        if start == end {
            return Ok(());
        }
        self.check_range(start, end)?;
        let mut guard = self.write_settled(start, end);
        guard.state.reserve(CLIP_COST)?;
        let MapWriteGuard { state, graveyard } = &mut guard;
        state.clip_range(start, end);
        state.for_range(start, end, |entry| entry.inheritance = inheritance);
        state.simplify_range(start, end, graveyard);
        state.settle();
        Ok(())
    }
}
