//! The columns of CSV records: names from a header or numbers, types from the values where that is
//! asked for.

use super::Csv;
use super::read::{boolean, double};
use super::record::{Extent, Record};
use crate::text::{TimeText, parse_date};
use errors::SparkError;
use plan::{DataType, Field};
use std::borrow::Cow;

/// The columns that were seen.
#[derive(Debug)]
pub struct CsvTypes {
    csv: Csv,
    times: TimeText,
    names: Vec<String>,
    types: Vec<DataType>,
}

impl CsvTypes {
    /// As many columns as the first record has, and with a header the names that it gives.
    pub fn new(csv: &Csv, first: &Record, input: &[u8]) -> Result<Self, SparkError> {
        let field = |at| first.get(csv, input, at).map(Cow::into_owned);
        let names: Vec<Option<String>> = (0..first.width()).map(field).collect();
        let names = if csv.header { distinct(&names) } else { numbered(names.len()) };
        let types = vec![DataType::Null; names.len()];
        Ok(Self { csv: csv.clone(), times: csv.records.times()?, names, types })
    }

    /// Adds the values of a record.
    pub fn add(&mut self, record: &Record, input: &[u8]) {
        let Self { csv, times, types, .. } = self;
        for (at, known) in types.iter_mut().enumerate() {
            if *known != DataType::String
                && let Some(text) = record.get(csv, input, at)
                && !text.is_empty()
            {
                *known = wider(known, &text, csv, times);
            }
        }
    }

    /// The columns of all records.
    pub fn finish(self) -> Vec<Field> {
        let field = |(name, data_type): (String, DataType)| {
            let data_type = if data_type == DataType::Null { DataType::String } else { data_type };
            Field::new(name, data_type, true)
        };
        self.names.into_iter().zip(self.types).map(field).collect()
    }

    /// The type of one line, whose fields are never names.
    pub fn of(csv: &Csv, line: &[u8]) -> Result<DataType, SparkError> {
        let csv = Csv { header: false, ..csv.clone() };
        let mut record = Record::default();
        record.parse(&csv, line, Extent::Line);
        let mut types = Self::new(&csv, &record, line)?;
        types.add(&record, line);
        Ok(DataType::Struct(types.finish()))
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("_c{i}")).collect()
}

/// The names of a header: an empty one gets its number, and one that is there twice gets its number
/// at its end.
fn distinct(names: &[Option<String>]) -> Vec<String> {
    let lower: Vec<_> = names.iter().flatten().map(|name| name.to_lowercase()).collect();
    let unique = |(i, name): (usize, &Option<String>)| match name.as_deref() {
        None | Some("") => format!("_c{i}"),
        Some(name) => {
            let same = lower.iter().filter(|other| **other == name.to_lowercase()).count();
            if same > 1 { format!("{name}{i}") } else { name.to_owned() }
        }
    };
    names.iter().enumerate().map(unique).collect()
}

/// The type that a column has after one more value. Where it is a number already, nothing narrower
/// is tried.
fn wider(known: &DataType, text: &str, csv: &Csv, times: &TimeText) -> DataType {
    let found = match known {
        DataType::Null | DataType::Integer => integer(text, csv, times),
        DataType::Long => long(text, csv, times),
        DataType::Decimal { .. } => decimal(text, csv, times),
        DataType::Double => fraction(text, csv, times),
        DataType::Date => date(text, csv, times),
        DataType::Timestamp => timestamp(text, times),
        DataType::Boolean => truth(text),
        _ => DataType::String,
    };
    common(known, found)
}

fn integer(text: &str, csv: &Csv, times: &TimeText) -> DataType {
    if text.parse::<i32>().is_ok() { DataType::Integer } else { long(text, csv, times) }
}

fn long(text: &str, csv: &Csv, times: &TimeText) -> DataType {
    if text.parse::<i64>().is_ok() { DataType::Long } else { decimal(text, csv, times) }
}

