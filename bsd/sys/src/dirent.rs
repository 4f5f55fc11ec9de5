//! Directory records as `getdirentries64` gives them. XNU: `struct dirent` in `bsd/sys/dirent.h`.
//!
//! A record is 21 bytes of header, the name, a NUL, and padding to eight bytes.

/// Bytes before the name.
pub const HEADER_SIZE: usize = 21;

/// Type of an entry, in `d_type`.
pub mod kind {
    macro_rules! kinds {
        ($($name:ident = $value:literal, $text:literal;)*) => {
            $(
                #[doc = concat!($text, " (`DT_", stringify!($name), "`).")]
                pub const $name: u8 = $value;
            )*
        };
    }
    kinds! {
        UNKNOWN = 0, "Not told";
        FIFO = 1, "Pipe";
        CHR = 2, "Character device";
        DIR = 4, "Directory";
        BLK = 6, "Block device";
        REG = 8, "Regular file";
        LNK = 10, "Symbolic link";
        SOCK = 12, "Socket";
        WHT = 14, "Whiteout";
    }

    /// The type of a file with this mode.
    #[doc(alias = "IFTODT")]
    pub const fn of_mode(mode: u16) -> u8 {
        ((mode & crate::stat::S_IFMT) >> 12) as u8
    }
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dirent<'a> {
    /// File number.
    pub ino: u64,
    /// Position after this record.
    pub seekoff: u64,
    /// Type, of [`kind`].
    pub kind: u8,
    /// The name.
    pub name: &'a [u8],
}

impl<'a> Dirent<'a> {
    /// Bytes of the record.
    pub const fn size(&self) -> usize {
        (HEADER_SIZE + self.name.len() + 1).next_multiple_of(8)
    }

    /// Writes the record at the front of `out` and tells its length; `None` if it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let size = self.size();
        let out = out.get_mut(..size)?;
        let length = u16::try_from(self.name.len()).ok()?;
        out[..8].copy_from_slice(&self.ino.to_le_bytes());
        out[8..16].copy_from_slice(&self.seekoff.to_le_bytes());
        out[16..18].copy_from_slice(&(size as u16).to_le_bytes());
        out[18..20].copy_from_slice(&length.to_le_bytes());
        out[20] = self.kind;
        out[HEADER_SIZE..].fill(0);
        out[HEADER_SIZE..HEADER_SIZE + self.name.len()].copy_from_slice(self.name);
        Some(size)
    }

    /// Takes the record at the front of `bytes`; `None` if there is none.
    pub fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER_SIZE>()?;
        let word = |at: usize| u64::from_le_bytes(core::array::from_fn(|i| header[at + i]));
        let size = usize::from(u16::from_le_bytes([header[16], header[17]]));
        let length = usize::from(u16::from_le_bytes([header[18], header[19]]));
        let name = bytes.get(HEADER_SIZE..HEADER_SIZE + length)?;
        if size < HEADER_SIZE + length {
            return None;
        }
        let entry = Self {
            ino: word(0),
            seekoff: word(8),
            kind: header[20],
            name,
        };
        *bytes = bytes.get(size..)?;
        Some(entry)
    }
}

/// Writes as many records as fit into `out` and tells their length; `None` if there is one and not even that fits.
pub fn write_all<'a>(
    entries: impl IntoIterator<Item = Dirent<'a>>,
    out: &mut [u8],
) -> Option<usize> {
    let mut length = 0;
    for entry in entries {
        match entry.write(&mut out[length..]) {
            Some(written) => length += written,
            None if length == 0 => return None,
            None => break,
        }
    }
    Some(length)
}

/// The records of a buffer, up to the first that is not one.
pub fn entries(mut bytes: &[u8]) -> impl Iterator<Item = Dirent<'_>> {
    core::iter::from_fn(move || Dirent::take(&mut bytes))
}
