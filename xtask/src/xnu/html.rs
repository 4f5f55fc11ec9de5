//! The page with both sides: our items from this tree, XNU's functions from the reader's checkout.
//!
//! One file without outside resources, written below `target/`, which is never part of the project.

use std::fmt::Write as _;

use super::checkout::Checkout;
use super::comparison::{Counts, File, Function, Status, total};
use super::functions::Definition;
use super::report::place;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:110rem;padding:0 1.5rem;color:#1a202c}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;border-bottom:1px solid #cbd5e0}\
table{border-collapse:collapse}td,th{padding:.15rem .8rem;text-align:left}td.n,th.n{text-align:right}\
tr:nth-child(even){background:#f7fafc}\
summary{cursor:pointer;padding:.15rem 0}code,pre{font:13px/1.45 ui-monospace,monospace}\
.sides{display:grid;grid-template-columns:1fr 1fr;gap:1rem;margin:.4rem 0 1.2rem}\
.sides>div{min-width:0}pre{background:#f7fafc;border:1px solid #e2e8f0;padding:.7rem;overflow:auto;max-height:75vh;\
tab-size:4;margin:.2rem 0 .8rem}p.place{margin:0;color:#4a5568;font-size:13px}\
ul{list-style:none;padding-left:0;columns:24rem}li{break-inside:avoid}.why{color:#718096}\
@media(max-width:70rem){.sides{grid-template-columns:1fr}}";

/// The whole page.
pub(super) fn page(release: &str, files: &[File<'_>], checkout: &Checkout) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Pagoda and XNU side by side</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>Pagoda and XNU side by side</h1>\n\
         <p>Functions that other files can call; names as of {}. XNU's text was read from your own checkout.</p>\n",
        escape(release)
    );
    summary(&mut html, files);
    for file in files {
        section(&mut html, file, checkout);
    }
    html.push_str("</body></html>\n");
    html
}

fn summary(html: &mut String, files: &[File<'_>]) {
    html.push_str(
        "<table><tr><th>file</th><th class=n>functions</th><th class=n>built</th>\
         <th class=n>not built yet</th><th class=n>does not apply</th></tr>\n",
    );
    for file in files {
        let name = escape(file.name);
        let link = format!("<a href=\"#{name}\">{name}</a>");
        summary_row(html, &link, file.counts());
    }
    summary_row(html, "all", total(files));
    html.push_str("</table>\n");
}

fn summary_row(html: &mut String, name: &str, counts: Counts) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        html,
        "<tr><td>{name}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr>",
        counts.total(),
        counts.built,
        counts.not_built,
        counts.does_not_apply
    );
}

fn section(html: &mut String, file: &File<'_>, checkout: &Checkout) {
    let name = escape(file.name);
    let _ = writeln!(html, "<h2 id=\"{name}\">{name}</h2>");
    let definitions = checkout.definitions(file.name);
    for function in &file.functions {
        both_sides(html, function, definitions.get(function.name));
    }
    let listed = |wanted: fn(&Status<'_>) -> bool| {
        let functions = file.functions.iter();
        functions
            .filter(move |function| wanted(&function.status))
            .collect::<Vec<_>>()
    };
    let not_built = listed(|status| matches!(status, Status::NotBuilt));
    let not_applying = listed(|status| matches!(status, Status::DoesNotApply(_)));
    list(html, "not built yet", &not_built);
    list(html, "does not apply", &not_applying);
}

fn both_sides(html: &mut String, function: &Function<'_>, theirs: Option<&Definition>) {
    let Status::Built(items) = &function.status else {
        return;
    };
    let name = escape(function.name);
    let shown: Vec<_> = items.iter().map(|item| escape(&item.item)).collect();
    let _ = write!(
        html,
        "<details><summary><code>{name}</code>: <code>{}</code></summary><div class=sides><div>",
        shown.join("</code>, <code>")
    );
    for item in items {
        source(html, &place(item), &dedented(&item.text));
    }
    html.push_str("</div><div>");
    match theirs {
        Some(definition) => source(
            html,
            &format!("{} (line {})", definition.name, definition.line),
            &definition.text,
        ),
        None => html.push_str("<p class=place>not in this checkout</p>"),
    }
    html.push_str("</div></div></details>\n");
}

fn source(html: &mut String, place: &str, text: &str) {
    let _ = write!(
        html,
        "<p class=place>{}</p><pre>{}</pre>",
        escape(place),
        escape(text)
    );
}

fn list(html: &mut String, title: &str, functions: &[&Function<'_>]) {
    if functions.is_empty() {
        return;
    }
    let _ = writeln!(
        html,
        "<details><summary>{title}: {}</summary><ul>",
        functions.len()
    );
    for function in functions {
        let why = match function.status {
            Status::DoesNotApply(reason) => {
                format!(" <span class=why>{}</span>", escape(reason))
            }
            _ => String::new(),
        };
        let _ = writeln!(html, "<li><code>{}</code>{why}</li>", escape(function.name));
    }
    html.push_str("</ul></details>\n");
}

/// The text without the indentation that all its lines share.
fn dedented(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let shared = lines.map(indent).min().unwrap_or(0);
    let cut = text.lines().map(|line| line.get(shared..).unwrap_or(""));
    cut.collect::<Vec<_>>().join("\n")
}

/// A text as HTML shows it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::comparison::tests::alias;
    use super::*;

    #[test]
    fn nothing_in_the_source_is_taken_for_markup() {
        assert_eq!(
            escape("a < b && c > \"d\" 'e'"),
            "a &lt; b &amp;&amp; c &gt; &quot;d&quot; &#39;e&#39;"
        );
    }

    #[test]
    fn both_sides_stand_beside_each_other() {
        let item = alias("f");
        let function = Function {
            name: "f",
            status: Status::Built(vec![&item]),
        };
        let theirs = Definition {
            name: "f".to_owned(),
            visible: true,
            line: 9,
            text: "int f(a->b)".to_owned(),
        };
        let mut html = String::new();
        both_sides(&mut html, &function, Some(&theirs));
        assert!(html.contains("Vec&lt;u8&gt;") && html.contains("a-&gt;b"));
        assert!(html.find("osfmk/a.rs:3").unwrap() < html.find("line 9").unwrap());
    }

    #[test]
    fn shared_indentation_is_cut() {
        assert_eq!(
            dedented("    /// A\n    fn f() {\n        x\n\n    }"),
            "/// A\nfn f() {\n    x\n\n}"
        );
    }
}
