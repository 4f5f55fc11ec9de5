//! Returns for pagers with a loop of their own: pages as a list, to be forwarded unseen, and the wish that they be durable.

use alloc::sync::Arc;

use mach::defs::pager_control;
use mach::{KernReturn, PortName, Result};

use crate::system::mach_call::port;
use crate::{Control, ObjectId};

/// A right to a page list: given back when nobody has it any more.
#[derive(Debug)]
struct List(PortName);

impl Drop for List {
    fn drop(&mut self) {
        // A name that is gone already needs no release.
        let _ = port::deallocate(self.0);
    }
}

/// Pages that differ from what the pager has, lent as a page list: the object keeps them, and this task does not see them. Parts of it
/// may be answered on their own ([`PageListReturn::split_off`]). Dropped without an answer they stay dirty.
#[derive(Debug)]
#[must_use = "dropping it leaves the pages dirty"]
pub struct PageListReturn {
    object: ObjectId,
    control: Control,
    offset: u64,
    /// What is not answered yet, from `offset` on: whole pages.
    length: u64,
    /// Bytes of it that are the object's.
    valid: u64,
    generation: u64,
    list: Arc<List>,
    /// Where `offset` is in the list.
    list_offset: u64,
}

impl PageListReturn {
    pub(crate) fn new(
        object: ObjectId,
        control: Control,
        request: &mach::defs::pager::data_return_pages::Request<mach::message::UserCarrier>,
        list: PortName,
    ) -> Self {
        Self {
            object,
            control,
            offset: request.offset,
            length: request.length,
            valid: request.valid_length.min(request.length),
            generation: request.generation,
            list: Arc::new(List(list)),
            list_offset: 0,
        }
    }

    /// Which object.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// First byte.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes, whole pages.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many of them are the object's contents; the rest of the last page is not to be stored.
    #[must_use]
    pub fn valid_length(&self) -> u64 {
        self.valid
    }

    /// The page list, and where in it the first byte is. The right stays with this value.
    #[must_use]
    pub fn list(&self) -> (PortName, u64) {
        (self.list.0, self.list_offset)
    }

    /// Splits off what lies beyond the first `length` bytes (whole pages); `None` if there is nothing beyond.
    #[must_use]
    pub fn split_off(&mut self, length: u64) -> Option<Self> {
        if length == 0 || length >= self.length {
            return None;
        }
        let rest = Self {
            offset: self.offset + length,
            length: self.length - length,
            valid: self.valid.saturating_sub(length),
            list: self.list.clone(),
            list_offset: self.list_offset + length,
            ..*self
        };
        self.length = length;
        self.valid = self.valid.min(length);
        Some(rest)
    }

    /// The pages are taken.
    ///
    /// # Errors
    /// The control is gone.
    pub fn written(mut self) -> Result<()> {
        self.finish(KernReturn::SUCCESS)
    }

    /// The pages could not be written; they stay dirty, and who asks for durability is told why.
    ///
    /// # Errors
    /// The control is gone.
    pub fn fail(mut self, error: KernReturn) -> Result<()> {
        self.finish(error)
    }

    fn finish(&mut self, result: KernReturn) -> Result<()> {
        let length = core::mem::take(&mut self.length);
        self.control
            .clean_completed(self.offset, length, self.generation, result)
    }
}

impl Drop for PageListReturn {
    fn drop(&mut self) {
        if self.length > 0 {
            // A kernel that has let go of the object has let go of its pages.
            let _ = self.finish(KernReturn::FAILURE);
        }
    }
}

/// What was acknowledged is to be made durable. Dropped without an answer it counts as failed.
#[derive(Debug)]
#[must_use = "dropping it answers with a failure"]
pub struct SynchronizeRequest {
    object: ObjectId,
    control: Control,
    offset: u64,
    length: u64,
    answered: bool,
}

impl SynchronizeRequest {
    pub(crate) fn new(object: ObjectId, control: Control, offset: u64, length: u64) -> Self {
        Self {
            object,
            control,
            offset,
            length,
            answered: false,
        }
    }

    /// Which object.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// It is durable, or cannot be made so.
    ///
    /// # Errors
    /// The control is gone.
    pub fn completed(mut self, result: KernReturn) -> Result<()> {
        self.finish(result)
    }

    fn finish(&mut self, result: KernReturn) -> Result<()> {
        self.answered = true;
        self.control
            .send(pager_control::synchronize_completed::Request {
                offset: self.offset,
                length: self.length,
                result,
            })
    }
}

impl Drop for SynchronizeRequest {
    fn drop(&mut self) {
        if !self.answered {
            // A kernel that has let go of the object waits for nothing.
            let _ = self.finish(KernReturn::FAILURE);
        }
    }
}
