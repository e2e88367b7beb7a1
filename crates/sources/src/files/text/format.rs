//! The text formats: CSV, JSON, plain lines.

use super::super::format::{
    Encoding, FileFormat, FileReader, FileScan, FileSplit, FileWriter, no_such_type,
    unable_to_infer,
};
use super::super::listing::DataFile;
use super::super::options::Options;
use super::super::split::Splittable;
use super::compressed::{Compressed, Compression};
use super::lines::{is_compressed, is_known};
use super::plain::Plain;
use super::scan::TextScanExec;
use super::specification::{Session, TextFiles, TextFormat, TextScan, failed};
use super::{csv, json};
use crate::Location;
use crate::upload::Upload;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result as PlanResult, internal_datafusion_err};
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use errors::{Exception, condition};
use formats::csv::{Csv, CsvWriter};
use formats::json::{Json, JsonWriter};
use formats::rows::Origin;
use formats::types;
use formats::values::{Nested, readable};
use functions::IntoExternal;
use model::conf::Conf;
use plan::{DataType, Field, SparkError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::sync::Arc;

impl TextFiles {
    /// Spark's name of the format in messages.
    fn title(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Plain => "Text",
        }
    }

    fn is_of(self, format: &TextFormat) -> bool {
        self == format.kind()
    }
}

/// Specification of a scan for its tasks.
#[derive(Debug, Serialize, Deserialize)]
struct ScanSpec {
    scan: TextScan,
    /// Limit on the rows of a task.
    limit: Option<usize>,
}

/// Specification of a write for its tasks.
#[derive(Debug, Serialize, Deserialize)]
struct WriteSpec {
    format: TextFormat,
    compression: Compression,
}

fn encoded(spec: &impl Serialize) -> PlanResult<String> {
    serde_json::to_string(spec).map_err(|error| internal_datafusion_err!("{error}"))
}

fn decoded<T: DeserializeOwned>(spec: &str) -> PlanResult<T> {
    serde_json::from_str(spec).map_err(|error| internal_datafusion_err!("{error}"))
}

