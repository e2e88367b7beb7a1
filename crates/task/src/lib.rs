//! What an executor does with a stage: decode its plan once, then for each task bind the leaves to what this task reads, run it, and
//! write its map output or hand back its rows. How blocks of other executors travel is the executor's business, behind [`BlockSource`].

mod bind;
pub mod codec;
mod context;
mod failure;
mod faithful;
mod joins;
mod narrow;
pub mod nodes;
mod output;
mod reader;
mod route;
mod run;
mod runtime;
mod search;
mod stop;
mod writer;

pub use output::TaskOutcome;
pub use run::Launch;
pub use runtime::{TaskRuntime, TaskSettings};
pub use stop::Stop;

pub use context::session_state_builder;
pub(crate) use failure::FetchError;
pub use faithful::check as check_faithful;
pub(crate) use reader::ShuffleReadExec;

use crate::codec::Template;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::physical_plan::ExecutionPlan;
use model::{MapOutput, ShuffleId, TaskFailure, Unreadable};
use std::fmt;
use std::sync::Arc;

/// Fetches blocks of map outputs, wherever they lie: the door between a task and the executor that
/// runs it.
///
/// # Flow
///
/// A task that reads a shuffle calls [`BlockSource::fetch`] with a few megabytes of blocks at a time,
/// several calls at once. When one fails, the task ends; before it reports, it calls
/// [`BlockSource::search`] once, so that one report names all that has to be written again.
///
/// # Guarantees
///
/// - A block that is returned has the bytes that the named attempt committed: its checksum was
///   compared. Bytes of another attempt of the same map task are never returned in their place.
/// - Blocks come in the order in which they were asked for, or the call fails as a whole.
/// - Dropping a future stops its work and frees its buffers and connections.
///
/// # Assumptions
///
/// The map outputs are those that the driver named with the launch: complete, and in order of the
/// map index. Where they lie may have changed since; a source tries the places that it knows.
///
/// # Errors
///
/// `TaskFailure::FetchFailed` names each block that is gone, damaged, or still out of reach after
/// the source's own retries; its map task may run again because of it. Other failures count
/// against the task.
#[async_trait::async_trait]
pub trait BlockSource: fmt::Debug + Send + Sync + 'static {
    /// Returns the wanted blocks, in that order.
    async fn fetch(&self, blocks: &[Wanted]) -> Result<Vec<Bytes>, TaskFailure>;

    /// Returns what else a task whose fetch has failed could not read, as far as that shows in a
    /// short time.
    async fn search(&self, suspects: Suspects) -> Vec<Unreadable>;
}

/// Where to look when a fetch has failed.
#[derive(Debug, Clone, Default)]
pub struct Suspects {
    /// What is known not to be readable.
    pub known: Vec<Unreadable>,
    /// All map outputs of the shuffles that the task reads.
    pub outputs: Vec<Arc<MapOutput>>,
    /// The blocks of them that it reads.
    pub blocks: Vec<Wanted>,
}

/// One block.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The map output that it is part of.
    pub output: Arc<MapOutput>,
    /// Its reader partition.
    pub reader: u32,
}

impl Wanted {
    /// Bytes of the block, as its writer reported them.
    pub fn bytes(&self) -> u64 {
        self.output.block_bytes.get(self.reader as usize).copied().unwrap_or(0)
    }
}

/// A decoded stage: what all its tasks have in common. Decoded once per executor; each task makes its own copy of the plan.
#[derive(Debug)]
pub struct Stage {
    plan: Arc<dyn ExecutionPlan>,
    template: Template,
}

impl Stage {
    /// The shuffles whose map outputs its tasks read.
    pub fn inputs(&self) -> &[ShuffleId] {
        &self.template.inputs
    }

    /// Schema of the rows it yields.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }
}
