//! The text of a Rust file without its comments, the contents of its strings and its tests. Knows
//! as much of the language as that needs.

/// What is compiled into the program, with the words of strings blanked out.
pub(super) fn of(text: &str) -> String {
    without_words(&without_tests(text))
}

/// A text without the items that are compiled for tests alone. rustfmt closes an item of a file
/// where it began: at the beginning of a line.
pub(super) fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            let is_last =
                |line: &&str| *line == "}" || !line.starts_with([' ', '#']) && line.ends_with(';');
            lines.find(is_last);
            continue;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

fn without_words(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        if rest.starts_with(&['/', '/']) {
            at += rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
        } else if let Some(length) = string(rest) {
            kept.push_str("\"\"");
            at += length;
        } else if let Some(length) = character(rest) {
            at += length;
        } else {
            kept.push(chars[at]);
            at += 1;
        }
    }
    kept
}

/// The length of the string literal that begins here: `"..."`, `r"..."`, `r#"..."#`.
fn string(rest: &[char]) -> Option<usize> {
    if rest[0] == '"' {
        let mut at = 1;
        while at < rest.len() && rest[at] != '"' {
            at += if rest[at] == '\\' { 2 } else { 1 };
        }
        return Some((at + 1).min(rest.len()));
    }
    if rest[0] != 'r' {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &rest[2 + hashes..];
    let length = body.windows(end.len()).position(|window| window == end).unwrap_or(body.len());
    Some((2 + hashes + length + end.len()).min(rest.len()))
}

/// The length of the character literal that begins here; a lifetime is none.
fn character(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', _, '\'', ..] => Some(4),
        ['\'', '\\', 'u' | 'x', ..] => rest[1..].iter().position(|c| *c == '\'').map(|n| n + 2),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_not_code() {
        for (text, code) in [
            ("a // b\nc\n", "a \nc\n"),
            ("f(\"use x; \\\" y\") z\n", "f(\"\") z\n"),
            ("f(r#\"a \" b\"#)\n", "f(\"\")\n"),
            ("m('\"', '\\'', '\\n') + 'a'\n", "m(, , ) + \n"),
            ("fn f<'a>(x: &'a str)\n", "fn f<'a>(x: &'a str)\n"),
            ("a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\nmod more {\n}\n", "a\nb\n"),
            ("#[cfg(test)]\n#[test]\nfn f() {\n    g();\n}\nfn h() {}\n", "fn h() {}\n"),
            ("#[cfg(test)]\nuse a::{\n    b,\n};\nfn h() {}\n", "fn h() {}\n"),
        ] {
            assert_eq!(of(text), code, "{text}");
        }
    }
}
