//! Rows out of JSON records.
//!
//! A value of another type than its column's makes the record one that is not well formed; what can
//! be read of it is kept. An array or a map with such a value is lost as a whole, a struct loses
//! only the field.

use super::normal::{named_number, write_json};
use super::tape::{Kind, Tape, Value};
use super::{Json, Syntax};
use crate::base64;
use crate::rows::{Rows, check_length};
use crate::text::{TimeText, decimal_of_text, parse_day_time, parse_year_month};
use crate::values::{Struct, Values};
use arrow::error::ArrowError;
use errors::{SparkError, condition};
use std::collections::HashMap;
use std::ops::Add;
use std::str::FromStr;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// A row, or an array of rows, as in files.
    Rows,
    /// A row, as in `from_json` of a struct.
    Row,
    /// The value of the only column, as in `from_json` of anything else.
    Value,
}

/// Reads records, one at a time.
#[derive(Debug)]
pub struct JsonReader {
    root: Root,
    /// By name, which of the wanted fields it is.
    names: HashMap<String, usize>,
    /// Where the wanted fields of the row at hand are.
    found: Vec<Option<usize>>,
    context: Context,
    syntax: Syntax,
    tape: Tape,
}

#[derive(Debug)]
struct Context {
    times: TimeText,
    /// Whether a date may be a number of days in quotes.
    counts_days: bool,
    /// Whether text may be the name of a number.
    named_numbers: bool,
    /// Whether what is not text is kept as it is written where text is wanted. Spark does so for
    /// files alone.
    keeps_form: bool,
}

impl JsonReader {
    /// Reads the fields with these names.
    pub fn new<'a>(
        json: &Json,
        root: Root,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Self, SparkError> {
        let context = Context {
            times: json.records.times()?,
            counts_days: !json.records.has_date_format(),
            named_numbers: json.syntax.named_numbers,
            keeps_form: root == Root::Rows,
        };
        let names = names.enumerate().map(|(at, name)| (name.to_owned(), at)).collect();
        let (syntax, tape) = (json.syntax.clone(), Tape::default());
        Ok(Self { root, names, found: Vec::new(), context, syntax, tape })
    }

    /// Reads a record: several rows if it is an array of rows, none if it is blank.
    pub fn read(&mut self, record: &[u8], rows: &mut Rows) -> Result<(), ArrowError> {
        check_length(record)?;
        let text = String::from_utf8_lossy(record);
        let Self { root, names, found, context, syntax, tape } = self;
        let value = match tape.parse(&text, syntax) {
            Ok(None) => return Ok(()),
            Ok(Some(value)) => value,
            Err(_) => return rows.end_unread(record),
        };
        let mut fields = Fields { names, found, context };
        match (*root, value.kind()) {
            (Root::Value, _) => {
                let is_bad =
                    rows.fields().next().is_some_and(|(_, v)| push_root(v, value, context));
                rows.end(record, is_bad)
            }
            (_, Kind::Object) => {
                let is_bad = fields.push(value, rows);
                rows.end(record, is_bad)
            }
            (Root::Rows, Kind::Array) if value.items().all(|item| item.kind() == Kind::Object) => {
                let (mut count, mut is_bad) = (0, false);
                for item in value.items() {
                    is_bad |= fields.push(item, rows);
                    count += 1;
                }
                // One row that is not well formed makes them all so.
                (0..count).try_for_each(|_| rows.end(record, is_bad))
            }
            (Root::Row, Kind::Array) => {
                let arrays =
                    condition::MALFORMED_RECORD_IN_PARSING_CANNOT_PARSE_JSON_ARRAYS_AS_STRUCTS;
                rows.end_unread_for(arrays, record)
            }
            _ => rows.end_unread(record),
        }
    }
}

/// The wanted fields of rows.
struct Fields<'a> {
    names: &'a HashMap<String, usize>,
    found: &'a mut Vec<Option<usize>>,
    context: &'a Context,
}

