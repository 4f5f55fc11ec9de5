//! The choice of a toolchain, tried on made-up sysroots.

use super::*;
use std::fs;

/// A sysroot in a temporary directory, with as much in it as a test wants.
struct FakeSysroot(tempfile::TempDir);

impl FakeSysroot {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(self, path: &str, content: &str) -> Self {
        let file = self.0.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        self
    }

    fn with_target(self) -> Self {
        self.file(&format!("lib/rustlib/{TARGET}/lib/libcore-0123.rlib"), "")
    }

    fn with_source(self) -> Self {
        self.file("lib/rustlib/src/rust/library/Cargo.lock", "")
    }

    fn with_linker(self) -> Self {
        self.file("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld", "")
    }

    fn compiler(&self, release: &str) -> Compiler {
        let host = "x86_64-unknown-linux-gnu".to_owned();
        Compiler {
            release: release.to_owned(),
            host,
            sysroot: self.0.path().to_owned(),
        }
    }
}

fn named(name: &str) -> Origin {
    Origin::Rustup(name.to_owned())
}

#[test]
fn a_toolchain_with_the_target_builds_plainly() {
    let sysroot = FakeSysroot::new().with_target().with_linker();
    let ask = |_: &Origin| Some(sysroot.compiler("1.95.0"));
    let (toolchain, wants_linker) = choose(&[named("stable")], ask).unwrap();
    assert_eq!(toolchain.method, Method::Prebuilt);
    assert!(!wants_linker);
}

#[test]
fn a_distribution_compiler_with_its_source_builds_core() {
    let base = FakeSysroot::new().file("src/rustc-1.96.0/library/Cargo.lock", "");
    fs::create_dir_all(base.0.path().join("lib/rustlib/src")).unwrap();
    let link = base.0.path().join("lib/rustlib/src/rust");
    std::os::unix::fs::symlink("../../../src/rustc-1.96.0", link).unwrap();
    let ask = |_: &Origin| Some(base.compiler("1.96.0"));
    let (toolchain, wants_linker) = choose(&[Origin::System], ask).unwrap();
    assert_eq!(toolchain.method, Method::BuildStd { bootstrap: true });
    assert!(wants_linker, "this sysroot has no rust-lld");
}

#[test]
fn source_of_another_release_is_refused_by_name() {
    let sysroot = FakeSysroot::new()
        .with_source()
        .file("lib/rustlib/src/rust/src/version", "1.96.0\n");
    let ask = |_: &Origin| Some(sysroot.compiler("1.95.0"));
    let reasons = choose(&[Origin::System], ask).unwrap_err();
    assert!(
        reasons[0].contains("1.95.0") && reasons[0].contains("1.96.0"),
        "{reasons:?}"
    );
}

#[test]
fn source_of_unknown_release_is_refused() {
    let sysroot = FakeSysroot::new().with_source();
    let ask = |_: &Origin| Some(sysroot.compiler("1.95.0"));
    assert!(choose(&[Origin::System], ask).is_err());
}

#[test]
fn rustups_source_component_matches_by_construction_and_nightly_needs_no_bootstrap() {
    let sysroot = FakeSysroot::new()
        .with_source()
        .file("lib/rustlib/components", "rust-src");
    let ask = |_: &Origin| Some(sysroot.compiler("1.97.0-nightly"));
    let (toolchain, _) = choose(&[named("nightly")], ask).unwrap();
    assert_eq!(toolchain.method, Method::BuildStd { bootstrap: false });
}

#[test]
fn any_installed_target_is_preferred_to_any_build_of_core() {
    let source = FakeSysroot::new()
        .with_source()
        .file("lib/rustlib/components", "rust-src");
    let target = FakeSysroot::new().with_target();
    let ask = |origin: &Origin| {
        Some(if *origin == Origin::System {
            target.compiler("1.90.0")
        } else {
            source.compiler("1.95.0")
        })
    };
    let (toolchain, _) = choose(&[named("stable"), Origin::System], ask).unwrap();
    assert_eq!(toolchain.origin, Origin::System);
}

#[test]
fn compilers_that_are_missing_or_too_old_are_passed_over_with_a_reason() {
    let old = FakeSysroot::new().with_target();
    let ask = |origin: &Origin| (*origin == Origin::System).then(|| old.compiler("1.63.0"));
    let reasons = choose(&[named("stable"), Origin::System], ask).unwrap_err();
    assert!(reasons[0].contains("not installed"), "{reasons:?}");
    assert!(reasons[1].contains("too old"), "{reasons:?}");
}

#[test]
fn toolchains_of_different_release_or_method_have_their_own_directories() {
    let sysroot = FakeSysroot::new();
    let toolchain = |release: &str, method| Toolchain {
        origin: Origin::Path,
        compiler: sysroot.compiler(release),
        method,
        linker: None,
    };
    let directory = |toolchain: Toolchain| toolchain.target_directory(Path::new("t"));
    assert_eq!(
        directory(toolchain("1.95.0", Method::Prebuilt)),
        Path::new("t/guest-1.95.0")
    );
    let from_source = Method::BuildStd { bootstrap: true };
    assert_eq!(
        directory(toolchain("1.96.0", from_source)),
        Path::new("t/guest-1.96.0-std")
    );
}
