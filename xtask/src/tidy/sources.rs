//! Rules about the text of a file: its head, the purity of cores, where `unsafe` may stand, names
//! that say nothing.

use super::source::Source;

/// Words that a core must not contain: IO, clocks, randomness, tasks. `clippy.toml` bans the calls;
/// this bans the imports too.
const NOT_IN_A_CORE: &[&str] = &[
    "tokio",
    "sqlx",
    "nix::",
    "libc::",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "async fn",
    ".await",
    "SystemTime",
    "Instant",
    "getrandom",
    "println!",
    "eprintln!",
];

/// Files named after nothing.
const EMPTY_NAMES: &[&str] = &["utils.rs", "util.rs", "common.rs", "helpers.rs", "misc.rs"];

/// The only files that may say `unsafe`.
const UNSAFE_HOMES: &[&str] = &["crates/launcher/src/sys.rs"];

/// The longest `main.rs`, lines.
const MAIN_LINES: usize = 100;

/// Checks every file.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        violations.extend(head(source));
        violations.extend(core(source));
        violations.extend(names(source));
        violations.extend(unsafety(source));
        violations.extend(one_mutator(source));
    }
    violations.extend(cores_match_totally(sources));
    violations
}

/// What changes a core is its `apply`: everything else in `impl Core` that takes `&mut self` is
/// visible in the core only, so that the compiler lets no shell call it.
fn one_mutator(source: &Source) -> Vec<String> {
    if !is_core(source) {
        return Vec::new();
    }
    let mut violations = Vec::new();
    let (mut of_core, mut head) = (false, String::new());
    for (n, line) in source.text.lines().enumerate() {
        if line.starts_with("impl") {
            of_core = line.starts_with("impl Core ");
        }
        if line.trim_start().starts_with("pub") && line.contains("fn ") {
            head.clear();
        }
        head.push_str(line);
        let ends = line.ends_with('{');
        let wide = ["    pub fn ", "    pub(crate) fn "].iter().find_map(|v| head.strip_prefix(v));
        let name = wide.and_then(|rest| rest.split(['(', '<']).next());
        if ends && of_core && head.contains("&mut self") && name.is_some_and(|n| n != "apply") {
            violations.push(format!(
                "{}:{}: only `apply` changes a core: make this `pub(in crate::core)` or less",
                source.path,
                n + 1
            ));
        }
        if ends {
            head.clear();
        }
    }
    violations
}

fn head(source: &Source) -> Option<String> {
    (!source.text.starts_with("//!")).then(|| {
        format!(
            "{}: no head: say what the file is responsible for and what it does not know (//!)",
            source.path
        )
    })
}

fn core(source: &Source) -> Vec<String> {
    if !is_core(source) {
        return Vec::new();
    }
    let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut violations = Vec::new();
    for (n, line) in
        code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
    {
        for word in NOT_IN_A_CORE.iter().filter(|word| line.contains(**word)) {
            violations.push(format!("{}:{}: a core must not know `{word}`", source.path, n + 1));
        }
    }
    violations
}

/// A wildcard arm hides a new variant; clippy reports it where the core's root denies it.
fn cores_match_totally(sources: &[Source]) -> Vec<String> {
    let roots = sources.iter().filter(|s| s.path.ends_with("src/core.rs"));
    roots
        .filter(|s| !s.text.contains("wildcard_enum_match_arm"))
        .map(|s| format!("{}: deny clippy::wildcard_enum_match_arm here, so that matches in the core are total", s.path))
        .collect()
}

fn names(source: &Source) -> Vec<String> {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    let mut violations = Vec::new();
    if EMPTY_NAMES.contains(&name) {
        violations.push(format!(
            "{}: a name that says nothing; name the file after what it holds",
            source.path
        ));
    }
    if name == "mod.rs" {
        violations.push(format!("{}: a module's file has its name: NAME.rs", source.path));
    }
    let lines = source.text.lines().count();
    if name == "main.rs" && lines > MAIN_LINES {
        violations.push(format!("{}: {lines} lines; a main is at most {MAIN_LINES}", source.path));
    }
    violations
}

fn unsafety(source: &Source) -> Option<String> {
    let says_unsafe = source.text.lines().any(|line| {
        !line.trim_start().starts_with("//")
            && (line.contains(concat!("unsafe", " {")) || line.contains(concat!("unsafe", " fn")))
    });
    (says_unsafe && !UNSAFE_HOMES.contains(&source.path.as_str()))
        .then(|| format!("{}: `unsafe` lives in {} only", source.path, UNSAFE_HOMES.join(", ")))
}

fn is_core(source: &Source) -> bool {
    source.path.contains("/src/core/") || source.path.ends_with("/src/core.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(path: &str, text: &str) -> usize {
        check(&[Source { path: path.to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn each_rule_finds_its_violation() {
        assert_eq!(violations("crates/a/src/b.rs", "//! Head.\n"), 0);
        assert_eq!(violations("crates/a/src/b.rs", "fn no_head() {}\n"), 1);
        assert_eq!(violations("crates/a/src/core/b.rs", "//! H.\nuse std::fs;\n"), 1);
        assert_eq!(violations("crates/a/src/core/b.rs", "//! H.\n// std::fs is not for us\n"), 0);
        assert_eq!(violations("crates/a/src/core.rs", "//! H.\n"), 1);
        assert_eq!(violations("crates/a/src/utils.rs", "//! H.\n"), 1);
        assert_eq!(violations("crates/a/src/b/mod.rs", "//! H.\n"), 1);
        let body = ["unsafe", "{ }"].join(" ");
        assert_eq!(violations("crates/a/src/b.rs", &format!("//! H.\nfn f() {{ {body} }}\n")), 1);
        assert_eq!(violations("crates/a/src/main.rs", &"//! H.\n".repeat(101)), 1);
    }

    #[test]
    fn only_apply_changes_a_core() {
        let check = |method: &str| {
            violations(
                "crates/a/src/core/b.rs",
                &format!("//! H.\nimpl Core {{\n    {method}\n    }}\n}}\n"),
            )
        };
        assert_eq!(check("pub fn apply(&mut self, event: &Event) -> Change {"), 0);
        assert_eq!(check("pub(crate) fn enter(&mut self) {"), 1);
        assert_eq!(
            check("pub(crate) fn enter(\n        &mut self,\n        job: JobId,\n    ) {"),
            1
        );
        assert_eq!(check("pub(in crate::core) fn enter(&mut self) {"), 0);
        assert_eq!(check("pub fn decide(&self) {"), 0);
    }
}
