//! How wide text is on a terminal, and text made as wide as a column: characters of East Asian
//! scripts and emoji take two places, marks that stand on others none.

/// Ranges of characters that take two places (Unicode 16, East Asian Width W and F), the first and
/// the last of each.
const WIDE: [(u32, u32); 14] = [
    (0x1100, 0x115f),
    (0x231a, 0x231b),
    (0x23e9, 0x23ec),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x26aa, 0x26ab),
    (0x2705, 0x2705),
    (0x270a, 0x270b),
    (0x2e80, 0x303e),
    (0x3041, 0xa4cf),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe30, 0xfe6f),
    (0xff00, 0xff60),
];

/// The same beyond the first plane: emoji, and ideographs.
const WIDE_BEYOND: [(u32, u32); 4] =
    [(0xffe0, 0xffe6), (0x1f300, 0x1f64f), (0x1f680, 0x1faff), (0x20000, 0x3fffd)];

/// Ranges of characters that take none.
const NONE: [(u32, u32); 8] = [
    (0x0300, 0x036f),
    (0x0483, 0x0489),
    (0x0591, 0x05bd),
    (0x064b, 0x065f),
    (0x1ab0, 0x1aff),
    (0x200b, 0x200d),
    (0x20d0, 0x20ff),
    (0xfe00, 0xfe0f),
];

/// How many places a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(of_char).sum()
}

fn of_char(c: char) -> usize {
    let code = u32::from(c);
    let is_in =
        |ranges: &[(u32, u32)]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&code));
    match code {
        0..0x300 => 1,
        _ if is_in(&NONE) => 0,
        _ if is_in(&WIDE) || is_in(&WIDE_BEYOND) => 2,
        _ => 1,
    }
}

/// The text with blanks behind it, so many places wide if it is not wider.
pub fn padded(text: &str, places: usize) -> String {
    let blanks = places.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// The beginning of a text that takes no more than so many places.
pub fn beginning(text: &str, places: usize) -> &str {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += of_char(c);
        if taken > places {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_places_and_marks_none() {
        for (text, places) in
            [("", 0), ("abc", 3), ("Grüße", 5), ("e\u{301}", 1), ("世界", 4), ("🚀x", 3), ("ｆ", 2)]
        {
            assert_eq!(width(text), places, "{text}");
            assert_eq!(width(&padded(text, 6)), 6, "{text}");
        }
        for (text, places, expected) in [
            ("世界", 3, "世"),
            ("世界", 4, "世界"),
            ("abc", 2, "ab"),
            ("ab", 5, "ab"),
            ("e\u{301}x", 1, "e\u{301}"),
        ] {
            assert_eq!(beginning(text, places), expected, "{text} in {places}");
        }
    }
}
