//! Writing a directory of files. Tasks write under `_temporary`; when all are done, the driver gives the files of the attempts that
//! count their names. A write that fails leaves what was there before.

use super::listing::{local, unreadable};
use super::options::{Format, Options, bad};
use super::output::{Outputs, Written, parquet_compression};
use super::text::{Csv, Json, Plain, TextFormat};
use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use arrow::record_batch::RecordBatch;
use errors::{Exception, condition};
use formats::types;
use model::conf::{
    BadSetting, Conf, DEFAULT_SOURCE, MAX_RECORDS_PER_FILE, PARQUET_CODEC,
    PARTITION_OVERWRITE_MODE, PartitionOverwriteMode, Value,
};
use plan::{DataType, Field, SaveMode, SparkError, Write, WriteTarget};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Where tasks write before the write is complete.
const TEMPORARY: &str = "_temporary";

/// What a task is told: how to write, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteTask {
    pub(crate) format: Format,
    /// How text is written, if the format is one of text.
    pub(crate) text: Option<TextFormat>,
    pub(crate) compression: String,
    /// Spark's schema of the rows of a file, in JSON.
    pub(crate) schema: String,
    /// Rows of a file, at most.
    pub(crate) max_records: Option<u64>,
    /// Where temporary files go.
    pub(crate) directory: String,
    /// Names of the columns.
    pub(crate) names: Vec<String>,
    /// Columns whose values become directory names.
    pub(crate) partition_by: Vec<usize>,
}

impl fmt::Display for WriteTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to {}", self.format, self.directory)
    }
}

/// A write of files, from the decision that it takes place to its commit.
///
/// The driver calls [`FileWrite::new`], [`FileWrite::begin`], runs a job whose plan is a
/// [`WriteExec`](super::WriteExec) of [`FileWrite::task`], and ends with [`FileWrite::commit`], given the
/// rows of that job, or [`FileWrite::abort`]. Until the commit nothing can be seen at the target;
/// a write that is aborted leaves it as it was.
#[derive(Debug)]
pub struct FileWrite {
    target: PathBuf,
    temporary: PathBuf,
    task: WriteTask,
    replace: Replace,
    schema: Vec<Field>,
    /// Whether the target was there before.
    existed: bool,
}

impl FileWrite {
    /// Plans a write of rows of `schema`, whose target is a path; `None` if its mode says that what
    /// is there stays.
    pub fn new(write: &Write, schema: &[Field], conf: &Conf) -> Result<Option<Self>, SparkError> {
        let default = conf.get(&DEFAULT_SOURCE)?;
        let format = Format::new(write.format.as_deref().unwrap_or(&default))?;
        if write.bucket_by.is_some() || !write.sort_by.is_empty() {
            return Err(SparkError::unsupported("bucketBy and sortBy of a write"));
        }
        let options = Options(&write.options);
        let path = match (&write.target, options.get(&["path"])) {
            (WriteTarget::Path(path), _) => path,
            (_, Some(path)) => path,
            _ => return Err(SparkError::internal("a write of files has a path")),
        };
        let target = local(path)?;
        let existed = target.exists();
        match write.mode {
            SaveMode::Ignore if existed => return Ok(None),
            SaveMode::ErrorIfExists if existed => return Err(path_exists(&target)),
            _ => {}
        }
        let temporary = target.join(TEMPORARY).join(uuid::Uuid::new_v4().to_string());
        let partition_by = partition_columns(&write.partition_by, schema)?;
        let task = WriteTask {
            schema: schema_of_files(schema, &partition_by),
            format,
            text: match format {
                Format::Parquet => None,
                Format::Csv => Some(TextFormat::Csv(Box::new(Csv::written(&options, conf)?))),
                Format::Json => Some(TextFormat::Json(Box::new(Json::new(&options, conf)?))),
                Format::Text => Some(TextFormat::Plain(Plain::new(&options)?)),
            },
            max_records: max_records(&options, conf)?,
            compression: compression(format, &options, conf)?,
            directory: temporary.display().to_string(),
            names: schema.iter().map(|field| field.name.clone()).collect(),
            partition_by,
        };
        check_columns(&task, schema)?;
        let replace = match write.mode {
            SaveMode::Overwrite if overwrites_partitions(write, conf)? => Replace::Partitions,
            SaveMode::Overwrite => Replace::All,
            _ => Replace::Nothing,
        };
        Ok(Some(Self { target, temporary, task, replace, schema: schema.to_vec(), existed }))
    }

    /// What each task does.
    pub fn task(&self) -> &WriteTask {
        &self.task
    }

    /// Makes the place where tasks write.
    pub fn begin(&self) -> Result<(), SparkError> {
        fs::create_dir_all(&self.temporary).map_err(|error| unreadable(&self.temporary, &error))
    }

