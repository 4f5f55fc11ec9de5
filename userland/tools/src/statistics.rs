//! Pages and paging, as `vm_stat` lays them out.

use alloc::format;
use alloc::string::String;
use mach::vm_statistics::{HeldStatistics, VmStatistics64};

/// Pages that are free and not read ahead.
fn free(counts: &VmStatistics64) -> u64 {
    u64::from(counts.free_count.saturating_sub(counts.speculative_count))
}

/// Everything, a line each.
pub fn list(counts: &VmStatistics64, held: &HeldStatistics) -> String {
    let rows: [(&str, u64); 23] = [
        ("Pages free", free(counts)),
        ("Pages active", counts.active_count.into()),
        ("Pages inactive", counts.inactive_count.into()),
        ("Pages speculative", counts.speculative_count.into()),
        ("Pages throttled", counts.throttled_count.into()),
        ("Pages wired down", counts.wire_count.into()),
        ("Pages purgeable", counts.purgeable_count.into()),
        ("\"Translation faults\"", counts.faults),
        ("Pages copy-on-write", counts.cow_faults),
        ("Pages zero filled", counts.zero_fill_count),
        ("Pages reactivated", counts.reactivations),
        ("Pages purged", counts.purges),
        ("File-backed pages", counts.external_page_count.into()),
        ("Anonymous pages", counts.internal_page_count.into()),
        (
            "Pages stored in compressor",
            counts.total_uncompressed_pages_in_compressor,
        ),
        (
            "Pages occupied by compressor",
            counts.compressor_page_count.into(),
        ),
        ("Decompressions", counts.decompressions),
        ("Compressions", counts.compressions),
        ("Pageins", counts.pageins),
        ("Pageouts", counts.pageouts),
        ("Swapins", counts.swapins),
        ("Swapouts", counts.swapouts),
        ("Pages held for pagers", held.pages),
    ];
    rows.iter()
        .map(|(name, value)| format!("{:<30}{value:>17}.\n", format!("{name}:")))
        .collect()
}

/// A column: heading, width, and what it shows of the counts now and those before; events are differences.
type Column = (
    &'static str,
    usize,
    fn(&VmStatistics64, &VmStatistics64) -> u64,
);

const COLUMNS: [Column; 16] = [
    ("free", 8, |now, _| free(now)),
    ("active", 8, |now, _| now.active_count.into()),
    ("specul", 8, |now, _| now.speculative_count.into()),
    ("inactive", 8, |now, _| now.inactive_count.into()),
    ("throttle", 8, |now, _| now.throttled_count.into()),
    ("wired", 8, |now, _| now.wire_count.into()),
    ("prgable", 8, |now, _| now.purgeable_count.into()),
    ("faults", 8, |now, before| {
        now.faults.saturating_sub(before.faults)
    }),
    ("copy", 8, |now, before| {
        now.cow_faults.saturating_sub(before.cow_faults)
    }),
    ("0fill", 8, |now, before| {
        now.zero_fill_count.saturating_sub(before.zero_fill_count)
    }),
    ("reactive", 8, |now, before| {
        now.reactivations.saturating_sub(before.reactivations)
    }),
    ("purged", 8, |now, before| {
        now.purges.saturating_sub(before.purges)
    }),
    ("pageins", 8, |now, before| {
        now.pageins.saturating_sub(before.pageins)
    }),
    ("pageout", 8, |now, before| {
        now.pageouts.saturating_sub(before.pageouts)
    }),
    ("swapins", 8, |now, before| {
        now.swapins.saturating_sub(before.swapins)
    }),
    ("swapouts", 8, |now, before| {
        now.swapouts.saturating_sub(before.swapouts)
    }),
];

/// A number that keeps its column: thousands when it is long.
fn short(value: u64) -> String {
    match value {
        0..=9_999_999 => format!("{value}"),
        value => format!("{}K", value / 1000),
    }
}

/// Above the columns.
pub fn heading() -> String {
    let cells = COLUMNS
        .iter()
        .map(|(name, width, _)| format!("{name:>width$}"));
    cells.collect::<alloc::vec::Vec<_>>().join(" ")
}

/// What there is now, and what has happened since `before`.
pub fn row(now: &VmStatistics64, before: &VmStatistics64) -> String {
    let cells = COLUMNS
        .iter()
        .map(|(_, width, of)| format!("{:>width$}", short(of(now, before))));
    cells.collect::<alloc::vec::Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_its_dots_in_one_column() {
        let counts = VmStatistics64 {
            free_count: 10,
            speculative_count: 3,
            faults: 123_456_789,
            ..VmStatistics64::default()
        };
        let list = list(&counts, &HeldStatistics::default());
        assert!(
            list.lines()
                .all(|line| line.len() == 48 && line.ends_with('.'))
        );
        assert!(list.starts_with("Pages free:  ") && list.contains("  7.\nPages active:"));
    }

    #[test]
    fn columns_show_what_happened_since() {
        let before = VmStatistics64 {
            faults: 100,
            active_count: 7,
            ..VmStatistics64::default()
        };
        let now = VmStatistics64 {
            faults: 130,
            active_count: 9,
            ..before
        };
        let cells: alloc::vec::Vec<_> = heading()
            .split_whitespace()
            .map(String::from)
            .zip(row(&now, &before).split_whitespace().map(String::from))
            .collect();
        let cell = |name: &str| cells.iter().find(|cell| cell.0 == name).unwrap().1.clone();
        assert_eq!((cell("faults"), cell("active")), ("30".into(), "9".into()));
        assert_eq!(short(12_345_678), "12345K");
        assert_eq!(heading().len(), row(&now, &before).len());
    }
}
