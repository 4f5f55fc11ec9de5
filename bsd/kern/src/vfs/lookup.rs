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