    /// Gives the files of the attempts that count their names. `written` is what the tasks yielded,
    /// in order of the partitions. Aborts when it fails.
    pub fn commit(&self, written: &[Vec<RecordBatch>]) -> Result<(), SparkError> {
        let result = self.try_commit(written);
        if result.is_err() {
            self.abort();
        }
        result
    }

    /// Removes what the write has made.
    pub fn abort(&self) {
        self.remove_temporary();
        if !self.existed {
            // Only if nothing is in it.
            let _ = fs::remove_dir(&self.target);
        }
    }

    fn try_commit(&self, written: &[Vec<RecordBatch>]) -> Result<(), SparkError> {
        let mut files: Vec<(usize, Written)> = (0..)
            .zip(written)
            .flat_map(|(part, batches)| batches.iter().flat_map(files_of).map(move |f| (part, f)))
            .collect();
        if files.is_empty() && self.task.partition_by.is_empty() {
            let schema = types::schema_to_arrow(&self.schema);
            let empty = Outputs::new(self.task.clone(), schema).and_then(Outputs::write_empty);
            files.extend(
                empty.map_err(|e| functions::spark_error(&e))?.into_iter().map(|file| (0, file)),
            );
        }
        self.clear(&files)?;
        let id = uuid::Uuid::new_v4();
        let extension = match (self.task.format, self.task.compression.as_str()) {
            (Format::Parquet, "none" | "uncompressed") => "parquet".to_owned(),
            (Format::Parquet, "gzip") => "gz.parquet".to_owned(),
            (Format::Parquet, codec) => format!("{codec}.parquet"),
            (format, "gzip") => format!("{}.gz", format.extension()),
            (format, "zstd") => format!("{}.zst", format.extension()),
            (format, _) => format.extension().to_owned(),
        };
        for (number, (part, file)) in files.iter().enumerate() {
            let directory = self.target.join(&file.directory);
            let name = format!("part-{part:05}-{id}-c{number:03}.{extension}");
            let place = directory.join(name);
            fs::create_dir_all(&directory)
                .and_then(|()| fs::rename(&file.file, &place))
                .map_err(|error| unreadable(&place, &error))?;
        }
        self.remove_temporary();
        let success = self.target.join("_SUCCESS");
        fs::write(&success, b"").map_err(|error| unreadable(&success, &error))
    }

    /// Takes away what the write replaces.
    fn clear(&self, files: &[(usize, Written)]) -> Result<(), SparkError> {
        let old: Vec<PathBuf> = match self.replace {
            Replace::Nothing => Vec::new(),
            Replace::Partitions => {
                let directories: BTreeSet<&String> =
                    files.iter().map(|(_, file)| &file.directory).collect();
                let all = directories.into_iter().map(|directory| self.target.join(directory));
                all.filter(|directory| directory.exists()).collect()
            }
            Replace::All => {
                let entries = fs::read_dir(&self.target)
                    .and_then(|e| e.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
                let entries = entries.map_err(|error| unreadable(&self.target, &error))?;
                entries.into_iter().filter(|path| !path.ends_with(TEMPORARY)).collect()
            }
        };
        for path in old {
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|error| unreadable(&path, &error))?;
        }
        Ok(())
    }

    /// Removes what this write made; another one may be under way beside it.
    fn remove_temporary(&self) {
        let _ = fs::remove_dir_all(&self.temporary);
        let _ = fs::remove_dir(self.target.join(TEMPORARY));
    }
}

/// The schema of what goes into files, in JSON.
fn schema_of_files(schema: &[Field], partition_by: &[usize]) -> String {
    let columns = schema.iter().enumerate().filter(|(index, _)| !partition_by.contains(index));
    DataType::Struct(columns.map(|(_, field)| field.clone()).collect()).json()
}

/// Whether an overwrite replaces only the partitions that it has rows of.
pub fn overwrites_partitions(write: &Write, conf: &Conf) -> Result<bool, SparkError> {
    let option = "partitionOverwriteMode";
    let mode = match Options(&write.options).get(&[option]) {
        Some(mode) => PartitionOverwriteMode::parse(mode).map_err(|problem| {
            let (key, value) = (option.to_owned(), mode.to_owned());
            BadSetting { key, value, problem }
        })?,
        None => conf.get(&PARTITION_OVERWRITE_MODE)?,
    };
    Ok(mode == PartitionOverwriteMode::Dynamic && !write.partition_by.is_empty())
}

/// What a write takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replace {
    Nothing,
    Partitions,
    All,
}

