//! Tells the build scripts of programs where the linker script is.
//!
//! A program's own `build.rs` is two lines: it reads `DEP_PAGODA_SYSTEM_SCRIPT` and passes it to the
//! linker, because Cargo lets a library set no link arguments for its dependents.

fn main() {
    println!("cargo::rerun-if-changed=program.ld");
    let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::metadata=SCRIPT={directory}/program.ld");
}
