//! Why a task ended without success. The scheduler decides by these, so they are data from where they happen to where they count.

use crate::{Attempt, MapOutput, MapOutputId, VolumeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskFailure {
    /// Map outputs could not be read: their writers must run again. Does not count against this task.
    FetchFailed {
        /// All that the reader found to be so, the one that it met first in front. Never empty.
        unreadable: Vec<Unreadable>,
        /// What was wrong with the first, for people.
        message: String,
    },
    /// The executor went away. `app_caused`: by something the program did (a crash, out of memory), so that it counts.
    ExecutorLost {
        /// Whether it counts against the task.
        app_caused: bool,
        /// What happened to it.
        reason: String,
    },
    /// The program's code or data raised an error. Counts.
    Raised(RaisedError),
    /// The attempt was told to stop. Does not count.
    Killed {
        /// Why.
        reason: String,
    },
    /// The attempt finished, but another had the right to commit. Does not count.
    CommitDenied,
    /// It cannot be tried again with another outcome: a plan that does not decode, an output that is there already.
    Hopeless {
        /// What is wrong.
        message: String,
    },
}

/// An error that the program's code or data raised, as it travels from the task to the program.
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
    /// An error that has a message only.
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
    /// Where they were to be read.
    pub volume: VolumeId,
    /// What was wrong.
    pub problem: BlockProblem,
}

impl Unreadable {
    /// What is wrong with an output.
    pub fn new(output: &MapOutput, problem: BlockProblem) -> Self {
        let MapOutput { id, attempt, volume, .. } = output;
        Self { output: *id, written_by: *attempt, volume: volume.clone(), problem }
    }
}

/// What was wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockProblem {
    /// The file or its manifest is not there.
    Missing,
    /// It is there, and its checksum or its structure is wrong.
    Damaged,
    /// It could not be reached or read in time.
    Unreachable,
}

impl TaskFailure {
    /// An error of the program's code or data that has a message only.
    pub fn raised(message: impl Into<String>) -> Self {
        Self::Raised(RaisedError::plain(message))
    }

    /// Whether it counts towards `spark.task.maxFailures`.
    pub fn counts(&self) -> bool {
        match self {
            Self::Raised(_) | Self::Hopeless { .. } => true,
            Self::ExecutorLost { app_caused, .. } => *app_caused,
            Self::FetchFailed { .. } | Self::Killed { .. } | Self::CommitDenied => false,
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
        }
    }
}
