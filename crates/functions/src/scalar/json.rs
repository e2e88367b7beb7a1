//! JSON text: looking into it, and writing values as it.

use std::fmt::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Int32Type, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use serde_json::Value;

use crate::FunctionError;
use crate::calendar::MICROS_PER_SECOND;
use crate::cast::{Style, write_value, zone_of};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::registry::{Call, Function, kernel, with};

pub(super) const FUNCTIONS: &[Function] = &[
    kernel(
        "get_json_object",
        "ss",
        Kernel::new("spark_get_json_object", returns::string, |args| {
            let (texts, paths) = (args.strings(0)?, args.strings(1)?);
            args.string_rows(|row| {
                let steps = steps(paths.value(row));
                Ok(Json::parse(texts.value(row)).and_then(|value| look_up(&value, &steps?)))
            })
        })
        .nulls(Nulls::Possible),
    ),
    kernel(
        "json_array_length",
        "s",
        Kernel::new("spark_json_array_length", returns::int, |args| {
            let texts = args.strings(0)?;
            args.number_rows::<Int32Type>(|row| {
                Ok(match Json::parse(texts.value(row)) {
                    Some(Json::Array(values)) => i32::try_from(values.len()).ok(),
                    _ => None,
                })
            })
        })
        .nulls(Nulls::Possible),
    ),
    kernel(
        "json_object_keys",
        "s",
        Kernel::new("spark_json_object_keys", returns::strings, keys).nulls(Nulls::Possible),
    ),
    with("to_json", "a", to_json),
];

pub(super) const KERNELS: &[Kernel] = &[TO_JSON];

/// Value, zone.
const TO_JSON: Kernel = Kernel::new("spark_to_json", returns::string, |args| {
    let style =
        Style { null: "null", binary_as_hex: false, zone: zone_of(args.constant_string(1)?)? };
    let values = args.array(0)?;
    args.string_rows(|row| {
        let mut out = String::new();
        write_json(values.as_ref(), row, &style, &mut out)?;
        Ok(Some(out))
    })
});

fn to_json(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if !matches!(call.types[0], DataType::Struct(_) | DataType::List(_) | DataType::Map(..)) {
        return Err(call.mismatch(0, "(\"STRUCT\" or \"ARRAY\" or \"MAP\")"));
    }
    call.push_zone();
    Ok(call.apply(TO_JSON))
}

/// A step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    Every,
}

/// `$.a[0].b[*]['c']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let name = &after[..end];
            out.push(if name == "*" { Step::Every } else { Step::Field(name.to_owned()) });
            rest = &after[end..];
        } else {
            let (inner, after) = rest.strip_prefix('[')?.split_once(']')?;
            out.push(match inner.strip_prefix('\'').and_then(|i| i.strip_suffix('\'')) {
                Some(name) => Step::Field(name.to_owned()),
                None if inner == "*" => Step::Every,
                None => Step::Index(inner.parse().ok()?),
            });
            rest = after;
        }
    }
    Some(out)
}

fn found<'a>(value: &'a Json, steps: &[Step], out: &mut Vec<&'a Json>) {
    match (steps, value) {
        ([], value) => out.push(value),
        ([Step::Field(name), rest @ ..], Json::Object(fields)) => {
            if let Some((_, value)) = fields.iter().find(|(key, _)| key == name) {
                found(value, rest, out);
            }
        }
        // A field of an array is that of each of its objects.
        ([Step::Field(_), ..], Json::Array(values)) => {
            for value in values {
                found(value, steps, out);
            }
        }
        ([Step::Index(index), rest @ ..], Json::Array(values)) => {
            if let Some(value) = values.get(*index) {
                found(value, rest, out);
            }
        }
        ([Step::Every, rest @ ..], Json::Array(values)) => {
            for value in values {
                found(value, rest, out);
            }
        }
        ([Step::Every, rest @ ..], Json::Object(fields)) => {
            for (_, value) in fields {
                found(value, rest, out);
            }
        }
        _ => {}
    }
}

fn look_up(value: &Json, steps: &[Step]) -> Option<String> {
    let mut all = Vec::new();
    found(value, steps, &mut all);
    match all.as_slice() {
        [] => None,
        [Json::Other(text)] if text == "null" => None,
        [Json::Text(text)] => Some(text.clone()),
        [one] => Some(one.to_string()),
        many => Some(format!(
            "[{}]",
            many.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        )),
    }
}

