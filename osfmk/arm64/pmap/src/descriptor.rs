//! One descriptor of a translation table, bit by bit; pure.
//!
//! VMSAv8-64, stage 1 (Arm ARM DDI 0487, D8.3 "Translation table descriptor formats").
//!
//! A page (level 3):
//!
//! ```text
//!  63  59 58  57  56  55  54  53 52 51 50 49 48 47          PAGE_SHIFT  12  11 10 9  8 7   6 5  4   2 1 0
//! +------+---+---+---+---+---+---+--+--+-----+--------------------------+---+--+----+-----+--+------+-+-+
//! |  0   |NX | D | S | W |UXN|PXN| 0| 0|  0  |   output address         | 0 |nG|AF|SH |AP   |0 | Attr |1|V|
//! |      |   |   |   |   |   |   |  |  |     |   (frame)                |   |  |  |   |RO EL0 | index| | |
//! +------+---+---+---+---+---+---+--+--+-----+--------------------------+---+--+----+-----+--+------+-+-+
//!          \_______________/                                                      \_/
//!           58:55 belong to software                                     inner shareable = 3
//! ```
//!
//! | bit | name here | meaning |
//! |---|---|---|
//! | 0 | `VALID` | the walker may use it |
//! | 1 | `TABLE_OR_PAGE` | level < 3: points to a table; level 3: must be 1 |
//! | 4:2 | memory attribute index into MAIR_EL1 | normal or device memory |
//! | 6 | `AP_USER` (AP\[1\]) | user mode may access |
//! | 7 | `AP_READ_ONLY` (AP\[2\]) | no writes, from any level |
//! | 10 | `ACCESS_FLAG` | clear: the first access faults (access-flag fault) |
//! | 11 | `NOT_GLOBAL` | TLB entry belongs to one ASID; all user pages |
//! | 53, 54 | `PXN`, `UXN` | never execute in EL1 / in EL0 |
//! | 55 | `SOFT_WIRED` | counted as wired |
//! | 56 | `SOFT_WRITABLE` | writes are allowed; `AP_READ_ONLY` beside it only waits for the first one |
//! | 57 | `SOFT_DYING` | invalid for hardware, but still on its frame's pv list until the TLBs have forgotten it |
//!
//! Dirty state is kept by software (bit 51, DBM, stays clear): a clean page of a writable mapping is
//! `AP_READ_ONLY | SOFT_WRITABLE`; the permission fault of its first write records the modification and clears
//! `AP_READ_ONLY`. "Referenced" likewise through `ACCESS_FLAG`.
//!
//! ```text
//!            enter, no access     first access          first write
//!   absent ───────────────▶ AF=0 ────────────▶ AF=1,RO ─────────────▶ AF=1,RW
//!     ▲                      ▲    clear_refmod   │  ▲   clear_refmod     │
//!     │                      └──(REFERENCED)─────┘  └────(MODIFIED)──────┘
//!     └────────── SOFT_DYING ◀──────────── remove, from any of them
//! ```
//!
//! A table (levels below 3) carries only `VALID | TABLE_OR_PAGE` and the address of the next table: the
//! hierarchical permission bits 63:59 stay zero, so the leaf alone decides.
//!
//! The bit positions are constants of `machine::descriptor`; what they are used for is decided here. XNU
//! counterpart: `osfmk/arm64/proc_reg.h` (`ARM_PTE_*`).

use machine::address::{FrameNumber, PhysAddr};
use machine::descriptor::{
    ACCESS_FLAG, ADDRESS_MASK, AP_READ_ONLY, AP_USER, ATTR_DEVICE, ATTR_NORMAL, NOT_GLOBAL, PXN,
    SHARE_INNER, SOFTWARE_MASK, SOFTWARE_SHIFT, TABLE_OR_PAGE, TYPE_MASK, UXN, VALID,
};

const SOFT_WIRED: u64 = 1 << SOFTWARE_SHIFT;
const SOFT_WRITABLE: u64 = 2 << SOFTWARE_SHIFT;
const SOFT_DYING: u64 = 4 << SOFTWARE_SHIFT;

/// What kind of memory a page shows; the index into MAIR_EL1 that `machine::mmu` programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Write-back cacheable RAM.
    Normal,
    /// Device registers, nGnRE: no gathering, no reordering.
    Device,
}

/// Who may use a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// EL0 and, for data only, the kernel: never executable in EL1, not global.
    User,
    /// EL1 only: never executable in EL0, global.
    Kernel,
}

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// What a page allows: reading always, since a page that may not be read is not mapped at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Stores are allowed (perhaps after a first fault that marks the page dirty).
    pub write: bool,
    /// Instruction fetches are allowed, at the privilege the page belongs to.
    pub execute: bool,
}

