//! Everything that knows Spark Connect: its messages to `plan`, results to its messages.

mod backend;

pub use backend::{
    Backend, Operation, Progress, Response, Responses, Session, SessionKey, StageProgress,
    StorageLevel, Work,
};
