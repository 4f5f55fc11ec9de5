//! A copy's contents over memory that is already mapped.
//!
//! The whole destination is checked first. Whole pages of private memory are replaced: the copy's pages take the place of
//! the old ones, nothing is copied. Everything else goes byte by byte, page after page, and may stop half-way when a
//! fault fails.
//! XNU counterpart: `vm_map_copy_overwrite`, `vm_map_copy_overwrite_nested`, `_aligned`, `_unaligned`.

use alloc::vec::Vec;

use super::VmMap;
use super::attributes::EntryFlags;
use super::clip::CLIP_COST;
use super::copy::{Contents, VmMapCopy};
use super::entry::{EntryTarget, MapEntry};
use super::extract::Piece;
use super::locate::PlaceRequest;
use super::lock::MapWriteGuard;
use mach::{CopyStrategy, KernReturn, Result, VmProt};
use machine::page::PAGE_SIZE;
use pmap::Pmap;
use prim::frames::Reserve;

impl VmMap {
    /// Writes the whole copy at `address`.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` for a hole or an overflow, `PROTECTION_FAILURE` where the destination may not be written (or is
    /// executable by a JIT, or permanent): nothing has changed then. `RESOURCE_SHORTAGE` and what a fault can end with.
    #[doc(alias = "vm_map_copy_overwrite")]
    pub fn copy_overwrite(&self, address: u64, copy: VmMapCopy) -> Result<()> {
        if copy.size() == 0 {
            return Ok(());
        }
        let end = address
            .checked_add(copy.size())
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let (first, last) = (
            self.trunc_page(address),
            self.round_page(end).ok_or(KernReturn::INVALID_ADDRESS)?,
        );
        self.read().state.admit_range(first, last, &overwritable)?;
        let aligned = !copy.is_lent() && first == address && last == end && copy.page_offset() == 0;
        let page_offset = copy.page_offset();
        match copy.contents {
            Contents::Empty => Ok(()),
            Contents::KernelBuffer(bytes) => self.write_bytes(address, &bytes),
            Contents::EntryList(mut pieces) => {
                if aligned && self.swap_in(first, last, &mut pieces)? {
                    return Ok(());
                }
                self.overwrite_bytes(address, end, pieces, page_offset)
            }
            Contents::PageList(frames) => {
                let mut done = address;
                let mut bytes = page_buffer()?;
                for frame in frames {
                    let length = (end - done).min(PAGE_SIZE as u64) as usize;
                    machine::frame_memory::read(frame.number(), 0, &mut bytes[..length]);
                    self.write_bytes(done, &bytes[..length])?;
                    done += length as u64;
                }
                Ok(())
            }
        }
    }

    /// Puts the pieces in place of private memory; false when some of the destination is not private.
    #[doc(alias = "vm_map_copy_overwrite_aligned")]
    fn swap_in(&self, start: u64, end: u64, pieces: &mut Vec<Piece>) -> Result<bool> {
        let mut guard = self.write_removable(start, end);
        guard.state.admit_range(start, end, &overwritable)?;
        let state = &guard.state;
        if !state
            .overlapping(start, end)
            .all(|index| replaceable(state.entries.get(index)))
        {
            return Ok(false);
        }
        let entries = state.overlapping(start, end).count();
        let mut fresh = Vec::new();
        fresh
            .try_reserve_exact(entries + pieces.len())
            .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        guard.state.reserve(entries + pieces.len() + CLIP_COST)?;
        guard.state.clip_range(start, end);
        // Each new entry ends where a destination entry or a piece ends, whichever comes first.
        let (mut position, mut number, mut used) = (start, 0, 0);
        while position < end {
            let Some((_, entry)) = guard.state.entry_at(position) else {
                break;
            };
            let piece = &pieces[number];
            let length = (entry.end - position).min(piece.size - used);
            fresh.push(piece.part(used, length).dressed_as(entry));
            position += length;
            used += length;
            if used == piece.size {
                (number, used) = (number + 1, 0);
            }
        }
        self.clear_range(&mut guard, start, end);
        pieces.clear();
        let mut position = start;
        for piece in fresh {
            let ticket = guard.state.ticket();
            let entry = piece.at(position, ticket);
            position = entry.end;
            guard.state.insert(entry);
        }
        let MapWriteGuard { state, graveyard } = &mut guard;
        state.simplify_range(start, end, graveyard);
        state.settle();
        Ok(true)
    }

    /// Through a map of its own, which only the kernel sees.
    #[doc(alias = "vm_map_copy_overwrite_unaligned")]
    fn overwrite_bytes(
        &self,
        address: u64,
        end: u64,
        mut pieces: Vec<Piece>,
        page_offset: u64,
    ) -> Result<()> {
        let size = pieces.iter().map(|piece| piece.size).sum();
        let pmap = Pmap::create(Reserve::Normal).map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let window = VmMap::create(pmap, self.min_offset, self.max_offset)?;
        let source = window.link_pieces(
            PlaceRequest::anywhere(size),
            &mut pieces,
            Piece::with_defaults,
        )? + page_offset;
        let mut bytes = page_buffer()?;
        let mut done = 0;
        while address + done < end {
            let to_page_end = self.page_size() - ((address + done) & self.page_mask());
            let length = (end - address - done).min(to_page_end);
            window.read_bytes(source + done, &mut bytes[..length as usize])?;
            self.write_bytes(address + done, &bytes[..length as usize])?;
            done += length;
        }
        window.terminate();
        Ok(())
    }
}

impl Piece {
    /// The memory with the attributes of an entry whose place it takes.
    fn dressed_as(self, entry: &MapEntry) -> Piece {
        let own = EntryFlags::NEEDS_COPY | EntryFlags::IS_SHARED;
        Piece {
            protection: entry.protection,
            max_protection: entry.max_protection,
            inheritance: entry.inheritance,
            behavior: entry.behavior,
            flags: (self.flags & own) | entry.flags.difference(own | EntryFlags::TRANSIENT),
            user_tag: entry.user_tag,
            ..self
        }
    }
}

fn page_buffer() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(PAGE_SIZE)
        .map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    bytes.resize(PAGE_SIZE, 0);
    Ok(bytes)
}

/// May a message overwrite this?
fn overwritable(entry: &MapEntry) -> Result<()> {
    let refused = entry
        .flags
        .intersects(EntryFlags::USED_FOR_JIT | EntryFlags::PERMANENT);
    let writable = entry.protection.contains(VmProt::WRITE);
    if writable && !refused {
        Ok(())
    } else {
        Err(KernReturn::PROTECTION_FAILURE)
    }
}

/// Nobody else sees the memory, and nobody holds its pages.
fn replaceable(entry: &MapEntry) -> bool {
    let private = match &entry.target {
        EntryTarget::None => true,
        EntryTarget::Object(object) => object.copy_strategy() == CopyStrategy::Symmetric,
    };
    private && !entry.is_shared() && !entry.is_wired()
}
