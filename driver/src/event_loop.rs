//! The event loop: a thin shell around the core. It reads the clock, owns the channels to all who
//! are told something, and carries the core's effects out in their order. It decides nothing and
//! waits for nobody: what cannot be carried out goes back to the core.

use crate::core::{Core, Effect};
use crate::message::{
    Answer, Connection, Ending, JobAnswer, Message, Progress, Question, Refusal, Submission,
    ToManager,
};
use model::executor::{Registration, ToExecutor};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Inputs that may wait for the event loop. Whoever sends more waits.
pub(crate) const INBOX_LIMIT: usize = 4096;

/// Messages that may wait for one executor, or for the manager. One that does not read its stream
/// that long counts as gone.
pub(crate) const OUTBOX_LIMIT: usize = 1024;

/// Inputs taken from the inbox in one turn.
const TURN: usize = 1024;

/// The way into the event loop.
pub(crate) type Inbox = mpsc::Sender<Input>;

/// A message for the core, with the channels over which it is answered.
#[derive(Debug)]
pub(crate) enum Input {
    /// One that needs none.
    Say(Message),
    Submit {
        submission: Submission,
        answer: oneshot::Sender<JobAnswer>,
        /// Where the progress of its operation is shown.
        progress: Option<Arc<watch::Sender<Progress>>>,
    },
    AttachExecutor {
        serial: u64,
        registration: Registration,
        outbox: mpsc::Sender<ToExecutor>,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    AttachManager {
        serial: u64,
        outbox: mpsc::Sender<ToManager>,
    },
    Ask {
        question: Question,
        answer: oneshot::Sender<Answer>,
    },
    End {
        ending: Ending,
        done: oneshot::Sender<()>,
    },
}

/// Runs until the core has ended. `stop` is told why the driver should end, once it should.
pub(crate) async fn run(
    mut core: Core,
    mut inbox: mpsc::Receiver<Input>,
    stop: watch::Sender<Option<String>>,
) {
    let began = Instant::now();
    let mut channels = Channels::new(stop);
    let mut turn = Vec::with_capacity(TURN);
    while !channels.is_over {
        let deadline = core.next_deadline().map(|after| began + after);
        tokio::select! {
            biased;
            count = inbox.recv_many(&mut turn, TURN) => if count == 0 { return },
            () = until(deadline) => {}
        }
        let now = began.elapsed();
        core.wake(now);
        for input in turn.drain(..) {
            core.handle(now, channels.admit(input));
        }
        loop {
            for effect in core.settle(now) {
                channels.perform(effect);
            }
            if channels.failed.is_empty() {
                break;
            }
            for message in std::mem::take(&mut channels.failed) {
                core.handle(now, message);
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The channels to all who are told something.
#[derive(Debug)]
struct Channels {
    executors: HashMap<Connection, mpsc::Sender<ToExecutor>>,
    registrations: HashMap<Connection, oneshot::Sender<Result<(), Refusal>>>,
    managers: HashMap<u64, mpsc::Sender<ToManager>>,
    jobs: HashMap<u64, oneshot::Sender<JobAnswer>>,
    watchers: HashMap<u64, Arc<watch::Sender<Progress>>>,
    questions: HashMap<u64, oneshot::Sender<Answer>>,
    asked: u64,
    stop: watch::Sender<Option<String>>,
    done: Option<oneshot::Sender<()>>,
    is_over: bool,
    /// What the core has to know of effects that could not be carried out.
    failed: Vec<Message>,
}

impl Channels {
    fn new(stop: watch::Sender<Option<String>>) -> Self {
        Self {
            executors: HashMap::new(),
            registrations: HashMap::new(),
            managers: HashMap::new(),
            jobs: HashMap::new(),
            watchers: HashMap::new(),
            questions: HashMap::new(),
            asked: 0,
            stop,
            done: None,
            is_over: false,
            failed: Vec::new(),
        }
    }

    /// Keeps the channels of an input, and returns the message without them.
    fn admit(&mut self, input: Input) -> Message {
        match input {
            Input::Say(message) => message,
            Input::Submit { submission, answer, progress } => {
                self.jobs.insert(submission.ticket, answer);
                if let Some(progress) = progress {
                    self.watchers.insert(submission.operation.id, progress);
                }
                Message::Submit(submission)
            }
            Input::AttachExecutor { serial, registration, outbox, answer } => {
                let connection = Connection { executor: registration.executor, serial };
                self.executors.insert(connection, outbox);
                self.registrations.insert(connection, answer);
                Message::ExecutorAttached { serial, registration }
            }
            Input::AttachManager { serial, outbox } => {
                self.managers.insert(serial, outbox);
                Message::ManagerAttached { serial }
            }
            Input::Ask { question, answer } => {
                self.asked += 1;
                self.questions.insert(self.asked, answer);
                Message::Asked { ticket: self.asked, question }
            }
            Input::End { ending, done } => {
                self.done = Some(done);
                Message::End { ending }
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Accept { connection } => self.register(connection, Ok(())),
            Effect::Refuse { connection, refusal } => {
                self.executors.remove(&connection);
                self.register(connection, Err(refusal));
            }
            Effect::TellExecutor { connection, message } => self.tell_executor(connection, message),
            Effect::CloseExecutor { connection } => drop(self.executors.remove(&connection)),
            Effect::TellManager { serial, message } => self.tell_manager(serial, message),
            Effect::CloseManager { serial } => drop(self.managers.remove(&serial)),
            Effect::ShowProgress { operation, progress } => self.show(operation, progress),
            Effect::EndJob { ticket, end, accumulators } => {
                // Whoever asked may not wait any more, here and below.
                if let Some(answer) = self.jobs.remove(&ticket) {
                    let _ = answer.send((end, accumulators));
                }
            }
            Effect::Answer { ticket, answer } => {
                if let Some(asked) = self.questions.remove(&ticket) {
                    let _ = asked.send(answer);
                }
            }
            Effect::WantEnd { reason } => drop(self.stop.send_replace(Some(reason))),
            Effect::Ended => {
                self.is_over = true;
                // Whoever wanted the end may have stopped waiting for it.
                let _ = self.done.take().map(|done| done.send(()));
            }
        }
    }

    fn register(&mut self, connection: Connection, answer: Result<(), Refusal>) {
        let accepted = answer.is_ok();
        let waiting = self.registrations.remove(&connection);
        let answered = waiting.is_some_and(|waiting| waiting.send(answer).is_ok());
        if accepted && !answered {
            let reason = "it did not wait for the answer to its registration".to_owned();
            self.failed.push(Message::ExecutorClosed { connection, reason });
        }
    }

    fn tell_executor(&mut self, connection: Connection, message: ToExecutor) {
        let Some(outbox) = self.executors.get(&connection) else { return };
        match outbox.try_send(message) {
            // One whose stream is closed is lost by the message that says so.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => self.failed.push(Message::ExecutorStuck { connection }),
        }
    }

    fn tell_manager(&mut self, serial: u64, message: ToManager) {
        let Some(outbox) = self.managers.get(&serial) else { return };
        if outbox.try_send(message).is_err() {
            tracing::warn!("the cluster manager does not read its stream");
            self.failed.push(Message::ManagerClosed { serial });
        }
    }

    fn show(&mut self, operation: u64, progress: Progress) {
        let watcher = self.watchers.get(&operation).filter(|watcher| !watcher.is_closed());
        if let Some(watcher) = watcher {
            watcher.send_replace(progress);
        } else {
            self.watchers.remove(&operation);
            self.failed.push(Message::Unwatch { operation });
        }
    }
}
