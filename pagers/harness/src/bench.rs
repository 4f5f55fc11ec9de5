//! The bench: starts a pager, walks paths to its files, ends it.

use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bsd::vfs::lookup::{self, Last};
use bsd::vfs::vnode::Vnode;
use bsd::vfs::{cache, namespace, pagers};
use bsd_sys::Errno;
use mach::KernReturn;
use mach::file::FileAttributes;
use machine::address::{USER_MAX, USER_MIN};
use pager_sdk::{Attributes, Pager, Service, host};
use pmap::Pmap;
use prim::frames::Reserve;
use tempfile::TempDir;
use vm::vm_map::VmMap;

use crate::file::OpenFile;
use crate::referee::{Referee, Remark, Remarks};
use crate::twin::{Task, Twin};

/// Bytes of a page.
pub const PAGE: u64 = machine::page::PAGE_SIZE as u64;

/// How long a pager may take to register. Much more than it takes: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pager that has not answered anything for so long is not about to.
const QUIET: Duration = Duration::from_secs(1);

/// An address map like a program's.
pub(crate) fn new_map() -> Arc<VmMap> {
    let pmap = Pmap::create(Reserve::Normal).expect("a root table");
    VmMap::create(pmap, USER_MIN, USER_MAX).expect("a map")
}

fn boot() -> MutexGuard<'static, ()> {
    static MOUNTED: std::sync::Once = std::sync::Once::new();
    let turn = prim::host::exclusive();
    MOUNTED.call_once(|| {
        pmap::kernel::initialise();
        prim::reaper::start().expect("the reaper");
        pagers::mount().expect("/pagers");
    });
    turn
}

/// What a bench begins with: files for the pager to read, how its objects behave.
pub struct Setup {
    files: TempDir,
    attributes: Attributes,
}

/// A pager at work.
pub struct Bench {
    name: String,
    task: Task,
    thread: Option<JoinHandle<KernReturn>>,
    remarks: Remarks,
    files: TempDir,
    // Ends last: the next bench may begin.
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    /// A bench without a pager.
    #[expect(clippy::new_ret_no_self, reason = "a bench begins with its setup")]
    #[must_use]
    pub fn new() -> Setup {
        Setup {
            files: tempfile::tempdir().expect("a directory"),
            attributes: Attributes::default(),
        }
    }
}

impl Setup {
    /// A file that the pager finds at this path, by [`pager_sdk::files`].
    #[must_use]
    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        write_file(self.files.path(), path, bytes);
        self
    }

    /// How the pager's objects behave: a short deadline, for instance.
    #[must_use]
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Starts the pager that `make` makes, as `/pagers/NAME`, on a thread of its own.
    #[must_use]
    pub fn start<P: Pager>(self, name: &str, make: impl FnOnce() -> P + Send + 'static) -> Bench {
        let turn = boot();
        let task = Task::create();
        let remarks = Remarks::default();
        let thread = {
            let (task, remarks, name) = (task.clone(), remarks.clone(), name.to_owned());
            let (files, attributes) = (self.files.path().to_owned(), self.attributes);
            std::thread::spawn(move || {
                let twin = Rc::new(Twin::new(task, files, Referee::new(remarks)));
                host::run_on(twin, || match Service::start(&name, make()) {
                    Ok(mut service) => {
                        service.set_attributes(attributes);
                        service.serve()
                    }
                    Err(code) => code,
                })
            })
        };
        let mut bench = Bench {
            name: name.to_owned(),
            task,
            thread: Some(thread),
            remarks,
            files: self.files,
            _turn: turn,
        };
        bench.wait_until_registered();
        bench
    }
}

fn write_file(root: &Path, path: &str, bytes: &[u8]) {
    let place = root.join(path.trim_start_matches('/'));
    if let Some(directory) = place.parent() {
        std::fs::create_dir_all(directory).expect("a directory");
    }
    std::fs::write(place, bytes).expect("a file");
}

impl Bench {
    fn wait_until_registered(&mut self) {
        let begin = Instant::now();
        while self.task.registered.lock().expect("no panic").is_none() {
            if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
                let end = self.join();
                panic!("{} did not start: {end:?}", self.name);
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{} does not register",
                self.name
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the thread; why it ended, or that it panicked.
    fn join(&mut self) -> Option<KernReturn> {
        self.thread.take()?.join().ok()
    }

    fn vnode(&self, path: &str) -> Result<Arc<Vnode>, Errno> {
        let path = format!("/pagers/{}/{path}", self.name);
        lookup::lookup(&namespace::root(), &path, Last::Follow)
    }

    /// Opens a file as `open(2)` does.
    ///
    /// # Errors
    /// What a program would get.
    pub fn open(&self, path: &str) -> Result<OpenFile, Errno> {
        let vnode = self.vnode(path)?;
        if vnode.is_directory() {
            return Err(Errno::EISDIR);
        }
        let object = vnode.object()?;
        Ok(OpenFile::new(vnode, object))
    }

    /// What `stat(2)` shows.
    ///
    /// # Errors
    /// What a program would get.
    pub fn stat(&self, path: &str) -> Result<FileAttributes, Errno> {
        self.vnode(path)?.attributes()
    }

    /// A file that the pager reads has other bytes from now on.
    pub fn write_file(&self, path: &str, bytes: &[u8]) {
        write_file(self.files.path(), path, bytes);
    }

    /// What a file that the pager writes holds now.
    #[must_use]
    pub fn read_file(&self, path: &str) -> Vec<u8> {
        let place = self.files.path().join(path.trim_start_matches('/'));
        std::fs::read(place).unwrap_or_default()
    }

    /// Kills the pager, as `SIGKILL` would: its ports die.
    pub fn kill(&mut self) {
        self.task.space.destroy();
        let _ = self.join();
    }

    /// What the pager has done so far that its author should know. What is being answered at this moment is waited for, so
    /// what is unanswered stays so.
    #[must_use]
    pub fn remarks(&self) -> Vec<Remark> {
        let mut open = self.remarks.open();
        let mut since = Instant::now();
        while !open.is_empty() && since.elapsed() < QUIET {
            std::thread::sleep(Duration::from_millis(5));
            let now = self.remarks.open();
            if now != open {
                (open, since) = (now, Instant::now());
            }
        }
        let mut remarks = self.remarks.made();
        remarks.extend(open);
        remarks
    }

    /// Ends the test of a pager that has done nothing wrong.
    ///
    /// # Panics
    /// There are remarks, or the pager has panicked.
    pub fn finish(mut self) {
        // What was let go reaches the pager before it ends.
        cache::purge();
        prim::reaper::quiesce();
        let remarks = self.remarks();
        if let Some(thread) = self.thread.take() {
            self.task.space.destroy();
            assert!(thread.join().is_ok(), "the pager has panicked");
        }
        let text: Vec<String> = remarks.iter().map(ToString::to_string).collect();
        assert!(
            text.is_empty(),
            "the pager {}:\n  {}",
            self.name,
            text.join("\n  ")
        );
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.kill();
        }
        pmap::deactivate();
        cache::purge();
        prim::reaper::quiesce();
    }
}
