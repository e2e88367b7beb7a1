//! Partition columns from directory names: `year=2015/land=US`. Their values are text; a column has
//! the narrowest type that fits all of them.

use super::listing::DataFile;
use chrono::{NaiveDate, NaiveDateTime};
use datafusion::common::ScalarValue;
use formats::types;
use plan::{DataType, Field};

/// The partition columns: those that all files have. `given` are columns of the program's schema,
/// whose types take precedence; `typed` tells whether the types of others are inferred or remain
/// text.
pub(crate) fn columns(files: &[DataFile], given: Option<&[Field]>, typed: bool) -> Vec<Field> {
    let Some(first) = files.first() else { return Vec::new() };
    let names: Vec<&String> = first.partition.iter().map(|(name, _)| name).collect();
    let same =
        |file: &DataFile| file.partition.iter().map(|(name, _)| name).eq(names.iter().copied());
    if !files.iter().all(same) {
        return Vec::new();
    }
    let column = |(at, name): (usize, &String)| {
        let known =
            given.and_then(|given| given.iter().find(|f| f.name.eq_ignore_ascii_case(name)));
        if let Some(known) = known {
            return known.clone();
        }
        let values = files.iter().filter_map(|file| file.partition[at].1.as_deref());
        let kind = values.fold(Kind::Nothing, |kind, value| {
            kind.or(match Kind::of(value) {
                // Spark infers no booleans from directory names.
                Kind::Boolean => Kind::Text,
                kind => kind,
            })
        });
        let data_type = if typed { kind.data_type() } else { DataType::String };
        Field::new(name.clone(), data_type, true)
    };
    names.into_iter().enumerate().map(column).collect()
}

/// The values of a file's partition columns; null if a value does not fit the column's type.
pub(crate) fn values(file: &DataFile, columns: &[Field]) -> Vec<ScalarValue> {
    let value = |(column, (_, text)): (&Field, &(String, Option<String>))| {
        let data_type = types::to_arrow(&column.data_type);
        let text = ScalarValue::Utf8(text.clone());
        text.cast_to(&data_type)
            .or_else(|_| ScalarValue::try_from(&data_type))
            .unwrap_or(ScalarValue::Null)
    };
    columns.iter().zip(&file.partition).map(value).collect()
}

/// Narrowest type that fits all values of a column seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Only nulls so far.
    Nothing,
    Integer,
    Long,
    Double,
    Date,
    Timestamp,
    Boolean,
    Text,
}

impl Kind {
    /// The kind of one value.
    fn of(text: &str) -> Self {
        if text.parse::<i32>().is_ok() {
            Self::Integer
        } else if text.parse::<i64>().is_ok() {
            Self::Long
        } else if is_double(text) {
            Self::Double
        } else if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() && text.len() == 10 {
            Self::Date
        } else if is_timestamp(text) {
            Self::Timestamp
        } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            Self::Boolean
        } else {
            Self::Text
        }
    }

    /// The narrowest kind that covers both.
    fn or(self, other: Self) -> Self {
        use Kind::{Date, Double, Integer, Long, Nothing, Text, Timestamp};
        match (self, other) {
            (a, b) if a == b => a,
            (Nothing, a) | (a, Nothing) => a,
            (Integer, Long) | (Long, Integer) => Long,
            (Integer | Long, Double) | (Double, Integer | Long) => Double,
            (Date, Timestamp) | (Timestamp, Date) => Timestamp,
            _ => Text,
        }
    }

    /// The type of a column of this kind.
    fn data_type(self) -> DataType {
        match self {
            Self::Nothing | Self::Text => DataType::String,
            Self::Integer => DataType::Integer,
            Self::Long => DataType::Long,
            Self::Double => DataType::Double,
            Self::Date => DataType::Date,
            Self::Timestamp => DataType::Timestamp,
            Self::Boolean => DataType::Boolean,
        }
    }
}

fn is_double(text: &str) -> bool {
    // Rust also parses `inf` and `nan` in any case; Spark accepts three spellings.
    match text.chars().last() {
        Some(c) if c.is_ascii_digit() || c == '.' => text.parse::<f64>().is_ok(),
        _ => matches!(text, "NaN" | "Infinity" | "-Infinity" | "Inf" | "-Inf"),
    }
}

fn is_timestamp(text: &str) -> bool {
    let forms =
        ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let plain = text.strip_suffix('Z').unwrap_or(text);
    forms.iter().any(|form| NaiveDateTime::parse_from_str(plain, form).is_ok())
        || chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_narrowest_type_that_reads_all() {
        let cases: [(&[&str], DataType); 10] = [
            (&["1", "2"], DataType::Integer),
            (&["1", "3000000000"], DataType::Long),
            (&["1", "1.5"], DataType::Double),
            (&["1e3"], DataType::Double),
            (&["2015-01-01"], DataType::Date),
            (&["2015-01-01", "2015-01-01 10:00:00"], DataType::Timestamp),
            (&["true", "FALSE"], DataType::Boolean),
            (&["1", "true"], DataType::String),
            (&["inf", "nan"], DataType::String),
            (&[], DataType::String),
        ];
        for (values, expected) in cases {
            let kind = values.iter().fold(Kind::Nothing, |kind, value| kind.or(Kind::of(value)));
            assert_eq!(kind.data_type(), expected, "{values:?}");
        }
    }
}
