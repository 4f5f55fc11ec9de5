//! The sorted store of a map's entries: an augmented AVL tree over an arena of indices.
//!
//! Purpose: hold disjoint address spans so that lookup, insertion, removal, change of bounds and the search for
//! free space all cost O(log n), at 100,000 entries as at ten; lookups near the last one cost nothing of that.
//! Main types: [`EntryStore`] (the tree), [`EntryIndex`] (a handle, valid while the map is locked), [`Span`] (what the
//! tree knows about an item), `Arena` (the memory).
//! Neighbours: `vm_map` is the only user; nothing here knows objects, protections or locks.
//! It does not: allocate inside a mutation (see [`EntryStore::reserve`]), nor check that spans are disjoint in release
//! builds (callers look first).
//! XNU counterpart: `osfmk/vm/vm_map_store.c` with its red-black tree, sorted list *and* holes list. One tree whose
//! nodes know the largest hole below them replaces all three; the `prev`/`next` links keep neighbours O(1).

mod arena;
mod balance;
mod hole;
mod insert;
mod lookup;
mod remove;
#[cfg(test)]
mod tests;
mod validate;

use arena::Arena;
pub use arena::StoreShortage;
pub use hole::HoleRequest;
pub use lookup::Found;

use core::sync::atomic::AtomicU32;

/// What the tree must know about an item: the half-open range `start..end` it covers.
pub trait Span {
    /// First address covered.
    fn start(&self) -> u64;
    /// First address no longer covered; greater than `start`.
    fn end(&self) -> u64;
    /// Changes the range; the store calls this and repairs itself afterwards.
    fn set_bounds(&mut self, start: u64, end: u64);
}

/// Names one item of a store. Stays valid across insertions and removals of *other* items; the map's lock is what
/// keeps it from dangling.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct EntryIndex(u32);

/// "No node", inside links.
const NIL: u32 = u32::MAX;

/// An AVL tree of 2^32 nodes is at most 46 high.
const MAX_HEIGHT: usize = 48;

/// A tree node: the item, its links, and what is known of the subtree below it.
struct Node<T> {
    item: T,
    left: u32,
    right: u32,
    /// Neighbours in address order.
    prev: u32,
    next: u32,
    height: u8,
    /// Lowest start in the subtree.
    first: u64,
    /// Highest end in the subtree.
    last: u64,
    /// Largest hole between two spans of the subtree.
    gap: u64,
}

/// What a node tells the node above about its subtree.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Knowledge {
    height: u8,
    first: u64,
    last: u64,
    gap: u64,
}

impl<T> Node<T> {
    fn knowledge(&self) -> Knowledge {
        Knowledge {
            height: self.height,
            first: self.first,
            last: self.last,
            gap: self.gap,
        }
    }

    fn know(&mut self, known: Knowledge) {
        (self.height, self.first) = (known.height, known.first);
        (self.last, self.gap) = (known.last, known.gap);
    }
}

/// Disjoint spans in address order.
///
/// Invariants ([`EntryStore::validate`]): in-order walk and `next` chain agree; spans are non-empty, ascending and
/// disjoint; heights of siblings differ by at most one; `first`, `last` and `gap` are exact at every node; the hint names
/// an item or nothing.
pub struct EntryStore<T> {
    nodes: Arena<Node<T>>,
    root: u32,
    head: u32,
    tail: u32,
    len: usize,
    /// What the last lookup found or a new item: the next lookup is probably near it. Only a hint: lookups, which may be
    /// several at a time, write it unordered.
    hint: AtomicU32,
    /// Nodes looked at, for tests that hold the O(log n) promise.
    #[cfg(test)]
    visits: core::sync::atomic::AtomicU64,
}

/// The nodes from the root down to a place, for walking back up.
struct Path {
    nodes: [u32; MAX_HEIGHT],
    len: usize,
}

impl Path {
    const fn new() -> Path {
        Path {
            nodes: [NIL; MAX_HEIGHT],
            len: 0,
        }
    }

    fn push(&mut self, node: u32) {
        self.nodes[self.len] = node;
        self.len += 1;
    }

    fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        Some(self.nodes[self.len])
    }

    fn truncate(&mut self, len: usize) {
        self.len = len;
    }

    fn last(&self) -> u32 {
        if self.len == 0 {
            NIL
        } else {
            self.nodes[self.len - 1]
        }
    }
}

impl<T: Span> EntryStore<T> {
    /// An empty store; allocates nothing.
    pub const fn new() -> Self {
        EntryStore {
            nodes: Arena::new(),
            root: NIL,
            head: NIL,
            tail: NIL,
            len: 0,
            hint: AtomicU32::new(NIL),
            #[cfg(test)]
            visits: core::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes sure that `count` insertions will find memory. The only call that allocates; a mutation reserves first and
    /// cannot fail afterwards.
    ///
    /// # Errors
    /// [`StoreShortage`] when the heap refuses; nothing has changed then.
    pub fn reserve(&mut self, count: usize) -> Result<(), StoreShortage> {
        self.nodes.reserve(count)
    }

    /// Gives memory of long-gone items back; called at the end of an exclusive section, never inside one.
    pub fn trim(&mut self) {
        self.nodes.trim();
    }

    /// The item with the lowest address.
    pub fn first(&self) -> Option<EntryIndex> {
        handle(self.head)
    }

    /// The item with the highest address.
    pub fn last(&self) -> Option<EntryIndex> {
        handle(self.tail)
    }

    /// The item after `index` in address order.
    pub fn next(&self, index: EntryIndex) -> Option<EntryIndex> {
        handle(self.node(index.0).next)
    }

    /// The item before `index` in address order.
    pub fn prev(&self, index: EntryIndex) -> Option<EntryIndex> {
        handle(self.node(index.0).prev)
    }

    /// The item itself.
    pub fn get(&self, index: EntryIndex) -> &T {
        &self.node(index.0).item
    }

    /// The item itself, to change anything but its bounds (those go through [`EntryStore::set_bounds`]).
    pub fn get_mut(&mut self, index: EntryIndex) -> &mut T {
        &mut self.node_mut(index.0).item
    }

    /// All items in address order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        self.indices().map(|index| self.get(index))
    }

    /// All handles in address order.
    pub fn indices(&self) -> impl Iterator<Item = EntryIndex> + '_ {
        core::iter::successors(self.first(), |&index| self.next(index))
    }

    fn node(&self, index: u32) -> &Node<T> {
        #[cfg(test)]
        self.visits
            .fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        self.nodes.get(index)
    }

    fn node_mut(&mut self, index: u32) -> &mut Node<T> {
        #[cfg(test)]
        self.visits
            .fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        self.nodes.get_mut(index)
    }

    #[cfg(test)]
    fn take_visits(&self) -> u64 {
        self.visits.swap(0, core::sync::atomic::Ordering::Relaxed)
    }
}

impl<T: Span> Default for EntryStore<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn handle(link: u32) -> Option<EntryIndex> {
    (link != NIL).then_some(EntryIndex(link))
}
