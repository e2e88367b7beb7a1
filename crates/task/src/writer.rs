//! The write side of a shuffle: routes rows to readers, buffers them, and writes one Arrow IPC
//! stream per reader.
//!
//! Rows are buffered over many batches before they are split by reader: with 200 readers, a batch
//! of 8192 rows has 40 for each, and a message of 40 rows is mostly header. With few readers less
//! is buffered, because fresh rows are still in the processor's cache.

use super::memory::TaskMemory;
use super::narrow::Narrowing;
use super::route::Router;
use super::runtime::TaskRuntime;
use crate::codec::Compression;
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
    write_message,
};
use datafusion::common::Result;
use datafusion::common::hash_utils::create_hashes;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use model::TaskFailure;
use shuffle::{Committed, MapOutputWriter, RowChecksum, Summary, WriteError};
use std::sync::Arc;

/// Target number of rows in one message of a block; a message has at most twice as many.
const MESSAGE_ROWS: usize = 8192;

/// Bytes buffered before rows are split by reader, unless that is a large part of the task's share:
/// to split them takes several copies.
const GATHER_BYTES: usize = 16 << 20;
const GATHER_PART: usize = 8;

/// The part of the task's share that encoded rows may take until they are written. Operators that
/// cannot spill need the rest.
const BUFFER_PART: usize = 4;

/// Bytes that are buffered whether or not there is memory for them: many small pieces would be slow
/// to write, and slow to read.
const GATHER_AT_LEAST: usize = 1 << 20;

/// Limit on buffered rows, so that row numbers easily fit into 32 bits.
const GATHER_ROWS: usize = 4 << 20;

/// Messages smaller than this are not compressed: the frame would cost more than it saves.
const COMPRESS_FROM: usize = 4096;

/// The end-of-stream marker of Arrow IPC.
pub(super) const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Writes the map output of one attempt.
pub(crate) struct ShuffleWrite {
    router: Router,
    schema: SchemaRef,
    narrowing: Narrowing,
    encoder: Encoder,
    output: Option<MapOutputWriter>,
    buffer: usize,
    gather: usize,
    batches: Vec<RecordBatch>,
    routes: Vec<u32>,
    gathered: usize,
    reservation: MemoryReservation,
    /// Number of the schema that each reader's block currently uses; 0 if the block is empty.
    started: Vec<u32>,
    rows: u64,
    checksum: RowChecksum,
}

impl ShuffleWrite {
    /// Creates a writer of rows with `schema` to `output`, which has this many readers.
    pub(crate) fn new(
        (runtime, memory): (&TaskRuntime, &Arc<TaskMemory>),
        router: Router,
        schema: SchemaRef,
        compression: Compression,
        (output, readers): (MapOutputWriter, u32),
    ) -> Result<Self> {
        let pool = Arc::clone(memory) as Arc<dyn MemoryPool>;
        let reservation = MemoryConsumer::new("ShuffleWrite").register(&pool);
        let narrowing = Narrowing::new(Arc::clone(&schema));
        Ok(Self {
            router,
            encoder: Encoder::new(narrowing.schema(), compression)?,
            narrowing,
            schema,
            output: Some(output),
            buffer: usize::try_from(runtime.writer_options().buffer.0)
                .unwrap_or(usize::MAX)
                .min(runtime.least_share() / BUFFER_PART),
            gather: GATHER_BYTES.min(runtime.least_share() / GATHER_PART).max(GATHER_AT_LEAST),
            batches: Vec::new(),
            routes: Vec::new(),
            gathered: 0,
            reservation,
            started: vec![0; readers as usize],
            rows: 0,
            checksum: RowChecksum::default(),
        })
    }

