//! `printf` formats over ClassAd values: what `-format`, `-af:VrTY` and print-format files use.

use classad::{Expr, Value};

use crate::render::time;
use crate::render::values::view::View;

/// The longest padding that is made: a format is a user's text, and memory is not.
const MAX_WIDTH: usize = 1024;

/// A format: text, at most one conversion, text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    before: String,
    conversion: Option<Conversion>,
    after: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Conversion {
    flags: Flags,
    width: usize,
    precision: Option<usize>,
    /// Without an `l` whole numbers without a sign are those of 32 bits.
    long: bool,
    kind: char,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flags {
    left: bool,
    zero: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
}

impl Format {
    /// Reads a format; `\n` and the like are understood. If its first conversion is none, all of it
    /// is text, as it stands (HTCondor 25.14).
    pub fn parse(text: &str) -> Self {
        let text = unescape(text);
        let mut before = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('%') {
            before += &rest[..at];
            rest = &rest[at + 1..];
            if let Some(tail) = rest.strip_prefix('%') {
                before.push('%');
                rest = tail;
                continue;
            }
            let Some((conversion, tail)) = Conversion::parse(rest) else { break };
            let after = tail.replace("%%", "%");
            return Self { before, conversion: Some(conversion), after };
        }
        Self { before: text, conversion: None, after: String::new() }
    }

    /// A conversion without more, by its letter.
    pub fn of(letter: char) -> Self {
        Self::parse(&format!("%{letter}"))
    }

    /// The value of `expr`, which was written as `text`, for an ad. `None` if the conversion cannot
    /// show such a value: then the text around it is not shown either (HTCondor 25.14).
    pub fn apply(&self, value: &Value, expr: &Expr, text: &str, view: View<'_>) -> Option<String> {
        let Some(conversion) = &self.conversion else {
            return Some(format!("{}{}", self.before, self.after));
        };
        let shown = conversion.show(value, expr, text, view)?;
        Some(format!("{}{shown}{}", self.before, self.after))
    }

    /// How many places it takes at least.
    pub fn width(&self) -> usize {
        self.conversion.as_ref().map_or(0, |conversion| conversion.width)
    }

    /// Whether it shows numbers: they stand right in a column.
    pub fn is_of_numbers(&self) -> bool {
        self.conversion.as_ref().is_some_and(|conversion| !"svVr".contains(conversion.kind))
    }
}

/// A value without a format: strings as they are, the rest as ClassAd text.
pub fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

/// A length of time (`%T`), twelve places wide: `  0+00:01:15`.
pub fn elapsed(value: &Value) -> Option<String> {
    whole(value).map(|seconds| format!("{:>12}", time::length(seconds)))
}

/// A moment (`%Y`): `11/22 16:06`.
pub fn moment(value: &Value, view: View<'_>) -> Option<String> {
    let seconds = whole(value)?;
    let before_all = || "    ???    ".to_owned();
    Some(if seconds < 0 { before_all() } else { time::date(seconds, &view.moment.zone) })
}

impl Conversion {
    /// From what follows the `%`; also what follows the conversion.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let flags: String = text.chars().take_while(|c| "-+ 0#".contains(*c)).collect();
        let text = &text[flags.len()..];
        let has = |flag| flags.contains(flag);
        let flags = Flags {
            left: has('-'),
            zero: has('0'),
            plus: has('+'),
            blank: has(' '),
            alternate: has('#'),
        };
        let (width, text) = number(text);
        let (precision, text) = match text.strip_prefix('.') {
            Some(text) => {
                let (precision, text) = number(text);
                (Some(precision.unwrap_or(0).min(MAX_WIDTH)), text)
            }
            None => (None, text),
        };
        let sizes = text.chars().take_while(|c| "lhqjz".contains(*c)).count();
        let (long, text) = (text[..sizes].contains(['l', 'q', 'j', 'z']), &text[sizes..]);
        let kind = text.chars().next().filter(|c| "diuxXofFeEgGsvVrTYc".contains(*c))?;
        let width = width.unwrap_or(0).min(MAX_WIDTH);
        Some((Self { flags, width, precision, long, kind }, &text[kind.len_utf8()..]))
    }

    fn show(&self, value: &Value, expr: &Expr, text: &str, view: View<'_>) -> Option<String> {
        let precision = self.precision.unwrap_or(6);
        let is_zero = whole(value) == Some(0);
        let prefix = |prefix| if self.flags.alternate && !is_zero { prefix } else { "" };
        let shown = match self.kind {
            'd' | 'i' => self.sign(whole(value)?),
            'u' => self.unsigned(whole(value)?).to_string(),
            'x' => format!("{}{:x}", prefix("0x"), self.unsigned(whole(value)?)),
            'X' => format!("{}{:X}", prefix("0X"), self.unsigned(whole(value)?)),
            'o' => format!("{}{:o}", prefix("0"), self.unsigned(whole(value)?)),
            'c' => character(whole(value)?),
            'f' | 'F' => format!("{:.precision$}", number_of(value)?),
            'e' | 'E' => exponent(number_of(value)?, precision, self.kind),
            'g' => general(number_of(value)?, precision),
            'G' => general(number_of(value)?, precision).replace('e', "E"),
            'r' => raw(expr, text, view),
            'V' => value.to_string(),
            'T' => elapsed(value)?,
            'Y' => moment(value, view)?,
            's' => string(value, text, view)?,
            _ => plain(value),
        };
        let shown = match (self.kind, self.precision) {
            ('s' | 'v' | 'V' | 'r', Some(most)) => shown.chars().take(most).collect(),
            _ => shown,
        };
        Some(self.pad(&shown))
    }

    fn sign(&self, n: i64) -> String {
        match self.flags {
            Flags { plus: true, .. } => format!("{n:+}"),
            Flags { blank: true, .. } if n >= 0 => format!(" {n}"),
            _ => n.to_string(),
        }
    }

    /// A number as one without a sign, as C has it.
    #[expect(clippy::cast_sign_loss, reason = "as C does")]
    fn unsigned(&self, n: i64) -> u64 {
        match i32::try_from(n) {
            Ok(short) if !self.long => u64::from(short as u32),
            _ => n as u64,
        }
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width;
        if self.flags.left {
            return format!("{text:<width$}");
        }
        if !self.flags.zero || "svVrTYc".contains(self.kind) {
            return format!("{text:>width$}");
        }
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        format!("{sign}{digits:0>w$}", w = width.saturating_sub(sign.len()))
    }
}

