//! Names over a pretended file system that counts what it says and what it gets back.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bsd_sys::dirent::{self, kind};
use bsd_sys::errno::Errno;
use bsd_sys::stat::{S_IFDIR, S_IFLNK, S_IFREG};
use mach::file::{FileAttributes, FileHandle};
use vm::vm_object::ObjectRef;

use super::lookup::{Last, lookup};
use super::vnode::Vnode;
use super::{FileSystem, cache, namespace, plain_attributes, records};

enum Node {
    Directory(BTreeMap<&'static str, u64>),
    Link(&'static str),
    File,
}

/// A tree; node 1 is its root.
struct Tree {
    number: u32,
    nodes: BTreeMap<u64, Node>,
    /// Answers less what was given back, by node.
    answers: Mutex<BTreeMap<u64, i64>>,
}

impl Tree {
    fn handle(&self, inode: u64) -> FileHandle {
        FileHandle {
            file_system: self.number,
            inode,
            generation: 0,
        }
    }

    fn outstanding(&self) -> i64 {
        self.answers.lock().unwrap().values().sum()
    }
}

impl FileSystem for Tree {
    fn lookup(
        &self,
        directory: FileHandle,
        name: &str,
    ) -> Result<(FileHandle, FileAttributes), Errno> {
        let Some(Node::Directory(names)) = self.nodes.get(&directory.inode) else {
            return Err(Errno::ENOTDIR);
        };
        let inode = *names.get(name).ok_or(Errno::ENOENT)?;
        *self.answers.lock().unwrap().entry(inode).or_default() += 1;
        Ok((self.handle(inode), self.attributes(self.handle(inode))?))
    }

    fn attributes(&self, file: FileHandle) -> Result<FileAttributes, Errno> {
        let mode = match self.nodes.get(&file.inode).ok_or(Errno::ESTALE)? {
            Node::Directory(_) => S_IFDIR,
            Node::Link(_) => S_IFLNK,
            Node::File => S_IFREG,
        };
        Ok(plain_attributes(file.inode, mode | 0o755, 0))
    }

    fn read_directory(&self, _: FileHandle, _: u64, _: u32) -> Result<Vec<u8>, Errno> {
        Ok(Vec::new())
    }

    fn read_link(&self, link: FileHandle) -> Result<String, Errno> {
        match self.nodes.get(&link.inode) {
            Some(Node::Link(text)) => Ok(text.to_string()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn open(&self, _: FileHandle) -> Result<(ObjectRef, FileAttributes), Errno> {
        Err(Errno::EIO)
    }

    fn forget(&self, file: FileHandle, answers: u64) {
        *self.answers.lock().unwrap().entry(file.inode).or_default() -= answers as i64;
    }
}

/// The cache and the mounts are the kernel's: one test at a time.
pub(super) fn turn() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    prim::host::boot();
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `/dir/file`, links, and a directory that contains itself.
fn tree(number: u32) -> Arc<Tree> {
    let directory =
        |names: &[(&'static str, u64)]| Node::Directory(names.iter().copied().collect());
    let root = [
        ("dir", 2),
        ("file", 3),
        ("up", 4),
        ("self", 5),
        ("abs", 6),
        ("todir", 7),
        ("dangling", 8),
        ("loop", 9),
    ];
    let nodes = [
        (1, directory(&root)),
        (2, directory(&[("file", 3), ("sub", 10)])),
        (3, Node::File),
        (4, Node::Link("dir/../dir//sub/..")),
        (5, Node::Link("self")),
        (6, Node::Link("/fake/dir/file")),
        (7, Node::Link("dir")),
        (8, Node::Link("nowhere")),
        (9, directory(&[("loop", 9)])),
        (10, directory(&[])),
    ];
    Arc::new(Tree {
        number,
        nodes: nodes.into_iter().collect(),
        answers: Mutex::default(),
    })
}

/// Shows the tree at `/fake`; its root.
fn mount(tree: &Arc<Tree>) -> Arc<Vnode> {
    let root = tree.handle(1);
    *tree.answers.lock().unwrap().entry(1).or_default() += 1;
    let vnode = Vnode::create(tree.clone(), root, &tree.attributes(root).unwrap()).unwrap();
    drop(namespace::mount(Some("fake"), vnode.clone()));
    vnode
}

fn inode(start: &Arc<Vnode>, path: &str) -> Result<u64, Errno> {
    lookup(start, path, Last::Follow).map(|vnode| vnode.handle().inode)
}

#[test]
fn paths_lead_through_slashes_dots_links_and_mount_points() {
    let _turn = turn();
    let tree = tree(101);
    let root = mount(&tree);
    let find = |path| inode(&root, path);
    for path in [
        "dir/file",
        "./dir/.//file",
        "dir/sub/../file",
        "todir/file",
        "abs",
        "/fake/dir/file",
        "up/file",
    ] {
        assert_eq!(find(path), Ok(3), "{path}");
    }
    for path in [
        "dir/",
        "dir//",
        "todir/",
        "todir/.",
        "up",
        "/fake///dir",
        "dir/../../fake/dir",
        "/../fake/dir/.",
    ] {
        assert_eq!(find(path), Ok(2), "{path}");
    }
    assert_eq!(
        lookup(&root, "todir", Last::Keep).unwrap().handle().inode,
        7
    );
    assert_eq!(
        lookup(&root, "todir/", Last::Keep).unwrap().handle().inode,
        2,
        "a slash follows the link"
    );
    assert!(Arc::ptr_eq(
        &lookup(&root, "..", Last::Follow).unwrap(),
        &namespace::root()
    ));
    assert!(Arc::ptr_eq(
        &lookup(&root, "../..", Last::Follow).unwrap(),
        &namespace::root()
    ));
    assert_eq!(
        lookup(&root, "dir/file", Last::Follow).unwrap().path(),
        "/fake/dir/file"
    );
}

#[test]
fn wrong_paths_have_the_right_errors() {
    let _turn = turn();
    let tree = tree(102);
    let root = mount(&tree);
    let find = |path: &str| inode(&root, path);
    assert_eq!(find(""), Err(Errno::ENOENT));
    assert_eq!(find("absent"), Err(Errno::ENOENT));
    assert_eq!(find("dangling"), Err(Errno::ENOENT));
    for path in ["file/", "file/.", "file/..", "file/x", "abs/"] {
        assert_eq!(find(path), Err(Errno::ENOTDIR), "{path}");
    }
    assert_eq!(find("self"), Err(Errno::ELOOP));
    assert_eq!(find("self/x"), Err(Errno::ELOOP));
    assert_eq!(find(&"n".repeat(256)), Err(Errno::ENAMETOOLONG));
    assert_eq!(find(&"n".repeat(255)), Err(Errno::ENOENT));
    assert_eq!(
        find(&format!("up{}", "/.".repeat(505))),
        Err(Errno::ENAMETOOLONG),
        "grown by a link"
    );
    assert_eq!(find(&format!("dir{}file", "/".repeat(1000))), Ok(3));
}

#[test]
fn every_answer_is_given_back_once_nobody_uses_the_file() {
    let _turn = turn();
    let tree = tree(103);
    let root = mount(&tree);
    for _ in 0..10 {
        let _ = [
            inode(&root, "dir/file"),
            inode(&root, "file"),
            inode(&root, "dir/sub/../file"),
            inode(&root, "up"),
        ];
    }
    let held = lookup(&root, "dir/sub", Last::Follow).unwrap();
    cache::purge();
    let known: Vec<u64> = tree
        .answers
        .lock()
        .unwrap()
        .iter()
        .filter(|(_, count)| **count != 0)
        .map(|(inode, _)| *inode)
        .collect();
    assert_eq!(known, [1, 2, 10], "a file in use keeps its directories");
    drop(held);
    cache::purge();
    assert_eq!(tree.outstanding(), 1, "the root is mounted");
    // Found again it begins anew.
    assert_eq!(inode(&root, "dir/file"), Ok(3));
    cache::purge();
    assert_eq!(tree.outstanding(), 1);
}

#[test]
fn a_directory_that_contains_itself_neither_hangs_nor_leaks() {
    let _turn = turn();
    let tree = tree(104);
    let root = mount(&tree);
    let deep = lookup(&root, "loop/loop/loop/loop", Last::Follow).unwrap();
    assert_eq!(deep.path(), "/fake/loop");
    assert!(Arc::ptr_eq(&deep.parent().unwrap(), &root));
    drop(deep);
    cache::purge();
    assert_eq!(tree.outstanding(), 1);
}

#[test]
fn a_server_that_was_started_again_gets_vnodes_of_its_own() {
    let _turn = turn();
    let (old, new) = (tree(105), tree(105));
    let old_root = mount(&old);
    let before = lookup(&old_root, "dir", Last::Follow).unwrap();
    mount(&new);
    let after = lookup(&namespace::root(), "/fake/dir", Last::Follow).unwrap();
    assert!(!Arc::ptr_eq(&before, &after) && before.handle() == after.handle());
    assert!(Arc::ptr_eq(
        &after,
        &lookup(&namespace::root(), "/fake/dir", Last::Follow).unwrap()
    ));
    drop((before, old_root));
    cache::purge();
    assert_eq!(
        old.outstanding(),
        0,
        "the first server's files have all been given back"
    );
}

#[test]
fn the_deepest_path_ends_without_recursion() {
    let _turn = turn();
    let tree = tree(106);
    let attributes = tree.attributes(tree.handle(2)).unwrap();
    let end = move || {
        let mut deepest = Vnode::create(tree.clone(), tree.handle(2), &attributes).unwrap();
        for _ in 0..500 {
            let next = Vnode::create(tree.clone(), tree.handle(2), &attributes).unwrap();
            next.set_place(&deepest, "d");
            deepest = next;
        }
        assert_eq!(deepest.path().len(), 1000);
        drop(deepest);
    };
    // A kernel stack is small; a thread of the host cannot have less than this.
    std::thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(end)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn records_are_given_in_pieces_that_join_and_never_end_early() {
    let names: Vec<String> = (0..20).map(|n| "n".repeat(n + 1)).collect();
    let entries = || {
        names
            .iter()
            .enumerate()
            .map(|(n, name)| (n as u64 + 1, kind::REG, name.as_str()))
    };
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let piece = records(entries(), from, 60).unwrap();
        if piece.is_empty() {
            break;
        }
        for entry in dirent::entries(&piece) {
            found.push(entry.name.len());
            from = entry.seekoff;
        }
    }
    assert_eq!(found, (1..=20).collect::<Vec<_>>());
    assert_eq!(
        records(entries(), 0, 23),
        Err(Errno::EINVAL),
        "not even one fits"
    );
    assert_eq!(
        records(entries(), 20, 0),
        Ok(Vec::new()),
        "the end needs no room"
    );
    assert_eq!(records(entries(), u64::MAX, 60), Ok(Vec::new()));
}
