//! From a path to a vnode.
//!
//! Component by component, through mount points and symbolic links; a loop, whatever the links do. XNU counterpart: `namei`
//! and `lookup` in `bsd/vfs/vfs_lookup.c`.

use alloc::string::{String, ToString};
use alloc::sync::Arc;

use bsd_sys::errno::Errno;
use bsd_sys::limits::{MAXSYMLINKS, NAME_MAX, PATH_MAX};

use super::vnode::Vnode;
use super::{cache, namespace};

/// What to do with a symbolic link that is the path's last component.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last {
    /// Go where it leads.
    Follow,
    /// The link itself is meant.
    Keep,
}

/// The file that `path` names, seen from `start`.
///
/// # Errors
/// `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, or what a file system says.
#[doc(alias = "namei")]
pub fn lookup(start: &Arc<Vnode>, path: &str, last: Last) -> Result<Arc<Vnode>, Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let mut walk = Walk {
        at: start.clone(),
        rest: path.to_string(),
        links: 0,
    };
    walk.start_over_if_absolute();
    while let Some(name) = walk.next_component() {
        walk.step(&name, last)?;
    }
    Ok(walk.at)
}

/// A name and the directory it is looked for in: what a call that makes or removes names works on.
pub(super) struct Parent {
    /// The directory.
    pub(super) directory: Arc<Vnode>,
    /// The name; never empty, but it may be `.` or `..`.
    pub(super) name: String,
}

impl Parent {
    /// The file of that name; a symbolic link itself.
    ///
    /// # Errors
    /// As [`lookup`].
    pub(super) fn find(&self) -> Result<Arc<Vnode>, Errno> {
        lookup(&self.directory, &self.name, Last::Keep)
    }
}

/// The directory that the last name of `path` is in, and that name.
///
/// # Errors
/// As [`lookup`]; `EBUSY` for the root, which is in no directory.
#[doc(alias = "nameiat")]
pub(super) fn lookup_parent(start: &Arc<Vnode>, path: &str) -> Result<Parent, Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let trimmed = path.trim_end_matches('/');
    let (before, name) = match trimmed.rfind('/') {
        Some(at) => trimmed.split_at(at + 1),
        None => ("", trimmed),
    };
    if name.is_empty() {
        return Err(Errno::EBUSY);
    }
    if name.len() > NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let directory = if before.is_empty() {
        start.clone()
    } else {
        lookup(start, before, Last::Follow)?
    };
    if !directory.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    Ok(Parent {
        directory,
        name: name.to_string(),
    })
}

/// The file that `path` names, or the place where it would be made: a symbolic link at the end is followed to where it leads.
///
/// # Errors
/// As [`lookup`], but for `ENOENT` of the last name.
pub(super) fn lookup_or_place(
    start: &Arc<Vnode>,
    path: &str,
) -> Result<Result<Arc<Vnode>, Parent>, Errno> {
    let mut parent = lookup_parent(start, path)?;
    for _ in 0..MAXSYMLINKS {
        match parent.find() {
            Ok(found) if found.is_symbolic_link() => {
                let target = found.file_system().read_link(found.handle())?;
                parent = lookup_parent(&parent.directory, &target)?;
            }
            Ok(found) => return Ok(Ok(found)),
            Err(Errno::ENOENT) => return Ok(Err(parent)),
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::ELOOP)
}

struct Walk {
    at: Arc<Vnode>,
    /// What is still to be walked.
    rest: String,
    links: usize,
}

impl Walk {
    fn start_over_if_absolute(&mut self) {
        if self.rest.starts_with('/') {
            self.at = namespace::root();
        }
    }

    /// Takes the next name off the rest. A trailing slash asks for a directory, which `.` does.
    fn next_component(&mut self) -> Option<String> {
        let begin = self.rest.find(|character| character != '/')?;
        let end = self.rest[begin..]
            .find('/')
            .map_or(self.rest.len(), |length| begin + length);
        let name = self.rest[begin..end].to_string();
        let rest = self.rest[end..].to_string();
        self.rest = if !rest.is_empty() && rest.bytes().all(|byte| byte == b'/') {
            "/.".into()
        } else {
            rest
        };
        Some(name)
    }

    fn step(&mut self, name: &str, last: Last) -> Result<(), Errno> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if !self.at.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        match name {
            "." => return Ok(()),
            ".." => {
                if let Some(parent) = self.at.parent() {
                    self.at = parent;
                }
                return Ok(());
            }
            _ => {}
        }
        let found = component(&self.at, name)?;
        if found.is_symbolic_link() && (!self.rest.is_empty() || last == Last::Follow) {
            return self.follow(&found);
        }
        self.at = found;
        Ok(())
    }

    fn follow(&mut self, link: &Arc<Vnode>) -> Result<(), Errno> {
        self.links += 1;
        if self.links > MAXSYMLINKS {
            return Err(Errno::ELOOP);
        }
        let mut path = link.file_system().read_link(link.handle())?;
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        path.push_str(&self.rest);
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        self.rest = path;
        self.start_over_if_absolute();
        Ok(())
    }
}

/// The file that one directory calls `name`.
fn component(directory: &Arc<Vnode>, name: &str) -> Result<Arc<Vnode>, Errno> {
    let found = match namespace::mounted(directory, name) {
        Some(vnode) => vnode,
        None => {
            let place = namespace::covering(directory).ok_or(Errno::ENOENT)?;
            let (handle, attributes) = place.file_system().lookup(place.handle(), name)?;
            let vnode = cache::get(place.file_system(), handle, &attributes)?;
            vnode.revalidate(&attributes);
            vnode
        }
    };
    found.set_place(directory, name);
    Ok(found)
}
