//! The table on the screen, and the JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::parse::Measured;
use super::peers;
use super::rows::{ROWS, Row};

/// A row is a loss when it costs more than this many times Linux's best.
pub(crate) const LOSS: f64 = 1.5;
/// Samples of a series that differ by more than this part are marked.
const SPREAD: f64 = 0.01;

/// A row and its figures.
#[derive(Debug)]
pub(crate) struct RowResult {
    /// Which.
    pub(crate) row: &'static Row,
    /// Instructions for one unit, or why there is no figure.
    pub(crate) ours: Result<f64, String>,
    /// How far the samples lie apart, as a part of the figure.
    pub(crate) spread: f64,
}

impl RowResult {
    /// Linux's best column.
    pub(crate) fn linux(&self) -> Option<f64> {
        peers::linux(self.row.linux)
    }

    /// How many times Linux's figure ours is.
    fn ratio(&self) -> Option<f64> {
        Some(*self.ours.as_ref().ok()? / self.linux()?)
    }
}

/// What became of each row, or of those of some groups.
pub(crate) fn results(measured: &Measured, only: &[String]) -> Vec<RowResult> {
    let wanted = |row: &&Row| only.is_empty() || only.iter().any(|group| group == row.group);
    ROWS.iter()
        .filter(wanted)
        .map(|row| match measured.rows.get(row.name) {
            Some(sample) => RowResult {
                row,
                ours: Ok(sample.median),
                spread: (sample.most - sample.least) / sample.median.max(1.0),
            },
            None => RowResult {
                row,
                ours: Err(measured
                    .failures
                    .get(row.group)
                    .cloned()
                    .unwrap_or_else(|| "the guest printed no such row".to_owned())),
                spread: 0.0,
            },
        })
        .collect()
}

/// A figure as it is read best: small ones with a digit behind the point.
pub(crate) fn figure(value: f64) -> String {
    if value < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The table, with its counts below.
pub(crate) fn table(results: &[RowResult]) -> String {
    let mut text = format!(
        "{:<32} {:<11} {:>12} {:>12} {:>8} {:>7}\n",
        "operation (guest instructions)", "per", "ours", "Linux", "seL4", "ratio"
    );
    let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), figure);
    for result in results {
        let _ = write!(text, "{:<32} {:<11} ", result.row.title, result.row.unit);
        let (linux, sel4) = (
            or_dash(result.linux()),
            or_dash(peers::sel4(result.row.sel4)),
        );
        match &result.ours {
            Ok(ours) => {
                let ratio = result.ratio();
                let shown = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
                let _ = write!(
                    text,
                    "{:>12} {linux:>12} {sel4:>8} {shown:>7}",
                    figure(*ours)
                );
                if ratio.is_some_and(|ratio| ratio > LOSS) {
                    text.push_str("  LOSS");
                } else if ratio.is_some_and(|ratio| ratio > 1.0) {
                    text.push_str("  slower");
                }
                if result.spread > SPREAD {
                    let _ = write!(text, "  (samples differ by {:.1} %)", result.spread * 100.0);
                }
            }
            Err(reason) => {
                let _ = write!(
                    text,
                    "{:>12} {linux:>12} {sel4:>8} {:>7}  not built yet: {reason}",
                    "-", "-"
                );
            }
        }
        text.push('\n');
    }
    text.push_str(&summary(results));
    text
}

fn summary(results: &[RowResult]) -> String {
    let count = |wanted: &dyn Fn(&RowResult) -> bool| {
        results.iter().filter(|&result| wanted(result)).count()
    };
    let within = |from: f64, to: f64| {
        count(&|result| {
            result
                .ratio()
                .is_some_and(|ratio| ratio > from && ratio <= to)
        })
    };
    format!(
        "{} rows: {} no slower than Linux, {} slower by up to half, {} slower by more (LOSS), {} not measured",
        results.len(),
        within(0.0, 1.0),
        within(1.0, LOSS),
        within(LOSS, f64::INFINITY),
        count(&|result| result.ours.is_err()),
    )
}

/// One row as JSON; a figure that does not exist is null.
fn object(result: &RowResult) -> Value {
    let rounded = |value: f64| (value * 10.0).round() / 10.0;
    json!({
        "name": result.row.name,
        "unit": result.row.unit,
        "ours": result.ours.as_ref().ok().map(|&value| rounded(value)),
        "linux": result.linux(),
    })
}

/// Writes the JSON: an array, a line for each row.
pub(crate) fn save(results: &[RowResult], file: &Path) -> Result<()> {
    let lines: Vec<_> = results
        .iter()
        .map(|result| format!("  {}", object(result)))
        .collect();
    fs::write(file, format!("[\n{}\n]\n", lines.join(",\n")))
        .with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_row_shows_its_figure_its_peer_and_a_loss() {
        let measured = parse::read("row null_bsd_call call 630600 630000 631000 2\n");
        let results = results(&measured, &["null".to_owned()]);
        let text = table(&results);
        assert!(
            text.contains("630.6") && text.contains("315.3") && text.contains("2.00  LOSS"),
            "{text}"
        );
        assert!(
            text.contains("null Mach trap") && text.contains("the guest printed no such row"),
            "{text}"
        );
        assert!(
            text.ends_with("1 slower by more (LOSS), 1 not measured"),
            "{text}"
        );
    }

    #[test]
    fn a_group_that_failed_gives_its_rows_the_reason() {
        let measured = parse::read("group swap failed: no pager\n");
        let results = results(&measured, &["swap".to_owned()]);
        assert!(
            results
                .iter()
                .all(|result| result.ours == Err("no pager".to_owned()))
        );
        assert_eq!(object(&results[0])["ours"], Value::Null);
    }

    #[test]
    fn figures_have_separators_or_a_digit_behind_the_point() {
        assert_eq!(figure(15.23), "15.2");
        assert_eq!(figure(1234567.0), "1,234,567");
        assert_eq!(figure(1000.4), "1,000");
    }
}
