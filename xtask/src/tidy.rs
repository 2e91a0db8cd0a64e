//! The rules of docs/STYLE.md that a program can check. Each rule is a function from the checkout to its violations.
//!
//! Sizes are a ratchet: `xtask/tidy-exceptions.txt` names what is too large today, and may only shrink.

mod dependencies;
mod sizes;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::root;

/// A Rust file of ours.
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Checks everything and prints every violation.
pub(crate) fn run() -> Result<()> {
    let sources = read_sources(&root())?;
    let mut violations = Vec::new();
    violations.extend(dependencies::check(&root())?);
    violations.extend(sources::check(&sources));
    violations.extend(sizes::check(&sources, &root())?);
    violations.extend(documents(&root())?);
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    if !violations.is_empty() {
        bail!("{} violations", violations.len());
    }
    println!("tidy: {} files, nothing to say", sources.len());
    Ok(())
}

/// What the README and the map of the code promise.
fn documents(root: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    let read =
        |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("read {path}"));
    if !read("README.md")?.contains(crate::ci::TEST_COMMAND) {
        violations.push(format!(
            "README.md does not give the test command that CI runs: {}",
            crate::ci::TEST_COMMAND
        ));
    }
    let map = read("docs/ARCHITECTURE.md")?;
    for entry in fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !map.contains(&format!("crates/{name}")) {
            violations.push(format!("docs/ARCHITECTURE.md does not mention crates/{name}"));
        }
    }
    Ok(violations)
}

fn read_sources(root: &Path) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    for top in ["crates", "tests", "xtask"] {
        walk(&root.join(top), &mut paths)?;
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            Ok(Source { path: path.strip_prefix(root)?.to_string_lossy().into_owned(), text })
        })
        .collect()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                walk(&path, found)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(())
}
