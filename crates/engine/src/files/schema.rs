//! The schema of files, where the program does not give one.

use super::infer::Kind;
use super::listing::{Found, unreadable};
use super::options::{Csv, Format, Options};
use crate::types;
use arrow::array::AsArray;
use arrow::csv::reader::Format as CsvFormat;
use arrow::datatypes::{DataType as Arrow, Field as ArrowField, Schema};
use arrow::error::ArrowError;
use arrow::json::reader::{ValueIter, infer_json_schema_from_iterator};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use plan::{DataType, Field, SparkError};
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

/// The columns that the files hold.
pub(crate) fn infer(
    format: Format,
    files: &[Found],
    options: &Options<'_>,
) -> Result<Vec<Field>, SparkError> {
    let fields = match format {
        Format::Text => vec![Field::new("value", DataType::String, true)],
        Format::Parquet => parquet(files)?,
        Format::Csv => csv(files, &Csv::new(options)?, options.flag("inferSchema")?)?,
        Format::Json => json(files)?,
    };
    if fields.is_empty() && format != Format::Json {
        return Err(unable(format));
    }
    Ok(fields)
}

/// Nothing there to read a schema from.
pub(crate) fn unable(format: Format) -> SparkError {
    let name = match format {
        Format::Parquet => "Parquet",
        Format::Csv => "CSV",
        Format::Json => "JSON",
        Format::Text => "Text",
    };
    let message = format!("Unable to infer schema for {name}. It must be specified manually.");
    SparkError::analysis("UNABLE_TO_INFER_SCHEMA", message, &[("format", name)])
}

fn broken(file: &Found, error: &dyn std::fmt::Display) -> SparkError {
    let path = format!("file:{}", file.path.display());
    let message = format!("Encountered error while reading file {path}: {error}");
    SparkError::new(
        plan::ErrorKind::Spark,
        "FAILED_READ_FILE.NO_HINT",
        message,
        &[("path", path.as_str())],
    )
}

fn open(file: &Found) -> Result<File, SparkError> {
    File::open(&file.path).map_err(|error| unreadable(&file.path, &error))
}

/// The footer of a Parquet file.
pub(crate) fn footer(file: &Found) -> Result<ArrowReaderMetadata, SparkError> {
    ArrowReaderMetadata::load(&open(file)?, ArrowReaderOptions::new())
        .map_err(|error| broken(file, &error))
}

/// As in Spark, one file speaks for all.
fn parquet(files: &[Found]) -> Result<Vec<Field>, SparkError> {
    let Some(first) = files.first() else { return Err(unable(Format::Parquet)) };
    let fields = types::schema_from_arrow(footer(first)?.schema())?;
    // Another file may lack the column.
    Ok(fields.into_iter().map(|field| Field { nullable: true, ..field }).collect())
}

fn csv(files: &[Found], csv: &Csv, typed: bool) -> Result<Vec<Field>, SparkError> {
    let format = csv_format(csv);
    let mut names = Vec::new();
    for file in files {
        let (schema, _) = format
            .clone()
            .infer_schema(open(file)?, Some(1))
            .map_err(|error| broken(file, &error))?;
        if !schema.fields().is_empty() {
            let given = schema.fields().iter().map(|field| field.name().clone()).collect();
            names = if csv.header { distinct(given) } else { numbered(schema.fields().len()) };
            break;
        }
    }
    let mut kinds = vec![Kind::Nothing; names.len()];
    if typed {
        for file in files {
            widen(file, csv, &names, &mut kinds).map_err(|error| broken(file, &error))?;
        }
    }
    let kind = |i: usize| if typed { kinds[i].data_type() } else { DataType::String };
    Ok(names.iter().enumerate().map(|(i, name)| Field::new(name, kind(i), true)).collect())
}

fn csv_format(csv: &Csv) -> CsvFormat {
    let format = CsvFormat::default()
        .with_header(csv.header)
        .with_delimiter(csv.delimiter)
        .with_quote(csv.quote)
        .with_escape(csv.escape)
        .with_truncated_rows(true);
    match csv.comment {
        Some(comment) => format.with_comment(comment),
        None => format,
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("_c{i}")).collect()
}

/// The names of a header: an empty one gets its number, and one that is there twice gets its number at its end.
fn distinct(names: Vec<String>) -> Vec<String> {
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let unique = |(i, name): (usize, String)| {
        if name.is_empty() {
            format!("_c{i}")
        } else if lower.iter().filter(|other| **other == lower[i]).count() > 1 {
            format!("{name}{i}")
        } else {
            name
        }
    };
    names.into_iter().enumerate().map(unique).collect()
}

fn widen(file: &Found, csv: &Csv, names: &[String], kinds: &mut [Kind]) -> Result<(), ArrowError> {
    let fields: Vec<_> =
        names.iter().map(|name| ArrowField::new(name, Arrow::Utf8, true)).collect();
    let input = File::open(&file.path)?;
    let reader = arrow::csv::ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_format(csv_format(csv))
        .build(input)?;
    for batch in reader {
        for (column, kind) in batch?.columns().iter().zip(kinds.iter_mut()) {
            let values = column.as_string::<i32>().iter().flatten();
            for value in values.filter(|value| *value != csv.null) {
                if kind.is_final() {
                    break;
                }
                *kind = kind.or(Kind::of(value));
            }
        }
    }
    Ok(())
}

/// All files together; fields in order of their names, as Spark has them.
fn json(files: &[Found]) -> Result<Vec<Field>, SparkError> {
    let mut inputs = Vec::new();
    for file in files {
        inputs.push(open(file)?);
    }
    let values = inputs.into_iter().flat_map(|input| ValueIter::new(BufReader::new(input), None));
    let schema = infer_json_schema_from_iterator(values).map_err(|error| match files.first() {
        Some(first) => broken(first, &error),
        None => unable(Format::Json),
    })?;
    let DataType::Struct(fields) = sorted(DataType::Struct(types::schema_from_arrow(&schema)?))
    else {
        return Ok(Vec::new());
    };
    if fields.is_empty() {
        return Err(unable(Format::Json));
    }
    Ok(fields)
}

fn sorted(data_type: DataType) -> DataType {
    match data_type {
        DataType::Struct(mut fields) => {
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            let field = |field: Field| Field { data_type: sorted(field.data_type), ..field };
            DataType::Struct(fields.into_iter().map(field).collect())
        }
        DataType::Array { element, contains_null } => {
            DataType::Array { element: Box::new(sorted(*element)), contains_null }
        }
        // A column that is null everywhere has no type of its own.
        DataType::Null => DataType::String,
        other => other,
    }
}
