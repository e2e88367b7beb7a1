//! `Executors`: an executor's stream, in and out.

use super::Door;
use crate::blobs::{Blobs, HolderId};
use crate::event_loop::{Input, OUTBOX_LIMIT};
use crate::message::{Connection, Message};
use crate::rows::RowStore;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use model::executor::{Outcome, Registration, Report, ToExecutor};
use proto::{BadField, VERSION, pb};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Bytes of rows that come with the end of a task and stay with it.
const FEW: usize = 4096;

/// The service.
#[derive(Debug)]
pub(crate) struct ExecutorsService {
    door: Door,
    blobs: Blobs,
    streams: AtomicU64,
}

impl ExecutorsService {
    pub(crate) fn new(door: Door, blobs: Blobs) -> Self {
        Self { door, blobs, streams: AtomicU64::new(0) }
    }
}

#[tonic::async_trait]
impl pb::executors_server::Executors for ExecutorsService {
    type AttachStream = BoxStream<'static, Result<pb::ToExecutor, Status>>;

    type ShareBlobsStream = BoxStream<'static, Result<pb::ToHolder, Status>>;

    async fn share_blobs(
        &self,
        request: Request<Streaming<pb::FromHolder>>,
    ) -> Result<Response<Self::ShareBlobsStream>, Status> {
        let mut stream = request.into_inner();
        let first = stream.message().await?.ok_or(BadField("hello"))?;
        self.door.check(first.epoch)?;
        let Some(pb::from_holder::Message::Hello(hello)) = first.message else {
            return Err(BadField("hello").into());
        };
        let (id, told) = self.blobs.connect(hello);
        tokio::spawn(share(self.door.clone(), self.blobs.clone(), id, stream));
        Ok(Response::new(UnboundedReceiverStream::new(told).map(Ok).boxed()))
    }

    async fn attach(
        &self,
        request: Request<Streaming<pb::FromExecutor>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let door = self.door.clone();
        let mut stream = request.into_inner();
        let first = stream.message().await?.ok_or(BadField("register"))?;
        door.check(first.epoch)?;
        let Some(pb::from_executor::Message::Register(register)) = first.message else {
            return Err(BadField("register").into());
        };
        let registration = registration(register)?;
        let serial = self.streams.fetch_add(1, Ordering::Relaxed);
        let connection = Connection { executor: registration.executor, serial };
        let (outbox, inner) = mpsc::channel(OUTBOX_LIMIT);
        let (answer, answered) = oneshot::channel();
        door.send(Input::AttachExecutor { serial, registration, outbox, answer }).await?;
        answered
            .await
            .map_err(|_| Status::unavailable("the driver is ending"))?
            .map_err(|refusal| Status::failed_precondition(refusal.0))?;
        let epoch = door.epoch.0;
        let (beat, beats) = mpsc::channel(1);
        tokio::spawn(listen(door, (connection, beat), stream).boxed());
        Ok(Response::new(told(epoch, inner, beats).boxed()))
    }
}

/// Messages to an executor, and between them answers to its heartbeats. It ends with the messages.
fn told(
    epoch: u64,
    messages: mpsc::Receiver<ToExecutor>,
    beats: mpsc::Receiver<()>,
) -> impl Stream<Item = Result<pb::ToExecutor, Status>> {
    stream::unfold((messages, beats), move |(mut messages, mut beats)| async move {
        let message = tokio::select! {
            biased;
            told = messages.recv() => Some(told?.into()),
            Some(()) = beats.recv() => None,
        };
        Some((Ok(pb::ToExecutor { epoch, message }), (messages, beats)))
    })
}

fn registration(register: pb::Register) -> Result<Registration, Status> {
    let version = &register.version;
    if version != VERSION {
        return Err(Status::failed_precondition(format!(
            "the driver is of version {VERSION}, the executor of {version}"
        )));
    }
    Ok(register.try_into()?)
}

/// Takes what an executor says of blobs until its stream ends.
async fn share(door: Door, blobs: Blobs, id: HolderId, mut stream: Streaming<pb::FromHolder>) {
    use pb::from_holder::Message;
    let problem = loop {
        let said = tokio::select! {
            said = stream.message() => said,
            // The driver has ended: the stream must not keep its connection open.
            () = door.inbox.closed() => break None,
        };
        let message = match said {
            Ok(Some(said)) => said.message,
            Ok(None) => break None,
            Err(status) => break Some(status.message().to_owned()),
        };
        match message {
            Some(Message::Want(hash)) => blobs.want(id, hash),
            Some(Message::Got(pb::PieceName { hash, piece })) => {
                blobs.got(id, &hash, piece as usize);
            }
            Some(Message::Refused(pb::PieceRefused { piece: Some(name), holder })) => {
                blobs.refused(id, (&name.hash, name.piece as usize), holder);
            }
            Some(Message::GaveUp(hash)) => blobs.gave_up(id, &hash),
            Some(Message::Refused(_) | Message::Hello(_)) | None => {
                break Some("a message that does not belong here".to_owned());
            }
        }
    };
    if let Some(problem) = problem {
        tracing::debug!("the stream of blobs to an executor broke: {problem}");
    }
    blobs.disconnect(id);
}

/// Passes on what the executor says until its stream ends, and then says that it has.
async fn listen(
    door: Door,
    (connection, beat): (Connection, mpsc::Sender<()>),
    mut stream: Streaming<pb::FromExecutor>,
) {
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
        if matches!(report, Report::Heartbeat { .. }) {
            // If there is one already that was not sent yet, it answers both.
            let _ = beat.try_send(());
        }
        for message in kept(&door.rows, connection, report).await {
            if door.send(Input::Say(message)).await.is_err() {
                return;
            }
        }
    };
    // If the event loop is gone, nobody wants to know.
    let _ = door.send(Input::Say(Message::ExecutorClosed { connection, reason })).await;
}

/// What the event loop is told, without the rows: these are kept.
async fn kept(store: &Arc<RowStore>, connection: Connection, report: Report) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut keep = async |attempt, bytes| {
        let piece = store.keep(bytes).await;
        messages.push(Message::ExecutorYields { connection, attempt, piece });
    };
    let report = match report {
        Report::Part { attempt, bytes } => {
            keep(attempt, bytes).await;
            return messages;
        }
        Report::Ends(mut ends) => {
            for end in &mut ends {
                if let Outcome::Yielded(last) = &mut end.outcome
                    && last.len() > FEW
                {
                    keep(end.attempt, std::mem::take(last)).await;
                }
            }
            Report::Ends(ends)
        }
        other => other,
    };
    messages.push(Message::ExecutorSaid { connection, report });
    messages
}

fn report(door: &Door, said: pb::FromExecutor) -> Result<Report, Status> {
    door.check(said.epoch)?;
    Ok(said.message.ok_or(BadField("FromExecutor.message"))?.try_into()?)
}
