//! `Cluster`: the cluster manager's stream, and the question how the application stands.

use super::Door;
use crate::event_loop::{Input, OUTBOX_LIMIT};
use crate::message::{
    Answer, Ending, ExecutorStatus, Fact, FromManager, JobState, JobStatus, Message, ProfileWish,
    Question, StageState, StageStatus, Status as Standing, ToManager,
};
use crate::sums::{Sum, Sums};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use model::{Epoch, ExecutorId, VolumeId};
use proto::{BadField, pb};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The service.
#[derive(Debug)]
pub(crate) struct ClusterService {
    door: Door,
    streams: AtomicU64,
}

impl ClusterService {
    pub(crate) fn new(door: Door) -> Self {
        Self { door, streams: AtomicU64::new(0) }
    }
}

#[tonic::async_trait]
impl pb::cluster_server::Cluster for ClusterService {
    type AttachStream = BoxStream<'static, Result<pb::ToManager, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::FromManager>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let door = self.door.clone();
        let serial = self.streams.fetch_add(1, Ordering::Relaxed);
        let (outbox, inner) = mpsc::channel(OUTBOX_LIMIT);
        door.send(Input::AttachManager { serial, outbox }).await?;
        let epoch = door.epoch;
        tokio::spawn(listen(door, serial, request.into_inner()).boxed());
        let out = ReceiverStream::new(inner).map(move |told| Ok(to_manager(told, epoch)));
        Ok(Response::new(out.boxed()))
    }

    async fn status(
        &self,
        _: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::ApplicationStatus>, Status> {
        let (answer, answered) = oneshot::channel();
        self.door.send(Input::Ask { question: Question::Status, answer }).await?;
        match answered.await {
            Ok(Answer::Status(status)) => {
                Ok(Response::new(application_status(status, self.door.epoch)))
            }
            Ok(_) | Err(_) => Err(Status::unavailable("the driver is ending")),
        }
    }
}

/// Passes on what the manager says until its stream ends, and then says that it has. A message for
/// another incarnation of the driver, or a malformed one, ends the stream.
async fn listen(door: Door, serial: u64, mut stream: Streaming<pb::FromManager>) {
    loop {
        let said = tokio::select! {
            said = stream.message() => said,
            // The driver has ended: the stream must not keep its connection open.
            () = door.inbox.closed() => return,
        };
        let fact = match said {
            Ok(Some(said)) => match from_manager(&door, said) {
                Ok(fact) => fact,
                Err(status) => {
                    tracing::warn!("the cluster manager is not heard: {}", status.message());
                    break;
                }
            },
            Ok(None) | Err(_) => break,
        };
        let said = Input::Say(Message::ManagerSaid { serial, fact });
        if door.send(said).await.is_err() {
            return;
        }
    }
    // If the event loop is gone, nobody wants to know.
    let _ = door.send(Input::Say(Message::ManagerClosed { serial })).await;
}

fn from_manager(door: &Door, said: pb::FromManager) -> Result<FromManager, Status> {
    let pb::FromManager { epoch, fact } = said;
    door.check(epoch)?;
    Ok(match fact.ok_or(BadField("FromManager.fact"))? {
        pb::from_manager::Fact::Bounds(pb::Bounds { min, max }) => FromManager::Bounds { min, max },
        pb::from_manager::Fact::Stop(pb::Stop { reason }) => FromManager::Stop { reason },
        pb::from_manager::Fact::Executors(pb::ExecutorFacts { executors }) => {
            let facts = executors.into_iter().map(executor_fact).collect::<Result<_, _>>()?;
            FromManager::Executors(facts)
        }
    })
}

fn executor_fact(fact: pb::ExecutorFact) -> Result<(ExecutorId, Fact), BadField> {
    use pb::executor_fact::{Ended, Leaving, Running, Starting, State};
    let pb::ExecutorFact { executor, state } = fact;
    let fact = match state.ok_or(BadField("ExecutorFact.state"))? {
        State::Starting(Starting {}) => Fact::Starting,
        State::Running(Running {}) => Fact::Running,
        State::Leaving(Leaving { reason, grace_ms: _ }) => Fact::Leaving { reason },
        State::Ended(ended) => {
            let reason = ended_words(&ended);
            let Ended { app_caused, lost_volumes, .. } = ended;
            let lost_volumes = lost_volumes.into_iter().map(VolumeId).collect();
            Fact::Ended { reason, app_caused, lost_volumes }
        }
    };
    Ok((ExecutorId(executor), fact))
}

