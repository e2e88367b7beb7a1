//! The stream to a driver: keeps the driver's last report for passes and sends it the facts of the
//! last pass. Both sides always send their complete state, so a broken stream is simply reopened
//! and nothing is lost.

use crate::observe::{Attached, End, ProfileWish, Wish};
use crate::plan::{Bounds, Fact};
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

/// Back-off between attempts to connect: a new driver takes a moment to listen.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Time to wait for a driver before treating it as dead.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Minimum interval between passes triggered by progress alone: each writes to the API server.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

type Facts = (Option<Bounds>, BTreeMap<u64, Fact>);

/// The driver to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// The submission whose driver this is.
    pub(super) submission: SubmissionId,
    /// `host:port`.
    pub(super) address: String,
}

/// A stream to a driver, open or being opened. Dropping it closes the stream.
#[derive(Debug)]
pub(super) struct Attachment {
    peer: Peer,
    report: Arc<Mutex<Option<Attached>>>,
    outgoing: watch::Sender<Option<Facts>>,
    _task: AbortOnDropHandle<()>,
}

impl Attachment {
    /// Opens a stream and keeps it open. Calls `on_change` whenever the report changed and a pass
    /// should look at it.
    pub(super) fn open(
        peer: Peer,
        credentials: Credentials,
        on_change: impl Fn() + Send + 'static,
    ) -> Self {
        let report = Arc::new(Mutex::new(None));
        let (outgoing, facts) = watch::channel(None);
        let stream = Stream {
            peer: peer.clone(),
            credentials,
            report: Arc::clone(&report),
            facts,
            on_change,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(stream.keep_open()));
        Self { peer, report, outgoing, _task: task }
    }

    /// Whether it leads to this driver.
    pub(super) fn is_to(&self, peer: &Peer) -> bool {
        self.peer == *peer
    }

    /// The driver's last report, if the stream is open or the program has ended.
    pub(super) fn report(&self) -> Option<Attached> {
        lock(&self.report).clone()
    }

