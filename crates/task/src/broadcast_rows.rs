//! Decoded rows of small broadcasts, which all tasks of an executor share: each is fetched once.
//! They count against the memory of tasks, and the latest stay.

use super::Wanted;
use arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use model::{Attempt, Epoch, MapOutputId};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Most broadcasts that are kept.
const KEPT: usize = 16;

/// A row takes more memory than in a block, where it is compressed: a broadcast is small if its
/// blocks have at most this part of the limit.
const EXPANSION: u64 = 4;

/// Which bytes: blocks of the attempts that wrote them. A map output that was written again may
/// have others.
pub(crate) type Identity = Vec<(MapOutputId, Attempt, Epoch, u32)>;

/// Identity of what these blocks hold.
pub(crate) fn identity<'a>(blocks: impl IntoIterator<Item = &'a Wanted>) -> Identity {
    let block =
        |Wanted { output, reader }: &Wanted| (output.id, output.attempt, output.epoch, *reader);
    blocks.into_iter().map(block).collect()
}

/// The rows of a broadcast, and the memory that is accounted for them.
#[derive(Debug)]
struct Rows {
    batches: Vec<RecordBatch>,
    memory: MemoryReservation,
}

type Cell = Arc<OnceCell<Rows>>;

/// Rows of broadcasts (see the module).
#[derive(Debug)]
pub(crate) struct BroadcastRows {
    /// Bytes that all of them may take.
    limit: usize,
    /// The latest first.
    kept: Mutex<VecDeque<(Identity, Cell)>>,
}

impl BroadcastRows {
    /// Keeps at most `limit` bytes of rows.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// Whether the rows of these blocks are small enough to be kept.
    pub(crate) fn keeps(&self, blocks: &[Wanted]) -> bool {
        let bytes: u64 = blocks.iter().map(Wanted::bytes).sum();
        bytes.saturating_mul(EXPANSION) <= self.limit as u64
    }

    /// The rows of these blocks: those that are kept, or what `read` yields. Whoever asks while
    /// another reads waits for it.
    pub(crate) async fn get(
        &self,
        blocks: &[Wanted],
        pool: &Arc<dyn MemoryPool>,
        read: impl Future<Output = Result<Vec<RecordBatch>>>,
    ) -> Result<Vec<RecordBatch>> {
        let key = identity(blocks);
        let cell = self.cell(key.clone());
        let filled = async {
            let batches = read.await?;
            let memory = MemoryConsumer::new("broadcast rows").register(pool);
            let bytes = batches.iter().map(RecordBatch::get_array_memory_size).sum();
            if memory.try_grow(bytes).is_err() {
                self.drop_all();
                if memory.try_grow(bytes).is_err() {
                    tracing::debug!("no memory to keep the {bytes} bytes of a broadcast");
                    return Ok::<_, DataFusionError>(Rows { batches, memory });
                }
                self.keep(key, &cell);
            }
            Ok(Rows { batches, memory })
        };
        let rows = cell.get_or_try_init(|| filled).await?;
        self.trim();
        Ok(rows.batches.clone())
    }

    fn cell(&self, key: Identity) -> Cell {
        let mut kept = self.lock();
        let found = kept.iter().position(|(k, _)| *k == key).and_then(|at| kept.remove(at));
        let cell = found.map(|(_, cell)| cell).unwrap_or_default();
        kept.push_front((key, Arc::clone(&cell)));
        cell
    }

    fn keep(&self, key: Identity, cell: &Cell) {
        self.lock().push_front((key, Arc::clone(cell)));
    }

    fn drop_all(&self) {
        self.lock().clear();
    }

    /// Drops the oldest until the rest is within the limits.
    fn trim(&self) {
        let mut kept = self.lock();
        let mut bytes = 0;
        let mut fits = |(at, (_, cell)): (usize, &(Identity, Cell))| {
            bytes += cell.get().map_or(0, |rows| rows.memory.size());
            at == 0 || (bytes <= self.limit && at < KEPT)
        };
        let count = kept.iter().enumerate().take_while(|entry| fits(*entry)).count();
        kept.truncate(count);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Identity, Cell)>> {
        // Every change is a single operation, so a panic elsewhere leaves the list consistent.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use model::{Fingerprint, MapOutput, ShuffleId, StageId, TaskId, VolumeId};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A broadcast whose rows take 8,000 bytes.
    fn blocks(map: u32, number: u32) -> Vec<Wanted> {
        let shuffle = ShuffleId(Fingerprint([1; 32]));
        let task = TaskId { stage: StageId(0), partition: map };
        let output = MapOutput {
            id: MapOutputId { shuffle, map },
            attempt: Attempt { task, number },
            epoch: Epoch(1),
            volume: VolumeId("v".into()),
            block_bytes: vec![1000],
            rows: 1000,
            row_checksum: 0,
        };
        vec![Wanted { output: Arc::new(output), reader: 0 }]
    }

    /// Asks for a broadcast; returns whether it was read.
    async fn reads(rows: &BroadcastRows, pool: &Arc<dyn MemoryPool>, blocks: &[Wanted]) -> bool {
        let count = AtomicUsize::new(0);
        let read = async {
            count.fetch_add(1, Ordering::SeqCst);
            let column: ArrayRef = Arc::new(Int64Array::from(vec![7; 1000]));
            Ok(vec![RecordBatch::try_from_iter([("a", column)])?])
        };
        let batches = rows.get(blocks, pool, read).await.expect("it can be read");
        assert_eq!(batches[0].num_rows(), 1000);
        count.load(Ordering::SeqCst) == 1
    }

    #[tokio::test]
    async fn the_latest_are_kept_and_accounted() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1_000_000));
        let rows = BroadcastRows::new(20_000);
        for map in [0, 1, 2] {
            assert!(reads(&rows, &pool, &blocks(map, 0)).await);
        }
        assert!(!reads(&rows, &pool, &blocks(1, 0)).await);
        assert!(reads(&rows, &pool, &blocks(0, 0)).await, "it was the oldest of three");
        assert!((16_000..20_000).contains(&pool.reserved()), "{}", pool.reserved());
        drop(rows);
        assert_eq!(pool.reserved(), 0);
    }

    #[tokio::test]
    async fn what_another_attempt_wrote_is_read() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1_000_000));
        let rows = BroadcastRows::new(20_000);
        assert!(reads(&rows, &pool, &blocks(0, 0)).await);
        assert!(reads(&rows, &pool, &blocks(0, 1)).await);
    }

    #[tokio::test]
    async fn rows_for_which_there_is_no_memory_are_read_each_time() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(10_000));
        let rows = BroadcastRows::new(20_000);
        assert!(reads(&rows, &pool, &blocks(0, 0)).await);
        assert!(reads(&rows, &pool, &blocks(1, 0)).await, "in the place of the other");
        assert!(!reads(&rows, &pool, &blocks(1, 0)).await);
        let other = MemoryConsumer::new("other").register(&pool);
        other.grow(9_000);
        assert!(reads(&rows, &pool, &blocks(2, 0)).await);
        assert!(reads(&rows, &pool, &blocks(2, 0)).await);
        assert_eq!(pool.reserved(), 9_000);
    }

    #[test]
    fn only_small_broadcasts_are_kept() {
        let rows = BroadcastRows::new(4_000);
        assert!(rows.keeps(&blocks(0, 0)));
        assert!(!rows.keeps(&[blocks(0, 0), blocks(1, 0)].concat()));
    }
}
