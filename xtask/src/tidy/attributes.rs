//! An attribute of an ad is spelt once: what `model::attr` names is written as its constant, and an
//! attribute that two crates write is named there. Test code spells what it expects.

use std::collections::{BTreeMap, BTreeSet};

use super::code::without_tests;
use super::source::Source;

/// Where the names are.
const NAMES: &str = "crates/model/src/attr/";

/// Crates that know nothing of `model`, and tools that write what a user would.
const WITHOUT_MODEL: &[&str] = &[
    "crates/classad/",
    "crates/launcher/",
    "xtask/",
    "tests/src/fuzz",
    "tests/src/classad_oracle",
];

/// Names of attributes that are words of other kinds too (a table's head, a state, a type of ad, a
/// device's name): they are refused only where an ad is asked for them.
const ALSO_WORDS: &[&str] = &[
    "Activity",
    "Args",
    "Arguments",
    "Cpus",
    "Disk",
    "Env",
    "Environment",
    "Err",
    "GPUs",
    "In",
    "JobId",
    "Machine",
    "Matches",
    "Memory",
    "Name",
    "Out",
    "Owner",
    "Rank",
    "Rejections",
    "Request",
    "Requirements",
    "Start",
    "State",
    "User",
];

/// What asks an ad for an attribute, or sets one.
const ASKS: &[&str] = &[".set(", ".get(", ".literal(", ".eval(", ".remove("];

/// Words that look like attributes and are none.
const NO_ATTRIBUTES: &[&str] = &["HTCondor", "DaemonCore", "UserLog"];

/// Checks every file.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let names = names(sources);
    let mut violations = Vec::new();
    let mut others: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let exempt = |source: &&Source| {
        let path = source.path.as_str();
        path.starts_with(NAMES)
            || !path.contains("/src/")
            || path.contains("/tests/") && !path.starts_with("tests/")
            || path.ends_with("tests.rs")
            || WITHOUT_MODEL.iter().any(|dir| path.starts_with(dir))
    };
    for source in sources.iter().filter(|source| !exempt(source)) {
        for (line, before, text) in literals(&without_tests(&source.text)) {
            let asks = ASKS.iter().any(|ask| before.ends_with(ask));
            if let Some(name) = names.get(&text) {
                if asks || !ALSO_WORDS.contains(&text.as_str()) {
                    violations.push(format!("{}:{line}: \"{text}\" is attr::{name}", source.path));
                }
            } else if asks || looks_like_one(&text) {
                let krate = source.path.split("/src/").next().unwrap_or_default();
                others.entry(text).or_default().insert(krate);
            }
        }
    }
    for (text, crates) in others.into_iter().filter(|(_, crates)| crates.len() > 1) {
        if !NO_ATTRIBUTES.contains(&text.as_str()) {
            let crates: Vec<&str> = crates.into_iter().collect();
            violations
                .push(format!("\"{text}\" is spelt in {}: name it in {NAMES}", crates.join(", ")));
        }
    }
    violations
}

/// The constants by their text.
fn names(sources: &[Source]) -> BTreeMap<String, String> {
    let files = sources.iter().filter(|source| source.path.starts_with(NAMES));
    let lines = files.flat_map(|source| source.text.lines());
    lines
        .filter_map(|line| {
            let (name, text) = line.trim().strip_suffix("\";")?.split_once(" = \"")?;
            Some((text.to_owned(), name.to_owned()))
        })
        .collect()
}

/// The string literals that could be an attribute's name: line, what stands before it on the line,
/// and the text.
fn literals(code: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    for (n, line) in code.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") || trimmed.starts_with("#[") {
            continue;
        }
        let parts: Vec<&str> = line.split('"').collect();
        for (k, text) in parts.iter().enumerate().skip(1).step_by(2) {
            let is_name = text.starts_with(|c: char| c.is_ascii_uppercase())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && text.contains(|c: char| c.is_ascii_lowercase());
            if is_name && k + 1 < parts.len() {
                found.push((n + 1, parts[k - 1].to_owned(), (*text).to_owned()));
            }
        }
    }
    found
}

/// Two words in one: `JobPrio`.
fn looks_like_one(text: &str) -> bool {
    text[1..].contains(|c: char| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(files: &[(&str, &str)]) -> Vec<String> {
        let attr = (
            "crates/model/src/attr/job.rs",
            "attrs! {\n    JOB_PRIO = \"JobPrio\";\n    NAME = \"Name\";\n}\n",
        );
        let files = files.iter().chain([&attr]);
        let sources: Vec<Source> = files
            .map(|(path, text)| Source { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        check(&sources)
    }

    #[test]
    fn what_model_names_is_not_spelt_again() {
        let spelt = "//! H.\nfn f() { ad.set(\"JobPrio\", 1) }\n";
        assert_eq!(
            violations(&[("crates/cli/src/a.rs", spelt)]),
            ["crates/cli/src/a.rs:2: \"JobPrio\" is attr::JOB_PRIO"]
        );
        assert_eq!(violations(&[("crates/classad/src/a.rs", spelt)]), Vec::<String>::new());
        let tests = format!("//! H.\n// \"JobPrio\"\n#[cfg(test)]\nmod tests {{\n{spelt}}}\n");
        assert_eq!(violations(&[("crates/cli/src/a.rs", &tests)]), Vec::<String>::new());
    }

    #[test]
    fn a_word_that_is_also_something_else_is_refused_where_an_ad_is_asked() {
        assert_eq!(violations(&[("crates/cli/src/a.rs", "heading(\"Name\")\n")]).len(), 0);
        assert_eq!(violations(&[("crates/cli/src/a.rs", "ad.set(\"Name\", 1)\n")]).len(), 1);
    }

    #[test]
    fn an_attribute_of_two_crates_has_its_name() {
        let one = ("crates/cli/src/a.rs", "ad.get(\"NewThing\")\n");
        let two = ("crates/cli/src/b.rs", "ad.get(\"NewThing\")\n");
        let other = ("crates/schedd/src/a.rs", "[\"NewThing\"]\n");
        assert_eq!(violations(&[one, two]).len(), 0);
        assert_eq!(violations(&[one, other]).len(), 1);
    }
}
