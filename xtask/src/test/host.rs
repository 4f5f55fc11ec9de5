//! The host tests: every crate that builds on this machine, for both page sizes.
//!
//! Cargo builds the test programs; they are run from here, one after another, so that a test that hangs or
//! aborts costs its own program only, and each test is counted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Selection, Totals};
use crate::machine::PageSize;
use crate::process::{self, Ending};
use crate::progress::{self, Stopwatch};
use crate::workspace::{Package, Role, Workspace};

/// How long one test program may take.
const LIMIT: Duration = Duration::from_secs(300);
/// How much of a failing program's output is shown.
const SHOWN_LINES: usize = 60;

/// A test program.
struct TestProgram {
    name: String,
    file: PathBuf,
    directory: PathBuf,
}

/// Runs the host tests.
pub(crate) fn run(workspace: &Workspace, selection: &Selection) -> Result<Totals> {
    let mut totals = Totals::default();
    let sizes = if selection.quick {
        &PageSize::BOTH[..1]
    } else {
        &PageSize::BOTH[..]
    };
    for &page_size in sizes {
        let packages = packages(workspace, page_size);
        progress::step(
            "Testing",
            &format!(
                "on the host, {} pages: {}",
                page_size.name(),
                packages.join(", ")
            ),
        );
        let (programs, complete) = build(workspace, &packages, page_size)?;
        if !complete {
            println!(
                "  host build, {} pages: FAILED (messages above)",
                page_size.name()
            );
            totals += Totals::FAILURE;
        }
        for program in &programs {
            if !process::interrupted() {
                totals += run_program(workspace, program, page_size, selection)?;
            }
        }
    }
    if !process::interrupted() {
        totals += documentation(workspace, selection)?;
    }
    Ok(totals)
}

/// What to test: everything once, and what depends on the page size once more.
fn packages(workspace: &Workspace, page_size: PageSize) -> Vec<String> {
    workspace.names(|package| {
        package.is_host_testable()
            && (page_size.feature().is_none() || workspace.reaches(package, "machine"))
    })
}

/// Builds the test programs; beside them, whether all could be built.
fn build(
    workspace: &Workspace,
    packages: &[String],
    page_size: PageSize,
) -> Result<(Vec<TestProgram>, bool)> {
    let mut command = workspace.host_cargo();
    command.args([
        "build",
        "--tests",
        "--keep-going",
        "--message-format=json-render-diagnostics",
    ]);
    for package in packages {
        command.args(["-p", package]);
    }
    if let Some(feature) = page_size.feature() {
        command.args(["--features", feature]);
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut programs: Vec<_> = text.lines().filter_map(test_program).collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((programs, output.status.success()))
}

/// A test program that one line of cargo's JSON output announces.
fn test_program(line: &str) -> Option<TestProgram> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let file = PathBuf::from(message["executable"].as_str()?);
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let directory = manifest.parent()?.to_owned();
    let target = message["target"]["name"].as_str()?;
    let package = package_name(message["package_id"].as_str()?);
    let name = match message["target"]["kind"][0].as_str()? {
        "test" => format!("{package}/tests/{target}"),
        "bin" if target != package => format!("{package}/{target}"),
        _ => package.to_owned(),
    };
    Some(TestProgram {
        name,
        file,
        directory,
    })
}

/// The name in a package's identity: `path+file:///w/bsd/sys#bsd-sys@0.1.0`, or `...#0.1.0` where the directory has
/// the package's name.
fn package_name(identity: &str) -> &str {
    let (path, rest) = identity.split_once('#').unwrap_or((identity, ""));
    let directory = path.rsplit('/').next().unwrap_or(path);
    rest.split_once('@').map_or(directory, |(name, _)| name)
}

fn run_program(
    workspace: &Workspace,
    program: &TestProgram,
    page_size: PageSize,
    selection: &Selection,
) -> Result<Totals> {
    let mut command = Command::new(&program.file);
    command
        .current_dir(&program.directory)
        .env("CARGO_MANIFEST_DIR", &program.directory);
    // The name of a package selects all its tests.
    if !selection.wants(&program.name) {
        command.args(&selection.filter);
    }
    let log = log_file(workspace, &format!("{}-{}", program.name, page_size.name()));
    let title = format!("{} ({})", program.name, page_size.name());
    observe(&mut command, &log, &title)
}

