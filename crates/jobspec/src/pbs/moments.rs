//! `-a [[[[CC]YY]MM]DD]hhmm[.SS]`: when a job may run, in the time zone of whoever says it. What is
//! not written is the next that fits.

/// A moment as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// With its century.
    pub year: Option<i16>,
    /// From 1.
    pub month: Option<i8>,
    /// From 1.
    pub day: Option<i8>,
    /// From 0.
    pub hour: i8,
    /// From 0.
    pub minute: i8,
    /// From 0.
    pub second: i8,
}

impl Moment {
    /// `None` if it is none.
    pub fn read(text: &str) -> Option<Self> {
        let (digits, second) = match text.split_once('.') {
            Some((digits, second)) if second.len() == 2 => (digits, two(second)?),
            Some(_) => return None,
            None => (text, 0),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // From the end: minutes, hours, and whatever else is there.
        let mut pairs = Vec::new();
        let mut rest = digits;
        while !rest.is_empty() {
            let (front, last) = rest.split_at_checked(rest.len().checked_sub(2)?)?;
            pairs.push(two(last)?);
            rest = front;
        }
        let (minute, hour) = (*pairs.first()?, *pairs.get(1)?);
        let year = match pairs.get(4..).unwrap_or_default() {
            [] => None,
            [year] if *year > 68 => Some(1900 + i16::from(*year)),
            [year] => Some(2000 + i16::from(*year)),
            [year, century] => Some(100 * i16::from(*century) + i16::from(*year)),
            _ => return None,
        };
        let moment = Self {
            year,
            month: pairs.get(3).copied(),
            day: pairs.get(2).copied(),
            hour,
            minute,
            second,
        };
        moment.is_possible().then_some(moment)
    }

    fn is_possible(self) -> bool {
        let within =
            |value: Option<i8>, most| value.is_none_or(|value| (1..=most).contains(&value));
        within(self.month, 12)
            && within(self.day, 31)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
    }
}

fn two(text: &str) -> Option<i8> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_hours_and_minutes_may_be_missing() {
        let moment = |year, month, day, hour, minute, second| {
            Some(Moment { year, month, day, hour, minute, second })
        };
        for (text, expected) in [
            ("2359", moment(None, None, None, 23, 59, 0)),
            ("152359", moment(None, None, Some(15), 23, 59, 0)),
            ("12312359", moment(None, Some(12), Some(31), 23, 59, 0)),
            ("2512312359", moment(Some(2025), Some(12), Some(31), 23, 59, 0)),
            ("203012312359.59", moment(Some(2030), Some(12), Some(31), 23, 59, 59)),
            ("9999", None),
            ("abc", None),
            ("1", None),
            ("", None),
            ("23590", None),
            ("2359.60", None),
        ] {
            assert_eq!(Moment::read(text), expected, "{text}");
        }
    }
}
