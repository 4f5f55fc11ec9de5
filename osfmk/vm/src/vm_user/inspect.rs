//! Calls that look: region, page query, page info.

use super::sanitize::{self, Start, UserAddr, UserSize, ZeroSize};
use crate::vm_map::{Region, RegionPages, VmMap};
use mach::page_info::{PageDisposition, PageInfoBasic};
use mach::vm_region::{self, BasicInfo32, BasicInfo64, ExtendedInfo, SubmapInfo64, TopInfo};
use mach::{KernReturn, Result};

/// The most that one call looks at (XNU: `MAX_PAGE_RANGE_QUERY`).
pub const MAX_PAGE_RANGE_QUERY: u64 = 1 << 30;

/// What `mach_vm_region` answers, by flavour.
#[derive(Clone, Copy, Debug)]
pub enum RegionAnswer {
    /// `VM_REGION_BASIC_INFO_64`.
    Basic64(BasicInfo64),
    /// `VM_REGION_BASIC_INFO`.
    Basic32(BasicInfo32),
    /// `VM_REGION_EXTENDED_INFO`.
    Extended(ExtendedInfo),
    /// `VM_REGION_TOP_INFO`.
    Top(TopInfo),
}

/// The region at an address or the next one: start, size and what the flavour tells.
///
/// # Errors
/// `INVALID_ADDRESS` when there is none, `INVALID_ARGUMENT` for an unknown flavour.
#[doc(alias = "vm_region")]
#[doc(alias = "vm_region_64")]
pub fn mach_vm_region(
    map: &VmMap,
    address: UserAddr,
    flavor: i32,
) -> Result<(u64, u64, RegionAnswer)> {
    let answer = match flavor {
        vm_region::BASIC_INFO_64 => basic_64,
        vm_region::BASIC_INFO => basic_32,
        vm_region::EXTENDED_INFO => extended,
        vm_region::TOP_INFO => top,
        _ => return Err(KernReturn::INVALID_ARGUMENT),
    };
    let (region, pages) = match flavor {
        vm_region::EXTENDED_INFO | vm_region::TOP_INFO => map.region_pages(address.0)?,
        _ => (map.region(address.0)?, RegionPages::default()),
    };
    Ok((region.start, region.size, answer(&region, &pages)))
}

/// The region at an address or the next one, with page counts. There are no submaps, so the depth is always zero.
///
/// # Errors
/// `INVALID_ADDRESS` when there is none.
#[doc(alias = "vm_region_recurse_64")]
pub fn mach_vm_region_recurse(map: &VmMap, address: UserAddr) -> Result<(u64, u64, SubmapInfo64)> {
    let (region, pages) = map.region_pages(address.0)?;
    let info = SubmapInfo64 {
        protection: region.protection.bits(),
        max_protection: region.max_protection.bits(),
        inheritance: region.inheritance.raw(),
        offset: region.offset,
        user_tag: u32::from(region.user_tag),
        pages_resident: clamp(pages.resident),
        pages_shared_now_private: clamp(pages.shared_now_private),
        pages_swapped_out: clamp(pages.paged_out),
        pages_dirtied: clamp(pages.dirty),
        ref_count: region.reference_count,
        shadow_depth: region.shadow_depth.min(u32::from(u16::MAX)) as u16,
        external_pager: u8::from(region.external_pager),
        share_mode: region.share_mode as u8,
        is_submap: 0,
        behavior: region.behavior.raw(),
        object_id: region.object_id as u32,
        user_wired_count: region.user_wired_count,
        pad: 0,
        pages_reusable: 0,
        object_id_full: region.object_id,
    };
    Ok((region.start, region.size, info))
}

/// The state of one page, and how many references its object has.
///
/// # Errors
/// None for a hole: it has no bits.
#[doc(alias = "vm_map_page_query")]
pub fn mach_vm_page_query(map: &VmMap, address: UserAddr) -> Result<(i32, i32)> {
    match map.page_info(map.trunc_page(address.0)) {
        Ok(info) => Ok((info.disposition, info.ref_count)),
        Err(_) => Ok((0, 0)),
    }
}

/// What is known of one page.
///
/// # Errors
/// `INVALID_ARGUMENT` for an unknown flavour, `INVALID_ADDRESS` for a hole.
#[doc(alias = "vm_map_page_info")]
pub fn mach_vm_page_info(map: &VmMap, address: UserAddr, flavor: i32) -> Result<PageInfoBasic> {
    if flavor != mach::page_info::VM_PAGE_INFO_BASIC {
        return Err(KernReturn::INVALID_ARGUMENT);
    }
    map.page_info(address.0)
}

/// The states of the pages of a range, at most [`MAX_PAGE_RANGE_QUERY`] bytes of it and as many as `pages` takes; how
/// many were written.
///
/// # Errors
/// `INVALID_ADDRESS` when the range wraps.
pub fn mach_vm_page_range_query(
    map: &VmMap,
    address: UserAddr,
    size: UserSize,
    pages: &mut [PageDisposition],
) -> Result<usize> {
    let span = sanitize::addr_size(map, address, size, ZeroSize::Succeeds, Start::Anywhere);
    let Some(span) = sanitize::answer_with(span, KernReturn::INVALID_ADDRESS)? else {
        return Ok(0);
    };
    let count = span.size().min(MAX_PAGE_RANGE_QUERY) / map.page_size();
    let count = pages.len().min(count as usize);
    map.page_range_info(span.start, &mut pages[..count])?;
    Ok(count)
}

fn clamp(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn basic_64(region: &Region, _: &RegionPages) -> RegionAnswer {
    RegionAnswer::Basic64(BasicInfo64 {
        protection: region.protection.bits(),
        max_protection: region.max_protection.bits(),
        inheritance: region.inheritance.raw(),
        shared: u32::from(region.shared),
        reserved: 0,
        offset: region.offset,
        behavior: region.behavior.raw(),
        user_wired_count: region.user_wired_count,
        pad: 0,
    })
}

fn basic_32(region: &Region, _: &RegionPages) -> RegionAnswer {
    RegionAnswer::Basic32(BasicInfo32 {
        protection: region.protection.bits(),
        max_protection: region.max_protection.bits(),
        inheritance: region.inheritance.raw(),
        shared: u32::from(region.shared),
        reserved: 0,
        offset: region.offset as u32,
        behavior: region.behavior.raw(),
        user_wired_count: region.user_wired_count,
        pad: 0,
    })
}

fn extended(region: &Region, pages: &RegionPages) -> RegionAnswer {
    RegionAnswer::Extended(ExtendedInfo {
        protection: region.protection.bits(),
        user_tag: u32::from(region.user_tag),
        pages_resident: clamp(pages.resident),
        pages_shared_now_private: clamp(pages.shared_now_private),
        pages_swapped_out: clamp(pages.paged_out),
        pages_dirtied: clamp(pages.dirty),
        ref_count: region.reference_count,
        shadow_depth: region.shadow_depth.min(u32::from(u16::MAX)) as u16,
        external_pager: u8::from(region.external_pager),
        share_mode: region.share_mode as u8,
        pages_reusable: 0,
    })
}

fn top(region: &Region, pages: &RegionPages) -> RegionAnswer {
    let private = region.reference_count <= 1;
    RegionAnswer::Top(TopInfo {
        obj_id: region.object_id as u32,
        ref_count: region.reference_count,
        private_pages_resident: if private { clamp(pages.resident) } else { 0 },
        shared_pages_resident: if private { 0 } else { clamp(pages.resident) },
        share_mode: region.share_mode as u8,
        pad: [0; 3],
    })
}
