//! Writing rows to files: one file for each combination of partition values that a task meets.

use super::listing::{NULL_PARTITION, escaped};
use super::parquet_schema::SCHEMA_KEY;
use super::text::{CsvWriter, JsonWriter, TextFormat};
use super::write::WriteTask;
use super::write_exec::Message;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result, exec_err, internal_datafusion_err};
use flate2::write::GzEncoder;
use formats::types;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Files open at once in a task; beyond that, one is finished before the next is begun.
const OPEN_FILES: usize = 64;

/// A file under its temporary name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Directory below the target: `year=2015/land=US`, or nothing.
    pub(crate) directory: String,
    /// Where it is now.
    pub(crate) file: String,
    /// Rows in it.
    pub(crate) rows: u64,
}

/// The files of one task.
#[derive(Debug)]
pub(crate) struct Outputs {
    task: WriteTask,
    /// Columns of a row that go into files, and their schema under the names of the program.
    columns: Vec<usize>,
    schema: SchemaRef,
    directory: PathBuf,
    open: BTreeMap<String, Output>,
    written: Vec<Written>,
    next: usize,
}

impl Outputs {
    /// Rows of `schema` are to come.
    pub(crate) fn new(task: WriteTask, schema: SchemaRef) -> Result<Self> {
        if schema.fields().len() != task.names.len() {
            return Err(internal_datafusion_err!("rows to write do not fit their names"));
        }
        let is_file = |i: &usize| !task.partition_by.contains(i);
        let columns: Vec<usize> = (0..task.names.len()).filter(is_file).collect();
        let field = |i: &usize| {
            let field = schema.field(*i).clone().with_name(&task.names[*i]);
            let leaving = types::leaving(field.data_type())
                .map_err(|error| DataFusionError::External(Box::new(error)))?;
            Ok(field.with_data_type(leaving))
        };
        let fields = columns.iter().map(field).collect::<Result<Vec<Field>>>()?;
        let directory = PathBuf::from(&task.directory).join(uuid::Uuid::new_v4().to_string());
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            task,
            columns,
            directory,
            open: BTreeMap::new(),
            written: Vec::new(),
            next: 0,
        })
    }

    /// Writes what comes until the end. If it does not come to the end, or fails, nothing is left.
    pub(crate) fn write(mut self, next: impl FnMut() -> Option<Message>) -> Result<Vec<Written>> {
        let result = self.write_all(next);
        if result.is_err() {
            self.open.clear();
            // What cannot be removed now goes with the temporary directory.
            let _ = fs::remove_dir_all(&self.directory);
        }
        result
    }

    fn write_all(&mut self, mut next: impl FnMut() -> Option<Message>) -> Result<Vec<Written>> {
        loop {
            match next() {
                Some(Message::Rows(batch)) => self.push(&batch)?,
                Some(Message::End) => break,
                None => return exec_err!("the write was cancelled"),
            }
        }
        while let Some((directory, output)) = self.open.pop_first() {
            self.finish(directory, output)?;
        }
        Ok(std::mem::take(&mut self.written))
    }

    /// A file without rows, so that a reader finds the schema.
    pub(crate) fn write_empty(mut self) -> Result<Vec<Written>> {
        let output = self.begin()?;
        self.finish(String::new(), output)?;
        Ok(self.written)
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.project(&self.columns)?;
        let (_, mut columns, _) = rows.into_parts();
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            if column.data_type() != field.data_type() {
                *column = cast(column, field.data_type())?;
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
            // What one file does not take goes to the next.
            let there = self.open.get(&directory).map_or(0, |output| output.rows);
            let room = usize::try_from(most - there).unwrap_or(usize::MAX);
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
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(self.next.to_string());
        self.next += 1;
        let file = File::create_new(&path)?;
        Ok(Output { path, rows: 0, writer: Writer::new(&self.task, file, &self.schema)? })
    }

    fn finish(&mut self, directory: String, output: Output) -> Result<()> {
        output.writer.finish()?;
        let file = output.path.display().to_string();
        self.written.push(Written { directory, file, rows: output.rows });
        Ok(())
    }
}

#[derive(Debug)]
struct Output {
    path: PathBuf,
    rows: u64,
    writer: Writer,
}

impl Output {
    fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(rows)?,
            Writer::Csv(writer) => writer.write(rows)?,
            Writer::Json(writer) => writer.write(rows)?,
            Writer::Text(writer, line_end) => {
                for line in rows.column(0).as_string::<i32>() {
                    writer.write_all(line.unwrap_or_default().as_bytes())?;
                    writer.write_all(line_end.as_bytes())?;
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Writer {
    Parquet(Box<ArrowWriter<File>>),
    Csv(Box<CsvWriter<Target>>),
    Json(Box<JsonWriter<Target>>),
    Text(Box<Target>, String),
}

/// A file of text on its way out.
enum Target {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
    Zstd(Box<zstd::Encoder<'static, BufWriter<File>>>),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

impl Target {
    fn new(file: File, compression: &str) -> Result<Self> {
        let file = BufWriter::new(file);
        Ok(match compression {
            "gzip" => {
                let level = flate2::Compression::default();
                Self::Gzip(Box::new(GzEncoder::new(file, level)))
            }
            "zstd" => {
                let level = zstd::DEFAULT_COMPRESSION_LEVEL;
                Self::Zstd(Box::new(zstd::Encoder::new(file, level)?))
            }
            _ => Self::Plain(file),
        })
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Plain(mut file) => file.flush()?,
            Self::Gzip(file) => file.finish()?.flush()?,
            Self::Zstd(file) => file.finish()?.flush()?,
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(file) => file.write(bytes),
            Self::Zstd(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(file) => file.flush(),
            Self::Zstd(file) => file.flush(),
        }
    }
}

impl Writer {
    fn new(task: &WriteTask, file: File, schema: &SchemaRef) -> Result<Self> {
        let target = |file| Target::new(file, &task.compression);
        Ok(match &task.text {
            None => {
                let compression = parquet_compression(&task.compression)?;
                let schema_of_spark =
                    KeyValue::new(SCHEMA_KEY.to_owned(), Some(task.schema.clone()));
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_key_value_metadata(Some(vec![schema_of_spark]))
                    .build();
                let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))?;
                Self::Parquet(Box::new(writer))
            }
            Some(TextFormat::Csv(csv)) => {
                Self::Csv(Box::new(CsvWriter::new(csv, schema, target(file)?)?))
            }
            Some(TextFormat::Json(json)) => {
                Self::Json(Box::new(JsonWriter::new(json, target(file)?)?))
            }
            Some(TextFormat::Plain(plain)) => {
                let line_end = plain.line_sep.clone().unwrap_or_else(|| "\n".to_owned());
                Self::Text(Box::new(target(file)?), line_end)
            }
        })
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Parquet(writer) => {
                writer.close()?;
                Ok(())
            }
            Self::Csv(writer) => writer.into_inner().finish(),
            Self::Json(writer) => writer.into_inner().finish(),
            Self::Text(writer, _) => writer.finish(),
        }
    }
}

/// Compression of a Parquet file by Spark's name.
pub(crate) fn parquet_compression(name: &str) -> Result<Compression, DataFusionError> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "none" | "uncompressed" => Compression::UNCOMPRESSED,
        "snappy" => Compression::SNAPPY,
        "gzip" => Compression::GZIP(GzipLevel::default()),
        "zstd" => Compression::ZSTD(ZstdLevel::default()),
        "lz4" | "lz4_raw" => Compression::LZ4_RAW,
        other => return exec_err!("the compression `{other}` of Parquet is not served"),
    })
}
