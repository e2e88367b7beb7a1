//! Numbers as text, as casts read and write them.

use std::fmt::Write;

/// Spaces and control characters, which Spark ignores around a number.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ' || c == '\u{7f}')
}

/// A double as Java reads it, also by name.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = trimmed(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    match unsigned.to_ascii_lowercase().as_str() {
        "infinity" | "inf" => {
            return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        "nan" if unsigned == text => return Some(f64::NAN),
        _ => {}
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // Rust reads names of values that are no numbers to Java.
    number
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
        .then(|| number.parse().ok())?
}

/// A decimal number in text, as unscaled value and scale; exponents are allowed.
pub fn parse_decimal(text: &str) -> Option<(i128, i32)> {
    let text = trimmed(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.len() + fraction.len() == 0 || exponent.abs() > 10_000 {
        return None;
    }
    let mut value: i128 = 0;
    let mut dropped = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 10)?;
        match value.checked_mul(10).and_then(|v| v.checked_add(digit.into())) {
            Some(next) if dropped == 0 => value = next,
            // More digits than any decimal holds: the rest only counts for the size.
            _ => dropped += 1,
        }
    }
    let scale = i32::try_from(fraction.len()).ok()? - exponent - dropped;
    Some((if mantissa.starts_with('-') { -value } else { value }, scale))
}

/// Brings an unscaled value to another scale, rounding half up; nothing if it needs more digits
/// than `precision`.
pub fn rescale(value: i128, scale: i32, (precision, target): (u8, i8)) -> Option<i128> {
    let shift = i32::from(target) - scale;
    let value = if value == 0 {
        0
    } else if shift >= 0 {
        value.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)?
    } else {
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            None => 0,
            Some(divisor) => {
                let (whole, rest) = (value / divisor, value % divisor);
                let up = rest.unsigned_abs() * 2 >= divisor.unsigned_abs();
                whole + if up { value.signum() } else { 0 }
            }
        }
    };
    (value.unsigned_abs() < 10_u128.pow(precision.min(38).into())).then_some(value)
}

/// A decimal number of a precision and scale out of text, rounded half up; nothing if it has too
/// many digits. Unlike casts, text formats do not allow blanks around it.
pub fn decimal_of_text(text: &str, (precision, scale): (u8, i8)) -> Option<i128> {
    if trimmed(text).len() != text.len() {
        return None;
    }
    let (value, found) = parse_decimal(text)?;
    rescale(value, found, (precision, scale))
}

/// A decimal without exponent.
pub fn write_decimal(unscaled: i128, scale: i8, out: &mut String) {
    if unscaled < 0 {
        out.push('-');
    }
    let start = out.len();
    let Ok(scale) = usize::try_from(scale) else {
        let _ = write!(out, "{}", unscaled.unsigned_abs());
        out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        return;
    };
    let _ = write!(out, "{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    if scale > 0 {
        let point = (out.len() - scale).max(start);
        out.insert(point, '.');
    }
}

/// A decimal as Java's `BigDecimal` writes itself: with an exponent if more than five zeros would
/// follow the point.
pub(super) fn write_java_decimal(unscaled: i128, scale: i8, out: &mut String) {
    let digits = i32::try_from(unscaled.unsigned_abs().max(1).ilog10()).unwrap_or_default();
    let exponent = digits - i32::from(scale);
    if scale <= 0 || exponent >= -6 {
        return write_decimal(unscaled, scale, out);
    }
    let start = out.len() + usize::from(unscaled < 0);
    let _ = write!(out, "{unscaled}");
    if digits > 0 {
        out.insert(start + 1, '.');
    }
    let _ = write!(out, "E{exponent}");
}

/// A double as Java writes it: `1.0`, `1.0E10`, `NaN`, `Infinity`.
pub fn java_double(value: f64) -> String {
    let mut out = String::new();
    write_double(value, &mut out);
    out
}

/// Writes a double as Java does.
pub fn write_double(value: f64, out: &mut String) {
    let mut shortest = Digits::default();
    let _ = write!(shortest, "{value:e}");
    write_java(shortest.text(), value, out);
}

/// Writes a float as Java does.
pub fn write_float(value: f32, out: &mut String) {
    let mut shortest = Digits::default();
    let _ = write!(shortest, "{value:e}");
    write_java(shortest.text(), value.into(), out);
}

/// A short text without allocation: a sign, 17 digits, a point and an exponent.
#[derive(Default)]
struct Digits {
    bytes: [u8; 32],
    length: usize,
}

impl Digits {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl Write for Digits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// `shortest` is the shortest text that reads back as the value, with exponent: `1.25e-3`.
fn write_java(shortest: &str, value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    if value.is_infinite() {
        out.push_str("Infinity");
        return;
    }
    let (mantissa, exponent) =
        shortest.trim_start_matches('-').split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = |count: usize| std::iter::repeat_n('0', count);
    match usize::try_from(exponent) {
        Ok(whole @ 0..=6) => {
            out.push_str(first);
            let (before, behind) = rest.split_at(whole.min(rest.len()));
            out.push_str(before);
            out.extend(zeros(whole - before.len()));
            out.push('.');
            out.push_str(if behind.is_empty() { "0" } else { behind });
        }
        Err(_) if exponent >= -3 => {
            out.push_str("0.");
            out.extend(zeros(exponent.unsigned_abs() as usize - 1));
            out.push_str(first);
            out.push_str(rest);
        }
        _ => {
            let rest = if rest.is_empty() { "0" } else { rest };
            let _ = write!(out, "{first}.{rest}E{exponent}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_and_limited() {
        assert_eq!(decimal_of_text("1.255", (10, 2)), Some(126));
        assert_eq!(decimal_of_text("1e3", (10, 2)), Some(100_000));
        assert_eq!(decimal_of_text("12345", (4, 0)), None);
        assert_eq!(decimal_of_text("x", (4, 0)), None);
        assert_eq!(decimal_of_text(" 1", (4, 0)), None);
    }

    #[test]
    fn numbers_are_written_as_java_writes_them() {
        let doubles = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.5, "100.5"),
            (1_234_567.0, "1234567.0"),
            (12_345_678.0, "1.2345678E7"),
            (1e10, "1.0E10"),
            (0.001, "0.001"),
            (0.0125, "0.0125"),
            (0.0001, "1.0E-4"),
            (-2.5e-300, "-2.5E-300"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in doubles {
            assert_eq!(java_double(value), expected);
        }
        let mut out = String::new();
        write_float(1.1, &mut out);
        for (unscaled, scale) in [(-5, 2), (0, 3), (1234, 2), (7, 0), (7, -2)] {
            out.push(' ');
            write_decimal(unscaled, scale, &mut out);
        }
        assert_eq!(out, "1.1 -0.05 0.000 12.34 7 700");
        out.clear();
        for (unscaled, scale) in [(1, 7), (0, 8), (-1200, 10), (1, 6), (125, 1), (7, 0)] {
            out.push(' ');
            write_java_decimal(unscaled, scale, &mut out);
        }
        assert_eq!(out, " 1E-7 0E-8 -1.200E-7 0.000001 12.5 7");
    }
}
