//! Rows of results, as executors send them: pieces of Arrow IPC streams. What exceeds a limit of
//! memory lies in files without names, so that a result may be larger than the driver's memory.

use crate::run_job::bad_rows;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use errors::Exception;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use plan::SparkError;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of pieces that are held in memory.
const HELD: u64 = 32 << 20;

/// Bytes from which the next piece begins a new file. A file's space is free once all its pieces
/// are dropped.
const FILE: u64 = 64 << 20;

/// The rows of one partition: an Arrow IPC stream in pieces; none if there are no rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    pieces: Vec<Piece>,
    length: u64,
}

/// A part of an IPC stream.
#[derive(Debug, Clone)]
pub enum Piece {
    /// One that does not count for the limit.
    Free(Bytes),
    Held(Arc<Held>),
    Stored(Arc<Stored>),
    /// One that could not be stored, and why.
    Lost(Arc<str>, u64),
}

/// A piece in memory.
#[derive(Debug)]
pub struct Held {
    bytes: Bytes,
    all: Arc<AtomicU64>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

/// A piece in a file.
#[derive(Debug)]
pub struct Stored {
    file: Arc<File>,
    start: u64,
    length: usize,
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stored(one), Self::Stored(other)) => Arc::ptr_eq(one, other),
            (Self::Lost(one, _), Self::Lost(other, _)) => one == other,
            _ => self.held().is_some() && self.held() == other.held(),
        }
    }
}

impl Piece {
    fn held(&self) -> Option<&Bytes> {
        match self {
            Self::Free(bytes) => Some(bytes),
            Self::Held(held) => Some(&held.bytes),
            Self::Stored(_) | Self::Lost(..) => None,
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Stored(stored) => stored.length as u64,
            Self::Lost(_, length) => *length,
            _ => self.held().map_or(0, |bytes| bytes.len() as u64),
        }
    }

    async fn read(self) -> Result<Bytes, SparkError> {
        let stored = match self {
            Self::Free(bytes) => return Ok(bytes),
            Self::Held(held) => return Ok(held.bytes.clone()),
            Self::Lost(why, _) => return Err(lost(&why)),
            Self::Stored(stored) => stored,
        };
        blocking(move || {
            let mut bytes = vec![0; stored.length];
            stored.file.read_exact_at(&mut bytes, stored.start)?;
            Ok(bytes.into())
        })
        .await
        .map_err(|error| lost(&error.to_string()))
    }
}

impl From<Bytes> for Rows {
    fn from(bytes: Bytes) -> Self {
        let mut rows = Self::default();
        rows.push(Piece::Free(bytes));
        rows
    }
}

impl Rows {
    /// Adds the next piece.
    pub(crate) fn push(&mut self, piece: Piece) {
        if piece.len() > 0 {
            self.length += piece.len();
            self.pieces.push(piece);
        }
    }

    /// Bytes of all pieces.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// The stream, if all of it is in memory.
    pub fn in_memory(&self) -> Option<Bytes> {
        if let [piece] = &*self.pieces {
            return piece.held().cloned();
        }
        let pieces = self.pieces.iter().map(Piece::held).collect::<Option<Vec<_>>>()?;
        Some(pieces.iter().map(|piece| &***piece).collect::<Vec<_>>().concat().into())
    }

    /// The rows, read as they are asked for.
    pub(crate) fn batches(&self) -> BoxStream<'static, Result<RecordBatch, SparkError>> {
        let pieces = self.pieces.iter().cloned().collect();
        let reading = Reading { pieces, decoder: StreamDecoder::new(), rest: Buffer::from(&[]) };
        stream::try_unfold(reading, |mut reading| async {
            Ok(reading.next().await?.map(|batch| (batch, reading)))
        })
        .boxed()
    }

    pub(crate) async fn decoded(&self) -> Result<Vec<RecordBatch>, SparkError> {
        self.batches().try_collect().await
    }
}

