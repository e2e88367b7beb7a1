//! Resources shared by all tasks of an executor: memory, spill directories, caches, the volume for
//! map outputs, and the source of blocks.

use super::broadcast_joins::Resting;
use super::broadcast_rows::BroadcastRows;
use super::join_filters::scans_are_joined;
use super::{BlockSource, Stage};
use crate::codec;
use crate::context::session_state_builder;
use crate::python::PythonWorkers;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManager, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use model::{ByteSize, TaskFailure};
use plan::SparkError;
use shuffle::{Volume, WriterOptions};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The part of all memory that the rows of broadcasts may take, beside tables that are built of
/// them.
const BROADCAST_PART: usize = 8;

/// Size of the cache of file footers, in bytes.
const FOOTERS: usize = 256 << 20;

/// Memory that a sort reserves for merging its spills, unless that is a large part of the total.
const SORT_RESERVATION: usize = 10 << 20;

/// Number of consumers named when memory runs out.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::new(5).expect("not zero");

/// Resources that the tasks of an executor may use.
#[derive(Debug, Clone)]
pub struct TaskSettings {
    /// Memory of all tasks together.
    pub memory: ByteSize,
    /// Directories for spills.
    pub spill_dirs: Vec<PathBuf>,
    /// Limit on the size of all spills at a time.
    pub spill_limit: ByteSize,
    /// Volume for map outputs.
    pub volume: Volume,
    /// Options for writing map outputs.
    pub writer: WriterOptions,
    /// Directory of the files that a program distributed.
    pub files: PathBuf,
}

/// Runtime of tasks (see the module).
#[derive(Debug)]
pub struct TaskRuntime {
    context: Arc<TaskContext>,
    settings: TaskSettings,
    blocks: Arc<dyn BlockSource>,
    workers: Arc<dyn PythonWorkers>,
    broadcasts: Arc<BroadcastRows>,
    resting: Resting,
}

impl TaskRuntime {
    /// Creates a runtime whose tasks read shuffles from `blocks` and run Python in `workers`.
    pub fn new(
        settings: TaskSettings,
        blocks: Arc<dyn BlockSource>,
        workers: Arc<dyn PythonWorkers>,
    ) -> Result<Self, SparkError> {
        let memory = usize::try_from(settings.memory.0).unwrap_or(usize::MAX);
        let pool = TrackConsumersPool::new(FairSpillPool::new(memory), CONSUMERS_NAMED);
        let disk = DiskManager::builder()
            .with_mode(DiskManagerMode::Directories(settings.spill_dirs.clone()))
            .with_max_temp_directory_size(settings.spill_limit.0);
        let runtime: Arc<RuntimeEnv> = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk)
            .with_metadata_cache_limit(FOOTERS.min(memory / 8))
            .build_arc()
            .map_err(|error| functions::spark_error(&error))?;
        let mut state = session_state_builder().build();
        state.config_mut().options_mut().execution.sort_spill_reservation_bytes =
            SORT_RESERVATION.min(memory / 32);
        let context = TaskContext::from(&state).with_runtime(runtime);
        let broadcasts = Arc::new(BroadcastRows::new(memory / BROADCAST_PART));
        let (context, resting) = (Arc::new(context), Resting::default());
        Ok(Self { context, settings, blocks, workers, broadcasts, resting })
    }

    /// Decodes the template of a stage.
    pub fn decode_stage(&self, template: &[u8]) -> Result<Arc<Stage>, TaskFailure> {
        let (template, plan) = codec::decode_template(template, &self.context)
            .map_err(|error| TaskFailure::Hopeless { message: error.to_string() })?;
        let scans_are_joined = scans_are_joined(&plan);
        Ok(Arc::new(Stage { plan, template, joins: Arc::default(), scans_are_joined }))
    }

    pub(crate) fn context(&self) -> &Arc<TaskContext> {
        &self.context
    }

    pub(crate) fn memory_pool(&self) -> &Arc<dyn MemoryPool> {
        self.context.memory_pool()
    }

    pub(crate) fn writer_options(&self) -> &WriterOptions {
        &self.settings.writer
    }

    pub(crate) fn volume(&self) -> &Volume {
        &self.settings.volume
    }

    pub(crate) fn blocks(&self) -> &Arc<dyn BlockSource> {
        &self.blocks
    }

    pub(crate) fn workers(&self) -> &Arc<dyn PythonWorkers> {
        &self.workers
    }

    /// Directory of the files that a program distributed.
    pub(crate) fn files(&self) -> &Path {
        &self.settings.files
    }

    pub(crate) fn broadcasts(&self) -> &Arc<BroadcastRows> {
        &self.broadcasts
    }

    pub(crate) fn resting(&self) -> &Resting {
        &self.resting
    }
}
