//! The kernel reads and writes a map's memory, whichever map is active.
//!
//! One page at a time, by the fault machinery, which hands the page over while the map and its object are locked: no fork
//! can make it copy-on-write between the lookup and the write. A pager that takes its time is waited for with no lock
//! held.
//! XNU counterpart: `vm_map_read_user`, `vm_map_write_user`, without switching maps.

use super::VmMap;
use crate::vm_fault::{FaultOptions, with_map_page};
use mach::{KernReturn, Result, VmProt};
use machine::{FrameNumber, frame_memory};

impl VmMap {
    /// Reads `bytes.len()` bytes at `address`.
    ///
    /// # Errors
    /// `INVALID_ADDRESS`, `PROTECTION_FAILURE`, and what a fault can end with; some bytes may have been read.
    #[doc(alias = "vm_map_read_user")]
    pub fn read_bytes(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let (at, length) = self.step(address, done, bytes.len())?;
            let piece = &mut bytes[done..done + length];
            self.with_page(at, VmProt::READ, |frame, offset| {
                frame_memory::read(frame, offset, piece)
            })?;
            done += length;
        }
        Ok(())
    }

    /// Writes `bytes` at `address`.
    ///
    /// # Errors
    /// `INVALID_ADDRESS`, `PROTECTION_FAILURE`, and what a fault can end with; some bytes may have been written.
    #[doc(alias = "vm_map_write_user")]
    pub fn write_bytes(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let (at, length) = self.step(address, done, bytes.len())?;
            let piece = &bytes[done..done + length];
            self.with_page(at, VmProt::WRITE, |frame, offset| {
                frame_memory::write(frame, offset, piece)
            })?;
            done += length;
        }
        Ok(())
    }

    /// The address of the next step and how many bytes of it lie in one page.
    fn step(&self, address: u64, done: usize, total: usize) -> Result<(u64, usize)> {
        let at = address
            .checked_add(done as u64)
            .ok_or(KernReturn::INVALID_ADDRESS)?;
        let in_page = (self.page_size() - (at & self.page_mask())) as usize;
        Ok((at, in_page.min(total - done)))
    }

    /// Calls `act` with the frame of the page at `address` and the offset in it, while neither can change.
    fn with_page(
        &self,
        address: u64,
        access: VmProt,
        act: impl FnOnce(FrameNumber, usize),
    ) -> Result<()> {
        let offset = (address & self.page_mask()) as usize;
        with_map_page(self, address, access, FaultOptions::USER, |page| {
            act(page.frame, offset)
        })
    }
}