/// A partition that is being read.
struct Reading {
    pieces: VecDeque<Piece>,
    decoder: StreamDecoder,
    rest: Buffer,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>, SparkError> {
        loop {
            while !self.rest.is_empty() {
                if let Some(batch) = self.decoder.decode(&mut self.rest).map_err(bad_rows)? {
                    return Ok(Some(batch));
                }
            }
            let Some(piece) = self.pieces.pop_front() else {
                self.decoder.finish().map_err(bad_rows)?;
                return Ok(None);
            };
            self.rest = Buffer::from(piece.read().await?);
        }
    }
}

/// Keeps pieces.
#[derive(Debug)]
pub(crate) struct RowStore {
    directory: PathBuf,
    held: Arc<AtomicU64>,
    /// The file that is written, and its length.
    file: Mutex<Option<(Arc<File>, u64)>>,
    files: AtomicU64,
}

impl RowStore {
    /// One whose files are in this directory.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, held: Arc::default(), file: Mutex::default(), files: AtomicU64::new(0) }
    }

    /// Keeps a piece in memory while there is room, and in a file else.
    pub(crate) async fn keep(self: &Arc<Self>, bytes: Bytes) -> Piece {
        let length = bytes.len() as u64;
        let room = |held: u64| Some(held + length).filter(|held| *held <= HELD);
        if self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok() {
            return Piece::Held(Arc::new(Held { bytes, all: Arc::clone(&self.held) }));
        }
        let store = Arc::clone(self);
        match blocking(move || store.write(&bytes)).await {
            Ok(stored) => Piece::Stored(Arc::new(stored)),
            Err(error) => Piece::Lost(error.to_string().into(), length),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<Stored> {
        let mut current = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, start) = match current.take().filter(|(_, length)| *length < FILE) {
            Some(open) => open,
            None => (Arc::new(self.open()?), 0),
        };
        file.write_all_at(bytes, start)?;
        *current = Some((Arc::clone(&file), start + bytes.len() as u64));
        Ok(Stored { file, start, length: bytes.len() })
    }

    /// A new file, which has no name: nobody finds it, and it ends with this process.
    fn open(&self) -> io::Result<File> {
        std::fs::create_dir_all(&self.directory)?;
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("rows-{}-{number}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn lost(why: &str) -> SparkError {
    let message = format!("The driver could not keep the rows of a result: {why}");
    SparkError::plain(Exception::Spark, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use arrow::ipc::writer::StreamWriter;

    /// An IPC stream of numbers, cut into pieces.
    fn pieces(count: i64, size: usize) -> Vec<Bytes> {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
        let batch = RecordBatch::try_from_iter([("id", column)]).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let bytes = writer.into_inner().unwrap();
        bytes.chunks(size).map(Bytes::copy_from_slice).collect()
    }

    async fn kept(store: &Arc<RowStore>, pieces: Vec<Bytes>) -> Rows {
        let mut rows = Rows::default();
        for piece in pieces {
            rows.push(store.keep(piece).await);
        }
        rows
    }

    #[tokio::test]
    async fn what_exceeds_memory_is_read_from_files_that_nobody_sees() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(RowStore::new(directory.path().to_owned()));
        let rows = kept(&store, pieces(16 << 20, 1 << 20)).await;
        assert!(rows.len() > 128 << 20);
        assert!(rows.in_memory().is_none());
        assert!(store.held.load(Ordering::Relaxed) <= HELD);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        for _ in 0..2 {
            let batches = rows.decoded().await.unwrap();
            let column = batches[0].column(0).to_data();
            let numbers = Int64Array::from(column);
            assert!(numbers.values().iter().copied().eq(0..16 << 20));
        }
        drop(rows);
        assert_eq!(store.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_piece_that_cannot_be_kept_fails_who_reads_it() {
        let store = Arc::new(RowStore::new("/proc/no such directory".into()));
        let small = kept(&store, pieces(10, 100)).await;
        assert_eq!(small.decoded().await.unwrap()[0].num_rows(), 10);
        let large = kept(&store, pieces(8 << 20, 1 << 20)).await;
        let error = large.decoded().await.unwrap_err();
        assert!(error.message.contains("could not keep the rows of a result"), "{error}");
    }
}
