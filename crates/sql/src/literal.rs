//! Constants: numbers with suffixes, and typed literals such as `DATE '2024-01-31'`.

use crate::error::{self, Parsed};
use plan::Literal;

/// The largest precision of a decimal.
const DECIMAL_DIGITS: usize = 38;

/// A number as written, with its suffix in upper case; a minus sign is part of it.
pub(crate) fn number(text: &str) -> Parsed<Literal> {
    let out_of_range = |name: &str| error::number_out_of_range(text, name);
    let suffixes: [(&str, &str); 6] = [
        ("BD", "decimal"),
        ("L", "bigint"),
        ("S", "smallint"),
        ("Y", "tinyint"),
        ("F", "float"),
        ("D", "double"),
    ];
    let suffix = suffixes.into_iter().find_map(|(s, name)| Some((text.strip_suffix(s)?, s, name)));
    let Some((digits, suffix, name)) = suffix else { return plain_number(text) };
    let value = match suffix {
        "BD" => return decimal(digits).ok_or_else(|| out_of_range(name)),
        "L" => digits.parse().ok().map(Literal::Long),
        "S" => digits.parse().ok().map(Literal::Short),
        "Y" => digits.parse().ok().map(Literal::Byte),
        "F" => digits.parse().ok().filter(|f: &f32| f.is_finite()).map(Literal::Float),
        _ => digits.parse().ok().filter(|f: &f64| f.is_finite()).map(Literal::Double),
    };
    value.ok_or_else(|| out_of_range(name))
}

fn plain_number(text: &str) -> Parsed<Literal> {
    let value = if text.contains(['e', 'E']) {
        text.parse().ok().filter(|f: &f64| f.is_finite()).map(Literal::Double)
    } else if text.contains('.') {
        decimal(text)
    } else {
        let int = text.parse().ok().map(Literal::Integer);
        int.or_else(|| text.parse().ok().map(Literal::Long)).or_else(|| decimal(text))
    };
    value.ok_or_else(|| error::number_out_of_range(text, "decimal"))
}

/// A decimal with as many digits as are written; `1e3` moves the point.
fn decimal(text: &str) -> Option<Literal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    // Spark has no negative scales: `1e3BD` is 1000.
    if (-38..0).contains(&scale) {
        digits.push_str(&"0".repeat(usize::try_from(-scale).ok()?));
        scale = 0;
    }
    let unscaled: i128 = digits.parse().ok()?;
    let significant = unscaled.unsigned_abs().to_string().len();
    let precision = significant.max(usize::try_from(scale).ok()?).max(1);
    if precision > DECIMAL_DIGITS {
        return None;
    }
    Some(Literal::Decimal {
        unscaled,
        precision: u8::try_from(precision).ok()?,
        scale: i8::try_from(scale).ok()?,
    })
}

/// Bytes written as hexadecimal digits; an odd number of digits is padded with a zero in front.
pub(crate) fn binary(hex: &str) -> Parsed<Literal> {
    let bad = || error::bad_literal("X", hex);
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let mut digits = digits.ok_or_else(bad)?;
    if digits.len() % 2 == 1 {
        digits.insert(0, 0);
    }
    Ok(Literal::Binary(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
}

/// `DATE '…'` and its relatives; the name is in upper case.
pub(crate) fn typed(name: &str, text: &str) -> Parsed<Literal> {
    let trimmed = text.trim();
    let value = match name {
        "DATE" => date(trimmed).map(Literal::Date),
        "TIME" => time(trimmed).and_then(|micros| Some(Literal::Time(micros.checked_mul(1_000)?))),
        "TIMESTAMP_NTZ" => timestamp(trimmed).map(Literal::TimestampNtz),
        // The zone is the session's, which only the engine knows.
        _ => timestamp_shape(trimmed).then(|| Literal::TimestampText(text.to_owned())),
    };
    value.ok_or_else(|| error::bad_literal(name, text))
}

/// Days since 1970-01-01 of `[+-]y…y[-m[m][-d[d]]]`.
fn date(text: &str) -> Option<i32> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?, 4, 7)? * sign;
    let month = parts.next().map_or(Some(1), |m| digits(m, 1, 2))?;
    let day = parts.next().map_or(Some(1), |d| digits(d, 1, 2))?;
    if !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
}

fn month_days(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years start in March, so that the
/// leap day is last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Microseconds since 1970-01-01 00:00, without a zone.
fn timestamp(text: &str) -> Option<i64> {
    let (day, clock) = match text.split_once(['T', ' ']) {
        Some((day, clock)) => (day, time(clock)?),
        None => (text, 0),
    };
    i64::from(date(day)?).checked_mul(86_400_000_000)?.checked_add(clock)
}

/// Whether a text starts like a timestamp: with a date, a time, or a word such as `now`.
fn timestamp_shape(text: &str) -> bool {
    let day = text.split(['T', ' ']).next().unwrap_or("");
    let special = ["now", "today", "tomorrow", "yesterday", "epoch"];
    date(day).is_some()
        || special.iter().any(|s| day.eq_ignore_ascii_case(s))
        || text
            .split_once(':')
            .is_some_and(|(hour, _)| digits(hour.trim_start_matches('T'), 1, 2).is_some())
}

/// Microseconds since midnight of `h[h]:m[m][:s[s][.f…]]`.
fn time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hour = digits(parts.next()?, 1, 2)?;
    let minute = digits(parts.next()?, 1, 2)?;
    let (second, fraction) =
        parts.next().map_or(("0", ""), |s| s.split_once('.').unwrap_or((s, "")));
    let second = digits(second, 1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction_micros(fraction)?)
}

/// Microseconds of the digits after the decimal point of seconds; finer digits are dropped.
pub(crate) fn fraction_micros(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let six: String = digits.chars().chain("000000".chars()).take(6).collect();
    six.parse().ok()
}

/// A number with this many digits.
fn digits(text: &str, least: usize, most: usize) -> Option<i64> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}
