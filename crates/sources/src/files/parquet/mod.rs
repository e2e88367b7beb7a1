//! Parquet: read by DataFusion's scan with Spark's rules for names and types.

mod case_insensitive;
mod conversion;
mod footer;
mod schema;
pub mod views;

use super::format::{
    Encoding, FileFormat, FileReader, FileScan, FileSplit, FileWriter, of_bytes, unable_to_infer,
};
use super::listing::DataFile;
use super::options::Options;
use super::split::Splittable;
use crate::upload::Upload;
use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, IntervalUnit, Schema, SchemaRef};
use case_insensitive::CaseInsensitive;
use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{Result as PlanResult, Statistics, exec_err, internal_datafusion_err};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use model::conf::{Conf, MERGE_SCHEMA, PARQUET_CODEC};
use plan::{Field, SparkError};
use std::sync::Arc;

/// Limit on the footers read for statistics while planning; with more files, sizes are used.
const FOOTERS: usize = 64;

/// The Parquet format (see the module).
#[derive(Debug)]
pub(crate) struct Parquet;

impl FileFormat for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn reader(
        &self,
        options: &Options<'_>,
        conf: &Conf,
    ) -> Result<Arc<dyn FileReader>, SparkError> {
        let merge = options.switch("mergeSchema", conf.get(&MERGE_SCHEMA)?)?;
        Ok(Arc::new(ParquetFiles { merge }))
    }

    fn split(&self, scan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<FileSplit>> {
        let Some(config) = config_of(scan) else { return Ok(None) };
        let schema = config.file_source().table_schema().table_schema();
        let bare = FileScanConfigBuilder::from(config.clone())
            .with_file_groups(vec![FileGroup::new(Vec::new())])
            .with_statistics(Statistics::new_unknown(schema))
            .with_output_ordering(Vec::new())
            .build();
        Ok(Some(FileSplit {
            spec: String::new(),
            shape: DataSourceExec::from_data_source(bare),
            groups: config.file_groups.clone(),
        }))
    }

    fn bind(
        &self,
        _: &str,
        shape: &Arc<dyn ExecutionPlan>,
        files: FileGroup,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let config = config_of(shape)
            .ok_or_else(|| internal_datafusion_err!("the shape is not that of a Parquet scan"))?;
        let config = FileScanConfigBuilder::from(config.clone())
            .with_source(uncounted(config.file_source())?)
            .with_file_groups(vec![files])
            .with_expr_adapter(Some(Arc::new(CaseInsensitive)))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn encoding(&self, options: &Options<'_>, conf: &Conf) -> Result<Encoding, SparkError> {
        let default = conf.get(&PARQUET_CODEC)?;
        let name = options.get(&["compression"]).unwrap_or(&default).to_ascii_lowercase();
        if compression(&name).is_err() {
            return Err(SparkError::unsupported(format!("the compression `{name}` of Parquet")));
        }
        let extension = match name.as_str() {
            "none" | "uncompressed" => "parquet".to_owned(),
            "gzip" => "gz.parquet".to_owned(),
            codec => format!("{codec}.parquet"),
        };
        Ok(Encoding { spec: name, extension })
    }

    /// Intervals are numbers of months, or of microseconds, as Spark writes them.
    fn stored(&self, data_type: &DataType) -> DataType {
        let inside = |field: &FieldRef| {
            let stored = self.stored(field.data_type());
            Arc::new(field.as_ref().clone().with_data_type(stored))
        };
        match data_type {
            DataType::Interval(IntervalUnit::YearMonth) => DataType::Int32,
            DataType::Duration(_) => DataType::Int64,
            DataType::List(element) => DataType::List(inside(element)),
            DataType::Struct(fields) => DataType::Struct(fields.iter().map(inside).collect()),
            DataType::Map(entries, sorted) => DataType::Map(inside(entries), *sorted),
            other => other.clone(),
        }
    }

    fn check_written(&self, _: &[&Field]) -> Result<(), SparkError> {
        Ok(())
    }

    fn writer(
        &self,
        encoding: &str,
        (schema, spark_schema): (&SchemaRef, &str),
        out: Upload,
    ) -> PlanResult<Box<dyn FileWriter>> {
        let of_spark = KeyValue::new(schema::KEY.to_owned(), Some(spark_schema.to_owned()));
        let properties = WriterProperties::builder()
            .set_compression(compression(encoding)?)
            .set_key_value_metadata(Some(vec![of_spark]))
            .build();
        Ok(Box::new(ArrowWriter::try_new(out, Arc::clone(schema), Some(properties))?))
    }
}

/// The same source with metrics of its own: copies of a source count together.
fn uncounted(source: &Arc<dyn FileSource>) -> PlanResult<Arc<dyn FileSource>> {
    let Some(parquet) = source.downcast_ref::<ParquetSource>() else {
        return Ok(Arc::clone(source));
    };
    rebuilt(parquet, parquet.table_schema().clone(), parquet.filter())
}

/// The same source of rows with this schema and filter.
fn rebuilt(
    parquet: &ParquetSource,
    held: TableSchema,
    filter: Option<Arc<dyn PhysicalExpr>>,
) -> PlanResult<Arc<dyn FileSource>> {
    let mut fresh = ParquetSource::new(held)
        .with_table_parquet_options(parquet.table_parquet_options().clone());
    if let Some(filter) = filter {
        fresh = fresh.with_predicate(filter);
    }
    let projected = parquet.projection().map(|columns| fresh.try_pushdown_projection(columns));
    Ok(projected.transpose()?.flatten().unwrap_or_else(|| Arc::new(fresh)))
}

/// The configuration of a Parquet scan node.
fn config_of(scan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let scan = scan.downcast_ref::<DataSourceExec>()?;
    let config = scan.data_source().downcast_ref::<FileScanConfig>()?;
    config.file_source().as_ref().is::<ParquetSource>().then_some(config)
}

/// Parses Spark's name of a compression.
fn compression(name: &str) -> PlanResult<Compression> {
    Ok(match name {
        "none" | "uncompressed" => Compression::UNCOMPRESSED,
        "snappy" => Compression::SNAPPY,
        "gzip" => Compression::GZIP(GzipLevel::default()),
        "zstd" => Compression::ZSTD(ZstdLevel::default()),
        "lz4" | "lz4_raw" => Compression::LZ4_RAW,
        other => return exec_err!("the Parquet compression `{other}` is not supported"),
    })
}

impl FileWriter for ArrowWriter<Upload> {
    fn write(&mut self, rows: &RecordBatch) -> PlanResult<()> {
        Ok(ArrowWriter::write(self, rows)?)
    }

    fn finish(self: Box<Self>) -> PlanResult<()> {
        Ok(self.into_inner()?.finish()?)
    }
}

/// Reader of the files of one relation.
#[derive(Debug)]
struct ParquetFiles {
    /// Whether the schemas of all files are merged.
    merge: bool,
}

#[async_trait::async_trait]
impl FileReader for ParquetFiles {
    fn splittable(&self) -> Splittable {
        Splittable::Yes
    }

    async fn infer(&self, files: &[DataFile]) -> Result<Vec<Field>, SparkError> {
        let first = files.iter().find(|file| file.meta.size > 0).or(files.first());
        let Some(first) = first else { return Err(unable_to_infer("Parquet")) };
        let others = files.iter().filter(|file| self.merge && file.meta.size > 0);
        let others = others.filter(|file| file.location != first.location);
        let all: Vec<&DataFile> = std::iter::once(first).chain(others).collect();
        schema::merged(footer::footers(&all).await?)
    }

    fn check(&self, _: &[DataFile], _: &[Field]) -> Result<(), SparkError> {
        Ok(())
    }

    async fn statistics(
        &self,
        files: &[DataFile],
        schema: &SchemaRef,
    ) -> Result<Vec<Arc<Statistics>>, SparkError> {
        let by_bytes = || files.iter().map(|file| Arc::new(of_bytes(schema, file.meta.size)));
        if files.len() > FOOTERS {
            return Ok(by_bytes().collect());
        }
        let all: Vec<&DataFile> = files.iter().collect();
        let footers = footer::footers(&all).await?;
        let known: PlanResult<Vec<_>> =
            footers.iter().map(|footer| footer.statistics(schema)).collect();
        // A file may have a column with another type, which the scan will convert.
        Ok(known.unwrap_or_else(|_| by_bytes().collect()))
    }

    fn scan(&self, scan: FileScan<'_>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let (file, partition) = scan.schema.fields().split_at(scan.file_columns);
        let held = TableSchema::builder(Arc::new(Schema::new(file.to_vec())))
            .with_table_partition_cols(partition.to_vec())
            .build();
        let mut options = TableParquetOptions::default();
        options.global.schema_force_view_types = false;
        options.global.coerce_int96 = Some("us".to_owned());
        let source = ParquetSource::new(held).with_table_parquet_options(options);
        let config = FileScanConfigBuilder::new(scan.store.clone(), Arc::new(source))
            .with_file_groups(scan.groups)
            .with_statistics(scan.statistics)
            .with_limit(scan.limit)
            .with_projection_indices(Some(scan.columns.to_vec()))?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
