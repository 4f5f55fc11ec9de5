//! `mmap` and its relatives: checks in XNU's order, then one Mach call each.
//!
//! [`validate`] is the pure half of `mmap`; what is left here looks at the file, maps, and translates the result. Each call
//! has its own translation from `kern_return_t` to errno, as on XNU: the general one is not used in this family.
//! XNU counterpart: `bsd/kern/kern_mman.c`.

pub mod validate;

use alloc::vec;

use bsd_sys::errno::Errno;
use bsd_sys::mman::{MapFlags, Mincore, MsyncFlags, Prot, advice};
use mach::page_info::PageDisposition;
use mach::vm_sync::VmSync;
use mach::{KernReturn, VmBehavior, VmInherit, VmProt};
use prim::trace::{self, Event};
use prim::wait::Interruptible;
use vm::vm_map::{
    Backing, EnterFlags, Hold, ObjectMapping, Placement, ProtectMode, VmMap, WireOwner,
};

use crate::kern_cs;
use crate::kern_descrip;
use crate::mac::{self, CodeFile};
use crate::proc::Trust;
use crate::sysent::{Call, DONE, Failure, Outcome, value};
use crate::vfs::boot_archive;
use validate::{Arguments, PageSize, Plan, Source};
use vm::vm_pageout::patiently;

/// `mmap(addr, len, prot, flags, fd, pos)`.
///
/// # Errors
/// See [`validate::validate`]; then `EBADF`, `EINVAL`, `ENODEV`, `EACCES` for the file; `ENOMEM`, `EACCES`, `EINVAL` from the map.
pub(crate) fn mmap(call: &mut Call<'_>) -> Outcome {
    let arguments = Arguments {
        address: call.long(0),
        length: call.long(1),
        protection: call.word(2),
        flags: call.word(3),
        descriptor: call.int(4),
        position: call.long(5),
    };
    let plan = validate::validate(&arguments, PageSize(call.map.page_size()));
    let errno = plan.err().map_or(0, |errno| errno.raw() as u64);
    let wanted = u64::from(arguments.protection) << 32 | u64::from(arguments.flags);
    trace::point(
        Event::MmapCheck,
        arguments.address,
        arguments.length,
        wanted,
        errno,
    );
    let plan = plan?;
    let (backing, maximum) = match plan.source {
        Source::Anonymous { .. } => (Backing::Anonymous, anonymous_maximum(call, &plan)?),
        Source::File { descriptor } => file_backing(call, &plan, descriptor)?,
    };
    if plan.size == 0 {
        // Only programs that do not ask for modern rules come here, and only after every check above.
        return DONE;
    }
    let mapping = mapping(&plan, backing, maximum);
    let base = enter(call.map, mapping, arguments.address).map_err(mmap_errno)?;
    value(base + plan.slack)
}

/// Policy for anonymous memory; any refusal is `EINVAL` on XNU.
fn anonymous_maximum(call: &Call<'_>, plan: &Plan) -> Result<VmProt, Errno> {
    let mut maximum = VmProt::ALL;
    let entitlements = call.proc.state().code.entitlements();
    mac::check_map_anonymous(entitlements, plan.flags, &mut maximum).map_err(|_| Errno::EINVAL)?;
    Ok(maximum)
}

/// The object of an open file and what a mapping of it may be raised to.
fn file_backing(
    call: &Call<'_>,
    plan: &Plan,
    descriptor: i32,
) -> Result<(Backing, VmProt), Failure> {
    let file = kern_descrip::lookup(call.proc, descriptor)?;
    let vnode = file.vnode().ok_or(Errno::EINVAL)?;
    if !vnode.is_regular() && !vnode.is_character_device() {
        return Err(Errno::EINVAL.into());
    }
    if vnode.is_character_device() {
        return Err(Errno::ENODEV.into());
    }
    let (readable, writable) = (file.flags().reads(), file.flags().writes());
    let maximum = validate::file_maximum(readable, writable, plan.protection, plan.flags)?;
    let object = vnode.object().map_err(Failure::or_restart)?;
    if plan.protection.contains(VmProt::EXECUTE) {
        let found = kern_cs::find(&object, vnode.size()).map_err(Failure::or_restart)?;
        mac::check_map_code(CodeFile {
            evidence: found.evidence(),
            platform: boot_archive::trust_of(vnode.handle()) >= Trust::Privileged,
        })?;
    }
    if plan.flags.contains(MapFlags::SHARED) && maximum.contains(VmProt::WRITE) {
        vnode.note_writing();
    }
    let pages = object.resident_count();
    trace::point(
        Event::VmObjectFound,
        object.id(),
        u64::from(!object.is_internal()),
        u64::from(object.reference_count()),
        pages,
    );
    Ok((Backing::Object(object), maximum))
}

