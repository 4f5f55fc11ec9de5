//! The vnodes that are known, by handle: there is one for each file.
//!
//! A vnode nobody uses stays here, with its pages, until the table is full or `purge` is called: that is what makes a second
//! run of a program fast. XNU counterpart: the vnode free list in `bsd/vfs/vfs_subr.c`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use hashbrown::HashMap;
use mach::file::{FileAttributes, FileHandle};
use prim::lock::{Mutex, Rank};
use spin::Once;

use super::FileSystem;
use super::vnode::Vnode;

/// The most vnodes before unused ones go (`kern.maxvnodes`).
const CAPACITY: usize = 1024;

type Table = HashMap<(u32, u64, u32), Arc<Vnode>>;

fn table() -> &'static Mutex<Table> {
    static TABLE: Once<Mutex<Table>> = Once::new();
    TABLE.call_once(|| Mutex::new(Rank::Vnode, Table::new()))
}

fn key(handle: FileHandle) -> (u32, u64, u32) {
    (handle.file_system, handle.inode, handle.generation)
}

/// The vnode of a file that its file system has just named in an answer.
///
/// # Errors
/// `ENFILE` when memory is short.
#[doc(alias = "vnode_get")]
pub fn get(
    file_system: &Arc<dyn FileSystem>,
    handle: FileHandle,
    attributes: &FileAttributes,
) -> Result<Arc<Vnode>, Errno> {
    let outcome = find_or_make(file_system, handle, attributes);
    if outcome.is_err() {
        file_system.forget(handle, 1);
    }
    outcome
}

fn find_or_make(
    file_system: &Arc<dyn FileSystem>,
    handle: FileHandle,
    attributes: &FileAttributes,
) -> Result<Arc<Vnode>, Errno> {
    let unused = if table().lock().len() >= CAPACITY {
        take_unused()
    } else {
        Vec::new()
    };
    let mut table = table().lock();
    let known = table.get(&key(handle)).cloned();
    if let Some(vnode) = known.filter(|vnode| Arc::ptr_eq(vnode.file_system(), file_system)) {
        vnode.note_answer();
        drop(table);
        drop(unused);
        return Ok(vnode);
    }
    table.try_reserve(1).map_err(|_| Errno::ENFILE)?;
    let vnode = Vnode::create(file_system.clone(), handle, attributes)?;
    // What is replaced belongs to a server that has gone; whoever has it open goes on with what is in memory.
    let replaced = table.insert(key(handle), vnode.clone());
    drop(table);
    // The file systems are told with the lock dropped.
    drop((unused, replaced));
    Ok(vnode)
}

/// The vnode whose pages are in the object of this number.
pub fn of_object(number: u64) -> Option<Arc<Vnode>> {
    let vnodes: Vec<Arc<Vnode>> = table().lock().values().cloned().collect();
    vnodes.into_iter().find(|vnode| vnode.has_object(number))
}

/// Every vnode of one file system.
pub(super) fn of(file_system: &Arc<dyn FileSystem>) -> Vec<Arc<Vnode>> {
    let table = table().lock();
    table
        .values()
        .filter(|vnode| Arc::ptr_eq(vnode.file_system(), file_system))
        .cloned()
        .collect()
}

/// The file is not found any more: who has the vnode keeps it, and its handle may come to name another file.
pub(super) fn remove(vnode: &Arc<Vnode>) {
    let removed = {
        let mut table = table().lock();
        let key = key(vnode.handle());
        match table.get(&key) {
            Some(known) if Arc::ptr_eq(known, vnode) => table.remove(&key),
            _ => None,
        }
    };
    drop(removed);
}

/// Takes out every vnode that only the table holds, but for those whose pages somebody still needs.
fn take_unused() -> Vec<Arc<Vnode>> {
    let mut candidates: Vec<Arc<Vnode>> = {
        let table = table().lock();
        let only_here = |vnode: &&Arc<Vnode>| Arc::strong_count(vnode) == 1;
        table.values().filter(only_here).cloned().collect()
    };
    // Objects are looked at, and vnodes end, with the table's lock dropped.
    candidates.retain(|vnode| !vnode.pages_are_needed());
    let mut table = table().lock();
    let (unused, found_again) = candidates.into_iter().partition(|vnode| {
        // The table's reference and the list's: nobody has found it meanwhile.
        let unused = Arc::strong_count(vnode) == 2;
        unused && table.remove(&key(vnode.handle())).is_some()
    });
    drop(table);
    let _: Vec<Arc<Vnode>> = found_again;
    unused
}

/// Every regular file that is known.
pub(super) fn regular_files() -> Vec<Arc<Vnode>> {
    let table = table().lock();
    let regular = table.values().filter(|vnode| vnode.is_regular());
    regular.cloned().collect()
}

/// Forgets a file that nobody but the caller uses; it comes back if somebody does.
pub(super) fn let_go(vnode: Arc<Vnode>) -> Option<Arc<Vnode>> {
    let mut table = table().lock();
    let here = table
        .get(&key(vnode.handle()))
        .is_some_and(|known| Arc::ptr_eq(known, &vnode));
    // The table's and the caller's.
    if !here || Arc::strong_count(&vnode) > 2 {
        return Some(vnode);
    }
    let known = table.remove(&key(vnode.handle()));
    drop(table);
    // The file system is told with the lock dropped.
    drop((known, vnode));
    None
}

/// Lets every unused vnode and its pages go; how many.
#[doc(alias = "vfs_purge")]
pub fn purge() -> usize {
    let mut count = 0;
    loop {
        // A directory is free only after the files in it: repeat until nothing more comes loose.
        let unused = take_unused();
        if unused.is_empty() {
            return count;
        }
        count += unused.len();
    }
}
