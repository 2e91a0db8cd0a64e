//! Constant ClassAd expressions, and `printf` formats for one number or text, as the macro
//! functions and a few keywords use them. Knows nothing of jobs.

use classad::{ClassAd, Env, Expr, Value};

/// The value of a text as a ClassAd expression that names nothing; `None` if it is no expression.
pub(crate) fn constant(text: &str) -> Option<Value> {
    constant_at(text, 0)
}

/// The same at a time, in seconds since the epoch.
pub(crate) fn constant_at(text: &str, now: i64) -> Option<Value> {
    let expr = Expr::parse(text).ok()?;
    Some(ClassAd::new().eval_expr(&expr, None, &Env::at(now)))
}

/// A constant integer: booleans count, reals are cut off. Digits alone are decimal whatever they
/// begin with, though an expression takes no `007` (HTCondor 25.14).
pub(crate) fn integer(text: &str) -> Option<i64> {
    integer_at(text, 0)
}

/// The same at a time.
pub(crate) fn integer_at(text: &str, now: i64) -> Option<i64> {
    if let Ok(number) = text.trim().parse() {
        return Some(number);
    }
    let value = constant_at(text, now)?;
    match value {
        Value::Real(real) => whole(real.trunc()),
        _ => value.as_i64().or_else(|| value.as_bool().map(i64::from)),
    }
}

/// The number that a text begins with, 0 where it begins with none: C's `atoi`.
pub(crate) fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    text[..text.len() - digits.len() + end].parse().unwrap_or(0)
}

/// A constant number.
pub(crate) fn real(text: &str) -> Option<f64> {
    let value = constant(text)?;
    value.as_f64().or_else(|| value.as_bool().map(|truth| f64::from(u8::from(truth))))
}

/// A constant truth value, as `submit` takes it: `true`, `1`, `1 < 2`.
pub(crate) fn truth(text: &str) -> Option<bool> {
    truth_at(text, 0)
}

/// The same at a time.
pub(crate) fn truth_at(text: &str, now: i64) -> Option<bool> {
    let value = constant_at(text, now)?;
    value.as_bool().or_else(|| value.as_f64().map(|number| number != 0.0))
}

/// A real without fraction as an integer, where it fits.
pub(crate) fn whole(real: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_774_784.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bound is checked in the same expression"
    )]
    let integer = (real.abs() <= LIMIT).then_some(real as i64);
    integer
}

/// A format with one conversion in it, such as `job-%05d.txt`.
pub(crate) struct Format<'f> {
    before: &'f str,
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// `d`, `x`, `f`, `s`, ...
    pub(crate) conversion: char,
    after: &'f str,
}

/// No field is padded further.
const MAX_WIDTH: usize = 4096;

impl<'f> Format<'f> {
    /// Takes a format apart; `None` if it has no conversion.
    pub(crate) fn parse(format: &'f str) -> Option<Self> {
        let (before, spec) = format.split_once('%')?;
        let flags = spec.len() - spec.trim_start_matches(['-', '+', ' ', '0', '#']).len();
        let (flags, rest) = spec.split_at(flags);
        let digits = |text: &'f str| {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text.split_at(end)
        };
        let (width, rest) = digits(rest);
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (precision, rest) = digits(rest);
                (Some(precision.parse().unwrap_or(0).min(MAX_WIDTH)), rest)
            }
            None => (None, rest),
        };
        let rest = rest.trim_start_matches(['l', 'h', 'z', 'j']);
        let conversion = rest.chars().next()?;
        Some(Self {
            before,
            left: flags.contains('-'),
            plus: flags.contains('+'),
            space: flags.contains(' '),
            zero: flags.contains('0'),
            width: width.parse().unwrap_or(0).min(MAX_WIDTH),
            precision,
            conversion,
            after: &rest[conversion.len_utf8()..],
        })
    }

    pub(crate) fn text(&self, text: &str) -> String {
        let cut: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
        self.padded("", &cut, false)
    }

    pub(crate) fn integer(&self, number: i64) -> String {
        let digits = match self.conversion {
            'x' => format!("{number:x}"),
            'X' => format!("{number:X}"),
            'o' => format!("{number:o}"),
            _ => number.unsigned_abs().to_string(),
        };
        let missing = self.precision.unwrap_or(1).saturating_sub(digits.len());
        let digits = "0".repeat(missing) + &digits;
        let signed = matches!(self.conversion, 'd' | 'i');
        self.padded(self.sign(signed && number < 0, signed), &digits, self.precision.is_none())
    }

    pub(crate) fn real(&self, number: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        let size = number.abs();
        let digits = match self.conversion {
            'e' | 'E' => exponent(size, precision),
            'f' | 'F' => format!("{size:.precision$}"),
            _ => general(size, precision.max(1)),
        };
        let digits =
            if self.conversion.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        self.padded(self.sign(number.is_sign_negative(), true), &digits, number.is_finite())
    }

    fn sign(&self, negative: bool, signed: bool) -> &'static str {
        match (negative, signed && self.plus, signed && self.space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        }
    }

    fn padded(&self, sign: &str, body: &str, zeros_allowed: bool) -> String {
        let missing = self.width.saturating_sub(sign.len() + body.chars().count());
        let field = if self.left {
            format!("{sign}{body}{}", " ".repeat(missing))
        } else if self.zero && zeros_allowed {
            format!("{sign}{}{body}", "0".repeat(missing))
        } else {
            format!("{}{sign}{body}", " ".repeat(missing))
        };
        format!("{}{field}{}", self.before, self.after)
    }
}

/// `%e`: at least two digits of exponent.
fn exponent(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g`: significant digits, trailing zeros dropped, exponent only for very large or small numbers.
fn general(size: f64, precision: usize) -> String {
    if size == 0.0 || !size.is_finite() {
        return format!("{size}");
    }
    let rounded = format!("{size:.*e}", precision - 1);
    let power: i64 = rounded.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let places = i64::try_from(precision).unwrap_or(i64::MAX);
    let trim = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if (-4..places).contains(&power) {
        let decimals = usize::try_from(places - 1 - power).unwrap_or(0);
        return trim(&format!("{size:.decimals$}"));
    }
    let text = exponent(size, precision - 1);
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trim(mantissa)),
        None => text,
    }
}
