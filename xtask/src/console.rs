//! Reading what the guest prints: verdict lines, panics, and the tail to show when something went wrong.
//!
//! The lines themselves are an agreement with the programs under `userland/tests` and the kernel's panic; it is
//! written in `docs/testing.md`.

/// One test inside a guest program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestLine {
    /// Its name.
    pub(crate) name: String,
    /// What went wrong, if something did.
    pub(crate) failure: Option<String>,
}

/// What a console's text says about the tests that ran.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Every `test NAME ... ok` and `test NAME ... FAILED: reason`.
    pub(crate) tests: Vec<TestLine>,
    /// The numbers of the `verdict:` line: passed, failed.
    pub(crate) verdict: Option<(usize, usize)>,
    /// The first line of a kernel panic.
    pub(crate) panic: Option<String>,
}

/// Reads a console.
pub(crate) fn read(text: &str) -> Report {
    let mut report = Report::default();
    for line in lines(text) {
        if let Some(test) = test_line(line) {
            report.tests.push(test);
        } else if let Some(verdict) = verdict_line(line) {
            // Several programs may run in one boot: their verdicts add up.
            let (passed, failed) = report.verdict.unwrap_or_default();
            report.verdict = Some((passed + verdict.0, failed + verdict.1));
        } else if report.panic.is_none() && is_panic(line) {
            report.panic = Some(line.trim().to_owned());
        }
    }
    report
}

/// The lines of a console, free of carriage returns and terminal colours' remains.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.trim_end_matches('\r'))
}

/// The last lines of a console.
pub(crate) fn tail(text: &str, count: usize) -> Vec<&str> {
    let all: Vec<_> = lines(text).collect();
    all[all.len().saturating_sub(count)..].to_vec()
}

/// From the panic on, or `None` when there was none.
pub(crate) fn from_panic(text: &str) -> Option<Vec<&str>> {
    let all: Vec<_> = lines(text).collect();
    let start = all.iter().position(|line| is_panic(line))?;
    Some(all[start..].to_vec())
}

/// The events of a trace among a console's lines: what follows `trace: `.
pub(crate) fn trace(text: &str) -> Vec<&str> {
    lines(text)
        .filter_map(|line| line.strip_prefix("trace: "))
        .collect()
}

fn is_panic(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("panic on CPU ")
}

/// `test NAME ... ok` or `test NAME ... FAILED[: reason]`. The kernel may have printed something in between, so the
/// words are looked for from both ends.
fn test_line(line: &str) -> Option<TestLine> {
    let line = &line[line.find("test ")?..];
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    if name.is_empty() || name.contains(' ') {
        return None;
    }
    let failure = match outcome.trim() {
        "ok" => None,
        outcome => {
            let reason = outcome
                .strip_prefix("FAILED")?
                .trim_start_matches(':')
                .trim();
            Some(reason.to_owned())
        }
    };
    Some(TestLine {
        name: name.to_owned(),
        failure,
    })
}

/// `verdict: N passed, N failed`.
fn verdict_line(line: &str) -> Option<(usize, usize)> {
    let (passed, failed) = line[line.find("verdict: ")?..]
        .strip_prefix("verdict: ")?
        .split_once(", ")?;
    let count = |text: &str, word: &str| text.trim().strip_suffix(word)?.trim().parse().ok();
    Some((count(passed, "passed")?, count(failed, "failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_and_test_lines_are_read_between_other_output() {
        let report = read(
            "booting\r\ntest fork_copies ... ok\r\nsome noise\r\n\
             test mmap_walks ... FAILED: page 3 differs\r\nverdict: 1 passed, 1 failed\r\n",
        );
        assert_eq!(report.tests.len(), 2);
        assert_eq!(
            report.tests[0],
            TestLine {
                name: "fork_copies".into(),
                failure: None
            }
        );
        assert_eq!(report.tests[1].failure.as_deref(), Some("page 3 differs"));
        assert_eq!(report.verdict, Some((1, 1)));
        assert_eq!(report.panic, None);
    }

    #[test]
    fn verdicts_of_several_programs_add_up() {
        let report = read("verdict: 2 passed, 0 failed\nverdict: 3 passed, 1 failed\n");
        assert_eq!(report.verdict, Some((5, 1)));
    }

    #[test]
    fn a_panic_is_found_and_shown_from_its_first_line() {
        let text = "boot\npanic on CPU 0: no memory\n  ffffffffc0001234\n";
        assert_eq!(
            read(text).panic.as_deref(),
            Some("panic on CPU 0: no memory")
        );
        assert_eq!(from_panic(text).unwrap().len(), 2);
        assert_eq!(from_panic("all is well"), None);
    }

    #[test]
    fn half_lines_are_no_verdicts() {
        assert_eq!(
            read("verdict: \nverdict: many passed, 0 failed\ntest x ... \n"),
            Report::default()
        );
    }

    #[test]
    fn the_tail_is_the_end_of_the_console() {
        assert_eq!(tail("a\nb\r\nc\n", 2), ["b", "c"]);
        assert_eq!(tail("a\n", 9), ["a"]);
    }

    #[test]
    fn trace_events_are_told_from_other_lines() {
        assert_eq!(trace("boot\ntrace: 12 fault\r\nbye\n"), ["12 fault"]);
    }
}