fn mapping(plan: &Plan, backing: Backing, maximum: VmProt) -> ObjectMapping {
    let shared = plan.flags.contains(MapFlags::SHARED);
    let placement = if plan.flags.contains(MapFlags::FIXED) {
        Placement::Overwrite(plan.address)
    } else {
        Placement::Anywhere(plan.address)
    };
    let (tag, purgable, large_chunk) = match plan.source {
        Source::Anonymous {
            tag,
            purgable,
            large_chunk,
        } => (tag, purgable, large_chunk),
        Source::File { .. } => (0, false, false),
    };
    let mut flags = EnterFlags::empty();
    flags.set(EnterFlags::NO_CACHE, plan.flags.contains(MapFlags::NOCACHE));
    flags.set(EnterFlags::JIT, plan.flags.contains(MapFlags::JIT));
    flags.set(
        EnterFlags::BELOW_4G,
        plan.flags.contains(MapFlags::BELOW_4G),
    );
    flags.set(
        EnterFlags::RESILIENT_CODESIGN,
        plan.flags.contains(MapFlags::RESILIENT_CODESIGN),
    );
    flags.set(
        EnterFlags::RESILIENT_MEDIA,
        plan.flags.contains(MapFlags::RESILIENT_MEDIA) && !shared,
    );
    flags.set(EnterFlags::EAGER_OBJECT, purgable);
    flags.set(EnterFlags::LARGE_CHUNK, large_chunk);
    let max_protection = if plan.flags.contains(MapFlags::RESILIENT_CODESIGN) {
        plan.protection
    } else {
        maximum
    };
    let hold = if shared || matches!(backing, Backing::Anonymous) {
        Hold::Share
    } else {
        Hold::Copy
    };
    ObjectMapping {
        placement,
        size: plan.size,
        mask: 0,
        backing,
        offset: plan.offset,
        hold,
        protection: plan.protection,
        max_protection,
        inheritance: if shared {
            VmInherit::Share
        } else {
            VmInherit::Copy
        },
        flags,
        user_tag: tag,
    }
}

/// Maps; a hint above which there is no room is tried once more from the bottom.
fn enter(map: &VmMap, mut mapping: ObjectMapping, hint: u64) -> Result<u64, KernReturn> {
    match patiently(|| map.enter_mem_object(mapping.clone())) {
        Err(KernReturn::NO_SPACE)
            if hint != 0 && matches!(mapping.placement, Placement::Anywhere(_)) =>
        {
            mapping.placement = Placement::Anywhere(map.page_size());
            patiently(|| map.enter_mem_object(mapping.clone()))
        }
        outcome => outcome,
    }
}

fn mmap_errno(cause: KernReturn) -> Failure {
    match cause {
        KernReturn::INVALID_ADDRESS | KernReturn::NO_SPACE => Errno::ENOMEM.into(),
        KernReturn::PROTECTION_FAILURE => Errno::EACCES.into(),
        KernReturn::ABORTED => Failure::Restart,
        _ => Errno::EINVAL.into(),
    }
}

/// What a range's length 0 means to a call (`vm_sanitize`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// The call is done.
    Succeeds,
    /// It is an error.
    Fails,
}

/// What a misaligned start means to a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Misaligned {
    /// It is rounded down.
    Truncates,
    /// It is an error.
    Fails,
}

/// The page range of a call's first two arguments, address and length, or `None` when there is nothing to do. `EINVAL` for
/// what is no range.
#[doc(alias = "vm_sanitize_addr_size")]
fn range(
    call: &Call<'_>,
    empty: Empty,
    misaligned: Misaligned,
) -> Result<Option<(u64, u64)>, Errno> {
    let (map, address, length) = (call.map, call.long(0), call.long(1));
    if misaligned == Misaligned::Fails && address & map.page_mask() != 0 {
        return Err(Errno::EINVAL);
    }
    if length == 0 {
        return if empty == Empty::Succeeds {
            Ok(None)
        } else {
            Err(Errno::EINVAL)
        };
    }
    let end = address
        .checked_add(length)
        .and_then(|end| map.round_page(end))
        .ok_or(Errno::EINVAL)?;
    let start = map.trunc_page(address);
    if end <= start {
        Err(Errno::EINVAL)
    } else {
        Ok(Some((start, end)))
    }
}

/// `munmap(addr, len)`: holes are no error.
pub(crate) fn munmap(call: &mut Call<'_>) -> Outcome {
    if let Some((start, end)) = range(call, Empty::Fails, Misaligned::Fails)? {
        patiently(|| call.map.delete(start, end)).map_err(|cause| match cause {
            KernReturn::ABORTED => Failure::Restart,
            _ => Errno::EINVAL.into(),
        })?;
    }
    DONE
}

