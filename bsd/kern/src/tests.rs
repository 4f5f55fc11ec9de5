//! Calls as a program makes them, on a process with a real map, and what they do to processes and descriptors.

mod signals;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bsd_sys::errno::Errno;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::limits::OPEN_MAX;
use bsd_sys::signal::Signal;
use bsd_sys::wait::{WNOHANG, WUNTRACED, WaitStatus};
use kern::task::Task;
use kern::thread::Thread;
use machine::address::{USER_MAX, USER_MIN};
use machine::trap::SavedState;
use pmap::Pmap;
use prim::frames::Reserve;
use prim::thread::AddressSpace;
use vm::vm_map::VmMap;

use crate::kern_descrip::{FileTable, OpenFile};
use crate::proc::{Proc, ProcParameters};
use crate::sysent::{Call, Failure, Outcome};
use crate::vfs::lookup::{Last, lookup};
use crate::vfs::{boot_archive, devices, namespace};
use crate::{kern_descrip, kern_exit, kern_mman, kern_sig, sys_generic, vfs};

const PAGE: u64 = machine::page::PAGE_SIZE as u64;

/// Processes, mounts and frames are the kernel's: one test at a time.
struct World {
    init: Arc<Proc>,
    _turn: MutexGuard<'static, ()>,
}

fn task() -> Arc<Task> {
    let pmap = Pmap::create(Reserve::Normal).unwrap();
    Task::create(VmMap::create(pmap, USER_MIN, USER_MAX).unwrap()).unwrap()
}

/// A ustar archive of one file.
fn archive(path: &str, bytes: &[u8]) -> &'static [u8] {
    let mut out = vec![0; 512];
    out[..path.len()].copy_from_slice(path.as_bytes());
    out[124..136].copy_from_slice(alloc::format!("{:011o}\0", bytes.len()).as_bytes());
    out[156] = b'0';
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(512) + 1024, 0);
    out.leak()
}

/// Bytes of `/boot/text`.
fn text() -> Vec<u8> {
    (0..PAGE as usize + 100).map(|n| (n % 249) as u8).collect()
}

fn world() -> World {
    static ONE: Mutex<Option<Arc<Proc>>> = Mutex::new(None);
    static TURN: Mutex<()> = Mutex::new(());
    prim::host::boot();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut init = ONE.lock().unwrap();
    let init = init.get_or_insert_with(|| {
        pmap::kernel::initialise();
        boot_archive::mount(archive("text", &text())).unwrap();
        devices::mount().unwrap();
        let files = FileTable::default();
        Proc::create(ProcParameters {
            task: task(),
            parent: None,
            directory: namespace::root(),
            files,
        })
        .unwrap()
    });
    World {
        init: init.clone(),
        _turn: turn,
    }
}

/// A process with one thread that makes calls.
struct Program {
    proc: Arc<Proc>,
    thread: Arc<Thread>,
    map: Arc<VmMap>,
}

impl Program {
    fn new(parent: &Arc<Proc>) -> Self {
        let task = task();
        let files = FileTable::default();
        let parameters = ProcParameters {
            task: task.clone(),
            parent: Some(parent.clone()),
            directory: namespace::root(),
            files,
        };
        let proc = Proc::create(parameters).unwrap();
        let thread = task.create_thread(SavedState::user(0, 0)).unwrap();
        let map = task.map();
        map.pmap().activate();
        Self { proc, thread, map }
    }

    fn call(
        &self,
        function: fn(&mut Call<'_>) -> Outcome,
        arguments: &[u64],
    ) -> Result<u64, Failure> {
        let mut all = [0; 8];
        all[..arguments.len()].copy_from_slice(arguments);
        let mut state = SavedState::user(0, 0);
        let mut call = Call {
            thread: &self.thread,
            proc: &self.proc,
            map: &self.map,
            arguments: all,
            state: &mut state,
        };
        function(&mut call).map(|[first, _]| first)
    }

    /// Anonymous private memory.
    fn memory(&self, pages: u64) -> u64 {
        self.call(
            kern_mman::mmap,
            &[0, pages * PAGE, 3, 0x4_1002, u64::MAX, 0],
        )
        .unwrap()
    }

    fn open(&self, path: &str, flags: OpenFlags) -> Result<u64, Failure> {
        let at = self.memory(1);
        let mut bytes = path.as_bytes().to_vec();
        bytes.push(0);
        kern::copyio::copyout(&self.map, &bytes, at).unwrap();
        self.call(vfs::syscalls::open, &[at, u64::from(flags.bits()), 0])
    }

    fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        kern::copyio::copyin(&self.map, at, &mut bytes).unwrap();
        bytes
    }

