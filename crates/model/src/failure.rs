//! Failures of tasks. The scheduler decides by them, so they are data from where they happen to
//! where they count.

use crate::{Attempt, Epoch, MapOutput, MapOutputId, VolumeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskFailure {
    /// Map outputs could not be read: their writers must run again. Does not count against this
    /// task.
    FetchFailed {
        /// All unreadable outputs that the reader found, the first one met first. Never empty.
        unreadable: Vec<Unreadable>,
        /// The first one's problem, for people.
        message: String,
    },
    /// The executor was lost. Counts if the program caused it (a crash, out of memory).
    ExecutorLost {
        /// Whether it counts against the task.
        app_caused: bool,
        /// The reason.
        reason: String,
    },
    /// The program's code or data raised an error. Counts.
    Raised(RaisedError),
    /// The attempt was stopped on request. Does not count.
    Killed {
        /// The reason.
        reason: String,
    },
    /// The attempt finished, but another had committed first. Does not count.
    CommitDenied,
    /// A newer driver of the application has taken over the volume: what this one's attempts write
    /// does not count any more, whatever runs it. Does not count.
    Fenced {
        /// The lowest epoch whose attempts may commit.
        fence: Epoch,
    },
    /// A retry would fail in the same way: a plan that does not decode, an output that already
    /// exists.
    Hopeless {
        /// The problem.
        message: String,
    },
}

/// An error raised by the program's code or data, as it travels from the task to the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaisedError {
    /// Spark's error class (`DIVIDE_BY_ZERO`), if it has one.
    pub class: Option<String>,
    /// Name of the exception that it becomes, if it has a class.
    pub exception: Option<String>,
    /// The message as a sentence, without class and state.
    pub message: String,
    /// Parameters of the class's message, by name.
    pub parameters: Vec<(String, String)>,
}

impl RaisedError {
    /// An error with only a message.
    pub fn plain(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { class: None, exception: None, message, parameters: Vec::new() }
    }
}

impl fmt::Display for RaisedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = &self.class {
            write!(f, "[{class}] ")?;
        }
        f.write_str(&self.message)
    }
}

/// A map output that a reader could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The map output.
    pub output: MapOutputId,
    /// The attempt whose bytes were to be read.
    pub written_by: Attempt,
    /// The volume that it was to be read from.
    pub volume: VolumeId,
    /// The problem.
    pub problem: BlockProblem,
}

impl Unreadable {
    /// An output with a problem.
    pub fn new(output: &MapOutput, problem: BlockProblem) -> Self {
        let MapOutput { id, attempt, volume, .. } = output;
        Self { output: *id, written_by: *attempt, volume: volume.clone(), problem }
    }
}

/// A problem with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockProblem {
    /// The file or its manifest does not exist.
    Missing,
    /// It exists, but its checksum or structure is wrong.
    Damaged,
    /// It could not be reached or read in time.
    Unreachable,
}

impl TaskFailure {
    /// An error of the program's code or data with only a message.
    pub fn raised(message: impl Into<String>) -> Self {
        Self::Raised(RaisedError::plain(message))
    }

    /// Whether it counts towards `spark.task.maxFailures`.
    pub fn counts(&self) -> bool {
        match self {
            Self::Raised(_) | Self::Hopeless { .. } => true,
            Self::ExecutorLost { app_caused, .. } => *app_caused,
            Self::FetchFailed { .. }
            | Self::Killed { .. }
            | Self::CommitDenied
            | Self::Fenced { .. } => false,
        }
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FetchFailed { unreadable, message } => {
                let more = unreadable.len().saturating_sub(1);
                if let Some(Unreadable { output, written_by, volume, .. }) = unreadable.first() {
                    let map = output.map;
                    write!(f, "map output {map} of {written_by} on volume {volume}")?;
                }
                match more {
                    0 => write!(f, " could not be read: {message}"),
                    more => write!(f, " (and {more} more) could not be read: {message}"),
                }
            }
            Self::ExecutorLost { reason, .. } => write!(f, "the executor was lost: {reason}"),
            Self::Raised(error) => write!(f, "{error}"),
            Self::Hopeless { message } => f.write_str(message),
            Self::Killed { reason } => write!(f, "killed: {reason}"),
            Self::CommitDenied => f.write_str("another attempt had committed"),
            Self::Fenced { fence } => {
                write!(f, "a newer driver of this application, {fence}, has taken over")
            }
        }
    }
}
