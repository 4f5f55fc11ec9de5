//! Finding the item at an address.

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
        let mut at = self.root;
        let mut before = NIL;
        while at != NIL {
            let node = self.node(at);
            if address < node.item.start() {
                at = node.left;
            } else if address < node.item.end() {
                return Found::Inside(EntryIndex(at));
            } else {
                before = at;
                at = node.right;
            }
        }
        Found::After(handle(before))
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
