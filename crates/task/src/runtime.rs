//! Resources shared by all tasks of an executor: memory, spill directories, caches, the volume for
//! map outputs, and the source of blocks.

use super::broadcast_joins::Resting;
use super::broadcast_rows::BroadcastRows;
use super::join_filters::{scans, scans_are_joined};
use super::memory::{ExecutorMemory, TaskMemory};
use super::{BlockSource, Stage};
use crate::codec;
use crate::context::session_state_builder;
use crate::python::PythonWorkers;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManager, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use model::{ByteSize, TaskFailure};
use plan::SparkError;
use shuffle::{Volume, WriterOptions};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The part of all memory that the rows of broadcasts may take, beside tables that are built of
/// them.
const BROADCAST_PART: usize = 8;

/// Size of the cache of file footers, in bytes.
const FOOTERS: usize = 256 << 20;

/// The part of a task's share that its sorts reserve for comparing rows while they merge. Keys in
/// the form that is compared may be larger than the rows.
const MERGE_PART: usize = 4;

/// Resources that the tasks of an executor may use.
#[derive(Debug, Clone)]
pub struct TaskSettings {
    /// Memory of all tasks together.
    pub memory: ByteSize,
    /// Number of tasks that run at once.
    pub slots: u32,
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

/// How much memory the operators of a plan need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// What they need to be fast.
    Planned,
    /// As little as they can: batches are small, and sorts compare rows where they are, without
    /// their keys in another form.
    Less,
}

/// Rows of a batch of a plan that needs little memory.
const SMALL_BATCH: usize = 1024;

/// Files of sorted rows that are merged at once. Each needs memory for its batches, which whoever
/// reads the merged rows cannot have.
const MERGED_AT_ONCE: usize = 16;

/// Runtime of tasks (see the module).
#[derive(Debug)]
pub struct TaskRuntime {
    context: Arc<TaskContext>,
    memory: Arc<ExecutorMemory>,
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
        let disk = DiskManager::builder()
            .with_mode(DiskManagerMode::Directories(settings.spill_dirs.clone()))
            .with_max_temp_directory_size(settings.spill_limit.0)
            .with_max_spill_merge_fan_in(MERGED_AT_ONCE);
        let runtime: Arc<RuntimeEnv> = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(disk)
            .with_metadata_cache_limit(FOOTERS.min(memory / 8))
            .build_arc()
            .map_err(|error| functions::spark_error(&error))?;
        let state = session_state_builder().build();
        let context = TaskContext::from(&state).with_runtime(runtime);
        let broadcasts = Arc::new(BroadcastRows::new(memory / BROADCAST_PART));
        let (context, resting) = (Arc::new(context), Resting::default());
        let memory = Arc::new(ExecutorMemory::new(memory));
        Ok(Self { context, memory, settings, blocks, workers, broadcasts, resting })
    }

    /// Decodes the template of a stage.
    pub fn decode_stage(&self, template: &[u8]) -> Result<Arc<Stage>, TaskFailure> {
        let (template, plan) = codec::decode_template(template, &self.context)
            .map_err(|error| TaskFailure::Hopeless { message: error.to_string() })?;
        let scans_are_joined = scans_are_joined(&plan);
        let scans = scans(&plan);
        Ok(Arc::new(Stage { plan, template, joins: Arc::default(), scans_are_joined, scans }))
    }

    /// The memory of all tasks.
    pub(crate) fn memory(&self) -> &Arc<ExecutorMemory> {
        &self.memory
    }

    /// The share of a task when all slots have one.
    pub(crate) fn least_share(&self) -> usize {
        let all = usize::try_from(self.settings.memory.0).unwrap_or(usize::MAX);
        all / self.settings.slots.max(1) as usize
    }

    /// What an attempt that has this memory runs its plan with.
    pub(crate) fn context(
        &self,
        plan: &dyn ExecutionPlan,
        memory: &Arc<TaskMemory>,
        needs: Needs,
    ) -> TaskContext {
        let pool = Arc::clone(memory) as Arc<dyn MemoryPool>;
        let shared = self.context.runtime_env();
        let runtime = RuntimeEnv {
            memory_pool: pool,
            disk_manager: Arc::clone(&shared.disk_manager),
            cache_manager: Arc::clone(&shared.cache_manager),
            object_store_registry: Arc::clone(&shared.object_store_registry),
        };
        let mut config = self.context.session_config().clone();
        if needs == Needs::Less {
            config = config.with_batch_size(SMALL_BATCH);
        }
        if let Some(part) = (self.least_share() / MERGE_PART).checked_div(sorts(plan)) {
            let options = &mut config.options_mut().execution;
            options.sort_spill_reservation_bytes = part;
            if needs == Needs::Less {
                options.sort_in_place_threshold_bytes = usize::MAX;
            }
        }
        // A plan's functions are part of it.
        let none = || (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        let (scalar, higher_order, aggregate, window) = none();
        let session = self.context.session_id();
        let runtime = Arc::new(runtime);
        TaskContext::new(None, session, config, scalar, higher_order, aggregate, window, runtime)
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

/// Number of sorts in a plan.
fn sorts(plan: &dyn ExecutionPlan) -> usize {
    let below: usize = plan.children().into_iter().map(|child| sorts(child.as_ref())).sum();
    below + usize::from(plan.is::<SortExec>())
}
