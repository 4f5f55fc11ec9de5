//! `mach_vm_map` and `mach_vm_remap`.

use super::allocate::{enter_flags, placement};
use super::sanitize::{self, Start, UserAddr, UserSize, ZeroSize};
use crate::vm_map::{Backing, Hold, ObjectMapping, RemapRequest, Remapped, VmMap};
use mach::{KernReturn, Result, VmFlags, VmProt};

/// What a program passed to `mach_vm_map`; the port is a [`Backing`] already.
#[derive(Clone)]
pub struct MapArguments {
    /// Address or hint.
    pub address: UserAddr,
    /// Bytes.
    pub size: UserSize,
    /// Address bits that must be zero.
    pub mask: u64,
    /// `VM_FLAGS_*`.
    pub flags: u32,
    /// What to map.
    pub backing: Backing,
    /// Offset in it.
    pub offset: u64,
    /// Copy or share.
    pub hold: Hold,
    /// Current protection.
    pub protection: u32,
    /// Maximum protection.
    pub max_protection: u32,
    /// Inheritance.
    pub inheritance: u32,
}

/// Maps memory, a memory entry or an object. The address is that of the data when `RETURN_DATA_ADDR` asks for it.
///
/// # Errors
/// `INVALID_ARGUMENT`, `INVALID_RIGHT`, and as `VmMap::enter`.
#[doc(alias = "vm_map")]
#[doc(alias = "vm_map_64")]
pub fn mach_vm_map(map: &VmMap, arguments: MapArguments) -> Result<u64> {
    let flags = sanitize::flags(arguments.flags, VmFlags::USER_MAP)?;
    let (protection, max_protection) = sanitize::current_and_maximum(
        arguments.protection,
        arguments.max_protection,
        VmProt::IS_MASK,
    )?;
    let inheritance = sanitize::inheritance(arguments.inheritance)?;
    let mask = sanitize::mask(arguments.mask)?;
    let data_address = flags.intersects(VmFlags::RETURN_DATA_ADDR | VmFlags::RETURN_4K_DATA_ADDR);
    // The data may start anywhere in the entry's first page; the mapping starts with that page.
    let data_offset = match &arguments.backing {
        Backing::Entry(entry) if data_address || entry.is_copy() => entry.data_offset(),
        _ => 0,
    };
    let offset = arguments
        .offset
        .checked_add(data_offset)
        .ok_or(KernReturn::INVALID_ARGUMENT)?;
    let lead = if data_address {
        offset & map.page_mask()
    } else {
        0
    };
    let size = UserSize(
        arguments
            .size
            .0
            .checked_add(lead)
            .ok_or(KernReturn::INVALID_ARGUMENT)?,
    );
    let start = if flags.contains(VmFlags::ANYWHERE) {
        UserAddr(0)
    } else {
        arguments.address
    };
    let span = sanitize::addr_size(map, start, size, ZeroSize::Fails, Start::Anywhere)?;
    let span = span.ok_or(KernReturn::INVALID_ARGUMENT)?;
    let address = map.enter_mem_object(ObjectMapping {
        placement: placement(map, arguments.address.0, flags),
        size: span.size(),
        mask,
        backing: arguments.backing,
        offset: map.trunc_page(offset),
        hold: arguments.hold,
        protection,
        max_protection,
        inheritance,
        flags: enter_flags(flags),
        user_tag: flags.tag(),
    })?;
    Ok(address + lead)
}

/// What a program passed to `mach_vm_remap` or `mach_vm_remap_new`.
#[derive(Clone, Copy, Debug)]
pub struct RemapArguments {
    /// Address or hint in the target.
    pub address: UserAddr,
    /// Bytes.
    pub size: UserSize,
    /// Address bits that must be zero.
    pub mask: u64,
    /// `VM_FLAGS_*`.
    pub flags: u32,
    /// Address in the source.
    pub source: UserAddr,
    /// Copy or share.
    pub hold: Hold,
    /// Current and maximum protection wanted; only `mach_vm_remap_new` passes them.
    pub protection: Option<(u32, u32)>,
    /// Inheritance.
    pub inheritance: u32,
}

/// Maps memory of `source` into `target`.
///
/// # Errors
/// As [`VmMap::remap`].
#[doc(alias = "vm_remap")]
#[doc(alias = "mach_vm_remap_new")]
pub fn mach_vm_remap(
    target: &VmMap,
    source: &VmMap,
    arguments: RemapArguments,
) -> Result<Remapped> {
    let flags = sanitize::flags(
        arguments.flags,
        VmFlags::USER_REMAP.union(VmFlags::ALIAS_MASK),
    )?;
    let inheritance = sanitize::inheritance(arguments.inheritance)?;
    let mask = sanitize::mask(arguments.mask)?;
    let protection = match arguments.protection {
        None => None,
        Some((current, maximum)) => {
            let (current, maximum) = sanitize::current_and_maximum(current, maximum, VmProt::NONE)?;
            if current.contains(VmProt::WRITE | VmProt::EXECUTE) {
                return Err(KernReturn::PROTECTION_FAILURE);
            }
            Some((current, maximum))
        }
    };
    let span = sanitize::addr_size(
        source,
        arguments.source,
        arguments.size,
        ZeroSize::Fails,
        Start::Anywhere,
    )?;
    let span = span.ok_or(KernReturn::INVALID_ARGUMENT)?;
    let lead = if flags.contains(VmFlags::RETURN_DATA_ADDR) {
        arguments.source.0 - span.start
    } else {
        0
    };
    let request = RemapRequest {
        placement: placement(target, arguments.address.0, flags),
        size: span.size(),
        mask,
        hold: arguments.hold,
        inheritance,
        protection,
    };
    let remapped = target.remap(source, span.start, request)?;
    Ok(Remapped {
        address: remapped.address + lead,
        ..remapped
    })
}
