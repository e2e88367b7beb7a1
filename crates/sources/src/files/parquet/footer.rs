//! Footers of Parquet files.

use super::super::listing::DataFile;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaDataReader;
use errors::condition;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{Error as StoreError, ObjectStoreExt};
use plan::SparkError;
use std::sync::Arc;

/// Metadata at the end of a file.
pub(super) type Footer = ArrowReaderMetadata;

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
        ArrowReaderMetadata::try_new(Arc::new(metadata), options)
    });
    footer.map_err(|error| broken(file, &error))
}

fn broken(file: &DataFile, error: &dyn std::fmt::Display) -> SparkError {
    let path = file.location.to_string();
    let message = format!("Encountered error while reading file {path}: {error}");
    SparkError::new(condition::FAILED_READ_FILE_NO_HINT, message, &[("path", path.as_str())])
}
