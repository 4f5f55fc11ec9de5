//! What the kernel asks about names, answered from the volumes.

use bsd_sys::dirent::{self, Dirent, kind};
use bsd_sys::errno::Errno;
use bsd_sys::stat::{S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG};
use mach::Result;
use mach::defs::{Array, CString, Call, file_server};
use mach::file::{FileAttributes, FileHandle, FileTime, HIDDEN, attribute, open_mode, remove_flag};
use mach::message::{UserCarrier, UserRight};
use volumes::volume::{Attributes, Changes, Entry, FileKind, Moment, Name, Removal};

use crate::server::{FileServer, errno};

type User = UserCarrier;

/// What the volume says of a file, as the kernel wants it.
fn attributes_of(found: &Attributes) -> FileAttributes {
    let kind = match found.kind {
        FileKind::Regular => S_IFREG,
        FileKind::Directory => S_IFDIR,
        FileKind::SymbolicLink => S_IFLNK,
        FileKind::Other => S_IFCHR,
    };
    let time = |(seconds, nanoseconds): (u64, u64)| FileTime {
        seconds: seconds as i64,
        nanoseconds: nanoseconds as u32,
    };
    FileAttributes {
        inode: found.inode,
        mode: u32::from(kind) | found.permissions,
        links: found.links,
        uid: found.uid,
        gid: found.gid,
        device: 0,
        block_size: 1 << 16,
        size: found.size,
        blocks: found.blocks,
        accessed: time(found.accessed),
        modified: time(found.modified),
        changed: time(found.changed),
        created: time(found.changed),
        version: found.version,
    }
}

/// Bits of a mode that are permissions.
const PERMISSIONS: u32 = 0o7777;

fn text(bytes: &[u8]) -> Result<&str> {
    core::str::from_utf8(bytes).map_err(|_| errno(Errno::EILSEQ))
}

/// A name that the kernel wants something done with.
fn name_in<'a>(directory: FileHandle, name: &'a CString<256>) -> Result<Name<'a>> {
    let name = text(name.as_bytes())?;
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Err(errno(Errno::EINVAL));
    }
    Ok(Name {
        directory: directory.inode,
        name,
    })
}

fn same_volume(one: FileHandle, other: FileHandle) -> Result<()> {
    if one.file_system == other.file_system {
        Ok(())
    } else {
        Err(errno(Errno::EXDEV))
    }
}

impl FileServer {
    /// The answer that names a file just made.
    fn made(&mut self, directory: FileHandle, made: &Attributes) -> (FileHandle, FileAttributes) {
        let file = FileHandle {
            inode: made.inode,
            ..directory
        };
        self.note_answer(file);
        (file, attributes_of(made))
    }
}

fn kind_number(kind: FileKind) -> u8 {
    match kind {
        FileKind::Regular => kind::REG,
        FileKind::Directory => kind::DIR,
        FileKind::SymbolicLink => kind::LNK,
        FileKind::Other => kind::UNKNOWN,
    }
}

impl file_server::Server<User> for FileServer {
    fn root(
        &mut self,
        _: &mut Call<User>,
        request: file_server::root::Request,
    ) -> Result<file_server::root::Reply> {
        let volume = self.volume(request.mount)?;
        let root = volume.root();
        let attributes = attributes_of(&volume.attributes(root).map_err(errno)?);
        let file = FileHandle {
            file_system: request.mount,
            inode: root,
            generation: 0,
        };
        self.note_answer(file);
        Ok(file_server::root::Reply { file, attributes })
    }

    fn lookup(
        &mut self,
        _: &mut Call<User>,
        request: file_server::lookup::Request,
    ) -> Result<file_server::lookup::Reply> {
        let file_server::lookup::Request { directory, name } = request;
        let name = core::str::from_utf8(name.as_bytes()).map_err(|_| errno(Errno::EILSEQ))?;
        let found = self
            .volume(directory.file_system)?
            .lookup(directory.inode, name)
            .map_err(errno)?;
        let file = FileHandle {
            inode: found.inode,
            ..directory
        };
        self.note_answer(file);
        self.note_hidden(file, name);
        Ok(file_server::lookup::Reply {
            file,
            attributes: attributes_of(&found),
        })
    }

