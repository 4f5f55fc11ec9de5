//! A pager whose files are bytes in its memory: for tests of what reads files, and as the shortest example.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::Errno;

use crate::pager::{Answer, Entry, Info, Pager};
use crate::{ReadRequest, ReturnRequest};

/// Files in memory, in one directory; they can be written.
#[derive(Debug, Default)]
pub struct Bytes(BTreeMap<String, Vec<u8>>);

impl Bytes {
    /// These files.
    pub fn new<N: Into<String>>(files: impl IntoIterator<Item = (N, Vec<u8>)>) -> Self {
        let named = files.into_iter().map(|(name, bytes)| (name.into(), bytes));
        Self(named.collect())
    }
}

impl Pager for Bytes {
    /// The file's name.
    type File = String;

    fn look_up(&mut self, path: &str) -> Result<Info, Errno> {
        let bytes = self.0.get(path).ok_or(Errno::ENOENT)?;
        Ok(Info::file(bytes.len() as u64).writable())
    }

    fn list(&mut self, _: &str) -> Result<Vec<Entry>, Errno> {
        Ok(self.0.keys().map(Entry::file).collect())
    }

    fn open(&mut self, path: &str) -> Result<String, Errno> {
        Ok(path.into())
    }

    fn read(&mut self, name: &mut String, request: ReadRequest) -> Answer {
        let bytes = self.0.get(name).map_or(&[][..], Vec::as_slice);
        request.fill(|offset, page| {
            let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
            let rest = rest.unwrap_or_default();
            let count = rest.len().min(page.len());
            page[..count].copy_from_slice(&rest[..count]);
            Ok(())
        })
    }

    fn write(&mut self, name: &mut String, pages: ReturnRequest) -> Answer {
        let file = self.0.get_mut(name);
        pages.store(|offset, bytes| {
            let place = file
                .and_then(|file| file.get_mut(offset as usize..))
                .and_then(|rest| rest.get_mut(..bytes.len()));
            place.ok_or(Errno::EIO)?.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn resize(&mut self, name: &mut String, size: u64) -> Result<(), Errno> {
        let file = self.0.get_mut(name).ok_or(Errno::ENOENT)?;
        let size = usize::try_from(size).map_err(|_| Errno::EFBIG)?;
        let more = size.saturating_sub(file.len());
        file.try_reserve(more).map_err(|_| Errno::ENOSPC)?;
        file.resize(size, 0);
        Ok(())
    }
}