impl Rights {
    /// Loads only.
    pub const READ: Self = Self {
        write: false,
        execute: false,
    };

    /// What both allow.
    pub const fn intersection(self, other: Self) -> Self {
        Self {
            write: self.write && other.write,
            execute: self.execute && other.execute,
        }
    }
}

/// A descriptor as the hardware reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Descriptor(pub u64);

impl Descriptor {
    /// Nothing is here; any use faults.
    pub const ABSENT: Self = Self(0);

    /// A descriptor of level < 3 that leads to the next table.
    pub const fn table(frame: FrameNumber) -> Self {
        Self(address_of(frame) | TABLE_OR_PAGE | VALID)
    }

    /// A page that has not been accessed: no access flag, read-only until its first write, not wired.
    pub const fn page(
        frame: FrameNumber,
        privilege: Privilege,
        memory: Memory,
        rights: Rights,
    ) -> Self {
        let mut bits = address_of(frame) | TABLE_OR_PAGE | VALID | SHARE_INNER | AP_READ_ONLY;
        bits |= match memory {
            Memory::Normal => ATTR_NORMAL,
            Memory::Device => ATTR_DEVICE,
        };
        bits |= match (privilege, rights.execute) {
            (Privilege::User, true) => AP_USER | NOT_GLOBAL | PXN,
            (Privilege::User, false) => AP_USER | NOT_GLOBAL | PXN | UXN,
            (Privilege::Kernel, true) => UXN,
            (Privilege::Kernel, false) => UXN | PXN,
        };
        if rights.write {
            bits |= SOFT_WRITABLE;
        }
        Self(bits)
    }

    /// The hardware may use it.
    pub const fn is_valid(self) -> bool {
        self.0 & VALID != 0
    }

    /// Invalid for the hardware, but the frame's pv list still knows it.
    pub const fn is_dying(self) -> bool {
        self.0 & (SOFT_DYING | VALID) == SOFT_DYING
    }

    /// Leads to another table (levels below 3 only); otherwise a valid descriptor there is a block.
    pub const fn is_table(self) -> bool {
        self.0 & TYPE_MASK == VALID | TABLE_OR_PAGE
    }

    /// Neither valid nor dying.
    pub const fn is_absent(self) -> bool {
        self.0 == 0
    }

    /// The frame of the page or of the next table.
    pub const fn frame(self) -> FrameNumber {
        PhysAddr(self.0 & ADDRESS_MASK).frame()
    }

    /// An access has been let through since the flag was last cleared.
    pub const fn is_referenced(self) -> bool {
        self.0 & ACCESS_FLAG != 0
    }

    /// Stores go through now.
    pub const fn is_writable_now(self) -> bool {
        self.0 & AP_READ_ONLY == 0
    }

    /// The hardware uses it for loads and stores without asking.
    pub const fn is_in_use_for_writing(self) -> bool {
        self.0 & (VALID | ACCESS_FLAG | AP_READ_ONLY) == VALID | ACCESS_FLAG
    }

    /// Counted as wired.
    pub const fn is_wired(self) -> bool {
        self.0 & SOFT_WIRED != 0
    }

    /// Belongs to one ASID.
    pub const fn is_user(self) -> bool {
        self.0 & AP_USER != 0
    }

    /// What the mapping allows in the end, after emulation faults.
    pub const fn rights(self) -> Rights {
        let never = if self.is_user() { UXN } else { PXN };
        Rights {
            write: self.0 & SOFT_WRITABLE != 0,
            execute: self.0 & never == 0,
        }
    }

