//! The import order: which crate may import which.
//!
//! This table is the architecture's picture as data. A crate that is not in it, and an edge that it does not
//! allow, are complaints; so the picture can only change where it is drawn.

use crate::workspace::{Import, Package, Workspace};

/// The kernel's chain: each may import whatever stands before it.
const CHAIN: [&str; 8] = [
    "mach", "machine", "prim", "pmap", "vm", "ipc", "kern", "bsd",
];

/// The format of code signatures: bytes and hashes, which import nothing. Who signs and who checks must agree, on whatever side.
const SIGNATURES: &str = "codesign";

/// What else may be imported by whom; a name that ends in `/` stands for all packages below that directory. `tests:` stands
/// before what only tests may import.
const ALSO: [(&str, &[&str]); 12] = [
    // The ABI of the BSD calls uses Mach's types.
    ("bsd-sys", &["mach"]),
    ("kern", &["bsd-sys"]),
    ("bsd", &["bsd-sys", SIGNATURES]),
    (SIGNATURES, &[]),
    // Drivers know nothing of the kernel above the device traits.
    ("drivers", &["machine", "prim"]),
    // The board is the only assembler of parts.
    ("kernel", &["bsd-sys", "drivers"]),
    // Kernel and programs share the ABI and nothing else.
    ("libsystem", &["mach", "bsd-sys"]),
    ("pager-sdk", &["mach", "bsd-sys", "libsystem"]),
    // The one place where a program meets the kernel's crates: on the host, to be tested.
    (
        "pager-harness",
        &[
            "mach",
            "bsd-sys",
            "machine",
            "prim",
            "pmap",
            "vm",
            "ipc",
            "kern",
            "bsd",
            "pager-sdk",
        ],
    ),
    // A plugin may bring a program that tests it in the guest.
    (
        "pagers/plugins/",
        &[
            "mach",
            "bsd-sys",
            "libsystem",
            "pager-sdk",
            "tests",
            "tests:pager-harness",
        ],
    ),
    (
        "pagers/",
        &[
            "mach",
            "bsd-sys",
            "libsystem",
            "pager-sdk",
            "tests:pager-harness",
        ],
    ),
    (
        "userland/",
        &["mach", "bsd-sys", "libsystem", "pager-sdk", SIGNATURES],
    ),
];

/// What is wrong with the workspace's imports.
pub(crate) fn check(workspace: &Workspace) -> Vec<String> {
    workspace
        .packages
        .iter()
        .flat_map(complaints_about)
        .collect()
}

fn complaints_about(package: &Package) -> Vec<String> {
    if package.name == "xtask" {
        let complain =
            |name: &String| format!("xtask imports `{name}`: it must build without the project");
        return package
            .imports
            .iter()
            .filter(|import| import.name != SIGNATURES)
            .map(|import| complain(&import.name))
            .collect();
    }
    let Some(allowed) = allowed(package) else {
        return vec![format!(
            "`{}` has no place in the import order (xtask/src/check/imports.rs)",
            package.name
        )];
    };
    let is_allowed = |import: &&Import| {
        let by_tests = |name: &&str| name.strip_prefix("tests:") == Some(import.name.as_str());
        allowed.contains(&import.name.as_str())
            || (import.only_tests && allowed.iter().any(by_tests))
    };
    let forbidden = package.imports.iter().filter(|import| !is_allowed(import));
    forbidden
        .map(|import| {
            let tests = if import.only_tests {
                " in its tests"
            } else {
                ""
            };
            format!("`{}` may not import `{}`{tests}", package.name, import.name)
        })
        .collect()
}

/// Everything a package may import, or `None` when the table does not know it.
fn allowed(package: &Package) -> Option<Vec<&'static str>> {
    let name = package.name.as_str();
    let below = match CHAIN.iter().position(|link| *link == name) {
        Some(place) => Some(&CHAIN[..place]),
        None if name == "kernel" => Some(&CHAIN[..]),
        None => None,
    };
    let own = ALSO.iter().find(|(who, _)| *who == name);
    let by_directory = ALSO.iter().find(|(who, _)| {
        who.strip_suffix('/')
            .is_some_and(|directory| package.directory.starts_with(directory))
    });
    let also = own
        .or(by_directory.filter(|_| below.is_none()))
        .map(|(_, names)| *names);
    if below.is_none() && also.is_none() {
        return None;
    }
    Some([below.unwrap_or_default(), also.unwrap_or_default()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, directory: &str, imports: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            directory: directory.into(),
            description: None,
            library: None,
            programs: Vec::new(),
            programs_are_tested: false,
            imports: imports
                .iter()
                .map(|name| Import {
                    name: (*name).to_owned(),
                    only_tests: false,
                })
                .collect(),
            archived: Vec::new(),
        }
    }

    #[test]
    fn imports_go_down_the_chain_and_never_up() {
        assert!(complaints_about(&package("vm", "osfmk/vm", &["mach", "pmap", "prim"])).is_empty());
        assert_eq!(
            complaints_about(&package("vm", "osfmk/vm", &["ipc"])),
            ["`vm` may not import `ipc`"]
        );
        assert_eq!(
            complaints_about(&package("mach", "osfmk/mach", &["bsd-sys"])).len(),
            1
        );
    }

    #[test]
    fn the_board_may_import_everything_of_the_kernel() {
        let all = [
            "mach", "machine", "prim", "pmap", "vm", "ipc", "kern", "bsd", "bsd-sys", "drivers",
        ];
        assert!(complaints_about(&package("kernel", "platform/virt", &all)).is_empty());
        assert_eq!(
            complaints_about(&package("kernel", "platform/virt", &["libsystem"])).len(),
            1
        );
    }

    #[test]
    fn drivers_and_programs_do_not_see_the_kernel() {
        assert_eq!(
            complaints_about(&package("drivers", "platform/drivers", &["vm"])).len(),
            1
        );
        assert_eq!(
            complaints_about(&package("shell", "userland/shell", &["prim"])).len(),
            1
        );
        assert!(complaints_about(&package("ram", "pagers/plugins/ram", &["pager-sdk"])).is_empty());
    }

    #[test]
    fn only_the_tests_of_a_pager_see_the_harness() {
        let mut plugin = package("ram", "pagers/plugins/ram", &["pager-harness"]);
        assert_eq!(
            complaints_about(&plugin),
            ["`ram` may not import `pager-harness`"]
        );
        plugin.imports[0].only_tests = true;
        assert!(complaints_about(&plugin).is_empty());
    }

    #[test]
    fn a_crate_without_a_place_is_a_complaint() {
        assert!(complaints_about(&package("misc", "misc", &[]))[0].contains("no place"));
    }

    #[test]
    fn xtask_stands_alone() {
        assert_eq!(
            complaints_about(&package("xtask", "xtask", &["mach"])).len(),
            1
        );
    }
}
