//! Python data sources: how they are asked, and scans of them.

use super::scan::SourceScan;
use super::whole;
use crate::facts::{Fact, Want};
use crate::scope::Scope;
use crate::{Env, Purpose, Resolved, Resolver, Result, error};
use arrow::array::{Array, AsArray};
use arrow::record_batch::RecordBatch;
use errors::condition;
use model::conf::{Conf, PATH_OPTION_BEHAVIOR};
use plan::{
    DataType, Field, PythonFunction, PythonSourceCall, Relation, RelationKind, ScanOptions,
    SchemaOrText, SparkError, WorkerKind,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The answer of a data source to a request.
#[derive(Debug, Clone)]
pub struct SourceAnswer {
    /// What it says.
    pub content: Value,
    /// The pickled objects that belong to it.
    pub objects: Vec<Vec<u8>>,
}

impl SourceAnswer {
    /// The answer in the rows of a [`RelationKind::PythonSource`].
    pub fn of(batches: &[RecordBatch]) -> std::result::Result<Self, SparkError> {
        let mut rows = Vec::new();
        for batch in batches {
            let Some(column) = batch.columns().first().and_then(|c| c.as_binary_opt::<i32>())
            else {
                return Err(unreadable());
            };
            rows.extend((0..column.len()).map(|row| column.value(row).to_vec()));
        }
        if rows.is_empty() {
            return Err(unreadable());
        }
        let content: Value = serde_json::from_slice(&rows.remove(0)).map_err(|_| unreadable())?;
        let text = |key: &str| content.get(key).and_then(Value::as_str);
        match (text("error"), text("action"), text("type")) {
            (Some(problem), Some(action), Some(kind)) => Err(SparkError::analysis(
                condition::PYTHON_DATA_SOURCE_ERROR,
                format!("Failed to {action} Python data source {kind}: {problem}"),
                &[("action", action), ("type", kind), ("msg", problem)],
            )),
            _ => Ok(Self { content, objects: rows }),
        }
    }
}

fn unreadable() -> SparkError {
    SparkError::internal("the answer of a Python data source cannot be read")
}

/// The options that a data source gets: the given ones, and the paths as one of them.
pub fn source_options(
    options: &[(String, String)],
    paths: &[String],
    conf: &Conf,
) -> std::result::Result<Value, SparkError> {
    let mut made: serde_json::Map<String, Value> =
        options.iter().map(|(key, value)| (key.to_lowercase(), value.clone().into())).collect();
    let given = made.contains_key("path") || made.contains_key("paths");
    if given && !paths.is_empty() && !conf.get(&PATH_OPTION_BEHAVIOR)? {
        let key = PATH_OPTION_BEHAVIOR.name;
        let message = format!(
            "There is a 'path' or 'paths' option set and load() is called with path parameters. Either remove the path option if it's the same as the path parameter, or add it to the load() parameter if you do want to read multiple paths. To ignore this check, set '{key}' to 'true'."
        );
        let class = condition::LEGACY_ERROR_TEMP_1306;
        return Err(SparkError::analysis(class, message, &[("config", key)]));
    }
    match paths {
        [] => {}
        [path] => {
            made.insert("path".to_owned(), path.clone().into());
        }
        paths => {
            made.insert("paths".to_owned(), json!(paths).to_string().into());
        }
    }
    Ok(Value::Object(made))
}

impl Resolver<'_> {
    /// Resolves a scan of a data source.
    pub(crate) fn python_scan(
        &mut self,
        source: &Arc<PythonFunction>,
        options: &ScanOptions,
    ) -> Result<Resolved> {
        let given = match &options.schema {
            Some(SchemaOrText::Schema(fields)) => Some(DataType::Struct(fields.clone()).json()),
            _ => None,
        };
        let request = json!({
            "operation": "create",
            "provider": options.format.as_deref().unwrap_or(&source.name),
            "schema": given,
            "options": source_options(&options.options, &options.paths, &self.context.conf)?,
        });
        let SourceAnswer { content, objects } = self.ask(source, &request, Vec::new())?;
        let fields = self.source_schema(&content)?;
        let (columns, schema) = self.declared(&fields)?;
        let instance = objects.into_iter().next().unwrap_or_default();
        let profile = self.profile()?;
        let scan = SourceScan { source: Arc::clone(source), instance, fields, schema, profile };
        let plan = match self.context.purpose {
            // Readers are only made for a run. The instance stands for what would be read.
            Purpose::Schema => scan.reading(&scan.instance, &[Vec::new()])?,
            Purpose::Show | Purpose::Run => scan.plan(),
        };
        Ok(Resolved::new(plan, Scope::new(columns)))
    }

    /// Resolves a request to a data source.
    pub(crate) fn python_source(&mut self, call: &PythonSourceCall) -> Result<Resolved> {
        let mut rows = vec![call.request.clone().into_bytes()];
        rows.extend(call.objects.iter().cloned());
        let input = self.local_partitions(&[rows])?;
        let sent = self.worker_input(&input, &[])?;
        let fields = vec![Field::new("answer", DataType::Binary, false)];
        let call = whole(&call.source);
        self.rows_of_call(WorkerKind::Source, (input.plan, sent), call, fields)
    }

    /// What a data source answers to a request.
    fn ask(
        &mut self,
        source: &Arc<PythonFunction>,
        request: &Value,
        objects: Vec<Vec<u8>>,
    ) -> Result<SourceAnswer> {
        let source = Arc::clone(source);
        let call = PythonSourceCall { source, request: request.to_string(), objects };
        let relation: Relation = RelationKind::PythonSource(call).into();
        match self.facts.get(Want::Rows(relation, Env::default()))? {
            Fact::Rows { batches, .. } => Ok(SourceAnswer::of(batches)?),
            Fact::Files(_) => Err(unreadable().into()),
        }
    }

    /// The schema in an answer: as JSON, or as text.
    fn source_schema(&self, content: &Value) -> Result<Vec<Field>> {
        let text = |key: &str| content.get(key).and_then(Value::as_str);
        let (shown, found) = match (text("schema"), text("text")) {
            (Some(json), _) => (json, DataType::from_json(json).map_err(|_| unreadable())?),
            (None, Some(text)) => {
                (text, self.context.parser.data_type(text).map_err(SparkError::from)?)
            }
            (None, None) => return Err(unreadable().into()),
        };
        let DataType::Struct(fields) = found else {
            let found = format!("\"{}\"", found.sql());
            let message = format!(
                "The input schema {shown} is not a valid schema string. The input expression should be evaluated to struct type, but got {found}."
            );
            let parameters = [("inputSchema", shown), ("dataType", found.as_str())];
            return Err(error::analysis(
                condition::INVALID_SCHEMA_NON_STRUCT_TYPE,
                message,
                &parameters,
            ));
        };
        Ok(fields)
    }
}
