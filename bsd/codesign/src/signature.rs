//! A signature, read and checked: what it says, and whether a page is what was signed.
//!
//! [`Signature::parse`] takes bytes that nobody vouches for and looks at all of them that matter: blobs inside and apart from
//! each other, hashes of the right kind and number, special slots that agree with their blobs. What it returns can be asked
//! without any further failure.
//!
//! ```text
//!   SuperBlob      fade0cc0 | length | count | count x (slot, offset)
//!   CodeDirectory  fade0c02 | length | version | flags | hash offset | identifier offset | special slots | code slots
//!                  | code limit | hash size | hash type | platform | log2 of the page | spare
//!                  | scatter, team (2.01, 2.02) | spare, code limit of 64 bits (2.03) | executable segment (2.04)
//!                  | identifier | special hashes, the last one first | code hashes
//! ```
//!
//! XNU counterpart: `cs_validate_csblob`, `cs_validate_codedirectory`, `cs_validate_page` in `bsd/kern/ubc_subr.c`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::flags::Flags;
use crate::read::{BLOB_HEADER, Error, any_blob, blob, long, word};
use crate::{HASH, MAGIC_DIRECTORY, MAGIC_ENTITLEMENTS, MAGIC_SIGNATURE};
use crate::{MAX_SIGNATURE, SLOT_DIRECTORY, SLOT_ENTITLEMENTS};

/// Bytes of the name of a CodeDirectory.
#[doc(alias = "CS_CDHASH_LEN")]
pub const CDHASH: usize = 20;

/// More blobs than a signature has use for.
const MAX_BLOBS: u32 = 32;
/// The oldest version that can be read, and the first that cannot.
const VERSIONS: Range<u32> = 0x2_0001..0x3_0000;
/// From here on there is a scatter offset.
const WITH_SCATTER: u32 = 0x2_0100;
/// From here on there is a code limit of 64 bits.
const WITH_LONG_LIMIT: u32 = 0x2_0300;
/// `CS_HASHTYPE_SHA256`.
pub(crate) const HASH_TYPE: u8 = 2;
/// Sizes of a hashed page, as powers of two.
const PAGE_SHIFTS: Range<u8> = 12..17;

/// Where things lie in a CodeDirectory.
pub(crate) mod field {
    pub(crate) const VERSION: usize = 8;
    pub(crate) const FLAGS: usize = 12;
    pub(crate) const HASHES: usize = 16;
    pub(crate) const IDENTIFIER: usize = 20;
    pub(crate) const SPECIAL_SLOTS: usize = 24;
    pub(crate) const CODE_SLOTS: usize = 28;
    pub(crate) const CODE_LIMIT: usize = 32;
    pub(crate) const HASH_SIZE: usize = 36;
    pub(crate) const HASH_TYPE: usize = 37;
    pub(crate) const PAGE_SHIFT: usize = 39;
    pub(crate) const SCATTER: usize = 44;
    pub(crate) const LONG_LIMIT: usize = 56;
    /// Bytes before the identifier in version 2.04.
    pub(crate) const END: usize = 88;
}

/// A checked signature. It owns its bytes.
pub struct Signature {
    blob: Box<[u8]>,
    directory: Directory,
    /// The entitlements, with their header.
    entitlements: Option<Range<usize>>,
    cdhash: [u8; CDHASH],
}

/// What a CodeDirectory says; ranges are in the whole signature.
struct Directory {
    flags: Flags,
    identifier: Range<usize>,
    /// The hashes of the code, one behind the other.
    hashes: Range<usize>,
    special_slots: u32,
    page_shift: u8,
    code_limit: u64,
}

impl Signature {
    /// Reads the signature that lies at `offset` of its file.
    ///
    /// # Errors
    /// What is wrong with it.
    #[doc(alias = "cs_validate_csblob")]
    pub fn parse(bytes: Vec<u8>, offset: u64) -> Result<Self, Error> {
        if bytes.len() > MAX_SIGNATURE {
            return Err(Error::TooLarge(bytes.len() as u64));
        }
        let whole = blob(&bytes, 0, MAGIC_SIGNATURE)?;
        let bytes = &bytes[whole];
        let index = Index::read(bytes)?;
        let place = index.find(SLOT_DIRECTORY).ok_or(Error::NoDirectory)?;
        let place = blob(bytes, place, MAGIC_DIRECTORY)?;
        let directory = Directory::read(bytes, place.clone())?;
        if directory.code_limit > offset {
            return Err(Error::CodeLimit(directory.code_limit));
        }
        let entitlements = match index.find(SLOT_ENTITLEMENTS) {
            Some(at) => Some(blob(bytes, at, MAGIC_ENTITLEMENTS)?),
            None => None,
        };
        for slot in 1..=directory.special_slots {
            let content = index.find(slot).map(|at| any_blob(bytes, at)).transpose()?;
            directory.check_special(bytes, slot, content)?;
        }
        if entitlements.is_some() && directory.special_slots < SLOT_ENTITLEMENTS {
            return Err(Error::SpecialSlot(SLOT_ENTITLEMENTS));
        }
        let mut cdhash = [0; CDHASH];
        cdhash.copy_from_slice(&Sha256::digest(&bytes[place])[..CDHASH]);
        Ok(Self {
            blob: bytes.into(),
            directory,
            entitlements,
            cdhash,
        })
    }

