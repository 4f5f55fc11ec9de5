//! Insertion, and change of an item's bounds.

use super::{EntryIndex, EntryStore, NIL, Node, Path, Span};

impl<T: Span> EntryStore<T> {
    /// Inserts an item whose span overlaps no other; a slot was [reserved](EntryStore::reserve).
    ///
    /// # Panics
    /// Without a reservation; in debug builds when the span overlaps a neighbour.
    #[doc(alias = "vm_map_store_entry_link")]
    pub fn insert(&mut self, item: T) -> EntryIndex {
        debug_assert!(item.start() < item.end(), "empty span");
        let start = item.start();
        let (mut prev, mut next) = (NIL, NIL);
        let mut path = Path::new();
        let mut at = self.root;
        while at != NIL {
            path.push(at);
            let node = self.node(at);
            if start < node.item.start() {
                next = at;
                at = node.left;
            } else {
                prev = at;
                at = node.right;
            }
        }
        debug_assert!(
            prev == NIL || self.node(prev).item.end() <= start,
            "span overlaps its predecessor"
        );
        debug_assert!(
            next == NIL || item.end() <= self.node(next).item.start(),
            "span overlaps its successor"
        );
        let index = self.nodes.insert(Node {
            item,
            left: NIL,
            right: NIL,
            prev,
            next,
            height: 1,
            first: 0,
            last: 0,
            gap: 0,
        });
        self.refresh(index);
        self.link_neighbours(index, prev, next);
        self.attach(&path, index, next);
        self.repair(path, None);
        self.remember(index);
        self.len += 1;
        EntryIndex(index)
    }

    /// Gives an item other bounds; its place among its neighbours must not change.
    pub fn set_bounds(&mut self, index: EntryIndex, start: u64, end: u64) {
        debug_assert!(start < end, "empty span");
        debug_assert!(
            self.prev(index)
                .is_none_or(|prev| self.get(prev).end() <= start)
        );
        debug_assert!(
            self.next(index)
                .is_none_or(|next| end <= self.get(next).start())
        );
        let path = self.path_to(index.0);
        self.node_mut(index.0).item.set_bounds(start, end);
        self.repair(path, None);
    }

    /// The nodes from the root to `index`, both included.
    pub(super) fn path_to(&self, index: u32) -> Path {
        let start = self.node(index).item.start();
        let mut path = Path::new();
        let mut at = self.root;
        loop {
            assert!(at != NIL, "entry store: item is not in the tree");
            path.push(at);
            if at == index {
                return path;
            }
            let node = self.node(at);
            at = if start < node.item.start() {
                node.left
            } else {
                node.right
            };
        }
    }

    fn link_neighbours(&mut self, index: u32, prev: u32, next: u32) {
        match prev {
            NIL => self.head = index,
            _ => self.node_mut(prev).next = index,
        }
        match next {
            NIL => self.tail = index,
            _ => self.node_mut(next).prev = index,
        }
    }

    /// Hangs a new leaf below the last node of `path`: on its left exactly when that node is its successor.
    fn attach(&mut self, path: &Path, index: u32, next: u32) {
        match path.last() {
            NIL => self.root = index,
            parent if parent == next => self.node_mut(parent).left = index,
            parent => self.node_mut(parent).right = index,
        }
    }
}
