//! Runner of jobs in this process, with everything that executors do: encoded templates, shuffles
//! on a volume, blocks read back.

use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use engine::{JobPlan, RunJob, ShuffleSizes, StagePlan};
use errors::Exception;
use futures::{StreamExt, TryStreamExt, stream};
use model::{
    ApplicationId, Attempt, BlockProblem, ByteSize, Epoch, MapOutput, ShuffleId, StageId,
    TaskFailure, TaskId, Unreadable, VolumeId,
};
use plan::SparkError;
use shuffle::{Catalogue, ReadError, Volume, WriterOptions};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use task::python::NoWorkers;
use task::{
    BlockSource, Launch, Suspects, TaskOutcome, TaskOutput, TaskRuntime, TaskSettings, Wanted,
};

/// Map outputs of a stage, ordered by map index.
type Outputs = Arc<[Arc<MapOutput>]>;

/// A local runner (see the module). A task that could not fetch its blocks is tried again once.
#[derive(Debug, Clone)]
pub(crate) struct LocalRunner {
    runtime: Arc<TaskRuntime>,
    slots: u32,
    next_stage: Arc<AtomicU64>,
    written: Arc<Mutex<HashMap<ShuffleId, Outputs>>>,
    tasks: Arc<Mutex<Vec<usize>>>,
    input_rows: Arc<AtomicU64>,
    blocks: LocalBlocks,
    /// The stages of the last job: an executor keeps them to the end of their job, too.
    decoded: Arc<Mutex<Vec<Arc<task::Stage>>>>,
    /// What stops every attempt, and how many there are that have not ended.
    stop: task::Stop,
    running: Arc<AtomicUsize>,
}

