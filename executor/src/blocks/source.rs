//! Where blocks come from: this executor's own volumes, or a peer that mounts the volume.

use crate::blocks::Peers;
use crate::blocks::client::{Fetched, Remote};
use bytes::Bytes;
use engine::{BlockSource, Wanted};
use futures::stream::{self, StreamExt, TryStreamExt};
use model::{BlockProblem, MapOutput, TaskFailure, VolumeId};
use shuffle::Catalogue;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Blocks of one call that are fetched from peers at once.
const AT_ONCE: usize = 16;
/// Times that a peer is asked for a block before it counts as unreachable or damaged.
const TRIES: usize = 2;

/// Which executors serve a volume, as the driver last said.
#[derive(Debug, Default)]
pub(crate) struct Locations(RwLock<BTreeMap<VolumeId, Vec<String>>>);

impl Locations {
    /// The addresses of a volume, all of them.
    pub(crate) fn set(&self, volume: VolumeId, addresses: Vec<String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(volume, addresses);
    }

    fn of(&self, volume: &VolumeId) -> Vec<String> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(volume)
            .cloned()
            .unwrap_or_default()
    }
}

/// All blocks that tasks of this executor can read.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// The volumes mounted here.
    pub catalogue: Arc<Catalogue>,
    /// The executors that mount others.
    pub peers: Peers,
    /// Who mounts what.
    pub locations: Arc<Locations>,
}

#[async_trait::async_trait]
impl BlockSource for Blocks {
    async fn fetch(&self, blocks: &[Wanted]) -> Result<Vec<Bytes>, TaskFailure> {
        if blocks.iter().all(|wanted| self.is_here(wanted)) {
            return self.read(blocks.to_vec()).await;
        }
        let fetches: Vec<_> = blocks.iter().map(|wanted| self.one(wanted.clone())).collect();
        stream::iter(fetches).buffered(AT_ONCE).try_collect().await
    }
}

impl Blocks {
    fn is_here(&self, wanted: &Wanted) -> bool {
        self.catalogue.volume(&wanted.output.volume).is_some()
    }

    async fn one(&self, wanted: Wanted) -> Result<Bytes, TaskFailure> {
        if !self.is_here(&wanted) {
            return self.fetch_one(&wanted).await;
        }
        let mut found = self.read(vec![wanted]).await?;
        Ok(found.pop().unwrap_or_default())
    }

    /// Reads blocks of volumes that are mounted here. What is wrong has been read twice by then.
    async fn read(&self, blocks: Vec<Wanted>) -> Result<Vec<Bytes>, TaskFailure> {
        let catalogue = Arc::clone(&self.catalogue);
        let read = tokio::task::spawn_blocking(move || {
            let one = |wanted: &Wanted| match catalogue.read_block(&wanted.output, wanted.reader) {
                Some(Ok(block)) => Ok(block.into()),
                Some(Err(error)) => Err(failure(&wanted.output, error.problem(), chain(&error))),
                None => Err(failure(
                    &wanted.output,
                    BlockProblem::Unreachable,
                    "its volume is not mounted".into(),
                )),
            };
            blocks.iter().map(one).collect()
        });
        // Reading does not panic; if it is torn down, nobody waits for the answer.
        read.await.unwrap_or_else(|error| Err(TaskFailure::Killed { reason: error.to_string() }))
    }

    /// Asks the peers that mount the volume, one after the other.
    async fn fetch_one(&self, wanted: &Wanted) -> Result<Bytes, TaskFailure> {
        let Wanted { output, reader } = wanted;
        if wanted.bytes() == 0 {
            return Ok(Bytes::new());
        }
        let remote = Remote {
            output: output.as_ref().into(),
            volume: output.volume.clone(),
            reader: *reader,
            bytes: wanted.bytes(),
        };
        let mut last = (
            BlockProblem::Unreachable,
            format!("no living executor mounts volume {}", output.volume),
        );
        let addresses = self.locations.of(&output.volume);
        for address in addresses.iter().cycle().take(addresses.len().max(1) * TRIES) {
            match self.peers.fetch(address, &remote).await {
                Ok(Fetched::Block(block)) => return Ok(block),
                Ok(Fetched::Refused { problem, message }) => last = (problem, message),
                Err(error) => last = (BlockProblem::Unreachable, format!("{address}: {error}")),
            }
        }
        Err(failure(output, last.0, last.1))
    }
}

fn failure(output: &MapOutput, problem: BlockProblem, message: String) -> TaskFailure {
    TaskFailure::FetchFailed {
        output: output.id,
        written_by: output.attempt,
        volume: output.volume.clone(),
        problem,
        message,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
