//! C's `strftime` in the C locale, on calendar parts that need not be a real date.

use crate::eval::functions::times::Broken;
use crate::time_text::days_from_civil;

/// The longest result; the reference has a buffer of this size.
const MAX_BYTES: usize = 1023;

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The moment in the given format; `None` if the result is too long.
pub(super) fn format(time: &Broken, format: &str) -> Option<String> {
    let mut output = String::new();
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        output.push_str(&rest[..percent]);
        let directive = &rest[percent..];
        let (text, length) = conversion(time, directive);
        output.push_str(&text);
        rest = &directive[length..];
        if output.len() > MAX_BYTES {
            return None;
        }
    }
    output.push_str(rest);
    if output.len() > MAX_BYTES { None } else { Some(output) }
}

/// How a conversion is to be padded and spelled.
#[derive(Default)]
struct Flags {
    pad: Option<char>,
    upper: bool,
    swap_case: bool,
    width: usize,
}

/// The text of the conversion at the beginning of `directive`, and how many bytes it takes there.
/// What is not a conversion stands for itself.
fn conversion(time: &Broken, directive: &str) -> (String, usize) {
    let mut flags = Flags::default();
    let mut length = 1;
    let bytes = directive.as_bytes();
    while let Some(flag @ (b'_' | b'-' | b'0' | b'^' | b'#')) = bytes.get(length) {
        match flag {
            b'^' => flags.upper = true,
            b'#' => flags.swap_case = true,
            pad => flags.pad = Some(char::from(*pad)),
        }
        length += 1;
    }
    while let Some(digit @ b'0'..=b'9') = bytes.get(length) {
        flags.width = (flags.width * 10 + usize::from(digit - b'0')).min(MAX_BYTES);
        length += 1;
    }
    if let Some(b'E' | b'O') = bytes.get(length) {
        length += 1;
    }
    let Some(letter) = directive[length..].chars().next() else {
        return (directive.to_owned(), directive.len());
    };
    length += letter.len_utf8();
    match value(time, letter) {
        Some(Part::Number(number, width, pad)) => (padded(number, width, pad, &flags), length),
        Some(Part::Text(text)) => (spelled(&text, letter, &flags), length),
        None => (directive[..length].to_owned(), length),
    }
}

enum Part {
    /// A number, its usual width and its usual padding.
    Number(i64, usize, char),
    Text(String),
}

fn padded(number: i64, width: usize, pad: char, flags: &Flags) -> String {
    let pad = match flags.pad {
        Some('-') => return number.to_string(),
        Some('_') => ' ',
        Some('0') => '0',
        Some(_) | None => pad,
    };
    let digits = number.unsigned_abs().to_string();
    let sign = if number < 0 { "-" } else { "" };
    let missing = width.max(flags.width).saturating_sub(digits.len() + sign.len());
    let padding: String = std::iter::repeat_n(pad, missing).collect();
    if pad == ' ' { format!("{padding}{sign}{digits}") } else { format!("{sign}{padding}{digits}") }
}

fn spelled(text: &str, letter: char, flags: &Flags) -> String {
    let text = if flags.swap_case && matches!(letter, 'Z' | 'p') {
        text.to_ascii_lowercase()
    } else if flags.upper || flags.swap_case {
        text.to_ascii_uppercase()
    } else {
        text.to_owned()
    };
    let pad = if flags.pad == Some('0') { '0' } else { ' ' };
    let missing = flags.width.saturating_sub(text.len());
    std::iter::repeat_n(pad, missing).collect::<String>() + &text
}

fn value(time: &Broken, letter: char) -> Option<Part> {
    let twelve = (time.hour + 11).rem_euclid(12) + 1;
    let weekday = time.day_of_week();
    let yearday = time.day_of_year();
    let composed = |format: &str| self::format(time, format).map(Part::Text);
    let named = |names: &[&str], index: i64| {
        let index = usize::try_from(index).ok()?;
        Some(names.get(index).copied().unwrap_or("?").to_owned())
    };
    let short = |name: String| Part::Text(name.chars().take(3).collect());
    Some(match letter {
        'a' => short(named(&DAYS, weekday)?),
        'A' => Part::Text(named(&DAYS, weekday)?),
        'b' | 'h' => short(named(&MONTHS, time.month - 1)?),
        'B' => Part::Text(named(&MONTHS, time.month - 1)?),
        'c' => return composed("%a %b %e %H:%M:%S %Y"),
        'C' => Part::Number(time.year.div_euclid(100), 2, '0'),
        'd' => Part::Number(time.day, 2, '0'),
        'D' | 'x' => return composed("%m/%d/%y"),
        'e' => Part::Number(time.day, 2, ' '),
        'F' => return composed("%Y-%m-%d"),
        'g' => Part::Number(iso_week(time).0.rem_euclid(100), 2, '0'),
        'G' => Part::Number(iso_week(time).0, 1, '0'),
        'H' => Part::Number(time.hour, 2, '0'),
        'I' => Part::Number(twelve, 2, '0'),
        'j' => Part::Number(yearday + i64::from(time.day > 0), 3, '0'),
        'k' => Part::Number(time.hour, 2, ' '),
        'l' => Part::Number(twelve, 2, ' '),
        'm' => Part::Number(time.month, 2, '0'),
        'M' => Part::Number(time.minute, 2, '0'),
        'n' => Part::Text("\n".to_owned()),
        'p' => Part::Text(if time.hour >= 12 { "PM" } else { "AM" }.to_owned()),
        'P' => Part::Text(if time.hour >= 12 { "pm" } else { "am" }.to_owned()),
        'r' => return composed("%I:%M:%S %p"),
        'R' => return composed("%H:%M"),
        's' => Part::Number(seconds_since_1970(time), 1, '0'),
        'S' => Part::Number(time.second, 2, '0'),
        't' => Part::Text("\t".to_owned()),
        'T' | 'X' => return composed("%H:%M:%S"),
        'u' => Part::Number((weekday + 6) % 7 + 1, 1, '0'),
        'U' => Part::Number((yearday + 7 - weekday) / 7, 2, '0'),
        'V' => Part::Number(iso_week(time).1, 2, '0'),
        'w' => Part::Number(weekday, 1, '0'),
        'W' => Part::Number((yearday + 7 - (weekday + 6) % 7) / 7, 2, '0'),
        'y' => Part::Number(time.year.rem_euclid(100), 2, '0'),
        'Y' => Part::Number(time.year, 1, '0'),
        // The parts carry no zone: the reference prints UTC here, whatever the offset was.
        'z' => Part::Text("+0000".to_owned()),
        'Z' => Part::Text("UTC".to_owned()),
        '%' => Part::Text("%".to_owned()),
        _ => return None,
    })
}

fn seconds_since_1970(time: &Broken) -> i64 {
    let days = days_from_civil(time.year, time.month.clamp(1, 12), time.day);
    days * 86_400 + time.hour * 3600 + time.minute * 60 + time.second
}

/// The year and week of ISO 8601: week 1 holds the year's first Thursday.
fn iso_week(time: &Broken) -> (i64, i64) {
    let day = days_from_civil(time.year, time.month.clamp(1, 12), time.day);
    let thursday = day - (time.day_of_week() + 6) % 7 + 3;
    let (year, _, _) = crate::time_text::civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}
