//! Files on a pretended disk, whose servers die one after the other.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Mutex;

use bsd_sys::errno::Errno;
use bsd_sys::stat::{S_IFDIR, S_IFREG};
use mach::file::{FileAttributes, FileHandle};
use mach::{CopyStrategy, KernReturn};
use machine::page::PAGE_SIZE;
use prim::frames::{self, Reserve};
use vm::memory_object::{
    DataRequest, DataReturn, Lock, MemoryControl, Pager, PagerDead, Reply, SupplyReport,
};
use vm::vm_fault::FaultOptions;
use vm::vm_object::ObjectRef;

use super::super::lookup::{Last, lookup};
use super::super::tests::turn;
use super::super::vnode::Vnode;
use super::super::{FileSystem, cache, namespace, plain_attributes};
use super::{Revived, revive};

const PAGE: u64 = PAGE_SIZE as u64;
/// Directories of the disk: the top, and one in it.
const TOP: u64 = 1;
const DIRECTORY: u64 = 2;
const FIRST_FILE: u64 = 10;
/// Pages of a file: more than are read ahead.
const PAGES: u64 = 100;

/// What survives every server.
#[derive(Default)]
struct Disk {
    names: Mutex<BTreeMap<(u64, String), u64>>,
    data: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl Disk {
    /// `/dir/a`, `/dir/b`, ... of [`PAGES`] pages each.
    fn new(files: &[&str]) -> Arc<Self> {
        let disk = Self::default();
        disk.name(TOP, "dir", DIRECTORY);
        for (inode, name) in (FIRST_FILE..).zip(files) {
            disk.name(DIRECTORY, name, inode);
            disk.data
                .lock()
                .unwrap()
                .insert(inode, std::vec![inode as u8; PAGES as usize * PAGE_SIZE]);
        }
        Arc::new(disk)
    }

    fn name(&self, directory: u64, name: &str, inode: u64) {
        self.names
            .lock()
            .unwrap()
            .insert((directory, name.into()), inode);
    }

    fn unname(&self, name: &str) {
        self.names.lock().unwrap().remove(&(DIRECTORY, name.into()));
    }

    fn byte(&self, inode: u64, at: u64) -> u8 {
        self.data.lock().unwrap()[&inode][at as usize]
    }
}

/// One server: it knows the files that it has named.
struct Incarnation {
    number: u32,
    disk: Arc<Disk>,
    alive: AtomicBool,
    /// Requests until it dies by itself.
    patience: AtomicU64,
    answers: Mutex<BTreeMap<u64, i64>>,
    pagers: Mutex<Vec<Arc<DiskPager>>>,
}

impl Incarnation {
    fn of(disk: &Arc<Disk>, number: u32) -> Arc<Self> {
        Arc::new(Self {
            number,
            disk: disk.clone(),
            alive: AtomicBool::new(true),
            patience: AtomicU64::new(u64::MAX),
            answers: Mutex::new(BTreeMap::from([(TOP, 1)])),
            pagers: Mutex::default(),
        })
    }

    fn die(&self) {
        self.alive.store(false, Ordering::Relaxed);
        for pager in self.pagers.lock().unwrap().drain(..) {
            let control = pager.control.lock().unwrap().take();
            if let Some(control) = control {
                control.pager_died();
            }
        }
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    fn handle(&self, inode: u64) -> FileHandle {
        FileHandle {
            file_system: self.number,
            inode,
            generation: 0,
        }
    }

    fn asked(&self) -> Result<(), Errno> {
        if self.patience.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.die();
        }
        self.is_alive().then_some(()).ok_or(Errno::EIO)
    }

    fn asked_of(&self, file: FileHandle) -> Result<(), Errno> {
        self.asked()?;
        let known = self.answers.lock().unwrap().get(&file.inode).copied();
        known
            .filter(|count| *count > 0)
            .map(drop)
            .ok_or(Errno::ESTALE)
    }