/// The examples in the documentation.
fn documentation(workspace: &Workspace, selection: &Selection) -> Result<Totals> {
    let has_examples = |package: &Package| {
        package.role() == Role::Library
            && has_examples(&workspace.root.join(&package.directory).join("src"))
    };
    let packages = workspace.names(has_examples);
    if packages.is_empty() {
        return Ok(Totals::default());
    }
    let mut command = workspace.host_cargo();
    command.args(["test", "--doc", "--no-fail-fast"]);
    for package in &packages {
        command.args(["-p", package]);
    }
    command.args(&selection.filter);
    progress::step(
        "Testing",
        &format!(
            "the examples in the documentation of {}",
            packages.join(", ")
        ),
    );
    observe(
        &mut command,
        &log_file(workspace, "documentation"),
        "documentation examples",
    )
}

/// Whether any source file below has an example in its documentation.
fn has_examples(directory: &Path) -> bool {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return has_examples(&path);
            }
            fs::read_to_string(&path).is_ok_and(|text| documents_example(&text))
        })
}

/// Whether some block of code in the comments is Rust: it opens with three backquotes and no word, or one for rustdoc.
fn documents_example(text: &str) -> bool {
    let mut in_block = false;
    for line in text.lines().map(str::trim_start) {
        let comment = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        let Some(tag) = comment.and_then(|comment| comment.trim().strip_prefix("```")) else {
            continue;
        };
        in_block = !in_block;
        let for_rustdoc = ["rust", "should_panic", "no_run", "compile_fail"];
        if in_block && (tag.is_empty() || for_rustdoc.iter().any(|word| tag.starts_with(word))) {
            return true;
        }
    }
    false
}

/// Runs a test program to its end, prints its line of the table, and what it said if it failed.
fn observe(command: &mut Command, log: &Path, title: &str) -> Result<Totals> {
    let clock = Stopwatch::start();
    let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start `{}`", process::text(command)))?;
    let ending = process::wait(&mut child, Some(LIMIT))?;
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let (totals, complaint) = judge(&text, ending);
    if totals != Totals::default() {
        let verdict = if totals.failed == 0 { "" } else { "  FAILED" };
        println!(
            "  {title:<44} {:>5} passed {:>4} failed {:>9}{verdict}",
            totals.passed,
            totals.failed,
            clock.text()
        );
    }
    if totals.failed > 0 {
        println!("{}", shown(&text, complaint.as_deref(), log));
    }
    Ok(totals)
}

/// Counts what a test program printed; a program that did not come to its regular end is one failure more.
fn judge(text: &str, ending: Ending) -> (Totals, Option<String>) {
    let mut totals = Totals::default();
    let (mut started, mut ended) = (0, 0);
    for line in text.lines() {
        if line.starts_with("running ")
            && line.trim_end().ends_with(['t', 's'])
            && line.contains(" test")
        {
            started += 1;
        } else if let Some(result) = line.strip_prefix("test result: ") {
            ended += 1;
            totals += Totals {
                passed: number(result, " passed"),
                failed: number(result, " failed"),
            };
        }
    }
    let complaint = match ending {
        Ending::TimedOut => Some(format!("no end within {}", progress::duration_text(LIMIT))),
        Ending::Interrupted => Some("interrupted".to_owned()),
        Ending::Exited(_) if started != ended => Some("ended in the middle of a test".to_owned()),
        Ending::Exited(status) if !status.success() && totals.failed == 0 => {
            Some(format!("ended with {status}"))
        }
        Ending::Exited(_) => None,
    };
    if complaint.is_some() {
        // The tests that got through before are worth their count.
        if started != ended {
            let ok = text
                .lines()
                .filter(|line| line.starts_with("test ") && line.ends_with("... ok"));
            totals.passed = ok.count();
        }
        totals += Totals::FAILURE;
    }
    (totals, complaint)
}

