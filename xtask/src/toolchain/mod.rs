//! Which compiler builds for the guest, and how.
//!
//! The guest's target is `aarch64-unknown-none-softfloat`. Two kinds of toolchain can build for it:
//!
//! 1. one that has the target's compiled `core` and `alloc`: a plain `cargo build --target ...`;
//! 2. one that has the standard library's *source*, of the compiler's own release: `-Zbuild-std`, with
//!    `RUSTC_BOOTSTRAP=1` unless it is a nightly. Debian's `rustc-web` with `rust-web-src` is such a one.
//!
//! A compiler is never combined with another one's source: `core` and its compiler know each other's
//! internals, and a mixture fails in hundreds of places. Candidates are asked in the order of [`candidates`];
//! all are tried for (1) before any is tried for (2), because (1) needs no build of `core`.
//!
//! `PAGODA_TOOLCHAIN` names the only toolchain to consider: a rustup toolchain, or `system` for `/usr/bin/rustc`.

mod environment;
mod sysroot;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use self::sysroot::{build_std, find_linker, own_linker, prebuilt, source_release};
use crate::process;

/// The target of everything that runs in the guest.
pub(crate) const TARGET: &str = "aarch64-unknown-none-softfloat";

/// The first release that knows everything the source uses (edition 2024 and `let` chains).
const OLDEST: (u32, u32) = (1, 88);

/// Where a compiler may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A toolchain of rustup's, by name.
    Rustup(String),
    /// Whatever `rustc` in `PATH` is.
    Path,
    /// The distribution's, in `/usr/bin`, with or without rustup in front of it.
    System,
}

/// What a compiler says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compiler {
    /// `1.96.0`, `1.97.0-nightly`.
    pub(crate) release: String,
    /// The machine it runs on, as a target triple.
    pub(crate) host: String,
    /// Where its libraries lie.
    pub(crate) sysroot: PathBuf,
}

/// How `core` and `alloc` for the guest come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// They lie compiled in the sysroot.
    Prebuilt,
    /// They are built from the sysroot's source.
    BuildStd {
        /// Whether the compiler must be told to allow it, not being a nightly.
        bootstrap: bool,
    },
}

/// A toolchain that can build for the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// Where it was found.
    pub(crate) origin: Origin,
    /// What it says of itself.
    pub(crate) compiler: Compiler,
    /// How it gets at `core`.
    pub(crate) method: Method,
    /// A linker to name, where the compiler does not bring its own.
    pub(crate) linker: Option<PathBuf>,
}

/// The toolchain to use on this machine, or why there is none.
pub(crate) fn detect(root: &Path) -> Result<Toolchain> {
    let found = |candidate: &Origin| ask(candidate, root);
    let (mut toolchain, wants_linker) = choose(&candidates(), found).or_else(|reasons| {
        bail!(
            "no Rust toolchain here can build for {TARGET}:\n{}",
            reasons.join("\n")
        );
    })?;
    if wants_linker {
        toolchain.linker = Some(find_linker().ok_or_else(|| {
            anyhow::anyhow!(
                "{} brings no linker for the guest, and there is no ld.lld",
                toolchain.describe()
            )
        })?);
    }
    Ok(toolchain)
}

/// Where to look, in order: what the user named, else the active toolchain, then well-known names, then `/usr/bin`.
fn candidates() -> Vec<Origin> {
    let active = std::env::var("RUSTUP_TOOLCHAIN").map_or(Origin::Path, Origin::Rustup);
    match std::env::var("PAGODA_TOOLCHAIN").as_deref() {
        Ok("system") => vec![Origin::System],
        Ok(name) if !name.is_empty() => vec![Origin::Rustup(name.to_owned())],
        _ => {
            let mut list = vec![active];
            if process::find_program("rustup").is_some() {
                list.extend(
                    ["debian", "stable", "nightly"].map(|name| Origin::Rustup(name.to_owned())),
                );
            }
            list.push(Origin::System);
            list
        }
    }
}