    /// The task ends, the process is a zombie.
    fn end(&self, status: WaitStatus) {
        kern_exit::begin(&self.proc, status);
        self.thread.start().unwrap();
        if let Some(execution) = self.thread.execution() {
            let _ = execution.join(None);
        }
        self.proc.become_zombie();
    }
}

fn errno(errno: Errno) -> Result<u64, Failure> {
    Err(Failure::Errno(errno))
}

#[test]
fn the_family_of_mmap_answers_like_xnu() {
    let world = world();
    let program = Program::new(&world.init);
    let at = program.memory(4);
    let call = |function, arguments: &[u64]| program.call(function, arguments);
    // A hole in the middle.
    assert_eq!(call(kern_mman::munmap, &[at + PAGE, PAGE]), Ok(0));
    assert_eq!(
        call(kern_mman::munmap, &[at + PAGE, PAGE]),
        Ok(0),
        "holes are no error"
    );
    assert_eq!(
        call(kern_mman::munmap, &[at + 1, PAGE]),
        errno(Errno::EINVAL)
    );
    assert_eq!(call(kern_mman::munmap, &[at, 0]), errno(Errno::EINVAL));
    assert_eq!(
        call(kern_mman::munmap, &[at, u64::MAX]),
        errno(Errno::EINVAL)
    );
    assert_eq!(
        call(kern_mman::mprotect, &[at, 4 * PAGE, 1]),
        errno(Errno::ENOMEM)
    );
    assert_eq!(
        call(kern_mman::mprotect, &[at, PAGE, 7]),
        errno(Errno::EACCES),
        "writable and executable"
    );
    assert_eq!(call(kern_mman::mprotect, &[at, 0, 1]), Ok(0));
    assert_eq!(
        call(kern_mman::madvise, &[at, 4 * PAGE, 3]),
        errno(Errno::EINVAL),
        "a hole"
    );
    assert_eq!(
        call(kern_mman::madvise, &[at, PAGE, 99]),
        errno(Errno::EINVAL)
    );
    assert_eq!(
        call(kern_mman::msync, &[at, 4 * PAGE, 0x10]),
        errno(Errno::ENOMEM)
    );
    assert_eq!(
        call(kern_mman::msync, &[at, PAGE, 0x11]),
        errno(Errno::EINVAL)
    );
    assert_eq!(
        call(kern_mman::minherit, &[at, 4 * PAGE, 2]),
        Ok(0),
        "holes are skipped"
    );
    assert_eq!(
        call(kern_mman::minherit, &[at, PAGE, 3]),
        errno(Errno::EINVAL)
    );
    assert_eq!(
        call(kern_mman::mlock, &[at, 4 * PAGE]),
        errno(Errno::ENOMEM)
    );
    assert_eq!(call(kern_mman::mlock, &[at, PAGE]), Ok(0));
    assert_eq!(call(kern_mman::munlock, &[at, PAGE]), Ok(0));
}

#[test]
fn mincore_tells_of_pages_and_never_fails_for_a_hole() {
    let world = world();
    let program = Program::new(&world.init);
    let (at, vector) = (program.memory(3), program.memory(1));
    kern::copyio::copyout(&program.map, &[1], at).unwrap();
    program
        .call(kern_mman::munmap, &[at + 2 * PAGE, PAGE])
        .unwrap();
    assert_eq!(
        program.call(kern_mman::mincore, &[at + 5, 2 * PAGE + 1, vector]),
        Ok(0)
    );
    let bytes = program.bytes(vector, 3);
    assert_eq!((bytes[0] & 0x81, bytes[1], bytes[2]), (0x81, 0x80, 0x80));
    assert_eq!(
        program.call(kern_mman::mincore, &[at, PAGE, 1]),
        errno(Errno::EFAULT)
    );
    assert_eq!(program.call(kern_mman::mincore, &[at, 0, 0]), Ok(0));
    assert_eq!(
        program.call(kern_mman::mincore, &[0, USER_MAX, u64::MAX - 1]),
        errno(Errno::EFAULT)
    );
}

