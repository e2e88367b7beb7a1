//! Rows out of JSON records.
//!
//! A value of another type than its column's makes the record one that is not well formed; what can be read of it is kept. An array
//! or a map with such a value is lost as a whole, a struct loses only the field.

use super::TextScan;
use super::dialect::Json;
use super::lines::Lines;
use super::rows::{Rows, check_length};
use super::tape::{Kind, Tape, Value};
use super::values::{Struct, Values};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use functions::{TimeText, decimal_of_text};
use std::collections::HashMap;

/// See the module.
#[derive(Debug)]
pub(super) struct JsonRows {
    pub(super) rows: Rows,
    multi_line: bool,
    /// By name, which of the wanted fields it is.
    names: HashMap<String, usize>,
    values: Context,
    tape: Tape,
    /// Whether the file that is read as a whole has been.
    done: bool,
}

#[derive(Debug)]
struct Context {
    times: TimeText,
}

impl JsonRows {
    pub(super) fn new(scan: &TextScan, json: &Json, schema: SchemaRef) -> Result<Self> {
        let field = |(at, origin): (usize, &super::Origin)| match origin {
            super::Origin::Field(_) => Some(schema.field(at).name().clone()),
            super::Origin::Partition(_) | super::Origin::Corrupt => None,
        };
        let fields = scan.origins.iter().enumerate().filter_map(field);
        let names = fields.enumerate().map(|(at, name)| (name, at)).collect();
        let times = json.records.times().map_err(super::scan::external)?;
        Ok(Self {
            rows: Rows::new(scan, json.records.mode, schema)?,
            multi_line: json.records.multi_line,
            names,
            values: Context { times },
            tape: Tape::default(),
            done: false,
        })
    }

    /// Begins a file.
    pub(super) fn begin(&mut self) {
        self.done = false;
    }

    /// Reads the next record, which may be several rows or none. False at the end.
    pub(super) fn read(&mut self, lines: &mut Lines) -> Result<bool> {
        if !self.multi_line {
            return match lines.next()? {
                Some(line) => self.push(line).map(|()| true),
                None => Ok(false),
            };
        }
        if std::mem::replace(&mut self.done, true) {
            return Ok(false);
        }
        self.push(lines.whole()?).map(|()| true)
    }

    fn push(&mut self, record: &[u8]) -> Result<()> {
        check_length(record)?;
        let text = String::from_utf8_lossy(record);
        let Self { rows, names, values, tape, .. } = self;
        let root = match tape.parse(&text) {
            Ok(None) => return Ok(()),
            Ok(Some(root)) => root,
            Err(_) => return rows.end_unread(record),
        };
        match root.kind() {
            Kind::Object => {
                let bad = push_fields(root, names, rows, values);
                rows.end(record, bad)
            }
            Kind::Array if root.items().all(|item| item.kind() == Kind::Object) => {
                for item in root.items() {
                    let bad = push_fields(item, names, rows, values);
                    rows.end(record, bad)?;
                }
                Ok(())
            }
            _ => rows.end_unread(record),
        }
    }
}

/// Appends the wanted fields of an object; says whether any did not fit.
fn push_fields(
    object: Value<'_>,
    names: &HashMap<String, usize>,
    rows: &mut Rows,
    context: &Context,
) -> bool {
    let found = wanted(object, names);
    let mut bad = false;
    for ((_, values), value) in rows.fields().zip(found) {
        bad |= push_or_null(values, value, context);
    }
    bad
}

/// The fields of an object that have a column, in the order of the columns; of a name that is there twice the last one.
fn wanted<'a>(object: Value<'a>, names: &HashMap<String, usize>) -> Vec<Option<Value<'a>>> {
    let mut found = vec![None; names.len()];
    for (name, value) in object.fields() {
        if let Some(at) = names.get(name) {
            found[*at] = Some(value);
        }
    }
    found
}

/// Appends a value, or null if it does not fit at all; says whether all of it fitted.
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

fn push(values: &mut Values, value: Value<'_>, context: &Context) -> Fit {
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
    let kind = value.kind();
    if kind == Kind::Null {
        values.push_null();
        return Fit::All;
    }
    let integer = || (kind == Kind::Integer).then(|| value.text());
    let filled = || value.as_text().filter(|text| !text.is_empty());
    match values {
        // What is not text is kept as it is written.
        Values::Text(builder) => {
            builder.append_value(value.text());
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
        #[expect(clippy::cast_possible_truncation, reason = "a float is what is asked for")]
        Values::Float(builder) => parsed!(
            builder,
            named_number(value).map(|v| v as f32).or_else(|| number(value)?.parse().ok())
        ),
        Values::Double(builder) => {
            parsed!(builder, named_number(value).or_else(|| number(value)?.parse().ok()))
        }
        Values::Decimal(builder, size) => {
            let text = number(value).or_else(filled);
            parsed!(builder, text.and_then(|text| decimal_of_text(text, *size)))
        }
        Values::Date(builder) => {
            parsed!(builder, filled().and_then(|text| context.times.date(text)))
        }
        Values::Timestamp(builder) => {
            let seconds = || integer()?.parse::<i64>().ok()?.checked_mul(1_000_000);
            parsed!(
                builder,
                filled().and_then(|text| context.times.timestamp(text)).or_else(seconds)
            )
        }
        Values::TimestampNtz(builder) => {
            parsed!(builder, filled().and_then(|text| context.times.timestamp_ntz(text)))
        }
        Values::Binary(builder) => parsed!(builder, value.as_text().and_then(from_base64)),
        Values::Null(_) => {
            values.push_null();
            Fit::All
        }
        Values::List(_) | Values::Struct(_) | Values::Map(_) => nested(values, value, context),
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
            let Struct { names, children, valid, .. } = inner.as_mut();
            let mut fit = Fit::All;
            for (child, value) in children.iter_mut().zip(wanted(value, names)) {
                if push_or_null(child, value, context) {
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

/// Numbers that have no digits, also as text.
fn named_number(value: Value<'_>) -> Option<f64> {
    match value.text() {
        _ if value.kind() == Kind::Integer => None,
        "NaN" => Some(f64::NAN),
        "INF" | "+INF" | "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-INF" | "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    let digits = text.trim_end_matches('=');
    if digits.len() % 4 == 1 || text.len() - digits.len() > 2 {
        return None;
    }
    for byte in digits.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_of_base64() {
        let cases: [(&str, Option<&[u8]>); 6] = [
            ("", Some(b"")),
            ("AA==", Some(b"\0")),
            ("aGk=", Some(b"hi")),
            ("aGkh", Some(b"hi!")),
            ("a", None),
            ("a*==", None),
        ];
        for (text, expected) in cases {
            assert_eq!(from_base64(text).as_deref(), expected, "{text}");
        }
    }
}
