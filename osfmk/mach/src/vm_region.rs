//! What `mach_vm_region` and its kin answer about an entry of a map.
//!
//! Each structure is sent as an array of 32-bit words; `encode` (of [`Wire`](crate::wire::Wire))
//! gives the bytes, and `WORDS` the count a caller must offer. XNU: `mach/vm_region.h`, packed to
//! four bytes.

use crate::wire::wire_struct;

/// Flavour for [`BasicInfo64`].
#[doc(alias = "VM_REGION_BASIC_INFO_64")]
pub const BASIC_INFO_64: i32 = 9;
/// Flavour for [`BasicInfo64`] too, in the 64-bit calls.
#[doc(alias = "VM_REGION_BASIC_INFO")]
pub const BASIC_INFO: i32 = 10;
/// Flavour for [`TopInfo`].
#[doc(alias = "VM_REGION_TOP_INFO")]
pub const TOP_INFO: i32 = 12;
/// Flavour for [`ExtendedInfo`].
#[doc(alias = "VM_REGION_EXTENDED_INFO")]
pub const EXTENDED_INFO: i32 = 13;

/// How the memory of an entry is shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum ShareMode {
    /// Not told.
    #[default]
    Unknown = 0,
    /// Copy-on-write.
    #[doc(alias = "SM_COW")]
    CopyOnWrite = 1,
    /// Only this map.
    #[doc(alias = "SM_PRIVATE")]
    Private = 2,
    /// No object yet.
    #[doc(alias = "SM_EMPTY")]
    Empty = 3,
    /// Several maps.
    #[doc(alias = "SM_SHARED")]
    Shared = 4,
    /// Several maps, by inheritance.
    #[doc(alias = "SM_TRUESHARED")]
    TrueShared = 5,
    /// Several entries of this map.
    #[doc(alias = "SM_PRIVATE_ALIASED")]
    PrivateAliased = 6,
    /// Several entries of several maps.
    #[doc(alias = "SM_SHARED_ALIASED")]
    SharedAliased = 7,
    /// Large page.
    #[doc(alias = "SM_LARGE_PAGE")]
    LargePage = 8,
}

impl ShareMode {
    /// The mode with this number; unknown numbers give [`ShareMode::Unknown`].
    pub const fn from_raw(raw: u8) -> Self {
        match raw {
            1 => Self::CopyOnWrite,
            2 => Self::Private,
            3 => Self::Empty,
            4 => Self::Shared,
            5 => Self::TrueShared,
            6 => Self::PrivateAliased,
            7 => Self::SharedAliased,
            8 => Self::LargePage,
            _ => Self::Unknown,
        }
    }

    /// The three letters `vmmap` prints.
    pub const fn letters(self) -> &'static str {
        match self {
            Self::Unknown => "???",
            Self::CopyOnWrite => "COW",
            Self::Private => "PRV",
            Self::Empty => "NUL",
            Self::Shared => "SHM",
            Self::TrueShared => "TSH",
            Self::PrivateAliased => "ALI",
            Self::SharedAliased => "S/A",
            Self::LargePage => "LPG",
        }
    }
}

wire_struct! {
    /// Protection, inheritance and offset of an entry.
    #[doc(alias = "vm_region_basic_info_64")]
    pub struct BasicInfo64 {
        /// Current protection.
        pub protection: u32,
        /// Maximum protection.
        pub max_protection: u32,
        /// Inheritance.
        pub inheritance: u32,
        /// Boolean: shared.
        pub shared: u32,
        /// Boolean: reserved.
        pub reserved: u32,
        /// Offset into the object.
        pub offset: u64,
        /// Advice.
        pub behavior: i32,
        /// Times wired by its user.
        pub user_wired_count: u16,
        /// Padding.
        pub pad: u16,
    }
}

wire_struct! {
    /// The 32-bit form of [`BasicInfo64`], with a truncated offset.
    #[doc(alias = "vm_region_basic_info")]
    pub struct BasicInfo32 {
        /// Current protection.
        pub protection: u32,
        /// Maximum protection.
        pub max_protection: u32,
        /// Inheritance.
        pub inheritance: u32,
        /// Boolean: shared.
        pub shared: u32,
        /// Boolean: reserved.
        pub reserved: u32,
        /// Offset into the object, low 32 bits.
        pub offset: u32,
        /// Advice.
        pub behavior: i32,
        /// Times wired by its user.
        pub user_wired_count: u16,
        /// Padding.
        pub pad: u16,
    }
}

