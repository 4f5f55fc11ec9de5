//! What a boot was worth: its test lines, its verdict, its expectations and its end, judged together.

use super::Totals;
use super::files::PreparedFiles;
use super::table::{GuestTest, Verdict};
use crate::bench;
use crate::console::{self, Report};
use crate::machine::BootFiles;
use crate::process::Ending;
use crate::symbols::Symbols;

/// How much of the console a failure shows.
const TAIL_LINES: usize = 40;
/// How many lines before a panic are shown with it.
const LINES_BEFORE_PANIC: usize = 10;

/// Counts a boot: its test lines, its expectations, and one failure for each thing that went wrong besides.
pub(crate) fn judge(
    test: &GuestTest,
    files: &PreparedFiles,
    ending: Ending,
    text: &str,
) -> (Totals, Vec<String>) {
    let report = console::read(text);
    let mut complaints = Vec::new();
    let expected = test.expect.iter().map(|pattern| files.fill_in(pattern));
    for pattern in expected {
        match pattern {
            Ok(pattern) if text.contains(&pattern) => {}
            Ok(pattern) => complaints.push(format!("the console does not show `{pattern}`")),
            Err(error) => complaints.push(format!("{error:#}")),
        }
    }
    if let Verdict::Rows { not_yet } = test.verdict {
        complaints.extend(bench::missing(text, not_yet));
    }
    let counted = count(test, ending, &report, &mut complaints);
    (counted, complaints)
}

fn count(
    test: &GuestTest,
    ending: Ending,
    report: &Report,
    complaints: &mut Vec<String>,
) -> Totals {
    let failures: Vec<_> = report
        .tests
        .iter()
        .filter(|line| line.failure.is_some())
        .collect();
    let mut totals = Totals {
        passed: report.tests.len() - failures.len(),
        failed: failures.len(),
    };
    if let Some(panic) = &report.panic {
        complaints.push(format!("the kernel panicked: {panic}"));
    }
    let status = match ending {
        Ending::Exited(status) => {
            if status.code().is_none() {
                complaints.push(format!("the emulator was ended by {status}"));
            }
            status.code()
        }
        Ending::Interrupted => {
            complaints.push("interrupted".to_owned());
            None
        }
        Ending::TimedOut if report.panic.is_some() => None,
        Ending::TimedOut => {
            complaints.push(format!("no end within {} seconds", test.timeout));
            None
        }
    };
    match test.verdict {
        Verdict::Lines => check_lines(&totals, report, status, complaints),
        Verdict::Status(_) | Verdict::Rows { .. } => {
            let wanted = match test.verdict {
                Verdict::Status(wanted) => wanted,
                _ => 0,
            };
            if status.is_some_and(|status| status != i32::from(wanted)) {
                complaints.push(format!(
                    "exit status {}, not {wanted}",
                    status.unwrap_or_default()
                ));
            }
            // Without test lines, the boot itself is the test.
            if complaints.is_empty() && report.tests.is_empty() {
                totals.passed += 1;
            }
        }
    }
    if !complaints.is_empty() {
        totals.failed += 1;
    }
    for line in failures {
        complaints.push(format!(
            "{}: {}",
            line.name,
            line.failure.as_deref().unwrap_or_default()
        ));
    }
    totals
}

/// The verdict line must be there and agree with the lines above it and with the exit status.
fn check_lines(
    totals: &Totals,
    report: &Report,
    status: Option<i32>,
    complaints: &mut Vec<String>,
) {
    match report.verdict {
        None => complaints.push("there is no verdict".to_owned()),
        Some((passed, failed)) if (passed, failed) != (totals.passed, totals.failed) => {
            complaints.push(format!(
                "the verdict says {passed} passed, {failed} failed; the lines say {} and {}",
                totals.passed, totals.failed
            ));
        }
        Some((0, 0)) => complaints.push("no test ran".to_owned()),
        Some(_) if totals.failed == 0 && status.is_some_and(|status| status != 0) => {
            complaints.push(format!(
                "all passed, but the exit status is {}",
                status.unwrap_or_default()
            ));
        }
        Some(_) => {}
    }
}

