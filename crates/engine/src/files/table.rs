//! Files as a table: its scan says which task reads what, and makes the types out of what the files hold.

use super::options::{Csv, Format};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::memory::DataSourceExec;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::{CsvOptions, TableParquetOptions};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, Statistics, not_impl_err};
use datafusion::datasource::physical_plan::{
    CsvSource, FileGroup, FileScanConfigBuilder, FileSource, JsonSource, ParquetSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, TableType, lit};
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct FileTable {
    pub(crate) format: Format,
    /// How its lines are read, if it is CSV.
    pub(crate) csv: Option<Csv>,
    /// Columns of the files, then those of the directory names.
    pub(crate) schema: SchemaRef,
    /// How many are of the files.
    pub(crate) file_columns: usize,
    pub(crate) groups: Vec<FileGroup>,
    pub(crate) statistics: Statistics,
    /// The session's zone, in which text is read as a time.
    pub(crate) time_zone: String,
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
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        if self.groups.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(columns)?))));
        }
        let source = self.source()?;
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(self.groups.clone())
            .with_statistics(self.statistics.clone())
            .with_limit(limit)
            .with_projection_indices(Some(columns.clone()))?
            .build();
        let scan = DataSourceExec::from_data_source(config);
        match &self.csv {
            Some(csv) => self.typed(state, scan, csv, columns),
            None => Ok(scan),
        }
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }
}

impl FileTable {
    /// The types as the files hold them: in CSV all is text.
    fn held(&self) -> TableSchema {
        let (file, partition) = self.schema.fields().split_at(self.file_columns);
        let text = |field: &FieldRef| Arc::new(Field::new(field.name(), DataType::Utf8, true));
        let file: Vec<FieldRef> = match self.csv {
            Some(_) => file.iter().map(text).collect(),
            None => file.to_vec(),
        };
        TableSchema::builder(Arc::new(Schema::new(file)))
            .with_table_partition_cols(partition.to_vec())
            .build()
    }

    fn source(&self) -> Result<Arc<dyn FileSource>> {
        Ok(match (self.format, &self.csv) {
            (Format::Parquet, _) => {
                let mut options = TableParquetOptions::default();
                options.global.schema_force_view_types = false;
                options.global.coerce_int96 = Some("us".to_owned());
                Arc::new(ParquetSource::new(self.held()).with_table_parquet_options(options))
            }
            (Format::Csv, Some(csv)) => {
                let options = CsvOptions {
                    has_header: Some(csv.header),
                    delimiter: csv.delimiter,
                    quote: csv.quote,
                    newlines_in_values: Some(csv.multi_line),
                    truncated_rows: Some(true),
                    ..CsvOptions::default()
                };
                let source = CsvSource::new(self.held()).with_csv_options(options);
                Arc::new(source.with_escape(Some(csv.escape)).with_comment(csv.comment))
            }
            (Format::Json, _) => Arc::new(JsonSource::new(self.held())),
            (Format::Csv | Format::Text, _) => return not_impl_err!("text as a data source"),
        })
    }

    /// Text turned into values; what is none is null.
    fn typed(
        &self,
        state: &dyn Session,
        scan: Arc<dyn ExecutionPlan>,
        csv: &Csv,
        columns: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let context =
            functions::Context { time_zone: self.time_zone.clone(), ..Default::default() };
        let held = DFSchema::try_from(scan.schema().as_ref().clone())?;
        let properties = state.execution_props();
        let planning = PhysicalPlanningContext::default();
        let value = |(at, column): (usize, &usize)| {
            let field = self.schema.field(*column);
            let mut expr =
                Expr::Column(datafusion::common::Column::from_name(held.field(at).name()));
            if *column < self.file_columns {
                if !csv.null.is_empty() {
                    expr =
                        datafusion::functions::core::expr_fn::nullif(expr, lit(csv.null.clone()));
                }
                let mode = functions::CastMode::Try;
                expr = functions::cast(expr, &DataType::Utf8, field.data_type(), mode, &context)
                    .map_err(|error| {
                        datafusion::error::DataFusionError::External(Box::new(error))
                    })?;
            }
            Ok((create_physical_expr(&expr, &held, properties, &planning)?, field.name().clone()))
        };
        let values = columns.iter().enumerate().map(value).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(values, scan)?))
    }
}

/// Statistics of which only the bytes are known.
pub(crate) fn of_bytes(schema: &Schema, bytes: u64) -> Statistics {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Statistics::new_unknown(schema).with_total_byte_size(Precision::Inexact(bytes))
}