/// The number in front of a word: `12` in `ok. 12 passed; 0 failed`.
fn number(text: &str, word: &str) -> usize {
    let before = text.find(word).map_or("", |at| &text[..at]);
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The part of a failing program's output that says why.
fn shown(text: &str, complaint: Option<&str>, log: &Path) -> String {
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.ends_with("... ok"))
        .collect();
    let start = lines
        .iter()
        .position(|line| *line == "failures:")
        .unwrap_or(0);
    let part = &lines[start..];
    let part = if complaint.is_some() {
        &part[part.len().saturating_sub(SHOWN_LINES)..]
    } else {
        part
    };
    let mut shown = String::new();
    for line in part.iter().take(SHOWN_LINES) {
        shown.push_str(&format!("    | {line}\n"));
    }
    if let Some(complaint) = complaint {
        shown.push_str(&format!("    {complaint}\n"));
    }
    shown.push_str(&format!("    (all of it: {})", log.display()));
    shown
}

fn log_file(workspace: &Workspace, name: &str) -> PathBuf {
    let directory = workspace.target.join("test-logs");
    // A failure shows when the file itself is created.
    let _ = fs::create_dir_all(&directory);
    directory.join(format!("host-{}.log", name.replace('/', "-")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    fn exited(code: i32) -> Ending {
        Ending::Exited(ExitStatus::from_raw(code << 8))
    }

    #[test]
    fn each_test_of_each_result_line_counts() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\
                    running 1 test\ntest c ... FAILED\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        let (totals, complaint) = judge(text, exited(101));
        assert_eq!(
            totals,
            Totals {
                passed: 2,
                failed: 1
            }
        );
        assert_eq!(complaint, None);
    }

    #[test]
    fn a_program_that_aborts_is_a_failure_beside_what_it_passed() {
        let text = "running 3 tests\ntest a ... ok\n";
        let (totals, complaint) = judge(text, Ending::Exited(ExitStatus::from_raw(6)));
        assert_eq!(
            totals,
            Totals {
                passed: 1,
                failed: 1
            }
        );
        assert!(complaint.unwrap().contains("middle"));
    }

    #[test]
    fn a_program_that_hangs_is_a_failure() {
        assert_eq!(
            judge("running 1 test\n", Ending::TimedOut).0,
            Totals {
                passed: 0,
                failed: 1
            }
        );
    }

    #[test]
    fn a_build_that_fails_without_any_test_is_a_failure() {
        assert_eq!(
            judge("error: could not compile\n", exited(101)).0,
            Totals::FAILURE
        );
    }

    #[test]
    fn a_program_without_matching_tests_counts_nothing() {
        let text =
            "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 12 filtered out\n";
        assert_eq!(judge(text, exited(0)).0, Totals::default());
    }

    #[test]
    fn drawings_are_no_examples() {
        assert!(documents_example("/// ```\n/// f();\n/// ```\n"));
        assert!(documents_example(
            "//! ```text\n//! x\n//! ```\n//!\n//! ```no_run\n"
        ));
        assert!(!documents_example(
            "/// ```text\n/// a -> b\n/// ```\n/// and `code`\n"
        ));
    }

    #[test]
    fn only_test_programs_are_picked_from_cargos_messages() {
        let line = |test: bool, kind: &str| {
            format!(
                r#"{{"profile":{{"test":{test}}},"executable":"/t/x","manifest_path":"/w/bsd/sys/Cargo.toml","package_id":"path+file:///w/bsd/sys#bsd-sys@0.1.0","target":{{"name":"faults","kind":["{kind}"]}}}}"#
            )
        };
        assert_eq!(
            test_program(&line(true, "test")).unwrap().name,
            "bsd-sys/tests/faults"
        );
        assert_eq!(test_program(&line(true, "lib")).unwrap().name, "bsd-sys");
        assert_eq!(package_name("path+file:///w/osfmk/vm#0.1.0"), "vm");
        assert!(test_program(&line(false, "bin")).is_none());
    }

    #[test]
    fn the_page_size_build_covers_only_what_depends_on_it() {
        let workspace = crate::workspace::tests::sample();
        assert_eq!(
            packages(&workspace, PageSize::Size16K),
            ["mach", "machine", "vm", "xtask"]
        );
        // `mach` imports `machine` in its tests.
        assert_eq!(
            packages(&workspace, PageSize::Size4K),
            ["mach", "machine", "vm"]
        );
    }
}
