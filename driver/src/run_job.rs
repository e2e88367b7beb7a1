//! The engine's way to run a job: into the event loop, and back as rows.

use crate::blobs::SessionBlobs;
use crate::event_loop::{Inbox, Input};
use crate::failure;
use crate::message::{Answer, JobEnd, Message, Operation, Progress, Question, Stored, Submission};
use crate::rows::Rows;
use crate::status;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use engine::{JobPlan, RunJob, ShuffleSizes, Unfinished};
use errors::Exception;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use model::executor::AccumulatorUpdate;
use model::{CacheId, Properties, ShuffleId};
use plan::{Literal, SparkError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

/// Makes runners, one per operation.
#[derive(Debug, Clone)]
pub(crate) struct Runners {
    inbox: Inbox,
    slots: u32,
    numbers: Arc<AtomicU64>,
}

impl Runners {
    /// `slots`: those of all executors that are wanted, so that a plan does not depend on how many
    /// have come.
    pub(crate) fn new(inbox: Inbox, slots: u32) -> Self {
        Self { inbox, slots, numbers: Arc::default() }
    }

    /// A number that no other has.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A session is closed: its caches are given up.
    pub(crate) async fn close_session(&self, session: u64) {
        // If the event loop is gone, so is everything that was stored for it.
        let _ = self.inbox.send(Input::Say(Message::SessionClosed { session })).await;
    }

    /// A runner for the jobs of one operation; its progress goes to `progress`.
    pub(crate) fn runner(
        &self,
        description: &str,
        properties: Properties,
        progress: Option<watch::Sender<Progress>>,
    ) -> Runner {
        let id = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (description, watched) = (description.into(), progress.is_some());
        let operation = Operation { id, description, properties, watched };
        let progress = progress.map(Arc::new);
        Runner {
            runners: self.clone(),
            operation,
            progress,
            observed: Arc::default(),
            accumulators: Arc::default(),
            _blobs: None,
        }
    }
}

/// Runs the jobs of one operation. Clones are the same runner.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    runners: Runners,
    operation: Operation,
    progress: Option<Arc<watch::Sender<Progress>>>,
    /// Observed metrics, by the name of their observation.
    observed: Arc<Mutex<Vec<Observed>>>,
    /// What tasks have added to accumulators.
    accumulators: Arc<Mutex<Vec<AccumulatorUpdate>>>,
    /// The session's blobs, which its jobs may need when the session is over.
    _blobs: Option<Arc<SessionBlobs>>,
}

/// The name of an observation, and its metrics.
pub(crate) type Observed = (String, Vec<(String, Literal)>);

impl Runner {
    /// Keeps the blobs of a session for its jobs.
    pub(crate) fn with_blobs(self, blobs: &Arc<SessionBlobs>) -> Self {
        Self { _blobs: Some(Arc::clone(blobs)), ..self }
    }

