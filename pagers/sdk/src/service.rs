//! A pager at work: its port, its files, its loop.
//!
//! The kernel asks for names by the messages of a file server and for pages by those of a pager; programs ask for objects.
//! Each becomes a call of the author's [`Pager`]; each failure becomes an answer.

use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::Errno;
use bsd_sys::dirent::{self, Dirent, kind};
use bsd_sys::stat::{S_IFDIR, S_IFREG};
use mach::defs::{Array, Call, Outcome, file_server, pager_service};
use mach::file::{DIRECTORY_BYTES, FileAttributes, FileHandle};
use mach::message::{Message, UserCarrier, UserRight};
use mach::{KernReturn, PortName, PortRight, Result};

use crate::nodes::{Nodes, Open};
use crate::pager::{Info, Kind, Pager};
use crate::system::mach_call::{self, port};
use crate::system::memory::page_size;
use crate::{Attributes, Event, Notice, ObjectId, Server, registry};

type User = UserCarrier;

/// What has been done so far.
#[derive(Clone, Copy, Default)]
struct Counts {
    reads: u64,
    pages: u64,
    returns: u64,
    refusals: u64,
}

/// A pager with a name, and everything that is kept for it.
pub struct Service<P: Pager> {
    server: Server,
    name: String,
    /// Where the kernel asks about names, and programs for objects.
    port: PortName,
    /// The kernel's number for this pager's files.
    file_system: u32,
    attributes: Attributes,
    nodes: Nodes<P::File>,
    counts: Counts,
    pager: P,
}

impl<P: Pager> Service<P> {
    /// Registers a pager as `/pagers/NAME`.
    ///
    /// # Errors
    /// `NAME_EXISTS` when a living pager has the name, `INVALID_ARGUMENT` for a name that is none; no ports.
    pub fn start(name: &str, pager: P) -> Result<Self> {
        let mut server = Server::new()?;
        let port = port::allocate(PortRight::Receive)?;
        server.add_port(port)?;
        let file_system = registry::register(name, port)?;
        Ok(Self {
            server,
            name: name.into(),
            port,
            file_system,
            attributes: Attributes::default(),
            nodes: Nodes::new(),
            counts: Counts::default(),
            pager,
        })
    }

    /// How its objects behave from now on.
    pub fn set_attributes(&mut self, attributes: Attributes) {
        self.attributes = attributes;
    }

