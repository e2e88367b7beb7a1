//! The one stream to the driver: registers, takes work, sends ends in batches and heartbeats in between.

use crate::Settings;
use crate::blocks::Locations;
use crate::tasks::{End, Tasks, messages};
use anyhow::{Context, Result, bail};
use model::{MapOutput, StageId};
use proto::pb::executors_client::ExecutorsClient;
use proto::pb::from_executor::Message as Said;
use proto::pb::to_executor::Message as Told;
use proto::{BadField, Credentials, VERSION, pb};
use shuffle::Catalogue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// How long the driver may be out of reach at the start.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between the pings by which a driver is noticed that is gone without a word, and how long it may take to answer one.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_mins(2);
/// Ends that travel in one message.
const BATCH: usize = 1024;
/// Exit code of an executor whose driver is gone.
const DRIVER_GONE: u8 = 56;
/// Exit code of an executor that was told to end.
const TERMINATED: u8 = 143;

/// This executor's side of the stream.
#[derive(Debug)]
pub(crate) struct Link {
    pub settings: Settings,
    pub credentials: Credentials,
    /// Where peers fetch blocks: `host:port`.
    pub block_address: String,
    pub catalogue: Arc<Catalogue>,
    pub locations: Arc<Locations>,
}

/// How an executor left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// Exit code of the process.
    pub code: u8,
    /// Whether what is on its volume is of no more use to anybody.
    pub forget: bool,
}

impl Left {
    fn with(code: u8) -> Self {
        Self { code, forget: false }
    }
}

/// What the loop does next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Leave { forget: bool },
}

impl Link {
    /// Serves the driver until it lets this executor go. Returns how it left.
    ///
    /// Who is told to end by a signal asks to be let go, so that what runs here is not lost; a second signal ends it at once.
    pub(crate) async fn serve(
        self,
        mut tasks: Tasks,
        mut ends: mpsc::UnboundedReceiver<End>,
        mut signals: Signals,
    ) -> Result<Left> {
        let (out, outgoing) = mpsc::channel(64);
        let mut inbox = tokio::select! {
            joined = self.join(&out, outgoing) => joined?,
            () = signals.terminate() => return Ok(Left::with(TERMINATED)),
        };
        let mut heartbeat = interval(Duration::from_secs(10));
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut terminated = false;
        loop {
            tokio::select! {
                told = inbox.next() => match told {
                    Some(Ok(pb::ToExecutor { epoch, message })) => {
                        if epoch != self.settings.epoch.0 {
                            bail!("the driver is of epoch {epoch}, this executor serves {}", self.settings.epoch);
                        }
                        if let Some(Told::Welcome(welcome)) = &message {
                            heartbeat = interval(Duration::from_millis(welcome.heartbeat_ms.max(100)));
                        }
                        if let Next::Leave { forget } = self.take(message, &mut tasks)? {
                            return Ok(Left { code: if terminated { TERMINATED } else { 0 }, forget });
                        }
                    }
                    Some(Err(status)) if !terminated && refused(&status) => bail!("the driver refused: {}", status.message()),
                    Some(Err(_)) | None => return Ok(Left::with(if terminated { TERMINATED } else { DRIVER_GONE })),
                },
                Some(end) = ends.recv() => {
                    if let Some(end) = tasks.ended(end) {
                        self.send_ends(&out, end, &mut ends, &mut tasks).await;
                    }
                }
                _ = heartbeat.tick() => {
                    let running_tasks = u32::try_from(tasks.running()).unwrap_or(u32::MAX);
                    self.say(&out, Said::Heartbeat(pb::Heartbeat { running_tasks, memory_used_bytes: 0 })).await;
                }
                () = signals.terminate() => {
                    if std::mem::replace(&mut terminated, true) {
                        return Ok(Left::with(TERMINATED));
                    }
                    tracing::info!("told to end: {} tasks are on their way", tasks.running());
                    let reason = "it was told to end".to_owned();
                    self.say(&out, Said::Decommission(pb::Decommission { reason })).await;
                }
            }
        }
    }

    /// Registers with the driver; the answer is what it says from then on.
    async fn join(
        &self,
        out: &mpsc::Sender<pb::FromExecutor>,
        outgoing: mpsc::Receiver<pb::FromExecutor>,
    ) -> Result<tonic::Streaming<pb::ToExecutor>> {
        self.say(out, Said::Register(self.registration().await?)).await;
        self.attach(outgoing).await
    }

    async fn registration(&self) -> Result<pb::Register> {
        let catalogue = Arc::clone(&self.catalogue);
        let inventory = tokio::task::spawn_blocking(move || catalogue.inventory()).await??;
        for damaged in &inventory.damaged {
            tracing::warn!("a map output on this volume is not usable: {damaged}");
        }
        let volume = self.settings.volume.volume.clone();
        Ok(pb::Register {
            executor: self.settings.executor.0,
            host: self.settings.host.clone(),
            slots: self.settings.slots,
            block_address: self.block_address.clone(),
            version: VERSION.to_owned(),
            volumes: vec![(volume, inventory.outputs).into()],
            process_id: std::process::id(),
        })
    }

