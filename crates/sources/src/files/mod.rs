//! Files: listing them, finding out their schema, planning which task reads what, and writing.

mod any_case;
mod infer;
mod listing;
mod options;
mod output;
mod parquet_schema;
mod schema;
mod split;
mod table;
mod text;
mod write;
mod write_exec;

pub use any_case::AnyCase;
pub use listing::local;
pub use text::{TextScan, TextScanExec};
pub use write::{FileWrite, WriteTask, overwrites_partitions};
pub use write_exec::WriteExec;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use formats::types;
use infer::Kind;
use listing::{Found, Wanted};
use model::conf::{Conf, DEFAULT_SOURCE, MERGE_SCHEMA, PARTITION_COLUMN_INFERENCE, TIME_ZONE};
use options::{Format, Options};
use plan::{DataType, Field, ScanOptions, SchemaOrText, SparkError};
use split::{Sizes, Splittable};
use std::sync::Arc;
use table::{FileTable, Reader};
use text::{Csv, Json, Nested, Plain, TextFormat, readable};

/// Footers read for statistics while planning; more files are judged by their bytes.
const FOOTERS: usize = 64;

/// Files that can be read.
#[derive(Debug)]
pub struct Source {
    /// Spark's schema: the columns of the files, then those of the directory names.
    pub schema: Vec<Field>,
    /// The rows; its columns are those of `schema`.
    pub provider: Arc<dyn TableProvider>,
    /// The files, as URIs.
    pub files: Vec<String>,
}

/// Finds the files of a scan and their schema. A schema given as text has to be parsed before. `slots` is the default parallelism
/// where the settings name none.
pub async fn open(scan: &ScanOptions, conf: &Conf, slots: u32) -> Result<Source, SparkError> {
    let (scan, conf) = (scan.clone(), conf.clone());
    let work = move || open_blocking(&scan, &conf, slots);
    let stopped = |_| SparkError::internal("the process is stopping");
    tokio::task::spawn_blocking(work).await.map_err(stopped)?
}

fn open_blocking(scan: &ScanOptions, conf: &Conf, slots: u32) -> Result<Source, SparkError> {
    let default = conf.get(&DEFAULT_SOURCE)?;
    let format = Format::new(scan.format.as_deref().unwrap_or(&default))?;
    let options = Options(&scan.options);
    options::check_common(&options)?;
    let reader = match format {
        Format::Parquet => Reader::Parquet,
        Format::Csv => Reader::Text(TextFormat::Csv(Box::new(Csv::read(&options, conf)?))),
        Format::Json => Reader::Text(TextFormat::Json(Box::new(Json::new(&options, conf)?))),
        Format::Text => Reader::Text(TextFormat::Plain(Plain::new(&options)?)),
    };
    let paths = match (scan.paths.is_empty(), options.get(&["path"])) {
        (true, Some(path)) => vec![path.to_owned()],
        _ => scan.paths.clone(),
    };
    let zone = conf.find(&TIME_ZONE)?.unwrap_or_else(|| "UTC".to_owned());
    let wanted = Wanted::new(&options, options.get(&["timeZone"]).unwrap_or(&zone))?;
    let files = listing::list(&paths, &wanted)?;
    refuse_compressed(format, &files)?;
    let given = match &scan.schema {
        Some(SchemaOrText::Schema(fields)) => Some(fields.as_slice()),
        Some(SchemaOrText::Text(_)) => {
            return Err(SparkError::internal("the schema of a scan is parsed before it is opened"));
        }
        None => None,
    };
    let partition = partition_columns(&files, given, conf.get(&PARTITION_COLUMN_INFERENCE)?);
    let is_partition =
        |field: &Field| partition.iter().any(|p| p.name.eq_ignore_ascii_case(&field.name));
    let columns = if let Some(given) = given {
        // Files promise nothing.
        given.iter().cloned().map(nullable).collect()
    } else {
        let merged = options.switch("mergeSchema", conf.get(&MERGE_SCHEMA)?)?;
        schema::infer(&reader, &files, merged)?
    };
    let mut all: Vec<Field> = columns.into_iter().filter(|field| !is_partition(field)).collect();
    let file_columns = all.len();
    check_fields(&reader, &all)?;
    // A file without bytes has no rows, whatever its format.
    let files: Vec<Found> = files.into_iter().filter(|file| file.size > 0).collect();
    let values = files.iter().map(|file| partition_values(file, &partition)).collect::<Vec<_>>();
    all.extend(partition);
    let arrow = types::schema_in_plans(&all);
    let splittable = match &reader {
        Reader::Parquet => Splittable::Yes,
        Reader::Text(format) => format.splittable(),
    };
    let groups = split::partitions(&files, &values, Sizes::new(conf, slots)?, splittable)?;
    let table = FileTable {
        statistics: statistics(format, &files, &arrow, file_columns)?,
        reader,
        schema: arrow,
        file_columns,
        groups,
    };
    let uri = |file: &Found| format!("file://{}", file.path.display());
    Ok(Source { schema: all, provider: Arc::new(table), files: files.iter().map(uri).collect() })
}