impl FileFormat for TextFiles {
    fn name(&self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Plain => "text",
        }
    }

    fn reader(
        &self,
        options: &Options<'_>,
        conf: &Conf,
    ) -> Result<Arc<dyn FileReader>, SparkError> {
        let session = Session::new(conf)?;
        let defaults = session.defaults();
        let format = match self {
            Self::Csv => TextFormat::Csv(Box::new(Csv::read(options, defaults)?)),
            Self::Json => TextFormat::Json(Box::new(Json::new(options, defaults)?)),
            Self::Plain => TextFormat::Plain(Plain::new(options)?),
        };
        Ok(Arc::new(TextReader(format)))
    }

    fn split(&self, scan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<FileSplit>> {
        let Some(exec) = scan.downcast_ref::<TextScanExec>() else { return Ok(None) };
        if !self.is_of(&exec.scan().format) {
            return Ok(None);
        }
        let spec = ScanSpec { scan: exec.scan().clone(), limit: exec.limit() };
        let shape = Arc::new(EmptyExec::new(scan.schema()));
        Ok(Some(FileSplit { spec: encoded(&spec)?, shape, groups: exec.groups().to_vec() }))
    }

    fn bind(
        &self,
        spec: &str,
        shape: &Arc<dyn ExecutionPlan>,
        files: FileGroup,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let ScanSpec { scan, limit } = decoded(spec)?;
        Ok(Arc::new(TextScanExec::new(scan, vec![files], shape.schema()).with_limit(limit)))
    }

    fn encoding(&self, options: &Options<'_>, conf: &Conf) -> Result<Encoding, SparkError> {
        let session = Session::new(conf)?;
        let defaults = session.defaults();
        let (format, extension) = match self {
            Self::Csv => (TextFormat::Csv(Box::new(Csv::written(options, defaults)?)), "csv"),
            Self::Json => (TextFormat::Json(Box::new(Json::new(options, defaults)?)), "json"),
            Self::Plain => (TextFormat::Plain(Plain::new(options)?), "txt"),
        };
        let name = options.get(&["compression", "codec"]).unwrap_or("none").to_ascii_lowercase();
        let (compression, end) = match name.as_str() {
            "none" | "uncompressed" => (Compression::None, ""),
            "gzip" => (Compression::Gzip, ".gz"),
            "zstd" => (Compression::Zstd, ".zst"),
            _ => return Err(SparkError::unsupported(format!("the compression `{name}` of text"))),
        };
        let spec = encoded(&WriteSpec { format, compression });
        let spec = spec.map_err(|error| functions::spark_error(&error))?;
        Ok(Encoding { spec, extension: format!("{extension}{end}") })
    }

    fn check_written(&self, columns: &[&Field]) -> Result<(), SparkError> {
        let nested = |data_type: &DataType| {
            matches!(
                data_type,
                DataType::Array { .. }
                    | DataType::Map { .. }
                    | DataType::Struct(_)
                    | DataType::Null
                    | DataType::CalendarInterval
                    | DataType::Variant
                    | DataType::UserDefined(_)
            )
        };
        match (self, columns) {
            (Self::Json, columns) => {
                let interval = |field: &&&Field| field.data_type == DataType::CalendarInterval;
                match columns.iter().find(interval) {
                    Some(field) => Err(no_such_type(self.title(), field)),
                    None => Ok(()),
                }
            }
            (Self::Csv, columns) => match columns.iter().find(|field| nested(&field.data_type)) {
                Some(field) => Err(no_such_type(self.title(), field)),
                None => Ok(()),
            },
            (Self::Plain, [one]) => is_text(one),
            (Self::Plain, many) => Err(single_column(many.len())),
        }
    }

    fn writer(
        &self,
        encoding: &str,
        (schema, _): (&SchemaRef, &str),
        out: Upload,
    ) -> PlanResult<Box<dyn FileWriter>> {
        let WriteSpec { format, compression } = decoded(encoding)?;
        let out = Compressed::new(out, compression)?;
        Ok(match format {
            TextFormat::Csv(csv) => Box::new(CsvWriter::new(&csv, schema, out).map_err(failed)?),
            TextFormat::Json(json) => {
                Box::new(JsonWriter::new(&json, out).map_err(SparkError::into_external)?)
            }
            TextFormat::Plain(plain) => {
                let line_end = plain.line_sep.unwrap_or_else(|| "\n".to_owned());
                Box::new(LineWriter { out, line_end })
            }
        })
    }
}

impl FileWriter for CsvWriter<Compressed> {
    fn write(&mut self, rows: &RecordBatch) -> PlanResult<()> {
        CsvWriter::write(self, rows).map_err(failed)
    }

    fn finish(self: Box<Self>) -> PlanResult<()> {
        Ok(self.into_inner().finish()?)
    }
}

impl FileWriter for JsonWriter<Compressed> {
    fn write(&mut self, rows: &RecordBatch) -> PlanResult<()> {
        JsonWriter::write(self, rows).map_err(failed)
    }

    fn finish(self: Box<Self>) -> PlanResult<()> {
        Ok(self.into_inner().finish()?)
    }
}

/// Writes a text column line by line.
struct LineWriter {
    out: Compressed,
    line_end: String,
}