    fn pager(self: &Arc<Self>, file: FileHandle) -> Arc<DiskPager> {
        let pager = Arc::new(DiskPager {
            disk: self.disk.clone(),
            inode: file.inode,
            control: Mutex::default(),
        });
        self.pagers.lock().unwrap().push(pager.clone());
        pager
    }
}

/// Serves one file at once, in the call that asks.
struct DiskPager {
    disk: Arc<Disk>,
    inode: u64,
    control: Mutex<Option<Arc<MemoryControl>>>,
}

impl DiskPager {
    fn control(&self) -> Result<Arc<MemoryControl>, PagerDead> {
        self.control.lock().unwrap().clone().ok_or(PagerDead)
    }
}

impl Pager for DiskPager {
    fn init(&self, control: Arc<MemoryControl>, _: u64) -> Result<(), PagerDead> {
        *self.control.lock().unwrap() = Some(control.clone());
        let opened = control.change_attributes(true, CopyStrategy::Delay, Reply::NotWanted);
        opened.map_err(|_| PagerDead)
    }

    fn data_request(&self, request: DataRequest) -> Result<(), PagerDead> {
        let control = self.control()?;
        let pages = (request.offset..request.offset + request.length).step_by(PAGE_SIZE);
        let frames = pages.map(|at| {
            let data = self.disk.data.lock().unwrap();
            let mut frame = frames::allocate(Reserve::Pager).unwrap();
            frame.write(0, &data[&self.inode][at as usize..][..PAGE_SIZE]);
            frame
        });
        let frames: Vec<_> = frames.collect();
        let (offset, length) = (request.offset, request.length);
        let _ = control.data_supply(offset, length, frames, Lock::NONE, Reply::NotWanted);
        Ok(())
    }

    fn data_return(&self, lent: DataReturn) -> Result<(), PagerDead> {
        let control = self.control()?;
        let mut bytes = std::vec![0; lent.length as usize];
        lent.pages
            .read_to_kernel(lent.offset, &mut bytes, FaultOptions::UNINTERRUPTIBLE)
            .map_err(|_| PagerDead)?;
        if let Some(data) = self.disk.data.lock().unwrap().get_mut(&self.inode) {
            let end = lent.offset as usize + bytes.len();
            data.resize(data.len().max(end), 0);
            data[lent.offset as usize..end].copy_from_slice(&bytes);
        }
        let (offset, length, generation) = (lent.offset, lent.length, lent.generation);
        let _ = control.clean_completed(offset, length, generation, KernReturn::SUCCESS);
        Ok(())
    }

    fn terminate(&self) {
        drop(self.control.lock().unwrap().take());
    }

    fn lock_completed(&self, _: u64, _: u64) {}

    fn supply_completed(&self, report: SupplyReport) {
        panic!("an honest supply was refused: {report:?}");
    }

    fn change_completed(&self, _: bool, _: CopyStrategy) {}
}

/// What the vnodes belong to: whichever server lives.
struct Front(Mutex<Arc<Incarnation>>);

impl Front {
    fn now(&self) -> Arc<Incarnation> {
        self.0.lock().unwrap().clone()
    }
}

/// One server, as the file system asks it.
struct Asking(Arc<Incarnation>);

impl FileSystem for Front {
    fn lookup(&self, at: FileHandle, name: &str) -> Result<(FileHandle, FileAttributes), Errno> {
        Asking(self.now()).lookup(at, name)
    }

    fn attributes(&self, file: FileHandle) -> Result<FileAttributes, Errno> {
        Asking(self.now()).attributes(file)
    }

    fn read_directory(&self, _: FileHandle, _: u64, _: u32) -> Result<Vec<u8>, Errno> {
        Ok(Vec::new())
    }

    fn read_link(&self, _: FileHandle) -> Result<String, Errno> {
        Err(Errno::EINVAL)
    }

    fn open(&self, file: FileHandle) -> Result<(ObjectRef, FileAttributes), Errno> {
        Asking(self.now()).open(file)
    }

    fn recovers(&self) -> bool {
        true
    }