    /// Adds rows.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<(), WriteFailure> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        self.add_to_checksum(&batch);
        if self.narrowing.make_room(&batch) {
            self.flush().await?;
            self.encoder.begin(self.narrowing.schema())?;
        }
        self.router.route(&batch, &mut self.routes)?;
        let batch = self.narrowing.apply(&batch)?;
        let bytes = sliced_bytes(&batch);
        self.gathered += bytes;
        let fits = match self.gathered {
            ..=GATHER_AT_LEAST => {
                self.reservation.grow(bytes);
                true
            }
            _ => self.reservation.try_grow(bytes).is_ok(),
        };
        self.batches.push(batch);
        let rows = self.routes.len();
        let enough = self.gathered >= self.gather
            || rows >= GATHER_ROWS.min(self.started.len() * MESSAGE_ROWS);
        if !fits || enough { self.flush().await } else { Ok(()) }
    }

    /// Commits the output.
    pub(crate) async fn commit(mut self) -> Result<Committed, WriteFailure> {
        self.flush().await?;
        let mut output = self.output.take().ok_or(WriteFailure::Stopped)?;
        for (reader, _) in (0u32..).zip(&self.started).filter(|(_, schema)| **schema > 0) {
            output.append(reader, END_OF_STREAM.to_vec())?;
        }
        let summary = Summary {
            rows: self.rows,
            row_checksum: self.checksum.value(),
            schema_hash: schema_hash(&self.schema),
            extra: Vec::new(),
        };
        Ok(blocking(move || output.commit(summary)).await??)
    }

    /// Splits the buffered rows by reader and writes them.
    async fn flush(&mut self) -> Result<(), WriteFailure> {
        let Some(first) = self.batches.first() else { return Ok(()) };
        let all = match self.batches.len() {
            1 => first.clone(),
            _ => concat_batches(&first.schema(), &self.batches)?,
        };
        self.batches.clear();
        let parts = self.encode_parts(&all)?;
        drop(all);
        self.routes.clear();
        self.gathered = 0;
        let bytes: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
        // Taken out so that it can move to a blocking thread and back.
        let mut output = self.output.take().ok_or(WriteFailure::Stopped)?;
        let all = output.buffered_bytes() + bytes;
        let fits = all <= self.buffer && self.reservation.try_resize(all).is_ok();
        let writes = !fits;
        if writes {
            self.reservation.free();
        }
        let append = move || {
            let mut parts = parts.into_iter();
            parts.try_for_each(|(reader, bytes)| output.append(reader, bytes))?;
            if writes {
                output.flush()?;
            }
            Ok::<_, WriteError>(output)
        };
        self.output = Some(if writes { blocking(append).await?? } else { append()? });
        Ok(())
    }

    /// The rows of each reader that has any, encoded as messages.
    fn encode_parts(&mut self, all: &RecordBatch) -> Result<Vec<(u32, Vec<u8>)>> {
        let mut parts = Vec::new();
        if let Router::Single = self.router {
            self.encode_rows(0, all, &mut parts)?;
            return Ok(parts);
        }
        let (order, ends) = by_reader(&self.routes, self.started.len());
        let sorted = match all.num_columns() {
            // Rows without columns are all the same, and `take` has nothing to take.
            0 => all.clone(),
            _ => take_record_batch(all, &UInt32Array::from(order))?,
        };
        let mut start = 0;
        for (reader, end) in (0u32..).zip(ends) {
            if end > start {
                self.encode_rows(reader, &sorted.slice(start, end - start), &mut parts)?;
            }
            start = end;
        }
        Ok(parts)
    }

    /// Appends the messages of one reader's rows, each as one or more parts.
    fn encode_rows(
        &mut self,
        reader: u32,
        rows: &RecordBatch,
        out: &mut Vec<(u32, Vec<u8>)>,
    ) -> Result<()> {
        let (schema, started) = (self.encoder.number, &mut self.started[reader as usize]);
        let mut head = Vec::new();
        if *started != schema {
            if *started > 0 {
                head.extend_from_slice(&END_OF_STREAM);
            }
            *started = schema;
            head.extend_from_slice(&self.encoder.schema);
        }
        let messages = (rows.num_rows() / MESSAGE_ROWS).max(1);
        let length = rows.num_rows().div_ceil(messages);
        for start in (0..rows.num_rows()).step_by(length) {
            let count = length.min(rows.num_rows() - start);
            for (message, options) in self.encoder.encode(&rows.slice(start, count))? {
                let EncodedData { ipc_message, arrow_data } = message;
                let before_data = EncodedData { ipc_message, arrow_data: Vec::new() };
                write_message(&mut head, before_data, options)?;
                // The data of a message is already padded, so it goes to the file without a copy.
                out.push((reader, std::mem::take(&mut head)));
                out.push((reader, arrow_data));
            }
        }
        Ok(())
    }

    fn add_to_checksum(&mut self, batch: &RecordBatch) {
        let mut hashes = vec![0; batch.num_rows()];
        // Every attempt skips a type that cannot be hashed.
        if create_hashes(batch.columns(), REPARTITION_RANDOM_STATE.random_state(), &mut hashes)
            .is_ok()
        {
            self.checksum.merge(hashes.into_iter().collect());
        }
    }
}

/// The indices of the rows grouped by reader (each reader's rows stay in order), and the end of
/// each reader's rows.
fn by_reader(routes: &[u32], readers: usize) -> (Vec<u32>, Vec<usize>) {
    let mut ends = vec![0usize; readers];
    for reader in routes {
        ends[*reader as usize] += 1;
    }
    let mut at = 0;
    let mut next: Vec<usize> = Vec::with_capacity(readers);
    for end in &mut ends {
        next.push(at);
        at += *end;
        *end = at;
    }
    let mut order = vec![0u32; routes.len()];
    for (row, reader) in (0u32..).zip(routes) {
        let place = &mut next[*reader as usize];
        order[*place] = row;
        *place += 1;
    }
    (order, ends)
}

