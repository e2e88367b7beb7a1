//! A task's side of writing files: one file per combination of partition values.

use super::file_task::{FileTask, Written};
use super::format::{FileFormat, FileWriter};
use super::listing::{NULL_PARTITION, escaped};
use crate::upload::Upload;
use crate::{Location, TaskSink};
use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, make_array,
};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use errors::condition;
use formats::types;
use functions::{IntoExternal, disk_full};
use plan::SparkError;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Limit on the open files of a task; beyond it, one is completed before the next is started.
const OPEN_FILES: usize = 64;

/// The files of one attempt of a task.
pub(crate) struct FileTaskSink {
    format: &'static dyn FileFormat,
    task: FileTask,
    /// Columns written to files, and the types in which they leave.
    columns: Vec<usize>,
    leaving: Vec<DataType>,
    /// How a file holds them, under the names of the program.
    schema: SchemaRef,
    /// The attempt's own directory, and its name.
    directory: Location,
    name: String,
    open: BTreeMap<String, Output>,
    written: Vec<Written>,
    next: usize,
    is_done: bool,
}

struct Output {
    file: String,
    rows: u64,
    writer: Box<dyn FileWriter>,
}

impl FileTaskSink {
    /// Creates a sink for rows of `schema`.
    pub(crate) fn new(
        format: &'static dyn FileFormat,
        task: FileTask,
        schema: &SchemaRef,
        runtime: &RuntimeEnv,
    ) -> Result<Self> {
        let directory = Location::parse(&task.directory, runtime);
        let directory = directory.map_err(SparkError::into_external)?;
        Self::within(format, task, schema, &directory)
    }

    fn within(
        format: &'static dyn FileFormat,
        task: FileTask,
        schema: &SchemaRef,
        directory: &Location,
    ) -> Result<Self> {
        if schema.fields().len() != task.names.len() {
            return Err(internal_datafusion_err!("the rows to write do not match their names"));
        }
        let is_file = |i: &usize| !task.partition_by.contains(i);
        let columns: Vec<usize> = (0..task.names.len()).filter(is_file).collect();
        let leaving = |i: &usize| {
            types::leaving(schema.field(*i).data_type()).map_err(SparkError::into_external)
        };
        let leaving = columns.iter().map(leaving).collect::<Result<Vec<DataType>>>()?;
        let field = |(i, leaving): (&usize, &DataType)| {
            let field = schema.field(*i).clone().with_name(&task.names[*i]);
            field.with_data_type(format.stored(leaving))
        };
        let fields: Vec<Field> = columns.iter().zip(&leaving).map(field).collect();
        let name = uuid::Uuid::new_v4().to_string();
        Ok(Self {
            format,
            schema: Arc::new(Schema::new(fields)),
            task,
            columns,
            leaving,
            directory: directory.join(&name).map_err(SparkError::into_external)?,
            name,
            open: BTreeMap::new(),
            written: Vec::new(),
            next: 0,
            is_done: false,
        })
    }

