//! The columns of CSV files: names from a header or numbers, types from the values where that is asked for.

use super::csv::{Extent, Record};
use super::csv_rows::{boolean, double, is_record, next_record};
use super::dialect::Csv;
use super::lines::Lines;
use crate::Location;
use functions::TimeText;
use plan::{DataType, Field, SparkError};
use std::borrow::Cow;
use std::io;

/// The columns that the files hold; none if no file has a line.
pub(crate) fn infer(files: &[Location], csv: &Csv) -> Result<Vec<Field>, SparkError> {
    let times = csv.records.times()?;
    let mut names = Vec::new();
    for file in files {
        let first = each(file, csv, &mut |record, input| {
            let field = |at| record.get(csv, input, at).map(Cow::into_owned);
            names = (0..record.len()).map(field).collect();
            false
        });
        first.map_err(|error| file.denied(&error))?;
        if !names.is_empty() {
            break;
        }
    }
    let names = if csv.header { distinct(&names) } else { numbered(names.len()) };
    let mut types = vec![DataType::Null; names.len()];
    let mut sample = csv.records.sample();
    for file in files.iter().filter(|_| csv.infer) {
        let mut is_header = csv.header;
        let read = each(file, csv, &mut |record, input| {
            if !std::mem::take(&mut is_header) && sample.takes() {
                for (at, known) in types.iter_mut().enumerate() {
                    if *known != DataType::String
                        && let Some(text) = record.get(csv, input, at)
                        && !text.is_empty()
                    {
                        *known = wider(known, &text, csv, &times);
                    }
                }
            }
            true
        });
        read.map_err(|error| file.denied(&error))?;
    }
    let field = |(name, data_type): (String, DataType)| {
        let data_type = if data_type == DataType::Null { DataType::String } else { data_type };
        Field::new(name, data_type, true)
    };
    Ok(names.into_iter().zip(types).map(field).collect())
}

/// Shows each record of a file, with the input that its fields are in, until that is enough.
fn each(
    file: &Location,
    csv: &Csv,
    show: &mut dyn FnMut(&Record, &[u8]) -> bool,
) -> io::Result<()> {
    let mut lines = Lines::open(file, None, csv.records.line_sep.as_deref())?;
    let mut record = Record::default();
    if csv.records.multi_line {
        while let Some(length) = next_record(&mut record, csv, &mut lines)? {
            if !show(&record, lines.rest()) {
                break;
            }
            lines.take(length);
        }
        return Ok(());
    }
    while let Some(line) = lines.next()? {
        if is_record(line, csv) {
            record.parse(csv, line, Extent::Line);
            if !show(&record, line) {
                break;
            }
        }
    }
    Ok(())
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("_c{i}")).collect()
}

/// The names of a header: an empty one gets its number, and one that is there twice gets its number at its end.
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

/// The type that a column has after one more value. Where it is a number already, nothing narrower is tried.
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
    let full = || text.len() == 10 && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
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
    use super::super::super::options::Options;
    use super::*;
    use model::conf::Conf;

    #[test]
    fn values_have_the_narrowest_type_that_reads_all() {
        let options = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let big = DataType::Decimal { precision: 20, scale: 0 };
        let plain: &[(&str, &str)] = &[];
        let german: &[(&str, &str)] = &[("dateFormat", "dd.MM.yyyy")];
        let cases: &[(&[(&str, &str)], &[&str], DataType)] = &[
            (plain, &["1", "-2"], DataType::Integer),
            (plain, &["1", "3000000000"], DataType::Long),
            (plain, &["1", "12345678901234567890"], big),
            (plain, &["1", "1.5"], DataType::Double),
            (plain, &["1e3"], DataType::Double),
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
            let csv = Csv::read(&Options(&options(pairs)), &Conf::default()).unwrap();
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
