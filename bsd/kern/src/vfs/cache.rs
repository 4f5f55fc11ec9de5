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
    let mut table = table().lock();
    let known = table.get(&key(handle)).cloned();
    if let Some(vnode) = known.filter(|vnode| Arc::ptr_eq(vnode.file_system(), file_system)) {
        vnode.note_answer();
        return Ok(vnode);
    }
    let unused = if table.len() >= CAPACITY {
        take_unused(&mut table)
    } else {
        Vec::new()
    };
    table.try_reserve(1).map_err(|_| Errno::ENFILE)?;
    let vnode = Vnode::create(file_system.clone(), handle, attributes)?;
    // What is replaced belongs to a server that has gone; whoever has it open goes on with what is in memory.
    let replaced = table.insert(key(handle), vnode.clone());
    drop(table);
    // The file systems are told with the lock dropped.
    drop((unused, replaced));
    Ok(vnode)
}

/// Takes out every vnode that only the table holds.
fn take_unused(table: &mut Table) -> Vec<Arc<Vnode>> {
    table
        .extract_if(|_, vnode| Arc::strong_count(vnode) == 1)
        .map(|(_, vnode)| vnode)
        .collect()
}

/// Lets every unused vnode and its pages go; how many.
#[doc(alias = "vfs_purge")]
pub fn purge() -> usize {
    let mut count = 0;
    loop {
        // A directory is free only after the files in it: repeat until nothing more comes loose.
        let unused = take_unused(&mut table().lock());
        if unused.is_empty() {
            return count;
        }
        count += unused.len();
    }
}
