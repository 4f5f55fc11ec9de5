//! The same memory at a second place, in the same or another map, shared or copied.
//!
//! The source is read first and unlocked; the target is changed afterwards. Two maps are never locked at once.
//! XNU counterpart: `vm_map_remap`.

use super::VmMap;
use super::attributes::EntryFlags;
use super::enter::Placement;
use super::extract::{Hold, Piece};
use super::locate::PlaceRequest;
use mach::{KernReturn, Result, VmInherit, VmProt};

/// Where and how memory is mapped a second time.
#[derive(Clone, Copy, Debug)]
pub struct RemapRequest {
    /// Where in the target.
    pub placement: Placement,
    /// Bytes, a multiple of the page size.
    pub size: u64,
    /// Address bits that must be zero.
    pub mask: u64,
    /// Shared or copied.
    pub hold: Hold,
    /// What a fork of the target does with it.
    pub inheritance: VmInherit,
    /// Current and maximum protection wanted (`mach_vm_remap_new`); none keeps the source's.
    pub protection: Option<(VmProt, VmProt)>,
}

/// What a remap gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remapped {
    /// Address in the target.
    pub address: u64,
    /// What every page of it allows now.
    pub protection: VmProt,
    /// What every page of it may be raised to.
    pub max_protection: VmProt,
}

impl VmMap {
    /// Maps `size` bytes at `address` of `source` into this map.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` (size, alignment), `INVALID_ADDRESS` (hole in the source, target outside the map),
    /// `PROTECTION_FAILURE` (more asked for than the source may give), `NO_SPACE`, `RESOURCE_SHORTAGE`.
    #[doc(alias = "vm_map_remap")]
    pub fn remap(&self, source: &VmMap, address: u64, request: RemapRequest) -> Result<Remapped> {
        let end = address
            .checked_add(request.size)
            .ok_or(KernReturn::INVALID_ARGUMENT)?;
        source.check_range(address, end)?;
        let wanted = request.protection;
        let admit = |entry: &super::MapEntry| match wanted {
            Some((_, max)) if !entry.max_protection.contains(max.access()) => {
                Err(KernReturn::PROTECTION_FAILURE)
            }
            _ => Ok(()),
        };
        let mut pieces = source.extract(address, end, request.hold, admit)?;
        let (mut protection, mut max_protection) = (VmProt::ALL, VmProt::ALL);
        for piece in &pieces {
            protection &= piece.protection;
            max_protection &= piece.max_protection;
        }
        if let Some((current, max)) = wanted {
            (protection, max_protection) = (current.access(), max.access());
        }
        let link = PlaceRequest {
            placement: request.placement,
            size: request.size,
            mask: request.mask,
            limit: u64::MAX,
        };
        let address = self.link_pieces(link, &mut pieces, |piece| Piece {
            inheritance: request.inheritance,
            protection: wanted.map_or(piece.protection, |(current, _)| current.access()),
            max_protection: wanted.map_or(piece.max_protection, |(_, max)| max.access()),
            flags: piece.flags.difference(EntryFlags::PERMANENT),
            ..piece
        })?;
        Ok(Remapped {
            address,
            protection,
            max_protection,
        })
    }

    /// Replaces `start..end` by a private copy of itself that may be written: what `VM_PROT_COPY` asks for.
    pub(crate) fn copy_over_itself(&self, start: u64, end: u64) -> Result<()> {
        let mut pieces = self.extract(start, end, Hold::Copy, |_| Ok(()))?;
        let link = PlaceRequest {
            placement: Placement::Overwrite(start),
            size: end - start,
            mask: 0,
            limit: u64::MAX,
        };
        self.link_pieces(link, &mut pieces, |piece| Piece {
            max_protection: piece.max_protection | VmProt::WRITE,
            ..piece
        })?;
        Ok(())
    }
}
