//! Finding the item at an address: near the last lookup's first, then from the root.
//!
//! An operation on a map looks up the same place several times, and so do faults that follow each other.
//! XNU counterpart: the hint of a map, `SAVE_HINT_MAP_READ`.

use core::sync::atomic::Ordering;

use super::{EntryIndex, EntryStore, NIL, Span, handle};

/// Result of a lookup: what lies at the address, or what lies before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The item whose span contains the address.
    Inside(EntryIndex),
    /// The address is in a hole; the item before the hole, if there is one.
    After(Option<EntryIndex>),
}

impl<T: Span> EntryStore<T> {
    /// Looks `address` up. A miss tells the preceding item, as XNU's does.
    #[doc(alias = "vm_map_lookup_entry")]
    #[doc(alias = "vm_map_store_lookup_entry")]
    pub fn lookup(&self, address: u64) -> Found {
        if let Some(found) = self.near_hint(address) {
            return found;
        }
        let mut at = self.root;
        let mut before = NIL;
        while at != NIL {
            let node = self.node(at);
            if address < node.item.start() {
                at = node.left;
            } else if address < node.item.end() {
                self.hint.store(at, Ordering::Relaxed);
                return Found::Inside(EntryIndex(at));
            } else {
                before = at;
                at = node.right;
            }
        }
        self.hint.store(before, Ordering::Relaxed);
        Found::After(handle(before))
    }

    /// The answer, if the address is in the item that the hint names, in the hole behind it or in the item behind that.
    fn near_hint(&self, address: u64) -> Option<Found> {
        let at = self.hint.load(Ordering::Relaxed);
        if at == NIL {
            return None;
        }
        let node = self.node(at);
        if address < node.item.start() {
            return None;
        }
        if address < node.item.end() {
            return Some(Found::Inside(EntryIndex(at)));
        }
        if node.next == NIL {
            return Some(Found::After(handle(at)));
        }
        let next = &self.node(node.next).item;
        if address < next.start() {
            return Some(Found::After(handle(at)));
        }
        if address < next.end() {
            self.hint.store(node.next, Ordering::Relaxed);
            return Some(Found::Inside(EntryIndex(node.next)));
        }
        None
    }

    /// The next lookup is probably near this item.
    pub(super) fn remember(&mut self, index: u32) {
        *self.hint.get_mut() = index;
    }

    /// This item, just unlinked, goes; the one before it takes its place as the hint.
    pub(super) fn forget_hint(&mut self, index: u32) {
        let prev = self.node(index).prev;
        let hint = self.hint.get_mut();
        if *hint == index {
            *hint = prev;
        }
    }

    /// The item that contains `address`.
    pub fn containing(&self, address: u64) -> Option<EntryIndex> {
        match self.lookup(address) {
            Found::Inside(index) => Some(index),
            Found::After(_) => None,
        }
    }

    /// The item that contains `address`, otherwise the first one above it.
    pub fn at_or_after(&self, address: u64) -> Option<EntryIndex> {
        match self.lookup(address) {
            Found::Inside(index) => Some(index),
            Found::After(Some(before)) => self.next(before),
            Found::After(None) => self.first(),
        }
    }

    /// Whether no item touches `start..end`.
    pub fn is_free(&self, start: u64, end: u64) -> bool {
        self.at_or_after(start)
            .is_none_or(|index| self.get(index).start() >= end)
    }
}
