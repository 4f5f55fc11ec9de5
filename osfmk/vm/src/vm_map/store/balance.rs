//! AVL balance and the knowledge each node keeps of its subtree.
//!
//! Purpose: after a change at the bottom, repair heights, bounds and largest holes on the way up.
//! Main functions: `refresh` (one node from its children), `rebalance` (one node, by at most two rotations),
//! `repair` (a path, until nothing changes any more: most changes of a large tree are over after a node or two).
//! Source: Adelson-Velsky and Landis 1962; the hole augmentation is the usual one for interval sets.

use super::{EntryStore, Knowledge, NIL, Path, Span};

impl<T: Span> EntryStore<T> {
    fn height(&self, link: u32) -> u8 {
        if link == NIL {
            0
        } else {
            self.node(link).height
        }
    }

    /// Recomputes what `index` knows of its subtree from its children.
    pub(super) fn refresh(&mut self, index: u32) {
        let node = self.node(index);
        let (left, right) = (node.left, node.right);
        let (start, end) = (node.item.start(), node.item.end());
        let (mut height, mut first, mut last, mut gap) = (0, start, end, 0);
        if left != NIL {
            let below = self.node(left);
            height = below.height;
            first = below.first;
            gap = below.gap.max(start.saturating_sub(below.last));
        }
        if right != NIL {
            let below = self.node(right);
            height = below.height.max(height);
            last = below.last;
            gap = gap.max(below.gap).max(below.first.saturating_sub(end));
        }
        self.node_mut(index).know(Knowledge {
            height: height + 1,
            first,
            last,
            gap,
        });
    }

    /// Left child minus right child.
    fn lean(&self, index: u32) -> i16 {
        let node = self.node(index);
        i16::from(self.height(node.left)) - i16::from(self.height(node.right))
    }

    fn rotate_right(&mut self, top: u32) -> u32 {
        let pivot = self.node(top).left;
        let middle = self.node(pivot).right;
        self.node_mut(top).left = middle;
        self.node_mut(pivot).right = top;
        self.refresh(top);
        self.refresh(pivot);
        pivot
    }

    fn rotate_left(&mut self, top: u32) -> u32 {
        let pivot = self.node(top).right;
        let middle = self.node(pivot).left;
        self.node_mut(top).right = middle;
        self.node_mut(pivot).left = top;
        self.refresh(top);
        self.refresh(pivot);
        pivot
    }

    /// Refreshes `index` and restores the AVL rule there; returns the root of the subtree.
    fn rebalance(&mut self, index: u32) -> u32 {
        self.refresh(index);
        match self.lean(index) {
            2 => {
                let left = self.node(index).left;
                if self.lean(left) < 0 {
                    let left = self.rotate_left(left);
                    self.node_mut(index).left = left;
                }
                self.rotate_right(index)
            }
            -2 => {
                let right = self.node(index).right;
                if self.lean(right) > 0 {
                    let right = self.rotate_right(right);
                    self.node_mut(index).right = right;
                }
                self.rotate_left(index)
            }
            _ => index,
        }
    }

    /// Rebalances the nodes of `path`, from the bottom up, until the node above would learn nothing new. The node at place
    /// `moved` of the path has changed its place and is looked at in any case.
    pub(super) fn repair(&mut self, mut path: Path, moved: Option<usize>) {
        while let Some(index) = path.pop() {
            let before = self.node(index).knowledge();
            let top = self.rebalance(index);
            if top != index {
                self.replace_child(path.last(), index, top);
            }
            if self.node(top).knowledge() != before {
                continue;
            }
            match moved {
                Some(place) if place < path.len => path.truncate(place + 1),
                _ => return,
            }
        }
    }

    /// Makes `parent` (or the root link) point to `new` where it pointed to `old`.
    pub(super) fn replace_child(&mut self, parent: u32, old: u32, new: u32) {
        if parent == NIL {
            self.root = new;
            return;
        }
        let node = self.node_mut(parent);
        if node.left == old {
            node.left = new;
        } else {
            node.right = new;
        }
    }
}
