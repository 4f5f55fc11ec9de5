//! The writing direction: a file becomes a signed file.
//!
//! The same file and options always give the same bytes. Signatures are ad hoc, as those of Apple's linker: hashes and nobody's
//! name.

use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::attach::{FOOTER, Footer};
use crate::entitlements::Entitlements;
use crate::flags::Flags;
use crate::read::{BLOB_HEADER, Error};
use crate::signature::{HASH_TYPE, Signature, field};
use crate::{HASH, MAGIC_DIRECTORY, MAGIC_ENTITLEMENTS, MAGIC_SIGNATURE};
use crate::{SLOT_DIRECTORY, SLOT_ENTITLEMENTS};

/// What a signature shall say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program's name.
    pub identifier: String,
    /// What happens to pages that are not what was signed; `ADHOC` comes by itself.
    pub flags: Flags,
    /// A property list.
    pub entitlements: Option<Vec<u8>>,
}

/// Bytes that are hashed together: the smaller of the two page sizes, so that a signature serves both.
const PAGE: usize = 4096;
/// The code is padded to whole pages of the larger size.
const CODE_ALIGN: usize = 16 << 10;
const FOOTER_ALIGN: usize = 16;
/// Version 2.04, the first with the executable segment's fields.
const VERSION: u32 = 0x2_0400;
/// `CS_EXECSEG_MAIN_BINARY`.
const MAIN_BINARY: u64 = 1;

/// Signs a file; a signature that it has already is replaced.
///
/// # Errors
/// The identifier holds a zero or is empty; the entitlements are no property list; the file is too large.
pub fn sign(file: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    if let Some(text) = &options.entitlements {
        Entitlements::parse(text)?;
    }
    let mut signed = unsigned(file)?.to_vec();
    signed.resize(signed.len().next_multiple_of(CODE_ALIGN), 0);
    let offset = signed.len() as u64;
    let blob = signature(&signed, options);
    let footer = Footer {
        offset,
        length: blob.len() as u32,
    };
    // Nothing leaves here that a reader would not take.
    Signature::parse(blob.clone(), offset)?;
    signed.extend(blob);
    signed.resize(signed.len().next_multiple_of(FOOTER_ALIGN), 0);
    signed.extend(footer.bytes());
    Ok(signed)
}

/// A file without its signature; padding stays.
///
/// # Errors
/// The file says that it is signed, and the signature does not lie in it.
pub fn unsigned(file: &[u8]) -> Result<&[u8], Error> {
    let tail = &file[file.len().saturating_sub(FOOTER)..];
    match Footer::parse(tail, file.len() as u64)? {
        Some(footer) => Ok(&file[..footer.offset as usize]),
        None => Ok(file),
    }
}

/// The signature of a signed file, if it has one.
///
/// # Errors
/// It has a bad one.
pub fn signature_of(file: &[u8]) -> Result<Option<Signature>, Error> {
    let tail = &file[file.len().saturating_sub(FOOTER)..];
    let Some(footer) = Footer::parse(tail, file.len() as u64)? else {
        return Ok(None);
    };
    let start = footer.offset as usize;
    let blob = &file[start..start + footer.length as usize];
    Signature::parse(blob.to_vec(), footer.offset).map(Some)
}

fn signature(code: &[u8], options: &Options) -> Vec<u8> {
    let entitlements = options
        .entitlements
        .as_ref()
        .map(|text| blob(MAGIC_ENTITLEMENTS, text));
    let directory = directory(code, options, entitlements.as_deref());
    let mut blobs = Vec::from([(SLOT_DIRECTORY, directory)]);
    blobs.extend(entitlements.map(|blob| (SLOT_ENTITLEMENTS, blob)));
    let mut index = Vec::new();
    put(&mut index, blobs.len() as u32);
    let mut at = BLOB_HEADER + 4 + 8 * blobs.len();
    for (slot, blob) in &blobs {
        put(&mut index, *slot);
        put(&mut index, at as u32);
        at += blob.len();
    }
    for (_, blob) in blobs {
        index.extend(blob);
    }
    blob(MAGIC_SIGNATURE, &index)
}

fn directory(code: &[u8], options: &Options, entitlements: Option<&[u8]>) -> Vec<u8> {
    let special_slots = if entitlements.is_some() {
        SLOT_ENTITLEMENTS as usize
    } else {
        0
    };
    let name = options.identifier.as_bytes();
    let hashes = (field::END + name.len() + 1).next_multiple_of(4) + HASH * special_slots;
    let flags = (options.flags | Flags::ADHOC) & Flags::SIGNABLE;
    let mut bytes = Vec::new();
    for word in [
        VERSION,
        flags.bits(),
        hashes as u32,
        field::END as u32,
        special_slots as u32,
        code.len().div_ceil(PAGE) as u32,
        u32::try_from(code.len()).unwrap_or(u32::MAX),
    ] {
        put(&mut bytes, word);
    }
    // Size and kind of the hashes, platform, page; spare; scatter, team; spare.
    bytes.extend([HASH as u8, HASH_TYPE, 0, PAGE.trailing_zeros() as u8]);
    bytes.extend([0; 16]);
    let long_limit = if code.len() > u32::MAX as usize {
        code.len() as u64
    } else {
        0
    };
    for long in [long_limit, 0, code.len() as u64, MAIN_BINARY] {
        bytes.extend(long.to_be_bytes());
    }
    bytes.extend(name);
    // The special slots are numbered backwards from the code's; only the entitlements' is used, the furthest.
    bytes.resize(hashes - HASH * special_slots - BLOB_HEADER, 0);
    if let Some(blob) = entitlements {
        bytes.extend(Sha256::digest(blob).as_slice());
    }
    bytes.resize(hashes - BLOB_HEADER, 0);
    for page in code.chunks(PAGE) {
        bytes.extend(Sha256::digest(page).as_slice());
    }
    blob(MAGIC_DIRECTORY, &bytes)
}

fn blob(magic: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOB_HEADER + content.len());
    put(&mut bytes, magic);
    put(&mut bytes, (BLOB_HEADER + content.len()) as u32);
    bytes.extend(content);
    bytes
}

fn put(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend(word.to_be_bytes());
}
