//! What the kernel asks: values that must be answered.

use alloc::vec::Vec;

use bsd_sys::Errno;
use mach::message::UserMemory;
use mach::{KernReturn, PortName, Result, VmProt};

use crate::system::mach_call::{self, port};
use crate::system::memory::{Outgoing, page_size};
use crate::system::remark;
use crate::{Attributes, Control, ObjectId};

/// How one page, or one run that came back, went.
type Kept = core::result::Result<(), Errno>;

/// An object is used for the first time. Dropped without an answer it is refused.
#[derive(Debug)]
#[must_use = "dropping it refuses the object"]
pub struct InitRequest {
    pub(crate) object: ObjectId,
    pub(crate) control: Control,
    pub(crate) answered: bool,
}

impl InitRequest {
    /// Which object.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Where the kernel takes word on it from now on.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control
    }

    /// Opens the object.
    ///
    /// # Errors
    /// The control is gone.
    pub fn ready(mut self, attributes: Attributes) -> Result<()> {
        self.answered = true;
        self.control.ready(attributes)
    }
}

impl Drop for InitRequest {
    fn drop(&mut self) {
        if !self.answered {
            let refusal = mach::defs::pager_control::destroy::Request {
                reason: KernReturn::FAILURE,
            };
            // A kernel that has let go of the object needs no refusal.
            let _ = self.control.send(refusal);
        }
    }
}

/// The kernel wants a run of pages. Dropped without an answer, whoever waits gets an error.
#[derive(Debug)]
#[must_use = "dropping it answers with an error"]
pub struct ReadRequest {
    pub(crate) object: ObjectId,
    pub(crate) control: Control,
    pub(crate) offset: u64,
    /// What is not answered yet, from `offset` on.
    pub(crate) length: u64,
    pub(crate) access: VmProt,
}

impl ReadRequest {
    /// Which object.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// First byte wanted; a multiple of the page size.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes are wanted; a multiple of the page size.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The access that is wanted.
    #[must_use]
    pub fn access(&self) -> VmProt {
        self.access
    }

    /// Splits off what lies beyond the first `length` bytes (whole pages); `None` if there is nothing beyond.
    #[must_use]
    pub fn split_off(&mut self, length: u64) -> Option<Self> {
        if length == 0 || length >= self.length {
            return None;
        }
        let rest = Self {
            object: self.object,
            control: self.control,
            offset: self.offset + length,
            length: self.length - length,
            access: self.access,
        };
        self.length = length;
        Some(rest)
    }

    /// Nothing is left to answer.
    fn finished(&mut self) -> (Control, u64, u64) {
        let whole = (self.control, self.offset, self.length);
        self.length = 0;
        whole
    }

    /// Answers with bytes; what is missing at the end reads as zeroes, what is too much is left out.
    ///
    /// # Errors
    /// No memory for the pages (the waiting program gets an error), or the control is gone.
    pub fn supply(self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 + page_size() <= self.length {
            remark(format_args!(
                "short: {:#x} of {:#x} bytes at {:#x}, the rest reads as zeroes",
                bytes.len(),
                self.length,
                self.offset
            ));
        }
        let page = page_size() as usize;
        let bytes = &bytes[..bytes.len().min(self.length as usize)];
        if bytes.len() as u64 == self.length {
            return self.supply_first(bytes).map(drop);
        }
        let (whole, tail) = bytes.split_at(bytes.len() / page * page);
        let mut rest = self.supply_first(whole)?;
        if !tail.is_empty()
            && let Some(request) = rest.take()
        {
            let mut last = tail.to_vec();
            last.resize(page.min(request.length as usize), 0);
            rest = request.supply_first(&last)?;
        }
        rest.map_or(Ok(()), Self::unavailable)
    }

    /// Answers with as many whole pages as these bytes are, which the kernel copies; what is left to answer.
    fn supply_first(mut self, pages: &[u8]) -> Result<Option<Self>> {
        if pages.is_empty() {
            return Ok(Some(self));
        }
        let rest = self.split_off(pages.len() as u64);
        let outgoing = Outgoing::new(pages).map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
        let (control, offset, _) = self.finished();
        control.supply_memory(offset, outgoing.memory())?;
        Ok(rest)
    }

    /// Has `page` fill each page, which begins as zeroes; a page for which it fails becomes an error, and only that one.
    ///
    /// # Errors
    /// No memory for the pages, or the control is gone.
    pub fn fill(self, mut page: impl FnMut(u64, &mut [u8]) -> Kept) -> Result<()> {
        let size = page_size();
        let mut bytes = alloc::vec![0; self.length as usize];
        let pages = bytes.chunks_mut(size as usize).zip(0..);
        let good: Vec<bool> = pages
            .map(|(bytes, number)| page(self.offset + number * size, bytes).is_ok())
            .collect();
        let mut rest = Some(self);
        let mut at = 0;
        for run in good.chunk_by(|one, next| one == next) {
            let Some(mut part) = rest.take() else { break };
            let length = run.len() * size as usize;
            rest = part.split_off(length as u64);
            if run[0] {
                part.supply(&bytes[at..at + length])?;
            } else {
                part.fail(KernReturn::MEMORY_ERROR)?;
            }
            at += length;
        }
        Ok(())
    }

