//! A disk in memory: for a machine without one, and where no device's time may be in a figure.
//!
//! Its frames are taken once, when it is made. A request is carried out while it is submitted, page by page, and completed
//! on the thread that submitted it.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use machine::PAGE_SIZE;
use prim::device::{
    BlockDevice, BlockOperation, BlockOutcome, BlockRequest, DataFrames, TransportError,
};
use prim::frames::{self, OwnedFrame, Reserve};
use prim::lock::{InterruptLock, Rank};

/// Most frames of a request.
const MAXIMUM_FRAMES: usize = 128;
/// Requests at a time, for callers that want to know: none is ever under way.
const REQUESTS: usize = 32;

/// The disk.
pub struct RamDisk {
    name: String,
    /// Rank [`Rank::Driver`], each.
    pages: Vec<InterruptLock<OwnedFrame>>,
}

impl core::fmt::Debug for RamDisk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mebibytes = self.capacity() >> 20;
        write!(f, "disk \"{}\", {mebibytes} MiB of RAM", self.name)
    }
}

impl RamDisk {
    /// A disk of so many bytes, rounded down to pages, full of zeros. `None` when there is not enough memory.
    pub fn new(name: &str, size: u64) -> Option<Arc<Self>> {
        let count = usize::try_from(size).ok()? / PAGE_SIZE;
        let mut pages = Vec::new();
        pages.try_reserve_exact(count).ok()?;
        for _ in 0..count {
            let frame = frames::allocate_zeroed(Reserve::Normal).ok()?;
            pages.push(InterruptLock::new(Rank::Driver, frame));
        }
        Some(Arc::new(Self {
            name: name.to_string(),
            pages,
        }))
    }

    /// The pages that a request is about.
    fn pages_of(&self, request: &BlockRequest) -> Option<&[InterruptLock<OwnedFrame>]> {
        let count = request.data.len();
        let has_data = request.operation != BlockOperation::Flush;
        let aligned = request.offset.is_multiple_of(PAGE_SIZE as u64);
        if count > MAXIMUM_FRAMES || !aligned || (count > 0) != has_data {
            return None;
        }
        let first = usize::try_from(request.offset).ok()? / PAGE_SIZE;
        self.pages.get(first..first.checked_add(count)?)
    }
}

impl BlockDevice for RamDisk {
    fn name(&self) -> &str {
        &self.name
    }

    fn capacity(&self) -> u64 {
        (self.pages.len() * PAGE_SIZE) as u64
    }

    fn maximum_frames(&self) -> usize {
        MAXIMUM_FRAMES
    }

    fn maximum_requests(&self) -> usize {
        REQUESTS
    }

    fn submit(&self, mut request: BlockRequest) -> Result<(), (TransportError, BlockRequest)> {
        let Some(pages) = self.pages_of(&request) else {
            return Err((TransportError::TooLarge, request));
        };
        let result = match (request.operation, &mut request.data) {
            (BlockOperation::Flush, _) => Ok(()),
            (BlockOperation::Read, DataFrames::Owned(fresh)) => {
                for (frame, page) in fresh.iter_mut().zip(pages) {
                    frames::copy(frame, &*page.lock());
                }
                Ok(())
            }
            (BlockOperation::Write, DataFrames::Owned(data)) => {
                data.iter()
                    .zip(pages)
                    .for_each(|(frame, page)| frames::copy(&mut page.lock(), frame));
                Ok(())
            }
            (BlockOperation::Write, DataFrames::Pinned(data)) => {
                data.iter()
                    .zip(pages)
                    .for_each(|(frame, page)| frames::copy(&mut page.lock(), frame));
                Ok(())
            }
            // Frames that others use are not filled by a disk.
            _ => Err(TransportError::Device),
        };
        (request.completion)(BlockOutcome {
            result,
            data: request.data,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::sync::mpsc;

    const PAGES: usize = 8;

    fn request(
        disk: &RamDisk,
        operation: BlockOperation,
        page: u64,
        data: DataFrames,
    ) -> Result<BlockOutcome, TransportError> {
        let (done, outcome) = mpsc::channel();
        let submitted = disk.submit(BlockRequest {
            operation,
            offset: page * PAGE_SIZE as u64,
            data,
            completion: Box::new(move |outcome| done.send(outcome).unwrap()),
        });
        submitted.map_err(|(error, _)| error)?;
        Ok(outcome.try_recv().expect("completed while submitted"))
    }

    fn frames_with(bytes: impl Iterator<Item = u8>) -> DataFrames {
        let frame = |byte| {
            let frame = frames::allocate_zeroed(Reserve::Normal).unwrap();
            machine::frame_memory::write(frame.number(), 0, &[byte; 16]);
            frame
        };
        DataFrames::Owned(bytes.map(frame).collect())
    }

    fn bytes_of(data: &DataFrames) -> Vec<u8> {
        let DataFrames::Owned(frames) = data else {
            panic!("frames of one's own")
        };
        let byte = |frame: &OwnedFrame| {
            let mut byte = [0];
            machine::frame_memory::read(frame.number(), 7, &mut byte);
            byte[0]
        };
        frames.iter().map(byte).collect()
    }

    #[test]
    fn what_was_written_is_read_and_the_rest_is_zeros() {
        prim::host::boot();
        let disk = RamDisk::new("swap", (PAGES * PAGE_SIZE + 5) as u64).unwrap();
        assert_eq!(disk.capacity(), (PAGES * PAGE_SIZE) as u64);
        let written = request(&disk, BlockOperation::Write, 2, frames_with(1..4)).unwrap();
        assert!(written.result.is_ok() && written.data.len() == 3);
        request(&disk, BlockOperation::Flush, 0, DataFrames::None).unwrap();
        let read = request(&disk, BlockOperation::Read, 1, frames_with(9..14)).unwrap();
        assert!(read.result.is_ok());
        assert_eq!(bytes_of(&read.data), [0, 1, 2, 3, 0]);
    }

    #[test]
    fn a_request_beyond_the_end_misaligned_or_empty_comes_back() {
        prim::host::boot();
        let disk = RamDisk::new("swap", (PAGES * PAGE_SIZE) as u64).unwrap();
        let refused = |operation, page, data| request(&disk, operation, page, data).is_err();
        assert!(refused(BlockOperation::Read, 6, frames_with(0..3)));
        assert!(refused(
            BlockOperation::Write,
            u64::MAX / PAGE_SIZE as u64,
            frames_with(0..1)
        ));
        assert!(refused(BlockOperation::Write, 0, DataFrames::None));
        assert!(refused(BlockOperation::Flush, 0, frames_with(0..1)));
        let odd = disk.submit(BlockRequest {
            operation: BlockOperation::Read,
            offset: 512,
            data: frames_with(0..1),
            completion: Box::new(|_| panic!("it was not taken")),
        });
        assert!(odd.is_err());
    }
}
