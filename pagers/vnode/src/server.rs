//! The server: its volumes, its objects, its loop.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::dirent;
use bsd_sys::errno::Errno;
use libsystem::fs;
use libsystem::mach_call::{self, port};
use mach::defs::{Outcome, file_server, host_priv};
use mach::file::{FileHandle, hidden_name};
use mach::host_info::special_port;
use mach::message::{Message, UserCarrier, UserRight};
use mach::{KernReturn, PortName, PortRight, Result};
use pager_sdk::{Attributes, Event, Returns, Server};
use volumes::volume::FileKind;
use volumes::volume::host_directory::HostDirectory;
use volumes::volume::ram::RamVolume;
use volumes::volume::{Name, Removal, Volume, Wants};

use crate::device::Device;
use crate::pages::{Job, Waiting};

/// The user that files are opened as.
const USER: u32 = 0;

/// Where the boot archive is.
const ARCHIVE: &str = "/boot";

/// Devices, in the order of the mounts the kernel asks for; the mounts after them are the boot archive's files and `/tmp`.
const DEVICES: [&str; 2] = ["files.root", "files.share"];

/// Requests that are with the devices at a time. A device takes a few more, which names need.
const IN_FLIGHT: usize = 24;

/// Milliseconds that one read of pages may take.
const DEADLINE: u32 = 20_000;

type Key = (u32, u64, u32);

/// An errno as a server's failure.
pub(crate) fn errno(error: Errno) -> KernReturn {
    KernReturn::from_errno(error.raw())
}

fn key(file: FileHandle) -> Key {
    (file.file_system, file.inode, file.generation)
}

/// A volume and what is behind it.
enum Mounted {
    /// A directory of the host.
    Host(Box<HostDirectory<Device>>),
    /// Files in this task's memory.
    Ram(RamVolume),
}

/// The boot archive's files as a volume: the same names as below `/boot`, but their pages come through this pager like any
/// other file's.
fn boot_archive() -> RamVolume {
    let mut volume = RamVolume::default();
    add_directory(&mut volume, String::from(ARCHIVE));
    volume
}

/// Adds what is below a directory. What cannot be read is left out: the archive serves it all the same.
fn add_directory(volume: &mut RamVolume, path: String) {
    for entry in fs::read_dir(&path).unwrap_or_default() {
        let below = alloc::format!("{path}/{}", entry.name);
        if entry.kind == dirent::kind::DIR {
            add_directory(volume, below);
        } else if let Ok(bytes) = fs::read(&below) {
            // Names in a directory are unique.
            let _ = volume.add_file(&below[ARCHIVE.len()..], bytes);
        }
    }
}

/// Everything the program is.
pub(crate) struct FileServer {
    server: Server,
    /// Where the kernel asks about names.
    port: PortName,
    /// By mount number.
    volumes: Vec<Option<Mounted>>,
    /// Answers that have named each file and that the kernel has not given back.
    answers: BTreeMap<Key, u64>,
    /// The object of each file that was opened, and back.
    objects: BTreeMap<Key, PortName>,
    files: BTreeMap<PortName, FileHandle>,
    /// Objects that were handed out and not used since: the kernel's `init` is still to come.
    handed_out: BTreeSet<PortName>,
    /// Device requests under way, by the reply port of each.
    waiting: BTreeMap<PortName, Waiting>,
    /// Requests for which there was no room on the device yet.
    queued: VecDeque<Job>,
    /// Files that lost their last name while the kernel knew them, and the name they have in the root directory meanwhile.
    hidden: BTreeMap<Key, String>,
    last_token: u64,
}

impl FileServer {
    /// Opens the devices and tells the kernel that there is a file server.
    ///
    /// # Errors
    /// No device, no privilege, or no ports.
    pub(crate) fn start() -> Result<Self> {
        let host = mach_call::host_self();
        let which = special_port::DEVICE_MASTER;
        let master = mach_call::call(
            host,
            host_priv::get_special_port::Request { node: -1, which },
        )?
        .port
        .name();
        let mut volumes = Vec::new();
        for name in DEVICES {
            let device = Device::open(master, name);
            let volume = device
                .ok()
                .and_then(|device| HostDirectory::attach(device, USER).ok());
            volumes.push(volume.map(|volume| Mounted::Host(Box::new(volume))));
        }
        if volumes[0].is_none() {
            libsystem::eprintln!("vnode_pager: there is no device {}", DEVICES[0]);
            return Err(KernReturn::INVALID_NAME);
        }
        volumes.push(Some(Mounted::Ram(boot_archive())));
        volumes.push(Some(Mounted::Ram(RamVolume::default())));
        let mut server = Server::new()?;
        let port = port::allocate(PortRight::Receive)?;
        server.add_port(port)?;
        let registration = host_priv::set_special_port::Request {
            port: UserRight::make_send(port),
            which: special_port::FILE_SERVER,
        };
        mach_call::call(host, registration)?;
        Ok(Self {
            server,
            port,
            volumes,
            answers: BTreeMap::new(),
            objects: BTreeMap::new(),
            handed_out: BTreeSet::new(),
            queued: VecDeque::new(),
            files: BTreeMap::new(),
            waiting: BTreeMap::new(),
            hidden: BTreeMap::new(),
            last_token: 0,
        })
    }

