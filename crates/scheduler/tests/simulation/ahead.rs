//! The promises about tasks that wait at executors: which may, how many, and how long.

use model::ExecutorId;
use scheduler::{LaunchAhead, Stage};
use std::time::Duration;

/// When tasks wait at executors in this world.
pub(crate) const RULES: LaunchAhead = LaunchAhead {
    brisk: Duration::from_millis(300),
    finished: 1,
    depth: 2,
    patience: Duration::from_millis(100),
};

/// An executor gets more than it has slots for only of tasks that may wait there, and not many.
/// `taken`: slots of all that it has now, but what was cancelled.
pub(crate) fn check(
    executor: ExecutorId,
    stage: &Stage,
    (taken, slots): (u32, u32),
) -> Result<(), String> {
    if taken <= slots {
        return Ok(());
    }
    if !stage.may_wait_at_executors() {
        return Err(format!("a task of {} waits at {executor}", stage.id()));
    }
    if taken > slots * (1 + RULES.depth) {
        return Err(format!("{executor} has tasks for {taken} slots, of which it has {slots}"));
    }
    Ok(())
}
