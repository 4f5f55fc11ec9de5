//! Finding free space: the lowest hole that is large enough, in O(log n).
//!
//! Every node knows the largest hole below it, so a subtree that cannot help is never entered. With an alignment mask a
//! hole may be large enough and still not fit; such holes (between `size` and `size + mask` long) are the only ones
//! looked at in vain.
//! XNU counterpart: the holes list of `vm_map_store_ll.c` and `vm_map_locate_space_anywhere`.

use super::{EntryStore, NIL, Span};

/// What a caller wants of a hole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HoleRequest {
    /// Lowest acceptable address.
    pub from: u64,
    /// First address that may no longer be covered.
    pub limit: u64,
    /// Length wanted, not zero.
    pub size: u64,
    /// Bits that must be zero in the address.
    pub mask: u64,
}

impl HoleRequest {
    /// The lowest acceptable address at or above `start` when the free range is `start..end`.
    fn fit(&self, start: u64, end: u64) -> Option<u64> {
        let lowest = start.max(self.from);
        let aligned = lowest.checked_add(self.mask)? & !self.mask;
        let stop = aligned.checked_add(self.size)?;
        (stop <= end.min(self.limit)).then_some(aligned)
    }
}

impl<T: Span> EntryStore<T> {
    /// The lowest address that satisfies `request`.
    #[doc(alias = "vm_map_store_find_space")]
    pub fn find_hole(&self, request: HoleRequest) -> Option<u64> {
        if self.root == NIL {
            return request.fit(0, u64::MAX);
        }
        let root = self.node(self.root);
        let (first, last) = (root.first, root.last);
        if let Some(address) = request.fit(0, first) {
            return Some(address);
        }
        // The hole that contains `from` starts below it; `fit` clips it. All later ones start above.
        if let super::Found::After(Some(before)) = self.lookup(request.from)
            && let Some(next) = self.next(before)
            && let Some(address) = request.fit(self.get(before).end(), self.get(next).start())
        {
            return Some(address);
        }
        let mut after = request.from;
        while let Some((start, end)) = self.next_gap(self.root, after, request.size) {
            if start >= request.limit {
                return None;
            }
            if let Some(address) = request.fit(start, end) {
                return Some(address);
            }
            after = end;
        }
        request.fit(last, u64::MAX)
    }

    /// The lowest inner hole that starts at or above `after` and is at least `size` long. Recursion is as deep as the
    /// tree is high.
    fn next_gap(&self, link: u32, after: u64, size: u64) -> Option<(u64, u64)> {
        if link == NIL {
            return None;
        }
        let node = self.node(link);
        if node.gap < size || node.last <= after {
            return None;
        }
        let (start, end) = (node.item.start(), node.item.end());
        if node.left != NIL {
            if let Some(found) = self.next_gap(node.left, after, size) {
                return Some(found);
            }
            let below = self.node(node.left).last;
            if below >= after && start - below >= size {
                return Some((below, start));
            }
        }
        if node.right == NIL {
            return None;
        }
        let above = self.node(node.right).first;
        if end >= after && above - end >= size {
            return Some((end, above));
        }
        self.next_gap(node.right, after, size)
    }
}
