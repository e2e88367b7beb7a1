//! `from_json`: JSON text to values of a type. A value of another type is null; in an array or a map it makes the whole null.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray,
    StructArray, new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, FieldRef, Fields, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::Expr;

use super::date_format::Pattern;
use super::json_value::Json;
use super::options::Options;
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, Zone};
use crate::cast::{Clock, parse_date, parse_decimal, parse_timestamp, rescale, zone_of};
use crate::kernel::{Args, Kernel, Nulls};
use crate::registry::{Call, Function, with};
use crate::{FunctionError, run_time_error};

pub(super) const FUNCTIONS: &[Function] = &[with("from_json", "sa?a", from_json)];

pub(super) const KERNELS: &[Kernel] = &[FROM_JSON];

/// Text, null of the type, zone, mode, name of the corrupt column, pattern of dates, pattern of timestamps.
const FROM_JSON: Kernel =
    Kernel::new("spark_from_json", |types, _| Ok(types[1].clone()), run).nulls(Nulls::Possible);

/// The second argument is a null of the type that the schema says; the resolver has seen to it.
fn from_json(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if !matches!(call.types[1], DataType::Struct(_) | DataType::List(_) | DataType::Map(..)) {
        return Err(FunctionError::Invalid {
            condition: condition::DATATYPE_MISMATCH_INVALID_JSON_SCHEMA,
            message: format!(
                "Cannot resolve \"from_json\" due to data type mismatch: Input schema \"{}\" must be a struct, an array, a map or a variant.",
                crate::sql_type(&call.types[1])
            ),
            parameters: vec![("schema", format!("\"{}\"", crate::sql_type(&call.types[1])))],
        });
    }
    let options = Options::of(&call, 2)?;
    options.only(
        "from_json",
        &["mode", "columnnameofcorruptrecord", "dateformat", "timestampformat", "timezone"],
    )?;
    let mode = options.get("mode").unwrap_or("PERMISSIVE").to_ascii_uppercase();
    if !matches!(mode.as_str(), "PERMISSIVE" | "FAILFAST") {
        return Err(FunctionError::Invalid {
            condition: condition::PARSE_MODE_UNSUPPORTED,
            message: format!(
                "The function `from_json` doesn't support the {mode} mode. Acceptable modes are PERMISSIVE and FAILFAST."
            ),
            parameters: vec![("funcName", "`from_json`".to_owned()), ("mode", mode)],
        });
    }
    call.args.truncate(2);
    call.types.truncate(2);
    let corrupt = options.get("columnnameofcorruptrecord").unwrap_or("_corrupt_record");
    for text in [
        options.get("timezone").unwrap_or(&call.ctx.time_zone),
        &mode,
        corrupt,
        options.get("dateformat").unwrap_or_default(),
        options.get("timestampformat").unwrap_or_default(),
    ] {
        call.push(ScalarValue::from(text));
    }
    Ok(call.apply(FROM_JSON))
}

/// How text in JSON is read.
struct Reading {
    zone: Zone,
    date: Option<Pattern>,
    timestamp: Option<Pattern>,
}

/// Values, and which of them were there but not of the type.
struct Column {
    values: ArrayRef,
    wrong: Vec<bool>,
}

/// What a text is, before its values are looked at.
pub(super) enum Read {
    Value(Json),
    /// Fields that are too few or too many.
    Odd(Json),
    /// Blank: the value is null.
    Nothing,
    Malformed,
}

fn run(args: &Args<'_>) -> Result<ArrayRef> {
    values_of(args, |text| match root(text, args.returns) {
        Some(value) => Read::Value(value),
        None if text.trim().is_empty() => Read::Nothing,
        None => Read::Malformed,
    })
}

