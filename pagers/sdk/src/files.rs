//! Files that a pager reads to serve its own.
//!
//! They are read with `read`, never mapped: a pager that waits for a page of its own would wait for itself. For the same
//! reason [`Service`](crate::Service) refuses paths that lead through `/pagers` back to its pager; the kernel's deadline is the
//! second net, for links and for pagers that read each other. On a host they lie below the directory that the test gives,
//! or where they lie.

use alloc::vec::Vec;

use bsd_sys::Errno;

use crate::pager::{Entry, Info};

/// What a path stands for.
///
/// # Errors
/// The kernel's.
pub fn look_up(path: &str) -> Result<Info, Errno> {
    system::look_up(path)
}

/// The names in a directory.
///
/// # Errors
/// The kernel's.
pub fn list(path: &str) -> Result<Vec<Entry>, Errno> {
    system::list(path)
}

/// An open file.
#[derive(Debug)]
pub struct File(system::File);

impl File {
    /// Opens for reading.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &str) -> Result<Self, Errno> {
        system::File::open(path).map(Self)
    }

    /// Opens for reading and writing.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_writable(path: &str) -> Result<Self, Errno> {
        system::File::open_writable(path).map(Self)
    }

    /// Writes all of the bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write_all_at(&self, bytes: &[u8], position: u64) -> Result<(), Errno> {
        self.0.write_all_at(bytes, position)
    }

    /// Waits until what was written survives (`fsync`).
    ///
    /// # Errors
    /// The kernel's.
    pub fn synchronize(&self) -> Result<(), Errno> {
        self.0.synchronize()
    }

    /// Its size now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn size(&self) -> Result<u64, Errno> {
        self.0.size()
    }

    /// Reads until the buffer is full or the file ends; how much.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, Errno> {
        let mut done = 0;
        while done < buffer.len() {
            match self
                .0
                .read_at(&mut buffer[done..], position + done as u64)?
            {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    /// Fills the whole buffer.
    ///
    /// # Errors
    /// `EIO` when the file ends before; the kernel's.
    pub fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> Result<(), Errno> {
        if self.read_at(buffer, position)? == buffer.len() {
            Ok(())
        } else {
            Err(Errno::EIO)
        }
    }
}

/// The whole of a file, if it is not larger than `limit`.
///
/// # Errors
/// `EFBIG`; the kernel's.
pub fn read(path: &str, limit: u64) -> Result<Vec<u8>, Errno> {
    let file = File::open(path)?;
    let size = file.size()?;
    if size > limit {
        return Err(Errno::EFBIG);
    }
    let mut bytes = alloc::vec![0; size as usize];
    let count = file.read_at(&mut bytes, 0)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Makes a file with these bytes, or gives it these bytes.
///
/// # Errors
/// The kernel's.
pub fn write(path: &str, bytes: &[u8]) -> Result<(), Errno> {
    let file = system::File::create(path)?;
    file.write_all_at(bytes, 0)?;
    file.synchronize()
}

#[cfg(target_os = "none")]
mod system {
    use super::{Entry, Errno, Info, Vec};
    use bsd_sys::dirent;
    use bsd_sys::fcntl::OpenFlags;
    use bsd_sys::stat::{S_IFDIR, S_IFMT, S_IFREG, Stat};
    use libsystem::fs;

    fn info(stat: &Stat) -> Result<Info, Errno> {
        match stat.mode & S_IFMT {
            S_IFDIR => Ok(Info::directory()),
            S_IFREG => {
                let changed = stat.mtime.seconds as u64;
                let version = (changed << 30) ^ stat.mtime.nanoseconds as u64;
                Ok(Info::file(stat.size as u64).version(version))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn look_up(path: &str) -> Result<Info, Errno> {
        info(&fs::stat(path)?)
    }

    pub(super) fn list(path: &str) -> Result<Vec<Entry>, Errno> {
        let entry = |entry: fs::DirectoryEntry| match entry.kind {
            dirent::kind::DIR => Entry::directory(entry.name),
            _ => Entry::file(entry.name),
        };
        Ok(fs::read_dir(path)?.into_iter().map(entry).collect())
    }

    #[derive(Debug)]
    pub(super) struct File(fs::File);

    impl File {
        pub(super) fn open(path: &str) -> Result<Self, Errno> {
            fs::File::open(path).map(Self)
        }
        pub(super) fn open_writable(path: &str) -> Result<Self, Errno> {
            fs::File::open_with(path, OpenFlags::RDWR, 0).map(Self)
        }
        pub(super) fn create(path: &str) -> Result<Self, Errno> {
            let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::TRUNC;
            fs::File::open_with(path, flags, 0o644).map(Self)
        }
        pub(super) fn write_all_at(&self, bytes: &[u8], position: u64) -> Result<(), Errno> {
            let mut done = 0;
            while done < bytes.len() {
                match self.0.write_at(&bytes[done..], position + done as u64)? {
                    0 => return Err(Errno::EIO),
                    count => done += count,
                }
            }
            Ok(())
        }
        pub(super) fn synchronize(&self) -> Result<(), Errno> {
            self.0.sync()
        }
        pub(super) fn size(&self) -> Result<u64, Errno> {
            Ok(self.0.stat()?.size as u64)
        }
        pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, Errno> {
            self.0.read_at(buffer, position)
        }
    }
}

#[cfg(not(target_os = "none"))]
mod system {
    use super::{Entry, Errno, Info, Vec};
    use std::fs;
    use std::io;
    use std::os::unix::fs::FileExt as _;
    use std::path::PathBuf;
    use std::time::UNIX_EPOCH;

    fn errno(error: io::Error) -> Errno {
        match error.kind() {
            io::ErrorKind::NotFound => Errno::ENOENT,
            io::ErrorKind::NotADirectory => Errno::ENOTDIR,
            io::ErrorKind::IsADirectory => Errno::EISDIR,
            io::ErrorKind::PermissionDenied => Errno::EACCES,
            _ => Errno::EIO,
        }
    }

    fn place(path: &str) -> Result<PathBuf, Errno> {
        Ok(match crate::host::machine() {
            Ok(machine) => machine.files().join(path.trim_start_matches('/')),
            // A program run on the host: `sum --make`, for instance.
            Err(_) => PathBuf::from(path),
        })
    }

    pub(super) fn look_up(path: &str) -> Result<Info, Errno> {
        let found = fs::metadata(place(path)?).map_err(errno)?;
        if found.is_dir() {
            return Ok(Info::directory());
        }
        let changed = found.modified().map_err(errno)?;
        let version = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Info::file(found.len()).version(version.as_nanos() as u64))
    }

    pub(super) fn list(path: &str) -> Result<Vec<Entry>, Errno> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(place(path)?).map_err(errno)? {
            let entry = entry.map_err(errno)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(if entry.path().is_dir() {
                Entry::directory(name)
            } else {
                Entry::file(name)
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    #[derive(Debug)]
    pub(super) struct File(fs::File);

    impl File {
        pub(super) fn open(path: &str) -> Result<Self, Errno> {
            fs::File::open(place(path)?).map(Self).map_err(errno)
        }
        pub(super) fn open_writable(path: &str) -> Result<Self, Errno> {
            let mut options = fs::OpenOptions::new();
            let opened = options.read(true).write(true).open(place(path)?);
            opened.map(Self).map_err(errno)
        }
        pub(super) fn create(path: &str) -> Result<Self, Errno> {
            fs::File::create(place(path)?).map(Self).map_err(errno)
        }
        pub(super) fn write_all_at(&self, bytes: &[u8], position: u64) -> Result<(), Errno> {
            self.0.write_all_at(bytes, position).map_err(errno)
        }
        pub(super) fn synchronize(&self) -> Result<(), Errno> {
            self.0.sync_all().map_err(errno)
        }
        pub(super) fn size(&self) -> Result<u64, Errno> {
            Ok(self.0.metadata().map_err(errno)?.len())
        }
        pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> Result<usize, Errno> {
            self.0.read_at(buffer, position).map_err(errno)
        }
    }
}