    /// Serves until that is no longer possible; says why.
    pub(crate) fn serve(&mut self) -> KernReturn {
        loop {
            match self.server.next_event() {
                Ok(event) => self.handle(event),
                Err(code) => return code,
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Init(init) => {
                self.handed_out.remove(&init.object());
                let attributes = Attributes {
                    deadline: DEADLINE,
                    returns: self.returns_of(init.object()),
                    ..Attributes::default()
                };
                // A kernel that has let go of the object already needs no answer.
                let _ = init.ready(attributes);
            }
            Event::Read(read) => self.queue(Job::Read(read)),
            Event::ReturnList(pages) => self.queue(Job::Write(pages)),
            Event::Synchronize(request) => self.queue(Job::Synchronize(request)),
            Event::Return(pages) => self.write_bytes(pages),
            Event::Terminate(object) => self.object_unused(object),
            Event::Notice(_) => {}
            Event::Other(message) => self.other(message),
        }
    }

    fn other(&mut self, message: Message<UserCarrier>) {
        let port = message.destination.name();
        if port != self.port {
            return self.device_answered(port, message);
        }
        let reply = match file_server::demux(self, message) {
            Outcome::Handled(reply) => reply,
            outcome @ Outcome::NotMine(_) => outcome.or_bad_id(),
        };
        if let Some(reply) = reply {
            // Whoever asked may be gone.
            let _ = mach_call::send(&reply, Some(0));
        }
    }

    /// The volume of a mount.
    ///
    /// # Errors
    /// `ENXIO` when there is none.
    pub(crate) fn volume(&mut self, mount: u32) -> Result<&mut dyn Volume> {
        match self.volumes.get_mut(mount as usize) {
            Some(Some(Mounted::Host(volume))) => Ok(&mut **volume),
            Some(Some(Mounted::Ram(volume))) => Ok(volume),
            _ => Err(errno(Errno::ENXIO)),
        }
    }

    /// The device behind a mount, if there is one.
    fn device(&mut self, mount: u32) -> Option<&mut Device> {
        match self.volumes.get_mut(mount as usize) {
            Some(Some(Mounted::Host(volume))) => Some(volume.transport()),
            _ => None,
        }
    }

    /// How changed pages of an object are to come.
    fn returns_of(&mut self, object: PortName) -> Returns {
        let mount = self.file_of(object).map(|file| file.file_system);
        let wants = mount.and_then(|mount| self.volume(mount).ok().map(|volume| volume.wants()));
        match wants {
            Some(Wants::Pages) => Returns::PageLists,
            Some(Wants::Bytes) | None => Returns::Memory,
        }
    }

    fn queue(&mut self, job: Job) {
        self.queued.push_back(job);
        self.start_jobs();
    }

    /// Starts as many jobs as the devices take.
    pub(crate) fn start_jobs(&mut self) {
        while self.waiting.len() < IN_FLIGHT
            && let Some(job) = self.queued.pop_front()
        {
            self.start_job(job);
        }
    }

    /// What is left of a job, to be started before all others.
    pub(crate) fn put_back(&mut self, rest: Job) {
        self.queued.push_front(rest);
    }

    /// An answer names a file.
    pub(crate) fn note_answer(&mut self, file: FileHandle) {
        *self.answers.entry(key(file)).or_default() += 1;
    }

    /// The object of a file, made at the first time, to be given to the kernel.
    ///
    /// # Errors
    /// No port can be had.
    pub(crate) fn hand_out(&mut self, file: FileHandle) -> Result<PortName> {
        let object = self.object_for(file)?;
        if self.server.control(object).is_none() {
            self.handed_out.insert(object);
        }
        Ok(object)
    }

    fn object_for(&mut self, file: FileHandle) -> Result<PortName> {
        if let Some(&object) = self.objects.get(&key(file)) {
            return Ok(object);
        }
        let object = self.server.create_object()?;
        self.objects.insert(key(file), object);
        self.files.insert(object, file);
        Ok(object)
    }

    /// The file of an object.
    pub(crate) fn file_of(&self, object: PortName) -> Option<FileHandle> {
        self.files.get(&object).copied()
    }

    /// The kernel uses an object no more. It stays, to be used again, while the kernel knows the file.
    fn object_unused(&mut self, object: PortName) {
        if let Some(file) = self.file_of(object)
            && !self.answers.contains_key(&key(file))
        {
            self.forget(file);
        }
    }

    /// The kernel gives back so many answers. The file goes with the last of them, unless its object is still in use:
    /// memory may be mapped that nobody has open.
    pub(crate) fn forget_file(&mut self, file: FileHandle, answers: u64) {
        let Some(known) = self.answers.get_mut(&key(file)) else {
            return;
        };
        *known = known.saturating_sub(answers);
        if *known > 0 {
            return;
        }
        self.answers.remove(&key(file));
        if !self.is_known(file) {
            self.forget(file);
        }
    }

    /// Lets everything go that is kept for a file.
    fn forget(&mut self, file: FileHandle) {
        if let Some(object) = self.objects.remove(&key(file)) {
            self.files.remove(&object);
            self.handed_out.remove(&object);
            self.server.destroy_object(object);
        }
        let hidden = self.hidden.remove(&key(file));
        if let Ok(volume) = self.volume(file.file_system) {
            volume.forget(file.inode);
            if let Some(name) = hidden {
                let directory = volume.root();
                // One that is gone already is what was wanted.
                let _ = volume.remove(
                    Name {
                        directory,
                        name: &name,
                    },
                    Removal::File,
                );
            }
        }
    }

    /// Does the kernel know a file, by an answer or by its object?
    fn is_known(&self, file: FileHandle) -> bool {
        let object = self.objects.get(&key(file));
        let used = |object: &PortName| {
            self.server.control(*object).is_some() || self.handed_out.contains(object)
        };
        self.answers.contains_key(&key(file)) || object.is_some_and(used)
    }

    /// Before a name goes: if it is the last one of a file that the kernel knows, the file gets a hidden name, under which it lives
    /// until the kernel forgets it. Whether that has taken the name away.
    ///
    /// # Errors
    /// What the volume says.
    pub(crate) fn hide(&mut self, mount: u32, at: Name<'_>) -> Result<bool> {
        let found = self
            .volume(mount)?
            .lookup(at.directory, at.name)
            .map_err(errno)?;
        let file = FileHandle {
            file_system: mount,
            inode: found.inode,
            generation: 0,
        };
        if found.kind == FileKind::Directory || found.links > 1 || !self.is_known(file) {
            self.forget_if_unknown(file);
            return Ok(false);
        }
        let volume = self.volume(mount)?;
        let hidden = hidden_name(file);
        let to = Name {
            directory: volume.root(),
            name: &hidden,
        };
        match volume.rename(at, to) {
            Ok(()) => {
                self.hidden.insert(key(file), hidden);
                Ok(true)
            }
            // On another file system of the host: it keeps what is open, and no name.
            Err(Errno::EXDEV) => Ok(false),
            Err(error) => Err(errno(error)),
        }
    }

    /// The kernel has asked for a file by this name: if it is the hidden one, given by the server before this one, it goes when the
    /// kernel forgets the file.
    pub(crate) fn note_hidden(&mut self, file: FileHandle, name: &str) {
        if name == hidden_name(file) {
            self.hidden.insert(key(file), name.into());
        }
    }

    /// A lookup of our own has made the volume keep something for a file.
    fn forget_if_unknown(&mut self, file: FileHandle) {
        if !self.is_known(file)
            && let Ok(volume) = self.volume(file.file_system)
        {
            volume.forget(file.inode);
        }
    }

    /// A number for a device request.
    pub(crate) fn next_token(&mut self) -> u64 {
        self.last_token += 1;
        self.last_token
    }

    /// A device request was started: its job waits for the answer on the reply port.
    pub(crate) fn wait_for(&mut self, waiting: Waiting) {
        let Some(device) = self.device(waiting.mount) else {
            return;
        };
        let new_ports = device.take_new_ports();
        let started = device.take_started();
        for port in new_ports {
            // A port just made is ours to add.
            let _ = self.server.add_port(port);
        }
        if let Some((_, request)) = started
            .into_iter()
            .find(|(token, _)| *token == waiting.token)
        {
            self.waiting.insert(request.reply, waiting);
        }
    }

    /// The job whose answer has come on this reply port.
    pub(crate) fn take_waiting(&mut self, port: PortName) -> Option<Waiting> {
        let waiting = self.waiting.remove(&port)?;
        if let Some(device) = self.device(waiting.mount) {
            device.reuse(port);
        }
        Some(waiting)
    }
}
