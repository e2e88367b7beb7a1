//! Python data sources of a session: how they are registered, asked and read.

use super::Session;
use crate::{JobPlan, RunJob};
use analysis::{Purpose, SourceAnswer, SourceScan};
use datafusion::logical_expr::LogicalPlan;
use errors::condition;
use functions::spark_error;
use futures::future::BoxFuture;
use model::conf::PYTHON_FILTER_PUSHDOWN;
use plan::{PythonFunction, PythonSourceCall, Relation, RelationKind, SparkError};
use serde_json::Value;
use std::sync::Arc;

impl Session {
    /// Registers a data source; it replaces one of the program's own.
    pub(super) fn register_source(&self, source: &Arc<PythonFunction>) -> Result<(), SparkError> {
        let name = &source.name;
        if sources::is_built_in(name) {
            let message = format!(
                "Data source '{name}' already exists. Please choose a different name for the new data source."
            );
            let parameters = [("provider", name.as_str())];
            let class = condition::DATA_SOURCE_ALREADY_EXISTS;
            return Err(SparkError::analysis(class, message, &parameters));
        }
        self.change().python.register_source(source);
        Ok(())
    }

    /// The registered data source that a write names.
    pub(super) fn python_source(&self, format: Option<&str>) -> Option<Arc<PythonFunction>> {
        self.state().python.source(format?).map(Arc::clone)
    }

    /// A plan with readers of the data sources that it scans.
    pub(super) async fn with_readers(
        &self,
        plan: LogicalPlan,
        run: &dyn RunJob,
    ) -> Result<LogicalPlan, SparkError> {
        let scans = SourceScan::all(&plan).map_err(|error| spark_error(&error))?;
        if scans.is_empty() {
            return Ok(plan);
        }
        let conf = self.planning_conf();
        let offers = conf.get(&PYTHON_FILTER_PUSHDOWN)?;
        let optimized = if offers {
            Some(crate::optimized_plan(&self.shared.state, &plan, &conf)?)
        } else {
            None
        };
        let mut readers = Vec::new();
        for scan in scans {
            let filters = optimized.as_ref().map(|plan| scan.filters(plan)).transpose();
            let filters = filters.map_err(|error| spark_error(&error))?;
            let request = scan.request(filters.unwrap_or_default());
            let instance = vec![scan.instance.clone()];
            let answer = self.ask_source(&scan.source, &request, instance, run).await?;
            readers.push((scan, answer.objects));
        }
        SourceScan::with_readers(plan, &readers).map_err(|error| spark_error(&error))
    }

    /// What a data source answers to a request.
    pub(super) async fn ask_source(
        &self,
        source: &Arc<PythonFunction>,
        request: &Value,
        objects: Vec<Vec<u8>>,
        run: &dyn RunJob,
    ) -> Result<SourceAnswer, SparkError> {
        let relation = asked(source, request, objects);
        let answer = Box::pin(self.rows_of(&relation, None, run)).await?;
        SourceAnswer::of(&answer.batches)
    }

    /// The job of one task, started at most once, that asks a data source. Boxed, because a plan
    /// may contain commands, and these write.
    pub(super) fn source_job<'a>(
        &'a self,
        source: &Arc<PythonFunction>,
        request: &Value,
        objects: Vec<Vec<u8>>,
        run: &'a dyn RunJob,
    ) -> BoxFuture<'a, Result<JobPlan, SparkError>> {
        let relation = asked(source, request, objects);
        Box::pin(async move {
            let plan = self.resolve(&relation, Purpose::Run, None, run).await?.plan;
            let conf = self.planning_conf();
            let job = crate::plan_job(&self.shared.state, &plan, &conf, run).await?;
            Ok(JobPlan { single_attempt: true, ..job })
        })
    }
}

fn asked(source: &Arc<PythonFunction>, request: &Value, objects: Vec<Vec<u8>>) -> Relation {
    let (source, request) = (Arc::clone(source), request.to_string());
    RelationKind::PythonSource(PythonSourceCall { source, request, objects }).into()
}
