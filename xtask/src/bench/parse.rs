//! What the guest's program prints: `row NAME UNIT MEDIAN MINIMUM MAXIMUM SAMPLES`, in thousandths of an instruction, and
//! `group NAME failed: REASON`.

use std::collections::BTreeMap;

use crate::console;

/// One row's samples, in instructions for one unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// Of all samples but the first.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The most.
    pub(crate) most: f64,
}

/// What was measured.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Measured {
    /// Rows by name.
    pub(crate) rows: BTreeMap<String, Sample>,
    /// Groups that did not finish, by name, and why.
    pub(crate) failures: BTreeMap<String, String>,
}

/// Reads a console.
pub(crate) fn read(text: &str) -> Measured {
    let mut measured = Measured::default();
    for line in console::lines(text) {
        if let Some((name, sample)) = row(line) {
            measured.rows.insert(name, sample);
        } else if let Some((name, reason)) = failure(line) {
            measured.failures.insert(name, reason);
        }
    }
    measured
}

/// Whether the program came to its end.
pub(crate) fn is_complete(text: &str) -> bool {
    console::lines(text).any(|line| line == "bench done")
}

/// The unit may hold blanks; the numbers stand at the end.
fn row(line: &str) -> Option<(String, Sample)> {
    let (name, rest) = line.strip_prefix("row ")?.split_once(' ')?;
    let mut words = rest.rsplitn(5, ' ');
    let _samples: u32 = words.next()?.parse().ok()?;
    let mut figure = || Some(words.next()?.parse::<u64>().ok()? as f64 / 1000.0);
    let (most, least, median) = (figure()?, figure()?, figure()?);
    let sample = Sample {
        median,
        least,
        most,
    };
    Some((name.to_owned(), sample))
}

fn failure(line: &str) -> Option<(String, String)> {
    let (name, reason) = line.strip_prefix("group ")?.split_once(" failed: ")?;
    Some((name.to_owned(), reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_failures_are_read_between_other_lines() {
        let text = "boot\r\nrow mach_rpc round trip 1234500 1234000 1235000 2\r\n\
                    group swap failed: madvise(MADV_PAGEOUT): not supported\r\nrow broken\nbench done\r\n";
        let measured = read(text);
        let sample = &measured.rows["mach_rpc"];
        assert_eq!(
            (sample.median, sample.least, sample.most),
            (1234.5, 1234.0, 1235.0)
        );
        assert_eq!(measured.rows.len(), 1);
        assert!(measured.failures["swap"].contains("PAGEOUT"));
        assert!(is_complete(text) && !is_complete("row x y 1 1 1 1"));
    }
}