    /// Serves until that is no longer possible; says why.
    pub fn serve(&mut self) -> KernReturn {
        loop {
            match self.server.next_event() {
                Ok(event) => self.handle(event),
                Err(code) => return code,
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            // A kernel that has let go of the object already needs no answer.
            Event::Init(init) => {
                let _ = init.ready(self.attributes);
            }
            Event::Read(read) => {
                self.counts.reads += 1;
                self.counts.pages += read.length() / page_size();
                if let Some(open) = self.nodes.by_object(read.object()) {
                    let _ = self.pager.read(&mut open.file, read);
                }
            }
            Event::Return(mut pages) => {
                self.counts.returns += 1;
                if let Some(open) = self.nodes.by_object(pages.object()) {
                    pages.limit_to(open.size);
                    let _ = self.pager.write(&mut open.file, pages);
                }
            }
            // Not asked for: dropping them refuses them.
            Event::ReturnList(_) | Event::Synchronize(_) => {}
            Event::Terminate(object) => {
                if let Some(number) = self.nodes.unused(object) {
                    self.let_go(number);
                }
            }
            Event::Notice(Notice::Supply { .. }) => self.counts.refusals += 1,
            Event::Notice(_) => {}
            Event::Other(message) => self.other(message),
        }
    }

    fn other(&mut self, message: Message<User>) {
        if message.destination.name() != self.port {
            return mach_call::destroy(message);
        }
        let outcome = pager_service::demux(self, message);
        // Names are the kernel's to ask for: it counts what it was answered.
        let outcome = if self.server.is_from_kernel() {
            outcome.or_else(|message| file_server::demux(self, message))
        } else {
            outcome
        };
        let reply = match outcome {
            Outcome::Handled(reply) => reply,
            outcome @ Outcome::NotMine(_) => outcome.or_bad_id(),
        };
        if let Some(reply) = reply {
            // Whoever asked may be gone, and is not waited for.
            let _ = mach_call::send(&reply, Some(0));
        }
    }

    /// Lets a node go that nothing holds any more.
    fn let_go(&mut self, number: u64) {
        let server = &self.server;
        let in_use = |object| server.control(object).is_some();
        if let Some(node) = self.nodes.remove_idle(number, in_use)
            && let Some(open) = node.open
        {
            self.server.destroy_object(open.object);
        }
    }

    fn path(&self, file: FileHandle) -> Result<&str> {
        if file.file_system != self.file_system {
            return Err(errno(Errno::ESTALE));
        }
        let node = self.nodes.get(file.inode);
        Ok(&node.ok_or_else(|| errno(Errno::ESTALE))?.path)
    }

    fn below(&self, directory: FileHandle, name: &[u8]) -> Result<String> {
        let name = core::str::from_utf8(name).map_err(|_| errno(Errno::EILSEQ))?;
        let directory = self.path(directory)?;
        Ok(match directory {
            "" => String::from(name),
            directory => alloc::format!("{directory}/{name}"),
        })
    }

    /// What the author says of a path; the top is a directory whatever is said. A path that leads back to this pager is
    /// refused: a pager that shows other files would wait for itself.
    fn info(&mut self, path: &str) -> Result<Info> {
        if path.is_empty() {
            return Ok(Info::directory());
        }
        if leads_to(path, &self.name) {
            return Err(errno(Errno::ELOOP));
        }
        self.pager.look_up(path).map_err(errno)
    }

    fn attributes_of(&self, number: u64, info: Info) -> FileAttributes {
        let known = self.nodes.get(number).and_then(|node| node.open.as_ref());
        let size = known.map_or(info.size, |open| open.size);
        let (kind, permissions, links) = match (info.kind, info.writable) {
            (Kind::Directory, _) => (S_IFDIR, 0o555, 2),
            (Kind::File, false) => (S_IFREG, 0o444, 1),
            (Kind::File, true) => (S_IFREG, 0o644, 1),
        };
        FileAttributes {
            inode: number,
            mode: u32::from(kind | permissions),
            links,
            block_size: page_size() as u32,
            size,
            blocks: size.div_ceil(512),
            version: info.version,
            ..FileAttributes::default()
        }
    }

    /// The object of a file, opened at the first time, and its size.
    fn open_number(&mut self, number: u64, path: &str) -> Result<(ObjectId, Info)> {
        let info = self.info(path)?;
        if info.kind != Kind::File {
            return Err(errno(Errno::EISDIR));
        }
        if let Some(open) = self.nodes.get(number).and_then(|node| node.open.as_ref()) {
            return Ok((open.object, info));
        }
        let file = self.pager.open(path).map_err(errno)?;
        let object = self.server.create_object()?;
        let open = Open {
            object,
            file,
            size: info.size,
            version: info.version,
        };
        self.nodes.set_open(number, open);
        Ok((object, info))
    }

    /// A file in use whose data has changed by itself is opened anew; the kernel drops its pages when it sees the version.
    fn renew(&mut self, number: u64, path: &str, info: Info) -> Result<()> {
        let node = self.nodes.get_mut(number);
        if let Some(open) = node.and_then(|node| node.open.as_mut())
            && open.version != info.version
        {
            open.file = self.pager.open(path).map_err(errno)?;
            (open.size, open.version) = (info.size, info.version);
        }
        Ok(())
    }
}

/// An errno as a server's failure.
fn errno(error: Errno) -> KernReturn {
    KernReturn::from_errno(error.raw())
}

fn record_kind(kind: Kind) -> u8 {
    match kind {
        Kind::Directory => kind::DIR,
        Kind::File => kind::REG,
    }
}

impl<P: Pager> file_server::Server<User> for Service<P> {
    fn lookup(
        &mut self,
        _: &mut Call<User>,
        request: file_server::lookup::Request,
    ) -> Result<file_server::lookup::Reply> {
        let path = self.below(request.directory, request.name.as_bytes())?;
        let info = self.info(&path)?;
        let inode = self.nodes.number(&path);
        self.renew(inode, &path, info)?;
        self.nodes.note_answer(inode);
        Ok(file_server::lookup::Reply {
            file: FileHandle {
                inode,
                ..request.directory
            },
            attributes: self.attributes_of(inode, info),
        })
    }

    fn get_attributes(
        &mut self,
        _: &mut Call<User>,
        request: file_server::get_attributes::Request,
    ) -> Result<file_server::get_attributes::Reply> {
        let path = String::from(self.path(request.file)?);
        let info = self.info(&path)?;
        Ok(file_server::get_attributes::Reply {
            attributes: self.attributes_of(request.file.inode, info),
        })
    }

    fn read_directory(
        &mut self,
        _: &mut Call<User>,
        request: file_server::read_directory::Request,
    ) -> Result<file_server::read_directory::Reply> {
        let path = String::from(self.path(request.directory)?);
        let entries = self.pager.list(&path).map_err(errno)?;
        let wanted = usize::try_from(request.from).unwrap_or(usize::MAX);
        let numbered = entries.iter().zip(1..).skip(wanted);
        let entries = numbered.map(|(entry, next)| Dirent {
            // A number is given at the lookup; readers want only that it is not zero.
            ino: next + 1,
            seekoff: next,
            kind: record_kind(entry.kind),
            name: entry.name.as_bytes(),
        });
        let mut records = alloc::vec![0; (request.capacity as usize).min(DIRECTORY_BYTES)];
        let length = dirent::write_all(entries, &mut records);
        records.truncate(length.ok_or_else(|| errno(Errno::EINVAL))?);
        Ok(file_server::read_directory::Reply {
            records: Array(records),
        })
    }