/// An attempt that has not ended.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl LocalRunner {
    /// Keeps shuffles and spills in `directory`; runs this many tasks at once in this much memory.
    pub(crate) fn new(directory: &Path, slots: u32, memory: ByteSize) -> Result<Self, SparkError> {
        let application = ApplicationId("local".to_owned());
        let id = VolumeId("local".to_owned());
        let volume = Volume::create(&directory.join("volume"), id, application)
            .map_err(|error| SparkError::internal(error.to_string()))?;
        let settings = TaskSettings {
            memory,
            slots,
            spill_dirs: vec![directory.join("spill")],
            spill_limit: ByteSize(u64::MAX),
            volume: volume.clone(),
            writer: WriterOptions::default(),
            files: directory.to_owned(),
        };
        let blocks = LocalBlocks::new(Catalogue::new([volume]));
        Ok(Self {
            runtime: Arc::new(TaskRuntime::new(
                settings,
                Arc::new(blocks.clone()),
                Arc::new(NoWorkers),
            )?),
            slots,
            next_stage: Arc::default(),
            written: Arc::default(),
            tasks: Arc::default(),
            input_rows: Arc::default(),
            blocks,
            decoded: Arc::default(),
            stop: task::Stop::default(),
            running: Arc::default(),
        })
    }

    /// Stops all attempts, also those to come. Whoever runs a job has to be aborted, too.
    pub(crate) fn stop(&self) {
        self.stop.stop();
    }

    /// Number of attempts that have not ended.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// Task counts of the stages that ran since the last call; 0 for a skipped stage.
    pub(crate) fn take_task_counts(&self) -> Vec<usize> {
        std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Rows that tasks read from files since the last call.
    pub(crate) fn take_input_rows(&self) -> u64 {
        self.input_rows.swap(0, Ordering::SeqCst)
    }

    /// The blocks that tasks read.
    pub(crate) fn blocks(&self) -> &LocalBlocks {
        &self.blocks
    }

    fn is_written(&self, stage: &StagePlan) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.contains_key(&stage.shuffle())
    }

    async fn stage(
        &self,
        stage: &StagePlan,
        wanted: &[u32],
    ) -> Result<Vec<TaskOutcome>, TaskFailure> {
        let id = StageId(self.next_stage.fetch_add(1, Ordering::Relaxed));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(wanted.len());
        let decoded = self.runtime.decode_stage(&stage.template)?;
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&decoded));
        let inputs: HashMap<_, _> = {
            let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            decoded
                .inputs()
                .iter()
                .filter_map(|s| Some((*s, Arc::clone(written.get(s)?))))
                .collect()
        };
        let shuffle = match stage.output {
            engine::StageOutput::Shuffle { .. } => Some(stage.shuffle()),
            engine::StageOutput::Rows => None,
        };
        let outcomes: Vec<TaskOutcome> = stream::iter(wanted.to_vec())
            .map(|partition| {
                let (runtime, decoded) = (Arc::clone(&self.runtime), Arc::clone(&decoded));
                let launch = |number| Launch {
                    attempt: Attempt { task: TaskId { stage: id, partition }, number },
                    epoch: Epoch(1),
                    shuffle,
                    binding: stage.bindings.get(partition as usize).cloned().unwrap_or_default(),
                    inputs: inputs.clone(),
                    properties: model::Properties::default(),
                    hosts: None,
                    stop: self.stop.clone(),
                    gauge: task::Gauge::default(),
                };
                let launches = [launch(0), launch(1)];
                let running = Running::new(&self.running);
                let task = async move {
                    let _running = running;
                    let [first, second] = launches;
                    match runtime.run(&decoded, first).await {
                        Err(TaskFailure::FetchFailed { .. }) => runtime.run(&decoded, second).await,
                        ended => ended,
                    }
                };
                let task = datafusion::common::runtime::SpawnedTask::spawn(task);
                async move {
                    task.await.unwrap_or_else(|error| {
                        Err(TaskFailure::Killed { reason: error.to_string() })
                    })
                }
            })
            .buffered(self.slots.max(1) as usize)
            .try_collect()
            .await?;
        let read = outcomes.iter().map(|outcome| outcome.metrics.input_rows).sum();
        self.input_rows.fetch_add(read, Ordering::SeqCst);
        Ok(outcomes)
    }

    async fn job(&self, job: JobPlan) -> Result<Vec<Vec<RecordBatch>>, TaskFailure> {
        self.decoded.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let (results, maps): (Vec<_>, Vec<_>) =
            job.stages.iter().partition(|stage| stage.output == engine::StageOutput::Rows);
        for stage in maps {
            if self.is_written(stage) {
                self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(0);
                continue;
            }
            let all: Vec<u32> = (0..stage.partitions()).collect();
            let outputs =
                self.stage(stage, &all).await?.into_iter().filter_map(|done| match done.output {
                    TaskOutput::Committed(output) => Some(Arc::new(output)),
                    TaskOutput::Rows { .. } => None,
                });
            let outputs: Outputs = outputs.collect();
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.insert(stage.shuffle(), outputs);
        }
        let Some(result) = results.first() else { return Ok(Vec::new()) };
        let rows = self.stage(result, &job.result_partitions).await?;
        rows.into_iter().map(|done| batches(&done)).collect()
    }
}

#[async_trait::async_trait]
impl RunJob for LocalRunner {
    async fn run(&self, job: JobPlan) -> Result<Vec<Vec<RecordBatch>>, SparkError> {
        self.job(job).await.map_err(|failure| spark_failure(&failure))
    }

    async fn uncache(&self, _: model::CacheId) -> Result<(), SparkError> {
        Ok(())
    }

    async fn stored(&self, _: model::CacheId) -> Result<(u64, u64), SparkError> {
        Ok((0, 0))
    }

