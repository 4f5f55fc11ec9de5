//! Links between the documents: a relative link must lead to a file that is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Links in README and docs/ that lead nowhere.
pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut pages = vec![root.join("README.md")];
    collect_pages(&root.join("docs"), &mut pages);
    pages
        .iter()
        .flat_map(|page| dead_links(page, root))
        .collect()
}

fn collect_pages(directory: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_pages(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

fn dead_links(page: &Path, root: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap_or_default();
    let directory = page.parent().unwrap_or(root);
    let dead = links(&text)
        .into_iter()
        .filter(|link| !directory.join(link).exists());
    let shown = page.strip_prefix(root).unwrap_or(page).display();
    dead.map(|link| format!("{shown} links to {link}, which is not there"))
        .collect()
}

/// The relative targets of the links in a page, without their fragments; blocks of code are left out.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                links.push(file);
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links_are_found_without_fragments_and_outside_code() {
        let text = "See [a](a.md#part) and [b](../b.md), [web](https://x.org/c.md), [here](#top).\n\
                    ```\n[no](link.md)\n```\n![picture](d.svg \"title\")\n";
        assert_eq!(links(text), ["a.md", "../b.md", "d.svg"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named_with_its_page() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("docs")).unwrap();
        fs::write(
            directory.path().join("docs/a.md"),
            "[b](b.md) [gone](gone.md)",
        )
        .unwrap();
        fs::write(directory.path().join("docs/b.md"), "[up](../README.md)").unwrap();
        fs::write(directory.path().join("README.md"), "").unwrap();
        assert_eq!(
            check(directory.path()),
            ["docs/a.md links to gone.md, which is not there"]
        );
    }
}
