//! The state of single pages, as `mincore` and `mach_vm_page_query` tell it.
//!
//! Never an error for a hole or for memory nobody touched: such a page has no bits at all.
//!
//! A mapping that lets writes through says all there is to say of its page: it is in the object on top, used and changed. So
//! the leaf tables are asked first, and the objects only for the rest.
//! XNU counterpart: `vm_map_page_range_info_internal`.

use super::VmMap;
use mach::page_info::{PageDisposition, PageInfoBasic};
use mach::{KernReturn, Result};

impl VmMap {
    /// Writes the disposition of each page from `start` (page aligned) on, as many as `pages` takes.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` when the range wraps or is misaligned.
    #[doc(alias = "vm_map_page_range_info_internal")]
    pub fn page_range_info(&self, start: u64, pages: &mut [PageDisposition]) -> Result<()> {
        let length = (pages.len() as u64)
            .checked_mul(self.page_size())
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let end = start
            .checked_add(length)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        if start & self.page_mask() != 0 {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        pages.fill(PageDisposition::empty());
        let guard = self.read();
        for index in guard.state.overlapping(start, end) {
            let entry = guard.state.entries.get(index);
            let Some(object) = entry.object() else {
                continue;
            };
            let (from, to) = (entry.start.max(start), entry.end.min(end));
            let place = |address: u64| ((address - start) >> self.page_shift) as usize;
            let pages = &mut pages[place(from)..place(to)];
            let written = object.written_disposition();
            if !self.pmap.mark_written(from, pages, written) {
                object.page_dispositions(entry.offset_of(from), pages);
            }
        }
        Ok(())
    }

    /// What is known of the page at `address`.
    ///
    /// # Errors
    /// `INVALID_ADDRESS` for a hole.
    #[doc(alias = "vm_map_page_info")]
    #[doc(alias = "vm_map_page_query_internal")]
    pub fn page_info(&self, address: u64) -> Result<PageInfoBasic> {
        let guard = self.read();
        let (_, entry) = guard
            .state
            .entry_at(address)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let offset = entry.offset_of(self.trunc_page(address));
        let object = entry.object();
        Ok(PageInfoBasic {
            disposition: object.map_or(0, |object| object.page_disposition(offset).bits() as i32),
            ref_count: object.map_or(0, |object| object.reference_count() as i32),
            object_id: object.map_or(0, |object| object.id()),
            offset,
            depth: object.map_or(0, |object| object.shadow_depth() as i32),
            reserved: 0,
        })
    }
}
