//! The tests' shared harness: a runner in a temporary directory, and answers in comparable form.

use crate::local::LocalRunner;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use engine::{JobPlan, RunJob, plan_job, session_state};
use model::ByteSize;
use model::conf::Conf;
use tempfile::TempDir;

/// A runner and its working directory.
pub(crate) struct World {
    pub(crate) runner: LocalRunner,
    pub(crate) state: SessionState,
    pub(crate) conf: Conf,
    _directory: TempDir,
}

impl World {
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        Self::with_memory(settings, 4, ByteSize::mib(1024))
    }

    /// A runner with this many task slots, which share this much memory.
    pub(crate) fn with_memory(settings: &[(&str, &str)], slots: u32, memory: ByteSize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let conf: Conf = settings.iter().copied().collect();
        Self {
            runner: LocalRunner::new(directory.path(), slots, memory).expect("a runner"),
            state: session_state(&conf).expect("a profile"),
            conf,
            _directory: directory,
        }
    }

    pub(crate) async fn plan(&self, plan: &LogicalPlan) -> JobPlan {
        plan_job(&self.state, plan, &self.conf, &self.runner).await.expect("the plan can be cut")
    }

    pub(crate) async fn run(&self, plan: &LogicalPlan) -> Vec<RecordBatch> {
        let job = self.plan(plan).await;
        self.runner.run(job).await.expect("the job runs").into_iter().flatten().collect()
    }
}

/// Rows as text, in order. Fractions are truncated to six digits: sums depend on the order of
/// summation.
pub(crate) fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| {
                ArrayFormatter::try_new(column, &options).expect("a column can be displayed")
            })
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<_> =
                columns.iter().map(|column| shortened(&column.value(row).to_string())).collect();
            rows.push(values.join("|"));
        }
    }
    rows
}

fn shortened(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) if value.contains('.') => format!("{number:.4}"),
        _ => value.to_owned(),
    }
}
