//! Footers of Parquet files. Those read last are kept, because a query asks for each of its files'
//! several times: for the schema, for statistics, and again with the next query.

use super::super::listing::DataFile;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaDataReader;
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::common::{Result as PlanResult, Statistics, TableReference};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::cache::{Cache, CacheKey, CacheValue};
use errors::condition;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{Error as StoreError, ObjectStoreExt};
use plan::SparkError;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Metadata at the end of a file.
#[derive(Debug, Clone)]
pub(super) struct Footer {
    metadata: ArrowReaderMetadata,
    /// The statistics asked for last, and for which columns.
    statistics: Arc<Mutex<Option<(SchemaRef, Arc<Statistics>)>>>,
}

impl Footer {
    fn new(metadata: ArrowReaderMetadata) -> Self {
        Self { metadata, statistics: Arc::default() }
    }

    pub(super) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// Statistics of these columns. An error if the file has one of them with another type.
    pub(super) fn statistics(&self, columns: &SchemaRef) -> PlanResult<Arc<Statistics>> {
        let mut last = self.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, known)) = &*last
            && of == columns
        {
            return Ok(Arc::clone(known));
        }
        let metadata = self.metadata.metadata();
        let new = DFParquetMetadata::statistics_from_parquet_metadata(metadata, columns)?;
        let new = Arc::new(new);
        *last = Some((Arc::clone(columns), Arc::clone(&new)));
        Ok(new)
    }
}

/// Bytes of footers kept by a process.
const KEPT_BYTES: usize = 64 << 20;

/// A file that changed more recently may change again without another time of modification.
const SETTLED: TimeDelta = TimeDelta::seconds(3);

static KEPT: LazyLock<DefaultCache<Version, Kept>> =
    LazyLock::new(|| DefaultCache::new(KEPT_BYTES));

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Version {
    file: String,
    size: u64,
    modified: DateTime<Utc>,
    tag: Option<String>,
}

impl Version {
    /// `None` if another version might look the same.
    fn of(file: &DataFile) -> Option<Self> {
        let meta = &file.meta;
        (Utc::now() - meta.last_modified > SETTLED).then(|| Self {
            file: file.location.to_string(),
            size: meta.size,
            modified: meta.last_modified,
            tag: meta.e_tag.clone(),
        })
    }
}

impl CacheKey for Version {
    fn size(&self) -> usize {
        size_of::<Self>() + self.file.len() + self.tag.as_ref().map_or(0, String::len)
    }

    fn table_ref(&self) -> Option<&TableReference> {
        None
    }
}

#[derive(Debug, Clone)]
struct Kept(Footer);

impl CacheValue for Kept {
    fn size(&self) -> usize {
        self.0.metadata.metadata().memory_size()
    }
}

/// Footers read concurrently.
const AT_ONCE: usize = 16;

/// Bytes read from the end of a file initially; most footers are smaller.
const HINT: u64 = 64 << 10;

/// Reads the footers of files, in order.
pub(super) async fn footers(files: &[&DataFile]) -> Result<Vec<Footer>, SparkError> {
    let reads: Vec<_> = files.iter().map(|file| footer(file)).collect();
    stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

async fn footer(file: &DataFile) -> Result<Footer, SparkError> {
    let version = Version::of(file);
    if let Some(Kept(footer)) = version.as_ref().and_then(|version| KEPT.get(version)) {
        return Ok(footer);
    }
    let footer = read(file).await?;
    if let Some(version) = version {
        KEPT.put(&version, Kept(footer.clone()));
    }
    Ok(footer)
}

async fn read(file: &DataFile) -> Result<Footer, SparkError> {
    let mut reader = ParquetMetaDataReader::new();
    let mut wanted = HINT;
    loop {
        let size = file.meta.size;
        let tail = size.saturating_sub(wanted)..size;
        let read = file.location.store().get_range(file.location.path(), tail).await;
        let tail = read.map_err(|error| match error {
            StoreError::NotFound { .. } => file.location.not_found(),
            error => broken(file, &error),
        })?;
        match reader.try_parse_sized(&tail, size) {
            Ok(()) => break,
            Err(ParquetError::NeedMoreData(more)) if wanted < more as u64 => wanted = more as u64,
            Err(error) => return Err(broken(file, &error)),
        }
    }
    let footer = reader.finish().and_then(|metadata| {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        ArrowReaderMetadata::try_new(Arc::new(metadata), options).map(Footer::new)
    });
    footer.map_err(|error| broken(file, &error))
}

fn broken(file: &DataFile, error: &dyn std::fmt::Display) -> SparkError {
    let path = file.location.to_string();
    let message = format!("Encountered error while reading file {path}: {error}");
    SparkError::new(condition::FAILED_READ_FILE_NO_HINT, message, &[("path", path.as_str())])
}