    fn forget(&self, file: FileHandle, answers: u64) {
        Asking(self.now()).forget(file, answers);
    }
}

impl FileSystem for Asking {
    fn lookup(&self, at: FileHandle, name: &str) -> Result<(FileHandle, FileAttributes), Errno> {
        self.0.asked_of(at)?;
        let names = self.0.disk.names.lock().unwrap();
        let inode = *names.get(&(at.inode, name.into())).ok_or(Errno::ENOENT)?;
        drop(names);
        *self.0.answers.lock().unwrap().entry(inode).or_default() += 1;
        let file = self.0.handle(inode);
        Ok((file, self.attributes(file)?))
    }

    fn attributes(&self, file: FileHandle) -> Result<FileAttributes, Errno> {
        self.0.asked_of(file)?;
        let data = self.0.disk.data.lock().unwrap();
        Ok(match data.get(&file.inode) {
            Some(data) => plain_attributes(file.inode, S_IFREG | 0o644, data.len() as u64),
            None => plain_attributes(file.inode, S_IFDIR | 0o755, 0),
        })
    }

    fn read_directory(&self, _: FileHandle, _: u64, _: u32) -> Result<Vec<u8>, Errno> {
        Ok(Vec::new())
    }

    fn read_link(&self, _: FileHandle) -> Result<String, Errno> {
        Err(Errno::EINVAL)
    }

    fn open(&self, file: FileHandle) -> Result<(ObjectRef, FileAttributes), Errno> {
        let attributes = self.attributes(file)?;
        let object = ObjectRef::with_pager(self.0.pager(file), attributes.size);
        Ok((object.map_err(|_| Errno::ENOMEM)?, attributes))
    }

    fn prepare_writing(&self, file: FileHandle) -> Result<(), Errno> {
        self.0.asked_of(file)
    }

    fn reopen(
        &self,
        file: FileHandle,
        orphan: &ObjectRef,
        size: Option<u64>,
    ) -> Result<FileAttributes, Errno> {
        let before = self.attributes(file)?;
        let size = size.unwrap_or(before.size);
        let mut data = self.0.disk.data.lock().unwrap();
        data.get_mut(&file.inode)
            .ok_or(Errno::EISDIR)?
            .resize(size as usize, 0);
        drop(data);
        orphan
            .adopt(self.0.pager(file))
            .map_err(|_| Errno::ESTALE)?;
        Ok(FileAttributes { size, ..before })
    }

    fn forget(&self, file: FileHandle, answers: u64) {
        *self
            .0
            .answers
            .lock()
            .unwrap()
            .entry(file.inode)
            .or_default() -= answers as i64;
    }
}

/// The disk's files at `/disk`, behind a first server.
struct Mount {
    front: Arc<Front>,
    root: Arc<Vnode>,
    disk: Arc<Disk>,
    number: u32,
}

impl Mount {
    fn new(number: u32, files: &[&str]) -> Self {
        let disk = Disk::new(files);
        let server = Incarnation::of(&disk, number);
        let front = Arc::new(Front(Mutex::new(server.clone())));
        let handle = server.handle(TOP);
        let attributes = Asking(server).attributes(handle).unwrap();
        let root = Vnode::create(front.clone(), handle, &attributes).unwrap();
        drop(namespace::mount(Some("disk"), root.clone()));
        Self {
            front,
            root,
            disk,
            number,
        }
    }

    fn find(&self, path: &str) -> Result<Arc<Vnode>, Errno> {
        lookup(&self.root, path, Last::Follow)
    }

    fn die(&self) {
        self.front.now().die();
    }

