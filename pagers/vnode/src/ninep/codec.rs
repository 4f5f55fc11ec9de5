//! The bytes of 9P2000.L messages.
//!
//! A message is `size[4] type[1] tag[2] body`, little-endian, `size` counting itself; a string is `length[2] bytes`.
//! Requests are written by [`Request::encode`], replies read by [`Reply::parse`] and the typed readers on it. Every length
//! in a reply is checked against the bytes that are there: the far side is trusted to be a server, not to be correct.

use alloc::string::String;
use alloc::vec::Vec;

use crate::volume::Moment;

/// The number of a file handle that the client chose.
pub type Fid = u32;

/// Bytes of `size type tag`.
pub const HEADER: usize = 7;

/// Bytes of an `Rread` before the data: header and count.
pub const READ_REPLY_HEADER: usize = HEADER + 4;

/// `Tversion` must use this tag.
pub const NO_TAG: u16 = 0xffff;

/// The protocol's name in `Tversion`.
pub const VERSION: &str = "9P2000.L";

/// `Tgetattr`'s mask for everything `stat` shows (`P9_GETATTR_BASIC`).
pub const GETATTR_BASIC: u64 = 0x7ff;

/// Identity of a file on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Qid {
    /// Kind bits: 0x80 directory, 0x02 symbolic link.
    pub kind: u8,
    /// Changes when the file's modification time does.
    pub version: u32,
    /// Unique within the server (with QEMU's `multidevs=remap`).
    pub path: u64,
}

/// Why a reply cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// Shorter than its fields need, or than its own `size` says.
    Short,
    /// The type is neither the expected one nor `Rlerror`.
    UnexpectedType(u8),
    /// The tag is not the request's.
    UnexpectedTag(u16),
    /// A name is not UTF-8.
    BadName,
    /// The server answered `Rlerror` with this Linux error number.
    Server(u32),
}

/// A request: everything of a T-message but the tag.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields carry the protocol's own names")]
pub enum Request<'a> {
    Version {
        msize: u32,
    },
    Attach {
        fid: Fid,
        user: u32,
        tree: &'a str,
    },
    Walk {
        fid: Fid,
        new_fid: Fid,
        names: &'a [&'a str],
    },
    Open {
        fid: Fid,
        flags: u32,
    },
    Read {
        fid: Fid,
        offset: u64,
        count: u32,
    },
    GetAttr {
        fid: Fid,
    },
    ReadDir {
        fid: Fid,
        offset: u64,
        count: u32,
    },
    ReadLink {
        fid: Fid,
    },
    StatFs {
        fid: Fid,
    },
    Flush {
        tag: u16,
    },
    Clunk {
        fid: Fid,
    },
    /// Makes a file in the directory that `fid` names and opens it: `fid` is the file then.
    Create {
        fid: Fid,
        name: &'a str,
        flags: u32,
        mode: u32,
        group: u32,
    },
    SymbolicLink {
        directory: Fid,
        name: &'a str,
        target: &'a str,
        group: u32,
    },
    SetAttr {
        fid: Fid,
        changes: Changes,
    },
    Fsync {
        fid: Fid,
    },
    Link {
        directory: Fid,
        fid: Fid,
        name: &'a str,
    },
    MakeDirectory {
        directory: Fid,
        name: &'a str,
        mode: u32,
        group: u32,
    },
    Rename {
        from: Fid,
        from_name: &'a str,
        to: Fid,
        to_name: &'a str,
    },
    Unlink {
        directory: Fid,
        name: &'a str,
        flags: u32,
    },
    /// The data follow the message; it is encoded without them.
    Write {
        fid: Fid,
        offset: u64,
        count: u32,
    },
}

/// `Tunlinkat`'s flag for directories (`AT_REMOVEDIR`).
pub const UNLINK_DIRECTORY: u32 = 0x200;

