//! The door for formats of files. What all formats share (finding files, columns out of directory
//! names, cutting files into partitions, the commit of a write) stands beside it.

use super::listing::Found;
use super::options::Options;
use super::split::Splittable;
use crate::upload::Upload;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::{Result as PlanResult, Statistics};
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use errors::condition;
use model::conf::Conf;
use plan::{Field, SparkError};
use std::fmt;
use std::sync::Arc;

/// A format of files.
pub(crate) trait FileFormat: fmt::Debug + Send + Sync + 'static {
    /// The name in lower case, as programs write it: `csv`.
    fn name(&self) -> &'static str;

    /// How files are read under these options.
    fn reader(&self, options: &Options<'_>, conf: &Conf)
    -> Result<Arc<dyn FileReader>, SparkError>;

    /// Takes apart a scan that a reader of this format planned.
    fn split(&self, scan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<FileSplit>>;

    /// Puts a scan together for some files.
    fn bind(
        &self,
        spec: &str,
        shape: &Arc<dyn ExecutionPlan>,
        files: FileGroup,
    ) -> PlanResult<Arc<dyn ExecutionPlan>>;

    /// How rows are written under these options.
    fn encoding(&self, options: &Options<'_>, conf: &Conf) -> Result<Encoding, SparkError>;

    /// How values of a type are held in a file.
    fn stored(&self, data_type: &DataType) -> DataType {
        data_type.clone()
    }

    /// Refuses columns that the format does not have.
    fn check_written(&self, columns: &[&Field]) -> Result<(), SparkError>;

    /// Begins a file of rows of a schema, given as Arrow's and, in JSON, as Spark's.
    fn writer(
        &self,
        encoding: &str,
        schemas: (&SchemaRef, &str),
        out: Upload,
    ) -> PlanResult<Box<dyn FileWriter>>;
}

/// How the files of one relation are read.
#[async_trait::async_trait]
pub(crate) trait FileReader: fmt::Debug + Send + Sync {
    /// Whether a task may begin in the middle of a file.
    fn splittable(&self) -> Splittable;

    /// The columns that the files hold.
    async fn infer(&self, files: &[Found]) -> Result<Vec<Field>, SparkError>;

    /// Refuses files and columns that the format cannot have.
    fn check(&self, files: &[Found], columns: &[Field]) -> Result<(), SparkError>;

    /// What is known of the rows of each file without reading them, in columns of `schema`.
    async fn statistics(
        &self,
        files: &[Found],
        schema: &SchemaRef,
    ) -> Result<Vec<Arc<Statistics>>, SparkError> {
        Ok(files.iter().map(|file| Arc::new(of_bytes(schema, file.meta.size))).collect())
    }

    /// The scan.
    fn scan(&self, scan: FileScan<'_>) -> PlanResult<Arc<dyn ExecutionPlan>>;
}

/// What a scan of files is asked for.
#[derive(Debug)]
pub(crate) struct FileScan<'a> {
    pub(crate) store: &'a ObjectStoreUrl,
    /// Columns of the files, then those of the directory names.
    pub(crate) schema: &'a SchemaRef,
    /// How many are of the files.
    pub(crate) file_columns: usize,
    /// The wanted columns.
    pub(crate) columns: &'a [usize],
    /// The files of each task.
    pub(crate) groups: Vec<FileGroup>,
    /// Of all columns.
    pub(crate) statistics: Statistics,
    /// How many rows of a task are enough.
    pub(crate) limit: Option<usize>,
}

/// A scan of files, taken apart; see [`Split`](crate::Split).
#[derive(Debug)]
pub(crate) struct FileSplit {
    pub(crate) spec: String,
    pub(crate) shape: Arc<dyn ExecutionPlan>,
    pub(crate) groups: Vec<FileGroup>,
}

/// How rows are written.
#[derive(Debug, Clone)]
pub(crate) struct Encoding {
    /// What tasks are told.
    pub(crate) spec: String,
    /// The end of the files' names: `snappy.parquet`.
    pub(crate) extension: String,
}

/// A file that is being written.
pub(crate) trait FileWriter: Send {
    /// Takes rows.
    fn write(&mut self, rows: &RecordBatch) -> PlanResult<()>;

    /// Ends the file.
    fn finish(self: Box<Self>) -> PlanResult<()>;
}

/// Statistics of which only the bytes are known.
pub(crate) fn of_bytes(schema: &Schema, bytes: u64) -> Statistics {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Statistics::new_unknown(schema).with_total_byte_size(Precision::Inexact(bytes))
}

/// A column of a type that the format does not have.
pub(crate) fn no_such_type(format: &str, field: &Field) -> SparkError {
    let column = plan::quote_name(&field.name);
    let kind = format!("\"{}\"", field.data_type.sql());
    let message =
        format!("The {format} datasource doesn't support the column {column} of the type {kind}.");
    let parameters = [("columnName", column.as_str()), ("columnType", &kind), ("format", format)];
    SparkError::analysis(condition::UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE, message, &parameters)
}

/// Nothing is there to read a schema from.
pub(crate) fn unable_to_infer(format: &str) -> SparkError {
    let message = format!("Unable to infer schema for {format}. It must be specified manually.");
    SparkError::analysis(condition::UNABLE_TO_INFER_SCHEMA, message, &[("format", format)])
}
