//! The comparison itself: each recorded function with what became of it here.

use std::collections::BTreeMap;

use super::aliases::Alias;
use super::table::{Recorded, covers};
use super::verdicts::Verdicts;

/// What became of a function of XNU's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status<'a> {
    /// These items of ours do its work.
    Built(Vec<&'a Alias>),
    /// Nothing does so far.
    NotBuilt,
    /// Nothing needs to, for this reason.
    DoesNotApply(&'a str),
}

/// One function with its status.
#[derive(Debug)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) status: Status<'a>,
}

/// One file of XNU's with its functions.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) functions: Vec<Function<'a>>,
}

/// How many functions there are of each kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) built: usize,
    pub(super) not_built: usize,
    pub(super) does_not_apply: usize,
}

impl Counts {
    /// All functions.
    pub(super) fn total(self) -> usize {
        self.built + self.not_built + self.does_not_apply
    }

    /// The counts of two sets of functions together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            built: self.built + other.built,
            not_built: self.not_built + other.not_built,
            does_not_apply: self.does_not_apply + other.does_not_apply,
        }
    }
}

impl File<'_> {
    /// Its functions, counted.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for function in &self.functions {
            match function.status {
                Status::Built(_) => counts.built += 1,
                Status::NotBuilt => counts.not_built += 1,
                Status::DoesNotApply(_) => counts.does_not_apply += 1,
            }
        }
        counts
    }
}

/// Compares; `only` selects files whose path contains it or that it covers.
pub(super) fn compare<'a>(
    recorded: &'a Recorded,
    verdicts: &'a Verdicts,
    aliases: &'a [Alias],
    only: Option<&str>,
) -> Vec<File<'a>> {
    let mut ours: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    for alias in aliases {
        ours.entry(&alias.name).or_default().push(alias);
    }
    let is_wanted = |file: &str| only.is_none_or(|only| file.contains(only) || covers(only, file));
    let files = recorded.files.iter().filter(|(file, _)| is_wanted(file));
    files
        .map(|(file, names)| File {
            name: file,
            functions: names
                .iter()
                .map(|name| Function {
                    name,
                    status: status(file, name, &ours, verdicts),
                })
                .collect(),
        })
        .collect()
}

fn status<'a>(
    file: &str,
    name: &str,
    ours: &BTreeMap<&str, Vec<&'a Alias>>,
    verdicts: &'a Verdicts,
) -> Status<'a> {
    match (ours.get(name), verdicts.reason(file, name)) {
        (Some(items), _) => Status::Built(items.clone()),
        (None, Some(reason)) => Status::DoesNotApply(reason),
        (None, None) => Status::NotBuilt,
    }
}

/// The counts of all files together.
pub(super) fn total(files: &[File<'_>]) -> Counts {
    files
        .iter()
        .fold(Counts::default(), |sum, file| sum.plus(file.counts()))
}

/// Complaints about references that no longer hold: for `cargo xtask check`.
pub(super) fn stale(recorded: &Recorded, verdicts: &Verdicts, aliases: &[Alias]) -> Vec<String> {
    let mut complaints = Vec::new();
    for alias in aliases {
        if alias.is_function && !alias.is_own_name && !recorded.has(&alias.name) {
            complaints.push(format!(
                "{}:{}: {} has the alias {}, which is not recorded: see docs/xnu/README.md",
                alias.file.display(),
                alias.line,
                alias.item,
                alias.name
            ));
        }
        for (file, names) in &recorded.files {
            let reason = verdicts.reason(file, &alias.name);
            if let (true, Some(reason)) = (names.contains(&alias.name), reason) {
                complaints.push(format!(
                    "docs/xnu/verdicts.tsv says that {} does not apply ({reason}), but {} at {}:{} is its counterpart",
                    alias.name,
                    alias.item,
                    alias.file.display(),
                    alias.line
                ));
            }
        }
    }
    let idle = verdicts.idle(recorded).into_iter();
    complaints
        .extend(idle.map(|rule| format!("docs/xnu/verdicts.tsv: no recorded function for {rule}")));
    complaints
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    /// A function of ours that claims a name.
    pub(in crate::xnu) fn alias(name: &str) -> Alias {
        Alias {
            name: name.to_owned(),
            item: format!("Our::{name}"),
            is_function: true,
            is_own_name: false,
            file: PathBuf::from("osfmk/a.rs"),
            line: 3,
            text: format!("fn {name}() -> Vec<u8> {{}}"),
        }
    }

    /// One file `a.c` with the functions `f`, `g` and `h`.
    pub(in crate::xnu) fn recorded() -> Recorded {
        Recorded {
            release: "xnu-1".to_owned(),
            files: vec![(
                "a.c".to_owned(),
                ["f", "g", "h"]
                    .map(str::to_owned)
                    .into_iter()
                    .collect::<BTreeSet<_>>(),
            )],
            ..Recorded::default()
        }
    }

    #[test]
    fn each_function_is_built_or_not_or_does_not_apply() {
        let (recorded, aliases) = (recorded(), [alias("f")]);
        let verdicts = Verdicts::parse("a.c\tg\tno\n").unwrap();
        let files = compare(&recorded, &verdicts, &aliases, None);
        let statuses: Vec<_> = files[0]
            .functions
            .iter()
            .map(|f| f.status.clone())
            .collect();
        assert_eq!(
            statuses,
            [
                Status::Built(vec![&aliases[0]]),
                Status::DoesNotApply("no"),
                Status::NotBuilt
            ]
        );
        assert_eq!((total(&files).built, total(&files).total()), (1, 3));
        assert!(compare(&recorded, &verdicts, &aliases, Some("b")).is_empty());
    }

    #[test]
    fn an_alias_that_is_not_recorded_is_stale_only_on_a_function() {
        let mut constant = alias("y");
        constant.is_function = false;
        let complaints = stale(
            &recorded(),
            &Verdicts::default(),
            &[alias("f"), alias("x"), constant],
        );
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("osfmk/a.rs:3: Our::x has the alias x"));
    }

    #[test]
    fn a_verdict_about_a_function_that_is_built_is_stale() {
        let verdicts = Verdicts::parse("a.c\tf*\tno\n").unwrap();
        let complaints = stale(&recorded(), &verdicts, &[alias("f")]);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("is its counterpart"));
    }

    #[test]
    fn the_tables_of_this_tree_can_be_read() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap();
        let recorded = Recorded::load(root).unwrap();
        let verdicts = Verdicts::load(root).unwrap();
        assert!(recorded.has_function("vm_map_enter"));
        assert_eq!(verdicts.idle(&recorded), Vec::<String>::new());
    }
}
