//! The figures of other systems: tables of `docs/bench/`, part of this program.

/// A table: a line of column names, then lines of an operation and its figures; `#` begins a comment.
struct Table(&'static str);

const LINUX: Table = Table(include_str!("../../../docs/bench/linux.tsv"));
const SEL4: Table = Table(include_str!("../../../docs/bench/sel4.tsv"));

impl Table {
    fn lines(&self) -> impl Iterator<Item = Vec<&'static str>> + use<> {
        self.0
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect())
    }

    /// A figure by operation and column.
    fn figure(&self, operation: &str, column: &str) -> Option<f64> {
        let place = self
            .lines()
            .next()?
            .iter()
            .position(|name| *name == column)?;
        let line = self.lines().find(|line| line[0] == operation)?;
        line.get(place)?.parse().ok()
    }
}

/// Linux's best column, the lower of `lean` and `lean61`.
pub(crate) fn linux(operation: &str) -> Option<f64> {
    let figure = |column| LINUX.figure(operation, column);
    match (figure("lean"), figure("lean61")) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// seL4 as it is usually configured, or without floating-point state where only that was measured.
pub(crate) fn sel4(operation: &str) -> Option<f64> {
    SEL4.figure(operation, "default")
        .or_else(|| SEL4.figure(operation, "fp_off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_column_is_the_lower_one() {
        assert_eq!(linux("mmap+munmap.1page.untouched"), Some(10779.0));
        assert_eq!(linux("fork+exit+wait.small"), Some(126_282.0));
        assert_eq!(
            linux("anon.write_fault.mTHP64K"),
            Some(564.5),
            "one column only"
        );
        assert_eq!(linux("nothing"), None);
        assert_eq!(sel4("call+reply.5_words_slow_path"), Some(1527.0));
        assert_eq!(sel4("call+reply.one_capability"), Some(1835.0));
    }
}
