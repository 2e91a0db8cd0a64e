//! Rules about comments: none is wider than code may be, none says nothing, and what is public at
//! the top of a file says what it is.

use super::code::without_tests;
use super::source::Source;

/// A block of so few words says something only if one of them is a name, a number or a unit.
const FEW_WORDS: usize = 2;

/// What needs a doc comment where it stands at the left margin of a library.
const NEEDS_ONE: &[&str] =
    &["pub fn ", "pub async fn ", "pub const fn ", "pub struct ", "pub enum ", "pub trait "];

/// Checks every file; `width` is what rustfmt.toml gives code.
pub(super) fn check(sources: &[Source], width: usize) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        violations.extend(wide(source, width));
        violations.extend(empty(source));
        violations.extend(missing(source));
    }
    violations
}

/// The width that rustfmt.toml gives code.
pub(super) fn width(rustfmt: &str) -> Option<usize> {
    let line = rustfmt.lines().find(|line| line.starts_with("max_width"))?;
    line.split_once('=')?.1.trim().parse().ok()
}

fn wide(source: &Source, width: usize) -> Vec<String> {
    let mut violations = Vec::new();
    let mut in_example = false;
    for (n, line) in source.text.lines().enumerate() {
        let Some(words) = comment(line) else {
            in_example = false;
            continue;
        };
        in_example ^= words.starts_with("```");
        let columns = line.chars().count();
        // A table's row and a picture cannot be broken, nor can a word.
        let breaks = !in_example && !words.starts_with('|') && words.contains(' ');
        let longest = words.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
        if columns > width && breaks && longest + 8 < width {
            violations.push(format!(
                "{}:{}: a comment of {columns} columns; code has {width}",
                source.path,
                n + 1
            ));
        }
    }
    violations
}

/// The words of a line that is nothing but a comment.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let words = ["//!", "///", "//"].iter().find_map(|mark| line.strip_prefix(mark))?;
    Some(words.trim())
}

fn empty(source: &Source) -> Vec<String> {
    // A help text of a command's option may be as short as it likes.
    if source.text.contains("clap::") {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let is_doc = |n: usize| lines.get(n).is_some_and(|line| line.trim_start().starts_with("///"));
    let mut violations = Vec::new();
    for n in
        (0..lines.len()).filter(|n| is_doc(*n) && (*n == 0 || !is_doc(n - 1)) && !is_doc(n + 1))
    {
        let words = comment(lines[n]).unwrap_or_default();
        let capitals = |word: &str| word.len() > 1 && word.chars().all(|c| !c.is_lowercase());
        let says = words.contains(|c: char| c.is_ascii_digit() || "`[<&".contains(c))
            || words.split(' ').any(capitals)
            || [
                "KiB",
                "MiB",
                "seconds",
                "Milliseconds",
                "Standard",
                "SIG",
                "XML",
                "JSON",
                "Anything else",
            ]
            .iter()
            .any(|name| words.contains(name));
        if !says && words.split_whitespace().count() <= FEW_WORDS {
            violations.push(format!(
                "{}:{}: '{words}' says nothing: say more, or nothing at all",
                source.path,
                n + 1
            ));
        }
    }
    violations
}

fn missing(source: &Source) -> Vec<String> {
    if !source.path.starts_with("crates/") || !source.path.contains("/src/") {
        return Vec::new();
    }
    let code = without_tests(&source.text);
    let lines: Vec<&str> = code.lines().collect();
    let mut violations = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        if !NEEDS_ONE.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        let mut before = lines[..n].iter().rev();
        let attributes = |line: &&&str| {
            line.starts_with("#[") || line.starts_with(' ') || line.starts_with(")]")
        };
        let documented =
            before.find(|line| !attributes(line)).is_some_and(|l| l.starts_with("///"));
        if !documented {
            violations.push(format!("{}:{}: say what it is (///): {line}", source.path, n + 1));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(text: &str) -> usize {
        let source = Source { path: "crates/a/src/b.rs".to_owned(), text: text.to_owned() };
        check(&[source], 40).len()
    }

    #[test]
    fn a_comment_is_no_wider_than_code() {
        let words = "a word ".repeat(5);
        assert_eq!(violations(&format!("// {}\n", words.trim())), 0);
        assert_eq!(violations(&format!("// {}\n", words.repeat(2))), 1);
        assert_eq!(violations(&format!("    /// {}\n    x: u8,\n", words.trim())), 1);
        assert_eq!(violations(&format!("//! | {} |\n", words.repeat(2))), 0);
        assert_eq!(violations(&format!("// see https://{}\n", "x".repeat(40))), 0);
        assert_eq!(violations(&format!("/// ```text\n/// {}\n/// ```\n", words.repeat(2))), 0);
    }

    #[test]
    fn the_width_is_what_rustfmt_is_told() {
        assert_eq!(width("edition = \"2024\"\nmax_width = 100\n"), Some(100));
        assert_eq!(width("edition = \"2024\"\n"), None);
    }

    #[test]
    fn a_comment_says_something() {
        for (text, found) in [
            ("/// Which.\n", 1),
            ("/// Its name.\n", 1),
            ("/// Which of the two.\n", 0),
            ("/// `JobPrio`.\n", 0),
            ("/// In KiB.\n", 0),
            ("/// RETRY.\n", 0),
            ("/// Which.\n/// It is the one that was asked for.\n", 0),
            ("use clap::Args;\n/// As JSON.\n", 0),
        ] {
            assert_eq!(violations(text), found, "{text}");
        }
    }

    #[test]
    fn what_is_public_says_what_it_is() {
        for (text, found) in [
            ("pub fn f() {}\n", 1),
            ("/// Makes one of two.\npub fn f() {}\n", 0),
            ("/// Makes one of two.\n#[expect(\n    a,\n)]\npub fn f() {}\n", 0),
            ("pub(crate) fn f() {}\nimpl A {\n    pub fn g() {}\n}\n", 0),
            ("pub struct A;\n", 1),
        ] {
            assert_eq!(violations(text), found, "{text}");
        }
    }
}
