//! Copying and removing files, whole directories among them.
//!
//! Whatever goes wrong is told on standard error and the rest is done nevertheless, as `cp`, `mv` and `rm` do.

use crate::command::Command;
use crate::path::join;
use alloc::format;
use alloc::vec::Vec;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::stat::{ALLPERMS, Stat, is_directory, is_regular, is_symbolic_link};
use bsd_sys::time::{Timespec, Timeval};
use libsystem::fs::{self, File, Times};
use libsystem::io::Result;
use libsystem::{Errno, println};

/// Bytes copied at a time.
const CHUNK: usize = 256 << 10;

/// What a copy keeps of the original.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// The contents, and permissions for what is new.
    Contents,
    /// Permissions and times too.
    All,
}

/// How copying is done.
#[derive(Clone, Copy, Debug)]
pub struct Copying {
    /// Who complains.
    pub command: Command,
    /// Directories with what is in them, links as links.
    pub recursive: bool,
    /// Remove what cannot be opened for writing, and try again.
    pub force: bool,
    /// Say what is done.
    pub verbose: bool,
    /// What the copy keeps.
    pub keep: Keep,
}

/// A path, and what is known of it.
pub struct Named<'a> {
    /// How it is called.
    pub path: &'a str,
    /// What it is.
    pub stat: Stat,
}

fn same_file(first: &Stat, second: &Stat) -> bool {
    (first.dev, first.ino) == (second.dev, second.ino)
}

fn permissions(stat: &Stat) -> u32 {
    u32::from(stat.mode & ALLPERMS)
}

/// A time to the microsecond.
fn timeval(time: Timespec) -> Timeval {
    Timeval {
        seconds: time.seconds,
        microseconds: (time.nanoseconds / 1000) as i32,
        pad: 0,
    }
}

fn times(stat: &Stat) -> Times {
    [timeval(stat.atime), timeval(stat.mtime)]
}

impl Copying {
    /// Copies to a path, and gives the exit status.
    pub fn copy(&self, from: &str, to: &str) -> i32 {
        let stat = if self.recursive {
            fs::lstat(from)
        } else {
            fs::stat(from)
        };
        match stat {
            Ok(stat) => self.copy_known(&Named { path: from, stat }, to),
            Err(error) => self.command.complain(from, error),
        }
    }

    /// Copies what is known already.
    pub fn copy_known(&self, from: &Named<'_>, to: &str) -> i32 {
        let target = fs::lstat(to).ok();
        let through = fs::stat(to).ok();
        if through.is_some_and(|to| same_file(&from.stat, &to)) {
            libsystem::eprintln!(
                "{}: {} and {to} are identical (not copied).",
                self.command.name,
                from.path
            );
            return 1;
        }
        if self.verbose {
            println!("{} -> {to}", from.path);
        }
        let mode = from.stat.mode;
        if is_directory(mode) {
            return self.directory(from, to, target);
        }
        let result = if is_symbolic_link(mode) {
            self.link(from.path, to, target)
        } else if is_regular(mode) || !self.recursive {
            self.contents(from, to)
        } else {
            Err(Errno::EFTYPE)
        };
        match result {
            Ok(()) => 0,
            Err(error) => self.command.complain(to, error),
        }
    }

    fn directory(&self, from: &Named<'_>, to: &str, target: Option<Stat>) -> i32 {
        if !self.recursive {
            libsystem::eprintln!(
                "{}: {} is a directory (not copied).",
                self.command.name,
                from.path
            );
            return 1;
        }
        // Its own copy would be found in it, and the copy of the copy in that.
        if leads_into(&from.stat, to) {
            return self
                .command
                .complain(to, format!("is inside {}", from.path));
        }
        let names = match fs::read_dir(from.path) {
            Ok(names) => names,
            Err(error) => return self.command.complain(from.path, error),
        };
        let wanted = permissions(&from.stat);
        let made = match target {
            Some(target) if is_directory(target.mode) => Ok(()),
            // Writable until everything is in it.
            _ => fs::make_directory(to, wanted | 0o700),
        };
        if let Err(error) = made {
            return self.command.complain(to, error);
        }
        let status = names.iter().fold(0, |status, entry| {
            status | self.copy(&join(from.path, &entry.name), &join(to, &entry.name))
        });
        let finished = match target {
            None if wanted & 0o700 != 0o700 => fs::set_mode(to, wanted),
            _ => Ok(()),
        };
        match finished.and_then(|()| self.attributes(&from.stat, to)) {
            Ok(()) => status,
            Err(error) => self.command.complain(to, error),
        }
    }

