//! What an attempt has read so far, for whoever asks while it runs, or when it has failed.

use super::ShuffleReadExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use model::TaskMetrics;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Reads an attempt's metrics from the plan that it runs.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<Mutex<Reading>>);

#[derive(Debug, Default)]
struct Reading {
    /// The plan that runs.
    plan: Option<Weak<dyn ExecutionPlan>>,
    /// What plans did that have ended without success.
    ended: TaskMetrics,
}

impl Gauge {
    /// What the attempt did so far, but for what it yields, which counts with its success.
    pub fn metrics(&self) -> TaskMetrics {
        let reading = self.reading();
        let mut found = reading.ended;
        if let Some(plan) = reading.plan.as_ref().and_then(Weak::upgrade) {
            add(plan.as_ref(), &mut found);
        }
        found
    }

    /// The plan that runs, for people; empty if none does.
    pub fn plan(&self) -> String {
        let plan = self.reading().plan.as_ref().and_then(Weak::upgrade);
        plan.map(|plan| displayable(plan.as_ref()).indent(false).to_string()).unwrap_or_default()
    }

    /// A plan is about to run.
    pub(crate) fn begin(&self, plan: &Arc<dyn ExecutionPlan>) {
        self.reading().plan = Some(Arc::downgrade(plan));
    }

    /// It has ended without success.
    pub(crate) fn fail(&self, plan: &dyn ExecutionPlan) {
        let mut reading = self.reading();
        reading.plan = None;
        add(plan, &mut reading.ended);
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the metrics of a plan.
pub(crate) fn add(plan: &dyn ExecutionPlan, found: &mut TaskMetrics) {
    // A shared hash join has the metrics of all tasks, and none that count here.
    if !plan.is::<HashJoinExec>()
        && let Some(metrics) = plan.metrics()
    {
        let sum = |name| metrics.sum_by_name(name).map(|value| value.as_usize() as u64);
        found.spilled_bytes += metrics.spilled_bytes().unwrap_or(0) as u64;
        if plan.is::<ShuffleReadExec>() {
            found.shuffle_read_bytes += sum("bytes_read").unwrap_or(0);
            found.shuffle_read_rows += sum("rows_read").unwrap_or(0);
        }
        // Every scan of a source counts the bytes it reads.
        if let (Some(bytes), Some(rows)) = (sum("bytes_scanned"), metrics.output_rows()) {
            found.input_bytes += bytes;
            found.input_rows += rows as u64;
        }
    }
    plan.children().into_iter().for_each(|child| add(child.as_ref(), found));
}