/// Refuses compressed files that cannot be read.
fn refuse_compressed(format: Format, files: &[Found]) -> Result<(), SparkError> {
    let unknown = |file: &&Found| text::is_compressed(&file.path) && !text::is_known(&file.path);
    match files.iter().find(unknown) {
        Some(file) if format != Format::Parquet => {
            let path = file.path.display();
            Err(SparkError::unsupported(format!("the compressed text file {path}")))
        }
        _ => Ok(()),
    }
}

/// Whether the format has values of the types of the columns.
fn check_fields(reader: &Reader, fields: &[Field]) -> Result<(), SparkError> {
    let (name, nested) = match reader {
        Reader::Parquet => return Ok(()),
        Reader::Text(TextFormat::Plain(_)) => {
            return match fields {
                [] => Ok(()),
                [one] if one.data_type == DataType::String => Ok(()),
                [one] => Err(write::no_such_type("Text", one)),
                many => Err(write::single_column(many.len())),
            };
        }
        Reader::Text(TextFormat::Csv(_)) => ("CSV", Nested::No),
        Reader::Text(TextFormat::Json(_)) => ("JSON", Nested::Yes),
    };
    let held = |field: &&Field| !readable(&types::to_arrow(&field.data_type), nested);
    match fields.iter().find(held) {
        Some(field) => Err(write::no_such_type(name, field)),
        None => Ok(()),
    }
}

/// A column that may be null, as may all that is in it.
fn nullable(field: Field) -> Field {
    Field { data_type: field.data_type.nullable_inside(), nullable: true, ..field }
}

/// The columns that directory names give: those that all files have.
fn partition_columns(files: &[Found], given: Option<&[Field]>, typed: bool) -> Vec<Field> {
    let Some(first) = files.first() else { return Vec::new() };
    let names: Vec<&String> = first.partition.iter().map(|(name, _)| name).collect();
    let same = |file: &Found| file.partition.iter().map(|(name, _)| name).eq(names.iter().copied());
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
                // Spark reads no truth values from directory names.
                Kind::Boolean => Kind::Text,
                kind => kind,
            })
        });
        let data_type = if typed { kind.data_type() } else { DataType::String };
        Field::new(name.clone(), data_type, true)
    };
    names.into_iter().enumerate().map(column).collect()
}

/// The values of a file's partition columns; one that is not of the column's type is null.
fn partition_values(file: &Found, columns: &[Field]) -> Vec<ScalarValue> {
    let value = |(column, (_, text)): (&Field, &(String, Option<String>))| {
        let data_type = types::to_arrow(&column.data_type);
        let text = ScalarValue::Utf8(text.clone());
        text.cast_to(&data_type)
            .or_else(|_| ScalarValue::try_from(&data_type))
            .unwrap_or(ScalarValue::Null)
    };
    columns.iter().zip(&file.partition).map(value).collect()
}

/// What is known of the rows without reading them.
fn statistics(
    format: Format,
    files: &[Found],
    schema: &SchemaRef,
    file_columns: usize,
) -> Result<Statistics, SparkError> {
    let bytes = files.iter().map(|file| file.size).sum();
    if format != Format::Parquet || files.len() > FOOTERS || files.is_empty() {
        return Ok(table::of_bytes(schema, bytes));
    }
    let of_files: SchemaRef = Arc::new(Schema::new(schema.fields()[..file_columns].to_vec()));
    let mut each = Vec::with_capacity(files.len());
    for file in files {
        let footer = schema::footer(file)?;
        match DFParquetMetadata::statistics_from_parquet_metadata(footer.metadata(), &of_files) {
            Ok(statistics) => each.push(statistics),
            // A column that the file has in another type: the scan will convert it.
            Err(_) => return Ok(table::of_bytes(schema, bytes)),
        }
    }
    let Ok(mut all) = Statistics::try_merge_iter(&each, &of_files) else {
        return Ok(table::of_bytes(schema, bytes));
    };
    let unknown = Statistics::new_unknown(schema).column_statistics;
    all.column_statistics.extend_from_slice(&unknown[file_columns..]);
    Ok(all)
}
