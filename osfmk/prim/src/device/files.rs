//! The transport of files: 9P messages whose data part is a list of frames.
//!
//! A request carries the message's bytes and the frames that the data lie in or go to. The transport gives the device
//! one descriptor for the header and one for each frame, so the data are never copied; several requests may be in
//! flight. The frames belong to the request until it is completed, whatever happens to whoever asked.
//!
//! It does not look into messages beyond what the device needs: size, type and tag are the caller's business.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::frames::{OwnedFrame, PinnedFrame};

/// A device that carries 9P messages.
pub trait FilesTransport: Send + Sync {
    /// The mount tag.
    fn tag(&self) -> &str;

    /// Most bytes of a message, data included.
    fn maximum_message(&self) -> usize;

    /// Most frames of a request's data.
    fn maximum_frames(&self) -> usize;

    /// Starts a request; never waits. A request that cannot be taken now comes back; one that was taken is completed
    /// exactly once.
    fn submit(&self, request: FileRequest) -> Result<(), (TransportError, FileRequest)>;
}

/// Which way the data go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataWay {
    /// From the frames to the device.
    ToDevice,
    /// From the device to the frames.
    FromDevice,
}

/// The frames of a request's data, in order.
pub enum DataFrames {
    /// No data beyond the message.
    None,
    /// Fresh frames for the device to fill.
    Owned(Vec<OwnedFrame>),
    /// Frames that stay with their objects.
    Pinned(Vec<PinnedFrame>),
}

/// One 9P request.
pub struct FileRequest {
    /// The T-message, without its data part.
    pub message: Vec<u8>,
    /// Room for the R-message without its data part: the bytes the device writes before the frames.
    pub reply_header: usize,
    /// Which way the data go.
    pub way: DataWay,
    /// The data part.
    pub data: DataFrames,
    /// Bytes of the data part; the last frame may be used in part.
    pub data_length: usize,
    /// Called once, on a thread of the transport's, with what became of it.
    pub completion: Completion,
}

/// What is called when a request is done, on a thread. It may allocate and take spinning locks; it must not block,
/// because other requests' completions wait behind it.
pub type Completion = Box<dyn FnOnce(Outcome) + Send>;

/// What became of a request.
pub struct Outcome {
    /// Bytes the device wrote in all (header and data), or why there are none.
    pub written: Result<usize, TransportError>,
    /// The R-message's bytes before the data.
    pub reply: Vec<u8>,
    /// The frames again.
    pub data: DataFrames,
}

/// Why a transport did not carry a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransportError {
    /// Its queue is full: try after another request is done.
    Busy,
    /// The request is larger than the transport allows.
    TooLarge,
    /// The device failed or is gone.
    Device,
}

impl DataFrames {
    /// Number of frames.
    pub fn len(&self) -> usize {
        match self {
            DataFrames::None => 0,
            DataFrames::Owned(frames) => frames.len(),
            DataFrames::Pinned(frames) => frames.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
