//! Which task runs where, and when to try again. A pure state machine: events in, commands out.
//!
//! [`Scheduler::handle`] takes one event and the time since the start, and returns the commands to carry out. The driver also calls it
//! at [`Scheduler::next_deadline`] with [`Event::Tick`]. Nothing here blocks, does I/O, reads a clock or uses randomness, and equal events
//! yield equal commands.
//!
//! # The life of a job
//!
//! 1. **Submitted** (`declare`): the job's stages are matched with those that are known, by shuffle. A map stage whose outputs are complete
//!    is skipped; the others are requested, parents first.
//! 2. **Active** (`stages`, `queue`): a stage becomes active once every map stage that it reads is complete. Its pending tasks wait in the
//!    queue, in order of the first job that needs them.
//! 3. **Launched** (`scheduler`, `placement`): free slots are filled from the queue; a task goes where most of its input lies. Each launch is
//!    an attempt with a number of its own.
//! 4. **Reported** (`report`): a finished map task registers its output (`shuffles`), a finished result task its rows. A report counts only
//!    if its attempt is the current one.
//! 5. **Failed** (`report`, `recover`, `rollback`): see the rules below.
//! 6. **Over** (`job`): the job ends when its last result is delivered, when a limit is reached, or when it is cancelled. Stages that no
//!    other job needs are cancelled; map outputs stay, for later jobs.
//!
//! # Rules of failure, in order
//!
//! 1. A report about an attempt that is not current changes nothing.
//! 2. An attempt that was killed, or lost the right to commit, does not count; its task is pending again.
//! 3. An error of the program, and a loss of an executor that the program caused, counts: at `task_max_failures` the job fails.
//! 4. A fetch failure does not count against the reader. Every output that it names as missing or damaged is lost, its writer is pending
//!    again, and the reading stage waits; at `stage_max_consecutive_attempts` such rounds in a row the job fails.
//! 5. A lost executor loses its running attempts; outputs are lost with the volume that they are on, not with the executor.
//! 6. Where a lost output belongs to a stage whose rows differ from run to run, everything that read it is rolled back, or, if results of
//!    it are delivered, the job fails.
//!
//! # Promises, whatever comes late, twice, or in another order
//!
//! - An attempt is launched only while every map stage that it reads is complete, and never beyond an executor's slots.
//! - A map output is registered once per map at a time; one that was discarded does not come back.
//! - Each wanted result partition is delivered exactly once, and never made of two different runs of a stage that cannot be repeated.
//! - Every retry has a limit, every job ends once executors are there, and nothing of it is left behind but its map outputs.
//!
//! # When you change it
//!
//! Write the script first (`src/tests`, a sentence as its name). Match events and states by name, without a wildcard. Compare the attempt,
//! never only the task or the executor. Let `settle` bring the state to rest instead of acting at once. Extend `audit`, which checks every
//! invariant after every event, and the simulation (`tests/simulation`): a step in `faults`, a promise in `promises`, and in `broken`
//! a deliberate mistake that the promise must notice.

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
