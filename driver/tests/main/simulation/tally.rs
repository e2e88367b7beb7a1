//! How often things happened: a world in which nothing happens proves nothing.

/// How often things happened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) finished: u64,
    pub(crate) failed: u64,
    pub(crate) abandoned: u64,
    pub(crate) too_large: u64,
    pub(crate) overdue: u64,
    pub(crate) killed: u64,
    pub(crate) not_started: u64,
    pub(crate) silent: u64,
    pub(crate) stuck: u64,
    pub(crate) cut: u64,
    pub(crate) late: u64,
    pub(crate) refused: u64,
    pub(crate) retired: u64,
    pub(crate) decommissioned: u64,
    pub(crate) driver_froze: u64,
    pub(crate) manager_disconnects: u64,
    pub(crate) manager_late: u64,
    pub(crate) ended_early: u64,
    /// Drivers that learned that a newer one has taken over.
    pub(crate) superseded: u64,
    /// Outputs that went because no job used them any more.
    pub(crate) outlasted: u64,
    pub(crate) lost_volumes: u64,
    pub(crate) inherited_volumes: u64,
    pub(crate) damaged: u64,
    pub(crate) fetch_failures: u64,
    pub(crate) adopted: u64,
    pub(crate) second_ends: u64,
    /// Tasks that waited at an executor for slots.
    pub(crate) waited_for_slots: u64,
    pub(crate) repeated_launches: u64,
    pub(crate) parts: u64,
    /// Attempts of barrier stages that met the others.
    pub(crate) met: u64,
    /// Jobs that failed because their tasks start at most once.
    pub(crate) single_attempts_failed: u64,
    pub(crate) unwatched: u64,
    /// Outputs that are gone, because the program has given them up.
    pub(crate) given_up: u64,
    /// Caches of which something was stored when somebody asked.
    pub(crate) stored: u64,
    /// Shuffles of which something was known when somebody asked.
    pub(crate) sizes: u64,
    /// Jobs that wanted map outputs alone.
    pub(crate) maps_alone: u64,
    pub(crate) reruns: u64,
    /// Executors that were sent away because they are idle.
    pub(crate) released: u64,
    /// Outputs that were copied because their executor leaves, and those that could not be.
    pub(crate) moved: u64,
    pub(crate) not_moved: u64,
    /// Wishes for more executors than before.
    pub(crate) grown: u64,
    /// Second attempts of slow tasks.
    pub(crate) copies: u64,
    /// Executors that were replaced because a task could not run anywhere.
    pub(crate) replaced: u64,
}
