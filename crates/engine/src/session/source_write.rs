//! Writes to Python data sources: each task yields a message, and the source commits them all, or
//! is told to abort.
//!
//! As in Spark, a source is told so at most once. A commit whose task is lost may have happened or
//! not: it is not repeated, nothing is aborted, and the program is told that nobody knows.
//!
//! From its first task on a write goes on in a task of its own. If nobody waits for it any more,
//! because the program has interrupted it or is gone, its job is cancelled and the source is told
//! to abort; a commit that has begun comes to its end.

use super::Session;
use crate::{JobPlan, RunJob, Unfinished};
use analysis::{Purpose, SourceAnswer};
use arrow::array::{Array, AsArray};
use arrow::record_batch::RecordBatch;
use errors::condition;
use plan::{
    DataType, EvalType, Field, PythonFunction, PythonMap, Relation, RelationKind, SaveMode,
    SparkError, Write, WriteTarget,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a source may take to commit or to abort when nobody waits for the write any more.
const PATIENCE: Duration = Duration::from_mins(5);

/// A write whose tasks are ready to run.
struct SourceWrite {
    session: Session,
    source: Arc<PythonFunction>,
    /// The name by which the program calls the source.
    provider: String,
    /// The pickled writer.
    writer: Vec<u8>,
    run: Arc<dyn RunJob>,
    /// Cancelled once nobody waits for the write any more.
    left: CancellationToken,
    /// How long the source may take to commit or to abort from then on.
    patience: Duration,
}

/// Why a write is not committed.
enum Failure {
    /// It is to be aborted.
    Known(SparkError),
    /// Nobody knows whether it is committed.
    Unknown(SparkError),
}

impl Session {
    /// Writes rows to a data source.
    pub(super) async fn write_to_source(
        &self,
        source: &Arc<PythonFunction>,
        write: &Write,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let provider = write.format.as_deref().unwrap_or(&source.name);
        check_mode(provider, write.mode)?;
        if !write.partition_by.is_empty() {
            return Err(SparkError::unsupported("partitionBy of a write to a Python data source"));
        }
        let fields = self.analyze(&write.input, run).await?.schema;
        let path = match &write.target {
            WriteTarget::Path(path) => std::slice::from_ref(path),
            _ => &[],
        };
        let request = json!({
            "operation": "write",
            "provider": provider,
            "schema": DataType::Struct(fields).json(),
            "options": analysis::source_options(&write.options, path, &self.planning_conf())?,
            "overwrite": write.mode == SaveMode::Overwrite,
        });
        let mut objects =
            self.ask_source(source, &request, Vec::new(), run).await?.objects.into_iter();
        let (Some(function), Some(writer)) = (objects.next(), objects.next()) else {
            return Err(SparkError::internal("a Python data source yielded no writer"));
        };
        let job = self.write_job(source, &function, write, run).await?;
        let left = CancellationToken::new();
        let write = SourceWrite {
            session: self.fork(),
            source: Arc::clone(source),
            provider: provider.to_owned(),
            writer,
            run: run.detached(),
            left: left.clone(),
            patience: PATIENCE,
        };
        // Dropped with this future.
        let _leaving = left.drop_guard();
        let ended = tokio::spawn(write.run(job)).await;
        ended.unwrap_or_else(|_| Err(SparkError::internal("a write panicked")))
    }

    /// The job of a write: the rows of its tasks are their messages.
    async fn write_job(
        &self,
        source: &PythonFunction,
        function: &[u8],
        write: &Write,
        run: &dyn RunJob,
    ) -> Result<JobPlan, SparkError> {
        let message = Field::new("message", DataType::Binary, true);
        let function = PythonFunction {
            eval_type: EvalType::MAP_ARROW_ITER,
            command: Arc::from(function),
            output: DataType::Struct(vec![message]),
            ..source.clone()
        };
        let map = PythonMap {
            function: Arc::new(function),
            inputs: vec![write.input.clone()],
            keys: Vec::new(),
            barrier: false,
            profiles: BTreeSet::new(),
        };
        // Profiles of the write are numbered in the frame that is written.
        let kind = Box::new(RelationKind::PythonMap(map));
        let relation = Relation { plan_id: write.input.plan_id, kind };
        let analyzed = self.resolve(&relation, Purpose::Run, None, run).await?;
        self.observe(&analyzed, run).await?;
        let conf = self.planning_conf();
        crate::plan_job(&self.shared.state, &analyzed.plan, &conf, run).await
    }
}

impl SourceWrite {
    /// Runs the tasks, and has the source commit what they wrote, or abort.
    async fn run(self, job: JobPlan) -> Result<(), SparkError> {
        let stop = Box::pin(self.left.cancelled());
        let (messages, failure) = match self.run.run_partly(job, stop).await {
            Ok(rows) => (rows.into_iter().map(Some).collect(), None),
            Err(Unfinished { error, done, .. }) => (done, Some(error)),
        };
        let mut objects = vec![self.writer.clone()];
        objects.extend(messages.iter().map(|rows| rows.as_deref().map_or_else(Vec::new, message)));
        let ended = match failure {
            None => self.tell("commit", objects.clone()).await,
            Some(error) => Err(Failure::Known(error)),
        };
        match ended {
            Ok(()) => Ok(()),
            Err(Failure::Unknown(error)) => {
                let error = in_doubt(&self.provider, error);
                if self.left.is_cancelled() {
                    tracing::warn!("{error}");
                }
                Err(error)
            }
            Err(Failure::Known(error)) => {
                self.abort(objects).await;
                Err(error)
            }
        }
    }

    async fn abort(&self, objects: Vec<Vec<u8>>) {
        if let Err(Failure::Known(error) | Failure::Unknown(error)) =
            self.tell("abort", objects).await
        {
            let provider = &self.provider;
            tracing::warn!("a write to the data source {provider} was not aborted: {error}");
        }
    }

    /// Tells the source to commit or to abort.
    async fn tell(&self, operation: &str, objects: Vec<Vec<u8>>) -> Result<(), Failure> {
        let request = json!({ "operation": operation });
        let job = self.session.source_job(&self.source, &request, objects, &*self.run).await;
        let overdue = async {
            self.left.cancelled().await;
            tokio::time::sleep(self.patience).await;
        };
        let rows = self.run.run_partly(job.map_err(Failure::Known)?, Box::pin(overdue)).await;
        let rows =
            rows.map_err(
                |Unfinished { error, reported, .. }| {
                    if reported { Failure::Known(error) } else { Failure::Unknown(error) }
                },
            )?;
        let rows: Vec<RecordBatch> = rows.into_iter().flatten().collect();
        SourceAnswer::of(&rows).map(drop).map_err(Failure::Known)
    }
}

/// The error of a write of which nobody knows whether it is committed.
fn in_doubt(provider: &str, cause: SparkError) -> SparkError {
    let (action, kind) = ("commit or abort", "write");
    let problem = format!(
        "It is unknown whether the write to the data source \"{provider}\" has been committed: the task that called its `commit` method was lost, \
         or stopped, before it reported an end. The source was not asked to commit again, and not to abort: {cause}"
    );
    let message = format!("Failed to {action} Python data source {kind}: {problem}");
    let parameters = [("action", action), ("type", kind), ("msg", problem.as_str())];
    let mut error = SparkError::analysis(condition::PYTHON_DATA_SOURCE_ERROR, message, &parameters);
    error.causes.push(cause.to_string());
    error.causes.extend(cause.causes);
    error
}

/// The message in the rows of a task.
fn message(rows: &[RecordBatch]) -> Vec<u8> {
    let columns = rows.iter().filter_map(|batch| batch.column(0).as_binary_opt::<i32>());
    let mut messages = columns.filter(|column| !column.is_empty());
    messages.next().map_or_else(Vec::new, |column| column.value(0).to_vec())
}

/// A source can only be appended to or overwritten.
fn check_mode(provider: &str, mode: SaveMode) -> Result<(), SparkError> {
    let mode = match mode {
        SaveMode::Append | SaveMode::Overwrite => return Ok(()),
        SaveMode::ErrorIfExists => "\"ErrorIfExists\"",
        SaveMode::Ignore => "\"Ignore\"",
    };
    let message = format!(
        "The data source \"{provider}\" cannot be written in the {mode} mode. Please use either the \"Append\" or \"Overwrite\" mode instead."
    );
    let parameters = [("source", provider), ("createMode", mode)];
    Err(SparkError::analysis(condition::UNSUPPORTED_DATA_SOURCE_SAVE_MODE, message, &parameters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::{block, session};
    use arrow::array::BinaryArray;
    use futures::future::BoxFuture;
    use plan::PythonFunction;
    use std::sync::Mutex;

    /// Notes what it is asked to run. The job of the write ends at once, or when it is stopped; the
    /// source never answers.
    #[derive(Debug, Clone)]
    struct Silent {
        writes: bool,
        ran: Arc<Mutex<Vec<&'static str>>>,
    }

    impl Silent {
        fn note(&self, what: &'static str) {
            self.ran.lock().unwrap().push(what);
        }
    }

    #[async_trait::async_trait]
    impl RunJob for Silent {
        async fn run(&self, _: JobPlan) -> Result<Vec<Vec<RecordBatch>>, SparkError> {
            Err(SparkError::internal("this job is not asked for"))
        }

        async fn run_partly(
            &self,
            job: JobPlan,
            stop: BoxFuture<'_, ()>,
        ) -> Result<Vec<Vec<RecordBatch>>, Unfinished> {
            let sent = job.stages.iter().flat_map(|stage| {
                stage.bindings.iter().chain([&stage.template]).flat_map(|bytes| bytes.to_vec())
            });
            let sent = String::from_utf8_lossy(&sent.collect::<Vec<_>>()).into_owned();
            let holds = |text: &str| sent.contains(text);
            match (holds("\"commit\""), holds("\"abort\"")) {
                (false, false) if self.writes => return Ok(Vec::new()),
                (false, false) => self.note("write"),
                (true, _) => self.note("commit"),
                (false, true) => self.note(if holds("a message") { "abort 1" } else { "abort" }),
            }
            stop.await;
            self.note("stopped");
            let messages: BinaryArray = [Some("a message".as_bytes())].into_iter().collect();
            let rows = RecordBatch::try_from_iter([("message", Arc::new(messages) as _)]).unwrap();
            let error = SparkError::internal("it was stopped");
            Err(Unfinished { error, done: vec![Some(vec![rows]), None], reported: false })
        }

        async fn uncache(&self, _: model::CacheId) -> Result<(), SparkError> {
            Ok(())
        }

        async fn stored(&self, _: model::CacheId) -> Result<(u64, u64), SparkError> {
            Ok((0, 0))
        }

        async fn sizes(&self, _: model::ShuffleId) -> Result<crate::ShuffleSizes, SparkError> {
            Ok(crate::ShuffleSizes::default())
        }

        async fn application_status(&self) -> Result<String, SparkError> {
            Ok(String::new())
        }

        fn detached(&self) -> Arc<dyn RunJob> {
            Arc::new(self.clone())
        }

        fn slots(&self) -> u32 {
            1
        }
    }

    /// What runs of a write that nobody waits for, and its error.
    fn left(writes: bool) -> (Vec<&'static str>, String) {
        let runner = Silent { writes, ran: Arc::default() };
        let source = PythonFunction {
            name: "Sink".to_owned(),
            eval_type: EvalType::MAP_ARROW_ITER,
            command: Arc::from(&b"class"[..]),
            output: DataType::Null,
            version: String::new(),
            deterministic: false,
        };
        let left = CancellationToken::new();
        let write = SourceWrite {
            session: session(),
            source: Arc::new(source),
            provider: "sink".to_owned(),
            writer: b"writer".to_vec(),
            run: runner.detached(),
            left: left.clone(),
            patience: Duration::from_millis(10),
        };
        let (stages, result_partitions, kept) = Default::default();
        let job = JobPlan { stages, result_partitions, single_attempt: false, kept };
        left.cancel();
        let error = block(write.run(job)).unwrap_err().to_string();
        (runner.ran.lock().unwrap().clone(), error)
    }

    #[test]
    fn an_abort_that_takes_too_long_is_stopped() {
        let (ran, error) = left(false);
        assert_eq!(ran, ["write", "stopped", "abort 1", "stopped"]);
        assert!(error.contains("it was stopped"), "{error}");
    }

    #[test]
    fn a_commit_that_takes_too_long_is_stopped_and_not_aborted() {
        let (ran, error) = left(true);
        assert_eq!(ran, ["commit", "stopped"]);
        assert!(error.contains("It is unknown whether"), "{error}");
    }
}
