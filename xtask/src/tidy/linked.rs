//! What may be linked: the rules of `deny.toml` (licenses, sources, bans), checked on what `cargo
//! metadata` resolves, and dependencies that nobody names in his code.
//!
//! These are the rules of `cargo deny check bans licenses sources`, without three minutes to build
//! it (ADR 0020). Advisories need a database from the network: `cargo deny check advisories` is for
//! a maintainer. How a license's text compares with its name is not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use toml_edit::{DocumentMut, Item, Value};

use super::source::Source;

const RULES: &str = "deny.toml";

/// The only registry.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What `deny.toml` says.
#[derive(Debug, Default)]
struct Rules {
    licenses: BTreeSet<String>,
    banned: BTreeMap<String, String>,
    wildcards: bool,
}

/// A package, as far as the rules look at it.
#[derive(Debug)]
struct Linked {
    name: String,
    license: Option<String>,
    /// `None`: it is ours.
    source: Option<String>,
    /// What it needs, and which versions.
    needs: Vec<(String, String)>,
}

/// Checks everything that is linked into the program or its tests.
pub(super) fn check(sources: &[Source], root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join(RULES)).with_context(|| format!("read {RULES}"))?;
    let rules = rules(&text.parse().with_context(|| format!("read {RULES}"))?);
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .other_options(["--filter-platform".to_owned(), "x86_64-unknown-linux-gnu".to_owned()])
        .exec()
        .context("run cargo metadata")?;
    let resolved: BTreeSet<_> =
        metadata.resolve.iter().flat_map(|graph| graph.nodes.iter().map(|node| &node.id)).collect();
    let packages = metadata.packages.iter().filter(|package| resolved.contains(&package.id));
    let linked: Vec<Linked> = packages.map(linked).collect();
    let mut violations: Vec<String> =
        linked.iter().flat_map(|package| refused(package, &rules)).collect();
    violations.extend(unused(&metadata, sources, root)?);
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("read Cargo.toml")?;
    let manifest: DocumentMut = manifest.parse().context("read Cargo.toml")?;
    violations.extend(listed_for_nobody(&manifest, &metadata));
    Ok(violations)
}

fn rules(text: &DocumentMut) -> Rules {
    let list = |table: &str, key: &str| -> Vec<Value> {
        let array = text.get(table).and_then(|t| t.get(key)).and_then(Item::as_array);
        array.map(|array| array.iter().cloned().collect()).unwrap_or_default()
    };
    let string = |value: &Value, key: &str| -> Option<String> {
        value.as_inline_table()?.get(key)?.as_str().map(str::to_owned)
    };
    let banned = list("bans", "deny");
    let banned = banned
        .iter()
        .filter_map(|ban| Some((string(ban, "name")?, string(ban, "reason").unwrap_or_default())));
    let wildcards = text.get("bans").and_then(|t| t.get("wildcards")).and_then(Item::as_str);
    Rules {
        licenses: list("licenses", "allow")
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
        banned: banned.collect(),
        wildcards: wildcards == Some("deny"),
    }
}

fn linked(package: &Package) -> Linked {
    let needs = package.dependencies.iter().filter(|need| need.path.is_none());
    Linked {
        name: package.name.to_string(),
        license: package.license.clone(),
        source: package.source.as_ref().map(|source| source.repr.clone()),
        needs: needs.map(|need| (need.name.clone(), need.req.to_string())).collect(),
    }
}

fn refused(package: &Linked, rules: &Rules) -> Vec<String> {
    let name = &package.name;
    let mut violations = Vec::new();
    match &package.license {
        Some(license) if permits(license, &rules.licenses) => {}
        license => {
            violations.push(format!("{name}: its license, {license:?}, is not one of {RULES}"));
        }
    }
    if package.source.as_deref().is_some_and(|source| source != CRATES_IO) {
        violations
            .push(format!("{name}: it comes from {:?} and not from crates.io", package.source));
    }
    if let Some(reason) = rules.banned.get(name) {
        violations.push(format!("{name}: {RULES} bans it: {reason}"));
    }
    let ours = package.source.is_none();
    for (needed, versions) in package.needs.iter().filter(|_| ours && rules.wildcards) {
        if versions == "*" {
            violations.push(format!("{name}: it takes any version of {needed}"));
        }
    }
    violations
}

/// Whether an SPDX expression can be met with these licenses. `/` is an old way to say `OR`.
fn permits(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let words = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    met && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let met = any(words, at, allowed);
        *at += usize::from(words.get(*at) == Some(&")"));
        return met;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&name)
}