    fn open(
        &mut self,
        _: &mut Call<User>,
        request: file_server::open::Request,
    ) -> Result<file_server::open::Reply<User>> {
        let (number, path) = (request.file.inode, String::from(self.path(request.file)?));
        let (object, info) = self.open_number(number, &path)?;
        Ok(file_server::open::Reply {
            memory_object: UserRight::make_send(object),
            attributes: self.attributes_of(number, info),
        })
    }

    fn set_size(
        &mut self,
        _: &mut Call<User>,
        request: file_server::set_size::Request,
    ) -> Result<file_server::set_size::Reply> {
        self.path(request.file)?;
        let open = self.nodes.get_mut(request.file.inode);
        let open = open.and_then(|node| node.open.as_mut());
        let open = open.ok_or_else(|| errno(Errno::EINVAL))?;
        self.pager
            .resize(&mut open.file, request.size)
            .map_err(errno)?;
        open.size = request.size;
        Ok(file_server::set_size::Reply {})
    }

    fn synchronize(
        &mut self,
        _: &mut Call<User>,
        request: file_server::synchronize::Request,
    ) -> Result<file_server::synchronize::Reply> {
        self.path(request.file)?;
        let open = self.nodes.get_mut(request.file.inode);
        if let Some(open) = open.and_then(|node| node.open.as_mut()) {
            self.pager.synchronize(&mut open.file).map_err(errno)?;
        }
        Ok(file_server::synchronize::Reply {})
    }

    fn forget(&mut self, _: &mut Call<User>, request: file_server::forget::Request) -> Result<()> {
        let number = request.file.inode;
        self.nodes.forget(number, request.answers);
        self.let_go(number);
        Ok(())
    }
}

impl<P: Pager> pager_service::Server<User> for Service<P> {
    fn open(
        &mut self,
        _: &mut Call<User>,
        request: pager_service::open::Request,
    ) -> Result<pager_service::open::Reply<User>> {
        let path = core::str::from_utf8(request.path.as_bytes())
            .map_err(|_| errno(Errno::EILSEQ))
            .and_then(|path| plain(path).ok_or_else(|| errno(Errno::EINVAL)))?;
        let number = self.nodes.number(&path);
        let opened = self.open_number(number, &path);
        let (object, info) = match opened {
            Ok(opened) if self.nodes.lend(number) => opened,
            refused => {
                self.let_go(number);
                return Err(refused.err().unwrap_or(errno(Errno::ENFILE)));
            }
        };
        Ok(pager_service::open::Reply {
            memory_object: UserRight::make_send(object),
            size: self.attributes_of(number, info).size,
        })
    }

    fn describe(
        &mut self,
        _: &mut Call<User>,
        _: pager_service::describe::Request,
    ) -> Result<pager_service::describe::Reply> {
        let Counts {
            reads,
            pages,
            returns,
            refusals,
        } = self.counts;
        Ok(pager_service::describe::Reply {
            objects: self.nodes.open_count() as u32,
            reads,
            pages,
            returns,
            refusals,
        })
    }
}

/// Whether a path leads through the directory of the pager of this name.
fn leads_to(path: &str, name: &str) -> bool {
    let names = path.split('/');
    let pairs = names.clone().zip(names.skip(1));
    pairs.into_iter().any(|pair| pair == ("pagers", name))
}

/// A program's path as the kernel would have walked it: no empty names, no `.`; `..` is not followed.
fn plain(path: &str) -> Option<String> {
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !name.is_empty() && *name != ".")
        .collect();
    (!names.is_empty() && !names.contains(&"..")).then(|| names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_back_is_known() {
        for path in ["pagers/lz4/a", "pagers/lz4", "pagers/sum/pagers/lz4/a"] {
            assert!(leads_to(path, "lz4"), "{path}");
        }
        for path in ["share/a", "pagers/sum/a", "x/lz4/pagers"] {
            assert!(!leads_to(path, "lz4"), "{path}");
        }
    }

    #[test]
    fn paths_of_programs_become_those_of_the_kernel() {
        assert_eq!(plain("/a//b/./c/").as_deref(), Some("a/b/c"));
        for bad in ["", "/", "a/../b", "."] {
            assert_eq!(plain(bad), None, "{bad}");
        }
    }
}