/// Size of a batch's own rows, without the buffers it shares with others.
pub(crate) fn sliced_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(column_bytes).sum()
}

fn column_bytes(column: &ArrayRef) -> usize {
    let data = column.to_data();
    data.get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
}

fn schema_hash(schema: &SchemaRef) -> u64 {
    let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    let hash = blake3::hash(types.join(",").as_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

/// Runs file I/O on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WriteFailure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| WriteFailure::Stopped)
}

/// Encodes messages of Arrow IPC streams.
struct Encoder {
    /// The current schema's message, and its number: 1 for the first.
    schema: Vec<u8>,
    number: u32,
    generator: IpcDataGenerator,
    plain: IpcWriteOptions,
    compressed: IpcWriteOptions,
    /// Whether numbers are compressed, too.
    thorough: bool,
    context: IpcWriteContext,
}

impl Encoder {
    fn new(schema: &SchemaRef, compression: Compression) -> Result<Self> {
        let plain = IpcWriteOptions::default();
        let compressed = plain.clone().try_with_compression(match compression {
            Compression::None => None,
            Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
            Compression::Zstd => Some(CompressionType::ZSTD),
        })?;
        let mut encoder = Self {
            schema: Vec::new(),
            number: 0,
            generator: IpcDataGenerator::default(),
            plain,
            compressed,
            thorough: matches!(compression, Compression::Zstd),
            context: Default::default(),
        };
        encoder.begin(schema)?;
        Ok(encoder)
    }

    /// Continues with rows of another schema.
    fn begin(&mut self, schema: &SchemaRef) -> Result<()> {
        let mut tracker = DictionaryTracker::new(false);
        let message = self.generator.schema_to_bytes_with_dictionary_tracker(
            schema,
            &mut tracker,
            &self.plain,
        );
        self.schema.clear();
        write_message(&mut self.schema, message, &self.plain)?;
        self.number += 1;
        Ok(())
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<(EncodedData, &IpcWriteOptions)>> {
        let options = if self.is_worthwhile(batch) { &self.compressed } else { &self.plain };
        let mut tracker = DictionaryTracker::new(false);
        // The schema names the dictionaries, so the tracker must have assigned the same numbers.
        self.generator.schema_to_bytes_with_dictionary_tracker(
            &batch.schema(),
            &mut tracker,
            options,
        );
        let (dictionaries, rows) =
            self.generator.encode(batch, &mut tracker, options, &mut self.context)?;
        Ok(dictionaries.into_iter().chain([rows]).map(|message| (message, options)).collect())
    }

    /// Whether compressing these rows is worthwhile. A fast codec finds little left in narrowed
    /// numbers.
    fn is_worthwhile(&self, batch: &RecordBatch) -> bool {
        let (mut numbers, mut others) = (0, 0);
        for column in batch.columns() {
            let bytes = if column.data_type().is_primitive() { &mut numbers } else { &mut others };
            *bytes += column_bytes(column);
        }
        numbers + others >= COMPRESS_FROM && (self.thorough || others >= numbers)
    }
}

/// Why a map output was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteFailure {
    /// The plan failed.
    #[error(transparent)]
    Plan(#[from] DataFusionError),
    /// Arrow could not encode the rows.
    #[error(transparent)]
    Encode(#[from] ArrowError),
    /// The volume rejected the write.
    #[error(transparent)]
    Volume(#[from] WriteError),
    /// The process is shutting down.
    #[error("the executor is stopping")]
    Stopped,
}

impl From<WriteFailure> for TaskFailure {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Plan(error) => super::failure::of(&error),
            WriteFailure::Stopped => Self::Killed { reason: failure.to_string() },
            WriteFailure::Volume(WriteError::Fenced { fence, .. }) => Self::Fenced { fence },
            WriteFailure::Volume(WriteError::Full(_)) => {
                let why = with_causes(&failure);
                Self::Raised(super::failure::disk_full("the shuffle write", &why).into())
            }
            WriteFailure::Encode(_) | WriteFailure::Volume(_) => {
                Self::raised(with_causes(&failure))
            }
        }
    }
}

/// The message of an error, followed by those of its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_grouped_by_reader() {
        let (order, ends) = by_reader(&[2, 0, 2, 3, 0], 5);
        assert_eq!(order, [1, 4, 0, 2, 3]);
        assert_eq!(ends, [2, 2, 4, 5, 5]);
    }
}
