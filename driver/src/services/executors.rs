//! `Executors`: an executor's stream, in and out.

use super::Door;
use crate::message::{
    Connection, Located, Message, OUTBOX_LIMIT, Outcome, Registration, Report, Stage, TaskEnd,
    ToExecutor, Work,
};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use model::{ExecutorId, MapOutput};
use proto::{BadField, VERSION, pb, shuffle_bytes};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The service.
#[derive(Debug)]
pub(crate) struct ExecutorsService(pub Door);

#[tonic::async_trait]
impl pb::executors_server::Executors for ExecutorsService {
    type AttachStream = BoxStream<'static, Result<pb::ToExecutor, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::FromExecutor>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let door = self.0.clone();
        let mut stream = request.into_inner();
        let first = stream.message().await?.ok_or(BadField("register"))?;
        door.check(first.epoch)?;
        let Some(pb::from_executor::Message::Register(register)) = first.message else {
            return Err(BadField("register").into());
        };
        let registration = registration(register)?;
        let (outbox, inner) = mpsc::channel(OUTBOX_LIMIT);
        let (answer, answered) = oneshot::channel();
        door.send(Message::ExecutorAttached { registration, outbox, answer }).await?;
        let connection = answered
            .await
            .map_err(|_| Status::unavailable("the driver is ending"))?
            .map_err(|refusal| Status::failed_precondition(refusal.0))?;
        let epoch = door.epoch.0;
        tokio::spawn(listen(door, connection, stream).boxed());
        let out = ReceiverStream::new(inner)
            .map(move |told| Ok(pb::ToExecutor { epoch, message: Some(told.into()) }));
        Ok(Response::new(out.boxed()))
    }
}

fn registration(register: pb::Register) -> Result<Registration, Status> {
    let pb::Register { executor, host, slots, block_address, version, volumes, process_id: _ } =
        register;
    if version != VERSION {
        return Err(Status::failed_precondition(format!(
            "the driver is of version {VERSION}, the executor of {version}"
        )));
    }
    if slots == 0 {
        return Err(BadField("Register.slots").into());
    }
    let volumes = volumes.into_iter().map(TryInto::try_into).collect::<Result<_, BadField>>()?;
    Ok(Registration { executor: ExecutorId(executor), host, slots, block_address, volumes })
}

/// Passes on what the executor says until its stream ends, and then says that it has.
async fn listen(door: Door, connection: Connection, mut stream: Streaming<pb::FromExecutor>) {
    let reason = loop {
        let said = tokio::select! {
            said = stream.message() => said,
            // The driver has ended: the stream must not keep its connection open.
            () = door.inbox.closed() => return,
        };
        let report = match said {
            Ok(Some(said)) => match report(&door, said) {
                Ok(report) => report,
                Err(status) => break status.message().to_owned(),
            },
            Ok(None) => break "its stream ended".to_owned(),
            Err(status) => break format!("its stream broke: {}", status.message()),
        };
        if door.send(Message::ExecutorSaid { connection, report }).await.is_err() {
            return;
        }
    };
    // If the event loop is gone, nobody wants to know.
    let _ =
        door.send(Message::ExecutorSaid { connection, report: Report::Closed { reason } }).await;
}

fn report(door: &Door, said: pb::FromExecutor) -> Result<Report, Status> {
    door.check(said.epoch)?;
    match said.message.ok_or(BadField("FromExecutor.message"))? {
        pb::from_executor::Message::Register(_) => Err(BadField("register").into()),
        pb::from_executor::Message::Heartbeat(_) => Ok(Report::Heartbeat),
        pb::from_executor::Message::Decommission(pb::Decommission { reason }) => {
            Ok(Report::Decommission { reason })
        }
        pb::from_executor::Message::Part(pb::RowsPart { attempt, bytes }) => {
            let attempt = attempt.ok_or(BadField("RowsPart.attempt"))?.into();
            Ok(Report::Part { attempt, bytes })
        }
        pb::from_executor::Message::Ends(pb::TaskEnds { ends }) => {
            Ok(Report::Ends(ends.into_iter().map(TaskEnd::try_from).collect::<Result<_, _>>()?))
        }
    }
}