    /// What the signature asks for; bits that are the kernel's are gone.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.directory.flags
    }

    /// The program's name as its signer calls it.
    #[doc(alias = "csblob_get_identity")]
    #[must_use]
    pub fn identifier(&self) -> &str {
        core::str::from_utf8(&self.blob[self.directory.identifier.clone()]).unwrap_or_default()
    }

    /// The name of the CodeDirectory: whoever has the same one has the same code and the same entitlements.
    #[doc(alias = "csblob_get_cdhash")]
    #[must_use]
    pub fn cdhash(&self) -> [u8; CDHASH] {
        self.cdhash
    }

    /// The entitlements with their header of kind and length, as `csops` gives them.
    #[doc(alias = "csblob_get_entitlements")]
    #[must_use]
    pub fn entitlements_blob(&self) -> Option<&[u8]> {
        Some(&self.blob[self.entitlements.clone()?])
    }

    /// The text of the entitlements.
    #[must_use]
    pub fn entitlements(&self) -> Option<&[u8]> {
        Some(&self.entitlements_blob()?[BLOB_HEADER..])
    }

    /// All of the signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.blob
    }

    /// Bytes of the file that are hashed.
    #[must_use]
    pub fn code_limit(&self) -> u64 {
        self.directory.code_limit
    }

    /// Bytes that are hashed together.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        1 << self.directory.page_shift
    }

    /// Is what `read` gives for the `length` bytes from `offset` of the file what was signed? Bytes behind the code limit are
    /// nobody's code: they must be zero, as those are that pad the last page of a file. Offset and length that are no
    /// multiple of the hashed page are never right.
    #[doc(alias = "cs_validate_hash")]
    #[must_use]
    pub fn covers(&self, offset: u64, length: u64, read: &mut dyn FnMut(u64, &mut [u8])) -> bool {
        let size = self.page_size();
        if !offset.is_multiple_of(size)
            || !length.is_multiple_of(size)
            || offset.checked_add(length).is_none()
        {
            return false;
        }
        (0..length)
            .step_by(size as usize)
            .all(|at| self.covers_one(offset + at, &mut |from, part| read(at + from, part)))
    }

    /// One hashed page.
    fn covers_one(&self, offset: u64, read: &mut dyn FnMut(u64, &mut [u8])) -> bool {
        let size = self.page_size();
        let signed = self.directory.code_limit.saturating_sub(offset).min(size);
        let mut sum = Sha256::new();
        let mut at = 0;
        let mut part = [0; 256];
        while at < size {
            let end = if at < signed { signed } else { size };
            let part = &mut part[..(end - at).min(256) as usize];
            read(at, part);
            if at < signed {
                sum.update(&*part);
            } else if part.iter().any(|byte| *byte != 0) {
                return false;
            }
            at += part.len() as u64;
        }
        signed == 0 || self.hash_of(offset) == Some(sum.finalize().as_slice())
    }

    fn hash_of(&self, offset: u64) -> Option<&[u8]> {
        let slot = usize::try_from(offset >> self.directory.page_shift).ok()?;
        self.blob[self.directory.hashes.clone()]
            .chunks_exact(HASH)
            .nth(slot)
    }
}

/// The index of a SuperBlob: slots and offsets, no two of either in each other's way.
struct Index<'a> {
    entries: &'a [u8],
}

