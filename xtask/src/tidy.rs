//! The rules of docs/STYLE.md that a program can check. Each rule is a function from the checkout
//! to its violations.
//!
//! Sizes and arrows are ratchets: `xtask/tidy-exceptions.txt` and `xtask/tidy-arrows.txt` have
//! today's numbers, which may only shrink.

mod arrows;
mod attributes;
mod code;
mod comments;
mod dependencies;
mod linked;
mod records;
mod sizes;
mod source;
mod sources;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::run::root;

/// Checks everything and prints every violation.
pub(crate) fn run() -> Result<()> {
    let sources = source::read(&root())?;
    let mut violations = Vec::new();
    violations.extend(dependencies::check(&root())?);
    violations.extend(sources::check(&sources));
    violations.extend(sizes::check(&sources, &root())?);
    violations.extend(arrows::check(&sources, &root())?);
    violations.extend(attributes::check(&sources));
    violations.extend(comments::check(&sources, code_width(&root())?));
    violations.extend(records::check(&root())?);
    violations.extend(linked::check(&sources, &root())?);
    violations.extend(documents(&root())?);
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    if !violations.is_empty() {
        bail!("{} violations", violations.len());
    }
    // Only what is wrong begins with the name: scripts look for that.
    println!("{} files are tidy", sources.len());
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
    let answers: Vec<&str> = answers(&map).collect();
    if answers.len() < QUESTIONS {
        violations.push(format!(
            "the appendix of docs/ARCHITECTURE.md names {} paths; {QUESTIONS} questions have one each",
            answers.len()
        ));
    }
    for path in answers.into_iter().filter(|path| !root.join("crates").join(path).exists()) {
        violations.push(format!("docs/ARCHITECTURE.md, appendix: there is no crates/{path}"));
    }
    Ok(violations)
}

/// How many questions of where to change something the map answers.
const QUESTIONS: usize = 10;

/// The paths by which the map answers them, from `crates`.
fn answers(map: &str) -> impl Iterator<Item = &str> {
    let appendix = map.split_once("## Appendix").map_or("", |(_, appendix)| appendix);
    let words = appendix.split('`').skip(1).step_by(2);
    words.filter(|word| word.contains('/') && !word.contains(' '))
}

/// How wide code may be.
fn code_width(root: &Path) -> Result<usize> {
    let rustfmt = fs::read_to_string(root.join("rustfmt.toml")).context("read rustfmt.toml")?;
    comments::width(&rustfmt).context("rustfmt.toml has no max_width")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_appendix_names_as_a_path_is_one() {
        let map =
            "`a/b.rs`\n## Appendix\n1. *Of `updraft q`?* `cli/src/x`; and `model/src/y.rs`.\n";
        let found: Vec<&str> = answers(map).collect();
        assert_eq!(found, ["cli/src/x", "model/src/y.rs"]);
    }
}
