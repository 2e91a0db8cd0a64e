//! The modules of a crate as files, and what the paths in them lead to.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::code;
use crate::tidy::source::Source;

/// A module that is a file, by the names that lead to it from the crate's root.
pub(super) type Module = Vec<String>;

/// How many re-exports a name may go through.
const MOST_EXPORTS: usize = 8;

pub(super) struct Tree {
    files: BTreeMap<Module, File>,
    /// What a module imports under which name, as the full path from the root.
    names: BTreeMap<(Module, String), Module>,
}

#[derive(Default)]
struct File {
    imports: Vec<Import>,
    /// Paths outside imports.
    paths: Vec<Vec<String>>,
}

/// One name of a `use`.
#[derive(Debug)]
struct Import {
    path: Vec<String>,
    name: String,
    /// `pub use` hands on: it is no arrow.
    hands_on: bool,
}

impl Tree {
    /// Reads the files below `dir` that are compiled into the program.
    pub(super) fn read(sources: &[Source], dir: &str) -> Self {
        let mut files = BTreeMap::new();
        for source in sources {
            let Some(path) = source.path.strip_prefix(dir) else { continue };
            let Some(module) = module(path) else { continue };
            files.insert(module, file(&code::of(&source.text)));
        }
        let mut tree = Self { files, names: BTreeMap::new() };
        let imports = tree
            .files
            .iter()
            .flat_map(|(module, file)| file.imports.iter().map(move |import| (module, import)));
        let names = imports
            .filter_map(|(module, import)| {
                let path = tree.whole_path(module, &import.path)?;
                Some(((module.clone(), import.name.clone()), path))
            })
            .collect();
        tree.names = names;
        tree
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = &Module> {
        self.files.keys()
    }

    /// From which file to which.
    pub(super) fn arrows(&self) -> BTreeSet<(Module, Module)> {
        let mut arrows = BTreeSet::new();
        for (module, file) in &self.files {
            let imported = file.imports.iter().filter(|import| !import.hands_on);
            for path in imported.map(|import| &import.path).chain(&file.paths) {
                let Some(path) = self.whole_path(module, path) else { continue };
                let home = self.home(&path, MOST_EXPORTS);
                if home != *module {
                    arrows.insert((module.clone(), home));
                }
            }
        }
        arrows
    }

    /// The same path from the root, if it leads into this crate.
    fn whole_path(&self, module: &Module, path: &[String]) -> Option<Module> {
        let first = path.first()?.as_str();
        if first == "crate" {
            return Some(path[1..].to_vec());
        }
        let supers = path.iter().take_while(|name| *name == "super").count();
        let mut child = module.clone();
        child.push(first.to_owned());
        let (up, rest) = match first {
            "self" => (0, &path[1..]),
            "super" => (supers, &path[supers..]),
            _ if self.files.contains_key(&child) => (0, path),
            _ => return None,
        };
        let mut full = module[..module.len().checked_sub(up)?].to_vec();
        full.extend(rest.iter().cloned());
        Some(full)
    }

    /// The file in which what the path names is.
    fn home(&self, path: &[String], exports: usize) -> Module {
        let mut at = Module::new();
        for (n, name) in path.iter().enumerate() {
            let mut next = at.clone();
            next.push(name.clone());
            if self.files.contains_key(&next) {
                at = next;
                continue;
            }
            let elsewhere = self.names.get(&(at.clone(), name.clone())).filter(|_| exports > 0);
            let Some(elsewhere) = elsewhere else { return at };
            let full: Module = elsewhere.iter().chain(&path[n + 1..]).cloned().collect();
            return self.home(&full, exports - 1);
        }
        at
    }
}

/// The module of a file; none for tests and for programs beside the crate.
fn module(path: &str) -> Option<Module> {
    let path = path.strip_suffix(".rs")?;
    let names: Module = path.split('/').map(str::to_owned).collect();
    let last = names.last()?;
    if names.first().is_some_and(|first| first == "bin") || names.iter().any(|n| n == "tests") {
        return None;
    }
    match last.as_str() {
        "lib" | "main" if names.len() == 1 => Some(Module::new()),
        _ => Some(names),
    }
}

fn file(code: &str) -> File {
    let mut file = File::default();
    let mut rest = String::new();
    let mut open: Option<String> = None;
    for line in code.lines() {
        let statement = match open.take() {
            Some(begun) => begun + " " + line.trim(),
            None if is_import(line.trim()) => line.trim().to_owned(),
            None => {
                rest.push_str(line);
                rest.push('\n');
                continue;
            }
        };
        match statement.split_once(';') {
            Some((statement, _)) => file.imports.extend(imports(statement)),
            None => open = Some(statement),
        }
    }
    file.paths = paths(&rest);
    file
}

fn is_import(line: &str) -> bool {
    let after = line.strip_prefix("pub").map_or(line, |after| {
        let after = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        after.map_or(&line[3..], |(_, after)| after).trim_start()
    });
    after.starts_with("use ")
}

fn imports(statement: &str) -> Vec<Import> {
    let hands_on = statement.starts_with("pub");
    let Some((_, tree)) = statement.split_once("use ") else { return Vec::new() };
    let mut found = Vec::new();
    expand(&[], tree.trim(), hands_on, &mut found);
    found
}

/// `a::{b, c::{d, e as f}}` as its paths.
fn expand(before: &[String], tree: &str, hands_on: bool, found: &mut Vec<Import>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, group)) => (head, Some(group.trim_end().trim_end_matches('}'))),
        None => (tree, None),
    };
    let (head, alias) = match head.split_once(" as ") {
        Some((head, alias)) => (head, Some(alias.trim().to_owned())),
        None => (head, None),
    };
    let mut path = before.to_vec();
    path.extend(head.split("::").map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned));
    if let Some(group) = group {
        for part in split_group(group) {
            expand(&path, part.trim(), hands_on, found);
        }
        return;
    }
    if path.len() > 1 && path.last().is_some_and(|last| last == "self" || last == "*") {
        path.pop();
    }
    if let Some(name) = alias.or_else(|| path.last().cloned()) {
        found.push(Import { path, name, hands_on });
    }
}

/// The parts between the commas that are not in an inner group.
fn split_group(group: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (n, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..n]);
                start = n + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Everything of the form `a::b`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.split(|c| !is_word(c))
        .filter(|word| word.contains("::") && !word.starts_with(':'))
        .map(|word| word.split("::").filter(|n| !n.is_empty()).map(str::to_owned).collect())
        .collect()
}
