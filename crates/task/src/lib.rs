//! Execution of tasks in an executor: decodes the plan of a stage once, then for each task binds
//! the leaves to the task's input, runs the plan, and writes a map output or returns rows. Fetching
//! blocks from other executors is left to the executor, behind [`BlockSource`].

mod bind;
mod broadcast_joins;
mod broadcast_rows;
pub mod codec;
mod context;
mod failure;
mod gauge;
mod join_filters;
mod less_memory;
mod memory;
mod narrow;
pub mod nodes;
mod output;
pub mod python;
mod reader;
mod round_trip;
mod route;
mod run;
mod runtime;
mod stop;
mod text_views;
mod unreadable;
mod windows;
mod writer;

pub use gauge::Gauge;
pub use output::{TaskOutcome, TaskOutput};
pub use run::Launch;
pub use runtime::{TaskRuntime, TaskSettings};
pub use stop::Stop;

pub use context::session_state_builder;
pub(crate) use failure::FetchError;
pub(crate) use reader::ShuffleReadExec;
pub use round_trip::check as check_round_trip;

use crate::broadcast_joins::BroadcastJoins;
use crate::codec::Template;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::physical_plan::ExecutionPlan;
use model::{MapOutput, ShuffleId, TaskFailure, Unreadable};
use std::fmt;
use std::sync::Arc;

/// Fetches blocks of map outputs, wherever they are: the interface between a task and the executor
/// that runs it.
///
/// # Expected flow
///
/// A task that reads a shuffle calls [`BlockSource::fetch`] with a few megabytes of blocks at a
/// time, several calls concurrently. When one fails, the task ends; before it reports, it calls
/// [`BlockSource::search`] once, so that a single report names everything that has to be written
/// again.
///
/// # Guarantees
///
/// - A returned block has the bytes that the named attempt committed: its checksum was verified.
///   Bytes of another attempt of the same map task are never returned instead.
/// - Blocks are returned in the requested order, or the call fails as a whole.
/// - Dropping a future stops its work and frees its buffers and connections.
///
/// # Assumptions
///
/// The map outputs are those that the driver named at launch: complete, and ordered by map index.
/// Their location may have changed since; a source tries the locations it knows.
///
/// # Errors
///
/// `TaskFailure::FetchFailed` names each block that is lost, damaged, or still unreachable after
/// the source's own retries; its map task may run again because of it. Other failures count against
/// the task.
#[async_trait::async_trait]
pub trait BlockSource: fmt::Debug + Send + Sync + 'static {
    /// Returns the wanted blocks, in the given order.
    async fn fetch(&self, blocks: &[Wanted]) -> Result<Vec<Bytes>, TaskFailure>;

    /// Returns further map outputs that a task with a failed fetch could not read, as far as they
    /// can be found quickly.
    async fn search(&self, suspects: Suspects) -> Vec<Unreadable>;
}

/// Candidates for further unreadable outputs after a failed fetch.
#[derive(Debug, Clone, Default)]
pub struct Suspects {
    /// Map outputs known to be unreadable.
    pub known: Vec<Unreadable>,
    /// All map outputs of the shuffles that the task reads.
    pub outputs: Vec<Arc<MapOutput>>,
    /// The blocks of these outputs that it reads.
    pub blocks: Vec<Wanted>,
}

/// A block to fetch.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The map output that contains the block.
    pub output: Arc<MapOutput>,
    /// Reader partition of the block.
    pub reader: u32,
}

impl Wanted {
    /// Size of the block, as reported by its writer.
    pub fn bytes(&self) -> u64 {
        self.output.block_bytes.get(self.reader as usize).copied().unwrap_or(0)
    }
}

/// A decoded stage: what all its tasks share. Decoded once per executor; each task builds its own
/// copy of the plan, in which the hash tables of broadcasts are shared.
#[derive(Debug)]
pub struct Stage {
    plan: Arc<dyn ExecutionPlan>,
    template: Template,
    joins: Arc<BroadcastJoins>,
    /// Whether a hash join probes with the rows of a scan.
    scans_are_joined: bool,
    /// Whether it has a scan.
    scans: bool,
}

impl Stage {
    /// The shuffles whose map outputs its tasks read.
    pub fn inputs(&self) -> &[ShuffleId] {
        &self.template.inputs
    }

    /// Schema of the rows that the stage yields.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }
}
