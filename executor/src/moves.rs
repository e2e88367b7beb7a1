//! Copies of map outputs of executors that leave: each is fetched block by block, with the
//! checksums of every read, and committed to the own volume as the output of the same attempt.

use crate::blocks::Blocks;
use model::MapOutput;
use model::executor::Report;
use shuffle::{MapOutputWriter, Summary, Volume, WriterOptions};
use std::sync::Arc;
use task::{BlockSource, Wanted};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

/// Outputs that are copied at once.
const AT_ONCE: usize = 4;
/// Bytes of blocks that are fetched together.
const TOGETHER: u64 = 8 << 20;

/// Copies outputs, and says how that ended.
#[derive(Debug)]
pub(crate) struct Moves {
    copier: Arc<Copier>,
    threads: Handle,
    room: Arc<Semaphore>,
    ends: mpsc::UnboundedSender<Report>,
}

#[derive(Debug)]
struct Copier {
    blocks: Arc<Blocks>,
    volume: Volume,
    options: WriterOptions,
}

impl Moves {
    /// Copies to a volume, on these threads; the reports come out of the channel.
    pub(crate) fn new(
        blocks: Arc<Blocks>,
        (volume, options): (Volume, WriterOptions),
        threads: Handle,
    ) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (ends, out) = mpsc::unbounded_channel();
        let copier = Arc::new(Copier { blocks, volume, options });
        (Self { copier, threads, room: Arc::new(Semaphore::new(AT_ONCE)), ends }, out)
    }

    /// Starts a copy.
    pub(crate) fn start(&self, output: Arc<MapOutput>) {
        let (copier, room, ends) =
            (Arc::clone(&self.copier), Arc::clone(&self.room), self.ends.clone());
        self.threads.spawn(async move {
            let _room = room.acquire_owned().await.expect("the semaphore is never closed");
            let copy = copier.copy(&output).await;
            // If the stream to the driver is gone, nobody wants to know.
            let _ = ends.send(Report::Moved { output: MapOutput::clone(&output), copy });
        });
    }
}

impl Copier {
    async fn copy(&self, output: &Arc<MapOutput>) -> Result<MapOutput, String> {
        let readers = u32::try_from(output.block_bytes.len()).map_err(|e| e.to_string())?;
        let attempt = output.as_ref().into();
        let mut writer = MapOutputWriter::new(&self.volume, attempt, readers, self.options.clone());
        for batch in batches(output) {
            let blocks = self.blocks.fetch(&batch).await.map_err(|failure| failure.to_string())?;
            let append = move || {
                for (wanted, block) in batch.iter().zip(blocks) {
                    writer.append(wanted.reader, block.into())?;
                }
                Ok::<_, shuffle::WriteError>(writer)
            };
            writer = blocking(append).await?;
        }
        let summary =
            Summary { rows: output.rows, row_checksum: output.row_checksum, ..Summary::default() };
        let copy = blocking(move || writer.commit(summary)).await?.into_output();
        let expected = MapOutput { volume: copy.volume.clone(), ..MapOutput::clone(output) };
        if copy == expected { Ok(copy) } else { Err("another attempt's is there".to_owned()) }
    }
}

/// The blocks that are not empty, in batches of bounded size.
fn batches(output: &Arc<MapOutput>) -> Vec<Vec<Wanted>> {
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for (reader, length) in (0..).zip(&output.block_bytes).filter(|(_, length)| **length > 0) {
        batch.push(Wanted { output: Arc::clone(output), reader });
        bytes += length;
        if bytes >= TOGETHER {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
    }
    batches.extend(Some(batch).filter(|batch| !batch.is_empty()));
    batches
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, shuffle::WriteError> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_string())
}
