//! The stream to a driver: what it says is kept for passes, and it is told the facts of the last pass. Both sides always say all that
//! holds now, so a stream that breaks is opened again and nothing is lost.

use crate::observe::{Attached, End, Wish};
use crate::plan::Fact;
use crate::submission::SubmissionId;
use crd::{Count, Progress};
use proto::pb::cluster_client::ClusterClient;
use proto::pb::executor_fact::{Ended, Leaving, Running, Starting, State};
use proto::{Credentials, pb};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;

/// Waits between tries: a driver takes a moment to listen.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long a driver may take to answer before it is held for gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often progress alone is news: each is a write to the API server.
const PROGRESS: Duration = Duration::from_secs(2);

type Facts = BTreeMap<u64, Fact>;

/// Which driver to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// The submission whose driver it is.
    pub(super) submission: SubmissionId,
    /// `host:port`.
    pub(super) address: String,
}

/// An open stream, or one that is being opened. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Attachment {
    peer: Peer,
    heard: Arc<Mutex<Option<Attached>>>,
    facts: watch::Sender<Option<Facts>>,
    _task: AbortOnDropHandle<()>,
}

impl Attachment {
    /// Opens a stream and keeps it open. `news` is called whenever a pass should look at what was heard.
    pub(super) fn open(
        peer: Peer,
        credentials: Credentials,
        news: impl Fn() + Send + 'static,
    ) -> Self {
        let heard = Arc::new(Mutex::new(None));
        let (facts, told) = watch::channel(None);
        let stream =
            Stream { peer: peer.clone(), credentials, heard: Arc::clone(&heard), told, news };
        let task = AbortOnDropHandle::new(tokio::spawn(stream.keep_open()));
        Self { peer, heard, facts, _task: task }
    }

    /// Whether it leads to this driver.
    pub(super) fn is_to(&self, peer: &Peer) -> bool {
        self.peer == *peer
    }

    /// What the driver said, if the stream is open, or if it said that it ends.
    pub(super) fn heard(&self) -> Option<Attached> {
        lock(&self.heard).clone()
    }

