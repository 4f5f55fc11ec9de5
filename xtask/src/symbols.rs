//! Addresses in the console become functions and source lines.
//!
//! The kernel names functions in its backtraces from a table in the boot archive ([`table`]); what it cannot know
//! are source lines and inlined callers. Any 16-digit address on a line of the console that lies in the
//! kernel's code is resolved here from the kernel's ELF file, and the names are put under that line.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

/// Where the table lies in the boot archive.
pub(crate) const TABLE_FILE: &str = "kernel.symbols";

/// Resolves addresses of one kernel.
pub(crate) struct Symbols {
    loader: addr2line::Loader,
    code: Vec<Range<u64>>,
}

/// The functions of an ELF file in ascending order, one on a line: sixteen hexadecimal digits, a blank, the name.
pub(crate) fn table(kernel: &[u8]) -> Result<String> {
    let file = object::File::parse(kernel).context("reading the kernel's symbols")?;
    let functions = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text);
    let mut named: Vec<_> = functions
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?)))
        .collect();
    named.sort_unstable();
    named.dedup_by_key(|(address, _)| *address);
    let mut table = String::new();
    for (address, name) in named {
        // Without the hash that tells two builds apart. Writing to a string cannot fail.
        let _ = writeln!(table, "{address:016x} {:#}", rustc_demangle::demangle(name));
    }
    Ok(table)
}

fn code(kernel: &[u8]) -> Result<Vec<Range<u64>>> {
    let file = object::File::parse(kernel)?;
    let code = file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text);
    Ok(code
        .map(|section| section.address()..section.address() + section.size())
        .collect())
}

impl Symbols {
    /// Reads the debugging information of a kernel ELF file.
    pub(crate) fn load(kernel: &Path) -> Result<Self> {
        let loader = addr2line::Loader::new(kernel)
            .map_err(|error| anyhow!("reading the symbols of {}: {error}", kernel.display()))?;
        Ok(Self {
            loader,
            code: code(&std::fs::read(kernel)?)?,
        })
    }

    /// The lines, with the names of the addresses on each put behind it.
    pub(crate) fn annotate<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut annotated = Vec::new();
        for line in lines {
            annotated.push(line.to_owned());
            for address in addresses(line) {
                annotated.extend(
                    self.names(address)
                        .into_iter()
                        .map(|name| format!("        = {name}")),
                );
            }
        }
        annotated
    }

    /// What lies at an address: the innermost inlined function first, then those it was inlined into.
    fn names(&self, address: u64) -> Vec<String> {
        let mut names = Vec::new();
        if !self.code.iter().any(|range| range.contains(&address)) {
            return names;
        }
        if let Ok(mut frames) = self.loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let Some(function) = &frame.function else {
                    continue;
                };
                let name = function
                    .demangle()
                    .map_or_else(|_| "?".to_owned(), |name| name.into_owned());
                let place = frame
                    .location
                    .and_then(|place| Some((short(place.file?), place.line?)));
                names.push(match place {
                    Some((file, line)) => format!("{name} ({file}:{line})"),
                    None => name,
                });
            }
        }
        if names.is_empty() {
            names.extend(
                self.loader
                    .find_symbol(address)
                    .map(|name| addr2line::demangle_auto(name.into(), None).into_owned()),
            );
        }
        names
    }
}

/// A source path without what lies before the workspace's or the library's own directories.
fn short(file: &str) -> &str {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::to_str)
        .unwrap_or_default();
    let inside = file
        .strip_prefix(root)
        .map(|file| file.trim_start_matches('/'));
    inside
        .or_else(|| file.find("library/").map(|at| &file[at..]))
        .unwrap_or(file)
}

/// The full-length hexadecimal addresses on a line, with or without `0x`.
fn addresses(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| word.strip_prefix("0x").unwrap_or(word))
        .filter(|word| word.len() == 16)
        .filter_map(|word| u64::from_str_radix(word, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_length_numbers_count_as_addresses() {
        let line = "  3: 0xffff000040201234 x0=ffff000040205678 size=0x1000 cafe";
        assert_eq!(
            addresses(line),
            [0xffff_0000_4020_1234, 0xffff_0000_4020_5678]
        );
    }

    #[test]
    fn an_address_of_this_very_program_is_resolved() {
        let symbols = Symbols::load(&std::env::current_exe().unwrap()).unwrap();
        // The program is position-independent: its own ELF file tells the unrelocated address.
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let object = object::File::parse(&*file).unwrap();
        let symbol = object.symbols().find(|symbol| {
            symbol
                .name()
                .is_ok_and(|name| name.contains("flatten") && name.contains("image"))
        });
        let line = format!("  0: {:#018x}", symbol.unwrap().address());
        let annotated = symbols.annotate([line.as_str()]);
        assert!(annotated.len() > 1, "{annotated:?}");
        assert!(annotated[1].contains("flatten"), "{annotated:?}");
    }

    #[test]
    fn the_table_is_sorted_and_its_names_are_readable() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let table = table(&file).unwrap();
        assert!(table.lines().is_sorted());
        let line = table
            .lines()
            .find(|line| line.contains("::image::flatten"))
            .unwrap();
        assert_eq!(line.as_bytes()[16], b' ');
        assert!(!line.contains("::h"), "{line}");
    }

    #[test]
    fn numbers_outside_the_code_stay_numbers() {
        let symbols = Symbols::load(&std::env::current_exe().unwrap()).unwrap();
        let line = "x0 ffffffffffffff00";
        assert_eq!(symbols.annotate([line]), [line]);
    }

    #[test]
    fn lines_without_addresses_stay_as_they_are() {
        let symbols = Symbols::load(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(symbols.annotate(["panic: no memory"]), ["panic: no memory"]);
    }
}