#[test]
fn a_mapping_of_a_file_shows_its_bytes_and_keeps_to_how_it_was_opened() {
    let world = world();
    let program = Program::new(&world.init);
    let file = program.open("/boot/text", OpenFlags::empty()).unwrap();
    let private = program
        .call(kern_mman::mmap, &[0, 2 * PAGE, 3, 0x4_0002, file, 0])
        .unwrap();
    let mut expected = text();
    expected.resize(2 * PAGE as usize, 0);
    assert_eq!(program.bytes(private, expected.len()), expected);
    kern::copyio::copyout(&program.map, &[0xff], private).unwrap();
    let shared = program
        .call(kern_mman::mmap, &[0, PAGE, 1, 0x4_0001, file, 0])
        .unwrap();
    assert_eq!(program.bytes(shared, 1), [0], "a private write is private");
    let map = |protection, flags, descriptor| {
        program.call(
            kern_mman::mmap,
            &[0, PAGE, protection, flags, descriptor, 0],
        )
    };
    assert_eq!(map(3, 0x4_0001, file), errno(Errno::EACCES));
    assert_eq!(
        program.call(kern_mman::mprotect, &[shared, PAGE, 3]),
        errno(Errno::EACCES)
    );
    assert_eq!(map(1, 0x4_0002, 99), errno(Errno::EBADF));
    assert_eq!(
        map(
            1,
            0x4_0002,
            program.open("/dev/zero", OpenFlags::RDWR).unwrap()
        ),
        errno(Errno::ENODEV)
    );
    assert_eq!(
        map(
            1,
            0x4_0002,
            program.open("/boot", OpenFlags::empty()).unwrap()
        ),
        errno(Errno::EINVAL)
    );
}

#[test]
fn reads_end_at_the_end_of_the_file_and_share_positions_after_dup() {
    let world = world();
    let program = Program::new(&world.init);
    let file = program.open("/boot/text", OpenFlags::empty()).unwrap();
    let copy = program.call(kern_descrip::dup, &[file]).unwrap();
    let buffer = program.memory(2);
    let all = text();
    let read = |file, at, length: u64| program.call(sys_generic::read, &[file, at, length]);
    assert_eq!(read(file, buffer, 10), Ok(10));
    assert_eq!(
        read(copy, buffer + 10, u64::from(u32::MAX >> 1)),
        Ok(all.len() as u64 - 10)
    );
    assert_eq!(program.bytes(buffer, all.len()), all);
    assert_eq!(read(file, buffer, 1), Ok(0));
    assert_eq!(read(file, buffer, 1 << 31), errno(Errno::EINVAL));
    assert_eq!(read(99, buffer, 1), errno(Errno::EBADF));
    assert_eq!(
        program.call(sys_generic::lseek, &[copy, (-5i64) as u64, 2]),
        Ok(all.len() as u64 - 5)
    );
    assert_eq!(read(file, 8, 5), errno(Errno::EFAULT), "nothing was read");
    assert_eq!(
        read(file, buffer, 100),
        Ok(5),
        "and the position has not moved"
    );
    assert_eq!(
        program.call(sys_generic::lseek, &[file, u64::MAX, 0]),
        errno(Errno::EINVAL)
    );
    assert_eq!(
        program.call(sys_generic::lseek, &[file, i64::MAX as u64, 1]),
        errno(Errno::EOVERFLOW)
    );
    // Partly into memory that is not there: what fits counts.
    assert_eq!(
        program.call(sys_generic::pread, &[file, buffer + 2 * PAGE - 7, 20, 0]),
        Ok(7)
    );
    assert_eq!(
        program.call(sys_generic::pread, &[file, buffer, 1, 1 << 63]),
        errno(Errno::EINVAL)
    );
    assert_eq!(
        program.call(sys_generic::pread, &[file, buffer, 9, i64::MAX as u64]),
        Ok(0)
    );
    let directory = program.open("/boot", OpenFlags::empty()).unwrap();
    assert_eq!(read(directory, buffer, 1), errno(Errno::EISDIR));
    let small = program.call(vfs::syscalls::getdirentries64, &[directory, buffer, 8, 0]);
    assert_eq!(small, errno(Errno::EINVAL), "not the end of the directory");
    assert!(
        program
            .call(vfs::syscalls::getdirentries64, &[directory, buffer, 512, 0])
            .unwrap()
            > 0
    );
    assert_eq!(
        program.call(vfs::syscalls::getdirentries64, &[directory, buffer, 512, 0]),
        Ok(0)
    );
}