impl TryFrom<pb::TaskEnd> for TaskEnd {
    type Error = BadField;

    fn try_from(pb::TaskEnd { attempt, outcome, metrics }: pb::TaskEnd) -> Result<Self, BadField> {
        use pb::rows::Place;
        use pb::task_end::Outcome as Pb;
        let outcome = match outcome.ok_or(BadField("TaskEnd.outcome"))? {
            Pb::MapOutput(output) => Outcome::Wrote(output.try_into()?),
            Pb::Rows(pb::Rows { rows: _, bytes: _, place }) => {
                let Place::Inline(ipc) = place.ok_or(BadField("Rows.place"))?;
                Outcome::Yielded(ipc)
            }
            Pb::Failure(failure) => Outcome::Failed(failure.try_into()?),
        };
        Ok(Self {
            attempt: attempt.ok_or(BadField("TaskEnd.attempt"))?.into(),
            outcome,
            metrics: metrics.unwrap_or_default().into(),
        })
    }
}

impl From<ToExecutor> for pb::to_executor::Message {
    fn from(told: ToExecutor) -> Self {
        match told {
            ToExecutor::Welcome { heartbeat, timeout } => {
                let millis =
                    |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
                Self::Welcome(pb::Welcome {
                    heartbeat_ms: millis(heartbeat),
                    timeout_ms: millis(timeout),
                })
            }
            ToExecutor::Work(work) => Self::Work(work.into()),
            ToExecutor::Leave { reason, forget } => Self::Leave(pb::Leave { reason, forget }),
        }
    }
}

impl From<Work> for pb::Work {
    fn from(work: Work) -> Self {
        let Work { stages, outputs, discards, launches, cancels, forget } = work;
        let mut by_stage: BTreeMap<u64, Vec<pb::launch::Task>> = BTreeMap::new();
        for launch in launches {
            let pb::Attempt { stage, partition, number } = launch.attempt.into();
            let task = pb::launch::Task { partition, number, binding: launch.binding };
            by_stage.entry(stage).or_default().push(task);
        }
        Self {
            stages: stages.iter().map(|stage| (&**stage).into()).collect(),
            outputs: outputs.iter().map(|located| (&**located).into()).collect(),
            launches: by_stage
                .into_iter()
                .map(|(stage, tasks)| pb::Launch { stage, tasks })
                .collect(),
            cancels: cancels
                .into_iter()
                .map(|(attempt, reason)| pb::Cancel { attempt: Some(attempt.into()), reason })
                .collect(),
            forget: forget.into_iter().map(|stage| stage.0).collect(),
            discards: discards.into_iter().map(pb::MapOutput::from).collect(),
        }
    }
}

impl From<&Stage> for pb::Stage {
    fn from(Stage { id, template, writes, inputs }: &Stage) -> Self {
        Self {
            stage: id.0,
            template: template.clone(),
            shuffle: writes.map(|(shuffle, _)| shuffle_bytes(shuffle)).unwrap_or_default(),
            readers: writes.map_or(0, |(_, readers)| readers),
            inputs: inputs.iter().copied().map(shuffle_bytes).collect(),
        }
    }
}

impl From<&Located> for pb::MapOutputs {
    fn from(Located { shuffle, generation, outputs }: &Located) -> Self {
        let located = |(output, addresses): &(MapOutput, Vec<String>)| pb::map_outputs::Located {
            output: Some(output.clone().into()),
            addresses: addresses.clone(),
        };
        Self {
            shuffle: shuffle_bytes(*shuffle),
            generation: *generation,
            outputs: outputs.iter().map(located).collect(),
        }
    }
}