wire_struct! {
    /// Page counts of an entry.
    #[doc(alias = "vm_region_extended_info")]
    pub struct ExtendedInfo {
        /// Current protection.
        pub protection: u32,
        /// Tag given at allocation.
        pub user_tag: u32,
        /// Pages in memory.
        pub pages_resident: u32,
        /// Pages that were shared and are private now.
        pub pages_shared_now_private: u32,
        /// Pages with the pager.
        pub pages_swapped_out: u32,
        /// Dirty pages.
        pub pages_dirtied: u32,
        /// References of the object.
        pub ref_count: u32,
        /// Objects below the top one.
        pub shadow_depth: u16,
        /// Boolean: external pager.
        pub external_pager: u8,
        /// [`ShareMode`].
        pub share_mode: u8,
        /// Reusable pages.
        pub pages_reusable: u32,
    }
}

wire_struct! {
    /// The top object of an entry.
    #[doc(alias = "vm_region_top_info")]
    pub struct TopInfo {
        /// Identity of the object.
        pub obj_id: u32,
        /// Its references.
        pub ref_count: u32,
        /// Private pages in memory.
        pub private_pages_resident: u32,
        /// Shared pages in memory.
        pub shared_pages_resident: u32,
        /// [`ShareMode`].
        pub share_mode: u8,
        /// Padding.
        pub pad: [u8; 3],
    }
}

wire_struct! {
    /// Answer of `mach_vm_region_recurse` with 19 words.
    #[doc(alias = "vm_region_submap_info_64")]
    pub struct SubmapInfo64 {
        /// Current protection.
        pub protection: u32,
        /// Maximum protection.
        pub max_protection: u32,
        /// Inheritance.
        pub inheritance: u32,
        /// Offset into the object.
        pub offset: u64,
        /// Tag given at allocation.
        pub user_tag: u32,
        /// Pages in memory.
        pub pages_resident: u32,
        /// Pages that were shared and are private now.
        pub pages_shared_now_private: u32,
        /// Pages with the pager.
        pub pages_swapped_out: u32,
        /// Dirty pages.
        pub pages_dirtied: u32,
        /// References of the object.
        pub ref_count: u32,
        /// Objects below the top one.
        pub shadow_depth: u16,
        /// Boolean: external pager.
        pub external_pager: u8,
        /// [`ShareMode`].
        pub share_mode: u8,
        /// Boolean: the entry is a submap.
        pub is_submap: u32,
        /// Advice.
        pub behavior: i32,
        /// Identity of the object, 32 bits.
        pub object_id: u32,
        /// Times wired by its user.
        pub user_wired_count: u16,
        /// Padding.
        pub pad: u16,
        /// Reusable pages.
        pub pages_reusable: u32,
        /// Identity of the object.
        pub object_id_full: u64,
    }
}

wire_struct! {
    /// Answer of `mach_vm_region_recurse` with 12 words.
    #[doc(alias = "vm_region_submap_short_info_64")]
    pub struct SubmapShortInfo64 {
        /// Current protection.
        pub protection: u32,
        /// Maximum protection.
        pub max_protection: u32,
        /// Inheritance.
        pub inheritance: u32,
        /// Offset into the object.
        pub offset: u64,
        /// Tag given at allocation.
        pub user_tag: u32,
        /// References of the object.
        pub ref_count: u32,
        /// Objects below the top one.
        pub shadow_depth: u16,
        /// Boolean: external pager.
        pub external_pager: u8,
        /// [`ShareMode`].
        pub share_mode: u8,
        /// Boolean: the entry is a submap.
        pub is_submap: u32,
        /// Advice.
        pub behavior: i32,
        /// Identity of the object, 32 bits.
        pub object_id: u32,
        /// Times wired by its user.
        pub user_wired_count: u16,
        /// Padding.
        pub pad: u16,
    }
}
