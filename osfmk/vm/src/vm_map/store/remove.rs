//! Removal.

use super::{EntryIndex, EntryStore, NIL, Span};

impl<T: Span> EntryStore<T> {
    /// Takes an item out. Its slot is free for the next insertion.
    #[doc(alias = "vm_map_store_entry_unlink")]
    pub fn remove(&mut self, index: EntryIndex) -> T {
        let index = index.0;
        let mut path = self.path_to(index);
        path.pop();
        let parent = path.last();
        let (left, right) = (self.node(index).left, self.node(index).right);
        let mut moved = None;
        if left != NIL && right != NIL {
            // The in-order successor takes the removed node's place; everything from its old parent up is repaired.
            let mut below = super::Path::new();
            let mut heir = right;
            while self.node(heir).left != NIL {
                below.push(heir);
                heir = self.node(heir).left;
            }
            let orphan = self.node(heir).right;
            match below.last() {
                NIL => {}
                heir_parent => {
                    self.node_mut(heir_parent).left = orphan;
                    self.node_mut(heir).right = right;
                }
            }
            self.node_mut(heir).left = left;
            self.replace_child(parent, index, heir);
            // So far the nodes above know of the heir what they knew of the removed node.
            let known = self.node(index).knowledge();
            self.node_mut(heir).know(known);
            moved = Some(path.len);
            path.push(heir);
            for position in 0..below.len {
                path.push(below.nodes[position]);
            }
        } else {
            let child = if left != NIL { left } else { right };
            self.replace_child(parent, index, child);
        }
        self.repair(path, moved);
        self.unlink_neighbours(index);
        self.forget_hint(index);
        self.len -= 1;
        self.nodes.remove(index).item
    }

    fn unlink_neighbours(&mut self, index: u32) {
        let (prev, next) = (self.node(index).prev, self.node(index).next);
        match prev {
            NIL => self.head = next,
            _ => self.node_mut(prev).next = next,
        }
        match next {
            NIL => self.tail = prev,
            _ => self.node_mut(next).prev = prev,
        }
    }
}