    /// Another server, which dies after so many requests.
    fn restart(&self, patience: u64) -> Result<Revived, Errno> {
        let server = Incarnation::of(&self.disk, self.number);
        server.patience.store(patience, Ordering::Relaxed);
        let revived = revive(&self.root, &Asking(server.clone()))?;
        *self.front.0.lock().unwrap() = server;
        Ok(revived)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        cache::purge();
        prim::reaper::quiesce();
        let server = self.front.now();
        let answers = server.answers.lock().unwrap();
        let outstanding: Vec<_> = answers.iter().filter(|(_, count)| **count != 0).collect();
        if !std::thread::panicking() {
            assert_eq!(outstanding, [(&TOP, &1)], "every answer is given back");
        }
    }
}

fn write(object: &ObjectRef, page: u64, byte: u8) {
    object
        .write_from_kernel(page * PAGE, &[byte], FaultOptions::UNINTERRUPTIBLE)
        .unwrap();
}

fn read(object: &ObjectRef, page: u64) -> Result<u8, KernReturn> {
    let mut byte = [0];
    object
        .read_to_kernel(page * PAGE, &mut byte, FaultOptions::UNINTERRUPTIBLE)
        .map(|()| byte[0])
        .map_err(|incomplete| incomplete.cause)
}

#[test]
fn what_was_written_before_a_death_reaches_the_disk_through_the_successor() {
    let _turn = turn();
    let mount = Mount::new(201, &["a", "b"]);
    let vnode = mount.find("dir/a").unwrap();
    let object = vnode.object().unwrap();
    write(&object, 0, 77);
    mount.die();
    assert_eq!(read(&object, 0), Ok(77), "what is there");
    assert_eq!(read(&object, PAGES - 1), Err(KernReturn::MEMORY_ERROR));
    assert_eq!(mount.find("dir/b").err(), Some(Errno::EIO));
    assert_eq!(mount.disk.byte(FIRST_FILE, 0), FIRST_FILE as u8);
    let revived = mount.restart(u64::MAX).unwrap();
    assert_eq!(
        (revived.files, revived.lost),
        (2, 0),
        "the file and its directory"
    );
    assert_eq!(mount.disk.byte(FIRST_FILE, 0), 77);
    assert_eq!(read(&object, PAGES - 1), Ok(FIRST_FILE as u8));
    assert!(Arc::ptr_eq(&vnode, &mount.find("dir/a").unwrap()));
    assert!(vnode.object().unwrap().same_object(&object));
    mount.find("dir/b").unwrap();
}

#[test]
fn unsaved_pages_stay_though_nobody_has_the_file_open() {
    let _turn = turn();
    let mount = Mount::new(202, &["a"]);
    let object = mount.find("dir/a").unwrap().object().unwrap();
    write(&object, 1, 9);
    drop(object);
    mount.die();
    cache::purge();
    prim::reaper::quiesce();
    mount.restart(u64::MAX).unwrap();
    assert_eq!(mount.disk.byte(FIRST_FILE, PAGE), 9);
}

#[test]
fn a_file_that_is_mapped_and_not_open_is_found_again() {
    let _turn = turn();
    let mount = Mount::new(203, &["a"]);
    let mapped = mount.find("dir/a").unwrap().object().unwrap();
    assert_eq!(read(&mapped, 0), Ok(FIRST_FILE as u8));
    cache::purge();
    mount.die();
    mount.restart(u64::MAX).unwrap();
    assert_eq!(read(&mapped, PAGES - 1), Ok(FIRST_FILE as u8));
}

#[test]
fn a_file_that_is_gone_is_lost_and_its_name_leads_to_what_is_there_now() {
    let _turn = turn();
    let mount = Mount::new(204, &["a", "b"]);
    let vnode = mount.find("dir/a").unwrap();
    let object = vnode.object().unwrap();
    write(&object, 0, 1);
    mount.die();
    // On the host somebody has put another file there.
    mount.disk.name(DIRECTORY, "a", FIRST_FILE + 1);
    let revived = mount.restart(u64::MAX).unwrap();
    let expected = Revived {
        files: 1,
        lost: 1,
        lost_pages: 1,
    };
    assert_eq!(revived, expected);
    assert_eq!(read(&object, PAGES - 1), Err(KernReturn::MEMORY_ERROR));
    let there = mount.find("dir/a").unwrap();
    assert_eq!(there.handle().inode, FIRST_FILE + 1);
    // The old number may come back for a file that has nothing to do with the old one.
    mount.disk.name(DIRECTORY, "c", FIRST_FILE);
    assert!(!Arc::ptr_eq(&mount.find("dir/c").unwrap(), &vnode));
}

#[test]
fn a_file_without_a_name_is_found_by_its_hidden_one() {
    let _turn = turn();
    let mount = Mount::new(205, &["a"]);
    let vnode = mount.find("dir/a").unwrap();
    let object = vnode.object().unwrap();
    write(&object, 0, 5);
    mount.disk.unname("a");
    mount
        .disk
        .name(TOP, &mach::file::hidden_name(vnode.handle()), FIRST_FILE);
    mount.die();
    assert_eq!(mount.restart(u64::MAX).unwrap().lost, 0);
    assert_eq!(mount.disk.byte(FIRST_FILE, 0), 5);
}

#[test]
fn servers_that_die_at_any_moment_of_the_recovery_lose_nothing() {
    let _turn = turn();
    let mount = Mount::new(206, &["a", "b", "c"]);
    let objects: Vec<_> = ["dir/a", "dir/b", "dir/c"]
        .map(|path| mount.find(path).unwrap().object().unwrap())
        .into();
    for patience in 0..40 {
        for (index, object) in (0..).zip(&objects) {
            write(object, index % 2, patience as u8 + index as u8);
        }
        mount.die();
        if mount.restart(patience).is_err() {
            mount.restart(u64::MAX).unwrap();
        }
        for (index, inode) in (0..3).zip(FIRST_FILE..) {
            let stored = mount.disk.byte(inode, index % 2 * PAGE);
            assert_eq!(stored, patience as u8 + index as u8, "{patience} {index}");
        }
    }
}

#[test]
fn a_file_that_changed_on_the_disk_is_shown_as_it_is_there_unless_it_is_in_use_here() {
    let _turn = turn();
    let mount = Mount::new(207, &["a", "b", "c"]);
    let open = |path| mount.find(path).unwrap().object().unwrap();
    let (unused, written, mapped) = (open("dir/a"), open("dir/b"), open("dir/c"));
    assert_eq!(read(&unused, 0), Ok(FIRST_FILE as u8));
    assert_eq!(read(&mapped, 0), Ok(FIRST_FILE as u8 + 2));
    drop(unused);
    write(&written, 0, 3);
    mount.die();
    for inode in FIRST_FILE..FIRST_FILE + 3 {
        let shorter = std::vec![99; PAGE_SIZE];
        mount.disk.data.lock().unwrap().insert(inode, shorter);
    }
    mount.restart(u64::MAX).unwrap();
    assert_eq!(read(&open("dir/a"), 0), Ok(99));
    assert_eq!(mount.find("dir/a").unwrap().size(), PAGE);
    assert_eq!(mount.disk.byte(FIRST_FILE + 1, 0), 3);
    assert_eq!(mount.find("dir/b").unwrap().size(), PAGES * PAGE);
    assert_eq!(read(&mapped, 0), Ok(FIRST_FILE as u8 + 2), "as it was");
}

#[test]
fn an_orphan_in_use_is_not_replaced_by_another_object() {
    let _turn = turn();
    let mount = Mount::new(207, &["a"]);
    let vnode = mount.find("dir/a").unwrap();
    let mapped = vnode.object().unwrap();
    assert_eq!(read(&mapped, 0), Ok(FIRST_FILE as u8));
    mount.die();
    // A server that would give another object, and has not adopted this one.
    let other = Incarnation::of(&mount.disk, mount.number);
    other.answers.lock().unwrap().insert(FIRST_FILE, 1);
    *mount.front.0.lock().unwrap() = other.clone();
    assert!(vnode.object().unwrap().same_object(&mapped));
    other.answers.lock().unwrap().remove(&FIRST_FILE);
    other.die();
    assert_eq!(mount.restart(u64::MAX).unwrap().lost, 0);
    assert!(vnode.object().unwrap().same_object(&mapped));
}
