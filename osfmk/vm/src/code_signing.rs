//! Code signing as the VM sees it: a page is looked at before it becomes executable.
//!
//! Two traits, both the BSD layer's to implement: an object may have a [`CodeSignature`], which knows the hashes of its pages, and
//! a map a [`CodePolicy`], which decides what becomes of its owner when a page is not what was signed. A map without a policy is
//! not checked.
//!
//! ```text
//!   a mapping with execute ──▶ judge ── fine ────────────────────────────▶ Pmap::enter
//!                               │ hash (the page's object is locked)
//!                               │    right: CS_VALIDATED ────────────────▶ Pmap::enter
//!                               ▼    wrong: CS_TAINTED
//!                           violation
//!                               │ only read: without execute ────────────▶ Pmap::enter
//!                               ▼ fetched: drop every lock
//!                      CodePolicy::invalid_page
//!                                 admit ──▶ again, pardoned ─────────────▶ Pmap::enter
//!                                 refuse ─▶ CODESIGN_ERROR
//!                                 end ────▶ ABORTED: the process ends
//! ```
//!
//! A page is hashed once: the state bits stay with it until it leaves its object or is written. A page that was ever mapped
//! writable is never taken for signed; a signed page that is about to be written or mapped writable loses its executable mappings.
//! What [`FaultLookup`](crate::vm_map) finds with `cs_bypass` (JIT regions, resilient mappings) is not looked at.
//!
//! It hashes nothing and kills nobody. XNU counterpart: `vm_fault_validate_cs`, `vm_page_validate_cs` in `vm_fault.c`.

use alloc::sync::Arc;

use mach::VmProt;
use machine::frame_memory;
use machine::page::{PAGE_SHIFT, PAGE_SIZE};
use prim::frames::{FrameNumber, PageFlags};

use crate::vm_fault::resolve::{Blocked, Resolved};
use crate::vm_map::{LookupResult, MapReadGuard, VmMap};
use crate::vm_object::{Locked, ObjectRef};
use crate::vm_page;

/// What is known of the pages of one object.
pub trait CodeSignature: Send + Sync {
    /// Is this the page that was signed? `read` copies bytes out of it. The object is locked: this may not wait.
    #[doc(alias = "cs_validate_page")]
    fn covers(&self, offset: u64, length: u64, read: &mut dyn FnMut(u64, &mut [u8])) -> bool;

    /// Names the signature: another name, other hashes.
    fn name(&self) -> [u8; 20];
}

/// What the owner of a map wants done about code.
pub trait CodePolicy: Send + Sync {
    /// Must all code be signed, anonymous memory too? Asked under locks.
    #[doc(alias = "cs_process_enforcement")]
    fn enforces(&self) -> bool;

    /// The page at `address` is about to become executable and is not what was signed. No lock is held.
    #[doc(alias = "cs_invalid_page")]
    fn invalid_page(&self, address: u64) -> Verdict;
}

/// What becomes of a fault on a page that is not what was signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The page is let in all the same.
    Admit,
    /// The access fails.
    Refuse,
    /// The process is being ended.
    End,
}

/// Where a page comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// An object with a signature.
    Signed,
    /// A pager's object without one.
    Unsigned,
    /// Anonymous memory.
    Anonymous,
}

/// What is to be done about an executable page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Finding {
    Fine,
    Hash,
    Violation,
}

/// The rule. State bits first: a copy of a signed page is as good as the page.
fn judge(flags: PageFlags, origin: Origin, enforced: bool) -> Finding {
    let written = origin == Origin::Signed && flags.contains(PageFlags::WPMAPPED);
    if flags.contains(PageFlags::CS_TAINTED) || written {
        return Finding::Violation;
    }
    if flags.contains(PageFlags::CS_VALIDATED) {
        return Finding::Fine;
    }
    match origin {
        Origin::Signed => Finding::Hash,
        Origin::Anonymous if !enforced => Finding::Fine,
        Origin::Anonymous | Origin::Unsigned => Finding::Violation,
    }
}

/// Before a page is entered with `resolved.protection`: may it? Ordinary pages cost two tests of bits.
#[doc(alias = "vm_fault_validate_cs")]
pub(crate) fn admit(
    guard: &MapReadGuard<'_>,
    address: u64,
    access: VmProt,
    found: &LookupResult,
    resolved: &mut Resolved,
    pardoned: bool,
) -> Result<(), Blocked> {
    let protection = resolved.protection;
    if !protection.intersects(VmProt::WRITE | VmProt::EXECUTE) || found.cs_bypass {
        return Ok(());
    }
    let frame = resolved.frame;
    let page = resolved.chain.page();
    let object = resolved.chain.current_mut();
    if protection.contains(VmProt::WRITE) {
        forget_signed(object, frame);
    }
    if !protection.contains(VmProt::EXECUTE) || pardoned {
        return Ok(());
    }
    let Some(policy) = guard.code_policy() else {
        return Ok(());
    };
    let origin = match (&object.signature, object.owner_is_internal()) {
        (Some(_), _) => Origin::Signed,
        (None, true) => Origin::Anonymous,
        (None, false) => Origin::Unsigned,
    };
    let mut finding = judge(object.pages.flags(frame), origin, policy.enforces());
    if finding == Finding::Hash {
        finding = if validate(object, page, frame) {
            Finding::Fine
        } else {
            Finding::Violation
        };
    }
    match finding {
        Finding::Fine | Finding::Hash => Ok(()),
        // Who only reads is shown the page without the right to execute it.
        Finding::Violation if !access.contains(VmProt::EXECUTE) => {
            resolved.protection -= VmProt::EXECUTE;
            Ok(())
        }
        Finding::Violation => Err(Blocked::InvalidCode {
            policy: policy.clone(),
            address,
        }),
    }
}