    /// Sends the driver the current facts, if they changed.
    pub(super) fn send_facts(&self, facts: Facts) {
        if let Some(report) = lock(&self.report).as_mut() {
            report.reported = facts.1.keys().copied().collect();
        }
        self.outgoing.send_if_modified(|known| {
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
    report: Arc<Mutex<Option<Attached>>>,
    facts: watch::Receiver<Option<Facts>>,
    on_change: N,
}

impl<N: Fn()> Stream<N> {
    async fn keep_open(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let opened = Instant::now();
            match self.serve().await {
                Ok(()) => {
                    tracing::debug!(address = self.peer.address, "the driver closed its stream");
                }
                Err(error) => {
                    tracing::debug!(address = self.peer.address, %error, "the stream to the driver broke");
                }
            }
            // The end of the program stays known; everything else holds only while the driver is
            // connected.
            let is_over = {
                let mut report = lock(&self.report);
                report.take_if(|report| report.ended.is_none());
                report.is_some()
            };
            (self.on_change)();
            if is_over {
                return;
            }
            wait = if opened.elapsed() > TIMEOUT { FIRST_WAIT } else { (wait * 2).min(MAX_WAIT) };
            tokio::time::sleep(wait).await;
        }
    }

    /// Opens the stream and serves it until it ends.
    async fn serve(&mut self) -> Result<(), Broken> {
        let endpoint = self
            .credentials
            .endpoint(&self.peer.address)?
            .connect_timeout(TIMEOUT)
            .http2_keep_alive_interval(TIMEOUT)
            .keep_alive_timeout(TIMEOUT)
            .keep_alive_while_idle(true);
        let channel = endpoint.connect().await?;
        let mut client = ClusterClient::with_interceptor(channel, self.credentials.token.sender())
            .max_decoding_message_size(proto::MESSAGE_LIMIT);
        let (sender, outgoing) = mpsc::channel(1);
        let answer = client.attach(ReceiverStream::new(outgoing));
        let answer =
            tokio::time::timeout(TIMEOUT, answer).await.map_err(|_| Broken::Unresponsive)?;
        let mut incoming = answer?.into_inner();
        let submission = self.peer.submission.to_string();
        *lock(&self.report) = Some(Attached { submission, ..Attached::default() });
        // Facts sent over an earlier stream no longer count; the next pass sends them again.
        self.facts.mark_unchanged();
        (self.on_change)();
        let mut progress = Pace::default();
        loop {
            tokio::select! {
                message = incoming.next() => match message {
                    Some(message) => self.receive(message?, &mut progress),
                    None => return Ok(()),
                },
                changed = self.facts.changed() => {
                    changed.map_err(|_| Broken::Detached)?;
                    self.send(&sender).await?;
                }
                () = progress.due() => {
                    progress.reported();
                    (self.on_change)();
                }
            }
        }
    }

    async fn send(&mut self, sender: &mpsc::Sender<pb::FromManager>) -> Result<(), Broken> {
        let Some((bounds, facts)) = self.facts.borrow_and_update().clone() else { return Ok(()) };
        let executors = facts
            .iter()
            .map(|(id, fact)| pb::ExecutorFact { executor: *id, state: Some(state(fact)) });
        let executors = pb::ExecutorFacts { executors: executors.collect() };
        let bounds = bounds.map(|Bounds { min, max }| pb::Bounds { min, max });
        let facts = bounds.map(pb::from_manager::Fact::Bounds).into_iter();
        for fact in facts.chain([pb::from_manager::Fact::Executors(executors)]) {
            let epoch = self.peer.submission.epoch.0;
            let message = pb::FromManager { epoch, fact: Some(fact) };
            let sent = tokio::time::timeout(TIMEOUT, sender.send(message)).await;
            sent.map_err(|_| Broken::Unresponsive)?.map_err(|_| Broken::Unresponsive)?;
        }
        Ok(())
    }

    fn receive(&self, message: pb::ToManager, progress: &mut Pace) {
        if message.epoch != self.peer.submission.epoch.0 {
            tracing::warn!(
                address = self.peer.address,
                epoch = message.epoch,
                "ignored a message from a driver of another epoch"
            );
            return;
        }
        let mut report = lock(&self.report);
        let Some(known) = report.as_mut() else { return };
        let before = known.clone();
        match message.fact {
            Some(pb::to_manager::Fact::Wish(wish)) => known.wishes(read_wish(wish)),
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
        drop(report);
        match (is_new, only_progress) {
            (false, _) => {}
            (true, true) => progress.changed(),
            (true, false) => (self.on_change)(),
        }
    }
}

impl Attached {
    /// The driver wants other executors. Its status, which is told less often, may not say yet that
    /// those are gone whose end it has acknowledged.
    fn wishes(&mut self, wish: Wish) {
        for released in &wish.release {
            if let Some(alive) = self.executors.get_mut(released) {
                *alive = false;
            }
        }
        self.wish = Some(wish);
    }
}

/// Reason why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
    #[error("{}", .0.message())]
    Refused(#[from] tonic::Status),
    #[error("the driver does not answer")]
    Unresponsive,
    #[error("the stream is no longer needed")]
    Detached,
}

/// Limits how often progress alone triggers a pass.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Pace {
    fn changed(&mut self) {
        let due = self.last.map_or_else(Instant::now, |last| last + PROGRESS_INTERVAL);
        self.due.get_or_insert(due);
    }

    fn reported(&mut self) {
        (self.last, self.due) = (Some(Instant::now()), None);
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
            // If it ran tasks, it was not to end yet.
            app_caused: end.is_own_doing() || end.is_success(),
            lost_volumes: lost_volumes.clone(),
        }),
    }
}

fn read_wish(wish: pb::Wish) -> Wish {
    // The operator knows cores and memory from the manifest, as the driver does.
    let pb::Wish { executors, release, profiles, .. } = wish;
    let profiles = profiles.into_iter().map(|wish| {
        let (profile, request) = proto::profile_request(&wish);
        ProfileWish { profile, request, executors: wish.executors }
    });
    Wish { executors, release: release.into_iter().collect(), profiles: profiles.collect() }
}

fn read_end(ended: pb::ProgramEnded) -> End {
    let pb::ProgramEnded { exit_code, message } = ended;
    let reason = if exit_code == 0 { "Completed" } else { "Error" };
    End { exit_code: Some(exit_code), reason: reason.to_owned(), message }
}

/// Counts of the driver's finished work. Reused stages count as done.
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
                pb::StageState::Waiting
                | pb::StageState::Running
                | pb::StageState::Cancelled
                | pb::StageState::Unspecified => {}
            }
        }
    }
    progress.jobs = jobs;
    progress.summarised()
}

#[cfg(test)]
mod tests;
