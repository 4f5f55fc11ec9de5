//! The files the kernel knows: by number, by path, by object.
//!
//! A node lives while the kernel has answers that name it, uses its object, or a program was given the object and nobody has
//! used it yet. Numbers are not used twice, so a late message cannot mean another file.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use mach::file::PAGER_ROOT;

use crate::ObjectId;

/// The most objects that were given to programs and not used since.
const LENT_MAX: usize = 1024;

/// A path the kernel or a program has asked for.
pub(crate) struct Node<F> {
    pub(crate) path: String,
    /// Answers that have named it and that the kernel has not given back.
    answers: u64,
    /// The object and what the pager keeps for it, once it is used.
    pub(crate) open: Option<Open<F>>,
    /// A program has the object's port; whether it will use it is not known.
    lent: bool,
}

/// A file in use.
pub(crate) struct Open<F> {
    pub(crate) object: ObjectId,
    pub(crate) file: F,
    /// Bytes, as the kernel knows.
    pub(crate) size: u64,
    /// The version of the data that was opened.
    pub(crate) version: u64,
}

/// All of them.
pub(crate) struct Nodes<F> {
    by_number: BTreeMap<u64, Node<F>>,
    numbers: BTreeMap<String, u64>,
    objects: BTreeMap<ObjectId, u64>,
    lent: usize,
    next: u64,
}

impl<F> Nodes<F> {
    pub(crate) fn new() -> Self {
        let mut nodes = Self {
            by_number: BTreeMap::new(),
            numbers: BTreeMap::new(),
            objects: BTreeMap::new(),
            lent: 0,
            next: PAGER_ROOT,
        };
        // The kernel knows the top directory without having asked.
        let root = nodes.number("");
        nodes.note_answer(root);
        nodes
    }

    /// The number of a path.
    pub(crate) fn number(&mut self, path: &str) -> u64 {
        if let Some(&number) = self.numbers.get(path) {
            return number;
        }
        let number = self.next;
        self.next += 1;
        let node = Node {
            path: path.to_string(),
            answers: 0,
            open: None,
            lent: false,
        };
        self.by_number.insert(number, node);
        self.numbers.insert(path.to_string(), number);
        number
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Node<F>> {
        self.by_number.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Node<F>> {
        self.by_number.get_mut(&number)
    }

    /// The file of an object.
    pub(crate) fn by_object(&mut self, object: ObjectId) -> Option<&mut Open<F>> {
        let number = self.objects.get(&object)?;
        self.by_number.get_mut(number)?.open.as_mut()
    }

    /// An answer to the kernel names the node.
    pub(crate) fn note_answer(&mut self, number: u64) {
        if let Some(node) = self.by_number.get_mut(&number) {
            node.answers += 1;
        }
    }

    /// The node is in use from now on.
    pub(crate) fn set_open(&mut self, number: u64, open: Open<F>) {
        if let Some(node) = self.by_number.get_mut(&number) {
            self.objects.insert(open.object, number);
            node.open = Some(open);
        }
    }

    /// The node's object goes to a program; false when too many have gone already.
    pub(crate) fn lend(&mut self, number: u64) -> bool {
        match self.by_number.get_mut(&number) {
            Some(node) if node.lent => true,
            Some(node) if self.lent < LENT_MAX => {
                node.lent = true;
                self.lent += 1;
                true
            }
            _ => false,
        }
    }

    /// The kernel gives back so many answers.
    pub(crate) fn forget(&mut self, number: u64, answers: u64) {
        if let Some(node) = self.by_number.get_mut(&number) {
            node.answers = node.answers.saturating_sub(answers);
        }
    }

    /// The kernel has let go of an object: whoever was given its port has used it. The node's number.
    pub(crate) fn unused(&mut self, object: ObjectId) -> Option<u64> {
        let number = *self.objects.get(&object)?;
        if let Some(node) = self.by_number.get_mut(&number)
            && core::mem::take(&mut node.lent)
        {
            self.lent -= 1;
        }
        Some(number)
    }

    /// Takes the node out, if nothing holds it but its object, of which `in_use` tells.
    pub(crate) fn remove_idle(
        &mut self,
        number: u64,
        in_use: impl FnOnce(ObjectId) -> bool,
    ) -> Option<Node<F>> {
        let node = self.by_number.get(&number)?;
        let object = node.open.as_ref().map(|open| open.object);
        if node.answers > 0 || node.lent || object.is_some_and(in_use) {
            return None;
        }
        let node = self.by_number.remove(&number)?;
        self.numbers.remove(&node.path);
        if let Some(object) = object {
            self.objects.remove(&object);
        }
        Some(node)
    }

    /// Files in use.
    pub(crate) fn open_count(&self) -> usize {
        self.objects.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mach::PortName;

    #[test]
    fn a_path_keeps_its_number_while_anything_holds_it_and_never_gets_it_again() {
        let mut nodes: Nodes<()> = Nodes::new();
        let first = nodes.number("a");
        nodes.note_answer(first);
        nodes.note_answer(first);
        assert_eq!(nodes.number("a"), first);
        nodes.forget(first, 1);
        assert!(nodes.remove_idle(first, |_| false).is_none());
        nodes.forget(first, 1);
        assert!(nodes.remove_idle(first, |_| false).is_some());
        assert_ne!(nodes.number("a"), first);
    }

    #[test]
    fn an_object_that_is_used_or_lent_holds_its_node() {
        let mut nodes: Nodes<()> = Nodes::new();
        let (number, object) = (nodes.number("a"), PortName(0x103));
        let open = Open {
            object,
            file: (),
            size: 1,
            version: 0,
        };
        nodes.set_open(number, open);
        assert!(nodes.lend(number) && nodes.lend(number));
        assert!(nodes.remove_idle(number, |_| false).is_none(), "lent");
        assert_eq!(nodes.unused(object), Some(number));
        assert!(nodes.remove_idle(number, |_| true).is_none(), "used");
        assert!(nodes.remove_idle(number, |_| false).is_some());
        assert!(nodes.by_object(object).is_none());
        assert_eq!(nodes.open_count(), 0);
    }

    #[test]
    fn only_so_many_objects_wait_for_a_program_to_use_them() {
        let mut nodes: Nodes<()> = Nodes::new();
        for name in 0..LENT_MAX {
            let number = nodes.number(&name.to_string());
            assert!(nodes.lend(number));
        }
        let number = nodes.number("one more");
        assert!(!nodes.lend(number));
    }

    #[test]
    fn the_top_directory_stays() {
        let mut nodes: Nodes<()> = Nodes::new();
        assert_eq!(nodes.number(""), PAGER_ROOT);
        assert!(nodes.remove_idle(PAGER_ROOT, |_| false).is_none());
    }
}
