//! The comparison as text for the terminal, and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::aliases::Alias;
use super::comparison::{Counts, File, Status, total};

/// The table of counts, and below it each file's functions.
pub(super) fn text(release: &str, files: &[File<'_>]) -> String {
    let mut text = format!("Compared with {release}, functions that other files can call:\n\n");
    let _ = writeln!(
        text,
        "{:<34} {:>9} {:>6} {:>13} {:>14}",
        "file", "functions", "built", "not built yet", "does not apply"
    );
    for file in files {
        count_row(&mut text, file.name, file.counts());
    }
    count_row(&mut text, "all", total(files));
    for file in files {
        let counts = file.counts();
        let _ = writeln!(
            text,
            "\n{}: {} built, {} not built yet, {} do not apply",
            file.name, counts.built, counts.not_built, counts.does_not_apply
        );
        for function in &file.functions {
            let _ = writeln!(text, "  {:<46} {}", function.name, status(&function.status));
        }
    }
    text
}

fn count_row(text: &mut String, name: &str, counts: Counts) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{name:<34} {:>9} {:>6} {:>13} {:>14}",
        counts.total(),
        counts.built,
        counts.not_built,
        counts.does_not_apply
    );
}

/// A status in words.
pub(super) fn status(status: &Status<'_>) -> String {
    match status {
        Status::Built(items) => {
            let items: Vec<_> = items.iter().map(|item| place(item)).collect();
            format!("built: {}", items.join(", "))
        }
        Status::NotBuilt => "not built yet".to_owned(),
        Status::DoesNotApply(reason) => format!("does not apply: {reason}"),
    }
}

/// An item with its file and line.
pub(super) fn place(item: &Alias) -> String {
    format!("{} ({}:{})", item.item, item.file.display(), item.line)
}

/// The same as one JSON object.
pub(super) fn json(release: &str, files: &[File<'_>]) -> Value {
    let counts = |counts: Counts| {
        json!({
            "functions": counts.total(),
            "built": counts.built,
            "not_built_yet": counts.not_built,
            "does_not_apply": counts.does_not_apply,
        })
    };
    let function = |name: &str, status: &Status<'_>| match status {
        Status::Built(items) => json!({
            "name": name,
            "status": "built",
            "ours": items
                .iter()
                .map(|item| json!({ "item": item.item, "file": item.file, "line": item.line }))
                .collect::<Vec<_>>(),
        }),
        Status::NotBuilt => json!({ "name": name, "status": "not built yet" }),
        Status::DoesNotApply(reason) => {
            json!({ "name": name, "status": "does not apply", "reason": reason })
        }
    };
    let listed = files.iter().map(|file| {
        let functions = file.functions.iter();
        json!({
            "file": file.name,
            "counts": counts(file.counts()),
            "functions": functions.map(|f| function(f.name, &f.status)).collect::<Vec<_>>(),
        })
    });
    json!({
        "release": release,
        "counts": counts(total(files)),
        "files": listed.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::comparison::compare;
    use super::super::comparison::tests::{alias, recorded};
    use super::super::verdicts::Verdicts;
    use super::*;

    #[test]
    fn text_and_json_say_the_same() {
        let (recorded, aliases) = (recorded(), [alias("f")]);
        let verdicts = Verdicts::parse("a.c\tg\tno need\n").unwrap();
        let files = compare(&recorded, &verdicts, &aliases, None);
        let text = text("xnu-1", &files);
        assert!(text.contains("a.c: 1 built, 1 not built yet, 1 do not apply"));
        assert!(text.contains("built: Our::f (osfmk/a.rs:3)"));
        assert!(text.contains("does not apply: no need"));
        let json = json("xnu-1", &files);
        assert_eq!(json["counts"]["built"], 1);
        assert_eq!(json["files"][0]["functions"][0]["ours"][0]["line"], 3);
        assert_eq!(json["files"][0]["functions"][1]["reason"], "no need");
        assert_eq!(json["files"][0]["functions"][2]["status"], "not built yet");
    }
}
