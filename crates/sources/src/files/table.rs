//! Files as a table: its scan says which task reads what.

use super::text::{Origin, TextFormat, TextScan, TextScanExec};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::memory::DataSourceExec;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use errors::condition;
use plan::SparkError;
use std::sync::Arc;

/// What reads the files.
#[derive(Debug, Clone)]
pub(crate) enum Reader {
    Parquet,
    Text(TextFormat),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct FileTable {
    pub(crate) reader: Reader,
    /// Columns of the files, then those of the directory names.
    pub(crate) schema: SchemaRef,
    /// How many are of the files.
    pub(crate) file_columns: usize,
    pub(crate) groups: Vec<FileGroup>,
    pub(crate) statistics: Statistics,
}

#[async_trait::async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        match &self.reader {
            _ if self.groups.is_empty() => {
                Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(columns)?))))
            }
            Reader::Parquet => self.parquet(columns, limit),
            Reader::Text(format) => self.text(format, columns, limit),
        }
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }
}

impl FileTable {
    fn parquet(&self, columns: &[usize], limit: Option<usize>) -> Result<Arc<dyn ExecutionPlan>> {
        let (file, partition) = self.schema.fields().split_at(self.file_columns);
        let held = TableSchema::builder(Arc::new(Schema::new(file.to_vec())))
            .with_table_partition_cols(partition.to_vec())
            .build();
        let mut options = TableParquetOptions::default();
        options.global.schema_force_view_types = false;
        options.global.coerce_int96 = Some("us".to_owned());
        let source = ParquetSource::new(held).with_table_parquet_options(options);
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file_groups(self.groups.clone())
                .with_statistics(self.statistics.clone())
                .with_limit(limit)
                .with_projection_indices(Some(columns.to_vec()))?
                .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn text(
        &self,
        format: &TextFormat,
        columns: &[usize],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // The column for records that are not well formed is none of the fields of the files.
        let corrupt = format.corrupt_column().and_then(|name| {
            let held = &self.schema.fields()[..self.file_columns];
            held.iter().position(|field| field.name() == name)
        });
        let origin = |column: &usize| match *column {
            column if Some(column) == corrupt => Origin::Corrupt,
            column if column >= self.file_columns => Origin::Partition(column - self.file_columns),
            column => Origin::Field(column - usize::from(corrupt.is_some_and(|at| at < column))),
        };
        let origins: Vec<Origin> = columns.iter().map(origin).collect();
        if origins == [Origin::Corrupt] {
            return Err(datafusion::error::DataFusionError::External(Box::new(only_corrupt())));
        }
        let width = self.file_columns - usize::from(corrupt.is_some());
        let schema = Arc::new(self.schema.project(columns)?);
        let scan = TextScan { format: format.clone(), origins, width };
        let statistics = self.statistics.clone().project(Some(&columns.to_vec()));
        let scan = TextScanExec::new(scan, self.groups.clone(), schema);
        Ok(Arc::new(scan.with_statistics(statistics).with_limit(limit)))
    }
}

/// Without another column Spark could not tell which records are not well formed.
fn only_corrupt() -> SparkError {
    SparkError::analysis(
        condition::UNSUPPORTED_FEATURE_QUERY_ONLY_CORRUPT_RECORD_COLUMN,
        "The feature is not supported: Queries from raw JSON/CSV/XML files are disallowed when the referenced columns only include the internal corrupt record column (named `_corrupt_record` by default). For example: `spark.read.schema(schema).json(file).filter($\"_corrupt_record\".isNotNull).count()` and `spark.read.schema(schema).json(file).select(\"_corrupt_record\").show()`. Instead, you can cache or save the parsed results and then send the same query.",
        &[],
    )
}

/// Statistics of which only the bytes are known.
pub(crate) fn of_bytes(schema: &Schema, bytes: u64) -> Statistics {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Statistics::new_unknown(schema).with_total_byte_size(Precision::Inexact(bytes))
}
