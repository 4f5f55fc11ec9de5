//! Reading big-endian numbers and ranges out of bytes that nobody vouches for.

use core::ops::Range;

/// Why bytes are no signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// They end before what they announce.
    Truncated,
    /// A blob begins with another number than it must.
    Magic(u32),
    /// A version that cannot be read.
    Version(u32),
    /// More blobs than anybody needs.
    TooManyBlobs(u32),
    /// Two blobs share bytes, or one lies in the index.
    Overlap,
    /// Two blobs claim the same slot.
    Duplicate(u32),
    /// There is no CodeDirectory.
    NoDirectory,
    /// A kind of hash that is not SHA-256.
    HashType(u8),
    /// Pages of a size (a power of two) that is not hashed.
    PageSize(u8),
    /// As many hashes as do not fit the code.
    HashCount(u32),
    /// The code is longer than what lies before the signature.
    CodeLimit(u64),
    /// The identifier is no text.
    Identifier,
    /// The hash of the blob in this slot is not the one in the CodeDirectory.
    SpecialSlot(u32),
    /// Larger than [`crate::MAX_SIGNATURE`].
    TooLarge(u64),
    /// The entitlements are no property list.
    Entitlements,
}

/// The 32-bit number at `at`.
pub(crate) fn word(bytes: &[u8], at: usize) -> Result<u32, Error> {
    let end = at.checked_add(4).ok_or(Error::Truncated)?;
    let field = bytes.get(at..end).ok_or(Error::Truncated)?;
    field
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| Error::Truncated)
}

/// The 64-bit number at `at`.
pub(crate) fn long(bytes: &[u8], at: usize) -> Result<u64, Error> {
    let high = u64::from(word(bytes, at)?);
    Ok(high << 32 | u64::from(word(bytes, at + 4)?))
}

/// A blob of this kind at `at`: where it lies, header included.
pub(crate) fn blob(bytes: &[u8], at: u32, magic: u32) -> Result<Range<usize>, Error> {
    let range = any_blob(bytes, at)?;
    match word(bytes, range.start)? {
        found if found == magic => Ok(range),
        found => Err(Error::Magic(found)),
    }
}

/// A blob of whatever kind at `at`.
pub(crate) fn any_blob(bytes: &[u8], at: u32) -> Result<Range<usize>, Error> {
    let start = at as usize;
    let length = word(bytes, start.checked_add(4).ok_or(Error::Truncated)?)? as usize;
    let end = start.checked_add(length).ok_or(Error::Truncated)?;
    if length < BLOB_HEADER || end > bytes.len() {
        Err(Error::Truncated)
    } else {
        Ok(start..end)
    }
}

/// Every blob opens with its kind and its length.
pub(crate) const BLOB_HEADER: usize = 8;