    fn get_attributes(
        &mut self,
        _: &mut Call<User>,
        request: file_server::get_attributes::Request,
    ) -> Result<file_server::get_attributes::Reply> {
        let found = self
            .volume(request.file.file_system)?
            .attributes(request.file.inode)
            .map_err(errno)?;
        Ok(file_server::get_attributes::Reply {
            attributes: attributes_of(&found),
        })
    }

    fn read_directory(
        &mut self,
        _: &mut Call<User>,
        request: file_server::read_directory::Request,
    ) -> Result<file_server::read_directory::Reply> {
        let file_server::read_directory::Request {
            directory,
            from,
            capacity,
        } = request;
        let capacity = capacity.min(8192);
        let volume = self.volume(directory.file_system)?;
        let shown = |entry: &&Entry| !entry.name.starts_with(HIDDEN);
        let mut from = from;
        let entries = loop {
            let entries = volume
                .read_directory(directory.inode, from, capacity)
                .map_err(errno)?;
            match entries.last() {
                // Nothing to show, and no end either.
                Some(last) if !entries.iter().any(|entry| shown(&entry)) => from = last.next,
                _ => break entries,
            }
        };
        let shown = entries.iter().filter(shown).map(|entry| Dirent {
            ino: entry.inode,
            seekoff: entry.next,
            kind: kind_number(entry.kind),
            name: entry.name.as_bytes(),
        });
        let mut records = alloc::vec![0; capacity as usize];
        // Where not even one fits the caller must come with more room.
        let length = dirent::write_all(shown, &mut records).ok_or_else(|| errno(Errno::EINVAL))?;
        records.truncate(length);
        Ok(file_server::read_directory::Reply {
            records: Array(records),
        })
    }

    fn read_link(
        &mut self,
        _: &mut Call<User>,
        request: file_server::read_link::Request,
    ) -> Result<file_server::read_link::Reply> {
        let text = self
            .volume(request.file.file_system)?
            .read_link(request.file.inode)
            .map_err(errno)?;
        let target = CString::new(&text).ok_or_else(|| errno(Errno::ENAMETOOLONG))?;
        Ok(file_server::read_link::Reply { target })
    }

    fn open(
        &mut self,
        _: &mut Call<User>,
        request: file_server::open::Request,
    ) -> Result<file_server::open::Reply<User>> {
        let file = request.file;
        let found = self
            .volume(file.file_system)?
            .attributes(file.inode)
            .map_err(errno)?;
        if found.kind != FileKind::Regular {
            return Err(errno(Errno::ENODEV));
        }
        if request.mode & open_mode::WRITE != 0 {
            self.volume(file.file_system)?
                .open_for_writing(file.inode)
                .map_err(errno)?;
        }
        let object = self.hand_out(file)?;
        Ok(file_server::open::Reply {
            memory_object: UserRight::make_send(object),
            attributes: attributes_of(&found),
        })
    }

    fn create(
        &mut self,
        _: &mut Call<User>,
        request: file_server::create::Request,
    ) -> Result<file_server::create::Reply> {
        let at = name_in(request.directory, &request.name)?;
        let volume = self.volume(request.directory.file_system)?;
        let made = volume
            .create(at, request.mode & PERMISSIONS)
            .map_err(errno)?;
        let (file, attributes) = self.made(request.directory, &made);
        Ok(file_server::create::Reply { file, attributes })
    }

    fn make_directory(
        &mut self,
        _: &mut Call<User>,
        request: file_server::make_directory::Request,
    ) -> Result<file_server::make_directory::Reply> {
        let at = name_in(request.directory, &request.name)?;
        let volume = self.volume(request.directory.file_system)?;
        let made = volume
            .make_directory(at, request.mode & PERMISSIONS)
            .map_err(errno)?;
        let (file, attributes) = self.made(request.directory, &made);
        Ok(file_server::make_directory::Reply { file, attributes })
    }