/// The part of the console that shows what went wrong: the panic with names, or the last lines.
pub(crate) fn shown(text: &str, files: Option<&BootFiles>) -> Vec<String> {
    let symbols = files.and_then(|files| Symbols::load(&files.kernel).ok());
    let lines = console::from_panic(text).unwrap_or_else(|| console::tail(text, TAIL_LINES));
    // Some lines before a panic say what led to it.
    let before = console::from_panic(text).map(|panic| {
        let all: Vec<_> = console::lines(text).collect();
        let end = all.len() - panic.len();
        all[end.saturating_sub(LINES_BEFORE_PANIC)..end].to_vec()
    });
    let all = before.unwrap_or_default().into_iter().chain(lines);
    let named = match symbols {
        Some(symbols) => symbols.annotate(all),
        None => all.map(str::to_owned).collect(),
    };
    named
        .into_iter()
        .map(|line| format!("    | {line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    fn exited(code: i32) -> Ending {
        Ending::Exited(ExitStatus::from_raw(code << 8))
    }

    fn counted(test: &GuestTest, ending: Ending, text: &str) -> (Totals, Vec<String>) {
        let mut complaints = Vec::new();
        let totals = count(test, ending, &console::read(text), &mut complaints);
        (totals, complaints)
    }

    const GOOD: &str = "test a ... ok\ntest b ... ok\nverdict: 2 passed, 0 failed\n";

    #[test]
    fn each_line_of_a_good_program_counts() {
        let (totals, complaints) = counted(&GuestTest::PROGRAM, exited(0), GOOD);
        assert_eq!(
            totals,
            Totals {
                passed: 2,
                failed: 0
            }
        );
        assert!(complaints.is_empty());
    }

    #[test]
    fn a_failed_line_is_one_failure_with_its_reason() {
        let text = "test a ... ok\ntest b ... FAILED: too late\nverdict: 1 passed, 1 failed\n";
        let (totals, complaints) = counted(&GuestTest::PROGRAM, exited(1), text);
        assert_eq!(
            totals,
            Totals {
                passed: 1,
                failed: 1
            }
        );
        assert_eq!(complaints, ["b: too late"]);
    }

    #[test]
    fn a_missing_verdict_a_hang_and_a_panic_are_failures() {
        let (totals, _) = counted(&GuestTest::PROGRAM, exited(0), "test a ... ok\n");
        assert_eq!(
            totals,
            Totals {
                passed: 1,
                failed: 1
            }
        );
        let (totals, complaints) = counted(&GuestTest::PROGRAM, Ending::TimedOut, GOOD);
        assert_eq!(totals.failed, 1);
        assert!(complaints[0].contains("180 seconds"), "{complaints:?}");
        let panicked = format!("{GOOD}panic on CPU 1: lost\n");
        assert_eq!(
            counted(&GuestTest::PROGRAM, exited(101), &panicked)
                .0
                .failed,
            1
        );
    }

    #[test]
    fn a_verdict_that_disagrees_with_its_lines_or_status_is_a_failure() {
        let text = "test a ... ok\nverdict: 2 passed, 0 failed\n";
        assert_eq!(counted(&GuestTest::PROGRAM, exited(0), text).0.failed, 1);
        assert_eq!(counted(&GuestTest::PROGRAM, exited(3), GOOD).0.failed, 1);
        assert_eq!(
            counted(
                &GuestTest::PROGRAM,
                exited(0),
                "verdict: 0 passed, 0 failed\n"
            )
            .0
            .failed,
            1
        );
    }

    #[test]
    fn a_command_is_judged_by_its_status() {
        let test = GuestTest {
            verdict: Verdict::Status(3),
            ..GuestTest::PROGRAM
        };
        assert_eq!(
            counted(&test, exited(3), "").0,
            Totals {
                passed: 1,
                failed: 0
            }
        );
        assert_eq!(
            counted(&test, exited(0), "").0,
            Totals {
                passed: 0,
                failed: 1
            }
        );
    }
}
