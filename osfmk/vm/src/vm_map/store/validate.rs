//! Checking every promise of the store.

use core::sync::atomic::Ordering;

use super::{EntryStore, NIL, Span};

/// What a walk over a subtree found out.
struct Summary {
    height: u8,
    first: u64,
    last: u64,
    gap: u64,
    count: usize,
}

impl<T: Span> EntryStore<T> {
    /// Checks all invariants; for tests and debug commands, O(n).
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn validate(&self) -> Result<(), &'static str> {
        let mut before = NIL;
        let mut count = 0;
        let mut end = 0;
        let hint = self.hint.load(Ordering::Relaxed);
        let mut hinted = hint == NIL;
        let mut at = self.head;
        while at != NIL {
            let node = self.node(at);
            hinted |= at == hint;
            if node.prev != before {
                return Err("prev link disagrees with next link");
            }
            if node.item.start() >= node.item.end() {
                return Err("empty span");
            }
            if count > 0 && node.item.start() < end {
                return Err("spans overlap or are out of order");
            }
            end = node.item.end();
            before = at;
            at = node.next;
            count += 1;
        }
        if !hinted {
            return Err("the hint names an item that is gone");
        }
        if before != self.tail || count != self.len {
            return Err("list length or tail is wrong");
        }
        match self.summarise(self.root)? {
            None if self.len == 0 => Ok(()),
            Some(summary) if summary.count == self.len => Ok(()),
            _ => Err("tree and list hold different items"),
        }
    }

    fn summarise(&self, link: u32) -> Result<Option<Summary>, &'static str> {
        if link == NIL {
            return Ok(None);
        }
        let node = self.node(link);
        let (left, right) = (self.summarise(node.left)?, self.summarise(node.right)?);
        let mut own = Summary {
            height: 0,
            first: node.item.start(),
            last: node.item.end(),
            gap: 0,
            count: 1,
        };
        if let Some(left) = &left {
            own.height = left.height;
            own.first = left.first;
            own.gap = left.gap.max(
                node.item
                    .start()
                    .checked_sub(left.last)
                    .ok_or("tree out of order")?,
            );
            own.count += left.count;
        }
        if let Some(right) = &right {
            let gap = right
                .first
                .checked_sub(node.item.end())
                .ok_or("tree out of order")?;
            own.height = own.height.max(right.height);
            own.last = right.last;
            own.gap = own.gap.max(right.gap).max(gap);
            own.count += right.count;
        }
        own.height += 1;
        let lean = left.map_or(0, |left| i16::from(left.height))
            - right.map_or(0, |right| i16::from(right.height));
        if lean.abs() > 1 {
            return Err("tree is out of balance");
        }
        if (own.height, own.first, own.last, own.gap)
            != (node.height, node.first, node.last, node.gap)
        {
            return Err("a node's knowledge of its subtree is stale");
        }
        Ok(Some(own))
    }
}
