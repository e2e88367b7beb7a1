//! The operator: everything that creates, changes or deletes pods.
//!
//! This is its core, which decides and does nothing: what is observed of an application's children, and what follows. A pass is a pure
//! function of the resource, its children, what the driver said last, the time and a fresh token; its outcome is a status to write
//! first, changes to make then, and a time to come again. It may be repeated, left half done, or begun with old observations at any
//! point: the status is written only over the version that was read, children have deterministic names and are created, never
//! overwritten, and are deleted by uid.

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
