//! Why a task ended without success. The scheduler decides by these, so they are data from where they happen to where they count.

use crate::{Attempt, MapOutputId, VolumeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskFailure {
    /// A map output could not be read: its writer must run again. Does not count against this task.
    FetchFailed {
        /// The map output.
        output: MapOutputId,
        /// The attempt whose bytes were to be read.
        written_by: Attempt,
        /// Where they were to be read.
        volume: VolumeId,
        /// What was wrong.
        problem: BlockProblem,
        /// The same for people.
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
    Raised {
        /// Spark's error class (`DIVIDE_BY_ZERO`), if it has one.
        class: Option<String>,
        /// The whole message.
        message: String,
    },
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
    /// Whether it counts towards `spark.task.maxFailures`.
    pub fn counts(&self) -> bool {
        match self {
            Self::Raised { .. } | Self::Hopeless { .. } => true,
            Self::ExecutorLost { app_caused, .. } => *app_caused,
            Self::FetchFailed { .. } | Self::Killed { .. } | Self::CommitDenied => false,
        }
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FetchFailed { output, written_by, volume, message, .. } => {
                let map = output.map;
                write!(
                    f,
                    "map output {map} of {written_by} on volume {volume} could not be read: {message}"
                )
            }
            Self::ExecutorLost { reason, .. } => write!(f, "the executor was lost: {reason}"),
            Self::Raised { message, .. } | Self::Hopeless { message } => f.write_str(message),
            Self::Killed { reason } => write!(f, "killed: {reason}"),
            Self::CommitDenied => f.write_str("another attempt had committed"),
        }
    }
}
