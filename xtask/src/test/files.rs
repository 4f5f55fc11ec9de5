//! Files of the host's that QEMU tests read through `/share`.
//!
//! Their content follows from their name, so that their sums are the same everywhere; they are made once and
//! kept in the target directory.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::progress;

/// A file to have in `/share`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostFile {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// What is in it.
    pub(crate) content: Content,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Bytes that look random and follow from the name.
    Random,
    /// Nothing but a size: no block on the host's disk.
    Sparse,
}

/// The prepared directory.
pub(crate) struct PreparedFiles {
    /// What the guest gets as `/share`.
    pub(crate) share: PathBuf,
    sums: PathBuf,
}

impl PreparedFiles {
    /// Opens the directory below `target`, making it if need be.
    pub(crate) fn open(target: &Path) -> Result<Self> {
        let prepared = Self {
            share: target.join("test-share"),
            sums: target.join("test-share-sums"),
        };
        fs::create_dir_all(&prepared.share)?;
        fs::create_dir_all(&prepared.sums)?;
        Ok(prepared)
    }

    /// Makes a file unless it is there.
    pub(crate) fn prepare(&self, file: &HostFile) -> Result<()> {
        let path = self.share.join(file.name);
        let is_there = path.metadata().is_ok_and(|data| data.len() == file.size)
            && self.sum_file(file).exists();
        if is_there {
            return Ok(());
        }
        if file.size > 64 << 20 && file.content != Content::Sparse {
            progress::step(
                "Preparing",
                &format!("{} ({} MiB)", path.display(), file.size >> 20),
            );
        }
        let sum = write(file, &path).with_context(|| format!("writing {}", path.display()))?;
        fs::write(self.sum_file(file), sum)?;
        Ok(())
    }

    /// Replaces each `{sha256:NAME}` by that file's sum.
    pub(crate) fn fill_in(&self, pattern: &str) -> Result<String> {
        let mut filled = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("{sha256:") {
            let (name, after) = after
                .split_once('}')
                .context("a pattern opens a brace and does not close it")?;
            let sum = fs::read_to_string(self.sums.join(name))
                .with_context(|| format!("no sum of {name}"))?;
            ensure!(!sum.is_empty(), "{name} is sparse: nobody has its sum");
            filled.push_str(before);
            filled.push_str(&sum);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn sum_file(&self, file: &HostFile) -> PathBuf {
        self.sums.join(file.name)
    }
}

/// Writes the content and gives its sum; none for a sparse file, which nobody reads whole.
fn write(file: &HostFile, path: &Path) -> Result<String> {
    let output = File::create(path)?;
    if file.content == Content::Sparse {
        output.set_len(file.size)?;
        return Ok(String::new());
    }
    let mut output = BufWriter::new(output);
    let mut sum = Sha256::new();
    let mut source = Source::new(file);
    let mut left = file.size;
    let mut chunk = vec![0; 1 << 20];
    while left > 0 {
        let part = left.min(chunk.len() as u64) as usize;
        source.fill(&mut chunk[..part]);
        sum.update(&chunk[..part]);
        output.write_all(&chunk[..part])?;
        left -= part as u64;
    }
    output.flush()?;
    Ok(sum
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// An endless source of bytes that look random and follow from a file's name.
struct Source(u64);

impl Source {
    /// FNV-1a of the name is the seed; never zero, which xorshift could not leave.
    fn new(file: &HostFile) -> Self {
        let hash = file
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(hash.max(1))
    }

    /// Fills whole words; only a file's last chunk may have a length that is no multiple of 8.
    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_le_bytes()[..word.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: HostFile = HostFile {
        name: "r",
        size: 3_000_001,
        content: Content::Random,
    };

    #[test]
    fn content_follows_from_the_name_alone() {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let contents = directories.each_ref().map(|directory| {
            let files = PreparedFiles::open(directory.path()).unwrap();
            files.prepare(&RANDOM).unwrap();
            fs::read(files.share.join("r")).unwrap()
        });
        assert_eq!(contents[0], contents[1]);
        assert_eq!(contents[0].len(), 3_000_001);
        assert_ne!(contents[0][..1000], contents[0][1000..2000]);
    }

    #[test]
    fn sums_are_filled_into_patterns() {
        let directory = tempfile::tempdir().unwrap();
        let files = PreparedFiles::open(directory.path()).unwrap();
        files
            .prepare(&HostFile {
                name: "empty",
                size: 0,
                content: Content::Random,
            })
            .unwrap();
        let filled = files.fill_in("<{sha256:empty}  /share/empty>").unwrap();
        let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(filled, format!("<{sum}  /share/empty>"));
        assert!(files.fill_in("{sha256:unknown}").is_err());
    }

    #[test]
    fn a_sparse_file_takes_no_room() {
        use std::os::unix::fs::MetadataExt as _;
        let directory = tempfile::tempdir().unwrap();
        let files = PreparedFiles::open(directory.path()).unwrap();
        files
            .prepare(&HostFile {
                name: "huge",
                size: 50 << 30,
                content: Content::Sparse,
            })
            .unwrap();
        let data = files.share.join("huge").metadata().unwrap();
        assert_eq!(data.len(), 50 << 30);
        assert!(data.blocks() < 100);
    }

    #[test]
    fn a_file_that_is_there_is_not_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let files = PreparedFiles::open(directory.path()).unwrap();
        files.prepare(&RANDOM).unwrap();
        let before = files
            .share
            .join("r")
            .metadata()
            .unwrap()
            .modified()
            .unwrap();
        files.prepare(&RANDOM).unwrap();
        assert_eq!(
            files
                .share
                .join("r")
                .metadata()
                .unwrap()
                .modified()
                .unwrap(),
            before
        );
    }
}
