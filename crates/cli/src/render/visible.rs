//! What users have written, so that it can be read and does nothing to the terminal that it is
//! shown on: names, reasons and lines of files may hold escape sequences. Programs that read our
//! output get what was written, but for tables and lists that show values so wherever they go.

/// What begins the sequences that change how text looks, and what ends them.
const LOOKS: (&str, char) = ("\u{1b}[", 'm');

/// A value, with its control characters as a terminal shows them that was asked to (`^[`). A tab
/// stays.
pub fn visible(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    value.chars().for_each(|c| push(&mut out, c));
    out
}

/// A text of many lines for a terminal: of what is no text, only new lines, tabs and our colours
/// are left.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = look(rest) {
            out += &rest[..length];
            rest = &rest[length..];
            continue;
        }
        if rest.starts_with("\r\n") || c == '\n' {
            out.push(c);
        } else {
            push(&mut out, c);
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// How long the sequence is that stands at the beginning, if it only changes how text looks.
fn look(text: &str) -> Option<usize> {
    let (begins, ends) = LOOKS;
    let inner = text.strip_prefix(begins)?;
    let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    inner[end..].starts_with(ends).then_some(begins.len() + end + ends.len_utf8())
}

fn push(out: &mut String, c: char) {
    match u32::from(c) {
        _ if c == '\t' => out.push(c),
        code @ 0..0x20 => out.extend(['^', char::from_u32(code + 0x40).unwrap_or('?')]),
        0x7f => *out += "^?",
        // Commands of one character, and what turns the direction of writing around.
        0x80..0xa0 | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 => {
            out.extend(c.escape_unicode());
        }
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_seen() {
        for (value, expected) in [
            ("a\u{3}b\tc\nd", "a^Cb\tc^Jd"),
            ("\u{1b}[31mred\u{7f}\r", "^[[31mred^?^M"),
            ("\u{9b}2J \u{202e}txt.exe", "\\u{9b}2J \\u{202e}txt.exe"),
            ("Grüße, 世界", "Grüße, 世界"),
        ] {
            assert_eq!(visible(value), expected);
        }
    }

    #[test]
    fn a_terminal_gets_colours_and_nothing_that_moves_or_names_it() {
        for (text, expected) in [
            ("\u{1b}[1mID\u{1b}[0m\n\tx\n", "\u{1b}[1mID\u{1b}[0m\n\tx\n"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}[", "^[[2J^[]0;title^G^[["),
            ("a\rb\r\n", "a^Mb\r\n"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }
}
