//! Where blocks come from: this executor's own volumes, or a peer that mounts the volume.

use crate::blocks::Peers;
use crate::blocks::client::{Fetched, Remote};
use bytes::Bytes;
use futures::future::ready;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use model::{BlockProblem, MapOutput, MapOutputId, TaskFailure, Unreadable, VolumeId};
use shuffle::{Catalogue, wire};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use task::{BlockSource, Suspects, Wanted};

/// Blocks of one call that are fetched from peers at once.
const AT_ONCE: usize = 16;
/// Times that a peer is asked for a block before it counts as unreachable or damaged.
const TRIES: usize = 2;
/// How long a task that has failed looks for what else it could not read.
const SEARCH: Duration = Duration::from_secs(10);
/// Outputs of volumes mounted here that are looked through at once in that time.
const VERIFIED_AT_ONCE: usize = 2;

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
    pub peers: Arc<Peers>,
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

    /// What is mounted here is looked through whole: other tasks will read the blocks that this one
    /// does not. Peers are asked only for the blocks that it reads, and not for those of a volume
    /// of which something was out of reach: all of it is then.
    async fn search(&self, Suspects { known, outputs, blocks }: Suspects) -> Vec<Unreadable> {
        let named: BTreeSet<MapOutputId> = known.iter().map(|known| known.output).collect();
        let mounted = |volume: &VolumeId| self.catalogue.volume(volume).is_some();
        let mut here = outputs;
        here.retain(|output| mounted(&output.volume) && !named.contains(&output.id));
        let verified: Vec<_> = here.into_iter().map(|output| self.verify(output)).collect();
        let verified = stream::iter(verified).buffer_unordered(VERIFIED_AT_ONCE).filter_map(ready);
        let mut searches = vec![verified.boxed()];
        let mut elsewhere: BTreeMap<VolumeId, Vec<Wanted>> = BTreeMap::new();
        for wanted in blocks.into_iter().filter(|wanted| !named.contains(&wanted.output.id)) {
            if !mounted(&wanted.output.volume) {
                elsewhere.entry(wanted.output.volume.clone()).or_default().push(wanted);
            }
        }
        for (volume, blocks) in elsewhere {
            let out_of_reach = |known: &Unreadable| {
                known.problem == BlockProblem::Unreachable && known.volume == volume
            };
            searches.push(self.ask_for(blocks, known.iter().any(out_of_reach)).boxed());
        }
        stream::select_all(searches).take_until(tokio::time::sleep(SEARCH)).collect().await
    }
}

impl Blocks {
    fn is_here(&self, wanted: &Wanted) -> bool {
        self.catalogue.volume(&wanted.output.volume).is_some()
    }

    async fn one(&self, wanted: Wanted) -> Result<Bytes, TaskFailure> {
        if !self.is_here(&wanted) {
            let fetched = self.fetch_one(&wanted).await;
            return fetched.map_err(|(problem, message)| failure(&wanted.output, problem, message));
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

    /// Reads all of an output of a volume that is mounted here.
    async fn verify(&self, output: Arc<MapOutput>) -> Option<Unreadable> {
        let catalogue = Arc::clone(&self.catalogue);
        let verify = move || {
            let error = catalogue.verify(&output)?.err()?;
            Some(Unreadable::new(&output, error.problem()))
        };
        tokio::task::spawn_blocking(verify).await.unwrap_or_default()
    }

    /// Asks for blocks of one volume, one after the other, until it is out of reach.
    fn ask_for(
        &self,
        blocks: Vec<Wanted>,
        out_of_reach: bool,
    ) -> impl Stream<Item = Unreadable> + Send {
        let next = async |(mut blocks, mut out_of_reach): (std::vec::IntoIter<Wanted>, bool)| loop {
            let wanted = blocks.next()?;
            let problem = if out_of_reach {
                BlockProblem::Unreachable
            } else {
                match self.fetch_one(&wanted).await {
                    Ok(_) => continue,
                    Err((problem, _)) => problem,
                }
            };
            out_of_reach = problem == BlockProblem::Unreachable;
            let unreadable = Unreadable::new(&wanted.output, problem);
            return Some((unreadable, (blocks, out_of_reach)));
        };
        stream::unfold((blocks.into_iter(), out_of_reach), next)
    }

    /// Asks the peers that mount the volume, one after the other.
    async fn fetch_one(&self, wanted: &Wanted) -> Result<Bytes, (BlockProblem, String)> {
        let Wanted { output, reader } = wanted;
        if wanted.bytes() == 0 {
            return Ok(Bytes::new());
        }
        let block = wire::Wanted::Block {
            volume: output.volume.clone(),
            output: output.as_ref().into(),
            reader: *reader,
        };
        let remote = Remote { wanted: block, bytes: wanted.bytes() };
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
        Err(last)
    }
}

fn failure(output: &MapOutput, problem: BlockProblem, message: String) -> TaskFailure {
    TaskFailure::FetchFailed { unreadable: vec![Unreadable::new(output, problem)], message }
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
