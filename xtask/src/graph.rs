//! `cargo xtask graph`: the crate graph, drawn from `cargo metadata` into `docs/crates.svg` and `docs/crates.md`.
//!
//! The picture has one row per layer (a crate stands one row above the highest crate it imports) and leaves out
//! each edge that follows from two others; the table in `crates.md` has them all. `check` compares the files
//! with what would be drawn now.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::layout::write_if_changed;
use crate::progress;
use crate::workspace::{Package, Workspace};

/// Draw the crate graph into docs/crates.svg and docs/crates.md.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// Runs the subcommand.
pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    for (file, content) in files(&workspace) {
        write_if_changed(&file, content.as_bytes())?;
        progress::step("Drew", &file.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// The drawn files that are not as they would be drawn now.
pub(crate) fn stale(workspace: &Workspace) -> Vec<PathBuf> {
    let differs =
        |file: &Path, content: &str| fs::read_to_string(file).ok().as_deref() != Some(content);
    let drawn = files(workspace).into_iter();
    drawn
        .filter(|(file, content)| differs(file, content))
        .map(|(file, _)| file)
        .collect()
}

fn files(workspace: &Workspace) -> [(PathBuf, String); 2] {
    let graph = Graph::of(workspace);
    let docs = workspace.root.join("docs");
    [
        (docs.join("crates.svg"), graph.svg()),
        (docs.join("crates.md"), graph.table()),
    ]
}

/// The packages in layers.
struct Graph<'a> {
    workspace: &'a Workspace,
    /// From the bottom; each is a list of packages from left to right.
    layers: Vec<Vec<&'a Package>>,
}

const BOX_WIDTH: usize = 128;
const BOX_HEIGHT: usize = 44;
const GAP: usize = 28;
const ROW: usize = 96;
const MARGIN: usize = 24;

impl<'a> Graph<'a> {
    fn of(workspace: &'a Workspace) -> Self {
        let mut layers: Vec<Vec<&Package>> = Vec::new();
        for package in &workspace.packages {
            let depth = depth(workspace, package);
            if layers.len() <= depth {
                layers.resize(depth + 1, Vec::new());
            }
            layers[depth].push(package);
        }
        let mut graph = Self { workspace, layers };
        graph.untangle();
        graph
    }

    /// Puts each package over the middle of what it imports, so that edges cross less.
    fn untangle(&mut self) {
        for row in 1..self.layers.len() {
            let below: BTreeMap<&str, usize> = self.layers[..row]
                .iter()
                .flat_map(|layer| {
                    layer
                        .iter()
                        .enumerate()
                        .map(|(at, package)| (package.name.as_str(), at))
                })
                .collect();
            let weight = |package: &Package| {
                let places: Vec<_> = imports(package)
                    .filter_map(|name| below.get(name))
                    .map(|at| at * 100)
                    .collect();
                places.iter().sum::<usize>() / places.len().max(1)
            };
            self.layers[row].sort_by_key(|package| (weight(package), package.name.clone()));
        }
    }

    /// The edges that do not follow from two others.
    fn drawn_edges(&self) -> Vec<(&'a str, &'a str)> {
        let mut edges = Vec::new();
        for package in self.layers.iter().flatten() {
            for import in imports(package) {
                let by_another = imports(package).any(|other| {
                    let other = self.workspace.package(other);
                    other.is_some_and(|other| {
                        other.name != import && imports_at_all(self.workspace, other, import)
                    })
                });
                if !by_another {
                    edges.push((package.name.as_str(), import));
                }
            }
        }
        edges
    }

    fn svg(&self) -> String {
        let widest = self.layers.iter().map(Vec::len).max().unwrap_or(1);
        let width = widest * (BOX_WIDTH + GAP) - GAP + 2 * MARGIN;
        let height = self.layers.len() * ROW - (ROW - BOX_HEIGHT) + 2 * MARGIN;
        let places = self.places(width);
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" text-anchor=\"middle\">\n\
             <title>The crates of Pagoda: each imports what lies below it</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
        );
        for (from, to) in self.drawn_edges() {
            let ((x1, y1), (x2, y2)) = (places[from], places[to]);
            let (x1, x2) = (x1 + BOX_WIDTH / 2, x2 + BOX_WIDTH / 2);
            let (y1, y2) = (y1 + BOX_HEIGHT, y2);
            let middle = usize::midpoint(y1, y2);
            let _ = writeln!(
                svg,
                "<path d=\"M{x1} {y1} C{x1} {middle} {x2} {middle} {x2} {y2}\" \
                 fill=\"none\" stroke=\"#8a94a6\" stroke-width=\"1.5\"/>"
            );
        }
        for package in self.layers.iter().flatten() {
            let (x, y) = places[package.name.as_str()];
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"6\" \
                 fill=\"{}\" stroke=\"#4a5568\"/>\n\
                 <text x=\"{cx}\" y=\"{name_y}\" font-size=\"15\">{}</text>\n\
                 <text x=\"{cx}\" y=\"{path_y}\" font-size=\"10\" fill=\"#4a5568\">{}</text>",
                colour(package),
                package.name,
                package.directory.display(),
                cx = x + BOX_WIDTH / 2,
                name_y = y + 20,
                path_y = y + 35,
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The upper left corner of each box; the bottom layer is at the bottom, every layer is centred.
    fn places(&self, width: usize) -> BTreeMap<&'a str, (usize, usize)> {
        let mut places = BTreeMap::new();
        for (row, layer) in self.layers.iter().enumerate() {
            let taken = layer.len() * (BOX_WIDTH + GAP) - GAP;
            let left = (width - taken) / 2;
            let y = MARGIN + (self.layers.len() - 1 - row) * ROW;
            for (at, package) in layer.iter().enumerate() {
                places.insert(package.name.as_str(), (left + at * (BOX_WIDTH + GAP), y));
            }
        }
        places
    }

    fn table(&self) -> String {
        let mut text = String::from(
            "# The crates\n\n\
             Drawn by `cargo xtask graph` from `cargo metadata`; `cargo xtask check` fails when this page is stale and\n\
             when an import breaks the order of [the architecture](architecture.md).\n\n\
             ![Each crate imports what lies below it](crates.svg)\n\n\
             The picture leaves out what follows from other edges; here is every import, from the top layer down.\n\
             Imports in *italics* are for tests only.\n\n\
             | crate | directory | what it is | imports |\n|---|---|---|---|\n",
        );
        for package in self.layers.iter().rev().flatten() {
            let imports: Vec<_> = package
                .imports
                .iter()
                .map(|import| {
                    if import.only_tests {
                        format!("*{}*", import.name)
                    } else {
                        import.name.clone()
                    }
                })
                .collect();
            let _ = writeln!(
                text,
                "| `{}` | `{}` | {} | {} |",
                package.name,
                package.directory.display(),
                package.summary(),
                imports.join(", ")
            );
        }
        text
    }
}

fn imports(package: &Package) -> impl Iterator<Item = &str> {
    package
        .imports
        .iter()
        .filter(|import| !import.only_tests)
        .map(|import| import.name.as_str())
}

/// Whether `package` imports `wanted`, directly or not.
fn imports_at_all(workspace: &Workspace, package: &Package, wanted: &str) -> bool {
    imports(package).any(|name| {
        name == wanted
            || workspace
                .package(name)
                .is_some_and(|next| imports_at_all(workspace, next, wanted))
    })
}

/// How many layers lie below a package.
fn depth(workspace: &Workspace, package: &Package) -> usize {
    let below = imports(package).filter_map(|name| workspace.package(name));
    below
        .map(|next| depth(workspace, next) + 1)
        .max()
        .unwrap_or(0)
}

fn colour(package: &Package) -> &'static str {
    match package
        .directory
        .iter()
        .next()
        .and_then(|part| part.to_str())
    {
        Some("osfmk") => "#dbeafe",
        Some("bsd") => "#fef3c7",
        Some("platform") => "#fee2e2",
        Some("pagers") => "#dcfce7",
        Some("userland") => "#ede9fe",
        _ => "#f1f5f9",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::sample;

    #[test]
    fn a_crate_stands_above_everything_it_imports() {
        let workspace = sample();
        let graph = Graph::of(&workspace);
        let row = |name: &str| {
            graph
                .layers
                .iter()
                .position(|layer| layer.iter().any(|package| package.name == name))
                .unwrap()
        };
        assert!(
            row("kernel") > row("vm") && row("vm") > row("machine") && row("machine") > row("mach")
        );
        assert_eq!(
            row("mach"),
            0,
            "an import for tests only does not lift a crate"
        );
    }

    #[test]
    fn edges_that_follow_from_others_are_not_drawn() {
        let workspace = sample();
        let edges = Graph::of(&workspace).drawn_edges();
        assert!(edges.contains(&("kernel", "vm")));
        assert!(
            !edges.contains(&("kernel", "machine")),
            "it follows from kernel, vm, machine"
        );
    }

    #[test]
    fn the_picture_and_the_table_name_every_crate() {
        let workspace = sample();
        let graph = Graph::of(&workspace);
        for package in &workspace.packages {
            assert!(graph.svg().contains(&format!(">{}<", package.name)));
            assert!(graph.table().contains(&format!("| `{}` |", package.name)));
        }
        assert_eq!(
            graph.svg().matches("<rect").count(),
            workspace.packages.len() + 1
        );
    }
}
