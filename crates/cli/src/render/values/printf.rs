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
    left: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
    kind: char,
}

impl Format {
    /// Reads a format; `\n` and the like are understood. What is no conversion is text.
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
            if let Some((conversion, tail)) = Conversion::parse(rest) {
                return Self {
                    before,
                    conversion: Some(conversion),
                    after: tail.replace("%%", "%"),
                };
            }
            before.push('%');
        }
        Self { before: before + rest, conversion: None, after: String::new() }
    }

    /// The value of `expr` for an ad. A value that the conversion cannot show gives nothing at all,
    /// text included (HTCondor 25.14).
    pub fn apply(&self, expr: &Expr, view: View<'_>) -> String {
        let Some(conversion) = &self.conversion else {
            return format!("{}{}", self.before, self.after);
        };
        match conversion.show(expr, view) {
            Some(shown) => format!("{}{shown}{}", self.before, self.after),
            None => String::new(),
        }
    }
}

/// A value without a format: strings as they are, the rest as ClassAd text.
pub fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

/// A length of time (`%T`): `D+HH:MM:SS`.
pub fn elapsed(value: &Value) -> String {
    value.as_i64().map_or_else(|| plain(value), time::length)
}

/// A moment (`%Y`): `11/22 16:06`.
pub fn moment(value: &Value, view: View<'_>) -> String {
    value.as_i64().map_or_else(|| plain(value), |s| time::date(s, &view.moment.zone))
}

impl Conversion {
    /// From what follows the `%`; also what follows the conversion.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let flags: String = text.chars().take_while(|c| "-+ 0#".contains(*c)).collect();
        let text = &text[flags.len()..];
        let (width, text) = number(text);
        let (precision, text) = match text.strip_prefix('.') {
            Some(text) => {
                let (precision, text) = number(text);
                (Some(precision.unwrap_or(0)), text)
            }
            None => (None, text),
        };
        let text = text.trim_start_matches(['l', 'h', 'q', 'j', 'z']);
        let kind = text.chars().next().filter(|c| "diuxXofeEgGsvVrTYc".contains(*c))?;
        let (left, zero, plus) = (flags.contains('-'), flags.contains('0'), flags.contains('+'));
        let width = width.unwrap_or(0).min(MAX_WIDTH);
        Some((Self { left, zero, plus, width, precision, kind }, &text[kind.len_utf8()..]))
    }

    fn show(&self, expr: &Expr, view: View<'_>) -> Option<String> {
        let value = view.eval(expr);
        let text = match self.kind {
            'd' | 'i' | 'u' => self.sign(whole(&value)?),
            'x' => format!("{:x}", whole(&value)?),
            'X' => format!("{:X}", whole(&value)?),
            'o' => format!("{:o}", whole(&value)?),
            'c' => char::from_u32(u32::try_from(value.as_i64()?).ok()?)?.to_string(),
            'f' => format!("{:.*}", self.precision.unwrap_or(6), number_of(&value)?),
            'e' | 'E' => exponent(number_of(&value)?, self.precision.unwrap_or(6), self.kind),
            'g' | 'G' => general(number_of(&value)?, self.precision.unwrap_or(6)),
            'r' => view.ad.get(&expr.to_string()).unwrap_or(expr).to_string(),
            'V' => value.to_string(),
            'T' => elapsed(&value),
            'Y' => moment(&value, view),
            's' if value.is_undefined() || value.is_error() => return None,
            _ => plain(&value),
        };
        let text = match (self.kind, self.precision) {
            ('s' | 'v' | 'V' | 'r', Some(most)) => text.chars().take(most).collect(),
            _ => text,
        };
        Some(self.pad(&text))
    }

    fn sign(&self, n: i64) -> String {
        if self.plus { format!("{n:+}") } else { n.to_string() }
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width;
        if self.left {
            return format!("{text:<width$}");
        }
        if !self.zero || "svVrTYc".contains(self.kind) {
            return format!("{text:>width$}");
        }
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        format!("{sign}{digits:0>w$}", w = width.saturating_sub(sign.len()))
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
fn unescape(text: &str) -> String {
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
            ("x%dy", "S", ""),
            ("%r", "E", "N + 1"),
            ("%v", "E", "43"),
            ("%T", "T", "1+02:03:04"),
            ("%Y", "T", " 1/2  02:03"),
            ("100%% %d%%", "N", "100% 42%"),
            ("no conversion", "N", "no conversion"),
            ("%q", "N", "%q"),
        ] {
            let shown =
                Format::parse(format).apply(&attr.parse().unwrap(), View::new(&ad, &moment));
            assert_eq!(shown, expected, "{format} of {attr}");
        }
    }
}
