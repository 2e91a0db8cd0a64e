//! Who imports whom among the files of a crate: how many arrows there are, how many go up between
//! the rooms of a core, and how large the largest circle is. `xtask/tidy-arrows.txt` keeps today's
//! numbers, and they may only shrink.
//!
//! An arrow leads from a file to the file that holds what it names: through re-exports, which make
//! none themselves. Tests make none. What the compiler resolves by inference (a method of a type
//! that is never named) is not seen.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::source::Source;
use tree::{Module, Tree};

const TABLE: &str = "xtask/tidy-arrows.txt";

/// The rooms of a core from the ground up: a file of one room imports from its own and from those
/// below. What lies in the core itself and is not named here is the roof. A core without folders
/// has no rooms.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "schedd",
        &["records", "words", "job", "state", "ads", "policy", "runs", "time", "users", "told"],
    ),
    (
        "negotiator",
        &["values", "conditions", "machines", "shares", "requests", "matching", "words", "state"],
    ),
    ("startd", &["records", "words", "state", "told", "time", "runs"]),
];

/// What is measured of a crate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Measures {
    files: usize,
    arrows: usize,
    up: Vec<String>,
    circle: usize,
}

/// Measures every crate, prints what it finds, and compares it with the table.
pub(super) fn check(sources: &[Source], root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(TABLE)).with_context(|| format!("read {TABLE}"))?;
    let mut violations = Vec::new();
    let mut found = BTreeMap::new();
    println!("{:<12} {:>6} {:>7} {:>4} {:>7}", "crate", "files", "arrows", "up", "circle");
    for (name, dir) in crates(sources) {
        let tree = Tree::read(sources, &dir);
        violations.extend(without_a_place(&name, &tree));
        let measures = measure(&tree, rooms(&name));
        let Measures { files, arrows, up, circle } = &measures;
        println!("{name:<12} {files:>6} {arrows:>7} {:>4} {circle:>7}", up.len());
        found.insert(name, measures);
    }
    violations.extend(compare(&found, &allowed(&text)?));
    Ok(violations)
}

/// The crates with their folders of sources.
fn crates(sources: &[Source]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for source in sources {
        let Some((dir, _)) = source.path.split_once("/src/") else { continue };
        let name = dir.rsplit('/').next().unwrap_or(dir);
        found.insert(name.to_owned(), format!("{dir}/src/"));
    }
    found
}

fn rooms(name: &str) -> &'static [&'static str] {
    ROOMS.iter().find(|(of, _)| *of == name).map_or(&[], |(_, rooms)| rooms)
}

/// A folder of a core must have its place among the rooms.
fn without_a_place(name: &str, tree: &Tree) -> Vec<String> {
    let inside = |module: &&Module| module.len() > 2 && module[0] == "core";
    let folders: BTreeSet<&str> =
        tree.modules().filter(inside).map(|module| module[1].as_str()).collect();
    let lost = folders.into_iter().filter(|folder| !rooms(name).contains(folder));
    lost.map(|folder| {
        format!("crates/{name}/src/core/{folder}: say on which floor it is (xtask/src/tidy/arrows.rs, ROOMS)")
    })
    .collect()
}

fn measure(tree: &Tree, rooms: &[&str]) -> Measures {
    let arrows = tree.arrows();
    let floor = |module: &Module| {
        let room = module.first().filter(|first| *first == "core").and(module.get(1))?;
        Some(rooms.iter().position(|name| name == room).unwrap_or(rooms.len()))
    };
    let up = arrows.iter().filter(|(from, to)| match (floor(from), floor(to)) {
        (Some(from), Some(to)) => from < to && from < rooms.len(),
        _ => false,
    });
    let up = up.map(|(from, to)| format!("{} imports {}", from.join("/"), to.join("/"))).collect();
    Measures {
        files: tree.modules().count(),
        arrows: arrows.len(),
        up,
        circle: largest_circle(&arrows),
    }
}

/// How many files are in the largest set of which each reaches each. 0: there is no circle.
fn largest_circle(arrows: &BTreeSet<(Module, Module)>) -> usize {
    let mut targets: BTreeMap<&Module, Vec<&Module>> = BTreeMap::new();
    for (from, to) in arrows {
        targets.entry(from).or_default().push(to);
    }
    let reach = |start: &Module| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![start.clone()]);
        while let Some(at) = waiting.pop() {
            for next in targets.get(&at).into_iter().flatten() {
                if seen.insert((*next).clone()) {
                    waiting.push((*next).clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        targets.keys().map(|from| (*from, reach(from))).collect();
    let circle = |from: &Module| {
        let back = |to: &&Module| reached.get(to).is_some_and(|of_it| of_it.contains(from));
        reached.get(from).map_or(0, |all| all.iter().filter(back).count())
    };
    targets.keys().map(|from| circle(from)).max().unwrap_or(0)
}

fn allowed(text: &str) -> Result<BTreeMap<String, (usize, usize)>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut number = || words.next().and_then(|word| word.parse().ok());
            let bad = || format!("{TABLE}: '{line}' is not 'up circle crate'");
            let (up, circle) = (number().with_context(bad)?, number().with_context(bad)?);
            Ok((words.next().with_context(bad)?.to_owned(), (up, circle)))
        })
        .collect()
}