    /// Dials the driver, which may not be there yet.
    async fn attach(
        &self,
        outgoing: mpsc::Receiver<pb::FromExecutor>,
    ) -> Result<tonic::Streaming<pb::ToExecutor>> {
        let endpoint = self
            .credentials
            .endpoint(&self.settings.driver)?
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_PATIENCE);
        let deadline = Instant::now() + PATIENCE;
        let mut wait = Duration::from_millis(20);
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(error) if Instant::now() + wait > deadline => {
                    return Err(error)
                        .context(format!("connecting to the driver at {}", self.settings.driver));
                }
                Err(_) => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(2));
                }
            }
        };
        let mut client =
            ExecutorsClient::with_interceptor(channel, self.credentials.token.sender())
                .max_decoding_message_size(proto::MESSAGE_LIMIT);
        let stream = client.attach(ReceiverStream::new(outgoing)).await;
        Ok(stream
            .map_err(|status| anyhow::anyhow!("the driver refused: {}", status.message()))?
            .into_inner())
    }

    async fn say(&self, out: &mpsc::Sender<pb::FromExecutor>, message: Said) {
        // If the stream is gone, the inbox tells.
        let _ = out
            .send(pb::FromExecutor { epoch: self.settings.epoch.0, message: Some(message) })
            .await;
    }

    /// Sends an end and all others that have come meanwhile.
    async fn send_ends(
        &self,
        out: &mpsc::Sender<pb::FromExecutor>,
        first: End,
        more: &mut mpsc::UnboundedReceiver<End>,
        tasks: &mut Tasks,
    ) {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(end) = next {
            let (parts, end) = messages(end);
            for part in parts {
                self.say(out, Said::Part(part)).await;
            }
            batch.push(end);
            next = None;
            while batch.len() < BATCH && next.is_none() {
                let Ok(end) = more.try_recv() else { break };
                next = tasks.ended(end);
            }
        }
        self.say(out, Said::Ends(pb::TaskEnds { ends: batch })).await;
    }

    fn take(&self, message: Option<Told>, tasks: &mut Tasks) -> Result<Next> {
        match message {
            Some(Told::Work(work)) => {
                self.work(work, tasks)?;
                Ok(Next::GoOn)
            }
            Some(Told::Leave(leave)) => {
                tracing::info!("leaving: {}", leave.reason);
                Ok(Next::Leave { forget: leave.forget })
            }
            Some(Told::Welcome(_)) | None => Ok(Next::GoOn),
        }
    }

    /// Takes a batch in the order that the protocol gives.
    fn work(&self, work: pb::Work, tasks: &mut Tasks) -> Result<(), BadField> {
        let pb::Work { stages, outputs, launches, cancels, forget, discards } = work;
        for stage in stages {
            tasks.add_stage(stage)?;
        }
        for pb::MapOutputs { shuffle, generation: _, outputs } in outputs {
            let shuffle = proto::shuffle_id(&shuffle, "MapOutputs.shuffle")?;
            let mut all = Vec::with_capacity(outputs.len());
            for pb::map_outputs::Located { output, addresses } in outputs {
                let output: MapOutput = output.ok_or(BadField("Located.output"))?.try_into()?;
                self.locations.set(output.volume.clone(), addresses);
                all.push(output);
            }
            tasks.set_outputs(shuffle, all);
        }
        for discard in discards {
            self.discard(&discard.try_into()?);
        }
        for pb::Cancel { attempt, reason } in cancels {
            tasks.cancel(attempt.ok_or(BadField("Cancel.attempt"))?.into(), reason);
        }
        for launch in launches {
            tasks.launch(launch);
        }
        for stage in forget {
            tasks.forget(StageId(stage));
        }
        Ok(())
    }

    /// Removes a map output that must not be used again, so that another attempt can commit in its place.
    fn discard(&self, output: &MapOutput) {
        if let Some(volume) = self.catalogue.volume(&output.volume)
            && let Err(error) = volume.remove(&output.into())
        {
            tracing::warn!("a discarded map output could not be removed: {error}");
        }
    }
}

fn refused(status: &tonic::Status) -> bool {
    matches!(
        status.code(),
        tonic::Code::FailedPrecondition
            | tonic::Code::Unauthenticated
            | tonic::Code::InvalidArgument
    )
}

/// The signals that an executor minds. An interrupt goes to all processes of a terminal and is the program's to answer.
#[derive(Debug)]
pub(crate) struct Signals {
    _interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Must be called in a runtime. A signal that comes before is lost where this process is the first of a container.
    pub(crate) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            _interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn terminate(&mut self) {
        self.terminate.recv().await;
    }
}