    async fn sizes(&self, shuffle: ShuffleId) -> Result<ShuffleSizes, SparkError> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = written.get(&shuffle).into_iter().flat_map(|outputs| outputs.iter());
        Ok(ShuffleSizes::of(outputs.map(Arc::as_ref)))
    }

    async fn application_status(&self) -> Result<String, SparkError> {
        Err(SparkError::unsupported("The status of an application without a driver"))
    }

    fn detached(&self) -> Arc<dyn RunJob> {
        Arc::new(self.clone())
    }

    fn slots(&self) -> u32 {
        self.slots
    }
}

/// The error of a failed job.
fn spark_failure(failure: &TaskFailure) -> SparkError {
    match failure {
        TaskFailure::Raised(error) => error.clone().into(),
        other => SparkError::plain(Exception::Spark, other.to_string()),
    }
}

fn batches(done: &TaskOutcome) -> Result<Vec<RecordBatch>, TaskFailure> {
    let TaskOutput::Rows { ipc, rows: 1.. } = &done.output else { return Ok(Vec::new()) };
    let read = StreamReader::try_new(&ipc[..], None)
        .and_then(Iterator::collect::<Result<Vec<_>, ArrowError>>);
    read.map_err(|error| TaskFailure::raised(error.to_string()))
}

/// Blocks on volumes mounted by this process.
#[derive(Debug, Clone)]
pub(crate) struct LocalBlocks {
    catalogue: Arc<Catalogue>,
    fetched: Arc<AtomicUsize>,
    refusing: Arc<AtomicBool>,
}

impl LocalBlocks {
    /// Blocks on these volumes.
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        let (fetched, refusing) = Default::default();
        Self { catalogue: Arc::new(catalogue), fetched, refusing }
    }

    /// Number of blocks fetched since the last call.
    pub(crate) fn take_fetched(&self) -> usize {
        self.fetched.swap(0, Ordering::SeqCst)
    }

    /// Refuses the next fetch.
    pub(crate) fn refuse_next(&self) {
        self.refusing.store(true, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl BlockSource for LocalBlocks {
    async fn fetch(&self, blocks: &[Wanted]) -> Result<Vec<Bytes>, TaskFailure> {
        if self.refusing.swap(false, Ordering::SeqCst) {
            let message = "refused".to_owned();
            return Err(failed(&blocks[0].output, BlockProblem::Unreachable, message));
        }
        self.fetched.fetch_add(blocks.len(), Ordering::SeqCst);
        let (catalogue, blocks) = (Arc::clone(&self.catalogue), blocks.to_vec());
        let read = move || -> Result<Vec<Bytes>, TaskFailure> {
            blocks
                .iter()
                .map(|block| match catalogue.read_block(&block.output, block.reader) {
                    Some(read) => {
                        read.map(Bytes::from).map_err(|error| unread(&block.output, &error))
                    }
                    None => Err(failed(
                        &block.output,
                        BlockProblem::Unreachable,
                        "its volume is not mounted here".to_owned(),
                    )),
                })
                .collect()
        };
        let stopped = |_| TaskFailure::Killed { reason: "the process is stopping".to_owned() };
        tokio::task::spawn_blocking(read).await.map_err(stopped)?
    }

    async fn search(&self, suspects: Suspects) -> Vec<Unreadable> {
        let catalogue = Arc::clone(&self.catalogue);
        let search = move || {
            let problem = |output: &MapOutput| match catalogue.verify(output) {
                Some(read) => read.err().map(|error| error.problem()),
                None => Some(BlockProblem::Unreachable),
            };
            let outputs = suspects.outputs.iter();
            outputs.filter_map(|output| Some(Unreadable::new(output, problem(output)?))).collect()
        };
        // If it is cancelled, nobody waits for the result.
        tokio::task::spawn_blocking(search).await.unwrap_or_default()
    }
}

fn unread(output: &MapOutput, error: &ReadError) -> TaskFailure {
    failed(output, error.problem(), error.to_string())
}

fn failed(output: &MapOutput, problem: BlockProblem, message: String) -> TaskFailure {
    TaskFailure::FetchFailed { unreadable: vec![Unreadable::new(output, problem)], message }
}