/// Hashes a page of an object with a signature, and notes what came of it. True without a signature.
#[doc(alias = "vm_page_validate_cs")]
fn validate(object: &mut Locked, page: u64, frame: FrameNumber) -> bool {
    let Some(signature) = object.signature.clone() else {
        return true;
    };
    let right = signature.covers(page << PAGE_SHIFT, PAGE_SIZE as u64, &mut |at, part| {
        frame_memory::read(frame, at as usize, part);
    });
    let flag = if right {
        PageFlags::CS_VALIDATED
    } else {
        PageFlags::CS_TAINTED
    };
    object.pages.set_flags(frame, flag);
    right
}

/// Was the page looked at?
pub(crate) fn is_judged(flags: PageFlags) -> bool {
    flags.intersects(PageFlags::CS_VALIDATED | PageFlags::CS_TAINTED)
}

/// The page is about to be written, by whatever way: it is not known to be what was signed any more, and is not executed without
/// another look.
pub(crate) fn forget_signed(object: &mut Locked, frame: FrameNumber) {
    let flags = object.pages.flags(frame);
    if is_judged(flags) {
        pmap::disconnect(frame);
        object.pages.clear_flags(
            frame,
            PageFlags::CS_VALIDATED | PageFlags::CS_TAINTED | PageFlags::XPMAPPED,
        );
    }
}

/// The state bits for a copy of a page that others will execute in its place: the page is looked at now, while its signature is at
/// hand.
#[doc(alias = "vm_page_copy")]
pub(crate) fn flags_for_copy(object: &mut Locked, page: u64, frame: FrameNumber) -> PageFlags {
    let known = PageFlags::CS_VALIDATED | PageFlags::CS_TAINTED;
    if object.signature.is_some() && !is_judged(object.pages.flags(frame)) {
        validate(object, page, frame);
    }
    object.pages.flags(frame) & known
}

impl ObjectRef {
    /// Gives the object its signature. Pages that were judged by another one are judged anew.
    #[doc(alias = "ubc_cs_blob_add")]
    pub fn set_code_signature(&self, signature: Arc<dyn CodeSignature>) {
        let old = {
            let mut object = self.lock();
            if let Some(known) = &object.signature {
                if known.name() == signature.name() {
                    return;
                }
                let frames: alloc::vec::Vec<FrameNumber> = vm_page::pages(&object.pages)
                    .map(|(_, frame)| frame)
                    .collect();
                for frame in frames {
                    forget_signed(&mut object, frame);
                }
            }
            object.signature.replace(signature)
        };
        drop(old);
    }
}

impl VmMap {
    /// Whoever decides about code in this map from now on.
    pub fn set_code_policy(&self, policy: Arc<dyn CodePolicy>) {
        let old = self.write().state.code_policy.replace(policy);
        drop(old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: PageFlags = PageFlags::empty();

    #[test]
    fn a_page_of_a_signed_file_is_hashed_once() {
        assert_eq!(judge(NONE, Origin::Signed, false), Finding::Hash);
        assert_eq!(
            judge(PageFlags::CS_VALIDATED, Origin::Signed, true),
            Finding::Fine
        );
        assert_eq!(
            judge(PageFlags::CS_TAINTED, Origin::Signed, false),
            Finding::Violation
        );
    }

    #[test]
    fn what_was_ever_mapped_writable_is_not_signed() {
        let written = PageFlags::WPMAPPED | PageFlags::CS_VALIDATED;
        assert_eq!(judge(written, Origin::Signed, false), Finding::Violation);
        assert_eq!(
            judge(PageFlags::WPMAPPED, Origin::Anonymous, false),
            Finding::Fine
        );
    }

    #[test]
    fn anonymous_code_is_refused_only_where_signing_is_enforced() {
        assert_eq!(judge(NONE, Origin::Anonymous, false), Finding::Fine);
        assert_eq!(judge(NONE, Origin::Anonymous, true), Finding::Violation);
        assert_eq!(
            judge(PageFlags::CS_VALIDATED, Origin::Anonymous, true),
            Finding::Fine,
            "a copy of a signed page"
        );
    }

    #[test]
    fn code_of_an_unsigned_file_is_always_a_violation() {
        assert_eq!(judge(NONE, Origin::Unsigned, false), Finding::Violation);
    }
}
