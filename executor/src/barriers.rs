//! Waits of tasks for the others of their barrier stage: functions ask here, the stream to the
//! driver carries the question, and the driver answers when all have asked.

use crate::python::Barriers;
use model::Attempt;
use model::executor::BarrierAnswer;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

type Messages = Result<Vec<String>, String>;

/// Where functions ask.
#[derive(Debug)]
pub(crate) struct BarrierDoor(mpsc::UnboundedSender<BarrierAsk>);

/// A question on its way to the driver.
#[derive(Debug)]
pub(crate) struct BarrierAsk {
    pub attempt: Attempt,
    /// What it tells the others, if each is to get the messages of all.
    pub message: Option<String>,
    answer: oneshot::Sender<Messages>,
}

/// The attempts that wait.
#[derive(Debug, Default)]
pub(crate) struct Waits(BTreeMap<Attempt, oneshot::Sender<Messages>>);

/// A door, and where its questions come out.
pub(crate) fn door() -> (BarrierDoor, mpsc::UnboundedReceiver<BarrierAsk>) {
    let (sender, asked) = mpsc::unbounded_channel();
    (BarrierDoor(sender), asked)
}

#[async_trait::async_trait]
impl Barriers for BarrierDoor {
    async fn gather(&self, attempt: Attempt, message: Option<String>) -> Messages {
        let (answer, answered) = oneshot::channel();
        let ending = || "the executor is ending".to_owned();
        self.0.send(BarrierAsk { attempt, message, answer }).map_err(|_| ending())?;
        answered.await.map_err(|_| ending())?
    }
}

impl Waits {
    /// Keeps a question until it is answered. Returns what the driver is asked.
    pub(crate) fn keep(&mut self, ask: BarrierAsk) -> (Attempt, Option<String>) {
        let BarrierAsk { attempt, message, answer } = ask;
        self.0.insert(attempt, answer);
        (attempt, message)
    }

    /// Passes an answer on.
    pub(crate) fn answer(&mut self, BarrierAnswer { attempt, messages }: BarrierAnswer) {
        // Whoever asked may have been stopped.
        let _ = self.0.remove(&attempt).map(|waiting| waiting.send(messages));
    }

    /// Drops the question of an attempt that has ended.
    pub(crate) fn clear(&mut self, attempt: Attempt) {
        self.0.remove(&attempt);
    }
}
