//! Files as a source: listing, file and partition columns, splitting into tasks, and the commit of
//! writes. The contents of files are left to their format.

mod column;
mod file_task;
mod format;
mod listing;
mod options;
mod parquet;
mod partition;
mod sink;
mod split;
mod table;
mod task_sink;
mod text;

pub use column::FileColumn;
pub use parquet::views;
pub use sink::overwrites_partitions;

use crate::{ReadRequest, Sink, Source, SourceTable, Split, TaskSink, WriteRequest};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::{Result as PlanResult, internal_datafusion_err};
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::protobuf;
use format::FileFormat;
use formats::types;
use listing::{DataFile, FileFilter};
use model::conf::{PARTITION_COLUMN_INFERENCE, TIME_ZONE};
use options::Options;
use plan::{Field, SchemaOrText, SparkError};
use prost::Message;
use sink::FileSink;
use split::Sizes;
use std::sync::Arc;
use table::FileTable;

pub use table::{file_by_file, same_files};
use task_sink::FileTaskSink;

/// Columnar files that contain their schema.
pub(crate) const PARQUET: &dyn FileFormat = &parquet::Parquet;
/// Lines of separated values.
pub(crate) const CSV: &dyn FileFormat = &text::TextFiles::Csv;
/// One JSON object per line, or a file of several.
pub(crate) const JSON: &dyn FileFormat = &text::TextFiles::Json;
/// Lines of text.
pub(crate) const TEXT: &dyn FileFormat = &text::TextFiles::Plain;

/// Source of files in one format.
#[derive(Debug)]
pub(crate) struct Files(pub(crate) &'static dyn FileFormat);

#[async_trait::async_trait]
impl Source for Files {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn reads_paths(&self) -> bool {
        true
    }

    async fn open(&self, read: ReadRequest<'_>) -> Result<SourceTable, SparkError> {
        let ReadRequest { scan, conf, slots, runtime } = read;
        let options = Options(&scan.options);
        options::check_common(&options)?;
        let reader = self.0.reader(&options, conf)?;
        let paths = match (scan.paths.is_empty(), options.get(&["path"])) {
            (true, Some(path)) => vec![path.to_owned()],
            _ => scan.paths.clone(),
        };
        let zone = conf.find(&TIME_ZONE)?.unwrap_or_else(|| "UTC".to_owned());
        let zone = options.get(&["timeZone"]).unwrap_or(&zone);
        let wanted = FileFilter::new(&options, zone, runtime)?;
        let files = listing::list(&paths, &wanted, runtime).await?;
        let given = match &scan.schema {
            Some(SchemaOrText::Schema(fields)) => Some(fields.as_slice()),
            Some(SchemaOrText::Text(_)) => {
                let message = "the schema of a scan is parsed before it is opened";
                return Err(SparkError::internal(message));
            }
            None => None,
        };
        let typed = conf.get(&PARTITION_COLUMN_INFERENCE)?;
        let partition = partition::columns(&files, given, typed);
        let is_partition =
            |field: &Field| partition.iter().any(|p| p.name.eq_ignore_ascii_case(&field.name));
        let columns = match given {
            // Files do not guarantee non-null values.
            Some(given) => given.iter().cloned().map(nullable).collect(),
            None => reader.infer(&files).await?,
        };
        let mut all: Vec<Field> =
            columns.into_iter().filter(|field| !is_partition(field)).collect();
        let file_columns = all.len();
        reader.check(&files, &all)?;
        // An empty file has no rows, whatever its format.
        let files: Vec<DataFile> = files.into_iter().filter(|file| file.meta.size > 0).collect();
        let values = files.iter().map(|file| partition::values(file, &partition)).collect();
        all.extend(partition);
        let held: Vec<Field> =
            all.iter().cloned().chain(FileColumn::ALL.map(FileColumn::field)).collect();
        let schema = types::schema_in_plans(&held);
        let of_files: SchemaRef = Arc::new(Schema::new(schema.fields()[..file_columns].to_vec()));
        let statistics = reader.statistics(&files, &of_files).await?;
        let uris = files.iter().map(|file| file.location.url()).collect();
        let sizes = Sizes::new(conf, slots)?;
        let scan = scan.clone();
        let table =
            FileTable { scan, reader, schema, file_columns, files, values, statistics, sizes };
        Ok(SourceTable { schema: all, provider: Arc::new(table), files: uris })
    }

    fn split(&self, scan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Split>> {
        let Some(split) = self.0.split(scan)? else { return Ok(None) };
        let partitions = split.groups.into_iter().map(encoded).collect::<PlanResult<_>>()?;
        Ok(Some(Split { spec: split.spec, shape: split.shape, partitions }))
    }

    fn bind(
        &self,
        spec: &str,
        shape: &Arc<dyn ExecutionPlan>,
        partition: &Bytes,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let message = protobuf::FileGroup::decode(partition.clone())
            .map_err(|_| internal_datafusion_err!("the files of a task cannot be decoded"))?;
        self.0.bind(spec, shape, FileGroup::try_from(&message)?)
    }

    async fn sink(&self, write: WriteRequest<'_>) -> Result<Option<Box<dyn Sink>>, SparkError> {
        let sink = FileSink::new(self.0, write).await?;
        Ok(sink.map(|sink| Box::new(sink) as Box<dyn Sink>))
    }

    fn task_sink(
        &self,
        spec: &str,
        schema: SchemaRef,
        context: &TaskContext,
    ) -> PlanResult<Box<dyn TaskSink>> {
        let task = file_task::decode_task(spec)?;
        Ok(Box::new(FileTaskSink::new(self.0, task, &schema, &context.runtime_env())?))
    }
}

/// Encodes the files of one task: paths, sizes, times and partition values.
fn encoded(group: FileGroup) -> PlanResult<Bytes> {
    // Statistics are only for the planner; an executor does not need them.
    let bare = group.into_inner().into_iter().map(|mut file| {
        file.statistics = None;
        file
    });
    let message = protobuf::FileGroup::try_from(&FileGroup::new(bare.collect()))?;
    Ok(message.encode_to_vec().into())
}

/// A field that is nullable at all levels.
fn nullable(field: Field) -> Field {
    Field { data_type: field.data_type.nullable_inside(), nullable: true, ..field }
}
