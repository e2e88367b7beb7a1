//! The driver's side of writing files. Tasks write under `_temporary`; when all are done, the
//! driver renames the files of the winning attempts. A failed write leaves the previous contents.
//! What a driver that was lost leaves under `_temporary` its successor removes, when it writes
//! there: from then on the old one, should it still live, cannot commit.

use super::file_task::{FileTask, Written};
use super::format::FileFormat;
use super::options::{Options, bad};
use super::task_sink::EmptyFile;
use crate::{Location, Sink, WriteRequest};
use bytes::Bytes;
use datafusion::execution::runtime_env::RuntimeEnv;
use errors::{Exception, condition};
use futures::{StreamExt, TryStreamExt, stream};
use model::conf::{
    BadSetting, Conf, MAX_RECORDS_PER_FILE, PARTITION_OVERWRITE_MODE, PartitionOverwriteMode, Value,
};
use object_store::PutPayload;
use plan::{DataType, Field, SaveMode, SparkError, Write, WriteTarget};
use std::collections::BTreeSet;

/// Directory that tasks write to until the write is complete.
const TEMPORARY: &str = "_temporary";

/// The driver that writes: its application, and its incarnation.
#[derive(Debug)]
struct Writer {
    application: String,
    attempt: u64,
}

impl Writer {
    fn of(conf: &Conf) -> Option<Self> {
        let application = conf.given("spark.app.id")?.to_owned();
        let attempt = conf.given("spark.app.attempt.id")?.parse().ok()?;
        Some(Self { application, attempt })
    }

    /// A name for the directory of one write.
    fn directory(&self) -> String {
        format!("{}.{}.{}", self.application, self.attempt, uuid::Uuid::new_v4())
    }

    /// Whether a directory belongs to an earlier incarnation.
    fn succeeds(&self, directory: &str) -> bool {
        let of_application = directory.strip_prefix(&self.application);
        let attempt = of_application.and_then(|rest| rest.strip_prefix('.')?.split('.').next());
        attempt.and_then(|text| text.parse::<u64>().ok()).is_some_and(|it| it < self.attempt)
    }
}

/// Files renamed concurrently.
const RENAMES: usize = 16;

/// Existing data that a write replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replace {
    Nothing,
    Partitions,
    All,
}

/// The sink (see the module).
#[derive(Debug)]
pub(crate) struct FileSink {
    target: Location,
    temporary: Location,
    writer: Option<Writer>,
    task: String,
    /// Empty file for a write without rows, so that readers find the schema.
    empty: EmptyFile,
    /// Extension of file names.
    extension: String,
    replace: Replace,
    /// Whether the target already existed.
    existed: bool,
}

impl FileSink {
    /// Plans a write to a path; `None` if its mode leaves existing data alone.
    pub(crate) async fn new(
        format: &'static dyn FileFormat,
        request: WriteRequest<'_>,
    ) -> Result<Option<Self>, SparkError> {
        let WriteRequest { write, schema, conf, runtime } = request;
        if write.bucket_by.is_some() || !write.sort_by.is_empty() {
            return Err(SparkError::unsupported("bucketBy and sortBy of a write"));
        }
        let options = Options(&write.options);
        let target = target(write, &options, runtime)?;
        let existed = target.exists().await?;
        match write.mode {
            SaveMode::Ignore if existed => return Ok(None),
            SaveMode::ErrorIfExists if existed => return Err(path_exists(&target)),
            _ => {}
        }
        let writer = Writer::of(conf);
        let own =
            writer.as_ref().map_or_else(|| uuid::Uuid::new_v4().to_string(), Writer::directory);
        let temporary = target.join(&format!("{TEMPORARY}/{own}"))?;
        let partition_by = partition_columns(&write.partition_by, schema)?;
        let encoding = format.encoding(&options, conf)?;
        check_columns(format, schema, &partition_by)?;
        let replace = match write.mode {
            SaveMode::Overwrite if overwrites_partitions(write, conf)? => Replace::Partitions,
            SaveMode::Overwrite => Replace::All,
            _ => Replace::Nothing,
        };
        let task = FileTask {
            encoding: encoding.spec,
            schema: schema_of_files(schema, &partition_by),
            max_records: max_records(&options, conf)?,
            directory: temporary.url(),
            names: schema.iter().map(|field| field.name.clone()).collect(),
            partition_by,
        };
        let spec = serde_json::to_string(&task);
        let spec = spec.map_err(|error| SparkError::internal(error.to_string()))?;
        let empty = EmptyFile::new(format, task, schema, &temporary);
        let extension = encoding.extension;
        let sink =
            Self { target, temporary, writer, task: spec, empty, extension, replace, existed };
        Ok(Some(sink))
    }