/// What stands in the ad under a name; an expression as it is. `undefined` for an attribute that is
/// not there.
pub fn raw(expr: &Expr, text: &str, view: View<'_>) -> String {
    match view.ad.get(text) {
        Some(found) => found.to_string(),
        None if is_name(text) => "undefined".to_owned(),
        None => expr.to_string(),
    }
}

/// Whether a text is the name of an attribute, of some ad.
fn is_name(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_literal = ["true", "false", "undefined", "error"].iter();
    text.split('.').all(is_word) && !is_literal.clone().any(|word| word.eq_ignore_ascii_case(text))
}

/// `%s`: a string; of an attribute that is something else what stands in the ad (HTCondor 25.14).
fn string(value: &Value, text: &str, view: View<'_>) -> Option<String> {
    match value.as_str() {
        Some(string) => Some(string.to_owned()),
        None => view.ad.get(text).map(ToString::to_string),
    }
}

/// The character of a number's last byte; none is no character.
fn character(n: i64) -> String {
    let [byte, ..] = n.to_le_bytes();
    match byte {
        0 => String::new(),
        byte if byte.is_ascii() => char::from(byte).to_string(),
        _ => char::REPLACEMENT_CHARACTER.to_string(),
    }
}

/// A whole number from a number or a boolean; a fraction is cut off.
fn whole(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "as C does; out of range is the nearest number"
    )]
    let cut = || value.as_f64().map(|x| x as i64);
    value.as_i64().or_else(|| value.as_bool().map(i64::from)).or_else(cut)
}