/// What `Tsetattr` changes; the rest stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the protocol's own names")]
pub struct Changes {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub accessed: Option<Moment>,
    pub modified: Option<Moment>,
}

impl Changes {
    /// `P9_SETATTR_*`: what is set, and which times are given and not the server's own.
    fn valid(&self) -> u32 {
        let bit = |set: bool, bits: u32| if set { bits } else { 0 };
        bit(self.mode.is_some(), 0x1)
            | bit(self.uid.is_some(), 0x2)
            | bit(self.gid.is_some(), 0x4)
            | bit(self.size.is_some(), 0x8)
            | bit(self.accessed.is_some(), 0x10)
            | bit(self.modified.is_some(), 0x20)
            | bit(matches!(self.accessed, Some(Moment::At(..))), 0x80)
            | bit(matches!(self.modified, Some(Moment::At(..))), 0x100)
    }
}

impl Request<'_> {
    /// The message type of the request; its reply's is one more.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::StatFs { .. } => 8,
            Self::Open { .. } => 12,
            Self::Create { .. } => 14,
            Self::SymbolicLink { .. } => 16,
            Self::ReadLink { .. } => 22,
            Self::GetAttr { .. } => 24,
            Self::SetAttr { .. } => 26,
            Self::ReadDir { .. } => 40,
            Self::Fsync { .. } => 50,
            Self::Link { .. } => 70,
            Self::MakeDirectory { .. } => 72,
            Self::Rename { .. } => 74,
            Self::Unlink { .. } => 76,
            Self::Version { .. } => 100,
            Self::Attach { .. } => 104,
            Self::Flush { .. } => 108,
            Self::Walk { .. } => 110,
            Self::Read { .. } => 116,
            Self::Write { .. } => 118,
            Self::Clunk { .. } => 120,
        }
    }

    /// The whole T-message; of a write, what comes before the data.
    #[must_use]
    pub fn encode(&self, tag: u16) -> Vec<u8> {
        let mut out = Writer::new(self.kind(), tag);
        match *self {
            Self::Version { msize } => {
                out.u32(msize);
                out.string(VERSION);
            }
            Self::Attach { fid, user, tree } => {
                out.u32(fid);
                out.u32(u32::MAX); // no authentication fid
                out.string("");
                out.string(tree);
                out.u32(user);
            }
            Self::Walk {
                fid,
                new_fid,
                names,
            } => {
                out.u32(fid);
                out.u32(new_fid);
                out.u16(names.len() as u16);
                for name in names {
                    out.string(name);
                }
            }
            Self::Open { fid, flags } => {
                out.u32(fid);
                out.u32(flags);
            }
            Self::Read { fid, offset, count } | Self::ReadDir { fid, offset, count } => {
                out.u32(fid);
                out.u64(offset);
                out.u32(count);
            }
            Self::GetAttr { fid } => {
                out.u32(fid);
                out.u64(GETATTR_BASIC);
            }
            Self::ReadLink { fid } | Self::StatFs { fid } | Self::Clunk { fid } => out.u32(fid),
            Self::Flush { tag } => out.u16(tag),
            Self::Create {
                fid,
                name,
                flags,
                mode,
                group,
            } => {
                out.u32(fid);
                out.string(name);
                out.u32(flags);
                out.u32(mode);
                out.u32(group);
            }
            Self::SymbolicLink {
                directory,
                name,
                target,
                group,
            } => {
                out.u32(directory);
                out.string(name);
                out.string(target);
                out.u32(group);
            }
            Self::SetAttr { fid, changes } => {
                out.u32(fid);
                out.changes(&changes);
            }
            Self::Fsync { fid } => {
                out.u32(fid);
                out.u32(0); // attributes too
            }
            Self::Link {
                directory,
                fid,
                name,
            } => {
                out.u32(directory);
                out.u32(fid);
                out.string(name);
            }
            Self::MakeDirectory {
                directory,
                name,
                mode,
                group,
            } => {
                out.u32(directory);
                out.string(name);
                out.u32(mode);
                out.u32(group);
            }
            Self::Rename {
                from,
                from_name,
                to,
                to_name,
            } => {
                out.u32(from);
                out.string(from_name);
                out.u32(to);
                out.string(to_name);
            }
            Self::Unlink {
                directory,
                name,
                flags,
            } => {
                out.u32(directory);
                out.string(name);
                out.u32(flags);
            }
            Self::Write { fid, offset, count } => {
                out.u32(fid);
                out.u64(offset);
                out.u32(count);
                out.following = count;
            }
        }
        out.finish()
    }
}