#[test]
fn opening_checks_its_flags_before_the_file() {
    let world = world();
    let program = Program::new(&world.init);
    let open = |path, flags| program.open(path, flags);
    assert_eq!(
        open("/absent", OpenFlags::WRONLY | OpenFlags::RDWR),
        errno(Errno::EINVAL)
    );
    assert_eq!(
        open("/boot/absent", OpenFlags::empty()),
        errno(Errno::ENOENT)
    );
    assert_eq!(open("/boot/text", OpenFlags::RDWR), errno(Errno::EROFS));
    assert_eq!(
        open("/boot/text", OpenFlags::DIRECTORY),
        errno(Errno::ENOTDIR)
    );
    assert_eq!(open("/boot", OpenFlags::WRONLY), errno(Errno::EISDIR));
    assert_eq!(
        open("/boot/text", OpenFlags::CREAT | OpenFlags::EXCL),
        errno(Errno::EEXIST)
    );
    assert_eq!(
        program.call(vfs::syscalls::open, &[8, 0, 0]),
        errno(Errno::EFAULT)
    );
}

#[test]
fn descriptors_are_the_lowest_free_ones_up_to_the_limit() {
    let _world = world();
    let console = lookup(&namespace::root(), "/dev/console", Last::Follow).unwrap();
    let file = OpenFile::create(console, OpenFlags::RDWR).unwrap();
    let mut table = FileTable::default();
    for expected in 0..3 {
        assert_eq!(table.add(file.clone(), expected == 1, 0), Ok(expected));
    }
    drop(table.remove(0).unwrap());
    assert_eq!(table.remove(0).err(), Some(Errno::EBADF));
    assert_eq!(table.add(file.clone(), false, 0), Ok(0));
    assert_eq!(table.add(file.clone(), true, 7), Ok(7));
    assert_eq!(
        (table.get(-1).err(), table.get(5).err()),
        (Some(Errno::EBADF), Some(Errno::EBADF))
    );
    assert_eq!(
        table.add(file.clone(), false, OPEN_MAX).err(),
        Some(Errno::EMFILE)
    );
    let child = table.fork();
    assert_eq!(table.close_on_exec().len(), 2);
    assert_eq!((table.count(), child.count()), (2, 4));
}

#[test]
fn who_waits_for_another_reader_of_a_file_can_be_interrupted() {
    let _world = world();
    let console = lookup(&namespace::root(), "/dev/console", Last::Follow).unwrap();
    let file = OpenFile::create(console, OpenFlags::RDWR).unwrap();
    let mut held = file.position().map_err(|_| ()).unwrap();
    *held = 5;
    let (tell, told) = std::sync::mpsc::channel();
    let waiter = {
        let file = file.clone();
        let wait = move || {
            tell.send(file.position().map(|position| *position))
                .unwrap()
        };
        prim::thread::spawn_kernel("reader", prim::thread::Priority::DEFAULT, wait).unwrap()
    };
    assert!(
        told.recv_timeout(std::time::Duration::from_millis(50))
            .is_err()
    );
    waiter.interrupt();
    assert_eq!(
        told.recv_timeout(std::time::Duration::from_secs(5)),
        Ok(Err(Failure::Restart))
    );
    drop(held);
    assert_eq!(file.position().map(|position| *position), Ok(5));
}