/// Dependencies of our crates that their code does not name.
fn unused(metadata: &Metadata, sources: &[Source], root: &Path) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in metadata.workspace_packages() {
        let dir = package.manifest_path.parent().context("a manifest is in a folder")?;
        let dir = dir.as_std_path().strip_prefix(root)?.to_string_lossy().into_owned();
        let of = |folders: &[&str]| -> String {
            let starts: Vec<String> = folders.iter().map(|f| format!("{dir}/{f}")).collect();
            let inside =
                |source: &&Source| starts.iter().any(|start| source.path.starts_with(start));
            sources.iter().filter(inside).map(|source| source.text.as_str()).collect()
        };
        let (program, all) = (of(&["src/"]), of(&["src/", "tests/", "benches/", "examples/"]));
        for needed in &package.dependencies {
            let text = match needed.kind {
                DependencyKind::Normal => &program,
                DependencyKind::Development => &all,
                _ => continue,
            };
            let name = needed.rename.as_ref().unwrap_or(&needed.name);
            if !names(text, name) {
                violations.push(format!("{}: nothing in it names {name}", package.name));
            }
        }
    }
    Ok(violations)
}

/// Whether the code names a library: `name::`, `use name;`, or in a derive.
fn names(code: &str, library: &str) -> bool {
    let library = library.replace('-', "_");
    code.match_indices(&library).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + library.len()..];
        let whole = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        whole && (after.starts_with("::") || after.starts_with(';') || after.starts_with(" as "))
    })
}

/// Versions that the workspace pins and no member uses.
fn listed_for_nobody(manifest: &DocumentMut, metadata: &Metadata) -> Vec<String> {
    let used: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|needed| needed.rename.as_deref().unwrap_or(&needed.name))
        .collect();
    let listed = manifest.get("workspace").and_then(|t| t.get("dependencies"));
    let listed = listed.and_then(Item::as_table_like);
    let names = listed.into_iter().flat_map(|table| table.iter().map(|(name, _)| name.to_owned()));
    names
        .filter(|name| !used.contains(name.as_str()))
        .map(|name| format!("Cargo.toml: no member of the workspace uses {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[licenses]
allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
[bans]
wildcards = "deny"
deny = [{ name = "bincode", reason = "unmaintained" }]
"#;

    fn of(name: &str, license: &str, source: Option<&str>) -> Linked {
        Linked {
            name: name.to_owned(),
            license: (!license.is_empty()).then(|| license.to_owned()),
            source: source.map(str::to_owned),
            needs: vec![("serde".to_owned(), "*".to_owned())],
        }
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        let rules = rules(&TEXT.parse().expect("it reads"));
        let check = |package: Linked| refused(&package, &rules).len();
        assert_eq!(check(of("a", "MIT", Some(CRATES_IO))), 0);
        assert_eq!(check(of("a", "GPL-3.0", Some(CRATES_IO))), 1);
        assert_eq!(check(of("a", "", Some(CRATES_IO))), 1);
        assert_eq!(check(of("a", "MIT", Some("git+https://example.org/a"))), 1);
        assert_eq!(check(of("bincode", "MIT", Some(CRATES_IO))), 1);
        assert_eq!(check(of("ours", "MIT", None)), 1, "any version");
    }

    #[test]
    fn an_expression_of_licenses_is_met_or_not() {
        let allowed = rules(&TEXT.parse().expect("it reads")).licenses;
        for (expression, met) in [
            ("MIT", true),
            ("MIT/GPL-2.0", true),
            ("GPL-2.0 OR (MIT AND Apache-2.0)", true),
            ("MIT AND GPL-2.0", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
            ("Apache-2.0 WITH Classpath-exception", false),
            ("(MIT OR GPL-2.0) AND GPL-2.0", false),
            ("MIT Apache-2.0", false),
        ] {
            assert_eq!(permits(expression, &allowed), met, "{expression}");
        }
    }

    #[test]
    fn a_library_is_named_by_a_path_or_an_import() {
        assert!(names("use serde_json::Value;", "serde-json"));
        assert!(names("fn f() { rmp_serde::to_vec(1) }", "rmp-serde"));
        assert!(!names("use serde_json::Value;", "serde"));
        assert!(!names("// regexes are slow", "regex"));
    }

    #[test]
    fn a_version_that_nobody_uses_is_found() {
        let manifest = "[workspace.dependencies]\nnobodys-library = \"1\"\n";
        let manifest: DocumentMut = manifest.parse().expect("it reads");
        let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata answers");
        assert_eq!(listed_for_nobody(&manifest, &metadata).len(), 1);
    }
}
