//! Links the programs with the layout that `libsystem` gives.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "none")
        && let Ok(script) = std::env::var("DEP_PAGODA_SYSTEM_SCRIPT")
    {
        println!("cargo::rerun-if-changed={script}");
        println!("cargo::rustc-link-arg-bins=-T{script}");
        println!("cargo::rustc-link-arg-bins=-zmax-page-size=16384");
    }
}
