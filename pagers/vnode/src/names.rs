//! What the kernel asks about names, answered from the volumes.

use bsd_sys::dirent::{Dirent, kind};
use bsd_sys::errno::Errno;
use bsd_sys::stat::{S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG};
use mach::Result;
use mach::defs::{Array, CString, Call, file_server};
use mach::file::{FileAttributes, FileHandle, FileTime};
use mach::message::{UserCarrier, UserRight};
use volumes::volume::{Attributes, FileKind};

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
        let entries = self
            .volume(directory.file_system)?
            .read_directory(directory.inode, from, capacity)
            .map_err(errno)?;
        let mut records = alloc::vec![0; capacity as usize];
        let mut length = 0;
        for entry in &entries {
            let record = Dirent {
                ino: entry.inode,
                seekoff: entry.next,
                kind: kind_number(entry.kind),
                name: entry.name.as_bytes(),
            };
            match record.write(&mut records[length..]) {
                Some(written) => length += written,
                // Not even one fits: the caller must come with more room.
                None if length == 0 => return Err(errno(Errno::EINVAL)),
                None => break,
            }
        }
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
        let object = self.hand_out(file)?;
        Ok(file_server::open::Reply {
            memory_object: UserRight::make_send(object),
            attributes: attributes_of(&found),
        })
    }

    fn forget(&mut self, _: &mut Call<User>, request: file_server::forget::Request) -> Result<()> {
        self.forget_file(request.file, request.answers);
        Ok(())
    }
}
