//! `INTERVAL` literals: `INTERVAL '1' DAY`, `INTERVAL 3 months 2 days`, `INTERVAL '1-2' YEAR TO
//! MONTH`.

use crate::error::{self, Parsed};
use crate::literal::fraction_micros;
use crate::parser::Cursor;
use plan::Literal;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Whether the next word, `INTERVAL`, starts a literal and is not a name.
pub(crate) fn begins(parser: &Parser<'_>) -> bool {
    match &parser.at(1).token {
        Token::Number(..) | Token::SingleQuotedString(_) => true,
        Token::Minus | Token::Plus => {
            matches!(parser.at(2).token, Token::Number(..) | Token::SingleQuotedString(_))
                && unit_of(&parser.at(3).token).is_some()
        }
        _ => false,
    }
}

/// Parses a literal, starting at the word `INTERVAL`.
pub(crate) fn literal(parser: &mut Parser<'_>) -> Parsed<Literal> {
    parser.need(&["INTERVAL"])?;
    if let Token::SingleQuotedString(text) = &parser.at(0).token
        && unit_of(&parser.at(1).token).is_none()
    {
        let text = text.clone();
        parser.advance_token();
        return from_text(&text);
    }
    let mut total = Total::default();
    while let Some((negative, text)) = value(parser) {
        let Some(unit) = unit_of(&parser.at(0).token) else { return Err(parser.wrong()) };
        parser.advance_token();
        if total.is_empty() && parser.take(&["TO"]) {
            let Some(last) = unit_of(&parser.at(0).token) else { return Err(parser.wrong()) };
            parser.advance_token();
            return range(&text, negative, unit, last);
        }
        let signed = if negative { negated(&text) } else { text.clone() };
        total
            .add(&signed, unit)
            .ok_or_else(|| error::bad_interval(&text, "The number is not valid."))?;
    }
    if total.is_empty() {
        return Err(parser.wrong());
    }
    Ok(total.literal())
}

/// The next number or string with its sign, if a value comes next.
fn value(parser: &mut Parser<'_>) -> Option<(bool, String)> {
    let signed = matches!(parser.at(0).token, Token::Minus | Token::Plus);
    let negative = parser.at(0).token == Token::Minus;
    let text = match &parser.at(usize::from(signed)).token {
        Token::Number(text, _) | Token::SingleQuotedString(text) => text.trim().to_owned(),
        _ => return None,
    };
    // In `INTERVAL 1 DAY + 2` the rest is arithmetic.
    unit_of(&parser.at(usize::from(signed) + 1).token)?;
    (0..=usize::from(signed)).for_each(|_| parser.advance_token());
    Some((negative, text))
}

/// A number with its sign inverted.
fn negated(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(rest) => rest.to_owned(),
        None => format!("-{}", text.strip_prefix('+').unwrap_or(text)),
    }
}

/// A unit, in singular or plural.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

fn unit_of(token: &Token) -> Option<Unit> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => unit_named(&word.value),
        _ => None,
    }
}

fn unit_named(name: &str) -> Option<Unit> {
    let name = name.to_lowercase();
    Some(match name.strip_suffix('s').unwrap_or(&name) {
        "year" => Unit::Year,
        "month" => Unit::Month,
        "week" => Unit::Week,
        "day" => Unit::Day,
        "hour" => Unit::Hour,
        "minute" => Unit::Minute,
        "second" => Unit::Second,
        "millisecond" => Unit::Millisecond,
        "microsecond" => Unit::Microsecond,
        _ => return None,
    })
}

/// The sum of an interval's parts.
#[derive(Default)]
struct Total {
    months: i32,
    days: i32,
    micros: i64,
    has_months: bool,
    has_time: bool,
}

impl Total {
    fn is_empty(&self) -> bool {
        !self.has_months && !self.has_time
    }