/// The values of texts; the arguments are those of [`FROM_JSON`].
pub(super) fn values_of(args: &Args<'_>, read: impl Fn(&str) -> Read) -> Result<ArrayRef> {
    let texts = args.strings(0)?;
    let pattern = |index: usize| -> Result<Option<Pattern>> {
        let text = args.constant_string(index)?;
        if text.is_empty() { Ok(None) } else { super::date::pattern(text).map(Some) }
    };
    let reading = Reading {
        zone: zone_of(args.constant_string(2)?)?,
        date: pattern(5)?,
        timestamp: pattern(6)?,
    };
    let fails = args.constant_string(3)? == "FAILFAST";
    let corrupt = args.constant_string(4)?;
    let parsed: Vec<Read> = (0..args.rows)
        .map(|row| if texts.is_null(row) { Read::Nothing } else { read(texts.value(row)) })
        .collect();
    let blank = |row: usize| matches!(parsed[row], Read::Nothing);
    let value = |read| match read {
        &(Read::Value(ref value) | Read::Odd(ref value)) => Some(value),
        Read::Nothing | Read::Malformed => None,
    };
    let values: Vec<Option<&Json>> = parsed.iter().map(value).collect();
    let column = reading.column(&values, args.returns)?;
    let malformed =
        |row: usize| column.wrong[row] || matches!(parsed[row], Read::Odd(_) | Read::Malformed);
    if fails && let Some(row) = (0..args.rows).find(|row| malformed(*row)) {
        return Err(run_time_error(
            condition::MALFORMED_RECORD_IN_PARSING_WITHOUT_SUGGESTION,
            format!(
                "Malformed records are detected in record parsing: {}. Parse Mode: FAILFAST. To process malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'.",
                texts.value(row)
            ),
        ));
    }
    match args.returns {
        // Text that is no JSON is a struct without values, not null.
        DataType::Struct(fields) => {
            let structs = arrow::array::AsArray::as_struct(&column.values);
            let mut columns = structs.columns().to_vec();
            let kept =
                fields.iter().position(|f| f.name() == corrupt && *f.data_type() == DataType::Utf8);
            if let Some(at) = kept {
                let texts = (0..args.rows).map(|row| malformed(row).then(|| texts.value(row)));
                columns[at] = Arc::new(texts.collect::<StringArray>());
            }
            let nulls = (0..args.rows).map(|row| !blank(row) && !is_null(values[row]));
            let nulls = Some(nulls.collect::<NullBuffer>());
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, nulls)?))
        }
        _ => Ok(column.values),
    }
}

fn is_null(value: Option<&Json>) -> bool {
    value.is_some_and(Json::is_null)
}

/// The value of a whole text. Spark takes an array of one for one, and the other way round.
fn root(text: &str, data_type: &DataType) -> Option<Json> {
    match (Json::parse(text)?, data_type) {
        (Json::Array(values), DataType::Struct(_)) => values.into_iter().next(),
        (object @ Json::Object(_), DataType::List(field))
            if matches!(field.data_type(), DataType::Struct(_)) =>
        {
            Some(Json::Array(vec![object]))
        }
        (value, _) => Some(value),
    }
}

impl Reading {
    fn column(&self, values: &[Option<&Json>], data_type: &DataType) -> Result<Column> {
        let there: Vec<Option<&Json>> =
            values.iter().map(|value| value.filter(|value| !value.is_null())).collect();
        match data_type {
            DataType::List(field) => self.list(&there, field),
            DataType::Map(field, sorted) => self.map(&there, (field, *sorted)),
            DataType::Struct(fields) => self.structure(&there, fields),
            simple => {
                let values = self.simple(&there, simple)?;
                let is_wrong = |row: usize| there[row].is_some() && values.is_null(row);
                let wrong = (0..there.len()).map(is_wrong).collect();
                Ok(Column { values, wrong })
            }
        }
    }