    /// What was added to accumulators since the last call, as clients read it.
    pub(crate) fn take_accumulators(&self) -> Vec<Bytes> {
        let mut updates = self.accumulators.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *updates).into_iter().map(|update| update.value).collect()
    }

    /// How a job ends, which is cancelled once `stop` is ready.
    async fn end(
        &self,
        job: JobPlan,
        stop: impl Future<Output = ()>,
    ) -> Result<JobEnd, SparkError> {
        let Runners { inbox, numbers, .. } = &self.runners;
        let ticket = numbers.fetch_add(1, Ordering::Relaxed);
        let (answer, mut answered) = oneshot::channel();
        let operation = self.operation.clone();
        let submission = Submission { ticket, plan: job, operation };
        let progress = self.progress.clone();
        let submit = Input::Submit { submission, answer, progress };
        inbox.send(submit).await.map_err(|_| ending())?;
        let mut guard = Abandon { inbox: Some(inbox.clone()), ticket };
        let end = tokio::select! {
            biased;
            end = &mut answered => end,
            () = stop => {
                // If the event loop is gone, so is the job.
                let _ = inbox.send(guard.message()).await;
                answered.await
            }
        };
        guard.inbox = None;
        let Ok((end, updates)) = end else { return Err(ending()) };
        self.accumulators.lock().unwrap_or_else(PoisonError::into_inner).extend(updates);
        Ok(end)
    }

    async fn ask(&self, question: Question) -> Result<Answer, SparkError> {
        let (answer, answered) = oneshot::channel();
        let asked = self.runners.inbox.send(Input::Ask { question, answer }).await;
        asked.map_err(|_| ending())?;
        answered.await.map_err(|_| ending())
    }

    /// What was observed since the last call.
    pub(crate) fn take_observed(&self) -> Vec<Observed> {
        std::mem::take(&mut self.observed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait::async_trait]
impl RunJob for Runner {
    async fn run(&self, job: JobPlan) -> Result<Vec<Vec<RecordBatch>>, SparkError> {
        match self.end(job, std::future::pending()).await? {
            Ok(partitions) => decoded(&partitions).await,
            Err(failed) => Err(failure::error(&failed)),
        }
    }

    async fn rows(&self, job: JobPlan) -> Result<engine::Rows, SparkError> {
        match self.end(job, std::future::pending()).await? {
            Ok(mut partitions) => {
                partitions.retain(|rows| rows.len() > 0);
                Ok(engine::Rows::new(move || {
                    let partitions = partitions.clone();
                    stream::iter(partitions).flat_map(|rows| rows.batches()).boxed()
                }))
            }
            Err(failed) => Err(failure::error(&failed)),
        }
    }

    async fn run_partly(
        &self,
        job: JobPlan,
        stop: BoxFuture<'_, ()>,
    ) -> Result<Vec<Vec<RecordBatch>>, Unfinished> {
        match self.end(job, stop).await? {
            Ok(partitions) => Ok(decoded(&partitions).await?),
            Err(failed) => {
                let (error, reported) = (failure::error(&failed), failure::is_reported(&failed));
                let mut done = Vec::new();
                for rows in failed.done {
                    done.push(match rows {
                        Some(rows) => rows.decoded().await.ok(),
                        None => None,
                    });
                }
                Err(Unfinished { error, done, reported })
            }
        }
    }

    async fn application_status(&self) -> Result<String, SparkError> {
        match self.ask(Question::Status).await? {
            Answer::Status(status) => Ok(status::json(&status).to_string()),
            other => Err(unasked(&other)),
        }
    }

    async fn uncache(&self, cache: CacheId) -> Result<(), SparkError> {
        let said = self.runners.inbox.send(Input::Say(Message::Uncache { cache })).await;
        said.map_err(|_| ending())
    }

    async fn stored(&self, cache: CacheId) -> Result<(u64, u64), SparkError> {
        match self.ask(Question::Stored(cache)).await? {
            Answer::Stored(Stored { partitions, bytes }) => Ok((partitions, bytes)),
            other => Err(unasked(&other)),
        }
    }

    async fn sizes(&self, shuffle: ShuffleId) -> Result<ShuffleSizes, SparkError> {
        match self.ask(Question::Sizes(shuffle)).await? {
            Answer::Sizes(sizes) => Ok(sizes),
            other => Err(unasked(&other)),
        }
    }

    fn observed(&self, name: &str, values: Vec<(String, Literal)>) {
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        if !observed.iter().any(|(known, _)| known == name) {
            observed.push((name.to_owned(), values));
        }
    }

    fn detached(&self) -> Arc<dyn RunJob> {
        Arc::new(self.clone())
    }

    fn slots(&self) -> u32 {
        self.runners.slots
    }
}

/// Cancels a job whose future is dropped before its end.
struct Abandon {
    inbox: Option<Inbox>,
    ticket: u64,
}

impl Abandon {
    fn message(&self) -> Input {
        let reason = "its result is not wanted".to_owned();
        Input::Say(Message::Abandon { ticket: self.ticket, reason })
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        let (Some(inbox), Ok(runtime)) = (self.inbox.take(), Handle::try_current()) else { return };
        let message = self.message();
        // Dropping cannot wait for room in the inbox, so a task does. If the event loop is gone
        // there is nothing to cancel.
        runtime.spawn(async move { inbox.send(message).await });
    }
}

async fn decoded(partitions: &[Rows]) -> Result<Vec<Vec<RecordBatch>>, SparkError> {
    let mut all = Vec::with_capacity(partitions.len());
    for rows in partitions {
        all.push(rows.decoded().await?);
    }
    Ok(all)
}

pub(crate) fn bad_rows(error: ArrowError) -> SparkError {
    SparkError::internal(format!("rows of a result are malformed: {error}"))
}

fn unasked(answer: &Answer) -> SparkError {
    SparkError::internal(format!("an answer to another question: {answer:?}"))
}

fn ending() -> SparkError {
    SparkError::plain(Exception::Spark, "Job cancelled: the application ends")
}
