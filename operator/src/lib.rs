//! The operator: everything that creates, changes or deletes pods.
//!
//! This library is its core. A pass is a pure function of the resource, a snapshot of its children,
//! the driver's last report, the time and a fresh token. Its outcome is a status to write first,
//! changes to make next, and a time to requeue. A pass may be repeated, interrupted, or started
//! from a stale snapshot at any point: the status is written only over the version that was read,
//! children have deterministic names, are created but never overwritten, and are deleted by uid.

mod settings;
mod submission;

pub mod names;
pub mod objects;
pub mod observe;
pub mod plan;
pub mod run;
pub mod schedule;

pub use settings::Settings;
pub use submission::{BadSubmissionId, SubmissionId, specification_hash};
