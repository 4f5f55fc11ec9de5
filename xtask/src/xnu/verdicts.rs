//! Which functions of XNU's do not apply here, and why: the rules of `docs/xnu/verdicts.tsv`.
//!
//! A rule names a file and a function, either with `*` for any text; the first rule that covers a function holds. The
//! reason `-` takes functions out of a later, wider rule: they stay *not built yet*.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::table::{Recorded, covers, rows};

/// Where the rules lie.
const VERDICTS: &str = "docs/xnu/verdicts.tsv";
/// The reason that is none.
const UNDECIDED: &str = "-";

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    file: String,
    function: String,
    reason: String,
}

/// All rules, in the order in which they are tried.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Vec<Rule>);

impl Verdicts {
    /// Reads the rules.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(VERDICTS))
            .with_context(|| format!("reading {VERDICTS}"))?;
        Self::parse(&text)
    }

    /// Reads the rules from a table's text.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let rules = rows(text).map(|row| match row[..] {
            [file, function, reason] => Ok(Rule {
                file: file.to_owned(),
                function: function.to_owned(),
                reason: reason.to_owned(),
            }),
            _ => bail!(
                "{VERDICTS}: not `file, function, reason`: {}",
                row.join(" ")
            ),
        });
        Ok(Self(rules.collect::<Result<_>>()?))
    }

    /// Why a function does not apply, if it does not.
    pub(super) fn reason(&self, file: &str, function: &str) -> Option<&str> {
        let rule = self.0.iter().find(|rule| rule.covers(file, function))?;
        (rule.reason != UNDECIDED).then_some(rule.reason.as_str())
    }

    /// Rules that decide about no recorded function, because there is none or an earlier rule has it.
    pub(super) fn idle(&self, recorded: &Recorded) -> Vec<String> {
        let mut used = vec![false; self.0.len()];
        for (file, names) in &recorded.files {
            for name in names {
                if let Some(first) = self.0.iter().position(|rule| rule.covers(file, name)) {
                    used[first] = true;
                }
            }
        }
        let idle = self.0.iter().zip(used).filter(|(_, used)| !used);
        idle.map(|(rule, _)| format!("{} in {}", rule.function, rule.file))
            .collect()
    }
}

impl Rule {
    fn covers(&self, file: &str, function: &str) -> bool {
        covers(&self.file, file) && covers(&self.function, function)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_rule_that_covers_a_function_holds() {
        let verdicts =
            Verdicts::parse("# c\na.c\tf_b\t-\na.c\tf_*\tno need\n*\tg\tnever\n").unwrap();
        assert_eq!(verdicts.reason("a.c", "f_a"), Some("no need"));
        assert_eq!(verdicts.reason("a.c", "f_b"), None);
        assert_eq!(verdicts.reason("b.c", "f_a"), None);
        assert_eq!(verdicts.reason("b.c", "g"), Some("never"));
    }

    #[test]
    fn a_rule_without_a_function_is_idle() {
        let recorded = Recorded {
            files: vec![("a.c".to_owned(), BTreeSet::from(["f".to_owned()]))],
            ..Recorded::default()
        };
        let verdicts = Verdicts::parse("a.c\tf\tx\na.c\t*\ty\nb.c\tf\tz\n").unwrap();
        assert_eq!(verdicts.idle(&recorded), ["* in a.c", "f in b.c"]);
    }

    #[test]
    fn a_rule_needs_its_reason() {
        assert!(Verdicts::parse("a.c\tf\n").is_err());
    }
}