fn number_of(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_bool().map(|b| f64::from(u8::from(b))))
}

fn exponent(x: f64, precision: usize, kind: char) -> String {
    let text = format!("{x:.precision$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}{kind}{sign}{digits:0>2}")
}

fn general(x: f64, precision: usize) -> String {
    let precision = precision.max(1);
    let magnitude = if x == 0.0 { 0.0 } else { x.abs().log10().floor() };
    #[expect(clippy::cast_precision_loss, reason = "precisions are small")]
    let limit = precision as f64;
    if !(-4.0..limit).contains(&magnitude) {
        let text = exponent(x, precision - 1, 'e');
        let Some((mantissa, exponent)) = text.split_once('e') else { return text };
        return format!("{}e{exponent}", trimmed(mantissa));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the precision"
    )]
    let decimals = (limit - 1.0 - magnitude).max(0.0) as usize;
    trimmed(&format!("{x:.decimals$}")).to_owned()
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn number(text: &str) -> (Option<usize>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (text[..digits].parse().ok(), &text[digits..])
}

/// The escapes of C that shells leave to the program.
pub fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some('"') => out.push('"'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use classad::ClassAd;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::render::values::view::Moment;

    #[test]
    fn formats_show_what_printf_shows() {
        let ad = ClassAd::parse_old(
            "N = 42\nX = 2.5\nBig = 1e20\nS = \"abc\"\nB = true\nT = 93784\nE = N + 1\n",
        )
        .unwrap();
        let moment = Moment::new(0, TimeZone::UTC);
        for (format, attr, expected) in [
            ("%d\\n", "N", "42\n"),
            ("[%5d]", "N", "[   42]"),
            ("[%-5d]", "N", "[42   ]"),
            ("[%05d]", "N", "[00042]"),
            ("%+d", "N", "+42"),
            ("%x", "N", "2a"),
            ("%d", "X", "2"),
            ("%d", "B", "1"),
            ("%.2f", "X", "2.50"),
            ("%.1f", "N", "42.0"),
            ("%e", "X", "2.500000e+00"),
            ("%g", "X", "2.5"),
            ("%g", "Big", "1e+20"),
            ("%s", "S", "abc"),
            ("[%5.2s]", "S", "[   ab]"),
            ("%s", "N", "42"),
            ("%V", "S", "\"abc\""),
            ("%v", "NoSuch", "undefined"),
            ("x%sy", "NoSuch", ""),
            ("%s", "B", "true"),
            ("%s", "E", "N + 1"),
            ("%s", "N + 1", ""),
            ("%s", "strcat(S,\"d\")", "abcd"),
            ("%r", "N+1", "N + 1"),
            ("%r", "MY.N", "undefined"),
            ("%T", "S", ""),
            ("%u", "-1", "4294967295"),
            ("%lu", "-1", "18446744073709551615"),
            ("%#x", "N", "0x2a"),
            ("% d", "N", " 42"),
            ("%c", "N", "*"),
            ("%%", "N", "%%"),
            ("%5%d", "N", "%5%d"),
            ("%F", "X", "2.500000"),
            ("x%dy", "S", ""),
            ("%r", "E", "N + 1"),
            ("%v", "E", "43"),
            ("%T", "T", "  1+02:03:04"),
            ("%Y", "T", " 1/2  02:03"),
            ("%Y", "-T", "    ???    "),
            ("100%% %d%%", "N", "100% 42%"),
            ("no conversion", "N", "no conversion"),
            ("%q", "N", "%q"),
        ] {
            let format_read = Format::parse(format);
            let (view, expr) = (View::new(&ad, &moment), attr.parse().unwrap());
            let shown = format_read.apply(&view.eval(&expr), &expr, attr, view);
            let shown = shown.unwrap_or_default();
            assert_eq!(shown, expected, "{format} of {attr}");
        }
    }
}
