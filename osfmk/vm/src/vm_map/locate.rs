//! Where a new mapping goes.
//!
//! XNU counterpart: `vm_map_locate_space_anywhere`, `vm_map_locate_space_fixed`.

use super::VmMap;
use super::enter::Placement;
use super::lock::{MapState, MapWriteGuard};
use super::store::HoleRequest;
use mach::{KernReturn, Result};

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceRequest {
    pub(crate) placement: Placement,
    pub(crate) size: u64,
    /// Address bits that must be zero.
    pub(crate) mask: u64,
    /// First address not to be used.
    pub(crate) limit: u64,
}

impl PlaceRequest {
    /// Anywhere in the map.
    pub(crate) fn anywhere(size: u64) -> PlaceRequest {
        PlaceRequest {
            placement: Placement::Anywhere(0),
            size,
            mask: 0,
            limit: u64::MAX,
        }
    }
}

impl VmMap {
    /// The address for a request, and how many bytes of present mappings go for it. Changes nothing.
    ///
    /// # Errors
    /// As [`VmMap::enter`].
    pub(crate) fn place(&self, state: &MapState, request: PlaceRequest) -> Result<(u64, u64)> {
        let PlaceRequest {
            placement,
            size,
            mask,
            limit,
        } = request;
        match placement {
            Placement::Anywhere(hint) => {
                Ok((self.locate_anywhere(state, hint, size, mask, limit)?, 0))
            }
            Placement::Fixed(address) => {
                self.locate_fixed(address, size, mask)?;
                let free = state.entries.is_free(address, address + size);
                if free {
                    Ok((address, 0))
                } else {
                    Err(KernReturn::NO_SPACE)
                }
            }
            Placement::Overwrite(address) => {
                self.locate_fixed(address, size, mask)?;
                Ok((address, state.replaceable(address, address + size)?))
            }
        }
    }

    /// Starts the exclusive section for a placement: with nothing in the way that may not be replaced right now.
    pub(crate) fn write_for(&self, placement: Placement, size: u64) -> MapWriteGuard<'_> {
        match placement {
            Placement::Overwrite(address) => {
                self.write_removable(address, address.saturating_add(size))
            }
            _ => self.write(),
        }
    }

    /// First fit at or above `hint`.
    ///
    /// # Errors
    /// `NO_SPACE`, also for a hint beyond the map.
    #[doc(alias = "vm_map_locate_space_anywhere")]
    fn locate_anywhere(
        &self,
        state: &MapState,
        hint: u64,
        size: u64,
        mask: u64,
        limit: u64,
    ) -> Result<u64> {
        let from = hint.max(self.min_offset);
        let limit = limit.min(self.max_offset);
        if from >= limit {
            return Err(KernReturn::NO_SPACE);
        }
        let mask = mask | self.page_mask();
        state
            .entries
            .find_hole(HoleRequest {
                from,
                limit,
                size,
                mask,
            })
            .ok_or(KernReturn::NO_SPACE)
    }

    /// Checks that `address..address + size` may be mapped, without asking what is there.
    ///
    /// # Errors
    /// `NO_SPACE` when the mask forbids the address, `INVALID_ARGUMENT` for a misaligned one, `INVALID_ADDRESS`
    /// outside the bounds.
    #[doc(alias = "vm_map_locate_space_fixed")]
    fn locate_fixed(&self, address: u64, size: u64, mask: u64) -> Result<()> {
        if address & mask != 0 {
            return Err(KernReturn::NO_SPACE);
        }
        let end = address
            .checked_add(size)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        if !self.is_page_range(address, end) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if address < self.min_offset || end > self.max_offset {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        Ok(())
    }
}

impl MapState {
    /// Bytes mapped in `start..end`, if all of it may be replaced.
    fn replaceable(&self, start: u64, end: u64) -> Result<u64> {
        let mut bytes = 0;
        for index in self.overlapping(start, end) {
            let entry = self.entries.get(index);
            if entry.is_permanent() {
                return Err(KernReturn::NO_SPACE);
            }
            bytes += entry.end.min(end) - entry.start.max(start);
        }
        Ok(bytes)
    }
}
