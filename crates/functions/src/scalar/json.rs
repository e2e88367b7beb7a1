//! JSON text: looking into it, and writing values as it.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Date32Type, Int32Type, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use serde_json::Value;

use super::date_format::Pattern;
use super::json_value::Json;
use super::options::Options;
use crate::FunctionError;
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
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
    with("to_json", "a?a", to_json),
];

pub(super) const KERNELS: &[Kernel] = &[TO_JSON, TO_JSON_NULLS];

/// Value, zone, pattern of dates, pattern of timestamps.
const TO_JSON: Kernel =
    Kernel::new("spark_to_json", returns::string, |args| all_json(args, Missing::LeftOut));
/// With fields that are null.
const TO_JSON_NULLS: Kernel =
    Kernel::new("spark_to_json_nulls", returns::string, |args| all_json(args, Missing::Written));

fn all_json(args: &Args<'_>, missing: Missing) -> Result<ArrayRef> {
    let zone_name = args.constant_string(1)?;
    let style = Style { null: "null", binary_as_hex: false, zone: zone_of(zone_name)? };
    let pattern = |index: usize| -> Result<Option<Pattern>> {
        let text = args.constant_string(index)?;
        if text.is_empty() { Ok(None) } else { super::date::pattern(text).map(Some) }
    };
    let (date, timestamp) = (pattern(2)?, pattern(3)?);
    let json = Writing { style, zone_name, date, timestamp, missing };
    let values = args.array(0)?;
    args.string_rows(|row| {
        let mut out = String::new();
        json.write(values.as_ref(), row, &mut out)?;
        Ok(Some(out))
    })
}

fn to_json(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if !matches!(call.types[0], DataType::Struct(_) | DataType::List(_) | DataType::Map(..)) {
        return Err(call.mismatch(0, "(\"STRUCT\" or \"ARRAY\" or \"MAP\")"));
    }
    let options = Options::of(&call, 1)?;
    options.only(call.name, &["timezone", "dateformat", "timestampformat", "ignorenullfields"])?;
    call.args.truncate(1);
    call.types.truncate(1);
    call.push(ScalarValue::from(options.get("timezone").unwrap_or(&call.ctx.time_zone)));
    call.push(ScalarValue::from(options.get("dateformat").unwrap_or_default()));
    call.push(ScalarValue::from(options.get("timestampformat").unwrap_or_default()));
    let leaves_out = options.flag("ignorenullfields", true);
    Ok(call.apply(if leaves_out { TO_JSON } else { TO_JSON_NULLS }))
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
            let inside = rest.strip_prefix('[')?;
            if let Some(named) = inside.strip_prefix('\'') {
                let (name, after) = named.split_once("']")?;
                out.push(Step::Field(name.to_owned()));
                rest = after;
                continue;
            }
            let (inner, after) = inside.split_once(']')?;
            out.push(match inner {
                "*" => Step::Every,
                index => Step::Index(index.parse().ok()?),
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
            // A field that is null is as good as none.
            if let Some((_, value)) = fields.iter().find(|(key, _)| key == name)
                && !value.is_null()
            {
                found(value, rest, out);
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
        // What a star found is written as JSON, also if it is one text.
        [Json::Text(text)] if !steps.contains(&Step::Every) => Some(text.clone()),
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

fn write_text(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

/// What becomes of fields that are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    LeftOut,
    Written,
}

/// How values are written.
struct Writing<'a> {
    style: Style,
    zone_name: &'a str,
    date: Option<Pattern>,
    timestamp: Option<Pattern>,
    missing: Missing,
}

impl Writing<'_> {
    fn write(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
        let style = &self.style;
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
                    self.write(values.as_ref(), index, out)?;
                }
                out.push(']');
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns().iter().zip(fields.iter());
                let written = self.missing == Missing::Written;
                let present = columns.filter(|(column, _)| written || column.is_valid(row));
                out.push('{');
                for (index, (column, field)) in present.enumerate() {
                    separate(index, out);
                    write_text(field.name(), out);
                    out.push(':');
                    self.write(column.as_ref(), row, out)?;
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
                    self.write(entries.column(1).as_ref(), index, out)?;
                }
                out.push('}');
            }
            _ => self.write_simple(array, row, out)?,
        }
        Ok(())
    }

    fn write_simple(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
        let style = &self.style;
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
            DataType::Float32 | DataType::Float64
                if text.ends_with(|c: char| c.is_ascii_digit()) =>
            {
                out.push_str(&text);
            }
            DataType::Binary => {
                write_text(&super::hash::base64(array.as_binary::<i32>().value(row)), out);
            }
            DataType::Date32 if self.date.is_some() => {
                let days = i64::from(array.as_primitive::<Date32Type>().value(row));
                let local = days * MICROS_PER_DAY;
                let zone = (style.zone, self.zone_name);
                write_text(&self.date.as_ref().map_or(text, |p| p.format(local, zone, local)), out);
            }
            DataType::Timestamp(_, zoned) if self.timestamp.is_some() => {
                let instant = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let local = if zoned.is_some() { style.zone.to_local(instant) } else { instant };
                let zone = (style.zone, self.zone_name);
                let written =
                    self.timestamp.as_ref().map_or(text, |p| p.format(local, zone, instant));
                write_text(&written, out);
            }
            DataType::Timestamp(_, zone) => {
                let mut text = text.replacen(' ', "T", 1);
                // Three digits behind the point, whatever there are.
                match text.find('.') {
                    Some(point) => {
                        text.push_str("00");
                        text.truncate(point + 4);
                    }
                    None => text.push_str(".000"),
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
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}
