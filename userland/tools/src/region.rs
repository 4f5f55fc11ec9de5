//! Regions of an address space, as `vmmap` lays them out.

use crate::format::size;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use mach::vm_flags::tag;
use mach::vm_prot::VmProt;
use mach::vm_region::{ShareMode, SubmapInfo64};

/// One entry of a map.
#[derive(Clone, Debug, Default)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// What the kernel tells of it.
    pub info: SubmapInfo64,
    /// The file that is mapped, if it is known.
    pub path: String,
}

/// Above the lines of regions.
pub const HEADING: &str = "REGION TYPE                    START - END        [ VSIZE  RSDNT  DIRTY   SWAP] PRT/MAX SHRMOD  DEPTH  REGION DETAIL";

impl Region {
    fn current(&self) -> VmProt {
        VmProt::from_bits_retain(self.info.protection)
    }

    /// Whether it may be written now.
    pub fn is_writable(&self) -> bool {
        self.current().contains(VmProt::WRITE)
    }

    /// What it is for.
    pub fn kind(&self) -> &'static str {
        let executable = VmProt::from_bits_retain(self.info.max_protection | self.info.protection);
        let is_file = self.is_file();
        match self.info.user_tag as u8 {
            _ if self.info.is_submap != 0 => "submap",
            _ if is_file && self.current().contains(VmProt::EXECUTE) => "__TEXT",
            _ if is_file && self.is_writable() && self.info.external_pager == 0 => "__DATA",
            _ if is_file => "mapped file",
            tag::STACK => "Stack",
            tag::GUARD => "STACK GUARD",
            tag::MALLOC..=tag::MALLOC_TINY => "MALLOC",
            tag::MACH_MSG => "Mach message",
            0 if self.current().is_empty() && executable.is_empty() => "guard",
            0 => "VM_ALLOCATE",
            other => tag::describe(other).unwrap_or("VM_ALLOCATE"),
        }
    }

    fn is_file(&self) -> bool {
        self.info.external_pager != 0 || !self.path.is_empty()
    }

    /// What there is besides: the file, the offset in it, references.
    fn detail(&self) -> String {
        let pager = match (self.info.external_pager != 0, self.path.as_str()) {
            (false, "") => return String::new(),
            (true, "") => "(a pager's)",
            (_, path) => path,
        };
        match self.info.offset {
            0 => String::from(pager),
            offset => format!("{pager} +{offset:#x}"),
        }
    }

    /// Its line.
    pub fn line(&self, page_size: u64) -> String {
        let pages = |count: u32| size(u64::from(count) * page_size);
        let info = &self.info;
        let line = format!(
            "{:<23} {:>12x}-{:<12x} [{:>6} {:>6} {:>6} {:>6}] {}/{} SM={}  {:>5}  {}",
            self.kind(),
            self.start,
            self.start.saturating_add(self.size),
            size(self.size),
            pages(info.pages_resident),
            pages(info.pages_dirtied),
            pages(self.info.pages_swapped_out),
            self.current().letters(),
            VmProt::from_bits_retain(info.max_protection).letters(),
            ShareMode::from_raw(info.share_mode).letters(),
            info.shadow_depth,
            self.detail(),
        );
        String::from(line.trim_end())
    }
}

/// Sums over regions of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Total {
    size: u64,
    resident: u64,
    dirty: u64,
    swapped: u64,
    count: u64,
}

impl Total {
    fn add(&mut self, other: &Self) {
        self.size += other.size;
        self.resident += other.resident;
        self.dirty += other.dirty;
        self.swapped += other.swapped;
        self.count += other.count;
    }

    fn line(&self, name: &str) -> String {
        format!(
            "{name:<31} {:>8} {:>8} {:>8} {:>8} {:>8}",
            size(self.size),
            size(self.resident),
            size(self.dirty),
            size(self.swapped),
            self.count
        )
    }
}

/// The table at the end: sums by kind of region.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    kinds: BTreeMap<&'static str, Total>,
}

impl Summary {
    /// Counts a region.
    pub fn add(&mut self, region: &Region, page_size: u64) {
        let bytes = |pages: u32| u64::from(pages) * page_size;
        self.kinds.entry(region.kind()).or_default().add(&Total {
            size: region.size,
            resident: bytes(region.info.pages_resident),
            dirty: bytes(region.info.pages_dirtied),
            swapped: bytes(region.info.pages_swapped_out),
            count: 1,
        });
    }

    /// The table.
    pub fn table(&self) -> String {
        const RULE: &str =
            "===========                     ======== ======== ======== ======== ========\n";
        let mut table = String::from(
            "                                 VIRTUAL RESIDENT    DIRTY  SWAPPED   REGION\n\
             REGION TYPE                        SIZE     SIZE     SIZE     SIZE    COUNT\n",
        );
        table.push_str(RULE);
        let mut all = Total::default();
        for (kind, total) in &self.kinds {
            all.add(total);
            table.push_str(&total.line(kind));
            table.push('\n');
        }
        table.push_str(RULE);
        table.push_str(&all.line("TOTAL"));
        table.push('\n');
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(tag: u8, protection: VmProt, external_pager: u8) -> Region {
        Region {
            start: 0x1_0000_0000,
            size: 0x8000,
            info: SubmapInfo64 {
                user_tag: u32::from(tag),
                protection: protection.bits(),
                max_protection: VmProt::ALL.bits(),
                external_pager,
                pages_resident: 2,
                pages_dirtied: 1,
                share_mode: ShareMode::CopyOnWrite as u8,
                shadow_depth: 1,
                ..SubmapInfo64::default()
            },
            path: String::new(),
        }
    }

    #[test]
    fn a_line_stands_under_its_heading() {
        let mut text = region(0, VmProt::READ | VmProt::EXECUTE, 1);
        text.path = String::from("/bin/sh");
        let line = text.line(0x4000);
        assert_eq!(
            line,
            "__TEXT                     100000000-100008000    [   32K    32K    16K      0] r-x/rwx SM=COW      1  /bin/sh"
        );
        assert_eq!(line.find('['), HEADING.find('['));
        assert_eq!(line.find(']'), HEADING.find(']'));
        assert_eq!(line.find("SM="), HEADING.find("SHRMOD"));
        assert_eq!(line.find("/bin"), HEADING.find("REGION DETAIL"));
    }

    #[test]
    fn regions_are_called_by_what_they_are_for() {
        let write = VmProt::READ | VmProt::WRITE;
        assert_eq!(region(tag::STACK, write, 0).kind(), "Stack");
        assert_eq!(region(0, write, 0).kind(), "VM_ALLOCATE");
        assert_eq!(region(tag::MALLOC_LARGE, write, 0).kind(), "MALLOC");
        assert_eq!(region(0, write, 1).kind(), "mapped file");
        assert_eq!(region(255, write, 0).kind(), "application 16");
        assert!(region(0, write, 0).is_writable());
    }

    #[test]
    fn the_summary_adds_up() {
        let mut summary = Summary::default();
        for _ in 0..2 {
            summary.add(&region(0, VmProt::READ, 1), 0x4000);
        }
        summary.add(&region(tag::STACK, VmProt::READ, 0), 0x4000);
        let table = summary.table();
        let row = |name: &str| {
            let line = table.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .rev()
                .take(5)
                .collect::<alloc::vec::Vec<_>>()
        };
        assert_eq!(row("mapped file"), ["2", "0", "32K", "64K", "64K"]);
        assert_eq!(row("TOTAL"), ["3", "0", "48K", "96K", "96K"]);
    }
}
