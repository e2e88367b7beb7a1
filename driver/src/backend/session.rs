//! One session: requests of Spark Connect become calls of the engine, and its answers become
//! responses.

use super::rows::Gathered;
use crate::blobs::{Blobs, SessionBlobs};
use crate::message::{Progress, StageState};
use crate::run_job::{Runner, Runners};
use bytes::Bytes;
use connect::{Operation, Response, Responses, SessionKey, StageProgress, Work};
use engine::{Answer, RowStream, SqlOutcome};
use futures::TryStreamExt;
use model::conf::{self, Conf, Value};
use model::{AddedFile, Properties};
use plan::{Command, DataType, ExplainMode, Relation, RelationKind, SparkError, StorageLevel};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// Characters of a description.
const DESCRIPTION: usize = 120;

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    engine: engine::Session,
    runners: Runners,
    blobs: Arc<SessionBlobs>,
}

/// What an operation yields, once it has run.
enum Yield {
    Rows(RowStream),
    LazyQuery,
    Checkpoint(String),
    Nothing,
}

impl Session {
    pub(crate) fn new(engine: engine::Session, runners: Runners, blobs: Blobs) -> Self {
        let blobs = SessionBlobs::new(blobs, runners.next_number());
        Self { engine, runners, blobs: Arc::new(blobs) }
    }

    /// Runs SQL text. Rows of a query, or of a command that has some.
    pub(crate) async fn run_sql(&self, text: &str) -> Result<Option<Answer>, SparkError> {
        let relation = RelationKind::Sql { text: text.to_owned(), arguments: Vec::new() }.into();
        let runner = self.silent_runner(&shortened(text));
        match self.engine.sql(&relation, &runner).await? {
            SqlOutcome::Query => self.engine.execute(&relation, &runner).await.map(Some),
            SqlOutcome::Rows(answer) => Ok(Some(answer).filter(|a| !a.schema.is_empty())),
        }
    }

    /// All rows as `show` prints them, values whole.
    pub(crate) fn table(&self, answer: &Answer) -> Result<String, SparkError> {
        self.engine.printed(answer)
    }

    /// Does the work; `checkpoints` is the directory that the program has set for them.
    async fn work(
        &self,
        work: &Work,
        checkpoints: Option<&str>,
        runner: &Runner,
    ) -> Result<Yield, SparkError> {
        match work {
            Work::Query(relation) => self.engine.stream(relation, runner).await.map(Yield::Rows),
            Work::Command(command) => {
                let answer = self.engine.command(command, runner).await?;
                Ok(answer.map_or(Yield::Nothing, |answer| Yield::Rows(answer.into())))
            }
            Work::Checkpoint(checkpoint) => {
                let id = self.engine.checkpoint(checkpoint, checkpoints, runner).await?;
                Ok(Yield::Checkpoint(id))
            }
            Work::Sql(relation) => match self.engine.sql(relation, runner).await? {
                SqlOutcome::Query => Ok(Yield::LazyQuery),
                SqlOutcome::Rows(answer) => Ok(Yield::Rows(answer.into())),
            },
        }
    }

    async fn send_rows(&self, rows: RowStream, responses: &Responses) -> Result<(), SparkError> {
        let limit: u32 = self.value(&conf::ARROW_MAX_RECORDS)?;
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let RowStream { schema, mut batches } = rows;
        let arrow = formats::types::schema_to_arrow(&schema);
        // Whoever does not listen any more needs no rows: the request is over.
        let _ = responses.send(Response::Schema(DataType::Struct(schema))).await;
        let bad = |error| SparkError::internal(format!("encoding a result: {error}"));
        let mut gathered = Gathered::new(arrow, limit);
        let mut is_read = true;
        while is_read {
            match batches.try_next().await? {
                Some(batch) => gathered.add(batch),
                None => is_read = false,
            }
            while let Some(encoded) = gathered.take(!is_read) {
                let (ipc, rows) = encoded.map_err(bad)?;
                let _ = responses.send(Response::Batch { ipc, rows }).await;
            }
        }
        Ok(())
    }

    fn value<T: Value>(&self, key: &conf::Key<T>) -> Result<T, SparkError> {
        let given = self.engine.setting(key.name);
        let conf: Conf = given.into_iter().map(|value| (key.name, value)).collect();
        conf.get(key).map_err(SparkError::from)
    }

    /// For requests that are about a relation and yield no rows.
    fn silent_runner(&self, what: &str) -> Runner {
        self.runners.runner(what, Properties::default(), None).with_blobs(&self.blobs)
    }
}

#[async_trait::async_trait]
impl connect::Session for Session {
    async fn execute(&self, operation: Operation, responses: Responses) -> Result<(), SparkError> {
        let (progress, mut watched) = watch::channel(Progress::default());
        let description = description(&operation.work);
        let checkpoints = operation.properties.checkpoints().map(str::to_owned);
        let runner = self.runners.runner(&description, operation.properties, Some(progress));
        let runner = runner.with_blobs(&self.blobs);
        let yielded = tokio::select! {
            biased;
            yielded = self.work(&operation.work, checkpoints.as_deref(), &runner) => yielded,
            never = tell_progress(&mut watched, &responses) => match never {},
        };
        if watched.has_changed().unwrap_or(false) {
            let last = connect_progress(&watched.borrow_and_update());
            let _ = responses.send(Response::Progress(last)).await;
        }
        let updates = runner.take_accumulators();
        if !updates.is_empty() {
            let _ = responses.send(Response::Accumulators(updates)).await;
        }
        let yielded = yielded?;
        for (name, values) in runner.take_observed() {
            let _ = responses.send(Response::Observed { name, values }).await;
        }
        match yielded {
            Yield::Rows(rows) => self.send_rows(rows, &responses).await?,
            Yield::LazyQuery => drop(responses.send(Response::LazyQuery).await),
            Yield::Checkpoint(id) => drop(responses.send(Response::Checkpoint(id)).await),
            Yield::Nothing => {}
        }
        Ok(())
    }

