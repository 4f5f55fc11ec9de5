//! The signature of a file: found, read, checked, and given to the object that holds the file's pages.
//!
//! It is looked for when a file is executed or mapped to be executed, anew each time: a file that was replaced or signed meanwhile
//! is seen as it is. Reading it costs the file's last page.
//! XNU counterpart: `load_code_signature` in `mach_loader.c`, `ubc_cs_blob_add`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use codesign::{Entitlements as Keys, Error, FOOTER, Footer, Signature};
use machine::page::PAGE_SIZE;
use vm::code_signing::CodeSignature;
use vm::vm_fault::FaultOptions;
use vm::vm_object::ObjectRef;

use crate::mac::{Entitlements, Evidence};

/// A checked signature and what it entitles to.
pub(crate) struct SignedFile {
    pub(super) signature: Signature,
    pub(super) entitlements: Entitlements,
}

/// What was found.
pub(crate) enum FileSignature {
    Signed(Arc<SignedFile>),
    Unsigned,
    Damaged(Error),
}

impl FileSignature {
    /// As policy sees it.
    pub(crate) fn evidence(&self) -> Evidence {
        match self {
            Self::Signed(_) => Evidence::Signed,
            Self::Unsigned => Evidence::Unsigned,
            Self::Damaged(_) => Evidence::Damaged,
        }
    }
}

impl CodeSignature for SignedFile {
    fn covers(&self, offset: u64, length: u64, read: &mut dyn FnMut(u64, &mut [u8])) -> bool {
        self.signature.covers(offset, length, read)
    }

    fn name(&self) -> [u8; codesign::CDHASH] {
        self.signature.cdhash()
    }
}

/// Looks for the signature of the file of `size` bytes whose pages `object` holds, and gives it to the object.
///
/// # Errors
/// What reading the file or memory says; a bad signature is no error.
#[doc(alias = "load_code_signature")]
pub(crate) fn find(object: &ObjectRef, size: u64) -> Result<FileSignature, Errno> {
    let read = match read(object, size)? {
        Ok(Some(signature)) => check(signature),
        Ok(None) => return Ok(FileSignature::Unsigned),
        Err(error) => Err(error),
    };
    Ok(match read {
        Ok(signed) => {
            let signed = Arc::new(signed);
            object.set_code_signature(signed.clone());
            FileSignature::Signed(signed)
        }
        Err(error) => FileSignature::Damaged(error),
    })
}

/// The signature as the file has it.
fn read(object: &ObjectRef, size: u64) -> Result<Result<Option<Signature>, Error>, Errno> {
    if size < FOOTER as u64 {
        return Ok(Ok(None));
    }
    let tail = part(object, size - FOOTER as u64, FOOTER)?;
    let footer = match Footer::parse(&tail, size) {
        Ok(Some(footer)) => footer,
        Ok(None) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(error)),
    };
    let blob = part(object, footer.offset, footer.length as usize)?;
    Ok(Signature::parse(blob, footer.offset).map(Some))
}

fn part(object: &ObjectRef, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    object
        .read_to_kernel(offset, &mut bytes, FaultOptions::USER)
        .map_err(|incomplete| crate::kern_exec::load_errno(incomplete.cause))?;
    Ok(bytes)
}

/// What this kernel needs besides: pages it can check one by one, and entitlements it can read.
fn check(signature: Signature) -> Result<SignedFile, Error> {
    if signature.page_size() > PAGE_SIZE as u64 {
        return Err(Error::PageSize(signature.page_size().trailing_zeros() as u8));
    }
    let entitlements = match signature.entitlements() {
        Some(text) => {
            let keys = Keys::parse(text)?;
            Entitlements {
                allow_jit: keys.grants("com.apple.security.cs.allow-jit"),
                single_jit: keys.grants("com.apple.security.cs.single-jit"),
            }
        }
        None => Entitlements::default(),
    };
    Ok(SignedFile {
        signature,
        entitlements,
    })
}