/// What `Rgetattr` says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields carry the protocol's own names")]
pub struct Attributes {
    pub qid: Qid,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub links: u64,
    pub rdev: u64,
    pub size: u64,
    pub block_size: u64,
    pub blocks: u64,
    /// Seconds and nanoseconds.
    pub accessed: (u64, u64),
    pub modified: (u64, u64),
    pub changed: (u64, u64),
}

/// One name of a directory, from `Rreaddir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Identity of the named file.
    pub qid: Qid,
    /// Where the next `Treaddir` goes on after this entry.
    pub next: u64,
    /// Linux's (and Darwin's) `DT_*` value.
    pub kind: u8,
    /// The name.
    pub name: String,
}

/// An R-message whose type, tag and size were checked.
#[derive(Debug)]
pub struct Reply<'a> {
    body: Reader<'a>,
}

impl<'a> Reply<'a> {
    /// Checks `bytes` as the answer to `request` with `tag`.
    ///
    /// # Errors
    /// [`ProtocolError::Server`] for `Rlerror`, the other variants for a malformed answer.
    pub fn parse(bytes: &'a [u8], request: &Request<'_>, tag: u16) -> Result<Self, ProtocolError> {
        let mut reader = Reader { bytes };
        let size = reader.u32()? as usize;
        let kind = reader.u8()?;
        let found = reader.u16()?;
        // `Rread`'s data may have gone to frames, so its `size` may exceed what is here.
        if size < HEADER || (size > bytes.len() && kind != 117) {
            return Err(ProtocolError::Short);
        }
        if found != tag {
            return Err(ProtocolError::UnexpectedTag(found));
        }
        match kind {
            7 => Err(ProtocolError::Server(reader.u32()?)),
            kind if kind == request.kind() + 1 => Ok(Self { body: reader }),
            kind => Err(ProtocolError::UnexpectedType(kind)),
        }
    }

    /// `Rversion`: the message size the server accepts, and whether it speaks our version.
    pub fn version(mut self) -> Result<(u32, bool), ProtocolError> {
        let msize = self.body.u32()?;
        Ok((msize, self.body.string()? == VERSION))
    }

    /// `Rattach`: the root's identity.
    pub fn attach(mut self) -> Result<Qid, ProtocolError> {
        self.body.qid()
    }

    /// `Rwalk`: the identities on the way; fewer than names asked for means the next one does not exist.
    pub fn walk(mut self) -> Result<Vec<Qid>, ProtocolError> {
        let count = self.body.u16()?;
        (0..count).map(|_| self.body.qid()).collect()
    }

    /// `Rlopen`: identity and preferred I/O size.
    pub fn open(mut self) -> Result<(Qid, u32), ProtocolError> {
        Ok((self.body.qid()?, self.body.u32()?))
    }

    /// `Rread`: how many bytes of data there are; they lie behind this message.
    pub fn read(mut self) -> Result<u32, ProtocolError> {
        self.body.u32()
    }