    fn link(&self, from: &str, to: &str, target: Option<Stat>) -> Result<()> {
        let text = fs::read_link(from)?;
        if target.is_some_and(|target| !is_directory(target.mode)) {
            fs::remove_file(to)?;
        }
        fs::symbolic_link(&text, to)
    }

    fn contents(&self, from: &Named<'_>, to: &str) -> Result<()> {
        let source = File::open(from.path)?;
        let open = || File::create(to, permissions(&from.stat));
        let target = match open() {
            Err(Errno::EACCES | Errno::EPERM | Errno::ETXTBSY) if self.force => {
                fs::remove_file(to)?;
                open()?
            }
            other => other?,
        };
        copy_bytes(&source, &target)?;
        drop(target);
        self.attributes(&from.stat, to)
    }

    fn attributes(&self, from: &Stat, to: &str) -> Result<()> {
        if self.keep == Keep::Contents {
            return Ok(());
        }
        fs::set_mode(to, permissions(from))?;
        fs::set_times(to, Some(times(from)))
    }
}

fn copy_bytes(source: &File, target: &File) -> Result<()> {
    let mut buffer = alloc::vec![0; CHUNK];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            count => target.write_all(&buffer[..count])?,
        }
    }
}

/// Whether one of the directories on the way to `path` is this one.
fn leads_into(directory: &Stat, path: &str) -> bool {
    let mut above = alloc::string::String::from(crate::path::parent(path));
    let mut last = None;
    loop {
        let Ok(stat) = fs::stat(&above) else {
            return false;
        };
        if same_file(directory, &stat) {
            return true;
        }
        // The root is its own parent.
        if last.is_some_and(|last| same_file(&last, &stat)) {
            return false;
        }
        last = Some(stat);
        above.push_str("/..");
    }
}

/// How removing is done.
#[derive(Clone, Copy, Debug)]
pub struct Removing {
    /// Who complains.
    pub command: Command,
    /// Directories with what is in them.
    pub recursive: bool,
    /// What is missing is no mistake.
    pub force: bool,
    /// Say what is done.
    pub verbose: bool,
}

impl Removing {
    /// Removes a name and gives the exit status.
    pub fn remove(&self, path: &str) -> i32 {
        let stat = match fs::lstat(path) {
            Ok(stat) => stat,
            Err(Errno::ENOENT | Errno::ENOTDIR) if self.force => return 0,
            Err(error) => return self.command.complain(path, error),
        };
        if !is_directory(stat.mode) {
            return self.report(path, fs::remove_file(path));
        }
        if !self.recursive {
            return self.command.complain(path, "is a directory");
        }
        let names: Vec<_> = match fs::read_dir(path) {
            Ok(names) => names,
            Err(error) => return self.command.complain(path, error),
        };
        let status = names.iter().fold(0, |status, entry| {
            status | self.remove(&join(path, &entry.name))
        });
        if status != 0 {
            return status;
        }
        self.report(path, fs::remove_directory(path))
    }

    fn report(&self, path: &str, result: Result<()>) -> i32 {
        match result {
            Ok(()) if self.verbose => {
                println!("{path}");
                0
            }
            // Somebody else was faster.
            Ok(()) => 0,
            Err(Errno::ENOENT) if self.force => 0,
            Err(error) => self.command.complain(path, error),
        }
    }
}

/// Opens a file for nothing but its being there.
///
/// # Errors
/// The kernel's.
pub fn make_empty(path: &str) -> Result<()> {
    File::open_with(path, OpenFlags::WRONLY | OpenFlags::CREAT, 0o666).map(|_| ())
}

/// Where something goes that is named `from`: into `to` if that is a directory.
pub fn destination(from: &str, to: &str) -> alloc::string::String {
    match fs::stat(to) {
        Ok(stat) if is_directory(stat.mode) => join(to, crate::path::last(from)),
        _ => alloc::string::String::from(to),
    }
}

/// Whether several things can go there.
///
/// # Errors
/// `ENOTDIR`, or the kernel's.
pub fn must_be_directory(path: &str) -> Result<()> {
    if is_directory(fs::stat(path)?.mode) {
        Ok(())
    } else {
        Err(Errno::ENOTDIR)
    }
}
