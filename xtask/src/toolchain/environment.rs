//! Calling a toolchain's tools from within a cargo call of another one.
//!
//! The outer cargo and rustup's proxies leave variables behind that would send the inner call to the wrong
//! compiler; and cargo itself puts its own directory in front of `PATH`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Origin;

/// A tool of the given toolchain, run in `root`, free of what an outer cargo put into the environment.
pub(crate) fn tool(origin: &Origin, name: &str, root: &Path) -> Command {
    let mut command = match origin {
        // By full path: cargo puts its own directory in front of PATH, where rustup's proxies may lie.
        Origin::System => Command::new(Path::new("/usr/bin").join(name)),
        Origin::Rustup(_) | Origin::Path => Command::new(name),
    };
    command.current_dir(root);
    for variable in [
        "CARGO",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(variable);
    }
    match origin {
        Origin::Path => {}
        Origin::Rustup(toolchain) => {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        Origin::System => {
            command
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTDOC", "/usr/bin/rustdoc");
            // And last, so that cargo finds it there and does not put it first.
            let proxies = directory_of("CARGO_HOME", ".cargo").map(|home| home.join("bin"));
            let path = std::env::var_os("PATH").unwrap_or_default();
            let first = std::iter::once(PathBuf::from("/usr/bin"));
            let all = first.chain(std::env::split_paths(&path)).chain(proxies);
            if let Ok(joined) = std::env::join_paths(all) {
                command.env("PATH", joined);
            }
        }
    }
    command
}

/// A tool's directory: what its variable says, or its usual place in the home directory.
pub(crate) fn directory_of(variable: &str, usual: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_compiler_is_named_in_full_and_comes_first_in_path() {
        let command = tool(&Origin::System, "cargo", Path::new("/"));
        assert_eq!(command.get_program(), "/usr/bin/cargo");
        let value = |name: &str| {
            command
                .get_envs()
                .find(|(key, _)| *key == name)
                .and_then(|(_, value)| value)
                .map(|v| v.to_owned())
        };
        assert_eq!(value("RUSTC").unwrap(), "/usr/bin/rustc");
        assert!(
            value("PATH")
                .unwrap()
                .to_string_lossy()
                .starts_with("/usr/bin:")
        );
        assert_eq!(value("RUSTUP_TOOLCHAIN"), None);
    }
}
