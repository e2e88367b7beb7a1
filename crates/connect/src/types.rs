//! Data types, in both directions.

use crate::context::Context;
use crate::error::{Required, invalid};
use crate::pb;
use crate::pb::data_type::{self as kind, Kind};
use plan::{DataType, Field, IntervalUnit, SparkError, UserDefined};

/// Converts a message to a type.
pub(crate) fn data_type(
    message: pb::DataType,
    context: Context<'_>,
) -> Result<DataType, SparkError> {
    let context = context.deeper()?;
    Ok(match message.kind.required("data_type.kind")? {
        Kind::Null(_) => DataType::Null,
        Kind::Binary(_) => DataType::Binary,
        Kind::Boolean(_) => DataType::Boolean,
        Kind::Byte(_) => DataType::Byte,
        Kind::Short(_) => DataType::Short,
        Kind::Integer(_) => DataType::Integer,
        Kind::Long(_) => DataType::Long,
        Kind::Float(_) => DataType::Float,
        Kind::Double(_) => DataType::Double,
        Kind::Decimal(d) => decimal(d.precision.unwrap_or(10), d.scale.unwrap_or(0))?,
        Kind::String(s) => return string(&s.collation),
        Kind::Char(c) => DataType::Char(length(c.length)?),
        Kind::VarChar(c) => DataType::Varchar(length(c.length)?),
        Kind::Date(_) => DataType::Date,
        Kind::Timestamp(_) => DataType::Timestamp,
        Kind::TimestampNtz(_) => DataType::TimestampNtz,
        Kind::Time(t) => DataType::Time(time_precision(t.precision.unwrap_or(6))?),
        Kind::CalendarInterval(_) => DataType::CalendarInterval,
        Kind::YearMonthInterval(i) => year_month(i.start_field, i.end_field)?,
        Kind::DayTimeInterval(i) => day_time(i.start_field, i.end_field)?,
        Kind::Array(array) => DataType::Array {
            element: Box::new(data_type(
                *array.element_type.required("array.element_type")?,
                context,
            )?),
            contains_null: array.contains_null,
        },
        Kind::Map(map) => DataType::Map {
            key: Box::new(data_type(*map.key_type.required("map.key_type")?, context)?),
            value: Box::new(data_type(*map.value_type.required("map.value_type")?, context)?),
            value_contains_null: map.value_contains_null,
        },
        Kind::Struct(fields) => DataType::Struct(
            fields.fields.into_iter().map(|f| field(f, context)).collect::<Result<_, _>>()?,
        ),
        Kind::Variant(_) => DataType::Variant,
        Kind::Unparsed(text) => return context.session.parse_ddl(&text.data_type_string),
        Kind::Udt(udt) => user_defined(*udt, context)?,
        Kind::Geometry(_) => return Err(SparkError::unsupported("The type GEOMETRY")),
        Kind::Geography(_) => return Err(SparkError::unsupported("The type GEOGRAPHY")),
        Kind::TimestampNtzNanos(_) | Kind::TimestampLtzNanos(_) => {
            return Err(SparkError::unsupported("A timestamp type with nanoseconds"));
        }
    })
}

/// A schema: a struct, or one column `value` of another type.
pub(crate) fn fields(
    message: pb::DataType,
    context: Context<'_>,
) -> Result<Vec<Field>, SparkError> {
    match data_type(message, context)? {
        DataType::Struct(fields) => Ok(fields),
        other => Ok(vec![Field::new("value", other, true)]),
    }
}

fn field(message: kind::StructField, context: Context<'_>) -> Result<Field, SparkError> {
    let kind::StructField { name, data_type: of, nullable, metadata } = message;
    let data_type = data_type(of.required("struct_field.data_type")?, context)?;
    let metadata = metadata.filter(|m| !m.is_empty() && m.trim() != "{}");
    Ok(Field { name, data_type, nullable, metadata })
}

fn user_defined(message: kind::Udt, context: Context<'_>) -> Result<DataType, SparkError> {
    let sql_type = data_type(*message.sql_type.required("udt.sql_type")?, context)?;
    Ok(DataType::UserDefined(Box::new(UserDefined {
        jvm_class: message.jvm_class,
        python_class: message.python_class,
        serialized_class: message.serialized_python_class,
        sql_type,
    })))
}

/// The string type of a collation; only byte-wise comparison is supported.
pub(crate) fn string(collation: &str) -> Result<DataType, SparkError> {
    if collation.is_empty() || collation.eq_ignore_ascii_case("UTF8_BINARY") {
        Ok(DataType::String)
    } else {
        Err(SparkError::unsupported(format_args!("The collation {collation}")))
    }
}

pub(crate) fn decimal(precision: i32, scale: i32) -> Result<DataType, SparkError> {
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 0..=38), Ok(s)) if i32::from(s) <= precision && s >= 0 => {
            Ok(DataType::Decimal { precision: p, scale: s })
        }
        _ => Err(invalid(format!("decimal({precision},{scale}) is not a type."))),
    }
}

fn length(value: i32) -> Result<u32, SparkError> {
    u32::try_from(value).map_err(|_| invalid(format!("A length must not be negative: {value}.")))
}

pub(crate) fn time_precision(value: i32) -> Result<u8, SparkError> {
    match u8::try_from(value) {
        Ok(precision @ 0..=9) => Ok(precision),
        _ => Err(invalid(format!("time({value}) is not a type."))),
    }
}

fn year_month(start: Option<i32>, end: Option<i32>) -> Result<DataType, SparkError> {
    let unit = |n: i32| match n {
        0 => Ok(IntervalUnit::Year),
        1 => Ok(IntervalUnit::Month),
        _ => Err(invalid(format!("{n} is not a unit of a year-month interval."))),
    };
    let (first, last) = interval_ends(start, end, 1);
    Ok(DataType::YearMonthInterval { start: unit(first)?, end: unit(last)? })
}

