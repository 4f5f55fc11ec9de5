//! The change against figures that an earlier run saved.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::report::{RowResult, figure};

/// A row that has become slower by more than this part is a regression.
const TOLERANCE: f64 = 0.015;

/// And by more than this many instructions: less does not show in the table. A row that is the difference of two others
/// can be nearly nothing.
const RESOLUTION: f64 = 0.1;

/// Earlier figures by name; `None` for a row that could not be measured then.
pub(crate) type Before = BTreeMap<String, Option<f64>>;

/// What a comparison says.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// Line by line, for the user.
    pub(crate) text: String,
    /// How many rows have become slower, or have gone.
    pub(crate) regressions: usize,
}

/// Reads what `--json` wrote.
pub(crate) fn load(file: &Path) -> Result<Before> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    parse(&text).with_context(|| format!("{} is not what --json writes", file.display()))
}

fn parse(text: &str) -> Result<Before> {
    let value: Value = serde_json::from_str(text)?;
    let Value::Array(objects) = value else {
        bail!("it is no array")
    };
    let row = |object: &Value| {
        let name = object["name"].as_str().context("a row has no name")?;
        let ours = &object["ours"];
        if !ours.is_null() && !ours.is_number() {
            bail!("{name}: `ours` is no number")
        }
        Ok((name.to_owned(), ours.as_f64()))
    };
    let rows: Before = objects.iter().map(row).collect::<Result<_>>()?;
    if rows.is_empty() {
        bail!("it holds no rows")
    }
    Ok(rows)
}

/// Compares rows that were measured now with what they were.
pub(crate) fn compare(before: &Before, results: &[RowResult]) -> Comparison {
    let mut text = format!(
        "{:<32} {:>12} {:>12} {:>9}\n",
        "change", "before", "now", ""
    );
    let mut regressions = 0;
    for result in results {
        let line = match (before.get(result.row.name).copied().flatten(), &result.ours) {
            (None, Err(_)) => continue,
            (None, Ok(now)) => format!("{:>12} {:>12} {:>9}", "-", figure(*now), "new"),
            (Some(was), Err(_)) => {
                regressions += 1;
                format!("{:>12} {:>12} {:>9}  REGRESSION", figure(was), "-", "gone")
            }
            (Some(was), Ok(now)) => {
                let change = (now - was) / was.max(f64::MIN_POSITIVE);
                let slower = change > TOLERANCE && now - was > RESOLUTION;
                regressions += usize::from(slower);
                let mark = if slower { "  REGRESSION" } else { "" };
                format!(
                    "{:>12} {:>12} {:>+8.1}%{mark}",
                    figure(was),
                    figure(*now),
                    change * 100.0
                )
            }
        };
        let _ = writeln!(text, "{:<32} {line}", result.row.title);
    }
    let _ = write!(
        text,
        "{regressions} rows slower by more than {} %",
        TOLERANCE * 100.0
    );
    Comparison { text, regressions }
}

#[cfg(test)]
mod tests {
    use super::super::{parse as lines, report};
    use super::*;

    fn now(text: &str) -> Vec<RowResult> {
        report::results(&lines::read(text), &["null".to_owned()])
    }

    #[test]
    fn slower_by_two_percent_is_a_regression_and_by_one_is_not() {
        let before = parse(
            r#"[{"name":"null_bsd_call","ours":100.0},{"name":"null_mach_trap","ours":100}]"#,
        )
        .unwrap();
        let results =
            now("row null_bsd_call call 102000 1 1 1\nrow null_mach_trap call 101000 1 1 1\n");
        let comparison = compare(&before, &results);
        assert_eq!(comparison.regressions, 1, "{}", comparison.text);
        assert!(
            comparison.text.contains("+2.0%  REGRESSION"),
            "{}",
            comparison.text
        );
    }

    #[test]
    fn a_change_that_the_table_does_not_show_is_no_regression() {
        let before = parse(r#"[{"name":"null_bsd_call","ours":0.10}]"#).unwrap();
        let comparison = compare(&before, &now("row null_bsd_call call 120 1 1 1\n"));
        assert_eq!(comparison.regressions, 0, "{}", comparison.text);
    }

    #[test]
    fn a_row_that_has_gone_is_a_regression_and_a_new_one_is_not() {
        let before = parse(
            r#"[{"name":"null_bsd_call","ours":100.0},{"name":"null_mach_trap","ours":null}]"#,
        )
        .unwrap();
        let comparison = compare(&before, &now("row null_mach_trap call 101000 1 1 1\n"));
        assert_eq!(comparison.regressions, 1);
        assert!(comparison.text.contains("gone") && comparison.text.contains("new"));
    }

    #[test]
    fn what_is_no_saved_result_is_refused() {
        for wrong in ["", "{}", "[]", "[1]", r#"[{"name":"x","ours":"1"}]"#] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