    async fn schema(&self, relation: &Relation) -> Result<DataType, SparkError> {
        let runner = self.silent_runner("schema");
        Ok(self.engine.analyze(relation, &runner).await?.data_type())
    }

    async fn explain(&self, relation: &Relation, mode: ExplainMode) -> Result<String, SparkError> {
        self.engine.explain(relation, mode, &self.silent_runner("explain")).await
    }

    async fn input_files(&self, relation: &Relation) -> Result<Vec<String>, SparkError> {
        self.engine.input_files(relation, &self.silent_runner("input files")).await
    }

    async fn is_local(&self, relation: &Relation) -> Result<bool, SparkError> {
        self.engine.is_local(relation, &self.silent_runner("is local")).await
    }

    async fn semantic_hash(&self, relation: &Relation) -> Result<i32, SparkError> {
        self.engine.semantic_hash(relation, &self.silent_runner("semantic hash")).await
    }

    async fn same_semantics(&self, left: &Relation, right: &Relation) -> Result<bool, SparkError> {
        self.engine.same_semantics(left, right, &self.silent_runner("same semantics")).await
    }

    async fn persist(
        &self,
        relation: &Relation,
        level: Option<StorageLevel>,
    ) -> Result<(), SparkError> {
        self.engine.persist(relation, level, &self.silent_runner("persist")).await
    }

    async fn storage_level(&self, relation: &Relation) -> Result<StorageLevel, SparkError> {
        self.engine.storage_level(relation, &self.silent_runner("storage level")).await
    }

    fn parse_ddl(&self, text: &str) -> Result<DataType, SparkError> {
        self.engine.parse_ddl(text)
    }

    fn setting(&self, key: &str) -> Option<String> {
        self.engine.setting(key)
    }

    fn settings(&self) -> BTreeMap<String, String> {
        self.engine.settings()
    }

    fn set(&self, key: &str, value: &str) -> Result<(), SparkError> {
        self.engine.set(key, value)
    }

    fn unset(&self, key: &str) -> Result<(), SparkError> {
        self.engine.unset(key)
    }

    fn is_modifiable(&self, key: &str) -> bool {
        self.engine.is_modifiable(key)
    }

    async fn fork(&self, _: &SessionKey) -> Result<Arc<dyn connect::Session>, SparkError> {
        let (engine, runners) = (self.engine.fork(), self.runners.clone());
        let blobs = Arc::new(self.blobs.fork(runners.next_number()));
        Ok(Arc::new(Self { engine, runners, blobs }))
    }

    fn drop_blob(&self, hash: &str, forever: bool) {
        self.blobs.remove(hash, forever);
    }

    fn keep_blob(&self, hash: &str, bytes: Bytes) {
        self.blobs.add(hash, bytes);
    }

    fn add_file(&self, file: AddedFile) {
        self.engine.add_file(file);
    }

    /// Its jobs end with their requests, and its blobs with the last of them: a write that was
    /// interrupted is still being aborted.
    async fn close(&self) {
        self.runners.close_session(self.engine.number()).await;
    }
}

/// Passes on progress for as long as it is polled.
async fn tell_progress(
    watched: &mut watch::Receiver<Progress>,
    responses: &Responses,
) -> Infallible {
    while watched.changed().await.is_ok() {
        let progress = connect_progress(&watched.borrow_and_update());
        if responses.send(Response::Progress(progress)).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

fn connect_progress(progress: &Progress) -> connect::Progress {
    let stages = progress.stages.iter().map(|stage| {
        let done = matches!(stage.state, StageState::Done | StageState::Skipped);
        StageProgress {
            stage_id: stage.stage.0,
            tasks: stage.tasks.into(),
            completed_tasks: stage.done.into(),
            // As Spark counts them: what is read from shuffles is not part of it.
            input_bytes: stage.metrics.input_bytes,
            done,
        }
    });
    connect::Progress {
        stages: stages.collect(),
        running_tasks: progress.stages.iter().map(|stage| u64::from(stage.running)).sum(),
    }
}

/// What an operation is, for people.
fn description(work: &Work) -> String {
    match work {
        Work::Query(relation) | Work::Sql(relation) => match relation.kind.as_ref() {
            RelationKind::Sql { text, .. } => shortened(text),
            _ => "query".to_owned(),
        },
        Work::Command(Command::Write(_)) => "write".to_owned(),
        Work::Checkpoint(_) => "checkpoint".to_owned(),
        Work::Command(_) => "command".to_owned(),
    }
}

/// The first words of a text, in one line.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(DESCRIPTION) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
