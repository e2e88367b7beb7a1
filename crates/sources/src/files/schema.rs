//! The schema of files, where the program does not give one.

use super::listing::{Found, unreadable};
use super::options::Format;
use super::parquet_schema;
use super::table::Reader;
use super::text::{TextFormat, infer_csv, infer_json};
use errors::condition;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use plan::{DataType, Field, SparkError};
use std::fs::File;
use std::path::Path;

/// The columns that the files hold.
pub(crate) fn infer(
    reader: &Reader,
    files: &[Found],
    merged: bool,
) -> Result<Vec<Field>, SparkError> {
    let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
    match reader {
        Reader::Parquet => parquet(files, merged),
        Reader::Text(TextFormat::Plain(_)) => Ok(vec![Field::new("value", DataType::String, true)]),
        Reader::Text(TextFormat::Csv(_)) if files.is_empty() => Err(unable(Format::Csv)),
        Reader::Text(TextFormat::Csv(csv)) => infer_csv(&paths, csv, unreadable),
        Reader::Text(TextFormat::Json(_)) if files.is_empty() => Err(unable(Format::Json)),
        Reader::Text(TextFormat::Json(json)) => infer_json(&paths, json, unreadable),
    }
}

/// Nothing there to read a schema from.
fn unable(format: Format) -> SparkError {
    let name = match format {
        Format::Parquet => "Parquet",
        Format::Csv => "CSV",
        Format::Json => "JSON",
        Format::Text => "Text",
    };
    let message = format!("Unable to infer schema for {name}. It must be specified manually.");
    SparkError::analysis(condition::UNABLE_TO_INFER_SCHEMA, message, &[("format", name)])
}

fn broken(file: &Found, error: &dyn std::fmt::Display) -> SparkError {
    let path = format!("file:{}", file.path.display());
    let message = format!("Encountered error while reading file {path}: {error}");
    SparkError::new(condition::FAILED_READ_FILE_NO_HINT, message, &[("path", path.as_str())])
}

fn open(file: &Found) -> Result<File, SparkError> {
    File::open(&file.path).map_err(|error| unreadable(&file.path, &error))
}

/// The footer of a Parquet file.
pub(crate) fn footer(file: &Found) -> Result<ArrowReaderMetadata, SparkError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::load(&open(file)?, options).map_err(|error| broken(file, &error))
}

/// As in Spark, one file speaks for all, unless the columns of all are asked for.
fn parquet(files: &[Found], merged: bool) -> Result<Vec<Field>, SparkError> {
    let mut filled = files.iter().filter(|file| file.size > 0).peekable();
    let first = filled.peek().copied().or(files.first());
    let Some(first) = first else { return Err(unable(Format::Parquet)) };
    let columns = |file| parquet_schema::columns(&footer(file)?);
    let mut fields = columns(first)?;
    for file in filled.skip(1).filter(|_| merged) {
        for field in columns(file)? {
            match fields.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&field.name)) {
                Some(known) => merge(known, field)?,
                None => fields.push(field),
            }
        }
    }
    // Another file may lack the column.
    Ok(fields.into_iter().map(|field| Field { nullable: true, ..field }).collect())
}

/// Makes a column hold also the values of another file.
fn merge(known: &mut Field, other: Field) -> Result<(), SparkError> {
    match (&mut known.data_type, other.data_type) {
        (DataType::Struct(fields), DataType::Struct(others)) => {
            for other in others {
                match fields.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&other.name)) {
                    Some(known) => merge(known, other)?,
                    None => fields.push(Field { nullable: true, ..other }),
                }
            }
            Ok(())
        }
        (
            DataType::Array { element, contains_null },
            DataType::Array { element: other, contains_null: also },
        ) => {
            let mut inner = Field::new("element", (**element).clone(), true);
            merge(&mut inner, Field::new("element", *other, true))?;
            **element = inner.data_type;
            *contains_null |= also;
            Ok(())
        }
        (known, other) if *known == other => Ok(()),
        (left, right) => {
            let (left, right) = (left.sql(), right.sql());
            let message = format!(
                "Failed merging schemas: the column {} is \"{left}\" in one file and \"{right}\" in another.",
                plan::quote_name(&known.name)
            );
            Err(SparkError::new(
                condition::CANNOT_MERGE_SCHEMAS,
                message,
                &[("left", left.as_str()), ("right", right.as_str())],
            ))
        }
    }
}
