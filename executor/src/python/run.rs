//! One task in a worker, as a stream: it feeds the worker and reads its answers at the same time.

use super::Limits;
use super::answers::{Answer, Answers, Failure, ReadError};
use super::failure;
use super::feed::Feed;
use super::pool::Request;
use super::settings::Silence;
use super::worker::Worker;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, Stream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use model::{Attempt, RaisedError, TaskFailure};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use task::python::FromWorker;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};

/// How long what a worker wrote before its end may take to arrive.
const PATIENCE: Duration = Duration::from_secs(2);

type Pool = mpsc::UnboundedSender<Request>;

/// Runs what `feed` sends in a worker that has used these files, or a new one.
pub(super) fn run(
    pool: Pool,
    (files, attempt): (String, Option<Attempt>),
    feed: Feed,
    limits: Limits,
) -> BoxStream<'static, Result<FromWorker, TaskFailure>> {
    let start = async move {
        let (reply, worker) = oneshot::channel();
        let take = Request::Take { files: files.clone(), reply };
        pool.send(take).map_err(|_| failure::ending())?;
        let worker = worker.await.map_err(|_| failure::ending())??;
        worker.serve(attempt);
        Conversation::new(pool, files, worker, feed, limits)
            .map_err(|error| TaskFailure::raised(format!("no connection to a worker: {error}")))
    };
    futures::stream::once(start).try_flatten().boxed()
}

/// A task in a worker.
struct Conversation {
    pool: Pool,
    files: String,
    state: State,
}

enum State {
    Talking(Box<Talk>),
    /// The worker has ended, and how is found out.
    Dying(BoxFuture<'static, TaskFailure>),
    Over,
}

/// Both directions at once.
struct Talk {
    feed: Feed,
    socket: Arc<UnixStream>,
    answers: BoxStream<'static, Result<Answer, ReadError>>,
    /// The worker has ended, and what it wrote has had time to arrive. A child of its may hold the
    /// socket open.
    ended: BoxFuture<'static, ()>,
    silence: Option<Quiet>,
    /// Last, so that a worker that is killed has been left before.
    worker: Worker,
}

impl Conversation {
    fn new(
        pool: Pool,
        files: String,
        worker: Worker,
        feed: Feed,
        limits: Limits,
    ) -> io::Result<Self> {
        let socket = Arc::new(UnixStream::from_std(worker.data.try_clone()?)?);
        let answers = Answers::new(Arc::clone(&socket), limits.frame);
        let answers = futures::stream::unfold(answers, |mut answers| async move {
            let answer = answers.next().await;
            Some((answer, answers))
        });
        let mut exit = worker.exit.clone();
        let ended = async move {
            let _ = exit.wait_for(Option::is_some).await;
            tokio::time::sleep(PATIENCE).await;
        };
        let (answers, ended) = (answers.boxed(), ended.boxed());
        let silence = Quiet::new(limits.silence);
        let talk = Talk { feed, socket, answers, ended, silence, worker };
        Ok(Self { pool, files, state: State::Talking(Box::new(talk)) })
    }

    /// Ends with this item.
    fn end(
        &mut self,
        item: Result<FromWorker, TaskFailure>,
    ) -> Poll<Option<Result<FromWorker, TaskFailure>>> {
        self.state = State::Over;
        Poll::Ready(Some(item))
    }

    /// Gives the worker back.
    fn give_back(&mut self) {
        if let State::Talking(talk) = std::mem::replace(&mut self.state, State::Over) {
            let Talk { feed, worker, .. } = *talk;
            let (files, rest) = (std::mem::take(&mut self.files), feed.into_rest());
            // Without a pool the worker is dropped, and ends.
            let _ = self.pool.send(Request::Return { worker, files, rest });
        }
    }

    /// Finds out how the worker ended.
    fn inquire(&mut self) {
        if let State::Talking(talk) = std::mem::replace(&mut self.state, State::Over) {
            let Talk { mut worker, .. } = *talk;
            let inquiry = async move {
                let exit = worker.ended().await;
                failure::crashed(exit, &worker.printed.last().await)
            };
            self.state = State::Dying(inquiry.boxed());
        }
    }
}

impl Talk {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Ending>> {
        let written = self.feed.written();
        if let Poll::Ready(Err(failure)) = self.feed.poll(cx, &self.socket) {
            return Poll::Ready(Err(Ending::Failed(failure)));
        }
        // A worker without input has nothing to say.
        if (self.feed.written() != written || self.feed.waits_for_input())
            && let Some(silence) = &mut self.silence
        {
            silence.end();
        }
        match self.answers.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(answer))) => {
                if let Some(silence) = &mut self.silence {
                    silence.end();
                }
                Poll::Ready(Ok(answer))
            }
            Poll::Ready(Some(Err(ReadError::Broken(problem)))) => {
                Poll::Ready(Err(Ending::Failed(failure::broken(problem))))
            }
            Poll::Ready(Some(Err(ReadError::Closed)) | None) => {
                Poll::Ready(Err(Ending::WorkerEnded))
            }
            Poll::Pending => {
                if let Some(silence) = &mut self.silence
                    && let Poll::Ready(failure) = silence.poll(cx)
                {
                    return Poll::Ready(Err(Ending::Failed(failure)));
                }
                self.ended.poll_unpin(cx).map(|()| Err(Ending::WorkerEnded))
            }
        }
    }
}

/// The time since a worker's last sign.
struct Quiet {
    limit: Duration,
    kill: bool,
    timer: Pin<Box<Sleep>>,
}

impl Quiet {
    fn new(Silence { limit, kill }: Silence) -> Option<Self> {
        let timer = |limit| Box::pin(tokio::time::sleep(limit));
        limit.map(|limit| Self { limit, kill, timer: timer(limit) })
    }

    /// There was a sign.
    fn end(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.limit);
    }

    /// Ready if the worker is to be killed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TaskFailure> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let seconds = self.limit.as_secs();
            if self.kill {
                return Poll::Ready(failure::silent(seconds));
            }
            tracing::warn!("a Python worker has given no sign for {seconds} s");
            self.end();
        }
        Poll::Pending
    }
}

/// How a task ended without an answer.
enum Ending {
    Failed(TaskFailure),
    WorkerEnded,
}

impl Stream for Conversation {
    type Item = Result<FromWorker, TaskFailure>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let answer = match &mut this.state {
                State::Talking(talk) => ready!(talk.poll(cx)),
                State::Dying(inquiry) => {
                    let failure = ready!(inquiry.poll_unpin(cx));
                    return this.end(Err(failure));
                }
                State::Over => return Poll::Ready(None),
            };
            match answer {
                Ok(Answer::Batch(batch)) => return Poll::Ready(Some(Ok(FromWorker::Batch(batch)))),
                Ok(Answer::Finished(accumulators)) => {
                    this.give_back();
                    return this.end(Ok(FromWorker::Finished { accumulators }));
                }
                Ok(Answer::Failed(raised)) => return this.end(Err(raised_by(raised))),
                Err(Ending::Failed(failure)) => return this.end(Err(failure)),
                Err(Ending::WorkerEnded) => this.inquire(),
            }
        }
    }
}

fn raised_by(failure: Failure) -> TaskFailure {
    let Failure { exception, message, traceback, condition, parameters } = failure;
    let traceback =
        if traceback.is_empty() { format!("{exception}: {message}\n") } else { traceback };
    let raised = task::python::raised(&traceback);
    TaskFailure::Raised(match condition {
        None => raised,
        Some(class) => RaisedError {
            class: Some(class),
            parameters: parameters.unwrap_or_default().into_iter().collect(),
            ..raised
        },
    })
}
