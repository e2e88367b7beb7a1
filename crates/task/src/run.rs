//! One attempt of a task, from its binding to its outcome.

use super::Stage;
use super::bind::{Outputs, bind};
use super::broadcast_joins::Visit;
use super::codec::{self, Input};
use super::failure::{self, is_out_of_memory};
use super::gauge::{self, Gauge};
use super::join_filters::with_join_filters;
use super::less_memory::with_less_memory;
use super::memory::TaskMemory;
use super::output::{TaskOutcome, TaskOutput};
use super::python::PythonContext;
use super::route::Router;
use super::runtime::{Needs, TaskRuntime};
use super::stop::{Stop, stoppable};
use super::text_views::with_text_views;
use super::unreadable::all_unreadable;
use super::windows::with_bounded_windows;
use super::writer::ShuffleWrite;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::{FutureExt, StreamExt};
use model::executor::Hosts;
use model::{Attempt, Epoch, MapOutputId, Properties, ShuffleId, TaskFailure, TaskMetrics};
use shuffle::{MapOutputWriter, OutputAttempt};
use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};

/// Inputs of an attempt.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The attempt to run.
    pub attempt: Attempt,
    /// Incarnation of the driver that launched it.
    pub epoch: Epoch,
    /// The shuffle to write; `None` in a result stage.
    pub shuffle: Option<ShuffleId>,
    /// Encoded inputs of the leaves.
    pub binding: Bytes,
    /// The map outputs of each of [`Stage::inputs`], complete and ordered by map index.
    pub inputs: Outputs,
    /// Properties of the program's thread, which functions can read.
    pub properties: Properties,
    /// In a barrier stage: the hosts of all its tasks.
    pub hosts: Hosts,
    /// Flag that stops the attempt while it computes.
    pub stop: Stop,
    /// Where others read how far the attempt is.
    pub gauge: Gauge,
}

/// What a run of an attempt's plan has beside the plan.
#[derive(Clone, Copy)]
struct Run<'a> {
    routing: Option<&'a RepartitionExec>,
    python: &'a PythonContext,
    memory: &'a Arc<TaskMemory>,
    needs: Needs,
}

impl TaskRuntime {
    /// Runs an attempt to its end. Dropping the future stops it; while it computes,
    /// [`Launch::stop`] does. A panic is a failure of the attempt.
    pub async fn run(&self, stage: &Stage, launch: Launch) -> Result<TaskOutcome, TaskFailure> {
        let binding = codec::decode_binding(&launch.binding);
        let binding =
            binding.map_err(|error| TaskFailure::Hopeless { message: error.to_string() })?;
        let said = binding.iter().find_map(|input| match input {
            Input::Task(number) => Some(*number),
            _ => None,
        });
        let partition = said.unwrap_or(launch.attempt.task.partition);
        let _visit = Visit::new(self, stage);
        let memory = TaskMemory::begin(self.memory(), &launch.stop);
        let _ended = Ended(&memory);
        let work = self.attempt(stage, launch, &binding, &memory);
        let work = AssertUnwindSafe(work).catch_unwind();
        match on_partition(partition, work).await {
            Ok(outcome) => outcome,
            Err(panic) => {
                stage.joins.clear();
                Err(TaskFailure::raised(panic_message(&*panic)))
            }
        }
    }

    /// Runs the plan with its planned operators and, if they run out of memory, again with those
    /// that need less.
    async fn attempt(
        &self,
        stage: &Stage,
        launch: Launch,
        binding: &[Input],
        memory: &Arc<TaskMemory>,
    ) -> Result<TaskOutcome, TaskFailure> {
        // The top node of a map stage only describes the routing; the plan below it runs.
        let routing = stage.plan.downcast_ref::<RepartitionExec>();
        let plan = routing.map_or(&stage.plan, RepartitionExec::input);
        let permanent =
            |error: DataFusionError| TaskFailure::Hopeless { message: error.to_string() };
        let bound = || {
            let python = Arc::new(self.python_context(stage, &launch));
            let plan = bind(plan, binding, &launch.inputs, &stage.joins, (self, &python));
            plan.map(|plan| (plan, python)).map_err(permanent)
        };
        let ready = |plan| {
            let plan = with_bounded_windows(plan).map_err(permanent)?;
            stoppable(plan, &launch.stop).map_err(permanent)
        };
        let (mut first, python) = bound()?;
        if stage.scans {
            first = with_text_views(first).map_err(permanent)?;
        }
        if stage.scans_are_joined {
            first = with_join_filters(first).map_err(permanent)?;
        }
        let outcome = {
            let run = Run { routing, python: &python, memory, needs: Needs::Planned };
            self.compute(stage, &launch, ready(first)?, run).await
        };
        // With round-robin routing, a rerun must yield the rows in the same order.
        let in_turn = |node: &RepartitionExec| {
            matches!(node.partitioning(), Partitioning::RoundRobinBatch(_))
        };
        match outcome {
            Err(failure) if is_out_of_memory(&failure) && !routing.is_some_and(in_turn) => {
                let (plan, python) = bound()?;
                let Some(plan) = with_less_memory(plan).map_err(permanent)? else {
                    return Err(failure);
                };
                tracing::info!(
                    "{}: the plan does not fit into memory, falling back to operators that spill",
                    launch.attempt
                );
                let run = Run { routing, python: &python, memory, needs: Needs::Less };
                self.compute(stage, &launch, ready(plan)?, run).await
            }
            outcome => outcome,
        }
    }