/// `mprotect(addr, len, prot)`: all of the range or nothing.
pub(crate) fn mprotect(call: &mut Call<'_>) -> Outcome {
    let Some((start, end)) = range(call, Empty::Succeeds, Misaligned::Fails)? else {
        return DONE;
    };
    let wanted = call.word(2);
    if VmProt::from_bits_retain(wanted).contains(VmProt::TRUSTED) {
        // Signing memory at run time is another kind of system's.
        return Err(Errno::ENOTSUP.into());
    }
    let protection = validate::implied(Prot::from_bits_truncate(wanted));
    let protect = || {
        call.map
            .protect(start, end, protection, ProtectMode::Current)
    };
    patiently(protect).map_err(|cause| match cause {
        KernReturn::PROTECTION_FAILURE => Errno::EACCES.into(),
        KernReturn::INVALID_ADDRESS => Errno::ENOMEM.into(),
        KernReturn::ABORTED => Failure::Restart,
        _ => Failure::from(Errno::EINVAL),
    })?;
    DONE
}

/// `madvise(addr, len, advice)`.
pub(crate) fn madvise(call: &mut Call<'_>) -> Outcome {
    let behavior = match call.int(2) {
        advice::NORMAL => VmBehavior::Default,
        advice::RANDOM => VmBehavior::Random,
        advice::SEQUENTIAL => VmBehavior::Sequential,
        advice::WILLNEED => VmBehavior::WillNeed,
        advice::DONTNEED => VmBehavior::DontNeed,
        advice::FREE => VmBehavior::Free,
        advice::ZERO_WIRED_PAGES => VmBehavior::ZeroWiredPages,
        advice::FREE_REUSABLE => VmBehavior::Reusable,
        advice::FREE_REUSE => VmBehavior::Reuse,
        advice::CAN_REUSE => VmBehavior::CanReuse,
        advice::PAGEOUT => VmBehavior::PageOut,
        advice::ZERO => VmBehavior::Zero,
        _ => return Err(Errno::EINVAL.into()),
    };
    let discards = matches!(behavior, VmBehavior::Free | VmBehavior::Reusable);
    if discards && call.long(0) == 0 && call.long(1) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let Some((start, end)) = range(call, Empty::Succeeds, Misaligned::Truncates)? else {
        return DONE;
    };
    call.map
        .advise(start, end, behavior)
        .map_err(|cause| match cause {
            KernReturn::NO_SPACE => Failure::Errno(Errno::ENOMEM),
            KernReturn::PROTECTION_FAILURE => Failure::Errno(Errno::EPERM),
            KernReturn::NO_ACCESS => Failure::Errno(Errno::ENOTSUP),
            KernReturn::ABORTED => Failure::Restart,
            _ => Failure::Errno(Errno::EINVAL),
        })?;
    DONE
}

/// `msync(addr, len, flags)`.
pub(crate) fn msync(call: &mut Call<'_>) -> Outcome {
    let Some((start, end)) = range(call, Empty::Fails, Misaligned::Fails)? else {
        return DONE;
    };
    let flags = MsyncFlags::from_bits_truncate(call.word(2));
    if flags.contains(MsyncFlags::SYNC | MsyncFlags::ASYNC) {
        return Err(Errno::EINVAL.into());
    }
    let mut sync = VmSync::CONTIGUOUS;
    if flags.contains(MsyncFlags::KILLPAGES) {
        sync |= VmSync::KILL_PAGES;
    } else if flags.contains(MsyncFlags::DEACTIVATE) {
        sync |= VmSync::DEACTIVATE;
    } else if flags.contains(MsyncFlags::ASYNC) {
        sync |= VmSync::ASYNCHRONOUS;
    } else {
        sync |= VmSync::SYNCHRONOUS;
    }
    if flags.contains(MsyncFlags::INVALIDATE) {
        sync |= VmSync::INVALIDATE;
    }
    call.map
        .msync(start, end, sync)
        .map_err(|cause| match cause {
            KernReturn::INVALID_ADDRESS => Failure::Errno(Errno::ENOMEM),
            KernReturn::FAILURE => Failure::Errno(Errno::EIO),
            KernReturn::ABORTED => Failure::Restart,
            _ => Failure::Errno(Errno::EINVAL),
        })?;
    DONE
}

/// `minherit(addr, len, inherit)`: holes are skipped.
pub(crate) fn minherit(call: &mut Call<'_>) -> Outcome {
    let inheritance = VmInherit::from_raw(call.word(2)).ok_or(Errno::EINVAL)?;
    if let Some((start, end)) = range(call, Empty::Succeeds, Misaligned::Truncates)? {
        call.map
            .inherit(start, end, inheritance)
            .map_err(|cause| match cause {
                KernReturn::PROTECTION_FAILURE => Errno::EACCES,
                _ => Errno::EINVAL,
            })?;
    }
    DONE
}

