//! Real numbers in the formats of C's `printf`, which the reference prints with and Rust does not
//! have.

/// `%1.{digits}E`: `1.500000000000000E+00`.
pub(crate) fn c_exponent(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$E}");
    let Some((mantissa, exponent)) = text.split_once('E') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{mantissa}E{sign}{exponent:0>2}")
}

/// `%.{precision}G`: the shorter of decimal and exponent notation, without trailing zeros.
pub(crate) fn c_general(value: f64, precision: usize) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    if value.is_nan() {
        return "NAN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF".to_owned() } else { "-INF".to_owned() };
    }
    let scientific = c_exponent(value, precision - 1);
    let Some((mantissa, exponent)) = scientific.split_once('E') else { return scientific };
    let Ok(exponent_value) = exponent.parse::<i32>() else { return scientific };
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent_value < -4 || exponent_value >= limit {
        return format!("{}E{exponent}", without_trailing_zeros(mantissa));
    }
    let decimals = usize::try_from(limit - 1 - exponent_value).unwrap_or(0);
    without_trailing_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_print_as_c_prints_them() {
        let general = |value| c_general(value, 16);
        assert_eq!(c_exponent(1.5, 15), "1.500000000000000E+00");
        assert_eq!(c_exponent(-1.25e-7, 15), "-1.250000000000000E-07");
        assert_eq!(c_exponent(1e300, 15), "1.000000000000000E+300");
        assert_eq!(general(0.1), "0.1");
        assert_eq!(general(0.1 + 0.2), "0.3");
        assert_eq!(general(1e15), "1000000000000000");
        assert_eq!(general(1e16), "1E+16");
        assert_eq!(general(0.0001), "0.0001");
        assert_eq!(general(0.00001), "1E-05");
        assert_eq!(general(123_456_789.125), "123456789.125");
    }
}
