//! Programs that are signed in all the ways that a test needs, most of them wrong.
//!
//! The test program `jit` runs each of them. They are one program, `victim`, which holds a [`MARKER`] in its code that it never
//! executes: one byte of it can be changed after signing without any other harm.

use anyhow::{Context as _, Result, anyhow};
use codesign::{Flags, Options};

/// The program that is signed.
pub(crate) const PROGRAM: &str = "victim";

/// What the program's code holds.
const MARKER: &[u8] = b"this text may change after signing";

const JIT: &str = "<key>com.apple.security.cs.allow-jit</key><true/>";
const SINGLE: &str = "<key>com.apple.security.cs.single-jit</key><true/>";

/// What happens to a file after it was signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// Nothing.
    Kept,
    /// A byte of the code changes.
    Changed,
    /// The signature itself is damaged.
    Damaged,
    /// The signature is cut off.
    Stripped,
}

/// Name, flags, entitlements, fate.
const VARIANTS: [(&str, Flags, &[&str], After); 9] = [
    ("victim_jit", Flags::KILL, &[JIT], After::Kept),
    ("victim_single", Flags::KILL, &[JIT, SINGLE], After::Kept),
    (
        "victim_enforced",
        Flags::KILL.union(Flags::ENFORCEMENT),
        &[],
        After::Kept,
    ),
    ("victim_plain", Flags::empty(), &[], After::Kept),
    ("victim_kill", Flags::KILL, &[], After::Changed),
    ("victim_hard", Flags::HARD, &[], After::Changed),
    ("victim_lenient", Flags::empty(), &[], After::Changed),
    ("victim_damaged", Flags::empty(), &[], After::Damaged),
    ("victim_unsigned", Flags::empty(), &[], After::Stripped),
];

/// Every variant of the stripped program: its name and its bytes.
pub(crate) fn of(stripped: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>> {
    VARIANTS
        .iter()
        .map(|(name, flags, keys, after)| {
            let list = format!(
                "<plist version=\"1.0\"><dict>{}</dict></plist>",
                keys.concat()
            );
            let options = Options {
                identifier: (*name).to_owned(),
                flags: *flags,
                entitlements: (!keys.is_empty()).then(|| list.into_bytes()),
            };
            let signed = codesign::sign(stripped, &options)
                .map_err(|error| anyhow!("signing {name}: {error:?}"))?;
            Ok((*name, fate(signed, *after)?))
        })
        .collect()
}

fn fate(mut signed: Vec<u8>, after: After) -> Result<Vec<u8>> {
    match after {
        After::Kept => {}
        After::Changed => {
            let at = signed
                .windows(MARKER.len())
                .position(|part| part == MARKER)
                .context("the program holds no text that may change")?;
            signed[at] ^= 0x20;
        }
        After::Damaged => {
            let start = codesign::unsigned(&signed)
                .map_err(|error| anyhow!("{error:?}"))?
                .len();
            signed[start] ^= 0xff;
        }
        After::Stripped => {
            let plain = codesign::unsigned(&signed).map_err(|error| anyhow!("{error:?}"))?;
            signed.truncate(plain.len());
        }
    }
    Ok(signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use codesign::sign::signature_of;

    #[test]
    fn each_variant_is_wrong_in_its_own_way() {
        let mut program = vec![0x11; 5000];
        program.extend(MARKER);
        let variants = of(&program).unwrap();
        let find = |wanted| &variants.iter().find(|(name, _)| *name == wanted).unwrap().1;
        assert!(signature_of(find("victim_unsigned")).unwrap().is_none());
        assert!(signature_of(find("victim_damaged")).is_err());
        let changed = signature_of(find("victim_kill")).unwrap().unwrap();
        assert!(changed.flags().contains(Flags::KILL));
        assert!(of(&[0; 100]).is_err(), "no marker");
    }
}