/// Pages whose state is fetched at a time.
const MINCORE_CHUNK: usize = 512;

/// `mincore(addr, len, vec)`: never an error for a hole; a page that has no file reads as anonymous.
pub(crate) fn mincore(call: &mut Call<'_>) -> Outcome {
    let Some((start, end)) = range(call, Empty::Succeeds, Misaligned::Truncates)? else {
        return DONE;
    };
    let page_size = call.map.page_size();
    let mut dispositions = vec![PageDisposition::empty(); MINCORE_CHUNK];
    let mut bytes = [0; MINCORE_CHUNK];
    let (mut address, mut vector) = (start, call.long(2));
    while address < end {
        if prim::thread::current().should_abort(Interruptible::AbortSafe) {
            // The range may be as large as the address space.
            return Err(Failure::Restart);
        }
        let pages = ((end - address) / page_size).min(MINCORE_CHUNK as u64) as usize;
        call.map
            .page_range_info(address, &mut dispositions[..pages])
            .map_err(|_| Errno::EINVAL)?;
        for (byte, disposition) in bytes.iter_mut().zip(&dispositions[..pages]) {
            *byte = MINCORE_BYTES[usize::from(disposition.bits() as u8)];
        }
        call.copyout(&bytes[..pages], vector)?;
        address += pages as u64 * page_size;
        vector = vector.wrapping_add(pages as u64);
    }
    DONE
}

/// By the low byte of a disposition, in which everything is that `mincore` tells.
const MINCORE_BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut low = 0;
    while low < bytes.len() {
        let disposition = PageDisposition::from_bits_truncate(low as u32);
        bytes[low] = mincore_byte(disposition).bits();
        low += 1;
    }
    bytes
};

const fn mincore_byte(disposition: PageDisposition) -> Mincore {
    let pairs = [
        (PageDisposition::PRESENT, Mincore::INCORE),
        (PageDisposition::REFERENCED, Mincore::REFERENCED),
        (PageDisposition::DIRTY, Mincore::MODIFIED),
        (PageDisposition::PAGED_OUT, Mincore::PAGED_OUT),
        (PageDisposition::COPIED, Mincore::COPIED),
    ];
    let mut byte = if disposition.contains(PageDisposition::EXTERNAL) {
        Mincore::empty()
    } else {
        Mincore::ANONYMOUS
    };
    let mut pair = 0;
    while pair < pairs.len() {
        if disposition.contains(pairs[pair].0) {
            byte = byte.union(pairs[pair].1);
        }
        pair += 1;
    }
    byte
}

/// `mlock(addr, len)`.
pub(crate) fn mlock(call: &mut Call<'_>) -> Outcome {
    if let Some((start, end)) = range(call, Empty::Succeeds, Misaligned::Truncates)? {
        call.map
            .wire(start, end, VmProt::NONE, WireOwner::User)
            .map_err(|cause| match cause {
                KernReturn::INVALID_ARGUMENT => Errno::EINVAL,
                KernReturn::RESOURCE_SHORTAGE => Errno::EAGAIN,
                KernReturn::PROTECTION_FAILURE => Errno::EPERM,
                _ => Errno::ENOMEM,
            })?;
    }
    DONE
}

/// `munlock(addr, len)`.
pub(crate) fn munlock(call: &mut Call<'_>) -> Outcome {
    if let Some((start, end)) = range(call, Empty::Succeeds, Misaligned::Truncates)? {
        call.map
            .unwire(start, end, WireOwner::User)
            .map_err(|cause| match cause {
                KernReturn::INVALID_ARGUMENT => Errno::EINVAL,
                _ => Errno::ENOMEM,
            })?;
    }
    DONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_and_an_untouched_page_read_as_anonymous() {
        assert_eq!(mincore_byte(PageDisposition::empty()).bits(), 0x80);
        let file =
            PageDisposition::PRESENT | PageDisposition::EXTERNAL | PageDisposition::REFERENCED;
        assert_eq!(mincore_byte(file).bits(), 3);
    }

    #[test]
    fn results_of_mmap_become_the_errors_of_its_manual_page() {
        let errno = |cause| match mmap_errno(cause) {
            Failure::Errno(errno) => errno,
            other => panic!("{other:?}"),
        };
        assert_eq!(errno(KernReturn::NO_SPACE), Errno::ENOMEM);
        assert_eq!(errno(KernReturn::INVALID_ADDRESS), Errno::ENOMEM);
        assert_eq!(errno(KernReturn::PROTECTION_FAILURE), Errno::EACCES);
        assert_eq!(errno(KernReturn::RESOURCE_SHORTAGE), Errno::EINVAL);
        assert_eq!(mmap_errno(KernReturn::ABORTED), Failure::Restart);
    }
}
