//! Which task runs where, and when to try again. A pure state machine: events in, commands out.

mod event;

pub use event::{Command, Event, JobFailure, JobShape, StageShape};