    /// `Rgetattr`.
    pub fn attributes(mut self) -> Result<Attributes, ProtocolError> {
        let body = &mut self.body;
        let _valid = body.u64()?;
        Ok(Attributes {
            qid: body.qid()?,
            mode: body.u32()?,
            uid: body.u32()?,
            gid: body.u32()?,
            links: body.u64()?,
            rdev: body.u64()?,
            size: body.u64()?,
            block_size: body.u64()?,
            blocks: body.u64()?,
            accessed: (body.u64()?, body.u64()?),
            modified: (body.u64()?, body.u64()?),
            changed: (body.u64()?, body.u64()?),
        })
    }

    /// `Rreaddir`: the entries of this piece of the directory; none at its end.
    pub fn directory(mut self) -> Result<Vec<DirectoryEntry>, ProtocolError> {
        let count = self.body.u32()? as usize;
        let mut rest = Reader {
            bytes: self.body.take(count)?,
        };
        let mut entries = Vec::new();
        while !rest.bytes.is_empty() {
            let (qid, next, kind) = (rest.qid()?, rest.u64()?, rest.u8()?);
            entries.push(DirectoryEntry {
                qid,
                next,
                kind,
                name: rest.string()?.into(),
            });
        }
        Ok(entries)
    }

    /// `Rlcreate`, `Rmkdir`, `Rsymlink`: the new file's identity.
    pub fn made(mut self) -> Result<Qid, ProtocolError> {
        self.body.qid()
    }

    /// `Rwrite`: how many bytes were taken.
    pub fn written(mut self) -> Result<u32, ProtocolError> {
        self.body.u32()
    }

    /// `Rreadlink`: the link's text.
    pub fn link(mut self) -> Result<String, ProtocolError> {
        Ok(self.body.string()?.into())
    }
}

struct Writer {
    bytes: Vec<u8>,
    /// Bytes of the message that are elsewhere.
    following: u32,
}

impl Writer {
    fn new(kind: u8, tag: u16) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&[0; 4]);
        bytes.push(kind);
        bytes.extend_from_slice(&tag.to_le_bytes());
        Self {
            bytes,
            following: 0,
        }
    }

    fn changes(&mut self, changes: &Changes) {
        self.u32(changes.valid());
        self.u32(changes.mode.unwrap_or(0));
        self.u32(changes.uid.unwrap_or(0));
        self.u32(changes.gid.unwrap_or(0));
        self.u64(changes.size.unwrap_or(0));
        for moment in [changes.accessed, changes.modified] {
            let (seconds, nanoseconds) = match moment {
                Some(Moment::At(seconds, nanoseconds)) => (seconds, nanoseconds),
                Some(Moment::Now) | None => (0, 0),
            };
            self.u64(seconds);
            self.u64(nanoseconds);
        }
    }

    fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Longer strings than a length word can say are cut; names that long were refused before.
    fn string(&mut self, text: &str) {
        let bytes = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
        self.u16(bytes.len() as u16);
        self.bytes.extend_from_slice(bytes);
    }

    fn finish(mut self) -> Vec<u8> {
        let size = self.bytes.len() as u32 + self.following;
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        self.bytes
    }
}