    /// Tells the driver what holds now.
    pub(super) fn tell(&self, facts: Facts) {
        if let Some(heard) = lock(&self.heard).as_mut() {
            heard.told = facts.keys().copied().collect();
        }
        self.facts.send_if_modified(|known| {
            let is_new = known.as_ref() != Some(&facts);
            *known = Some(facts);
            is_new
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Stream<N> {
    peer: Peer,
    credentials: Credentials,
    heard: Arc<Mutex<Option<Attached>>>,
    told: watch::Receiver<Option<Facts>>,
    news: N,
}

impl<N: Fn()> Stream<N> {
    async fn keep_open(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let opened = Instant::now();
            match self.once().await {
                Ok(()) => {
                    tracing::debug!(address = self.peer.address, "the driver closed its stream");
                }
                Err(error) => {
                    tracing::debug!(address = self.peer.address, %error, "no stream to the driver");
                }
            }
            // How the program ended stays known; all else holds only while the driver is there to say it.
            let is_over = {
                let mut heard = lock(&self.heard);
                heard.take_if(|heard| heard.ended.is_none());
                heard.is_some()
            };
            (self.news)();
            if is_over {
                return;
            }
            wait =
                if opened.elapsed() > PATIENCE { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
            tokio::time::sleep(wait).await;
        }
    }

    /// Opens the stream and serves it until it ends.
    async fn once(&mut self) -> Result<(), Broken> {
        let endpoint = self
            .credentials
            .endpoint(&self.peer.address)?
            .connect_timeout(PATIENCE)
            .http2_keep_alive_interval(PATIENCE)
            .keep_alive_timeout(PATIENCE)
            .keep_alive_while_idle(true);
        let channel = endpoint.connect().await?;
        let mut client = ClusterClient::with_interceptor(channel, self.credentials.token.sender())
            .max_decoding_message_size(proto::MESSAGE_LIMIT);
        let (sender, outgoing) = mpsc::channel(1);
        let answer = client.attach(ReceiverStream::new(outgoing));
        let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| Broken::Silent)?;
        let mut incoming = answer?.into_inner();
        let submission = self.peer.submission.to_string();
        *lock(&self.heard) = Some(Attached { submission, ..Attached::default() });
        // What an earlier stream was told counts no more; a pass says it again.
        self.told.mark_unchanged();
        (self.news)();
        let mut progress = Pace::default();
        loop {
            tokio::select! {
                message = incoming.next() => match message {
                    Some(message) => self.hear(message?, &mut progress),
                    None => return Ok(()),
                },
                changed = self.told.changed() => {
                    changed.map_err(|_| Broken::Unwanted)?;
                    self.say(&sender).await?;
                }
                () = progress.due() => {
                    progress.told();
                    (self.news)();
                }
            }
        }
    }

    async fn say(&mut self, sender: &mpsc::Sender<pb::FromManager>) -> Result<(), Broken> {
        let Some(facts) = self.told.borrow_and_update().clone() else { return Ok(()) };
        let executors = facts
            .iter()
            .map(|(id, fact)| pb::ExecutorFact { executor: *id, state: Some(state(fact)) });
        let fact =
            pb::from_manager::Fact::Executors(pb::ExecutorFacts { executors: executors.collect() });
        let message = pb::FromManager { epoch: self.peer.submission.epoch.0, fact: Some(fact) };
        let sent = tokio::time::timeout(PATIENCE, sender.send(message)).await;
        sent.map_err(|_| Broken::Silent)?.map_err(|_| Broken::Silent)
    }

    fn hear(&self, message: pb::ToManager, progress: &mut Pace) {
        if message.epoch != self.peer.submission.epoch.0 {
            tracing::warn!(
                address = self.peer.address,
                epoch = message.epoch,
                "a driver of another epoch answers"
            );
            return;
        }
        let mut heard = lock(&self.heard);
        let Some(known) = heard.as_mut() else { return };
        let before = known.clone();
        match message.fact {
            Some(pb::to_manager::Fact::Wish(wish)) => known.wish = Some(read_wish(wish)),
            Some(pb::to_manager::Fact::Status(status)) => {
                known.executors =
                    status.executors.iter().map(|one| (one.executor, one.alive)).collect();
                known.progress = Some(read_progress(&status));
            }
            Some(pb::to_manager::Fact::Ended(ended)) => known.ended = Some(read_end(ended)),
            None => {}
        }
        let only_progress =
            Attached { progress: before.progress.clone(), ..known.clone() } == before;
        let is_new = *known != before;
        drop(heard);
        match (is_new, only_progress) {
            (false, _) => {}
            (true, true) => progress.changed(),
            (true, false) => (self.news)(),
        }
    }
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
    #[error("{}", .0.message())]
    Refused(#[from] tonic::Status),
    #[error("it does not answer")]
    Silent,
    #[error("nobody wants it any more")]
    Unwanted,
}

/// When progress is news again.
#[derive(Debug, Default)]
struct Pace {
    told: Option<Instant>,
    due: Option<Instant>,
}

impl Pace {
    fn changed(&mut self) {
        let due = self.told.map_or_else(Instant::now, |told| told + PROGRESS);
        self.due.get_or_insert(due);
    }

    fn told(&mut self) {
        (self.told, self.due) = (Some(Instant::now()), None);
    }

    async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

fn state(fact: &Fact) -> State {
    match fact {
        Fact::Starting => State::Starting(Starting {}),
        Fact::Running => State::Running(Running {}),
        Fact::Leaving { reason } => State::Leaving(Leaving { reason: reason.clone(), grace_ms: 0 }),
        Fact::Ended { end, lost_volumes } => State::Ended(Ended {
            exit_code: end.exit_code,
            reason: end.reason.clone(),
            message: end.message.clone(),
            app_caused: end.is_own_doing(),
            lost_volumes: lost_volumes.clone(),
        }),
    }
}

fn read_wish(wish: pb::Wish) -> Wish {
    // The operator knows cores and memory from the manifest, as the driver does.
    let pb::Wish { executors, release, .. } = wish;
    Wish { executors, release: release.into_iter().collect() }
}

fn read_end(ended: pb::ProgramEnded) -> End {
    let pb::ProgramEnded { exit_code, message } = ended;
    let reason = if exit_code == 0 { "Completed" } else { "Error" };
    End { exit_code: Some(exit_code), reason: reason.to_owned(), message }
}

/// Counts of what a driver has done. Stages that were there already count as done.
fn read_progress(status: &pb::ApplicationStatus) -> Progress {
    let mut progress = Progress::default();
    let mut jobs = Count::default();
    let forgotten = i64::try_from(status.forgotten_jobs).unwrap_or(i64::MAX);
    (jobs.done, jobs.total) = (forgotten, forgotten);
    for job in &status.jobs {
        jobs.total += 1;
        match job.state() {
            pb::JobState::Succeeded => jobs.done += 1,
            pb::JobState::Failed | pb::JobState::Cancelled => jobs.failed += 1,
            pb::JobState::Running | pb::JobState::Unspecified => {}
        }
        for stage in &job.stages {
            let (tasks, skipped) =
                (i64::from(stage.tasks), stage.state() == pb::StageState::Skipped);
            progress.stages.total += 1;
            progress.tasks.total += tasks;
            progress.tasks.failed += i64::from(stage.failed);
            progress.tasks.done += if skipped { tasks } else { i64::from(stage.done) };
            match stage.state() {
                pb::StageState::Done => progress.stages.done += 1,
                pb::StageState::Failed => progress.stages.failed += 1,
                pb::StageState::Skipped => {
                    progress.stages.done += 1;
                    progress.skipped_stages += 1;
                    progress.skipped_tasks += tasks;
                }
                pb::StageState::Waiting | pb::StageState::Running | pb::StageState::Unspecified => {
                }
            }
        }
    }
    progress.jobs = jobs;
    progress.summarised()
}

#[cfg(test)]
mod tests;