    /// A full disk by the name of the directory; other errors as they are.
    fn named(&self, error: DataFusionError) -> DataFusionError {
        let Some(full) = disk_full(&error) else { return error };
        let path = self.directory.to_string();
        let message = format!("Task failed while writing rows to {path}. {full}");
        SparkError::new(condition::TASK_WRITE_FAILED, message, &[("path", &path)]).into_external()
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.project(&self.columns)?;
        let (_, mut columns, _) = rows.into_parts();
        for ((column, leaving), field) in
            columns.iter_mut().zip(&self.leaving).zip(self.schema.fields())
        {
            if column.data_type() != leaving {
                *column = cast(column, leaving)?;
            }
            if leaving != field.data_type() {
                *column = make_array(relabelled(column.to_data(), field.data_type())?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        if self.task.partition_by.is_empty() {
            return self.push_to(String::new(), &rows);
        }
        for (directory, indices) in self.directories(batch)? {
            let part = take_record_batch(&rows, &UInt32Array::from(indices))?;
            self.push_to(directory, &part)?;
        }
        Ok(())
    }

    /// The rows of each directory.
    fn directories(&self, batch: &RecordBatch) -> Result<BTreeMap<String, Vec<u32>>> {
        let text = |i: &usize| Ok((&self.task.names[*i], cast(batch.column(*i), &DataType::Utf8)?));
        let values: Vec<(&String, ArrayRef)> =
            self.task.partition_by.iter().map(text).collect::<Result<_>>()?;
        let mut rows: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for row in 0..batch.num_rows() {
            let part = |(name, values): &(&String, ArrayRef)| {
                let values = values.as_string::<i32>();
                let empty = values.is_null(row) || values.value(row).is_empty();
                let value = if empty { NULL_PARTITION } else { values.value(row) };
                format!("{}={}", escaped(name), escaped(value))
            };
            let directory = values.iter().map(part).collect::<Vec<_>>().join("/");
            rows.entry(directory).or_default().push(u32::try_from(row).unwrap_or(u32::MAX));
        }
        Ok(rows)
    }

    fn push_to(&mut self, directory: String, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        if let Some(most) = self.task.max_records {
            let full = self.open.get(&directory).is_some_and(|output| output.rows >= most);
            if full && let Some(output) = self.open.remove(&directory) {
                self.finish(directory.clone(), output)?;
            }
            // Rows that do not fit into one file go to the next.
            let count = self.open.get(&directory).map_or(0, |output| output.rows);
            let room = usize::try_from(most - count).unwrap_or(usize::MAX);
            if room < rows.num_rows() {
                self.push_to(directory.clone(), &rows.slice(0, room))?;
                return self.push_to(directory, &rows.slice(room, rows.num_rows() - room));
            }
        }
        if !self.open.contains_key(&directory) {
            if self.open.len() >= OPEN_FILES
                && let Some((other, output)) = self.open.pop_first()
            {
                self.finish(other, output)?;
            }
            let output = self.begin()?;
            self.open.insert(directory.clone(), output);
        }
        match self.open.get_mut(&directory) {
            Some(output) => output.push(rows),
            None => Ok(()),
        }
    }

    fn begin(&mut self) -> Result<Output> {
        let number = self.next.to_string();
        self.next += 1;
        let place = self.directory.join(&number).map_err(SparkError::into_external)?;
        let schemas = (&self.schema, self.task.schema.as_str());
        let writer = self.format.writer(&self.task.encoding, schemas, Upload::new(&place)?)?;
        Ok(Output { file: format!("{}/{number}", self.name), rows: 0, writer })
    }

    fn finish(&mut self, directory: String, output: Output) -> Result<()> {
        output.writer.finish()?;
        self.written.push(Written { directory, file: output.file });
        Ok(())
    }
}

/// The same values as those of another type that is laid out alike: intervals as their numbers.
fn relabelled(data: ArrayData, to: &DataType) -> Result<ArrayData> {
    let inside: Vec<&DataType> = match to {
        DataType::List(field) | DataType::Map(field, _) => vec![field.data_type()],
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        _ => Vec::new(),
    };
    let children = data.child_data().iter().cloned().zip(inside);
    let children = children.map(|(child, to)| relabelled(child, to)).collect::<Result<_>>()?;
    Ok(data.into_builder().data_type(to.clone()).child_data(children).build()?)
}

impl Output {
    fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        self.writer.write(rows)
    }
}

impl TaskSink for FileTaskSink {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.push(rows).map_err(|error| self.named(error))
    }

    fn commit(mut self: Box<Self>) -> Result<Bytes> {
        while let Some((directory, output)) = self.open.pop_first() {
            self.finish(directory, output).map_err(|error| self.named(error))?;
        }
        let encoded = serde_json::to_vec(&self.written);
        let encoded = encoded.map_err(|error| internal_datafusion_err!("{error}"))?;
        self.is_done = true;
        Ok(encoded.into())
    }
}

impl Drop for FileTaskSink {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.open.clear();
        if let Ok(handle) = Handle::try_current() {
            let directory = self.directory.clone();
            // Leftovers are removed with the temporary directory.
            handle.spawn(async move { directory.remove().await });
        }
    }
}

/// An empty file for a write without rows, so that readers find the schema.
#[derive(Debug, Clone)]
pub(crate) struct EmptyFile {
    format: &'static dyn FileFormat,
    task: FileTask,
    schema: SchemaRef,
    directory: Location,
}

impl EmptyFile {
    /// Describes an empty file with Spark's `schema`, in the directory of temporary files.
    pub(crate) fn new(
        format: &'static dyn FileFormat,
        task: FileTask,
        schema: &[plan::Field],
        directory: &Location,
    ) -> Self {
        let schema = types::schema_to_arrow(schema);
        Self { format, task, schema, directory: directory.clone() }
    }

    /// Writes the file; `None` if there are partition columns, which only directories could hold.
    pub(crate) async fn write(&self) -> std::result::Result<Option<Written>, SparkError> {
        if !self.task.partition_by.is_empty() {
            return Ok(None);
        }
        let Self { format, task, schema, directory } = self.clone();
        let write = move || {
            let mut sink = FileTaskSink::within(format, task, &schema, &directory)?;
            let output = sink.begin()?;
            sink.finish(String::new(), output)?;
            sink.is_done = true;
            Ok(sink.written.pop())
        };
        let stopped = |_| SparkError::internal("the process is stopping");
        let written: Result<_> = tokio::task::spawn_blocking(write).await.map_err(stopped)?;
        written.map_err(|error| functions::spark_error(&error))
    }
}
