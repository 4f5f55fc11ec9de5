//! What a sysroot can do for the guest: libraries that lie compiled in it, or their source; and a linker.

use std::path::PathBuf;

use super::environment::directory_of;
use super::{Compiler, Method, TARGET};
use crate::process;

/// The target's libraries lie compiled in the sysroot.
pub(crate) fn prebuilt(compiler: &Compiler) -> Option<Method> {
    let libraries = compiler
        .sysroot
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib");
    let has_core = std::fs::read_dir(libraries).ok()?.flatten().any(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    });
    has_core.then_some(Method::Prebuilt)
}

/// The library's source lies in the sysroot and is of the compiler's own release.
pub(crate) fn build_std(compiler: &Compiler) -> Option<Method> {
    let matches = source_release(compiler)? == compiler.release;
    matches.then(|| Method::BuildStd {
        bootstrap: !compiler.release.contains("nightly"),
    })
}

/// The release of the standard library's source in this sysroot.
pub(crate) fn source_release(compiler: &Compiler) -> Option<String> {
    let rustlib = compiler.sysroot.join("lib/rustlib");
    let source = rustlib.join("src/rust");
    if !source.join("library/Cargo.lock").is_file() {
        return None;
    }
    // rustup installs the source as a component of the toolchain: it cannot be another's.
    if rustlib.join("multirust-channel-manifest.toml").is_file()
        || rustlib.join("components").is_file()
    {
        return Some(compiler.release.clone());
    }
    // A full source tree says its release in a file ...
    if let Ok(version) = std::fs::read_to_string(source.join("src/version")) {
        return Some(version.trim().to_owned());
    }
    // ... and a distribution's package in the directory's name (/usr/src/rustc-1.96.0).
    let real = source.canonicalize().ok()?;
    Some(
        real.file_name()?
            .to_string_lossy()
            .strip_prefix("rustc-")?
            .to_owned(),
    )
}

/// Where a compiler's own linker lies, if it brings one.
pub(crate) fn own_linker(compiler: &Compiler) -> PathBuf {
    compiler
        .sysroot
        .join("lib/rustlib")
        .join(&compiler.host)
        .join("bin/rust-lld")
}

/// An LLD that is not the compiler's own. The newest comes first: an old one may not know what a new compiler emits.
pub(crate) fn find_linker() -> Option<PathBuf> {
    let versioned = || (17..=40).rev().map(|version| format!("ld.lld-{version}"));
    let first = std::iter::once("rust-lld".to_owned()).chain(versioned());
    let found = |name: String| process::find_program(&name);
    first
        .filter_map(found)
        .next()
        .or_else(rustups_linker)
        .or_else(|| found("ld.lld".to_owned()))
}

/// The LLD that came with some toolchain of rustup's.
fn rustups_linker() -> Option<PathBuf> {
    let home = directory_of("RUSTUP_HOME", ".rustup")?;
    let toolchains = std::fs::read_dir(home.join("toolchains")).ok()?.flatten();
    let hosts =
        toolchains.filter_map(|entry| std::fs::read_dir(entry.path().join("lib/rustlib")).ok());
    let mut linkers = hosts
        .flat_map(|host| host.flatten())
        .map(|host| host.path().join("bin/rust-lld"));
    linkers.find(|file| process::is_program(file))
}
