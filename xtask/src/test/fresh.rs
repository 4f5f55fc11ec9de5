//! A directory that one guest may write, and what must be in it afterwards.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// What begins a line that says which file the host must find: its name and its SHA-256 follow.
const CLAIM: &str = "host file ";

/// An empty directory; dropping it removes it.
pub(super) struct FreshShare(TempDir);

impl FreshShare {
    /// A new one.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn create() -> Result<Self> {
        TempDir::new()
            .map(Self)
            .context("making a directory for the guest to write in")
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What the guest claims of its files and is not true.
    pub(super) fn complaints(&self, text: &str) -> Vec<String> {
        let claims = text.lines().filter_map(|line| {
            let claim = line.trim_end().split_once(CLAIM)?.1;
            claim.split_once(' ')
        });
        claims
            .filter_map(|(name, sum)| self.complaint(name, sum))
            .collect()
    }

    fn complaint(&self, name: &str, sum: &str) -> Option<String> {
        let found = match sum_of(&self.path().join(name)) {
            Ok(found) => found,
            Err(error) => return Some(format!("the host cannot read the file {name}: {error}")),
        };
        (found != sum).then(|| format!("the host's {name} has the sum {found}, not {sum}"))
    }
}

/// The SHA-256 of a file, which may be large.
fn sum_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut sum = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => sum.update(&chunk[..count]),
        }
    }
    let digits = sum.finalize();
    Ok(digits.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_claims_that_are_not_true_are_complained_of() {
        let share = FreshShare::create().unwrap();
        std::fs::write(share.path().join("a"), "abc").unwrap();
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(
            share
                .complaints(&format!("x\r\nhost file a {sum}\r\n"))
                .is_empty()
        );
        assert_eq!(share.complaints("host file a 00\nhost file b 00").len(), 2);
    }
}