impl Fields<'_> {
    /// Appends the fields of an object; says whether any did not fit.
    fn push(&mut self, object: Value<'_>, rows: &mut Rows) -> bool {
        find(object, self.names, self.found);
        let mut is_bad = false;
        for ((_, values), place) in rows.fields().zip(self.found.iter()) {
            is_bad |= push_or_null(values, place.map(|at| object.other(at)), self.context);
        }
        is_bad
    }
}

/// Finds the fields of an object that have a column, in the order of the columns; of a name that is
/// there twice the last one.
fn find(object: Value<'_>, names: &HashMap<String, usize>, found: &mut Vec<Option<usize>>) {
    found.clear();
    found.resize(names.len(), None);
    for (name, value) in object.fields() {
        if let Some(at) = names.get(name) {
            found[*at] = Some(value.place());
        }
    }
}

/// Appends the value of a whole record; says whether any of it did not fit.
fn push_root(values: &mut Values, value: Value<'_>, context: &Context) -> bool {
    let fit = match (&mut *values, value.kind()) {
        // Null is no record.
        (_, Kind::Null) => Fit::Not,
        // An object is taken for an array of one.
        (Values::List(list), Kind::Object) if matches!(list.items, Values::Struct(_)) => {
            let fit = push(&mut list.items, value, context);
            list.end(true);
            fit
        }
        (values, _) => push(values, value, context),
    };
    if fit == Fit::Not {
        values.push_null();
    }
    fit != Fit::All
}

/// Appends a value, or null if it does not fit at all; says whether any of it did not fit.
fn push_or_null(values: &mut Values, value: Option<Value<'_>>, context: &Context) -> bool {
    let Some(value) = value else {
        values.push_null();
        return false;
    };
    match push(values, value, context) {
        Fit::All => false,
        Fit::Partly => true,
        Fit::Not => {
            values.push_null();
            true
        }
    }
}

/// How a value fits a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    All,
    /// Something in it became null.
    Partly,
    /// Nothing was appended.
    Not,
}

/// Appends what was read, if it was.
macro_rules! parsed {
    ($builder:expr, $value:expr) => {
        match $value {
            Some(value) => {
                $builder.append_value(value);
                Fit::All
            }
            None => Fit::Not,
        }
    };
}

fn push(values: &mut Values, value: Value<'_>, context: &Context) -> Fit {
    let kind = value.kind();
    if kind == Kind::Null {
        values.push_null();
        return Fit::All;
    }
    let integer = || (kind == Kind::Integer).then(|| value.text());
    match values {
        Values::Text(builder) => {
            if context.keeps_form || value.as_text().is_some() {
                builder.append_value(value.text());
            } else {
                let mut text = String::new();
                write_json(value, &mut text);
                builder.append_value(text);
            }
            Fit::All
        }
        Values::Boolean(builder) => match kind {
            Kind::True | Kind::False => {
                builder.append_value(kind == Kind::True);
                Fit::All
            }
            _ => Fit::Not,
        },
        Values::Byte(builder) => parsed!(builder, integer().and_then(|t| t.parse().ok())),
        Values::Short(builder) => parsed!(builder, integer().and_then(|t| t.parse().ok())),
        Values::Int(builder) => parsed!(builder, integer().and_then(|t| t.parse().ok())),
        Values::Long(builder) => parsed!(builder, integer().and_then(|t| t.parse().ok())),
        Values::Null(_) => {
            values.push_null();
            Fit::All
        }
        Values::List(_) | Values::Struct(_) | Values::Map(_) => nested(values, value, context),
        _ => parse(values, value, context),
    }
}

