//! The map side of a shuffle: rows are routed to readers, gathered, and written as one Arrow IPC stream per reader.
//!
//! Rows are gathered over many batches before they are taken apart: with 200 readers a batch of 8192 rows has 40 for each, and a
//! message of 40 rows is mostly head.

use super::route::Router;
use super::runtime::TaskRuntime;
use crate::codec::Compression;
use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{
    DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use datafusion::common::Result;
use datafusion::common::hash_utils::create_hashes;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use model::TaskFailure;
use shuffle::{Committed, MapOutputWriter, RowChecksum, Summary, WriteError};

/// Rows in one message of a block.
const MESSAGE_ROWS: usize = 8192;

/// Bytes gathered before they are taken apart.
const GATHER_BYTES: usize = 16 << 20;

/// Rows gathered, at most, so that their number fits many times into 32 bits.
const GATHER_ROWS: usize = 4 << 20;

/// Messages smaller than this are not compressed: the frame costs more than it saves.
const COMPRESS_FROM: usize = 4096;

/// The end of an Arrow IPC stream.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Writes the map output of one attempt.
pub(crate) struct ShuffleWrite {
    router: Router,
    schema: SchemaRef,
    encoder: Encoder,
    output: Option<MapOutputWriter>,
    buffer: usize,
    batches: Vec<RecordBatch>,
    routes: Vec<u32>,
    gathered: usize,
    reservation: MemoryReservation,
    started: Vec<bool>,
    rows: u64,
    checksum: RowChecksum,
}

impl ShuffleWrite {
    /// Rows of `schema` go to `output`, which has that many readers.
    pub(crate) fn new(
        runtime: &TaskRuntime,
        router: Router,
        schema: SchemaRef,
        compression: Compression,
        (output, readers): (MapOutputWriter, u32),
    ) -> Result<Self> {
        let reservation = MemoryConsumer::new("ShuffleWrite").register(runtime.memory_pool());
        Ok(Self {
            router,
            encoder: Encoder::new(&schema, compression)?,
            schema,
            output: Some(output),
            buffer: usize::try_from(runtime.writer_options().buffer.0).unwrap_or(usize::MAX),
            batches: Vec::new(),
            routes: Vec::new(),
            gathered: 0,
            reservation,
            started: vec![false; readers as usize],
            rows: 0,
            checksum: RowChecksum::default(),
        })
    }

    /// Takes rows.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<(), WriteFailure> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        self.add_to_checksum(&batch);
        self.router.route(&batch, &mut self.routes)?;
        let bytes = sliced_bytes(&batch);
        let fits = self.reservation.try_grow(bytes).is_ok();
        self.gathered += bytes;
        self.batches.push(batch);
        let alone = matches!(self.router, Router::Single) && self.routes.len() >= MESSAGE_ROWS;
        let enough = self.gathered >= GATHER_BYTES || self.routes.len() >= GATHER_ROWS;
        if !fits || alone || enough { self.flush().await } else { Ok(()) }
    }

    /// Puts the output in place.
    pub(crate) async fn commit(mut self) -> Result<Committed, WriteFailure> {
        self.flush().await?;
        let mut output = self.output.take().ok_or(WriteFailure::Stopped)?;
        for (reader, _) in (0u32..).zip(&self.started).filter(|(_, started)| **started) {
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

    /// Takes apart what is gathered.
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
        self.reservation.free();
        let bytes: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
        // Taken out, so that it can move to a thread that may block and back.
        let mut output = self.output.take().ok_or(WriteFailure::Stopped)?;
        let writes = output.buffered_bytes() + bytes > self.buffer;
        let append = move || {
            let mut parts = parts.into_iter();
            let result = parts.try_for_each(|(reader, bytes)| output.append(reader, bytes));
            result.map(|()| output)
        };
        self.output = Some(if writes { blocking(append).await?? } else { append()? });
        Ok(())
    }

    /// The rows of each reader that has any, as messages.
    fn encode_parts(&mut self, all: &RecordBatch) -> Result<Vec<(u32, Vec<u8>)>> {
        if let Router::Single = self.router {
            let mut bytes = Vec::new();
            self.encode_rows(0, all, &mut bytes)?;
            return Ok(vec![(0, bytes)]);
        }
        let (order, ends) = by_reader(&self.routes, self.started.len());
        let sorted = match all.num_columns() {
            // Rows without columns are alike, and `take` has nothing to take.
            0 => all.clone(),
            _ => take_record_batch(all, &UInt32Array::from(order))?,
        };
        let mut parts = Vec::new();
        let mut start = 0;
        for (reader, end) in ends.into_iter().enumerate() {
            if end > start {
                let mut bytes = Vec::new();
                self.encode_rows(reader, &sorted.slice(start, end - start), &mut bytes)?;
                parts.push((u32::try_from(reader).unwrap_or(u32::MAX), bytes));
            }
            start = end;
        }
        Ok(parts)
    }

    fn encode_rows(&mut self, reader: usize, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        if !std::mem::replace(&mut self.started[reader], true) {
            out.extend_from_slice(&self.encoder.schema);
        }
        for start in (0..rows.num_rows()).step_by(MESSAGE_ROWS) {
            let count = MESSAGE_ROWS.min(rows.num_rows() - start);
            self.encoder.encode(&rows.slice(start, count), out)?;
        }
        Ok(())
    }

    fn add_to_checksum(&mut self, batch: &RecordBatch) {
        let mut hashes = vec![0; batch.num_rows()];
        // A type that cannot be hashed is left out by every attempt alike.
        if create_hashes(batch.columns(), REPARTITION_RANDOM_STATE.random_state(), &mut hashes)
            .is_ok()
        {
            self.checksum.merge(hashes.into_iter().collect());
        }
    }
}

/// The indices of the rows in order of their readers (rows of one reader stay in order), and where each reader's rows end.
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

/// Bytes of the rows of a batch, not of the buffers that it shares with others.
fn sliced_bytes(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|column| {
            let data = column.to_data();
            data.get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum()
}

fn schema_hash(schema: &SchemaRef) -> u64 {
    let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    let hash = blake3::hash(types.join(",").as_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WriteFailure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| WriteFailure::Stopped)
}

/// Makes messages of an Arrow IPC stream.
struct Encoder {
    schema: Vec<u8>,
    generator: IpcDataGenerator,
    plain: IpcWriteOptions,
    compressed: IpcWriteOptions,
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
        let generator = IpcDataGenerator::default();
        let mut tracker = DictionaryTracker::new(false);
        let message =
            generator.schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &plain);
        let mut bytes = Vec::new();
        write_message(&mut bytes, message, &plain)?;
        Ok(Self { schema: bytes, generator, plain, compressed, context: Default::default() })
    }

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let small = sliced_bytes(batch) < COMPRESS_FROM;
        let options = if small { &self.plain } else { &self.compressed };
        let mut tracker = DictionaryTracker::new(false);
        // The schema names the dictionaries; the tracker has to have given out the same numbers.
        self.generator.schema_to_bytes_with_dictionary_tracker(
            &batch.schema(),
            &mut tracker,
            options,
        );
        let (dictionaries, rows) =
            self.generator.encode(batch, &mut tracker, options, &mut self.context)?;
        for message in dictionaries.into_iter().chain([rows]) {
            write_message(&mut *out, message, options)?;
        }
        Ok(())
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
    /// The volume refused.
    #[error(transparent)]
    Volume(#[from] WriteError),
    /// The process is going down.
    #[error("the executor is stopping")]
    Stopped,
}

impl From<WriteFailure> for TaskFailure {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Plan(error) => super::fetch::failure(&error),
            WriteFailure::Stopped => Self::Killed { reason: failure.to_string() },
            WriteFailure::Volume(WriteError::Fenced { .. }) => Self::CommitDenied,
            WriteFailure::Encode(_) | WriteFailure::Volume(_) => {
                Self::Raised { class: None, message: with_causes(&failure) }
            }
        }
    }
}

/// The message of an error and of what caused it.
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
    fn rows_are_put_in_order_of_their_readers() {
        let (order, ends) = by_reader(&[2, 0, 2, 3, 0], 5);
        assert_eq!(order, [1, 4, 0, 2, 3]);
        assert_eq!(ends, [2, 2, 4, 5, 5]);
    }
}