    /// Whether the access is one the mapping allows in the end, be it after an emulation fault.
    pub const fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => true,
            Access::Write => self.rights().write,
            Access::Execute => self.rights().execute,
        }
    }

    /// The same page with the access flag set.
    pub const fn referenced(self) -> Self {
        Self(self.0 | ACCESS_FLAG)
    }

    /// The same page, its next access faulting.
    pub const fn unreferenced(self) -> Self {
        Self(self.0 & !ACCESS_FLAG)
    }

    /// The same page with stores let through; it must allow writing.
    pub const fn modified(self) -> Self {
        assert!(self.0 & SOFT_WRITABLE != 0);
        Self(self.0 & !AP_READ_ONLY)
    }

    /// The same page, its next store faulting.
    pub const fn unmodified(self) -> Self {
        Self(self.0 | AP_READ_ONLY)
    }

    /// The same page with its rights lowered to `limit`; never adds any.
    pub const fn limited(self, limit: Rights) -> Self {
        let mut bits = self.0;
        if !limit.write {
            bits = (bits | AP_READ_ONLY) & !SOFT_WRITABLE;
        }
        if !limit.execute {
            bits |= UXN | PXN;
        }
        Self(bits)
    }

    /// The same page, counted as wired or not.
    pub const fn with_wired(self, wired: bool) -> Self {
        if wired {
            Self(self.0 | SOFT_WIRED)
        } else {
            Self(self.0 & !SOFT_WIRED)
        }
    }

    /// Whether a TLB may hold what must be forgotten when `self` becomes `new`: the hardware reads them
    /// differently, and entries without the access flag are never cached.
    pub const fn needs_flush(self, new: Self) -> bool {
        self.is_valid() && self.is_referenced() && (self.0 ^ new.0) & !SOFTWARE_MASK != 0
    }

    /// The same page taken from the hardware, still remembered by software.
    pub const fn dying(self) -> Self {
        Self((self.0 & !VALID) | SOFT_DYING)
    }
}

const fn address_of(frame: FrameNumber) -> u64 {
    frame.phys().0
}

impl core::fmt::Debug for Descriptor {
    /// `0x...[frame rw-]`, the small letters of emulation: `w` writable but clean, `W` stores go through.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.is_absent() {
            return f.write_str("absent");
        }
        let rights = self.rights();
        let write = match (rights.write, self.is_writable_now()) {
            (_, true) => 'W',
            (true, false) => 'w',
            (false, false) => '-',
        };
        write!(
            f,
            "{:#018x}[frame {:#x} {}{}{}{}{}]",
            self.0,
            self.frame().0,
            if self.is_referenced() { 'R' } else { 'r' },
            write,
            if rights.execute { 'x' } else { '-' },
            if self.is_wired() { " wired" } else { "" },
            if self.is_dying() { " dying" } else { "" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: FrameNumber = FrameNumber(0x40123);
    const ALL: Rights = Rights {
        write: true,
        execute: true,
    };

    fn user(rights: Rights) -> Descriptor {
        Descriptor::page(FRAME, Privilege::User, Memory::Normal, rights)
    }

    #[test]
    fn a_fresh_user_page_is_clean_unreferenced_and_never_executable_in_the_kernel() {
        let page = user(ALL);
        assert!(page.is_valid() && page.is_user());
        assert!(!page.is_referenced() && !page.is_writable_now());
        assert_eq!(page.frame(), FRAME);
        assert_eq!(page.rights(), ALL);
        assert_ne!(page.0 & PXN, 0);
        assert_ne!(page.0 & NOT_GLOBAL, 0);
    }

    #[test]
    fn a_kernel_page_is_global_and_never_executable_in_user_mode() {
        for execute in [false, true] {
            let page = Descriptor::page(
                FRAME,
                Privilege::Kernel,
                Memory::Normal,
                Rights {
                    write: false,
                    execute,
                },
            );
            assert_eq!(page.0 & (NOT_GLOBAL | AP_USER), 0);
            assert_ne!(page.0 & UXN, 0);
            assert_eq!(page.rights().execute, execute);
        }
    }

    #[test]
    fn the_first_write_and_its_undoing_touch_only_the_read_only_bit() {
        let page = user(ALL).referenced();
        assert!(page.modified().is_writable_now());
        assert_eq!(page.modified().unmodified(), page);
        assert_eq!(page.0 ^ page.modified().0, AP_READ_ONLY);
    }

    #[test]
    fn limiting_takes_rights_away_and_never_gives_any() {
        let page = user(ALL).referenced().modified();
        assert_eq!(page.limited(ALL), page);
        let read = page.limited(Rights::READ);
        assert!(
            !read.is_writable_now() && !read.allows(Access::Write) && !read.allows(Access::Execute)
        );
        assert_eq!(read.limited(ALL), read);
    }

    #[test]
    fn a_dying_page_is_invalid_but_keeps_its_frame_and_wiring() {
        let page = user(ALL).with_wired(true).dying();
        assert!(page.is_dying() && !page.is_valid() && !page.is_absent());
        assert_eq!(page.frame(), FRAME);
        assert!(page.is_wired());
    }

    #[test]
    fn a_table_descriptor_is_as_the_manual_says() {
        let table = Descriptor::table(FrameNumber(5));
        assert_eq!(table.0, FrameNumber(5).phys().0 | 3);
        assert_eq!(table.frame(), FrameNumber(5));
    }
}