impl<'a> Index<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let count = word(bytes, BLOB_HEADER)?;
        if count > MAX_BLOBS {
            return Err(Error::TooManyBlobs(count));
        }
        let start = BLOB_HEADER + 4;
        let end = start + 8 * count as usize;
        let entries = bytes.get(start..end).ok_or(Error::Truncated)?;
        let index = Self { entries };
        let mut taken = Vec::new();
        for (slot, at) in index.iter() {
            let place = any_blob(bytes, at)?;
            if place.start < end
                || taken
                    .iter()
                    .any(|(_, other): &(u32, Range<usize>)| overlap(other, &place))
            {
                return Err(Error::Overlap);
            }
            if taken.iter().any(|(other, _)| *other == slot) {
                return Err(Error::Duplicate(slot));
            }
            taken.push((slot, place));
        }
        Ok(index)
    }

    fn iter(&self) -> impl Iterator<Item = (u32, u32)> + 'a {
        let number = |field: &[u8]| field.iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
        self.entries
            .chunks_exact(8)
            .map(move |entry| (number(&entry[..4]), number(&entry[4..])))
    }

    fn find(&self, wanted: u32) -> Option<u32> {
        self.iter()
            .find(|(slot, _)| *slot == wanted)
            .map(|(_, at)| at)
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

impl Directory {
    /// Reads the CodeDirectory at `place`.
    fn read(bytes: &[u8], place: Range<usize>) -> Result<Self, Error> {
        let base = place.start;
        let own = &bytes[place];
        let version = word(own, field::VERSION)?;
        if !VERSIONS.contains(&version) {
            return Err(Error::Version(version));
        }
        let byte = |at: usize| own.get(at).copied().ok_or(Error::Truncated);
        let (hash_size, hash_type) = (byte(field::HASH_SIZE)?, byte(field::HASH_TYPE)?);
        if hash_type != HASH_TYPE || usize::from(hash_size) != HASH {
            return Err(Error::HashType(hash_type));
        }
        let page_shift = byte(field::PAGE_SHIFT)?;
        let scattered = version >= WITH_SCATTER && word(own, field::SCATTER)? != 0;
        if !PAGE_SHIFTS.contains(&page_shift) || scattered {
            return Err(Error::PageSize(page_shift));
        }
        let mut code_limit = u64::from(word(own, field::CODE_LIMIT)?);
        if version >= WITH_LONG_LIMIT {
            match long(own, field::LONG_LIMIT)? {
                0 => {}
                limit => code_limit = limit,
            }
        }
        let code_slots = word(own, field::CODE_SLOTS)?;
        if u64::from(code_slots) != code_limit.div_ceil(1 << page_shift) {
            return Err(Error::HashCount(code_slots));
        }
        let special_slots = word(own, field::SPECIAL_SLOTS)?;
        let hashes = hashes(own, special_slots, code_slots)?;
        let identifier = identifier(own)?;
        Ok(Self {
            flags: Flags::from_bits_truncate(word(own, field::FLAGS)?) & Flags::SIGNABLE,
            identifier: base + identifier.start..base + identifier.end,
            hashes: base + hashes.start..base + hashes.end,
            special_slots,
            page_shift,
            code_limit,
        })
    }

    /// A special slot must hold the hash of its blob; zeroes where there is none. Slots of things that lie elsewhere on
    /// Apple's systems (`Info.plist`, resources) may hold whatever they hold.
    fn check_special(
        &self,
        bytes: &[u8],
        slot: u32,
        content: Option<Range<usize>>,
    ) -> Result<(), Error> {
        let start = self.hashes.start - HASH * slot as usize;
        let hash = &bytes[start..start + HASH];
        let right = match content {
            Some(place) => Sha256::digest(&bytes[place]).as_slice() == hash,
            None => slot != SLOT_ENTITLEMENTS || hash.iter().all(|byte| *byte == 0),
        };
        if right {
            Ok(())
        } else {
            Err(Error::SpecialSlot(slot))
        }
    }
}

/// Where the code hashes of a CodeDirectory lie; the special ones lie before them.
fn hashes(own: &[u8], special_slots: u32, code_slots: u32) -> Result<Range<usize>, Error> {
    let start = word(own, field::HASHES)? as usize;
    let special = (special_slots as usize)
        .checked_mul(HASH)
        .ok_or(Error::HashCount(special_slots))?;
    let code = (code_slots as usize)
        .checked_mul(HASH)
        .ok_or(Error::HashCount(code_slots))?;
    let end = start.checked_add(code).ok_or(Error::Truncated)?;
    if start < special || end > own.len() {
        Err(Error::Truncated)
    } else {
        Ok(start..end)
    }
}

/// Where the identifier lies: text with a zero behind it.
fn identifier(own: &[u8]) -> Result<Range<usize>, Error> {
    let start = word(own, field::IDENTIFIER)? as usize;
    let rest = own.get(start..).ok_or(Error::Identifier)?;
    let length = rest
        .iter()
        .position(|byte| *byte == 0)
        .ok_or(Error::Identifier)?;
    match core::str::from_utf8(&rest[..length]) {
        Ok(text) if !text.is_empty() => Ok(start..start + length),
        _ => Err(Error::Identifier),
    }
}
