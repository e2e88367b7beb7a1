//! Types of values that are only text in directory names.

use chrono::{NaiveDate, NaiveDateTime};
use plan::DataType;

/// What the values of a column seen so far can be read as, from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but null so far.
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
    /// Of one value.
    pub(crate) fn of(text: &str) -> Self {
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

    /// Of both.
    pub(crate) fn or(self, other: Self) -> Self {
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

    /// The type of the column.
    pub(crate) fn data_type(self) -> DataType {
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
    // Rust also reads `inf` and `nan` in any case; Spark knows three words.
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