    fn add(&mut self, text: &str, unit: Unit) -> Option<()> {
        if unit == Unit::Second {
            self.micros = self.micros.checked_add(seconds(text)?)?;
            self.has_time = true;
            return Some(());
        }
        let number: i64 = text.parse().ok()?;
        let small = || i32::try_from(number).ok();
        match unit {
            Unit::Year => self.months = self.months.checked_add(small()?.checked_mul(12)?)?,
            Unit::Month => self.months = self.months.checked_add(small()?)?,
            Unit::Week => self.days = self.days.checked_add(small()?.checked_mul(7)?)?,
            Unit::Day => self.days = self.days.checked_add(small()?)?,
            Unit::Hour => self.micros = self.micros.checked_add(number.checked_mul(HOUR)?)?,
            Unit::Minute => self.micros = self.micros.checked_add(number.checked_mul(MINUTE)?)?,
            Unit::Second | Unit::Microsecond => self.micros = self.micros.checked_add(number)?,
            Unit::Millisecond => {
                self.micros = self.micros.checked_add(number.checked_mul(1_000)?)?;
            }
        }
        match unit {
            Unit::Year | Unit::Month => self.has_months = true,
            _ => self.has_time = true,
        }
        Some(())
    }

    fn literal(self) -> Literal {
        let Self { months, days, micros, has_months, has_time } = self;
        if has_months && has_time {
            return Literal::CalendarInterval { months, days, microseconds: micros };
        }
        if has_months {
            return Literal::YearMonthInterval(months);
        }
        // Days in microseconds do not overflow, nor does the sum unless both are near the limit.
        Literal::DayTimeInterval(i64::from(days).saturating_mul(DAY).saturating_add(micros))
    }
}

/// Microseconds of seconds with a fraction.
fn seconds(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(SECOND)?.checked_add(fraction_micros(fraction)?)?.checked_mul(sign)
}

/// `INTERVAL '3 months -2 days'`.
fn from_text(text: &str) -> Parsed<Literal> {
    let bad = |why: &str| error::bad_interval(text, why);
    let lower = text.trim().to_lowercase();
    let rest = lower.strip_prefix("interval").unwrap_or(&lower);
    let mut words = rest.split_whitespace();
    let mut total = Total::default();
    while let Some(number) = words.next() {
        let sign_alone = matches!(number, "-" | "+");
        let next = if sign_alone { words.next().unwrap_or("") } else { "" };
        let number = match number {
            "-" => negated(next),
            "+" => next.to_owned(),
            number => number.to_owned(),
        };
        let unit = words
            .next()
            .and_then(unit_named)
            .ok_or_else(|| bad("A unit is missing or unknown."))?;
        total.add(&number, unit).ok_or_else(|| bad("A number is not valid."))?;
    }
    if total.is_empty() {
        return Err(bad("It is empty."));
    }
    Ok(total.literal())
}

/// `INTERVAL '1-2' YEAR TO MONTH`, `INTERVAL '1 02:03:04.5' DAY TO SECOND` and everything in
/// between.
fn range(text: &str, negative: bool, first: Unit, last: Unit) -> Parsed<Literal> {
    let bad = || error::bad_interval(text, "It does not have the form that its units ask for.");
    let (sign, body) = match text.strip_prefix('-') {
        Some(rest) => (!negative, rest),
        None => (negative, text.strip_prefix('+').unwrap_or(text)),
    };
    let units: &[Unit] = match (first, last) {
        (Unit::Year, Unit::Month) => &[Unit::Year, Unit::Month],
        (Unit::Day, Unit::Hour) => &[Unit::Day, Unit::Hour],
        (Unit::Day, Unit::Minute) => &[Unit::Day, Unit::Hour, Unit::Minute],
        (Unit::Day, Unit::Second) => &[Unit::Day, Unit::Hour, Unit::Minute, Unit::Second],
        (Unit::Hour, Unit::Minute) => &[Unit::Hour, Unit::Minute],
        (Unit::Hour, Unit::Second) => &[Unit::Hour, Unit::Minute, Unit::Second],
        (Unit::Minute, Unit::Second) => &[Unit::Minute, Unit::Second],
        _ => return Err(bad()),
    };
    let separators: &[char] = if first == Unit::Year { &['-'] } else { &[' ', ':'] };
    let parts: Vec<&str> = body.split(separators).filter(|p| !p.is_empty()).collect();
    if parts.len() != units.len()
        || parts.iter().any(|p| !p.starts_with(|c: char| c.is_ascii_digit()))
    {
        return Err(bad());
    }
    let mut total = Total::default();
    for (part, unit) in parts.into_iter().zip(units) {
        let signed = if sign { negated(part) } else { part.to_owned() };
        total.add(&signed, *unit).ok_or_else(bad)?;
    }
    Ok(total.literal())
}