fn compare(
    found: &BTreeMap<String, Measures>,
    allowed: &BTreeMap<String, (usize, usize)>,
) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, measures) in found {
        let (up, circle) = allowed.get(name).copied().unwrap_or_default();
        if measures.up.len() > up {
            let which = measures.up.join("; ");
            violations
                .push(format!("{name}: {} arrows go up, {up} did: {which}", measures.up.len()));
        }
        if measures.circle > circle {
            let now = measures.circle;
            violations
                .push(format!("{name}: {now} files import each other in a circle, {circle} did"));
        }
        if measures.up.len() < up || measures.circle < circle {
            let (up, circle) = (measures.up.len(), measures.circle);
            violations
                .push(format!("{name}: better than {TABLE}: write '{up} {circle} {name}' there"));
        }
    }
    for name in allowed.keys().filter(|name| !found.contains_key(*name)) {
        violations.push(format!("{name}: there is no such crate: remove it from {TABLE}"));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: &str = "crates/a/src/";

    fn measured(files: &[(&str, &str)], rooms: &[&str]) -> Measures {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source { path: format!("{DIR}{path}"), text: (*text).to_owned() })
            .collect();
        measure(&Tree::read(&sources, DIR), rooms)
    }

    #[test]
    fn an_import_is_an_arrow_to_the_file_that_holds_the_item() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use b::deep::Thing;\n"),
            ("a.rs", "use crate::{Thing, b::{self, deep::Other as O}};\nfn f() { b::g() }\n"),
            ("b.rs", "pub mod deep;\npub fn g() {}\n"),
            ("b/deep.rs", "pub struct Thing;\npub struct Other;\n// use crate::a;\n"),
        ];
        let found = measured(&files, &[]);
        assert_eq!((found.files, found.arrows, found.circle), (4, 2, 0));
    }

    #[test]
    fn a_path_without_an_import_is_an_arrow_too_and_a_test_makes_none() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a.rs", "fn f() { super::b::g() }\n"),
            ("b.rs", "pub fn g() {}\n#[cfg(test)]\nmod tests {\n    use crate::a::f;\n}\n"),
        ];
        let found = measured(&files, &[]);
        assert_eq!((found.arrows, found.circle), (1, 0));
    }

    #[test]
    fn files_that_import_each_other_are_a_circle() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
            ("a.rs", "use super::b::B;\n"),
            ("b.rs", "use super::c::C;\n"),
            ("c.rs", "use super::a::A;\nuse super::b::B;\n"),
        ];
        assert_eq!(measured(&files, &[]).circle, 3);
    }

    #[test]
    fn an_import_from_a_higher_room_of_a_core_goes_up() {
        let files = [
            ("core.rs", "mod high;\nmod low;\nmod roof;\nmod words;\n"),
            ("core/low.rs", "mod x;\n"),
            ("core/low/x.rs", "use crate::core::high::y::Y;\nuse crate::core::words::W;\n"),
            ("core/high.rs", "mod y;\n"),
            ("core/high/y.rs", "use crate::core::low::x::X;\nuse crate::core::roof::R;\n"),
            ("core/roof.rs", "use super::high::y::Y;\n"),
            ("core/words.rs", ""),
        ];
        let up = measured(&files, &["words", "low", "high"]).up;
        assert_eq!(
            up,
            ["core/high/y imports core/roof", "core/low/x imports core/high/y"],
            "and what the roof imports goes down"
        );
    }

    #[test]
    fn the_table_may_only_shrink() {
        let found = |up: usize, circle: usize| {
            let up = vec!["x".to_owned(); up];
            [("a".to_owned(), Measures { up, circle, ..Measures::default() })].into()
        };
        let table = allowed("# head\n1 3 a\n").expect("it reads");
        assert_eq!(compare(&found(1, 3), &table), Vec::<String>::new());
        for (up, circle) in [(2, 3), (1, 4), (0, 3), (1, 2)] {
            assert_eq!(compare(&found(up, circle), &table).len(), 1, "{up} {circle}");
        }
        assert_eq!(compare(&BTreeMap::new(), &table).len(), 1);
        assert!(allowed("a 1").is_err());
    }
}