    async fn compute(
        &self,
        stage: &Stage,
        launch: &Launch,
        plan: Arc<dyn ExecutionPlan>,
        run: Run<'_>,
    ) -> Result<TaskOutcome, TaskFailure> {
        let fail = |error: DataFusionError| failure::of(&error);
        launch.gauge.begin(&plan);
        let outcome = match (launch.shuffle, stage.template.readers) {
            (Some(shuffle), Some(readers)) => {
                let map = launch.attempt.task.partition;
                let router = match run.routing {
                    Some(node) => Router::new(node.partitioning(), map).map_err(fail)?,
                    None => Router::Single,
                };
                let id = MapOutputId { shuffle, map };
                let output = OutputAttempt { id, attempt: launch.attempt, epoch: launch.epoch };
                self.write(stage, (&plan, run), router, (output, readers)).await
            }
            (None, None) => self.collect(&plan, run).await,
            _ => {
                let message = "a map stage was launched as a result stage, or vice versa";
                return Err(TaskFailure::Hopeless { message: message.to_owned() });
            }
        };
        if outcome.is_err() {
            stage.joins.clear();
            launch.gauge.fail(plan.as_ref());
        }
        match outcome {
            Ok(output) => {
                let metrics = metrics(&output, plan.as_ref());
                Ok(TaskOutcome { output, metrics, accumulators: run.python.updates() })
            }
            Err(TaskFailure::FetchFailed { unreadable, message }) => {
                let blocks = self.blocks().as_ref();
                let unreadable =
                    all_unreadable(blocks, unreadable, plan.as_ref(), &launch.inputs).await;
                Err(TaskFailure::FetchFailed { unreadable, message })
            }
            Err(failure) => Err(failure),
        }
    }

    fn python_context(&self, stage: &Stage, launch: &Launch) -> PythonContext {
        PythonContext {
            workers: Arc::clone(self.workers()),
            attempt: launch.attempt,
            tasks: stage.template.tasks,
            files: self.files().to_owned(),
            properties: launch.properties.clone(),
            hosts: launch.hosts.clone(),
            updates: Mutex::default(),
        }
    }

    fn start(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        run: Run<'_>,
    ) -> Result<SendableRecordBatchStream, TaskFailure> {
        let context = self.context(plan.as_ref(), run.memory, run.needs);
        let rows = plan.execute(0, Arc::new(context));
        rows.map_err(|error| failure::of(&error))
    }

    async fn write(
        &self,
        stage: &Stage,
        (plan, run): (&Arc<dyn ExecutionPlan>, Run<'_>),
        router: Router,
        (output, readers): (OutputAttempt, u32),
    ) -> Result<TaskOutput, TaskFailure> {
        let mut rows = self.start(plan, run)?;
        let options = self.writer_options().clone();
        let output = MapOutputWriter::new(self.volume(), output, readers, options);
        let compression = stage.template.compression;
        let mut write = ShuffleWrite::new(
            (self, run.memory),
            router,
            rows.schema(),
            compression,
            (output, readers),
        )
        .map_err(|error| failure::of(&error))?;
        while let Some(batch) = rows.next().await {
            write.push(batch.map_err(|error| failure::of(&error))?).await?;
        }
        let output = write.commit().await?.into_output();
        Ok(TaskOutput::Committed(output))
    }

    /// Collects the rows of a result partition.
    async fn collect(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        run: Run<'_>,
    ) -> Result<TaskOutput, TaskFailure> {
        let mut rows = self.start(plan, run)?;
        let fail = |error: DataFusionError| failure::of(&error);
        let arrow = |error| failure::of(&DataFusionError::from(error));
        // They count, so that operators spill for them, but are not refused: the driver limits
        // them.
        let pool = Arc::clone(run.memory) as Arc<dyn MemoryPool>;
        let memory = MemoryConsumer::new("collected rows").register(&pool);
        let mut writer: Option<StreamWriter<Vec<u8>>> = None;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(fail)?;
            if batch.num_rows() > 0 {
                count += batch.num_rows() as u64;
                let writer = match &mut writer {
                    Some(writer) => writer,
                    None => writer
                        .insert(StreamWriter::try_new(Vec::new(), &rows.schema()).map_err(arrow)?),
                };
                writer.write(&batch).map_err(arrow)?;
                memory.resize(writer.get_ref().len());
            }
        }
        let ipc = match writer {
            Some(writer) => writer.into_inner().map_err(arrow)?.into(),
            None => Bytes::new(),
        };
        Ok(TaskOutput::Rows { ipc, rows: count })
    }
}

/// Ends an attempt's share, however the attempt ends.
struct Ended<'a>(&'a TaskMemory);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn metrics(output: &TaskOutput, plan: &dyn ExecutionPlan) -> TaskMetrics {
    let mut found = TaskMetrics::default();
    gauge::add(plan, &mut found);
    match output {
        TaskOutput::Committed(output) => {
            found.shuffle_write_bytes = output.block_bytes.iter().sum();
            found.output_rows = output.rows;
        }
        TaskOutput::Rows { rows, .. } => found.output_rows = *rows,
    }
    found
}

/// Sets the partition that functions see before each poll, since a task moves between threads.
async fn on_partition<F: Future>(partition: u32, work: F) -> F::Output {
    let state = functions::TaskState::new(partition);
    let mut work = pin!(work);
    poll_fn(|context| {
        state.enter();
        work.as_mut().poll(context)
    })
    .await
}

/// The failure message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    format!("the task panicked: {text}")
}