fn day_time(start: Option<i32>, end: Option<i32>) -> Result<DataType, SparkError> {
    let unit = |n: i32| match n {
        0 => Ok(IntervalUnit::Day),
        1 => Ok(IntervalUnit::Hour),
        2 => Ok(IntervalUnit::Minute),
        3 => Ok(IntervalUnit::Second),
        _ => Err(invalid(format!("{n} is not a unit of a day-time interval."))),
    };
    let (first, last) = interval_ends(start, end, 3);
    Ok(DataType::DayTimeInterval { start: unit(first)?, end: unit(last)? })
}

/// Without both ends the widest interval; with only a start that unit alone.
fn interval_ends(start: Option<i32>, end: Option<i32>, finest: i32) -> (i32, i32) {
    match (start, end) {
        (None, None) => (0, finest),
        (Some(start), None) => (start, start),
        (start, Some(end)) => (start.unwrap_or(0), end),
    }
}

/// Converts a type to a message.
pub(crate) fn data_type_message(of: &DataType) -> pb::DataType {
    let kind = match of {
        DataType::Null => Kind::Null(kind::Null::default()),
        DataType::Boolean => Kind::Boolean(kind::Boolean::default()),
        DataType::Byte => Kind::Byte(kind::Byte::default()),
        DataType::Short => Kind::Short(kind::Short::default()),
        DataType::Integer => Kind::Integer(kind::Integer::default()),
        DataType::Long => Kind::Long(kind::Long::default()),
        DataType::Float => Kind::Float(kind::Float::default()),
        DataType::Double => Kind::Double(kind::Double::default()),
        DataType::Decimal { precision, scale } => Kind::Decimal(kind::Decimal {
            precision: Some(i32::from(*precision)),
            scale: Some(i32::from(*scale)),
            ..Default::default()
        }),
        DataType::String => {
            Kind::String(kind::String { collation: "UTF8_BINARY".into(), ..Default::default() })
        }
        DataType::Char(n) => {
            Kind::Char(kind::Char { length: n.cast_signed(), ..Default::default() })
        }
        DataType::Varchar(n) => {
            Kind::VarChar(kind::VarChar { length: n.cast_signed(), ..Default::default() })
        }
        DataType::Binary => Kind::Binary(kind::Binary::default()),
        DataType::Date => Kind::Date(kind::Date::default()),
        DataType::Timestamp => Kind::Timestamp(kind::Timestamp::default()),
        DataType::TimestampNtz => Kind::TimestampNtz(kind::TimestampNtz::default()),
        DataType::Time(p) => {
            Kind::Time(kind::Time { precision: Some(i32::from(*p)), ..Default::default() })
        }
        DataType::YearMonthInterval { .. } | DataType::DayTimeInterval { .. } => interval_kind(of),
        DataType::CalendarInterval => Kind::CalendarInterval(kind::CalendarInterval::default()),
        DataType::Array { .. } | DataType::Map { .. } | DataType::Struct(_) => nested_kind(of),
        DataType::Variant => Kind::Variant(kind::Variant::default()),
        DataType::UserDefined(defined) => {
            let UserDefined { jvm_class, python_class, serialized_class, sql_type } = &**defined;
            Kind::Udt(Box::new(kind::Udt {
                r#type: "udt".to_owned(),
                jvm_class: jvm_class.clone(),
                python_class: python_class.clone(),
                serialized_python_class: serialized_class.clone(),
                sql_type: Some(Box::new(data_type_message(sql_type))),
            }))
        }
    };
    pb::DataType { kind: Some(kind) }
}

fn interval_kind(of: &DataType) -> Kind {
    let number = |unit: IntervalUnit| match unit {
        IntervalUnit::Year | IntervalUnit::Day => 0,
        IntervalUnit::Month | IntervalUnit::Hour => 1,
        IntervalUnit::Minute => 2,
        IntervalUnit::Second => 3,
    };
    match of {
        DataType::YearMonthInterval { start, end } => {
            Kind::YearMonthInterval(kind::YearMonthInterval {
                start_field: Some(number(*start)),
                end_field: Some(number(*end)),
                ..Default::default()
            })
        }
        DataType::DayTimeInterval { start, end } => Kind::DayTimeInterval(kind::DayTimeInterval {
            start_field: Some(number(*start)),
            end_field: Some(number(*end)),
            ..Default::default()
        }),
        _ => Kind::CalendarInterval(kind::CalendarInterval::default()),
    }
}

fn nested_kind(of: &DataType) -> Kind {
    match of {
        DataType::Array { element, contains_null } => Kind::Array(Box::new(kind::Array {
            element_type: Some(Box::new(data_type_message(element))),
            contains_null: *contains_null,
            ..Default::default()
        })),
        DataType::Map { key, value, value_contains_null } => Kind::Map(Box::new(kind::Map {
            key_type: Some(Box::new(data_type_message(key))),
            value_type: Some(Box::new(data_type_message(value))),
            value_contains_null: *value_contains_null,
            ..Default::default()
        })),
        DataType::Struct(fields) => Kind::Struct(kind::Struct {
            fields: fields.iter().map(field_message).collect(),
            ..Default::default()
        }),
        _ => Kind::Null(kind::Null::default()),
    }
}

fn field_message(of: &Field) -> kind::StructField {
    let Field { name, data_type, nullable, metadata } = of;
    kind::StructField {
        name: name.clone(),
        data_type: Some(data_type_message(data_type)),
        nullable: *nullable,
        metadata: metadata.clone(),
    }
}
