//! One execution: its answers, kept until the client has released them, and the client's position
//! in them.
//!
//! Answers are numbered from 0. Unsent answers are bounded by making the writer wait; sent ones are
//! kept for a client that reattaches, bounded by dropping the oldest. At most one stream is
//! attached; a new one displaces the old one.

use crate::error;
use crate::pb::get_status_response::operation_status::OperationState;
use crate::pb::{self, ExecutePlanResponse};
use model::Properties;
use plan::SparkError;
use prost::Message;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;

/// Bytes of unsent answers from which the writer has to wait.
const UNSENT_BYTES: usize = 16 << 20;
/// Bytes of sent answers kept for a client that reattaches.
const KEPT_BYTES: usize = 32 << 20;
/// Lifetime of an operation without a client.
const ABANDONED_AFTER: Duration = Duration::from_mins(5);
/// How long an operation computes for a client whose stream broke. A client that lives reattaches
/// within a fraction of it.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// Identity of an operation, and its request.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) tags: Vec<String>,
    pub(crate) properties: Properties,
    pub(crate) reattachable: bool,
    /// The request, by which a repeated one is distinguished from another with the same id.
    pub(crate) plan: Option<pb::Plan>,
}

/// A request to stop an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopRequest {
    None,
    Interrupt,
    Release,
}

/// One execution.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) identity: Identity,
    /// Prefix of its answers' ids, so that those of an earlier execution with the same id are not
    /// mistaken for its own.
    run: String,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    stop: watch::Sender<StopRequest>,
}

#[derive(Debug)]
struct State {
    answers: VecDeque<ExecutePlanResponse>,
    /// Number of the first answer kept.
    first: u64,
    /// Number after the last answer sent.
    sent: u64,
    sent_bytes: usize,
    unsent_bytes: usize,
    end: Option<End>,
    client: Client,
    /// Number of streams attached so far; the last one is current.
    streams: u64,
}

#[derive(Debug)]
enum Client {
    Attached,
    /// Its stream ended as announced; it is expected back.
    Away(Instant),
    /// Its stream broke.
    Lost(Instant),
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// By this server: all is sent, or the stream's time or size is used up.
    Complete,
    /// By the client, or because the connection is gone.
    Broken,
}

/// Outcome of an execution.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Succeeded,
    Failed(Status),
    Canceled(Status),
}

/// A stream's next step.
#[derive(Debug)]
pub(crate) enum Step {
    Send(Box<ExecutePlanResponse>),
    Wait,
    Finished,
    Failed(Status),
    /// Another stream took over, or the answer is no longer kept.
    Refused(SparkError),
}

/// A stream's position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) next: u64,
    stream: u64,
}

impl Execution {
    pub(crate) fn new(identity: Identity) -> Self {
        let state = State {
            answers: VecDeque::new(),
            first: 0,
            sent: 0,
            sent_bytes: 0,
            unsent_bytes: 0,
            end: None,
            client: Client::Away(Instant::now()),
            streams: 0,
        };
        Self {
            identity,
            run: uuid::Uuid::new_v4().to_string(),
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
            stop: watch::Sender::new(StopRequest::None),
        }
    }

    /// Adds an answer once there is room for it.
    pub(crate) async fn push(&self, answer: ExecutePlanResponse) {
        self.append(answer, None).await;
    }

    /// Adds the last answer. A client that has seen it must not find the operation running, so both
    /// happen at once.
    pub(crate) async fn complete(&self, answer: ExecutePlanResponse) {
        self.append(answer, Some(End::Succeeded)).await;
    }

