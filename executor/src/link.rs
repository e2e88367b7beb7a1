//! The one stream to the driver: registers, takes work, sends ends in batches and heartbeats in
//! between.

use crate::barriers::{BarrierAsk, Waits};
use crate::blocks::Locations;
use crate::moves::Moves;
use crate::reaper;
use crate::slots::Slots;
use crate::tasks::{Effect, Tasks, split};
use crate::{Mount, NO_LOCAL_DIRECTORY, Settings};
use anyhow::{Context, Result, bail};
use model::executor::{Outcome, Registration, Report, TaskEnd, ToExecutor, Work};
use model::{MapOutput, VolumeId};
use proto::pb::executors_client::ExecutorsClient;
use proto::pb::from_executor::Message;
use proto::{Credentials, pb};
use shuffle::{Catalogue, FileError, Inventory, Volume};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// How long the driver may be out of reach at the start.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between the pings by which a driver is noticed that is gone without a word, and how long it
/// may take to answer one.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(20);
pub(crate) const PING_PATIENCE: Duration = Duration::from_mins(2);
/// Shortest time between heartbeats, whatever the driver asks for.
const LEAST_HEARTBEAT: Duration = Duration::from_millis(100);
/// Ends that travel in one message.
const BATCH: usize = 1024;
/// Exit code of an executor whose driver is gone.
const DRIVER_GONE: u8 = 56;
/// Exit code of an executor that cannot stop a task; Spark's own for what it does not catch.
const TASK_NOT_STOPPED: u8 = 50;
/// Exit code of an executor that was told to end.
const TERMINATED: u8 = 143;

/// How long a file that is being written may lie untouched.
const LEFTOVERS_KEPT: Duration = Duration::from_hours(24);

/// Outputs of other applications that are looked at; of more, the newest ones.
const FOREIGN_OUTPUTS: usize = 100_000;

/// This executor's side of the stream.
#[derive(Debug)]
pub(crate) struct Link {
    pub settings: Settings,
    pub credentials: Credentials,
    /// Where peers fetch blocks: `host:port`.
    pub block_address: String,
    pub catalogue: Arc<Catalogue>,
    pub locations: Arc<Locations>,
    pub slots: Slots,
    pub tasks: Tasks,
    pub waits: Waits,
    pub moves: Moves,
}

/// What comes from the threads of this executor.
#[derive(Debug)]
pub(crate) struct Channels {
    /// Attempts that ended.
    pub ends: mpsc::UnboundedReceiver<TaskEnd>,
    /// Attempts that wait for the others of their barrier stage.
    pub asked: mpsc::UnboundedReceiver<BarrierAsk>,
    /// Ends of copies of map outputs.
    pub moved: mpsc::UnboundedReceiver<Report>,
    /// The volume is gone.
    pub gone: mpsc::Receiver<()>,
}

/// Heartbeats and their answers, by which a driver that is out of reach differs from one that has
/// nothing to say.
///
/// Silence is counted in heartbeats and not in time, so that an executor that stood still does not
/// take that for the driver's silence.
#[derive(Debug)]
struct Pulse {
    every: Duration,
    timeout: Option<Duration>,
    unanswered: u32,
}

impl Pulse {
    /// Before the driver says what it expects.
    fn new() -> Self {
        Self { every: Duration::from_secs(10), timeout: None, unanswered: 0 }
    }

    fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// A heartbeat is due. Returns whether the driver is out of reach.
    fn beat(&mut self) -> bool {
        let silence = self.every * self.unanswered;
        self.unanswered = self.unanswered.saturating_add(1);
        self.timeout.is_some_and(|timeout| silence > timeout)
    }
}

fn beats(every: Duration) -> Interval {
    let mut beats = interval(every);
    // One that stood still does not beat for all the time that it missed.
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
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

    fn without_volume() -> Self {
        tracing::error!("the volume for map outputs has vanished");
        Self::with(NO_LOCAL_DIRECTORY)
    }
}