    fn symbolic_link(
        &mut self,
        _: &mut Call<User>,
        request: file_server::symbolic_link::Request,
    ) -> Result<file_server::symbolic_link::Reply> {
        let at = name_in(request.directory, &request.name)?;
        let target = text(request.target.as_bytes())?;
        let volume = self.volume(request.directory.file_system)?;
        let made = volume.make_symbolic_link(at, target).map_err(errno)?;
        let (file, attributes) = self.made(request.directory, &made);
        Ok(file_server::symbolic_link::Reply { file, attributes })
    }

    fn link(
        &mut self,
        _: &mut Call<User>,
        request: file_server::link::Request,
    ) -> Result<file_server::link::Reply> {
        same_volume(request.file, request.directory)?;
        let at = name_in(request.directory, &request.name)?;
        let found = self
            .volume(request.directory.file_system)?
            .link(request.file.inode, at)
            .map_err(errno)?;
        Ok(file_server::link::Reply {
            attributes: attributes_of(&found),
        })
    }

    fn remove(
        &mut self,
        _: &mut Call<User>,
        request: file_server::remove::Request,
    ) -> Result<file_server::remove::Reply> {
        let mount = request.directory.file_system;
        let at = name_in(request.directory, &request.name)?;
        let kind = if request.flags & remove_flag::DIRECTORY != 0 {
            Removal::Directory
        } else {
            Removal::File
        };
        if kind == Removal::Directory || !self.hide(mount, at)? {
            self.volume(mount)?.remove(at, kind).map_err(errno)?;
        }
        Ok(file_server::remove::Reply {})
    }

    fn rename(
        &mut self,
        _: &mut Call<User>,
        request: file_server::rename::Request,
    ) -> Result<file_server::rename::Reply> {
        same_volume(request.from_directory, request.to_directory)?;
        let mount = request.from_directory.file_system;
        let from = name_in(request.from_directory, &request.from_name)?;
        let to = name_in(request.to_directory, &request.to_name)?;
        let volume = self.volume(mount)?;
        let moved = volume.lookup(from.directory, from.name).map_err(errno)?;
        let replaced = volume.lookup(to.directory, to.name).ok();
        // What is replaced may live on without a name; a directory that is replaced is empty.
        let hides = replaced.is_some_and(|file| {
            file.inode != moved.inode
                && file.kind != FileKind::Directory
                && moved.kind != FileKind::Directory
        });
        if hides {
            self.hide(mount, to)?;
        }
        self.volume(mount)?.rename(from, to).map_err(errno)?;
        Ok(file_server::rename::Reply {})
    }

    fn set_attributes(
        &mut self,
        _: &mut Call<User>,
        request: file_server::set_attributes::Request,
    ) -> Result<file_server::set_attributes::Reply> {
        let file_server::set_attributes::Request {
            file,
            mask,
            attributes,
        } = request;
        let chosen = |bit: u32| mask & bit != 0;
        let moment = |time: FileTime| {
            if chosen(attribute::NOW) {
                Moment::Now
            } else {
                Moment::At(time.seconds.max(0) as u64, u64::from(time.nanoseconds))
            }
        };
        let time = |bit: u32, time: FileTime| chosen(bit).then(|| moment(time));
        let changes = Changes {
            permissions: chosen(attribute::MODE).then_some(attributes.mode & PERMISSIONS),
            uid: chosen(attribute::UID).then_some(attributes.uid),
            gid: chosen(attribute::GID).then_some(attributes.gid),
            size: None,
            accessed: time(attribute::ACCESSED, attributes.accessed),
            modified: time(attribute::MODIFIED, attributes.modified),
        };
        let volume = self.volume(file.file_system)?;
        let found = volume.change(file.inode, &changes).map_err(errno)?;
        Ok(file_server::set_attributes::Reply {
            attributes: attributes_of(&found),
        })
    }

    fn set_size(
        &mut self,
        _: &mut Call<User>,
        request: file_server::set_size::Request,
    ) -> Result<file_server::set_size::Reply> {
        let changes = Changes {
            size: Some(request.size),
            ..Changes::default()
        };
        self.volume(request.file.file_system)?
            .change(request.file.inode, &changes)
            .map_err(errno)?;
        Ok(file_server::set_size::Reply {})
    }

    fn forget(&mut self, _: &mut Call<User>, request: file_server::forget::Request) -> Result<()> {
        self.forget_file(request.file, request.answers);
        Ok(())
    }
}
