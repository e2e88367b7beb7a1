//! Everything that knows Spark Connect: its messages to `plan`, results to its messages.
//!
//! `routes` is the entry point: the whole service over a `Backend`, which the driver implements. A
//! request becomes a `plan` (`relation`, `expression`, `command`, `types` …), the backend runs it,
//! and its answers are kept per operation until the client has released them, so that a client may
//! reattach after any answer.
//!
//! Messages are decoded and converted recursively: the runtime that serves this needs threads with
//! `STACK_BYTES` of stack.

mod analyze;
mod artifacts;
mod backend;
mod catalog;
mod codec;
mod command;
mod config;
mod context;
mod error;
mod execute;
mod execution;
mod expression;
mod ipc;
mod json_type;
mod limits;
mod literal;
mod properties;
mod python;
mod relation;
mod resources;
mod service;
mod session;
mod status;
mod types;

/// The messages of Spark Connect, generated from `proto/`.
#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    missing_docs,
    unused_qualifications,
    reason = "generated code"
)]
#[cfg_attr(doc, expect(rustdoc::all, reason = "generated comments"))]
pub mod pb {
    include!("generated/spark.connect.rs");
}

/// The messages of `rdd.proto`.
#[expect(clippy::pedantic, missing_docs, reason = "generated code")]
pub mod rdd_pb {
    include!("generated/firesteel.connect.v1.rs");
}

pub use backend::{
    Backend, Operation, Progress, Response, Responses, Session, SessionKey, StageProgress, Work,
};
pub use limits::MESSAGE_LIMIT_BYTES;
pub use service::{STACK_BYTES, routes};
