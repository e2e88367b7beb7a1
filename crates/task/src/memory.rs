//! The memory of an executor's tasks, with Spark's shares: each of N running tasks gets at most 1/N
//! of it, and at least 1/2N before it has to give up. A task that asks for more than its share
//! spills, or fails; one whose share is held by others waits for them.
//!
//! What all tasks of a stage have in common (rows and hash tables of broadcasts) is of no task: the
//! shares are parts of the rest.

mod state;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use functions::Stop;
use state::{Answer, State};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Time until a waiting task looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// Name with which the rows of broadcasts are reserved.
pub(crate) const BROADCAST_ROWS: &str = "broadcast rows";

/// How long a task waits for others. They may wait for it: a limit that ends such circles.
const PATIENCE: Duration = Duration::from_mins(2);

/// The memory of all tasks (see the module).
#[derive(Debug)]
pub(crate) struct ExecutorMemory {
    state: Mutex<State>,
    /// Told when memory is freed or a share grows.
    freed: Condvar,
}

impl ExecutorMemory {
    pub(crate) fn new(size: usize) -> Self {
        Self { state: Mutex::new(State::new(size)), freed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic within a change would be a bug of the account itself; what it left is still the
        // best that is known.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory as one attempt sees it: what its operators reserve counts for its share.
#[derive(Debug)]
pub(crate) struct TaskMemory {
    all: Arc<ExecutorMemory>,
    task: u64,
    stop: Stop,
}

impl TaskMemory {
    /// The view of an attempt that starts now. It has a share until [`TaskMemory::end`].
    pub(crate) fn begin(all: &Arc<ExecutorMemory>, stop: &Stop) -> Arc<Self> {
        let task = all.lock().begin();
        Arc::new(Self { all: Arc::clone(all), task, stop: stop.clone() })
    }

    /// The attempt has ended: the others share what it does not hold.
    pub(crate) fn end(&self) {
        self.all.lock().end(self.task);
        self.all.freed.notify_all();
    }

    /// Whether the task may wait, at first or still. Other threads must be able to run those that
    /// it waits for.
    fn may_wait(&self, until: &mut Option<Instant>) -> bool {
        let others_run = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        let until = until.get_or_insert_with(|| Instant::now() + PATIENCE);
        others_run && self.stop.check().is_ok() && Instant::now() < *until
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let wait = || self.all.freed.wait_timeout(state, TICK);
        tokio::task::block_in_place(wait).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for TaskMemory {
    fn drop(&mut self) {
        self.all.lock().forget(self.task);
        self.all.freed.notify_all();
    }
}

impl MemoryPool for TaskMemory {
    fn name(&self) -> &'static str {
        "task"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.all.lock().register(self.task, consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.all.lock().unregister(self.task, consumer);
        self.all.freed.notify_all();
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.all.lock().grow(self.task, reservation.consumer(), additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.all.lock().shrink(self.task, reservation.consumer(), shrink);
        self.all.freed.notify_all();
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        let mut until = None;
        let mut state = self.all.lock();
        loop {
            match state.ask(self.task, consumer, additional) {
                Answer::Given => return Ok(()),
                Answer::Wait if self.may_wait(&mut until) => state = self.wait(state),
                Answer::Wait | Answer::TooMuch => {
                    let refusal = state.refusal(self.task, consumer, additional);
                    return Err(DataFusionError::ResourcesExhausted(refusal));
                }
            }
        }
    }

    fn reserved(&self) -> usize {
        self.all.lock().used()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.all.lock().size())
    }
}

impl fmt::Display for TaskMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the memory of task attempt {}", self.task)
    }
}

#[cfg(test)]
mod tests;
