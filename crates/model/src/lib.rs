//! The vocabulary of the domain: ids, small values, typed settings. No I/O, no behaviour.

mod added_file;
mod failure;
mod id;
mod map_output;
mod metrics;
mod profile;
mod properties;
mod size;

pub mod conf;
pub mod executor;
pub mod launch;

pub use added_file::{AddedFile, FileKind};
pub use failure::{BlockProblem, RaisedError, TaskFailure, Unreadable};
pub use id::{
    ApplicationId, Attempt, CacheId, Epoch, ExecutorId, Fingerprint, JobId, ParseFingerprintError,
    ShuffleId, StageId, TaskId, VolumeId,
};
pub use map_output::{MapOutput, MapOutputId};
pub use metrics::TaskMetrics;
pub use profile::{ExecutorRequest, ProfileId, ResourceProfile};
pub use properties::Properties;
pub use size::{ByteSize, ParseSizeError};
