//! Flags of an entry.

use bitflags::bitflags;

bitflags! {
    /// The yes/no attributes of a map entry; XNU's bit fields of the same names.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct EntryFlags: u32 {
        /// The object must be shadowed before the first write through this entry.
        const NEEDS_COPY = 1 << 0;
        /// Some other map shares the object through an inherited or remapped entry.
        const IS_SHARED = 1 << 1;
        /// A thread works on this entry with the map unlocked; others wait.
        const IN_TRANSITION = 1 << 2;
        /// Somebody waits for the end of the transition.
        const NEEDS_WAKEUP = 1 << 3;
        /// Pages go first when memory is short.
        const NO_CACHE = 1 << 4;
        /// The mapping may lose all access but never leave (`VM_FLAGS_PERMANENT`).
        const PERMANENT = 1 << 5;
        /// Made by MAP_JIT: may be writable and executable at once.
        const USED_FOR_JIT = 1 << 6;
        /// Code-signing violations are tolerated.
        const RESILIENT_CODESIGN = 1 << 7;
        /// Errors of the backing store read as zeroes.
        const RESILIENT_MEDIA = 1 << 8;
        /// Wired pages are cleared before they are let go.
        const ZERO_WIRED_PAGES = 1 << 9;
        /// There is no object yet, and the page tables may show the zero page.
        const SHOWS_ZERO_PAGE = 1 << 10;
    }
}

impl EntryFlags {
    /// Flags that a fork or remap does not carry over.
    pub(crate) const TRANSIENT: EntryFlags =
        EntryFlags::IN_TRANSITION.union(EntryFlags::NEEDS_WAKEUP);

    /// Flags that belong to the memory rather than to the place, and that a merge must find equal.
    pub(crate) fn mergeable(self) -> bool {
        !self.intersects(EntryFlags::IN_TRANSITION.union(EntryFlags::NEEDS_WAKEUP))
    }
}
