//! Linking a list of pieces into a map, at one place, in one step.
//!
//! The list stays with the caller until nothing can fail any more.
//! XNU counterpart: `vm_map_copy_insert`, the tails of `vm_map_copyout_internal` and `vm_map_remap`.

use alloc::vec::Vec;

use super::VmMap;
use super::clip::CLIP_COST;
use super::enter::Placement;
use super::extract::Piece;
use super::locate::PlaceRequest;
use super::lock::MapWriteGuard;
use mach::{KernReturn, Result};

impl VmMap {
    /// Puts the pieces side by side at one address, each changed by `adapt` first. Takes them out of the list only on
    /// success.
    ///
    /// # Errors
    /// As [`VmMap::enter`].
    #[doc(alias = "vm_map_copy_insert")]
    pub(crate) fn link_pieces(
        &self,
        request: PlaceRequest,
        pieces: &mut Vec<Piece>,
        adapt: impl Fn(Piece) -> Piece,
    ) -> Result<u64> {
        if pieces.is_empty() || pieces.iter().map(|piece| piece.size).sum::<u64>() != request.size {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let mut guard = self.write_for(request.placement, request.size);
        if guard.state.terminated {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        let (address, replaced) = self.place(&guard.state, request)?;
        guard.state.admit_size(request.size, replaced)?;
        guard.state.reserve(pieces.len() + CLIP_COST)?;
        if matches!(request.placement, Placement::Overwrite(_)) {
            self.clear_range(&mut guard, address, address + request.size);
        }
        let mut start = address;
        for piece in core::mem::take(pieces) {
            let ticket = guard.state.ticket();
            let entry = adapt(piece).at(start, ticket);
            start = entry.end;
            guard.state.insert(entry);
        }
        let MapWriteGuard { state, graveyard } = &mut guard;
        state.simplify_range(address, start, graveyard);
        state.settle();
        Ok(address)
    }
}