/// The first candidate that can do it; beside it, whether a linker must be named. Otherwise one reason for each.
fn choose(
    candidates: &[Origin],
    ask: impl Fn(&Origin) -> Option<Compiler>,
) -> Result<(Toolchain, bool), Vec<String>> {
    let asked: Vec<_> = candidates
        .iter()
        .map(|origin| (origin, ask(origin)))
        .collect();
    for method_of in [prebuilt as fn(&Compiler) -> Option<Method>, build_std] {
        for (origin, compiler) in &asked {
            let Some(compiler) = compiler
                .as_ref()
                .filter(|compiler| is_recent(&compiler.release))
            else {
                continue;
            };
            if let Some(method) = method_of(compiler) {
                let wants_linker = !own_linker(compiler).exists();
                let origin = (*origin).clone();
                let toolchain = Toolchain {
                    origin,
                    compiler: compiler.clone(),
                    method,
                    linker: None,
                };
                return Ok((toolchain, wants_linker));
            }
        }
    }
    Err(asked
        .iter()
        .map(|(origin, compiler)| refusal(origin, compiler.as_ref()))
        .collect())
}

fn refusal(origin: &Origin, compiler: Option<&Compiler>) -> String {
    let place = match origin {
        Origin::Rustup(name) => format!("rustup toolchain `{name}`"),
        Origin::Path => "rustc in PATH".to_owned(),
        Origin::System => "/usr/bin/rustc".to_owned(),
    };
    let reason = match compiler {
        None => "is not installed".to_owned(),
        Some(compiler) if !is_recent(&compiler.release) => {
            format!(
                "is too old ({}; {}.{} is needed)",
                compiler.release, OLDEST.0, OLDEST.1
            )
        }
        Some(compiler) => match source_release(compiler) {
            None => format!(
                "({}) has neither the target nor the library's source",
                compiler.release
            ),
            Some(source) => format!(
                "is {}, but the library's source beside it is {source}",
                compiler.release
            ),
        },
    };
    format!("  - {place} {reason}")
}

fn is_recent(release: &str) -> bool {
    let mut numbers = release
        .split(['.', '-'])
        .map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST
}

/// Asks a compiler what it is; `None` when it is not there.
fn ask(origin: &Origin, root: &Path) -> Option<Compiler> {
    let rustc = |arguments: &[&str]| {
        let mut command = environment::tool(origin, "rustc", root);
        process::output(command.args(arguments)).ok()
    };
    let about = rustc(&["-vV"])?;
    let field = |name: &str| {
        about.lines().find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(": ")
                .map(str::to_owned)
        })
    };
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    Some(Compiler {
        release: field("release")?,
        host: field("host")?,
        sysroot,
    })
}

impl Toolchain {
    /// One line for the user.
    pub(crate) fn describe(&self) -> String {
        let place = match &self.origin {
            Origin::Rustup(name) => format!("toolchain {name}"),
            Origin::Path => "rustc in PATH".to_owned(),
            Origin::System => "/usr/bin/rustc".to_owned(),
        };
        let method = match self.method {
            Method::Prebuilt => "with the target installed",
            Method::BuildStd { .. } => "building core from its source",
        };
        format!("rustc {} ({place}, {method})", self.compiler.release)
    }

    /// The target directory for this toolchain below `target`: artefacts of different compilers never meet.
    pub(crate) fn target_directory(&self, target: &Path) -> PathBuf {
        let suffix = match self.method {
            Method::Prebuilt => "",
            Method::BuildStd { .. } => "-std",
        };
        target.join(format!("guest-{}{suffix}", self.compiler.release))
    }

    /// `cargo SUBCOMMAND` for the guest's target.
    pub(crate) fn cargo(&self, root: &Path, target: &Path, subcommand: &str) -> Command {
        let mut command = environment::tool(&self.origin, "cargo", root);
        command.arg(subcommand).args(["--target", TARGET]);
        command
            .arg("--target-dir")
            .arg(self.target_directory(target));
        if let Method::BuildStd { bootstrap } = self.method {
            command.arg("-Zbuild-std=core,alloc,compiler_builtins");
            command.arg("-Zbuild-std-features=compiler-builtins-mem");
            if bootstrap {
                command.env("RUSTC_BOOTSTRAP", "1");
            }
        }
        // Building `core` always reports what a future compiler will refuse in it; that is not our business.
        command.env("CARGO_FUTURE_INCOMPAT_REPORT_FREQUENCY", "never");
        if let Some(linker) = &self.linker {
            command.env("CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_LINKER", linker);
        }
        command
    }
}
