//! Checking what a program passed.
//!
//! Main types: [`UserAddr`] and [`UserSize`], which can do nothing until they are sanitised; [`Span`], a page range that
//! is safe to compute with (not that anything is mapped there).
//! The order of checks in [`addr_size`] is part of the interface: it decides which code a bad call gets.
//! XNU counterpart: `vm_sanitize.c`, `vm_sanitize_error_compat.c`.

use crate::vm_map::VmMap;
use mach::{KernReturn, Result, VmBehavior, VmFlags, VmInherit, VmProt};

/// An address as a program passed it.
#[doc(alias = "vm_addr_struct_t")]
#[doc(alias = "mach_vm_address_ut")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserAddr(pub u64);

/// A size as a program passed it.
#[doc(alias = "vm_size_struct_t")]
#[doc(alias = "mach_vm_size_ut")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserSize(pub u64);

/// A range of whole pages that does not wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First address, page aligned.
    pub start: u64,
    /// First address after, page aligned.
    pub end: u64,
}

impl Span {
    /// Bytes.
    pub fn size(self) -> u64 {
        self.end - self.start
    }
}

/// What size zero means to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZeroSize {
    /// Nothing to do: success.
    Succeeds,
    /// `INVALID_ARGUMENT`.
    Fails,
    /// An empty range at the page of the address; the call goes on.
    FallsThrough,
}

/// What is asked of the start of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Any byte; the range grows to whole pages.
    Anywhere,
    /// Page aligned or `INVALID_ARGUMENT`.
    Aligned,
}

/// The pages of `address..address + size`; none when size zero means success.
///
/// # Errors
/// `INVALID_ARGUMENT`: misaligned, empty, wrapping, or wrapping once rounded; in this order.
#[doc(alias = "vm_sanitize_addr_size")]
pub fn addr_size(
    map: &VmMap,
    address: UserAddr,
    size: UserSize,
    zero: ZeroSize,
    start: Start,
) -> Result<Option<Span>> {
    let (address, size) = (address.0, size.0);
    if start == Start::Aligned && address & map.page_mask() != 0 {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    let first = map.trunc_page(address);
    if size == 0 {
        return match zero {
            ZeroSize::Succeeds => Ok(None),
            ZeroSize::Fails => Err(KernReturn::INVALID_ARGUMENT),
            ZeroSize::FallsThrough => Ok(Some(Span {
                start: first,
                end: first,
            })),
        };
    }
    let end = address
        .checked_add(size)
        .ok_or(KernReturn::INVALID_ARGUMENT)?;
    // Rounding up wraps to zero on XNU, which the comparison then catches.
    let last = map.round_page(end).ok_or(KernReturn::INVALID_ARGUMENT)?;
    if last <= first {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    Ok(Some(Span {
        start: first,
        end: last,
    }))
}

/// A protection passed to a Mach call: only the access bits and those of `extra` may be set. Execute implies read.
///
/// # Errors
/// `INVALID_ARGUMENT` for unknown bits.
#[doc(alias = "vm_sanitize_prot")]
pub fn protection(raw: u32, extra: VmProt) -> Result<VmProt> {
    let protection = VmProt::from_bits_retain(raw);
    if !(VmProt::ALL | extra).contains(protection) {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    Ok(with_implied_read(protection))
}

/// A protection passed to a BSD call: unknown bits are dropped.
#[doc(alias = "vm_sanitize_prot_bsd")]
pub fn protection_bsd(raw: u32) -> VmProt {
    VmProt::from_bits_retain(raw) & (VmProt::ALL | VmProt::TRUSTED | VmProt::STRIP_READ)
}

/// Current and maximum protection of a new mapping; the current one is silently reduced to the maximum.
///
/// # Errors
/// `INVALID_ARGUMENT` for unknown bits.
#[doc(alias = "vm_sanitize_cur_and_max_prots")]
pub fn current_and_maximum(current: u32, maximum: u32, extra: VmProt) -> Result<(VmProt, VmProt)> {
    let (current, maximum) = (protection(current, extra)?, protection(maximum, extra)?);
    Ok((current & (maximum | extra), maximum))
}

/// Memory that may be executed may be read: the architecture of this port does not tell them apart for users.
pub fn with_implied_read(protection: VmProt) -> VmProt {
    if protection.contains(VmProt::EXECUTE) {
        protection | VmProt::READ
    } else {
        protection
    }
}

/// An inheritance.
///
/// # Errors
/// `INVALID_ARGUMENT`.
#[doc(alias = "vm_sanitize_inherit")]
pub fn inheritance(raw: u32) -> Result<VmInherit> {
    VmInherit::from_raw(raw).ok_or(KernReturn::INVALID_ARGUMENT)
}

/// Advice.
///
/// # Errors
/// `INVALID_ARGUMENT`.
#[doc(alias = "vm_sanitize_behavior")]
pub fn behavior(raw: i32) -> Result<VmBehavior> {
    VmBehavior::from_raw(raw).ok_or(KernReturn::INVALID_ARGUMENT)
}

/// Flags of a call that accepts `allowed`. Superpages are refused on this architecture.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub fn flags(raw: u32, allowed: VmFlags) -> Result<VmFlags> {
    let flags = VmFlags::from_bits_retain(raw);
    let refused = flags
        .difference(allowed)
        .union(flags & (VmFlags::SUPERPAGE_MASK | VmFlags::TPRO));
    if refused.is_empty() {
        Ok(flags)
    } else {
        Err(KernReturn::INVALID_ARGUMENT)
    }
}

/// The mask of a mapping: a power of two minus one, or zero.
///
/// # Errors
/// `INVALID_ARGUMENT`.
#[doc(alias = "vm_sanitize_mask")]
pub fn mask(raw: u64) -> Result<u64> {
    if raw & raw.wrapping_add(1) == 0 {
        Ok(raw)
    } else {
        Err(KernReturn::INVALID_ARGUMENT)
    }
}

/// Some calls have always answered a bad range with another code.
#[doc(alias = "vm_sanitize_err_compat_addr_size")]
pub(super) fn answer_with<T>(result: Result<T>, code: KernReturn) -> Result<T> {
    result.map_err(|error| {
        if error == KernReturn::INVALID_ARGUMENT {
            code
        } else {
            error
        }
    })
}
