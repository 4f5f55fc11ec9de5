//! How a signature is attached to an ELF file: as a trailer behind everything that ELF knows.
//!
//! ```text
//!   0            the ELF file, whoever linked it
//!   ..           zeroes up to the next 16 KiB
//!   offset       the SuperBlob                      (offset = code limit: everything before is hashed)
//!   ..           zeroes up to the next 16 bytes
//!   size - 32    "CODESIGN" | version 1 | length of the SuperBlob | its offset (64 bits) | 0 (64 bits)
//! ```
//!
//! Nothing in the ELF file refers to the trailer, so any linker's output can be signed and any loader ignores it; a tool
//! that rewrites the file (`strip`) loses it, and the file is unsigned again, not broken. The padding keeps every page of the
//! program whole on both page sizes: no page that can be executed holds bytes that are not hashed.

use crate::read::{Error, long, word};
use crate::{MAX_SIGNATURE, read::BLOB_HEADER};

/// Bytes of the footer.
pub const FOOTER: usize = 32;

const MAGIC: &[u8; 8] = b"CODESIGN";
const VERSION: u32 = 1;

/// Where the signature lies in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Footer {
    /// Offset of the SuperBlob.
    pub offset: u64,
    /// Its bytes.
    pub length: u32,
}

impl Footer {
    /// Reads the last [`FOOTER`] bytes of a file of `file_size` bytes; `None` if the file is not signed.
    ///
    /// # Errors
    /// The file says that it is signed, and the signature does not lie in it.
    pub fn parse(tail: &[u8], file_size: u64) -> Result<Option<Self>, Error> {
        if tail.len() != FOOTER || &tail[..8] != MAGIC {
            return Ok(None);
        }
        let version = word(tail, 8)?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let footer = Self {
            length: word(tail, 12)?,
            offset: long(tail, 16)?,
        };
        if footer.length as usize > MAX_SIGNATURE {
            return Err(Error::TooLarge(u64::from(footer.length)));
        }
        let end = footer
            .offset
            .checked_add(u64::from(footer.length))
            .ok_or(Error::Truncated)?;
        let room = file_size
            .checked_sub(FOOTER as u64)
            .ok_or(Error::Truncated)?;
        if end > room || (footer.length as usize) < BLOB_HEADER {
            return Err(Error::Truncated);
        }
        Ok(Some(footer))
    }

    /// The footer's bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; FOOTER] {
        let mut bytes = [0; FOOTER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.length.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_reads_back() {
        let footer = Footer {
            offset: 0x8000,
            length: 300,
        };
        assert_eq!(Footer::parse(&footer.bytes(), 0x9000), Ok(Some(footer)));
        assert_eq!(
            Footer::parse(&footer.bytes(), 0x8000),
            Err(Error::Truncated)
        );
        assert_eq!(Footer::parse(&[0; FOOTER], 0x9000), Ok(None));
        assert_eq!(Footer::parse(b"short", 5), Ok(None));
    }

    #[test]
    fn a_footer_that_points_outside_the_file_is_an_error() {
        let with = |offset, length| Footer::parse(&Footer { offset, length }.bytes(), 0x9000);
        assert_eq!(with(u64::MAX, 300), Err(Error::Truncated));
        assert_eq!(with(0x8ffe, 300), Err(Error::Truncated));
        assert_eq!(with(0x8000, 7), Err(Error::Truncated));
        assert_eq!(with(0, u32::MAX), Err(Error::TooLarge(0xffff_ffff)));
    }
}