#[test]
fn wait4_finds_ended_and_stopped_children_and_each_of_them_once() {
    let world = world();
    let parent = Program::new(&world.init);
    let wait =
        |pid: i32, options: i32| parent.call(kern_exit::wait4, &[pid as u64, 0, options as u64, 0]);
    assert_eq!(wait(-1, WNOHANG), errno(Errno::ECHILD));
    assert_eq!(wait(-1, 0x40), errno(Errno::EINVAL));
    let (one, two) = (Program::new(&parent.proc), Program::new(&parent.proc));
    parent.map.pmap().activate();
    assert_eq!(wait(-1, WNOHANG), Ok(0));
    assert_eq!(wait(world.init.pid(), WNOHANG), errno(Errno::ECHILD));
    kern_sig::post(&two.proc, Signal::STOP);
    kern_sig::act_on_pending(&two.thread, &mut SavedState::user(0, 0));
    assert_eq!(two.thread.task().suspend_count(), 1);
    assert_eq!(wait(-1, WNOHANG), Ok(0), "nobody asked for stops");
    assert_eq!(wait(-1, WNOHANG | WUNTRACED), Ok(two.proc.pid() as u64));
    assert_eq!(wait(-1, WNOHANG | WUNTRACED), Ok(0), "once for each stop");
    kern_sig::post(&two.proc, Signal::CONT);
    assert_eq!(two.thread.task().suspend_count(), 0);
    one.end(WaitStatus::Exited(3));
    let status = parent.memory(1);
    let arguments = [u64::MAX, status, 0, 0];
    assert_eq!(
        parent.call(kern_exit::wait4, &[u64::MAX, 8, 0, 0]),
        errno(Errno::EFAULT),
        "and it stays to be told"
    );
    assert_eq!(
        parent.call(kern_exit::wait4, &arguments),
        Ok(one.proc.pid() as u64)
    );
    assert_eq!(parent.bytes(status, 4), (3u32 << 8).to_le_bytes());
    assert!(crate::proc::find(one.proc.pid()).is_none());
    kern_sig::post(&two.proc, Signal::KILL);
    assert!(two.thread.task().is_terminating(), "whatever it does");
    two.end(WaitStatus::Exited(0));
    assert_eq!(
        parent.call(kern_exit::wait4, &arguments),
        Ok(two.proc.pid() as u64)
    );
    assert_eq!(
        parent.bytes(status, 4),
        9u32.to_le_bytes(),
        "the first to decide wins"
    );
    assert_eq!(wait(-1, 0), errno(Errno::ECHILD));
}

#[test]
fn stopping_and_going_on_at_the_same_time_leaves_nobody_stuck() {
    let world = world();
    let program = Program::new(&world.init);
    let task = program.thread.task().clone();
    for _ in 0..200 {
        let resume = {
            let proc = program.proc.clone();
            std::thread::spawn(move || kern_sig::post(&proc, Signal::CONT))
        };
        kern_sig::post(&program.proc, Signal::STOP);
        kern_sig::act_on_pending(&program.thread, &mut SavedState::user(0, 0));
        resume.join().unwrap();
        kern_sig::post(&program.proc, Signal::CONT);
        assert_eq!(task.suspend_count(), 0);
    }
}

#[test]
fn a_group_is_signalled_without_init_and_the_dead() {
    let world = world();
    let (killer, victim, dead) = (
        Program::new(&world.init),
        Program::new(&world.init),
        Program::new(&world.init),
    );
    for program in [&killer, &victim, &dead] {
        program.proc.state().group = 4242;
    }
    dead.end(WaitStatus::Exited(0));
    let kill = |pid: i32, signal: u64| killer.call(kern_sig::kill, &[pid as u64, signal]);
    assert_eq!(kill(-4242, 0), Ok(0));
    assert_eq!(kill(-9999, 9), errno(Errno::ESRCH));
    assert_eq!(kill(dead.proc.pid(), 9), Ok(0), "a zombie is there");
    assert_eq!(kill(1, 9), errno(Errno::EPERM));
    assert_eq!(kill(victim.proc.pid(), 32), errno(Errno::EINVAL));
    let group = world.init.state().group;
    killer.proc.state().group = group;
    assert_eq!(kill(0, 0), Ok(0));
    victim.proc.state().group = killer.proc.pid();
    assert_eq!(kill(-killer.proc.pid(), 9), Ok(0));
    assert!(victim.thread.task().is_terminating());
    assert!(!killer.thread.task().is_terminating());
}