    /// Removes what earlier drivers of this application have left here.
    async fn remove_older(&self) -> Result<(), SparkError> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let all = self.target.join(TEMPORARY)?;
        if writer.attempt < 2 || !all.exists().await? {
            return Ok(());
        }
        for directory in all.entries().await?.directories {
            if writer.succeeds(directory.name()) {
                directory.remove().await?;
            }
        }
        Ok(())
    }

    /// Removes what the write replaces.
    async fn clear(&self, files: &[(usize, Written)]) -> Result<(), SparkError> {
        let old: Vec<Location> = match self.replace {
            Replace::Nothing => Vec::new(),
            Replace::Partitions => {
                let directories: BTreeSet<&String> =
                    files.iter().map(|(_, file)| &file.directory).collect();
                let mut existing = Vec::new();
                for directory in directories {
                    let directory = self.target.join(directory)?;
                    if directory.exists().await? {
                        existing.push(directory);
                    }
                }
                existing
            }
            Replace::All => {
                let entries = self.target.entries().await?;
                let files = entries.files.into_iter().map(|meta| self.target.at(meta.location));
                let all = entries.directories.into_iter().chain(files);
                all.filter(|place| place.name() != TEMPORARY).collect()
            }
        };
        for place in old {
            place.remove().await?;
        }
        Ok(())
    }

    /// Removes the temporary files of this write; others may be in progress.
    async fn remove_temporary(&self) {
        // Leftovers are hidden.
        let _ = self.temporary.remove().await;
        if let Ok(all) = self.target.join(TEMPORARY) {
            all.remove_if_empty().await;
        }
    }
}

#[async_trait::async_trait]
impl Sink for FileSink {
    fn task(&self) -> String {
        self.task.clone()
    }

    async fn begin(&self) -> Result<(), SparkError> {
        self.remove_older().await?;
        self.temporary.make_directory().await
    }

    async fn commit(&self, written: &[Bytes]) -> Result<(), SparkError> {
        let mut files: Vec<(usize, Written)> = Vec::new();
        for (part, encoded) in written.iter().enumerate() {
            let of_task: Vec<Written> = serde_json::from_slice(encoded)
                .map_err(|error| SparkError::internal(error.to_string()))?;
            files.extend(of_task.into_iter().map(|file| (part, file)));
        }
        if files.is_empty() {
            files.extend(self.empty.write().await?.map(|file| (0, file)));
        }
        if !files.is_empty() && !self.temporary.exists().await? {
            // A successor has removed it: nothing may be replaced any more.
            return Err(self.temporary.not_found());
        }
        self.clear(&files).await?;
        let id = uuid::Uuid::new_v4();
        let mut renames = Vec::with_capacity(files.len());
        for (number, (part, file)) in files.iter().enumerate() {
            let extension = &self.extension;
            let name = format!("part-{part:05}-{id}-c{number:03}.{extension}");
            let name = match file.directory.as_str() {
                "" => name,
                directory => format!("{directory}/{name}"),
            };
            let (from, to) = (self.temporary.join(&file.file)?, self.target.join(&name)?);
            renames.push(async move { from.rename(&to).await });
        }
        stream::iter(renames).buffer_unordered(RENAMES).try_collect::<()>().await?;
        self.remove_temporary().await;
        self.target.join("_SUCCESS")?.put(PutPayload::new()).await
    }

    async fn abort(&self) {
        self.remove_temporary().await;
        if !self.existed {
            self.target.remove_if_empty().await;
        }
    }
}

fn target(
    write: &Write,
    options: &Options<'_>,
    runtime: &RuntimeEnv,
) -> Result<Location, SparkError> {
    let path = match (&write.target, options.get(&["path"])) {
        (WriteTarget::Path(path), _) => path,
        (_, Some(path)) => path,
        _ => return Err(SparkError::internal("a write of files needs a path")),
    };
    Location::parse(path, runtime)
}

/// The schema of a file's rows, in JSON.
fn schema_of_files(schema: &[Field], partition_by: &[usize]) -> String {
    let columns = schema.iter().enumerate().filter(|(index, _)| !partition_by.contains(index));
    DataType::Struct(columns.map(|(_, field)| field.clone()).collect()).json()
}

/// Whether an overwrite replaces only the partitions that it writes to.
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

/// Limit on the rows of a file; 0 or less means no limit.
fn max_records(options: &Options<'_>, conf: &Conf) -> Result<Option<u64>, SparkError> {
    let key = "maxRecordsPerFile";
    let most = match options.get(&[key]) {
        Some(text) => text.parse::<i64>().map_err(|_| bad(key, text, "is not a whole number"))?,
        None => conf.get(&MAX_RECORDS_PER_FILE)?,
    };
    Ok(u64::try_from(most).ok().filter(|most| *most > 0))
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

/// Refuses names that differ only in case, and types that the format does not support.
fn check_columns(
    format: &dyn FileFormat,
    schema: &[Field],
    partition_by: &[usize],
) -> Result<(), SparkError> {
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
    let in_files = schema.iter().enumerate().filter(|(at, _)| !partition_by.contains(at));
    format.check_written(&in_files.map(|(_, field)| field).collect::<Vec<_>>())
}

fn path_exists(target: &Location) -> SparkError {
    let shown = target.to_string();
    let message = format!(
        "Path {shown} already exists. Set mode as \"overwrite\" to overwrite the existing path."
    );
    SparkError::new(condition::PATH_ALREADY_EXISTS, message, &[("outputPath", shown.as_str())])
}