impl Link {
    /// Serves the driver until it lets this executor go. Returns how it left.
    ///
    /// Who is told to end by a signal asks to be let go, so that what runs here is not lost; a
    /// second signal ends it at once.
    pub(crate) async fn serve(mut self, channels: Channels, mut signals: Signals) -> Result<Left> {
        let Channels { mut ends, mut asked, mut moved, mut gone } = channels;
        let (out, outgoing) = mpsc::channel(64);
        let mut inbox = tokio::select! {
            joined = self.join(&out, outgoing) => joined?,
            () = signals.terminate() => return Ok(Left::with(TERMINATED)),
        };
        let mut pulse = Pulse::new();
        let mut heartbeat = beats(pulse.every);
        let mut polls = self.slots.reaper.polls();
        let mut terminated = false;
        loop {
            tokio::select! {
                received = inbox.next() => match received.inspect(|_| pulse.heard()) {
                    Some(Ok(message)) => match self.parse(message)? {
                        None => {}
                        Some(ToExecutor::Welcome { heartbeat: every, timeout }) => {
                            pulse.every = every.max(LEAST_HEARTBEAT);
                            pulse.timeout = Some(timeout);
                            heartbeat = beats(pulse.every);
                        }
                        Some(ToExecutor::Work(work)) => self.work(&out, work).await,
                        Some(ToExecutor::Leave { reason, forget }) => {
                            tracing::info!("leaving: {reason}");
                            return Ok(Left { code: if terminated { TERMINATED } else { 0 }, forget });
                        }
                    },
                    Some(Err(status)) if !terminated && refused(&status) => bail!("the driver refused: {}", status.message()),
                    Some(Err(_)) | None => return Ok(Left::with(if terminated { TERMINATED } else { DRIVER_GONE })),
                },
                // Whatever fails without a volume says nothing of the program.
                Some(end) = ends.recv() => {
                    if matches!(end.outcome, Outcome::Failed(_)) && self.has_lost_volume() {
                        return Ok(Left::without_volume());
                    }
                    if let Some(end) = self.ended(end) {
                        self.send_ends(&out, end, &mut ends).await;
                    }
                }
                Some(ask) = asked.recv() => {
                    let (attempt, message) = self.waits.keep(ask);
                    self.say(&out, Report::Barrier { attempt, message }).await;
                }
                Some(()) = gone.recv() => return Ok(Left::without_volume()),
                Some(report) = moved.recv() => self.say(&out, report).await,
                _ = heartbeat.tick() => {
                    if pulse.beat() {
                        tracing::warn!("the driver does not answer heartbeats");
                        return Ok(Left::with(DRIVER_GONE));
                    }
                    let running_tasks = u32::try_from(self.tasks.running()).unwrap_or(u32::MAX);
                    let progress = self.slots.progress(pulse.every);
                    self.say(&out, Report::Heartbeat { running_tasks, progress }).await;
                }
                () = reaper::next(&mut polls) => {
                    if let Some(why) = self.slots.reaper.check() {
                        tracing::error!("ending this executor: {why}");
                        return Ok(Left::with(TASK_NOT_STOPPED));
                    }
                }
                () = signals.terminate() => {
                    if std::mem::replace(&mut terminated, true) {
                        return Ok(Left::with(TERMINATED));
                    }
                    tracing::info!("told to end: {} tasks are on their way", self.tasks.running());
                    let reason = "it was told to end".to_owned();
                    self.say(&out, Report::Decommission { reason }).await;
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
        let registration = self.registration().await?;
        self.say(out, Message::Register(registration.into())).await;
        self.attach(outgoing).await
    }

    async fn registration(&self) -> Result<Registration> {
        let catalogue = Arc::clone(&self.catalogue);
        let look = move || Ok::<_, FileError>((inventory(&catalogue)?, foreign(&catalogue)));
        let (inventory, foreign) = tokio::task::spawn_blocking(look).await??;
        for damaged in &inventory.damaged {
            tracing::warn!("a map output on this volume is not usable: {damaged}");
        }
        let Mount { volume, private, .. } = self.settings.volume.clone();
        Ok(Registration {
            executor: self.settings.executor,
            host: self.settings.host.clone(),
            profile: self.settings.profile,
            slots: self.settings.slots,
            block_address: self.block_address.clone(),
            private: private.then(|| volume.clone()).into_iter().collect(),
            // The own outputs come first: of two equal ones they count.
            volumes: std::iter::once((volume, inventory.outputs)).chain(foreign).collect(),
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

    async fn say(&self, out: &mpsc::Sender<pb::FromExecutor>, message: impl Into<Message>) {
        let message = Some(message.into());
        // If the stream is gone, the inbox tells.
        let _ = out.send(pb::FromExecutor { epoch: self.settings.epoch.0, message }).await;
    }

    /// Sends an end and all others that have come meanwhile.
    async fn send_ends(
        &mut self,
        out: &mpsc::Sender<pb::FromExecutor>,
        first: TaskEnd,
        more: &mut mpsc::UnboundedReceiver<TaskEnd>,
    ) {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(mut end) = next {
            for part in split(&mut end, proto::ROWS_PART_BYTES) {
                self.say(out, part).await;
            }
            batch.push(end);
            next = None;
            while batch.len() < BATCH && next.is_none() {
                let Ok(end) = more.try_recv() else { break };
                next = self.ended(end);
            }
        }
        self.say(out, Report::Ends(batch)).await;
    }

    fn has_lost_volume(&self) -> bool {
        self.catalogue.own().any(Volume::is_gone)
    }

    fn ended(&mut self, end: TaskEnd) -> Option<TaskEnd> {
        self.slots.clear(end.attempt);
        self.waits.clear(end.attempt);
        let first = self.tasks.ended(end);
        for start in self.tasks.ready() {
            self.slots.start(start);
        }
        first
    }

    /// The message of a driver of the right epoch.
    fn parse(&self, message: pb::ToExecutor) -> Result<Option<ToExecutor>> {
        let pb::ToExecutor { epoch, message } = message;
        if epoch != self.settings.epoch.0 {
            bail!("the driver is of epoch {epoch}, this executor serves {}", self.settings.epoch);
        }
        Ok(message.map(ToExecutor::try_from).transpose()?)
    }

    /// Takes a batch and carries out what follows from it.
    async fn work(&mut self, out: &mpsc::Sender<pb::FromExecutor>, work: Work) {
        let mut unstarted = Vec::new();
        for effect in self.tasks.take(work) {
            match effect {
                Effect::Locate(places) => {
                    for (output, addresses) in &places.outputs {
                        self.locations.set(output.volume.clone(), addresses.clone());
                    }
                }
                Effect::Discard(output) => self.discard(&output),
                Effect::Start(start) => self.slots.start(start),
                Effect::Stop { attempt, reason } => self.slots.stop(attempt, reason),
                Effect::Report(end) => unstarted.push(end),
                Effect::Forget(stage) => self.slots.forget(stage),
                Effect::Answer(answer) => self.waits.answer(answer),
                Effect::Move(output, addresses) => {
                    self.locations.set(output.volume.clone(), addresses);
                    self.moves.start(output);
                }
            }
        }
        if !unstarted.is_empty() {
            self.say(out, Report::Ends(unstarted)).await;
        }
    }

    /// Removes a map output that must not be used again, so that another attempt can commit in its
    /// place.
    fn discard(&self, output: &MapOutput) {
        if let Some(volume) = self.catalogue.volume(&output.volume)
            && let Err(error) = volume.remove(&output.into())
        {
            tracing::warn!("a discarded map output could not be removed: {error}");
        }
    }
}

/// The outputs on the volumes. What writers that were killed left there long ago is deleted, and so
/// are shuffles without any output.
fn inventory(catalogue: &Catalogue) -> Result<Inventory, FileError> {
    let inventory = catalogue.inventory()?;
    for volume in catalogue.own() {
        let on = inventory.outputs.iter().filter(|output| output.volume == *volume.id());
        let keep = on.map(|output| output.id.shuffle).collect();
        let swept = volume.sweep(&keep, SystemTime::now() - LEFTOVERS_KEPT)?;
        for error in swept.failed {
            tracing::warn!("{error}");
        }
    }
    Ok(inventory)
}

/// What other applications have that this one may read, by volume.
fn foreign(catalogue: &Catalogue) -> Vec<(VolumeId, Vec<MapOutput>)> {
    let found = catalogue.foreign_outputs(FOREIGN_OUTPUTS);
    if !found.is_empty() {
        let outputs: usize = found.values().map(Vec::len).sum();
        tracing::info!("{outputs} map outputs on {} volumes of other applications", found.len());
    }
    found.into_iter().collect()
}

fn refused(status: &tonic::Status) -> bool {
    matches!(
        status.code(),
        tonic::Code::FailedPrecondition
            | tonic::Code::Unauthenticated
            | tonic::Code::InvalidArgument
    )
}

/// The signals that an executor minds. An interrupt goes to all processes of a terminal and is the
/// program's to answer.
#[derive(Debug)]
pub(crate) struct Signals {
    _interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// Spark's signal for the same.
    power: tokio::signal::unix::Signal,
}

impl Signals {
    /// Must be called in a runtime. A signal that comes before is lost where this process is the
    /// first of a container.
    pub(crate) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            _interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            power: signal(SignalKind::from_raw(rustix::process::Signal::POWER.as_raw()))?,
        })
    }

    async fn terminate(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.power.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_answers_no_heartbeat_in_time_is_out_of_reach() {
        let mut pulse = Pulse::new();
        // Nothing was agreed upon yet.
        assert!((0..100).all(|_| !pulse.beat()));
        (pulse.every, pulse.timeout) = (Duration::from_secs(1), Some(Duration::from_secs(3)));
        pulse.heard();
        assert_eq!([(); 5].map(|()| pulse.beat()), [false, false, false, false, true]);
        pulse.heard();
        assert_eq!([(); 4].map(|()| pulse.beat()), [false; 4]);
    }
}
