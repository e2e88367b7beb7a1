//! The interface to file formats. Everything that formats share (listing files, partition columns,
//! splitting files into partitions, committing a write) is outside.

use super::listing::DataFile;
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

/// A file format.
pub(crate) trait FileFormat: fmt::Debug + Send + Sync + 'static {
    /// Name of the format in lower case, as programs write it: `csv`.
    fn name(&self) -> &'static str;

    /// Creates a reader with these options.
    fn reader(&self, options: &Options<'_>, conf: &Conf)
    -> Result<Arc<dyn FileReader>, SparkError>;

    /// Takes apart a scan planned by a reader of this format.
    fn split(&self, scan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<FileSplit>>;

    /// Reassembles a scan for some files.
    fn bind(
        &self,
        spec: &str,
        shape: &Arc<dyn ExecutionPlan>,
        files: FileGroup,
    ) -> PlanResult<Arc<dyn ExecutionPlan>>;

    /// Determines how rows are written with these options.
    fn encoding(&self, options: &Options<'_>, conf: &Conf) -> Result<Encoding, SparkError>;

    /// The type under which a file holds values of a type.
    fn stored(&self, data_type: &DataType) -> DataType {
        data_type.clone()
    }

    /// Refuses columns whose types the format does not support.
    fn check_written(&self, columns: &[&Field]) -> Result<(), SparkError>;

    /// Starts a file of rows with a schema, given as Arrow's and as Spark's in JSON.
    fn writer(
        &self,
        encoding: &str,
        schemas: (&SchemaRef, &str),
        out: Upload,
    ) -> PlanResult<Box<dyn FileWriter>>;
}

/// Reader of the files of one relation.
#[async_trait::async_trait]
pub(crate) trait FileReader: fmt::Debug + Send + Sync {
    /// Whether a task may start in the middle of a file.
    fn splittable(&self) -> Splittable;

    /// Infers the columns of the files.
    async fn infer(&self, files: &[DataFile]) -> Result<Vec<Field>, SparkError>;

    /// Refuses unsupported files and columns.
    fn check(&self, files: &[DataFile], columns: &[Field]) -> Result<(), SparkError>;

    /// Statistics of each file without reading its rows, for the columns of `schema`.
    async fn statistics(
        &self,
        files: &[DataFile],
        schema: &SchemaRef,
    ) -> Result<Vec<Arc<Statistics>>, SparkError> {
        Ok(files.iter().map(|file| Arc::new(of_bytes(schema, file.meta.size))).collect())
    }

    /// Plans the scan.
    fn scan(&self, scan: FileScan<'_>) -> PlanResult<Arc<dyn ExecutionPlan>>;
}

/// Request for a scan of files.
#[derive(Debug)]
pub(crate) struct FileScan<'a> {
    pub(crate) store: &'a ObjectStoreUrl,
    /// Columns of the files, then partition columns.
    pub(crate) schema: &'a SchemaRef,
    /// Number of columns from the files.
    pub(crate) file_columns: usize,
    /// The projected columns.
    pub(crate) columns: &'a [usize],
    /// Files by task.
    pub(crate) groups: Vec<FileGroup>,
    /// Statistics of all columns.
    pub(crate) statistics: Statistics,
    /// Limit on the rows of a task.
    pub(crate) limit: Option<usize>,
}

/// A scan of files, taken apart (see [`Split`](crate::Split)).
#[derive(Debug)]
pub(crate) struct FileSplit {
    pub(crate) spec: String,
    pub(crate) shape: Arc<dyn ExecutionPlan>,
    pub(crate) groups: Vec<FileGroup>,
}

/// Specification for writing rows.
#[derive(Debug, Clone)]
pub(crate) struct Encoding {
    /// The specification for tasks.
    pub(crate) spec: String,
    /// Extension of file names: `snappy.parquet`.
    pub(crate) extension: String,
}

/// A file being written.
pub(crate) trait FileWriter: Send {
    /// Appends rows.
    fn write(&mut self, rows: &RecordBatch) -> PlanResult<()>;

    /// Completes the file.
    fn finish(self: Box<Self>) -> PlanResult<()>;
}

/// Statistics with only the size known.
pub(crate) fn of_bytes(schema: &Schema, bytes: u64) -> Statistics {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Statistics::new_unknown(schema).with_total_byte_size(Precision::Inexact(bytes))
}

/// The format does not support the type of a column.
pub(crate) fn no_such_type(format: &str, field: &Field) -> SparkError {
    let column = plan::quote_name(&field.name);
    let kind = format!("\"{}\"", field.data_type.sql());
    let message =
        format!("The {format} datasource doesn't support the column {column} of the type {kind}.");
    let parameters = [("columnName", column.as_str()), ("columnType", &kind), ("format", format)];
    SparkError::analysis(condition::UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE, message, &parameters)
}

/// There are no files from which a schema could be inferred.
pub(crate) fn unable_to_infer(format: &str) -> SparkError {
    let message = format!("Unable to infer schema for {format}. It must be specified manually.");
    SparkError::analysis(condition::UNABLE_TO_INFER_SCHEMA, message, &[("format", format)])
}
