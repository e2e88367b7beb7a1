//! Which task runs where, and when to try again. A pure state machine: events in, commands out.
//!
//! [`Scheduler::handle`] takes one event and the time since the start, and returns what is to be done. The driver also calls it at
//! [`Scheduler::next_deadline`] with [`Event::Tick`]. Nothing here waits, sends, reads a clock or throws dice, and equal events yield
//! equal commands.
//!
//! What it promises, whatever comes late, twice, or in another order:
//!
//! - an attempt is launched only while every map stage that it reads is complete, and never beyond an executor's slots;
//! - a map output is registered once per map at a time; one that was discarded does not come back;
//! - each wanted result partition is delivered exactly once, and never made of two different runs of a stage that cannot be repeated;
//! - every retry has a limit, every job ends once executors are there, and nothing of it is left behind but its map outputs.

mod audit;
mod declare;
mod event;
mod executors;
mod job;
mod placement;
mod progress;
mod queue;
mod recover;
mod report;
mod rollback;
mod scheduler;
mod shuffles;
mod stage;
mod stages;
mod tasks;
#[cfg(test)]
mod tests;

pub use event::{Command, DiscardReason, Event, JobFailure, JobShape, StageShape};
pub use job::StageProgress;
pub use scheduler::{Limits, Scheduler};
pub use stage::Stage;
pub use tasks::TaskState;