fn files_of(batch: &RecordBatch) -> Vec<Written> {
    let (directories, files) =
        (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
    let rows = batch.column(2).as_primitive::<UInt64Type>();
    let file = |i| Written {
        directory: directories.value(i).to_owned(),
        file: files.value(i).to_owned(),
        rows: rows.value(i),
    };
    (0..batch.num_rows()).map(file).collect()
}

/// Rows of a file, at most; 0 and less mean no limit.
fn max_records(options: &Options<'_>, conf: &Conf) -> Result<Option<u64>, SparkError> {
    let key = "maxRecordsPerFile";
    let most = match options.get(&[key]) {
        Some(text) => text.parse::<i64>().map_err(|_| bad(key, text, "is not a whole number"))?,
        None => conf.get(&MAX_RECORDS_PER_FILE)?,
    };
    Ok(u64::try_from(most).ok().filter(|most| *most > 0))
}

fn compression(format: Format, options: &Options<'_>, conf: &Conf) -> Result<String, SparkError> {
    if format != Format::Parquet {
        let name = options.get(&["compression", "codec"]).unwrap_or("none").to_ascii_lowercase();
        return match name.as_str() {
            "none" | "uncompressed" => Ok("none".to_owned()),
            "gzip" | "zstd" => Ok(name),
            _ => Err(SparkError::unsupported(format!("the compression `{name}` of text"))),
        };
    }
    let default = conf.get(&PARQUET_CODEC)?;
    let name = options.get(&["compression"]).unwrap_or(&default).to_ascii_lowercase();
    match parquet_compression(&name) {
        Ok(_) => Ok(name),
        Err(_) => Err(SparkError::unsupported(format!("the compression `{name}` of Parquet"))),
    }
}

fn partition_columns(names: &[String], schema: &[Field]) -> Result<Vec<usize>, SparkError> {
    let column = |name: &String| {
        let at = schema.iter().position(|field| field.name.eq_ignore_ascii_case(name));
        at.ok_or_else(|| {
            let message = format!("Partition column `{name}` not found in schema.");
            SparkError::plain(Exception::Analysis, message)
        })
    };
    let columns: Vec<usize> = names.iter().map(column).collect::<Result<_, _>>()?;
    if !schema.is_empty() && columns.len() == schema.len() {
        let message = "Cannot use all columns for partition columns.";
        return Err(SparkError::analysis(
            condition::ALL_PARTITION_COLUMNS_NOT_ALLOWED,
            message,
            &[],
        ));
    }
    Ok(columns)
}

/// Whether the format can hold the columns.
fn check_columns(task: &WriteTask, schema: &[Field]) -> Result<(), SparkError> {
    let mut names = BTreeSet::new();
    if let Some(field) = schema.iter().find(|field| !names.insert(field.name.to_lowercase())) {
        let name = plan::quote_name(&field.name.to_lowercase());
        let message = format!(
            "The column {name} already exists. Choose another name or rename the existing column."
        );
        return Err(SparkError::analysis(
            condition::COLUMN_ALREADY_EXISTS,
            message,
            &[("columnName", name.as_str())],
        ));
    }
    let in_files = || schema.iter().enumerate().filter(|(i, _)| !task.partition_by.contains(i));
    let nested = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Array { .. }
                | DataType::Map { .. }
                | DataType::Struct(_)
                | DataType::Binary
                | DataType::CalendarInterval
                | DataType::Variant
                | DataType::UserDefined(_)
        )
    };
    match task.format {
        Format::Csv => match in_files().find(|(_, field)| nested(&field.data_type)) {
            Some((_, field)) => Err(no_such_type("CSV", field)),
            None => Ok(()),
        },
        Format::Text if in_files().count() != 1 => Err(single_column(in_files().count())),
        Format::Text => match in_files().find(|(_, field)| field.data_type != DataType::String) {
            Some((_, field)) => Err(no_such_type("Text", field)),
            None => Ok(()),
        },
        Format::Parquet | Format::Json => Ok(()),
    }
}

/// Text files have one column.
pub(super) fn single_column(count: usize) -> SparkError {
    let message =
        format!("Text data source supports only a single column, and you have {count} columns.");
    SparkError::plain(Exception::Analysis, message)
}

/// A column of a type that the format does not have.
pub(super) fn no_such_type(format: &str, field: &Field) -> SparkError {
    let column = plan::quote_name(&field.name);
    let kind = format!("\"{}\"", field.data_type.sql());
    let message =
        format!("The {format} datasource doesn't support the column {column} of the type {kind}.");
    let parameters = [("columnName", column.as_str()), ("columnType", &kind), ("format", format)];
    SparkError::analysis(condition::UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE, message, &parameters)
}

fn path_exists(path: &Path) -> SparkError {
    let shown = format!("file:{}", path.display());
    let message = format!(
        "Path {shown} already exists. Set mode as \"overwrite\" to overwrite the existing path."
    );
    SparkError::new(condition::PATH_ALREADY_EXISTS, message, &[("outputPath", shown.as_str())])
}
