//! What the author of a pager writes: [`Pager`].

use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::Errno;

use crate::{ReadRequest, ReturnRequest};

/// What became of an answer: an error says only that the kernel has let go of the object, and nobody waits any more.
pub type Answer = mach::Result<()>;

/// A pager whose files show below `/pagers/NAME`.
///
/// Three methods make one that can be read: [`look_up`](Pager::look_up), [`open`](Pager::open) and [`read`](Pager::read).
/// Paths are relative to `/pagers/NAME`, without `.`, `..` or a slash at either end; the top directory is `""`.
///
/// A method that fails fails what was asked and nothing else: the loop goes on. Requests are values that must be answered,
/// at once or later; one that is dropped answers with an error.
pub trait Pager {
    /// What is kept for a file in use. It is dropped when the kernel uses it no more.
    type File;

    /// What a path stands for.
    ///
    /// # Errors
    /// `ENOENT` when it stands for nothing.
    fn look_up(&mut self, path: &str) -> Result<Info, Errno>;

    /// The names in a directory.
    ///
    /// # Errors
    /// Anything; by default a directory cannot be listed.
    fn list(&mut self, path: &str) -> Result<Vec<Entry>, Errno> {
        let _ = path;
        Err(Errno::ENOTSUP)
    }

    /// A file is to be used: it is opened, mapped or executed. Called once until the file is dropped, or has
    /// another [version](Info::version).
    ///
    /// # Errors
    /// What the program gets that wants to use it.
    fn open(&mut self, path: &str) -> Result<Self::File, Errno>;

    /// A run of pages is wanted. [`ReadRequest::fill`] answers page by page, [`ReadRequest::supply`] all of it.
    fn read(&mut self, file: &mut Self::File, request: ReadRequest) -> Answer;

    /// Written pages come back: keep them and say [`written`](ReturnRequest::written). By default they are refused, which
    /// leaves them dirty; files are read-only unless [`look_up`](Pager::look_up) says otherwise.
    fn write(&mut self, file: &mut Self::File, pages: ReturnRequest) -> Answer {
        let _ = file;
        pages.refuse();
        Ok(())
    }

    /// The file has another size from now on; comes in order with the pages.
    ///
    /// # Errors
    /// What the program gets; by default `EROFS`.
    fn resize(&mut self, file: &mut Self::File, size: u64) -> Result<(), Errno> {
        let _ = (file, size);
        Err(Errno::EROFS)
    }

    /// Everything that was written so far must survive (`fsync`).
    ///
    /// # Errors
    /// What the program gets.
    fn synchronize(&mut self, file: &mut Self::File) -> Result<(), Errno> {
        let _ = file;
        Ok(())
    }
}

/// What a path stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    pub(crate) writable: bool,
    pub(crate) version: u64,
}

/// Directory or file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Names.
    Directory,
    /// Bytes.
    File,
}

impl Info {
    /// A directory.
    #[must_use]
    pub const fn directory() -> Self {
        Self {
            kind: Kind::Directory,
            size: 0,
            writable: false,
            version: 0,
        }
    }

    /// A file of so many bytes, to be read only.
    #[must_use]
    pub const fn file(size: u64) -> Self {
        Self {
            kind: Kind::File,
            size,
            writable: false,
            version: 0,
        }
    }

    /// The same, and it may be written.
    #[must_use]
    pub const fn writable(mut self) -> Self {
        self.writable = true;
        self
    }

    /// A number that changes whenever the data may have changed by itself: cached pages of another version are stale, and the
    /// file is opened anew. What is written through the pager is no such change.
    #[must_use]
    pub const fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The number given by [`version`](Info::version).
    #[must_use]
    pub const fn stamp(&self) -> u64 {
        self.version
    }

    /// Directory or file.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of a file.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

/// A name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
}

impl Entry {
    /// A file.
    pub fn file(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::File,
        }
    }

    /// A directory.
    pub fn directory(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Directory,
        }
    }
}
