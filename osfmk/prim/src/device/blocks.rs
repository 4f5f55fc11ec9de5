//! A disk: whole pages from or to a list of frames, several requests at a time.
//!
//! A request owns its frames until it is completed, whatever happens to whoever asked. Submitting never waits; a request
//! that cannot be taken now comes back. What was written is durable once a later flush is completed.
//!
//! XNU counterpart: `IOBlockStorageDriver`'s asynchronous read, write and synchronise.

use alloc::boxed::Box;

use super::{DataFrames, TransportError};

/// A device of blocks.
pub trait BlockDevice: Send + Sync {
    /// Its serial name.
    fn name(&self) -> &str;

    /// Its size in bytes.
    fn capacity(&self) -> u64;

    /// Most frames of a request.
    fn maximum_frames(&self) -> usize;

    /// Most requests at a time.
    fn maximum_requests(&self) -> usize;

    /// Starts a request; never waits. One that was taken is completed exactly once.
    fn submit(&self, request: BlockRequest) -> Result<(), (TransportError, BlockRequest)>;
}

/// What a request does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockOperation {
    /// The device fills the frames.
    Read,
    /// The device takes the frames' contents.
    Write,
    /// What was written before is made durable; no frames.
    Flush,
}

/// One request: whole frames from a byte offset on.
pub struct BlockRequest {
    /// What to do.
    pub operation: BlockOperation,
    /// Byte offset on the device; a multiple of 512.
    pub offset: u64,
    /// The data, in order.
    pub data: DataFrames,
    /// Called once, on a thread, with what became of it: the device's, or the submitter's before `submit` returns.
    pub completion: BlockCompletion,
}

/// What is called when a request is done. It may allocate and take spinning locks; it must not block.
pub type BlockCompletion = Box<dyn FnOnce(BlockOutcome) + Send>;

/// What became of a request.
pub struct BlockOutcome {
    /// Whether the device did it.
    pub result: Result<(), TransportError>,
    /// The frames again.
    pub data: DataFrames,
}