/// Appends a value that is read out of digits or text.
fn parse(values: &mut Values, value: Value<'_>, context: &Context) -> Fit {
    let integer = || (value.kind() == Kind::Integer).then(|| value.text());
    let filled = || value.as_text().filter(|text| !text.is_empty());
    match values {
        #[expect(clippy::cast_possible_truncation, reason = "a float is what is asked for")]
        Values::Float(builder) => {
            let named = named(value, context).map(|v| v as f32);
            parsed!(builder, named.or_else(|| float(value)))
        }
        Values::Double(builder) => {
            parsed!(builder, named(value, context).or_else(|| float(value)))
        }
        Values::Decimal(builder, size) => {
            let plain = |text: &str| decimal_of_text(text, *size);
            // Thousands may be separated where a number is text.
            let grouped = |text: &str| plain(text).or_else(|| plain(&text.replace(',', "")));
            parsed!(builder, number(value).map_or_else(|| filled().and_then(grouped), plain))
        }
        Values::Date(builder) => {
            let days = |text: &str| text.parse().ok().filter(|_| context.counts_days);
            let date = |text| context.times.date(text).or_else(|| days(text));
            parsed!(builder, filled().and_then(date))
        }
        Values::Timestamp(builder) => {
            // Too many seconds wrap around, as in Java.
            let seconds = || Some(integer()?.parse::<i64>().ok()?.wrapping_mul(1_000_000));
            let time = filled().and_then(|text| context.times.timestamp(text));
            parsed!(builder, time.or_else(seconds))
        }
        Values::TimestampNtz(builder) => {
            parsed!(builder, filled().and_then(|text| context.times.timestamp_ntz(text)))
        }
        Values::DayTime(builder) => parsed!(builder, filled().and_then(parse_day_time)),
        Values::YearMonth(builder) => parsed!(builder, filled().and_then(parse_year_month)),
        Values::Binary(builder) => parsed!(builder, value.as_text().and_then(base64::decode)),
        _ => Fit::Not,
    }
}

fn nested(values: &mut Values, value: Value<'_>, context: &Context) -> Fit {
    match (values, value.kind()) {
        (Values::List(list), Kind::Array) => {
            let mut fit = Fit::All;
            for item in value.items() {
                match push(&mut list.items, item, context) {
                    Fit::All => {}
                    Fit::Partly => fit = Fit::Partly,
                    Fit::Not => {
                        list.forget();
                        return Fit::Not;
                    }
                }
            }
            list.end(true);
            fit
        }
        (Values::Map(map), Kind::Object) => {
            let mut fit = Fit::All;
            for (name, item) in value.fields() {
                match push(&mut map.items, item, context) {
                    Fit::All => {}
                    Fit::Partly => fit = Fit::Partly,
                    Fit::Not => {
                        map.forget();
                        return Fit::Not;
                    }
                }
                map.keys.append_value(name);
            }
            map.end(true);
            fit
        }
        (Values::Struct(inner), Kind::Object) => {
            let Struct { names, found, children, valid, .. } = inner.as_mut();
            find(value, names, found);
            let mut fit = Fit::All;
            for (child, place) in children.iter_mut().zip(found.iter()) {
                if push_or_null(child, place.map(|at| value.other(at)), context) {
                    fit = Fit::Partly;
                }
            }
            valid.append_non_null();
            fit
        }
        _ => Fit::Not,
    }
}

/// The text of a number.
fn number(value: Value<'_>) -> Option<&str> {
    matches!(value.kind(), Kind::Integer | Kind::Fraction).then(|| value.text())
}

/// A number that has a name instead of digits, also as text.
fn named(value: Value<'_>, context: &Context) -> Option<f64> {
    match value.kind() {
        Kind::Fraction => named_number(value.text()),
        Kind::Text if context.named_numbers => named_number(value.text()),
        _ => None,
    }
}

/// A floating number out of digits.
fn float<T: FromStr + Add<Output = T> + Default>(value: Value<'_>) -> Option<T> {
    let found: T = number(value)?.parse().ok()?;
    // Whole numbers have no negative zero.
    Some(if value.kind() == Kind::Integer { found + T::default() } else { found })
}