/// Whole numbers that a long does not hold.
fn decimal(text: &str, csv: &Csv, times: &TimeText) -> DataType {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = digits.strip_suffix('.').unwrap_or(digits);
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let count = digits.trim_start_matches('0').len().max(1);
    match u8::try_from(count) {
        Ok(precision) if whole && precision <= 38 => DataType::Decimal { precision, scale: 0 },
        _ => fraction(text, csv, times),
    }
}

fn fraction(text: &str, csv: &Csv, times: &TimeText) -> DataType {
    if double(text, csv).is_some() { DataType::Double } else { date(text, csv, times) }
}

fn date(text: &str, csv: &Csv, times: &TimeText) -> DataType {
    // Without a pattern only the full form counts, which is stricter than reading.
    let full = || text.len() == 10 && parse_date(text).is_some();
    let is_date = csv.prefer_date
        && if csv.records.has_date_format() { times.date(text).is_some() } else { full() };
    if is_date { DataType::Date } else { timestamp(text, times) }
}

fn timestamp(text: &str, times: &TimeText) -> DataType {
    if times.timestamp(text).is_some() { DataType::Timestamp } else { truth(text) }
}

fn truth(text: &str) -> DataType {
    if boolean(text).is_some() { DataType::Boolean } else { DataType::String }
}

fn common(known: &DataType, found: DataType) -> DataType {
    use DataType::{Decimal, Double, Integer, Long, Null, String};
    match (known, found) {
        (Null, found) => found,
        (known, found) if *known == found => found,
        (Integer, Long) | (Long, Integer) => Long,
        (Integer | Long | Decimal { .. }, Double) | (Double, Integer | Long | Decimal { .. }) => {
            Double
        }
        (Integer, Decimal { precision, .. }) => Decimal { precision: precision.max(10), scale: 0 },
        (Long, Decimal { precision, .. }) => Decimal { precision: precision.max(20), scale: 0 },
        (Decimal { precision: a, .. }, Decimal { precision: b, .. }) => {
            Decimal { precision: (*a).max(b), scale: 0 }
        }
        _ => String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DEFAULTS, with};

    #[test]
    fn values_have_the_narrowest_type_that_reads_all() {
        let big = DataType::Decimal { precision: 20, scale: 0 };
        let plain: &[(&str, &str)] = &[];
        let german: &[(&str, &str)] = &[("dateFormat", "dd.MM.yyyy")];
        let cases: &[(&[(&str, &str)], &[&str], DataType)] = &[
            (plain, &["1", "-2"], DataType::Integer),
            (plain, &["1", "3000000000"], DataType::Long),
            (plain, &["1", "12345678901234567890"], big),
            (plain, &["1", "1.5"], DataType::Double),
            (plain, &["1e3"], DataType::Double),
            (plain, &["1."], DataType::Decimal { precision: 1, scale: 0 }),
            (plain, &["Inf", "NaN", "1"], DataType::Double),
            (plain, &["2015-01-01"], DataType::Date),
            (plain, &["2015-01-01", "2015-01-01 10:00:00"], DataType::String),
            (plain, &["2015-01-01 10:00:00", "2015-01-01"], DataType::Timestamp),
            (plain, &["2015-01-01T10:00:00.5Z"], DataType::Timestamp),
            (plain, &["true", "FALSE"], DataType::Boolean),
            (plain, &["1", "true"], DataType::String),
            (plain, &["true", "1"], DataType::String),
            (plain, &["nan"], DataType::String),
            (&[("preferDate", "false")], &["2015-01-01"], DataType::Timestamp),
            (german, &["01.02.2015"], DataType::Date),
        ];
        for (pairs, values, expected) in cases {
            let csv = with(pairs, |options| Csv::read(options, DEFAULTS)).unwrap();
            let times = csv.records.times().unwrap();
            let found =
                values.iter().fold(DataType::Null, |known, text| wider(&known, text, &csv, &times));
            assert_eq!(found, *expected, "{values:?}");
        }
    }

    #[test]
    fn a_header_gives_names_that_differ() {
        let names = ["a", "A", "", "b"].map(|name| Some(name.to_owned()));
        assert_eq!(distinct(&names), ["a0", "A1", "_c2", "b"]);
    }
}
