//! Runs operations and sends their answers: one task per operation, from its start to its release.

use crate::artifacts::CACHE;
use crate::backend::{Operation, Progress, Response, Work};
use crate::command::{Asked, Request};
use crate::error;
use crate::execution::{End, Execution, Place, Step, StopRequest, StreamEnd};
use crate::ipc;
use crate::literal::literal_message;
use crate::pb;
use crate::pb::ExecutePlanResponse as Answer;
use crate::pb::execute_plan_response::{self as answer, ResponseType};
use crate::pb::expression::literal::LiteralType;
use crate::session::OpenSession;
use crate::status::status;
use crate::types::data_type_message;
use bytes::Bytes;
use errors::Exception;
use futures::FutureExt;
use futures::stream::BoxStream;
use model::conf::{SENDER_MAX_STREAM_DURATION, SENDER_MAX_STREAM_SIZE, Value};
use plan::{DataType, SparkError};
use prost::Message;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::Status;

/// Name under which clients expect updates of accumulators among observed metrics.
const ACCUMULATORS: &str = "__python_accumulator__";
/// Number of responses by which the backend may be ahead.
const RESPONSE_BUFFER: usize = 4;
/// Size of a chunk of an Arrow batch, in bytes, for clients that take chunks.
const CHUNK_BYTES: usize = 4 << 20;
/// The smallest chunk size that a client may request.
const MIN_CHUNK_BYTES: usize = 1 << 10;
/// Size limit of an Arrow batch, in bytes, for clients that take no chunks: messages are limited,
/// and contain more than the batch.
const MAX_BATCH_BYTES: usize = crate::limits::MESSAGE_LIMIT_BYTES - (1 << 20);

/// The stream of answers.
pub(crate) type Answers = BoxStream<'static, Result<Answer, Status>>;

/// Starts the task of an operation. It ends when the operation is released or abandoned.
pub(crate) fn start(
    open: Arc<OpenSession>,
    execution: Arc<Execution>,
    request: Request,
    chunk_bytes: Option<usize>,
) {
    tokio::spawn(async move {
        let stopped = tokio::select! {
            biased;
            () = execution.stop_requested(&[StopRequest::Interrupt, StopRequest::Release]) => Some(error::canceled()),
            () = execution.lost() => Some(error::canceled()),
            end = AssertUnwindSafe(run(&open, &execution, request, chunk_bytes)).catch_unwind() => {
                let failed = |_| Err(SparkError::internal("The operation panicked."));
                if let Err(error) = end.unwrap_or_else(failed) {
                    execution.finish(End::Failed(open.fail(error)));
                }
                None
            }
        };
        if let Some(error) = stopped {
            execution.finish(End::Canceled(open.fail(error)));
        }
        // Kept for a client that reattaches for the rest.
        tokio::select! {
            () = execution.stop_requested(&[StopRequest::Release]) => {}
            () = execution.abandoned() => {}
        }
        open.remove(&execution);
    });
}

async fn run(
    open: &OpenSession,
    execution: &Execution,
    request: Request,
    chunk_bytes: Option<usize>,
) -> Result<(), SparkError> {
    let (sender, receiver) = mpsc::channel(RESPONSE_BUFFER);
    let mut writer = Writer { open, execution, chunk_bytes, rows: 0, sql: None };
    match request.work {
        Asked::Work(work) => {
            if matches!(*work, Work::Sql(_)) {
                let (schema, batches) = (None, Vec::new());
                writer.sql = Some(SqlResult { echo: request.echo, schema, batches });
            }
            let operation = Operation {
                id: execution.identity.id.clone(),
                tags: execution.identity.tags.clone(),
                properties: execution.identity.properties.clone(),
                work: *work,
            };
            tokio::try_join!(open.session.execute(operation, sender), writer.take_all(receiver))?;
        }
        Asked::DropBlob { hash, forever } => {
            if forever {
                open.artifacts.remove(&format!("{CACHE}{hash}"));
            }
            open.session.drop_blob(&hash, forever);
        }
        Asked::Profile(profile) => {
            let profile_id = open.profiles.add(profile)?;
            let created = pb::CreateResourceProfileCommandResult { profile_id };
            writer.push(ResponseType::CreateResourceProfileCommandResult(created)).await;
        }
        Asked::Resources => {
            let none = pb::GetResourcesCommandResult::default();
            writer.push(ResponseType::GetResourcesCommandResult(none)).await;
        }
    }
    let complete = ResponseType::ResultComplete(answer::ResultComplete {});
    execution.complete(Answer { response_type: Some(complete), ..writer.blank() }).await;
    Ok(())
}

/// Turns the backend's responses into answers.
struct Writer<'a> {
    open: &'a OpenSession,
    execution: &'a Execution,
    chunk_bytes: Option<usize>,
    rows: i64,
    sql: Option<SqlResult>,
}