/// Keys in the order of the text.
fn keys(args: &Args<'_>) -> Result<ArrayRef> {
    let texts = args.strings(0)?;
    let mut out = ListBuilder::new(StringBuilder::new());
    for row in args.valid_rows() {
        match row.and_then(|row| Json::parse(texts.value(row))) {
            Some(Json::Object(fields)) => {
                out.append_value(fields.into_iter().map(|(key, _)| Some(key)));
            }
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// A value that keeps the order of fields and the digits of numbers as they were written.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    /// A number, a truth, null.
    Other(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// How deep values may nest, so that a hostile text cannot exhaust the stack.
    const DEPTH: usize = 200;

    fn parse(text: &str) -> Option<Self> {
        let (value, rest) = Self::value(text, Self::DEPTH)?;
        rest.trim_start().is_empty().then_some(value)
    }

    fn value(text: &str, depth: usize) -> Option<(Self, &str)> {
        let text = text.trim_start();
        let depth = depth.checked_sub(1)?;
        match text.chars().next()? {
            '{' => Self::members(&text[1..], depth),
            '[' => Self::elements(&text[1..], depth),
            '"' => Self::string(text).map(|(text, rest)| (Self::Text(text), rest)),
            _ => {
                let end = text
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
                    .unwrap_or(text.len());
                let valid = serde_json::from_str::<Value>(&text[..end]).is_ok();
                valid.then(|| (Self::Other(text[..end].to_owned()), &text[end..]))
            }
        }
    }

    fn string(text: &str) -> Option<(String, &str)> {
        let mut escaped = false;
        let inside = |c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        };
        let end = text.get(1..)?.find(inside)? + 2;
        Some((serde_json::from_str(&text[..end]).ok()?, &text[end..]))
    }

    fn elements(mut rest: &str, depth: usize) -> Option<(Self, &str)> {
        let mut out = Vec::new();
        if let Some(after) = rest.trim_start().strip_prefix(']') {
            return Some((Self::Array(out), after));
        }
        loop {
            let (value, after) = Self::value(rest, depth)?;
            out.push(value);
            let after = after.trim_start();
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None => return Some((Self::Array(out), after.strip_prefix(']')?)),
            }
        }
    }

    fn members(mut rest: &str, depth: usize) -> Option<(Self, &str)> {
        let mut out = Vec::new();
        if let Some(after) = rest.trim_start().strip_prefix('}') {
            return Some((Self::Object(out), after));
        }
        loop {
            let (key, after) =
                Self::string(rest.trim_start()).filter(|_| rest.trim_start().starts_with('"'))?;
            let (value, after) = Self::value(after.trim_start().strip_prefix(':')?, depth)?;
            out.push((key, value));
            let after = after.trim_start();
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None => return Some((Self::Object(out), after.strip_prefix('}')?)),
            }
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.write_str(text),
            Self::Text(text) => write!(f, "{}", Value::from(text.as_str())),
            Self::Array(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (key, value)) in fields.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{value}", Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

fn write_json(array: &dyn Array, row: usize, style: &Style, out: &mut String) -> Result<()> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..values.len() {
                separate(index, out);
                write_json(values.as_ref(), index, style, out)?;
            }
            out.push(']');
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter().zip(fields.iter());
            // Fields that are null are left out.
            let present = columns.filter(|(column, _)| column.is_valid(row));
            out.push('{');
            for (index, (column, field)) in present.enumerate() {
                separate(index, out);
                write_text(field.name(), out);
                out.push(':');
                write_json(column.as_ref(), row, style, out)?;
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for index in 0..entries.len() {
                separate(index, out);
                let mut key = String::new();
                write_value(entries.column(0).as_ref(), index, style, &mut key)?;
                write_text(&key, out);
                out.push(':');
                write_json(entries.column(1).as_ref(), index, style, out)?;
            }
            out.push('}');
        }
        _ => write_simple(array, row, style, out)?,
    }
    Ok(())
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn write_simple(array: &dyn Array, row: usize, style: &Style, out: &mut String) -> Result<()> {
    let mut text = String::new();
    write_value(array, row, style, &mut text)?;
    match array.data_type() {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Decimal128(..) => out.push_str(&text),
        // Values that are no numbers in JSON are written by name.
        DataType::Float32 | DataType::Float64 if text.ends_with(|c: char| c.is_ascii_digit()) => {
            out.push_str(&text);
        }
        DataType::Binary => {
            write_text(&super::hash::base64(array.as_binary::<i32>().value(row)), out);
        }
        DataType::Timestamp(_, zone) => {
            let mut text = text.replacen(' ', "T", 1);
            if !text.contains('.') {
                text.push_str(".000");
            }
            if zone.is_some() {
                let instant = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let offset = style.zone.offset(instant.div_euclid(MICROS_PER_SECOND));
                let sign = if offset < 0 { '-' } else { '+' };
                let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
                let _ = match offset {
                    0 => text.write_str("Z"),
                    _ => write!(text, "{sign}{hours:02}:{minutes:02}"),
                };
            }
            write_text(&text, out);
        }
        _ => write_text(&text, out),
    }
    Ok(())
}