    async fn append(&self, mut answer: ExecutePlanResponse, end: Option<End>) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            {
                let mut state = self.lock();
                if state.unsent_bytes < UNSENT_BYTES {
                    let number = state.first + state.answers.len() as u64;
                    answer.response_id = format!("{}-{number}", self.run);
                    state.unsent_bytes += answer.encoded_len();
                    state.answers.push_back(answer);
                    state.end = state.end.take().or(end);
                    break;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
        self.changed.send_replace(());
    }

    /// Ends the execution; the first end counts.
    pub(crate) fn finish(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.send_replace(());
    }

    /// Attaches a stream that starts after an answer, or at the beginning.
    pub(crate) fn attach(&self, after: Option<&str>) -> Result<Place, SparkError> {
        let next = match after {
            None => 0,
            Some(id) => self.number(id).ok_or_else(|| error::position_unknown(id))? + 1,
        };
        let mut state = self.lock();
        if next < state.first {
            return Err(error::position_gone(after.unwrap_or("(none)")));
        }
        if next > state.sent {
            return Err(error::position_unknown(after.unwrap_or("(none)")));
        }
        state.streams += 1;
        state.client = Client::Attached;
        let place = Place { next, stream: state.streams };
        drop(state);
        self.changed.send_replace(());
        Ok(place)
    }

    /// Detaches a stream.
    pub(crate) fn detach(&self, place: Place, end: StreamEnd) {
        let mut state = self.lock();
        if state.streams == place.stream {
            state.client = match end {
                StreamEnd::Complete => Client::Away(Instant::now()),
                StreamEnd::Broken => Client::Lost(Instant::now()),
            };
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// The next step of a stream at this position.
    pub(crate) fn step(&self, place: Place) -> Step {
        let mut state = self.lock();
        if state.streams != place.stream {
            return Step::Refused(error::disconnected());
        }
        let Some(index) = place.next.checked_sub(state.first) else {
            return Step::Refused(error::position_gone(&format!("{}-{}", self.run, place.next)));
        };
        let answer = usize::try_from(index).ok().and_then(|i| state.answers.get(i)).cloned();
        match (answer, &state.end) {
            (Some(answer), _) => {
                state.mark_sent(place.next, answer.encoded_len());
                state.forget(self.identity.reattachable);
                drop(state);
                self.changed.send_replace(());
                Step::Send(Box::new(answer))
            }
            (None, None) => Step::Wait,
            (None, Some(End::Succeeded)) => Step::Finished,
            (None, Some(End::Failed(status) | End::Canceled(status))) => {
                Step::Failed(status.clone())
            }
        }
    }

    /// Drops answers that the client has released.
    pub(crate) fn release_until(&self, response: &str) {
        let Some(number) = self.number(response) else { return };
        let mut state = self.lock();
        while state.first <= number && state.first < state.sent {
            state.drop_first();
        }
    }

    /// Changes of the state, for waiting streams.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether it can still be stopped.
    pub(crate) fn is_running(&self) -> bool {
        self.lock().end.is_none()
    }

    /// Requests a stop. An interrupt does not undo a release.
    pub(crate) fn request_stop(&self, stop: StopRequest) {
        self.stop.send_if_modified(|current| {
            let stronger = *current != StopRequest::Release && *current != stop;
            if stronger {
                *current = stop;
            }
            stronger
        });
    }

    /// Waits until one of these stops is requested.
    pub(crate) async fn stop_requested(&self, any_of: &[StopRequest]) {
        let mut requests = self.stop.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = requests.wait_for(|w| any_of.contains(w)).await;
    }

    /// Waits until nobody is there to compute for: the client is lost, or has been away for long.
    pub(crate) async fn lost(&self) {
        self.without_client(LOST_AFTER).await;
    }

    /// Waits until no client has been attached for long.
    pub(crate) async fn abandoned(&self) {
        self.without_client(ABANDONED_AFTER).await;
    }

    /// Waits until no client has been attached for long, or for `lost` since its stream broke.
    async fn without_client(&self, lost: Duration) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            let deadline = match self.lock().client {
                Client::Attached => None,
                Client::Away(since) => Some(since + ABANDONED_AFTER),
                Client::Lost(since) => Some(since + lost),
            };
            match deadline {
                None => {
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => {
                    let deadline = tokio::time::sleep_until(deadline);
                    tokio::select! { () = deadline => {} _ = changes.changed() => {} }
                }
            }
        }
    }

    /// When its client detached, if nothing is left to do.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        match (&state.end, &state.client) {
            (Some(_), Client::Away(since) | Client::Lost(since)) => Some(*since),
            _ => None,
        }
    }

    /// The state, for `GetStatus`.
    pub(crate) fn status(&self) -> OperationState {
        match self.lock().end {
            None if *self.stop.borrow() == StopRequest::None => OperationState::Running,
            None => OperationState::Terminating,
            Some(End::Succeeded) => OperationState::Succeeded,
            Some(End::Failed(_)) => OperationState::Failed,
            Some(End::Canceled(_)) => OperationState::Cancelled,
        }
    }

    /// The number in an answer's id, if it is one of ours.
    fn number(&self, response: &str) -> Option<u64> {
        response.strip_prefix(&self.run)?.strip_prefix('-')?.parse().ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No change of the state can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn mark_sent(&mut self, number: u64, bytes: usize) {
        if number >= self.sent {
            self.sent = number + 1;
            self.sent_bytes += bytes;
            self.unsent_bytes = self.unsent_bytes.saturating_sub(bytes);
        }
    }

    /// Drops sent answers, but never the last one: it may have been lost on the way.
    fn forget(&mut self, reattachable: bool) {
        let limit = if reattachable { KEPT_BYTES } else { 0 };
        let last = if reattachable { self.sent.saturating_sub(1) } else { self.sent };
        while self.sent_bytes > limit && self.first < last {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(answer) = self.answers.pop_front() {
            self.first += 1;
            self.sent_bytes = self.sent_bytes.saturating_sub(answer.encoded_len());
        }
    }
}