/// The result of SQL text, which is sent as a relation: the text itself if it is a query, else the
/// rows.
struct SqlResult {
    echo: Option<pb::Relation>,
    schema: Option<DataType>,
    batches: Vec<Bytes>,
}

impl Writer<'_> {
    async fn take_all(&mut self, mut from: mpsc::Receiver<Response>) -> Result<(), SparkError> {
        while let Some(response) = from.recv().await {
            self.take(response).await?;
        }
        match self.sql.take() {
            Some(result) => self.sql_result(result.into_relation()?).await,
            None => Ok(()),
        }
    }

    async fn take(&mut self, response: Response) -> Result<(), SparkError> {
        match (response, &mut self.sql) {
            (Response::Schema(schema), Some(sql)) => sql.schema = Some(schema),
            (Response::Batch { ipc, .. }, Some(sql)) => sql.batches.push(ipc),
            (Response::LazyQuery, Some(sql)) => {
                let echo = sql.echo.take();
                self.sql = None;
                let echo = echo.ok_or_else(|| SparkError::internal("SQL without its relation"))?;
                return self.sql_result(echo).await;
            }
            (Response::LazyQuery, None) => {
                return Err(SparkError::internal("a lazy query where no SQL text was sent"));
            }
            (Response::Checkpoint(id), _) => {
                let relation = Some(pb::CachedRemoteRelation { relation_id: id });
                let result = pb::CheckpointCommandResult { relation };
                self.push(ResponseType::CheckpointCommandResult(result)).await;
            }
            (Response::Schema(schema), None) => {
                let schema = Some(data_type_message(&schema));
                self.execution.push(Answer { schema, ..self.blank() }).await;
            }
            (Response::Batch { ipc, rows }, None) => return self.batch(ipc, rows).await,
            (Response::Progress(progress), _) => self.push(progress_message(&progress)).await,
            (Response::Accumulators(updates), _) => {
                let literal = |update| pb::expression::Literal {
                    literal_type: Some(LiteralType::Binary(update)),
                    ..Default::default()
                };
                let observed = answer::ObservedMetrics {
                    name: ACCUMULATORS.to_owned(),
                    values: updates.into_iter().map(literal).collect(),
                    ..Default::default()
                };
                let observed_metrics = vec![observed];
                self.execution.push(Answer { observed_metrics, ..self.blank() }).await;
            }
            (Response::Observed { name, values }, _) => {
                let observed = answer::ObservedMetrics {
                    name,
                    keys: values.iter().map(|(key, _)| key.clone()).collect(),
                    values: values.iter().map(|(_, value)| literal_message(value)).collect(),
                    ..Default::default()
                };
                let observed_metrics = vec![observed];
                self.execution.push(Answer { observed_metrics, ..self.blank() }).await;
            }
        }
        Ok(())
    }

    async fn batch(&mut self, ipc: Bytes, rows: u64) -> Result<(), SparkError> {
        let limit = self.chunk_bytes.unwrap_or(MAX_BATCH_BYTES);
        if self.chunk_bytes.is_none() && ipc.len() > limit {
            return Err(SparkError::plain(
                Exception::Spark,
                format!(
                    "A batch of the result has {} bytes, more than the {limit} that a message to a client without result chunking can hold.",
                    ipc.len()
                ),
            ));
        }
        let row_count = i64::try_from(rows).unwrap_or(i64::MAX);
        let chunks = ipc.len().div_ceil(limit).max(1);
        for index in 0..chunks {
            let data = ipc.slice(index * limit..ipc.len().min((index + 1) * limit));
            let number = |n: usize| (chunks > 1).then(|| i64::try_from(n).unwrap_or(i64::MAX));
            let batch = answer::ArrowBatch {
                row_count,
                data,
                start_offset: Some(self.rows),
                chunk_index: number(index),
                num_chunks_in_batch: number(chunks),
            };
            self.push(ResponseType::ArrowBatch(batch)).await;
        }
        self.rows = self.rows.saturating_add(row_count);
        Ok(())
    }

    async fn sql_result(&self, relation: pb::Relation) -> Result<(), SparkError> {
        let result = answer::SqlCommandResult { relation: Some(relation) };
        self.push(ResponseType::SqlCommandResult(result)).await;
        Ok(())
    }

    async fn push(&self, response_type: ResponseType) {
        self.execution.push(Answer { response_type: Some(response_type), ..self.blank() }).await;
    }

    fn blank(&self) -> Answer {
        Answer {
            session_id: self.open.key.session_id.clone(),
            server_side_session_id: self.open.server_id.clone(),
            operation_id: self.execution.identity.id.clone(),
            ..Default::default()
        }
    }
}

