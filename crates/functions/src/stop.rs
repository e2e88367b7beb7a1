//! Stop flag of a running task, for what computes a long time on one batch and cannot be
//! interrupted otherwise.

use datafusion::common::{DataFusionError, Result};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stop flag of an attempt. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

thread_local! {
    static CURRENT: RefCell<Stop> = RefCell::default();
}

impl Stop {
    /// Makes the attempt fail at its next check.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Fails once the attempt is stopped.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            // The end of the task has already been reported.
            return Err(DataFusionError::Execution("the task was stopped".to_owned()));
        }
        Ok(())
    }

    /// Runs `work`, whose functions check this flag.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(self.clone());
        let done = work();
        CURRENT.set(outer);
        done
    }

    /// Fails once the attempt that the current thread works for is stopped.
    pub(crate) fn check_current() -> Result<()> {
        CURRENT.with_borrow(Self::check)
    }
}
