//! Decides which task runs where and what is retried. A pure state machine: events in, commands
//! out.
//!
//! [`Scheduler::handle`] takes one event and the time since the start, and returns the commands to
//! carry out. The driver also calls it with [`Event::Tick`] when [`Scheduler::next_deadline`] is
//! due. Nothing here blocks, does I/O, reads a clock or uses randomness, and equal events yield
//! equal commands.
//!
//! # Terms
//!
//! A *job* is what one action needs: map stages, which write shuffles, and one result stage. A
//! *stage* has one task per partition; an *attempt* is one numbered try of a task, and is *in
//! flight* from its launch until its end is reported. It is *current* while its task waits for it;
//! a slow task may wait for two.
//! A *round* is one try of a stage as a whole: it ends when outputs that the stage reads are lost
//! while it runs.
//!
//! # The life of a job
//!
//! 1. **Submitted** (`lifecycle`): each map stage is matched by its shuffle with a known one.
//!    Starting at the result stage, incomplete stages are requested, and their inputs in turn; a
//!    complete stage is skipped, and so is everything that only it reads.
//! 2. **Active** (`stages`, `queue`): a requested stage waits until all its inputs are complete.
//!    Then it is active, and its pending tasks are queued: the oldest job first, within a job by
//!    stage.
//! 3. **Launched** (`launching`, `placement`): free slots are filled from the queue, once enough
//!    executors have come at the start (`gate`). A task goes to
//!    the executor with the most free slots, if possible one that mounts the volume with most of
//!    its input. Every launch is a new attempt. A task that runs much longer than the others of its
//!    stage gets a second one elsewhere (`speculation`).
//!    One that fails may not run there again (`exclusion`, `health`). A stage whose input is on
//!    certain executors or hosts leaves other slots free for a while (`delay`).
//! 4. **Reported** (`report`): a finished map task registers its output (`shuffles`), a finished
//!    result task has its result delivered. When a stage is complete, the stages that wait for it
//!    move on.
//! 5. **Failed** (`report`, `recover`, `rollback`): see the rules below.
//! 6. **Ended** (`lifecycle`): with the last result, at a limit, or when cancelled. Stages of no
//!    other job are cancelled and dropped; map outputs stay, for later jobs.
//!
//! # Rules of failure, in order
//!
//! 1. A report about an attempt that is not in flight changes nothing. A failure or a result counts
//!    only if its attempt is current; a map output also counts if its attempt was superseded,
//!    unless a later run has made it outdated. The first attempt of a task to succeed is the one
//!    that counts; the others are cancelled, which is no failure, and the outputs that they have
//!    written nevertheless are discarded.
//! 2. An attempt that was killed or denied the commit does not count; its task is pending again.
//! 3. An error of the program, and the loss of an executor that the program caused, count: at
//!    `task_max_failures` the jobs that need the task fail, and at once if no retry can help.
//! 4. A fetch failure does not count against the reader, nor against its stage if what it names was
//!    on volumes of executors that leave (with `ignore_leaving`). Every registered output that it
//!    names is lost; an unreachable one takes all others on its volume with it if no executor
//!    mounts that volume. Their tasks are pending again after `resubmit_wait`, which gathers
//!    further losses; the reading stage waits. At `stage_max_consecutive_attempts` failed rounds in
//!    a row the jobs fail.
//!    The executor that serves an unreachable one gets no tasks for a while, and those that it runs
//!    move elsewhere. If the reader's own executor was out of reach more often, that one does, and
//!    nothing is lost. If all would, none does.
//! 5. A lost executor loses its attempts in flight. Outputs are lost with their volume, not with
//!    the executor.
//! 6. A barrier stage is launched as a whole, when enough slots are free; no later stage takes
//!    them meanwhile. If one of its tasks has to run again, all have to: outputs of the others are
//!    discarded, and failed rounds are counted instead of failures of tasks. One that yields
//!    results fails its job, because they cannot be taken back.
//! 7. A job of single attempts fails with any failure of a task of its result stage, whatever the
//!    cause, and when a task that has been launched would have to run again on other input.
//! 8. A stage whose rows may differ from run to run is rerun as a whole (unless it was never
//!    complete, so that nothing has read it), and everything made from its earlier rows is rolled
//!    back. A job that has already delivered such a result fails. The same happens when a row
//!    checksum shows that rewritten rows differ.
//!
//! # Promises, even if events are late, repeated or reordered
//!
//! - The tasks of a barrier stage run all or none.
//! - An attempt is launched only while every map stage that it reads is complete, and never beyond
//!   an executor's slots; but of a stage whose tasks take next to no time a few may wait at their
//!   executor for a slot (`ahead`).
//! - Each map has at most one registered output at a time, and a discarded one does not come back.
//! - A task of the result stage of a job of single attempts is launched at most once.
//! - No task has more than two current attempts; one of a barrier stage or of a job of single
//!   attempts has one.
//! - Each wanted result partition is delivered exactly once, and never mixes two runs of a stage
//!   that cannot be repeated.
//! - Every retry has a limit, every job ends once executors are available, and it leaves nothing
//!   behind but its map outputs.
//!
//! # Check list for a change
//!
//! - Write the script first, in `src/tests`, with a sentence as its name.
//! - Match events and states by name, without a wildcard. Compare the attempt, never only the task
//!   or the executor.
//! - Put follow-up work on the `Agenda` and let `settle` bring the state to rest, instead of acting
//!   at once.
//! - Extend `audit`, which the tests run after every event.
//! - Extend the simulation in `tests/simulation`: a step in `faults`, a promise in `promises`, and
//!   in `broken` a deliberate mistake that the promise must notice.

mod ahead;
mod audit;
mod backlog;
mod delay;
mod event;
mod exclusion;
mod executors;
mod gate;
mod health;
mod job;
mod launching;
mod lifecycle;
mod moved;
mod placement;
mod pools;
mod progress;
mod queue;
mod reach;
mod recover;
mod report;
mod retention;
mod rollback;
mod scheduler;
mod shuffles;
mod speculation;
mod stage;
mod stages;
mod tasks;
#[cfg(test)]
mod tests;

pub use ahead::LaunchAhead;
pub use backlog::Backlog;
pub use delay::LocalityWait;
pub use event::{Command, DiscardReason, Event, JobFailure, JobShape, StageShape, TaskProgress};
pub use exclusion::Exclusion;
pub use gate::StartGate;
pub use job::StageProgress;
pub use pools::{DEFAULT_POOL, PoolOrder, PoolRules, Sharing};
pub use retention::{Retention, Surplus};
pub use scheduler::{Capacity, Limits, Scheduler};
pub use speculation::{Efficiency, Speculation};
pub use stage::Stage;
pub use tasks::TaskState;