#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ProtocolError> {
        let (head, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(ProtocolError::Short)?;
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        self.take(N)?.try_into().map_err(|_| ProtocolError::Short)
    }

    fn u8(&mut self) -> Result<u8, ProtocolError> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, ProtocolError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, ProtocolError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ProtocolError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn qid(&mut self) -> Result<Qid, ProtocolError> {
        Ok(Qid {
            kind: self.u8()?,
            version: self.u32()?,
            path: self.u64()?,
        })
    }

    fn string(&mut self) -> Result<&'a str, ProtocolError> {
        let length = self.u16()?;
        core::str::from_utf8(self.take(usize::from(length))?).map_err(|_| ProtocolError::BadName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn reply(kind: u8, tag: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn version_request_has_the_bytes_of_the_specification() {
        let bytes = Request::Version { msize: 0x0010_0000 }.encode(NO_TAG);
        assert_eq!(bytes, b"\x15\0\0\0\x64\xff\xff\0\0\x10\0\x08\x009P2000.L");
    }

    #[test]
    fn a_write_counts_the_data_that_follow() {
        let bytes = Request::Write {
            fid: 1,
            offset: 2,
            count: 0x100,
        }
        .encode(3);
        assert_eq!(
            bytes,
            b"\x17\x01\0\0\x76\x03\0\x01\0\0\0\x02\0\0\0\0\0\0\0\0\x01\0\0"
        );
    }

    #[test]
    fn only_what_changes_is_marked() {
        let changes = Changes {
            size: Some(5),
            modified: Some(Moment::At(7, 9)),
            ..Changes::default()
        };
        let bytes = Request::SetAttr { fid: 1, changes }.encode(0);
        assert_eq!(bytes.len(), HEADER + 4 + 4 + 12 + 8 + 32);
        assert_eq!(bytes[11..15], 0x128u32.to_le_bytes());
        assert_eq!(bytes[27..35], 5u64.to_le_bytes());
        assert_eq!(bytes[51..59], 7u64.to_le_bytes());
    }

    #[test]
    fn walk_request_lists_its_names() {
        let bytes = Request::Walk {
            fid: 1,
            new_fid: 2,
            names: &["a", "bc"],
        }
        .encode(7);
        assert_eq!(
            bytes,
            b"\x18\0\0\0\x6e\x07\0\x01\0\0\0\x02\0\0\0\x02\0\x01\0a\x02\0bc"
        );
    }

    #[test]
    fn error_reply_carries_the_servers_number() {
        let bytes = reply(7, 3, &2u32.to_le_bytes());
        let error = Reply::parse(&bytes, &Request::Clunk { fid: 1 }, 3).unwrap_err();
        assert_eq!(error, ProtocolError::Server(2));
    }

    #[test]
    fn wrong_tag_and_wrong_type_are_refused() {
        let request = Request::Clunk { fid: 1 };
        let bytes = reply(121, 3, &[]);
        assert_eq!(
            Reply::parse(&bytes, &request, 4).unwrap_err(),
            ProtocolError::UnexpectedTag(3)
        );
        let bytes = reply(119, 3, &[]);
        assert_eq!(
            Reply::parse(&bytes, &request, 3).unwrap_err(),
            ProtocolError::UnexpectedType(119)
        );
    }

    #[test]
    fn directory_reply_yields_every_entry() {
        let mut body = vec![0; 4];
        for (name, next) in [("x", 1u64), ("longer", 2)] {
            body.push(0);
            body.extend_from_slice(&9u32.to_le_bytes());
            body.extend_from_slice(&(next + 40).to_le_bytes());
            body.extend_from_slice(&next.to_le_bytes());
            body.push(8);
            body.extend_from_slice(&(name.len() as u16).to_le_bytes());
            body.extend_from_slice(name.as_bytes());
        }
        let count = (body.len() - 4) as u32;
        body[..4].copy_from_slice(&count.to_le_bytes());
        let bytes = reply(41, 1, &body);
        let request = Request::ReadDir {
            fid: 1,
            offset: 0,
            count: 4096,
        };
        let entries = Reply::parse(&bytes, &request, 1)
            .unwrap()
            .directory()
            .unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (
                entries[1].name.as_str(),
                entries[1].next,
                entries[1].qid.path
            ),
            ("longer", 2, 42)
        );
    }

    #[test]
    fn every_truncation_of_a_reply_is_an_error_and_never_a_panic() {
        let whole = reply(25, 5, &[0x5a; 8 + 13 + 12 + 15 * 8]);
        let request = Request::GetAttr { fid: 1 };
        assert!(
            Reply::parse(&whole, &request, 5)
                .unwrap()
                .attributes()
                .is_ok()
        );
        for length in 0..whole.len() - 1 {
            let result = Reply::parse(&whole[..length], &request, 5).and_then(Reply::attributes);
            assert!(result.is_err(), "{length} bytes");
        }
    }
}