    fn simple(&self, values: &[Option<&Json>], data_type: &DataType) -> Result<ArrayRef> {
        let texts = values.iter().map(|value| {
            value.map(|value| match value {
                Json::Text(text) => text.clone(),
                other => other.to_string(),
            })
        });
        Ok(match data_type {
            DataType::Null => new_null_array(data_type, values.len()),
            DataType::Utf8 => Arc::new(texts.collect::<StringArray>()),
            DataType::Boolean => Arc::new(
                values
                    .iter()
                    .map(|v| v.and_then(|v| word(v)?.parse().ok()))
                    .collect::<BooleanArray>(),
            ),
            DataType::Int8 => numbers::<Int8Type>(values, |v| word(v)?.parse().ok()),
            DataType::Int16 => numbers::<Int16Type>(values, |v| word(v)?.parse().ok()),
            DataType::Int32 => numbers::<Int32Type>(values, |v| word(v)?.parse().ok()),
            DataType::Int64 => numbers::<Int64Type>(values, |v| word(v)?.parse().ok()),
            DataType::Float64 => numbers::<Float64Type>(values, float),
            #[expect(clippy::cast_possible_truncation, reason = "a float is what is asked for")]
            DataType::Float32 => numbers::<Float32Type>(values, |v| float(v).map(|v| v as f32)),
            DataType::Decimal128(precision, scale) => {
                let read = |value: &Json| {
                    let (Json::Text(text) | Json::Other(text)) = value else { return None };
                    let (unscaled, found) = parse_decimal(text)?;
                    rescale(unscaled, found, (*precision, *scale))
                };
                let read = values.iter().map(|v| v.and_then(read));
                let array: PrimitiveArray<Decimal128Type> = read.collect();
                Arc::new(array.with_data_type(data_type.clone()))
            }
            DataType::Binary => Arc::new(
                values
                    .iter()
                    .map(|v| v.and_then(|v| super::hash::unbase64(text(v)?)))
                    .collect::<BinaryArray>(),
            ),
            DataType::Date32 => numbers::<Date32Type>(values, |v| self.date(v)),
            DataType::Timestamp(_, zone) => {
                let clock = if zone.is_some() { Clock::Zoned(self.zone) } else { Clock::Local };
                let read = values.iter().map(|v| v.and_then(|v| self.timestamp(v, clock)));
                let array: PrimitiveArray<TimestampMicrosecondType> = read.collect();
                Arc::new(array.with_data_type(data_type.clone()))
            }
            other => return not_impl_err!("from_json to {}", crate::sql_type(other)),
        })
    }

    fn date(&self, value: &Json) -> Option<i32> {
        let text = text(value)?;
        match &self.date {
            None => parse_date(text),
            Some(pattern) => i32::try_from(pattern.read(text)?.0.div_euclid(MICROS_PER_DAY)).ok(),
        }
    }

    fn timestamp(&self, value: &Json, clock: Clock) -> Option<i64> {
        if let (Json::Other(number), Clock::Zoned(_)) = (value, clock) {
            return number.parse::<i64>().ok()?.checked_mul(MICROS_PER_SECOND);
        }
        let text = text(value)?;
        let (local, named) = match &self.timestamp {
            None => parse_timestamp(text, 0)?,
            Some(pattern) => pattern.read(text)?,
        };
        Some(match (clock, named) {
            (Clock::Zoned(_), Some(zone)) => zone.to_utc(local),
            _ => clock.at(local),
        })
    }

    fn list(&self, values: &[Option<&Json>], field: &FieldRef) -> Result<Column> {
        let mut nested: Vec<Vec<Option<&Json>>> = Vec::with_capacity(values.len());
        for value in values {
            nested.push(match value {
                Some(Json::Array(items)) => items.iter().map(Some).collect(),
                _ => Vec::new(),
            });
        }
        let lengths: Vec<usize> = nested.iter().map(Vec::len).collect();
        let inner = self.column(&nested.concat(), field.data_type())?;
        let is_array = |value: &Json| matches!(value, Json::Array(_));
        let (valid, wrong) = whole(values, &lengths, &inner.wrong, is_array);
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(Arc::clone(field), offsets, inner.values, Some(valid))?;
        Ok(Column { values: Arc::new(list), wrong })
    }