impl SqlResult {
    fn into_relation(self) -> Result<pb::Relation, SparkError> {
        let data = match self.batches.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(ipc::concatenate(several)?.into()),
        };
        let schema = self.schema.unwrap_or(DataType::Struct(Vec::new()));
        let local = pb::LocalRelation { data, schema: Some(schema.json()) };
        let rel_type = Some(pb::relation::RelType::LocalRelation(local));
        Ok(pb::Relation { common: None, rel_type })
    }
}

fn progress_message(progress: &Progress) -> ResponseType {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let stages = progress.stages.iter().map(|stage| answer::execution_progress::StageInfo {
        stage_id: number(stage.stage_id),
        num_tasks: number(stage.tasks),
        num_completed_tasks: number(stage.completed_tasks),
        input_bytes_read: number(stage.input_bytes),
        done: stage.done,
    });
    ResponseType::ExecutionProgress(answer::ExecutionProgress {
        stages: stages.collect(),
        num_inflight_tasks: number(progress.running_tasks),
    })
}

/// The chunk size in bytes, if the client takes chunks.
pub(crate) fn chunk_bytes(options: &pb::ResultChunkingOptions) -> Option<usize> {
    let preferred = options.preferred_arrow_chunk_size.and_then(|n| usize::try_from(n).ok());
    options
        .allow_arrow_batch_chunking
        .then(|| preferred.unwrap_or(CHUNK_BYTES).clamp(MIN_CHUNK_BYTES, MAX_BATCH_BYTES))
}

/// The answers from a position on. A stream of a reattachable operation may end before the answers
/// do.
pub(crate) fn answers(open: &OpenSession, execution: Arc<Execution>, place: Place) -> Answers {
    let limits = Limits::new(open, execution.identity.reattachable);
    let changes = execution.changes();
    let reader =
        StreamReader { execution, place, changes, limits, sent: 0, over: false, complete: false };
    Box::pin(futures::stream::unfold(reader, StreamReader::next))
}

/// Limits at which a stream ends although there is more to send.
#[derive(Debug, Clone, Copy)]
struct Limits {
    deadline: Option<Instant>,
    bytes: Option<u64>,
}

impl Limits {
    fn new(open: &OpenSession, reattachable: bool) -> Self {
        if !reattachable {
            return Self { deadline: None, bytes: None };
        }
        let duration = setting(open, &SENDER_MAX_STREAM_DURATION).filter(|d| !d.is_zero());
        let bytes = setting(open, &SENDER_MAX_STREAM_SIZE).map(|size| size.0).filter(|n| *n > 0);
        Self { deadline: duration.and_then(|d| Instant::now().checked_add(d)), bytes }
    }
}

/// A key of the session; an invalid value counts as not given.
fn setting<T: Value>(open: &OpenSession, key: &model::conf::Key<T>) -> Option<T> {
    let given = open.session.setting(key.name);
    let text = given.as_deref().or(key.default)?;
    T::parse(text).ok()
}

/// One stream of answers.
struct StreamReader {
    execution: Arc<Execution>,
    place: Place,
    changes: watch::Receiver<()>,
    limits: Limits,
    sent: u64,
    over: bool,
    /// Whether this end of the stream closed it.
    complete: bool,
}

impl StreamReader {
    async fn next(mut self) -> Option<(Result<Answer, Status>, Self)> {
        while !self.over {
            self.changes.borrow_and_update();
            // Every stream sends at least one answer, so that the client always makes progress.
            if self.sent > 0 && self.limits.bytes.is_some_and(|limit| self.sent >= limit) {
                break;
            }
            match self.execution.step(self.place) {
                Step::Send(answer) => {
                    self.place.next += 1;
                    self.sent += answer.encoded_len() as u64;
                    return Some((Ok(*answer), self));
                }
                Step::Finished => break,
                Step::Failed(status) => {
                    self.over = true;
                    return Some((Err(status), self));
                }
                Step::Refused(error) => {
                    self.over = true;
                    return Some((Err(status(&error, None)), self));
                }
                Step::Wait => {
                    if !self.wait().await {
                        break;
                    }
                }
            }
        }
        self.complete = true;
        None
    }

    /// Waits until something changes; returns false once the stream's time is up.
    async fn wait(&mut self) -> bool {
        match self.limits.deadline {
            None => self.changes.changed().await.is_ok(),
            Some(deadline) => {
                let change = tokio::time::timeout_at(deadline, self.changes.changed());
                matches!(change.await, Ok(Ok(())))
            }
        }
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        let end = if self.complete { StreamEnd::Complete } else { StreamEnd::Broken };
        self.execution.detach(self.place, end);
        if !self.execution.identity.reattachable {
            // Nobody can reattach for the rest.
            self.execution.request_stop(StopRequest::Release);
        }
    }
}
