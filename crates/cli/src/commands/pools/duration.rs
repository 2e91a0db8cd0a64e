//! How long a token is good, as people write it.

use anyhow::{Result, bail};

/// A time as people write it: `90s`, `15m`, `1h`, `7d`; a number alone is seconds.
///
/// # Errors
///
/// If it is none, or longer than can be.
pub fn duration_s(text: &str) -> Result<u32> {
    let (number, unit_s) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit_s));
    match seconds {
        Some(seconds) if seconds > 0 => Ok(seconds),
        _ => bail!("take '{text}' for a time: expected a number with s, m, h or d, such as 1h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("1h", Some(3600)),
            ("7d", Some(604_800)),
            ("0h", None),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("1y", None),
            ("99999d", None),
        ] {
            assert_eq!(duration_s(text).ok(), expected, "{text}");
        }
    }
}
