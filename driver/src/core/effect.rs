//! What the core wants to happen outside of it.

use crate::message::{Answer, Connection, JobEnd, Progress, Refusal, ToManager};
use model::executor::{AccumulatorUpdate, ToExecutor};

/// Something to carry out, in the order of its turn. None waits for anybody, and what cannot be
/// carried out comes back as a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Takes an executor in. What it is told follows.
    Accept { connection: Connection },
    /// Sends an executor away that may not attach.
    Refuse { connection: Connection, refusal: Refusal },
    /// Puts a message into the stream to an executor.
    TellExecutor { connection: Connection, message: ToExecutor },
    /// Ends the stream to an executor, after what was put into it.
    CloseExecutor { connection: Connection },
    /// Puts a message into the stream to the cluster manager.
    TellManager { serial: u64, message: ToManager },
    /// Ends the stream to a cluster manager, after what was put into it.
    CloseManager { serial: u64 },
    /// Shows whoever watches an operation how far it is.
    ShowProgress { operation: u64, progress: Progress },
    /// Answers a submission. Exactly once for each. A failed job's tasks that succeeded have added
    /// to accumulators all the same.
    EndJob { ticket: u64, end: JobEnd, accumulators: Vec<AccumulatorUpdate> },
    /// Answers a question.
    Answer { ticket: u64, answer: Answer },
    /// Says that the driver should end, and why. At most once.
    WantEnd { reason: String },
    /// The last effect of all: everybody has been told.
    Ended,
}
