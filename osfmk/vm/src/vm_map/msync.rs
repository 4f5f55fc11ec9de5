//! Writing a range's dirty pages to where they belong.
//!
//! Objects are synchronised with the map unlocked. A hole is an error only when asked for, and only after the whole
//! range was worked on. So is what a pager could not write, unlike in XNU, where nobody hears of it.
//! XNU counterpart: `vm_map_msync`.

use super::VmMap;
use crate::vm_object::{ObjectRef, SyncFlags};
use mach::vm_sync::VmSync;
use mach::{KernReturn, Result};

impl VmMap {
    /// Synchronises `start..end`, page aligned.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when both synchronous and asynchronous are asked for, or for a bad range; `INVALID_ADDRESS`
    /// for a hole when `CONTIGUOUS` is asked for; `FAILURE` when a pager could not write something; `ABORTED`.
    #[doc(alias = "vm_map_msync")]
    pub fn msync(&self, start: u64, end: u64, flags: VmSync) -> Result<()> {
        if flags.contains(VmSync::ASYNCHRONOUS | VmSync::SYNCHRONOUS) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if start == end {
            return Ok(());
        }
        self.check_range(start, end)?;
        let (mut position, mut hole, mut failed) = (start, false, false);
        while let Some(part) = self.next_part(position, end) {
            hole |= part.start > position;
            position = part.end;
            if let Some(object) = part.object {
                match sync_part(&object, part.offset, part.end - part.start, flags) {
                    Err(KernReturn::ABORTED) => return Err(KernReturn::ABORTED),
                    outcome => failed |= outcome.is_err(),
                }
            } else if flags.contains(VmSync::KILL_PAGES) || flags.contains(VmSync::DEACTIVATE) {
                self.release_part(part.start, part.end, flags);
            }
        }
        hole |= position < end;
        if hole && flags.contains(VmSync::CONTIGUOUS) {
            Err(KernReturn::INVALID_ADDRESS)
        } else if failed {
            Err(KernReturn::FAILURE)
        } else {
            Ok(())
        }
    }

    /// The next mapped part of `position..end`. Its object is told only when there is something to write.
    fn next_part(&self, position: u64, end: u64) -> Option<Part> {
        if position >= end {
            return None;
        }
        let guard = self.read();
        let entry = guard
            .state
            .entries
            .get(guard.state.entries.at_or_after(position)?);
        if entry.start >= end {
            return None;
        }
        let start = entry.start.max(position);
        let object = entry
            .object()
            .filter(|object| !object.is_internal())
            .cloned();
        Some(Part {
            start,
            end: entry.end.min(end),
            offset: entry.offset_of(start),
            object,
        })
    }

    /// Anonymous memory: nothing to write, but pages may be let go. Without a reference of our own, which would make the
    /// object look shared.
    fn release_part(&self, start: u64, end: u64, flags: VmSync) {
        let guard = self.read();
        let Some((_, entry)) = guard.state.entry_at(start) else {
            return;
        };
        let (stop, offset) = (entry.end.min(end), entry.offset_of(start));
        match entry.object() {
            Some(object) if flags.contains(VmSync::KILL_PAGES) => {
                object.discard(offset, stop - start)
            }
            Some(object) => object.deactivate(offset, stop - start),
            None => {}
        }
    }
}

struct Part {
    start: u64,
    end: u64,
    offset: u64,
    object: Option<ObjectRef>,
}

#[doc(alias = "vm_object_sync")]
fn sync_part(object: &ObjectRef, offset: u64, size: u64, flags: VmSync) -> Result<()> {
    if flags.contains(VmSync::KILL_PAGES) {
        object.discard(offset, size);
        return Ok(());
    }
    if flags.contains(VmSync::DEACTIVATE) {
        object.deactivate(offset, size);
        return Ok(());
    }
    let wait = flags.contains(VmSync::SYNCHRONOUS);
    let sync = SyncFlags {
        write_back: wait || flags.contains(VmSync::ASYNCHRONOUS),
        wait,
        invalidate: flags.contains(VmSync::INVALIDATE),
    };
    object.sync(offset, size, sync)
}
