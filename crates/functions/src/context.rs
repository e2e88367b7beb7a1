//! The session settings that affect functions, and the state of the running task that some
//! functions read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The part of a session that functions depend on. Created per statement.
#[derive(Debug, Clone)]
pub struct Context {
    /// `spark.sql.ansi.enabled`: invalid values and overflows are errors, not null.
    pub ansi: bool,
    /// `spark.sql.session.timeZone`, a zone name or an offset.
    pub time_zone: String,
    /// Start time of the statement, in microseconds since 1970: the result of `current_timestamp()`
    /// within the statement.
    pub now_micros: i64,
    /// Base of the seeds of `rand()` and similar functions called without a seed.
    pub seed: i64,
    /// `current_user()`.
    pub user: String,
    /// `current_catalog()`.
    pub catalog: String,
    /// `current_database()`.
    pub database: String,
    /// `spark.sql.mapKeyDedupPolicy` is `LAST_WIN`: the last of several equal map keys wins;
    /// otherwise they are an error.
    pub last_key_wins: bool,
    /// `spark.sql.columnNameOfCorruptRecord`.
    pub corrupt_column: String,
    /// Counter for the IDs of calls whose functions keep state within a task.
    pub call_sites: Arc<AtomicI64>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            ansi: true,
            time_zone: "UTC".to_owned(),
            now_micros: 0,
            seed: 0,
            user: String::new(),
            catalog: "spark_catalog".to_owned(),
            database: "default".to_owned(),
            last_key_wins: false,
            corrupt_column: "_corrupt_record".to_owned(),
            call_sites: Arc::default(),
        }
    }
}

impl Context {
    /// An ID that is unique among the calls of the statement.
    pub(crate) fn call_site(&self) -> i64 {
        self.call_sites.fetch_add(1, Ordering::Relaxed)
    }

    /// The seed of a call without one: different for each call of the statement, as in Spark.
    pub(crate) fn next_seed(&self) -> i64 {
        const FAR_APART: i64 = 0x1E37_79B9_7F4A_7C15;
        self.seed.wrapping_add(self.call_site().wrapping_mul(FAR_APART))
    }
}

/// The state of a running task, as used by `rand`, `monotonically_increasing_id` and
/// `spark_partition_id`. Whoever polls the task's stream calls [`TaskState::enter`] before each
/// poll, because a stream may move between threads.
#[derive(Debug, Default)]
pub struct TaskState {
    partition: u32,
    /// By call site: the initial state for the next row, and a spare number (of a pair of normal
    /// variates).
    generators: Mutex<HashMap<i64, (i64, Option<f64>)>>,
}

thread_local! {
    static CURRENT: RefCell<Arc<TaskState>> = RefCell::default();
}

impl TaskState {
    /// The initial state of a task that computes the given partition.
    pub fn new(partition: u32) -> Arc<Self> {
        Arc::new(Self { partition, ..Self::default() })
    }

    /// Makes this the task of the current thread.
    pub fn enter(self: &Arc<Self>) {
        CURRENT.set(Arc::clone(self));
    }

    /// The task of the current thread, or one of partition 0 if none was entered.
    pub(crate) fn current() -> Arc<Self> {
        CURRENT.with_borrow(Arc::clone)
    }

    pub(crate) fn partition(&self) -> u32 {
        self.partition
    }

    /// Runs `work` on the state of a call site.
    pub(crate) fn with_generator<T>(
        &self,
        call_site: i64,
        start: impl FnOnce() -> i64,
        work: impl FnOnce(&mut (i64, Option<f64>)) -> T,
    ) -> T {
        let mut generators = self.generators.lock().unwrap_or_else(PoisonError::into_inner);
        work(generators.entry(call_site).or_insert_with(|| (start(), None)))
    }
}
