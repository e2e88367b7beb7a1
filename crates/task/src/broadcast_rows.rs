//! Decoded rows of small broadcasts, which all tasks of an executor share: each is fetched once.
//! They count against the memory of tasks, and the latest stay.

use super::Wanted;
use super::memory::BROADCAST_ROWS;
use arrow::record_batch::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use model::{Attempt, Epoch, MapOutputId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

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

/// Rows that are being read, or have been. A task of their own reads them: whoever waits for them
/// does not depend on another one who does.
type Reading = Shared<BoxFuture<'static, Result<Arc<Rows>, Arc<DataFusionError>>>>;

/// Rows of broadcasts (see the module).
#[derive(Debug)]
pub(crate) struct BroadcastRows {
    /// Bytes that all of them may take.
    limit: usize,
    /// The latest first.
    kept: Mutex<VecDeque<(Identity, Reading)>>,
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

    /// The rows of these blocks: those that are kept, or what `read` yields.
    pub(crate) async fn get(
        self: &Arc<Self>,
        blocks: &[Wanted],
        pool: &Arc<dyn MemoryPool>,
        read: impl Future<Output = Result<Vec<RecordBatch>>> + Send + 'static,
    ) -> Result<Vec<RecordBatch>> {
        let identity = identity(blocks);
        let reading = self.reading(identity.clone(), pool, read);
        match reading.await {
            Ok(rows) => {
                self.trim();
                Ok(rows.batches.clone())
            }
            Err(error) => {
                self.remove(&identity);
                Err(DataFusionError::Shared(error))
            }
        }
    }

    fn reading(
        self: &Arc<Self>,
        identity: Identity,
        pool: &Arc<dyn MemoryPool>,
        read: impl Future<Output = Result<Vec<RecordBatch>>> + Send + 'static,
    ) -> Reading {
        let mut kept = self.lock();
        let found = kept.iter().position(|(known, _)| *known == identity);
        let reading = found.and_then(|at| kept.remove(at)).map(|(_, reading)| reading);
        let reading = reading.unwrap_or_else(|| {
            let (all, pool, identity) = (Arc::clone(self), Arc::clone(pool), identity.clone());
            let task = SpawnedTask::spawn(async move {
                let batches = read.await?;
                let memory = all.accounted(&batches, &pool, &identity);
                Ok(Arc::new(Rows { batches, memory }))
            });
            let joined = task.join_unwind();
            let rows = async move {
                let ended = joined.await.map_err(|error| DataFusionError::External(error.into()));
                ended.and_then(|rows| rows).map_err(Arc::new)
            };
            rows.boxed().shared()
        });
        kept.push_front((identity, reading.clone()));
        reading
    }

    /// Memory for rows. If there is none, not even in the place of all others, they are only for
    /// those who wait for them.
    fn accounted(
        &self,
        batches: &[RecordBatch],
        pool: &Arc<dyn MemoryPool>,
        identity: &Identity,
    ) -> MemoryReservation {
        let memory = MemoryConsumer::new(BROADCAST_ROWS).register(pool);
        let bytes = batches.iter().map(RecordBatch::get_array_memory_size).sum();
        if memory.try_grow(bytes).is_err() {
            self.lock().retain(|(known, _)| known == identity);
            if memory.try_grow(bytes).is_err() {
                tracing::debug!("no memory to keep the {bytes} bytes of a broadcast");
                self.remove(identity);
            }
        }
        memory
    }

    fn remove(&self, identity: &Identity) {
        self.lock().retain(|(known, _)| known != identity);
    }

    /// Drops the oldest until the rest is within the limits.
    fn trim(&self) {
        let mut kept = self.lock();
        let mut bytes = 0;
        let mut fits = |(at, (_, reading)): (usize, &(Identity, Reading))| {
            let rows = reading.peek().and_then(|rows| rows.as_ref().ok());
            bytes += rows.map_or(0, |rows| rows.memory.size());
            at == 0 || (bytes <= self.limit && at < KEPT)
        };
        let count = kept.iter().enumerate().take_while(|entry| fits(*entry)).count();
        kept.truncate(count);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Identity, Reading)>> {
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
    async fn reads(
        rows: &Arc<BroadcastRows>,
        pool: &Arc<dyn MemoryPool>,
        blocks: &[Wanted],
    ) -> bool {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let read = async move {
            counted.fetch_add(1, Ordering::SeqCst);
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
        let rows = Arc::new(BroadcastRows::new(20_000));
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
        let rows = Arc::new(BroadcastRows::new(20_000));
        assert!(reads(&rows, &pool, &blocks(0, 0)).await);
        assert!(reads(&rows, &pool, &blocks(0, 1)).await);
    }

    #[tokio::test]
    async fn rows_for_which_there_is_no_memory_are_read_each_time() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(10_000));
        let rows = Arc::new(BroadcastRows::new(20_000));
        assert!(reads(&rows, &pool, &blocks(0, 0)).await);
        assert!(reads(&rows, &pool, &blocks(1, 0)).await, "in the place of the other");
        assert!(!reads(&rows, &pool, &blocks(1, 0)).await);
        let other = MemoryConsumer::new("other").register(&pool);
        other.grow(9_000);
        assert!(reads(&rows, &pool, &blocks(2, 0)).await);
        assert!(reads(&rows, &pool, &blocks(2, 0)).await);
        assert_eq!(pool.reserved(), 9_000);
    }

    #[tokio::test]
    async fn who_stops_waiting_keeps_nobody_from_the_rows() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1_000_000));
        let rows = Arc::new(BroadcastRows::new(20_000));
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let read = async move {
            let _ = wait.await;
            Ok(Vec::new())
        };
        let wanted = blocks(0, 0);
        let first = rows.get(&wanted, &pool, read).now_or_never();
        assert!(first.is_none(), "it is still being read");
        go.send(()).unwrap();
        let second = rows.get(&wanted, &pool, async { panic!("it is read already") });
        assert_eq!(second.await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_read_again() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1_000_000));
        let rows = Arc::new(BroadcastRows::new(20_000));
        let failing = async { Err(DataFusionError::Execution("lost".to_owned())) };
        let error = rows.get(&blocks(0, 0), &pool, failing).await.unwrap_err();
        assert!(error.to_string().contains("lost"), "{error}");
        assert!(reads(&rows, &pool, &blocks(0, 0)).await);
    }

    #[test]
    fn only_small_broadcasts_are_kept() {
        let rows = BroadcastRows::new(4_000);
        assert!(rows.keeps(&blocks(0, 0)));
        assert!(!rows.keeps(&[blocks(0, 0), blocks(1, 0)].concat()));
    }
}