impl FileWriter for LineWriter {
    fn write(&mut self, rows: &RecordBatch) -> PlanResult<()> {
        for line in rows.column(0).as_string::<i32>() {
            self.out.write_all(line.unwrap_or_default().as_bytes())?;
            self.out.write_all(self.line_end.as_bytes())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> PlanResult<()> {
        Ok(self.out.finish()?)
    }
}

/// Reader of the files of one relation.
#[derive(Debug)]
struct TextReader(TextFormat);

#[async_trait::async_trait]
impl FileReader for TextReader {
    fn splittable(&self) -> Splittable {
        self.0.splittable()
    }

    async fn infer(&self, files: &[DataFile]) -> Result<Vec<Field>, SparkError> {
        let title = self.0.kind().title();
        let files: Vec<Location> = files.iter().map(|file| file.location.clone()).collect();
        let format = self.0.clone();
        let read = move || match format {
            TextFormat::Plain(_) => Ok(vec![Field::new("value", DataType::String, true)]),
            _ if files.is_empty() => Err(unable_to_infer(title)),
            TextFormat::Csv(options) => csv::infer(&files, &options),
            TextFormat::Json(options) => json::infer(&files, &options),
        };
        let stopped = |_| SparkError::internal("the process is stopping");
        tokio::task::spawn_blocking(read).await.map_err(stopped)?
    }

    fn check(&self, files: &[DataFile], columns: &[Field]) -> Result<(), SparkError> {
        let unknown = |file: &&DataFile| {
            let name = file.location.name();
            is_compressed(name) && !is_known(name)
        };
        if let Some(file) = files.iter().find(unknown) {
            let what = format!("the compressed text file {}", file.location);
            return Err(SparkError::unsupported(what));
        }
        let held: Vec<_> =
            columns.iter().map(|f| (f.name.as_str(), types::to_arrow(&f.data_type))).collect();
        if let Some(records) = self.0.records() {
            records.check_corrupt_column(held.iter().map(|(name, of)| (*name, of)))?;
        }
        let nested = match (&self.0, columns) {
            (TextFormat::Plain(_), []) => return Ok(()),
            (TextFormat::Plain(_), [one]) => return is_text(one),
            (TextFormat::Plain(_), many) => return Err(single_column(many.len())),
            (TextFormat::Csv(_), _) => Nested::No,
            (TextFormat::Json(_), _) => Nested::Yes,
        };
        let held = |field: &&Field| !readable(&types::to_arrow(&field.data_type), nested);
        match columns.iter().find(held) {
            Some(field) => Err(no_such_type(self.0.kind().title(), field)),
            None => Ok(()),
        }
    }

    fn scan(&self, scan: FileScan<'_>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        // The column for malformed records is not a field of the files.
        let corrupt = self.0.records().and_then(|records| {
            let held = &scan.schema.fields()[..scan.file_columns];
            held.iter().position(|field| *field.name() == records.corrupt_column)
        });
        let origin = |column: &usize| match *column {
            column if Some(column) == corrupt => Origin::Corrupt,
            column if column >= scan.file_columns => Origin::Given(column - scan.file_columns),
            column => Origin::Field(column - usize::from(corrupt.is_some_and(|at| at < column))),
        };
        let origins: Vec<Origin> = scan.columns.iter().map(origin).collect();
        if origins == [Origin::Corrupt] {
            return Err(only_corrupt().into_external());
        }
        let width = scan.file_columns - usize::from(corrupt.is_some());
        let schema = Arc::new(scan.schema.project(scan.columns)?);
        let statistics = scan.statistics.project(Some(&scan.columns.to_vec()));
        let store = scan.store.as_str().to_owned();
        let text = TextScan { store, format: self.0.clone(), origins, width };
        let text = TextScanExec::new(text, scan.groups, schema);
        Ok(Arc::new(text.with_statistics(statistics).with_limit(scan.limit)))
    }
}

fn is_text(field: &Field) -> Result<(), SparkError> {
    match field.data_type {
        DataType::String => Ok(()),
        _ => Err(no_such_type("Text", field)),
    }
}

/// Text files have a single column.
fn single_column(count: usize) -> SparkError {
    let message =
        format!("Text data source supports only a single column, and you have {count} columns.");
    SparkError::plain(Exception::Analysis, message)
}

/// Without another column, Spark could not detect malformed records.
fn only_corrupt() -> SparkError {
    SparkError::analysis(
        condition::UNSUPPORTED_FEATURE_QUERY_ONLY_CORRUPT_RECORD_COLUMN,
        "The feature is not supported: Queries from raw JSON/CSV/XML files are disallowed when the referenced columns only include the internal corrupt record column (named `_corrupt_record` by default). For example: `spark.read.schema(schema).json(file).filter($\"_corrupt_record\".isNotNull).count()` and `spark.read.schema(schema).json(file).select(\"_corrupt_record\").show()`. Instead, you can cache or save the parsed results and then send the same query.",
        &[],
    )
}
