//! Python data sources of a session: how they are registered, and writes to them.

use super::Session;
use crate::{RunJob, Unfinished};
use analysis::{Purpose, SourceAnswer, SourceScan};
use arrow::array::{Array, AsArray};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::LogicalPlan;
use errors::condition;
use functions::spark_error;
use model::conf::PYTHON_FILTER_PUSHDOWN;
use plan::{
    DataType, EvalType, Field, PythonFunction, PythonMap, PythonSourceCall, Relation, RelationKind,
    SaveMode, SparkError, Write, WriteTarget,
};
use serde_json::{Value, json};
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
        self.state().python.register_source(source);
        Ok(())
    }

    /// The registered data source that a write names.
    pub(super) fn python_source(&self, format: Option<&str>) -> Option<Arc<PythonFunction>> {
        self.state().python.source(format?).map(Arc::clone)
    }

    /// Writes rows to a data source: each task yields a message, and the source commits them all.
    pub(super) async fn write_to_source(
        &self,
        source: &Arc<PythonFunction>,
        write: &Write,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let provider = write.format.as_deref().unwrap_or(&source.name);
        check_mode(provider, write.mode)?;
        if !write.partition_by.is_empty() {
            return Err(SparkError::unsupported("partitionBy of a write to a Python data source"));
        }
        let fields = self.analyze(&write.input, run).await?.schema;
        let path = match &write.target {
            WriteTarget::Path(path) => std::slice::from_ref(path),
            _ => &[],
        };
        let request = json!({
            "operation": "write",
            "provider": provider,
            "schema": DataType::Struct(fields).json(),
            "options": analysis::source_options(&write.options, path, &self.planning_conf())?,
            "overwrite": write.mode == SaveMode::Overwrite,
        });
        let mut objects =
            self.ask_source(source, &request, Vec::new(), run).await?.objects.into_iter();
        let (Some(function), Some(writer)) = (objects.next(), objects.next()) else {
            return Err(SparkError::internal("a Python data source yielded no writer"));
        };
        let (messages, failure) = match self.written(source, &function, write, run).await {
            Ok(messages) => (messages, None),
            Err(Unfinished { error, done }) => (done, Some(error)),
        };
        let mut objects = vec![writer];
        objects.extend(messages.iter().map(|rows| rows.as_deref().map_or_else(Vec::new, message)));
        let request = json!({ "operation": "commit" });
        let ended = match failure {
            None => self.ask_source(source, &request, objects.clone(), run).await.map(drop),
            Some(error) => Err(error),
        };
        let Err(error) = ended else { return Ok(()) };
        let request = json!({ "operation": "abort" });
        if let Err(problem) = self.ask_source(source, &request, objects, run).await {
            tracing::warn!("a write to the data source {provider} was not aborted: {problem}");
        }
        Err(error)
    }

    /// Runs the tasks of a write; their rows, by partition.
    async fn written(
        &self,
        source: &PythonFunction,
        function: &[u8],
        write: &Write,
        run: &dyn RunJob,
    ) -> Result<Vec<Option<Vec<RecordBatch>>>, Unfinished> {
        let message = Field::new("message", DataType::Binary, true);
        let function = PythonFunction {
            eval_type: EvalType::MAP_ARROW_ITER,
            command: Arc::from(function),
            output: DataType::Struct(vec![message]),
            ..source.clone()
        };
        let map = PythonMap {
            function: Arc::new(function),
            inputs: vec![write.input.clone()],
            keys: Vec::new(),
            barrier: false,
        };
        // Profiles of the write are numbered in the frame that is written.
        let kind = Box::new(RelationKind::PythonMap(map));
        let relation = Relation { plan_id: write.input.plan_id, kind };
        let analyzed = self.resolve(&relation, Purpose::Run, None, run).await?;
        self.observe(&analyzed, run).await?;
        let conf = self.planning_conf();
        let job = crate::plan_job(&self.shared.state, &analyzed.plan, &conf, run).await?;
        Ok(run.run_partly(job).await?.into_iter().map(Some).collect())
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
    async fn ask_source(
        &self,
        source: &Arc<PythonFunction>,
        request: &Value,
        objects: Vec<Vec<u8>>,
        run: &dyn RunJob,
    ) -> Result<SourceAnswer, SparkError> {
        let (source, request) = (Arc::clone(source), request.to_string());
        let call = PythonSourceCall { source, request, objects };
        let relation = RelationKind::PythonSource(call).into();
        let answer = Box::pin(self.rows_of(&relation, None, run)).await?;
        SourceAnswer::of(&answer.batches)
    }
}

/// The message in the rows of a task.
fn message(rows: &[RecordBatch]) -> Vec<u8> {
    let columns = rows.iter().filter_map(|batch| batch.column(0).as_binary_opt::<i32>());
    let mut messages = columns.filter(|column| !column.is_empty());
    messages.next().map_or_else(Vec::new, |column| column.value(0).to_vec())
}

/// A source can only be appended to or overwritten.
fn check_mode(provider: &str, mode: SaveMode) -> Result<(), SparkError> {
    let mode = match mode {
        SaveMode::Append | SaveMode::Overwrite => return Ok(()),
        SaveMode::ErrorIfExists => "\"ErrorIfExists\"",
        SaveMode::Ignore => "\"Ignore\"",
    };
    let message = format!(
        "The data source \"{provider}\" cannot be written in the {mode} mode. Please use either the \"Append\" or \"Overwrite\" mode instead."
    );
    let parameters = [("source", provider), ("createMode", mode)];
    Err(SparkError::analysis(condition::UNSUPPORTED_DATA_SOURCE_SAVE_MODE, message, &parameters))
}