    fn map(&self, values: &[Option<&Json>], (field, sorted): (&FieldRef, bool)) -> Result<Column> {
        let DataType::Struct(pair) = field.data_type() else {
            return not_impl_err!("from_json to {}", field.data_type());
        };
        if *pair[0].data_type() != DataType::Utf8 {
            return not_impl_err!("from_json to a map with keys that are no strings");
        }
        let (mut names, mut nested, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            let entries = match value {
                Some(Json::Object(entries)) => latest(entries),
                _ => Vec::new(),
            };
            lengths.push(entries.len());
            for (name, value) in entries {
                names.push(name);
                nested.push(Some(value));
            }
        }
        let inner = self.column(&nested, pair[1].data_type())?;
        let is_object = |value: &Json| matches!(value, Json::Object(_));
        let (valid, wrong) = whole(values, &lengths, &inner.wrong, is_object);
        let names: ArrayRef = Arc::new(StringArray::from(names));
        let entries = StructArray::try_new(pair.clone(), vec![names, inner.values], None)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let map = MapArray::try_new(Arc::clone(field), offsets, entries, Some(valid), sorted)?;
        Ok(Column { values: Arc::new(map), wrong })
    }

    fn structure(&self, values: &[Option<&Json>], fields: &Fields) -> Result<Column> {
        let mut wrong: Vec<bool> = values
            .iter()
            .map(|value| matches!(value, Some(value) if !matches!(value, Json::Object(_))))
            .collect();
        let valid: NullBuffer = values.iter().map(|v| matches!(v, Some(Json::Object(_)))).collect();
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let nested: Vec<Option<&Json>> =
                values.iter().map(|value| value.and_then(|v| member(v, field.name()))).collect();
            let column = self.column(&nested, field.data_type())?;
            for (all, one) in wrong.iter_mut().zip(&column.wrong) {
                *all |= *one;
            }
            columns.push(column.values);
        }
        let structs = StructArray::try_new(nullable(fields), columns, Some(valid))?;
        let array: ArrayRef = Arc::new(structs);
        let target = DataType::Struct(fields.clone());
        let values =
            if *array.data_type() == target { array } else { compute::cast(&array, &target)? };
        Ok(Column { values, wrong })
    }
}

/// Where an array or a map is there with all it holds, and where it is wrong.
fn whole(
    values: &[Option<&Json>],
    lengths: &[usize],
    inner: &[bool],
    fits: impl Fn(&Json) -> bool,
) -> (NullBuffer, Vec<bool>) {
    let mut at = 0;
    let mut wrong = Vec::with_capacity(values.len());
    for (value, length) in values.iter().zip(lengths) {
        let span = at..at + length;
        at += length;
        let wrong_inside = inner[span].iter().any(|wrong| *wrong);
        wrong.push(value.is_some_and(|value| wrong_inside || !fits(value)));
    }
    let valid = values.iter().zip(&wrong).map(|(value, wrong)| value.is_some() && !wrong);
    (valid.collect(), wrong)
}

/// A field of an object; of equal names, the last.
fn member<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    let Json::Object(entries) = value else { return None };
    entries.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn nullable(fields: &Fields) -> Fields {
    fields.iter().map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect()
}

/// The entries of an object; of equal names, the last.
fn latest(entries: &[(String, Json)]) -> Vec<(&str, &Json)> {
    let mut out: Vec<(&str, &Json)> = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        match out.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => out.push((name, value)),
        }
    }
    out
}

fn numbers<T: ArrowPrimitiveType>(
    values: &[Option<&Json>],
    read: impl Fn(&Json) -> Option<T::Native>,
) -> ArrayRef {
    Arc::new(values.iter().map(|value| value.and_then(&read)).collect::<PrimitiveArray<T>>())
}

/// What stands there without quotes.
fn word(value: &Json) -> Option<&str> {
    match value {
        Json::Other(word) => Some(word),
        _ => None,
    }
}

fn text(value: &Json) -> Option<&str> {
    match value {
        Json::Text(text) => Some(text),
        _ => None,
    }
}

/// A number, or the name of what is none.
fn float(value: &Json) -> Option<f64> {
    let text = match value {
        Json::Text(text) | Json::Other(text) => text.as_str(),
        _ => return None,
    };
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" | "INF" | "+INF" => Some(f64::INFINITY),
        "-Infinity" | "-INF" => Some(f64::NEG_INFINITY),
        _ => word(value)?.parse().ok(),
    }
}