fn ended_words(ended: &pb::executor_fact::Ended) -> String {
    let pb::executor_fact::Ended { exit_code, reason, message, app_caused: _, lost_volumes: _ } =
        ended;
    let reason = if reason.is_empty() { "ended" } else { reason };
    let code = exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
    let colon = if message.is_empty() { "" } else { ": " };
    format!("{reason}{code}{colon}{}", message.trim_end())
}

fn to_manager(told: ToManager, epoch: Epoch) -> pb::ToManager {
    let fact = match told {
        ToManager::Wish { executors, cores, memory_bytes, release, profiles } => {
            let release = release.into_iter().map(|executor| executor.0).collect();
            let profiles = profiles.iter().map(|ProfileWish { profile, request, executors }| {
                proto::profile_wish(*profile, request, *executors)
            });
            let profiles = profiles.collect();
            pb::to_manager::Fact::Wish(pb::Wish {
                executors,
                cores,
                memory_bytes,
                release,
                profiles,
            })
        }
        ToManager::Status(standing) => {
            pb::to_manager::Fact::Status(application_status(standing, epoch))
        }
        ToManager::Ended(Ending { exit_code, message, forget: _ }) => {
            pb::to_manager::Fact::Ended(pb::ProgramEnded { exit_code, message })
        }
    };
    pb::ToManager { epoch: epoch.0, fact: Some(fact) }
}

fn application_status(standing: Standing, epoch: Epoch) -> pb::ApplicationStatus {
    let Standing { application, name, jobs, executors, forgotten_jobs, connect_url, .. } = standing;
    pb::ApplicationStatus {
        application_id: application,
        name,
        epoch: epoch.0,
        jobs: jobs.into_iter().map(job_status).collect(),
        executors: executors.into_iter().map(executor_status).collect(),
        forgotten_jobs,
        connect_url,
    }
}

fn job_status(job: JobStatus) -> pb::JobStatus {
    let JobStatus { job, state, description, properties, stages, message } = job;
    let state = match state {
        JobState::Running => pb::JobState::Running,
        JobState::Succeeded => pb::JobState::Succeeded,
        JobState::Failed => pb::JobState::Failed,
        JobState::Cancelled => pb::JobState::Cancelled,
    };
    pb::JobStatus {
        job: job.0,
        state: state.into(),
        description: description.to_string(),
        stages: stages.into_iter().map(stage_status).collect(),
        message,
        group: properties.group().unwrap_or_default().to_owned(),
    }
}

fn stage_status(stage: StageStatus) -> pb::StageStatus {
    let StageStatus { stage: id, label, tasks, done, running, failed, state, metrics, added } =
        stage;
    let standing = match state {
        StageState::Waiting => pb::StageState::Waiting,
        StageState::Running => pb::StageState::Running,
        StageState::Done => pb::StageState::Done,
        StageState::Skipped => pb::StageState::Skipped,
        StageState::Failed => pb::StageState::Failed,
        StageState::Cancelled => pb::StageState::Cancelled,
    };
    pb::StageStatus {
        stage: id.0,
        label: label.to_string(),
        tasks,
        done,
        running,
        failed,
        state: standing.into(),
        metrics: Some(metrics.into()),
        accumulators: added.accumulators.iter().map(accumulator_status).collect(),
    }
}

fn accumulator_status((id, sums): (&i64, &Sums)) -> pb::AccumulatorStatus {
    let Sums { total, by_executor, by_task } = sums;
    let sum = |sum: &Sum| pb::AccumulatorSum { updates: sum.updates, sum: sum.to_string() };
    pb::AccumulatorStatus {
        id: *id,
        total: Some(sum(total)),
        executors: by_executor.iter().map(|(executor, part)| (executor.0, sum(part))).collect(),
        tasks: by_task.iter().map(|(task, part)| (*task, sum(part))).collect(),
    }
}

fn executor_status(executor: ExecutorStatus) -> pb::ExecutorStatus {
    let ExecutorStatus {
        executor,
        host,
        address: _,
        slots,
        running_tasks,
        finished_tasks,
        failed_tasks,
        alive,
        profile,
    } = executor;
    pb::ExecutorStatus {
        executor: executor.0,
        host,
        slots,
        running_tasks,
        finished_tasks,
        failed_tasks,
        alive,
        profile: profile.0,
    }
}