    /// Answers with the pages of a page list that a device filled: as many as `valid` bytes need, the rest reads as
    /// zeroes. The right to the list is used up, whatever becomes of the answer.
    ///
    /// # Errors
    /// The control is gone.
    pub fn supply_pages(mut self, pages: PortName, valid: u64) -> Result<()> {
        let filled = valid.next_multiple_of(page_size()).min(self.length);
        let (control, offset, length) = self.finished();
        control
            .supply_pages(offset, filled, pages)
            .inspect_err(|_| {
                // A message that was not sent leaves its rights here, and the frames with them.
                let _ = port::deallocate(pages);
            })?;
        if filled < length {
            control.unavailable(offset + filled, length - filled)
        } else {
            Ok(())
        }
    }

    /// Answers that there is no data: the range reads as zeroes.
    ///
    /// # Errors
    /// The control is gone.
    pub fn unavailable(mut self) -> Result<()> {
        let (control, offset, length) = self.finished();
        control.unavailable(offset, length)
    }

    /// Answers that the data cannot be had.
    ///
    /// # Errors
    /// The control is gone.
    pub fn fail(mut self, error: KernReturn) -> Result<()> {
        let (control, offset, length) = self.finished();
        control.error(offset, length, error)
    }
}

impl Drop for ReadRequest {
    fn drop(&mut self) {
        if self.length > 0 {
            let (control, offset, length) = self.finished();
            // A kernel that has let go of the object waits for nothing, and nothing was forgotten.
            if control
                .error(offset, length, KernReturn::MEMORY_ERROR)
                .is_ok()
            {
                remark(format_args!(
                    "dropped: a request for {length:#x} bytes at {offset:#x}"
                ));
            }
        }
    }
}

/// The kernel returns pages that differ from what the pager has: lent until this is answered. Dropped without an answer they
/// stay dirty.
#[derive(Debug)]
#[must_use = "dropping it leaves the pages dirty"]
pub struct ReturnRequest {
    pub(crate) object: ObjectId,
    pub(crate) control: Control,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) generation: u64,
    /// The pages; gone when the bytes have been taken.
    pub(crate) data: Lent,
    pub(crate) answered: bool,
    /// Where the file ends: what lies beyond is not the file's.
    pub(crate) limit: u64,
}

/// Pages that are lent to the pager.
#[derive(Debug)]
pub(crate) enum Lent {
    /// As memory of this task, which shows them read-only.
    Mapped(Option<UserMemory>),
    /// As their bytes.
    Bytes(Vec<u8>),
}

impl Lent {
    /// What a message brought. Bytes in the receive buffer would not outlive the next message: they are taken at once.
    pub(crate) fn new(data: Option<UserMemory>) -> Self {
        match data {
            Some(memory) if memory.is_in_buffer() => Self::Bytes(mach_call::take_memory(data)),
            _ => Self::Mapped(data),
        }
    }

    /// The bytes, once; the memory is given back.
    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Mapped(memory) => mach_call::take_memory(memory.take()),
            Self::Bytes(bytes) => core::mem::take(bytes),
        }
    }
}

impl ReturnRequest {
    /// The file ends here, if not before.
    pub(crate) fn limit_to(&mut self, size: u64) {
        self.limit = self.limit.min(size);
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

    /// How many bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes, as far as the file goes. They can be taken once.
    #[must_use]
    pub fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = self.data.take();
        let valid = self.limit.saturating_sub(self.offset);
        bytes.truncate(usize::try_from(valid).unwrap_or(usize::MAX));
        bytes
    }

    /// Gives the bytes to `store`, with the offset where they belong, and answers as it says.
    ///
    /// # Errors
    /// The control is gone.
    pub fn store(mut self, store: impl FnOnce(u64, &[u8]) -> Kept) -> Result<()> {
        let bytes = self.bytes();
        match store(self.offset, &bytes) {
            Ok(()) => self.written(),
            Err(_) => self.finish(KernReturn::FAILURE),
        }
    }

    /// The pages are safe.
    ///
    /// # Errors
    /// The control is gone.
    pub fn written(mut self) -> Result<()> {
        self.finish(KernReturn::SUCCESS)
    }

    /// The pages could not be written, for this reason; they stay dirty.
    ///
    /// # Errors
    /// The control is gone.
    pub fn fail(mut self, error: KernReturn) -> Result<()> {
        self.finish(error)
    }

    /// The pages could not be written; they stay dirty.
    pub fn refuse(mut self) {
        // A kernel that has let go of the object has let go of its pages.
        let _ = self.finish(KernReturn::FAILURE);
    }

    fn finish(&mut self, result: KernReturn) -> Result<()> {
        self.answered = true;
        drop(self.data.take());
        self.control
            .clean_completed(self.offset, self.length, self.generation, result)
    }
}

impl Drop for ReturnRequest {
    fn drop(&mut self) {
        if !self.answered {
            // A kernel that has let go of the object has let go of its pages.
            if self.finish(KernReturn::FAILURE).is_ok() {
                remark(format_args!(
                    "dropped: {:#x} bytes at {:#x} that came back",
                    self.length, self.offset
                ));
            }
        }
    }
}
